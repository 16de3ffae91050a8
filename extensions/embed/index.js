// Turns texts into vectors, some at a time.
import model from "symphony:host/model@0.1.0";
import { instrument, items, json } from "symphony";

export const inference = instrument((call) => {
  const texts = call.input("texts");
  if (texts.length === 0) call.fail("invalid-input", "embed.nothing", "there are no texts", "texts");
  const batch = call.setting("batch");
  const vectors = [];
  const used = { model: "", inputTokens: 0, cost: 0 };
  for (let at = 0; at < texts.length; at += batch) {
    const { vectors: some, model: name, usage } = model.embed(call.setting("model"), texts.slice(at, at + batch));
    for (const vector of some) vectors.push(json(Array.from(vector)));
    used.model = name;
    used.inputTokens += usage.inputTokens;
    used.cost += usage.cost;
    call.progress(Math.min(1, (at + batch) / texts.length), `${Math.min(texts.length, at + batch)} of ${texts.length}`);
  }
  call.output("vectors", items(vectors));
  call.output("usage", json(used));
});
