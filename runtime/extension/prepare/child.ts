// The program of the process that is thrown away: one component in, the gate, the transpiler, one answer out. The
// transpiler never sees bytes that the gate has not rewritten.
import { SymphonyError } from "../../error.ts";
import { gate, START_FUEL } from "../gate/gate.ts";
import { Cursor } from "../gate/cursor.ts";
import { isMetered, measureModule, rewriteModule } from "../gate/module.ts";
import { FrameCutter, FrameReader, FrameWriter } from "../isolate/wire.ts";
import { ANSWER, writePrepared } from "./prepare.ts";

/** Serves one request, which comes in chunks, and answers it. */
export async function servePreparation(chunks: AsyncIterable<Uint8Array>, answer: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const cutter = new FrameCutter();
  let request: { memoryMiB: number; component: Uint8Array } | undefined;
  for await (const chunk of chunks) {
    cutter.push(chunk, (_, payload) => {
      const reader = new FrameReader(payload);
      request = { memoryMiB: reader.u32(), component: reader.raw() };
    });
    if (request) break;
  }
  if (!request) return;
  const writer = new FrameWriter();
  try {
    const prepared = await transpile(request.component, request.memoryMiB);
    writer.begin(ANSWER.prepared);
    writePrepared(writer, prepared);
  } catch (cause) {
    writer.begin(ANSWER.fault);
    writer.text(cause instanceof SymphonyError ? cause.code : "prepare/failed");
    writer.text(cause instanceof SymphonyError ? cause.message : `Cannot prepare the component: ${String((cause as { payload?: unknown }).payload ?? cause).slice(0, 500)}`);
  }
  writer.end();
  await answer(writer.take(true));
}

async function transpile(component: Uint8Array, memoryMiB: number) {
  const gated = gate(component, { memoryMiB });
  const { $init, generate } = await import("@bytecodealliance/jco-transpile/component");
  await $init;
  const { files } = generate(gated.bytes, {
    name: "component",
    noTypescript: true,
    noNodejsCompat: true,
    instantiation: { tag: "sync" },
    base64Cutoff: 0,
  });
  const modules: { name: string; bytes: Uint8Array }[] = [];
  let source = "";
  for (const [name, bytes] of files) {
    if (name.endsWith(".wasm")) modules.push({ name, bytes: isMetered(bytes) ? bytes : meterAdapter(bytes) });
    else if (name === "component.js") source = new TextDecoder().decode(bytes);
  }
  const { kind, entry, imports, memoryPages } = gated;
  return { kind, ...entry, imports, memoryPages, source: asFunctionBody(source), modules };
}

/** The transpiler makes modules of its own, which carry values from one nested component to the next; their loops count too. */
function meterAdapter(bytes: Uint8Array): Uint8Array {
  const { memories, tables } = measureModule(new Cursor(bytes));
  if (memories.length + tables.length > 0) throw new SymphonyError("prepare/failed", "Cannot prepare the component: the transpiler made a module with memory of its own");
  return rewriteModule(new Cursor(bytes), { memories: [], tables: [] }, (name) => name, START_FUEL).bytes;
}

/** The transpiler writes a module; an isolate wants a function body that returns its one export. */
function asFunctionBody(source: string): string {
  const head = "export function instantiate(";
  const tail = source.lastIndexOf("export const _util");
  const at = source.indexOf(head);
  if (at < 0 || tail < at) throw new SymphonyError("prepare/failed", "Cannot prepare the component: the transpiler's output has an unknown form");
  return `"use strict";\n${source.slice(0, at)}${source.slice(at + "export ".length, tail)}\nreturn instantiate;`;
}
