// An extension's manifest: who it is, its ports, settings, capabilities and limits, read from TOML or JSON and checked as a whole. Pure;
// leaves out where manifests are found (loader.ts).
import { parse as parseToml, TomlDate, TomlError } from "smol-toml";
import validRange from "semver/ranges/valid.js";
import { parseTOML } from "toml-eslint-parser";
import { type Fault, SymphonyError } from "../../error.ts";
import { identifierFault } from "../../identifier.ts";
import { tooDeepAt } from "../../json-depth.ts";
import { near } from "../../near.ts";
import { faultsOf, spellValue } from "../../schema.ts";
import { type PortType, parsePortType, spellJsonForm, type Value, valueFromJson } from "../../value.ts";
import { type Capability, readCapabilities, wideningFaults } from "./capability.ts";
import { fitsPattern, patternFault } from "./pattern.ts";
import { createPlaces, pathParts } from "./places.ts";
import { type ManifestFile, manifestSchema } from "./schema.ts";

export { IDENTIFIER } from "../../identifier.ts";

/** A port of an extension. */
export interface PortSpec {
  name: string;
  type: PortType;
  /** An input that must be fed, a setting that must be set, an output that is always given. */
  required: boolean;
  default: Value | undefined;
  description: string;
}

/** A setting: what may stand in it, and how a form shows it. */
export interface SettingSpec extends PortSpec {
  title: string | undefined;
  group: string | undefined;
  /** It names a secret of the home. */
  secret: boolean;
  /** The only values allowed. */
  options: readonly (string | number)[] | undefined;
  min: number | undefined;
  max: number | undefined;
  minLength: number | undefined;
  maxLength: number | undefined;
  pattern: string | undefined;
  lines: number | undefined;
}

export interface Limits {
  /** Sum over all memories of an instance. */
  memoryMiB: number;
  /** One call, from the start of its execution. */
  timeMs: number;
  /** One call; about one unit an instruction. */
  fuel: number;
}

export interface Dependency {
  /** A range of semantic versions. */
  range: string;
  optional: boolean;
}

export interface Manifest {
  id: string;
  version: string;
  kind: "operator" | "instrument" | "addon";
  title: string;
  description: string;
  /** Who says to have made it; a claim as long as nobody signs. */
  publisher: string | undefined;
  /** The family that it inherits from. */
  family: string | undefined;
  /** A family only, and no extension itself. */
  abstract: boolean;
  /** The component's file, relative to the manifest. */
  component: string;
  capabilities: readonly Capability[];
  dependencies: ReadonlyMap<string, Dependency>;
  /** Equal settings and inputs always lead to equal outputs, and to nothing else: an answer that is kept may stand for a call. */
  pure: boolean;
  limits: Limits;
  inputs: ReadonlyMap<string, PortSpec>;
  outputs: ReadonlyMap<string, PortSpec>;
  settings: ReadonlyMap<string, SettingSpec>;
  /** All that stands in the file and, where it has one, in its family; dates as text. */
  file: ManifestFile;
  /** What stands in the file alone. */
  own: Readonly<Record<string, unknown>>;
}

/** The fuel ends a hang after about 40 s in compiled code and 10 s in an interpreter; the deadline is the other end. */
export const DEFAULT_LIMITS: Limits = { memoryMiB: 128, timeMs: 60_000, fuel: 200_000_000_000 };
export const MANIFEST_BYTES_MAX = 256 * 1024;
const DEPTH_MAX = 16;
const ENTRIES_MAX = 1000;
const FAULTS_SHOWN_MAX = 50;
const RIGHTS_MAX = 500;

export interface ManifestOptions {
  /** Gives the manifest of a family; without it a manifest that extends one is at fault. */
  family?: ((id: string) => Manifest | undefined) | undefined;
}

/**
 * Reads a manifest in TOML, or in JSON where its first character is `{`. `place` names the file in messages. Throws
 * `manifest/invalid` with all faults together, each with its line.
 */
export function parseManifest(text: string, place: string, { family }: ManifestOptions = {}): Manifest {
  const isJson = /^\ufeff?\s*\{/.test(text.slice(0, 1000));
  const fail = (faults: readonly Fault[], raw?: unknown): never => {
    const lineOf = raw === undefined ? undefined : createPlaces(text, isJson);
    const lines = faults.slice(0, FAULTS_SHOWN_MAX).map(({ path, message }) => {
      const line = path ? lineOf?.(pathParts(path)) : undefined;
      return `  ${line === undefined ? "" : `line ${line}, `}${path ? `${path}: ` : ""}${message}`;
    });
    if (faults.length > FAULTS_SHOWN_MAX) lines.push(`  and ${faults.length - FAULTS_SHOWN_MAX} more like these`);
    throw new SymphonyError("manifest/invalid", `Cannot use the manifest ${place}:\n${lines.join("\n")}`, { faults });
  };
  if (text.length > MANIFEST_BYTES_MAX) fail([{ path: "", message: `it is longer than ${MANIFEST_BYTES_MAX} characters` }]);
  const read = isJson ? readJson(text.replace(/^\ufeff/, "")) : readToml(text);
  if ("fault" in read) return fail([{ path: "", message: read.fault }]);
  const { raw } = read;
  const own = ownNames(raw);
  if (own) fail([{ path: own, message: '"__proto__" can\'t be a key; choose another' }], raw);
  const inherited = typeof (raw as Raw)["extends"] === "string" ? String((raw as Raw)["extends"]) : undefined;
  let parent: Manifest | undefined;
  const early: Fault[] = [];
  if (inherited !== undefined && identifierFault(inherited) === undefined) {
    parent = family?.(inherited);
    if (!parent)
      early.push({ path: "extends", message: `there is no family ${JSON.stringify(inherited)} that can be read; put its manifest beside this one, in a folder of that name` });
  }
  const merged = parent ? inherit(raw as Raw, parent.file) : raw;
  const parsed = manifestSchema.safeParse(merged);
  if (!parsed.success) {
    const first = faultsOf(parsed.error, merged, manifestSchema);
    const rest = salvage(merged, parsed.error.issues);
    // what a part that was left out led to is no fault of its own
    const isNew = ({ path }: Fault): boolean => !first.some((one) => one.path.split(/[.[]/)[0] === path.split(/[.[]/)[0]) || /\[\d+\]|\..*\./.test(path);
    return fail([...early, ...first, ...(rest ? checkManifest(rest, {}).faults.filter(isNew) : [])], raw);
  }
  const { data } = parsed;
  const { manifest, faults } = checkManifest(data, raw as Raw);
  faults.unshift(...early);
  if (parent) {
    const mine = readCapabilities(data.capabilities, () => {}).filter(({ type }) => Object.hasOwn(((raw as Raw)["capabilities"] as Raw | undefined) ?? {}, type));
    faults.push(...wideningFaults(mine, parent.capabilities, parent.id));
    if (data.publisher !== parent.publisher)
      faults.push({
        path: "publisher",
        message: `${spellValue(data.publisher)} stands here, the family ${parent.id} is of ${spellValue(parent.publisher)}; only the same publisher can extend it`,
      });
    if (data.kind !== parent.kind) faults.push({ path: "kind", message: `it is an ${data.kind}, the family ${parent.id} is an ${parent.kind}` });
  }
  if (faults.length) fail(faults, raw);
  return manifest;
}

type Raw = Record<string, unknown>;

function readJson(text: string): { raw: unknown } | { fault: string } {
  const deep = tooDeepAt(text, DEPTH_MAX);
  if (deep >= 0) return { fault: `brackets nest deeper than ${DEPTH_MAX} at character ${deep}` };
  try {
    let twice: string | undefined;
    const raw = JSON.parse(text, (key, value: unknown) => {
      if (key === "__proto__") twice = key;
      return value;
    });
    return twice ? { fault: '"__proto__" can\'t be a key; choose another' } : { raw };
  } catch (cause) {
    return { fault: `it is not JSON: ${(cause as Error).message.split("\n")[0]}` };
  }
}

/** Keys nest by their dots as well, which the parser's own limit doesn't count. */
const DOTTED = new RegExp(`^[ \\t]*\\[{0,2}[ \\t]*(?:(?:"[^"\\n]*"|'[^'\\n]*'|[\\w-]+)[ \\t]*\\.[ \\t]*){${DEPTH_MAX}}`);

function readToml(text: string): { raw: unknown } | { fault: string } {
  const dotted = text.split("\n").findIndex((line) => DOTTED.test(line));
  if (dotted >= 0) return { fault: `keys nest deeper than ${DEPTH_MAX} in line ${dotted + 1}` };
  try {
    const parsed = parseToml(text, { maxDepth: DEPTH_MAX });
    if (isDeep(parsed)) return { fault: `its tables nest deeper than ${DEPTH_MAX}` };
    // this parser makes 2 March of 30 February; the other one knows dates
    if (holdsDate(parsed)) parseTOML(text);
    return { raw: plain(parsed) };
  } catch (cause) {
    if (cause instanceof TomlError) return { fault: `it is not TOML (line ${cause.line}, column ${cause.column}): ${cause.message.split("\n")[0]}` };
    const { message, lineNumber } = cause as { message: string; lineNumber?: number };
    return {
      fault: `it is not TOML${lineNumber === undefined ? "" : ` (line ${lineNumber})`}: ${message.split("\n")[0]}${/date|month|day/i.test(message) ? "; expected a date that exists" : ""}`,
    };
  }
}

function holdsDate(value: unknown): boolean {
  if (value instanceof TomlDate) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsDate);
}

function isDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX * 2) return true;
    level = level.flatMap((one) => (typeof one === "object" && one !== null && !(one instanceof TomlDate) ? Object.values(one) : []));
  }
  return false;
}

/** Dates as text, tables with no prototype to be reached. */
function plain(value: unknown): unknown {
  if (value instanceof TomlDate) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  const out: Raw = {};
  for (const [key, inner] of Object.entries(value)) Object.defineProperty(out, key, { value: plain(inner), enumerable: true, configurable: true, writable: true });
  return out;
}

/** Where a key `__proto__` stands, or undefined. */
function ownNames(raw: unknown): string | undefined {
  const open: [string, unknown][] = [["", raw]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [path, value] = next;
    if (typeof value !== "object" || value === null) continue;
    for (const [key, inner] of Object.entries(value)) {
      const at = path ? `${path}.${key}` : key;
      if (key === "__proto__") return at;
      open.push([at, inner]);
    }
  }
  return undefined;
}

/** Tables that a child adds to, key by key; what else it says takes the place of what its family says. */
const MERGED = ["inputs", "outputs", "settings", "dependencies", "limits", "resources", "capabilities"];
/** What says who an extension is stays its own. */
const OWN = new Set(["id", "version", "publisher", "title", "abstract", "extends", "component", "released", "marketplace"]);

function inherit(child: Raw, parent: ManifestFile): Raw {
  const out: Raw = {};
  for (const [key, value] of Object.entries(parent)) if (!OWN.has(key) && value !== undefined) out[key] = value;
  for (const [key, value] of Object.entries(child)) {
    const base = out[key];
    const isTable = MERGED.includes(key) && typeof value === "object" && value !== null && !Array.isArray(value);
    Object.defineProperty(out, key, { value: isTable ? { ...(base as object), ...(value as object) } : value, enumerable: true, configurable: true, writable: true });
  }
  return out;
}

/** What can be left of a capability that can't be read: something that has no faults of its own. */
const FILLERS: Readonly<Record<string, (n: number) => object>> = {
  file: (n) => ({ folder: "/unread", name: `unread-${n}`, reason: "-" }),
  network: () => ({ to: ["https://unread.invalid"], reason: "-" }),
  system: (n) => ({ command: `unread-${n}`, run: ["unread"], reason: "-" }),
  model: () => ({ models: ["unread/unread"], reason: "-" }),
  bus: () => ({ subjects: ["unread"], scopes: ["publish"], reason: "-" }),
  artifact: () => ({ reason: "-" }),
  secret: () => ({ name: "unread", sign: true, reason: "-" }),
  keyvalue: () => ({ reason: "-" }),
};

/** The file without what can't be read, so that the rest is looked at too; undefined where nothing is left. */
function salvage(merged: unknown, issues: readonly { code: string; path: readonly PropertyKey[]; keys?: readonly string[] }[]): ManifestFile | undefined {
  if (typeof merged !== "object" || merged === null || Array.isArray(merged)) return undefined;
  const left = structuredClone(merged) as Raw;
  const table = (name: PropertyKey): Raw => {
    const found = left[String(name)];
    return typeof found === "object" && found !== null ? (found as Raw) : {};
  };
  for (const { code, path, keys } of issues) {
    const [section, entry, index] = path;
    const isShallow = code === "unrecognized_keys" && path.length === 0;
    if (isShallow) for (const key of keys ?? []) delete left[key];
    else if (section === "capabilities" && entry !== undefined) {
      const list = table("capabilities")[String(entry)];
      const filler = FILLERS[String(entry)];
      if (Array.isArray(list) && typeof index === "number" && filler) list[index] = filler(index);
      else delete table("capabilities")[String(entry)];
    } else if (section === "capabilities" && code === "unrecognized_keys") for (const key of keys ?? []) delete table("capabilities")[key];
    else if (MERGED.includes(String(section)) && entry !== undefined) delete table(String(section))[String(entry)];
    else if (section !== undefined) delete left[String(section)];
  }
  left["id"] ??= "unread";
  left["version"] ??= "0.0.0";
  left["kind"] ??= "operator";
  const parsed = manifestSchema.safeParse(left);
  return parsed.success ? parsed.data : undefined;
}

/** What the parts mean together. Gives the manifest as far as it can be made, and all that is wrong. */
function checkManifest(data: ManifestFile, own: Raw): { manifest: Manifest; faults: Fault[] } {
  const faults: Fault[] = [];
  const tell = (path: string, message: string): void => void faults.push({ path, message });
  const count = Object.keys(data.inputs).length + Object.keys(data.outputs).length + Object.keys(data.settings).length;
  if (count > ENTRIES_MAX) tell("", `it has ${count} ports and settings, at most ${ENTRIES_MAX} are allowed`);
  const inputs = new Map<string, PortSpec>();
  const settings = new Map<string, SettingSpec>();
  for (const [name, one] of Object.entries(data.inputs)) {
    const read = readPort(`inputs.${name}`, name, one, tell);
    if (read) inputs.set(name, read);
  }
  for (const [name, one] of Object.entries(data.settings)) {
    const read = readSetting(`settings.${name}`, name, one, tell);
    if (read) settings.set(name, read);
  }
  const outputs = new Map<string, PortSpec>();
  for (const [name, one] of Object.entries(data.outputs)) {
    const type = parsePortType(one.type);
    if ("fault" in type) tell(`outputs.${name}.type`, type.fault);
    else outputs.set(name, { name, type, required: !one.optional, default: undefined, description: one.description });
  }
  if (Object.keys(data.outputs).length === 0 && data.kind !== "addon" && !data.abstract)
    tell("outputs", "there are none; a step without outputs does nothing that a melody could use");
  const capabilities = readCapabilities(data.capabilities, (path, message) => tell(`capabilities.${path}`, message));
  const asked = capabilities.reduce((sum, { rights }) => sum + rights.length, 0);
  if (asked > RIGHTS_MAX)
    tell(
      "capabilities",
      `it asks for ${asked} rights, at most ${RIGHTS_MAX} are allowed; nobody could judge them. Patterns stand for many: https://**.example.com, or methods = ["*"]`,
    );
  checkCapabilities(capabilities, inputs, settings, tell);
  const pure = data.pure ?? false;
  const impure = capabilities.find(({ type }) => type !== "artifact");
  if (pure && impure)
    tell(
      "pure",
      `a step that uses ${impure.type === "file" ? "files" : impure.type} depends on more than its inputs, or does more than give outputs, so it can't be pure; leave pure out, or capabilities.${impure.type}`,
    );
  const dependencies = new Map<string, Dependency>();
  for (const [id, one] of Object.entries(data.dependencies)) {
    const { version: range, optional } = typeof one === "string" ? { version: one, optional: false } : one;
    if (validRange(range) === null) tell(`dependencies.${id}`, `${JSON.stringify(range.slice(0, 60))} is no range of versions; expected one such as ^1.2.0, >=1 <3 or 1.x`);
    if (id === data.id) tell(`dependencies.${id}`, "an extension can't depend on itself");
    dependencies.set(id, { range, optional });
  }
  if (data.extends === data.id) tell("extends", "an extension can't be its own family");
  const manifest: Manifest = {
    id: data.id,
    version: data.version,
    kind: data.kind,
    title: data.title ?? data.id,
    description: data.description,
    publisher: data.publisher,
    family: data.extends,
    abstract: data.abstract,
    component: data.component ?? `${data.id}.wasm`,
    capabilities,
    dependencies,
    pure,
    limits: { ...DEFAULT_LIMITS, ...Object.fromEntries(Object.entries(data.limits).filter(([, limit]) => limit !== undefined)) },
    inputs,
    outputs,
    settings,
    file: data,
    own,
  };
  return { manifest, faults };
}

type Tell = (path: string, message: string) => void;

function readPort(path: string, name: string, one: ManifestFile["inputs"][string], tell: Tell): PortSpec | undefined {
  const type = parsePortType(one.type);
  if ("fault" in type) {
    tell(`${path}.type`, type.fault);
    return undefined;
  }
  let value: Value | undefined;
  if (one.default !== undefined) {
    value = valueFromJson(one.default, type);
    if (!value) tell(`${path}.default`, `${spellValue(one.default)} is not of type ${one.type}; expected ${spellJsonForm(type)}`);
  }
  return { name, type, required: one.required && one.default === undefined, default: value, description: one.description };
}

function readSetting(path: string, name: string, one: ManifestFile["settings"][string], tell: Tell): SettingSpec | undefined {
  const port = readPort(path, name, one, tell);
  if (!port) return undefined;
  const { title, group, secret, options, min, max, minLength, maxLength, pattern, lines } = one;
  const { item, list } = port.type;
  const only = (key: string, given: unknown, wanted: string): void => {
    if (given !== undefined && given !== false && (item !== wanted || list)) tell(`${path}.${key}`, `it is for settings of type ${wanted}, and this one is of type ${one.type}`);
  };
  only("min", min, "number");
  only("max", max, "number");
  for (const [key, given] of Object.entries({ secret, minLength, maxLength, pattern, lines })) only(key, given, "text");
  if (min !== undefined && max !== undefined && min > max) tell(`${path}.min`, `${min} is above max, which is ${max}`);
  if (minLength !== undefined && maxLength !== undefined && minLength > maxLength) tell(`${path}.minLength`, `${minLength} is above maxLength, which is ${maxLength}`);
  for (const [i, option] of (options ?? []).entries())
    if (list || (item !== "any" && item !== "json" && typeof option !== (item === "text" ? "string" : item)))
      tell(`${path}.options[${i}]`, `${spellValue(option)} can't stand in a setting of type ${one.type}`);
  if (secret && one.default !== undefined) tell(`${path}.default`, "a secret has no default: it names one of the person's own");
  const why = pattern === undefined ? undefined : patternFault(pattern);
  if (why) tell(`${path}.pattern`, why);
  const spec: SettingSpec = { ...port, title, group, secret, options, min, max, minLength, maxLength, pattern: why ? undefined : pattern, lines };
  const bad = port.default && one.default !== undefined ? settingFault(one.default, spec) : undefined;
  if (bad) tell(`${path}.default`, bad);
  return spec;
}

function checkCapabilities(capabilities: readonly Capability[], inputs: ReadonlyMap<string, PortSpec>, settings: ReadonlyMap<string, SettingSpec>, tell: Tell): void {
  const names = new Set([...inputs.values()].filter(({ type }) => type.item === "folder").map(({ name }) => name));
  const hasFolders = names.size > 0;
  for (const { type, at, folder, setting } of capabilities) {
    if (folder?.from === "inputs" && !hasFolders) tell(`capabilities.file[${at}].folder`, "there is no input of type folder");
    if (folder?.name !== undefined) {
      if (names.has(folder.name)) tell(`capabilities.file[${at}].name`, `${JSON.stringify(folder.name)} is taken by ${inputs.has(folder.name) ? "an input" : "another folder"}`);
      names.add(folder.name);
    }
    if (type === "model" && setting !== undefined && settings.get(setting)?.type.item !== "text")
      tell(`capabilities.model[${at}].setting`, `${JSON.stringify(setting)} is no setting of type text${near(setting, settings.keys())}`);
    if (type === "secret" && setting !== undefined && settings.get(setting)?.secret !== true)
      tell(
        `capabilities.secret[${at}].setting`,
        `${JSON.stringify(setting)} is no setting with secret = true${near(
          setting,
          [...settings.values()].filter((one) => one.secret).map(({ name }) => name),
        )}`,
      );
  }
}

/** Why a value breaks what its setting allows, or undefined. The type is not looked at. */
export function settingFault(
  json: unknown,
  { options, min, max, minLength, maxLength, pattern, secret }: Partial<Pick<SettingSpec, "options" | "min" | "max" | "minLength" | "maxLength" | "pattern" | "secret">>,
): string | undefined {
  if (options && !options.includes(json as string | number))
    return `${spellValue(json)} is not allowed; expected one of ${options.map((option) => JSON.stringify(option)).join(", ")}${typeof json === "string" ? near(json, options.map(String)) : ""}`;
  if (typeof json === "number") {
    if (min !== undefined && json < min) return `${json} is below ${min}, the least allowed`;
    if (max !== undefined && json > max) return `${json} is above ${max}, the most allowed`;
  }
  if (typeof json !== "string") return undefined;
  if (minLength !== undefined && json.length < minLength) return `it has ${json.length} characters, at least ${minLength} are wanted`;
  if (maxLength !== undefined && json.length > maxLength) return `it has ${json.length} characters, at most ${maxLength} are allowed`;
  if (secret) {
    const why = identifierFault(json);
    if (why) return `it names a secret, and ${why}; the secret itself is kept in the home's settings`;
  }
  if (pattern !== undefined && !fitsPattern(pattern, json)) return `${spellValue(json)} doesn't fit the pattern ${pattern}`;
  return undefined;
}
