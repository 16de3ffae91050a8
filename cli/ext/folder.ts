// One extension in its folder: its manifest, with its families read from the folders beside it.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Manifest, parseManifest, SymphonyError } from "../../runtime/mod.ts";

export interface ReadFolder {
  manifest: Manifest;
  file: string;
  text: string;
  isJson: boolean;
}

const FAMILY_DEPTH_MAX = 8;

/** Throws `cli/io` where no manifest stands there, `manifest/invalid` with all its faults. */
export async function readFolder(folder: string, depth = 0): Promise<ReadFolder> {
  const files = ["manifest.toml", "manifest.json"].map((name) => join(folder, name)).filter((file) => existsSync(file));
  const [file] = files;
  if (!file) {
    const near = existsSync(folder) && statSync(folder).isDirectory() ? readdirSync(folder).filter((name) => existsSync(join(folder, name, "manifest.toml"))) : [];
    throw new SymphonyError(
      "cli/io",
      `Cannot read ${JSON.stringify(folder)}: there is no manifest.toml or manifest.json in it${near.length ? `; there is one in ${near.slice(0, 5).join(", ")}` : "; `symphony ext new NAME` begins an extension"}`,
    );
  }
  if (files.length > 1) throw new SymphonyError("manifest/invalid", `Cannot use ${JSON.stringify(folder)}: it has a manifest.toml and a manifest.json; keep one`);
  const text = readFileSync(file, "utf8");
  const families = new Map<string, Manifest>();
  // families stand in folders of their names, beside this one
  const wanted = /^\s*"?extends"?\s*[=:]\s*["']([A-Za-z0-9_-]{1,128})["']/m.exec(text)?.[1];
  if (wanted !== undefined && depth < FAMILY_DEPTH_MAX && wanted !== basename(folder)) {
    const beside = join(dirname(folder), wanted);
    if (existsSync(join(beside, "manifest.toml")) || existsSync(join(beside, "manifest.json"))) families.set(wanted, (await readFolder(beside, depth + 1)).manifest);
  }
  const manifest = parseManifest(text, file, { family: (id) => families.get(id) });
  return { manifest, file, text, isJson: file.endsWith(".json") };
}
