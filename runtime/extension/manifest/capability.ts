// What a manifest asks for, as rights. Folders and settings that are known only in a run stand in them as names in brackets. Pure.
import type { Fault } from "../../error.ts";
import { SymphonyError } from "../../error.ts";
import { covers, describeRight, makeRight, parseRight, type Right, type RightType, spellName } from "../permission/right.ts";
import type { CapabilitiesFile } from "./schema.ts";

/** One thing that a manifest asks for. */
export interface Capability {
  type: RightType;
  /** Its place in the list of its type. */
  at: number;
  rights: readonly Right[];
  reason: string;
  /** It goes beyond what its family asks for. */
  widens: boolean;
  /** Of a folder: what stands in the file, and what the extension calls it; undefined for the inputs' folders. */
  folder?: { from: "inputs" | "project" | "path"; path: string; name: string | undefined };
  /** Of a command: what the extension calls it, and the words. */
  command?: { name: string; run: readonly string[] };
  /** Of a secret or a model that a setting names. */
  setting?: string;
}

/** What it asks for as a sentence's end: "read the folders that it is given". */
export function describeCapability({ type, rights, folder, command, setting }: Capability): string {
  const texts = [...new Set(rights.map(describeRight))];
  if (folder) {
    const does = rights.length > 1 ? "read and change" : "read";
    return `${does} ${folder.from === "inputs" ? "the folders that it is given" : folder.from === "project" ? "the melody's project" : folder.path}`;
  }
  if (type === "artifact") return rights.length > 1 ? "read and store artifacts of the run" : "read artifacts that it is given";
  if (type === "keyvalue") return rights.length > 1 ? "keep keys and values of its own" : "read keys and values of its own";
  if (command) return describeRight(rights[0] as Right);
  if (setting !== undefined) return texts.map((text) => text.replace(settingName(setting), `that the setting ${setting} names`)).join(", ");
  return texts.join(", ");
}

/** Stands in a right for what is known only in a run. */
export const INPUTS = "(inputs)";
export const PROJECT = "(project)";
export const USER_HOME = "(home)";
export const settingName = (setting: string): string => `(setting-${setting})`;

const SETTING = "setting-";

/** The rights that a secret capability asks for; `secret` is its name. */
export function secretRights(secret: string, to: readonly string[], sign: boolean): Right[] {
  return [...to.map((origin) => makeRight("secret", "use", `${secret}@${origin}`)), ...(sign ? [makeRight("secret", "sign", secret)] : [])];
}

/** Reads the table `capabilities`; what can't be read is told to `fault`, with its path below the table. */
export function readCapabilities(file: CapabilitiesFile, fault: (path: string, message: string) => void): Capability[] {
  const found: Capability[] = [];
  const attempt = (path: string, make: () => Right[]): Right[] => {
    try {
      return make();
    } catch (cause) {
      if (!(cause instanceof SymphonyError)) throw cause;
      fault(path, cause.message.replace(/^Cannot use the right "(?:[^"\\]|\\.)*": /, ""));
      return [];
    }
  };
  for (const [i, { folder, name, scope, reason, widens }] of (file.file ?? []).entries()) {
    const at = `file[${i}]`;
    const from = folder === "inputs" || folder === "project" ? folder : "path";
    if (from === "path" && !folder.startsWith("/") && !folder.startsWith("~/")) {
      fault(`${at}.folder`, `${JSON.stringify(folder.slice(0, 60))} stands here, expected "inputs", "project", or a path that begins with / or ~/`);
      continue;
    }
    if (from === "path" && name === undefined) fault(`${at}.name`, "it is missing; the extension must have a name for this folder, because it never sees paths");
    if (from === "inputs" && name !== undefined) fault(`${at}.name`, "the inputs' folders are called as the inputs are; leave name out");
    const base = from === "inputs" ? `/${INPUTS}` : from === "project" ? `/${PROJECT}` : folder.replace(/^~(?=\/)/, `/${USER_HOME}`).replace(/\/+$/, "");
    const rights = attempt(`${at}.folder`, () => (scope === "write" ? ["read", "write"] : ["read"]).map((one) => makeRight("file", one, `${base}/**`)));
    found.push({ type: "file", at: i, rights, reason, widens, folder: { from, path: folder, name: from === "project" ? (name ?? "project") : name } });
  }
  for (const [i, { to, methods, reason, widens }] of (file.network ?? []).entries())
    found.push({
      type: "network",
      at: i,
      rights: to.flatMap((origin, k) => attempt(`network[${i}].to[${k}]`, () => methods.map((method) => makeRight("network", method, origin)))),
      reason,
      widens,
    });
  const commands = new Set<string>();
  for (const [i, { command, run, reason, widens }] of (file.system ?? []).entries()) {
    if (commands.has(command)) fault(`system[${i}].command`, `${JSON.stringify(command)} stands twice; each command has a name of its own`);
    commands.add(command);
    found.push({
      type: "system",
      at: i,
      rights: attempt(`system[${i}].run`, () => [makeRight("system", "execute", JSON.stringify(run))]),
      reason,
      widens,
      command: { name: command, run },
    });
  }
  for (const [i, { models, setting, scopes, reason, widens }] of (file.model ?? []).entries()) {
    const at = `model[${i}]`;
    if ((models === undefined) === (setting === undefined)) fault(at, "expected either models, or setting");
    const rights = (models ?? [`${SETTING}${setting}`.slice(0, 128)]).flatMap((model, k) =>
      attempt(`${at}.models[${k}]`, () => scopes.map((scope) => makeRight("model", scope, model))),
    );
    found.push({
      type: "model",
      at: i,
      rights: setting === undefined ? rights : rights.map((right) => bracket(right, setting)),
      reason,
      widens,
      ...(setting === undefined ? {} : { setting }),
    });
  }
  for (const [i, { subjects, scopes, reason, widens }] of (file.bus ?? []).entries())
    found.push({
      type: "bus",
      at: i,
      rights: subjects.flatMap((subject, k) => attempt(`bus[${i}].subjects[${k}]`, () => scopes.map((scope) => makeRight("bus", scope, subject)))),
      reason,
      widens,
    });
  for (const [i, { scope, reason, widens }] of (file.artifact ?? []).entries())
    found.push({ type: "artifact", at: i, rights: (scope === "write" ? ["read", "write"] : ["read"]).map((one) => makeRight("artifact", one, "run")), reason, widens });
  for (const [i, { name, setting, to, sign, reason, widens }] of (file.secret ?? []).entries()) {
    const at = `secret[${i}]`;
    if ((name === undefined) === (setting === undefined)) fault(at, "expected either name, or setting");
    if (!to && !sign) fault(at, "it says neither where the secret may go (to), nor that it signs (sign = true)");
    const placeholder = setting === undefined ? (name ?? "missing") : `${SETTING}${setting}`.slice(0, 128);
    const rights = attempt(`${at}.to`, () => secretRights(placeholder, to ?? [], sign));
    found.push({
      type: "secret",
      at: i,
      rights: setting === undefined ? rights : rights.map((right) => bracket(right, setting)),
      reason,
      widens,
      ...(setting === undefined ? {} : { setting }),
    });
  }
  for (const [i, { scope, reason, widens }] of (file.keyvalue ?? []).entries())
    found.push({ type: "keyvalue", at: i, rights: (scope === "write" ? ["read", "write"] : ["read"]).map((one) => makeRight("keyvalue", one, "own")), reason, widens });
  return found;
}

/** What a setting names stands in brackets, which can't be in a name that a person chose. */
function bracket(right: Right, setting: string): Right {
  const names = [...right.names];
  const before = names[1] as string;
  names[1] = settingName(setting);
  return { ...right, names, text: right.text.replace(`:${before}`, `:${settingName(setting)}`) };
}

/** Faults of a child that asks for more than its family and doesn't say so. */
export function wideningFaults(child: readonly Capability[], family: readonly Capability[], familyId: string): Fault[] {
  const faults: Fault[] = [];
  for (const { type, at, rights, widens } of child) {
    const beyond = rights.find((right) => !family.some((one) => one.rights.some((wide) => covers(wide, right))));
    if (beyond && !widens)
      faults.push({
        path: `capabilities.${type}[${at}]`,
        message: `${beyond.text} is more than the family ${familyId} asks for; ask for less, or say widens = true, which people are shown`,
      });
  }
  return faults;
}

/** A right of a manifest for what is really there: `replace` gives what stands for a name in brackets, or undefined to leave the right out. */
export function concrete(right: Right, replace: (bracketed: string) => string | undefined): Right | undefined {
  const at = right.type === "secret" || right.type === "file" || right.type === "model" ? 1 : -1;
  const name = right.names[at];
  if (typeof name !== "string" || !name.startsWith("(")) return right;
  const value = replace(name);
  if (value === undefined) return undefined;
  // what stands for a folder is a pattern already
  const plain = right.type === "model" ? value.split("/").map(spellName).join("/") : value;
  const text = right.type === "file" ? right.text.replace(`/${name}`, () => (value === "/" ? "" : value)) : right.text.replace(name, () => plain);
  try {
    return parseRight(text);
  } catch {
    // a setting that names nothing that could be meant
    return undefined;
  }
}
