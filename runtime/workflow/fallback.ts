// Nodes that run in another's place: that they exist, fit, and don't go round. Pure.
import { spellPortType, typesFit } from "../value.ts";
import type { Graph } from "./graph.ts";
import type { LevelRead } from "./melody.ts";
import type { Context, PlanNode } from "./plan.ts";

/** Sets `fallback` and `isFallback` of the nodes. */
export function planFallbacks(
  nodes: PlanNode[],
  indexOf: ReadonlyMap<string, number>,
  graph: Graph,
  touched: Uint8Array,
  fault: (index: number, message: string) => void,
  read: LevelRead | undefined,
  { near }: Context,
): void {
  for (const [index, node] of nodes.entries()) {
    if (typeof node.onFailure === "string") continue;
    const id = node.onFailure.fallback;
    const other = indexOf.get(id);
    if (other === undefined) {
      if (!read?.suspects.has(id) && !read?.lacksIds) fault(index, `there is no node ${JSON.stringify(id)}${near(id, indexOf.keys())}`);
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
        if (
          same ? stand.constants[slot] === undefined && !typesFit(same.type, port.type) : port.required && stand.constants[slot] === undefined && stand.presets[slot] === undefined
        )
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
