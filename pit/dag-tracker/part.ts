// Which nodes of a melody are run when only a part of it is asked for, and what must then be given. Pure.
import { invalidatedBy, markAll, type Plan, type PlanNode } from "../../runtime/mod.ts";

/** Nodes by their ids. */
export interface Asked {
  /** Run up to these; without: to the end. */
  to?: readonly string[];
  /** Run these and what comes after them; without: from the beginning. */
  from?: readonly string[];
  /** Nodes whose outputs are given. */
  pins: Readonly<Record<string, unknown>>;
}

export interface Part {
  /** By node: 1 where it is run. Fallbacks run with the nodes that they stand in for. */
  runs: Uint8Array;
  /** Nodes outside of the part whose outputs it takes, and that no pin gives. */
  missing: number[];
}

/**
 * What is asked for and all that it needs: against the edges from where the part ends, as far as pinned nodes and, with `from`,
 * nodes that come before it.
 */
export function partOf(plan: Plan, { to, from, pins }: Asked): Part {
  const { graph, nodes } = plan;
  const isPinned = (node: number): boolean => Object.hasOwn(pins, (nodes[node] as PlanNode).id);
  const numbers = (ids: readonly string[]): number[] => ids.map((id) => nodes.findIndex((node) => node.id === id)).filter((node) => node >= 0);
  /** 1 where a run may go at all. */
  const open = from ? invalidatedBy(plan, numbers(from)) : new Uint8Array(nodes.length).fill(1);
  const ends = to ? numbers(to) : Array.from(nodes.keys()).filter((node) => graph.outStart[node] === graph.outStart[node + 1] || plan.exit.some((exit) => exit.node === node));
  const missing = new Set<number>();
  const start = ends.filter((node) => open[node] && !isPinned(node));
  const runs = markAll(nodes.length, start, function* (node) {
    for (const source of before(plan, node)) {
      if (isPinned(source)) continue;
      if (open[source]) yield source;
      else missing.add(source);
    }
  });
  return { runs, missing: [...missing].sort((a, b) => a - b) };
}

function* before({ graph }: Plan, node: number): Generator<number> {
  for (let at = graph.inStart[node] as number; at < (graph.inStart[node + 1] as number); at++) yield graph.from[graph.inEdges[at] as number] as number;
}
