// Which part of a melody a command asks for: up to nodes, from nodes, with pinned outputs and those of an earlier run.
import { partOf, type Past, readValues, spellValues } from "../pit/mod.ts";
import { type Fault, type Plan, type PlanNode, type RunPart, spellPortType, spellValueType, SymphonyError, type Value, valueFault, valueFits } from "../runtime/mod.ts";
import { near } from "../runtime/near.ts";
import { type Parsed, text, texts } from "./args.ts";
import { planOfRun, readRun } from "./home/kept-run.ts";
import { findRunFolder } from "./home/run-store.ts";
import { valueFromText, withStored } from "./inputs.ts";
import type { Backstage } from "./stage.ts";

/** The options that ask for a part. */
export const PART_OPTIONS = {
  to: { type: "string", multiple: true },
  from: { type: "string", multiple: true },
  pin: { type: "string", multiple: true },
  data: { type: "string" },
} as const;

type Pin = RunPart["pins"][string] & { outputs: (Value | undefined)[] };

/** Undefined where all is asked for. All faults are told together. */
export async function readPart(plan: Plan, values: Parsed["values"], backstage: Backstage): Promise<RunPart | undefined> {
  const [to, from, given, data] = [texts(values["to"]), texts(values["from"]), texts(values["pin"]), text(values["data"])];
  if (to.length + from.length + given.length === 0) {
    if (data !== undefined) throw new SymphonyError("cli/usage", "Cannot use --data alone: it gives outputs to nodes that --from leaves out");
    return undefined;
  }
  const faults: Fault[] = [];
  const fault = (path: string, message: string): void => void faults.push({ path, message });
  const known = plan.nodes.map(({ id }) => id);
  const nodeOf = (id: string, option: string): PlanNode | undefined => {
    const node = plan.nodes.find((one) => one.id === id);
    if (!node) fault(option, `the melody has no node ${JSON.stringify(id)}${near(id, known)}`);
    else if (node.isFallback) {
      const main = plan.nodes.find(({ fallback }) => fallback === plan.nodes.indexOf(node)) as PlanNode;
      fault(option, `${id} only runs in the place of ${main.id}; name that one`);
      return undefined;
    }
    return node;
  };
  for (const id of to) nodeOf(id, "--to");
  for (const id of from) nodeOf(id, "--from");
  const pins = new Map<string, Pin>();
  for (const one of given) await readPin(one);
  for (const [id, { outputs }] of pins) {
    const node = plan.nodes.find((one) => one.id === id) as PlanNode;
    for (const [slot, { name, required }] of node.outputs.entries())
      if (required && outputs[slot] === undefined && isRead(plan, plan.nodes.indexOf(node), slot))
        fault("--pin", `${id} is pinned without its output ${name}, which an edge takes; give it too, with --pin ${id}.${name}=...`);
  }
  const asked = { ...(to.length > 0 ? { to } : {}), ...(from.length > 0 ? { from } : {}) };
  if (faults.length === 0) {
    const { missing } = partOf(plan, { ...asked, pins: Object.fromEntries(pins) });
    const kept = data === undefined ? undefined : await keptRun(data, backstage);
    for (const at of missing) {
      const node = plan.nodes[at] as PlanNode;
      try {
        pins.set(node.id, await outputsBefore(plan, at, kept));
      } catch (cause) {
        fault("--from", (cause as Error).message);
      }
    }
    if (faults.length === 0 && !partOf(plan, { ...asked, pins: Object.fromEntries(pins) }).runs.includes(1))
      fault("--to", "nothing is left to run: what is asked for is pinned, or --from leads nowhere that --to needs");
  }
  if (faults.length > 0)
    throw new SymphonyError("cli/usage", `Cannot run that part of ${plan.id}:\n${faults.map(({ path, message }) => `  ${path}: ${message}`).join("\n")}`, { faults });
  return { ...asked, pins: Object.fromEntries(pins) };

  async function readPin(one: string): Promise<void> {
    const [, id, port, written] = /^([^.=]+)\.([^=]+)=(.*)$/s.exec(one) ?? [];
    if (id === undefined || port === undefined || written === undefined) {
      fault("--pin", `${JSON.stringify(one)}: expected NODE.PORT=VALUE`);
      return;
    }
    const node = nodeOf(id, "--pin");
    if (!node) return;
    const names = node.outputs.map(({ name }) => name);
    const slot = names.indexOf(port);
    if (slot < 0) {
      fault("--pin", `${id} has no output port ${JSON.stringify(port)}${near(port, names) || `; it has ${names.join(", ") || "none"}`}`);
      return;
    }
    const pin = pins.get(id) ?? { outputs: new Array<Value | undefined>(names.length).fill(undefined) };
    pins.set(id, pin);
    if (pin.outputs[slot] !== undefined) {
      fault("--pin", `${id}.${port} is given twice`);
      return;
    }
    try {
      const value = await withStored(valueFromText(written, (node.outputs[slot] as PlanNode["outputs"][number]).type), backstage.artifacts);
      const why = valueFault(value);
      if (why) throw new Error(`the value ${why}`);
      pin.outputs[slot] = value;
    } catch (cause) {
      fault(`--pin ${id}.${port}`, (cause as Error).message);
    }
  }
}

interface KeptRunData {
  run: string;
  plan: Plan;
  nodes: Past["nodes"];
  load(outputs: readonly (Value | undefined)[]): Promise<(Value | undefined)[]>;
}

async function keptRun(prefix: string, backstage: Backstage): Promise<KeptRunData> {
  const folder = findRunFolder(backstage.home, prefix);
  const { past } = await readRun(backstage, folder);
  const plan = await planOfRun(backstage, past);
  if (!plan) throw new SymphonyError("run/changed", `Cannot take data of the run ${folder.id}: its melody, or an extension that it uses, isn't there any more`);
  return {
    run: folder.id,
    plan,
    nodes: past.nodes,
    async load(outputs) {
      const named = new Map(outputs.flatMap((value, slot) => (value === undefined ? [] : [[String(slot), value] as const])));
      // what stands by its hash is loaded on the way
      const loaded = await readValues(spellValues(named), backstage.artifacts);
      return outputs.map((_, slot) => loaded.get(String(slot)));
    },
  };
}

/** Whether an edge takes what a node gives at one of its ports. */
function isRead({ graph, fromSlot, exit }: Plan, node: number, slot: number): boolean {
  if (exit.some((one) => one.node === node && one.slot === slot)) return true;
  for (let at = graph.outStart[node] as number; at < (graph.outStart[node + 1] as number); at++) if (fromSlot[graph.outEdges[at] as number] === slot) return true;
  return false;
}

/** What a node that isn't run gave in an earlier run, by the names of its ports. Throws what is missing, or no longer fits. */
async function outputsBefore(plan: Plan, at: number, kept: KeptRunData | undefined): Promise<Pin> {
  const node = plan.nodes[at] as PlanNode;
  // one that others only come after gives them nothing
  if (!node.outputs.some((_, slot) => isRead(plan, at, slot)) && !kept) return { outputs: [] };
  if (!kept)
    throw new Error(
      `${node.id} comes before, and isn't run; pin its outputs with --pin ${node.id}.${node.outputs[0]?.name ?? "PORT"}=..., or take those of an earlier run with --data RUN`,
    );
  const run = kept.run.slice(0, 8);
  const before = kept.plan.nodes.find(({ id }) => id === node.id);
  if (!before) throw new Error(`${node.id} comes before, and the melody of the run ${run} has no such node; pin its outputs`);
  if (usesOf(before) !== usesOf(node)) throw new Error(`${node.id} comes before, and was ${usesOf(before)} in the run ${run}, now it is ${usesOf(node)}; pin its outputs`);
  const past = kept.nodes.get(before.id);
  // where it failed, what stood in for it gave its outputs
  const spare = past?.state === "failed" && before.fallback >= 0 ? (kept.plan.nodes[before.fallback] as PlanNode) : undefined;
  const source = spare ?? before;
  const given = spare ? kept.nodes.get(spare.id) : past;
  if (given?.state === "skipped" || (given?.state === "failed" && past?.after !== "stop")) return { outputs: [], of: kept.run, skipped: true };
  if (given?.state !== "completed") throw new Error(`${node.id} comes before, and did not complete in the run ${run}; pin its outputs, or name a run in which it did`);
  const outputs = await kept.load(given.outputs);
  return {
    of: kept.run,
    outputs: node.outputs.map(({ name, type }) => {
      const slot = source.outputs.findIndex((port) => port.name === name);
      const value = slot < 0 ? undefined : outputs[slot];
      if (value !== undefined && !valueFits(value, type))
        throw new Error(`${node.id} gave ${spellValueType(value)} as ${name} in the run ${run}, now that is ${spellPortType(type)}; pin its outputs`);
      return value;
    }),
  };
}

const usesOf = ({ work }: PlanNode): string => (work.does === "call" ? work.manifest.id : work.does);
