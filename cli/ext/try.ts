// `symphony ext test`: runs an extension over the cases in its folder `cases`, as a run would run it, and says for each what it took.
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { z } from "zod";
import {
  type CallCost,
  covers,
  createCatalogue,
  createExtensionHost,
  createIsolatePool,
  createPreparer,
  type Entry,
  type Fault,
  faultsOf,
  type Grants,
  type Manifest,
  parseRight,
  type PlanNode,
  planMelody,
  type RunGrant,
  spellPathObject,
  SymphonyError,
  type Value,
  valueFromJson,
  valueToJson,
} from "../../runtime/mod.ts";
import { createFileStorage } from "../../runtime/platform/system.ts";
import { type Parsed, text, texts } from "../args.ts";
import { painter, spellBytes, withoutControls, write } from "../print.ts";
import { openBackstage, openStage, servicesOf } from "../stage.ts";
import { readFolder } from "./folder.ts";

const schema = z.strictObject({
  name: z.string().max(200).optional(),
  inputs: z.record(z.string(), z.unknown()).default({}),
  settings: z.record(z.string(), z.unknown()).default({}),
  folders: z.record(z.string(), z.string()).default({}).describe("Folders by input, relative to the case's file."),
  allow: z.array(z.string()).default([]).describe("Rights that are granted for this case."),
  outputs: z.record(z.string(), z.unknown()).optional().describe("What must come out; outputs that aren't named may be anything."),
  error: z.strictObject({ code: z.string().optional(), message: z.string().optional() }).optional().describe("Or how it must fail: the whole code, a part of the message."),
});
type Case = z.infer<typeof schema> & { file: string; name: string };

interface Tried {
  says: string | undefined;
  cost: CallCost | undefined;
  log: string[];
}

export async function tryCases(folder: string, values: Parsed["values"]): Promise<number> {
  const { manifest } = await readFolder(folder);
  const cases = readCases(join(folder, "cases"), text(values["only"]));
  const component = join(folder, manifest.component);
  if (!existsSync(component))
    throw new SymphonyError("extension/unbuilt", `Cannot test ${manifest.id}: its component ${manifest.component} is missing; \`symphony ext build ${folder}\` makes it`);
  // a home of its own: a test's grants and keys are no person's
  const home = mkdtempSync(join(tmpdir(), "symphony-try-"));
  const real = await openBackstage(values);
  const backstage = await openBackstage({ ...values, home });
  const stage = await openStage(backstage);
  const { platform, permissions, artifacts } = stage;
  const pool = createIsolatePool({ platform, perComponentMax: availableParallelism() });
  const catalogue = createCatalogue([{ manifest, place: folder, component: async () => new Uint8Array(readFileSync(component)) }]);
  const preparer = createPreparer({ platform, cache: createFileStorage(join(real.home, "cache/components")) });
  // models and secrets are those of the person who tests; what may be used, each case says
  const host = createExtensionHost({ catalogue, preparer, pool, services: servicesOf(stage, real.home, artifacts) });
  const paint = painter();
  // cases may come from a stranger as well: what they ask for is no grant
  const trusted = values["trust"] === true;
  const given = texts(values["allow"]).map(parseRight);
  let failed = 0;
  try {
    for (const [at, one] of cases.entries()) {
      const run = `test-${at}`;
      const grants = grantsOf(one, folder, manifest);
      const refused = trusted ? [] : rightsOf(one, grants.grants).filter((right) => !given.some((other) => covers(other, parseRight(right))));
      if (refused.length > 0)
        write(2, withoutControls(`${one.name} wants ${refused.join(", ")}, which is not granted; say --trust if you wrote these cases, or --allow with the right\n`));
      permissions.beginRun(run, [
        ...grants.run,
        ...[...(trusted ? rightsOf(one, grants.grants).map(parseRight) : []), ...given].map(
          (right): RunGrant => ({ extension: manifest.id, right: right.text, decision: "allow", by: "the case" }),
        ),
      ]);
      const tried = await tryCase(one, run);
      host.endRun(run);
      permissions.endRun(run);
      if (tried.says !== undefined) failed++;
      const cost =
        tried.cost &&
        `${tried.cost.ms.toFixed(1)} ms, ${spellFuel(tried.cost.fuel)} fuel, ${spellBytes(tried.cost.memoryBytes)}${tried.cost.hostCalls.size ? `, ${[...tried.cost.hostCalls].map(([name, count]) => `${name} ${count}`).join(", ")}` : ""}`;
      if (values["json"])
        write(
          1,
          `${JSON.stringify({ case: one.name, passed: tried.says === undefined, ...(tried.says === undefined ? {} : { says: tried.says }), ...(tried.cost ? { ...tried.cost, hostCalls: Object.fromEntries(tried.cost.hostCalls) } : {}), log: tried.log })}\n`,
        );
      else {
        write(
          1,
          `${tried.says === undefined ? paint("green", "passed") : paint("red", "failed")}  ${withoutControls(`${one.name}${cost ? `  (${cost})` : ""}\n${tried.says === undefined ? "" : `  ${tried.says}\n`}${tried.log.map((line) => `  | ${line}\n`).join("")}`)}`,
        );
      }
    }
  } finally {
    await pool[Symbol.asyncDispose]();
    await stage[Symbol.asyncDispose]();
    await real.platform[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
  }
  if (!values["json"]) write(1, `${cases.length - failed} passed, ${failed} failed\n`);
  return failed > 0 ? 1 : 0;

  async function tryCase(one: Case, run: string): Promise<Tried> {
    const log: string[] = [];
    let cost: CallCost | undefined;
    const says = (what: string): Tried => ({ says: what, cost, log });
    const { plan, faults } = planMelody(
      { id: "test", nodes: [{ id: "step", kind: manifest.kind as "operator", uses: manifest.id, settings: one.settings }], edges: [] },
      catalogue,
    );
    const settings = faults.filter(({ path }) => path.includes(".settings."));
    if (settings.length > 0) return says(settings.map(({ path, message }) => `${path.replace(/^.*\.settings/, "settings")}: ${message}`).join("; "));
    const entries: Entry[] = [];
    for (const [name, json] of [...Object.entries(one.inputs), ...Object.keys(one.folders).map((folderName): [string, unknown] => [folderName, folderName])]) {
      const port = manifest.inputs.get(name);
      if (!port) return says(`inputs.${name}: ${manifest.id} has no such input; it has ${[...manifest.inputs.keys()].join(", ") || "none"}`);
      const value = valueFromJson(json, port.type);
      if (!value) return says(`inputs.${name}: ${JSON.stringify(json).slice(0, 80)} doesn't fit its type`);
      entries.push({ name, value });
    }
    for (const { name, default: preset } of manifest.inputs.values()) if (preset && !entries.some((entry) => entry.name === name)) entries.push({ name, value: preset });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    try {
      const outputs = await host.invoke(
        {
          run,
          path: "step",
          node: plan.nodes[0] as PlanNode,
          inputs: entries,
          attempt: 1,
          signal: new AbortController().signal,
          note: (record) => {
            if (record.event === "node.log") log.push(`${record.level}: ${record.message}`);
          },
          measured: (took) => {
            cost = took;
          },
        },
        grantsOf(one, folder, manifest).grants,
      );
      if (one.error) return says(`it was to fail, and gave ${spell(outputs)}`);
      return { says: difference(one.outputs ?? {}, outputs), cost, log };
    } catch (cause) {
      if (!(cause instanceof SymphonyError)) throw cause;
      const code = (cause.detail ?? cause.code).replace("/", ".");
      if (!one.error) return says(`${code}: ${cause.message}`);
      if (one.error.code !== undefined && one.error.code.replace("/", ".") !== code) return says(`it failed with ${code}, expected ${one.error.code}: ${cause.message}`);
      if (one.error.message !== undefined && !cause.message.includes(one.error.message))
        return says(`it failed with ${JSON.stringify(cause.message)}, expected ${JSON.stringify(one.error.message)} in it`);
      return { says: undefined, cost, log };
    }
  }

  function grantsOf(one: Case, base: string, { inputs }: Manifest): { grants: Grants; run: RunGrant[] } {
    const folders = new Map<string, Grants["folders"] extends ReadonlyMap<string, infer F> ? F : never>();
    for (const [name, path] of Object.entries(one.folders)) {
      const place = resolve(base, "cases", path);
      const inside = existsSync(place) ? `${realpathSync(place)}/`.startsWith(`${realpathSync(base)}/`) : true;
      if (!inside && !trusted)
        throw new SymphonyError(
          "cli/usage",
          `Cannot use the case ${one.file}: its folder ${JSON.stringify(path)} is outside of the extension's; say --trust if you wrote these cases`,
        );
      if (!existsSync(place))
        throw new SymphonyError(
          "cli/io",
          `Cannot use the case ${one.name} of ${one.file}: its folder ${JSON.stringify(path)} isn't there (${place}); paths begin at the folder cases`,
        );
      if (!inputs.has(name)) continue;
      const found = realpathSync(place);
      folders.set(name, { path: found, folder: platform.folder(found) });
    }
    const project = realpathSync(base);
    const run = [...[...folders.values()].map(({ path }) => path), project].map(
      (path): RunGrant => ({ extension: "*", right: `file:read:${spellPathObject(path, true)}`, decision: "allow", by: "the case's own folder" }),
    );
    return { grants: { folders, project }, run };
  }
}

/** What stands for the folders of the case in what it wants granted. */
function rightsOf({ allow }: Case, { folders }: Grants): string[] {
  return allow.flatMap((right) =>
    right.includes("/(inputs)") ? [...folders.values()].map(({ path }) => right.replace("/(inputs)", () => spellPathObject(path, false))) : [right],
  );
}

function readCases(folder: string, only: string | undefined): Case[] {
  const files = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(".json"))
        .sort()
    : [];
  if (files.length === 0)
    throw new SymphonyError("cli/io", `Cannot test: there are no cases in ${JSON.stringify(folder)}; a case is a JSON file with inputs, settings and outputs`);
  const cases: Case[] = [];
  const faults: Fault[] = [];
  for (const file of files) {
    let raw: unknown;
    try {
      raw = JSON.parse(readFileSync(join(folder, file), "utf8"));
    } catch (cause) {
      faults.push({ path: file, message: `it is not JSON: ${(cause as Error).message.split("\n")[0]}` });
      continue;
    }
    for (const [i, each] of (Array.isArray(raw) ? raw : [raw]).entries()) {
      const read = schema.safeParse(each);
      const place = Array.isArray(raw) ? `${file}[${i}]` : file;
      if (read.success) cases.push({ ...read.data, file, name: read.data.name ?? place.replace(/\.json/, "") });
      else faults.push(...faultsOf(read.error, each, schema).map(({ path, message }) => ({ path: `${place}: ${path}`, message })));
    }
  }
  if (faults.length > 0)
    throw new SymphonyError("cli/usage", `Cannot test, because cases have faults:\n${faults.map(({ path, message }) => `  ${path}: ${message}`).join("\n")}`, { faults });
  return only === undefined ? cases : cases.filter(({ name }) => name.includes(only));
}

function spell(outputs: ReadonlyMap<string, Value>): string {
  return JSON.stringify(Object.fromEntries([...outputs].map(([name, value]) => [name, valueToJson(value)]))).slice(0, 500);
}

function difference(expected: Record<string, unknown>, outputs: ReadonlyMap<string, Value>): string | undefined {
  for (const [name, wanted] of Object.entries(expected)) {
    const value = outputs.get(name);
    const got = value === undefined ? undefined : valueToJson(value);
    if (JSON.stringify(sorted(got)) !== JSON.stringify(sorted(wanted)))
      return `output ${name} is ${value === undefined ? "not given" : JSON.stringify(got).slice(0, 300)}, expected ${JSON.stringify(wanted).slice(0, 300)}`;
  }
  return undefined;
}

/** With the keys of objects in one order. */
function sorted(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(sorted);
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, sorted(value)]),
  );
}

function spellFuel(fuel: number): string {
  return fuel < 1000 ? String(fuel) : fuel < 1e6 ? `${(fuel / 1e3).toFixed(1)} k` : fuel < 1e9 ? `${(fuel / 1e6).toFixed(1)} M` : `${(fuel / 1e9).toFixed(1)} G`;
}
