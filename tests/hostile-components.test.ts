// Hostile components: the gate refuses them with its own code or makes them harmless, a guest that misbehaves costs one
// call, and a process that lies costs itself. SYMPHONY_SOAK sets the number of damaged components tried.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SymphonyError } from "../runtime/error.ts";
import { gate } from "../runtime/extension/gate/gate.ts";
import type { CallResult } from "../runtime/extension/isolate/isolate.ts";
import type { Prepared } from "../runtime/extension/prepare/prepare.ts";
import type { Entry } from "../runtime/value.ts";
import { wasmTools } from "../tasks/wasm-tools.ts";
import { type Bench, type CallOptions, type CoreParts, componentOf, coreText, createBench, guest, RESULT } from "./components.ts";
import { createRandom } from "./random.ts";
import { createLiarPlatform, type Lie } from "./guests/liar/liar.ts";

const MEMORY_MIB = 128;
const GATE_MS_MAX = 1000;
/** A component that isn't built yet is built first. */
const TEST_MS = 20_000;
const FLIPS = Number(process.env["SYMPHONY_SOAK"] ?? 500);

/** What the gate says: "admitted" or the code of its refusal. Any other error, and slowness, fails the test. */
function verdict(bytes: Uint8Array): string {
  const begun = performance.now();
  let found = "admitted";
  try {
    gate(bytes, { memoryMiB: MEMORY_MIB });
  } catch (cause) {
    if (!(cause instanceof SymphonyError)) throw cause;
    found = cause.code;
  }
  expect(performance.now() - begun).toBeLessThan(GATE_MS_MAX);
  return found;
}

/** A component's text with something added at its end, or before its first field. */
async function edited(edit: (text: string) => string, parts: CoreParts = {}): Promise<Uint8Array> {
  const tools = await wasmTools();
  return tools.parse(edit(tools.print(await componentOf(coreText(parts)))));
}

const appended = (what: string) => (text: string) => text.replace(/\)\s*$/, `${what}\n)`);
const prepended = (what: string) => (text: string) => text.replace("(component", `(component\n${what}\n`);
const replaced = (from: string | RegExp, to: string) => (text: string) => {
  const after = text.replace(from, () => to);
  if (after === text) throw new Error(`nothing to replace: ${from}`);
  return after;
};

/** A name in WebAssembly text, every byte escaped. */
function quoted(name: string): string {
  return `"${[...new TextEncoder().encode(name)].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("")}"`;
}

/** A core module with a name in each place where one can stand, instantiated so that all of them are joined. */
function joined(one: string, two: string, three: string): string {
  return `
    (core module $giver (func (export ${quoted(one)})) (memory (export ${quoted(`${one}m`)}) 0))
    (core module $taker (import ${quoted(two)} ${quoted(three)} (func)) (func (export ${quoted(three)})))
    (core instance $given (instantiate $giver))
    (core instance $between (export ${quoted(three)} (func $given ${quoted(one)})))
    (core instance $taken (instantiate $taker (with ${quoted(two)} (instance $between))))
    (alias core export $taken ${quoted(three)} (core func $last))`;
}

/** A component that exports an interface which a component in a component in it exports, with a function of its own type. */
function behindTwo(name: string): string {
  const lifted =
    '(core module $m (func (export "f"))) (core instance $i (instantiate $m)) (alias core export $i "f" (core func $c)) (type $t (func)) (func $f (type $t) (canon lift (core func $c)))';
  const passed = (inner: string): string => `(component $d ${inner}) (instance $e (instantiate $d)) (alias export $e "${name}" (instance $out)) (export "${name}" (instance $out))`;
  return `(component ${passed(passed(`${lifted} (instance $out (export "process" (func $f))) (export "${name}" (instance $out))`))})`;
}

/** The core modules of a gated component. */
function coreModules(bytes: Uint8Array): WebAssembly.Module[] {
  const found: WebAssembly.Module[] = [];
  const walk = (from: number, to: number): void => {
    for (let at = from + 8; at < to; ) {
      const id = bytes[at++] as number;
      let size = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++] as number;
        size += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) break;
      }
      if (id === 1) found.push(new WebAssembly.Module(bytes.slice(at, at + size)));
      else if (id === 4) walk(at, at + size);
      at += size;
    }
  };
  walk(0, bytes.length);
  return found;
}

function includes(bytes: Uint8Array, name: string): boolean {
  return Buffer.from(bytes).includes(Buffer.from(name, "utf8"));
}

/** All core names of a gated component are the gate's own. */
async function expectOwnNames(bytes: Uint8Array): Promise<void> {
  const own = /^(a\d+|fuel)$/;
  const names: string[] = [];
  for (const module of coreModules(bytes)) {
    names.push(...WebAssembly.Module.exports(module).map(({ name }) => name));
    for (const { module: from, name } of WebAssembly.Module.imports(module)) names.push(from, name);
  }
  // instances and aliases show in the text, each field on a line of its own or in lines that are deeper
  const fields = (await wasmTools()).print(bytes).split(/\n *(?=\((?:core |component|import|export "|type|alias|func|instance \(;))/);
  for (const field of fields)
    if (/^\((core instance|alias core export)/.test(field)) for (const [quotedName] of field.matchAll(/"(?:[^"\\]|\\.)*"/g)) names.push(quotedName.slice(1, -1));
  expect(names.length).toBeGreaterThan(8);
  expect(names.filter((name) => !own.test(name))).toEqual([]);
}

const HOSTILE_NAMES: Record<string, string> = {
  "a double quote": 'na"me',
  "a single quote": "na'me",
  "a backslash": "na\\me",
  "a line feed": "na\nme",
  "a carriage return": "na\rme",
  "a template": `na$\{me}`,
  "a backtick": "na`me`",
  "a bracket": "na']me",
  "a comment's end": "na*/me",
  "a script's end": "na</script>me",
  "a line separator": "na\u2028me",
  "a paragraph separator": "na\u2029me",
  NUL: "na\0me",
  "four bytes of UTF-8": "na\u{1f3bb}me",
  "a byte order mark": "\ufeffname",
  "the meter's own name": "fuel",
  "a name that the gate gives": "a0",
  "JavaScript's prototype": "__proto__",
  nothing: "",
};

describe("the gate replaces core names", () => {
  for (const [what, name] of Object.entries(HOSTILE_NAMES))
    test(`with ${what}`, async () => {
      const { bytes } = gate(await edited(appended(joined(name, `${name}2`, `${name}3`))), { memoryMiB: MEMORY_MIB });
      await expectOwnNames(bytes);
      if (name.length > 4) expect(includes(bytes, name)).toBe(false);
    });

  test("and the check of it sees names that are not the gate's", async () => {
    await expect(expectOwnNames(await edited(appended(joined("one", "two", "three"))))).rejects.toThrow();
  });

  test("that are any UTF-8", async () => {
    const random = createRandom(20_261);
    const alphabet = ['"', "'", "\\", "\n", "\r", "${", "]", "}", "`", ";", "//", "*/", "\u2028", "\0", "\u{1f3bb}", "é", "a", "fuel", "0", " ", "#", "@", "constructor", "\u202e"];
    for (let round = 0; round < 60; round++) {
      const name = (): string => {
        let out = `n${round}`;
        for (let left = 1 + random(12); left > 0; left--)
          out += random(4)
            ? (alphabet[random(alphabet.length)] as string)
            : String.fromCodePoint([random(0x80), 0x80 + random(0x700), 0xe000 + random(0x1000), 0x10000 + random(0x1000)][random(4)] as number);
        return `${out}#${random(1e6)}`;
      };
      const names = [name(), name(), name()] as const;
      const { bytes } = gate(await edited(appended(joined(...names))), { memoryMiB: MEMORY_MIB });
      await expectOwnNames(bytes);
      for (const one of names) expect(includes(bytes, one)).toBe(false);
    }
  });
});

const GOOD: [string, () => Promise<Uint8Array>][] = [
  ["an operator without imports", () => componentOf(coreText())],
  [
    "one that logs",
    () =>
      componentOf(coreText({ more: '(import "symphony:host/log@0.1.0" "write" (func (param i32 i32 i32)))' }).replace(/^\(module([\s\S]*)(\(import[^\n]*\))\)$/, "(module $2 $1)")),
  ],
  ["one in JavaScript, with QuickJS's extra function", () => guest("echo-js")],
];

const REFUSED: [string, string | string[], () => Promise<Uint8Array>][] = [
  ["nothing", "gate/malformed", async () => new Uint8Array(0)],
  ["text", "gate/malformed", async () => new TextEncoder().encode("(component)")],
  ["a plain core module", "gate/unsupported", async () => (await wasmTools()).parse(coreText())],
  ["an empty component", "gate/world", async () => (await wasmTools()).parse("(component)")],
  ["an import by address", "gate/name", () => edited(prepended('(import "url=<https://example.org/a.wasm>" (func))'))],
  ["an import by hash", "gate/name", () => edited(prepended('(import "integrity=<sha256-YQ==>" (func))'))],
  ["an export named then", "gate/name", () => edited(appended('(export "then" (func 0))'))],
  ["an export named arguments", "gate/name", () => edited(appended('(export "arguments" (func 0))'))],
  ["an export that no world has", "gate/world", () => edited(appended('(export "more" (func 0))'))],
  ["an import of WASI that isn't offered", "gate/world", () => edited(prepended('(type $w (instance)) (import "wasi:blobstore/blobstore@0.2.0" (instance (type $w)))'))],
  ["an import of a later WASI", "gate/world", () => edited(prepended('(type $w (instance)) (import "wasi:cli/environment@0.3.0" (instance (type $w)))'))],
  [
    "a function of WASI with another type",
    "gate/world",
    () =>
      edited(prepended('(type $w (instance (type $f (func (result u32))) (export "initial-cwd" (func (type $f))))) (import "wasi:cli/environment@0.2.0" (instance (type $w)))')),
  ],
  [
    "a function that WASI's interface doesn't have",
    "gate/world",
    () => edited(prepended('(type $w (instance (type $f (func)) (export "more" (func (type $f))))) (import "wasi:cli/environment@0.2.0" (instance (type $w)))')),
  ],
  ["an import of a plain function", "gate/world", () => edited(prepended('(type $w (func)) (import "spare" (func (type $w)))'))],
  ["an import of another version", "gate/world", () => edited(prepended('(type $w (instance)) (import "symphony:host/log@0.2.0" (instance (type $w)))'))],
  ["an import that the object prototype has", ["gate/world", "gate/name"], () => edited(prepended('(type $w (instance)) (import "constructor" (instance (type $w)))'))],
  [
    "the same import twice",
    "gate/world",
    () => edited(prepended('(type $w (instance)) (import "symphony:host/log@0.1.0" (instance (type $w))) (import "symphony:host/log@0.1.0" (instance (type $w)))')),
  ],
  [
    "a function with one parameter too few",
    "gate/world",
    () =>
      componentOf(coreText().replace("(param i32 i32 i32 i32) (result i32) (local", "(param i32 i32) (result i32) (local $c i32) (local $d i32) (local"), (wit) =>
        wit.replace("process: func(inputs: list<entry>, settings: list<entry>)", "process: func(inputs: list<entry>)"),
      ),
  ],
  [
    "a function with another parameter name",
    "gate/world",
    () => componentOf(coreText(), (wit) => wit.replace("process: func(inputs: list<entry>, settings: list<entry>)", "process: func(inputs: list<entry>, options: list<entry>)")),
  ],
  [
    "a function that gives plain entries",
    "gate/world",
    () =>
      componentOf(coreText(), (wit) =>
        wit.replace(
          "process: func(inputs: list<entry>, settings: list<entry>) -> result<list<entry>, error>",
          "process: func(inputs: list<entry>, settings: list<entry>) -> list<entry>",
        ),
      ),
  ],
  ["an interface of version 0.2.0", "gate/world", () => componentOf(coreText().replaceAll("@0.1.0", "@0.2.0"), (wit) => wit.replaceAll("@0.1.0", "@0.2.0"))],
  ["64-bit memory", "gate/unsupported", () => edited(replaced(/\(memory \(;0;\) 2\)/, "(memory i64 2)"))],
  ["shared memory", "gate/unsupported", () => edited(replaced(/\(memory \(;0;\) 2\)/, "(memory 2 4 shared)"))],
  ["128 MiB and a page to begin with", "gate/limit", () => componentOf(coreText({ pages: 2049 }))],
  ["4 GiB to begin with", "gate/limit", () => componentOf(coreText({ pages: 65_536 }))],
  ["two memories that are too much together", "gate/limit", () => edited(appended("(core module (memory 1500))"), { pages: 1500 })],
  ["a table of ten million", "gate/limit", () => componentOf(coreText({ more: "(table 10000000 funcref)" }))],
  ["tables that are too much together", "gate/limit", () => edited(appended(Array.from({ length: 9 }, () => "(core module (table 8000 funcref))").join("\n")))],
  ["a module instantiated twice", "gate/unsupported", () => edited(appended("(core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m))"))],
  [
    "a component instantiated twice",
    "gate/unsupported",
    () => edited(appended("(component $c (core module $m (memory 1)) (core instance (instantiate $m))) (instance (instantiate $c)) (instance (instantiate $c))")),
  ],
  ["a store to the meter's global", "gate/malformed", () => edited(appended("(core module (func (global.set 0 (i64.const 1))))"))],
  ["a store to the global above its own", "gate/malformed", () => edited(appended("(core module (global (mut i64) (i64.const 0)) (func (global.set 1 (i64.const 1))))"))],
  ["a load of the meter's global", "gate/malformed", () => edited(appended("(core module (func (drop (global.get 0))))"))],
  ["an export of the meter's global", "gate/malformed", () => edited(appended('(core module (export "g" (global 0)))'))],
  [
    "the scratch local",
    "gate/malformed",
    () => edited(appended("(core module (memory 1) (func (local.set 0 (i32.const 0)) (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))))")),
  ],
  ["exceptions", "gate/unsupported", () => edited(appended("(core module (tag (param i32)) (func (throw 0 (i32.const 1))))"))],
  ["threads", "gate/unsupported", () => edited(appended("(core module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"))],
  ["garbage collection", "gate/unsupported", () => edited(appended("(core module (type (struct (field i32))))"))],
  ["a function of another type behind two components", "gate/world", async () => (await wasmTools()).parse(behindTwo("symphony:operator/transform@0.1.0"))],
  [
    "another function beside QuickJS's",
    "gate/world",
    () =>
      edited(
        appended(
          '(core module $m (func (export "f"))) (core instance $mi (instantiate $m)) (type $t (func)) (alias core export $mi "f" (core func $cf)) (func $init (type $t) (canon lift (core func $cf))) (export "init" (func $init))',
        ),
      ),
  ],
  ["an async function", "gate/unsupported", () => edited(appended("(core func (canon task.return))"))],
  ["a million locals", "gate/unsupported", () => edited(appended(`(core module (func ${"(local i32) ".repeat(50_001)}))`))],
  ["a name of 2000 bytes", "gate/name", () => edited(appended(`(core module (func (export "${"n".repeat(2000)}")))`))],
  ["components nested 20 deep", "gate/unsupported", () => edited(appended("(component ".repeat(20) + ")".repeat(20)))],
];

describe("the gate", () => {
  for (const [what, make] of GOOD) test(`admits ${what}`, async () => expect(verdict(await make())).toBe("admitted"), TEST_MS);

  for (const [what, code, make] of REFUSED) test(`refuses ${what}`, async () => expect([code].flat()).toContain(verdict(await make())));

  // at some places two sections meet; then what is left is whole, and of no world
  test(
    "answers every truncated component",
    async () => {
      const random = createRandom(7);
      const whole = await guest("echo-as");
      for (let i = 0; i < 200; i++) {
        const at = random(whole.length);
        const found = verdict(whole.subarray(0, at));
        if (!found.startsWith("gate/")) throw new Error(`cut at ${at}: ${found}`);
      }
    },
    TEST_MS,
  );

  test(
    `answers ${FLIPS} damaged components`,
    async () => {
      const seed = 11;
      const random = createRandom(seed);
      const whole = [await guest("echo-as"), await componentOf(coreText()), await edited(appended(joined("one", "two", "three")))];
      let admitted = 0;
      for (let round = 0; round < FLIPS; round++) {
        const bytes = (whole[round % whole.length] as Uint8Array).slice();
        for (let left = 1 + random(3); left > 0; left--) bytes[random(bytes.length)] = random(256);
        try {
          if (verdict(bytes) === "admitted") admitted++;
        } catch (cause) {
          throw new Error(`seed ${seed}, round ${round}: ${(cause as Error).stack}`);
        }
      }
      // most flips hit a number inside a body
      expect(admitted).toBeGreaterThan(0);
    },
    TEST_MS + FLIPS * 20,
  );
});

/** What a guest may do to its caller, and how each call must end. */
interface Misdeed {
  what: string;
  parts: CoreParts;
  options?: CallOptions;
  ends: "ok" | "trap" | "fuel" | "memory" | "any trap" | "refused";
  also?: (result: CallResult) => void;
}

const FOREVER = "(loop $l (br $l))";
const SHORT = { fuel: 100_000_000 };
const text = (val: string): Entry => ({ name: "value", value: { tag: "text", val } });
/** Stores a list's address and length in the result. */
const listAt = (pointer: string, length: string): string =>
  `(i32.store offset=4 (i32.const ${RESULT}) ${pointer}) (i32.store offset=8 (i32.const ${RESULT}) ${length}) (i32.const ${RESULT})`;
/** One entry at 1024 with an empty name and what `fill` stores. */
const oneEntry = (fill: string): string => `${fill} ${listAt("(i32.const 1024)", "(i32.const 1)")}`;
const outputs = ({ outcome }: CallResult): Entry[] => (outcome.ended === "ok" ? outcome.outputs : []);

const MISDEEDS: Misdeed[] = [
  { what: "loops", parts: { process: `${FOREVER} (i32.const 0)` }, options: SHORT, ends: "fuel" },
  { what: "loops in its start function", parts: { more: `(func $s ${FOREVER}) (start $s)` }, options: { timeMs: 20_000 }, ends: "any trap" },
  { what: "loops in its allocator", parts: { realloc: FOREVER }, options: { ...SHORT, inputs: [text("x")] }, ends: "fuel" },
  { what: "loops after its return", parts: { post: FOREVER }, options: SHORT, ends: "fuel" },
  { what: "loops through tail calls", parts: { process: "(return_call $round) ", more: "(func $round (result i32) (return_call $round))" }, options: SHORT, ends: "fuel" },
  { what: "calls itself without end", parts: { process: "(call $deep) (i32.const 0)", more: "(func $deep (call $deep) (call $deep))" }, ends: "any trap" },
  { what: "grows its memory without end", parts: { process: "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) (i32.const 0)" }, options: SHORT, ends: "fuel" },
  { what: "grows its memory and traps", parts: { process: "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable" }, ends: "memory" },
  {
    what: "grows its table without end",
    parts: { process: "(loop $l (drop (table.grow $t (ref.null func) (i32.const 1))) (br $l)) (i32.const 0)", more: "(table $t 1 funcref)" },
    options: SHORT,
    ends: "fuel",
  },
  {
    what: "fills all its memory again and again",
    parts: { pages: 2000, process: "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072000)) (br $l)) (i32.const 0)" },
    options: SHORT,
    ends: "fuel",
  },
  {
    what: "copies all its memory again and again",
    parts: { pages: 2000, process: "(loop $l (memory.copy (i32.const 0) (i32.const 65536000) (i32.const 65536000)) (br $l)) (i32.const 0)" },
    options: SHORT,
    ends: "fuel",
  },
  {
    what: "fills beyond its memory",
    parts: { process: "(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const -1)) (br $l)) (i32.const 0)" },
    options: SHORT,
    ends: "any trap",
  },
  {
    what: "fills a table again and again",
    parts: { process: "(loop $l (table.fill $t (i32.const 0) (ref.null func) (i32.const 60000)) (br $l)) (i32.const 0)", more: "(table $t 60000 funcref)" },
    options: SHORT,
    ends: "fuel",
  },
  { what: "traps", parts: { process: "unreachable" }, ends: "trap" },
  { what: "divides by zero", parts: { process: "(i32.div_u (i32.const 1) (local.get $i))" }, ends: "trap" },
  { what: "calls through an empty table", parts: { process: "(call_indirect (param) (result) (i32.const 0)) (i32.const 0)", more: "(table 1 funcref)" }, ends: "trap" },
  { what: "returns an address outside its memory", parts: { process: "(i32.const -8)" }, ends: "any trap" },
  // the glue reads wherever it is told, as long as that is inside
  { what: "returns an address that is not aligned", parts: { process: "(i32.const 65)" }, ends: "ok", also: (result) => expect(outputs(result)).toEqual([]) },
  { what: "returns a list outside its memory", parts: { process: listAt("(i32.const -80)", "(i32.const 1)") }, ends: "any trap" },
  { what: "returns a list with a giant length", parts: { process: listAt("(i32.const 1024)", "(i32.const -1)") }, ends: "any trap" },
  {
    what: "returns a name outside its memory",
    parts: { process: oneEntry("(i32.store (i32.const 1024) (i32.const -4)) (i32.store (i32.const 1028) (i32.const 100))") },
    ends: "any trap",
  },
  { what: "returns a name of 4 GiB", parts: { process: oneEntry("(i32.store (i32.const 1024) (i32.const 8)) (i32.store (i32.const 1028) (i32.const -1))") }, ends: "any trap" },
  {
    what: "returns bytes of 4 GiB",
    parts: { process: oneEntry("(i32.store8 (i32.const 1032) (i32.const 5)) (i32.store (i32.const 1048) (i32.const 8)) (i32.store (i32.const 1052) (i32.const -1))") },
    ends: "ok",
    also: (result) => expect(outputs(result).map(({ value }) => value.tag === "bytes" && value.val.data.length)).toEqual([2 * 65_536 - 8]),
  },
  { what: "returns an unknown case of result", parts: { process: `(i32.store8 (i32.const ${RESULT}) (i32.const 7)) (i32.const ${RESULT})` }, ends: "any trap" },
  { what: "returns an unknown case of value", parts: { process: oneEntry("(i32.store8 (i32.const 1032) (i32.const 200))") }, ends: "any trap" },
  {
    what: "returns an unknown kind of error",
    parts: { process: `(i32.store8 (i32.const ${RESULT}) (i32.const 1)) (i32.store8 offset=8 (i32.const ${RESULT}) (i32.const 99)) (i32.const ${RESULT})` },
    ends: "any trap",
  },
  {
    what: "returns text that is not UTF-8",
    ends: "ok",
    parts: {
      process: oneEntry("(i32.store8 (i32.const 1032) (i32.const 3)) (i32.store (i32.const 1040) (i32.const 512)) (i32.store (i32.const 1044) (i32.const 3))"),
      more: '(data (i32.const 512) "a\\ff\\fe")',
    },
    also: (result) => expect(outputs(result)[0]?.value).toEqual({ tag: "text", val: "a\ufffd\ufffd" }),
  },
  {
    what: "returns NaN",
    parts: { process: oneEntry("(i32.store8 (i32.const 1032) (i32.const 2)) (f64.store (i32.const 1040) (f64.const nan))") },
    ends: "ok",
    also: (result) => expect(outputs(result)[0]?.value).toEqual({ tag: "number", val: Number.NaN }),
  },
  {
    what: "returns a million entries",
    parts: { pages: 700, process: listAt("(i32.const 4096)", "(i32.const 1000000)") },
    ends: "refused",
  },
  { what: "returns nothing", parts: {}, ends: "ok", also: (result) => expect(outputs(result)).toEqual([]) },
];

const INPUTS: Entry[] = [{ name: "list", value: { tag: "items", val: [{ tag: "number", val: 1 }, { tag: "null" }] } }, text("still here")];

describe("a guest that", () => {
  let bench: Bench;
  let good: Prepared;
  beforeAll(async () => {
    bench = createBench();
    good = await bench.preparer.prepare(await guest("echo-as"), { memoryMiB: MEMORY_MIB });
  }, TEST_MS);
  afterAll(() => bench[Symbol.asyncDispose]());

  async function expectOthersServed(): Promise<void> {
    const { outcome } = await bench.call(good, { inputs: INPUTS });
    expect(outcome).toEqual({ ended: "ok", outputs: INPUTS });
  }

  for (const { what, parts, options, ends, also } of MISDEEDS)
    test(
      `${what} ends with ${ends}, and others are served`,
      async () => {
        const component = await bench.preparer.prepare(await componentOf(coreText(parts)), { memoryMiB: MEMORY_MIB });
        const result = await bench.call(component, options);
        if (result.outcome.ended === "trap") expect(ends === "any trap" ? result.outcome.why : ends).toBe(result.outcome.why);
        else expect(result.outcome.ended).toBe(ends as "ok");
        also?.(result);
        await expectOthersServed();
      },
      TEST_MS,
    );

  test("traps once is served by a fresh instance", async () => {
    // counts its calls in memory, and traps at the second
    const process = `(i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
      (if (i32.eq (i32.load (i32.const 512)) (i32.const 2)) (then unreachable)) (i32.const ${RESULT})`;
    const component = await bench.preparer.prepare(await componentOf(coreText({ process })), { memoryMiB: MEMORY_MIB });
    const ends: string[] = [];
    for (let i = 0; i < 5; i++) ends.push((await bench.call(component)).outcome.ended);
    expect(ends).toEqual(["ok", "trap", "ok", "trap", "ok"]);
  });

  test("ignores its deadline is killed at it", async () => {
    const component = await bench.preparer.prepare(await guest("loop-c"), { memoryMiB: MEMORY_MIB });
    const begun = performance.now();
    await expect(bench.call(component, { timeMs: 200, fuel: 9e12 })).rejects.toMatchObject({ code: "step/timeout" });
    expect(performance.now() - begun).toBeLessThan(1000);
    await expectOthersServed();
  });

  test("ignores that its call was cancelled is killed after the grace", async () => {
    const component = await bench.preparer.prepare(await guest("loop-as"), { memoryMiB: MEMORY_MIB });
    const abort = new AbortController();
    const pending = bench.call(component, { fuel: 9e12, signal: abort.signal });
    queueMicrotask(() => abort.abort());
    await expect(pending).rejects.toMatchObject({ code: "run/cancelled" });
    await expectOthersServed();
  });

  test(
    "names one mebibyte a thousand times doesn't take a gibibyte",
    async () => {
      const process = `(loop $l
        (i32.store (i32.add (i32.const 2097152) (i32.mul (local.get $i) (i32.const 40))) (i32.const 8))
        (i32.store offset=4 (i32.add (i32.const 2097152) (i32.mul (local.get $i) (i32.const 40))) (i32.const 1048576))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
      ${listAt("(i32.const 2097152)", "(i32.const 1000)")}`;
      const component = await bench.preparer.prepare(await componentOf(coreText({ pages: 100, process })), { memoryMiB: MEMORY_MIB });
      let most = 0;
      const watch = setInterval(() => {
        for (const { pid } of bench.pool.processes()) most = Math.max(most, bench.platform.residentBytes(pid) ?? 0);
      }, 5);
      const ended = await bench.call(component, { timeMs: 4000 }).then(
        ({ outcome }) => outcome.ended,
        (cause: SymphonyError) => cause.code,
      );
      clearInterval(watch);
      expect(["refused", "trap", "step/memory"]).toContain(ended);
      expect(most).toBeLessThan(450 * 1024 * 1024);
      await expectOthersServed();
    },
    TEST_MS,
  );
});

const LIES: [Lie, string][] = [
  ["answers with another sequence", "isolate/protocol"],
  ["says twice that it has loaded", "isolate/protocol"],
  ["says that it could not load", "prepare/failed"],
  ["sends an unknown type of frame", "isolate/protocol"],
  ["calls an unknown host function", "isolate/protocol"],
  ["calls the host twice at once", "isolate/protocol"],
  ["announces a frame of 4 GiB", "isolate/protocol"],
  ["writes garbage without end", "isolate/protocol"],
  ["answers with more than it says", "isolate/protocol"],
  ["answers with less than it says", "isolate/protocol"],
  ["answers with text that is not UTF-8", "isolate/protocol"],
  ["answers with a list of four billion", "isolate/protocol"],
  ["answers with an unknown value", "isolate/protocol"],
  ["logs without end", "isolate/protocol"],
  ["logs a mebibyte", "isolate/protocol"],
  ["asks without end", "isolate/protocol"],
  ["answers with ten million nulls", "isolate/protocol"],
  ["stops reading and says nothing", "step/timeout"],
  ["ends in the middle of a frame", "isolate/lost"],
  ["ends at once", "isolate/lost"],
];

describe("a process that", () => {
  let good: Prepared;
  let bench: Bench;
  beforeAll(async () => {
    bench = createBench();
    good = await bench.preparer.prepare(await guest("echo-as"), { memoryMiB: MEMORY_MIB });
  }, TEST_MS);
  afterAll(() => bench[Symbol.asyncDispose]());

  for (const [lie, code] of LIES)
    test(`${lie} loses its call with ${code}, and the next call is served`, async () => {
      await using pool = createBench({ platform: createLiarPlatform(bench.platform, lie) });
      const hostCalls = () => ({ answer: () => new Promise<never>(() => {}), over: () => {} });
      // what is found out by what is said has all the time that a busy machine takes to say it
      const timeMs = code === "step/timeout" ? 500 : 10_000;
      await expect(pool.call(good, { inputs: INPUTS, timeMs, hostCalls })).rejects.toMatchObject({ code });
      expect((await pool.call(good, { inputs: INPUTS })).outcome).toEqual({ ended: "ok", outputs: INPUTS });
    });

  test("answers twice is not used again", async () => {
    await using pool = createBench({ platform: createLiarPlatform(bench.platform, "answers twice") });
    expect((await pool.call(good, { inputs: INPUTS })).outcome).toEqual({ ended: "ok", outputs: [] });
    for (let i = 0; i < 3; i++) {
      const ended = await pool.call(good, { inputs: INPUTS }).then(
        ({ outcome }) => outcome,
        (cause: SymphonyError) => cause.code,
      );
      if (i > 0) expect(ended).toEqual({ ended: "ok", outputs: INPUTS });
    }
  });

  test("ends under many calls costs the one being served", async () => {
    await using pool = createBench({ platform: createLiarPlatform(bench.platform, "ends at once") });
    const ended = await Promise.allSettled(Array.from({ length: 20 }, () => pool.call(good, { inputs: INPUTS })));
    expect(ended.filter(({ status }) => status === "rejected")).toHaveLength(1);
  });
});
