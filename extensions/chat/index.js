// Asks a language model. Leaves out providers, keys and prices, which are the host's.
import model from "symphony:host/model@0.1.0";
import { instrument, json, text } from "symphony";

const ROLES = ["system", "user", "assistant"];

export const inference = instrument((call) => {
  const messages = [];
  const system = call.input("system");
  if (system) messages.push({ role: "system", content: system });
  for (const [i, said] of Object.entries(call.input("history") ?? [])) {
    if (!ROLES.includes(said?.role) || typeof said?.content !== "string")
      call.fail("invalid-input", "chat.history", `message ${i} of the history is ${JSON.stringify(said).slice(0, 80)}; expected { role, content } with a role of ${ROLES.join(", ")}`, "history");
    messages.push({ role: said.role, content: said.content });
  }
  messages.push({ role: "user", content: call.input("prompt") });
  const maxTokens = call.setting("maxTokens");
  const jsonAnswer = call.setting("jsonAnswer");
  const reply = model.chatStream(call.setting("model"), messages, {
    maxTokens,
    temperature: call.setting("temperature"),
    seed: call.setting("seed"),
    stop: call.setting("stop"),
    jsonAnswer,
  });
  let pieces = 0;
  for (let piece = reply.next(); piece !== null && piece !== undefined; piece = reply.next()) {
    pieces++;
    if (call.cancelled) break;
    call.progress(maxTokens ? Math.min(0.99, pieces / maxTokens) : 0, `${pieces} pieces`);
  }
  const { text: said, finish, model: name, usage } = reply.answer();
  call.output("text", text(said));
  if (jsonAnswer) {
    let data;
    try {
      data = JSON.parse(said);
    } catch {
      call.failForNow("unavailable", "chat.not-json", `the answer was to be JSON, and is ${JSON.stringify(said.slice(0, 120))}${finish === "length" ? "; it was cut at maxTokens" : ""}`);
    }
    call.output("json", json(data));
  }
  call.output("usage", json({ model: name, finish, inputTokens: usage.inputTokens, outputTokens: usage.outputTokens, cost: usage.cost }));
});
