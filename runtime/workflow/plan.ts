// What a melody's parts mean together: references, ports, types, cycles, orphans, all faults in one go; and the sound
// result as a plan on typed arrays, which is what runs. Pure and browser-safe; knows nothing of running.
import type { Fault } from "../error.ts";
import { type Manifest, type PortSpec, settingFault } from "../extension/manifest.ts";
import { near } from "../near.ts";
import { spellValue } from "../schema.ts";
import { type Entry, parsePortType, type PortType, spellJsonForm, spellPortType, typesFit, type Value, valueFromJson } from "../value.ts";
import { type Condition, compileCondition } from "./condition.ts";
import { createGraph, findCycle, type Graph, topologicalOrder } from "./graph.ts";
import type { FailureRule, MelodyBody, MelodyEdge, MelodyNode, RetryRule } from "./melody.ts";

/** The extensions that a melody may use. */
export interface Catalogue {
  get(id: string): Manifest | undefined;
  ids(): Iterable<string>;
}

/** A typed, documented input or output of a melody. */
export interface MelodyPort {
  name: string;
  type: PortType;
  required: boolean;
  /** As written in the file. */
  default: unknown;
  description: string;
}

/** A step's or a control node's work, as far as the file tells. */
export type Work =
  | { does: "call"; manifest: Manifest; settings: Entry[] }
  | { does: "branch"; cases: { name: string; condition: Condition }[] }
  | { does: "map"; over: string; concurrency: number; skipFailed: boolean; body: Plan }
  | { does: "melody"; body: Plan }
  | { does: "merge"; mode: "first" | "list" | "object" }
  | { does: "delay"; delayMs: number }
  | { does: "approve"; prompt: string };

/** A retry rule with its defaults filled in. */
export interface RetryPlan {
  attempts: number;
  delayMs: number;
  factor: number;
  maxDelayMs: number;
}

/** An input port of a node. */
export interface InputPort {
  name: string;
  type: PortType;
  required: boolean;
  /** Whether an edge feeds it. */
  fed: boolean;
}

export interface PlanNode {
  id: string;
  /** For people. */
  title: string;
  work: Work;
  /** Ports that can carry values, by slot. */
  inputs: InputPort[];
  outputs: { name: string; type: PortType; required: boolean }[];
  /** Values for ports that no edge feeds, by input slot. */
  constants: (Value | undefined)[];
  timeoutMs: number | undefined;
  retry: RetryPlan;
  onFailure: FailureRule;
  /** Index of the node that runs in its place when it fails, or -1. */
  fallback: number;
  /** Whether it only runs in another's place. */
  isFallback: boolean;
  /** Its extension isn't installed; never so in a sound plan. */
  unknown: boolean;
}

/** A sound melody (or body of one), ready to run. Node numbers are their order in the file. */
export interface Plan {
  id: string;
  name: string;
  inputs: MelodyPort[];
  outputs: MelodyPort[];
  nodes: PlanNode[];
  /** Edges between nodes; those from the melody's inputs and to its outputs stand apart. */
  graph: Graph;
  /** Slots at the ends of each edge of `graph`; -1 on an edge that only orders. */
  fromSlot: Int32Array;
  toSlot: Int32Array;
  conditions: (Condition | undefined)[];
  /** For each edge from an input: input number, node, slot, condition. */
  entry: { input: number; node: number; slot: number; condition: Condition | undefined }[];
  /** For each edge to an output: node and slot (or node -1 and input number), output number. */
  exit: { node: number; slot: number; output: number; condition: Condition | undefined }[];
  order: Uint32Array;
  timeoutMs: number | undefined;
}

const CONDITION_VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
const NO_RETRY: RetryPlan = { attempts: 1, delayMs: 200, factor: 2, maxDelayMs: 30_000 };

interface Context {
  catalogue: Catalogue;
  faults: Fault[];
  suspects: ReadonlySet<string>;
  /** ` (did you mean ...?)` for the first faults; looking for near names takes long where thousands are wrong. */
  near: (word: string, known: Iterable<string>) => string;
}

const HINTS_MAX = 50;

/**
 * Checks a melody and makes its plan. `places` gives the numbers that nodes and edges had in the file, where some were
 * left out. The plan is only sound if no fault is returned.
 */
export function planMelody(
  melody: MelodyBody & { timeoutMs?: number | undefined },
  catalogue: Catalogue,
  read: { nodePlaces?: number[] | undefined; edgePlaces?: number[] | undefined; suspects?: ReadonlySet<string> } = {},
): { plan: Plan; faults: Fault[] } {
  const faults: Fault[] = [];
  const context: Context = { catalogue, faults, suspects: read.suspects ?? new Set(), near: (word, known) => (faults.length < HINTS_MAX ? near(word, known) : "") };
  const plan = planBody(melody, "", context, undefined, read.nodePlaces, read.edgePlaces);
  plan.timeoutMs = melody.timeoutMs;
  return { plan, faults: context.faults };
}

function planBody(melody: MelodyBody, base: string, context: Context, inherited: "stop" | "continue" | undefined, nodePlaces?: number[], edgePlaces?: number[]): Plan {
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

  fallbacks(nodes, indexOf, graph, touched, (index, message) => fault(`${nodePath(index)}.onFailure.fallback`, message), suspects);
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

/** The slot of the port that an edge feeds, made on the spot where a control node takes any name; -1 for none. */
function openPort(node: PlanNode, name: string, type: PortType | undefined): number {
  const { inputs, work } = node;
  const { does } = work;
  let slot = slotOf(node, name);
  if (slot < 0 && (does === "merge" || (does === "branch" && CONDITION_VARIABLE.test(name)))) {
    slot = inputs.push({ name, type: type ?? ANY, required: false, fed: false }) - 1;
    node.constants.push(undefined);
    slots.get(inputs)?.set(name, slot);
  } else if (slot >= 0 && type && does !== "call" && does !== "map" && does !== "melody") (inputs[slot] as InputPort).type = type;
  return slot;
}

function markFed(node: PlanNode, name: string): void {
  const port = node.inputs[openPort(node, name, undefined)];
  if (port) port.fed = true;
}

/** Beside nodes with many ports, so that finding one doesn't take longer with each. */
const slots = new WeakMap<InputPort[], Map<string, number>>();
const MANY = 16;

function slotOf({ inputs }: PlanNode, name: string): number {
  if (inputs.length < MANY) {
    for (let i = 0; i < inputs.length; i++) if ((inputs[i] as InputPort).name === name) return i;
    return -1;
  }
  let known = slots.get(inputs);
  if (!known) {
    known = new Map(inputs.map((port, slot) => [port.name, slot]));
    slots.set(inputs, known);
  }
  return known.get(name) ?? -1;
}

/** Names like the mistyped one, or all there are. */
function others(name: string, ports: readonly { name: string }[], near: Context["near"]): string {
  const names = ports.map((port) => port.name);
  return near(name, names) || `; it has ${names.slice(0, 50).join(", ") || "none"}`;
}

const VALUE = ["value"];
const OUTPUTS = ["outputs"];
const VALUE_OUTPUTS = ["value", "outputs"];

function mergeType(node: PlanNode, fault: (message: string) => void): void {
  if (node.work.does !== "merge") return;
  const output = node.outputs[0] as PlanNode["outputs"][number];
  const { mode } = node.work;
  if (mode === "object") {
    output.type = { item: "json", list: false };
    return;
  }
  const { inputs } = node;
  let item: PortType["item"] | undefined;
  let lists = 0;
  for (let i = 0; i < inputs.length; i++) {
    const { type } = inputs[i] as InputPort;
    item = i === 0 || item === type.item ? type.item : "any";
    if (type.list) lists++;
  }
  if (mode === "first" && lists > 0 && lists < inputs.length)
    fault(
      `${node.id} merges single values and lists (${inputs.map(({ name, type }) => `${name}: ${spellPortType(type)}`).join(", ")}); the first of them would be now one, now the other`,
    );
  output.type = { item: item ?? "any", list: mode === "list" || lists > 0 };
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

const ANY: PortType = { item: "any", list: false };

function planNode(file: MelodyNode, path: () => string, context: Context, inherited: "stop" | "continue"): PlanNode {
  const node: PlanNode = {
    id: file.id,
    title: file.title ?? file.id,
    work: { does: "delay", delayMs: 0 },
    inputs: [],
    outputs: [],
    constants: [],
    timeoutMs: file.timeoutMs,
    retry: NO_RETRY,
    onFailure: file.onFailure ?? inherited,
    fallback: -1,
    isFallback: false,
    unknown: false,
  };
  const fault = (at: string, message: string): void => void context.faults.push({ path: `${path()}.${at}`, message });
  if (file.kind === "control") planControl(file, node, path, context, inherited);
  else {
    const manifest = context.catalogue.get(file.uses);
    if (!manifest) fault("uses", `no extension ${JSON.stringify(file.uses)} is installed${near(file.uses, context.catalogue.ids())}; \`symphony ext list\` shows what is`);
    else if (manifest.kind !== file.kind) fault("kind", `${JSON.stringify(file.kind)} stands here, but ${file.uses} is an ${manifest.kind}`);
    if (file.retry) node.retry = retryPlan(file.retry);
    if (manifest) {
      node.work = { does: "call", manifest, settings: planSettings(file.settings ?? {}, manifest, fault) };
      for (const { name, type, required, default: preset } of manifest.inputs.values()) {
        node.inputs.push({ name, type, required, fed: false });
        node.constants.push(preset);
      }
      for (const { name, type, required } of manifest.outputs.values()) node.outputs.push({ name, type, required });
    } else {
      // its ports can't be known, so only its name is reported
      node.unknown = true;
    }
  }
  for (const [name, json] of Object.entries(file.inputs ?? {})) {
    const slot = node.inputs.findIndex((port) => port.name === name);
    const port = node.inputs[slot];
    if (!port) {
      if (file.kind === "control" || context.catalogue.get(file.uses))
        fault(
          `inputs.${name}`,
          `${file.id} has no input port ${JSON.stringify(name)}${
            near(
              name,
              node.inputs.map((one) => one.name),
            ) || `; it has ${node.inputs.map((one) => one.name).join(", ") || "none"}`
          }`,
        );
      continue;
    }
    const value = valueFromJson(json, port.type);
    if (value && holdsArtifact(value)) fault(`inputs.${name}`, "an artifact can't be written into a melody; make it an input, which a person gives");
    else if (value) node.constants[slot] = value;
    else fault(`inputs.${name}`, `${spellValue(json)} is not of type ${spellPortType(port.type)}; expected ${spellJsonForm(port.type)}`);
  }
  return node;
}

function holdsArtifact(value: Value): boolean {
  return value.tag === "artifact" || (value.tag === "items" && value.val.some(({ tag }) => tag === "artifact"));
}

function retryPlan({ attempts, delayMs = NO_RETRY.delayMs, factor = NO_RETRY.factor, maxDelayMs = NO_RETRY.maxDelayMs }: RetryRule): RetryPlan {
  return { attempts, delayMs, factor, maxDelayMs };
}

function planSettings(given: Record<string, unknown>, manifest: Manifest, fault: (at: string, message: string) => void): Entry[] {
  const settings: Entry[] = [];
  for (const name of Object.keys(given))
    if (!manifest.settings.has(name))
      fault(
        `settings.${name}`,
        `${manifest.id} has no setting ${JSON.stringify(name)}${near(name, manifest.settings.keys()) || `; it has ${[...manifest.settings.keys()].join(", ") || "none"}`}`,
      );
  const specs: PortSpec[] = [...manifest.settings.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const spec of specs) {
    const json = Object.hasOwn(given, spec.name) ? given[spec.name] : undefined;
    if (json === undefined) {
      if (spec.default !== undefined) settings.push({ name: spec.name, value: spec.default });
      else if (spec.required) fault(`settings.${spec.name}`, `it is missing; expected ${spellJsonForm(spec.type)}${spec.description ? `: ${spec.description}` : ""}`);
      continue;
    }
    const value = valueFromJson(json, spec.type);
    const why = value ? settingFault(json, spec) : `${spellValue(json)} is not of type ${spellPortType(spec.type)}; expected ${spellJsonForm(spec.type)}`;
    if (why) fault(`settings.${spec.name}`, why);
    else if (value) settings.push({ name: spec.name, value });
  }
  return settings;
}

/** The ports that edges feed are what a branch's conditions may speak of. */
function compileCases(file: MelodyNode, node: PlanNode, cases: { name: string; condition: Condition }[], fault: (at: string, message: string) => void): void {
  if (file.kind !== "control" || file.control !== "branch") return;
  const variables = node.inputs.map(({ name }) => name);
  for (const [index, { name, when }] of file.cases.entries()) {
    const compiled = compileCondition(when, variables);
    if ("fault" in compiled) fault(`cases[${index}].when`, compiled.fault);
    else cases.push({ name, condition: compiled });
  }
}

type ControlFile = Extract<MelodyNode, { kind: "control" }>;

function planControl(file: ControlFile, node: PlanNode, path: () => string, context: Context, inherited: "stop" | "continue"): void {
  const fault = (at: string, message: string): void => void context.faults.push({ path: `${path()}.${at}`, message });
  const input = (name: string, type: PortType, required: boolean): void => {
    node.inputs.push({ name, type, required, fed: false });
    node.constants.push(undefined);
  };
  switch (file.control) {
    case "branch": {
      input("value", ANY, true);
      const names = new Set(["otherwise"]);
      for (const [index, one] of file.cases.entries()) {
        if (names.has(one.name))
          fault(
            `cases[${index}].name`,
            one.name === "otherwise" ? `"otherwise" is the port for when no case holds; choose another name` : `the case ${JSON.stringify(one.name)} stands twice`,
          );
        names.add(one.name);
      }
      node.work = { does: "branch", cases: [] };
      for (const name of [...file.cases.map((one) => one.name), "otherwise"]) node.outputs.push({ name, type: ANY, required: false });
      return;
    }
    case "map":
    case "melody": {
      const body = planBody(file.body, `${path()}.body.`, { ...context, suspects: new Set() }, inherited);
      const isMap = file.control === "map";
      const over = isMap ? (file.over ?? "item") : "";
      if (isMap) {
        const item = body.inputs.find(({ name }) => name === over);
        if (!item)
          fault(
            "body.inputs",
            `there is no input ${JSON.stringify(over)} to get one item${near(
              over,
              body.inputs.map(({ name }) => name),
            )}; declare it, or name another under "over"`,
          );
        else if (item.type.list) fault(`body.inputs.${over}.type`, `${spellPortType(item.type)} stands here; an item is a single value`);
        input("items", { item: item?.type.item ?? "any", list: true }, true);
      }
      for (const port of body.inputs) {
        if (isMap && port.name === "index" && (port.type.item !== "number" || port.type.list))
          fault("body.inputs.index.type", `${spellPortType(port.type)} stands here; a map gives each item its number, so expected number`);
        if (isMap && (port.name === over || port.name === "index")) continue;
        if (isMap && port.name === "items") fault("body.inputs.items", `"items" is the map's own port; choose another name`);
        input(port.name, port.type, port.required);
        if (port.default !== undefined) node.constants[node.constants.length - 1] = valueFromJson(port.default, port.type);
      }
      for (const port of body.outputs) {
        if (isMap && port.type.list)
          fault(
            `body.outputs.${port.name}.type`,
            `${spellPortType(port.type)} stands here; a map gathers single values into lists, and there are no lists of lists; make it json first`,
          );
        // an item that doesn't give an optional output stands as null, so that all lists go together
        node.outputs.push({ name: port.name, type: { item: isMap && !port.required ? "any" : port.type.item, list: isMap || port.type.list }, required: isMap || port.required });
      }
      node.work = file.control === "map" ? { does: "map", over, concurrency: file.concurrency ?? 4, skipFailed: file.onItemFailure === "skip", body } : { does: "melody", body };
      return;
    }
    case "merge":
      node.work = { does: "merge", mode: file.mode };
      node.outputs.push({ name: "value", type: ANY, required: true });
      return;
    case "delay":
      node.work = { does: "delay", delayMs: file.delayMs };
      break;
    case "approve":
      node.work = { does: "approve", prompt: file.prompt ?? "" };
      break;
  }
  input("value", ANY, false);
  node.outputs.push({ name: "value", type: ANY, required: false });
}

function fallbacks(
  nodes: PlanNode[],
  indexOf: ReadonlyMap<string, number>,
  graph: Graph,
  touched: Uint8Array,
  fault: (index: number, message: string) => void,
  suspects: ReadonlySet<string>,
): void {
  for (const [index, node] of nodes.entries()) {
    if (typeof node.onFailure === "string") continue;
    const id = node.onFailure.fallback;
    const other = indexOf.get(id);
    if (other === undefined) {
      if (!suspects.has(id)) fault(index, `there is no node ${JSON.stringify(id)}${near(id, indexOf.keys())}`);
      continue;
    }
    const stand = nodes[other] as PlanNode;
    if (other === index) fault(index, `${id} can't stand in for itself`);
    else if (stand.isFallback) fault(index, `${id} already stands in for another node`);
    else if (touched[other] || (graph.inStart[other + 1] as number) > (graph.inStart[other] as number))
      fault(index, `${id} has edges of its own; a fallback gets the inputs of the node that failed and gives its outputs`);
    else {
      for (const output of node.outputs) {
        const same = stand.outputs.find(({ name }) => name === output.name);
        if (output.required && (!same || !typesFit(same.type, output.type))) fault(index, `${id} doesn't give ${output.name} (${spellPortType(output.type)}) as ${node.id} does`);
      }
      for (const [slot, port] of stand.inputs.entries()) {
        const same = node.inputs.find(({ name }) => name === port.name);
        if (same ? stand.constants[slot] === undefined && !typesFit(same.type, port.type) : port.required && stand.constants[slot] === undefined)
          fault(index, `${id} needs ${port.name} (${spellPortType(port.type)}), which ${node.id} doesn't get as such`);
      }
      node.fallback = other;
    }
    stand.isFallback = true;
  }
  // a chain of fallbacks must end
  for (const [index, node] of nodes.entries()) {
    let at = node.fallback;
    for (let steps = 0; at >= 0; steps++) {
      if (at === index || steps > nodes.length) {
        fault(index, `${node.id} stands in for itself by a chain of fallbacks`);
        node.fallback = -1;
        break;
      }
      at = (nodes[at] as PlanNode).fallback;
    }
  }
}
