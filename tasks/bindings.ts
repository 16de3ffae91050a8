// Makes what is generated and committed: out of wit/ the TypeScript types and the table of interfaces that the gate compares
// components with; out of the melody's schema the JSON Schema for editors; out of the manifests that ship their shapes for the builder. `--check` only says whether what is committed is current.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { $init as initBindgen, generateTypes } from "@bytecodealliance/jco-transpile/component";
import { walkComponent } from "../runtime/extension/gate/component.ts";
import { parseManifest } from "../runtime/extension/manifest/manifest.ts";
import { manifestJsonSchema } from "../runtime/extension/manifest/schema.ts";
import { spellShapes } from "../runtime/workflow/shapes.ts";
import { melodyJsonSchema } from "../runtime/workflow/melody.ts";
import { wasmTools } from "./wasm-tools.ts";
import { HOST_INTERFACES, wasiInterfaces, wasiSource, witSource, worldOf } from "./wit.ts";

const root = join(import.meta.dirname, "..");

/** Every generated file with its text. */
export async function generateBindings(): Promise<Map<string, string>> {
  const tools = await wasmTools();
  await initBindgen;
  const files = new Map<string, string>();
  const imports: Record<string, Record<string, string>> = {};
  const exports: Record<string, { kind: string; functions: Record<string, string> }> = {};
  for (const kind of ["operator", "instrument"] as const) {
    const source = witSource(root, worldOf("all", kind, HOST_INTERFACES));
    const component = tools.componentNew(tools.componentEmbed({ witSource: source, world: "all", dummy: true }), []);
    const walked = walkComponent(component, { memoryPages: 1024, tableElements: 1024, startFuel: 0n });
    for (const { name, functions } of walked.imports) imports[name] = Object.fromEntries([...functions].sort());
    for (const { name, functions } of walked.exports) exports[name] = { kind, functions: Object.fromEntries(functions) };
    for (const [file, bytes] of generateTypes(kind, { wit: { tag: "source", val: source }, world: "all" })) {
      const place = `wit/bindings/typescript/${file}`;
      files.set(place, `// Generated from wit/ by \`npm run bindings\`; never edited.\n${new TextDecoder().decode(bytes)}`);
    }
  }
  const wasi: Record<string, Record<string, string>> = {};
  const names = wasiInterfaces(root);
  for (const entry of ["wasi:cli/run", "wasi:http/incoming-handler"]) {
    const full = names.find((name) => name.startsWith(`${entry}@`));
    const offered = names.filter((name) => !/:cli\/run@|incoming-handler@/.test(name));
    const source = wasiSource(root, `world all {\n${offered.map((name) => `  import ${name};`).join("\n")}\n  export ${full};\n}\n`);
    const component = tools.componentNew(tools.componentEmbed({ witSource: source, world: "all", dummy: true }), []);
    const walked = walkComponent(component, { memoryPages: 1024, tableElements: 1024, startFuel: 0n });
    const base = (name: string): string => name.replace(/@0\.2\.\d+$/, "");
    for (const { name, functions } of walked.imports) wasi[base(name)] = Object.fromEntries([...functions].sort());
    for (const { name, functions } of walked.exports) exports[base(name)] = { kind: entry === "wasi:cli/run" ? "command" : "handler", functions: Object.fromEntries(functions) };
  }
  const table = JSON.stringify({ imports, wasi, exports }, null, 2);
  files.set(
    "wit/bindings/contracts.ts",
    `// Generated from wit/ by \`npm run bindings\`; never edited. Every interface that a component may import or export, with\n// the types of its functions as the gate spells them.\nimport type { Contracts } from "../../runtime/extension/gate/types.ts";\n\nexport const CONTRACTS: Contracts = ${table};\n`,
  );
  const manifests = readdirSync(join(root, "extensions"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => parseManifest(readFileSync(join(root, "extensions", name, "manifest.toml"), "utf8"), name));
  files.set(
    "extensions/shapes.ts",
    `// Generated from the manifests by \`npm run bindings\`; never edited. The extensions that ship, for melodies that are built in code.\n\n${spellShapes(manifests, "SHIPPED")}`,
  );
  files.set("docs/manifest-1.schema.json", `${JSON.stringify(manifestJsonSchema(), null, 2)}\n`);
  files.set("docs/melody-1.schema.json", `${JSON.stringify(melodyJsonSchema(), null, 2)}\n`);
  return files;
}

if (import.meta.main) {
  const check = process.argv.includes("--check");
  const stale: string[] = [];
  for (const [file, text] of await generateBindings()) {
    const place = join(root, file);
    let current = "";
    try {
      current = readFileSync(place, "utf8");
    } catch {
      current = "";
    }
    if (current === text) continue;
    stale.push(file);
    if (check) continue;
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text);
  }
  if (check && stale.length) {
    console.error(`Not current: ${stale.join(", ")}; run \`npm run bindings\``);
    process.exit(1);
  }
  console.log(stale.length ? `Written: ${stale.join(", ")}` : "Bindings are current.");
}
