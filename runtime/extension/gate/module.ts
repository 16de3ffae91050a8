// A core module inside a component: every name replaced, memories and tables capped, code metered, custom sections
// dropped. Knows nothing of components.
import { Cursor, malformed, Sink, unsupported } from "./cursor.ts";
import { meterBody } from "./meter.ts";

/** Under this name each metered module exports its fuel; no renamed name equals it. */
export const FUEL_EXPORT = "fuel";

/** What a module asks for before any cap, gathered by `measureModule`. */
export interface ModuleNeeds {
  memories: { minimum: number; maximum: number | undefined }[];
  tables: { minimum: number; maximum: number | undefined }[];
}

/** The maxima that each memory (64 KiB pages) and table (elements) of one module gets, in order of definition. */
export interface ModuleCaps {
  memories: readonly number[];
  tables: readonly number[];
}

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
/** The order in which sections must come, by id; 13 (tags) is not admitted. */
const ORDER: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];
const FUNCTIONS_MAX = 100_000;

interface Section {
  id: number;
  body: Cursor;
}

function sectionsOf(module: Cursor): Section[] {
  for (const byte of PREAMBLE) if (module.u8() !== byte) throw malformed(module.at - 1, "a core module doesn't begin as one");
  const found: Section[] = [];
  let rank = -1;
  while (!module.done) {
    const at = module.at;
    const id = module.u8();
    const body = module.part(module.u32());
    if (id === 0) continue;
    const next = ORDER.indexOf(id);
    if (next < 0) throw unsupported(at, `core section ${id}`);
    if (next <= rank) throw malformed(at, "core sections are out of order");
    rank = next;
    found.push({ id, body });
  }
  return found;
}

/** Whether a module has been through `rewriteModule`. */
export function isMetered(bytes: Uint8Array): boolean {
  for (const { id, body } of sectionsOf(new Cursor(bytes))) {
    if (id !== 7) continue;
    for (let left = body.u32(); left > 0; left--) {
      const name = body.name();
      if (body.u8() === 3 && name === FUEL_EXPORT) return true;
      body.u32();
    }
  }
  return false;
}

/** Reads what a module's own memories and tables ask for; imported ones are their definer's. */
export function measureModule(module: Cursor): ModuleNeeds {
  const needs: ModuleNeeds = { memories: [], tables: [] };
  for (const { id, body } of sectionsOf(module)) {
    if (id === 4) {
      const count = body.u32();
      for (let i = 0; i < count; i++) {
        referenceType(body);
        needs.tables.push(limits(body));
      }
    } else if (id === 5) {
      const count = body.u32();
      for (let i = 0; i < count; i++) needs.memories.push(limits(body));
    }
  }
  return needs;
}

/**
 * Writes the gated form of a module. `rename` gives the safe form of a name, equal for equal names; `startFuel` is
 * what the module may use before the host first sets its fuel (its start function and its instantiation).
 */
export function rewriteModule(module: Cursor, caps: ModuleCaps, rename: (name: string) => string, startFuel: bigint): { bytes: Uint8Array; functions: number } {
  const sections = sectionsOf(module);
  const parametersOfType: number[] = [];
  const typeOfFunction: number[] = [];
  let importedGlobals = 0;
  let ownGlobals = 0;
  const out = new Sink(module.end - module.at + 4096);
  out.raw(PREAMBLE);

  for (const { id, body } of sections) {
    if (id === 2) importedGlobals = countImportedGlobals(new Cursor(body.bytes, body.at, body.end));
    if (id === 6) ownGlobals = new Cursor(body.bytes, body.at, body.end).u32();
  }
  const fuelGlobal = importedGlobals + ownGlobals;

  let globalsWritten = false;
  let exportsWritten = false;
  const before = (id: number): void => {
    const rank = ORDER.indexOf(id);
    if (!globalsWritten && rank > ORDER.indexOf(6)) {
      globalsWritten = true;
      out.section(6, fuelSection(0, new Uint8Array(0), startFuel));
    }
    if (!exportsWritten && rank > ORDER.indexOf(7)) {
      exportsWritten = true;
      const only = new Sink();
      only.u32(1);
      writeFuelExport(only, fuelGlobal);
      out.section(7, only);
    }
  };

  for (const { id, body } of sections) {
    before(id);
    if (id === 1) {
      readTypes(new Cursor(body.bytes, body.at, body.end), parametersOfType);
      out.section(1, body.take(body.end - body.at));
    } else if (id === 2) out.section(2, rewriteImports(body, rename));
    else if (id === 3) {
      const whole = body.bytes.subarray(body.at, body.end);
      const count = body.u32();
      if (count > FUNCTIONS_MAX) throw unsupported(body.at, `a module with over ${FUNCTIONS_MAX} functions`);
      for (let i = 0; i < count; i++) typeOfFunction.push(body.u32());
      out.section(3, whole);
    } else if (id === 4) out.section(4, rewriteTables(body, caps.tables));
    else if (id === 5) out.section(5, rewriteMemories(body, caps.memories));
    else if (id === 6) {
      globalsWritten = true;
      const count = body.u32();
      out.section(6, fuelSection(count, body.take(body.end - body.at), startFuel));
    } else if (id === 7) {
      exportsWritten = true;
      out.section(7, rewriteExports(body, rename, fuelGlobal));
    } else if (id === 10) out.section(10, rewriteCode(body, typeOfFunction, parametersOfType, fuelGlobal));
    else out.section(id, body.take(body.end - body.at));
  }
  before(11);
  return { bytes: out.view(), functions: typeOfFunction.length };
}

function fuelSection(count: number, entries: Uint8Array, startFuel: bigint): Sink {
  const out = new Sink(entries.length + 32);
  out.u32(count + 1);
  out.raw(entries);
  out.raw([0x7e, 0x01, 0x42]);
  out.s64(startFuel);
  out.u8(0x0b);
  return out;
}

function writeFuelExport(out: Sink, fuelGlobal: number): void {
  out.name(FUEL_EXPORT);
  out.u8(0x03);
  out.u32(fuelGlobal);
}

function readTypes(body: Cursor, parameters: number[]): void {
  const count = body.u32();
  for (let i = 0; i < count; i++) {
    const form = body.u8();
    if (form !== 0x60) throw unsupported(body.at - 1, `type form 0x${form.toString(16)}`);
    const ins = body.u32();
    for (let k = 0; k < ins; k++) valueType(body);
    const outs = body.u32();
    for (let k = 0; k < outs; k++) valueType(body);
    parameters.push(ins);
  }
}

function valueType(body: Cursor): void {
  const type = body.u8();
  if ((type >= 0x7b && type <= 0x7f) || type === 0x70 || type === 0x6f) return;
  throw unsupported(body.at - 1, `value type 0x${type.toString(16)}`);
}

function referenceType(body: Cursor): void {
  const type = body.u8();
  if (type !== 0x70 && type !== 0x6f) throw unsupported(body.at - 1, `table type 0x${type.toString(16)}`);
}

function limits(body: Cursor): { minimum: number; maximum: number | undefined } {
  const flags = body.u8();
  if (flags > 1) throw unsupported(body.at - 1, flags & 2 ? "shared memory" : "64-bit memory");
  const minimum = body.u32();
  return { minimum, maximum: flags === 1 ? body.u32() : undefined };
}

function countImportedGlobals(body: Cursor): number {
  let globals = 0;
  const count = body.u32();
  for (let i = 0; i < count; i++) {
    body.name();
    body.name();
    if (importDescription(body) === 3) globals++;
  }
  return globals;
}

function importDescription(body: Cursor): number {
  const kind = body.u8();
  if (kind === 0) body.u32();
  else if (kind === 1) {
    referenceType(body);
    limits(body);
  } else if (kind === 2) limits(body);
  else if (kind === 3) {
    valueType(body);
    body.u8();
  } else throw unsupported(body.at - 1, `import kind ${kind}`);
  return kind;
}

function rewriteImports(body: Cursor, rename: (name: string) => string): Sink {
  const out = new Sink(body.end - body.at + 64);
  const count = body.u32();
  out.u32(count);
  for (let i = 0; i < count; i++) {
    out.name(rename(body.name()));
    out.name(rename(body.name()));
    const from = body.at;
    importDescription(body);
    out.raw(body.bytes.subarray(from, body.at));
  }
  if (!body.done) throw malformed(body.at, "the import section is longer than it says");
  return out;
}

function rewriteExports(body: Cursor, rename: (name: string) => string, fuelGlobal: number): Sink {
  const out = new Sink(body.end - body.at + 64);
  const count = body.u32();
  out.u32(count + 1);
  for (let i = 0; i < count; i++) {
    out.name(rename(body.name()));
    const kind = body.u8();
    if (kind > 3) throw unsupported(body.at - 1, `export kind ${kind}`);
    const index = body.u32();
    if (kind === 3 && index >= fuelGlobal) throw malformed(body.at, "an unknown global");
    out.u8(kind);
    out.u32(index);
  }
  if (!body.done) throw malformed(body.at, "the export section is longer than it says");
  writeFuelExport(out, fuelGlobal);
  return out;
}

function rewriteTables(body: Cursor, caps: readonly number[]): Sink {
  const out = new Sink();
  const count = body.u32();
  out.u32(count);
  for (let i = 0; i < count; i++) {
    const type = body.bytes[body.at] as number;
    referenceType(body);
    const { minimum } = limits(body);
    out.u8(type);
    out.u8(1);
    out.u32(minimum);
    out.u32(caps[i] as number);
  }
  if (!body.done) throw malformed(body.at, "the table section is longer than it says");
  return out;
}

function rewriteMemories(body: Cursor, caps: readonly number[]): Sink {
  const out = new Sink();
  const count = body.u32();
  out.u32(count);
  for (let i = 0; i < count; i++) {
    const { minimum } = limits(body);
    out.u8(1);
    out.u32(minimum);
    out.u32(caps[i] as number);
  }
  if (!body.done) throw malformed(body.at, "the memory section is longer than it says");
  return out;
}

function rewriteCode(body: Cursor, typeOfFunction: readonly number[], parametersOfType: readonly number[], fuelGlobal: number): Sink {
  const out = new Sink(Math.floor((body.end - body.at) * 1.5) + 64);
  const count = body.u32();
  if (count !== typeOfFunction.length) throw malformed(body.at, "functions and bodies differ in number");
  out.u32(count);
  for (let i = 0; i < count; i++) {
    const parameters = parametersOfType[typeOfFunction[i] as number];
    if (parameters === undefined) throw malformed(body.at, "an unknown function type");
    const metered = meterBody(body.part(body.u32()), { fuelGlobal, parameters });
    out.u32(metered.length);
    out.raw(metered.view());
  }
  if (!body.done) throw malformed(body.at, "the code section is longer than it says");
  return out;
}
