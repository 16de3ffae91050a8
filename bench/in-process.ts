// Components in this very process, as jco's glue runs them: plain, or gated and metered. Symphony itself never runs one
// so; it is what an isolate's cost is compared with.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gate } from "../runtime/extension/gate/gate.ts";
import { FUEL_EXPORT } from "../runtime/extension/gate/module.ts";
import { ENTRY } from "../runtime/extension/prepare/prepare.ts";
import type { Entry } from "../runtime/value.ts";

/** A component as a function. Each call of a metered one gets its fuel anew, as in an isolate. */
export type Process = (inputs: Entry[], settings: Entry[]) => Entry[];

/** A transpiled component: compiles its modules and makes an instance. */
export type Instantiate = () => Process;

type Glue = (
  getCoreModule: (name: string) => WebAssembly.Module,
  imports: Record<string, unknown>,
  instantiateCore: (module: WebAssembly.Module, imports: WebAssembly.Imports) => WebAssembly.Instance,
) => Record<string, Record<string, Process>>;

const FUEL = 20_000_000_000n;
const MEMORY_MIB = 128;

/** Nothing that is benched calls the host. */
const nothing = new Proxy({}, { get: () => () => undefined });
const IMPORTS = Object.fromEntries(["call", "log", "progress", "files", "artifacts"].map((name) => [`symphony:host/${name}`, nothing]));

export async function transpiled(component: Uint8Array, { metered }: { metered: boolean }): Promise<Instantiate> {
  const { $init, generate } = await import("@bytecodealliance/jco-transpile/component");
  await $init;
  const bytes = metered ? gate(component, { memoryMiB: MEMORY_MIB }).bytes : component;
  const { files } = generate(bytes, { name: "component", noTypescript: true, noNodejsCompat: true, instantiation: { tag: "sync" }, base64Cutoff: 0 });
  const cores = new Map<string, Uint8Array<ArrayBuffer>>();
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  try {
    for (const [name, content] of files)
      if (name.endsWith(".wasm")) cores.set(name, new Uint8Array(content));
      else if (name === "component.js") writeFileSync(join(folder, name), content);
    const { instantiate } = (await import(pathToFileURL(join(folder, "component.js")).href)) as { instantiate: Glue };
    return () => {
      const fuels: WebAssembly.Global[] = [];
      const root = instantiate(
        (name) => new WebAssembly.Module(cores.get(name) as Uint8Array<ArrayBuffer>),
        IMPORTS,
        (module, imports) => {
          const instance = new WebAssembly.Instance(module, imports);
          const fuel = instance.exports[FUEL_EXPORT];
          if (fuel) fuels.push(fuel as WebAssembly.Global);
          return instance;
        },
      );
      const call = Object.values(ENTRY).flatMap(({ interfaceName, functionName }) => root[interfaceName]?.[functionName] ?? [])[0];
      if (!call) throw new TypeError("the component has nothing that a melody calls");
      if (!metered) return call;
      return (inputs, settings) => {
        for (const fuel of fuels) fuel.value = FUEL;
        return call(inputs, settings);
      };
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
