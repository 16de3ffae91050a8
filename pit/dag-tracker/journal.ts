// A piece of a run's journal as bytes: a line for each event, checksummed and numbered, in a file that only grows. Leaves out how
// values stand in it (written.ts), the files of a run (journal-folder.ts), and what a resume makes of the events (past.ts).
//
// A line is eight hexadecimal digits of a CRC-32 over the rest, a space, and JSON; the first one is the header. JSON holds no
// line feed of its own, so a torn line can't be taken for a whole one, and people can read the file.
import { CODES, type RunEvent, type RunOrigin, SymphonyError } from "../../runtime/mod.ts";
import { crc32 } from "./crc32.ts";
import { NODE_MOVES, RUN_MOVES } from "./states.ts";
import { allHeldIn, heldIn, outputsIn, spellPart, type Written, written, writtenAll, writtenOutputs } from "./written.ts";

export const JOURNAL_VERSION = 1;
const FORMAT = "symphony journal";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

// ---- lines ----

const HEX = "0123456789abcdef";

/** Writes events as lines into one buffer. */
export class LineWriter {
  // grows with what is written: a process may hold many journals
  #bytes = new Uint8Array(2048);
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
      return `{"n":${event.n},"at":${event.at},"event":"node.finished","node":${JSON.stringify(event.node)},"ms":${event.ms},"outputs":${JSON.stringify(writtenOutputs(event.outputs))}}`;
    case "run.started": {
      const { run, inputs, part, ...rest } = event;
      void run;
      return JSON.stringify({ ...rest, inputs: writtenAll(inputs), ...(part ? { part: spellPart(part) } : {}) });
    }
    case "node.pinned": {
      const { run, outputs, ...rest } = event;
      void run;
      return JSON.stringify({ ...rest, outputs: writtenOutputs(outputs) });
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

/** An event of a run from its line's JSON. Values that stand by their hash stay so. */
export function parseEvent(json: unknown, run: string): RunEvent {
  const event = json as RunEvent;
  if (typeof event !== "object" || event === null || !isEvent(event)) throw new SymphonyError("journal/damaged", "Cannot read an event: it is none that this Symphony knows");
  return readEvent(event, run);
}

/** `first` is the number of the first event after it. */
export function spellHeader(run: string, created: number, first: number): string {
  return JSON.stringify({ format: FORMAT, version: JOURNAL_VERSION, run, created, ...(first > 0 ? { first } : {}) });
}

// ---- reading ----

export interface ReadJournal {
  run: string;
  created: number;
  /** The number of its first event. */
  first: number;
  events: RunEvent[];
  /** Bytes that are sound; what follows them is torn or damaged. */
  soundBytes: number;
  /** How many bytes follow, and why they aren't read. */
  cut: { bytes: number; why: string } | undefined;
}

/** Lines that are read in one go. */
const STEP = 1024;

/**
 * Reads a journal as far as it is sound: lines whose checksum, number and form are right. The first that isn't ends it,
 * whatever follows. Throws `journal/damaged` when not even the header can be read, `journal/version` for a later format.
 */
export function readJournal(bytes: Uint8Array): ReadJournal {
  return drain(journalSteps(bytes));
}

/** All steps of some work in one go. */
export function drain<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** As `readJournal`, in steps between which other work can be done. */
export function* journalSteps(bytes: Uint8Array): Generator<void, ReadJournal> {
  let at = 0;
  const events: RunEvent[] = [];
  let header: { run: string; created: number; first: number } | undefined;
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
      if (event?.n !== header.first + events.length) {
        why = `line ${events.length + 2} has the number ${event?.n}`;
        break;
      }
      if (!isEvent(event))
        throw new SymphonyError(
          "journal/damaged",
          `Cannot read the journal: line ${events.length + 2} is whole, and no event that this Symphony knows; use the Symphony that wrote it`,
        );
      events.push(readEvent(event, header.run));
      if (events.length % STEP === 0) yield;
    }
    at = end + 1;
  }
  if (!header) throw new SymphonyError("journal/damaged", `Cannot read the journal: ${why || "it is empty"}`);
  return { ...header, events, soundBytes: at, cut: at < bytes.length ? { bytes: bytes.length - at, why } : undefined };
}

/** The JSON of a line whose checksum is right. */
export function soundLine(bytes: Uint8Array, from: number, end: number): Record<string, unknown> | undefined {
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

function readHeader(json: Record<string, unknown>): { run: string; created: number; first: number } {
  const { format, version, run, created, first = 0 } = json;
  if (format !== FORMAT || typeof run !== "string" || typeof created !== "number" || !Number.isInteger(first))
    throw new SymphonyError("journal/damaged", "Cannot read the journal: its first line is none of a journal");
  if (version !== JOURNAL_VERSION)
    throw new SymphonyError(
      "journal/version",
      `Cannot read the journal: it has version ${JSON.stringify(version)}, this Symphony reads ${JOURNAL_VERSION}; use the Symphony that wrote it`,
    );
  return { run, created, first: first as number };
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
        (line.origin === undefined || isOrigin(line.origin)) &&
        (line.part === undefined || (isObject(line.part) && isObject(line.part.pins) && Object.values(line.part.pins).every((pin) => isObject(pin) && Array.isArray(pin.outputs))))
      );
    case "run.ended":
      return isObject(line.outputs) && END_STATES.has(line.state) && (line.code === undefined || Object.hasOwn(CODES, line.code));
    case "run.permitted":
      return areGrants(line.grants);
    case "run.resumed":
      return (line.resets === undefined || (Array.isArray(line.resets) && line.resets.every((path) => is(path, "string")))) && areGrants(line.grants ?? []);
    case "node.started":
      return Number.isInteger(line.attempt) && line.attempt >= 1;
    case "node.finished":
    case "node.pinned":
      return Array.isArray(line.outputs);
    case "node.failed":
      return Object.hasOwn(CODES, line.code) && is(line.message, "string");
    case "node.retrying":
      return Number.isInteger(line.attempt) && is(line.until, "number");
    default:
      return true;
  }
}

/** Whether what stands where a run's origin should has the form of one. */
export function isOrigin({ source, file, folders, approved, extensions, searched = [], project, grants = [] }: RunOrigin): boolean {
  const texts = (values: unknown): boolean => typeof values === "object" && values !== null && Object.values(values).every((value) => typeof value === "string");
  return (
    typeof source === "string" &&
    typeof file === "string" &&
    texts(folders) &&
    Array.isArray(approved) &&
    texts(approved) &&
    texts(extensions) &&
    Array.isArray(searched) &&
    texts(searched) &&
    (project === undefined || typeof project === "string") &&
    areGrants(grants)
  );
}

function areGrants(grants: unknown): boolean {
  return (
    Array.isArray(grants) &&
    grants.every(
      (grant: Record<string, unknown> | null) =>
        typeof grant === "object" &&
        grant !== null &&
        ["extension", "right", "by"].every((key) => typeof grant[key] === "string") &&
        (grant["decision"] === "allow" || grant["decision"] === "deny"),
    )
  );
}

const END_STATES: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);
const EVENTS: ReadonlySet<string> = new Set([...Object.keys(NODE_MOVES), ...Object.keys(RUN_MOVES), "node.progress", "node.log", "node.model", "node.memory"]);

function readEvent(event: RunEvent, run: string): RunEvent {
  event.run = run;
  if (event.event === "node.finished" || event.event === "node.pinned") (event as { outputs: unknown }).outputs = outputsIn(event.outputs);
  else if (event.event === "run.started") {
    (event as { inputs: unknown }).inputs = allHeldIn(event.inputs);
    for (const pin of Object.values(event.part?.pins ?? {})) (pin as { outputs: unknown }).outputs = outputsIn(pin.outputs);
  } else if (event.event === "run.ended") (event as { outputs: unknown }).outputs = allHeldIn(event.outputs);
  else if (event.event === "node.waiting" && event.value !== undefined) (event as { value: unknown }).value = heldIn(event.value as unknown as Written);
  return event;
}
