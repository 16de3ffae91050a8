// The inputs of a run, from the command line and the melody's defaults, and the folders that they grant.
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import type { ArtifactStore } from "../pit/mod.ts";
import {
  type Fault,
  type Grants,
  JSON_DEPTH_MAX,
  type MelodyPort,
  type Plan,
  type PortType,
  type ProcessPlatform,
  spellJsonForm,
  spellPortType,
  SymphonyError,
  tooDeepAt,
  type Value,
  valueFromJson,
} from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";

export interface RunInputs {
  values: Map<string, Value>;
  grants: Grants & { project: string };
}

/** `given` are NAME=VALUE. All faults are told together. */
export async function readInputs(
  plan: Plan,
  given: readonly string[],
  melodyFile: string,
  { platform, artifacts, home }: { platform: ProcessPlatform; artifacts: ArtifactStore; home: string },
): Promise<RunInputs> {
  const faults: Fault[] = [];
  const byName = new Map<string, string>();
  for (const one of given) {
    const equals = one.indexOf("=");
    const name = equals < 0 ? one : one.slice(0, equals);
    if (equals < 0) faults.push({ path: "", message: `--input ${JSON.stringify(one)}: expected NAME=VALUE` });
    else if (!plan.inputs.some((port) => port.name === name))
      faults.push({
        path: name,
        message: `the melody has no input ${JSON.stringify(name)}${
          near(
            name,
            plan.inputs.map((port) => port.name),
          ) || `; it has ${plan.inputs.map((port) => port.name).join(", ") || "none"}`
        }`,
      });
    else if (byName.has(name)) faults.push({ path: name, message: "it is given twice" });
    else byName.set(name, one.slice(equals + 1));
  }
  const values = new Map<string, Value>();
  const folders = new Map<string, { path: string; folder: ReturnType<ProcessPlatform["folder"]> }>();
  for (const port of plan.inputs) {
    const text = byName.get(port.name);
    try {
      if (port.type.item === "folder") {
        const path = text !== undefined ? givenFolder(text) : port.default === undefined ? undefined : defaultFolder(String(port.default), melodyFile);
        if (path !== undefined) {
          if (`${path}/`.startsWith(`${realpathSync(home)}/`)) throw new Error(`${JSON.stringify(path)} is inside of Symphony's own home, which no step may read`);
          folders.set(port.name, { path, folder: platform.folder(path, home) });
          // steps know the folder by the input's name, never by its path
          values.set(port.name, { tag: "text", val: port.name });
        } else if (port.required) faults.push(missing(port));
        continue;
      }
      const value = text !== undefined ? valueFromText(text, port.type) : port.default === undefined ? undefined : valueFromJson(port.default, port.type);
      if (value) values.set(port.name, await withStored(value, artifacts));
      else if (port.required) faults.push(missing(port));
    } catch (cause) {
      faults.push({ path: port.name, message: (cause as Error).message });
    }
  }
  if (faults.length > 0)
    throw new SymphonyError("melody/input", `Cannot run ${plan.id}:\n${faults.map(({ path, message }) => `  ${path ? `input ${path}: ` : ""}${message}`).join("\n")}`, { faults });
  return { values, grants: { folders, project: projectOf(realpathSync(dirname(resolve(melodyFile)))) } };
}

/** An artifact that a person names is granted, as the store knows it. */
export async function withStored(value: Value, artifacts: ArtifactStore): Promise<Value> {
  if (value.tag === "artifact") return { tag: "artifact", val: await artifacts.find(value.val.id) };
  if (value.tag !== "items") return value;
  return { tag: "items", val: await Promise.all(value.val.map(async (item) => (await withStored(item, artifacts)) as typeof item)) };
}

function missing(port: MelodyPort): Fault {
  return { path: port.name, message: `it is missing; give it with --input ${port.name}=... (${spellPortType(port.type)}${port.description ? `: ${port.description}` : ""})` };
}

/** A value as the command line gives it: text, JSON, or `@` and the path of a file that holds one of them. Throws what is wrong. */
export function valueFromText(text: string, type: PortType): Value {
  const { item, list } = type;
  const source = text.startsWith("@@") ? text.slice(1) : text.startsWith("@") ? fileText(text.slice(1)) : text;
  let json: unknown = source;
  if (list || (item !== "text" && item !== "any")) {
    if (tooDeepAt(source, JSON_DEPTH_MAX) >= 0) throw new Error(`its JSON nests deeper than ${JSON_DEPTH_MAX}`);
    try {
      json = JSON.parse(source);
    } catch {
      throw new Error(`${JSON.stringify(text.slice(0, 60))} is not of type ${spellPortType(type)}; expected ${spellJsonForm(type)}`);
    }
  }
  const value = valueFromJson(json, type);
  if (!value) throw new Error(`${JSON.stringify(text.slice(0, 60))} is not of type ${spellPortType(type)}; expected ${spellJsonForm(type)}`);
  return value;
}

function fileText(path: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(expand(path)));
  } catch (cause) {
    throw new Error(
      `the file ${JSON.stringify(path)} can't be read (${(cause instanceof TypeError ? "it is not UTF-8" : (cause as { code?: string }).code) ?? (cause as Error).message}); a value that begins with @ is written with @@`,
    );
  }
}

function expand(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}

function folderAt(path: string): string {
  if (!existsSync(path)) throw new Error(`${JSON.stringify(path)} isn't there; expected a folder`);
  if (!statSync(path).isDirectory()) throw new Error(`${JSON.stringify(path)} is no folder`);
  return realpathSync(path);
}

/** Giving a path on the command line grants it. */
function givenFolder(text: string): string {
  return folderAt(resolve(expand(text)));
}

/** A melody's own default reaches only inside its project. */
function defaultFolder(path: string, melodyFile: string): string {
  const base = realpathSync(dirname(resolve(melodyFile)));
  const found = folderAt(resolve(base, path));
  const project = projectOf(base);
  const away = relative(project, found);
  if (away === ".." || away.startsWith("../") || resolve(found) !== resolve(project, away))
    throw new Error(`its default ${JSON.stringify(path)} leads out of the melody's project ${project}; give the folder on the command line if you mean it`);
  return found;
}

/** The nearest folder upwards that holds symphony.toml, else the melody's own. */
function projectOf(base: string): string {
  for (let at = base; ; at = dirname(at)) {
    if (existsSync(join(at, "symphony.toml"))) return at;
    if (at === dirname(at)) return base;
  }
}
