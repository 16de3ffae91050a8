// How long does it take to know that a melody is sound? 10 000 nodes and 50 000 edges, every port typed: parsing, schema,
// plan, and the graph alone beside graphology.
import { DirectedGraph } from "graphology";
import * as dag from "graphology-dag";
import { createGraph, findCycle, parseManifest, planMelody, readMelody, topologicalOrder } from "../runtime/mod.ts";
import { melodySchema } from "../runtime/workflow/melody.ts";
import { type Contestant, each, head, Mismatch, race, same, versionOf } from "./figures.ts";

const NODES = 10_000;
const EDGES = 50_000;
const PORTS = ["a", "b", "c", "d", "e"] as const;

const STEP = parseManifest(
  `id = "step"\nversion = "1.0.0"\nkind = "operator"\n${PORTS.map((port) => `[inputs.${port}]\ntype = "number"\n`).join("")}[outputs.out]\ntype = "number"\n`,
  "step",
);
const CATALOGUE = { get: (id: string) => (id === "step" ? STEP : undefined), ids: () => ["step"] };

export async function bench(): Promise<void> {
  head("validate", `is a melody of ${NODES} nodes and ${EDGES} edges sound?`, [versionOf("zod", "."), versionOf("graphology"), versionOf("graphology-dag")]);
  const { text, from, to } = melody();
  const read = readMelody(text);
  if (!read.melody) throw new Mismatch(`the melody has faults: ${JSON.stringify(read.faults.slice(0, 3))}`);
  const parsed = read.melody;
  const planned = planMelody(parsed, CATALOGUE, read);
  same("the plan", { faults: planned.faults.slice(0, 3), nodes: planned.plan.graph.nodes }, { faults: [], nodes: NODES });

  const build = (): DirectedGraph => {
    const graph = new DirectedGraph();
    for (let i = 0; i < NODES; i++) graph.addNode(`n${i}`);
    for (let e = 0; e < from.length; e++) graph.addDirectedEdge(`n${from[e]}`, `n${to[e]}`);
    return graph;
  };
  const built = build();
  check("graphology", dag.topologicalSort(built), from, to);
  check(
    "topologicalOrder()",
    [...topologicalOrder(createGraph(NODES, from, to))].map((node) => `n${node}`),
    from,
    to,
  );
  const withCycle = { from: Uint32Array.from([...from, NODES - 1]), to: Uint32Array.from([...to, 0]) };
  built.addDirectedEdge(`n${NODES - 1}`, "n0");
  same("a cycle found by both", findCycle(createGraph(NODES, withCycle.from, withCycle.to)) !== undefined, dag.hasCycle(built));

  const raw: unknown = JSON.parse(text);
  const whole: Contestant[] = [
    {
      what: "all: text to plan",
      block: () =>
        each(1, () => {
          const again = readMelody(text);
          planMelody(again.melody as typeof parsed, CATALOGUE, again);
        }),
      beside: ["graphology: build, cycle, order"],
    },
    { what: "  JSON.parse alone", block: () => each(1, () => JSON.parse(text)) },
    { what: "  schema alone", block: () => each(1, () => melodySchema.safeParse(raw)) },
    { what: "  plan: names, types, orphans, cycles, order", block: () => each(1, () => planMelody(parsed, CATALOGUE, read)) },
    {
      what: "graphology: build, cycle, order",
      block: () =>
        each(1, () => {
          const graph = build();
          if (dag.hasCycle(graph)) throw new Mismatch("graphology found a cycle");
          dag.topologicalSort(graph);
        }),
    },
  ];
  await race({ title: "The whole way", unit: "ms", sample: "one validation", warmUp: 5, rounds: 30, contestants: whole });
  const fresh = build();
  const alone: Contestant[] = [
    {
      what: "graph part: rows, cycle, order",
      block: () =>
        each(1, () => {
          const graph = createGraph(NODES, from, to);
          if (findCycle(graph)) throw new Mismatch("a cycle");
          topologicalOrder(graph);
        }),
      beside: ["graphology: cycle, order on a built graph"],
    },
    {
      what: "graphology: cycle, order on a built graph",
      block: () =>
        each(1, () => {
          if (dag.hasCycle(fresh)) throw new Mismatch("a cycle");
          dag.topologicalSort(fresh);
        }),
    },
  ];
  await race({ title: "The graph alone", unit: "ms", sample: "one validation", warmUp: 10, rounds: 60, contestants: alone });
}

/** Each node takes five numbers, from five different nodes before it where there are so many, else from the melody's input. */
function melody(): { text: string; from: Uint32Array; to: Uint32Array } {
  let state = 1;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * limit);
  };
  const edges: { from: string; to: string }[] = [];
  const from: number[] = [];
  const to: number[] = [];
  for (let node = 0; node < NODES; node++) {
    const sources = new Set<number>();
    while (sources.size < Math.min(PORTS.length, node)) sources.add(below(node));
    const listed = [...sources];
    for (const [at, port] of PORTS.entries()) {
      const source = listed[at];
      edges.push({ from: source === undefined ? "inputs.x" : `n${source}.out`, to: `n${node}.${port}` });
      if (source === undefined) continue;
      from.push(source);
      to.push(node);
    }
  }
  same("edges", edges.length, EDGES);
  const nodes = Array.from({ length: NODES }, (_, i) => ({ id: `n${i}`, kind: "operator", uses: "step" }));
  const text = JSON.stringify({ symphony: 1, id: "large", inputs: { x: { type: "number", default: 1 } }, nodes, edges });
  return { text, from: Uint32Array.from(from), to: Uint32Array.from(to) };
}

/** An order is right when every edge goes forward in it. */
function check(what: string, order: readonly string[], from: Uint32Array, to: Uint32Array): void {
  const place = new Map(order.map((node, at) => [node, at]));
  same(`nodes ordered by ${what}`, place.size, NODES);
  for (let e = 0; e < from.length; e++)
    if ((place.get(`n${from[e]}`) as number) >= (place.get(`n${to[e]}`) as number)) throw new Mismatch(`${what} orders n${to[e]} before n${from[e]}`);
}
