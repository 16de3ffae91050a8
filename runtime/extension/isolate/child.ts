// The program inside an isolate's process: reads frames, runs one component, writes frames. Wholly synchronous, so that
// a guest's host call can wait on the pipe. Has no rights of its own; what it says of itself is not believed.
import { type Entry, type Value } from "../../value.ts";
import { FUEL_EXPORT } from "../gate/module.ts";
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
  invoke: (inputs: Entry[], settings: Entry[]) => Entry[];
  /** Of the largest module first. */
  fuels: WebAssembly.Global[];
  memories: WebAssembly.Memory[];
}

interface Loaded {
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
        imports = guestImports(host, new Set(JSON.parse(reader.text()) as string[]));
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
        outcome = invoke(instance, fuel, inputs, settings, loaded.memoryBytesMax);
      } catch (cause) {
        outcome = { ended: "trap", why: "trap", message: describe(cause) };
      }
      const used = instance ? fuelUsed(instance.fuels, fuel) : 0;
      if (outcome.ended === "trap" && instance) {
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

function invoke(instance: Instance, fuel: bigint, inputs: Entry[], settings: Entry[], memoryBytesMax: number): Outcome {
  for (const [at, global] of instance.fuels.entries()) global.value = shareOf(fuel, at, instance.fuels.length);
  try {
    return { ended: "ok", outputs: instance.invoke(inputs, settings) };
  } catch (cause) {
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
) => Record<string, Record<string, (inputs: Entry[], settings: Entry[]) => Entry[]>>;

/** Names that the glue finds undefined, but for the first. */
const HIDDEN = ["globalThis", "process", "Deno", "Bun", "require", "fetch", "XMLHttpRequest", "WebSocket", "Worker", "self"];

/** Compiles what `prepare` made; each run then gets its own instance of it. */
function load(reader: FrameReader): Loaded {
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
      const invoke = root[interfaceName]?.[functionName];
      if (!invoke) throw new Error(`the component has no ${interfaceName}.${functionName}`);
      return { invoke, fuels, memories };
    },
  };
}

/** Only what was granted is there at all. */
function guestImports(host: (name: HostFunction, args: Scalar[]) => Scalar[], granted: Set<string>): Record<string, unknown> {
  class Writer {
    readonly #id: number;
    static #next = 1;
    constructor(mediaType: string) {
      this.#id = Writer.#next++;
      host("writer.new", [this.#id, mediaType.slice(0, 256)]);
    }
    append(data: Uint8Array): void {
      host("writer.append", [this.#id, data]);
    }
    finish(): { id: string; size: number; mediaType: string } {
      const [id, size, mediaType] = host("writer.finish", [this.#id]);
      return { id: id as string, size: size as number, mediaType: mediaType as string };
    }
    [Symbol.dispose ?? Symbol.for("dispose")](): void {
      host("writer.drop", [this.#id]);
    }
  }
  const all: Record<string, unknown> = {
    "symphony:host/call": {
      remainingMs: () => host("call.remaining-ms", [])[0],
      cancelled: () => host("call.cancelled", [])[0],
      idempotencyKey: () => host("call.idempotency-key", [])[0],
      attempt: () => host("call.attempt", [])[0],
    },
    "symphony:host/log": { write: (level: string, message: string) => void host("log.write", [level, message.slice(0, 4096)]) },
    "symphony:host/progress": { report: (fraction: number, note: string) => void host("progress.report", [fraction, note.slice(0, 256)]) },
    "symphony:host/files": {
      entries: (root: string, path: string, after: string | undefined) => {
        const flat = host("files.entries", [root, path, after ?? null]);
        const out: { name: Scalar | undefined; kind: Scalar | undefined; size: Scalar | undefined }[] = [];
        for (let i = 0; i + 2 < flat.length; i += 3) out.push({ name: flat[i], kind: flat[i + 1], size: flat[i + 2] });
        return out;
      },
      read: (root: string, path: string, offset: number, length: number) => host("files.read", [root, path, offset, length])[0],
    },
    "symphony:host/artifacts": {
      read: (id: string, offset: number, length: number) => host("artifacts.read", [id, offset, length])[0],
      Writer,
    },
  };
  // nothing is inherited: a name that the gate should have refused still finds nothing here
  Object.setPrototypeOf(Writer, null);
  Object.setPrototypeOf(Writer.prototype, null);
  const bare = (from: object): object => Object.assign(Object.create(null) as object, from);
  return bare(
    Object.fromEntries(
      Object.entries(all)
        .filter(([name]) => granted.has(name))
        .map(([name, functions]) => [name, bare(functions as object)]),
    ),
  ) as Record<string, unknown>;
}

export type { Value };
