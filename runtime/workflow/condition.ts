// Conditions in CEL (Common Expression Language) with a limit on their cost. Pure; leaves out when they are asked.
//
// The library bounds what is parsed; what a condition may cost when it runs is bounded here. `matches` is refused
// because its regular expressions can take exponential time, `map` because it lets data grow; macros nest at most two
// deep, so the cost is at most nodes x length^2 with the length of the longest list given.
import { Environment } from "@marcbachmann/cel-js";
import { SymphonyError } from "../error.ts";
import type { Value } from "../value.ts";

export const CONDITION_LIMITS = { characters: 2000, nodes: 200, depth: 32, macroDepth: 2, cost: 5_000_000 } as const;

/** A compiled condition. */
export interface Condition {
  source: string;
  /** Throws `melody/condition` when it can't be evaluated, costs too much, or gives no boolean. */
  holds(variables: Readonly<Record<string, Value | Gathered | undefined>>): boolean;
}

/** Several values as one variable, made once for all conditions that look at them. */
export class Gathered {
  readonly fields: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  readonly size = { longest: 1, total: 0 };

  constructor(names: readonly { name: string }[], values: readonly (Value | undefined)[]) {
    for (const [slot, { name }] of names.entries()) {
      const value = values[slot];
      if (value !== undefined) this.fields[name] = toCel(value, this.size);
    }
  }
}

const MACROS = new Set(["all", "exists", "exists_one", "filter"]);
const REFUSED: Readonly<Record<string, string>> = {
  matches: "its regular expressions can take exponential time; use startsWith, endsWith, contains or ==",
  map: "it lets data grow; use exists, all or filter",
};

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

interface Ast {
  op: string;
  args: unknown;
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
    const shape = measure(parsed.ast as Ast);
    if ("fault" in shape) return { fault: `${JSON.stringify(source)} can't be used: ${shape.fault}` };
    const used = variables.filter((name) => shape.names.has(name));
    return {
      source,
      holds(values) {
        const context: Record<string, unknown> = {};
        const size = { longest: 1, total: 0 };
        for (const name of used) {
          const value = values[name];
          if (value instanceof Gathered) {
            context[name] = value.fields;
            size.longest = Math.max(size.longest, value.size.longest);
            size.total += value.size.total;
          } else context[name] = value === undefined ? null : toCel(value, size);
        }
        const cost = shape.nodes * (size.longest ** shape.macroDepth + size.total / 256);
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

/** Counts nodes and the nesting of macros; depth is bounded by the parser. */
function measure(ast: Ast): { nodes: number; macroDepth: number; names: ReadonlySet<string> } | { fault: string } {
  const names = new Set<string>();
  let nodes = 0;
  let macroDepth = 0;
  let fault: string | undefined;
  const open: { part: unknown; depth: number }[] = [{ part: ast, depth: 0 }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { part } = next;
    let { depth } = next;
    if (Array.isArray(part)) {
      for (const inner of part) open.push({ part: inner, depth });
      continue;
    }
    if (typeof part !== "object" || part === null || !("op" in part)) continue;
    const { op, args } = part as Ast;
    nodes++;
    if (op === "id") names.add(String(args));
    if ((op === "rcall" || op === "call") && Array.isArray(args)) {
      const name = String(args[0]);
      if (Object.hasOwn(REFUSED, name)) fault = `${name}() is refused: ${REFUSED[name]}`;
      if (op === "rcall" && MACROS.has(name)) depth++;
      macroDepth = Math.max(macroDepth, depth);
    }
    if (op !== "value") open.push({ part: args, depth });
  }
  if (macroDepth > CONDITION_LIMITS.macroDepth) fault = `macros nest ${macroDepth} deep, at most ${CONDITION_LIMITS.macroDepth} are allowed`;
  return fault ? { fault } : { nodes, macroDepth, names };
}

function toCel(value: Value, size: { longest: number; total: number }): unknown {
  switch (value.tag) {
    case "null":
      return null;
    case "text":
      size.total += value.val.length;
      return value.val;
    case "json": {
      const parsed: unknown = JSON.parse(value.val);
      size.total += value.val.length;
      longest(parsed, size);
      return parsed;
    }
    case "bytes":
      return { mediaType: value.val.mediaType, size: value.val.data.length };
    case "artifact":
      return { ...value.val };
    case "items":
      size.longest = Math.max(size.longest, value.val.length);
      return value.val.map((item) => toCel(item, size));
    default:
      return value.val;
  }
}

function longest(json: unknown, size: { longest: number }): void {
  const open: unknown[] = [json];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== "object" || next === null) continue;
    const inner = Object.values(next);
    size.longest = Math.max(size.longest, inner.length);
    for (const value of inner) if (typeof value === "object" && value !== null) open.push(value);
  }
}
