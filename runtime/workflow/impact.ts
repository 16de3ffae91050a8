// What hangs on what in a plan. Pure.
import type { Plan, PlanNode } from "./plan.ts";

/** What a change of these nodes (by number) makes invalid: themselves, all that edges lead to, and what stands in for them; 1 by node. */
export function invalidatedBy(plan: Plan, changed: Iterable<number>): Uint8Array {
  return markAll(plan.nodes.length, changed, (node) => after(plan, node));
}

/** Marks these and all that `next` leads to, each once; without recursion. */
export function markAll(count: number, start: Iterable<number>, next: (node: number) => Iterable<number>): Uint8Array {
  const seen = new Uint8Array(count);
  const waiting = [...start];
  for (const node of waiting) seen[node] = 1;
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop())
    for (const one of next(node)) {
      if (seen[one]) continue;
      seen[one] = 1;
      waiting.push(one);
    }
  return seen;
}

/** Nodes that this one's edges lead to, what stands in for it, and what comes after the node that it stands in for. */
function* after({ graph, nodes }: Plan, node: number): Generator<number> {
  yield* targets(graph, node);
  const { fallback, isFallback } = nodes[node] as PlanNode;
  if (fallback >= 0) yield fallback;
  if (!isFallback) return;
  for (const [failed, one] of nodes.entries()) if (one.fallback === node) yield* targets(graph, failed);
}

function* targets({ outStart, outEdges, to }: Plan["graph"], node: number): Generator<number> {
  for (let at = outStart[node] as number; at < (outStart[node + 1] as number); at++) yield to[outEdges[at] as number] as number;
}
