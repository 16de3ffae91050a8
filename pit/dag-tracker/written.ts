// Values as journals write them: small ones in JSON, one above 4 KiB by the hash of an artifact that holds it. Leaves out the
// lines in which they stand (journal.ts).
import { type ArtifactRef, type Item, type RunPart, SymphonyError, type Value } from "../../runtime/mod.ts";

/** A value larger than this, in its JSON form, stands in the journal by its hash. */
export const INLINE_BYTES_MAX = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** A value of a journal that must be loaded before it is used. */
export interface StoredValue {
  tag: "stored";
  val: string;
}

/** Where large values are kept. */
export interface ValueStore {
  put(bytes: Uint8Array, mediaType: string): Promise<ArtifactRef>;
  get(id: string): Promise<Uint8Array>;
}

const MEDIA_TYPE = "application/vnd.symphony.value+json";

/** One value in JSON: null, booleans and numbers as they are, the rest as a list that begins with its kind. */
export type Written = null | boolean | number | [kind: string, ...rest: unknown[]];

/** Large values that have been stored, so that a record can name them. */
const stored = new WeakMap<Value, ArtifactRef>();

/** The artifact under which a value stands in logs, if it is a large one. */
export function storedId(value: Value): string | undefined {
  return stored.get(value)?.id;
}

/** Items stand in their list as they are, also those that are stored besides: a list is read in one go. */
export function written(value: Value | StoredValue, inList = false): Written {
  if (value.tag === "stored") return ["s", value.val, 0];
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
export function keepLarge(values: Iterable<Value | undefined>, store: ValueStore, inlineBytesMax = INLINE_BYTES_MAX): Promise<void> | undefined {
  const large: Value[] = [];
  for (const value of values) if (value !== undefined && !stored.has(value) && !isSmall(value, inlineBytesMax)) large.push(value);
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

export function writtenAll(values: Readonly<Record<string, Value>>): Record<string, Written> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, written(value)]));
}

/** Outputs by port: nothing stands as an empty list. */
export function writtenOutputs(outputs: readonly (Value | StoredValue | undefined)[]): (Written | [])[] {
  // they may have holes, which map() would pass over
  return Array.from(outputs, (value) => (value === undefined ? [] : written(value)));
}

/** What `writtenOutputs` gave; large ones stand as their hash. */
export function outputsIn(outputs: readonly unknown[]): (Value | StoredValue | undefined)[] {
  return outputs.map((one) => (Array.isArray(one) && one.length === 0 ? undefined : heldIn(one as Written)));
}

/** A part of a run with its pins in their written form, and back; large values are loaded. */
export function spellPart({ pins, ...rest }: RunPart): object {
  return { ...rest, pins: Object.fromEntries(Object.entries(pins).map(([node, pin]) => [node, { ...pin, outputs: writtenOutputs(pin.outputs) }])) };
}

export async function readPart({ pins, ...rest }: RunPart, store: ValueStore): Promise<RunPart> {
  return { ...rest, pins: await loadPins(Object.fromEntries(Object.entries(pins).map(([node, pin]) => [node, { ...pin, outputs: outputsIn(pin.outputs) }])), store) };
}

/** Pins some of whose values may stand by their hash. */
export async function loadPins(
  pins: Readonly<Record<string, { outputs: readonly (Value | StoredValue | undefined)[]; of?: string; skipped?: true }>>,
  store: ValueStore,
): Promise<RunPart["pins"]> {
  const loaded: Record<string, RunPart["pins"][string]> = {};
  for (const [node, pin] of Object.entries(pins))
    loaded[node] = { ...pin, outputs: await Promise.all(pin.outputs.map((value) => (value?.tag === "stored" ? loadLarge(value.val, store) : value))) };
  return loaded;
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

export function allHeldIn(read: unknown): Record<string, Value | StoredValue> {
  return Object.fromEntries(Object.entries(read as Record<string, Written>).map(([name, one]) => [name, heldIn(one)]));
}

export function heldIn(one: Written): Value | StoredValue {
  const value = readWritten(one);
  return "stored" in value ? { tag: "stored", val: value.stored } : value;
}

/** Whether a value may stand in a log as it is, or is known to the store. */
export function canStand(value: Value): boolean {
  return stored.has(value) || isSmall(value, INLINE_BYTES_MAX);
}
