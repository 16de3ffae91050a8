// A manifest as text: TOML with its parts in one order, or JSON. Comments of a file aren't known here. Pure.
import { stringify, TomlDate } from "smol-toml";
import type { Manifest } from "./manifest.ts";
import type { ManifestFile } from "./schema.ts";

type Table = Record<string, unknown>;

/** What stands in the file when everything that is left out stands for itself is left out; parsing it gives an equal manifest. */
export function manifestToFile({ file, family, own }: Pick<Manifest, "file" | "family" | "own">): Table {
  // what a child leaves out is its family's; what it says, and be it nothing, is its own
  if (family !== undefined) return structuredClone(own);
  const out = tidy(file) as Table;
  for (const section of ["inputs", "settings"] as const) {
    const table = out[section] as Record<string, Table> | undefined;
    for (const [name, one] of Object.entries(table ?? {})) {
      const isRequired = file[section][name]?.required;
      if (isRequired === (section === "inputs")) delete one["required"];
    }
  }
  return out;
}

/** Values that a person wrote, which are theirs whatever they say. */
const AS_WRITTEN = new Set(["default", "options", "required", "dependencies"]);

/** What these are when nothing is said; saying it is saying nothing. */
const UNSAID: Readonly<Record<string, unknown>> = { description: "", caption: "", optional: false, abstract: false, secret: false, widens: false, sign: false };

/** Without what says nothing: undefined, what would be so anyhow, and lists and tables with nothing in them. */
function tidy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(tidy);
  const out: Table = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined || (Object.hasOwn(UNSAID, key) && inner === UNSAID[key])) continue;
    if (AS_WRITTEN.has(key)) {
      if (key !== "dependencies" || Object.keys(inner as object).length > 0) out[key] = structuredClone(inner);
      continue;
    }
    const said = tidy(inner);
    if (typeof said === "object" && said !== null && Object.keys(said).length === 0) continue;
    out[key] = said;
  }
  return out;
}

/** As TOML: first who it is, then what it may, then its ports and settings. */
export function spellManifest(manifest: Pick<Manifest, "file" | "family" | "own">): string {
  const file = manifestToFile(manifest);
  const ordered: Table = {};
  for (const key of ORDER) if (file[key] !== undefined) ordered[key] = file[key];
  if (typeof ordered["released"] === "string") ordered["released"] = new TomlDate(ordered["released"]);
  return `${stringify(ordered).trim()}\n`;
}

/** As JSON, two spaces deep, in the same order. */
export function spellManifestJson(manifest: Pick<Manifest, "file" | "family" | "own">): string {
  const file = manifestToFile(manifest);
  return `${JSON.stringify(Object.fromEntries(ORDER.filter((key) => file[key] !== undefined).map((key) => [key, file[key]])), null, 2)}\n`;
}

const ORDER: readonly (keyof ManifestFile)[] = [
  "id",
  "version",
  "kind",
  "title",
  "description",
  "publisher",
  "authors",
  "license",
  "homepage",
  "repository",
  "keywords",
  "released",
  "extends",
  "abstract",
  "component",
  "pure",
  "capabilities",
  "limits",
  "resources",
  "dependencies",
  "inputs",
  "outputs",
  "settings",
  "marketplace",
];
