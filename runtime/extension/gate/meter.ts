// The meter: makes every function and every turn of a loop pay from a fuel global that the host sets. Rewrites one
// function body at a time; any instruction that it doesn't know refuses the component.
//
// Technique: static basic-block accounting with a counter in a mutable global, as in software fault isolation and
// gas metering of smart-contract engines. A charge is the number of instructions that can run until the next charge,
// whichever branch is taken, so it never falls below the work done.
import { type Cursor, malformed, Sink, unsupported } from "./cursor.ts";

/** What one function body may refer to. */
export interface BodyContext {
  /** Index of the appended fuel global; every global below it is the module's own. */
  fuelGlobal: number;
  /** How many parameters the function has. */
  parameters: number;
}

const LOCALS_MAX = 50_000;
const GROW_COST = 1000;
/** Instructions; a charge takes eight. */
const PART_MIN = 48;
const I32 = 0x7f;
const V128 = 0x7b;
/** Locals are set to zero at each entry; so much of that is part of any call. */
const LOCALS_FREE = 64;
const REF_FUNC_COST = 100;

/** Writes the metered form of one body (without its size). */
export function meterBody(body: Cursor, context: BodyContext): Sink {
  const locals = new Sink(64);
  const groups = body.u32();
  let count = context.parameters;
  let zeroed = 0;
  for (let i = 0; i < groups; i++) {
    const many = body.u32();
    count += many;
    if (count > LOCALS_MAX) throw unsupported(body.at, `a function with over ${LOCALS_MAX} locals`);
    const type = valueType(body);
    zeroed += many * (type === V128 ? 4 : 2);
    locals.u32(many);
    locals.u8(type);
  }
  const scratch = count;
  const code = new Sink(body.end - body.at + 64);
  const usesScratch = meterExpression(body, code, context.fuelGlobal, scratch, Math.max(0, zeroed - LOCALS_FREE));
  if (!body.done) throw malformed(body.at, "a function body goes on after its end");

  const out = new Sink(code.length + locals.length + 16);
  out.u32(groups + (usesScratch ? 1 : 0));
  out.raw(locals.view());
  if (usesScratch) {
    out.u32(1);
    out.u8(I32);
  }
  out.raw(code.view());
  return out;
}

function valueType(body: Cursor): number {
  const type = body.u8();
  // i32, i64, f32, f64, v128, funcref, externref
  if (type === 0x7f || type === 0x7e || type === 0x7d || type === 0x7c || type === 0x7b || type === 0x70 || type === 0x6f) return type;
  throw unsupported(body.at - 1, `value type 0x${type.toString(16)}`);
}

/** `entry` is what entering the function costs besides its code. */
function meterExpression(body: Cursor, out: Sink, fuel: number, scratch: number, entry: number): boolean {
  // Each open block either is a place that charges (function, loop) or belongs to the one around it.
  const chargeAt: number[] = [];
  const cost: number[] = [];
  const owner: number[] = [0];
  let usesScratch = false;

  const openCharge = (): void => {
    out.u8(0x23);
    out.u32(fuel);
    out.u8(0x42);
    chargeAt.push(out.reserve());
    cost.push(1);
    out.u8(0x7d);
    settle(out, fuel);
  };
  openCharge();
  cost[0] = 1 + entry;
  // Code that a branch can skip pays for itself once the part before it is long enough; else one turn of an interpreter's
  // loop would pay for all of it. What follows at this level is reached only through here, and a jump past the level's
  // end lands in the part around it, which was paid before the level began.
  const part = (): void => {
    if ((cost[owner[owner.length - 1] as number] as number) < PART_MIN) return;
    owner[owner.length - 1] = chargeAt.length;
    openCharge();
  };

  while (owner.length > 0) {
    const start = body.at;
    const op = body.u8();
    const place = owner[owner.length - 1] as number;
    // the begin and end of a block do nothing
    if (op !== 0x0b && op !== 0x02) cost[place] = (cost[place] as number) + 1;
    if (op === 0x0b) {
      owner.pop();
      out.u8(op);
      if (owner.length > 0) part();
      continue;
    }
    if (op === 0x05) {
      if (owner.length < 2) throw malformed(start, "an else without its if");
      // what the other branch paid, this one has not
      owner[owner.length - 1] = owner[owner.length - 2] as number;
      out.u8(op);
      part();
      continue;
    }
    if (op === 0x02 || op === 0x03 || op === 0x04) {
      blockType(body);
      out.raw(body.bytes.subarray(start, body.at));
      if (op === 0x03) {
        owner.push(chargeAt.length);
        openCharge();
      } else {
        owner.push(place);
        if (op === 0x04) part();
      }
      continue;
    }
    if (op === 0xfc) {
      const sub = body.u32();
      if (sub > 17) throw unsupported(start, `instruction 0xfc ${sub}`);
      if (sub >= 8) {
        body.u32();
        if (sub === 8 || sub === 10 || sub === 12 || sub === 14) body.u32();
      }
      const shift = BULK_SHIFT[sub];
      if (shift !== undefined) {
        usesScratch = true;
        chargeBySize(out, fuel, scratch, shift);
      }
      out.raw(body.bytes.subarray(start, body.at));
      continue;
    }
    if (op === 0x40) cost[place] = (cost[place] as number) + GROW_COST;
    if (op === 0xd2) cost[place] = (cost[place] as number) + REF_FUNC_COST;
    passImmediates(body, op, start, fuel, scratch);
    out.raw(body.bytes.subarray(start, body.at));
    if (op === 0x0d) part();
  }
  for (let i = 0; i < chargeAt.length; i++) out.patch(chargeAt[i] as number, cost[i] as number);
  return usesScratch;
}

/** What bulk instructions cost, as a shift: memory.init, copy and fill a unit for 64 bytes, tables 32 units for an element. */
const BULK_SHIFT: Readonly<Record<number, number>> = { 8: -6, 10: -6, 11: -6, 12: 5, 14: 5, 15: 5, 17: 5 };

/** Stores what is on the stack in the global and traps when it is below zero. */
function settle(out: Sink, fuel: number): void {
  out.u8(0x24);
  out.u32(fuel);
  out.u8(0x23);
  out.u32(fuel);
  out.raw([0x42, 0x00, 0x53, 0x04, 0x40, 0x00, 0x0b]);
}

/** Charges for the i32 count on top of the stack, and leaves it there. */
function chargeBySize(out: Sink, fuel: number, scratch: number, shift: number): void {
  out.u8(0x22);
  out.u32(scratch);
  out.u8(0x23);
  out.u32(fuel);
  out.u8(0x20);
  out.u32(scratch);
  out.raw([0xad, 0x42, Math.abs(shift), shift < 0 ? 0x88 : 0x86, 0x7d]);
  settle(out, fuel);
}

function blockType(body: Cursor): void {
  const start = body.at;
  const type = body.indexOrCode();
  if ("code" in type && type.code !== 0x40) {
    body.at = start;
    valueType(body);
  }
}

function passImmediates(body: Cursor, op: number, start: number, fuel: number, scratch: number): void {
  if (op >= 0x45 && op <= 0xc4) return;
  if (op >= 0x28 && op <= 0x3e) {
    memoryArgument(body);
    return;
  }
  switch (op) {
    case 0x00:
    case 0x01:
    case 0x05:
    case 0x0f:
    case 0x1a:
    case 0x1b:
    case 0xd1:
      return;
    case 0x0c:
    case 0x0d:
    case 0x10:
    case 0x12:
    case 0x25:
    case 0x26:
    case 0x3f:
    case 0x40:
    case 0xd2:
      body.u32();
      return;
    case 0x20:
    case 0x21:
    case 0x22:
      // the scratch local is ours
      if (body.u32() >= scratch) throw malformed(start, "an unknown local");
      return;
    case 0x23:
    case 0x24:
      // the fuel global is ours: a guest that could name it could refill it
      if (body.u32() >= fuel) throw malformed(start, "an unknown global");
      return;
    case 0x0e: {
      const targets = body.u32();
      for (let i = 0; i <= targets; i++) body.u32();
      return;
    }
    case 0x11:
    case 0x13:
      body.u32();
      body.u32();
      return;
    case 0x1c: {
      const types = body.u32();
      for (let i = 0; i < types; i++) valueType(body);
      return;
    }
    case 0x41:
      body.signed(32);
      return;
    case 0x42:
      body.signed(64);
      return;
    case 0x43:
      body.skip(4);
      return;
    case 0x44:
      body.skip(8);
      return;
    case 0xd0: {
      const type = body.u8();
      if (type !== 0x70 && type !== 0x6f) throw unsupported(start, `ref.null 0x${type.toString(16)}`);
      return;
    }
    case 0xfd:
      vectorImmediates(body, start);
      return;
    default:
      throw unsupported(start, `instruction 0x${op.toString(16)}`);
  }
}

function memoryArgument(body: Cursor): void {
  const align = body.u32();
  if (align >= 0x40) body.u32();
  body.u32();
}

function vectorImmediates(body: Cursor, start: number): void {
  const sub = body.u32();
  if (sub <= 11 || sub === 92 || sub === 93) memoryArgument(body);
  else if (sub === 12 || sub === 13) body.skip(16);
  else if (sub >= 21 && sub <= 34) body.skip(1);
  else if (sub >= 84 && sub <= 91) {
    memoryArgument(body);
    body.skip(1);
  } else if (sub > 0x113) throw unsupported(start, `instruction 0xfd ${sub}`);
}
