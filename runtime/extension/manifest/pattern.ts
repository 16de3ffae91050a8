// Patterns that strangers wrote, matched in time linear in the text: RE2's syntax, so without look-around and back references. Pure.
import { RE2JS } from "re2js";

/** Longest pattern, in characters. */
export const PATTERN_MAX = 500;

const known = new Map<string, RE2JS>();
const KNOWN_MAX = 256;

function compile(pattern: string): RE2JS {
  let compiled = known.get(pattern);
  if (!compiled) {
    compiled = RE2JS.compile(pattern);
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(pattern, compiled);
  }
  return compiled;
}

/** Why a pattern can't be used, or undefined. */
export function patternFault(pattern: string): string | undefined {
  if (pattern.length > PATTERN_MAX) return `it has ${pattern.length} characters, at most ${PATTERN_MAX} are allowed`;
  // counted repetitions are written out by the engine: they multiply
  if (repetitions(pattern) > 1000) return "its counted repetitions come to over 1000; use fewer, or * and +";
  try {
    compile(pattern);
    return undefined;
  } catch (cause) {
    return `it is no pattern of RE2 (${(cause as Error).message}); look-around and back references don't exist there`;
  }
}

function repetitions(pattern: string): number {
  let product = 1;
  for (const [, least, most] of pattern.matchAll(/\{(\d{1,6})(?:,(\d{0,6}))?\}/g)) product *= Math.max(1, Number(most || least));
  return product;
}

/** Whether the whole text fits. `pattern` has passed `patternFault`. */
export function fitsPattern(pattern: string, text: string): boolean {
  return compile(pattern).matches(text);
}
