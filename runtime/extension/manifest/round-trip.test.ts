// Manifests written and read again, families, forms; and what strangers put into a manifest to do harm.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { SymphonyError } from "../../error.ts";
import { settingsForm, settingsJsonSchema } from "./form.ts";
import { type Manifest, parseManifest } from "./manifest.ts";
import { manifestJsonSchema } from "./schema.ts";
import { spellManifest, spellManifestJson } from "./spell.ts";

const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/).filter((text) => text !== "__proto__");
const words = fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) => !/[\p{C}\u2028\u2029]/u.test(text) && text.isWellFormed());
const reason = words.filter((text) => text.length > 0);
const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });
const number = fc.oneof(
  fc.integer({ min: -1e6, max: 1e6 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((x) => (Object.is(x, -0) ? 0 : x)),
);

const setting = fc.oneof(
  fc.record({
    type: fc.constant("text"),
    default: optional(words),
    description: optional(words),
    title: optional(words),
    group: optional(words),
    required: optional(fc.boolean()),
  }),
  fc.record({ type: fc.constant("number"), default: optional(number), description: optional(words) }),
  fc.record({ type: fc.constant("boolean"), default: optional(fc.boolean()) }),
  fc.record({ type: fc.constant("text"), secret: fc.constant(true), required: optional(fc.boolean()) }),
  fc.record({ type: fc.constant("json"), default: optional(fc.constantFrom<unknown>({}, [], { a: { b: [1, "x", false] } }, "text", 5, false)) }),
  fc.record({ type: fc.constant("list<text>"), default: optional(fc.array(words, { maxLength: 3 })) }),
);
const network = fc.record({
  to: fc.array(fc.constantFrom("https://a.example.com", "http://127.0.0.1:8080", "https://**.org"), { minLength: 1, maxLength: 3 }),
  methods: optional(fc.constant(["GET", "POST"])),
  reason,
  widens: optional(fc.boolean()),
});
const file = fc.record({
  id,
  version: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)).map((parts) => parts.join(".")),
  kind: fc.constantFrom("operator", "instrument"),
  title: optional(words),
  description: optional(words),
  publisher: optional(id),
  authors: optional(fc.array(words, { maxLength: 3 })),
  license: optional(fc.constantFrom("MIT", "Apache-2.0 OR MIT")),
  homepage: optional(fc.constant("https://example.com/x")),
  keywords: optional(fc.array(words, { maxLength: 3 })),
  released: optional(fc.constantFrom("2026-02-28", "2024-02-29", "1999-12-31")),
  component: optional(fc.constant("build/x.wasm")),
  capabilities: optional(
    fc.record(
      {
        network: fc.array(network, { minLength: 1, maxLength: 2 }),
        file: fc.constant([
          { folder: "project", scope: "write", reason: "r" },
          { folder: "~/x", name: "cache", reason: "r" },
        ]),
        system: fc.constant([{ command: "log", run: ["git", "log", "**"], reason: "r" }]),
        model: fc.constant([{ models: ["local/**"], scopes: ["chat", "embed"], reason: "r" }]),
        bus: fc.constant([{ subjects: ["a.>"], scopes: ["publish"], reason: "r" }]),
        artifact: fc.constant([{ scope: "write", reason: "r" }]),
        secret: fc.constant([{ name: "key", to: ["https://x.y"], reason: "r" }]),
        keyvalue: fc.constant([{ reason: "r" }]),
      },
      { requiredKeys: [] },
    ),
  ),
  limits: optional(fc.record({ memoryMiB: fc.integer({ min: 1, max: 4096 }), timeMs: fc.integer({ min: 1, max: 3_600_000 }) })),
  resources: optional(fc.record({ cpu: fc.constantFrom(0.5, 2), gpu: fc.constantFrom("none", "optional") })),
  dependencies: optional(fc.dictionary(id, fc.oneof(fc.constant("^1.2.0"), fc.constant({ version: ">=1 <3", optional: true })), { maxKeys: 3 })),
  inputs: optional(
    fc.dictionary(id, fc.record({ type: fc.constantFrom("text", "json", "list<number>", "any", "folder"), required: optional(fc.boolean()), description: optional(words) }), {
      maxKeys: 4,
    }),
  ),
  outputs: fc.dictionary(id, fc.record({ type: fc.constantFrom("text", "content"), optional: optional(fc.boolean()) }), { minKeys: 1, maxKeys: 3 }),
  settings: optional(fc.dictionary(id, setting, { maxKeys: 5 })),
  marketplace: optional(
    fc.record({
      summary: optional(words),
      screenshots: optional(fc.constant([{ file: "shots/a.png", caption: "A" }])),
      pricing: optional(fc.oneof(fc.constant({ model: "free" }), fc.constant({ model: "monthly", amount: 4.5, currency: "EUR" }))),
    }),
  ),
});

const without = (value: unknown): unknown => JSON.parse(JSON.stringify(value)) as unknown;
/** Of plain tables the order says nothing. */
const sorted = (value: unknown): unknown => {
  const plain = without(value) as Record<string, unknown>;
  const { file: own } = plain as { file: Record<string, unknown> };
  own["dependencies"] = Object.fromEntries(Object.entries(own["dependencies"] as object).sort(([a], [b]) => (a < b ? -1 : 1)));
  return plain;
};
const essence = (manifest: Manifest): unknown =>
  sorted({
    ...manifest,
    own: undefined,
    inputs: [...manifest.inputs],
    outputs: [...manifest.outputs],
    settings: [...manifest.settings],
    dependencies: [...manifest.dependencies].sort(),
    capabilities: manifest.capabilities.map((one) => ({ ...one, rights: one.rights.map(({ text }) => text) })),
  });

test("a manifest that is written and read again means the same, in TOML and in JSON, and is written the same", () => {
  let seen = 0;
  fc.assert(
    fc.property(file, (raw) => {
      const text = JSON.stringify(without(raw));
      let manifest: Manifest;
      try {
        manifest = parseManifest(text, "x");
      } catch (cause) {
        // what depends on itself, and the like, is for other tests
        expect((cause as SymphonyError).code).toBe("manifest/invalid");
        return;
      }
      seen++;
      const toml = spellManifest(manifest);
      const json = spellManifestJson(manifest);
      const fromToml = parseManifest(toml, "x");
      expect(essence(fromToml)).toEqual(essence(manifest));
      expect(essence(parseManifest(json, "x"))).toEqual(essence(manifest));
      expect(spellManifest(fromToml)).toBe(toml);
    }),
    { numRuns: 400, seed: 7 },
  );
  expect(seen).toBeGreaterThan(300);
});

// ---- families ----

const HEAD = 'version = "1.0.0"\nkind = "operator"\npublisher = "acme"\n';
const FAMILY = `id = "base"\nabstract = true\n${HEAD}[[capabilities.network]]\nto = ["https://**.example.com"]\nmethods = ["GET", "POST"]\nreason = "r"\n[inputs.a]\ntype = "text"\n[outputs.o]\ntype = "text"\n[settings.s]\ntype = "number"\ndefault = 1\n[limits]\nmemoryMiB = 64\n`;
const family = (name: string): Manifest | undefined => (name === "base" ? parseManifest(FAMILY, "base") : undefined);
const child = (text: string): Manifest => parseManifest(`id = "child"\nextends = "base"\n${HEAD}${text}`, "child", { family });
const faults = (read: () => unknown): string[] => {
  try {
    read();
    return [];
  } catch (cause) {
    return (cause as SymphonyError).faults.map(({ path, message }) => `${path}: ${message}`);
  }
};

test("a child has what its family has, and what it says itself", () => {
  const manifest = child('[settings.t]\ntype = "boolean"\n[limits]\ntimeMs = 5\n');
  expect([...manifest.settings.keys()]).toEqual(["s", "t"]);
  expect(manifest.limits).toMatchObject({ memoryMiB: 64, timeMs: 5 });
  expect(manifest.capabilities[0]?.rights.length).toBe(2);
  expect(manifest.abstract).toBe(false);
});

test("a child can ask for less", () => {
  const manifest = child('[[capabilities.network]]\nto = ["https://api.example.com"]\nmethods = ["GET"]\nreason = "r"\n');
  expect(manifest.capabilities[0]?.rights.map(({ text }) => text)).toEqual(["network:GET:https://api.example.com"]);
});

test("a child that asks for more must say so", () => {
  const wider = '[[capabilities.network]]\nto = ["https://evil.org"]\nreason = "r"\n';
  expect(faults(() => child(wider)).join()).toContain("more than the family base asks for");
  expect(faults(() => child('[[capabilities.file]]\nfolder = "project"\nreason = "r"\n')).join()).toContain("capabilities.file[0]: file:read");
  expect(child(wider.replace("reason", "widens = true\nreason")).capabilities[0]?.widens).toBe(true);
});

test("a family of another publisher, or that isn't there, can't be extended", () => {
  expect(faults(() => parseManifest(`id = "child"\nextends = "base"\n${HEAD.replace("acme", "other")}`, "child", { family })).join()).toContain("only the same publisher");
  expect(faults(() => parseManifest(`id = "child"\nextends = "none"\n${HEAD}[outputs.o]\ntype = "text"\n`, "child", { family })).join()).toContain('no family "none"');
  expect(faults(() => parseManifest(`id = "base"\nextends = "base"\n${HEAD}[outputs.o]\ntype = "text"\n`, "base", { family: () => undefined })).length).toBeGreaterThan(0);
});

// ---- forms ----

const FORM = parseManifest(
  `id = "x"\n${HEAD}[outputs.o]\ntype = "text"\n[settings.plain]\ntype = "text"\nrequired = true\ntitle = "Plain"\npattern = "[a-z]+"\nmaxLength = 9\n[settings.long]\ntype = "text"\nlines = 5\n[settings.one]\ntype = "text"\noptions = ["a", "b"]\ndefault = "a"\n[settings.on]\ntype = "boolean"\ndefault = true\n[settings.slide]\ntype = "number"\nmin = 0\nmax = 10\ngroup = "More"\n[settings.wide]\ntype = "number"\nmin = 0\n[settings.key]\ntype = "text"\nsecret = true\ngroup = "More"\n[settings.data]\ntype = "json"\n`,
  "x",
);

test("settings become a form, grouped, each with the control that fits", () => {
  const form = settingsForm(FORM);
  expect(form.map(({ title, fields }) => [title, ...fields.map(({ name, control }) => `${name} ${control}`)])).toEqual([
    ["", "plain text", "long lines", "one choice", "on switch", "wide number", "data json"],
    ["More", "slide slider", "key secret"],
  ]);
  expect(form[0]?.fields[0]).toMatchObject({ label: "Plain", required: true, pattern: "[a-z]+", maxLength: 9 });
});

test("settings become a JSON Schema", () => {
  const schema = settingsJsonSchema(FORM) as { required: string[]; properties: Record<string, Record<string, unknown>> };
  expect(schema.required).toEqual(["plain"]);
  expect(schema.properties["plain"]).toMatchObject({ type: "string", pattern: "^(?:[a-z]+)$", maxLength: 9 });
  expect(schema.properties["slide"]).toMatchObject({ type: "number", minimum: 0, maximum: 10 });
  expect(schema.properties["one"]).toMatchObject({ enum: ["a", "b"], default: "a" });
  expect(schema.properties["key"]).toMatchObject({ "x-secret": true });
});

test("the manifest's own JSON Schema knows every part", () => {
  const text = JSON.stringify(manifestJsonSchema());
  for (const part of ["capabilities", "dependencies", "marketplace", "pricing", "resources", "gpu", "extends", "secret", "widens"]) expect(text).toContain(`"${part}"`);
});

// ---- harm ----

const OUT = '[outputs.o]\ntype = "text"\n';
const base = `id = "x"\n${HEAD}`;
const HARM: [string, string, string][] = [
  ["a table __proto__", `${base}[__proto__]\npolluted = true\n${OUT}`, "__proto__"],
  ["a port __proto__", `${base}[inputs.__proto__]\ntype = "text"\n${OUT}`, "__proto__"],
  ["a dotted __proto__", `${base}settings.__proto__.polluted = true\n${OUT}`, "__proto__"],
  ["__proto__ in JSON", `{"id":"x","version":"1.0.0","kind":"operator","__proto__":{"polluted":true},"outputs":{"o":{"type":"text"}}}`, "__proto__"],
  ["__proto__ escaped in JSON", `{"id":"x","version":"1.0.0","kind":"operator","\\u005f_proto__":{"polluted":true},"outputs":{"o":{"type":"text"}}}`, "__proto__"],
  ["a key constructor", `${base}constructor = 1\n${OUT}`, "is no key here"],
  ["keys 100 000 dots deep", `${base}a${".a".repeat(100_000)} = 1\n${OUT}`, "nest deeper"],
  ["inline keys 60 000 dots deep", `${base}x = { a${".a".repeat(60_000)} = 1 }\n${OUT}`, "nest deeper"],
  ["brackets 100 000 deep in JSON", `{"x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, "nest deeper"],
  ["brackets 5 000 deep", `${base}x = ${"[".repeat(5000)}${"]".repeat(5000)}\n`, "not TOML"],
  ["20 000 unknown keys", `${base}${Array.from({ length: 20_000 }, (_, i) => `k${i} = 1`).join("\n")}\n`, "is no key here"],
  ["5 000 ports", `${base}${Array.from({ length: 5000 }, (_, i) => `[inputs.k${i}]\ntype = "text"`).join("\n")}\n${OUT}`, "at most 1000"],
  ["a date that doesn't exist", `${base}released = 2026-02-30\n${OUT}`, "a date that exists"],
  ["a date that doesn't exist, as text", `${base}released = "2026-13-01"\n${OUT}`, "a date that exists"],
  ["a number beyond what is exact", `${base}x = 9007199254740993\n${OUT}`, "not TOML"],
  ["not a number", `${base}[limits]\nmemoryMiB = nan\n${OUT}`, "limits.memoryMiB"],
  ["infinity", `${base}[settings.a]\ntype = "number"\nmin = inf\n${OUT}`, "settings.a.min"],
  ["a pattern that explodes when it is written out", `${base}[settings.a]\ntype = "text"\npattern = "((a{1,50}){1,50}){1,50}"\n${OUT}`, "counted repetitions"],
  ["a pattern that looks back", `${base}[settings.a]\ntype = "text"\npattern = "(a)\\\\1"\n${OUT}`, "no pattern of RE2"],
  ["a pattern of 10 000 letters", `${base}[settings.a]\ntype = "text"\npattern = "${"a".repeat(10_000)}"\n${OUT}`, "at most 500"],
  ["an id of Cyrillic letters", `${base.replace('"x"', '"раypal"')}${OUT}`, "only looks like"],
  ["an id with an invisible letter", `${base.replace('"x"', '"pay\u200bpal"')}${OUT}`, "U+200B"],
  ["a full-width id", `${base.replace('"x"', '"ｐaypal"')}${OUT}`, "only looks like"],
  ["a title that turns the direction of writing", `${base}title = "a\u202eb"\n${OUT}`, "direction of writing"],
  ["a reason with a terminal's escape", `${base}[[capabilities.keyvalue]]\nreason = "\\u001b[2J"\n${OUT}`, "steer a terminal"],
  ["a component outside of its folder", `${base}component = "a/../../x.wasm"\n${OUT}`, "without '..'"],
  ["a screenshot outside of its folder", `${base}${OUT}[marketplace]\nscreenshots = [{ file = "../x.png" }]\n`, "a relative path"],
  ["a home page that is a script", `${base}homepage = "javascript:alert(1)"\n${OUT}`, "begins with https://"],
  ["a dependency's range that is none", `${base}${OUT}[dependencies]\ny = "latest please"\n`, "no range of versions"],
  ["a capability without a reason", `${base}[[capabilities.keyvalue]]\n${OUT}`, "reason: it is missing"],
  ["a folder without a name", `${base}[[capabilities.file]]\nfolder = "/etc"\nreason = "r"\n${OUT}`, "it is missing"],
  ["inputs' folders and no input", `${base}[[capabilities.file]]\nfolder = "inputs"\nreason = "r"\n${OUT}`, "no input of type folder"],
  [
    "a secret by a setting that is none",
    `${base}[[capabilities.secret]]\nsetting = "k"\nsign = true\nreason = "r"\n[settings.k]\ntype = "text"\n${OUT}`,
    "no setting with secret = true",
  ],
  ["pure and on the network", `${base}pure = true\n[[capabilities.network]]\nto = ["https://x.y"]\nreason = "r"\n${OUT}`, "can't be pure"],
];
describe("a manifest with", () => {
  for (const [name, text, says] of HARM)
    test(`${name} is refused, soon and without a trace`, () => {
      const begun = performance.now();
      expect(faults(() => parseManifest(text, "x")).join("\n")).toContain(says);
      expect(performance.now() - begun).toBeLessThan(5000);
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    });
});

test("a pattern that explodes elsewhere is answered at once", () => {
  const manifest = (text: string) => parseManifest(`${base}${OUT}[settings.a]\ntype = "text"\npattern = "(a|a?)+$"\ndefault = "${text}"\n`, "x");
  expect(faults(() => manifest(`${"a".repeat(50_000)}!`)).join()).toContain("doesn't fit the pattern");
});

test("each fault is told with the line that it stands in", () => {
  const text = `id = "x"\nversion = "1"\nkind = "operator"\n\n[inputs.a]\ntype = "txt"\n\n[[capabilities.network]]\nto = ["https://ok.org", "ftp://x"]\nreason = "r"\n`;
  const said = (() => {
    try {
      parseManifest(text, "m");
      return "";
    } catch (cause) {
      return (cause as Error).message;
    }
  })();
  expect(said).toContain("line 2, version:");
  expect(said).toContain("line 6, inputs.a.type:");
  expect(said).toContain("line 9, capabilities.network[0].to[1]:");
  const json = (() => {
    try {
      parseManifest('{\n"id": "x",\n"version": "1.0.0",\n"kind": "operatr",\n"outputs": {\n "o": { "type": "text", "optinal": true } } }', "m");
      return "";
    } catch (cause) {
      return (cause as Error).message;
    }
  })();
  expect(json).toContain("line 4, kind:");
  expect(json).toContain("line 6, outputs.o");
});
