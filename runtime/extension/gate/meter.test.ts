// The meter takes at least the work that is done, and changes nothing else: random functions against an interpreter's
// count, shipped components beside their plain form, and the transpiler itself, metered.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { $init, generate } from "@bytecodealliance/jco-transpile/component";
import { Cursor } from "./cursor.ts";
import { gate } from "./gate.ts";
import { measureModule, rewriteModule } from "./module.ts";

const root = join(import.meta.dirname, "../../..");
await $init;

type Entry = { name: string; value: { tag: string; val?: unknown } };
type Call = (inputs: Entry[], settings: Entry[]) => Entry[];

/** An answer of one piece. */
class Reply {
  #left = 1;
  next(): string | undefined {
    return this.#left-- > 0 ? "said" : undefined;
  }
  answer() {
    return { text: "said", finish: "stop", model: "m", usage: { inputTokens: 1, outputTokens: 1, cost: 0 } };
  }
}

/** Transpiles a component as it is and loads it here. */
function load(component: Uint8Array): { call: Call; fuels: WebAssembly.Global[] } {
  const { files } = generate(component, { name: "component", noTypescript: true, noNodejsCompat: true, instantiation: { tag: "sync" }, base64Cutoff: 0 });
  const byName = new Map(files);
  const source = new TextDecoder().decode(byName.get("component.js") as Uint8Array);
  const at = source.indexOf("export function instantiate(");
  const glue = new Function(`${source.slice(0, at)}${source.slice(at + 7, source.lastIndexOf("export const _util"))}\nreturn instantiate;`)() as (
    module: (name: string) => WebAssembly.Module,
    imports: object,
    core: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
  ) => Record<string, Record<string, Call>>;
  const fuels: WebAssembly.Global[] = [];
  const exported = glue(
    (name) => new WebAssembly.Module(byName.get(name) as Uint8Array<ArrayBuffer>),
    {
      "symphony:host/call": { remainingMs: () => 1000, cancelled: () => false, idempotencyKey: () => "k", attempt: () => 1 },
      "symphony:host/log": { write: () => {} },
      "symphony:host/progress": { report: () => {} },
      "symphony:host/files": { entries: () => [], read: () => new Uint8Array(0) },
      "symphony:host/clock": { now: () => 0, monotonic: () => 0, sleep: () => {} },
      "symphony:host/random": { bytes: () => new Uint8Array(1) },
      "symphony:host/http": { send: () => ({ status: 200, url: "u", headers: [["content-type", "text/plain"]], body: new TextEncoder().encode("ok") }) },
      "symphony:host/model": {
        Reply,
        chat: () => new Reply().answer(),
        complete: () => new Reply().answer(),
        chatStream: () => new Reply(),
        embed: () => ({ vectors: [new Float64Array([1, 2])], model: "m", usage: { inputTokens: 1, outputTokens: 0, cost: 0 } }),
      },
      "symphony:host/key-value": { get: () => undefined, set: () => {}, delete: () => {}, keys: () => [], increment: () => 1 },
      "symphony:host/secrets": { sign: () => new Uint8Array(32) },
      "symphony:host/artifacts": {
        read: () => new Uint8Array(0),
        Writer: class {
          append() {}
          finish() {
            return { id: "0".repeat(64), size: 1, mediaType: "text/plain" };
          }
        },
      },
    },
    (module, imports) => {
      const instance = new WebAssembly.Instance(module, imports);
      const fuel = instance.exports["fuel"];
      if (fuel instanceof WebAssembly.Global) fuels.push(fuel);
      return instance;
    },
  );
  const face = exported["symphony:operator/transform@0.1.0"] ?? exported["symphony:instrument/inference@0.1.0"];
  return { call: (face?.["process"] ?? face?.["invoke"]) as Call, fuels };
}

const prose = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
const text = (name: string, val: string): Entry => ({ name, value: { tag: "text", val } });
const number = (name: string, val: number): Entry => ({ name, value: { tag: "number", val } });
const json = (name: string, data: unknown): Entry => ({ name, value: { tag: "json", val: JSON.stringify(data) } });

/** Inputs and settings for each shipped component; by name of its folder. */
const TRIALS: Record<string, { inputs: Entry[]; settings: Entry[] }> = {
  csv: {
    inputs: [text("text", 'a,b\n1,"x\ny"\n2,z\n')],
    settings: [
      text("delimiter", ","),
      { name: "header", value: { tag: "boolean", val: true } },
      { name: "numbers", value: { tag: "boolean", val: true } },
      text("ragged", "error"),
    ],
  },
  "json-transform": { inputs: [json("data", { list: [{ n: 2 }, { n: 1 }] })], settings: [text("expression", "sort_by(list, &n)[].n")] },
  keywords: { inputs: [text("text", prose)], settings: [number("count", 8), number("maxWords", 3)] },
  language: { inputs: [text("text", prose)], settings: [] },
  summarize: { inputs: [text("text", prose)], settings: [number("sentences", 4), number("maxSentences", 400)] },
  template: {
    inputs: [json("data", { items: [{ a: 1 }, { a: 2 }] })],
    settings: [text("template", "{{#items}}{{a}},{{/items}}"), text("as", "text"), text("mediaType", "text/plain")],
  },
  http: {
    inputs: [text("url", "http://x/")],
    settings: [
      text("method", "GET"),
      json("headers", {}),
      text("failOn", "4xx"),
      number("redirects", 0),
      number("timeoutMs", 1),
      text("secretHeader", "a"),
      text("secretPrefix", ""),
    ],
  },
  chat: {
    inputs: [text("prompt", "x")],
    settings: [text("model", "a/b"), { name: "stop", value: { tag: "items", val: [] } }, { name: "jsonAnswer", value: { tag: "boolean", val: false } }],
  },
  embed: { inputs: [{ name: "texts", value: { tag: "items", val: [{ tag: "text", val: "x" }] } }], settings: [text("model", "a/b"), number("batch", 4)] },
  remember: { inputs: [text("key", "k")], settings: [text("do", "increment")] },
  sign: { inputs: [text("text", "x")], settings: [text("secret", "s")] },
  "text-split": { inputs: [text("text", prose)], settings: [number("maxCharacters", 300), text("by", "paragraph")] },
  files: { inputs: [text("folder", "x")], settings: [text("include", ""), text("exclude", ""), number("maxFiles", 10), number("maxBytes", 100)] },
};

for (const { name } of readdirSync(join(root, "extensions"), { withFileTypes: true }).filter((entry) => entry.isDirectory()))
  test(`${name} computes the same with gate, caps and meter as without`, () => {
    const trial = TRIALS[name] as (typeof TRIALS)[string];
    expect(trial).toBeDefined();
    const component = new Uint8Array(readFileSync(join(root, "extensions", name, "build", `${name}.wasm`)));
    const plain = load(component);
    const gated = load(gate(component, { memoryMiB: 256 }).bytes);
    for (const fuel of gated.fuels) fuel.value = 10n ** 15n;
    for (let round = 0; round < 2; round++) expect(gated.call(trial.inputs, trial.settings)).toEqual(plain.call(trial.inputs, trial.settings));
    expect(gated.fuels.some((fuel) => (fuel.value as bigint) < 10n ** 15n)).toBe(true);
  });

test("the transpiler, a module of 3 MB from elsewhere, computes the same when it is metered", async () => {
  const vendor = join(root, "node_modules/@bytecodealliance/jco-transpile/vendor");
  const work = mkdtempSync(join(root, ".build/metered-"));
  try {
    for (const file of readdirSync(vendor).filter((one) => one.startsWith("js-component-bindgen-component.") && !one.endsWith(".ts"))) {
      let bytes = new Uint8Array(readFileSync(join(vendor, file)));
      if (file.endsWith(".wasm")) {
        const needs = measureModule(new Cursor(bytes));
        const caps = { memories: needs.memories.map(() => 65_536), tables: needs.tables.map(({ minimum }) => minimum + 1000) };
        bytes = new Uint8Array(rewriteModule(new Cursor(bytes), caps, (same) => same, 10n ** 17n).bytes);
      }
      writeFileSync(join(work, file), bytes);
    }
    const metered = (await import(join(work, "js-component-bindgen-component.js"))) as { $init: Promise<void>; generate: typeof generate };
    await metered.$init;
    const component = new Uint8Array(readFileSync(join(root, "extensions/text-split/build/text-split.wasm")));
    const options = { name: "component", noTypescript: true, instantiation: { tag: "sync" as const }, base64Cutoff: 0 };
    expect(metered.generate(component, options).files).toEqual(generate(component, options).files);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});

/** A random function body as text, with the count of instructions that a run of it executes at the least. */
function program(seed: number): string {
  let state = seed;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  // $n counts: every piece adds its own instructions to $n as it runs, so $n is what was done at the least
  const count = (many: number): string => `(local.set $n (i64.add (local.get $n) (i64.const ${many})))`;
  const piece = (depth: number): string => {
    const kind = depth > 4 ? 0 : next(6);
    const work = `${count(4)} (local.set $x (i32.add (local.get $x) (i32.const ${next(7)})))`;
    if (kind <= 1) return work;
    const body = Array.from({ length: 1 + next(4) }, () => piece(depth + 1)).join(" ");
    if (kind === 2) return `(block $b${depth} ${work} (br_if $b${depth} (i32.and (local.get $x) (i32.const 1))) ${body})`;
    if (kind === 3) return `(if (i32.and (local.get $x) (i32.const ${1 << next(3)})) (then ${work} ${body}) (else ${work} ${piece(depth + 1)}))`;
    if (kind === 4)
      return `(local.set $i${depth} (i32.const ${1 + next(5)})) (loop $l${depth} ${work} ${body} (br_if $l${depth} (local.tee $i${depth} (i32.sub (local.get $i${depth}) (i32.const 1)))))`;
    return `(block $o${depth} (block $p${depth} (br_table $o${depth} $p${depth} (i32.and (local.get $x) (i32.const 1)))) ${work} ${body})`;
  };
  const locals = Array.from({ length: 7 }, (_, i) => `(local $i${i} i32)`).join(" ");
  return `(module (func (export "run") (param $x i32) (result i64) (local $n i64) ${locals} ${Array.from({ length: 6 }, () => piece(0)).join(" ")} (local.get $n)))`;
}

test("random functions never pay less than they do", async () => {
  const { wasmTools } = await import(join(root, "tasks/wasm-tools.ts"));
  const tools = (await wasmTools()) as { parse(wat: string): Uint8Array };
  for (let seed = 1; seed <= 400; seed++) {
    const bytes = tools.parse(program(seed));
    const plain = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>));
    const metered = rewriteModule(new Cursor(bytes), { memories: [], tables: [] }, (same) => same, 10n ** 12n).bytes;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(metered)));
    const fuel = instance.exports["fuel"] as WebAssembly.Global;
    for (const x of [0, 1, 7]) {
      fuel.value = 10n ** 12n;
      const done = (instance.exports["run"] as (x: number) => bigint)(x);
      expect(done).toBe((plain.exports["run"] as (x: number) => bigint)(x));
      expect(10n ** 12n - (fuel.value as bigint)).toBeGreaterThanOrEqual(done);
    }
  }
});
