// Ports of nodes while edges are followed: finding one, making one where a control node takes any name, and the type of a
// merge. Pure.
import { type PortType, spellPortType } from "../value.ts";
import type { Context, InputPort, PlanNode } from "./plan.ts";

const CONDITION_VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
export const ANY: PortType = { item: "any", list: false };

/** The slot of the port that an edge feeds, made on the spot where a control node takes any name; -1 for none. */
export function openPort(node: PlanNode, name: string, type: PortType | undefined): number {
  const { inputs, work } = node;
  const { does } = work;
  let slot = slotOf(node, name);
  if (slot < 0 && (does === "merge" || (does === "branch" && CONDITION_VARIABLE.test(name)))) {
    slot = inputs.push({ name, type: type ?? ANY, required: false, fed: false }) - 1;
    node.constants.push(undefined);
    node.presets.push(undefined);
    slots.get(inputs)?.set(name, slot);
  } else if (slot >= 0 && type && does !== "call" && does !== "map" && does !== "melody") (inputs[slot] as InputPort).type = type;
  return slot;
}

/** Says that an edge feeds a port, where nothing more can be said. */
export function markFed(node: PlanNode, name: string): void {
  const port = node.inputs[openPort(node, name, undefined)];
  if (port) port.fed = true;
}

/** Beside nodes with many ports, so that finding one doesn't take longer with each. */
const slots = new WeakMap<InputPort[], Map<string, number>>();
const MANY = 16;

/** The slot of a node's input port, or -1. */
export function slotOf({ inputs }: PlanNode, name: string): number {
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
export function others(name: string, ports: readonly { name: string }[], near: Context["near"]): string {
  const names = ports.map((port) => port.name);
  return near(name, names) || `; it has ${names.slice(0, 50).join(", ") || "none"}`;
}

/** What a merge gives, once the types of what it gets are known. */
export function mergeType(node: PlanNode, fault: (message: string) => void): void {
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
