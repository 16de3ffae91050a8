// The journal: what is written comes back, what is torn or damaged is cut and never misread, and a run that goes on from any
// prefix of its journal ends as the whole one did.
import { describe, expect, test } from "bun:test";
import { crc32 as zlibCrc32 } from "node:zlib";
import { createEventLog, parseManifest, type Plan, planMelody, type RunEvent, readMelody, SymphonyError, type Value, valueToJson } from "../../runtime/mod.ts";
import { createBrowserPlatform, createMemoryStorage } from "../../runtime/platform/browser.ts";
import { createRandom } from "../../tests/random.ts";
import { Disk } from "../../tests/disk.ts";
import { createArtifactStore } from "../artifact-store/artifact-store.ts";
import { crc32 } from "./crc32.ts";
import { LineWriter, readJournal } from "./journal.ts";
import { createJournal, loadPast, openJournal, readKept } from "./journal-folder.ts";
import { foldEvents, nodesToReset } from "./past.ts";
import { createDagTracker } from "./run.ts";
import type { RunResult, StepTask } from "./tracker.ts";
import { INLINE_BYTES_MAX, keepLarge } from "./written.ts";

const platform = createBrowserPlatform();
const createStore = () => createArtifactStore({ platform, storage: createMemoryStorage() });

const VALUES: Value[] = [
  { tag: "null" },
  { tag: "boolean", val: true },
  { tag: "number", val: -0 },
  { tag: "number", val: 1.5e300 },
  { tag: "number", val: 5e-324 },
  { tag: "text", val: "" },
  { tag: "text", val: 'line\nquote"back\\slash\0\u2028😀\u007f' },
  { tag: "json", val: '{"a":[1,null,"ß"]}' },
  { tag: "bytes", val: { mediaType: "image/png", data: Uint8Array.from([0, 255, 10, 13]) } },
  { tag: "bytes", val: { mediaType: "text/plain", data: new Uint8Array(0) } },
  { tag: "artifact", val: { id: "ab".repeat(32), size: 2 ** 40, mediaType: "text/csv" } },
  { tag: "items", val: [] },
  { tag: "items", val: [{ tag: "null" }, { tag: "text", val: "x" }, { tag: "number", val: 7 }, { tag: "bytes", val: { mediaType: "a/b", data: new Uint8Array([1]) } }] },
];

test("crc32 is that of zlib, at every length and alignment", () => {
  const random = createRandom(1);
  const bytes = Uint8Array.from({ length: 300 }, () => random(256));
  for (let from = 0; from < 9; from++) for (let end = from; end < 300; end += 7) expect(crc32(bytes, from, end)).toBe(zlibCrc32(bytes.subarray(from, end)));
});

describe("values", () => {
  test("come back as they were", async () => {
    const file = new Disk();
    const log = createEventLog(createJournal(file, "r", { durability: "process" }).sink);
    log.append({
      run: "r",
      event: "run.started",
      melody: "m",
      nodes: 1,
      parallel: 1,
      confinement: "none",
      inputs: Object.fromEntries(VALUES.map((value, at) => [`v${at}`, value])),
    });
    log.append({ run: "r", event: "node.finished", node: "a", ms: 1, outputs: [undefined, ...VALUES, undefined] });
    await log.commit();
    const { events, cut } = readJournal(file.bytes());
    expect(cut).toBeUndefined();
    expect(Object.values((events[0] as { inputs: Record<string, Value> }).inputs)).toEqual(VALUES);
    expect((events[1] as unknown as { outputs: Value[] }).outputs).toEqual([undefined, ...VALUES, undefined] as Value[]);
    expect(Object.is((events[1] as unknown as { outputs: { val: number }[] }).outputs[3]?.val, -0)).toBe(true);
  });

  for (const size of [INLINE_BYTES_MAX - 100, INLINE_BYTES_MAX + 1, 300_000])
    test(`of ${size} characters stand ${size > INLINE_BYTES_MAX ? "by their hash" : "in the line"}, and come back`, async () => {
      const store = createStore();
      const value: Value = { tag: "text", val: "ä".repeat(size / 2) };
      const list: Value = { tag: "items", val: Array.from({ length: 10 }, () => ({ tag: "json", val: JSON.stringify("x".repeat(size / 10)) })) };
      await keepLarge([value, undefined, list], store);
      const file = new Disk();
      const log = createEventLog(createJournal(file, "r", { durability: "process" }).sink);
      log.append({ run: "r", event: "run.started", melody: "m", nodes: 1, parallel: 1, confinement: "none", inputs: { value } });
      log.append({ run: "r", event: "node.started", node: "a", attempt: 1 });
      log.append({ run: "r", event: "node.finished", node: "a", ms: 1, outputs: [list] });
      await log.commit();
      expect(file.bytes().length < 2000).toBe(size > INLINE_BYTES_MAX);
      const past = foldEvents(readJournal(file.bytes()).events);
      await loadPast(past, store);
      expect(past.started?.inputs).toEqual({ value });
      expect(past.nodes.get("a")?.outputs).toEqual([list]);
    });
});

// ---- runs ----

const STEP = parseManifest(
  'id = "step"\nversion = "1.0.0"\nkind = "operator"\n[inputs.a]\ntype = "number"\nrequired = false\n[inputs.b]\ntype = "number"\nrequired = false\n[outputs.out]\ntype = "number"\n',
  "step",
);
const number = (val: number): Value => ({ tag: "number", val });
const step = (id: string, more: object = {}) => ({ id, kind: "operator", uses: "step", ...more });

/** Everything that a resume must get right: retries, fallbacks, what is skipped, maps, bodies, delays, approvals, merges. */
const MELODY = {
  symphony: 1,
  id: "all",
  inputs: { x: { type: "number", default: 2 }, list: { type: "list<number>", default: [3, 1, 4, 1, 5] } },
  outputs: { sum: { type: "number" }, each: { type: "list<number>" }, joined: { type: "list<any>" } },
  nodes: [
    step("first"),
    step("flaky", { retry: { attempts: 3, delayMs: 1 } }),
    step("broken", { onFailure: { fallback: "spare" } }),
    step("spare"),
    { id: "which", kind: "control", control: "branch", cases: [{ name: "big", when: "value > 100.0" }] },
    step("never"),
    step("always"),
    {
      id: "each",
      kind: "control",
      control: "map",
      concurrency: 2,
      onItemFailure: "skip",
      body: {
        inputs: { item: { type: "number" } },
        outputs: { o: { type: "number" } },
        nodes: [step("inner"), { id: "wait", kind: "control", control: "delay", delayMs: 1 }],
        edges: [
          { from: "inputs.item", to: "inner.a" },
          { from: "inner.out", to: "wait.value" },
          { from: "wait.value", to: "outputs.o" },
        ],
      },
    },
    { id: "ask", kind: "control", control: "approve" },
    {
      id: "sub",
      kind: "control",
      control: "melody",
      body: {
        inputs: { y: { type: "number" } },
        outputs: { o: { type: "number" } },
        nodes: [step("in")],
        edges: [
          { from: "inputs.y", to: "in.a" },
          { from: "in.out", to: "outputs.o" },
        ],
      },
    },
    { id: "all", kind: "control", control: "merge", mode: "list" },
    step("sum"),
  ],
  edges: [
    { from: "inputs.x", to: "first.a" },
    { from: "first.out", to: "flaky.a" },
    { from: "first.out", to: "broken.a" },
    { from: "flaky.out", to: "which.value" },
    { from: "which.big", to: "never.a" },
    { from: "which.otherwise", to: "always.a" },
    { from: "inputs.list", to: "each.items" },
    { from: "broken.out", to: "ask.value" },
    { from: "ask.value", to: "sub.y" },
    { from: "each.o", to: "outputs.each" },
    { from: "never.out", to: "all.n" },
    { from: "always.out", to: "all.a" },
    { from: "sub.o", to: "all.s" },
    { from: "each.o", to: "all.e" },
    { from: "all.value", to: "outputs.joined" },
    { from: "always.out", to: "sum.a" },
    { from: "sub.o", to: "sum.b" },
    { from: "sum.out", to: "outputs.sum" },
  ],
};

function plan(): Plan {
  const read = readMelody(JSON.stringify(MELODY));
  const made = read.melody && planMelody(read.melody, { get: (id) => (id === "step" ? STEP : undefined), ids: () => ["step"] }, read);
  expect([...read.faults, ...(made?.faults ?? [])]).toEqual([]);
  return (made as { plan: Plan }).plan;
}

/** What each step gives depends on nothing but its task, so that any two runs are alike. */
function answer({ path, inputs, attempt }: StepTask): Map<string, Value> {
  if (path === "broken") throw new SymphonyError("step/error", "it always fails");
  if (path === "each/2/inner") throw new SymphonyError("step/error", "this item fails");
  if (path === "flaky" && attempt < 3) throw new SymphonyError("step/error", "not yet", { retryable: true });
  return new Map([["out", number(inputs.reduce((sum, { value }) => sum + (value as { val: number }).val, 0) * 2 + 1)]]);
}

interface Gone {
  result: RunResult;
  called: string[];
}

/** A run from a journal's bytes: begun when there is none. */
async function go(file: Disk, called: string[] = []): Promise<Gone> {
  const store = createStore();
  const ports = {
    confinement: "none",
    keep: (values: readonly (Value | undefined)[]) => keepLarge(values, store),
    invoke: async (task: StepTask) => {
      called.push(task.path);
      return answer(task);
    },
    ask: async () => ({ approved: true, reason: "yes" }),
  };
  const kept = file.isEmpty ? undefined : await readKept(file);
  const past = kept?.past;
  if (past) await loadPast(past, store);
  const options = { durability: "process" as const };
  const journal = kept ? await openJournal(file, kept, options) : createJournal(file, "r", options);
  const inputs = new Map<string, Value>([
    ["x", number(2)],
    ["list", { tag: "items", val: [3, 1, 4, 1, 5].map((val) => ({ tag: "number", val })) }],
  ]);
  const result = await createDagTracker(ports).start(plan(), inputs, { run: "r", log: createEventLog(journal.sink, past?.next), ...(past ? { past } : {}) }).ended;
  await journal.close();
  return { result, called };
}

const outputsOf = ({ result }: Gone) => ({ state: result.state, outputs: Object.fromEntries([...result.outputs].map(([name, value]) => [name, valueToJson(value)])) });

describe("a run that goes on from its journal", () => {
  test("cut after each event ends as the whole one, and runs no finished node again", async () => {
    const whole = new Disk();
    const expected = outputsOf(await go(whole));
    expect(expected.state).toBe("completed");
    const { events } = readJournal(whole.bytes());
    const lines = new TextDecoder().decode(whole.bytes()).split("\n");
    for (let kept = 1; kept < events.length; kept++) {
      const file = new Disk(new TextEncoder().encode(`${lines.slice(0, kept + 1).join("\n")}\n`));
      const finished = new Set(events.slice(0, kept).flatMap((event) => (event.event === "node.finished" ? [event.node] : [])));
      const went = await go(file);
      expect(outputsOf(went)).toEqual(expected);
      expect(went.called.filter((path) => finished.has(path))).toEqual([]);
      const all = readJournal(file.bytes());
      expect(all.cut).toBeUndefined();
      // the table of states holds over both parts, and nothing is told twice
      expect(foldEvents(all.events).state).toBe("completed");
      const ends = all.events.flatMap((event) => (event.event === "node.finished" ? [event.node] : []));
      expect(new Set(ends).size).toBe(ends.length);
      for (const event of all.events.slice(kept)) if (event.event === "node.started" && event.again) expect(finished.has(event.node)).toBe(false);
    }
  }, 60_000);

  test("cut at every byte of its end is cut to whole lines, and ends the same", async () => {
    const whole = new Disk();
    const expected = outputsOf(await go(whole));
    const bytes = whole.bytes();
    const random = createRandom(7);
    for (let back = 1; back < 1024; back += 1 + random(23)) {
      const torn = bytes.slice(0, bytes.length - back);
      const read = readJournal(torn);
      const lineEnd = torn.lastIndexOf(0x0a) + 1;
      expect(read.soundBytes).toBe(lineEnd);
      expect(read.cut?.bytes ?? 0).toBe(torn.length - lineEnd);
      expect(outputsOf(await go(new Disk(torn)))).toEqual(expected);
    }
  }, 60_000);

  test("with a damaged byte anywhere is read up to it, never beyond and never wrongly", async () => {
    const whole = new Disk();
    await go(whole);
    const { events } = readJournal(whole.bytes());
    const random = createRandom(11);
    for (let round = 0; round < 400; round++) {
      const bytes = whole.bytes().slice();
      const at = random(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random(8));
      const headerEnd = bytes.indexOf(0x0a);
      if (at <= whole.bytes().indexOf(0x0a)) {
        expect(() => readJournal(bytes)).toThrow(SymphonyError);
        continue;
      }
      const read = readJournal(bytes);
      expect(read.soundBytes <= at).toBe(true);
      expect(read.cut?.bytes).toBe(bytes.length - read.soundBytes);
      expect(read.events).toEqual(events.slice(0, read.events.length));
      expect(headerEnd).toBeGreaterThan(0);
    }
  });
});

test("what is run anew takes with it all that comes after, by edges and by fallbacks, and leaves the rest", async () => {
  const file = new Disk();
  await go(file);
  const reset = (...from: string[]) => nodesToReset(foldEvents(readJournal(file.bytes()).events), plan(), from).sort();
  const late = ["all", "ask", "sub", "sub/in", "sum"];
  expect(reset("broken")).toEqual(["broken", "spare", ...late].sort());
  expect(reset("spare")).toEqual(["spare", ...late].sort());
  expect(reset("sub")).toEqual(["all", "sub", "sub/in", "sum"]);
  // of its own accord: what failed, also inside a map that went on without it; its other items stay
  expect(reset()).toEqual(["all", "ask", "broken", "each", "each/2/inner", "spare", "sub", "sub/in", "sum"].sort());
});

test("a line that is whole and no event is told, not followed", () => {
  const header = { format: "symphony journal", version: 1, run: "r", created: 0 };
  const ODD: unknown[] = [
    { n: 0, at: 0, event: "run.dreamt" },
    { n: 0, at: 0, event: "node.started", node: 5, attempt: 1 },
    { n: 0, at: 1e300, event: "run.paused" },
    { n: 0, at: 0, event: "node.finished", node: "a", ms: 1 },
    { n: 0, at: 0, event: "node.finished", node: "a", ms: 1, outputs: [{ x: 1 }] },
    { n: 0, at: 0, event: "run.started", melody: "m", nodes: 1, parallel: -3, confinement: "", inputs: {} },
    { n: 0, at: 0, event: "run.started", melody: "m", nodes: 1, parallel: 1, confinement: "", inputs: null },
    { n: 0, at: 0, event: "run.ended", state: "\u001b[2J", outputs: {} },
  ];
  for (const odd of ODD) {
    const writer = new LineWriter();
    writer.line(JSON.stringify(header));
    writer.line(JSON.stringify(odd));
    expect(() => readJournal(writer.take())).toThrow("Cannot read the journal");
  }
});

test("lines that are lost, doubled or from another journal end what is read", async () => {
  const whole = new Disk();
  await go(whole);
  const lines = new TextDecoder().decode(whole.bytes()).split("\n");
  const read = (changed: string[]) => readJournal(new TextEncoder().encode(changed.join("\n"))).events.length;
  expect(read(lines.toSpliced(5, 1))).toBe(4);
  expect(read(lines.toSpliced(5, 0, lines[5] as string))).toBe(5);
  expect(read([lines[0] as string, "", ...lines.slice(1)])).toBe(0);
  expect(() => readJournal(new Uint8Array(0))).toThrow("empty");
  expect(() => readJournal(new TextEncoder().encode(lines.slice(1).join("\n")))).toThrow("first line");
});

test("a state that can't follow is an error", () => {
  const at = { run: "r", at: 0 };
  const events: RunEvent[] = [
    { ...at, n: 0, event: "run.started", melody: "m", nodes: 1, parallel: 1, confinement: "", inputs: {} },
    { ...at, n: 1, event: "node.finished", node: "a", ms: 0, outputs: [] },
  ];
  expect(() => foldEvents(events)).toThrow("a is pending, and node.finished doesn't lead on from there");
});

describe("pieces and snapshots", () => {
  const PIECE = 700;
  const options = { durability: "process" as const, pieceBytes: PIECE };

  /** Writes these events, some at a time, with snapshots as they come. */
  async function written(events: readonly RunEvent[]): Promise<Disk> {
    const disk = new Disk();
    const journal = createJournal(disk, "r", options);
    for (let at = 0; at < events.length; at += 3) {
      await journal.sink.write(events.slice(at, at + 3));
      // until the snapshot has taken the place of what is closed
      while (disk.names.filter((name) => name.startsWith("journal")).length > 1) await new Promise((resolve) => setImmediate(resolve));
    }
    await journal.close();
    return disk;
  }

  const whole = async (): Promise<RunEvent[]> => {
    const disk = new Disk();
    await go(disk);
    return readJournal(disk.bytes()).events;
  };

  test("hold what the whole journal held, in fewer bytes, and only the last events one by one", async () => {
    const events = await whole();
    const disk = await written(events);
    expect(disk.names.filter((name) => name.startsWith("snapshot-"))).toHaveLength(1);
    expect(disk.names.length).toBeLessThan(4);
    const kept = await readKept(disk);
    expect(kept.first).toBeGreaterThan(0);
    expect(kept.events).toEqual(events.slice(kept.first));
    expect(kept.past).toEqual(foldEvents(events));
    expect(kept.cut).toBeUndefined();
  });

  test("cut at every byte are read as far as they are sound, and what is torn is gone on with", async () => {
    const events = await whole();
    const disk = await written(events);
    const kept = await readKept(disk);
    const last = disk.bytes(kept.piece.name);
    for (let bytes = 0; bytes < last.length; bytes += 7) {
      const torn = new Disk();
      for (const name of disk.names) torn.open(name).append(name === kept.piece.name ? last.slice(0, bytes) : disk.bytes(name));
      if (!last.subarray(0, bytes).includes(10)) {
        // the header of the only piece is gone
        await expect(readKept(torn)).rejects.toThrow("journal");
        continue;
      }
      const read = await readKept(torn);
      const sound = kept.first + read.events.length;
      expect(read.past).toEqual({ ...foldEvents(events.slice(0, sound)), cut: read.cut?.bytes ?? 0 });
      const journal = await openJournal(torn, read, options);
      await journal.sink.write(events.slice(sound));
      await journal.close();
      expect((await readKept(torn)).past).toEqual(foldEvents(events));
    }
  });

  test("whose snapshot is damaged are told, never misread", async () => {
    const disk = await written(await whole());
    const name = disk.names.find((one) => one.startsWith("snapshot-")) as string;
    const random = createRandom(3);
    for (let round = 0; round < 200; round++) {
      const bytes = disk.bytes(name).slice();
      const at = random(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random(8));
      const damaged = new Disk();
      for (const other of disk.names) damaged.open(other).append(other === name ? (round % 2 ? bytes : bytes.subarray(0, at)) : disk.bytes(other));
      await expect(readKept(damaged)).rejects.toThrow("Cannot read the snapshot");
    }
  });

  test("that were just begun when the process ended are left out", async () => {
    const events = await whole();
    const disk = await written(events.slice(0, 12));
    const next = (await readKept(disk)).past.next;
    disk.open(`journal-${next}`).append(new TextEncoder().encode("12345678 {"));
    const read = await readKept(disk);
    expect(read.past.next).toBe(next);
    expect(read.cut?.why).toBe("its last piece is torn");
    const journal = await openJournal(disk, read, options);
    await journal.sink.write(events.slice(next));
    await journal.close();
    expect((await readKept(disk)).past).toEqual(foldEvents(events));
  });
});
