// Arguments of host calls, as their types: what a child sends is checked before it is used. Pure.
import { SymphonyError } from "../../error.ts";
import type { Scalar } from "../isolate/wire.ts";

function wrong(): SymphonyError {
  return new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
}

export function string(value: Scalar | undefined): string {
  if (typeof value !== "string") throw wrong();
  return value;
}

export function number(value: Scalar | undefined): number {
  if (typeof value !== "number") throw wrong();
  return value;
}

export function bytes(value: Scalar | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw wrong();
  return value;
}

/** A whole number from 0 on. Throws `step/input`. */
export function whole(value: Scalar | undefined, what: string): number {
  const given = number(value);
  if (!Number.isSafeInteger(given) || given < 0) throw new SymphonyError("step/input", `Cannot use ${given} as ${what}: expected a whole number from 0`);
  return given;
}

const JSON_ARGUMENT_MAX = 16 * 1024 * 1024;

/** Structured arguments travel as JSON that our own program wrote. */
export function parsed(value: Scalar | undefined): unknown {
  const text = string(value);
  if (text.length > JSON_ARGUMENT_MAX) throw new SymphonyError("run/limit", `Cannot take ${text.length} characters in one host call`);
  try {
    return JSON.parse(text);
  } catch {
    throw wrong();
  }
}

/** Without control characters: a guest's words must not steer a terminal. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+/g, " ");
}
