// The tracker with steps that run in process: order, conditions, failure, bodies, control. Components have their own
// tests; here a step is a function, which is one way to implement the tracker's `invoke`.
import { describe, expect, test } from "bun:test";
import { createEventLog, type Manifest, parseManifest, type Plan, planMelody, type RunEvent, readMelody, SymphonyError, type Value, valueToJson } from "../../runtime/mod.ts";
import { createDagTracker } from "./run.ts";
import type { RunResult, StepTask } from "./tracker.ts";

const STEP = parseManifest(
  `id = "step"
version = "1.0.0"
kind = "operator"
[inputs.a]
type = "number"
required = false
[inputs.b]
type = "number"
required = false
[inputs.must]
type = "number"
required = false
[outputs.out]
type = "number"
[outputs.maybe]
type = "number"
optional = true
[outputs.items]
type = "list<number>"
optional = true
`,
  "step",
);
const STRICT: Manifest = { ...STEP, id: "strict", inputs: new Map([...STEP.inputs].map(([name, port]) => [name, { ...port, required: name === "must" }])) };
const catalogue = { get: (id: string) => ({ step: STEP, strict: STRICT })[id], ids: () => ["step", "strict"] };

const step = (id: string, more: object = {}) => ({ id, kind: "operator", uses: "step", ...more });
const number = (value: number): Value => ({ tag: "number", val: value });

function planOf(file: object): Plan {
  const read = readMelody(JSON.stringify({ symphony: 1, id: "test", ...file }));
  if (!read.melody) throw new Error(JSON.stringify(read.faults, null, 1));
  const { plan, faults } = planMelody(read.melody, catalogue);
  if (faults.length) throw new Error(JSON.stringify(faults, null, 1));
  return plan;
}

type Steps = (task: StepTask) => Record<string, Value> | Promise<Record<string, Value>>;

interface Trial {
  result: RunResult;
  events: RunEvent[];
  outputs: Record<string, unknown>;
  /** `finished`, `skipped` or `failed` by path. */
  ends: Record<string, string>;
}

async function run(
  file: object,
  steps: Steps,
  inputs: Record<string, Value> = {},
  options: { parallel?: number; approve?: boolean; during?: (cancel: (reason: string) => void, event: RunEvent) => void } = {},
): Promise<Trial> {
  const events: RunEvent[] = [];
  const log = createEventLog({ write: (batch) => void events.push(...structuredClone(batch as RunEvent[])) });
  const tracker = createDagTracker({
    confinement: "none",
    invoke: (task) => {
      const answer = steps(task);
      return answer instanceof Promise ? answer.then((out) => new Map(Object.entries(out))) : new Map(Object.entries(answer));
    },
    ask: async () => ({ approved: options.approve ?? false, reason: "said so" }),
  });
  const handle = tracker.start(planOf(file), new Map(Object.entries(inputs)), { run: "r", log, ...(options.parallel ? { parallel: options.parallel } : {}) });
  if (options.during) log.subscribe((event) => options.during?.((reason) => handle.cancel(reason), event));
  const result = await handle.ended;
  expect(events.map(({ n }) => n)).toEqual(events.map((_, i) => i));
  expect(events[0]?.event).toBe("run.started");
  expect(events.filter(({ event }) => event === "run.ended").length).toBe(1);
  const ends: Record<string, string> = {};
  for (const event of events) if (event.event === "node.finished" || event.event === "node.skipped" || event.event === "node.failed") ends[event.node] = event.event.slice(5);
  return { result, events, ends, outputs: Object.fromEntries([...result.outputs].map(([name, value]) => [name, valueToJson(value)])) };
}

const sum: Steps = ({ inputs }) => ({ out: number(inputs.reduce((total, { value }) => total + (value.tag === "number" ? value.val : 0), 0) + 1) });
const x = { inputs: { x: { type: "number", default: 1 } } };
const outs = (...names: string[]) => Object.fromEntries(names.map((name) => [name, { type: "number", optional: true }]));

describe("order and conditions", () => {
  test("a node runs when its inputs are there, and values flow", async () => {
    const { outputs, result } = await run(
      {
        ...x,
        outputs: outs("o"),
        nodes: [step("c"), step("a"), step("b")],
        edges: [
          { from: "inputs.x", to: "a.a" },
          { from: "a.out", to: "b.a" },
          { from: "a.out", to: "c.a" },
          { from: "b.out", to: "c.b" },
          { from: "c.out", to: "outputs.o" },
        ],
      },
      sum,
      { x: number(1) },
    );
    expect(result.state).toBe("completed");
    expect(outputs).toEqual({ o: 6 });
  });

  test("what a condition switches off is skipped, and what hangs only on it, but not what has another source", async () => {
    const { ends, outputs } = await run(
      {
        ...x,
        outputs: outs("o"),
        nodes: [step("a"), step("off"), step("below"), step("both")],
        edges: [
          { from: "inputs.x", to: "a.a" },
          { from: "a.out", to: "off.a", when: "value > 100" },
          { from: "off.out", to: "below.a" },
          { from: "below.out", to: "both.a" },
          { from: "a.out", to: "both.b" },
          { from: "both.out", to: "outputs.o" },
        ],
      },
      sum,
      { x: number(1) },
    );
    expect(ends).toEqual({ a: "finished", off: "skipped", below: "skipped", both: "finished" });
    expect(outputs).toEqual({ o: 3 });
  });

  test("a required input that nothing reached skips the node", async () => {
    const { ends } = await run(
      {
        ...x,
        nodes: [step("a"), { ...step("s"), uses: "strict" }],
        edges: [
          { from: "inputs.x", to: "a.a" },
          { from: "a.out", to: "s.a" },
          { from: "a.maybe", to: "s.must" },
        ],
      },
      sum,
      { x: number(1) },
    );
    expect(ends).toEqual({ a: "finished", s: "skipped" });
  });

  test("an edge that orders holds a node back, and its condition switches it off", async () => {
    const seen: string[] = [];
    const { ends } = await run(
      {
        ...x,
        nodes: [step("a"), step("b"), step("c")],
        edges: [
          { from: "inputs.x", to: "a.a" },
          { from: "inputs.x", to: "b.a" },
          { from: "inputs.x", to: "c.a" },
          { from: "b", to: "a" },
          { from: "a", to: "c", when: "outputs.out > 100.0" },
        ],
      },
      async (task) => {
        seen.push(task.path);
        return sum(task);
      },
      { x: number(1) },
    );
    expect(seen).toEqual(["b", "a"]);
    expect(ends["c"]).toBe("skipped");
  });

  test("a branch passes its value through one port, a merge takes what arrived", async () => {
    const file = {
      ...x,
      outputs: outs("o"),
      nodes: [
        {
          id: "br",
          kind: "control",
          control: "branch",
          cases: [
            { name: "small", when: "value < 10" },
            { name: "large", when: "value >= limit" },
          ],
        },
        step("s"),
        step("l"),
        { id: "m", kind: "control", control: "merge", mode: "first" },
      ],
      edges: [
        { from: "inputs.x", to: "br.value" },
        { from: "inputs.x", to: "br.limit" },
        { from: "br.small", to: "s.a" },
        { from: "br.large", to: "l.a" },
        { from: "s.out", to: "m.s" },
        { from: "l.out", to: "m.l" },
        { from: "m.value", to: "outputs.o" },
      ],
    };
    const small = await run(file, sum, { x: number(3) });
    expect([small.ends["s"], small.ends["l"], small.outputs["o"]]).toEqual(["finished", "skipped", 4]);
    const large = await run(file, sum, { x: number(30) });
    expect([large.ends["s"], large.ends["l"], large.outputs["o"]]).toEqual(["skipped", "finished", 31]);
  });

  test("a condition that can't be evaluated fails the node that it leads to", async () => {
    const { result, ends } = await run(
      {
        ...x,
        nodes: [step("a"), step("b")],
        edges: [
          { from: "inputs.x", to: "a.a" },
          { from: "a.out", to: "b.a", when: "value.size > 1" },
        ],
      },
      sum,
      { x: number(1) },
    );
    expect(result.state).toBe("failed");
    expect(ends["b"]).toBe("failed");
    expect(result.error?.message).toContain("value.size > 1");
  });

  test("random melodies give what a plain evaluation gives", async () => {
    let seed = 11;
    const next = (below: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 200; round++) {
      const count = 2 + next(12);
      const ports = ["a", "b", "must"];
      const edges: { from: string; to: string; when?: string }[] = [];
      const given: (number | undefined)[] = [];
      const ran: boolean[] = [];
      for (let i = 0; i < count; i++) {
        let total = 1;
        let incoming = 0;
        let live = false;
        for (const port of ports) {
          const source = next(i + 2) - 1;
          if (i > 0 && next(3) === 0) continue;
          const limit = next(40);
          const when = next(3) === 0 ? `value > ${limit}` : undefined;
          const value = source < 0 ? 5 : given[source];
          if (source >= i) continue;
          incoming++;
          edges.push({ from: source < 0 ? "inputs.x" : `n${source}.out`, to: `n${i}.${port}`, ...(when ? { when } : {}) });
          if (value !== undefined && (!when || value > limit)) {
            live = true;
            total += value;
          }
        }
        ran[i] = incoming === 0 || live;
        given[i] = ran[i] ? total : undefined;
        if (incoming === 0) edges.push({ from: `n${i}`, to: `n${count - 1 === i ? 0 : count - 1}` });
      }
      // edges that order would change the evaluation: only melodies without any are compared
      if (edges.some(({ from }) => !from.includes("."))) continue;
      const { ends } = await run(
        { ...x, nodes: Array.from({ length: count }, (_, i) => step(`n${i}`)), edges },
        next(2)
          ? sum
          : async (task) => {
              await null;
              return sum(task);
            },
        { x: number(5) },
        { parallel: 1 + next(4) },
      );
      expect(Object.fromEntries(ran.map((did, i) => [`n${i}`, did ? "finished" : "skipped"]))).toEqual(ends);
    }
  });
});

describe("failure", () => {
  const flaky =
    (times: number): Steps =>
    (task) => {
      if (task.path.endsWith("a") && task.attempt <= times) throw new SymphonyError("step/error", "not yet", { retryable: true });
      return sum(task);
    };
  const two = (a: object, melody: object = {}) => ({
    ...x,
    ...melody,
    outputs: outs("o", "p"),
    nodes: [step("a", a), step("b"), step("c")],
    edges: [
      { from: "inputs.x", to: "a.a" },
      { from: "a.out", to: "b.a" },
      { from: "b.out", to: "outputs.o" },
      { from: "inputs.x", to: "c.a" },
      { from: "c.out", to: "outputs.p" },
    ],
  });

  test("a retry waits, longer each time, and the melody goes on", async () => {
    const { result, events } = await run(two({ retry: { attempts: 3, delayMs: 4, factor: 3 } }), flaky(2), { x: number(1) });
    expect(result.state).toBe("completed");
    expect(events.filter(({ event }) => event === "node.retrying").map((event) => ("delayMs" in event ? event.delayMs : 0))).toEqual([4, 12]);
  });

  test("an error that a retry can't help is not retried", async () => {
    const { events, result } = await run(
      two({ retry: { attempts: 3 } }),
      (task) => {
        if (task.path === "a") throw new SymphonyError("step/error", "never");
        return sum(task);
      },
      { x: number(1) },
    );
    expect(result.state).toBe("failed");
    expect(events.some(({ event }) => event === "node.retrying")).toBe(false);
  });

  test("stop ends the run and aborts what is under way", async () => {
    let aborted = false;
    const { result, outputs } = await run(
      two({}),
      (task) => {
        if (task.path === "c")
          return new Promise((resolve) =>
            task.signal.addEventListener("abort", () => {
              aborted = true;
              resolve({ out: number(0) });
            }),
          );
        return Promise.reject(new SymphonyError("step/error", "broken"));
      },
      { x: number(1) },
    );
    expect([result.state, result.error?.code, aborted, outputs]).toEqual(["failed", "run/failed", true, {}]);
  });

  test("continue goes on with the rest and the run ends failed", async () => {
    const { result, ends, outputs } = await run(two({ onFailure: "continue" }), flaky(9), { x: number(1) });
    expect([result.state, ends, outputs]).toEqual(["failed", { a: "failed", b: "skipped", c: "finished" }, { p: 2 }]);
  });

  test("skip goes on with the rest and the run completes", async () => {
    const { result, ends } = await run(two({ onFailure: "skip" }), flaky(9), { x: number(1) });
    expect([result.state, ends["b"]]).toEqual(["completed", "skipped"]);
  });

  test("a fallback runs in the failed node's place with its inputs, and only then", async () => {
    const file = two({ onFailure: { fallback: "f" } });
    file.nodes.push(step("f", { onFailure: { fallback: "g" } }), step("g"));
    const failing = await run(
      file,
      (task) => {
        if (task.path === "a" || task.path === "f") throw new SymphonyError("step/error", "no");
        return { out: number(task.path === "g" ? 50 + (task.inputs[0]?.value.tag === "number" ? task.inputs[0].value.val : 0) : 0) };
      },
      { x: number(7) },
    );
    expect([failing.result.state, failing.ends["g"], failing.ends["b"]]).toEqual(["completed", "finished", "finished"]);
    const fine = await run(file, sum, { x: number(7) });
    expect([fine.result.state, fine.ends["f"]]).toEqual(["completed", undefined]);
  });

  test("a host that throws something else fails the node, not the process", async () => {
    const { result } = await run(
      two({}),
      () => {
        throw new TypeError("oops");
      },
      { x: number(1) },
    );
    expect([result.state, result.error?.message.includes("oops")]).toEqual(["failed", true]);
  });

  test("the run's time-out ends it", async () => {
    const { result } = await run({ ...two({}), timeoutMs: 20 }, (task) => new Promise((resolve) => task.signal.addEventListener("abort", () => resolve({}))), { x: number(1) });
    expect([result.state, result.error?.code]).toEqual(["failed", "run/timeout"]);
  });

  test("cancel ends a run at once, from inside an event too", async () => {
    const { result } = await run(
      two({}),
      (task) => new Promise((resolve) => task.signal.addEventListener("abort", () => resolve({}))),
      { x: number(1) },
      { during: (cancel, event) => event.event === "node.started" && cancel("enough") },
    );
    expect([result.state, result.error?.code, result.error?.message]).toEqual(["cancelled", "run/cancelled", "enough"]);
  });
});

test("a fallback gets the failed node's inputs, also where it has a default of its own", async () => {
  const echo = (preset?: number) => ({
    inputs: { t: { type: "number", ...(preset === undefined ? {} : { default: preset }) } },
    outputs: { o: { type: "number" } },
    nodes: [step("s")],
    edges: [
      { from: "inputs.t", to: "s.a" },
      { from: "s.out", to: "outputs.o" },
    ],
  });
  const { outputs, ends } = await run(
    {
      ...x,
      outputs: outs("o"),
      nodes: [
        { id: "first", kind: "control", control: "melody", body: echo(), onFailure: { fallback: "second" } },
        { id: "second", kind: "control", control: "melody", body: echo(100) },
      ],
      edges: [
        { from: "inputs.x", to: "first.t" },
        { from: "first.o", to: "outputs.o" },
      ],
    },
    (task) => {
      if (task.path.startsWith("first/")) throw new SymphonyError("step/error", "no");
      return sum(task);
    },
    { x: number(5) },
  );
  expect([ends["first"], outputs]).toEqual(["failed", { o: 6 }]);
});

describe("bodies", () => {
  const body = {
    inputs: { item: { type: "number" }, index: { type: "number" }, plus: { type: "number", default: 0 } },
    outputs: { out: { type: "number" } },
    nodes: [step("s")],
    edges: [
      { from: "inputs.item", to: "s.a" },
      { from: "inputs.index", to: "s.b" },
      { from: "inputs.plus", to: "s.must" },
      { from: "s.out", to: "outputs.out" },
    ],
  };
  const map = (more: object = {}) => ({
    inputs: { list: { type: "list<number>" }, p: { type: "number", default: 0 } },
    outputs: { o: { type: "list<number>" } },
    nodes: [{ id: "m", kind: "control", control: "map", body, ...more }],
    edges: [
      { from: "inputs.list", to: "m.items" },
      { from: "inputs.p", to: "m.plus" },
      { from: "m.out", to: "outputs.o" },
    ],
  });
  const list = (count: number): Value => ({ tag: "items", val: Array.from({ length: count }, (_, i) => ({ tag: "number", val: i * 10 })) });

  test("a map keeps the order and never has more items under way than allowed", async () => {
    let now = 0;
    let most = 0;
    const { outputs, events } = await run(
      map({ concurrency: 3 }),
      async (task) => {
        most = Math.max(most, ++now);
        for (let turns = task.path.charCodeAt(2) % 4; turns >= 0; turns--) await null;
        now--;
        return sum(task);
      },
      { list: list(20), p: number(100) },
    );
    expect(outputs["o"]).toEqual(Array.from({ length: 20 }, (_, i) => i * 10 + i + 101));
    expect(most).toBe(3);
    expect(events.some((event) => event.event === "node.started" && event.node === "m/19/s")).toBe(true);
  });

  test("a map over nothing gives nothing, one over 100 000 items needs no stack", async () => {
    expect((await run(map(), sum, { list: list(0), p: number(0) })).outputs["o"]).toEqual([]);
    expect(((await run(map(), sum, { list: list(100_000), p: number(0) })).outputs["o"] as number[]).length).toBe(100_000);
  });

  test("a failed item fails the map, or is left out", async () => {
    const odd: Steps = (task) => {
      if (task.path === "m/1/s") throw new SymphonyError("step/error", "bad item");
      return sum(task);
    };
    const failed = await run(map(), odd, { list: list(3), p: number(0) });
    expect([failed.result.state, failed.ends["m"], failed.result.error?.message.includes("item 1: s: bad item")]).toEqual(["failed", "failed", true]);
    const left = await run(map({ onItemFailure: "skip" }), odd, { list: list(3), p: number(0) });
    expect([left.result.state, left.outputs["o"]]).toEqual(["completed", [1, 23]]);
  });

  test("a map in a map, and a sub-melody, name their nodes by paths", async () => {
    const inner = {
      inputs: { item: { type: "number" } },
      outputs: { total: { type: "json" } },
      nodes: [
        step("spread"),
        { id: "in", kind: "control", control: "map", body },
        {
          id: "sub",
          kind: "control",
          control: "melody",
          body: {
            inputs: { v: { type: "number" } },
            outputs: { v: { type: "number" } },
            nodes: [step("t")],
            edges: [
              { from: "inputs.v", to: "t.a" },
              { from: "t.out", to: "outputs.v" },
            ],
          },
        },
        { id: "all", kind: "control", control: "merge", mode: "object" },
      ],
      edges: [
        { from: "inputs.item", to: "spread.a" },
        { from: "spread.items", to: "in.items" },
        { from: "inputs.item", to: "sub.v" },
        { from: "in.out", to: "all.list" },
        { from: "sub.v", to: "all.one" },
        { from: "all.value", to: "outputs.total" },
      ],
    };
    const { outputs, events } = await run(
      {
        inputs: { list: { type: "list<number>" } },
        outputs: { o: { type: "list<json>" } },
        nodes: [{ id: "m", kind: "control", control: "map", body: inner }],
        edges: [
          { from: "inputs.list", to: "m.items" },
          { from: "m.total", to: "outputs.o" },
        ],
      },
      (task) => (task.node.id === "spread" ? { out: number(0), items: list(2) } : sum(task)),
      { list: list(2) },
    );
    expect(outputs["o"]).toEqual([
      { list: [1, 12], one: 1 },
      { list: [1, 12], one: 11 },
    ]);
    const nodes = events.map((event) => ("node" in event ? event.node : ""));
    expect(nodes).toContain("m/1/in/0/s");
    expect(nodes).toContain("m/1/sub/t");
  });

  test("a map's time-out stops its items", async () => {
    const { result } = await run(map({ timeoutMs: 15 }), (task) => new Promise((resolve) => task.signal.addEventListener("abort", () => resolve({}))), {
      list: list(5),
      p: number(0),
    });
    expect([result.state, result.error?.detail]).toEqual(["failed", "step/timeout"]);
  });
});

test("approve passes its value on, or fails with the reason", async () => {
  const file = {
    ...x,
    outputs: outs("o"),
    nodes: [{ id: "ok", kind: "control", control: "approve", prompt: "Sure?" }],
    edges: [
      { from: "inputs.x", to: "ok.value" },
      { from: "ok.value", to: "outputs.o" },
    ],
  };
  expect((await run(file, sum, { x: number(4) }, { approve: true })).outputs).toEqual({ o: 4 });
  const no = await run(file, sum, { x: number(4) }, { approve: false });
  expect([no.result.state, no.result.error?.code, no.result.error?.message.includes("said so")]).toEqual(["failed", "approve/rejected", true]);
});

describe("what a reviewer broke", () => {
  const any = { tag: "json", val: "{}" } as const;
  test("a condition on the way from an input to an output fails the run and ends it", async () => {
    const file = {
      inputs: { x: { type: "json" } },
      outputs: { y: { type: "json", optional: true } },
      nodes: [],
      edges: [{ from: "inputs.x", to: "outputs.y", when: "value.foo == 1" }],
    };
    expect((await run(file, sum, { x: any })).result.error?.code).toBe("melody/condition");
  });

  test("a node that comes after one that was skipped is skipped, a merge is not", async () => {
    const file = {
      ...x,
      nodes: [{ id: "ok", kind: "control", control: "approve", onFailure: "skip" }, step("deploy"), step("later")],
      edges: [
        { from: "inputs.x", to: "ok.value" },
        { from: "inputs.x", to: "deploy.a" },
        { from: "ok", to: "deploy" },
        { from: "deploy", to: "later" },
        { from: "inputs.x", to: "later.a" },
      ],
    };
    const { ends, result } = await run(file, sum, { x: number(1) }, { approve: false });
    expect([result.state, ends]).toEqual(["completed", { ok: "failed", deploy: "skipped", later: "skipped" }]);
  });

  test("what comes out of an any is checked where it arrives", async () => {
    const file = { inputs: { x: { type: "any" } }, nodes: [step("a")], edges: [{ from: "inputs.x", to: "a.a" }] };
    const { result } = await run(file, sum, { x: { tag: "text", val: "five" } });
    expect([result.state, result.error?.detail, result.error?.message]).toEqual(["failed", "step/input", "a failed: a.a got text; it takes number"]);
  });

  test("a body's inputs have their defaults", async () => {
    const body = {
      inputs: { item: { type: "number" }, plus: { type: "number", default: 40 } },
      outputs: { o: { type: "number" } },
      nodes: [step("s")],
      edges: [
        { from: "inputs.item", to: "s.a" },
        { from: "inputs.plus", to: "s.b" },
        { from: "s.out", to: "outputs.o" },
      ],
    };
    const file = {
      inputs: { l: { type: "list<number>" } },
      outputs: { o: { type: "list<number>" } },
      nodes: [{ id: "m", kind: "control", control: "map", body }],
      edges: [
        { from: "inputs.l", to: "m.items" },
        { from: "m.o", to: "outputs.o" },
      ],
    };
    expect((await run(file, sum, { l: { tag: "items", val: [{ tag: "number", val: 1 }] } })).outputs).toEqual({ o: [42] });
  });

  test("a map's lists go together: an item that lacks an optional output stands as null", async () => {
    const body = {
      inputs: { item: { type: "number" } },
      outputs: { a: { type: "number" }, b: { type: "number", optional: true } },
      nodes: [step("s"), step("t")],
      edges: [
        { from: "inputs.item", to: "s.a" },
        { from: "s.out", to: "outputs.a" },
        { from: "inputs.item", to: "t.a", when: "value > 1" },
        { from: "t.out", to: "outputs.b" },
      ],
    };
    const file = {
      inputs: { l: { type: "list<number>" } },
      outputs: { a: { type: "list<number>" }, b: { type: "list<any>" } },
      nodes: [{ id: "m", kind: "control", control: "map", body }],
      edges: [
        { from: "inputs.l", to: "m.items" },
        { from: "m.a", to: "outputs.a" },
        { from: "m.b", to: "outputs.b" },
      ],
    };
    expect((await run(file, sum, { l: { tag: "items", val: [1, 2, 3].map((val) => ({ tag: "number", val })) } })).outputs).toEqual({ a: [2, 3, 4], b: [null, 3, 4] });
  });

  test("a merge takes the first in the order of the edges", async () => {
    const file = {
      ...x,
      outputs: outs("o"),
      nodes: [step("p"), { id: "m", kind: "control", control: "merge", mode: "first" }],
      edges: [
        { from: "p.out", to: "m.primary" },
        { from: "inputs.x", to: "m.backup" },
        { from: "inputs.x", to: "p.a" },
        { from: "m.value", to: "outputs.o" },
      ],
    };
    expect((await run(file, sum, { x: number(1) })).outputs).toEqual({ o: 2 });
  });

  test("what only waits holds no place among the parallel steps", async () => {
    const seen: string[] = [];
    const file = {
      ...x,
      nodes: [{ id: "w", kind: "control", control: "delay", delayMs: 30 }, step("after"), step("free")],
      edges: [
        { from: "inputs.x", to: "w.value" },
        { from: "w.value", to: "after.a" },
        { from: "inputs.x", to: "free.a" },
      ],
    };
    await run(
      file,
      (task) => {
        seen.push(task.path);
        return sum(task);
      },
      { x: number(1) },
      { parallel: 1 },
    );
    expect(seen).toEqual(["free", "after"]);
  });

  test("siblings that were under way are told to be cancelled", async () => {
    const { events } = await run(
      {
        ...x,
        nodes: [step("bad"), step("slow")],
        edges: [
          { from: "inputs.x", to: "bad.a" },
          { from: "inputs.x", to: "slow.a" },
        ],
      },
      (task) => (task.path === "bad" ? Promise.reject(new SymphonyError("step/error", "no")) : new Promise((resolve) => task.signal.addEventListener("abort", () => resolve({})))),
      { x: number(1) },
    );
    expect(events.some((event) => event.event === "node.cancelled" && event.node === "slow")).toBe(true);
  });

  test("8 000 conditions over one large value are decided in one look at it", async () => {
    const file = {
      inputs: { x: { type: "json" } },
      nodes: [
        { id: "d", kind: "control", control: "delay", delayMs: 0 },
        ...Array.from({ length: 8000 }, (_, i) => ({ id: `n${i}`, kind: "control", control: "merge", mode: "first" })),
      ],
      edges: [{ from: "inputs.x", to: "d.value" }, ...Array.from({ length: 8000 }, (_, i) => ({ from: "d.value", to: `n${i}.v`, when: `size(outputs.value.list) == ${i}` }))],
    };
    const { ends } = await run(file, sum, { x: { tag: "json", val: JSON.stringify({ list: Array.from({ length: 5 }, () => "x".repeat(20_000)) }) } });
    expect(Object.values(ends).filter((end) => end === "finished").length).toBe(2);
  });
});

test("a delay passes its value on", async () => {
  const file = {
    ...x,
    outputs: outs("o"),
    nodes: [{ id: "d", kind: "control", control: "delay", delayMs: 5 }],
    edges: [
      { from: "inputs.x", to: "d.value" },
      { from: "d.value", to: "outputs.o" },
    ],
  };
  expect((await run(file, sum, { x: number(4) })).outputs).toEqual({ o: 4 });
});

test("a chain and a fan of 20 000 nodes complete", async () => {
  const chain = {
    ...x,
    outputs: outs("o"),
    nodes: Array.from({ length: 20_000 }, (_, i) => step(`n${i}`)),
    edges: [{ from: "inputs.x", to: "n0.a" }, ...Array.from({ length: 19_999 }, (_, i) => ({ from: `n${i}.out`, to: `n${i + 1}.a` })), { from: "n19999.out", to: "outputs.o" }],
  };
  expect((await run(chain, sum, { x: number(0) })).outputs).toEqual({ o: 20_000 });
  const fan = { ...x, nodes: Array.from({ length: 20_000 }, (_, i) => step(`n${i}`)), edges: Array.from({ length: 20_000 }, (_, i) => ({ from: "inputs.x", to: `n${i}.a` })) };
  expect(Object.keys((await run(fan, sum, { x: number(0) })).ends).length).toBe(20_000);
});
