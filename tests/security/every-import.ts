// A guest that imports every interface, ours and WASI's, and calls the one function whose number it is given, with zeros for arguments;
// with -1 it does nothing, with -2 it traps.
import { wasmTools } from "../../tasks/wasm-tools.ts";
import { HOST_INTERFACES, wasiInterfaces, wasiSource, witSource, worldOf } from "../../tasks/wit.ts";
import { root } from "../platform.ts";

export interface EveryImport {
  component: Uint8Array;
  /** Names of the functions, by number. */
  functions: string[];
}

export async function everyImport(): Promise<EveryImport> {
  const tools = await wasmTools();
  const wasi = wasiInterfaces(root).filter((name) => !/:cli\/run@|incoming-handler@/.test(name));
  const world = worldOf("mine", "operator", HOST_INTERFACES).replace("{\n", `{\n${wasi.map((name) => `  import ${name};\n`).join("")}`);
  const packages = wasiSource(root, "").replace(/^package local:mine;\s*/, "");
  const wit = `${witSource(root, world)}\n${packages}`;
  // the names and types that the tools want, from a module of theirs that does nothing
  const dummy = tools.print(tools.componentEmbed({ witSource: wit, world: "mine", dummy: true }));
  const types = [...dummy.matchAll(/^ {2}\(type \(;(\d+);\) \(func(.*)\)\)$/gm)].map(([, , signature]) => signature ?? "");
  const imports = [...dummy.matchAll(/^ {2}\(import "([^"]+)" "([^"]+)" \(func \(;\d+;\) \(type (\d+)\)\)\)$/gm)];
  const entry = /\(export "(cm32p2\|symphony:operator[^"]*\|process)"/.exec(dummy)?.[1];
  const calls = imports.map(([, , , type], index) => {
    const signature = types[Number(type)] ?? "";
    const zeros = (/\(param ([^)]*)\)/.exec(signature)?.[1] ?? "")
      .split(" ")
      .filter(Boolean)
      .map((one) => `(${one}.const 0)`)
      .join(" ");
    const drops = signature.includes("(result") ? "drop" : "";
    return `(if (i32.eq (local.get $n) (i32.const ${index})) (then ${zeros} call ${index} ${drops}))`;
  });
  const core = `(module
${types.map((signature) => `  (type (func${signature}))`).join("\n")}
${imports.map(([line]) => line).join("\n")}
  (memory (export "cm32p2_memory") 4)
  (global $top (mut i32) (i32.const 131072))
  (func (export "cm32p2_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.get $top)
    (global.set $top (i32.add (global.get $top) (local.get 3))))
  (func (export "cm32p2_initialize"))
  (func $try (param $n i32)
    (if (i32.eq (local.get $n) (i32.const -2)) (then unreachable))
    ${calls.join("\n    ")})
  (func (export "${entry}") (param i32 i32 i32 i32) (result i32)
    (call $try (i32.trunc_f64_s (f64.load (i32.add (local.get 0) (i32.const 16)))))
    (i32.const 65536))
  (func (export "${entry}_post") (param i32)))`;
  const embedded = tools.componentEmbed({ binary: tools.parse(core), witSource: wit, world: "mine", stringEncoding: "utf8" });
  return { component: tools.componentNew(embedded, []), functions: imports.map(([, module, name]) => `${module?.replace(/^cm32p2\|/, "")} ${name}`) };
}
