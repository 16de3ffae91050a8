// Directed graphs on typed arrays: nodes are 0..n-1, edges stand in compressed sparse rows. Pure; no recursion.

/** Edges by source and by target, each row in the order in which the edges were given. */
export interface Graph {
  readonly nodes: number;
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  /** Edge numbers that leave node i: `outEdges[outStart[i] .. outStart[i + 1]]`. */
  readonly outStart: Uint32Array;
  readonly outEdges: Uint32Array;
  readonly inStart: Uint32Array;
  readonly inEdges: Uint32Array;
}

/** Builds the rows by counting; O(nodes + edges). Indices must be below `nodes`. */
export function createGraph(nodes: number, from: Uint32Array, to: Uint32Array): Graph {
  return { nodes, from, to, ...rows(nodes, from, "out"), ...rows(nodes, to, "in") } as Graph;
}

function rows(nodes: number, end: Uint32Array, name: "in" | "out"): Record<string, Uint32Array> {
  const start = new Uint32Array(nodes + 1);
  for (let e = 0; e < end.length; e++) start[(end[e] as number) + 1] = (start[(end[e] as number) + 1] as number) + 1;
  for (let i = 0; i < nodes; i++) start[i + 1] = (start[i + 1] as number) + (start[i] as number);
  const next = start.slice(0, nodes);
  const edges = new Uint32Array(end.length);
  for (let e = 0; e < end.length; e++) {
    const node = end[e] as number;
    const at = next[node] as number;
    edges[at] = e;
    next[node] = at + 1;
  }
  return { [`${name}Start`]: start, [`${name}Edges`]: edges };
}

/**
 * Kahn's algorithm (1962) with a queue in node order: equal graphs give equal orders everywhere. With a cycle, the
 * order holds only the nodes that no cycle precedes. Nodes marked in `without` are taken for none.
 */
export function topologicalOrder(graph: Graph, without?: Uint8Array): Uint32Array {
  const { nodes, from, to, outStart, outEdges, inStart, inEdges } = graph;
  const waiting = new Uint32Array(nodes);
  const order = new Uint32Array(nodes);
  let tail = 0;
  for (let i = 0; i < nodes; i++) {
    let count = (inStart[i + 1] as number) - (inStart[i] as number);
    if (without) {
      for (let at = inStart[i] as number; at < (inStart[i + 1] as number); at++) if (without[from[inEdges[at] as number] as number]) count--;
      if (without[i]) count = -1;
    }
    waiting[i] = count;
    if (count === 0) order[tail++] = i;
  }
  for (let head = 0; head < tail; head++) {
    const node = order[head] as number;
    for (let at = outStart[node] as number; at < (outStart[node + 1] as number); at++) {
      const target = to[outEdges[at] as number] as number;
      const left = (waiting[target] as number) - 1;
      waiting[target] = left;
      if (left === 0) order[tail++] = target;
    }
  }
  return order.subarray(0, tail);
}

/** One cycle as its nodes in order, beginning with the lowest number; undefined when there is none. */
export function findCycle(graph: Graph, without?: Uint8Array): number[] | undefined {
  const { nodes, from, inStart, inEdges } = graph;
  const free = without?.slice() ?? new Uint8Array(nodes);
  for (const node of topologicalOrder(graph, without)) free[node] = 1;
  let node = free.indexOf(0);
  if (node < 0) return undefined;
  // what is left has a predecessor that is left: walking backwards must come round
  const seen = new Int32Array(nodes).fill(-1);
  const walk: number[] = [];
  while (seen[node] === -1) {
    seen[node] = walk.length;
    walk.push(node);
    for (let at = inStart[node] as number; at < (inStart[node + 1] as number); at++) {
      const source = from[inEdges[at] as number] as number;
      if (free[source] === 0) {
        node = source;
        break;
      }
    }
  }
  const cycle = walk.slice(seen[node]).reverse();
  const lowest = cycle.reduce((least, one, at) => (one < (cycle[least] as number) ? at : least), 0);
  return [...cycle.slice(lowest), ...cycle.slice(0, lowest)];
}

/** Cycles that share no node, at most so many: each as `findCycle` gives it, once the nodes of those before are taken out. */
export function findCycles(graph: Graph, most: number): number[][] {
  const without = new Uint8Array(graph.nodes);
  const found: number[][] = [];
  while (found.length < most) {
    const cycle = findCycle(graph, without);
    if (!cycle) break;
    found.push(cycle);
    for (const node of cycle) without[node] = 1;
  }
  return found;
}

/** Nodes that can be reached from `start` along edges (`out`) or against them (`in`), breadth first, without `start`. */
export function reachable(graph: Graph, start: number, direction: "out" | "in"): number[] {
  return [...walkGraph(graph, start, direction, "breadth")].slice(1);
}

export function descendants(graph: Graph, node: number): number[] {
  return reachable(graph, node, "out");
}

export function ancestors(graph: Graph, node: number): number[] {
  return reachable(graph, node, "in");
}

/** Visits each reachable node once, `start` first: breadth first, or depth first in edge order. */
export function* walkGraph(graph: Graph, start: number, direction: "out" | "in", order: "breadth" | "depth"): Generator<number> {
  const rowStart = direction === "out" ? graph.outStart : graph.inStart;
  const rowEdges = direction === "out" ? graph.outEdges : graph.inEdges;
  const end = direction === "out" ? graph.to : graph.from;
  const seen = new Uint8Array(graph.nodes);
  const open = [start];
  if (order === "breadth") seen[start] = 1;
  for (let head = 0; order === "breadth" ? head < open.length : open.length > 0; head++) {
    const node = (order === "breadth" ? open[head] : open.pop()) as number;
    if (order === "depth") {
      if (seen[node]) continue;
      seen[node] = 1;
    }
    yield node;
    const first = rowStart[node] as number;
    const last = (rowStart[node + 1] as number) - 1;
    for (let i = 0; i <= last - first; i++) {
      const next = end[rowEdges[order === "breadth" ? first + i : last - i] as number] as number;
      if (seen[next]) continue;
      if (order === "breadth") seen[next] = 1;
      open.push(next);
    }
  }
}

/**
 * The path whose nodes weigh most, by dynamic programming over a topological order; O(nodes + edges). With durations, it is the
 * critical path: no schedule is shorter. Of equal ones, the first by node numbers.
 */
export function weightedPath(graph: Graph, order: Uint32Array, weight: Float64Array): { length: number; nodes: number[] } {
  const { nodes, from, inStart, inEdges } = graph;
  const length = new Float64Array(nodes);
  const before = new Int32Array(nodes).fill(-1);
  let last = -1;
  for (const node of order) {
    let longest = 0;
    for (let at = inStart[node] as number; at < (inStart[node + 1] as number); at++) {
      const source = from[inEdges[at] as number] as number;
      if ((length[source] as number) > longest) {
        longest = length[source] as number;
        before[node] = source;
      }
    }
    length[node] = longest + (weight[node] as number);
    if (last < 0 || (length[node] as number) > (length[last] as number)) last = node;
  }
  const path: number[] = [];
  for (let node = last; node >= 0; node = before[node] as number) path.push(node);
  return { length: last < 0 ? 0 : (length[last] as number), nodes: path.reverse() };
}
