// The melody's file format, version 1: its schema, its types, and reading it from text. Pure; leaves out what the parts
// mean together (plan.ts). The JSON Schema for editors is made from this schema.
import { printParseErrorCode, visit } from "jsonc-parser";
import { z } from "zod";
import { type Fault, SymphonyError } from "../error.ts";
import { IDENTIFIER } from "../extension/manifest.ts";
import { tooDeepAt } from "../json-depth.ts";
import { faultsOf } from "../schema.ts";

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

/** A file as far as it could be read: `melody` is there unless a fault stands outside single nodes and edges. */
export interface ReadMelody {
  melody: MelodyFile | undefined;
  faults: Fault[];
  /** For each node and edge of `melody`, its place in the file (faulty ones were left out). */
  nodePlaces: number[] | undefined;
  edgePlaces: number[] | undefined;
  /** Ids of nodes that were left out, so that what refers to them is not reported as well. */
  suspects: ReadonlySet<string>;
}

/** Reads JSON text. Never throws for what stands in it; `symphony: 2` and the like are faults as any other. */
export function readMelody(source: string): ReadMelody {
  const none = (message: string): ReadMelody => ({ melody: undefined, faults: [{ path: "", message }], nodePlaces: undefined, edgePlaces: undefined, suspects: new Set() });
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
  // edges are nine tenths of a large file: plain ones are looked at here, and the schema sees the others
  const edges = plainEdges(raw);
  const parsed = melodySchema.safeParse(edges ? { ...(raw as object), edges: [] } : raw);
  if (parsed.success) return { melody: edges ? { ...parsed.data, edges } : parsed.data, faults: [], nodePlaces: undefined, edgePlaces: undefined, suspects: new Set() };
  const { error } = edges ? (melodySchema.safeParse(raw) as { error: z.ZodError }) : parsed;
  const faults = faultsOf(error, raw, melodySchema);
  return { ...salvage(raw, error), faults };
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

/** Leaves out faulty nodes and edges, so that the faults of the rest are found in the same go. */
function salvage(raw: unknown, error: z.ZodError): Omit<ReadMelody, "faults"> {
  const nothing = { melody: undefined, nodePlaces: undefined, edgePlaces: undefined, suspects: new Set<string>() };
  const bad = { nodes: new Set<number>(), edges: new Set<number>(), inputs: new Set<string>(), outputs: new Set<string>() };
  for (const { path } of error.issues) {
    const [part, index] = path;
    if ((part === "nodes" || part === "edges") && typeof index === "number") bad[part].add(index);
    else if ((part === "inputs" || part === "outputs") && typeof index === "string") bad[part].add(index);
    else if (part !== "metadata" && part !== "version" && part !== "name" && part !== "description") return nothing;
  }
  const file = raw as { nodes: unknown[]; edges?: unknown[] };
  const places = (part: "nodes" | "edges"): number[] => [...((file[part] as unknown[] | undefined) ?? []).keys()].filter((index) => !bad[part].has(index));
  // a faulty port stays as one that takes and gives anything
  const ports = (part: "inputs" | "outputs"): object => {
    const given = (raw as Record<string, Record<string, unknown> | undefined>)[part];
    return given ? { [part]: { ...given, ...Object.fromEntries([...bad[part]].map((name) => [name, { type: "any" }])) } } : {};
  };
  const nodePlaces = places("nodes");
  const edgePlaces = places("edges");
  const again = melodySchema.safeParse({
    ...(raw as object),
    metadata: undefined,
    version: undefined,
    name: undefined,
    description: undefined,
    ...ports("inputs"),
    ...ports("outputs"),
    nodes: nodePlaces.map((index) => file.nodes[index]),
    ...(file.edges ? { edges: edgePlaces.map((index) => (file.edges as unknown[])[index]) } : {}),
  });
  if (!again.success) return nothing;
  const suspects = new Set<string>();
  for (const index of bad.nodes) {
    const { id } = (file.nodes[index] ?? {}) as { id?: unknown };
    if (typeof id === "string") suspects.add(id);
  }
  return { melody: again.data, nodePlaces, edgePlaces, suspects };
}

/** Where a text stops being JSON and what was expected there; runtimes' own parsers tell no place, or each another. */
function jsonFault(source: string): string {
  let fault = "it is not JSON";
  let found = false;
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
