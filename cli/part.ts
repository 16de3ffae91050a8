// Which part of a melody a command asks for: up to nodes, from nodes, with pinned outputs and those of an earlier run.
import { partOf, readKept, readValues, spellValues } from "../pit/mod.ts";
import { type Fault, type Plan, type PlanNode, type RunPart, SymphonyError, type Value } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { type Parsed, text, texts } from "./args.ts";
import { findRunFolder } from "./home/run-store.ts";
import { valueFromText } from "./inputs.ts";
import type { Backstage } from "./stage.ts";

/** The options that ask for a part. */
export const PART_OPTIONS = {
  to: { type: "string", multiple: true },
  from: { type: "string", multiple: true },
  pin: { type: "string", multiple: true },
  data: { type: "string" },
} as const;

/** Undefined where all is asked for. All faults are told together. */
export async function readPart(plan: Plan, values: Parsed["values"], backstage: Backstage): Promise<RunPart | undefined> {
  const [to, from, given, data] = [texts(values["to"]), texts(values["from"]), texts(values["pin"]), text(values["data"])];
  if (to.length + from.length + given.length === 0) {
    if (data !== undefined) throw new SymphonyError("cli/usage", "Cannot use --data alone: it gives outputs to nodes that --from leaves out");
    return undefined;
  }
  const faults: Fault[] = [];
  const known = plan.nodes.map(({ id }) => id);
  const nodeOf = (id: string, option: string): PlanNode | undefined => {
    const node = plan.nodes.find((one) => one.id === id);
    if (!node) faults.push({ path: option, message: `the melody has no node ${JSON.stringify(id)}${near(id, known)}` });
    return node;
  };
  for (const id of to) nodeOf(id, "--to");
  for (const id of from) nodeOf(id, "--from");
  const pins: Record<string, { outputs: (Value | undefined)[]; of?: string }> = {};
  for (const one of given) {
    const [, id, port, written] = /^([^.=]+)\.([^=]+)=(.*)$/s.exec(one) ?? [];
    if (id === undefined || port === undefined || written === undefined) {
      faults.push({ path: "--pin", message: `${JSON.stringify(one)}: expected NODE.PORT=VALUE` });
      continue;
    }
    const node = nodeOf(id, "--pin");
    if (!node) continue;
    const names = node.outputs.map(({ name }) => name);
    const slot = names.indexOf(port);
    if (node.isFallback) faults.push({ path: "--pin", message: `${id} only stands in for another node; pin that one` });
    else if (slot < 0) faults.push({ path: "--pin", message: `${id} has no output port ${JSON.stringify(port)}${near(port, names) || `; it has ${names.join(", ") || "none"}`}` });
    else {
      try {
        pins[id] ??= { outputs: new Array(names.length).fill(undefined) };
        pins[id].outputs[slot] = valueFromText(written, (node.outputs[slot] as PlanNode["outputs"][number]).type);
      } catch (cause) {
        faults.push({ path: `--pin ${id}.${port}`, message: (cause as Error).message });
      }
    }
  }
  for (const [id, { outputs }] of Object.entries(pins)) {
    const node = plan.nodes.find((one) => one.id === id) as PlanNode;
    for (const [slot, { name, required }] of node.outputs.entries())
      if (required && outputs[slot] === undefined && faults.length === 0)
        faults.push({ path: "--pin", message: `${id} is pinned without its output ${name}; give it too, with --pin ${id}.${name}=...` });
  }
  const asked = { ...(to.length > 0 ? { to } : {}), ...(from.length > 0 ? { from } : {}) };
  if (faults.length === 0) {
    const { missing } = partOf(plan, { ...asked, pins });
    const kept = data === undefined ? undefined : await outputsOfRun(data, backstage);
    for (const node of missing.map((at) => plan.nodes[at] as PlanNode)) {
      const before = kept?.outputs(node.id);
      if (kept && before) pins[node.id] = { outputs: await before, of: kept.run };
      else
        faults.push({
          path: "--from",
          message: kept
            ? `${node.id} comes before, and did not complete in the run ${kept.run.slice(0, 8)}; pin its outputs, or name a run in which it did`
            : `${node.id} comes before, and isn't run; pin its outputs with --pin ${node.id}.${node.outputs[0]?.name ?? "PORT"}=..., or take those of an earlier run with --data RUN`,
        });
    }
  }
  if (faults.length > 0)
    throw new SymphonyError("cli/usage", `Cannot run that part of ${plan.id}:\n${faults.map(({ path, message }) => `  ${path}: ${message}`).join("\n")}`, { faults });
  return { ...asked, pins };
}

/** What the nodes of an earlier run gave. */
async function outputsOfRun(prefix: string, { home, platform, artifacts }: Backstage): Promise<{ run: string; outputs(node: string): Promise<(Value | undefined)[]> | undefined }> {
  const folder = findRunFolder(home, prefix);
  const { past } = await readKept(platform.appendFolder(folder.folder));
  return {
    run: folder.id,
    outputs(id) {
      const node = past.nodes.get(id);
      if (node?.state !== "completed") return undefined;
      const named = new Map(node.outputs.flatMap((value, slot) => (value === undefined ? [] : [[String(slot), value] as const])));
      // what stands by its hash is loaded on the way
      return readValues(spellValues(named), artifacts).then((loaded) => node.outputs.map((_, slot) => loaded.get(String(slot))));
    },
  };
}
