import { expect, test } from "bun:test";
import { ancestors, createGraph, descendants, findCycle, topologicalOrder, walkGraph } from "./graph.ts";

function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function graphOf(nodes: number, edges: [number, number][]) {
  return createGraph(nodes, Uint32Array.from(edges.map(([from]) => from)), Uint32Array.from(edges.map(([, to]) => to)));
}

/** Reachability by trying every path, the plain way. */
function reaches(nodes: number, edges: [number, number][]): boolean[][] {
  const table = Array.from({ length: nodes }, () => new Array<boolean>(nodes).fill(false));
  for (const [from, to] of edges) (table[from] as boolean[])[to] = true;
  for (let k = 0; k < nodes; k++) for (let i = 0; i < nodes; i++) for (let j = 0; j < nodes; j++) if (table[i]?.[k] && table[k]?.[j]) (table[i] as boolean[])[j] = true;
  return table;
}

test("order, cycles and reachability agree with a plain table on 300 random graphs", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const next = random(seed);
    const nodes = 1 + next(12);
    const edges: [number, number][] = Array.from({ length: next(20) }, () => [next(nodes), next(nodes)]);
    const graph = graphOf(nodes, edges);
    const table = reaches(nodes, edges);
    const cyclic = table.some((row, i) => row[i]);
    const cycle = findCycle(graph);
    expect(cycle !== undefined).toBe(cyclic);
    if (cycle) for (const [at, node] of cycle.entries()) expect(edges.some(([from, to]) => from === node && to === cycle[(at + 1) % cycle.length])).toBe(true);
    else {
      const place = new Map([...topologicalOrder(graph)].map((node, at) => [node, at]));
      expect(place.size).toBe(nodes);
      for (const [from, to] of edges) expect(place.get(from) as number).toBeLessThan(place.get(to) as number);
    }
    for (let node = 0; node < nodes; node++) {
      const down = new Set(descendants(graph, node));
      const up = new Set(ancestors(graph, node));
      for (let other = 0; other < nodes; other++) {
        if (other === node) continue;
        expect(down.has(other)).toBe(table[node]?.[other] ?? false);
        expect(up.has(other)).toBe(table[other]?.[node] ?? false);
      }
    }
  }
});

test("depth first follows the first edge to its end before the second", () => {
  const graph = graphOf(5, [
    [0, 1],
    [0, 2],
    [1, 3],
    [2, 4],
  ]);
  expect([...walkGraph(graph, 0, "out", "depth")]).toEqual([0, 1, 3, 2, 4]);
  expect([...walkGraph(graph, 0, "out", "breadth")]).toEqual([0, 1, 2, 3, 4]);
});

test("a chain of a million nodes needs no stack", () => {
  const nodes = 1_000_000;
  const graph = createGraph(
    nodes,
    Uint32Array.from({ length: nodes - 1 }, (_, i) => i),
    Uint32Array.from({ length: nodes - 1 }, (_, i) => i + 1),
  );
  expect(topologicalOrder(graph).length).toBe(nodes);
  expect(descendants(graph, 0).length).toBe(nodes - 1);
});
