// `symphony ext build`: an extension's component from its source. The compilers stand in a checkout of Symphony, not in the binary.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SymphonyError } from "../../runtime/mod.ts";
import { write } from "../print.ts";

type Builder = typeof import("../../tasks/build-extension.ts");

export async function build(folder: string): Promise<number> {
  const file = join(import.meta.dirname, "../../tasks/build-extension.ts");
  if (!("Bun" in globalThis) || !existsSync(file))
    throw new SymphonyError(
      "extension/unbuilt",
      "Cannot build here: the compilers come with a checkout of Symphony and run on Bun; use its `./symphony ext build`, or build the component with tools of your own (docs/extensions.md)",
    );
  // by its path, so that the binary doesn't carry the compilers
  const { buildExtension } = (await import(file)) as Builder;
  const begun = performance.now();
  const did = await buildExtension(folder);
  write(1, did === "built" ? `built ${folder} in ${((performance.now() - begun) / 1000).toFixed(1)} s\n` : `${folder} is current\n`);
  return 0;
}
