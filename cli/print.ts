// Writing to the terminal: unbuffered lines, colour only where a person looks, no control characters from elsewhere.
import { writeSync } from "node:fs";
import { env, stderr } from "node:process";
import { SymphonyError } from "../runtime/mod.ts";

/** Writes all of a text to standard output (1) or error (2) before it returns. */
export function write(fd: 1 | 2, text: string | Uint8Array): void {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (cause) {
      const { code } = cause as { code?: string };
      if (code === "EPIPE") return; // nobody reads any more
      if (code !== "EAGAIN") throw new SymphonyError("cli/io", `Cannot write to standard ${fd === 1 ? "output" : "error"}: ${code ?? (cause as Error).message}`, { cause });
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

const graphemes = new Intl.Segmenter();
/** What a terminal shows in two cells: East Asian wide and full-width characters (Unicode UAX #11), and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
const NONE = /^[\p{M}\p{Cf}]+$/u;

/** A text cut to so many cells of a terminal, with how many it takes. */
export function fit(text: string, cells: number): { text: string; cells: number } {
  let used = 0;
  let out = "";
  for (const { segment } of graphemes.segment(text)) {
    const wide = NONE.test(segment) ? 0 : WIDE.test(segment) ? 2 : 1;
    if (used + wide > cells) break;
    used += wide;
    out += segment;
  }
  return { text: out, cells: used };
}

/** As `fit`, filled with spaces. */
export function pad(text: string, cells: number): string {
  const cut = fit(text, cells);
  return cut.text + " ".repeat(cells - cut.cells);
}
