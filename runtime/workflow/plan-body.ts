// One melody or body as a plan: its nodes and own ports, the ends of its edges, their order, the wires between ports, then
// what is left unfed. Pure.
import { spellValue } from "../schema.ts";
import { parsePortType, spellJsonForm, spellPortType, valueFromJson } from "../value.ts";
import { planFallbacks } from "./fallback.ts";
import { createGraph, findCycles, topologicalOrder } from "./graph.ts";
import type { MelodyBody, MelodyNode } from "./melody.ts";
import type { Context, InputPort, MelodyPort, Plan, PlanNode } from "./plan.ts";
import { compileCases, holdsArtifact, planNode } from "./plan-node.ts";
import { type Level, readEnds } from "./plan-ends.ts";
import { wire } from "./plan-wires.ts";

/** Plans one level, whose place in the file is `base`; faults go to `context`. */
export function planBody(melody: MelodyBody, base: string, context: Context, inherited: "stop" | "continue" | undefined): Plan {
  const { faults } = context;
  const read = context.levels.get(base);
  const fault = (path: string, message: string): void => void faults.push({ path: base + path, message });
  const nodePath = (index: number): string => `nodes[${read?.nodePlaces[index] ?? index}]`;
  const edgePath = (index: number): string => `edges[${read?.edgePlaces[index] ?? index}]`;
  const ports = (kind: "inputs" | "outputs"): MelodyPort[] => melodyPorts(melody, kind, base !== "", fault);
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
  const level: Level = { nodes, read, indexOf, inputs, outputs, edges, nodePath, edgePath, fault, context };
  const ends = readEnds(level);
  const graph = createGraph(nodes.length, ends.from, ends.to);
  const order = topologicalOrder(graph);
  for (const cycle of order.length < nodes.length ? findCycles(graph, CYCLES_MAX) : []) {
    const names = cycle.map((index) => (nodes[index] as PlanNode).id);
    const shown = names.length > 50 ? [...names.slice(0, 25), `... ${names.length - 50} more ...`, ...names.slice(-25)] : names;
    fault("edges", `${names.length === 1 ? `${names[0]} depends on itself` : `there is a cycle: ${[...shown, names[0]].join(" -> ")}`}; a melody must be free of cycles`);
  }

  const wires = wire(level, ends, graph, order);
  // one whose edge is itself faulty has been told by that
  for (const [at, { name }] of outputs.entries())
    if (!wires.fedOutputs.has(at) && !edges.some(({ to }) => to === `outputs.${name}`) && !read?.lacksEdges)
      fault(`outputs.${name}`, `nothing feeds this output; add an edge to "outputs.${name}"`);

  planFallbacks(nodes, indexOf, graph, ends.touched, (index, message) => fault(`${nodePath(index)}.onFailure.fallback`, message), read, context);
  for (const id of read?.fallbacks ?? []) {
    const node = nodes[indexOf.get(id) ?? -1];
    if (node) node.isFallback = true;
  }
  for (let index = 0; index < nodes.length; index++) checkNode(index, melody.nodes[index] as MelodyNode, level, ends.touched[index] === 1);
  const { fromSlot, toSlot, conditions, entry, exit } = wires;
  return { id: melody.id ?? "", name: melody.name ?? melody.id ?? "", inputs, outputs, nodes, graph, fromSlot, toSlot, conditions, entry, exit, order, timeoutMs: undefined };
}

/** Cycles that are told. */
const CYCLES_MAX = 20;

/** What a node still lacks once all edges are known, and its conditions. */
function checkNode(index: number, file: MelodyNode, { nodes, read, nodePath, fault }: Level, touched: boolean): void {
  const node = nodes[index] as PlanNode;
  const { id, work, inputs, constants, presets, isFallback } = node;
  // where edges are missing because they are faulty, nobody knows what they would have fed
  const sure = !read?.lacksEdges;
  if (!touched && !isFallback && nodes.length > 1 && sure) fault(nodePath(index), `${id} is an orphan: no edge touches it; connect it or take it out`);
  for (let slot = 0; slot < inputs.length && !isFallback; slot++) {
    const { fed, name, required, type } = inputs[slot] as InputPort;
    if (fed) {
      if (constants[slot] !== undefined && file.inputs?.[name] !== undefined)
        fault(`${nodePath(index)}.inputs.${name}`, `the port ${id}.${name} has a value here and an edge; leave out one`);
    } else if (sure && required && constants[slot] === undefined && presets[slot] === undefined)
      fault(
        nodePath(index),
        `nothing feeds the input ${id}.${name} (${spellPortType(type)}), which is required; add an edge to "${id}.${name}"${type.item === "folder" ? " from an input of that type" : ' or a value under "inputs"'}`,
      );
  }
  if (work.does === "branch" && sure) compileCases(file, node, work.cases, (at, message) => fault(`${nodePath(index)}.${at}`, message));
  if (work.does === "merge" && inputs.length === 0 && sure) fault(nodePath(index), `${id} merges nothing; add edges to "${id}.NAME"`);
}

function melodyPorts(melody: MelodyBody, kind: "inputs" | "outputs", inner: boolean, fault: (path: string, message: string) => void): MelodyPort[] {
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
    if (preset !== undefined && type.item === "folder" && inner)
      fault(`${kind}.${name}.default`, "a folder can't be named in a body: a person grants it; make it an input of the melody and lead it here by edges");
    if (value && holdsArtifact(value)) fault(`${kind}.${name}.default`, "an artifact can't be written into a melody; leave out the default, a person gives it");
    if (preset !== undefined && !value) fault(`${kind}.${name}.default`, `${spellValue(preset)} is not of type ${spec.type}; expected ${spellJsonForm(type)}`);
    const required = kind === "inputs" ? ((spec as { required?: boolean }).required ?? preset === undefined) && preset === undefined : !(spec as { optional?: boolean }).optional;
    out.push({ name, type, required, default: preset, description: spec.description ?? "" });
  }
  return out;
}
