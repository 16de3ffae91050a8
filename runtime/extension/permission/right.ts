// Rights: what an extension may be allowed to do, as text of the form `type:scope:object`, and as names in a row that a tree can
// compare. Pure; leaves out who asks and who grants.
//
// A pattern is a row of names. `*` stands for exactly one name; `**` at the end stands for all that remain, none or more (for hosts,
// where it comes first, one or more labels). Nothing matches a part of a name, and case counts, but in hosts and schemes.
import { SymphonyError } from "../../error.ts";
import { near } from "../../near.ts";

export const RIGHT_TYPES = ["file", "network", "system", "model", "bus", "artifact", "secret", "keyvalue"] as const;
export type RightType = (typeof RIGHT_TYPES)[number];

/** What a scope of each type lets one do, in words that follow "may". */
export const SCOPES: Readonly<Record<RightType, Readonly<Record<string, string>>>> = {
  file: { read: "read", write: "make, change, move and delete" },
  network: { GET: "GET", HEAD: "HEAD", POST: "POST to", PUT: "PUT to", PATCH: "PATCH at", DELETE: "DELETE at", OPTIONS: "ask OPTIONS of", "*": "send any request to" },
  system: { execute: "start, with all rights that you have, the command" },
  model: { chat: "chat with the model", complete: "have texts completed by the model", embed: "have texts embedded by the model" },
  bus: { publish: "publish on", subscribe: "listen to", request: "ask on" },
  artifact: { read: "read", write: "store" },
  secret: { use: "have the secret sent", sign: "have texts signed with the secret" },
  keyvalue: { read: "read", write: "write" },
};

/** One name of a pattern: a literal, any one name, or all that remain (at least `least`). */
export type PatternName = string | typeof ONE | typeof ALL | typeof SOME;
export const ONE: unique symbol = Symbol("*");
/** None or more. */
export const ALL: unique symbol = Symbol("**");
/** One or more. */
export const SOME: unique symbol = Symbol("** of at least one");

/** A right, or a pattern of rights. */
export interface Right {
  type: RightType;
  /** The scope first, then the names of the object. */
  names: readonly PatternName[];
  /** `type:scope:object` in its one spelling. */
  text: string;
}

const TEXT_MAX = 4200;
const NAMES_MAX = 256;
const PORT_OF: Readonly<Record<string, string>> = { http: "80", https: "443" };

/** Reads `type:scope:object`. Throws `permission/invalid`, which says what is expected. */
export function parseRight(text: string): Right {
  if (text.length > TEXT_MAX) throw fault(text, `it has ${text.length} characters, at most ${TEXT_MAX} are allowed`);
  const first = text.indexOf(":");
  const type = text.slice(0, first < 0 ? text.length : first);
  if (!(RIGHT_TYPES as readonly string[]).includes(type))
    throw fault(text, `${JSON.stringify(type.slice(0, 40))} is no type of right; expected type:scope:object with one of ${RIGHT_TYPES.join(", ")}${near(type, RIGHT_TYPES)}`);
  const second = text.indexOf(":", first + 1);
  if (first < 0 || second < 0) throw fault(text, "expected type:scope:object, for example file:read:/home/me/notes/** or network:GET:https://api.example.com");
  return makeRight(type as RightType, text.slice(first + 1, second), text.slice(second + 1));
}

/** A right from its parts. `object` is spelled as `parseRight` takes it. Throws `permission/invalid`. */
export function makeRight(type: RightType, scope: string, object: string): Right {
  const text = `${type}:${scope}:${object}`;
  const scopes = Object.keys(SCOPES[type]);
  const wanted = type === "network" ? scope.toUpperCase() : scope;
  if (!Object.hasOwn(SCOPES[type], wanted))
    throw fault(text, `${JSON.stringify(scope.slice(0, 40))} is no scope of ${type}; expected one of ${scopes.join(", ")}${near(scope, scopes)}`);
  const { names, spelled } = OBJECTS[type](object, (why) => fault(text, why), wanted);
  if (names.length > NAMES_MAX) throw fault(text, `it has ${names.length} names, at most ${NAMES_MAX} are allowed`);
  return { type, names: [wanted === "*" ? ONE : wanted, ...names], text: `${type}:${wanted}:${spelled}` };
}

function fault(text: string, why: string): SymphonyError {
  return new SymphonyError("permission/invalid", `Cannot use the right ${JSON.stringify(text.slice(0, 200))}: ${why}`);
}

interface ReadObject {
  names: PatternName[];
  spelled: string;
}
type Fail = (why: string) => SymphonyError;

/** How the object of each type is read. */
const OBJECTS: Readonly<Record<RightType, (object: string, fail: Fail, scope: string) => ReadObject>> = {
  file: readPath,
  network: readOrigin,
  system: readCommand,
  model: (object, fail) => readNames(object, "/", "**", SOME, fail, "provider/model, for example local/llama3 or local/**"),
  bus: (object, fail) => readNames(object, ".", ">", SOME, fail, "a subject such as run.*.node.>"),
  artifact: (object, fail) => readWord(object, "run", fail),
  secret(object, fail, scope) {
    const [, name, rest] = /^([A-Za-z0-9_-]{1,128})(?:@(.*))?$/s.exec(object) ?? [];
    if (name === undefined) throw fail("expected the secret's name, and @ with where it may go: openai@https://api.openai.com");
    if (scope === "sign") {
      if (rest !== undefined) throw fail("a secret that signs goes nowhere; leave @... out");
      return { names: [name], spelled: name };
    }
    if (rest === undefined) throw fail(`it doesn't say where the secret may go; expected ${name}@https://the-host`);
    const origin = readOrigin(rest, fail);
    return { names: [name, ...origin.names], spelled: `${name}@${origin.spelled}` };
  },
  keyvalue: (object, fail) => readWord(object, "own", fail),
};

function readWord(object: string, word: string, fail: Fail): ReadObject {
  if (object !== word) throw fail(`expected ${JSON.stringify(word)}, the only thing that it can be about`);
  return { names: [word], spelled: word };
}

/** A name as a pattern spells it: `*` and `**` are no names, and a backslash before one makes it one. */
function patternName(name: string): PatternName {
  if (name === "*") return ONE;
  return name.startsWith("\\") ? name.slice(1) : name;
}

export function spellName(name: string): string {
  return name.includes("*") || name === ">" || name.startsWith("\\") ? `\\${name}` : name;
}

function partly(name: string): boolean {
  return !name.startsWith("\\") && name !== "*" && name !== "**" && name.includes("*");
}

function readPath(object: string, fail: Fail): ReadObject {
  if (!object.startsWith("/")) throw fail("a path must be absolute, for example /home/me/notes or /home/me/notes/**");
  if (object.includes("\0")) throw fail("it holds NUL");
  const parts = object === "/" ? [] : object.slice(1).split("/");
  const names: PatternName[] = [];
  for (const [i, part] of parts.entries()) {
    if (part === "" || part === "." || part === "..") throw fail("it holds an empty name, '.' or '..'");
    if (part === "**" && i < parts.length - 1) throw fail("** stands for all names that remain, so it can only be the last one");
    if (partly(part)) throw fail(`${JSON.stringify(part)} mixes * with letters; * stands for one whole name, ** at the end for all that remain`);
    names.push(part === "**" ? ALL : patternName(part));
  }
  return { names, spelled: object };
}

function readNames(object: string, separator: string, rest: string, restName: typeof SOME, fail: Fail, expected: string): ReadObject {
  const parts = object.split(separator);
  const names: PatternName[] = [];
  for (const [i, part] of parts.entries()) {
    if (part === "" || /[\s\0]/.test(part)) throw fail(`expected ${expected}`);
    if (part === rest && i < parts.length - 1) throw fail(`${rest} stands for all names that remain, so it can only be the last one`);
    if (partly(part)) throw fail(`${JSON.stringify(part)} mixes * with letters; * stands for one whole name`);
    names.push(part === rest ? restName : patternName(part));
  }
  return { names, spelled: object };
}

function readCommand(object: string, fail: Fail): ReadObject {
  let words: unknown;
  try {
    words = JSON.parse(object);
  } catch {
    words = undefined;
  }
  if (!Array.isArray(words) || words.length === 0 || !words.every((word) => typeof word === "string" && word !== "" && !word.includes("\0")))
    throw fail('expected the command and its arguments as a JSON list, for example ["git","log","**"]');
  const names: PatternName[] = [];
  for (const [i, word] of (words as string[]).entries()) {
    if (word === "**" && i < words.length - 1) throw fail("** stands for all arguments that remain, so it can only be the last one");
    if (i === 0 && (word === "*" || word === "**")) throw fail("the command itself must be named");
    // an argument may well hold a star of its own: only a whole one is a pattern
    names.push(word === "**" ? ALL : patternName(word));
  }
  return { names, spelled: JSON.stringify(words) };
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** `scheme://host:port`, without a path. Hosts are compared from their end: `*.example.com` is com, example, any one. */
function readOrigin(object: string, fail: Fail): ReadObject {
  const [, schemeText, hostText, portText] = /^([a-z*]+):\/\/(\[[0-9a-fA-F:.]+\]|[^:/?#@[\]\\\s]+)(?::(\*|\d{1,5}))?\/?$/i.exec(object) ?? [];
  if (schemeText === undefined || hostText === undefined)
    throw fail("expected scheme://host or scheme://host:port, without a path, for example https://api.example.com, https://**.example.com or http://127.0.0.1:8080");
  const scheme = schemeText.toLowerCase();
  if (scheme !== "http" && scheme !== "https" && scheme !== "*") throw fail(`${JSON.stringify(schemeText)} is no scheme that can be asked for; expected http, https or *`);
  const port = portText === undefined ? (PORT_OF[scheme] ?? "*") : portText === "*" ? "*" : String(Number(portText));
  if (port !== "*" && (Number(port) < 1 || Number(port) > 65_535)) throw fail(`${port} is no port; expected 1 to 65535, or *`);
  const host = hostText.toLowerCase().replace(/\.$/, "");
  const hostNames: PatternName[] = [];
  if (host === "**") hostNames.push(SOME);
  else if (host === "*") throw fail("* stands for one label of a host, such as the first of *.example.com; write ** for every host");
  else {
    const isPlain = !host.includes("*");
    const canonical = isPlain ? canonicalHost(host) : undefined;
    if (isPlain && canonical === undefined) throw fail(`${JSON.stringify(hostText.slice(0, 100))} is no host`);
    if (canonical !== undefined && canonical !== host) throw fail(`${JSON.stringify(hostText.slice(0, 100))} is another spelling of ${canonical}; write that`);
    if (canonical !== undefined) hostNames.push(...hostRow(canonical));
    else {
      const labels = host.split(".");
      for (const [i, label] of labels.entries()) {
        if ((label === "*" || label === "**") && i > 0) throw fail("* and ** can only be the first label of a host");
        if (label !== "*" && label !== "**" && !LABEL.test(label)) throw fail(`${JSON.stringify(label)} is no label of a host; * stands for a whole one`);
      }
      if (labels.length < 2 || labels.slice(1).every((label) => /^\d+$/.test(label))) throw fail("behind a wildcard there must be a domain, for example *.example.com");
      for (const label of labels.reverse()) hostNames.push(label === "*" ? ONE : label === "**" ? SOME : label);
    }
  }
  const row: PatternName[] = [scheme === "*" ? ONE : scheme, port === "*" ? ONE : port, ...hostNames];
  return { names: row, spelled: `${scheme}://${host}${port === "*" ? ":*" : port === PORT_OF[scheme] ? "" : `:${port}`}` };
}

/** A host as the URL standard spells it, or undefined: lower case, punycode, and one spelling of each IP address. */
export function canonicalHost(host: string): string | undefined {
  try {
    const url = new URL(`http://${host}/`);
    return url.username || url.pathname !== "/" || url.search || url.hash ? undefined : url.hostname.replace(/\.$/, "");
  } catch {
    return undefined;
  }
}

/** An address is one name; a domain's labels stand in a row from its end. */
export function hostRow(host: string): string[] {
  return host.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(host) ? [host] : host.split(".").reverse();
}

/** What stands for one request to a URL: scope, scheme, port, host. */
export function requestRow(scope: string, url: URL): string[] {
  const scheme = url.protocol.slice(0, -1);
  return [scope, scheme, url.port || (PORT_OF[scheme] ?? ""), ...hostRow(url.hostname.replace(/\.$/, ""))];
}

/** Names of an absolute path that is in order already. */
export function pathRow(scope: string, path: string): string[] {
  return path === "/" ? [scope] : [scope, ...path.slice(1).split("/")];
}

/** An object of a file right for a real path: its names are names, whatever they look like. */
export function spellPathObject(path: string, all: boolean): string {
  const names = path.split("/").filter(Boolean).map(spellName);
  if (all) names.push("**");
  return `/${names.join("/")}`;
}

/** Whether all that `specific` lets one do `general` does too. */
export function covers(general: Right, specific: Right): boolean {
  if (general.type !== specific.type) return false;
  for (let i = 0; ; i++) {
    const wide = general.names[i];
    const narrow = specific.names[i];
    if (wide === ALL) return true;
    if (wide === SOME) return narrow !== undefined && narrow !== ALL;
    if (wide === undefined || narrow === undefined) return wide === narrow;
    if (narrow === ALL || narrow === SOME) return false;
    if (wide !== ONE && wide !== narrow) return false;
  }
}

/** Whether there is anything that both let one do. */
export function overlaps(a: Right, b: Right): boolean {
  if (a.type !== b.type) return false;
  for (let i = 0; ; i++) {
    const one = a.names[i];
    const other = b.names[i];
    if (one === ALL || other === ALL || one === SOME || other === SOME) {
      // what needs one name more finds none where the other ends
      if (one === undefined || other === undefined) return one === ALL || other === ALL;
      return true;
    }
    if (one === undefined || other === undefined) return one === other;
    if (one !== ONE && other !== ONE && one !== other) return false;
  }
}

/** Whether a network right names its host itself, so that it can mean a private address. */
export function namesHost({ names }: Right): boolean {
  return names.slice(3).every((name) => typeof name === "string");
}

/** The right as a sentence's end, for people: "read /home/me/notes and all below it". */
export function describeRight({ type, names, text }: Right): string {
  const scope = names[0] === ONE ? "*" : String(names[0]);
  const object = text.slice(text.indexOf(":", type.length + 1) + 1);
  const does = SCOPES[type][scope] ?? scope;
  switch (type) {
    case "file":
      return `${does} ${object.endsWith("/**") ? `${object.slice(0, -3) || "every file of this machine"}${object === "/**" ? "" : " and all below it"}` : object}`;
    case "network":
      return `${does} ${object.replace("://**", "://(every host)").replace(/:\*$/, " on any port")}`;
    case "secret":
      return `${does.replace("the secret", `the secret ${object.split("@")[0]}`)}${scope === "use" ? ` to ${object.slice(object.indexOf("@") + 1)}` : ""}`;
    case "system":
      return `${does} ${(JSON.parse(object) as string[]).map((word) => (word === "**" ? "(any arguments)" : word === "*" ? "(any argument)" : /^[\w./:=-]+$/.test(word) ? word : JSON.stringify(word))).join(" ")}`;
    case "artifact":
      return `${does} artifacts of the run`;
    case "keyvalue":
      return `${does} its own keys and values`;
    default:
      return `${does} ${object}`;
  }
}
