// What does it cost to survive? A node that does nothing, with a journal on disk: handed to the operating system before each
// effect (process), or on the disk (power); in a chain and in a fan, from 100 to 100 000 nodes, beside the same run without
// a journal. And how long after a kill until the first node that had not run begins.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDagTracker, createJournal, type Durability, openJournal, readKept } from "../pit/mod.ts";
import { createEventLog, type EventSink, type Plan, type Value } from "../runtime/mod.ts";
import { createTestPlatform } from "../tests/platform.ts";
import { type Contestant, head, Mismatch, race } from "./figures.ts";
import { ONE, OUTPUTS, planOf } from "./tracker.ts";

const SIZES = [100, 1000, 10_000, 100_000];
const NODES_A_BLOCK = 10_000;
/** Each waits for the disk, so few are enough. */
const POWER_NODES = 100;
const RECOVERED = 10_000;

const platform = createTestPlatform();

export async function bench(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  try {
    head("durable", "what does it cost to survive?", []);
    for (const shape of ["chain", "fan"] as const)
      for (const nodes of SIZES) {
        const plan = planOf(shape, nodes);
        const runs = Math.max(1, Math.floor(NODES_A_BLOCK / nodes));
        const aNode = (count: number, run: () => Promise<void>) => async (): Promise<number[]> => {
          const begun = performance.now();
          for (let i = 0; i < count; i++) await run();
          return [(performance.now() - begun) / (count * nodes)];
        };
        const contestants: Contestant[] = [
          { what: "process-durable", block: aNode(runs, () => runDurably(plan, folder, "process")), beside: ["without a journal"] },
          { what: "without a journal", block: aNode(runs, () => track(plan, undefined)) },
        ];
        if (nodes === POWER_NODES) contestants.push({ what: "power-durable", block: aNode(1, () => runDurably(plan, folder, "power")), beside: ["without a journal"] });
        await race({
          title: `A ${shape} of ${nodes} nodes`,
          unit: "us",
          sample: `the mean of a node over ${runs === 1 ? "one run" : `${runs} runs`}`,
          warmUp: 1,
          rounds: nodes > 10_000 ? 5 : 10,
          contestants,
        });
      }
    const plan = planOf("chain", RECOVERED);
    await race({
      title: `Going on with a run of ${RECOVERED} nodes, half of them done`,
      unit: "ms",
      sample: "from the journal's bytes to the first new node",
      warmUp: 1,
      rounds: 10,
      contestants: [{ what: "read, fold, start", block: async () => [await recovered(plan, folder)] }],
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A run with a journal of its own. Each event is written before what follows from it. */
export async function runDurably(plan: Plan, path: string, durability: Durability): Promise<void> {
  const folder = join(path, "run");
  rmSync(folder, { recursive: true, force: true });
  const journal = createJournal(platform.appendFolder(folder), "bench", { durability });
  await track(plan, journal.sink);
  await journal.close();
}

async function track(plan: Plan, sink: EventSink | undefined): Promise<void> {
  let done = 0;
  const invoke = (): ReadonlyMap<string, Value> => {
    done++;
    return OUTPUTS;
  };
  const ask = async () => ({ approved: true, reason: "" });
  const { state } = await createDagTracker({ confinement: "", invoke, ask }).start(plan, new Map([["x", ONE]]), { run: "bench", log: createEventLog(sink) }).ended;
  if (state !== "completed" || done !== plan.nodes.length) throw new Mismatch(`${done} of ${plan.nodes.length} nodes were done`);
}

/** Milliseconds from reading a journal that was cut in the middle to the first node that it doesn't know. */
async function recovered(plan: Plan, path: string): Promise<number> {
  await runDurably(plan, path, "process");
  const folder = platform.appendFolder(join(path, "run"));
  const { piece } = await readKept(folder);
  const file = folder.open(piece.name);
  await file.truncate(piece.soundBytes >> 1);
  await file.close();
  const begun = performance.now();
  const kept = await readKept(folder);
  const { past } = kept;
  let first = 0;
  const invoke = (): ReadonlyMap<string, Value> => {
    first ||= performance.now();
    return OUTPUTS;
  };
  const journal = await openJournal(folder, kept, { durability: "process" });
  const tracker = createDagTracker({ confinement: "", invoke, ask: async () => ({ approved: true, reason: "" }) });
  const { state } = await tracker.start(plan, new Map([["x", ONE]]), { run: "bench", log: createEventLog(journal.sink, past.next), past }).ended;
  await journal.close();
  if (state !== "completed") throw new Mismatch(`the run ${state}`);
  return first - begun;
}
