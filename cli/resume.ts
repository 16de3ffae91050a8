// `symphony resume`: goes on with a run whose process ended, or tries again what failed; of one that has ended it tells the
// end once more.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { foldEvents, loadOutputs, loadPast, nodesToReset, openJournal, type Past, recoverJournal, type RunResult } from "../pit/mod.ts";
import { type Grants, melodyError, type Plan, planMelody, readMelody, type RunOrigin, SymphonyError, type Value } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { readArgs, text, texts, usage, whole } from "./args.ts";
import { help } from "./help.ts";
import { checkWritable } from "./outputs.ts";
import { deliver, exitOf, perform } from "./perform.ts";
import { withoutControls, write } from "./print.ts";
import { durabilityOf, usedExtensions } from "./run.ts";
import { findRunFolder, lockRun } from "./run-store.ts";
import { openStage, type Stage } from "./stage.ts";

export async function resume(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("resume", args, {
    out: { type: "string" },
    json: { type: "boolean" },
    parallel: { type: "string" },
    timeout: { type: "string" },
    approve: { type: "string", multiple: true },
    durability: { type: "string" },
    retry: { type: "boolean" },
    from: { type: "string", multiple: true },
    quiet: { type: "boolean" },
  });
  if (values["help"]) return help(["resume"]);
  const [prefix, ...more] = positionals;
  if (!prefix || more.length > 0) throw usage(prefix ? `Cannot resume several runs at once: ${positionals.join(", ")}` : "Cannot resume: no run is named", "resume");
  const parallel = whole(values["parallel"], "parallel", "resume", 1, 1000);
  const timeoutMs = whole(values["timeout"], "timeout", "resume", 1, 604_800_000);
  const durability = durabilityOf(text(values["durability"]) ?? "process");
  const from = texts(values["from"]);
  const again = values["retry"] === true || from.length > 0;
  await using stage = await openStage(values);
  for (const fault of stage.catalogue.faults) write(2, `warning: ${withoutControls(fault.message)}\n`);
  const out = text(values["out"]);
  if (out) checkWritable(resolve(out));
  const folder = findRunFolder(stage.home, prefix);
  const unlock = lockRun(folder);
  try {
    const file = stage.platform.appendFile(folder.journal);
    const found = await recoverJournal(file);
    if (found.cut) write(2, `warning: ${found.cut.bytes} bytes at the end of the journal are left out: ${found.cut.why}\n`);
    if (found.run !== folder.id) throw new SymphonyError("journal/damaged", `Cannot resume ${folder.id}: the journal in its folder is that of another run`);
    const past = foldEvents(found.events);
    past.cut = found.cut?.bytes ?? 0;
    const { started, ended } = past;
    if (!started?.origin) throw new SymphonyError("journal/damaged", `Cannot resume ${folder.id}: its journal doesn't say how it began; run the melody anew`);
    if (ended && !again) {
      const result = resultOf(folder.id, ended, await loadOutputs(ended, stage.artifacts));
      await file.close();
      await deliver(stage, values, result, 0);
      return exitOf(result);
    }
    const { origin } = started;
    const plan = await planOf(origin, stage);
    if (timeoutMs !== undefined) plan.timeoutMs = timeoutMs;
    for (const id of from) checkNode(plan, id);
    const resets = again ? nodesToReset(past, plan, from) : [];
    // a value that is gone doesn't matter where its node is run again
    for (const path of resets) past.nodes.delete(path);
    await loadPast(past, stage.artifacts);
    const journal = openJournal(file, durability);
    const inputs = new Map(Object.entries(started.inputs) as [string, Value][]);
    const approved = [...origin.approved, ...texts(values["approve"])];
    return await perform(stage, values, { run: folder.id, plan, inputs, grants: grantsOf(origin, stage), journal, parallel: parallel ?? started.parallel, past, resets, approved });
  } finally {
    unlock();
  }
}

/** The plan that the run was begun with; `run/changed` where that isn't to be had any more. */
async function planOf(origin: RunOrigin, stage: Stage): Promise<Plan> {
  const read = readMelody(new TextDecoder().decode(await stage.artifacts.get(origin.source)));
  const { plan, faults } = read.melody ? planMelody(read.melody, stage.catalogue, read) : { plan: undefined, faults: [] };
  if (!plan || read.faults.length + faults.length > 0) throw melodyError(JSON.stringify(origin.file), [...read.faults, ...faults]);
  const now = await usedExtensions(plan, stage);
  for (const [id, hash] of Object.entries(origin.extensions))
    if (now[id] !== hash)
      throw new SymphonyError("run/changed", `Cannot resume: the component of ${id} is not the one that the run was begun with; bring that one back, or run the melody anew`);
  if (origin.timeoutMs !== undefined) plan.timeoutMs = Math.min(plan.timeoutMs ?? origin.timeoutMs, origin.timeoutMs);
  return plan;
}

function grantsOf(origin: RunOrigin, { platform }: Stage): Grants {
  const folders = Object.entries(origin.folders).map(([name, path]) => {
    if (!existsSync(path)) throw new SymphonyError("run/changed", `Cannot resume: the folder ${JSON.stringify(path)} that was granted as ${name} isn't there any more`);
    return [name, { path, folder: platform.folder(path) }] as const;
  });
  return { folders: new Map(folders) };
}

function checkNode({ nodes }: Plan, id: string): void {
  if (nodes.some((node) => node.id === id)) return;
  const known = nodes.map((node) => node.id);
  throw usage(`Cannot run again from ${JSON.stringify(id)}: there is no such node${near(id, known)}`, "resume");
}

function resultOf(run: string, ended: NonNullable<Past["ended"]>, outputs: Map<string, Value>): RunResult {
  const { state, code, detail, message } = ended;
  return { run, state, outputs, error: code ? new SymphonyError(code, message ?? "", { detail }) : undefined };
}
