// Parts, pins, memory, progress and what a change makes invalid.
import { describe, expect, test } from "bun:test";
import {
  createEventLog,
  invalidatedBy,
  parseManifest,
  type Plan,
  planMelody,
  readMelody,
  type RunEvent,
  type RunPart,
  type Value,
  valueToJson,
  weightedPath,
} from "../../runtime/mod.ts";
import { createBrowserPlatform } from "../../runtime/platform/browser.ts";
import { createRandom } from "../../tests/random.ts";
import { createMemory, type TextStore } from "./memory.ts";
import { partOf } from "./part.ts";
import { foldEvents, snapshotOf } from "./past.ts";
import { createProgress } from "./progress.ts";
import { createDagTracker } from "./run.ts";

const STEP = parseManifest(
  'id = "step"\nversion = "1.0.0"\nkind = "operator"\n[inputs.a]\ntype = "number"\nrequired = false\n[inputs.b]\ntype = "number"\nrequired = false\n[outputs.out]\ntype = "number"\n',
  "step",
);
const CATALOGUE = { get: () => STEP, ids: () => ["step"] };

function planOf(edges: [string, string][], more: Record<string, unknown>[] = []): Plan {
  const ids = [...new Set(edges.flat().map((end) => end.split(".")[0] as string))].filter((id) => id !== "inputs" && id !== "outputs");
  const file = {
    symphony: 1,
    id: "part",
    inputs: { x: { type: "number", default: 1 } },
    outputs: Object.fromEntries(edges.flatMap(([, to]) => (to.startsWith("outputs.") ? [[to.slice(8), { type: "number" }]] : []))),
    nodes: ids.map((id) => more.find((one) => one["id"] === id) ?? { id, kind: "operator", uses: "step" }),
    edges: edges.map(([from, to]) => ({ from, to })),
  };
  const read = readMelody(JSON.stringify(file));
  const made = read.melody && planMelody(read.melody, CATALOGUE, read);
  if (!made || read.faults.length + made.faults.length > 0) throw new Error(JSON.stringify([...read.faults, ...(made?.faults ?? [])]));
  return made.plan;
}

/** a -> b -> d, a -> c -> d; e alone. */
const diamond = (): Plan =>
  planOf([
    ["inputs.x", "a.a"],
    ["a.out", "b.a"],
    ["a.out", "c.a"],
    ["b.out", "d.a"],
    ["c.out", "d.b"],
    ["inputs.x", "e.a"],
    ["d.out", "outputs.d"],
    ["e.out", "outputs.e"],
  ]);

const number = (val: number): Value => ({ tag: "number", val });

async function run(plan: Plan, part?: RunPart): Promise<{ events: RunEvent[]; outputs: Record<string, unknown>; state: string; called: string[] }> {
  const events: RunEvent[] = [];
  const called: string[] = [];
  const log = createEventLog();
  log.subscribe((event) => events.push(event));
  const tracker = createDagTracker({
    confinement: "none",
    invoke: async ({ path, inputs }) => {
      called.push(path);
      return new Map([["out", number(inputs.reduce((sum, { value }) => sum + (value as { val: number }).val, 1))]]);
    },
    ask: async () => ({ approved: true, reason: "" }),
  });
  const result = await tracker.start(plan, new Map([["x", number(1)]]), { run: "r", log, ...(part ? { part } : {}) }).ended;
  foldEvents(events);
  return { events, called, state: result.state, outputs: Object.fromEntries([...result.outputs].map(([name, value]) => [name, valueToJson(value)])) };
}

describe("a part", () => {
  const CASES: [string, Omit<RunPart, "pins"> & { pins?: Record<string, number> }, string[], Record<string, unknown>][] = [
    ["of nothing in particular is all", {}, ["a", "e", "b", "c", "d"], { d: 7, e: 2 }],
    ["up to a node runs what it needs", { to: ["b"] }, ["a", "b"], {}],
    ["up to two nodes runs what both need", { to: ["b", "e"] }, ["a", "e", "b"], { e: 2 }],
    ["from a node takes what comes before from pins", { from: ["d"], pins: { b: 10, c: 20 } }, ["d"], { d: 31 }],
    ["between nodes", { from: ["b"], to: ["b"], pins: { a: 5 } }, ["b"], {}],
    ["with a pin leaves out what only that needs", { pins: { b: 1, c: 1 } }, ["e", "d"], { d: 3, e: 2 }],
    ["with a pin runs what others need", { pins: { b: 100 } }, ["a", "e", "c", "d"], { d: 104, e: 2 }],
    ["with a pin at its end gives that", { pins: { d: 7 } }, ["e"], { d: 7, e: 2 }],
  ];
  for (const [what, { pins = {}, ...asked }, called, outputs] of CASES)
    test(what, async () => {
      const part: RunPart = { ...asked, pins: Object.fromEntries(Object.entries(pins).map(([id, val]) => [id, { outputs: [number(val)] }])) };
      const ran = await run(diamond(), part);
      expect(ran.state).toBe("completed");
      expect(ran.called).toEqual(called);
      expect(ran.outputs).toEqual(outputs);
      // every node is told of, once
      const ends = ran.events.flatMap((event) => (event.event === "node.finished" || event.event === "node.skipped" || event.event === "node.pinned" ? [event.node] : []));
      expect(ends.sort()).toEqual(["a", "b", "c", "d", "e"]);
    });

  test("says which nodes before it must be given", () => {
    const plan = diamond();
    const ids = (asked: Parameters<typeof partOf>[1]): string[] => partOf(plan, asked).missing.map((node) => plan.nodes[node]?.id as string);
    expect(ids({ from: ["d"], pins: {} })).toEqual(["b", "c"]);
    expect(ids({ from: ["d"], pins: { b: 1 } })).toEqual(["c"]);
    expect(ids({ from: ["a"], pins: {} })).toEqual([]);
    expect(ids({ to: ["d"], pins: {} })).toEqual([]);
  });
});

test("a change invalidates what edges and fallbacks lead to, as a search on the edges finds it", () => {
  const random = createRandom(9);
  for (let round = 0; round < 200; round++) {
    const count = 2 + random(20);
    const edges: [string, string][] = [];
    for (let to = 0; to < count; to++) edges.push([to > 0 && random(4) ? `n${random(to)}.out` : "inputs.x", `n${to}.a`]);
    const plan = planOf(edges);
    const start = random(count);
    const found = new Set([`n${start}`]);
    for (let grew = true; grew; ) {
      grew = false;
      for (const [from, to] of edges) {
        const [source, target] = [from.split(".")[0] as string, to.split(".")[0] as string];
        if (found.has(source) && !found.has(target)) {
          found.add(target);
          grew = true;
        }
      }
    }
    const at = plan.nodes.findIndex(({ id }) => id === `n${start}`);
    const marked = [...invalidatedBy(plan, [at])].flatMap((is, node) => (is ? [plan.nodes[node]?.id as string] : []));
    expect(marked.sort()).toEqual([...found].sort());
  }
});

test("the heaviest path is that which trying all finds", () => {
  const random = createRandom(4);
  for (let round = 0; round < 200; round++) {
    const count = 1 + random(9);
    const edges: [string, string][] = [["inputs.x", "n0.a"]];
    for (let to = 1; to < count; to++)
      edges.push([random(3) ? `n${random(to)}.out` : "inputs.x", `n${to}.a`], ...(random(2) ? [[`n${random(to)}.out`, `n${to}.b`] as [string, string]] : []));
    const plan = planOf(edges);
    const weight = Float64Array.from(plan.nodes, () => random(10));
    const best = (node: number): number => {
      const { inStart, inEdges, from } = plan.graph;
      let most = 0;
      for (let at = inStart[node] as number; at < (inStart[node + 1] as number); at++) most = Math.max(most, best(from[inEdges[at] as number] as number));
      return most + (weight[node] as number);
    };
    const { length, nodes } = weightedPath(plan.graph, plan.order, weight);
    expect(length).toBe(Math.max(...plan.nodes.map((_, node) => best(node))));
    expect(nodes.reduce((sum, node) => sum + (weight[node] as number), 0)).toBe(length);
  }
});

describe("memory", () => {
  const platform = createBrowserPlatform();
  const settings = [{ name: "s", value: number(1) }];
  const inputs = [{ name: "a", value: number(2) }];
  const call = { run: "first-run", place: "m n", component: "c", settings, inputs, ports: ["out", "more"], types: ["number", "artifact"] };
  const given = new Map<string, Value>([["more", { tag: "artifact", val: { id: "ab".repeat(32), size: 1, mediaType: "text/plain" } }]]);

  function created(missing: { artifact: boolean } = { artifact: false }) {
    const texts = new Map<string, string>();
    const store: TextStore = { get: (key) => texts.get(key), put: (key, text) => void texts.set(key, text) };
    return { texts, memory: createMemory({ store, digest: () => platform.digest(), hasArtifact: async () => !missing.artifact, load: () => Promise.reject(new Error("gone")) }) };
  }

  test("gives what was learnt for the same call, and says of which run", async () => {
    const { memory } = created();
    const first = await memory.recall(call);
    expect([first.outputs, first.why]).toEqual([undefined, "no answer of it is kept"]);
    first.learn(given);
    const again = await memory.recall({ ...call, run: "second-run" });
    expect(again.outputs).toEqual(given);
    expect(again.why).toContain("first-ru");
    // the same call at another place
    expect((await memory.recall({ ...call, place: "other" })).outputs).toEqual(given);
  });

  const CHANGES: [string, object, string][] = [
    ["component", { component: "d" }, "its component changed since run first-ru"],
    ["settings", { settings: [{ name: "s", value: number(2) }] }, "its settings changed since run first-ru"],
    ["input", { inputs: [{ name: "a", value: number(3) }] }, "its input a changed since run first-ru"],
    ["input that is gone", { inputs: [] }, "its input a changed since run first-ru"],
    ["value of another type", { inputs: [{ name: "a", value: { tag: "text", val: "2" } }] }, "its input a changed since run first-ru"],
    ["type of an output", { types: ["text", "artifact"] }, "its answer isn't kept any more"],
    ["several", { component: "d", inputs: [{ name: "b", value: number(2) }] }, "its component, its input a, its input b changed since run first-ru"],
  ];
  for (const [what, change, why] of CHANGES)
    test(`says what changed: ${what}`, async () => {
      const { memory } = created();
      (await memory.recall(call)).learn(given);
      const now = await memory.recall({ ...call, ...change });
      expect([now.outputs, now.why]).toEqual([undefined, why]);
    });

  test("doesn't give what names an artifact that is gone, or what can't be read", async () => {
    const missing = { artifact: false };
    const { memory, texts } = created(missing);
    (await memory.recall(call)).learn(given);
    missing.artifact = true;
    expect((await memory.recall(call)).why).toBe("what it gave before isn't stored any more");
    missing.artifact = false;
    for (const [key, text] of texts) texts.set(key, text.slice(0, -3));
    expect((await memory.recall(call)).outputs).toBeUndefined();
  });
});

describe("progress", () => {
  const each = {
    id: "each",
    kind: "control",
    control: "map",
    over: "item",
    body: {
      inputs: { item: { type: "number" } },
      outputs: { out: { type: "number" } },
      nodes: [
        { id: "in", kind: "operator", uses: "step" },
        { id: "on", kind: "operator", uses: "step" },
      ],
      edges: [
        { from: "inputs.item", to: "in.a" },
        { from: "in.out", to: "on.a" },
        { from: "on.out", to: "outputs.out" },
      ],
    },
  };

  test("counts nodes, items and per cent, and is the same for who comes late", async () => {
    const read = readMelody(
      JSON.stringify({
        symphony: 1,
        id: "p",
        inputs: { list: { type: "list<number>" } },
        nodes: [each, { id: "last", kind: "operator", uses: "step" }],
        edges: [
          { from: "inputs.list", to: "each.items" },
          { from: "each", to: "last" },
        ],
      }),
    );
    const { plan } = planMelody(read.melody as never, CATALOGUE, read);
    const events: RunEvent[] = [];
    const log = createEventLog();
    log.subscribe((event) => events.push(event));
    const tracker = createDagTracker({ confinement: "none", invoke: async () => new Map([["out", number(1)]]), ask: async () => ({ approved: true, reason: "" }) });
    await tracker.start(plan, new Map([["list", { tag: "items", val: [1, 2, 3, 4].map((val) => ({ tag: "number", val })) }]]), { run: "r", log }).ended;
    const times = new Map([
      ["each", { ms: 100 }],
      ["last", { ms: 100 }],
    ]);
    const progress = createProgress(plan, times, () => 0);
    let before = 0;
    for (const [at, event] of events.entries()) {
      progress.take({ event });
      const { fraction, leftMs, done, total } = progress.overall(16);
      expect(fraction).toBeGreaterThanOrEqual(before);
      before = fraction;
      expect(total).toBe(2);
      if (done < total) expect(leftMs).toBeGreaterThan(0);
      const late = createProgress(plan, times, () => 0);
      late.take({ snapshot: snapshotOf("r", foldEvents(events.slice(0, at + 1))) });
      expect(late.overall(16)).toEqual(progress.overall(16));
      expect([...late.nodes].map(([id, { items, itemsDone }]) => [id, items, itemsDone])).toEqual([...progress.nodes].map(([id, { items, itemsDone }]) => [id, items, itemsDone]));
    }
    expect(progress.overall(16)).toEqual({ done: 2, total: 2, fraction: 1, leftMs: 0 });
  });

  test("knows of no time left before there is history", () => {
    expect(createProgress(diamond(), new Map(), () => 0).overall(4).leftMs).toBeUndefined();
    const times = new Map(["a", "b", "c", "d", "e"].map((id) => [id, { ms: 10 }]));
    expect(createProgress(diamond(), times, () => 0).overall(16).leftMs).toBe(30);
    expect(createProgress(diamond(), times, () => 0).overall(1).leftMs).toBe(50);
  });
});
