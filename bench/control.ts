// How soon does an order take effect, and an end become an event? A run of thousands of isolated steps in a process of its own, followed
// and steered by this one over the socket; and within one process, from a step's answer to its event in a journal.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { connect } from "../cli/home/client.ts";
import type { Home, Told } from "../cli/home/home.ts";
import { openBackstage } from "../cli/stage.ts";
import { createDagTracker, createJournal } from "../pit/mod.ts";
import { createEventLog, type Value } from "../runtime/mod.ts";
import { guest } from "../tests/components.ts";
import { createTestPlatform, root } from "../tests/platform.ts";
import { head, race } from "./figures.ts";
import { ONE, OUTPUTS, planOf } from "./tracker.ts";

const ROUNDS = 100;
const ITEMS = 1_000_000;
const NODES = 5000;

export async function bench(): Promise<void> {
  head("control", "how soon does an order take effect, and an end become an event?", []);
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  try {
    await inProcess(folder);
    await acrossProcesses(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** From the moment a step has answered to that in which a subscriber has its end, which is in the journal by then. */
async function inProcess(folder: string): Promise<void> {
  const platform = createTestPlatform();
  const plan = planOf("fan", NODES);
  await race({
    title: `Node end to event, ${NODES} steps, 16 at once, process-durable`,
    unit: "us",
    sample: "one node",
    rounds: 5,
    contestants: [
      {
        what: "in process",
        async block() {
          const answered = new Map<string, number>();
          const samples: number[] = [];
          const journal = createJournal(platform.appendFolder(join(folder, crypto.randomUUID())), "bench", { durability: "process" });
          const log = createEventLog(journal.sink);
          log.subscribe((event) => {
            if (event.event === "node.finished") samples.push(performance.now() - (answered.get(event.node) as number));
          });
          const invoke = async ({ path }: { path: string }): Promise<ReadonlyMap<string, Value>> => {
            await Promise.resolve();
            answered.set(path, performance.now());
            return OUTPUTS;
          };
          const tracker = createDagTracker({ confinement: "", invoke, ask: async () => ({ approved: true, reason: "" }) });
          await tracker.start(plan, new Map([["x", ONE]]), { run: "bench", log }).ended;
          await journal.close();
          return samples;
        },
      },
    ],
  });
}

async function acrossProcesses(folder: string): Promise<void> {
  const home = join(folder, "home");
  await guest("echo-c");
  const melody = join(folder, "melody.json");
  const body = {
    inputs: { item: { type: "number" } },
    outputs: { value: { type: "any" } },
    nodes: [{ id: "echo", kind: "operator", uses: "echo-c" }],
    edges: [
      { from: "inputs.item", to: "echo.value" },
      { from: "echo.value", to: "outputs.value" },
    ],
  };
  const nodes = [{ id: "each", kind: "control", control: "map", concurrency: 64, body }];
  writeFileSync(melody, JSON.stringify({ symphony: 1, id: "load", inputs: { list: { type: "list<number>" } }, nodes, edges: [{ from: "inputs.list", to: "each.items" }] }));
  const list = join(folder, "list.json");
  writeFileSync(list, `[${"1,".repeat(ITEMS - 1)}1]`);
  const args = ["run", melody, "--input", `list=@${list}`, "--extensions", join(root, "tests/guests"), "--home", home, "--quiet"];
  const child: ChildProcess = spawn(process.execPath, [join(root, "symphony.ts"), ...args], { stdio: "ignore" });
  try {
    const [client, run] = await liveRun(home);
    const watcher = createWatcher(client, run);
    await watcher.until((told) => "event" in told && told.event.event === "node.finished");
    const orders: { pause: number[]; continue: number[]; arrival: number[] } = { pause: [], continue: [], arrival: watcher.arrivals };
    for (let round = 0; round < ROUNDS; round++) {
      let begun = performance.now();
      const paused = watcher.until((told) => "event" in told && told.event.event === "run.paused");
      await client.control(run, { do: "pause", stop: false });
      await paused;
      orders.pause.push(performance.now() - begun);
      begun = performance.now();
      // the first node that starts again is the effect
      const started = watcher.until((told) => "event" in told && told.event.event === "node.started");
      await client.control(run, { do: "continue" });
      await started;
      orders.continue.push(performance.now() - begun);
      await watcher.until((told) => "event" in told && told.event.event === "node.finished");
    }
    const once = (samples: number[]) => () => samples.splice(0);
    await race({
      title: `Orders to a process that runs ${ITEMS} items, 64 at once, and tells this one of each`,
      unit: "ms",
      sample: "one order, or one event",
      warmUp: 0,
      rounds: 1,
      contestants: [
        { what: "pause, to its event here", block: once(orders.pause) },
        { what: "continue, to the first node that starts", block: once(orders.continue) },
        { what: "event here, since its time (whole ms) there", block: once(orders.arrival) },
      ],
    });
    await client.control(run, { do: "cancel", reason: "measured" });
    await client.close();
  } finally {
    await new Promise((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve(undefined)));
  }
}

async function liveRun(home: string): Promise<[Home, string]> {
  const backstage = await openBackstage({ home });
  for (;;) {
    const client = await connect(backstage);
    const [one] = client ? (await client.live()).runs : [];
    if (client && one) return [client, one.run];
    await client?.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function createWatcher(client: Home, run: string): { until(passes: (told: Told) => boolean): Promise<void>; arrivals: number[] } {
  const waiting = new Set<{ passes: (told: Told) => boolean; resolve: () => void }>();
  const arrivals: number[] = [];
  client
    .follow(run, undefined, (told) => {
      if ("event" in told) arrivals.push(Date.now() - told.event.at);
      for (const one of waiting) {
        if (!one.passes(told)) continue;
        waiting.delete(one);
        one.resolve();
      }
    })
    .ended.catch(() => {});
  return { arrivals, until: (passes) => new Promise((resolve) => waiting.add({ passes, resolve })) };
}
