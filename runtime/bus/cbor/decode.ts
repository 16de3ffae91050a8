// CBOR (RFC 8949) out of bytes that nobody vouches for, in one pass: both encodings of the bus, plain and compact. What is claimed is
// compared with what is there before anything is made. Leaves out encoding (encode.ts).
//
// Compact is plain with cbor-x's records: tag 0xdfff before [id, [key, ...], value, ...] says the keys once, tag 0xe000 + n before
// [value, ...] means them from then on.
import { SymphonyError } from "../../error.ts";

export interface CborLimits {
  /** Arrays, maps and tags in one another. */
  depthMax: number;
  /** Values in one message, keys too. */
  itemsMax: number;
  /** Whether other tags than dates (0, 1), big numbers (2, 3) and "this is CBOR" (55799) are kept, as Tagged; else they are refused. */
  tags: boolean;
}

export const CBOR_LIMITS: CborLimits = { depthMax: 64, itemsMax: 1_000_000, tags: false };

/** A value of a tag that says nothing to us. */
export class Tagged {
  readonly tag: number | bigint;
  readonly value: unknown;
  constructor(tag: number | bigint, value: unknown) {
    this.tag = tag;
    this.value = value;
  }
}

/** A simple value that has no meaning of its own, such as simple(16). */
export class Simple {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** What a connection has said so far about the records that it sends. */
export interface Records {
  /** By number; the keys of each, and their bytes. */
  keys: (string[] | undefined)[];
  sizes: number[];
  /** Of all that are kept. */
  size: number;
}

export function createRecords(): Records {
  return { keys: [], sizes: [], size: 0 };
}

const RECORD_FIRST = 0xe000;
const RECORDS_MAX = 0x2000;
const DEFINES_RECORD = 0xdfff;
const RECORD_KEYS_MAX = 64;
/** Of all keys of a connection's records. */
const RECORDS_SIZE_MAX = 4 * 1024 * 1024;

// ---- where the reading stands: one message at a time ----

let bytes: Uint8Array = new Uint8Array(0);
let view: DataView = new DataView(bytes.buffer);
let at = 0;
let end = 0;
let depth = 0;
let items = 0;
let limits = CBOR_LIMITS;
let records: Records | undefined;

/**
 * The one value that the bytes are. Whole numbers within 2^53 are numbers, beyond bigints; maps with only texts as keys are plain
 * objects, others Maps; byte strings are copies. Throws `bus/malformed`, which says the byte, or `bus/limit`.
 */
export function decodeCbor(source: Uint8Array, { limits: bounds = CBOR_LIMITS, records: known }: { limits?: CborLimits; records?: Records } = {}): unknown {
  // a Buffer's slice would be a view
  bytes = source.constructor === Uint8Array ? source : new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  view = new DataView(source.buffer, source.byteOffset, source.byteLength);
  at = 0;
  end = source.byteLength;
  depth = 0;
  items = 1;
  limits = bounds;
  records = known;
  try {
    const value = read();
    if (at !== end) throw malformed(at, `${end - at} bytes follow the value`);
    return value;
  } finally {
    // nothing of the message is kept alive
    bytes = NO_BYTES;
    view = NO_VIEW;
    whole = undefined;
    records = undefined;
  }
}
const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(NO_BYTES.buffer);

function malformed(where: number, what: string): SymphonyError {
  return new SymphonyError("bus/malformed", `Cannot read the message: byte ${where}: ${what}`);
}

function short(where: number, what: string, claimed: number | bigint): SymphonyError {
  return malformed(where, `${what} of ${claimed} is claimed, and ${Math.max(0, end - at)} bytes follow`);
}

function count(more: number): void {
  items += more;
  if (items > limits.itemsMax) throw new SymphonyError("bus/limit", `Cannot read the message: byte ${at}: it holds over ${limits.itemsMax} values`);
}

function enter(): void {
  if (++depth > limits.depthMax) throw new SymphonyError("bus/limit", `Cannot read the message: byte ${at}: it is nested deeper than ${limits.depthMax}`);
}

/** The number that belongs to a head; -1: without end. */
function argument(head: number): number | bigint {
  const low = head & 0x1f;
  if (low < 24) return low;
  const where = at;
  switch (low) {
    case 24:
      if (at + 1 > end) throw malformed(where, "the message ends within a number");
      return bytes[at++] as number;
    case 25:
      at += 2;
      if (at > end) throw malformed(where, "the message ends within a number");
      return view.getUint16(where);
    case 26:
      at += 4;
      if (at > end) throw malformed(where, "the message ends within a number");
      return view.getUint32(where);
    case 27: {
      at += 8;
      if (at > end) throw malformed(where, "the message ends within a number");
      const high = view.getUint32(where);
      return high < 0x20_0000 ? high * 0x1_0000_0000 + view.getUint32(where + 4) : view.getBigUint64(where);
    }
    case 31:
      return -1;
    default:
      throw malformed(where - 1, `0x${head.toString(16)} begins nothing`);
  }
}

function read(): unknown {
  if (at >= end) throw malformed(at, "the message ends where a value should begin");
  const where = at;
  const head = bytes[at++] as number;
  switch (head >> 5) {
    case 0: {
      if (head < 24) return head;
      const value = argument(head);
      if (value === -1) throw malformed(where, "0x1f begins nothing");
      return value;
    }
    case 1: {
      const value = argument(head);
      if (value === -1) throw malformed(where, "0x3f begins nothing");
      if (typeof value === "bigint") return -1n - value;
      return value > Number.MAX_SAFE_INTEGER - 1 ? -1n - BigInt(value) : -1 - value;
    }
    case 2:
      return readBytes(head, where);
    case 3:
      return readText(head, where);
    case 4:
      return readArray(head, where);
    case 5:
      return readMap(head, where);
    case 6:
      return readTagged(head, where);
    default:
      return readSimple(head, where);
  }
}

/** A length that is there. */
function lengthOf(head: number, where: number, what: string): number {
  const length = argument(head);
  if (length > end - at) throw short(where, what, length);
  return length as number;
}

function readBytes(head: number, where: number): Uint8Array {
  const length = lengthOf(head, where, "a byte string");
  if (length >= 0) {
    at += length;
    return bytes.slice(at - length, at);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let part = chunk(0x40, where); part !== undefined; part = chunk(0x40, where)) {
    const taken = bytes.slice(at - part, at);
    parts.push(taken);
    size += taken.length;
  }
  const whole = new Uint8Array(size);
  let to = 0;
  for (const part of parts) {
    whole.set(part, to);
    to += part.length;
  }
  return whole;
}

/** Passes over the next part of a string without end; its length, or undefined at the end. */
function chunk(kind: number, where: number): number | undefined {
  if (at >= end) throw malformed(where, "a string without end doesn't end");
  const head = bytes[at++] as number;
  if (head === 0xff) return undefined;
  if ((head & 0xe0) !== kind || head === (kind | 0x1f)) throw malformed(at - 1, "a string without end holds something else than parts of its kind");
  count(1);
  const length = lengthOf(head, at - 1, "a part");
  at += length;
  return length;
}

function readText(head: number, where: number): string {
  if (head < 0x78) return text(head & 0x1f, where);
  const length = lengthOf(head, where, "a text");
  if (length >= 0) return text(length, where);
  let whole = "";
  for (let part = chunk(0x60, where); part !== undefined; part = chunk(0x60, where)) {
    at -= part;
    whole += text(part, at);
  }
  return whole;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Bun's and Node's own way out of Latin-1, which is several times faster than TextDecoder on short texts. */
const latin1Slice = (globalThis as { Buffer?: { prototype: { latin1Slice?: (this: Uint8Array, from: number, to: number) => string } } }).Buffer?.prototype.latin1Slice;
/** Up to so many bytes a message is made a text once, and its texts are parts of that; they keep it alive. */
const WHOLE_MAX = 4096;
let whole: string | undefined;
const SHORT = 12;

function text(length: number, where: number): string {
  const from = at;
  const to = from + length;
  if (to > end) throw short(where, "a text", length);
  at = to;
  let any = 0;
  for (let i = from; i < to; i++) any |= bytes[i] as number;
  if (any < 0x80) {
    if (latin1Slice) {
      if (end > WHOLE_MAX) return length < SHORT ? ascii(from, to) : latin1Slice.call(bytes, from, to);
      whole ??= latin1Slice.call(bytes, 0, end);
      return whole.substring(from, to);
    }
    if (length < SHORT) return ascii(from, to);
  }
  try {
    return utf8.decode(bytes.subarray(from, to));
  } catch {
    throw malformed(where, "a text is not UTF-8");
  }
}

function ascii(from: number, to: number): string {
  let made = "";
  for (let i = from; i < to; i++) made += String.fromCharCode(bytes[i] as number);
  return made;
}

// Keys come again and again: the texts of short ones are kept, by a hash of their bytes, and compared byte by byte.

const KEYS = 1024;
const KEY_MAX = 32;
const keyTexts: string[] = new Array<string>(KEYS).fill("");
const keyBytes = new Array<Uint8Array>(KEYS).fill(NO_BYTES);

function key(length: number, where: number): string {
  const from = at;
  if (length > KEY_MAX || length === 0 || from + length > end) return text(length, where);
  let hash = length;
  for (let i = from; i < from + length; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  const slot = (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (KEYS - 1);
  const known = keyBytes[slot] as Uint8Array;
  if (known.length === length) {
    let i = 0;
    while (i < length && known[i] === bytes[from + i]) i++;
    if (i === length) {
      at = from + length;
      return keyTexts[slot] as string;
    }
  }
  // not a part of the whole message, which it would keep alive
  const made = keyText(length, where);
  keyBytes[slot] = bytes.slice(from, from + length);
  keyTexts[slot] = made;
  return made;
}

function keyText(length: number, where: number): string {
  const from = at;
  let any = 0;
  for (let i = from; i < from + length; i++) any |= bytes[i] as number;
  if (any >= 0x80) return text(length, where);
  at = from + length;
  return ascii(from, at);
}

function readArray(head: number, where: number): unknown[] {
  const length = lengthOf(head, where, "an array");
  enter();
  let list: unknown[];
  if (length >= 0) {
    count(length);
    list = [];
    for (let i = 0; i < length; i++) list.push(read());
  } else {
    list = [];
    while (!atBreak(where)) {
      count(1);
      list.push(read());
    }
  }
  depth--;
  return list;
}

function atBreak(where: number): boolean {
  if (at >= end) throw malformed(where, "something without end doesn't end");
  if (bytes[at] !== 0xff) return false;
  at++;
  return true;
}

function readMap(head: number, where: number): Record<string, unknown> | Map<unknown, unknown> {
  const claimed = argument(head);
  // a pair takes two bytes at least
  if (claimed > (end - at) / 2) throw short(where, "a map", claimed);
  const length = claimed as number;
  enter();
  if (length >= 0) count(2 * length);
  const object: Record<string, unknown> = {};
  let hasUndefined = false;
  let done = 0;
  for (; length >= 0 ? done < length : !atBreak(where); done++) {
    if (length < 0) count(2);
    const keyAt = at;
    const keyHead = at < end ? (bytes[at] as number) : 0;
    if (keyHead >> 5 !== 3) return readAnyMap(new Map(Object.entries(object)), length < 0 ? -1 : length - done, where);
    at++;
    const name = keyHead < 0x78 ? key(keyHead & 0x1f, keyAt) : readText(keyHead, keyAt);
    if ((object[name] !== undefined || hasUndefined) && Object.hasOwn(object, name)) throw twice(keyAt, name);
    const value = read();
    if (value === undefined) hasUndefined = true;
    if (isIndex(name)) count(Number(name) >> 2);
    if (name === "__proto__") {
      if (Object.hasOwn(object, name)) throw twice(keyAt, name);
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
    } else object[name] = value;
  }
  depth--;
  return object;
}

/** A key for which engines may make room for all that come before it: such count by that room. */
function isIndex(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= 0x31 && first <= 0x39 && name.length <= 4 && /^\d+$/.test(name);
}

function twice(where: number, name: unknown): SymphonyError {
  const said = typeof name === "string" ? ` ${JSON.stringify(name.slice(0, 100))}` : typeof name === "object" ? "" : ` ${String(name)}`;
  return malformed(where, `the key${said} stands twice in one map`);
}

/** The rest of a map whose keys are not only texts. `left`: pairs, or -1 for one without end. */
function readAnyMap(map: Map<unknown, unknown>, left: number, where: number): Map<unknown, unknown> {
  // keys that are no simple values are compared by their bytes
  const compared = new Set<string>();
  for (let isFirst = true; left < 0 ? isFirst || !atBreak(where) : left > 0; left = Math.max(left - 1, -1)) {
    if (left < 0 && !isFirst) count(2);
    isFirst = false;
    const keyAt = at;
    const name = read();
    if (typeof name === "object" && name !== null) {
      // comparing such takes as long as they are, each time
      if (!limits.tags) throw malformed(keyAt, "a key is no text, number, boolean or null");
      const spelled = Array.from(bytes.subarray(keyAt, at)).join();
      if (compared.has(spelled)) throw twice(keyAt, name);
      compared.add(spelled);
    } else if (map.has(name)) throw twice(keyAt, name);
    map.set(name, read());
  }
  depth--;
  return map;
}

function readTagged(head: number, where: number): unknown {
  const tag = argument(head);
  if (tag === -1) throw malformed(where, "0xdf begins nothing");
  if (records && tag >= DEFINES_RECORD && tag < RECORD_FIRST + RECORDS_MAX) return tag === DEFINES_RECORD ? readDefinition(where) : readRecord(tag as number, where);
  // a date and a big number count as one value, as they do for who wrote them: what is in them is a text, a number or bytes
  const kind = at < end ? (bytes[at] as number) >> 5 : 7;
  const isFlat = (tag === 0 && kind === 3) || (tag === 1 && (kind < 2 || kind === 7)) || ((tag === 2 || tag === 3) && kind === 2);
  if (!isFlat) {
    enter();
    count(1);
  }
  const value = read();
  if (!isFlat) depth--;
  switch (tag) {
    case 0: {
      const time = typeof value === "string" && DATE.test(value) ? Date.parse(value) : Number.NaN;
      if (Number.isNaN(time)) throw malformed(where, "a date is not a text such as 2013-03-21T20:04:00Z");
      return new Date(time);
    }
    case 1: {
      const date = new Date(typeof value === "number" ? Math.round(value * 1000) : Number.NaN);
      if (Number.isNaN(date.getTime())) throw malformed(where, "a time is not a number of seconds");
      return date;
    }
    case 2:
    case 3: {
      if (!(value instanceof Uint8Array) || value.length > BIG_MAX) throw malformed(where, `a big number is not made of ${BIG_MAX} bytes at most`);
      let hex = "";
      for (const byte of value) hex += byte.toString(16).padStart(2, "0");
      const big = BigInt(`0x0${hex}`);
      return tag === 2 ? big : -1n - big;
    }
    case 55_799:
      return value;
    default:
      if (limits.tags) return new Tagged(tag, value);
      throw malformed(where, `the tag ${tag} means nothing here`);
  }
}
const DATE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
/** Bytes of a big number. */
const BIG_MAX = 1024;

/** The head of an array of a known length. */
function arrayHead(where: number): number {
  if (at >= end) throw malformed(at, "the message ends where an array should begin");
  const head = bytes[at++] as number;
  if (head >> 5 !== 4) throw malformed(where, "a record is not an array");
  const length = lengthOf(head, where, "an array");
  if (length < 0) throw malformed(where, "a record has no length");
  return length;
}

function readDefinition(where: number): unknown {
  const known = records as Records;
  const length = arrayHead(where);
  const id = read();
  if (typeof id !== "number" || id < RECORD_FIRST || id >= RECORD_FIRST + RECORDS_MAX) throw malformed(where, "a record is defined under no number of a record");
  const names = arrayHead(where);
  if (names > RECORD_KEYS_MAX) throw new SymphonyError("bus/limit", `Cannot read the message: byte ${where}: a record has over ${RECORD_KEYS_MAX} keys`);
  if (length !== names + 2) throw malformed(where, `a record of ${names} keys has ${length - 2} values`);
  const keys: string[] = [];
  const seen = new Set<string>();
  const begun = at;
  for (let i = 0; i < names; i++) {
    const keyAt = at;
    const head = at < end ? (bytes[at++] as number) : 0;
    if (head >> 5 !== 3) throw malformed(keyAt, "a record has a key that is no text");
    const name = head < 0x78 ? key(head & 0x1f, keyAt) : readText(head, keyAt);
    if (seen.has(name)) throw twice(keyAt, name);
    seen.add(name);
    keys.push(name);
  }
  const slot = id - RECORD_FIRST;
  known.size += at - begun - (known.sizes[slot] ?? 0);
  if (known.size > RECORDS_SIZE_MAX)
    throw new SymphonyError("bus/limit", `Cannot read the message: byte ${where}: the records of this connection have over ${RECORDS_SIZE_MAX} bytes of keys`);
  known.keys[slot] = keys;
  known.sizes[slot] = at - begun;
  return fill(keys, keys.length);
}

function readRecord(tag: number, where: number): unknown {
  const keys = (records as Records).keys[tag - RECORD_FIRST];
  if (!keys) throw malformed(where, `the record ${tag - RECORD_FIRST} was not defined`);
  const length = arrayHead(where);
  if (length !== keys.length) throw malformed(where, `a record of ${keys.length} keys has ${length} values`);
  return fill(keys, length);
}

function fill(keys: string[], length: number): Record<string, unknown> {
  enter();
  count(length);
  const object: Record<string, unknown> = {};
  for (let i = 0; i < length; i++) {
    const name = keys[i] as string;
    const value = read();
    if (isIndex(name)) count(Number(name) >> 2);
    if (name === "__proto__") Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
    else object[name] = value;
  }
  depth--;
  return object;
}

function readSimple(head: number, where: number): unknown {
  switch (head) {
    case 0xf4:
      return false;
    case 0xf5:
      return true;
    case 0xf6:
      return null;
    case 0xf7:
      return undefined;
    case 0xf8: {
      if (at >= end) throw malformed(where, "the message ends within a simple value");
      const value = bytes[at++] as number;
      if (value < 32) throw malformed(where, "a simple value is spelled too long");
      return simple(value, where);
    }
    case 0xf9:
      at += 2;
      if (at > end) throw malformed(where, "the message ends within a number");
      return half(view.getUint16(where + 1));
    case 0xfa:
      at += 4;
      if (at > end) throw malformed(where, "the message ends within a number");
      return view.getFloat32(where + 1);
    case 0xfb:
      at += 8;
      if (at > end) throw malformed(where, "the message ends within a number");
      return view.getFloat64(where + 1);
    default:
      if (head < 0xf4) return simple(head & 0x1f, where);
      throw malformed(where, head === 0xff ? "an end stands where a value should begin" : `0x${head.toString(16)} begins nothing`);
  }
}

function simple(value: number, where: number): Simple {
  if (limits.tags) return new Simple(value);
  throw malformed(where, `the simple value ${value} means nothing here`);
}

/** By RFC 8949, appendix D. */
function half(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const size = exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN) : (fraction + 1024) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -size : size;
}
