// `symphony resume`: goes on with a run whose process ended, or tries again what failed; of one that has ended it tells the
// end once more.
import { resolve } from "node:path";
import { readArgs, text, texts, usage, whole } from "./args.ts";
import { help } from "./help.ts";
import { planOfRun, readRun } from "./home/kept-run.ts";
import { findRunFolder } from "./home/run-store.ts";
import { checkWritable } from "./outputs.ts";
import { withoutControls, write } from "./print.ts";
import { durabilityOf } from "./run.ts";
import { moreRights } from "./rights.ts";
import { openBackstage } from "./stage.ts";
import { conduct, isAttended } from "./watch.ts";

export async function resume(args: string[]): Promise<number> {
  const { values, positionals } = readArgs("resume", args, {
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
    retry: { type: "boolean" },
    from: { type: "string", multiple: true },
    quiet: { type: "boolean" },
  });
  if (values["help"]) return help(["resume"]);
  const [prefix, ...more] = positionals;
  if (!prefix || more.length > 0) throw usage(prefix ? `Cannot resume several runs at once: ${positionals.join(", ")}` : "Cannot resume: no run is named", "resume");
  const parallel = whole(values["parallel"], "parallel", "resume", 1, 1000);
  const timeoutMs = whole(values["timeout"], "timeout", "resume", 1, 604_800_000);
  const from = texts(values["from"]);
  const backstage = await openBackstage(values);
  const durability = durabilityOf(text(values["durability"]), backstage.home);
  for (const fault of backstage.catalogue.faults) write(2, `warning: ${withoutControls(fault.message)}\n`);
  const out = text(values["out"]);
  if (out) checkWritable(resolve(out));
  const folder = findRunFolder(backstage.home, prefix);
  const { past } = await readRun(backstage, folder);
  const plan = await planOfRun(backstage, past);
  const { grants, once } = await moreRights(backstage, past.started?.origin, plan, texts(values["allow"]), isAttended(values));
  const order = {
    ...(grants.length > 0 ? { grants } : {}),
    ...(once.length > 0 ? { once } : {}),
    id: crypto.randomUUID(),
    run: folder.id,
    resume: { retry: values["retry"] === true, from },
    ...(parallel === undefined ? {} : { parallel }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    durability,
    approved: texts(values["approve"]),
    attended: isAttended(values) || values["wait"] === true,
    fresh: values["fresh"] === true,
  };
  return conduct(backstage, values, order, plan);
}
