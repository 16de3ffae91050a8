// What tests of components share: built guests, a preparer and a pool over real processes, and one call in short. Leaves
// out the components themselves.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CallResult, HostCalls } from "../runtime/extension/isolate/isolate.ts";
import { createIsolatePool, type IsolatePool } from "../runtime/extension/isolate/pool.ts";
import { createPreparer, type Prepared, type Preparer } from "../runtime/extension/prepare/prepare.ts";
import type { ProcessPlatform } from "../runtime/platform/platform.ts";
import { createFileStorage } from "../runtime/platform/system.ts";
import type { Entry } from "../runtime/value.ts";
import { buildExtension } from "../tasks/build-extension.ts";
import { wasmTools } from "../tasks/wasm-tools.ts";
import { witSource, worldOf } from "../tasks/wit.ts";
import { createTestPlatform, root } from "./platform.ts";

/** Generous beside what any test needs; tests of limits give their own. */
export const TIME_MS = 10_000;
export const FUEL = 20_000_000_000;

/** What a call may be given; the rest has defaults. */
export interface CallOptions {
  run?: string;
  inputs?: Entry[];
  settings?: Entry[];
  timeMs?: number;
  fuel?: number;
  signal?: AbortSignal;
  hostCalls?: (call: { remainingMs: () => number }) => HostCalls;
}

/** A preparer and a pool over real processes, with a cache that is thrown away. */
export interface Bench {
  platform: ProcessPlatform;
  preparer: Preparer;
  pool: IsolatePool;
  call(component: Prepared, options?: CallOptions): Promise<CallResult>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function createBench({ platform = createTestPlatform(), perComponentMax = 1 }: { platform?: ProcessPlatform; perComponentMax?: number } = {}): Bench {
  const folder = mkdtempSync(join(tmpdir(), "symphony-test-"));
  const preparer = createPreparer({ platform, cache: createFileStorage(folder) });
  const pool = createIsolatePool({ platform, perComponentMax });
  return {
    platform,
    preparer,
    pool,
    call: (component, { run = "run", inputs = [], settings = [], timeMs = TIME_MS, fuel = FUEL, signal, hostCalls = noHost } = {}) =>
      pool.invoke(component, component.imports, "none", { run, inputs, settings, timeMs, fuel, signal, hostCalls }),
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await platform[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Answers what every guest may ask, with nothing. */
function noHost({ remainingMs }: { remainingMs: () => number }): HostCalls {
  return {
    answer: (name) => {
      if (name === "call.remaining-ms") return [Math.floor(remainingMs())];
      if (name === "call.attempt") return [1];
      if (name === "call.cancelled") return [false];
      return name === "call.idempotency-key" ? ["key"] : [];
    },
    over: () => {},
  };
}

/** The component of tests/guests/`name`, built when it isn't current. */
export async function guest(name: string): Promise<Uint8Array> {
  const folder = join(root, "tests/guests", name);
  await buildExtension(folder);
  return new Uint8Array(readFileSync(join(folder, "build", `${name}.wasm`)));
}

const ENTRY = "symphony:operator/transform@0.1.0#process";

/** Pieces of WebAssembly text that make up an operator; what is left out is harmless. */
export interface CoreParts {
  /** Pages that its memory begins with. */
  pages?: number;
  /** The body of `process`; leaves the address of the result. Locals 0 to 3 are its parameters, $i and $j are free. */
  process?: string;
  /** The body of the post-return function. */
  post?: string;
  /** Run first in `cabi_realloc`. */
  realloc?: string;
  /** Further fields of the module. */
  more?: string;
}

/** The address of an empty `ok` result, which tests write to. */
export const RESULT = 64;

/** A core module in text form, with the exports that an operator needs. */
export function coreText({ pages = 2, process = `(i32.const ${RESULT})`, post = "", realloc = "", more = "" }: CoreParts = {}): string {
  return `(module
    (memory (export "memory") ${pages})
    (global $top (mut i32) (i32.const 4096))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      ${realloc}
      (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (local.get 3))))
    (func (export "${ENTRY}") (param i32 i32 i32 i32) (result i32) (local $i i32) (local $j i32) ${process})
    (func (export "cabi_post_${ENTRY}") (param i32) ${post})
    ${more})`;
}

/** Makes an operator out of a core module in text form; `edit` changes the contracts that it is built against. */
export async function componentOf(core: string, edit: (wit: string) => string = (wit) => wit): Promise<Uint8Array> {
  const tools = await wasmTools();
  const wit = edit(witSource(root, worldOf("mine", "operator", [])));
  return tools.componentNew(tools.componentEmbed({ binary: tools.parse(core), witSource: wit, world: "mine", stringEncoding: "utf8" }), []);
}
