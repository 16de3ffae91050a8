// The second half of the set-up, which runs on Bun: bundles the programs of child processes, builds the extensions.
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isCurrent } from "./build-extension.ts";

const root = join(import.meta.dirname, "..");

/** The transpiler is a component too; the shim of WASI for Node starts a worker for it that it doesn't need. */
export const shimWithoutWorker: Bun.BunPlugin = {
  name: "preview2-shim without its worker",
  setup(build) {
    build.onResolve({ filter: /^@bytecodealliance\/preview2-shim\/\w+$/ }, ({ path }) => ({
      path: join(root, `node_modules/@bytecodealliance/preview2-shim/dist/browser/${path.slice(path.lastIndexOf("/") + 1)}.js`),
    }));
  },
};

/** Bundles the isolate's and the preparer's programs, so that a sandbox needs to see one folder and nothing else. */
export async function bundlePrograms(): Promise<void> {
  for (const name of ["isolate", "prepare"]) {
    const { success, logs } = await Bun.build({
      entrypoints: [join(root, `runtime/extension/${name}/program.ts`)],
      outdir: join(root, ".build", name),
      naming: `${name}.mjs`,
      target: "node",
      minify: { whitespace: true, syntax: true },
      plugins: [shimWithoutWorker],
    });
    if (!success) throw new AggregateError(logs, `cannot bundle ${name}`);
  }
  const vendor = join(root, "node_modules/@bytecodealliance/jco-transpile/vendor");
  for (const file of readdirSync(vendor)) if (/^js-component-bindgen-component\.core\d*\.wasm$/.test(file)) copyFileSync(join(vendor, file), join(root, ".build/prepare", file));
}

/** Folders of extensions below `parent`. */
export function extensionFolders(parent: string): string[] {
  return readdirSync(join(root, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(root, parent, entry.name, "manifest.toml")))
    .map(({ name }) => join(root, parent, name))
    .sort();
}

/** Builds all extensions below a folder, some at once, each in a process of its own. The messages of those that failed. */
export async function buildExtensions(parent: string, tell: (line: string) => void): Promise<string[]> {
  const folders = extensionFolders(parent);
  const failed: string[] = [];
  let next = 0;
  let ended = 0;
  const buildNext = async (): Promise<void> => {
    for (let folder = folders[next++]; folder !== undefined; folder = folders[next++]) {
      const name = folder.slice(root.length + 1);
      const begun = performance.now();
      if (!isCurrent(folder)) {
        const child = Bun.spawn([process.execPath, join(root, "tasks/build-extension.ts"), "--quiet", folder], { stdout: "ignore", stderr: "pipe" });
        const message = (await new Response(child.stderr).text()).trim();
        if ((await child.exited) !== 0) failed.push(message || `${name}: the build ended with code ${child.exitCode}`);
        else tell(`built ${name} (${ended + 1} of ${folders.length}) in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
      }
      ended++;
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, availableParallelism()) }, buildNext));
  return failed;
}

if (import.meta.main) {
  mkdirSync(join(root, ".build"), { recursive: true });
  await bundlePrograms();
  const failed = await buildExtensions("extensions", (line) => console.error(`symphony: ${line}`));
  // one that can't be built hinders nobody: `symphony ext list` and a run that needs it tell the same
  for (const message of failed) console.error(`symphony: an extension was not built: ${message}`);
}
