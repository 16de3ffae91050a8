// From a component's bytes to what an isolate loads: gated and transpiled in a process that is thrown away, kept in a
// cache that is checked when read. Leaves out what the gate admits and how an isolate runs it.
import { SymphonyError } from "../../error.ts";
import type { Entrance } from "../gate/types.ts";
import type { Child, Platform, ProcessPlatform, Storage } from "../../platform/platform.ts";
import { FrameCutter, FrameReader, FrameWriter } from "../isolate/wire.ts";

/** A component that is ready to be loaded. */
export interface Prepared {
  /** Hash of component, limits and tools. */
  key: string;
  kind: Entrance;
  /** The exported interface and the function in it that a call enters. */
  interfaceName: string;
  functionName: string;
  /** The interfaces that it imports, by their full names. */
  imports: string[];
  /** The most memory that it can come to hold. */
  memoryPages: number;
  /** JavaScript that returns the instantiating function. */
  source: string;
  modules: { name: string; bytes: Uint8Array }[];
}

/** Changes whenever the gate, the glue around it or the transpiler change what they make. */
export const TOOLS = "gate 5, bindgen 0.15.0, frames 2";

/** The functions that components of our own two worlds export. */
export const ENTRY = {
  operator: { interfaceName: "symphony:operator/transform@0.1.0", functionName: "process" },
  instrument: { interfaceName: "symphony:instrument/inference@0.1.0", functionName: "invoke" },
} as const;

/** A component above this has code that an engine's optimiser notices. */
const LARGE_BYTES = 512 * 1024;

export interface PreparerOptions {
  platform: ProcessPlatform;
  cache: Storage;
  /** For one component. Default 20 000 ms. */
  deadlineMs?: number;
}

/** What a component is, whatever it is prepared for. */
export interface Identity {
  /** SHA-256 of its bytes, 64 hexadecimal digits. */
  componentHash: string;
}

export interface Preparer {
  /** Rejects with `gate/*`, `prepare/failed` or `prepare/timeout`. Equal components are prepared once at a time. */
  prepare(component: Uint8Array, limits: { memoryMiB: number }): Promise<Prepared & Identity>;
}

/** Makes a preparer over a cache folder. */
export function createPreparer({ platform, cache, deadlineMs = 20_000 }: PreparerOptions): Preparer {
  const underWay = new Map<string, Promise<Prepared>>();

  async function make(key: string, name: string, component: Uint8Array, memoryMiB: number): Promise<Prepared> {
    // a cache that can't be used is none: the component is prepared, and kept if that may be
    const cached = await cache.read(name).catch(() => undefined);
    if (cached) {
      const prepared = await readEntry(platform, key, cached);
      if (prepared) return prepared;
    }
    const made = await prepareInChild(platform, key, component, memoryMiB, deadlineMs);
    await cache.write(name, await writeEntry(platform, made)).catch(() => undefined);
    return made;
  }

  return {
    async prepare(component, limits) {
      const memoryMiB = Math.max(1, limits.memoryMiB - (component.length > LARGE_BYTES ? platform.optimiserMiB : 0));
      const key = await hashOf(platform, new TextEncoder().encode(`${TOOLS}, ${memoryMiB} MiB\n`), component);
      let made = underWay.get(key);
      if (!made) {
        made = make(key, `${key.slice(0, 2)}/${key}`, component, memoryMiB).finally(() => underWay.delete(key));
        underWay.set(key, made);
      }
      return { ...(await made), componentHash: await hashOf(platform, component) };
    },
  };
}

async function hashOf(platform: Platform, ...pieces: Uint8Array[]): Promise<string> {
  const digest = platform.digest();
  for (const piece of pieces) digest.update(piece);
  return digest.hex();
}

/** The answer of the preparing process, as frames: 1 a fault, 2 a prepared component. */
export const ANSWER = { fault: 1, prepared: 2 } as const;

export function writePrepared(writer: FrameWriter, prepared: Omit<Prepared, "key">): void {
  writer.text(JSON.stringify([prepared.kind, prepared.interfaceName, prepared.functionName, prepared.imports, prepared.memoryPages]));
  writer.text(prepared.source);
  writer.u32(prepared.modules.length);
  for (const { name, bytes } of prepared.modules) {
    writer.text(name);
    writer.raw(bytes);
  }
}

function readPrepared(reader: FrameReader, key: string): Prepared {
  const [kind, interfaceName, functionName, imports, memoryPages] = JSON.parse(reader.text()) as [Prepared["kind"], string, string, string[], number];
  const source = reader.text();
  const modules: Prepared["modules"] = [];
  for (let left = reader.u32(); left > 0; left--) modules.push({ name: reader.text(), bytes: reader.raw() });
  reader.end();
  return { key, kind, interfaceName, functionName, imports, memoryPages, source, modules };
}

const HASH_HEX = 64;

/** The hash of the rest comes first, so that a torn or damaged entry shows itself. */
async function writeEntry(platform: Platform, prepared: Prepared): Promise<Uint8Array> {
  const writer = new FrameWriter();
  writer.begin(ANSWER.prepared);
  writePrepared(writer, prepared);
  writer.end();
  const body = writer.take(true);
  const entry = new Uint8Array(HASH_HEX + body.length);
  entry.set(new TextEncoder().encode(await hashOf(platform, new TextEncoder().encode(prepared.key), body)));
  entry.set(body, HASH_HEX);
  return entry;
}

async function readEntry(platform: Platform, key: string, entry: Uint8Array): Promise<Prepared | undefined> {
  const body = entry.subarray(HASH_HEX);
  const hash = new TextDecoder().decode(entry.subarray(0, HASH_HEX));
  if (hash !== (await hashOf(platform, new TextEncoder().encode(key), body))) return undefined;
  let prepared: Prepared | undefined;
  try {
    new FrameCutter().push(body, (_, payload) => {
      prepared = readPrepared(new FrameReader(payload), key);
    });
  } catch (cause) {
    // it was written as it stands, by a version that wrote otherwise: it is made anew
    if (!(cause instanceof SymphonyError && cause.code === "isolate/protocol")) throw cause;
    return undefined;
  }
  return prepared;
}

function prepareInChild(platform: ProcessPlatform, key: string, component: Uint8Array, memoryMiB: number, deadlineMs: number): Promise<Prepared> {
  return new Promise((resolve, reject) => {
    const cutter = new FrameCutter();
    let settled = false;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      child.kill();
      act();
    };
    const child: Child = platform.spawn("prepare", (chunk) => {
      try {
        cutter.push(chunk, (type, payload) => {
          const reader = new FrameReader(payload);
          if (type === ANSWER.prepared) {
            const prepared = readPrepared(reader, key);
            settle(() => resolve(prepared));
          } else {
            const code = reader.text();
            const message = reader.text();
            settle(() => reject(new SymphonyError(code.startsWith("gate/") ? (code as "gate/malformed") : "prepare/failed", message)));
          }
        });
      } catch (cause) {
        settle(() => reject(new SymphonyError("prepare/failed", `Cannot prepare the component: ${(cause as Error).message}`, { cause })));
      }
    });
    const timer = setTimeout(() => settle(() => reject(new SymphonyError("prepare/timeout", `Cannot prepare the component: it took over ${deadlineMs} ms`))), deadlineMs);
    void child.ended.then(({ code, signal, stderr }) =>
      settle(() => reject(new SymphonyError("prepare/failed", `Cannot prepare the component: the transpiler ended (${signal ?? `code ${code}`}): ${stderr.trim().slice(-500)}`))),
    );
    const writer = new FrameWriter();
    writer.begin(ANSWER.prepared);
    writer.u32(memoryMiB);
    writer.raw(component);
    try {
      writer.end();
      child.send(writer.take(true));
    } catch (cause) {
      settle(() => reject(new SymphonyError("gate/limit", `Cannot prepare the component: ${(cause as Error).message}`, { cause })));
    }
  });
}
