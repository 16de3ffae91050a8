// What the host and an isolate's process say to each other: frames as all transports have them, each a type and a payload. Every read is
// checked, because the far side may be hostile; knows nothing of processes.
import { SymphonyError } from "../../error.ts";
import { createFrameReader } from "../../transport/frames.ts";
import type { Entry, Item, Value } from "../../value.ts";

/** Types of frames; those from the host come first. */
export const FRAME = { load: 1, call: 2, reply: 3, drop: 4, loaded: 11, host: 12, result: 13 } as const;

/** The largest payload, either way. */
export const FRAME_BYTES_MAX = 32 * 1024 * 1024;
/** The length, which counts all behind it, and the type. */
const HEADER = 5;
/** Items in all lists of one frame: a null takes a byte on the wire and fifty in memory. */
export const VALUES_MAX = 1_000_000;
const ENTRIES_MAX = 10_000;
/** Of a host call that nobody waits for. */
export const ONE_WAY_BYTES_MAX = 20 * 1024;
/** What the longest host call takes. */
export const ARGUMENTS_MAX = 8;

/** Functions that a guest can call; the index is the wire form. */
export const HOST_FUNCTIONS = [
  "call.remaining-ms",
  "call.cancelled",
  "call.idempotency-key",
  "call.attempt",
  "log.write",
  "progress.report",
  "files.entries",
  "files.read",
  "artifacts.read",
  "writer.new",
  "writer.append",
  "writer.finish",
  "writer.drop",
  "files.roots",
  "files.stat",
  "files.create",
  "files.write",
  "files.truncate",
  "files.create-folder",
  "files.remove-file",
  "files.remove-folder",
  "files.rename",
  "files.touch",
  "http.send",
  "model.ask",
  "model.open",
  "model.next",
  "model.answer",
  "model.close",
  "model.embed",
  "keys.get",
  "keys.set",
  "keys.delete",
  "keys.list",
  "keys.increment",
  "secrets.sign",
  "process.run",
  "process.start",
  "process.write",
  "process.end-input",
  "process.read",
  "process.kill",
] as const;
export type HostFunction = (typeof HOST_FUNCTIONS)[number];
/** Nobody waits for an answer to these. */
export const ONE_WAY: ReadonlySet<HostFunction> = new Set(["log.write", "progress.report", "writer.new", "writer.drop"]);

/** So many lines and reports are heard in one call; a guest's further ones are dropped by the child, and more is a breach. */
export const ONE_WAY_MAX = 2000;
export const CHATTER: ReadonlySet<HostFunction> = new Set(["log.write", "progress.report"]);
/** Writers that one call may open and drop come on top. */
export const WRITER_FRAMES_MAX = 40_000;

/** What host functions take and give. */
export type Scalar = null | boolean | number | string | Uint8Array;

export const ERROR_KINDS = [
  "invalid-input",
  "invalid-settings",
  "not-found",
  "denied",
  "conflict",
  "limit",
  "unavailable",
  "timeout",
  "cancelled",
  "unsupported",
  "internal",
] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** `symphony:types/types.fault` */
export interface StepFault {
  kind: ErrorKind;
  code: string;
  message: string;
  name?: string | undefined;
  details?: string | undefined;
}
/** `symphony:types/types.error` */
export type StepError = { tag: "permanent"; val: StepFault } | { tag: "transient"; val: { fault: StepFault; retryAfterMs: number } };

/** How a call ended inside the isolate. */
export type Outcome =
  | { ended: "ok"; outputs: Entry[] }
  | { ended: "error"; error: StepError }
  /** The arguments could not be lowered; the guest was not entered. */
  | { ended: "refused"; message: string }
  /** The instance is gone. */
  | { ended: "trap"; why: "trap" | "fuel" | "memory"; message: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes frames one after the other into one buffer. */
export class FrameWriter {
  #bytes = new Uint8Array(64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #frame = 0;
  #values = 0;
  length = 0;

  #room(count: number): void {
    const needed = this.length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, needed));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  begin(type: number): void {
    this.#room(HEADER);
    this.#frame = this.length;
    this.#view.setUint32(this.#frame, 0, true);
    this.#values = 0;
    this.length += HEADER;
    this.#bytes[this.#frame + 4] = type;
  }

  /** Takes back a frame that was begun and not closed, so that what is written next stands alone. */
  abandon(): void {
    this.length = this.#frame;
  }

  /** Closes the frame. One that is too large is taken back, and `RangeError` thrown. */
  end(): void {
    const size = this.length - this.#frame - HEADER;
    if (size > FRAME_BYTES_MAX) {
      this.length = this.#frame;
      throw new RangeError(`a frame of ${size} bytes, at most ${FRAME_BYTES_MAX} can be sent`);
    }
    this.#view.setUint32(this.#frame, size + 1, true);
  }

  /** What was written, to be sent before the next `begin`; `copy` makes it safe to keep. */
  take(copy: boolean): Uint8Array {
    const view = this.#bytes.subarray(0, this.length);
    const taken = copy ? view.slice() : view;
    this.length = 0;
    if (this.#bytes.length > 1024 * 1024) {
      this.#bytes = new Uint8Array(64 * 1024);
      this.#view = new DataView(this.#bytes.buffer);
    }
    return taken;
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.length, value, true);
    this.length += 4;
  }

  f64(value: number): void {
    this.#room(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }

  text(text: string): void {
    this.#room(4 + text.length);
    const at = this.length + 4;
    let end = at;
    let from = 0;
    if (text.length < 48) {
      // short names are nearly always ASCII, where a loop beats the encoder's call
      for (; from < text.length; from++) {
        const code = text.charCodeAt(from);
        if (code >= 0x80) break;
        this.#bytes[end++] = code;
      }
    }
    while (from < text.length) {
      this.length = end;
      // a long text of one byte each finds room at once, others in steps
      this.#room(Math.min((text.length - from) * 3, text.length - from + 64 * 1024));
      const { read, written } = encoder.encodeInto(from === 0 ? text : text.slice(from), this.#bytes.subarray(end));
      from += read;
      end += written;
    }
    this.#view.setUint32(at - 4, end - at, true);
    this.length = end;
  }

  raw(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) throw new TypeError("these are no bytes");
    this.#room(4 + bytes.length);
    this.u32(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  scalars(values: readonly Scalar[]): void {
    this.u32(values.length);
    for (const value of values) {
      if (value === null) this.u8(0);
      else if (typeof value === "boolean") this.u8(value ? 2 : 1);
      else if (typeof value === "number") {
        this.u8(3);
        this.f64(value);
      } else if (typeof value === "string") {
        this.u8(4);
        this.text(value);
      } else {
        this.u8(5);
        this.raw(value);
      }
    }
  }

  value(value: Value): void {
    switch (value.tag) {
      case "null":
        this.u8(0);
        break;
      case "boolean":
        this.u8(value.val ? 2 : 1);
        break;
      case "number":
        this.u8(3);
        this.f64(value.val);
        break;
      case "text":
        this.u8(4);
        this.text(value.val);
        break;
      case "json":
        this.u8(5);
        this.text(value.val);
        break;
      case "bytes":
        this.u8(6);
        this.text(value.val.mediaType);
        this.raw(value.val.data);
        break;
      case "artifact":
        this.u8(7);
        this.text(value.val.id);
        this.f64(value.val.size);
        this.text(value.val.mediaType);
        break;
      case "items":
        this.u8(8);
        this.#values += value.val.length;
        if (this.#values > VALUES_MAX) throw new RangeError(`over ${VALUES_MAX} values, which is what a frame can hold`);
        this.u32(value.val.length);
        for (const item of value.val) this.value(item);
        break;
      default:
        throw new TypeError(`a value of case ${JSON.stringify((value as { tag: unknown }).tag)}`);
    }
  }

  entries(entries: readonly Entry[]): void {
    if (entries.length > ENTRIES_MAX) throw new RangeError(`${entries.length} named values, at most ${ENTRIES_MAX} can be sent`);
    this.u32(entries.length);
    for (const { name, value } of entries) {
      this.text(name);
      this.value(value);
    }
  }

  error(error: StepError): void {
    const transient = error.tag === "transient";
    const fault = transient ? error.val.fault : error.val;
    this.u8(transient ? 1 : 0);
    this.u8(Math.max(0, ERROR_KINDS.indexOf(fault.kind)));
    this.text(fault.code);
    this.text(fault.message);
    this.scalars([fault.name ?? null, fault.details ?? null]);
    this.u32(transient ? error.val.retryAfterMs : 0);
  }
}

function broken(what: string): SymphonyError {
  return new SymphonyError("isolate/protocol", `Cannot read a frame from the isolate: ${what}`);
}

/** Reads the payload of one frame. Throws `isolate/protocol` for anything that isn't what its type says. */
export class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #values = 0;

  constructor(payload: Uint8Array) {
    this.#bytes = payload;
    this.#view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  }

  #move(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) throw broken("it ends too early");
    this.#at = at + count;
    return at;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw broken("it is longer than it says");
  }

  /** Of the payload. */
  get length(): number {
    return this.#bytes.length;
  }

  u8(): number {
    return this.#bytes[this.#move(1)] as number;
  }

  u32(): number {
    return this.#view.getUint32(this.#move(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#move(8), true);
  }

  text(): string {
    const length = this.u32();
    const at = this.#move(length);
    if (length < 24) {
      let ascii = "";
      for (let i = at; i < at + length; i++) {
        const code = this.#bytes[i] as number;
        if (code >= 0x80) return this.#decode(at, length);
        ascii += String.fromCharCode(code);
      }
      return ascii;
    }
    return this.#decode(at, length);
  }

  #decode(at: number, length: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw broken("text that is not UTF-8");
    }
  }

  /** A copy, so that it outlives the buffer of the pipe. */
  raw(): Uint8Array {
    const length = this.u32();
    const at = this.#move(length);
    return this.#bytes.slice(at, at + length);
  }

  #count(least: number): number {
    const count = this.u32();
    if (count * least > this.#bytes.length - this.#at) throw broken("a list longer than its frame");
    return count;
  }

  /** At most `most` of them. */
  scalars(most = Number.POSITIVE_INFINITY): Scalar[] {
    const out: Scalar[] = [];
    const count = this.#count(1);
    if (count > most) throw broken(`${count} arguments`);
    for (let left = count; left > 0; left--) {
      const tag = this.u8();
      if (tag === 0) out.push(null);
      else if (tag <= 2) out.push(tag === 2);
      else if (tag === 3) out.push(this.f64());
      else if (tag === 4) out.push(this.text());
      else if (tag === 5) out.push(this.raw());
      else throw broken(`scalar ${tag}`);
    }
    return out;
  }

  #item(tag: number): Item {
    switch (tag) {
      case 0:
        return { tag: "null" };
      case 1:
      case 2:
        return { tag: "boolean", val: tag === 2 };
      case 3:
        return { tag: "number", val: this.f64() };
      case 4:
        return { tag: "text", val: this.text() };
      case 5:
        return { tag: "json", val: this.text() };
      case 6:
        return { tag: "bytes", val: { mediaType: this.text(), data: this.raw() } };
      case 7:
        return { tag: "artifact", val: { id: this.text(), size: this.f64(), mediaType: this.text() } };
      default:
        throw broken(`value ${tag}`);
    }
  }

  value(): Value {
    const tag = this.u8();
    if (tag !== 8) return this.#item(tag);
    const items: Item[] = [];
    const count = this.#count(1);
    this.#values += count;
    if (this.#values > VALUES_MAX) throw broken(`over ${VALUES_MAX} values`);
    for (let left = count; left > 0; left--) items.push(this.#item(this.u8()));
    return { tag: "items", val: items };
  }

  entries(): Entry[] {
    const out: Entry[] = [];
    const count = this.#count(5);
    if (count > ENTRIES_MAX) throw broken(`${count} named values, at most ${ENTRIES_MAX} are allowed`);
    for (let left = count; left > 0; left--) out.push({ name: this.text(), value: this.value() });
    return out;
  }

  error(): StepError {
    const transient = this.u8() === 1;
    const kind = ERROR_KINDS[this.u8()];
    if (!kind) throw broken("an unknown kind of error");
    const code = this.text();
    const message = this.text();
    const [name, details] = this.scalars();
    const retryAfterMs = this.u32();
    const fault: StepFault = { kind, code, message, name: typeof name === "string" ? name : undefined, details: typeof details === "string" ? details : undefined };
    return transient ? { tag: "transient", val: { fault, retryAfterMs } } : { tag: "permanent", val: fault };
  }
}

/** Cuts a stream of chunks into frames; a chunk is no message. */
export class FrameCutter {
  #take: (type: number, payload: Uint8Array) => void = () => {};
  readonly #reader = createFrameReader(
    (frame) => {
      this.#take(frame[0] as number, frame.subarray(1));
    },
    { frameMax: () => FRAME_BYTES_MAX + 1, ownsChunks: false, refuse: broken },
  );

  /** Adds a chunk and hands each whole frame to `take`; a payload is only valid during that call. */
  push(chunk: Uint8Array, take: (type: number, payload: Uint8Array) => void): void {
    this.#take = take;
    void this.#reader.push(chunk);
  }
}
