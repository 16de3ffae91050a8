// A world in which everything that may happen to a run happens under one seed: the clock, the disk, the steps and the person
// are made up, the tracker and the journal are the real ones. Steps end in any order, orders come at any moment, the process
// or the power ends, the disk is full, writes are torn. What the run left is judged by check.ts.
import {
  type Clock,
  createEventLog,
  parseManifest,
  type Plan,
  planMelody,
  type RunEvent,
  type RunPart,
  readMelody,
  SymphonyError,
  type Value,
  valueToJson,
} from "../runtime/mod.ts";
import { isDeepStrictEqual } from "node:util";
import {
  createDagTracker as realTracker,
  createJournal,
  foldEvents,
  hasBegun,
  type DagTracker,
  type Decision,
  keepLarge,
  loadOutputs,
  loadPast,
  nodesToReset,
  openJournal,
  readJournal,
  readKept,
  type RunHandle,
  type RunResult,
  type StepTask,
  type TrackerPorts,
} from "../pit/mod.ts";
import { createRandom } from "./random.ts";
import { Disk } from "./disk.ts";

type Random = (below: number) => number;

export type CreateTracker = (ports: TrackerPorts) => DagTracker;

/** What one seed led to. */
export interface Outcome {
  melody: MelodyJson;
  /** What was left. */
  disk: Disk;
  /** All events that were ever in the journal. */
  journal: Uint8Array;
  artifacts: ReadonlySet<string>;
  result: RunResult | undefined;
  /** What the same melody gives in a world without accidents. */
  expected: { state: string; outputs: Record<string, unknown> };
  cancelled: boolean;
  /** Steps that were called without their start being kept, values that were lost, and the like. */
  breaches: string[];
  crashes: number;
}

export interface MelodyJson {
  nodes: { id: string; kind: string; control?: string; onFailure?: unknown; body?: MelodyJson }[];
  edges: { from: string; to: string; when?: string }[];
}

// ---- melodies ----

const STEP = parseManifest(
  'id = "step"\nversion = "1.0.0"\nkind = "operator"\n[inputs.a]\ntype = "number"\nrequired = false\n[inputs.b]\ntype = "number"\nrequired = false\n[outputs.out]\ntype = "number"\n',
  "step",
);
const CATALOGUE = { get: (id: string) => (id === "step" ? STEP : undefined), ids: () => ["step"] };

/** Nodes that give one number each, joined at random; bodies to a depth of two. */
function drawLevel(random: Random, depth: number): MelodyJson & { inputs: object; outputs: object } {
  const count = 1 + random(depth === 0 ? 9 : 3);
  const nodes: Record<string, unknown>[] = [];
  const edges: { from: string; to: string; when?: string }[] = [];
  const gives: string[] = ["inputs.x"];
  const from = (): string => gives[random(gives.length)] as string;
  const when = (): { when?: string } => (random(6) === 0 ? { when: "value > 40.0" } : {});
  for (let i = 0; i < count; i++) {
    const id = `n${i}`;
    const kind = random(depth < 2 ? 12 : 8);
    const rule = random(4) === 0 ? { onFailure: ["continue", "skip", "stop"][random(3)] } : {};
    if (kind < 5) {
      const spare = random(5) === 0 ? { onFailure: { fallback: `${id}-spare` } } : rule;
      nodes.push({ id, kind: "operator", uses: "step", ...(random(3) === 0 ? { retry: { attempts: 1 + random(4), delayMs: random(2000) } } : {}), ...spare });
      if (typeof spare.onFailure === "object") nodes.push({ id: `${id}-spare`, kind: "operator", uses: "step", onFailure: "skip" });
      edges.push({ from: from(), to: `${id}.a`, ...when() });
      if (random(2) === 0) edges.push({ from: from(), to: `${id}.b`, ...when() });
      if (random(5) === 0 && i > 0) edges.push({ from: `n${random(i)}`, to: id });
      gives.push(`${id}.out`);
    } else if (kind === 5) {
      nodes.push({ id, kind: "control", control: "delay", delayMs: random(5000) });
      edges.push({ from: from(), to: `${id}.value` });
      gives.push(`${id}.value`);
    } else if (kind === 6) {
      nodes.push({ id, kind: "control", control: "branch", cases: [{ name: "big", when: "value > 30.0" }] });
      edges.push({ from: from(), to: `${id}.value` });
      gives.push(`${id}.big`, `${id}.otherwise`);
    } else if (kind === 7) {
      nodes.push({ id, kind: "control", control: "approve", ...rule });
      edges.push({ from: from(), to: `${id}.value` });
      gives.push(`${id}.value`);
    } else if (kind < 10) {
      nodes.push({ id, kind: "control", control: "melody", body: drawLevel(random, depth + 1), ...rule });
      edges.push({ from: from(), to: `${id}.x` });
      gives.push(`${id}.o`);
    } else {
      const { inputs, ...body } = drawLevel(random, depth + 1);
      nodes.push({
        id,
        kind: "control",
        control: "map",
        concurrency: 1 + random(3),
        ...(random(2) ? { onItemFailure: "skip" } : {}),
        body: { ...body, inputs: { ...inputs, item: { type: "number" } } },
        ...rule,
      });
      edges.push({ from: "inputs.list", to: `${id}.items` }, { from: from(), to: `${id}.x` });
    }
  }
  // unfed is not allowed, so each output has a source of its own
  edges.push({ from: from(), to: "outputs.o" });
  const list = edges.some(({ from: source }) => source === "inputs.list") ? { list: { type: "list<number>", default: Array.from({ length: random(5) }, () => random(50)) } } : {};
  return { inputs: { x: { type: "number", default: random(60) }, ...list }, outputs: { o: { type: "number", optional: true } }, nodes: nodes as MelodyJson["nodes"], edges };
}

function drawMelody(random: Random): { melody: MelodyJson; plan: Plan } {
  for (;;) {
    const melody = { symphony: 1, id: "drawn", ...drawLevel(random, 0) };
    const read = readMelody(JSON.stringify(melody));
    const made = read.melody && planMelody(read.melody, CATALOGUE, read);
    // the draw may leave a node without edges; another one is drawn
    if (made && read.faults.length + made.faults.length === 0) return { melody, plan: made.plan };
  }
}

// ---- the world ----

/** A number from a text: what a step does depends on nothing else, so that any two runs of a seed are alike. */
function hash(text: string): number {
  let state = 2166136261;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619);
  return state >>> 0;
}

function stepResult(seed: number, { path, inputs, attempt }: StepTask): ReadonlyMap<string, Value> {
  const kind = hash(`${seed} ${path}`) % 10;
  if (kind === 0) throw new SymphonyError("step/error", `${path} fails`);
  if (kind === 1 && attempt < 3) throw new SymphonyError("step/error", `${path} fails for now`, { retryable: true, retryAfterMs: hash(path) % 3000 });
  const sum = inputs.reduce((total, { value }) => total + (value as { val: number }).val, kind);
  return new Map([["out", { tag: "number", val: sum % 97 }]]);
}

const approval = (seed: number, path: string): Decision => ({ approved: hash(`${seed} ${path} ask`) % 5 > 0, reason: "drawn" });

/** All microtasks, and what they start. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Options {
  createTracker?: CreateTracker;
  /** Without accidents: for what is expected. */
  calm?: boolean;
}

/** Runs a seed to its end, through all its crashes. */
export async function simulate(seed: number, { createTracker = realTracker }: Options = {}): Promise<Outcome> {
  const random = createRandom(seed);
  const { melody, plan } = drawMelody(random);
  const part = drawPart(random, plan);
  const calm = await live(seed, plan, part, createRandom(seed + 1), realTracker, true);
  const expected = { state: calm.result?.state ?? "none", outputs: outputsOf(calm.result) };
  const { disk, journal, artifacts, result, cancelled, breaches, crashes } = await live(seed, plan, part, random, createTracker, false);
  return { melody, disk, journal, artifacts, result, expected, cancelled, breaches, crashes };
}

/** Of some runs only a part is asked for, or some nodes are pinned. */
function drawPart(random: Random, plan: Plan): RunPart | undefined {
  if (random(5) > 0) return undefined;
  const ids = plan.nodes.filter(({ isFallback }) => !isFallback).map(({ id }) => id);
  const some = (): string[] => ids.filter(() => random(4) === 0);
  const pins = Object.fromEntries(
    some().map((id) => [id, { outputs: (plan.nodes.find((node) => node.id === id) as Plan["nodes"][number]).outputs.map((): Value => ({ tag: "number", val: random(60) })) }]),
  );
  const to = some();
  return { ...(to.length > 0 && random(2) ? { to } : {}), pins };
}

const outputsOf = (result: RunResult | undefined): Record<string, unknown> => Object.fromEntries([...(result?.outputs ?? [])].map(([name, value]) => [name, valueToJson(value)]));

const STEPS_MAX = 5000;

/** An order that may come at a moment in which it can't be taken, which is told. */
function obey(order: () => void): void {
  try {
    order();
  } catch (cause) {
    if ((cause as SymphonyError).code !== "run/control") throw cause;
  }
}

async function live(seed: number, plan: Plan, part: RunPart | undefined, random: Random, createTracker: CreateTracker, calm: boolean) {
  const disk = new Disk();
  const artifacts = new Map<string, Uint8Array>();
  const breaches: string[] = [];
  const power = !calm && random(3) === 0;
  let now = 1_000_000;
  let crashes = 0;
  let cancelled = false;
  let result: RunResult | undefined;
  let fullFor = 0;
  const crashesMax = calm ? 0 : random(4);
  const pieceBytes = calm || random(2) === 0 ? 1e9 : 300 + random(4000);
  const byHash = !calm && random(3) === 0;
  /** How often what failed is still tried again when the run has ended. */
  let retries = calm ? 0 : random(2);
  let answerLater: (<T>(answer: () => T) => Promise<T>) | undefined;
  const store = {
    put: async (bytes: Uint8Array, mediaType: string) => {
      const id = `${hash(new TextDecoder().decode(bytes)).toString(16).padStart(8, "0")}${bytes.length.toString(16).padStart(56, "0")}`;
      if (byHash && answerLater && random(2) === 0) await answerLater(() => undefined);
      artifacts.set(id, bytes);
      return { id, size: bytes.length, mediaType };
    },
    get: async (id: string) => artifacts.get(id) ?? Promise.reject(new SymphonyError("artifact/unknown", id)),
  };

  // one life of the process at a time
  for (let lives = 0; result === undefined; lives++) {
    const timers = new Map<number, { at: number; call: () => void }>();
    let nextTimer = 0;
    let dead = false;
    const clock: Clock = {
      now: () => now,
      elapsed: () => now,
      after(ms, call) {
        const id = nextTimer++;
        timers.set(id, { at: now + Math.max(0, ms), call });
        return () => void timers.delete(id);
      },
    };
    /** What a step, a person or the store has yet to answer. */
    const open: (() => void)[] = [];
    const later = <T>(answer: () => T): Promise<T> =>
      new Promise((resolve, reject) =>
        open.push(() => {
          try {
            resolve(answer());
          } catch (cause) {
            reject(cause as Error);
          }
        }),
      );
    answerLater = later;
    const told: RunEvent[] = [];
    const kept = (): string => disk.text();
    const ports: TrackerPorts = {
      confinement: "none",
      clock,
      keep: (values) => keepLarge(values, store, byHash ? 1 : undefined),
      invoke(task) {
        if (dead) breaches.push(`${task.path} is called after the process ended`);
        // what is done must have been told, and what was told must be kept
        if (!kept().includes(`"event":"node.started","node":"${task.path}","attempt":${task.attempt}`)) breaches.push(`${task.path} is called before its start is kept`);
        if (!calm && random(3) === 0) {
          const work = () => stepResult(seed, task);
          return random(2) === 0 ? later(work) : Promise.resolve().then(work);
        }
        return later(() => stepResult(seed, task));
      },
      ask: ({ path }) => later(() => approval(seed, path)),
    };
    const left = (await hasBegun(disk)) ? await readKept(disk) : undefined;
    if (!left) disk.clear();
    const past = left?.past;
    const again = past?.ended !== undefined && retries-- > 0;
    const resets = past && again ? nodesToReset(past, plan, []) : [];
    for (const path of resets) past?.nodes.delete(path);
    answerLater = undefined;
    if (past) await loadPast(past, store);
    answerLater = later;
    disk.dead = false;
    const options = { durability: power ? ("power" as const) : ("process" as const), pieceBytes, turn: () => later(() => undefined) };
    const journal = left ? await openJournal(disk, left, options) : createJournal(disk, "r", options);
    const log = createEventLog(journal.sink, past?.next, clock);
    log.subscribe((event) => {
      told.push(event);
      if (!kept().includes(`"n":${event.n},`)) breaches.push(`event ${event.n} is told before it is kept`);
    });
    if (past?.ended && !again) {
      result = { run: "r", state: past.ended.state, outputs: await loadOutputs(past.ended, store), error: undefined };
      break;
    }
    // a journal that holds no event yet is begun anew
    const inputs = new Map<string, Value>();
    for (const { name, default: preset } of plan.inputs)
      inputs.set(name, Array.isArray(preset) ? { tag: "items", val: preset.map((val) => ({ tag: "number", val: val as number })) } : { tag: "number", val: preset as number });
    const handle: RunHandle = createTracker(ports).start(plan, inputs, {
      run: "r",
      log,
      parallel: 1 + random(4),
      resets,
      ...(part ? { part } : {}),
      ...(past?.started ? { past } : {}),
    });
    let ended: RunResult | undefined;
    void handle.ended.then((end) => {
      ended = end;
    });

    for (let steps = 0; !ended; steps++) {
      if (steps > STEPS_MAX) throw new Error(`seed ${seed}: the run doesn't end; ${handle.state}, ${open.length} answers and ${timers.size} timers are open`);
      await settle();
      if (ended) break;
      const accident = calm ? 99 : random(100);
      if (accident < 3 && crashes < crashesMax) {
        crashes++;
        dead = true;
        disk.dead = true;
        if (random(3) === 0 && power) disk.powerLoss(random);
        break;
      }
      if (accident === 3) obey(() => handle.pause(random(2) === 0));
      else if (accident === 4 && !cancelled && random(6) === 0) {
        cancelled = true;
        obey(() => handle.cancel("drawn"));
      } else if (accident === 5 && lives < 6) {
        disk.full = true;
        fullFor = 1 + random(3);
      }
      if (handle.state === "paused" && (calm || random(4) === 0)) handle.continue();
      if (disk.full && --fullFor <= 0) disk.full = false;
      if (open.length > 0 && (timers.size === 0 || random(3) > 0)) open.splice(random(open.length), 1)[0]?.();
      else {
        const due = [...timers].sort(([, a], [, b]) => a.at - b.at)[0];
        if (due) {
          timers.delete(due[0]);
          now = Math.max(now, due[1].at);
          due[1].call();
        } else if (open.length === 0 && handle.state === "paused") handle.continue();
      }
    }
    await settle();
    disk.full = false;
    // a run that broke off because of the disk is resumed, as a person would
    if (ended && ended.error?.code !== "run/journal" && retries <= 0) result = ended;
    disk.dead = true;
    now += random(10_000);
    if (lives > 50) throw new Error(`seed ${seed}: over 50 lives`);
  }
  disk.dead = false;
  const journal = new TextEncoder().encode(disk.text());
  // snapshots and what follows them come to what all events come to
  const [kept, all] = [(await readKept(disk)).past, foldEvents(readJournal(journal).events)];
  if (!isDeepStrictEqual({ ...kept, cut: 0 }, all)) breaches.push("the snapshots don't come to what the events come to");
  return { disk, journal, artifacts: new Set(artifacts.keys()), result, cancelled, breaches, crashes };
}
