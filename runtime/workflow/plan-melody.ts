// The check that makes a plan out of a melody, with all faults in one go. Pure and browser-safe; knows nothing of running.
// The parts stand in plan-body, plan-node, plan-ends, plan-wires, plan-port and fallback.
import type { Fault } from "../error.ts";
import { near } from "../near.ts";
import type { LevelRead, MelodyBody } from "./melody.ts";
import type { Catalogue, Context, Plan } from "./plan.ts";
import { planBody } from "./plan-body.ts";

const HINTS_MAX = 50;

/** Checks a melody and makes its plan; `levels` tells what was left out of it. The plan is only sound if no fault is returned. */
export function planMelody(
  melody: MelodyBody & { timeoutMs?: number | undefined },
  catalogue: Catalogue,
  { levels = new Map() }: { levels?: ReadonlyMap<string, LevelRead> } = {},
): { plan: Plan; faults: Fault[] } {
  const faults: Fault[] = [];
  const context: Context = { catalogue, faults, levels, near: (word, known) => (faults.length < HINTS_MAX ? near(word, known) : ""), planBody };
  const plan = planBody(melody, "", context, undefined);
  plan.timeoutMs = melody.timeoutMs;
  return { plan, faults: context.faults };
}
