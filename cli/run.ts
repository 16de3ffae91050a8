// `symphony run`: a melody from its file to its end.
import { resolve } from "node:path";
import { createJournal, type Durability } from "../pit/mod.ts";
import type { Plan } from "../runtime/mod.ts";
import { readArgs, text, texts, usage, whole } from "./args.ts";
import { help } from "./help.ts";
import { readInputs } from "./inputs.ts";
import { soundMelody } from "./melody-file.ts";
import { checkWritable } from "./outputs.ts";
import { approvals, perform } from "./perform.ts";
import { withoutControls, write } from "./print.ts";
import { createRunFolder, lockRun } from "./run-store.ts";
import { openStage, type Stage } from "./stage.ts";

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("run", args, {
    input: { type: "string", multiple: true },
    out: { type: "string" },
    json: { type: "boolean" },
    parallel: { type: "string" },
    timeout: { type: "string" },
    approve: { type: "string", multiple: true },
    durability: { type: "string" },
    quiet: { type: "boolean" },
  });
  if (values["help"]) return help(["run"]);
  const [file, ...more] = positionals;
  if (!file || more.length > 0) throw usage(file ? `Cannot run several melodies at once: ${positionals.join(", ")}` : "Cannot run: no melody is named", "run");
  const parallel = whole(values["parallel"], "parallel", "run", 1, 1000) ?? 16;
  const timeoutMs = whole(values["timeout"], "timeout", "run", 1, 604_800_000);
  const durability = durabilityOf(text(values["durability"]) ?? "process");
  await using stage = await openStage(values);
  for (const fault of stage.catalogue.faults) write(2, `warning: ${withoutControls(fault.message)}\n`);
  const { plan, source: written } = await soundMelody(file, stage.catalogue);
  const approved = texts(values["approve"]);
  approvals(plan, approved);
  if (timeoutMs !== undefined) plan.timeoutMs = Math.min(plan.timeoutMs ?? timeoutMs, timeoutMs);
  const { values: inputs, grants } = await readInputs(plan, texts(values["input"]), file, stage);
  const out = text(values["out"]);
  if (out) checkWritable(resolve(out));

  const { id: source } = await stage.artifacts.put(new TextEncoder().encode(written), "application/vnd.symphony.melody+json");
  const folders = Object.fromEntries([...grants.folders].map(([name, { path }]) => [name, path]));
  const origin = { source, file: resolve(file), folders, approved, extensions: await usedExtensions(plan, stage), ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const folder = createRunFolder(stage.home);
  const unlock = lockRun(folder);
  try {
    const journal = createJournal(stage.platform.appendFile(folder.journal), folder.id, durability);
    return await perform(stage, values, { run: folder.id, plan, inputs, grants, journal, parallel, origin, approved });
  } finally {
    unlock();
  }
}

export function durabilityOf(text: string): Durability {
  if (text !== "process" && text !== "power") throw usage(`Cannot use --durability ${JSON.stringify(text)}: expected process or power`, "run");
  return text;
}

/** The components that a plan uses, by their hashes, so that a resume can tell whether they are still the same. */
export async function usedExtensions(plan: Plan, { catalogue, platform }: Pick<Stage, "catalogue" | "platform">): Promise<Record<string, string>> {
  const used: Record<string, string> = {};
  const open = [plan];
  for (let next = open.pop(); next; next = open.pop())
    for (const { work } of next.nodes) {
      if (work.does === "map" || work.does === "melody") open.push(work.body);
      if (work.does !== "call" || used[work.manifest.id] !== undefined) continue;
      const digest = platform.digest();
      // one that isn't built fails where it is used
      const bytes = await catalogue
        .extension(work.manifest.id)
        ?.component()
        .catch(() => undefined);
      if (!bytes) continue;
      digest.update(bytes);
      used[work.manifest.id] = await digest.hex();
    }
  return used;
}
