// The ends of a level's edges: which nodes, inputs and outputs they name, told apart in the order of the file. Leaves out
// ports and types, which need the topological order.
import type { LevelRead, MelodyEdge } from "./melody.ts";
import type { Context, MelodyPort, PlanNode } from "./plan.ts";
import { markFed, openPort, others, slotOf } from "./plan-port.ts";

/** One melody or body while it is planned. */
export interface Level {
  nodes: PlanNode[];
  indexOf: ReadonlyMap<string, number>;
  inputs: readonly MelodyPort[];
  outputs: readonly MelodyPort[];
  edges: readonly MelodyEdge[];
  /** Places in the file, within the level. */
  nodePath: (node: number) => string;
  edgePath: (edge: number) => string;
  /** `path` is within the level. */
  fault: (path: string, message: string) => void;
  /** What was left out of the level because it is faulty. */
  read: LevelRead | undefined;
  context: Context;
}

/** The edges of a level by what they join; edges with a faulty end are left out. */
export interface Ends {
  /** Between nodes, in columns: their numbers, the ports' names ("" where the edge only orders), and the edge's number. */
  from: Uint32Array;
  to: Uint32Array;
  fromPort: string[];
  toPort: string[];
  edge: Uint32Array;
  /** From the melody's inputs to nodes. */
  entries: { edge: number; input: number; node: number; port: string }[];
  /** To the melody's outputs; from a node's port, or from an input (node -1). */
  exits: { edge: number; node: number; port: string; input: number; output: number }[];
  /** 1 for each node that an edge names, faulty or not. */
  touched: Uint8Array;
}

/** A melody's own ports as an end. */
const OWN = -1;
const UNKNOWN = -2;

export function readEnds(level: Level): Ends {
  const { nodes, inputs, outputs, edges } = level;
  const inputAt = new Map(inputs.map((port, at) => [port.name, at]));
  const outputAt = new Map(outputs.map((port, at) => [port.name, at]));
  const most = edges.length;
  const ends: Ends = {
    from: new Uint32Array(most),
    to: new Uint32Array(most),
    fromPort: [],
    toPort: [],
    edge: new Uint32Array(most),
    entries: [],
    exits: [],
    touched: new Uint8Array(nodes.length),
  };
  for (let edge = 0; edge < most; edge++) readEdge(edge, level, inputAt, outputAt, ends);
  const count = ends.fromPort.length;
  return { ...ends, from: ends.from.subarray(0, count), to: ends.to.subarray(0, count), edge: ends.edge.subarray(0, count) };
}

function readEdge(e: number, level: Level, inputAt: ReadonlyMap<string, number>, outputAt: ReadonlyMap<string, number>, ends: Ends): void {
  const { nodes, edges, edgePath, fault, context } = level;
  const edge = edges[e] as MelodyEdge;
  const fromDot = edge.from.indexOf(".");
  const toDot = edge.to.indexOf(".");
  if (fromDot < 0 !== toDot < 0) {
    fault(edgePath(e), `${JSON.stringify(edge.from)} and ${JSON.stringify(edge.to)} don't go together: a data edge names a port at both ends, an edge that only orders at none`);
    return;
  }
  const orders = fromDot < 0;
  if (edge.kind !== undefined) checkKind(e, edge, orders, level);
  const source = endNode(orders ? edge.from : edge.from.slice(0, fromDot), "inputs", level);
  const target = endNode(orders ? edge.to : edge.to.slice(0, toDot), "outputs", level);
  if (orders && (source === OWN || target === OWN)) {
    fault(edgePath(e), `an edge that only orders runs between nodes; ${JSON.stringify(source === OWN ? edge.from : edge.to)} is none`);
    return;
  }
  if (source >= 0) ends.touched[source] = 1;
  if (target >= 0) ends.touched[target] = 1;
  if (source === UNKNOWN) noNode(`${edgePath(e)}.from`, edge.from, "inputs", level);
  if (target === UNKNOWN) noNode(`${edgePath(e)}.to`, edge.to, "outputs", level);
  const fromPort = orders ? "" : edge.from.slice(fromDot + 1);
  const toPort = orders ? "" : edge.to.slice(toDot + 1);
  const input = source === OWN ? inputAt.get(fromPort) : OWN;
  if (source === OWN && input === undefined && !level.read?.lacksPorts)
    fault(`${edgePath(e)}.from`, `the melody has no input ${JSON.stringify(fromPort)}${context.near(fromPort, inputAt.keys())}`);
  if (source === UNKNOWN || target === UNKNOWN || input === undefined) {
    // what can't be told apart is still fed, so that no second fault follows from the first; the end that is known is looked at
    if (target >= 0) {
      const node = nodes[target] as PlanNode;
      markFed(node, toPort);
      if (!orders && slotOf(node, toPort) < 0 && !node.unknown)
        fault(`${edgePath(e)}.to`, `${node.id} has no input port ${JSON.stringify(toPort)}${others(toPort, node.inputs, context.near)}`);
    }
    if (source >= 0 && !orders) {
      const node = nodes[source] as PlanNode;
      if (!node.unknown && !node.outputs.some(({ name }) => name === fromPort))
        fault(`${edgePath(e)}.from`, `${node.id} has no output port ${JSON.stringify(fromPort)}${others(fromPort, node.outputs, context.near)}`);
    }
    return;
  }
  if (target === OWN) {
    const output = outputAt.get(toPort);
    if (output === undefined && level.read?.lacksPorts) return;
    if (output === undefined) fault(`${edgePath(e)}.to`, `the melody has no output ${JSON.stringify(toPort)}${context.near(toPort, outputAt.keys())}`);
    else ends.exits.push({ edge: e, node: source, port: fromPort, input, output });
    return;
  }
  const into = nodes[target] as PlanNode;
  if (!orders && into.work.does === "merge") {
    // made here, so that they stand in the order of the edges in the file
    if (slotOf(into, toPort) >= 0) fault(`${edgePath(e)}.to`, `the port ${into.id}.${toPort} is fed twice; give each edge into a merge a port of its own`);
    openPort(into, toPort, undefined);
  }
  if (source === OWN) ends.entries.push({ edge: e, input, node: target, port: toPort });
  else {
    const at = ends.fromPort.push(fromPort) - 1;
    ends.toPort.push(toPort);
    ends.from[at] = source;
    ends.to[at] = target;
    ends.edge[at] = e;
  }
}

function endNode(id: string, own: "inputs" | "outputs", { indexOf }: Level): number {
  return id === own ? OWN : (indexOf.get(id) ?? UNKNOWN);
}

function noNode(path: string, end: string, own: "inputs" | "outputs", { indexOf, read, fault, context }: Level): void {
  const id = end.split(".", 1)[0] as string;
  // a node that is faulty itself has been reported already
  if (!read?.suspects.has(id) && !read?.lacksIds) fault(path, `there is no node ${JSON.stringify(id)}${context.near(id, [...indexOf.keys(), own])}`);
}

function checkKind(e: number, { kind, when }: MelodyEdge, orders: boolean, { edgePath, fault }: Level): void {
  if ((kind === "conditional") !== (when !== undefined))
    fault(`${edgePath(e)}.kind`, when ? `"${kind}" stands here, but there is a condition; expected "conditional" or nothing` : `"conditional" stands here, but "when" is missing`);
  else if (kind !== "conditional" && (kind === "control") !== orders)
    fault(`${edgePath(e)}.kind`, `"${kind}" stands here, but the ends are ${orders ? "nodes" : "ports"}; expected "${orders ? "control" : "data"}" or nothing`);
}
