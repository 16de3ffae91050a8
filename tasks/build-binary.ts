// Builds the single binary: the command line, the programs of its child processes, the transpiler, and the shipped
// extensions already prepared. Needs what the set-up leaves: packages, built extensions, bundled programs.
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Carried } from "../cli/embedded.ts";
import { createPreparer } from "../runtime/extension/prepare/prepare.ts";
import { parseManifest } from "../runtime/extension/manifest/manifest.ts";
import { createFileStorage, createSystemPlatform } from "../runtime/platform/system.ts";
import { buildExtension } from "./build-extension.ts";
import { extensionFolders, shimWithoutWorker } from "./setup.ts";

const root = join(import.meta.dirname, "..");

/** Writes the binary to `outfile`, which appears whole or not at all. */
export async function buildBinary(outfile: string): Promise<void> {
  mkdirSync(join(root, ".build"), { recursive: true });
  mkdirSync(dirname(outfile), { recursive: true });
  // folders of its own, so that two builds don't collide; the binary is named already as it will be, for it holds its name
  const work = mkdtempSync(join(root, ".build/binary-"));
  const beside = mkdtempSync(join(dirname(outfile), ".unfinished-"));
  const unfinished = join(beside, basename(outfile));
  try {
    const module = join(work, "embedded.ts");
    writeFileSync(module, spellModule(await prepareShipped(join(work, "cache"))));
    const { success, logs } = await Bun.build({
      entrypoints: [join(root, "symphony.ts")],
      target: "bun",
      format: "esm",
      minify: { whitespace: true, syntax: true },
      // what a start doesn't use stays unread, and what it uses is compiled already: 3 ms to `--version` instead of 32
      splitting: true,
      bytecode: true,
      // a binary takes no orders from files that happen to lie where it is started
      compile: { outfile: unfinished, autoloadBunfig: false, autoloadDotenv: false, autoloadPackageJson: false, autoloadTsconfig: false },
      plugins: [embedding(module), transpilerFiles, shimWithoutWorker],
      throw: false,
    });
    if (!success) throw new AggregateError(logs, "cannot compile the binary");
    renameSync(unfinished, outfile);
  } finally {
    rmSync(beside, { recursive: true, force: true });
    rmSync(work, { recursive: true, force: true });
  }
}

/** Every shipped extension with its cache entry, made anew by the preparer that runs everywhere else. */
async function prepareShipped(cache: string): Promise<Carried[]> {
  const platform = createSystemPlatform({ isolate: join(root, ".build/isolate/isolate.mjs"), prepare: join(root, ".build/prepare/prepare.mjs"), compiled: false });
  const preparer = createPreparer({ platform, cache: createFileStorage(cache) });
  const carried: Carried[] = [];
  for (const folder of extensionFolders("extensions")) {
    await buildExtension(folder);
    const place = join(folder, "manifest.toml");
    const text = readFileSync(place, "utf8");
    const manifest = parseManifest(text, place);
    const component = join(folder, manifest.component);
    const { key } = await preparer.prepare(readFileSync(component), { memoryMiB: manifest.limits.memoryMiB });
    const name = `${key.slice(0, 2)}/${key}`;
    carried.push({ manifest: text, component, name, entry: join(cache, name) });
  }
  return carried;
}

/** The module that takes the place of cli/embedded.ts; the bundler turns its imports into paths inside the binary. */
function spellModule(carried: readonly Carried[]): string {
  const quote = (text: string): string => JSON.stringify(text);
  const file = (name: string, path: string): string => `import ${name} from ${quote(path)} with { type: "file" };`;
  return [
    `import { unpack } from ${quote(join(root, "cli/embedded.ts"))};`,
    ...carried.flatMap(({ component, entry }, at) => [file(`component${at}`, component), file(`entry${at}`, entry)]),
    "export const embedded = unpack([",
    ...carried.map(({ manifest, name }, at) => `  { manifest: ${quote(manifest)}, component: component${at}, name: ${quote(name)}, entry: entry${at} },`),
    "]);",
    "",
  ].join("\n");
}

/** Gives `module` to whoever imports cli/embedded.ts; the module itself takes the real one by its full path. */
function embedding(module: string): Bun.BunPlugin {
  return { name: "embedding", setup: (build) => void build.onResolve({ filter: /^\.\/embedded\.ts$/ }, () => ({ path: module })) };
}

/** The transpiler looks for its wasm files beside itself by URL; in the binary they are embedded files. */
const transpilerFiles: Bun.BunPlugin = {
  name: "transpiler-files",
  setup: (build) =>
    void build.onLoad({ filter: /js-component-bindgen-component\.js$/ }, ({ path }) => {
      const imports: string[] = [];
      const source = readFileSync(path, "utf8").replace(/new URL\('(\.\/[\w.-]+\.wasm)', import\.meta\.url\)/g, (_, file: string) => {
        imports.push(`import wasmFile${imports.length} from "${file}" with { type: "file" };`);
        return `wasmFile${imports.length - 1}`;
      });
      if (imports.length === 0) throw new Error(`${path}: it no longer names its wasm files as this build expects`);
      return { contents: `${imports.join("\n")}\n${source}`, loader: "js" };
    }),
};

if (import.meta.main) {
  const begun = performance.now();
  const outfile = resolve(process.argv[2] ?? join(root, "dist/symphony"));
  await buildBinary(outfile);
  console.log(`built ${outfile}, ${Math.round(statSync(outfile).size / 1e6)} MB, in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
}
