// Conditions in CEL (Common Expression Language) with a limit on their cost. Pure; leaves out when they are asked, and
// how the cost is bounded (condition-cost.ts). The library bounds what is parsed.
import { Environment } from "@marcbachmann/cel-js";
import { SymphonyError } from "../error.ts";
import type { Value } from "../value.ts";
import { addSize, costOf, emptySize, measureCondition, type Size, toCel } from "./condition-cost.ts";

export const CONDITION_LIMITS = { characters: 2000, nodes: 200, depth: 32, cost: 5_000_000 } as const;

/** A compiled condition. */
export interface Condition {
  source: string;
  /** Throws `melody/condition` when it can't be evaluated, costs too much, or gives no boolean. */
  holds(variables: Readonly<Record<string, Value | Gathered | undefined>>): boolean;
}

/** Several values as one variable, made once for all conditions that look at them. */
export class Gathered {
  readonly fields: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  readonly size: Size = emptySize();

  constructor(names: readonly { name: string }[], values: readonly (Value | undefined)[]) {
    for (const [slot, { name }] of names.entries()) {
      const value = values[slot];
      if (value !== undefined) this.fields[name] = toCel(value, this.size);
    }
  }
}

const environments = new Map<string, Environment>();

function environment(variables: readonly string[]): Environment {
  const key = variables.join(",");
  let known = environments.get(key);
  if (!known) {
    known = new Environment({ limits: { maxAstNodes: CONDITION_LIMITS.nodes, maxDepth: CONDITION_LIMITS.depth, maxListElements: 100, maxMapEntries: 100, maxCallArguments: 8 } });
    for (const name of variables) known.registerVariable(name, "dyn");
    if (environments.size < 1000) environments.set(key, known);
  }
  return known;
}

/** Compiles a condition over these variables, or says what is wrong with it. */
export function compileCondition(source: string, variables: readonly string[]): Condition | { fault: string } {
  if (source.length > CONDITION_LIMITS.characters) return { fault: `the condition has ${source.length} characters, at most ${CONDITION_LIMITS.characters} are allowed` };
  const known = `; known are ${variables.join(", ")}`;
  try {
    const parsed = environment(variables).parse(source);
    const checked = parsed.check();
    if (!checked.valid) {
      const why = firstLine(checked.error);
      return { fault: `${JSON.stringify(source)} is no condition: ${why}${why.startsWith("Unknown variable") ? known : ""}` };
    }
    if (checked.type !== "bool" && checked.type !== "dyn") return { fault: `${JSON.stringify(source)} gives ${checked.type}, expected a condition that is true or false` };
    const shape = measureCondition(parsed.ast);
    if ("fault" in shape) return { fault: `${JSON.stringify(source)} can't be used: ${shape.fault}` };
    const used = variables.filter((name) => shape.names.has(name));
    return {
      source,
      holds(values) {
        const context: Record<string, unknown> = {};
        const size = emptySize();
        for (const name of used) {
          const value = values[name];
          if (value instanceof Gathered) {
            context[name] = value.fields;
            addSize(size, value.size);
          } else
            try {
              context[name] = value === undefined ? null : toCel(value, size);
            } catch (cause) {
              throw new SymphonyError("melody/condition", `Cannot evaluate ${JSON.stringify(source)}: ${firstLine(cause)}`, { cause });
            }
        }
        const cost = costOf(shape, size);
        if (cost > CONDITION_LIMITS.cost)
          throw new SymphonyError(
            "melody/condition",
            `Cannot evaluate ${JSON.stringify(source)}: over data of this size it may cost ${Math.round(cost)} steps, at most ${CONDITION_LIMITS.cost} are allowed`,
          );
        let result: unknown;
        try {
          result = parsed(context);
        } catch (cause) {
          throw new SymphonyError("melody/condition", `Cannot evaluate ${JSON.stringify(source)}: ${firstLine(cause)}`, { cause });
        }
        if (typeof result !== "boolean")
          throw new SymphonyError("melody/condition", `Cannot decide by ${JSON.stringify(source)}: it gave ${String(result).slice(0, 60)}, expected true or false`);
        return result;
      },
    };
  } catch (cause) {
    return { fault: `${JSON.stringify(source)} is no condition: ${firstLine(cause)}` };
  }
}

function firstLine(cause: unknown): string {
  return ((cause as Error | undefined)?.message ?? String(cause)).split("\n")[0] as string;
}
