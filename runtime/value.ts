// Values that flow between nodes, their types, and their JSON form. Pure and browser-safe; leaves out how they travel
// (isolate/wire) and where artifacts stand.
import { JSON_DEPTH_MAX, tooDeepAt } from "./json-depth.ts";
import { near } from "./near.ts";

/** A reference to bytes in the Artifact Store. */
export interface ArtifactRef {
  /** SHA-256, 64 lower-case hexadecimal digits. */
  id: string;
  /** Bytes. */
  size: number;
  mediaType: string;
}

/** One value; equals `symphony:types/types.item` as its bindings show it. */
export type Item =
  | { tag: "null" }
  | { tag: "boolean"; val: boolean }
  | { tag: "number"; val: number }
  | { tag: "text"; val: string }
  | { tag: "json"; val: string }
  | { tag: "bytes"; val: { mediaType: string; data: Uint8Array } }
  | { tag: "artifact"; val: ArtifactRef };

/** What one port carries; equals `symphony:types/types.value`. */
export type Value = Item | { tag: "items"; val: Item[] };

/** A named value; equals `symphony:types/types.entry`. */
export interface Entry {
  name: string;
  value: Value;
}

/**
 * Types of single values. `content` is bytes or an artifact; `folder` names a folder that the run granted, and travels
 * as text; `any` takes every single value.
 */
export const ITEM_TYPES = ["boolean", "number", "text", "json", "bytes", "artifact", "content", "folder", "any"] as const;
export type ItemType = (typeof ITEM_TYPES)[number];

/** The type of a port: one value, or a list of them. */
export interface PortType {
  readonly item: ItemType;
  readonly list: boolean;
}

/** All types by their spelling; one object each, so that most comparisons end at the first look. */
const PORT_TYPES: ReadonlyMap<string, PortType> = new Map(
  ITEM_TYPES.flatMap((item): [string, PortType][] => [
    [item, { item, list: false }],
    ...(item === "folder" ? [] : [[`list<${item}>`, { item, list: true }] as [string, PortType]]),
  ]),
);

/** Reads `text`, `list<json>` and the like; a string that is no type gives a sentence that says what is expected. */
export function parsePortType(text: string): PortType | { fault: string } {
  const known = PORT_TYPES.get(text);
  if (known) return known;
  const list = /^list<(.*)>$/.exec(text);
  const item = list ? (list[1] as string) : text;
  if (list && item === "folder") return { fault: "list<folder> is no port type; a folder is granted one by one, by name" };
  return { fault: `${JSON.stringify(text)} is no port type; expected ${ITEM_TYPES.join(", ")}, or list<...> of one${near(item, ITEM_TYPES)}` };
}

export function spellPortType(type: PortType): string {
  return type.list ? `list<${type.item}>` : type.item;
}

/**
 * Whether what `from` gives can be taken by `to` without conversion. `any` takes any single value, `list<any>` any
 * list; what comes out of an `any` is checked when it arrives. A folder is a right, and only ever comes from a folder.
 */
export function typesFit(from: PortType, to: PortType): boolean {
  if (from === to) return true;
  if (from.list !== to.list) return false;
  if (from.item === to.item) return true;
  if (to.item === "folder") return false;
  if (to.item === "any" || from.item === "any") return true;
  return to.item === "content" && (from.item === "bytes" || from.item === "artifact");
}

function itemFits(item: Item, type: ItemType): boolean {
  switch (type) {
    case "any":
      return true;
    case "content":
      return item.tag === "bytes" || item.tag === "artifact";
    case "folder":
      return item.tag === "text";
    default:
      return item.tag === type;
  }
}

/** Whether a value is of a type; null fits only `any`. */
export function valueFits(value: Value, type: PortType): boolean {
  if (value.tag === "items") return type.list && value.val.every((item) => itemFits(item, type.item));
  return !type.list && itemFits(value, type.item);
}

/** RFC 6838 names in lower case, with parameters. */
export const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}(; ?[a-z0-9-]+=[A-Za-z0-9_.-]+)*$/;
/** Of a `bytes` value. */
export const BYTES_MAX = 1024 * 1024;

/** What a value is, for messages: `text`, `a list of 3 with json at 2`. */
export function spellValueType(value: Value): string {
  if (value.tag !== "items") return value.tag;
  const tags = new Set(value.val.map((item) => item.tag));
  return tags.size === 1 ? `list<${[...tags][0]}>` : value.val.length ? `a list of ${[...tags].join(" and ")}` : "an empty list";
}

/** About what a value takes in memory, in bytes. */
export function weighValue(value: Value): number {
  switch (value.tag) {
    case "text":
    case "json":
      return 64 + value.val.length * 2;
    case "bytes":
      return 128 + value.val.data.length;
    case "items":
      return value.val.reduce((sum, item) => sum + weighValue(item), 64);
    default:
      return 64;
  }
}

/** Why a value can't cross into a component, or undefined. */
export function valueFault(value: Value): string | undefined {
  if (value.tag === "items") {
    for (let i = 0; i < value.val.length; i++) {
      const fault = valueFault(value.val[i] as Item);
      if (fault) return `item ${i} ${fault}`;
    }
    return undefined;
  }
  if (value.tag === "number") return Number.isFinite(value.val) ? undefined : `is ${value.val}, which is no finite number`;
  if (value.tag === "json") {
    if (tooDeepAt(value.val, JSON_DEPTH_MAX) >= 0) return `is JSON that nests deeper than ${JSON_DEPTH_MAX}`;
    try {
      JSON.parse(value.val);
      return undefined;
    } catch (cause) {
      return `is not JSON: ${(cause as Error).message}`;
    }
  }
  if (value.tag === "artifact" && !/^[0-9a-f]{64}$/.test(value.val.id)) return "is an artifact whose id is not 64 hexadecimal digits";
  if (value.tag === "artifact" || value.tag === "bytes") {
    const { mediaType } = value.val;
    if (!MEDIA_TYPE.test(mediaType)) return `has the media type ${JSON.stringify(mediaType.slice(0, 80))}; expected type/subtype in lower case`;
  }
  if (value.tag === "bytes" && value.val.data.length > BYTES_MAX) return `has ${value.val.data.length} bytes, at most ${BYTES_MAX} travel with a call; make it an artifact`;
  return undefined;
}

function itemFromJson(json: unknown, type: ItemType): Item | undefined {
  switch (type) {
    case "boolean":
      return typeof json === "boolean" ? { tag: "boolean", val: json } : undefined;
    case "number":
      return typeof json === "number" && Number.isFinite(json) ? { tag: "number", val: json } : undefined;
    case "text":
    case "folder":
      return typeof json === "string" && json.isWellFormed() ? { tag: "text", val: json } : undefined;
    case "json":
      return holdsFinite(json) ? { tag: "json", val: JSON.stringify(json) } : undefined;
    case "bytes":
    case "artifact":
    case "content":
      return structuredFromJson(json, type);
    case "any":
      if (json === null) return { tag: "null" };
      if (typeof json === "boolean" || typeof json === "number" || typeof json === "string")
        return itemFromJson(json, typeof json === "string" ? "text" : (typeof json as "boolean" | "number"));
      return structuredFromJson(json, "content") ?? (holdsFinite(json) ? { tag: "json", val: JSON.stringify(json) } : undefined);
  }
}

/** Whether no number in it is beyond what a double holds (1e999 reads as Infinity, and would be written as null). */
function holdsFinite(json: unknown): boolean {
  const open: unknown[] = [json];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next === "number" && !Number.isFinite(next)) return false;
    if (typeof next === "object" && next !== null) for (const inner of Object.values(next)) if (inner !== null) open.push(inner);
  }
  return true;
}

function structuredFromJson(json: unknown, type: "bytes" | "artifact" | "content"): Item | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const { base64, artifact, size, mediaType } = json as Record<string, unknown>;
  if (typeof mediaType !== "string") return undefined;
  if (type !== "artifact" && typeof base64 === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(base64) && base64.length % 4 !== 1)
    return { tag: "bytes", val: { mediaType, data: Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)) } };
  if (type !== "bytes" && typeof artifact === "string" && /^[0-9a-f]{64}$/.test(artifact) && typeof size === "number")
    return { tag: "artifact", val: { id: artifact, size, mediaType } };
  return undefined;
}

/** The value of a type that a piece of JSON stands for; undefined when it stands for none. */
export function valueFromJson(json: unknown, type: PortType): Value | undefined {
  if (!type.list) return itemFromJson(json, type.item);
  if (!Array.isArray(json)) return undefined;
  const items: Item[] = [];
  for (const element of json) {
    const item = itemFromJson(element, type.item);
    if (!item) return undefined;
    items.push(item);
  }
  return { tag: "items", val: items };
}

/** How a value of this type is written in a melody, for messages. */
export function spellJsonForm(type: PortType): string {
  const one = {
    boolean: "true or false",
    number: "a number",
    text: "a string",
    json: "any JSON with finite numbers",
    folder: "a path as a string",
    any: "any JSON with finite numbers",
    bytes: '{"base64": ..., "mediaType": ...}',
    artifact: '{"artifact": ..., "size": ..., "mediaType": ...}',
    content: "bytes or an artifact",
  }[type.item];
  return type.list ? `a list, each item ${one}` : one;
}

/** The JSON form of a value, as `--json` prints it. `json` is parsed, so that it nests. */
export function valueToJson(value: Value): unknown {
  switch (value.tag) {
    case "null":
      return null;
    case "json":
      return JSON.parse(value.val);
    case "bytes": {
      let binary = "";
      for (let at = 0; at < value.val.data.length; at += 8192) binary += String.fromCharCode(...value.val.data.subarray(at, at + 8192));
      return { base64: btoa(binary), mediaType: value.val.mediaType };
    }
    case "artifact":
      return { artifact: value.val.id, size: value.val.size, mediaType: value.val.mediaType };
    case "items":
      return value.val.map(valueToJson);
    default:
      return value.val;
  }
}
