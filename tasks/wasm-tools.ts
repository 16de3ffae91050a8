// The component tools that come with the transpiler (embed a component type, make a component, read and print text).
// Its package exports only asynchronous wrappers that read WIT from disk, so its inner module is loaded by its file.
import { join } from "node:path";

interface WasmTools {
  componentEmbed(options: { witSource: string; world: string; binary?: Uint8Array; dummy?: boolean; stringEncoding?: "utf8" | "utf16" }): Uint8Array;
  componentNew(module: Uint8Array, adapters: [string, Uint8Array][]): Uint8Array;
  parse(wat: string): Uint8Array;
  print(bytes: Uint8Array): string;
}

/** Loads the tools; 0.1 s the first time. */
export async function wasmTools(): Promise<WasmTools> {
  const file = join(import.meta.dirname, "../node_modules/@bytecodealliance/jco-transpile/vendor/wasm-tools.js");
  const { $init, tools } = (await import(file)) as { $init: Promise<void>; tools: WasmTools };
  await $init;
  return tools;
}
