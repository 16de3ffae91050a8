// The melody's file format, version 1: its schema, its types, and reading it from text. Pure; leaves out what the parts
// mean together (plan.ts). The JSON Schema for editors is made from this schema.
import { printParseErrorCode, visit } from "jsonc-parser";
import { z } from "zod";
import { type Fault, SymphonyError } from "../error.ts";
import { IDENTIFIER } from "../identifier.ts";
import { tooDeepAt } from "../json-depth.ts";
import { faultsOf, spellPath } from "../schema.ts";

export const FORMAT_VERSION = 1;
/** Longest file, in characters. */
export const MELODY_CHARACTERS_MAX = 64 * 1024 * 1024;
/** How deep brackets may nest in a file, and so how deep bodies may. */
export const MELODY_DEPTH_MAX = 128;

const identifier = z.string().regex(IDENTIFIER, "1 to 128 letters, digits, '-' and '_'");
const version = z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/, "a semantic version such as 1.0.0");
const text = z.string().max(10_000);
const milliseconds = z.number().int().min(0).max(86_400_000);

const input = z.strictObject({
  type: z.string().max(40).describe("boolean, number, text, json, bytes, artifact, content, folder, any, or list<...> of one"),
  description: text.optional(),
  required: z.boolean().optional().describe("Default: true where there is no default."),
  default: z.unknown().optional(),
});
const output = z.strictObject({
  type: z.string().max(40),
  description: text.optional(),
  optional: z.boolean().optional().describe("May be absent when what feeds it was skipped."),
});

const retry = z.strictObject({
  attempts: z.number().int().min(1).max(20).describe("All attempts, the first included."),
  delayMs: milliseconds.optional().describe("Before the second attempt. Default 200."),
  factor: z.number().min(1).max(10).optional().describe("Each wait is so many times the one before. Default 2."),
  maxDelayMs: milliseconds.optional().describe("No wait is longer. Default 30000."),
});
const onFailure = z.union([z.enum(["stop", "continue", "skip"]), z.strictObject({ fallback: identifier.describe("The node that runs instead, with the same inputs.") })]);

const shared = {
  id: identifier,
  title: text.optional(),
  description: text.optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
  inputs: z.record(identifier, z.unknown()).optional().describe("Values for input ports that no edge feeds."),
  timeoutMs: z.number().int().min(1).max(86_400_000).optional(),
  onFailure: onFailure.optional(),
};
const step = (kind: "instrument" | "operator") =>
  z.strictObject({
    ...shared,
    kind: z.literal(kind),
    uses: identifier.describe("The extension's id."),
    settings: z.record(identifier, z.unknown()).optional(),
    rights: z
      .array(z.string().max(4300))
      .max(1000)
      .optional()
      .describe("No more than these of what the extension asks for, as type:scope:object, for example network:GET:https://api.example.com. Empty: none."),
    retry: retry.optional(),
  });
const control = <N extends string, T extends z.ZodRawShape>(name: N, fields: T) => z.strictObject({ ...shared, kind: z.literal("control"), control: z.literal(name), ...fields });
const condition = z.string().min(1).max(2000).describe("A condition in CEL.");

const node = z.discriminatedUnion("kind", [
  step("operator"),
  step("instrument"),
  z.discriminatedUnion("control", [
    control("branch", {
      cases: z
        .array(z.strictObject({ name: identifier, when: condition }))
        .min(1)
        .max(100)
        .describe("The first case that holds passes `value` on through the port of its name; none: through `otherwise`."),
    }),
    control("map", {
      over: identifier.optional().describe("The body's input that gets one item. Default `item`."),
      concurrency: z.number().int().min(1).max(1000).optional().describe("Items under way at once. Default 4."),
      onItemFailure: z.enum(["fail", "skip"]).optional().describe("Default fail."),
      body: z.lazy((): z.ZodType<MelodyBody> => body),
    }),
    control("melody", {
      body: z.lazy((): z.ZodType<MelodyBody> => body),
    }),
    control("merge", {
      mode: z
        .enum(["first", "list", "object"])
        .describe("first: the first input in the order of the edges that arrived; list: all that arrived; object: a JSON object by port names."),
    }),
    control("delay", { delayMs: milliseconds }),
    control("approve", { prompt: text.optional() }),
  ]),
]);

/** What a melody and the body of a map have in common. */
export interface MelodyBody {
  id?: string | undefined;
  name?: string | undefined;
  version?: string | undefined;
  description?: string | undefined;
  metadata?: Record<string, unknown> | undefined;
  inputs?: Record<string, z.infer<typeof input>> | undefined;
  outputs?: Record<string, z.infer<typeof output>> | undefined;
  nodes: MelodyNode[];
  edges?: MelodyEdge[] | undefined;
  onFailure?: "stop" | "continue" | undefined;
}

const ENDPOINT = /^[A-Za-z0-9_-]{1,128}(\.[A-Za-z0-9_-]{1,128})?$/;
const EDGES_MAX = 2_000_000;
const endpoint = z.string().max(257).regex(ENDPOINT, "node.port (or a node alone for an edge that only orders)");
const edge = z.strictObject({
  from: endpoint.describe("node.port, inputs.name, or a node alone."),
  to: endpoint.describe("node.port, outputs.name, or a node alone."),
  kind: z.enum(["data", "control", "conditional"]).optional().describe("Told by the ends and `when` where it is left out."),
  when: condition.optional(),
});

const fields = {
  id: identifier,
  name: text.optional(),
  version: version.optional(),
  description: text.optional(),
  metadata: z.looseObject({ author: text.optional(), created: text.optional(), modified: text.optional(), tags: z.array(text).max(100).optional() }).optional(),
  inputs: z.record(identifier, input).optional(),
  outputs: z.record(identifier, output).optional(),
  nodes: z.array(node).max(200_000),
  edges: z.array(edge).max(EDGES_MAX).optional(),
  onFailure: z.enum(["stop", "continue"]).optional().describe("What a failed node does to the rest unless it says so itself. Default stop."),
};

const body = z.strictObject({ ...fields, id: identifier.optional() });

export const melodySchema = z.strictObject({
  $schema: z.string().optional(),
  symphony: z.literal(FORMAT_VERSION).describe("The version of this format."),
  ...fields,
  timeoutMs: z.number().int().min(1).max(604_800_000).optional().describe("For the whole run."),
});

export type MelodyFile = z.infer<typeof melodySchema>;
export type MelodyNode = z.infer<typeof node>;
export type MelodyEdge = z.infer<typeof edge>;
export type RetryRule = z.infer<typeof retry>;
export type FailureRule = z.infer<typeof onFailure>;

/** The JSON Schema that editors use. */
export function melodyJsonSchema(): object {
  return { $id: "melody-1.schema.json", title: "Symphony melody, format 1", ...z.toJSONSchema(melodySchema, { io: "input", reused: "ref", unrepresentable: "any" }) };
}

/** What was left out of a melody or body because it is faulty, so that the rest can be looked at in the same go. */
export interface LevelRead {
  /** For each node and edge that was kept, its place in the file. */
  nodePlaces: number[];
  edgePlaces: number[];
  /** Edges or fallbacks are missing, so that what isn't fed can't be told. */
  lacksEdges: boolean;
  /** The inputs or outputs could not be read at all. */
  lacksPorts: boolean;
  /** Ids of nodes that were left out, so that what refers to them is not reported as well. */
  suspects: ReadonlySet<string>;
  /** A node was left out whose id can't be read: any name may be its. */
  lacksIds: boolean;
  /** Ids that something which was left out names as its fallback. */
  fallbacks: ReadonlySet<string>;
}

/** A file as far as it could be read: `melody` is there unless it is no melody at all. */
export interface ReadMelody {
  melody: MelodyFile | undefined;
  faults: Fault[];
  /** By place ("" for the melody itself, `nodes[2].body.` for a body): levels that lack something. */
  levels: ReadonlyMap<string, LevelRead>;
}

/** Reads JSON text. Never throws for what stands in it; `symphony: 2` and the like are faults as any other. */
export function readMelody(source: string): ReadMelody {
  const none = (...messages: string[]): ReadMelody => ({ melody: undefined, faults: messages.map((message) => ({ path: "", message })), levels: new Map() });
  if (source.length > MELODY_CHARACTERS_MAX) return none(`the file has ${source.length} characters, at most ${MELODY_CHARACTERS_MAX} are allowed`);
  const deep = tooDeepAt(source, MELODY_DEPTH_MAX);
  if (deep >= 0) return none(`brackets nest deeper than ${MELODY_DEPTH_MAX} at character ${deep}`);
  let raw: unknown;
  let own: string | undefined;
  // not a key of its own in JavaScript: left in, it would vanish on the way
  const watch = /__proto__|\\u/.test(source)
    ? (key: string, value: unknown) => {
        if (key === "__proto__") own = key;
        return value;
      }
    : undefined;
  try {
    raw = JSON.parse(source.charCodeAt(0) === 0xfeff ? source.slice(1) : source, watch);
    if (own) return none(`"__proto__" can't be a key or a name; choose another`);
  } catch {
    return none(jsonFault(source.replace(/^\ufeff/, "")));
  }
  const twice = twiceNamed(source, raw);
  // edges are nine tenths of a large file: plain ones are looked at here, and the schema sees the others
  const edges = plainEdges(raw);
  const parsed = melodySchema.safeParse(edges ? { ...(raw as object), edges: [] } : raw);
  if (parsed.success) return { melody: edges ? { ...parsed.data, edges } : parsed.data, faults: twice, levels: new Map() };
  const { error } = edges ? (melodySchema.safeParse(raw) as { error: z.ZodError }) : parsed;
  return { ...salvage(raw, error.issues), faults: [...twice, ...faultsOf(error, raw, melodySchema)] };
}

/** All edges of a file if each is one that the schema's edge surely takes; a test holds the two together. */
export function plainEdges(raw: unknown): MelodyEdge[] | undefined {
  const edges = (raw as { edges?: unknown } | null)?.edges;
  if (!Array.isArray(edges) || edges.length > EDGES_MAX) return undefined;
  for (let i = 0; i < edges.length; i++) {
    const one = edges[i] as Record<string, unknown> | null;
    if (typeof one !== "object" || one === null) return undefined;
    for (const key in one) {
      const value = one[key];
      if (typeof value !== "string") return undefined;
      if (key === "from" || key === "to") {
        if (!ENDPOINT.test(value)) return undefined;
      } else if (key === "when") {
        if (value.length === 0 || value.length > 2000) return undefined;
      } else if (key !== "kind" || (value !== "data" && value !== "control" && value !== "conditional")) return undefined;
    }
    if (one["from"] === undefined || one["to"] === undefined) return undefined;
  }
  return edges as MelodyEdge[];
}

/** Leaves out what is faulty, level by level, so that the faults of the rest are found in the same go. */
function salvage(raw: unknown, issues: readonly z.core.$ZodIssue[]): Omit<ReadMelody, "faults"> {
  const levels = new Map<string, LevelRead>();
  const nothing = { melody: undefined, levels: new Map<string, LevelRead>() };
  if (typeof raw !== "object" || raw === null || (raw as { symphony?: unknown }).symphony !== FORMAT_VERSION) return nothing;
  const cleaned = salvageLevel(
    raw as Json,
    issues.map(({ path, code, ...rest }) => ({ path: [...path], keys: code === "unrecognized_keys" ? (rest as { keys: string[] }).keys : [] })),
    "",
    levels,
  );
  if (!cleaned) return nothing;
  const again = melodySchema.safeParse({ id: "unnamed", ...cleaned });
  return again.success ? { melody: again.data, levels } : nothing;
}

/** What a node or edge is nothing without. */
const NEEDED = new Set(["id", "kind", "uses", "control", "mode", "cases", "delayMs", "body", "over", "from", "to", "when"]);

const RULES: ReadonlySet<unknown> = new Set(["stop", "continue", "skip"]);

type Json = Record<string, unknown>;
interface Issue {
  /** Within the level. */
  path: PropertyKey[];
  /** Keys of the object there that nobody knows. */
  keys: string[];
}

function salvageLevel(raw: Json, issues: readonly Issue[], base: string, levels: Map<string, LevelRead>): Json | undefined {
  const bad = { nodes: new Set<number>(), edges: new Set<number>(), inputs: new Set<string>(), outputs: new Set<string>(), keys: new Set<string>() };
  const bodies = new Map<number, Issue[]>();
  /** Keys of a node's settings and inputs that are faulty. */
  const inside = { settings: new Map<number, string[]>(), inputs: new Map<number, string[]>() };
  /** Keys that a node or edge is better without. */
  const spared = { nodes: new Map<number, string[]>(), edges: new Map<number, string[]>() };
  const spare = (part: "nodes" | "edges", index: number, keys: readonly string[]): void => {
    for (const key of keys) gather(spared[part], index, key);
  };
  const without = (part: "nodes" | "edges", index: number, from: unknown): Json => {
    const keys = spared[part].get(index);
    return keys ? Object.fromEntries(Object.entries(from as Json).filter(([key]) => !keys.includes(key))) : (from as Json);
  };
  for (const { path, keys } of issues) {
    const [part, index, inner, ...rest] = path;
    if (part === undefined) for (const key of keys) bad.keys.add(key);
    else if ((part === "nodes" || part === "edges") && typeof index === "number") {
      // what is faulty inside a body, and not the body itself, is left out there
      if (part === "nodes" && inner === "body" && (rest.length > 0 || keys.length > 0)) gather(bodies, index, { path: rest, keys });
      else if (inner === undefined && keys.length > 0) spare(part, index, keys);
      else if (part === "nodes" && (inner === "settings" || inner === "inputs") && (rest.length > 0 || keys.length > 0))
        for (const key of keys.length > 0 ? keys : [String(rest[0])]) gather(inside[inner], index, key);
      else if (typeof inner === "string" && !NEEDED.has(inner)) spare(part, index, [inner]);
      else bad[part].add(index);
    } else if ((part === "inputs" || part === "outputs") && typeof index === "string") bad[part].add(index);
    else bad.keys.add(String(part));
  }
  if (bad.keys.has("nodes") || bad.keys.has("edges")) return undefined;
  const nodes = raw["nodes"] as Json[];
  const edges = raw["edges"] as unknown[] | undefined;
  const kept = (list: readonly unknown[] | undefined, without: ReadonlySet<number>): number[] => [...(list ?? []).keys()].filter((index) => !without.has(index));
  const nodePlaces = kept(nodes, bad.nodes);
  const edgePlaces = kept(edges, bad.edges);
  const out: Json = Object.fromEntries(Object.entries(raw).filter(([key]) => !bad.keys.has(key)));
  const cleanedNodes: Json[] = [];
  for (const index of nodePlaces) {
    const node = { ...without("nodes", index, nodes[index]) };
    for (const part of ["settings", "inputs"] as const) {
      const keys = inside[part].get(index);
      if (keys && node[part]) node[part] = Object.fromEntries(Object.entries(node[part]).filter(([key]) => !keys.includes(key)));
    }
    const issuesInBody = bodies.get(index);
    if (issuesInBody) {
      const body = salvageLevel(node["body"] as Json, issuesInBody, `${base}nodes[${index}].body.`, levels);
      if (!body) return undefined;
      node["body"] = body;
    }
    cleanedNodes.push(node);
  }
  out["nodes"] = cleanedNodes;
  if (edges) out["edges"] = edgePlaces.map((index) => without("edges", index, edges[index]));
  // a faulty port stays as one that takes and gives anything
  for (const part of ["inputs", "outputs"] as const)
    if (out[part] && bad[part].size)
      out[part] = { ...(out[part] as object), ...Object.fromEntries([...bad[part]].filter((name) => IDENTIFIER.test(name)).map((name) => [name, { type: "any" }])) };
  const suspects = new Set<string>();
  const fallbacks = new Set<string>();
  let lacksIds = false;
  const badIds = new Set(issues.flatMap(({ path: [part, index, key] }) => (part === "nodes" && key === "id" ? [index as number] : [])));
  for (const index of bad.nodes) {
    const id = nodes[index]?.["id"];
    if (typeof id === "string" && !badIds.has(index)) suspects.add(id);
    else lacksIds = true;
  }
  let lacksFallbacks = false;
  for (const index of [...bad.nodes, ...[...spared.nodes].flatMap(([index, keys]) => (keys.includes("onFailure") ? [index] : []))]) {
    const onFailure = nodes[index]?.["onFailure"] as { fallback?: unknown } | null | undefined;
    if (typeof onFailure?.fallback === "string" && !badIds.has(index)) fallbacks.add(onFailure.fallback);
    else if (!nodes[index] || (onFailure !== undefined && !RULES.has(onFailure as never))) lacksFallbacks = true;
  }
  levels.set(base, {
    nodePlaces,
    edgePlaces,
    lacksEdges: bad.edges.size > 0 || lacksFallbacks,
    lacksPorts: bad.keys.has("inputs") || bad.keys.has("outputs"),
    suspects,
    lacksIds,
    fallbacks,
  });
  return out;
}

function gather<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** Keys that stand twice in one object: only the last would count. Looked for where a count shows that there are any. */
function twiceNamed(source: string, raw: unknown): Fault[] {
  if (colonsIn(source) === keysIn(raw)) return [];
  const faults: Fault[] = [];
  const seen: Map<string, number>[] = [];
  visit(source, {
    onObjectBegin: () => void seen.push(new Map()),
    onObjectEnd: () => void seen.pop(),
    onObjectProperty(key, _offset, _length, line, _column, path) {
      const known = seen.at(-1)?.get(key);
      if (known !== undefined) faults.push({ path: spellPath([...path(), key]), message: `this key stands twice, in line ${known + 1} and in line ${line + 1}; leave out one` });
      seen.at(-1)?.set(key, line);
    },
  });
  return faults;
}

/** Outside strings; in JSON each belongs to one key. */
function colonsIn(source: string): number {
  let count = 0;
  for (let at = 0; at < source.length; at++) {
    const code = source.charCodeAt(at);
    if (code === 0x3a) count++;
    else if (code === 0x22) for (at++; at < source.length && source.charCodeAt(at) !== 0x22; at++) if (source.charCodeAt(at) === 0x5c) at++;
  }
  return count;
}

function keysIn(raw: unknown): number {
  let count = 0;
  const open: unknown[] = [raw];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== "object" || next === null) continue;
    if (Array.isArray(next)) {
      for (const inner of next) if (typeof inner === "object" && inner !== null) open.push(inner);
    } else
      for (const key in next) {
        count++;
        const inner = (next as Json)[key];
        if (typeof inner === "object" && inner !== null) open.push(inner);
      }
  }
  return count;
}

/** Where a text stops being JSON and what was expected there; runtimes' own parsers tell no place, or each another. */
function jsonFault(source: string): string {
  if (source.trim() === "") return "it is not JSON: it is empty";
  let fault = "it is not JSON";
  let found = false;
  try {
    visit(
      source,
      {
        onError(error, _offset, _length, line, column) {
          if (found) return;
          found = true;
          const shown = (source.split("\n", line + 1)[line] ?? "").trim().slice(0, 80);
          fault = `it is not JSON: line ${line + 1}, column ${column + 1}: ${JSON_FAULTS[error] ?? printParseErrorCode(error)}${shown ? `, in: ${shown}` : ""}`;
        },
      },
      { disallowComments: true, allowTrailingComma: false },
    );
  } catch (cause) {
    // it reads on after a fault, and may find brackets there that nest too deep for it; the first fault is known by then
    if (!(cause instanceof RangeError)) throw cause;
  }
  return fault;
}

const JSON_FAULTS: Partial<Record<number, string>> = {
  1: "this is no value; expected a string in double quotes, a number, true, false, null, { or [",
  2: "this is no number",
  3: "expected a key in double quotes; a comma before } is one too many",
  4: "expected a value; a comma before ] is one too many",
  5: "expected a colon after the key",
  6: "expected a comma or the closing bracket",
  7: "a } is missing",
  8: "a ] is missing",
  9: "the file goes on after its end",
  10: "JSON has no comments; say it in a description",
  11: "a comment is not closed, and JSON has none",
  12: "a string is not closed",
  13: "a number breaks off",
  14: "\\u wants four hexadecimal digits",
  15: "there is no such escape",
  16: "a control character stands in a string; write it as \\n, \\t or \\u...",
};

/** Turns faults into the one error that reports them all. */
export function melodyError(place: string, faults: readonly Fault[]): SymphonyError {
  const shown = faults.slice(0, 200).map(({ path, message }) => `  ${path ? `${path}: ` : ""}${message}`);
  if (faults.length > shown.length) shown.push(`  ... and ${faults.length - shown.length} more`);
  return new SymphonyError("melody/invalid", `Cannot use the melody ${place}: ${faults.length === 1 ? "1 fault" : `${faults.length} faults`}\n${shown.join("\n")}`, { faults });
}
