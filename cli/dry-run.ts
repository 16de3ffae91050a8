// What a run would do: its nodes in order, what each asks for, what it took before. Nothing is run.
import { partOf } from "../pit/mod.ts";
import { describeCapability, type Plan, type PlanNode, type RunPart, weightedPath } from "../runtime/mod.ts";
import type { NodeTime } from "./home/history.ts";
import { pad, painter, spellMs, withoutControls, write } from "./print.ts";

export interface PlannedNode {
  node: string;
  uses: string;
  /** Nodes of one wave hang on none of each other. */
  wave: number;
  runs: boolean;
  /** Why it isn't run, or what it may do: folders, artifacts. */
  notes: string[];
  /** What it took before, in milliseconds. */
  ms?: number;
}

export interface DryRun {
  melody: string;
  nodes: PlannedNode[];
  waves: number;
  /** The nodes that no schedule can shorten, and how long they took before. */
  criticalPath: { nodes: string[]; ms: number } | undefined;
  folders: Record<string, string>;
}

export function dryRun(plan: Plan, part: RunPart | undefined, times: ReadonlyMap<string, NodeTime>, folders: Readonly<Record<string, string>>): DryRun {
  const { nodes, graph, order } = plan;
  const runs = part ? partOf(plan, part).runs : new Uint8Array(nodes.length).fill(1);
  const wave = new Uint32Array(nodes.length);
  const weight = new Float64Array(nodes.length);
  for (const node of order)
    for (let at = graph.inStart[node] as number; at < (graph.inStart[node + 1] as number); at++) {
      const source = graph.from[graph.inEdges[at] as number] as number;
      wave[node] = Math.max(wave[node] as number, (wave[source] as number) + (runs[source] ? 1 : 0));
    }
  const told = Array.from(order, (at): PlannedNode => {
    const node = nodes[at] as PlanNode;
    const pin = part && Object.hasOwn(part.pins, node.id) ? part.pins[node.id] : undefined;
    // what stands in for another is run where that fails
    const main = node.isFallback ? nodes.findIndex(({ fallback }) => fallback === at) : at;
    const isRun = runs[main] === 1 && !pin;
    const ms = times.get(node.id)?.wholeMs;
    if (isRun && ms !== undefined) weight[at] = ms;
    const notes = pin ? [pin.of ? `outputs of run ${pin.of.slice(0, 8)}` : "pinned"] : isRun ? notesOf(node) : ["no part of what was asked for"];
    return { node: node.id, uses: usesOf(node), wave: wave[at] as number, runs: isRun, notes, ...(isRun && ms !== undefined ? { ms } : {}) };
  });
  const path = weightedPath(graph, order, weight);
  const known = weight.some((ms) => ms > 0);
  return {
    melody: plan.id,
    nodes: told,
    waves: told.reduce((most, one) => (one.runs ? Math.max(most, one.wave + 1) : most), 0),
    criticalPath: known ? { nodes: path.nodes.filter((at) => runs[at]).map((at) => (nodes[at] as PlanNode).id), ms: path.length } : undefined,
    folders,
  };
}

const usesOf = ({ work }: PlanNode): string => (work.does === "call" ? `${work.manifest.id} ${work.manifest.version}` : work.does);

function notesOf({ work, retry, timeoutMs, isFallback }: PlanNode): string[] {
  const notes: string[] = [];
  if (isFallback) notes.push("only in another's place");
  if (work.does === "call") {
    const { pure, capabilities } = work.manifest;
    notes.push(...capabilities.map(describeCapability));
    if (pure) notes.push("pure: a kept answer may do");
  }
  if (work.does === "map" || work.does === "melody") notes.push(`${work.body.nodes.length} nodes inside`);
  if (work.does === "approve") notes.push("asks a person");
  if (work.does === "delay") notes.push(`waits ${spellMs(work.delayMs)}`);
  if (retry.attempts > 1) notes.push(`up to ${retry.attempts} attempts`);
  if (timeoutMs !== undefined) notes.push(`at most ${spellMs(timeoutMs)}`);
  return notes;
}

export function tellDryRun(dry: DryRun, json: boolean): void {
  if (json) {
    write(1, `${JSON.stringify(dry)}\n`);
    return;
  }
  const paint = painter();
  const { nodes, waves, criticalPath, folders } = dry;
  const [wide, uses] = [Math.min(40, Math.max(4, ...nodes.map(({ node }) => node.length))), Math.min(40, Math.max(4, ...nodes.map((one) => one.uses.length)))];
  for (const one of [...nodes].sort((a, b) => a.wave - b.wave)) {
    const text = `${pad(withoutControls(one.node), wide)}  ${pad(one.uses, uses)}  ${pad(one.ms === undefined ? "" : spellMs(one.ms), 8)}  ${one.notes.join("; ")}`.trimEnd();
    write(1, `${String(one.wave + 1).padStart(3)}  ${one.runs ? text : paint("dim", `${text}`)}\n`);
  }
  for (const [name, path] of Object.entries(folders)) write(1, `The folder ${JSON.stringify(path)} would be granted as ${name}.\n`);
  const count = nodes.filter(({ runs }) => runs).length;
  write(
    1,
    `${count} of ${nodes.length} nodes in ${waves} ${waves === 1 ? "wave" : "waves"}${criticalPath ? `; at least ${spellMs(criticalPath.ms)}, as long as ${criticalPath.nodes.join(", ")} took before` : ""}. Nothing was run.\n`,
  );
}
