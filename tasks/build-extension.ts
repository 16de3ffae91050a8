// Builds one extension's component from its source: index.ts in AssemblyScript, index.js in JavaScript or index.mts in TypeScript (both
// QuickJS), index.c in C, or index.rs in Rust. The result stands in its build/ folder beside the hash of what it was made from.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { SymphonyError } from "../runtime/error.ts";
import { Cursor, Sink } from "../runtime/extension/gate/cursor.ts";
import { type Manifest, parseManifest } from "../runtime/extension/manifest/manifest.ts";
import { ENTRY } from "../runtime/extension/prepare/prepare.ts";
import { wasmTools } from "./wasm-tools.ts";
import { ASKED_BY, HOST_INTERFACES, type HostInterface, interfacesOf, witSource, worldOf } from "./wit.ts";

const root = join(import.meta.dirname, "..");
/** Changes when this file makes something else out of the same source. */
const BUILDER = "4";

/** Whether the component in `folder` is made from the sources that stand there now. False where it can't be told. */
export function isCurrent(folder: string): boolean {
  try {
    const { target, stamp } = readSource(folder);
    return existsSync(target) && existsSync(stamp) && readFileSync(stamp, "utf8") === fingerprint(folder);
  } catch {
    return false;
  }
}

function readSource(folder: string) {
  const place = join(folder, "manifest.toml");
  if (!existsSync(place)) throw new SymphonyError("cli/io", `Cannot build ${folder}: there is no manifest.toml in it`);
  const manifest = parseManifest(readFileSync(place, "utf8"), place);
  const source = SOURCES.map((name) => join(folder, name)).find((file) => existsSync(file));
  if (!source) throw new SymphonyError("cli/io", `Cannot build ${folder}: there is no ${SOURCES.join(", ")} in it`);
  const target = join(folder, manifest.component);
  return { manifest, source, target, stamp: `${target}.from` };
}

const SOURCES = ["index.ts", "index.js", "index.mts", "index.c", "index.rs"];

/** Builds the extension in `folder` unless its component is current. Says which it was. */
export async function buildExtension(folder: string): Promise<"built" | "current"> {
  const { manifest, source, target, stamp } = readSource(folder);
  if (isCurrent(folder)) return "current";
  const from = fingerprint(folder);
  if (manifest.kind === "addon") throw new SymphonyError("extension/unbuilt", `Cannot build ${folder}: nothing runs addons yet`);
  const world = worldOf("mine", manifest.kind, interfacesOf(manifest));
  const wit = witSource(root, world);
  const component = /\.m?[jt]s$/.test(source) && !source.endsWith("index.ts") ? await fromJavaScript(source, manifest, wit) : await fromCore(source, manifest, wit);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(`${target}.new`, component);
  renameSync(`${target}.new`, target);
  writeFileSync(stamp, from);
  return "built";
}

/** Of the sources, the contracts, and the versions of the tools. */
function fingerprint(folder: string): string {
  const hash = createHash("sha256")
    .update(BUILDER)
    .update(readFileSync(join(root, "package.json")));
  const add = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = join(path, entry.name);
      if (entry.isDirectory() && entry.name !== "build" && entry.name !== "node_modules") add(inner);
      else if (/\.(ts|mts|js|c|h|rs|wit|toml)$/.test(entry.name)) hash.update(relative(root, inner)).update(readFileSync(inner));
    }
  };
  add(folder);
  add(join(root, "wit"));
  return hash.digest("hex");
}

async function fromCore(source: string, manifest: Manifest, wit: string): Promise<Uint8Array> {
  const core = source.endsWith(".ts") ? await compileAssemblyScript(source) : source.endsWith(".rs") ? compileRust(source) : compileC(source);
  const { interfaceName, functionName } = ENTRY[manifest.kind as keyof typeof ENTRY];
  const renamed = renameExports(
    core,
    new Map([
      ["symphony_call", `${interfaceName}#${functionName}`],
      ["symphony_post", `cabi_post_${interfaceName}#${functionName}`],
    ]),
  );
  const tools = await wasmTools();
  const stringEncoding = source.endsWith(".ts") ? "utf16" : "utf8";
  return tools.componentNew(tools.componentEmbed({ binary: renamed, witSource: wit, world: "mine", stringEncoding }), []);
}

const BINDINGS = join(root, "wit/bindings");
/** What AssemblyScript sources import by name. */
const LIBRARY: Readonly<Record<string, string>> = { "symphony.ts": join(BINDINGS, "assemblyscript/symphony.ts"), "symphony/json.ts": join(BINDINGS, "assemblyscript/json.ts") };

async function compileAssemblyScript(source: string): Promise<Uint8Array> {
  const { default: asc } = (await import("assemblyscript/asc")) as {
    default: { main: (args: string[], options: object) => Promise<{ error: Error | null; stderr: { toString(): string } }> };
  };
  const entry = `
    import { Call, lower, free } from "symphony";
    import { process } from "./index";
    export { realloc as cabi_realloc } from "symphony";
    export function symphony_call(inputs: usize, inputCount: i32, settings: usize, settingCount: i32): usize {
      const call = new Call(inputs, inputCount, settings, settingCount);
      process(call);
      return lower(call);
    }
    export function symphony_post(at: usize): void { free(at); }
  `;
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    ["symphony-entry.ts", "--baseDir", dirname(source), "--outFile", "out.wasm", "--runtime", "incremental", "-O3", "--lib", BINDINGS, "--use", "abort=~lib/symphony/abort"],
    {
      readFile: (name: string, base: string) => {
        if (name === "symphony-entry.ts") return entry;
        const file = base === BINDINGS ? LIBRARY[name] : join(dirname(source), name);
        return file !== undefined && existsSync(file) ? readFileSync(file, "utf8") : null;
      },
      writeFile: (name: string, contents: Uint8Array) => {
        if (name === "out.wasm") binary = contents;
      },
      listFiles: () => [],
    },
  );
  if (error || !binary) throw new SymphonyError("extension/unbuilt", `Cannot build ${source}: ${error?.message ?? "no output"}\n${stderr.toString()}`);
  return binary;
}

/** clang for wasm32 without a system, then wasm-ld by hand: clang's own driver would run whatever wasm-opt it finds. */
function compileC(source: string): Uint8Array {
  const work = mkdtempSync(join(tmpdir(), "symphony-c-"));
  try {
    const object = join(work, "index.o");
    const output = join(work, "index.wasm");
    run("clang", ["--target=wasm32-unknown-unknown", "-O2", "-nostdlib", "-ffreestanding", "-fno-builtin", `-I${join(root, "wit/bindings/c")}`, "-c", source, "-o", object]);
    const linker = spawnSync("wasm-ld", ["--version"]).status === 0 ? "wasm-ld" : "wasm-ld-14";
    run(linker, ["--no-entry", "--strip-all", "--export=symphony_call", "--export=symphony_post", "--export=cabi_realloc", object, "-o", output]);
    return readFileSync(output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const RUST_TARGET = "wasm32-unknown-unknown";

/** The compiler that has the library for WebAssembly: rustup's, or Debian's. */
function findRustc(): string {
  for (const program of ["rustc", "/usr/bin/rustc"]) {
    const { status, stdout } = spawnSync(program, ["--print", "target-libdir", "--target", RUST_TARGET], { encoding: "utf8" });
    if (status === 0 && existsSync(stdout.trim())) return program;
  }
  throw new SymphonyError(
    "extension/unbuilt",
    `Cannot build Rust here: there is no rustc with the target ${RUST_TARGET}; \`rustup target add ${RUST_TARGET}\`, or on Debian \`apt-get install rustc libstd-rust-dev-wasm32\``,
  );
}

/** One crate out of the author's file, our binding and an entry that names both. */
function compileRust(source: string): Uint8Array {
  const work = mkdtempSync(join(tmpdir(), "symphony-rust-"));
  try {
    const entry = join(work, "lib.rs");
    const output = join(work, "index.wasm");
    const path = (file: string): string => JSON.stringify(file);
    writeFileSync(entry, `#[path = ${path(join(BINDINGS, "rust/symphony.rs"))}]\npub mod symphony;\n#[path = ${path(source)}]\npub mod index;\n`);
    run(findRustc(), [
      "--edition",
      "2021",
      "--crate-type",
      "cdylib",
      "--target",
      RUST_TARGET,
      "-C",
      "opt-level=2",
      "-C",
      "panic=abort",
      "-C",
      "strip=symbols",
      "-A",
      "warnings",
      "-o",
      output,
      entry,
    ]);
    return readFileSync(output);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(program: string, args: string[]): void {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (error) throw new SymphonyError("extension/unbuilt", `Cannot build: ${program} can't be run: ${error.message}; on Debian: apt-get install clang lld`);
  if (status !== 0) throw new SymphonyError("extension/unbuilt", `Cannot build: ${program} says\n${stderr}`);
}

/** Bundled into one module first; what the host gives stays an import. */
async function fromJavaScript(source: string, manifest: Manifest, wit: string): Promise<Uint8Array> {
  const { componentize } = (await import("componentize-qjs")) as unknown as { componentize: (options: object) => Promise<{ component: Uint8Array }> };
  const bundle = await Bun.build({ entrypoints: [source], format: "esm", target: "browser", external: ["symphony:*"], plugins: [guestImports], throw: false });
  if (!bundle.success)
    throw new SymphonyError(
      "extension/unbuilt",
      `Cannot build ${source}:\n${bundle.logs.map(({ message, position }) => `  ${position ? `${position.file}:${position.line}: ` : ""}${message}`).join("\n")}`,
    );
  const jsSource = await (bundle.outputs[0] as Blob).text();
  checkImports(source, jsSource, manifest);
  const work = mkdtempSync(join(tmpdir(), "symphony-js-"));
  try {
    const file = join(work, "mine.wit");
    writeFileSync(file, wit);
    const { component } = await componentize({ witPath: file, jsSource, world: "mine", stubWasi: true, sync: true }).catch((cause: Error) => {
      throw new SymphonyError("extension/unbuilt", `Cannot build ${source}: ${cause.message.split("\n").slice(0, 5).join("\n  ")}`, { cause });
    });
    return component;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** `symphony` is our binding; what belongs to a platform is told where it is imported, for it would be empty when it runs. */
const guestImports: Bun.BunPlugin = {
  name: "guest-imports",
  setup(build) {
    build.onResolve({ filter: /^symphony$/ }, () => ({ path: join(BINDINGS, "javascript/symphony.js") }));
    build.onResolve({ filter: /^(node|bun):/ }, ({ path, importer }) => {
      throw new Error(`${importer} imports ${path}, which a step doesn't have; what it may use is symphony:host/... (docs/extensions.md)`);
    });
  },
};

/** What the tools would say only in their own terms, or when it runs. */
function checkImports(source: string, bundled: string, manifest: Manifest): void {
  const { exports, imports } = new Bun.Transpiler({ loader: "js" }).scan(bundled);
  const wanted = manifest.kind === "operator" ? "transform" : "inference";
  const faults: string[] = [];
  const granted = interfacesOf(manifest);
  if (!exports.includes(wanted)) faults.push(`it exports ${exports.join(", ") || "nothing"}; ${manifest.kind === "operator" ? "an operator" : "an instrument"} exports ${wanted}`);
  for (const { path } of imports) {
    const name = /^symphony:host\/([a-z-]+)@/.exec(path)?.[1] as HostInterface | undefined;
    if (name !== undefined && HOST_INTERFACES.includes(name) && !granted.includes(name))
      faults.push(
        `it imports ${path}; ${ASKED_BY[name] ? `the manifest must ask for it under [[capabilities.${ASKED_BY[name]}]]` : "a step that is pure can't have it; leave pure out of the manifest"}`,
      );
  }
  if (faults.length) throw new SymphonyError("extension/unbuilt", `Cannot build ${source}:\n${faults.map((fault) => `  ${fault}`).join("\n")}`);
}

/** A core module with other names for some exports; WIT's names can't be written in most languages. */
function renameExports(module: Uint8Array, names: ReadonlyMap<string, string>): Uint8Array {
  const cursor = new Cursor(module);
  const out = new Sink(module.length + 256);
  out.raw(cursor.take(8));
  while (!cursor.done) {
    const id = cursor.u8();
    const body = cursor.part(cursor.u32());
    if (id !== 7) {
      out.section(id, body.take(body.end - body.at));
      continue;
    }
    const section = new Sink();
    const count = body.u32();
    section.u32(count);
    for (let i = 0; i < count; i++) {
      const name = body.name();
      section.name(names.get(name) ?? name);
      section.u8(body.u8());
      section.u32(body.u32());
    }
    out.section(7, section);
  }
  return out.view();
}

if (import.meta.main) {
  const named = process.argv.slice(2).filter((arg) => arg !== "--quiet");
  const quiet = process.argv.includes("--quiet");
  if (named.length === 0) {
    console.error("usage: build-extension.ts FOLDER...");
    process.exit(2);
  }
  for (const folder of named) {
    const begun = performance.now();
    try {
      const how = await buildExtension(resolve(folder));
      if (!quiet) console.error(how === "built" ? `built ${folder} in ${((performance.now() - begun) / 1000).toFixed(1)} s` : `${folder} is current`);
    } catch (cause) {
      console.error((cause as Error).message);
      process.exitCode = 1;
    }
  }
}
