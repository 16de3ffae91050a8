// The walk over a component: every place where a name can stand is read and judged, core names are replaced, what
// isn't known is refused. Gives the parts, the imports and exports with their types, and the gated bytes.
//
// Source of the binary form: the component model's Binary.md as the tools of 2026 write it (preamble 0d 00 01 00).
import { SymphonyError } from "../../error.ts";
import { Cursor, malformed, Sink, unsupported } from "./cursor.ts";
import { measureModule, type ModuleNeeds, rewriteModule } from "./module.ts";
import { NONE, Shapes, UNKNOWN } from "./types.ts";

/** An interface with the type of each function in it, or a plain function under its own name. */
export interface Port {
  name: string;
  functions: Map<string, string>;
}

/** What the walk found at the root. */
export interface Walked {
  bytes: Uint8Array;
  imports: Port[];
  exports: Port[];
  memoryPages: number;
  modules: number;
  functions: number;
}

export interface WalkLimits {
  /** Sum over all memories, in pages of 64 KiB. */
  memoryPages: number;
  /** Sum over all tables. */
  tableElements: number;
  startFuel: bigint;
}

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
const DEPTH_MAX = 8;
const SMALL_PAGES = 16;
const ITEMS_MAX = 100_000;

/** Labels: words of letters and digits, joined by '-'. */
const LABEL = /^[a-zA-Z][a-zA-Z0-9]*(-[a-zA-Z0-9]+)*$/;
/** Names of functions, types and interfaces: labels, `[method]a.b` and the like, `ns:package/interface@1.2.3`. */
const NAME =
  /^(?:(?:\[(?:constructor|method|static|resource-drop)\])?[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9]+)*(?:\.[a-zA-Z][a-zA-Z0-9]*(?:-[a-zA-Z0-9]+)*)?|[a-z][a-z0-9-]*(?::[a-z][a-z0-9-]*)+(?:\/[a-z][a-z0-9-]*)+(?:@[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?)?)$/;
/** JavaScript gives these a meaning of their own, as a whole name or as a part of one, in any case. */
const RESERVED = new Set(["then", "arguments", "eval", "constructor", "prototype", "proto"]);

function quote(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}...` : name);
}

function checkName(name: string, pattern: RegExp, place: string): string {
  if (!pattern.test(name))
    throw new SymphonyError("gate/name", `Cannot admit the component: ${place} is named ${quote(name)}; only letters, digits, '-' and the separators of WIT may stand in a name`);
  const parts = name.replace(/^\[[a-z-]+\]/, "").split(/[.:/@]/);
  if (parts.some((part) => RESERVED.has(part.toLowerCase())))
    throw new SymphonyError("gate/name", `Cannot admit the component: ${place} is named ${quote(name)}, which JavaScript reserves; choose another name`);
  return name;
}

/** Walks a whole component. Throws `gate/*` for anything that it can't vouch for. */
export function walkComponent(bytes: Uint8Array, limits: WalkLimits): Walked {
  const renames = new Map<string, string>();
  const rename = (name: string): string => {
    let safe = renames.get(name);
    if (safe === undefined) {
      safe = `a${renames.size}`;
      renames.set(name, safe);
    }
    return safe;
  };
  const root = new Scope(new Shapes(), undefined, 0);
  const found: Walked = { bytes, imports: [], exports: [], memoryPages: 0, modules: 0, functions: 0 };
  const caps = shareLimits(bytes, limits);
  found.memoryPages = caps.pages;
  found.bytes = walkBody(new Cursor(bytes), root, { rename, found, caps: caps.perModule, limits });
  return found;
}

interface Walk {
  rename: (name: string) => string;
  found: Walked;
  caps: { memories: number[]; tables: number[] }[];
  limits: WalkLimits;
}

/** First pass: which root modules there are and what they need, so that the limits can be shared among them. */
function shareLimits(bytes: Uint8Array, limits: WalkLimits): { perModule: { memories: number[]; tables: number[] }[]; pages: number } {
  const needs: ModuleNeeds[] = [];
  const measure = (body: Cursor, depth: number): void => {
    if (depth > DEPTH_MAX) throw unsupported(body.at, `a component nested deeper than ${DEPTH_MAX}`);
    preamble(body);
    while (!body.done) {
      const id = body.u8();
      const part = body.part(body.u32());
      if (id === 1) needs.push(measureModule(part));
      else if (id === 4) measure(part, depth + 1);
    }
  };
  measure(new Cursor(bytes), 0);
  const memories = needs.flatMap((need) => need.memories);
  const tables = needs.flatMap((need) => need.tables);
  const pages = memories.reduce((sum, memory) => sum + memory.minimum, 0);
  const elements = tables.reduce((sum, table) => sum + table.minimum, 0);
  if (pages > limits.memoryPages)
    throw new SymphonyError(
      "gate/limit",
      `Cannot admit the component: it begins with ${mib(pages)} MiB of memory, its limit is ${mib(limits.memoryPages)} MiB; raise limits.memoryMiB in the manifest`,
    );
  if (elements > limits.tableElements)
    throw new SymphonyError("gate/limit", `Cannot admit the component: it begins with ${elements} table elements, at most ${limits.tableElements} are allowed`);
  // adapters and stubs declare memories that they hardly use; a 128 MiB limit is meant for the guest's own
  const small = memories.filter((memory) => memory.minimum === 0).length;
  const large = memories.length - small;
  const smallPages = large ? Math.min(SMALL_PAGES, Math.floor((limits.memoryPages - pages) / memories.length)) : 0;
  const freePages = memories.length ? Math.floor((limits.memoryPages - pages - small * smallPages) / (large || small)) : 0;
  const freeElements = tables.length ? Math.floor((limits.tableElements - elements) / tables.length) : 0;
  const cap =
    (free: number) =>
    (need: { minimum: number; maximum: number | undefined }): number =>
      Math.min(need.minimum + free, need.maximum ?? Number.POSITIVE_INFINITY);
  const capMemory = (need: { minimum: number; maximum: number | undefined }): number => cap(large && need.minimum === 0 ? smallPages : freePages)(need);
  return {
    perModule: needs.map((need) => ({ memories: need.memories.map(capMemory), tables: need.tables.map(cap(freeElements)) })),
    pages: memories.reduce((sum, memory) => sum + capMemory(memory), 0),
  };
}

function mib(pages: number): string {
  return (pages / 16).toFixed(pages % 16 ? 1 : 0);
}

function preamble(body: Cursor): void {
  const from = body.at;
  for (let i = 0; i < PREAMBLE.length; i++) {
    if (body.u8() === PREAMBLE[i]) continue;
    if (i >= 4 && body.bytes[from + 4] === 1) throw unsupported(from + 4, "a plain core module (make it a component with `wasm-tools component new`)");
    throw malformed(body.at - 1, "it doesn't begin as a WebAssembly component");
  }
}

/** The index spaces of one component or instance type, as far as types need them. */
class Scope {
  readonly shapes: Shapes;
  readonly parent: Scope | undefined;
  readonly depth: number;
  readonly types: number[] = [];
  /** Exported types and functions of each instance; undefined where they aren't known. */
  readonly instances: (ReadonlyMap<string, Exported> | undefined)[] = [];
  /** What each instance type exports, by its shape, so that an alias of it is it; one table for the whole component. */
  readonly instanceTypes: Map<number, ReadonlyMap<string, Exported>>;
  readonly exported = new Map<string, Exported>();
  /** Types of functions, as far as they are known. */
  readonly functions: number[] = [];
  /** Each may be instantiated once, so that the shared-out limits are the whole component's. */
  readonly components: Nested[] = [];
  readonly instantiated = new Set<number>();

  constructor(shapes: Shapes, parent: Scope | undefined, depth: number) {
    this.shapes = shapes;
    this.parent = parent;
    this.depth = depth;
    this.instanceTypes = parent?.instanceTypes ?? new Map();
  }
}

interface Exported {
  sort: "type" | "func" | "instance" | "other";
  type: number;
  /** What an exported instance exports, where it is known. */
  inner?: ReadonlyMap<string, Exported> | undefined;
}

interface Nested {
  instantiated: boolean;
  exported: ReadonlyMap<string, Exported> | undefined;
}

function walkBody(body: Cursor, scope: Scope, walk: Walk): Uint8Array {
  if (scope.depth > DEPTH_MAX) throw unsupported(body.at, `a component nested deeper than ${DEPTH_MAX}`);
  const out = new Sink(body.end - body.at + 1024);
  preamble(body);
  out.raw(PREAMBLE);
  while (!body.done) {
    const at = body.at;
    const id = body.u8();
    const part = body.part(body.u32());
    const from = part.at;
    const asItWas = (): Uint8Array => {
      if (!part.done) throw malformed(part.at, "a section is longer than it says");
      return part.bytes.subarray(from, part.end);
    };
    switch (id) {
      case 0:
        part.skip(part.end - part.at);
        break;
      case 1: {
        const caps = walk.caps[walk.found.modules];
        if (!caps) throw malformed(at, "a core module was not measured");
        const { bytes, functions } = rewriteModule(part, caps, walk.rename, walk.limits.startFuel);
        walk.found.modules++;
        walk.found.functions += functions;
        out.section(1, bytes);
        break;
      }
      case 2:
        out.section(2, coreInstances(part, scope, walk));
        break;
      case 4:
        {
          const inner = new Scope(scope.shapes, scope, scope.depth + 1);
          out.section(4, walkBody(part, inner, walk));
          scope.components.push({ instantiated: false, exported: inner.exported });
        }
        break;
      case 5:
        each(part, () => instance(part, scope));
        out.section(5, asItWas());
        break;
      case 6:
        out.section(6, aliases(part, scope, walk));
        break;
      case 7:
        each(part, () => scope.types.push(typeDefinition(part, scope)));
        out.section(7, asItWas());
        break;
      case 8:
        each(part, () => canonical(part, scope));
        out.section(8, asItWas());
        break;
      case 10:
        each(part, () => importOf(part, scope, walk));
        out.section(10, asItWas());
        break;
      case 11:
        each(part, () => exportOf(part, scope, walk));
        out.section(11, asItWas());
        break;
      default:
        throw unsupported(at, `component section ${id}`);
    }
    if (!part.done) throw malformed(part.at, "a section is longer than it says");
  }
  return out.view();
}

function each(body: Cursor, read: () => void): void {
  const count = body.u32();
  if (count > ITEMS_MAX) throw unsupported(body.at, `a section with over ${ITEMS_MAX} items`);
  for (let i = 0; i < count; i++) read();
}

function coreInstances(body: Cursor, scope: Scope, walk: Walk): Sink {
  const out = new Sink(body.end - body.at + 64);
  const count = body.u32();
  out.u32(count);
  for (let i = 0; i < count; i++) {
    const form = body.u8();
    out.u8(form);
    if (form === 0x00) {
      const module = body.u32();
      // once each, so that the shared-out limits are the component's whole
      if (scope.instantiated.has(module)) throw unsupported(body.at, "a core module instantiated twice");
      scope.instantiated.add(module);
      out.u32(module);
      const args = body.u32();
      out.u32(args);
      for (let k = 0; k < args; k++) {
        out.name(walk.rename(body.name()));
        const sort = body.u8();
        if (sort !== 0x12) throw unsupported(body.at - 1, `instantiation argument 0x${sort.toString(16)}`);
        out.u8(sort);
        out.u32(body.u32());
      }
    } else if (form === 0x01) {
      const names = body.u32();
      out.u32(names);
      for (let k = 0; k < names; k++) {
        out.name(walk.rename(body.name()));
        const sort = body.u8();
        if (sort > 3) throw unsupported(body.at - 1, `core sort ${sort}`);
        out.u8(sort);
        out.u32(body.u32());
      }
    } else throw unsupported(body.at - 1, `core instance form ${form}`);
  }
  return out;
}

function sortIndex(body: Cursor): { sort: number; index: number } {
  const sort = body.u8();
  if (sort === 0x00 || sort > 0x05 || sort === 0x02) throw unsupported(body.at - 1, `sort ${sort}`);
  return { sort, index: body.u32() };
}

function instance(body: Cursor, scope: Scope): void {
  const form = body.u8();
  if (form === 0x00) {
    const component = scope.components[body.u32()];
    if (!component || component.instantiated) throw unsupported(body.at, "a component instantiated twice");
    component.instantiated = true;
    each(body, () => {
      checkName(body.name(), NAME, "an instantiation argument");
      sortIndex(body);
    });
    scope.instances.push(component.exported);
  } else if (form === 0x01) {
    const exports = new Map<string, Exported>();
    each(body, () => {
      const name = externName(body, "an inline export");
      const { sort, index } = sortIndex(body);
      exports.set(name, exportedItem(scope, sort, index));
    });
    scope.instances.push(exports);
  } else throw unsupported(body.at - 1, `instance form ${form}`);
}

function exportedItem(scope: Scope, sort: number, index: number): Exported {
  if (sort === 0x01) return { sort: "func", type: scope.functions[index] ?? UNKNOWN };
  if (sort === 0x03) return { sort: "type", type: scope.types[index] ?? UNKNOWN };
  return sort === 0x05 ? { sort: "instance", type: UNKNOWN, inner: scope.instances[index] } : { sort: "other", type: UNKNOWN };
}

function externName(body: Cursor, place: string): string {
  const form = body.u8();
  if (form > 1) throw unsupported(body.at - 1, `name form ${form}`);
  return checkName(body.name(), NAME, place);
}

function aliases(body: Cursor, scope: Scope, walk: Walk): Sink {
  const out = new Sink(body.end - body.at + 64);
  const count = body.u32();
  if (count > ITEMS_MAX) throw unsupported(body.at, `a section with over ${ITEMS_MAX} items`);
  out.u32(count);
  for (let i = 0; i < count; i++) alias(body, scope, walk, out);
  return out;
}

function alias(body: Cursor, scope: Scope, walk: Walk | undefined, out: Sink | undefined): void {
  const from = body.at;
  const sort = body.u8();
  const coreSort = sort === 0x00 ? body.u8() : 0;
  const target = body.u8();
  if (target === 0x01) {
    if (sort !== 0x00 || coreSort > 3 || !walk || !out) throw unsupported(from, "this alias");
    const instanceIndex = body.u32();
    out.raw([sort, coreSort, target]);
    out.u32(instanceIndex);
    out.name(walk.rename(body.name()));
    return;
  }
  if (target === 0x00) {
    if (sort === 0x00) throw unsupported(from, "this alias");
    const exports = scope.instances[body.u32()];
    const name = checkName(body.name(), NAME, "an alias");
    if (sort === 0x03) scope.types.push(exports?.get(name)?.type ?? UNKNOWN);
    else if (sort === 0x05) scope.instances.push(exports?.get(name)?.inner);
    else if (sort === 0x01) scope.functions.push(exports?.get(name)?.type ?? UNKNOWN);
    else throw unsupported(from, `an alias of sort ${sort}`);
  } else if (target === 0x02) {
    const up = body.u32();
    const index = body.u32();
    if (sort !== 0x03 && sort !== 0x04) throw unsupported(from, "an outer alias of this sort");
    let outer: Scope | undefined = scope;
    for (let k = 0; k < up; k++) {
      outer = outer?.parent;
      if (!outer) throw malformed(from, "an alias reaches outside");
    }
    if (sort === 0x03) scope.types.push(outer?.types[index] ?? UNKNOWN);
    else scope.components.push(outer?.components[index] ?? { instantiated: true, exported: undefined });
  } else throw unsupported(from, `alias target ${target}`);
  out?.raw(body.bytes.subarray(from, body.at));
}

const PRIMITIVES: Readonly<Record<number, string>> = {
  0x7f: "bool",
  0x7e: "s8",
  0x7d: "u8",
  0x7c: "s16",
  0x7b: "u16",
  0x7a: "s32",
  0x79: "u32",
  0x78: "s64",
  0x77: "u64",
  0x76: "f32",
  0x75: "f64",
  0x74: "char",
  0x73: "string",
};

function valueType(body: Cursor, scope: Scope): number {
  const at = body.at;
  const type = body.indexOrCode();
  if ("index" in type) {
    if (type.index >= scope.types.length) throw malformed(at, "an unknown type");
    return scope.types[type.index] as number;
  }
  const name = PRIMITIVES[type.code];
  if (!name) throw unsupported(at, `type 0x${type.code.toString(16)}`);
  return scope.shapes.add(name);
}

function labelled(body: Cursor, read: () => number): { labels: string[]; children: number[] } {
  const labels: string[] = [];
  const children: number[] = [];
  each(body, () => {
    labels.push(checkName(body.name(), LABEL, "a field, case or parameter"));
    children.push(read());
  });
  return { labels, children };
}

function optionalType(body: Cursor, scope: Scope): number {
  const present = body.u8();
  if (present > 1) throw malformed(body.at - 1, "a flag is neither 0 nor 1");
  return present ? valueType(body, scope) : NONE;
}

function typeDefinition(body: Cursor, scope: Scope): number {
  const at = body.at;
  const form = body.u8();
  const { shapes } = scope;
  const primitive = PRIMITIVES[form];
  if (primitive) return shapes.add(primitive);
  switch (form) {
    case 0x72: {
      const { labels, children } = labelled(body, () => valueType(body, scope));
      return shapes.add("record", labels, children);
    }
    case 0x71: {
      const { labels, children } = labelled(body, () => {
        const type = optionalType(body, scope);
        if (body.u8() !== 0x00) throw unsupported(body.at - 1, "a case that refines another");
        return type;
      });
      return shapes.add("variant", labels, children);
    }
    case 0x70:
      return shapes.add("list", [], [valueType(body, scope)]);
    case 0x6f: {
      const children: number[] = [];
      each(body, () => children.push(valueType(body, scope)));
      return shapes.add("tuple", [], children);
    }
    case 0x6e:
    case 0x6d: {
      const labels: string[] = [];
      each(body, () => labels.push(checkName(body.name(), LABEL, "a case")));
      return shapes.add(form === 0x6e ? "flags" : "enum", labels);
    }
    case 0x6b:
      return shapes.add("option", [], [valueType(body, scope)]);
    case 0x6a: {
      const ok = optionalType(body, scope);
      return shapes.add("result", [], [ok, optionalType(body, scope)]);
    }
    case 0x69:
    case 0x68: {
      const index = body.u32();
      if (index >= scope.types.length) throw malformed(at, "an unknown type");
      return shapes.add(form === 0x69 ? "own" : "borrow", [], [scope.types[index] as number]);
    }
    case 0x3f: {
      if (scope.depth === 0 || body.u8() !== 0x7f) throw unsupported(at, "this resource type");
      const present = body.u8();
      if (present > 1) throw malformed(body.at - 1, "a flag is neither 0 nor 1");
      if (present) body.u32();
      return shapes.add(`resource at ${at}`);
    }
    case 0x40: {
      const { labels, children } = labelled(body, () => valueType(body, scope));
      const results = body.u8();
      let result = NONE;
      if (results === 0x00) result = valueType(body, scope);
      else if (results !== 0x01 || body.u8() !== 0x00) throw unsupported(at, "named results");
      return shapes.add("func", [...labels, "->"], [...children, result]);
    }
    case 0x42: {
      const inner = new Scope(shapes, scope, scope.depth + 1);
      if (inner.depth > DEPTH_MAX) throw unsupported(at, `a type nested deeper than ${DEPTH_MAX}`);
      each(body, () => declaration(body, inner));
      const type = shapes.add(`instance type at ${at}`);
      scope.instanceTypes.set(type, inner.exported);
      return type;
    }
    default:
      throw unsupported(at, form === 0x43 ? "an async function type" : `type form 0x${form.toString(16)}`);
  }
}

function declaration(body: Cursor, scope: Scope): void {
  const at = body.at;
  const form = body.u8();
  if (form === 0x01) scope.types.push(typeDefinition(body, scope));
  else if (form === 0x02) alias(body, scope, undefined, undefined);
  else if (form === 0x04) {
    const name = externName(body, "a declared export");
    scope.exported.set(name, description(body, scope, name));
  } else throw unsupported(at, `declaration form ${form}`);
}

/** Reads what is imported or declared and adds it to its index space. */
function description(body: Cursor, scope: Scope, name: string): Exported {
  const at = body.at;
  const form = body.u8();
  if (form === 0x01) {
    const type = scope.types[body.u32()] ?? UNKNOWN;
    scope.functions.push(type);
    return { sort: "func", type };
  }
  if (form === 0x03) {
    const bound = body.u8();
    const type = bound === 0x00 ? (scope.types[body.u32()] ?? UNKNOWN) : bound === 0x01 ? scope.shapes.add(`resource ${name}`) : undefined;
    if (type === undefined) throw unsupported(at, "this type bound");
    scope.types.push(type);
    return { sort: "type", type };
  }
  if (form === 0x05) {
    const inner = scope.instanceTypes.get(scope.types[body.u32()] ?? UNKNOWN);
    if (!inner) throw unsupported(at, "an instance of a type that is none");
    scope.instances.push(inner);
    return { sort: "instance", type: UNKNOWN, inner };
  }
  throw unsupported(at, `an import or export of sort ${form}`);
}

function canonical(body: Cursor, scope: Scope): void {
  const at = body.at;
  const form = body.u8();
  if (form === 0x00 || form === 0x01) {
    if (body.u8() !== 0x00) throw unsupported(at, "this canonical function");
    body.u32();
    each(body, () => {
      const option = body.u8();
      if (option >= 0x03 && option <= 0x05) body.u32();
      else if (option > 0x05) throw unsupported(body.at - 1, "an async canonical option");
    });
    if (form === 0x00) {
      scope.functions.push(scope.types[body.u32()] ?? UNKNOWN);
    }
  } else if (form === 0x03 || (scope.depth > 0 && (form === 0x02 || form === 0x04))) body.u32();
  else throw unsupported(at, `canonical function 0x${form.toString(16)}`);
}

function importOf(body: Cursor, scope: Scope, walk: Walk): void {
  const name = externName(body, "an import");
  const described = description(body, scope, name);
  if (scope.depth > 0) return;
  if (described.sort !== "instance" || !described.inner) throw new SymphonyError("gate/world", `Cannot admit the component: it imports ${name} as something that is no interface`);
  const functions = new Map<string, string>();
  for (const [inner, { sort, type }] of described.inner) {
    if (sort === "func") functions.set(inner, scope.shapes.spell(type));
    else if (sort !== "type") throw new SymphonyError("gate/world", `Cannot admit the component: it imports ${name}.${inner}, which is neither a function nor a type`);
  }
  walk.found.imports.push({ name, functions });
}

function exportOf(body: Cursor, scope: Scope, walk: Walk): void {
  const name = externName(body, "an export");
  const { sort, index } = sortIndex(body);
  // what a type says beside it is checked by the engine's tools; what stands behind it counts here
  if (body.u8() === 0x01) {
    const beside = new Scope(scope.shapes, scope, scope.depth);
    beside.types.push(...scope.types);
    description(body, beside, name);
  }
  const item = exportedItem(scope, sort, index);
  if (sort === 0x01) scope.functions.push(item.type);
  else if (sort === 0x03) scope.types.push(item.type);
  else if (sort === 0x05) scope.instances.push(item.inner);
  else if (sort === 0x04) scope.components.push(scope.components[index] ?? { instantiated: true, exported: undefined });
  scope.exported.set(name, item);
  if (scope.depth > 0) return;
  const functions = new Map<string, string>();
  if (item.sort === "func") functions.set(name, scope.shapes.spell(item.type));
  for (const [inner, one] of item.inner ?? []) if (one.sort === "func") functions.set(inner, scope.shapes.spell(one.type));
  walk.found.exports.push({ name, functions });
}
