// Writing to the terminal: unbuffered lines, colour only where a person looks, no control characters from elsewhere.
import { writeSync } from "node:fs";
import { env, stderr } from "node:process";

/** Writes all of a text to standard output (1) or error (2) before it returns. */
export function write(fd: 1 | 2, text: string | Uint8Array): void {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (cause) {
      const { code } = cause as { code?: string };
      if (code === "EPIPE") return; // nobody reads any more
      if (code !== "EAGAIN") throw cause;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** Control characters but tab and line feed, and those that turn the direction of writing. */
const CONTROLS = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** A text from elsewhere as a person may see it: what would steer the terminal stands as its number. */
export function withoutControls(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(CONTROLS, (character) => (character === "\n" || character === "\t" ? character : `\\u{${(character.codePointAt(0) as number).toString(16)}}`));
}

const colours = { dim: 2, red: 31, green: 32, yellow: 33, blue: 34 } as const;

export type Paint = (colour: keyof typeof colours, text: string) => string;

export function painter(): Paint {
  const on = stderr.isTTY === true && env["NO_COLOR"] === undefined && env["TERM"] !== "dumb";
  return (colour, text) => (on ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text);
}

export function spellBytes(count: number): string {
  return count < 1000 ? `${count} B` : count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

export function spellMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}
