// What a condition may cost over data of some size: its shape is measured once, its data each time. Nothing can interrupt
// a condition that runs, so this bound is what ends the expensive ones before they begin. Pure.
import type { Value } from "../value.ts";

/** The size of the data that a condition looks at. */
export interface Size {
  /** Elements of the longest list or fields of the largest object. */
  longest: number;
  /** Characters and elements in all. */
  total: number;
  /** The same for the largest element of any list, which is what a macro's variable can stand for. */
  largest: number;
}

export interface Shape {
  names: ReadonlySet<string>;
  /** By the loops around it (macros, and `in` over data): how many nodes there are, and what one may look through. */
  levels: { nodes: number; scans: "nothing" | "element" | "all" }[];
  /** `+` makes lists and texts longer. */
  sums: number;
  longestLiteral: number;
}

const MACROS = new Set(["all", "exists", "exists_one", "filter"]);
const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">="]);
/** Functions that look through a text. */
const SCANNING = new Set([
  "size",
  "startsWith",
  "endsWith",
  "contains",
  "lowerAscii",
  "upperAscii",
  "trim",
  "indexOf",
  "lastIndexOf",
  "substring",
  "string",
  "int",
  "uint",
  "double",
]);
/** Functions that take one step. */
const PLAIN = new Set([
  "dyn",
  "type",
  "bool",
  "has",
  "at",
  "timestamp",
  "duration",
  "getDate",
  "getDayOfMonth",
  "getDayOfWeek",
  "getDayOfYear",
  "getFullYear",
  "getHours",
  "getMilliseconds",
  "getMinutes",
  "getMonth",
  "getSeconds",
]);
const WHY: Readonly<Record<string, string>> = {
  matches: "its regular expressions can take exponential time; use startsWith, endsWith, contains or ==",
  map: "it lets data grow; use exists, all or filter",
  split: "it lets data grow; use contains, startsWith or endsWith",
};
const LOOPS_MAX = 2;

interface Ast {
  op: string;
  args: unknown;
}

/** The shape of a parsed condition, or why it is refused. */
export function measureCondition(ast: unknown): Shape | { fault: string } {
  const names = new Set<string>();
  const shape: Shape = { names, levels: [], sums: 0, longestLiteral: 1 };
  let fault: string | undefined;
  const levelAt = (depth: number): Shape["levels"][number] => {
    while (shape.levels.length <= depth) shape.levels.push({ nodes: 0, scans: "nothing" });
    return shape.levels[depth] as Shape["levels"][number];
  };
  const scan = (part: unknown, depth: number, bound: ReadonlySet<string>): void => {
    const level = levelAt(depth);
    if (level.scans !== "all") level.scans = onlyBound(part, bound) ? "element" : "all";
  };
  const open: { part: unknown; depth: number; bound: ReadonlySet<string> }[] = [{ part: ast, depth: 0, bound: new Set() }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { part, depth, bound } = next;
    if (Array.isArray(part)) {
      for (const inner of part) open.push({ part: inner, depth, bound });
      continue;
    }
    if (!isAst(part)) continue;
    const { op, args } = part;
    levelAt(depth).nodes++;
    if (op === "value") continue;
    if (op === "id") names.add(String(args));
    else if (op === "+") shape.sums++;
    else if (op === "in" && !(isAst((args as unknown[])[1]) && ((args as Ast[])[1] as Ast).op === "list")) {
      levelAt(depth + 1).nodes++;
      scan((args as unknown[])[0], depth + 1, bound);
    } else if (COMPARISONS.has(op)) {
      const [left, right] = args as [unknown, unknown];
      // comparing with a literal ends where the literal does, and with an element where that does
      if (!isLiteral(left) && !isLiteral(right)) scan(onlyBound(left, bound) ? left : right, depth, bound);
    } else if (op === "list" || op === "map") shape.longestLiteral = Math.max(shape.longestLiteral, (args as unknown[]).length);
    else if (op === "call" || op === "rcall") {
      const [name, receiver, inner] = (op === "rcall" ? args : [(args as unknown[])[0], undefined, (args as unknown[])[1]]) as [string, unknown, unknown[]];
      if (op === "rcall" && MACROS.has(name)) {
        const [variable, ...rest] = inner;
        open.push({ part: receiver, depth, bound }, { part: rest, depth: depth + 1, bound: isAst(variable) ? new Set([...bound, String(variable.args)]) : bound });
        continue;
      }
      if (SCANNING.has(name)) scan([receiver, inner], depth, bound);
      else if (!PLAIN.has(name)) fault ??= `${name}() is refused${WHY[name] ? `: ${WHY[name]}` : `; known are ${[...MACROS, ...SCANNING, ...PLAIN].sort().join(", ")}`}`;
    }
    open.push({ part: args, depth, bound });
  }
  const loops = shape.levels.length - 1;
  if (loops > LOOPS_MAX) fault ??= `loops (macros, and "in" over data) nest ${loops} deep, at most ${LOOPS_MAX} are allowed`;
  return fault ? { fault } : shape;
}

/** Steps at most; one is about what a comparison of short texts takes. */
export function costOf({ levels, sums, longestLiteral }: Shape, { longest, total, largest }: Size): number {
  const length = Math.max(longest, longestLiteral) * (sums + 1);
  const through = { nothing: 0, element: largest, all: total };
  return levels.reduce((cost, { nodes, scans }, depth) => cost + nodes * length ** depth * (1 + (through[scans] * (sums + 1)) / CHARACTERS_A_STEP), 0);
}

const CHARACTERS_A_STEP = 256;

function isAst(part: unknown): part is Ast {
  return typeof part === "object" && part !== null && "op" in part;
}

function isLiteral(part: unknown): boolean {
  return isAst(part) && part.op === "value";
}

/** Whether all that a part names are variables of macros around it, so that it stands for an element. */
function onlyBound(part: unknown, bound: ReadonlySet<string>): boolean {
  const open = [part];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (Array.isArray(next)) open.push(...next);
    else if (isAst(next)) {
      if (next.op === "id" && !bound.has(String(next.args))) return false;
      if (next.op !== "id" && next.op !== "value") open.push(next.args);
    }
  }
  return true;
}

export function emptySize(): Size {
  return { longest: 1, total: 0, largest: 0 };
}

/** A value as CEL sees it; its size is added to `size`. */
export function toCel(value: Value, size: Size): unknown {
  switch (value.tag) {
    case "null":
      return null;
    case "text":
      size.total += value.val.length;
      return value.val;
    case "json": {
      const parsed: unknown = JSON.parse(value.val);
      size.total += weigh(parsed, size, 0);
      return parsed;
    }
    case "bytes":
      return { mediaType: value.val.mediaType, size: value.val.data.length };
    case "artifact":
      return { ...value.val };
    case "items": {
      size.longest = Math.max(size.longest, value.val.length);
      return value.val.map((item) => {
        const before = size.total;
        const seen = toCel(item, size);
        size.total++;
        size.largest = Math.max(size.largest, size.total - before);
        return seen;
      });
    }
    default:
      return value.val;
  }
}

const DEPTH_MAX = 500;

/** Characters and elements of a piece of JSON. */
function weigh(json: unknown, size: Size, depth: number): number {
  if (typeof json === "string") return json.length;
  if (typeof json !== "object" || json === null) return 1;
  if (depth > DEPTH_MAX) throw new RangeError(`its data nests deeper than ${DEPTH_MAX}`);
  let total = 1;
  let count = 0;
  if (Array.isArray(json))
    for (const inner of json) {
      const weight = weigh(inner, size, depth + 1);
      size.largest = Math.max(size.largest, weight);
      total += weight;
      count++;
    }
  else
    for (const [key, inner] of Object.entries(json)) {
      size.largest = Math.max(size.largest, key.length);
      total += key.length + weigh(inner, size, depth + 1);
      count++;
    }
  size.longest = Math.max(size.longest, count);
  return total;
}
