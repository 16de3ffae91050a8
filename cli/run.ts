// `symphony run`: a melody from its file to its end.
import { resolve } from "node:path";
import type { Durability } from "../pit/mod.ts";
import type { RunOrigin } from "../runtime/mod.ts";
import { approvals } from "./approvals.ts";
import { dryRun, tellDryRun } from "./dry-run.ts";
import { readArgs, text, texts, usage, whole } from "./args.ts";
import { help } from "./help.ts";
import { homeSettings } from "./home/settings.ts";
import { usedExtensions } from "./home/owner.ts";
import { readInputs } from "./inputs.ts";
import { soundMelody } from "./melody-file.ts";
import { checkWritable } from "./outputs.ts";
import { PART_OPTIONS, readPart } from "./part.ts";
import { withoutControls, write } from "./print.ts";
import { decideRights, keepDecisions, questionsOf, readAllowed } from "./rights.ts";
import { openBackstage } from "./stage.ts";
import { conduct, isAttended, timesOf } from "./watch.ts";

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("run", args, {
    input: { type: "string", multiple: true },
    out: { type: "string" },
    json: { type: "boolean" },
    parallel: { type: "string" },
    timeout: { type: "string" },
    approve: { type: "string", multiple: true },
    allow: { type: "string", multiple: true },
    durability: { type: "string" },
    wait: { type: "boolean" },
    fresh: { type: "boolean" },
    explain: { type: "boolean" },
    "dry-run": { type: "boolean" },
    ...PART_OPTIONS,
    quiet: { type: "boolean" },
  });
  if (values["help"]) return help(["run"]);
  const [file, ...more] = positionals;
  if (!file || more.length > 0) throw usage(file ? `Cannot run several melodies at once: ${positionals.join(", ")}` : "Cannot run: no melody is named", "run");
  const parallel = whole(values["parallel"], "parallel", "run", 1, 1000) ?? 16;
  const timeoutMs = whole(values["timeout"], "timeout", "run", 1, 604_800_000);
  const backstage = await openBackstage(values);
  const durability = durabilityOf(text(values["durability"]), backstage.home);
  const { catalogue, artifacts } = backstage;
  for (const fault of catalogue.faults) write(2, `warning: ${withoutControls(fault.message)}\n`);
  const { plan, source: written } = await soundMelody(file, catalogue);
  const approved = texts(values["approve"]);
  approvals(plan, approved);
  const { values: inputs, grants } = await readInputs(plan, texts(values["input"]), file, backstage);
  const part = await readPart(plan, values, backstage);
  const out = text(values["out"]);
  if (out) checkWritable(resolve(out));

  const folders = Object.fromEntries([...grants.folders].map(([name, { path }]) => [name, path]));
  if (values["dry-run"]) {
    tellDryRun(dryRun(plan, part, timesOf(backstage, plan), folders), values["json"] === true);
    if (!values["json"]) await decideRights(questionsOf(plan, grants, readAllowed(texts(values["allow"]), plan, grants, "run"), backstage), false);
    return 0;
  }
  const allowed = readAllowed(texts(values["allow"]), plan, grants, "run");
  const decided = await decideRights(questionsOf(plan, grants, allowed, backstage), isAttended(values));
  await keepDecisions(backstage, decided.always);
  const { id: source } = await artifacts.put(new TextEncoder().encode(written), "application/vnd.symphony.melody+json");
  const origin: RunOrigin = {
    source,
    file: resolve(file),
    folders,
    project: grants.project,
    ...(allowed.length + decided.grants.length > 0 ? { grants: [...allowed, ...decided.grants] } : {}),
    approved,
    extensions: await usedExtensions(plan, backstage),
    ...(backstage.searched.length > 0 ? { searched: backstage.searched } : {}),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(values["fresh"] ? { fresh: true as const } : {}),
    ...(values["wait"] ? { wait: true as const } : {}),
  };
  const attended = isAttended(values) || values["wait"] === true;
  return conduct(
    backstage,
    values,
    {
      id: crypto.randomUUID(),
      run: crypto.randomUUID(),
      start: { origin, inputs, ...(part ? { part } : {}) },
      parallel,
      durability,
      approved,
      attended,
      ...(decided.once.length > 0 ? { once: decided.once } : {}),
    },
    plan,
  );
}

/** The command line's, else the home's. */
export function durabilityOf(given: string | undefined, home: string): Durability {
  if (given === undefined) return homeSettings(home).durability ?? "process";
  if (given !== "process" && given !== "power") throw usage(`Cannot use --durability ${JSON.stringify(given)}: expected process or power`, "run");
  return given;
}
