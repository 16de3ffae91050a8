// The runtime and the Pit in a browser: bundled without anything of node:, and run in Chromium with the same results.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { exercise } from "./browser-entry.ts";
import { bundleFor, chromium, inChromium } from "./chromium.ts";
import { root } from "./platform.ts";

const onDeno = "Deno" in globalThis;
const component = new Uint8Array(readFileSync(join(root, "extensions/text-split/build/text-split.wasm")));
const melody = JSON.stringify({
  symphony: 1,
  id: "tab",
  inputs: { list: { type: "list<number>" } },
  outputs: { all: { type: "list<json>" } },
  nodes: [
    {
      id: "each",
      kind: "control",
      control: "map",
      body: {
        inputs: { item: { type: "number" } },
        outputs: { card: { type: "json" } },
        nodes: [
          { id: "size", kind: "control", control: "branch", cases: [{ name: "small", when: "value < 10" }] },
          { id: "card", kind: "control", control: "merge", mode: "object" },
        ],
        edges: [
          { from: "inputs.item", to: "size.value" },
          { from: "size.small", to: "card.small" },
          { from: "size.otherwise", to: "card.large" },
          { from: "card.value", to: "outputs.card" },
        ],
      },
    },
  ],
  edges: [
    { from: "inputs.list", to: "each.items" },
    { from: "each.card", to: "outputs.all" },
  ],
});

const bundle = (): Promise<string> => bundleFor(join(root, "tests/browser-entry.ts"));

test.skipIf(onDeno)("runtime and Pit bundle for the browser without node:", async () => {
  const code = await bundle();
  expect(/(?:from|import|require)\s*\(?\s*["'](?:node:|fs["']|path["']|child_process["'])/.exec(code)?.[0]).toBeUndefined();
  expect(code).not.toContain("__require(");
});

test("gate, plan, run and store work on this runtime as the browser's test expects", async () => {
  const answer = (await exercise(component, melody)) as Record<string, unknown>;
  expect(answer["state"]).toBe("completed");
  expect(answer["refused"]).toBe("gate/malformed");
  expect(answer["same"]).toBe(true);
  expect(answer["outputs"]).toEqual({ all: [{ small: 1 }, { large: 20 }] });
});

test.skipIf(onDeno || !chromium)(
  "Chromium gates, plans, runs and stores with the same hashes and events",
  async () => {
    const answer = await inChromium({
      script: await bundle(),
      body: `const component = new Uint8Array(await (await fetch("/component")).arrayBuffer());
answer = await exercise(component, await (await fetch("/melody")).text());`,
      files: { "/component": component, "/melody": melody },
    });
    expect(answer).toEqual(JSON.parse(JSON.stringify(await exercise(component, melody))));
  },
  30_000,
);
