// The journal of one run: a line for each event, checksummed and numbered, in a file that only grows. A value above 4 KiB
// stands in it by the hash of an artifact. Leaves out what a resume makes of the events (past.ts).
//
// A line is eight hexadecimal digits of a CRC-32 over the rest, a space, and JSON; the first one is the header. JSON holds no
// line feed of its own, so a torn line can't be taken for a whole one, and people can read the file.
import { type AppendFile, type ArtifactRef, CODES, type EventSink, type Item, type RunEvent, type RunOrigin, SymphonyError, type Value } from "../../runtime/mod.ts";
import { crc32 } from "./crc32.ts";
import type { Past } from "./past.ts";
import { NODE_MOVES, RUN_MOVES } from "./states.ts";

/** What survives: the end of our process, or a loss of power. */
export type Durability = "process" | "power";

export const JOURNAL_VERSION = 1;
const FORMAT = "symphony journal";
/** A value larger than this, in its JSON form, stands in the journal by its hash. */
export const INLINE_BYTES_MAX = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Where large values are kept. */
export interface ValueStore {
  put(bytes: Uint8Array, mediaType: string): Promise<ArtifactRef>;
  get(id: string): Promise<Uint8Array>;
}

const MEDIA_TYPE = "application/vnd.symphony.value+json";

// ---- values ----

/** One value in JSON: null, booleans and numbers as they are, the rest as a list that begins with its kind. */
type Written = null | boolean | number | [kind: string, ...rest: unknown[]];

/** Large values that have been stored, so that a record can name them. */
const stored = new WeakMap<Value, ArtifactRef>();

/** The artifact under which a value stands in logs, if it is a large one. */
export function storedId(value: Value): string | undefined {
  return stored.get(value)?.id;
}

/** Items stand in their list as they are, also those that are stored besides: a list is read in one go. */
function written(value: Value, inList = false): Written {
  const ref = inList ? undefined : stored.get(value);
  if (ref) return ["s", ref.id, ref.size];
  switch (value.tag) {
    case "null":
      return null;
    case "boolean":
      return value.val;
    case "number":
      return Object.is(value.val, -0) ? ["n", "-0"] : value.val;
    case "text":
      return ["t", value.val];
    case "json":
      return ["j", value.val];
    case "bytes":
      return ["b", value.val.mediaType, base64(value.val.data)];
    case "artifact":
      return ["a", value.val.id, value.val.size, value.val.mediaType];
    case "items":
      return ["l", value.val.map((item) => written(item, true))];
  }
}

function base64(data: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < data.length; at += 8192) binary += String.fromCharCode(...data.subarray(at, at + 8192));
  return btoa(binary);
}

/** The value, or the artifact that holds it. */
function readWritten(one: Written): Value | { stored: string } {
  if (one === null) return { tag: "null" };
  if (typeof one === "object" && !Array.isArray(one)) throw new SymphonyError("journal/damaged", "Cannot read the journal: a value of no known form");
  if (typeof one === "boolean") return { tag: "boolean", val: one };
  if (typeof one === "number") return { tag: "number", val: one };
  const [kind, a, b, c] = one as [string, unknown, unknown, unknown];
  switch (kind) {
    case "n":
      return { tag: "number", val: -0 };
    case "t":
      return { tag: "text", val: a as string };
    case "j":
      return { tag: "json", val: a as string };
    case "b":
      return { tag: "bytes", val: { mediaType: a as string, data: Uint8Array.from(atob(b as string), (character) => character.charCodeAt(0)) } };
    case "a":
      return { tag: "artifact", val: { id: a as string, size: b as number, mediaType: c as string } };
    case "l":
      return { tag: "items", val: (a as Written[]).map((item) => readWritten(item) as Item) };
    case "s":
      return { stored: a as string };
    default:
      throw new SymphonyError("journal/damaged", `Cannot read the journal: a value of kind ${JSON.stringify(kind)}`);
  }
}

/** Whether a value's JSON form has at most `most` bytes; written out only where two bounds can't tell. */
function isSmall(value: Value, most: number): boolean {
  const least = leastLength(value, most);
  if (least > most) return false;
  // an escaped character takes six bytes, and a small item some besides
  if (least * 6 + 64 <= most) return true;
  return encoder.encode(JSON.stringify(written(value))).length <= most;
}

/** Bytes that a value surely takes; counts no further than `most`. */
function leastLength(value: Value, most: number): number {
  switch (value.tag) {
    case "text":
    case "json":
      return value.val.length;
    case "bytes":
      return value.val.data.length;
    case "artifact":
      return 64;
    case "items": {
      let sum = 0;
      for (const item of value.val) {
        sum += 5 + leastLength(item, most);
        if (sum > most) break;
      }
      return sum;
    }
    default:
      return 4;
  }
}

/** Stores the large ones among some values, so that a journal can name them. Nothing to wait for when there are none. */
export function keepLarge(values: Iterable<Value | undefined>, store: ValueStore): Promise<void> | undefined {
  const large: Value[] = [];
  for (const value of values) if (value !== undefined && !stored.has(value) && !isSmall(value, INLINE_BYTES_MAX)) large.push(value);
  if (large.length === 0) return undefined;
  return Promise.all(
    large.map(async (value) => {
      const ref = await store.put(encoder.encode(JSON.stringify(written(value))), MEDIA_TYPE);
      stored.set(value, ref);
    }),
  ).then(() => undefined);
}

/** The value that a journal names by its hash. */
export async function loadLarge(id: string, store: ValueStore): Promise<Value> {
  const bytes = await store.get(id);
  const value = readWritten(JSON.parse(decoder.decode(bytes)) as Written) as Value;
  stored.set(value, { id, size: bytes.length, mediaType: MEDIA_TYPE });
  return value;
}

// ---- lines ----

const HEX = "0123456789abcdef";

/** Writes events as lines into one buffer. */
export class LineWriter {
  #bytes = new Uint8Array(64 * 1024);
  #length = 0;

  line(json: string): void {
    const most = json.length * 3 + 10;
    if (this.#length + most > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + most));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    const at = this.#length;
    const end = at + 9 + encoder.encodeInto(json, this.#bytes.subarray(at + 9)).written;
    let sum = crc32(this.#bytes, at + 9, end);
    for (let i = 7; i >= 0; i--) {
      this.#bytes[at + i] = HEX.charCodeAt(sum & 15);
      sum >>>= 4;
    }
    this.#bytes[at + 8] = 0x20;
    this.#bytes[end] = 0x0a;
    this.#length = end + 1;
  }

  /** Valid until the next line. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }
}

/** An event as its line's JSON; the run stands in the header. */
export function spellEvent(event: RunEvent): string {
  switch (event.event) {
    case "node.finished":
      // the most frequent one, without the copy; outputs may have holes, which map() would pass over
      return `{"n":${event.n},"at":${event.at},"event":"node.finished","node":${JSON.stringify(event.node)},"ms":${event.ms},"outputs":${JSON.stringify(Array.from(event.outputs, (value) => (value === undefined ? [] : written(value))))}}`;
    case "run.started": {
      const { run, inputs, ...rest } = event;
      void run;
      return JSON.stringify({ ...rest, inputs: writtenAll(inputs) });
    }
    case "run.ended": {
      const { run, outputs, ...rest } = event;
      void run;
      return JSON.stringify({ ...rest, outputs: writtenAll(outputs) });
    }
    case "node.waiting": {
      const { run, value, ...rest } = event;
      void run;
      return JSON.stringify(value === undefined ? rest : { ...rest, value: written(value) });
    }
    default: {
      const { run, ...rest } = event;
      void run;
      return JSON.stringify(rest);
    }
  }
}

function writtenAll(values: Readonly<Record<string, Value>>): Record<string, Written> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, written(value)]));
}

/** Values by name in the journal's JSON form, for other places where it is to be read again. */
export function spellValues(values: ReadonlyMap<string, Value>): Record<string, unknown> {
  return writtenAll(Object.fromEntries(values));
}

/** What `spellValues` gave; large ones are loaded. Throws `journal/damaged`, or why one can't be loaded. */
export async function readValues(json: Readonly<Record<string, unknown>>, store: ValueStore): Promise<Map<string, Value>> {
  const values = new Map<string, Value>();
  for (const [name, held] of Object.entries(allHeldIn(json))) values.set(name, held.tag === "stored" ? await loadLarge(held.val, store) : held);
  return values;
}

/** An event of a run from its line's JSON. Values that stand by their hash stay so. */
export function parseEvent(json: unknown, run: string): RunEvent {
  const event = json as RunEvent;
  if (typeof event !== "object" || event === null || !isEvent(event)) throw new SymphonyError("journal/damaged", "Cannot read an event: it is none that this Symphony knows");
  return readEvent(event, run);
}

/** Whether a value may stand in a log as it is, or is known to the store. */
export function canStand(value: Value): boolean {
  return stored.has(value) || isSmall(value, INLINE_BYTES_MAX);
}

export function spellHeader(run: string, created: number): string {
  return JSON.stringify({ format: FORMAT, version: JOURNAL_VERSION, run, created });
}

// ---- reading ----

export interface ReadJournal {
  run: string;
  created: number;
  events: RunEvent[];
  /** Bytes that are sound; what follows them is torn or damaged. */
  soundBytes: number;
  /** How many bytes follow, and why they aren't read. */
  cut: { bytes: number; why: string } | undefined;
}

/** A value of a journal that must be loaded before it is used. */
export interface StoredValue {
  tag: "stored";
  val: string;
}

/**
 * Reads a journal as far as it is sound: lines whose checksum, number and form are right. The first that isn't ends it,
 * whatever follows. Throws `journal/damaged` when not even the header can be read, `journal/version` for a later format.
 */
export function readJournal(bytes: Uint8Array): ReadJournal {
  let at = 0;
  const events: RunEvent[] = [];
  let header: { run: string; created: number } | undefined;
  let why = "";
  while (at < bytes.length) {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) {
      why = "its last line is torn";
      break;
    }
    const json = soundLine(bytes, at, end);
    if (json === undefined) {
      why = `line ${events.length + (header ? 2 : 1)} is damaged`;
      break;
    }
    if (!header) header = readHeader(json);
    else {
      const event = json as unknown as RunEvent & { outputs?: Written[] };
      if (event?.n !== events.length) {
        why = `line ${events.length + 2} has the number ${event?.n}`;
        break;
      }
      if (!isEvent(event))
        throw new SymphonyError(
          "journal/damaged",
          `Cannot read the journal: line ${events.length + 2} is whole, and no event that this Symphony knows; use the Symphony that wrote it`,
        );
      events.push(readEvent(event, header.run));
    }
    at = end + 1;
  }
  if (!header) throw new SymphonyError("journal/damaged", `Cannot read the journal: ${why || "it is empty"}`);
  return { ...header, events, soundBytes: at, cut: at < bytes.length ? { bytes: bytes.length - at, why } : undefined };
}

function soundLine(bytes: Uint8Array, from: number, end: number): Record<string, unknown> | undefined {
  if (end - from < 10 || bytes[from + 8] !== 0x20) return undefined;
  let sum = 0;
  for (let i = 0; i < 8; i++) {
    const digit = HEX.indexOf(String.fromCharCode(bytes[from + i] as number));
    if (digit < 0) return undefined;
    sum = ((sum << 4) | digit) >>> 0;
  }
  if (sum !== crc32(bytes, from + 9, end)) return undefined;
  try {
    return JSON.parse(decoder.decode(bytes.subarray(from + 9, end))) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function readHeader(json: Record<string, unknown>): { run: string; created: number } {
  const { format, version, run, created } = json;
  if (format !== FORMAT || typeof run !== "string" || typeof created !== "number")
    throw new SymphonyError("journal/damaged", "Cannot read the journal: its first line is none of a journal");
  if (version !== JOURNAL_VERSION)
    throw new SymphonyError(
      "journal/version",
      `Cannot read the journal: it has version ${JSON.stringify(version)}, this Symphony reads ${JOURNAL_VERSION}; use the Symphony that wrote it`,
    );
  return { run, created };
}

/** Whether a line has the form of an event; what stands in its values is seen when they are read. */
function isEvent(line: RunEvent): boolean {
  const is = (value: unknown, type: "string" | "number"): boolean => typeof value === type && (type !== "number" || Number.isFinite(value));
  const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!EVENTS.has(line.event) || !is(line.at, "number") || Math.abs(line.at) > 8.64e15) return false;
  if (line.event.startsWith("node.") && !is((line as { node?: unknown }).node, "string")) return false;
  switch (line.event) {
    case "run.started":
      return (
        isObject(line.inputs) &&
        is(line.melody, "string") &&
        Number.isInteger(line.parallel) &&
        line.parallel >= 1 &&
        line.parallel <= 1000 &&
        (line.origin === undefined || isOrigin(line.origin))
      );
    case "run.ended":
      return isObject(line.outputs) && END_STATES.has(line.state) && (line.code === undefined || Object.hasOwn(CODES, line.code));
    case "run.resumed":
      return line.resets === undefined || (Array.isArray(line.resets) && line.resets.every((path) => is(path, "string")));
    case "node.started":
      return Number.isInteger(line.attempt) && line.attempt >= 1;
    case "node.finished":
      return Array.isArray(line.outputs);
    case "node.failed":
      return Object.hasOwn(CODES, line.code) && is(line.message, "string");
    case "node.retrying":
      return Number.isInteger(line.attempt) && is(line.until, "number");
    default:
      return true;
  }
}

function isOrigin({ source, file, folders, approved, extensions, searched = [] }: RunOrigin): boolean {
  const texts = (values: unknown): boolean => typeof values === "object" && values !== null && Object.values(values).every((value) => typeof value === "string");
  return (
    typeof source === "string" &&
    typeof file === "string" &&
    texts(folders) &&
    Array.isArray(approved) &&
    texts(approved) &&
    texts(extensions) &&
    Array.isArray(searched) &&
    texts(searched)
  );
}

const END_STATES: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);
const EVENTS: ReadonlySet<string> = new Set([...Object.keys(NODE_MOVES), ...Object.keys(RUN_MOVES), "node.progress", "node.log"]);

function readEvent(event: RunEvent, run: string): RunEvent {
  event.run = run;
  if (event.event === "node.finished")
    (event as { outputs: readonly unknown[] }).outputs = (event.outputs as unknown as (Written | [])[]).map((one) =>
      Array.isArray(one) && one.length === 0 ? undefined : heldIn(one as Written),
    );
  else if (event.event === "run.started") (event as { inputs: unknown }).inputs = allHeldIn(event.inputs);
  else if (event.event === "run.ended") (event as { outputs: unknown }).outputs = allHeldIn(event.outputs);
  else if (event.event === "node.waiting" && event.value !== undefined) (event as { value: unknown }).value = heldIn(event.value as unknown as Written);
  return event;
}

function allHeldIn(read: unknown): Record<string, Value | StoredValue> {
  return Object.fromEntries(Object.entries(read as Record<string, Written>).map(([name, one]) => [name, heldIn(one)]));
}

function heldIn(one: Written): Value | StoredValue {
  const value = readWritten(one);
  return "stored" in value ? { tag: "stored", val: value.stored } : value;
}

// ---- the file ----

/** A journal that is open for writing. */
export interface Journal {
  /** What a log writes to. */
  readonly sink: EventSink;
  /** On stable storage, then closed. */
  close(): Promise<void>;
}

/** Begins a run's journal. */
export function createJournal(file: AppendFile, run: string, durability: Durability): Journal {
  const writer = new LineWriter();
  writer.line(spellHeader(run, Date.now()));
  file.append(writer.take());
  return openJournal(file, durability);
}

/** Goes on with a journal whose end is sound. */
export function openJournal(file: AppendFile, durability: Durability): Journal {
  const writer = new LineWriter();
  return {
    sink: {
      write(events) {
        for (const event of events) writer.line(spellEvent(event));
        file.append(writer.take());
        return durability === "power" ? file.sync() : undefined;
      },
    },
    async close() {
      await file.sync();
      await file.close();
    },
  };
}

/** Reads a journal and cuts off what is torn or damaged at its end, so that it can be gone on with. */
export async function recoverJournal(file: AppendFile): Promise<ReadJournal> {
  const found = readJournal(await file.read());
  if (found.cut) await file.truncate(found.soundBytes);
  return found;
}

/** Loads the values that stand by their hash in what a resume needs: inputs, and outputs of nodes whose frame isn't done. */
export async function loadPast(past: Past, store: ValueStore): Promise<void> {
  const load = async (value: Value | undefined): Promise<Value | undefined> =>
    (value as StoredValue | undefined)?.tag === "stored" ? loadLarge((value as unknown as StoredValue).val, store) : value;
  const completed = (path: string): boolean => past.nodes.get(path)?.state === "completed";
  const covered = (path: string): boolean => {
    // what a map or sub-melody that is done gave stands for all inside it
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) if (completed(path.slice(0, slash))) return true;
    return false;
  };
  for (const [path, node] of past.nodes) {
    if (covered(path)) past.nodes.delete(path);
    else if (node.outputs.some((value) => (value as unknown as StoredValue | undefined)?.tag === "stored")) node.outputs = await Promise.all(node.outputs.map(load));
  }
  for (const values of [past.started?.inputs] as (Record<string, Value> | undefined)[])
    for (const [name, value] of Object.entries(values ?? {})) (values as Record<string, Value>)[name] = (await load(value)) as Value;
}

/** Loads what a run that has ended gave. */
export async function loadOutputs(ended: NonNullable<Past["ended"]>, store: ValueStore): Promise<Map<string, Value>> {
  const outputs = new Map<string, Value>();
  for (const [name, value] of Object.entries(ended.outputs))
    outputs.set(name, (value as unknown as StoredValue).tag === "stored" ? await loadLarge((value as unknown as StoredValue).val, store) : value);
  return outputs;
}
