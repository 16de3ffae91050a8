// An extension's manifest in its minimal form: who it is, its ports, settings, capabilities and limits. Pure; leaves out
// where manifests are found (loader.ts).
import { parse as parseToml, TomlError } from "smol-toml";
import { z } from "zod";
import { type Fault, SymphonyError } from "../error.ts";
import { near } from "../near.ts";
import { faultsOf } from "../schema.ts";
import { type PortType, parsePortType, spellJsonForm, type Value, valueFromJson } from "../value.ts";

/** 1 to 128 letters, digits, '-' and '_'; not `__proto__`, which is no key of its own in JavaScript. */
export const IDENTIFIER = /^(?!__proto__$)[A-Za-z0-9_-]{1,128}$/;

/** A port of an extension, or a setting. */
export interface PortSpec {
  name: string;
  type: PortType;
  /** An input that must be fed, a setting that must be set, an output that is always given. */
  required: boolean;
  default: Value | undefined;
  description: string;
  /** Settings: the only values allowed, and bounds of a number. */
  options: readonly unknown[] | undefined;
  min: number | undefined;
  max: number | undefined;
}

export interface Limits {
  /** Sum over all memories of an instance. */
  memoryMiB: number;
  /** One call, from the start of its execution. */
  timeMs: number;
  /** One call; about one unit an instruction. */
  fuel: number;
}

export interface Manifest {
  id: string;
  version: string;
  kind: "operator" | "instrument";
  title: string;
  description: string;
  /** The component's file, relative to the manifest. */
  component: string;
  capabilities: { files: boolean; artifacts: "none" | "read" | "write" };
  /** Equal settings and inputs always lead to equal outputs, and to nothing else: an answer that is kept may stand for a call. */
  pure: boolean;
  limits: Limits;
  inputs: ReadonlyMap<string, PortSpec>;
  outputs: ReadonlyMap<string, PortSpec>;
  settings: ReadonlyMap<string, PortSpec>;
}

/** The fuel ends a hang after about 40 s in compiled code and 10 s in an interpreter; the deadline is the other end. */
export const DEFAULT_LIMITS: Limits = { memoryMiB: 128, timeMs: 60_000, fuel: 200_000_000_000 };

const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

const port = z.strictObject({
  type: z.string(),
  required: z.boolean().default(true),
  default: z.unknown().optional(),
  description: z.string().max(1000).default(""),
});
const output = z.strictObject({ type: z.string(), optional: z.boolean().default(false), description: z.string().max(1000).default("") });
const setting = port.extend({
  required: z.boolean().default(false),
  options: z
    .array(z.union([z.string(), z.number()]))
    .min(1)
    .max(100)
    .optional(),
  min: z.number().optional(),
  max: z.number().optional(),
});
const named = <T extends z.ZodType>(what: T) => z.record(z.string(), what).default({});

const schema = z.strictObject({
  id: z.string().regex(IDENTIFIER, "1 to 128 letters, digits, '-' and '_'"),
  version: z.string().regex(VERSION, "a semantic version such as 1.0.0"),
  kind: z.enum(["operator", "instrument"]),
  title: z.string().max(100).optional(),
  description: z.string().max(2000).default(""),
  component: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*\.wasm$/, "a relative path that ends in .wasm, without '..'")
    .optional(),
  pure: z.boolean().default(false),
  capabilities: z.strictObject({ files: z.literal("read").optional(), artifacts: z.enum(["read", "write"]).optional() }).default({}),
  limits: z
    .strictObject({
      memoryMiB: z.number().int().min(1).max(4096).optional(),
      timeMs: z.number().int().min(1).max(3_600_000).optional(),
      fuel: z.number().int().min(1).max(9_000_000_000_000).optional(),
    })
    .default({}),
  inputs: named(port),
  outputs: named(output),
  settings: named(setting),
});

export const MANIFEST_BYTES_MAX = 256 * 1024;

/**
 * Reads a manifest in TOML. `place` names the file in messages. Throws `manifest/invalid` with all faults together.
 */
export function parseManifest(text: string, place: string): Manifest {
  const fail = (faults: Fault[]): never => {
    const lines = faults.map(({ path, message }) => `  ${path ? `${path}: ` : ""}${message}`);
    throw new SymphonyError("manifest/invalid", `Cannot use the manifest ${place}:\n${lines.join("\n")}`, { faults });
  };
  if (text.length > MANIFEST_BYTES_MAX) fail([{ path: "", message: `it is longer than ${MANIFEST_BYTES_MAX} characters` }]);
  let raw: unknown;
  try {
    raw = parseToml(text, { maxDepth: 32 });
  } catch (cause) {
    const at = cause instanceof TomlError ? ` (line ${cause.line}, column ${cause.column})` : "";
    fail([{ path: "", message: `it is not TOML${at}: ${(cause as Error).message.split("\n")[0]}` }]);
  }
  const parsed = schema.safeParse(raw);
  if (!parsed.success) return fail(faultsOf(parsed.error, raw, schema));
  const { data } = parsed;
  const faults: Fault[] = [];
  const specs = (of: "inputs" | "settings"): Map<string, PortSpec> => {
    const out = new Map<string, PortSpec>();
    for (const [name, one] of Object.entries<z.infer<typeof setting>>(data[of] as Record<string, z.infer<typeof setting>>)) {
      const path = `${of}.${name}`;
      if (!IDENTIFIER.test(name)) faults.push({ path, message: `${JSON.stringify(name)} is no name: 1 to 128 letters, digits, '-' and '_'` });
      const type = parsePortType(one.type);
      if ("fault" in type) {
        faults.push({ path: `${path}.type`, message: type.fault });
        continue;
      }
      let value: Value | undefined;
      if (one.default !== undefined) {
        value = valueFromJson(one.default, type);
        if (!value) faults.push({ path: `${path}.default`, message: `${JSON.stringify(one.default)} is not of type ${one.type}; expected ${spellJsonForm(type)}` });
        const why = settingFault(one.default, one);
        if (why) faults.push({ path: `${path}.default`, message: why });
      }
      out.set(name, {
        name,
        type,
        required: one.required && one.default === undefined,
        default: value,
        description: one.description,
        options: one.options,
        min: one.min,
        max: one.max,
      });
    }
    return out;
  };
  const inputs = specs("inputs");
  const settings = specs("settings");
  const outputs = new Map<string, PortSpec>();
  for (const [name, one] of Object.entries(data.outputs)) {
    if (!IDENTIFIER.test(name)) faults.push({ path: `outputs.${name}`, message: `${JSON.stringify(name)} is no name: 1 to 128 letters, digits, '-' and '_'` });
    const type = parsePortType(one.type);
    if ("fault" in type) faults.push({ path: `outputs.${name}.type`, message: type.fault });
    else outputs.set(name, { name, type, required: !one.optional, default: undefined, description: one.description, options: undefined, min: undefined, max: undefined });
  }
  if (outputs.size === 0 && faults.length === 0) faults.push({ path: "outputs", message: "there are none; a step without outputs does nothing that a melody could use" });
  if (data.pure && data.capabilities.files)
    faults.push({ path: "pure", message: "a step that reads files gives what they hold at that moment, so it can't be pure; leave pure out, or capabilities.files" });
  if (faults.length) fail(faults);
  return {
    id: data.id,
    version: data.version,
    kind: data.kind,
    title: data.title ?? data.id,
    description: data.description,
    component: data.component ?? `${data.id}.wasm`,
    capabilities: { files: data.capabilities.files === "read", artifacts: data.capabilities.artifacts ?? "none" },
    pure: data.pure,
    limits: { ...DEFAULT_LIMITS, ...Object.fromEntries(Object.entries(data.limits).filter(([, limit]) => limit !== undefined)) },
    inputs,
    outputs,
    settings,
  };
}

/** Why a value breaks a setting's options or bounds, or undefined. */
export function settingFault(json: unknown, spec: { options?: readonly unknown[] | undefined; min?: number | undefined; max?: number | undefined }): string | undefined {
  if (spec.options && !spec.options.includes(json))
    return `${JSON.stringify(json)} is not allowed; expected one of ${spec.options.map((option) => JSON.stringify(option)).join(", ")}${typeof json === "string" ? near(json, spec.options.map(String)) : ""}`;
  if (typeof json !== "number") return undefined;
  if (spec.min !== undefined && json < spec.min) return `${json} is below ${spec.min}, the least allowed`;
  if (spec.max !== undefined && json > spec.max) return `${json} is above ${spec.max}, the most allowed`;
  return undefined;
}
