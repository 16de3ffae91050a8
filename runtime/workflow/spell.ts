// A melody as JSON text that equal melodies share: keys in the order of the format, what is short on one line, so that a change is a
// small difference. Pure.
import { compareUtf8 } from "../order.ts";
import type { MelodyFile } from "./melody.ts";

const LINE_MAX = 160;

/** The order of the format; keys that are a person's own (names of ports, metadata) keep theirs or, where they are given none, are sorted. */
const ORDER = [
  ...["$schema", "symphony", "id", "name", "title", "version", "type", "required", "optional", "default", "description", "metadata", "kind", "control", "uses", "settings"],
  ...["mode", "cases", "over", "concurrency", "onItemFailure", "delayMs", "prompt"],
  ...["timeoutMs", "retry", "onFailure", "inputs", "outputs", "body", "nodes", "edges", "from", "to", "when"],
];
const RANK = new Map(ORDER.map((key, at) => [key, at]));
/** What stands below these is a person's own. */
const OWN = new Set(["metadata", "settings", "default", "retry"]);
/** Names of ports; what each name leads to is the format's again. */
const NAMED = new Set(["inputs", "outputs"]);

/** With a line feed at its end. */
export function spellMelody(melody: MelodyFile): string {
  return `${spelled(ordered(melody, "format"), "")}\n`;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Place = "format" | "names" | "own";

function ordered(value: unknown, place: Place): Json {
  if (Array.isArray(value)) return value.map((one) => ordered(one, place));
  if (typeof value !== "object" || value === null) return value as Json;
  const keys = Object.keys(value).filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  if (place === "format") keys.sort((a, b) => (RANK.get(a) ?? ORDER.length) - (RANK.get(b) ?? ORDER.length) || compareUtf8(a, b));
  else if (place === "own") keys.sort(compareUtf8);
  const below = (key: string): Place => (place === "own" ? "own" : place === "names" ? "format" : OWN.has(key) ? "own" : NAMED.has(key) ? "names" : "format");
  return Object.fromEntries(keys.map((key) => [key, ordered((value as Record<string, unknown>)[key], below(key))]));
}

function spelled(value: Json, indent: string): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const parts = isList ? value.map((one) => [undefined, one] as const) : Object.entries(value);
  const [open, close] = isList ? "[]" : "{}";
  if (parts.length === 0) return `${open}${close}`;
  const pad = isList ? "" : " ";
  const line = parts.map(([key, one]) => `${key === undefined ? "" : `${JSON.stringify(key)}: `}${short(one)}`).join(", ");
  // the melody itself, and its lists of nodes and edges, are read line by line
  if (indent.length >= 4 && line.length + indent.length <= LINE_MAX) return `${open}${pad}${line}${pad}${close}`;
  const inner = `${indent}  `;
  return `${open}\n${parts.map(([key, one]) => `${inner}${key === undefined ? "" : `${JSON.stringify(key)}: `}${spelled(one, inner)}`).join(",\n")}\n${indent}${close}`;
}

function short(value: Json): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(short).join(", ")}]`;
  const parts = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${short(one)}`);
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}
