// The wires of a level: which output slot feeds which input slot, whether their types go together, and conditions. Nodes are
// taken in topological order, so that what passes through a control node has its type by then. Pure.
import { type PortType, spellPortType, typesFit } from "../value.ts";
import { type Condition, compileCondition } from "./condition.ts";
import type { Graph } from "./graph.ts";
import type { MelodyEdge } from "./melody.ts";
import type { InputPort, MelodyPort, Plan, PlanNode } from "./plan.ts";
import type { Ends, Level } from "./plan-ends.ts";
import { markFed, mergeType, openPort, others } from "./plan-port.ts";

export interface Wires extends Pick<Plan, "fromSlot" | "toSlot" | "conditions" | "entry" | "exit"> {
  /** Numbers of the melody's outputs that an edge feeds. */
  fedOutputs: Set<number>;
}

interface Source {
  name: string;
  type: PortType;
}

export function wire(level: Level, ends: Ends, graph: Graph, order: Uint32Array): Wires {
  const count = ends.from.length;
  const wires: Wires = {
    fromSlot: new Int32Array(count).fill(-1),
    toSlot: new Int32Array(count).fill(-1),
    conditions: new Array(count).fill(undefined),
    entry: [],
    exit: [],
    fedOutputs: new Set(),
  };
  for (const { edge, input, node, port } of ends.entries) {
    const slot = feed(edge, "inputs", level.inputs[input] as MelodyPort, node, port, level);
    wires.entry.push({ input, node, slot, condition: conditionOf(edge, VALUE, level) });
  }
  for (let at = 0; at < order.length; at++) wireNode(order[at] as number, level, ends, graph, wires);
  // the rest of a cyclic graph is looked at as well, in file order
  if (order.length < graph.nodes) {
    const seen = new Set(order);
    for (let node = 0; node < graph.nodes; node++) if (!seen.has(node)) wireNode(node, level, ends, graph, wires);
  }
  for (const exit of ends.exits) wireExit(exit, level, wires);
  return wires;
}

/** All edges that leave a node. */
function wireNode(index: number, level: Level, { fromPort, toPort, to, edge }: Ends, { outStart, outEdges }: Graph, { fromSlot, toSlot, conditions }: Wires): void {
  const node = level.nodes[index] as PlanNode;
  if (node.work.does === "merge") mergeType(node, (message) => level.fault(level.nodePath(index), message));
  for (let at = outStart[index] as number; at < (outStart[index + 1] as number); at++) {
    const wire = outEdges[at] as number;
    const e = edge[wire] as number;
    const port = fromPort[wire] as string;
    conditions[wire] = conditionOf(e, port ? VALUE_OUTPUTS : OUTPUTS, level);
    if (!port) continue;
    const slot = outputSlot(node, port, e, level);
    fromSlot[wire] = slot;
    if (slot < 0) markFed(level.nodes[to[wire] as number] as PlanNode, toPort[wire] as string);
    else toSlot[wire] = feed(e, node.id, node.outputs[slot] as Source, to[wire] as number, toPort[wire] as string, level);
  }
}

function wireExit({ edge, node, port, input, output }: Ends["exits"][number], level: Level, wires: Wires): void {
  const { nodes, inputs, outputs, edges, edgePath, fault } = level;
  const wanted = outputs[output] as MelodyPort;
  const slot = node < 0 ? input : outputSlot(nodes[node] as PlanNode, port, edge, level);
  if (wires.fedOutputs.has(output)) fault(`${edgePath(edge)}.to`, `outputs.${wanted.name} is fed twice; join the sources with a merge node first`);
  wires.fedOutputs.add(output);
  if (slot < 0) return;
  const { type } = (node < 0 ? inputs[slot] : (nodes[node] as PlanNode).outputs[slot]) as Source;
  if (!typesFit(type, wanted.type))
    fault(edgePath(edge), `${(edges[edge] as MelodyEdge).from} gives ${spellPortType(type)}, outputs.${wanted.name} is ${spellPortType(wanted.type)}`);
  wires.exit.push({ node, slot, output, condition: conditionOf(edge, VALUE, level) });
}

/** Joins a source to an input port of a node; its slot, or -1 where there is none. */
function feed(edge: number, sourceId: string, source: Source, target: number, port: string, level: Level): number {
  const node = level.nodes[target] as PlanNode;
  const slot = openPort(node, port, source.type);
  if (slot < 0) {
    if (!node.unknown) level.fault(`${level.edgePath(edge)}.to`, `${node.id} has no input port ${JSON.stringify(port)}${others(port, node.inputs, level.context.near)}`);
    return -1;
  }
  const into = node.inputs[slot] as InputPort;
  const { does } = node.work;
  if (into.fed && does !== "merge") level.fault(`${level.edgePath(edge)}.to`, `the port ${node.id}.${port} is fed twice; join the sources with a merge node first`);
  into.fed = true;
  if (!typesFit(source.type, into.type)) misfit(edge, sourceId, source, node, into, level);
  else if (port === "value" && (does === "branch" || does === "delay" || does === "approve")) for (const output of node.outputs) output.type = source.type;
  return slot;
}

function misfit(edge: number, sourceId: string, { name, type }: Source, node: PlanNode, { name: port, type: wanted }: InputPort, { edgePath, fault }: Level): void {
  fault(
    edgePath(edge),
    `${sourceId}.${name} gives ${spellPortType(type)}, ${node.id}.${port} takes ${spellPortType(wanted)}${type.list && !wanted.list ? "; a map takes a list apart" : ""}`,
  );
}

function outputSlot(node: PlanNode, port: string, edge: number, { edgePath, fault, context }: Level): number {
  const { outputs } = node;
  for (let slot = 0; slot < outputs.length; slot++) if ((outputs[slot] as Source).name === port) return slot;
  if (!node.unknown) fault(`${edgePath(edge)}.from`, `${node.id} has no output port ${JSON.stringify(port)}${others(port, outputs, context.near)}`);
  return -1;
}

function conditionOf(edge: number, variables: readonly string[], { edges, edgePath, fault }: Level): Condition | undefined {
  const { when } = edges[edge] as MelodyEdge;
  if (when === undefined) return undefined;
  const compiled = compileCondition(when, variables);
  if (!("fault" in compiled)) return compiled;
  fault(`${edgePath(edge)}.when`, compiled.fault);
  return undefined;
}

const VALUE = ["value"];
const OUTPUTS = ["outputs"];
const VALUE_OUTPUTS = ["value", "outputs"];
