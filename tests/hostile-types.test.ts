// Components whose types say something else than they seem to, and work that stands where the meter might not: behind
// aliases, in what the transpiler makes, in many modules.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SymphonyError } from "../runtime/error.ts";
import { gate } from "../runtime/extension/gate/gate.ts";
import type { Prepared } from "../runtime/extension/prepare/prepare.ts";
import { wasmTools } from "../tasks/wasm-tools.ts";
import { type Bench, componentOf, coreText, createBench } from "./components.ts";

const MEMORY_MIB = 128;
const TEST_MS = 20_000;

/** An operator's text with more at its end. */
async function withMore(what: string): Promise<Uint8Array> {
  const tools = await wasmTools();
  return tools.parse(tools.print(await componentOf(coreText())).replace(/\)\s*$/, `${what}\n)`));
}

function refusal(bytes: Uint8Array): string {
  try {
    gate(bytes, { memoryMiB: MEMORY_MIB });
    return "admitted";
  } catch (cause) {
    if (!(cause instanceof SymphonyError)) throw cause;
    return cause.code;
  }
}

const WRONG = '(instance (export "to-string" (func (param "x" string) (result string))))';

const SEEMING: [string, string, string][] = [
  ["an interface of the wrong type", `(type $t ${WRONG}) (import "symphony:host/call@0.1.0" (instance (type $t)))`, "gate/world"],
  ["an interface whose type is an alias", `(type $t ${WRONG}) (alias outer 0 $t (type $a)) (import "symphony:host/call@0.1.0" (instance (type $a)))`, "gate/world"],
  [
    "an interface whose type is an alias of an alias",
    `(type $t ${WRONG}) (alias outer 0 $t (type $a)) (alias outer 0 $a (type $b)) (import "symphony:host/call@0.1.0" (instance (type $b)))`,
    "gate/world",
  ],
  ["an interface of its own under a type's name", '(import "symphony:host/call@0.1.0" (type (sub resource)))', "gate/world"],
  ["an interface as a function", '(import "symphony:host/call@0.1.0" (func))', "gate/world"],
  ["an interface with another in it", '(import "symphony:host/call@0.1.0" (instance (export "inner" (instance (export "attempt" (func (result u32)))))))', "gate/world"],
  [
    "a result whose type is only known by its alias",
    `(type $t (instance (type (record (field "a" u32))) (export "r" (type (eq 0))))) (alias outer 0 $t (type $u)) (import "symphony:host/progress@0.1.0" (instance $p (type $u)))
     (alias export $p "r" (type $r)) (import "symphony:host/log@0.1.0" (instance (export "write" (func (param "level" $r) (param "message" string)))))`,
    "gate/world",
  ],
];

for (const [what, text, code] of SEEMING)
  test(`${what} is refused with ${code}`, async () => {
    expect(refusal(await withMore(text))).toBe(code);
  });

for (const name of ["[static]writer.constructor", "CONSTRUCTOR", "[method]writer.prototype", "Then", "x.arguments"])
  test(`a function named ${name} is refused by its name`, async () => {
    const parts = name.startsWith("[") ? ['(export "writer" (type $w (sub resource)))', name.startsWith("[method]") ? '(param "self" (borrow $w))' : ""] : ["", ""];
    const bytes = await withMore(`(import "symphony:host/artifacts@0.1.0" (instance ${parts[0]} (export "${name}" (func ${parts[1]}))))`).catch(() => undefined);
    // the tools may refuse it first; then it never was a component
    if (bytes) expect(refusal(bytes)).toBe("gate/name");
  });

/** An operator whose `process` runs what other modules have put into its table, and those modules. */
async function withTable(slots: number, others: string): Promise<Uint8Array> {
  const process = `(loop $l (call_indirect $tab (local.get $i)) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${slots})))) (i32.const 64)`;
  const tools = await wasmTools();
  const text = tools.print(await componentOf(coreText({ process, more: `(table $tab (export "tab") ${slots} funcref)` })));
  return tools.parse(text.replace(/\)\s*$/, () => `(alias core export $main "tab" (core table $tab))\n${others}\n)`));
}

describe("work is paid for", () => {
  let bench: Bench;
  beforeAll(() => {
    bench = createBench();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  async function call(component: Uint8Array, fuel: number): Promise<{ ended: string; fuelUsed: number }> {
    const prepared: Prepared = await bench.preparer.prepare(component, { memoryMiB: MEMORY_MIB });
    const { outcome, fuelUsed } = await bench.call(prepared, { fuel });
    return { ended: outcome.ended === "trap" ? outcome.why : outcome.ended, fuelUsed };
  }

  test(
    "where the transpiler's own code copies from one component to another",
    async () => {
      // one list that names the same mebibyte so many times
      const pairs = 5;
      const component = await withTable(
        1,
        `(component $taker
          (core module $m (memory (export "m") 40) (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 65536)) (func (export "f") (param i32 i32)))
          (core instance $i (instantiate $m))
          (alias core export $i "m" (core memory $mem)) (alias core export $i "r" (core func $r)) (alias core export $i "f" (core func $f))
          (type $inner (list u8)) (type $outer (list $inner)) (type $ft (func (param "x" $outer)))
          (func $lf (type $ft) (canon lift (core func $f) (memory $mem) (realloc $r)))
          (export "f" (func $lf)))
        (instance $taken (instantiate $taker)) (alias export $taken "f" (func $f))
        (core module $store (memory (export "m") 60))
        (core instance $stored (instantiate $store)) (alias core export $stored "m" (core memory $mem))
        (core func $lowered (canon lower (func $f) (memory $mem)))
        (core module $giver (import "h" "t" (table 1 funcref)) (import "h" "f" (func $f (param i32 i32))) (import "h" "m" (memory 1))
          (func $go (local $i i32)
            (loop $l
              (i32.store (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 8))) (i32.const 2097152))
              (i32.store offset=4 (i32.add (i32.const 1024) (i32.mul (local.get $i) (i32.const 8))) (i32.const 1048576))
              (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${pairs}))))
            (call $f (i32.const 1024) (i32.const ${pairs})))
          (elem (i32.const 0) $go))
        (core instance (instantiate $giver (with "h" (instance (export "t" (table $tab)) (export "f" (func $lowered)) (export "m" (memory $mem))))))`,
      );
      expect(await call(component, 5_000_000)).toMatchObject({ ended: "fuel" });
      const { ended, fuelUsed } = await call(component, 1_000_000_000);
      expect(ended).toBe("ok");
      // byte by byte
      expect(fuelUsed).toBeGreaterThan(pairs * 1024 * 1024);
    },
    TEST_MS,
  );

  test(
    "in many modules: together they use at most twice the limit",
    async () => {
      const MODULES = 40;
      const FUEL = 2_000_000;
      // each uses nearly a whole limit for itself
      const one = (i: number): string => `(core module $n${i} (import "h" "t" (table ${MODULES} funcref))
          (func $s (local $i i32) (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${FUEL / 10})))))
          (elem (i32.const ${i}) $s))
        (core instance (instantiate $n${i} (with "h" (instance (export "t" (table $tab))))))`;
      const component = await withTable(MODULES, Array.from({ length: MODULES }, (_, i) => one(i)).join("\n"));
      const { ended, fuelUsed } = await call(component, FUEL);
      expect(ended).toBe("fuel");
      expect(fuelUsed).toBeLessThan(2.1 * FUEL);
    },
    TEST_MS,
  );
});
