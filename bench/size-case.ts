// One case of the size bench in a process of its own, so that its memory is its own: `size-case.ts CASE SIZE FOLDER` prints one object.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createArtifactStore, createDagTracker, createJournal, type Journal, keepLarge, type TrackerPorts } from "../pit/mod.ts";
import { createEventLog, type Plan, planMelody, readMelody, type Value } from "../runtime/mod.ts";
import { createFileStorage } from "../runtime/platform/system.ts";
import { createTestPlatform } from "../tests/platform.ts";
import { CATALOGUE, ONE, OUTPUTS, planOf } from "./tracker.ts";

const SMALL_RUN_NODES = 5;
const VALUE_CHARACTERS = 64 * 1024;

const [name, size, folder] = process.argv.slice(2) as [string, string, string];
const count = Number(size);
const platform = createTestPlatform();
const store = createArtifactStore({ platform, storage: createFileStorage(join(folder, "artifacts")) });
const ports: TrackerPorts = { confinement: "", invoke: () => OUTPUTS, ask: async () => ({ approved: true, reason: "" }) };

/** All of these sources lead into one list. */
function fanIn(sources: number): Plan {
  const ids = Array.from({ length: sources }, (_, i) => `n${i}`);
  const file = {
    symphony: 1,
    id: "in",
    inputs: { x: { type: "number" } },
    outputs: { all: { type: "list<any>" } },
    nodes: [...ids.map((id) => ({ id, kind: "operator", uses: "step" })), { id: "all", kind: "control", control: "merge", mode: "list" }],
    edges: [
      ...ids.flatMap((id) => [
        { from: "inputs.x", to: `${id}.a` },
        { from: `${id}.a`, to: `all.${id}` },
      ]),
      { from: "all.value", to: "outputs.all" },
    ],
  };
  const read = readMelody(JSON.stringify(file));
  const made = read.melody && planMelody(read.melody, CATALOGUE, read);
  if (!made || made.faults.length > 0) throw new Error(JSON.stringify([...read.faults, ...(made?.faults ?? [])].slice(0, 3)));
  return made.plan;
}

async function once(plan: Plan, run: string, over: TrackerPorts = ports): Promise<void> {
  const journal: Journal = createJournal(platform.appendFolder(join(folder, run)), run, { durability: "process" });
  const { state, error } = await createDagTracker(over).start(plan, new Map([["x", ONE]]), { run, log: createEventLog(journal.sink) }).ended;
  await journal.close();
  if (state !== "completed") throw new Error(`the run ${state}: ${error?.message}`);
}

/** Each step gives another text, that stands in the journal by its hash. */
function largeValues(): TrackerPorts {
  let given = 0;
  return {
    ...ports,
    keep: (values) => keepLarge(values, store),
    invoke: () => new Map<string, Value>([["a", { tag: "text", val: `${given++} ${"x".repeat(VALUE_CHARACTERS - 12)}` }]]),
  };
}

const CASES: Record<string, () => [nodes: number, () => Promise<unknown>]> = {
  chain: () => [
    count,
    (
      (plan) => () =>
        once(plan, "run")
    )(planOf("chain", count)),
  ],
  fan: () => [
    count,
    (
      (plan) => () =>
        once(plan, "run")
    )(planOf("fan", count)),
  ],
  "fan-in": () => [
    count,
    (
      (plan) => () =>
        once(plan, "run")
    )(fanIn(count)),
  ],
  runs: () => [
    count * SMALL_RUN_NODES,
    (
      (plan) => () =>
        Promise.all(Array.from({ length: count }, (_, i) => once(plan, `run-${i}`)))
    )(planOf("chain", SMALL_RUN_NODES)),
  ],
  values: () => [
    count,
    (
      (plan) => () =>
        once(plan, "run", largeValues())
    )(planOf("chain", count)),
  ],
};

const resident = (): number => 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

const [nodes, work] = (CASES[name] as (typeof CASES)[string])();
const before = resident();
const begun = performance.now();
await work();
console.log(JSON.stringify({ nodes, ms: performance.now() - begun, bytes: resident() - before }));
process.exit(0);
