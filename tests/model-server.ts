// A server that speaks OpenAI's protocol, for tests: a process of its own with the faults of real ones. The model's name says what it
// does: `echo` answers with what it was asked, `slow`, `cut`, `busy-2` (429 twice, then well), `broken-2` (500 twice), `garbage`,
// `no-stream`, `no-usage`, `forbidden`, `stalls`, `leaks` (sends the key back), `endless`. Prints its port, ends with its standard input.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import process from "node:process";

const asked = new Map<string, number>();
let requests = 0;

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

const words = (text: string): string[] => text.match(/\S+\s*/g) ?? [];
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function stream(response: ServerResponse, model: string, text: string, kind: "chat" | "text", tokens: number): Promise<void> {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  const send = (data: unknown): void => void response.write(`data: ${JSON.stringify(data)}\n\n`);
  const chunk = (piece: string, finish: string | null): object => ({
    id: "x",
    model: `${model}-2026`,
    choices: [kind === "chat" ? { index: 0, delta: { content: piece }, finish_reason: finish } : { index: 0, text: piece, finish_reason: finish }],
  });
  response.write(": keep-alive\n\n");
  let said = 0;
  for (const piece of words(text)) {
    if (response.destroyed) return;
    send(chunk(piece, null));
    said++;
    if (model === "slow") await sleep(20);
    if (model === "cut" && said === 2) {
      response.destroy();
      return;
    }
    if (model === "garbage-event" && said === 2) {
      response.end("data: {not json\n\n");
      return;
    }
    if (model === "stalls" && said === 2) return;
  }
  while (model === "endless" && !response.destroyed) {
    send(chunk("x".repeat(10_000), null));
    await sleep(0);
  }
  send(chunk("", "stop"));
  if (model !== "no-usage") send({ model, choices: [], usage: { prompt_tokens: tokens, completion_tokens: words(text).length } });
  response.end("data: [DONE]\n\n");
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  requests++;
  if (request.url === "/count") {
    json(response, 200, { requests });
    return;
  }
  let text = "";
  for await (const piece of request) text += String(piece);
  const body = JSON.parse(text) as { model: string; messages?: { role: string; content: string }[]; prompt?: string; input?: string[]; stream?: boolean };
  const { model } = body;
  const key = `${request.url} ${model}`;
  const times = (asked.get(key) ?? 0) + 1;
  asked.set(key, times);
  const [, fault, count] = /^(busy|broken)-(\d+)$/.exec(model) ?? [];
  if (fault === "busy" && times <= Number(count)) return json(response, 429, { error: { message: "slow down" } }, { "retry-after": "0.05" });
  if (fault === "broken" && times <= Number(count)) return json(response, 500, { error: { message: "it broke" } });
  if (model === "forbidden") return json(response, 401, { error: { message: `wrong key ${request.headers.authorization ?? "none"}` } });
  if (model === "unknown") return json(response, 404, { error: { message: "no such model" } });
  if (model === "garbage") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end("<html>oops");
    return;
  }
  if (model === "nothing") return json(response, 200, {});
  if (model === "brackets") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end("[".repeat(8_000_000));
    return;
  }
  const given = (request.headers.authorization ?? "").replace("Bearer ", "");
  if (model.startsWith("leaks-")) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = (content: string, finish: string | null, name = model): string =>
      `data: ${JSON.stringify({ model: name, choices: [{ delta: { content }, finish_reason: finish }] })}\n\n`;
    if (model === "leaks-slowly") for (const letter of `it is ${given}, and that is it`) response.write(chunk(letter, null));
    else if (model === "leaks-model") response.write(chunk("x", null, given));
    else {
      response.end(`data: ${given} is no JSON\n\n`);
      return;
    }
    response.end(`${chunk("", "stop")}data: [DONE]\n\n`);
    return;
  }
  if (model === "hangs") return;
  if (request.url === "/v1/embeddings") {
    const input = body.input ?? [];
    if (model === "short") return json(response, 200, { data: [{ index: 0, embedding: [1] }] });
    if (model === "odd") return json(response, 200, { data: input.map((_, index) => ({ index, embedding: ["x"] })) });
    return json(response, 200, {
      model,
      // in another order than asked, as servers may
      data: input.map((one, index) => ({ index, embedding: [one.length, index, 0.5] })).reverse(),
      usage: { prompt_tokens: input.reduce((sum, one) => sum + words(one).length, 0), total_tokens: 1 },
    });
  }
  const prompt = body.messages?.map(({ content }) => content).join(" ") ?? body.prompt ?? "";
  const said = model === "leaks" ? `the key is ${request.headers.authorization ?? "none"}` : model === "json" ? '{"answer":42}' : `you said ${prompt}`;
  const kind = request.url === "/v1/completions" ? "text" : "chat";
  const tokens = words(prompt).length;
  if (body.stream && model !== "no-stream") return stream(response, model, said, kind, tokens);
  json(response, 200, {
    model,
    choices: [kind === "chat" ? { message: { role: "assistant", content: said }, finish_reason: "stop" } : { text: said, finish_reason: "stop" }],
    usage: { prompt_tokens: tokens, completion_tokens: words(said).length },
  });
}

const server = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as { port: number }).port));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
