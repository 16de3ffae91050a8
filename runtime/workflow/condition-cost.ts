// What a condition may cost over data of some size: its shape is measured once, its data each time. Nothing can interrupt
// a condition that runs, so this bound is what ends the expensive ones before they begin. Only forms whose cost can be told
// are admitted. Pure.
import type { Value } from "../value.ts";

/** The size of the data that a condition looks at. A step is about a comparison of short texts. */
export interface Size {
  /** Elements of the longest list or fields of the largest object. */
  longest: number;
  /** Elements and fields in all. */
  elements: number;
  /** Steps to look through all of it, and through the largest element of any list, which is what a macro's variable stands for. */
  total: number;
  largest: number;
  /** Characters in all. */
  characters: number;
}

/** How often a part runs: once, for each element, for each element of each element, or for each pair of elements. */
type Loop = "once" | "elements" | "inner" | "pairs";

/** What one step looks through: nothing, one element, all there is, or all there is for each character of it. */
type Scan = "nothing" | "element" | "all" | "square";

export interface Shape {
  names: ReadonlySet<string>;
  levels: Map<Loop, { nodes: number; scans: Scan }>;
  /** `+` makes texts and lists longer. */
  sums: number;
}

const MACROS = new Set(["all", "exists", "exists_one", "filter"]);
const COMPARISONS = new Set(["==", "!=", "<", "<=", ">", ">="]);
/** Functions that look through a text once. */
const SCANNING = new Set(["size", "startsWith", "endsWith", "lowerAscii", "upperAscii", "trim", "string", "int", "uint", "double"]);
/** Functions that look for one text in another. */
const SEARCHING = new Set(["contains", "indexOf", "lastIndexOf"]);
/** Functions that take one step. */
const PLAIN = new Set(["dyn", "type", "bool", "has"]);
const WHY: Readonly<Record<string, string>> = {
  matches: "its regular expressions can take exponential time; use startsWith, endsWith, contains or ==",
  map: "it lets data grow; use exists, all or filter",
  split: "it lets data grow; use contains, startsWith or endsWith",
};
const SCANS: readonly Scan[] = ["nothing", "element", "all", "square"];
const CHARACTERS_A_STEP = 256;
/** Steps of a search per character of text and character of what is looked for. */
const SEARCH_CHARACTERS_A_STEP = 4096;
const LITERAL_NEEDLE_MAX = 100;

interface Ast {
  op: string;
  args: unknown;
}

/** Variables of macros; they stand for elements of data. */
type Bound = ReadonlySet<string>;

/** The shape of a parsed condition, or why it is refused. */
export function measureCondition(ast: unknown): Shape | { fault: string } {
  const names = new Set<string>();
  const shape: Shape = { names, levels: new Map([["once", { nodes: 0, scans: "nothing" }]]), sums: 0 };
  let fault: string | undefined;
  const refuse = (why: string): void => {
    fault ??= why;
  };
  const levelAt = (loop: Loop): { nodes: number; scans: Scan } => {
    let level = shape.levels.get(loop);
    if (!level) {
      level = { nodes: 0, scans: "nothing" };
      shape.levels.set(loop, level);
    }
    return level;
  };
  const scan = (loop: Loop, kind: Scan): void => {
    const level = levelAt(loop);
    if (SCANS.indexOf(kind) > SCANS.indexOf(level.scans)) level.scans = kind;
  };
  const within = (part: unknown, bound: Bound): Scan => (isBound(part, bound) ? "element" : "all");
  /** The loop of what runs for each element of `list`. */
  const inLoop = (loop: Loop, list: unknown, bound: Bound, what: string): Loop => {
    const root = dataRoot(list);
    if (root === undefined) refuse(`${what} goes through something that is no part of the data; name a port or a field`);
    if (loop === "once") return "elements";
    if (loop === "elements") return root !== undefined && bound.has(root) ? "inner" : "pairs";
    refuse(`loops (macros, and "in" over data) nest over two deep`);
    return loop;
  };

  const open: { part: unknown; loop: Loop; bound: Bound }[] = [{ part: ast, loop: "once", bound: new Set() }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { part, loop, bound } = next;
    if (Array.isArray(part)) {
      for (const inner of part) open.push({ part: inner, loop, bound });
      continue;
    }
    if (!isAst(part)) continue;
    const { op, args } = part;
    levelAt(loop).nodes++;
    if (op === "value") continue;
    if (op === "id") names.add(String(args));
    else if (op === "+") {
      const [left, right] = args as [unknown, unknown];
      if (loop !== "once" && !isLiteral(left) && !isLiteral(right)) refuse('"+" in a loop needs a literal on one side, for it could let data grow');
      shape.sums++;
    } else if (op === "in") {
      const [item, list] = args as [unknown, unknown];
      if (isAst(list) && list.op === "list") {
        for (const member of list.args as unknown[]) if (!isLiteral(member)) scan(loop, "all");
      } else {
        const inner = inLoop(loop, list, bound, '"in"');
        levelAt(inner).nodes++;
        scan(inner, isLiteral(item) ? "nothing" : within(item, bound));
      }
    } else if (COMPARISONS.has(op)) {
      const [left, right] = args as [unknown, unknown];
      // comparing with a literal ends where the literal does, and with an element where that does
      if (!isLiteral(left) && !isLiteral(right)) scan(loop, isBound(left, bound) || isBound(right, bound) ? "element" : "all");
    } else if (op === "call" || op === "rcall") {
      const [name, receiver, inner] = (op === "rcall" ? args : [(args as unknown[])[0], undefined, (args as unknown[])[1]]) as [string, unknown, unknown[]];
      if (op === "rcall" && MACROS.has(name)) {
        const [variable, ...rest] = inner;
        const deeper = inLoop(loop, receiver, bound, `${name}()`);
        levelAt(deeper);
        open.push({ part: receiver, loop, bound }, { part: rest, loop: deeper, bound: isAst(variable) ? new Set([...bound, String(variable.args)]) : bound });
        continue;
      }
      if (SCANNING.has(name)) scan(loop, within([receiver, inner], bound));
      else if (SEARCHING.has(name)) {
        const [needle] = inner;
        const short = isLiteral(needle) && String((needle as Ast).args).length <= LITERAL_NEEDLE_MAX;
        scan(loop, short ? within(receiver, bound) : "square");
      } else if (!PLAIN.has(name)) {
        const known = [...MACROS, ...SCANNING, ...SEARCHING, ...PLAIN].sort().join(", ");
        refuse(`${name}() is refused${WHY[name] ? `: ${WHY[name]}` : `; known are ${known}`}`);
      }
    }
    open.push({ part: args, loop, bound });
  }
  return fault ? { fault } : shape;
}

/** Steps at most. */
export function costOf({ levels, sums }: Shape, { longest, elements, total, largest, characters }: Size): number {
  const times: Record<Loop, number> = { once: 1, elements: longest, inner: elements, pairs: longest * longest };
  const through: Record<Scan, number> = { nothing: 0, element: largest, all: total, square: total + (characters * characters) / SEARCH_CHARACTERS_A_STEP };
  let cost = 0;
  for (const [loop, { nodes, scans }] of levels) cost += nodes * times[loop] * (1 + through[scans] * (sums + 1));
  return cost;
}

function isAst(part: unknown): part is Ast {
  return typeof part === "object" && part !== null && "op" in part;
}

function isLiteral(part: unknown): boolean {
  return isAst(part) && part.op === "value";
}

/** The name at the root of a path into the data (fields, elements, what a filter leaves of it), if it is one. */
function dataRoot(part: unknown): string | undefined {
  let here = part;
  while (isAst(here)) {
    if (here.op === "id") return String(here.args);
    const [first, second] = here.args as [unknown, unknown];
    if (here.op === "." || here.op === "[]") here = first;
    else if (here.op === "rcall" && first === "filter") here = second;
    else return undefined;
  }
  return undefined;
}

/** Whether all that a part names are variables of macros around it, so that it stands for an element. */
function isBound(part: unknown, bound: Bound): boolean {
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
  return { longest: 1, elements: 1, total: 0, largest: 0, characters: 0 };
}

/** Adds one size to another. */
export function addSize(to: Size, more: Size): void {
  to.longest = Math.max(to.longest, more.longest);
  to.largest = Math.max(to.largest, more.largest);
  to.elements += more.elements;
  to.total += more.total;
  to.characters += more.characters;
}

/** A value as CEL sees it; its size is added to `size`. */
export function toCel(value: Value, size: Size): unknown {
  switch (value.tag) {
    case "null":
      return null;
    case "text":
      size.total += weighText(value.val, size);
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
        size.elements++;
        size.largest = Math.max(size.largest, size.total - before);
        return seen;
      });
    }
    default:
      return value.val;
  }
}

const DEPTH_MAX = 500;

function weighText(text: string, size: Size): number {
  size.characters += text.length;
  return 1 + text.length / CHARACTERS_A_STEP;
}

/** Steps to look through a piece of JSON. */
function weigh(json: unknown, size: Size, depth: number): number {
  if (typeof json === "string") return weighText(json, size);
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
      const weight = weighText(key, size);
      size.largest = Math.max(size.largest, weight);
      total += weight + weigh(inner, size, depth + 1);
      count++;
    }
  size.longest = Math.max(size.longest, count);
  size.elements += count;
  return total;
}
