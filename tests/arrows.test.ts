// Holds the arrows of ARCHITECTURE.md: who may import whom, where `node:` may stand, and that there are no cycles.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "bun:test";
import { root } from "./platform.ts";

const FOLDERS = ["cli", "runtime", "pit"];

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts") ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), "utf8").replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  const found = [...text.matchAll(/(?:^|[\s;}])(?:import|export)\s[^"';]*?from\s*"([^"]+)"|import\("([^"]+)"\)|^import\s*"([^"]+)"/gm)];
  return found.map((match) => (match[1] ?? match[2] ?? match[3]) as string).map((name) => (name.startsWith(".") ? relative(root, resolve(root, dirname(file), name)) : name));
}

const files = ["symphony.ts", ...FOLDERS.flatMap(sources)];
const graph = new Map(files.map((file) => [file, importsOf(file)]));

/** Each rule: which files, and why this import is not theirs. */
const RULES: { who: RegExp; never: RegExp; but?: RegExp; why: string }[] = [
  { who: /^runtime\//, never: /^(cli|pit|web|symphony\.ts)/, why: "the runtime knows nothing of what stands on it" },
  { who: /^pit\//, never: /^(cli|web|symphony\.ts)/, why: "the Pit knows nothing of the command line and the web" },
  { who: /^pit\//, never: /^runtime\//, but: /^runtime\/mod\.ts$/, why: "the Pit takes the runtime by its door" },
  {
    who: /^cli\//,
    never: /^runtime\//,
    but: /^runtime\/(mod|near|platform\/system|transport\/[a-z-]+)\.ts$/,
    why: "commands take the runtime by its door, and wire the platform and transports",
  },
  { who: /^cli\//, never: /^pit\//, but: /^pit\/mod\.ts$/, why: "commands take the Pit by its door" },
  { who: /./, never: /^symphony\.ts$/, why: "nobody imports the command line" },
  { who: /^pit\//, never: /^node:/, why: "the Pit runs in a tab too" },
  {
    who: /^runtime\/(?!platform\/|transport\/|extension\/(isolate|prepare)\/(main|program)\.ts)/,
    never: /^node:/,
    why: "node: stands in platform/, transport/ and the entries of child processes",
  },
  { who: /^runtime\/platform\/browser\.ts/, never: /^node:/, why: "a tab has no node:" },
  { who: /^runtime\/(workflow|value|near|schema|order|error)/, never: /^runtime\/(platform|transport)\//, why: "pure" },
];

for (const { who, never, but, why } of RULES)
  test(`${who.source} doesn't import ${never.source}: ${why}`, () => {
    const wrong = files
      .filter((file) => who.test(file))
      .flatMap((file) => (graph.get(file) ?? []).filter((name) => never.test(name) && !but?.test(name)).map((name) => `${file} -> ${name}`));
    expect(wrong).toEqual([]);
  });

test("there are no cycles of imports", () => {
  const state = new Map<string, "open" | "done">();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (state.get(file) === "open") cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (state.has(file)) return;
    state.set(file, "open");
    for (const next of graph.get(file) ?? []) if (graph.has(next) && !typeOnly(file, next)) visit(next, [...path, file]);
    state.set(file, "done");
  };
  for (const file of files) visit(file, []);
  expect(cycles).toEqual([]);
});

/** An import of types alone is gone when the code runs. */
function typeOnly(file: string, target: string): boolean {
  const name = target.split("/").pop() as string;
  const lines = readFileSync(join(root, file), "utf8").match(new RegExp(`(import|export)\\s[^;]*?from\\s*"[^"]*${name.replace(".", "\\.")}"`, "g")) ?? [];
  return lines.length > 0 && lines.every((line) => /^(import|export) type /.test(line));
}

test("every source file begins by saying what it is", () => {
  expect(files.filter((file) => !readFileSync(join(root, file), "utf8").startsWith("// "))).toEqual([]);
});
