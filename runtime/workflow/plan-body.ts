// One melody or body: its edges, in the order of the file, then ports and types in topological order, then what is left
// unfed. Pure.
import { spellValue } from "../schema.ts";
import { parsePortType, type PortType, spellJsonForm, spellPortType, typesFit, valueFromJson } from "../value.ts";
import { type Condition, compileCondition } from "./condition.ts";
import { planFallbacks } from "./fallback.ts";
import { createGraph, findCycle, topologicalOrder } from "./graph.ts";
import type { MelodyBody, MelodyEdge, MelodyNode } from "./melody.ts";
import type { Context, InputPort, MelodyPort, Plan, PlanNode } from "./plan.ts";
import { compileCases, holdsArtifact, planNode } from "./plan-node.ts";
import { markFed, mergeType, openPort, others, slotOf } from "./plan-port.ts";

/** Plans one level; faults go to `context`. `nodePlaces` and `edgePlaces` are their numbers in the file. */
export function planBody(melody: MelodyBody, base: string, context: Context, inherited: "stop" | "continue" | undefined, nodePlaces?: number[], edgePlaces?: number[]): Plan {
  const { faults, suspects, near } = context;
  const fault = (path: string, message: string): void => void faults.push({ path: base + path, message });
  const nodePath = (index: number): string => `nodes[${nodePlaces?.[index] ?? index}]`;
  const edgePath = (index: number): string => `edges[${edgePlaces?.[index] ?? index}]`;
  const ports = (kind: "inputs" | "outputs"): MelodyPort[] => melodyPorts(melody, kind, fault);
  const inputs = ports("inputs");
  const outputs = ports("outputs");
  const rule = melody.onFailure ?? inherited ?? "stop";

  const indexOf = new Map<string, number>();
  const nodes: PlanNode[] = [];
  for (let i = 0; i < melody.nodes.length; i++) {
    const file = melody.nodes[i] as MelodyNode;
    if (file.id === "inputs" || file.id === "outputs") fault(`${nodePath(i)}.id`, `"${file.id}" is reserved for the melody's own ports; choose another id`);
    else if (indexOf.has(file.id)) fault(`${nodePath(i)}.id`, `the id ${JSON.stringify(file.id)} is already that of ${nodePath(indexOf.get(file.id) as number)}; ids are unique`);
    else indexOf.set(file.id, i);
    nodes.push(planNode(file, () => base + nodePath(i), context, rule));
  }

  const edges = melody.edges ?? [];
  const inputAt = new Map(inputs.map((port, at) => [port.name, at]));
  const outputAt = new Map(outputs.map((port, at) => [port.name, at]));
  const from: number[] = [];
  const to: number[] = [];
  const fromPort: string[] = [];
  const toPort: string[] = [];
  const edgeAt: number[] = [];
  const entries: { edge: number; input: number; node: number; port: string }[] = [];
  const exits: { edge: number; node: number; port: string; output: number }[] = [];
  const touched = new Uint8Array(nodes.length);

  // ends first: which nodes they are
  for (let e = 0; e < edges.length; e++) {
    const edge = edges[e] as MelodyEdge;
    const fromDot = edge.from.indexOf(".");
    const toDot = edge.to.indexOf(".");
    const fromId = fromDot < 0 ? edge.from : edge.from.slice(0, fromDot);
    const toId = toDot < 0 ? edge.to : edge.to.slice(0, toDot);
    const fromName = fromDot < 0 ? "" : edge.from.slice(fromDot + 1);
    const toName = toDot < 0 ? "" : edge.to.slice(toDot + 1);
    if ((fromName === "") !== (toName === "")) {
      fault(edgePath(e), `${JSON.stringify(edge.from)} and ${JSON.stringify(edge.to)} don't go together: a data edge names a port at both ends, an edge that only orders at none`);
      continue;
    }
    const orders = fromName === "";
    if (edge.kind && (edge.kind === "conditional") !== (edge.when !== undefined))
      fault(
        `${edgePath(e)}.kind`,
        edge.when ? `"${edge.kind}" stands here, but there is a condition; expected "conditional" or nothing` : `"conditional" stands here, but "when" is missing`,
      );
    else if (edge.kind && edge.kind !== "conditional" && (edge.kind === "control") !== orders)
      fault(`${edgePath(e)}.kind`, `"${edge.kind}" stands here, but the ends are ${orders ? "nodes" : "ports"}; expected "${orders ? "control" : "data"}" or nothing`);
    if (orders && (fromId === "inputs" || toId === "outputs")) {
      fault(edgePath(e), `an edge that only orders runs between nodes; ${JSON.stringify(fromId === "inputs" ? edge.from : edge.to)} is none`);
      continue;
    }
    const source = fromId === "inputs" ? -1 : indexOf.get(fromId);
    const target = toId === "outputs" ? -1 : indexOf.get(toId);
    if (source === undefined && !suspects.has(fromId)) fault(`${edgePath(e)}.from`, `there is no node ${JSON.stringify(fromId)}${near(fromId, [...indexOf.keys(), "inputs"])}`);
    if (target === undefined && !suspects.has(toId)) fault(`${edgePath(e)}.to`, `there is no node ${JSON.stringify(toId)}${near(toId, [...indexOf.keys(), "outputs"])}`);
    if (source !== undefined && source >= 0) touched[source] = 1;
    if (target !== undefined && target >= 0) touched[target] = 1;
    if (source === undefined || target === undefined) {
      // what can't be told apart is still fed, so that no second fault follows from the first
      if (target !== undefined && target >= 0) markFed(nodes[target] as PlanNode, toName);
      continue;
    }
    let input = -1;
    if (source === -1) {
      const at = inputAt.get(fromName);
      if (at === undefined) {
        fault(`${edgePath(e)}.from`, `the melody has no input ${JSON.stringify(fromName)}${near(fromName, inputAt.keys())}`);
        if (target >= 0) markFed(nodes[target] as PlanNode, toName);
        continue;
      }
      input = at;
    }
    if (target >= 0 && (nodes[target] as PlanNode).work.does === "merge" && !orders) {
      // made here, so that they stand in the order of the edges in the file
      const into = nodes[target] as PlanNode;
      if (slotOf(into, toName) >= 0) fault(`${edgePath(e)}.to`, `the port ${toId}.${toName} is fed twice; give each edge into a merge a port of its own`);
      openPort(into, toName, undefined);
    }
    let output = -1;
    if (target === -1) {
      const at = outputAt.get(toName);
      if (at === undefined) {
        fault(`${edgePath(e)}.to`, `the melody has no output ${JSON.stringify(toName)}${near(toName, outputAt.keys())}`);
        continue;
      }
      output = at;
    }
    if (source === -1 && target >= 0) entries.push({ edge: e, input, node: target, port: toName });
    else if (target === -1) exits.push({ edge: e, node: source, port: fromName, output });
    else {
      from.push(source);
      to.push(target);
      fromPort.push(fromName);
      toPort.push(toName);
      edgeAt.push(e);
    }
  }

  const graph = createGraph(nodes.length, Uint32Array.from(from), Uint32Array.from(to));
  const order = topologicalOrder(graph);
  if (order.length < nodes.length) {
    const cycle = findCycle(graph) as number[];
    const names = cycle.map((index) => (nodes[index] as PlanNode).id);
    const shown = names.length > 50 ? [...names.slice(0, 25), `... ${names.length - 50} more ...`, ...names.slice(-25)] : names;
    fault("edges", `${names.length === 1 ? `${names[0]} depends on itself` : `there is a cycle: ${[...shown, names[0]].join(" -> ")}`}; a melody must be free of cycles`);
  }

  // then ports, in topological order, so that what passes through a control node has its type
  const fromSlot = new Int32Array(from.length).fill(-1);
  const toSlot = new Int32Array(from.length).fill(-1);
  const feed = (edge: number, sourceId: string, source: { name: string; type: PortType }, target: number, port: string): number => {
    const node = nodes[target] as PlanNode;
    const { type } = source;
    const slot = openPort(node, port, type);
    if (slot < 0) {
      if (!node.unknown) fault(`${edgePath(edge)}.to`, `${node.id} has no input port ${JSON.stringify(port)}${others(port, node.inputs, near)}`);
      return -1;
    }
    const into = node.inputs[slot] as InputPort;
    if (into.fed && node.work.does !== "merge") fault(`${edgePath(edge)}.to`, `the port ${node.id}.${port} is fed twice; join the sources with a merge node first`);
    into.fed = true;
    const wanted = into.type;
    if (!typesFit(type, wanted))
      fault(
        edgePath(edge),
        `${sourceId}.${source.name} gives ${spellPortType(type)}, ${node.id}.${port} takes ${spellPortType(wanted)}${type.list && !wanted.list ? "; a map takes a list apart" : ""}`,
      );
    else if (port === "value" && (node.work.does === "branch" || node.work.does === "delay" || node.work.does === "approve")) for (const output of node.outputs) output.type = type;
    return slot;
  };
  const entry: Plan["entry"] = [];
  for (const { edge, input, node, port } of entries) {
    const slot = feed(edge, "inputs", inputs[input] as MelodyPort, node, port);
    entry.push({ input, node, slot, condition: conditionOf(edges[edge] as MelodyEdge, () => base + edgePath(edge), VALUE, context) });
  }
  const conditions: (Condition | undefined)[] = new Array(from.length);
  const sourceOf = (node: PlanNode, port: string, edge: number): number => {
    const { outputs: ports } = node;
    for (let slot = 0; slot < ports.length; slot++) if ((ports[slot] as { name: string }).name === port) return slot;
    if (!node.unknown) fault(`${edgePath(edge)}.from`, `${node.id} has no output port ${JSON.stringify(port)}${others(port, ports, near)}`);
    return -1;
  };
  // the rest of a cyclic graph is looked at as well, in file order
  const visit = order.length === nodes.length ? order : new Set<number>([...order, ...nodes.keys()]);
  for (const index of visit) {
    const node = nodes[index] as PlanNode;
    mergeType(node, (message) => fault(nodePath(index), message));
    for (let at = graph.outStart[index] as number; at < (graph.outStart[index + 1] as number); at++) {
      const g = graph.outEdges[at] as number;
      const e = edgeAt[g] as number;
      const file = edges[e] as MelodyEdge;
      if (file.when !== undefined) conditions[g] = conditionOf(file, () => base + edgePath(e), fromPort[g] ? VALUE_OUTPUTS : OUTPUTS, context);
      if (!fromPort[g]) continue;
      const slot = sourceOf(node, fromPort[g] as string, e);
      if (slot < 0) {
        markFed(nodes[to[g] as number] as PlanNode, toPort[g] as string);
        continue;
      }
      fromSlot[g] = slot;
      toSlot[g] = feed(e, node.id, node.outputs[slot] as PlanNode["outputs"][number], to[g] as number, toPort[g] as string);
    }
  }
  const exit: Plan["exit"] = [];
  const fedOutputs = new Set<number>();
  for (const { edge, node, port, output } of exits) {
    const wanted = outputs[output] as MelodyPort;
    const slot = node < 0 ? (inputAt.get(port) as number) : sourceOf(nodes[node] as PlanNode, port, edge);
    if (fedOutputs.has(output)) fault(`${edgePath(edge)}.to`, `outputs.${wanted.name} is fed twice; join the sources with a merge node first`);
    fedOutputs.add(output);
    if (slot < 0) continue;
    const type = node < 0 ? (inputs[slot] as MelodyPort).type : ((nodes[node] as PlanNode).outputs[slot] as { type: PortType }).type;
    if (!typesFit(type, wanted.type))
      fault(edgePath(edge), `${(edges[edge] as MelodyEdge).from} gives ${spellPortType(type)}, outputs.${wanted.name} is ${spellPortType(wanted.type)}`);
    exit.push({ node, slot, output, condition: conditionOf(edges[edge] as MelodyEdge, () => base + edgePath(edge), VALUE, context) });
  }
  for (const [at, { name }] of outputs.entries())
    if (!fedOutputs.has(at) && suspects.size === 0) fault(`outputs.${name}`, `nothing feeds this output; add an edge to "outputs.${name}"`);

  planFallbacks(nodes, indexOf, graph, touched, (index, message) => fault(`${nodePath(index)}.onFailure.fallback`, message), context);
  for (const [index, node] of nodes.entries()) {
    if (!touched[index] && !node.isFallback && nodes.length > 1) fault(nodePath(index), `${node.id} is an orphan: no edge touches it; connect it or take it out`);
    for (const [slot, port] of node.inputs.entries()) {
      if (node.isFallback) continue;
      if (port.fed) {
        if (node.constants[slot] !== undefined && (melody.nodes[index] as MelodyNode).inputs?.[port.name] !== undefined)
          fault(`${nodePath(index)}.inputs.${port.name}`, `the port ${node.id}.${port.name} has a value here and an edge; leave out one`);
      } else if (port.required && node.constants[slot] === undefined)
        fault(
          nodePath(index),
          `nothing feeds the input ${node.id}.${port.name} (${spellPortType(port.type)}), which is required; add an edge to "${node.id}.${port.name}" or a value under "inputs"`,
        );
    }
    if (node.work.does === "branch") compileCases(melody.nodes[index] as MelodyNode, node, node.work.cases, (at, message) => fault(`${nodePath(index)}.${at}`, message));
    if (node.work.does === "merge" && node.inputs.length === 0) fault(nodePath(index), `${node.id} merges nothing; add edges to "${node.id}.NAME"`);
  }
  return { id: melody.id ?? "", name: melody.name ?? melody.id ?? "", inputs, outputs, nodes, graph, fromSlot, toSlot, conditions, entry, exit, order, timeoutMs: undefined };
}

function melodyPorts(melody: MelodyBody, kind: "inputs" | "outputs", fault: (path: string, message: string) => void): MelodyPort[] {
  const out: MelodyPort[] = [];
  for (const [name, spec] of Object.entries(melody[kind] ?? {})) {
    const type = parsePortType(spec.type);
    if ("fault" in type) {
      fault(`${kind}.${name}.type`, type.fault);
      out.push({ name, type: { item: "any", list: false }, required: true, default: undefined, description: spec.description ?? "" });
      continue;
    }
    const preset = "default" in spec ? spec.default : undefined;
    const value = preset === undefined ? undefined : valueFromJson(preset, type);
    if (value && holdsArtifact(value)) fault(`${kind}.${name}.default`, "an artifact can't be written into a melody; leave out the default, a person gives it");
    if (preset !== undefined && !value) fault(`${kind}.${name}.default`, `${spellValue(preset)} is not of type ${spec.type}; expected ${spellJsonForm(type)}`);
    const required = kind === "inputs" ? ((spec as { required?: boolean }).required ?? preset === undefined) && preset === undefined : !(spec as { optional?: boolean }).optional;
    out.push({ name, type, required, default: preset, description: spec.description ?? "" });
  }
  return out;
}

function conditionOf(edge: MelodyEdge, path: () => string, variables: readonly string[], context: Context): Condition | undefined {
  if (edge.when === undefined) return undefined;
  const compiled = compileCondition(edge.when, variables);
  if (!("fault" in compiled)) return compiled;
  context.faults.push({ path: `${path()}.when`, message: compiled.fault });
  return undefined;
}

const VALUE = ["value"];
const OUTPUTS = ["outputs"];
const VALUE_OUTPUTS = ["value", "outputs"];
