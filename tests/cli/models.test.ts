// Melodies over a model server with faults: what may pass is tried again as the melody says, and what a run took is told.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "bun:test";
import { root } from "../platform.ts";
import { BOTH, finalOf, melody, place, symphony, test, TEST_MS, useCommand } from "./command.ts";

useCommand();

let server: ChildProcess;
let home = "";
beforeAll(async () => {
  if ("Deno" in globalThis) return;
  server = spawn(process.execPath, [join(root, "tests/model-server.ts")], { stdio: ["pipe", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve) => server.stdout?.once("data", (data) => resolve(Number(String(data)))));
  home = join(place.space, "models");
  mkdirSync(home, { recursive: true });
  writeFileSync(
    join(home, "settings.toml"),
    `[models.local]\nurl = "http://127.0.0.1:${port}/v1"\nkey = "key"\nprices = { "echo" = { input = 1000, output = 1000 } }\n[secrets.key]\nenv = "SYMPHONY_TEST_KEY"\n[[permissions]]\nextension = "*"\nallow = ["model:chat:local/**", "model:embed:local/**"]\n`,
  );
});
afterAll(() => void server?.stdin?.end());

const KEY = "sk-test-0123456789";
const run = (file: string, runtime: "bun" | "deno" = "bun") => symphony(["run", file, "--json"], { home, runtime, env: { SYMPHONY_TEST_KEY: KEY } });

function chat(model: string, more: object = {}, settings: object = {}): string {
  return melody({
    outputs: { text: { type: "text" } },
    nodes: [{ id: "ask", kind: "instrument", uses: "chat", settings: { model, ...settings }, inputs: { prompt: "well then" }, ...more }],
    edges: [{ from: "ask.text", to: "outputs.text" }],
  });
}
const RETRY = { retry: { attempts: 3, delayMs: 10 } };

for (const runtime of BOTH)
  test(
    `a melody over a model ends well, and its events say what was used and never the key, on ${runtime}`,
    async () => {
      const ended = await run(chat("local/echo"), runtime);
      expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { text: "you said well then" } });
      expect(ended.objects.find(({ event }) => event === "node.model")).toMatchObject({ node: "ask", model: "local/echo", inputTokens: 2, outputTokens: 4, cost: 0.006 });
      expect(ended.stdout + ended.stderr).not.toContain(KEY);
    },
    TEST_MS,
  );

// the server counts by the model's name: each name is used once
const FAULTS: [string, object, string, number][] = [
  ["busy-1", RETRY, "completed", 1],
  ["busy-2", RETRY, "completed", 2],
  ["broken-2", RETRY, "completed", 2],
  ["busy-9", RETRY, "failed", 2],
  ["cut", RETRY, "failed", 2],
  ["garbage", RETRY, "failed", 2],
  ["forbidden", RETRY, "failed", 0],
  ["unknown", RETRY, "failed", 0],
  ["hangs", { timeoutMs: 700 }, "failed", 0],
];
for (const [name, more, state, retries] of FAULTS)
  test(
    `over a model that is ${name} a run is ${state} after ${retries} retries`,
    async () => {
      const ended = await run(chat(`local/${name}`, more));
      expect([finalOf(ended).state, ended.objects.filter(({ event }) => event === "node.retrying").length]).toEqual([state as never, retries]);
      expect(ended.stdout + ended.stderr).not.toContain(KEY);
    },
    TEST_MS,
  );

test(
  "a fallback takes the place of a model that is gone, and an answer that should be JSON is tried again",
  async () => {
    const file = melody({
      outputs: { text: { type: "text" }, json: { type: "json" } },
      nodes: [
        { id: "ask", kind: "instrument", uses: "chat", settings: { model: "nowhere/x" }, inputs: { prompt: "a" }, onFailure: { fallback: "other" } },
        { id: "other", kind: "instrument", uses: "chat", settings: { model: "local/echo" } },
        { id: "data", kind: "instrument", uses: "chat", settings: { model: "local/json", jsonAnswer: true }, inputs: { prompt: "a" } },
      ],
      edges: [
        { from: "ask.text", to: "outputs.text" },
        { from: "data.json", to: "outputs.json" },
      ],
    });
    const ended = await symphony(["run", file, "--json", "--allow", "chat=model:chat:nowhere/x"], { home, env: { SYMPHONY_TEST_KEY: KEY } });
    expect(finalOf(ended)).toMatchObject({ state: "completed", outputs: { text: "you said a", json: { answer: 42 } } });
    const wrong = await run(chat("local/echo", { retry: { attempts: 2, delayMs: 1 } }, { jsonAnswer: true }));
    expect([finalOf(wrong).state, wrong.objects.filter(({ event }) => event === "node.retrying").length]).toEqual(["failed" as never, 1]);
  },
  TEST_MS,
);

test(
  "texts become vectors, some at a time",
  async () => {
    const file = melody({
      outputs: { vectors: { type: "list<json>" } },
      nodes: [{ id: "embed", kind: "instrument", uses: "embed", settings: { model: "local/any", batch: 2 }, inputs: { texts: ["a", "bb", "ccc"] } }],
      edges: [{ from: "embed.vectors", to: "outputs.vectors" }],
    });
    const ended = await run(file);
    expect(finalOf(ended).outputs).toEqual({
      vectors: [
        [1, 0, 0.5],
        [2, 1, 0.5],
        [3, 0, 0.5],
      ],
    } as never);
    expect(ended.objects.filter(({ event }) => event === "node.model")).toHaveLength(2);
  },
  TEST_MS,
);
