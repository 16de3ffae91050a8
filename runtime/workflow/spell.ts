// A melody as JSON text that equal melodies share: keys in the order of the format, what is short on one line, so that a change is a
// small difference. Pure.
import { compareUtf8 } from "../order.ts";
import type { MelodyFile } from "./melody.ts";

const LINE_MAX = 160;

/** The order of the format. What is a person's own (names of ports, values, metadata) keeps its order, which steps can see. */
const ORDER = [
  ...[
    "$schema",
    "symphony",
    "id",
    "name",
    "title",
    "version",
    "type",
    "required",
    "optional",
    "default",
    "description",
    "metadata",
    "kind",
    "control",
    "uses",
    "settings",
    "rights",
  ],
  ...["mode", "cases", "over", "concurrency", "onItemFailure", "delayMs", "prompt"],
  ...["timeoutMs", "retry", "attempts", "factor", "maxDelayMs", "onFailure", "inputs", "outputs", "body", "nodes", "edges", "from", "to", "when"],
];
const RANK = new Map(ORDER.map((key, at) => [key, at]));
/** What stands below these is a person's own. */
const OWN = new Set(["metadata", "settings", "default"]);

/** With a line feed at its end. */
export function spellMelody(melody: MelodyFile): string {
  return `${spelled(ordered(melody, "format"), "")}\n`;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Place = "format" | "names" | "own";

function ordered(value: unknown, place: Place): Json {
  if (Array.isArray(value)) return value.map((one) => ordered(one, place));
  if (typeof value !== "object" || value === null) return value as Json;
  const fields = value as Record<string, unknown>;
  const keys = Object.keys(fields).filter((key) => fields[key] !== undefined);
  if (place === "format") keys.sort((a, b) => (RANK.get(a) ?? ORDER.length) - (RANK.get(b) ?? ORDER.length) || compareUtf8(a, b));
  const below = (key: string): Place => {
    if (place !== "format") return place === "names" ? "format" : "own";
    // of a node, inputs are values; of a melody or body, they are ports
    if (key === "inputs") return "kind" in fields ? "own" : "names";
    return OWN.has(key) ? "own" : key === "outputs" ? "names" : "format";
  };
  return Object.fromEntries(keys.map((key) => [key, ordered(fields[key], below(key))]));
}

function spelled(value: Json, indent: string): string {
  if (typeof value !== "object" || value === null) return plain(value);
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

/** JSON.stringify would lose the sign of zero. */
const plain = (value: null | boolean | number | string): string => (Object.is(value, -0) ? "-0" : JSON.stringify(value));

function short(value: Json): string {
  if (typeof value !== "object" || value === null) return plain(value);
  if (Array.isArray(value)) return `[${value.map(short).join(", ")}]`;
  const parts = Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${short(one)}`);
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}
