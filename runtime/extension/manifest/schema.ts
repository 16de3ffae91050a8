// The manifest's file format: its schema, and the JSON Schema for editors that is made from it. Leaves out what the parts mean
// together (manifest.ts).
import { z } from "zod";
import { IDENTIFIER, identifierFault, STEERING } from "../../identifier.ts";
import { SCOPES } from "../permission/right.ts";

const scopesOf = (type: keyof typeof SCOPES): [string, ...string[]] => Object.keys(SCOPES[type]) as [string, ...string[]];

// the pattern is for editors; the check says which letter is to blame
const identifier = z
  .string()
  .max(200)
  .superRefine((text, context) => {
    const why = identifierFault(text);
    if (why) context.addIssue({ code: "custom", message: why, params: { says: why } });
  })
  .meta({ pattern: IDENTIFIER.source });
const VERSION = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(-[0-9A-Za-z.-]{1,100})?(\+[0-9A-Za-z.-]{1,100})?$/;
const version = z.string().max(230).regex(VERSION, "a semantic version such as 1.0.0");
const words = (most: number) =>
  z
    .string()
    .max(most)
    .refine((text) => !STEERING.test(text), "text without characters that are invisible, steer a terminal or turn the direction of writing");
/** Of one line: what a person reads there must not look like more than it is. */
const line = (most: number) => words(most).refine((text) => !/[\n\t]/.test(text), "text of one line");
const url = z
  .string()
  .max(500)
  .refine((text) => /^https:\/\//.test(text) && URL.canParse(text), "an address that begins with https://");
const date = z
  .string()
  .refine((text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true, "a date that exists, such as 2026-01-31");
const relativePath = (ending: RegExp, says: string) =>
  z
    .string()
    .max(200)
    .refine((text) => text.split("/").every((part) => /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/.test(part)) && ending.test(text), says);

const port = z.strictObject({
  type: z.string().max(40).describe("boolean, number, text, json, bytes, artifact, content, folder, any, or list<...> of one"),
  required: z.boolean().default(true),
  default: z.unknown().optional(),
  description: words(1000).default(""),
});
const output = z.strictObject({ type: z.string().max(40), optional: z.boolean().default(false), description: words(1000).default("") });
const setting = port.extend({
  required: z.boolean().default(false),
  title: line(100).optional().describe("The field's label in a form; the setting's name where it is left out."),
  group: line(100).optional().describe("Fields of one group stand together in a form."),
  secret: z.boolean().default(false).describe("It names a secret that the home keeps; never the secret itself."),
  options: z
    .array(z.union([z.string().max(1000), z.number()]))
    .min(1)
    .max(100)
    .optional(),
  min: z.number().optional().describe("Of a number."),
  max: z.number().optional(),
  minLength: z.number().int().min(0).max(1_000_000).optional().describe("Of a text, in UTF-16 units."),
  maxLength: z.number().int().min(0).max(1_000_000).optional(),
  pattern: z.string().optional().describe("What the whole text must fit, in RE2's syntax."),
  lines: z.number().int().min(1).max(100).optional().describe("How many lines a form's field shows."),
});
const named = <T extends z.ZodType>(what: T) => z.record(identifier, what).default({});

const reason = z.string().min(1).max(300).pipe(line(300)).describe("Why, in a sentence that a person reads who is asked to grant it.");
const asked = { reason, widens: z.boolean().default(false).describe("It goes beyond what the family asks for, and says so.") };
const list = <T extends z.ZodType>(what: T) => z.array(what).min(1).max(100);
const origins = list(z.string().max(300)).describe("scheme://host or scheme://host:port; *.example.com is one label more, ** every host.");

export const capabilitiesSchema = z.strictObject({
  file: z
    .array(
      z.strictObject({
        folder: z.string().max(1000).describe('"inputs": the folders that arrive at ports of type folder; "project": the melody\'s project; or a path that begins with / or ~/'),
        name: identifier.optional().describe("What the extension calls the folder; for inputs it is the input's name."),
        scope: z.enum(["read", "write"]).default("read").describe("write includes reading."),
        ...asked,
      }),
    )
    .max(100)
    .optional(),
  network: z
    .array(z.strictObject({ to: origins, methods: list(z.enum(scopesOf("network"))).default(["GET", "HEAD"]), ...asked }))
    .max(100)
    .optional(),
  system: z
    .array(
      z.strictObject({
        command: identifier.describe("What the extension calls it."),
        run: list(z.string().min(1).max(1000)).describe('The program and its arguments; "*" is any one argument, "**" at the end all that remain.'),
        ...asked,
      }),
    )
    .max(100)
    .optional(),
  model: z
    .array(
      z.strictObject({
        models: list(z.string().max(300)).optional(),
        setting: identifier.optional().describe("Or the setting that names it."),
        scopes: list(z.enum(scopesOf("model"))).default(["chat"]),
        ...asked,
      }),
    )
    .max(100)
    .optional(),
  bus: z
    .array(z.strictObject({ subjects: list(z.string().max(300)), scopes: list(z.enum(scopesOf("bus"))), ...asked }))
    .max(100)
    .optional(),
  artifact: z
    .array(z.strictObject({ scope: z.enum(["read", "write"]).default("read").describe("write includes reading."), ...asked }))
    .max(2)
    .optional(),
  secret: z
    .array(
      z.strictObject({
        name: identifier.optional().describe("The secret's name."),
        setting: identifier.optional().describe("Or the setting that names it."),
        to: origins.optional().describe("Where it may be sent. Left out: it only signs."),
        sign: z.boolean().default(false),
        ...asked,
      }),
    )
    .max(100)
    .optional(),
  keyvalue: z
    .array(z.strictObject({ scope: z.enum(["read", "write"]).default("write"), ...asked }))
    .max(2)
    .optional(),
});

export const manifestSchema = z.strictObject({
  id: identifier,
  version,
  kind: z.enum(["operator", "instrument", "addon"]),
  title: line(100).optional(),
  description: words(2000).default(""),
  publisher: identifier.optional(),
  authors: z.array(line(200)).max(50).default([]),
  license: line(100).optional().describe("An SPDX expression."),
  homepage: url.optional(),
  repository: url.optional(),
  keywords: z.array(line(50)).max(50).default([]),
  released: date.optional(),
  extends: identifier.optional().describe("The family's id: what is left out here is taken from it."),
  abstract: z.boolean().default(false).describe("A family that is no extension itself."),
  component: relativePath(/\.wasm$/, "a relative path that ends in .wasm, without '..'").optional(),
  pure: z.boolean().optional(),
  capabilities: capabilitiesSchema.default({}),
  dependencies: named(
    z
      .union([z.string().max(200), z.strictObject({ version: z.string().max(200), optional: z.boolean().default(false) })])
      .describe("A range such as ^1.2, or { version, optional }."),
  ),
  limits: z
    .strictObject({
      memoryMiB: z.number().int().min(1).max(4096).optional(),
      timeMs: z.number().int().min(1).max(3_600_000).optional(),
      fuel: z.number().int().min(1).max(9_000_000_000_000).optional(),
    })
    .default({}),
  resources: z
    .strictObject({
      cpu: z.number().min(0.01).max(256).optional().describe("Cores that it can use."),
      gpu: z.enum(["none", "optional", "required"]).optional(),
      gpuMemoryMiB: z.number().int().min(1).max(1_048_576).optional(),
    })
    .default({}),
  inputs: named(port),
  outputs: named(output),
  settings: named(setting),
  marketplace: z
    .strictObject({
      summary: line(200).optional(),
      categories: z.array(identifier).max(10).default([]),
      icon: relativePath(/\.(png|svg)$/, "a relative path that ends in .png or .svg").optional(),
      screenshots: z
        .array(z.strictObject({ file: relativePath(/\.(png|jpg|webp)$/, "a relative path that ends in .png, .jpg or .webp"), caption: line(200).default("") }))
        .max(20)
        .default([]),
      pricing: z
        .discriminatedUnion("model", [
          z.strictObject({ model: z.literal("free") }),
          z.strictObject({
            model: z.enum(["once", "monthly", "yearly"]),
            amount: z.number().min(0.01).max(1_000_000),
            currency: z.string().regex(/^[A-Z]{3}$/, "three capitals, such as EUR"),
          }),
        ])
        .optional(),
    })
    .prefault({}),
});

export type ManifestFile = z.infer<typeof manifestSchema>;
export type CapabilitiesFile = z.infer<typeof capabilitiesSchema>;

/** For editors. */
export function manifestJsonSchema(): object {
  return { $id: "manifest-1.schema.json", title: "Symphony extension manifest", ...z.toJSONSchema(manifestSchema, { io: "input", reused: "ref", unrepresentable: "any" }) };
}
