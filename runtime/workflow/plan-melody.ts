// The check that makes a plan out of a melody, with all faults in one go. Pure and browser-safe; knows nothing of running.
// The parts stand in plan-body, plan-node, plan-ends, plan-wires, plan-port and fallback.
import type { Fault } from "../error.ts";
import { near } from "../near.ts";
import type { MelodyBody } from "./melody.ts";
import type { Catalogue, Context, Plan } from "./plan.ts";
import { planBody } from "./plan-body.ts";

const HINTS_MAX = 50;

/**
 * Checks a melody and makes its plan. `places` gives the numbers that nodes and edges had in the file, where some were
 * left out. The plan is only sound if no fault is returned.
 */
export function planMelody(
  melody: MelodyBody & { timeoutMs?: number | undefined },
  catalogue: Catalogue,
  read: { nodePlaces?: number[] | undefined; edgePlaces?: number[] | undefined; suspects?: ReadonlySet<string> } = {},
): { plan: Plan; faults: Fault[] } {
  const faults: Fault[] = [];
  const context: Context = { catalogue, faults, suspects: read.suspects ?? new Set(), near: (word, known) => (faults.length < HINTS_MAX ? near(word, known) : ""), planBody };
  const plan = planBody(melody, "", context, undefined, read.nodePlaces, read.edgePlaces);
  plan.timeoutMs = melody.timeoutMs;
  return { plan, faults: context.faults };
}
