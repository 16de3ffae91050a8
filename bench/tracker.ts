// What does a node cost that does nothing? In this process, not durable, in a chain and in a fan, from 100 to 100 000
// nodes, beside p-graph and bare promises.
import { PGraph } from "p-graph";
import { createDagTracker } from "../pit/mod.ts";
import { createEventLog, parseManifest, type Plan, planMelody, readMelody, type Value } from "../runtime/mod.ts";
import { type Contestant, head, Mismatch, race, same, versionOf } from "./figures.ts";

const SIZES = [100, 1000, 10_000, 100_000];
/** Of each contestant's nodes in a block, so that small runs are measured as long as large ones. */
const NODES_A_BLOCK = 20_000;

const STEP = parseManifest('id = "step"\nversion = "1.0.0"\nkind = "operator"\n[inputs.a]\ntype = "any"\n[outputs.a]\ntype = "any"\n', "step");
export const CATALOGUE = { get: () => STEP, ids: () => ["step"] };
export const ONE: Value = { tag: "number", val: 1 };
export const OUTPUTS: ReadonlyMap<string, Value> = new Map([["a", ONE]]);

type Shape = "chain" | "fan";

export async function bench(): Promise<void> {
  head("tracker", "what does a node cost that does nothing?", [versionOf("p-graph")]);
  for (const shape of ["chain", "fan"] as const) {
    for (const nodes of SIZES) {
      const plan = planOf(shape, nodes);
      const runs = Math.max(1, Math.floor(NODES_A_BLOCK / nodes));
      const aNode = (run: () => Promise<number>) => async (): Promise<number[]> => {
        const begun = performance.now();
        for (let i = 0; i < runs; i++) {
          const done = await run();
          if (done !== nodes) throw new Mismatch(`${done} of ${nodes} nodes were done`);
        }
        return [(performance.now() - begun) / (runs * nodes)];
      };
      const contestants: Contestant[] = [
        { what: "DAG Tracker, answers at once", block: aNode(() => track(plan, false)), beside: ["p-graph", "bare promises"] },
        { what: "DAG Tracker, answers by a promise", block: aNode(() => track(plan, true)), beside: ["p-graph", "bare promises"] },
        { what: "p-graph", block: aNode(() => pGraph(shape, nodes)) },
        { what: "bare promises", block: aNode(() => promises(shape, nodes)) },
      ];
      const rounds = nodes > 10_000 ? 5 : 15;
      await race({
        title: `A ${shape} of ${nodes} nodes`,
        unit: "us",
        sample: `the mean of a node over ${runs === 1 ? "one run" : `${runs} runs`}`,
        warmUp: 2,
        rounds,
        contestants,
      });
    }
  }
}

export function planOf(shape: Shape, nodes: number): Plan {
  const edges = Array.from({ length: nodes }, (_, i) => ({ from: shape === "fan" || i === 0 ? "inputs.x" : `n${i - 1}.a`, to: `n${i}.a` }));
  const file = {
    symphony: 1,
    id: shape,
    inputs: { x: { type: "number" } },
    nodes: Array.from({ length: nodes }, (_, i) => ({ id: `n${i}`, kind: "operator", uses: "step" })),
    edges,
  };
  const read = readMelody(JSON.stringify(file));
  if (!read.melody) throw new Mismatch(JSON.stringify(read.faults.slice(0, 3)));
  const { plan, faults } = planMelody(read.melody, CATALOGUE, read);
  same("faults", faults.slice(0, 3), []);
  return plan;
}

/** One run on a plan; how many nodes were done. */
export async function track(plan: Plan, later: boolean): Promise<number> {
  let done = 0;
  const tracker = createDagTracker({
    confinement: "",
    invoke: () => {
      done++;
      return later ? Promise.resolve(OUTPUTS) : OUTPUTS;
    },
    ask: async () => ({ approved: true, reason: "" }),
  });
  const { state } = await tracker.start(plan, new Map([["x", ONE]]), { run: "bench", log: createEventLog() }).ended;
  return state === "completed" ? done : -1;
}

/** Building counts: p-graph plans in its constructor, and each graph is for one run. */
export async function pGraph(shape: Shape, nodes: number): Promise<number> {
  let done = 0;
  const run = (): void => void done++;
  const steps = new Map(Array.from({ length: nodes }, (_, i) => [`n${i}`, { run }]));
  const dependencies = shape === "chain" ? Array.from({ length: nodes - 1 }, (_, i): [string, string] => [`n${i}`, `n${i + 1}`]) : [];
  await new PGraph(steps, dependencies).run();
  return done;
}

/** The shortest way to write a graph: each node waits for all of its sources. */
async function promises(shape: Shape, nodes: number): Promise<number> {
  let done = 0;
  const step = ([value]: Value[]): Value | undefined => {
    done++;
    return value;
  };
  const started: Promise<Value>[] = [];
  const input = Promise.resolve(ONE);
  for (let i = 0; i < nodes; i++) {
    const source = shape === "fan" || i === 0 ? input : (started[i - 1] as Promise<Value>);
    started.push(Promise.all([source]).then(step) as Promise<Value>);
  }
  await Promise.all(started);
  return done;
}
