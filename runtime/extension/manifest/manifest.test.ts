// Manifests: what is read, and that all faults of one are told together with their keys.
import { describe, expect, test } from "bun:test";
import type { SymphonyError } from "../../error.ts";
import { parseManifest } from "./manifest.ts";

const HEAD = 'id = "x"\nversion = "1.0.0"\nkind = "operator"\n';
const OUT = '[outputs.o]\ntype = "text"\n';

function faults(text: string): string[] {
  try {
    parseManifest(text, "x/manifest.toml");
    return [];
  } catch (cause) {
    return (cause as SymphonyError).faults.map(({ path, message }) => `${path}: ${message}`);
  }
}

const WRONG: [string, string, string][] = [
  ["nothing", "", "id: it is missing"],
  ["no TOML", "id = ", "it is not TOML (line 1"],
  ["an unknown key", `${HEAD}colour = 1\n${OUT}`, 'colour: "colour" is no key here'],
  ["a mistyped key", `${HEAD}descripton = "x"\n${OUT}`, '(did you mean "description"?)'],
  ["a mistyped key of a port", `${HEAD}[inputs.a]\ntype = "text"\nrequird = true\n${OUT}`, 'inputs.a.requird: "requird" is no key here (did you mean "required"?)'],
  ["an id with a path", `${HEAD.replace('"x"', '"../x"')}${OUT}`, "id:"],
  ["a version that isn't one", `${HEAD.replace("1.0.0", "1.0")}${OUT}`, "version:"],
  ["a kind that isn't one", `${HEAD.replace("operator", "plugin")}${OUT}`, 'kind: "plugin" stands here, expected one of "operator", "instrument", "addon"'],
  ["no outputs", HEAD, "outputs: there are none"],
  ["a port of no type", `${HEAD}[inputs.a]\ntype = "txt"\n${OUT}`, 'inputs.a.type: "txt" is no port type'],
  ["a default of another type", `${HEAD}[settings.a]\ntype = "number"\ndefault = "1"\n${OUT}`, 'settings.a.default: "1" is not of type number'],
  ["a default out of bounds", `${HEAD}[settings.a]\ntype = "number"\ndefault = 5\nmax = 4\n${OUT}`, "5 is above 4"],
  ["a default that is no option", `${HEAD}[settings.a]\ntype = "text"\ndefault = "c"\noptions = ["a", "b"]\n${OUT}`, '"c" is not allowed'],
  ["a component outside", `${HEAD}component = "../x.wasm"\n${OUT}`, "component:"],
  ["a capability that isn't one", `${HEAD}[[capabilities.files]]\n${OUT}`, 'capabilities.files: "files" is no key here (did you mean "file"?)'],
  [
    "a scope that isn't one",
    `${HEAD}[[capabilities.file]]\nfolder = "project"\nscope = "wirte"\nreason = "x"\n${OUT}`,
    'capabilities.file[0].scope: "wirte" stands here, expected one of "read", "write" (did you mean "write"?)',
  ],
  ["a limit of zero", `${HEAD}[limits]\nmemoryMiB = 0\n${OUT}`, "limits.memoryMiB: 0 stands here, expected at least 1"],
  ["a port name with a space", `${HEAD}[inputs."a b"]\ntype = "text"\n${OUT}`, '"a b" is no name here'],
  ["300 000 characters", `${HEAD}${"#".repeat(300_000)}`, "it is longer than"],
  ["tables 1 000 deep", `${HEAD}x = ${"{a=".repeat(1000)}1${"}".repeat(1000)}\n`, "it is not TOML"],
];

describe("a manifest with", () => {
  for (const [name, text, expected] of WRONG)
    test(`${name} is told at its key`, () => {
      const found = faults(text);
      expect(found.some((fault) => fault.includes(expected)) || found).toBe(true);
    });
});

test("all faults are told together", () => {
  expect(faults(`${HEAD.replace("1.0.0", "one")}colour = 1\n[inputs.a]\ntype = 5\n`).length).toBeGreaterThanOrEqual(3);
});

test("a manifest gives ports with defaults, limits and nothing that it didn't ask for", () => {
  const manifest = parseManifest(
    `${HEAD}[inputs.a]\ntype = "list<json>"\n[settings.n]\ntype = "number"\ndefault = 2\n[limits]\ntimeMs = 5\n[outputs.o]\ntype = "content"\noptional = true\n`,
    "x",
  );
  expect(manifest.inputs.get("a")).toMatchObject({ required: true, type: { item: "json", list: true } });
  expect(manifest.settings.get("n")).toMatchObject({ required: false, default: { tag: "number", val: 2 } });
  expect(manifest.limits).toMatchObject({ timeMs: 5, memoryMiB: 128 });
  expect(manifest.outputs.get("o")?.required).toBe(false);
  expect(manifest.capabilities).toEqual([]);
});
