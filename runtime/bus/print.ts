// Messages as people read them: a line with the header, and the payload in short. Pure.
import { STEERING } from "../identifier.ts";
import type { Frame } from "./frame.ts";
import type { Message } from "./message.ts";

export interface PrintOptions {
  /** Characters of the whole. 2000 by default. */
  max?: number;
  /** Each key of the payload on a line of its own. */
  lines?: boolean;
}

const TEXT_MAX = 200;
const LIST_MAX = 20;
const DEPTH_MAX = 6;

/** `12:04:07.250 event run.7.node from home/laptop run/node@2 #12 (r7) {state: "finished", output: 4.2 KB of bytes}`. */
export function printMessage(message: Message | Frame, { max = 2000, lines = false }: PrintOptions = {}): string {
  const parts: string[] = [];
  const kind = "kind" in message ? message.kind : "event";
  const head = message as Partial<Message> & { to?: string; re?: number; code?: string; message?: string; timeoutMs?: number; count?: number; more?: boolean; end?: boolean };
  if (head.at !== undefined) parts.push(timeOf(head.at));
  parts.push(kind);
  const subject = head.subject ?? head.to;
  if (subject !== undefined) parts.push(subject);
  if (head.re !== undefined) parts.push(`to request ${head.re}${head.more ? ", more follows" : ""}${head.end ? ", the last" : ""}`);
  if (head.from !== undefined) parts.push(`from ${head.from}`);
  if (head.type) parts.push(head.type);
  if (head.id !== undefined) parts.push(`#${head.id}`);
  if (head.correlation !== undefined) parts.push(`(${head.correlation})`);
  if (head.timeoutMs !== undefined) parts.push(`within ${head.timeoutMs} ms`);
  if (head.code !== undefined) parts.push(`${head.code}: ${head.message ?? ""}`);
  if (kind === "interest") parts.push(printValue(withoutKind(message as Frame), lines));
  else if ("payload" in message && !head.end) parts.push(printValue(message.payload, lines));
  const whole = visible(parts.join(" "), lines);
  return whole.length > max ? `${whole.slice(0, max - 1)}…` : whole;
}

const STEERS = new RegExp(STEERING.source, "gu");
const STEERS_LINE = new RegExp(`[\\t\\n]|${STEERING.source}`, "gu");

/** Nothing in it moves a terminal's cursor or turns its text round. */
function visible(text: string, lines: boolean): string {
  return text.replace(lines ? STEERS : STEERS_LINE, (one) => `\\u${(one.codePointAt(0) as number).toString(16).padStart(4, "0")}`);
}

function withoutKind(frame: Frame): object {
  const { kind: _, ...rest } = frame;
  return rest;
}

function timeOf(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? "at no time" : date.toISOString().slice(11, 23);
}

/** A value of a message in short: long texts cut, bytes counted, deep and long things left out with how much. */
export function printValue(value: unknown, lines = false, depth = 0): string {
  switch (typeof value) {
    case "string": {
      const text = JSON.stringify(value.length > TEXT_MAX ? value.slice(0, TEXT_MAX) : value);
      return value.length > TEXT_MAX ? `${text} and ${value.length - TEXT_MAX} characters more` : text;
    }
    case "bigint":
      return `${value}n`;
    case "object":
      break;
    default:
      return String(value);
  }
  if (value === null) return "null";
  if (value instanceof Uint8Array) return sizeOf(value.length);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "no date" : value.toISOString();
  if (depth >= DEPTH_MAX) return Array.isArray(value) ? `[${value.length} deeper]` : "{deeper}";
  const [open, close, entries] = Array.isArray(value) ? ["[", "]", value.map((one, i): [string, unknown] => [String(i), one])] : ["{", "}", Object.entries(value)];
  if (entries.length === 0) return open + close;
  const isList = Array.isArray(value);
  const shown = entries.slice(0, LIST_MAX).map(([name, one]) => (isList ? "" : `${/^[\w.-]+$/.test(name) ? name : JSON.stringify(name)}: `) + printValue(one, lines, depth + 1));
  if (entries.length > LIST_MAX) shown.push(`${entries.length - LIST_MAX} more`);
  const space = "  ".repeat(depth + 1);
  return lines ? `${open}\n${shown.map((one) => space + one).join(",\n")}\n${"  ".repeat(depth)}${close}` : open + shown.join(", ") + close;
}

function sizeOf(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB of bytes` : `${(bytes / 1024 / 1024).toFixed(1)} MiB of bytes`;
}
