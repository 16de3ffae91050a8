// The program inside an isolate's process: reads frames, runs one component, writes frames. Wholly synchronous, so that
// a guest's host call can wait on the pipe. Has no rights of its own; what it says of itself is not believed.
import type { Entry } from "../../value.ts";
import { type AskHost, bare, textOf } from "./guest/host.ts";
import { symphonyImports } from "./guest/symphony.ts";
import { createWasi, Exit, type Wasi } from "./guest/wasi.ts";
import { serveHandler } from "./guest/wasi-http.ts";
import { FUEL_EXPORT } from "../gate/module.ts";
import type { Entrance } from "../gate/types.ts";
import {
  CHATTER,
  FRAME,
  FrameCutter,
  FrameReader,
  FrameWriter,
  HOST_FUNCTIONS,
  type HostFunction,
  ONE_WAY,
  ONE_WAY_MAX,
  type Outcome,
  type Scalar,
  type StepError,
} from "./wire.ts";

interface Pipe {
  /** Blocks; 0 at the end. */
  read(into: Uint8Array): number;
  write(bytes: Uint8Array): void;
  collect(): void;
}

interface Instance {
  /** What the component exports: process or invoke of our worlds, run or handle of WASI's. */
  enter: (...args: unknown[]) => unknown;
  /** Of the largest module first. */
  fuels: WebAssembly.Global[];
  memories: WebAssembly.Memory[];
}

interface Loaded {
  entrance: Entrance;
  instantiate: (imports: Record<string, unknown>) => Instance;
  memoryBytesMax: number;
}

const RUNS_MAX = 4;
/** A result that leaves so much garbage that it is collected at once. */
const LARGE_BYTES = 4 * 1024 * 1024;

/** Serves frames until the pipe ends. */
export function serveIsolate(pipe: Pipe): void {
  const writer = new FrameWriter();
  const cutter = new FrameCutter();
  const queue: { type: number; payload: Uint8Array }[] = [];
  const chunk = new Uint8Array(64 * 1024);
  const instances = new Map<string, Instance>();
  let loaded: Loaded | undefined;
  let imports: Record<string, unknown> = {};
  let wasi: Wasi | undefined;

  const next = (wanted?: number): { type: number; payload: Uint8Array } | undefined => {
    for (;;) {
      const at = wanted === undefined ? 0 : queue.findIndex(({ type }) => type === wanted);
      if (at >= 0 && at < queue.length) return queue.splice(at, 1)[0];
      const count = pipe.read(chunk);
      if (count <= 0) return undefined;
      cutter.push(chunk.subarray(0, count), (type, payload) => queue.push({ type, payload: payload.slice() }));
    }
  };
  const send = (): void => pipe.write(writer.take(false));

  let said = 0;
  const host = (name: HostFunction, args: Scalar[]): Scalar[] => {
    // what nobody waits for could be said faster than it can be heard
    if (CHATTER.has(name) && ++said > ONE_WAY_MAX) return [];
    const before = writer.length;
    try {
      writer.begin(FRAME.host);
      writer.u8(HOST_FUNCTIONS.indexOf(name));
      writer.scalars(args);
      writer.end();
    } catch (cause) {
      writer.length = before;
      throw cause;
    }
    send();
    if (ONE_WAY.has(name)) return [];
    const reply = next(FRAME.reply);
    if (!reply) throw new Error("the host is gone");
    const reader = new FrameReader(reply.payload);
    if (reader.u8() === 1) return reader.scalars();
    // jco turns a thrown payload into the guest's `err`
    throw Object.assign(new Error("refused"), { payload: reader.error() satisfies StepError });
  };

  for (let frame = next(); frame; frame = next()) {
    const reader = new FrameReader(frame.payload);
    if (frame.type === FRAME.load) {
      let fault = "";
      try {
        const granted = new Set(JSON.parse(reader.text()) as string[]);
        wasi = createWasi(host);
        imports = guestImports(host, wasi, granted);
        loaded = load(reader);
      } catch (cause) {
        fault = describe(cause);
      }
      writer.begin(FRAME.loaded);
      writer.text(fault);
      writer.end();
      send();
    } else if (frame.type === FRAME.call) {
      const sequence = reader.u32();
      const run = reader.text();
      const fuel = BigInt(Math.trunc(reader.f64()));
      const inputs = reader.entries();
      const settings = reader.entries();
      let instance = instances.get(run);
      said = 0;
      let outcome: Outcome;
      try {
        if (!loaded) throw new Error("no component is loaded");
        if (!instance) {
          for (const oldest of instances.keys()) {
            if (instances.size < RUNS_MAX) break;
            instances.delete(oldest);
            pipe.collect();
          }
          instance = loaded.instantiate(imports);
          instances.set(run, instance);
        }
        outcome = invoke(instance, fuel, () => enter(loaded as Loaded, instance as Instance, wasi as Wasi, inputs, settings), loaded.memoryBytesMax);
      } catch (cause) {
        outcome = { ended: "trap", why: "trap", message: describe(cause) };
      }
      const used = instance ? fuelUsed(instance.fuels, fuel) : 0;
      // a command is run once; its memory holds what it has done
      if (instance && (outcome.ended === "trap" || loaded?.entrance === "command")) {
        instances.delete(run);
        instance = undefined;
        pipe.collect();
      }
      let held = 0;
      for (const { memories } of instances.values()) for (const memory of memories) held += memory.buffer.byteLength;
      writeResult(writer, sequence, outcome, used, held);
      const large = writer.length > LARGE_BYTES;
      send();
      // before the next call is weighed, not when the engine comes to it
      if (large) pipe.collect();
    } else if (frame.type === FRAME.drop) {
      if (instances.delete(reader.text())) pipe.collect();
    }
  }
}

/** The largest module may use all of a call's fuel, the others together as much again: adapters and stubs use little. */
function shareOf(fuel: bigint, at: number, modules: number): bigint {
  return at === 0 ? fuel : fuel / BigInt(modules - 1);
}

function fuelUsed(fuels: readonly WebAssembly.Global[], fuel: bigint): number {
  return fuels.reduce((used, global, at) => used + Number(shareOf(fuel, at, fuels.length) - (global.value as bigint)), 0);
}

/** Enters a component in the way of its world. What a WASI guest gives is gathered as outputs of fixed names. */
function enter({ entrance }: Loaded, instance: Instance, wasi: Wasi, inputs: Entry[], settings: Entry[]): Entry[] {
  const stdio = wasi.begin({ inputs, settings }, entrance === "command");
  try {
    if (entrance === "operator" || entrance === "instrument") return instance.enter(inputs, settings) as Entry[];
    if (entrance === "handler") {
      const given = (name: string) => inputs.find((one) => one.name === name)?.value;
      const headers = given("headers");
      const body = given("body");
      const answer = serveHandler(instance.enter, {
        method: textOf(given("method")) ?? "GET",
        url: textOf(given("url")) ?? "/",
        headers: headers?.tag === "json" ? Object.entries(JSON.parse(headers.val) as Record<string, unknown>).map(([name, value]) => [name, String(value)] as const) : [],
        body: body?.tag === "bytes" ? body.val.data : new TextEncoder().encode(textOf(body) ?? ""),
      });
      return [
        { name: "status", value: { tag: "number", val: answer.status } },
        { name: "headers", value: { tag: "json", val: JSON.stringify(answer.headers) } },
        { name: "body", value: blob(answer.body) },
      ];
    }
    let code = 0;
    try {
      instance.enter();
    } catch (cause) {
      if (cause instanceof Exit) code = cause.code;
      // the world's own way to say that it failed: an error without a value
      else if (typeof cause === "object" && cause !== null && Object.hasOwn(cause, "payload") && (cause as { payload: unknown }).payload === undefined) code = 1;
      else throw new Error(`${describe(cause)}${lastWords(stdio.stderr)}`);
    }
    return [
      { name: "exitCode", value: { tag: "number", val: code } },
      { name: "stdout", value: blob(...stdio.stdout) },
      { name: "stderr", value: blob(...stdio.stderr) },
    ];
  } finally {
    wasi.end();
  }
}

const LAST_WORDS_MAX = 400;

/** What a command said before it trapped, which is where its panic stands. */
function lastWords(stderr: readonly Uint8Array[]): string {
  const said = stderr
    .map((piece) => new TextDecoder().decode(piece))
    .join("")
    .trim();
  return said ? `; it said: ${said.slice(-LAST_WORDS_MAX)}` : "";
}

function blob(...pieces: readonly Uint8Array[]): Entry["value"] {
  const data = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    data.set(piece, at);
    at += piece.length;
  }
  return { tag: "bytes", val: { mediaType: "application/octet-stream", data } };
}

function invoke(instance: Instance, fuel: bigint, call: () => Entry[], memoryBytesMax: number): Outcome {
  for (const [at, global] of instance.fuels.entries()) global.value = shareOf(fuel, at, instance.fuels.length);
  try {
    return { ended: "ok", outputs: call() };
  } catch (cause) {
    if (cause instanceof Exit) return { ended: "trap", why: "trap", message: `it exited with code ${cause.code}` };
    const payload = (cause as { payload?: StepError } | null)?.payload;
    if (payload !== undefined) return { ended: "error", error: payload };
    const why = instance.fuels.some((global) => (global.value as bigint) < 0n)
      ? "fuel"
      : instance.memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0) >= memoryBytesMax * 0.9
        ? "memory"
        : "trap";
    return { ended: "trap", why, message: describe(cause) };
  }
}

function writeResult(writer: FrameWriter, sequence: number, outcome: Outcome, used: number, held: number): void {
  const before = writer.length;
  const open = (): void => {
    writer.begin(FRAME.result);
    writer.u32(sequence);
    writer.f64(used);
    writer.f64(held);
  };
  open();
  try {
    if (outcome.ended === "ok") {
      writer.u8(0);
      writer.entries(outcome.outputs);
    } else if (outcome.ended === "error") {
      writer.u8(1);
      writer.error(outcome.error);
    } else if (outcome.ended === "refused") {
      writer.u8(2);
      writer.text(outcome.message);
    } else {
      writer.u8(3);
      writer.text(outcome.why);
      writer.text(outcome.message);
    }
    writer.end();
  } catch (cause) {
    // the guest returned more than a frame holds, or a shape that is none of ours
    writer.length = before;
    open();
    writer.u8(2);
    writer.text(describe(cause));
    writer.end();
  }
}

function describe(cause: unknown): string {
  const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  return text.length > 500 ? `${text.slice(0, 500)}...` : text;
}

type Glue = (
  getCoreModule: (name: string) => WebAssembly.Module,
  imports: Record<string, unknown>,
  instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
) => Record<string, Record<string, (...args: unknown[]) => unknown>>;

/** Names that the glue finds undefined, but for the first. */
const HIDDEN = ["globalThis", "process", "Deno", "Bun", "require", "fetch", "XMLHttpRequest", "WebSocket", "Worker", "self"];

/** Compiles what `prepare` made; each run then gets its own instance of it. */
function load(reader: FrameReader): Loaded {
  const entrance = reader.text() as Entrance;
  const interfaceName = reader.text();
  const functionName = reader.text();
  const memoryBytesMax = reader.f64();
  const source = reader.text();
  const modules = new Map<string, WebAssembly.Module>();
  let largest: { module: WebAssembly.Module | undefined; size: number } = { module: undefined, size: 0 };
  for (let left = reader.u32(); left > 0; left--) {
    const name = reader.text();
    const bytes = reader.raw() as Uint8Array<ArrayBuffer>;
    const module = new WebAssembly.Module(bytes);
    modules.set(name, module);
    if (bytes.length > largest.size) largest = { module, size: bytes.length };
  }
  // the glue sees WebAssembly and the language, and nothing of the runtime around it
  const glue = new Function(...HIDDEN, source)(Object.freeze({ WebAssembly })) as Glue;
  return {
    entrance,
    memoryBytesMax,
    instantiate: (imports) => {
      const fuels: WebAssembly.Global[] = [];
      const memories: WebAssembly.Memory[] = [];
      const root = glue(
        (name) => modules.get(name) as WebAssembly.Module,
        imports,
        (module, core) => {
          const instance = new WebAssembly.Instance(module, core);
          for (const [name, value] of Object.entries(instance.exports)) {
            if (name === FUEL_EXPORT) fuels[module === largest.module ? "unshift" : "push"](value as unknown as WebAssembly.Global);
            else if (value instanceof WebAssembly.Memory && !memories.includes(value)) memories.push(value);
          }
          return instance;
        },
      );
      const enter = root[interfaceName]?.[functionName];
      if (!enter) throw new Error(`the component has no ${interfaceName}.${functionName}`);
      return { enter, fuels, memories };
    },
  };
}

/** Only what was granted is there at all. */
function guestImports(host: AskHost, wasi: Wasi, granted: ReadonlySet<string>): Record<string, unknown> {
  const all = { ...symphonyImports(host), ...wasi.imports };
  return bare(Object.fromEntries(Object.entries(all).filter(([name]) => granted.has(name))));
}
