// What the control nodes that answer at once give: branch and merge. Pure.
import { type Item, type PlanNode, SymphonyError, type Value, valueToJson } from "../../runtime/mod.ts";

type Combining = Extract<PlanNode["work"], { does: "branch" | "merge" }>;

/** Outputs by slot. */
export function combine(node: PlanNode, work: Combining, value: (slot: number) => Value | undefined): (Value | undefined)[] {
  return work.does === "branch" ? branch(node, work, value) : [merge(node, work.mode, value)];
}

function branch(node: PlanNode, { cases }: Extract<Combining, { does: "branch" }>, value: (slot: number) => Value | undefined): (Value | undefined)[] {
  const variables: Record<string, Value | undefined> = {};
  let passed: Value | undefined;
  for (const [slot, { name }] of node.inputs.entries()) {
    variables[name] = value(slot);
    if (name === "value") passed = value(slot);
  }
  const at = cases.findIndex(({ condition }) => condition.holds(variables));
  return node.outputs.map((_, slot) => (slot === (at < 0 ? node.outputs.length - 1 : at) ? passed : undefined));
}

function merge(node: PlanNode, mode: "first" | "list" | "object", value: (slot: number) => Value | undefined): Value {
  const arrived = node.inputs.map(({ name }, slot) => ({ name, value: value(slot) })).filter((one): one is { name: string; value: Value } => one.value !== undefined);
  if (mode === "first") {
    const first = arrived[0];
    if (!first) throw new SymphonyError("run/failed", `${node.id} has nothing to merge`);
    return first.value;
  }
  if (mode === "list") {
    const items: Item[] = [];
    for (const one of arrived) {
      if (one.value.tag === "items") for (const item of one.value.val) items.push(item);
      else items.push(one.value);
    }
    return { tag: "items", val: items };
  }
  arrived.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { tag: "json", val: JSON.stringify(Object.fromEntries(arrived.map((one) => [one.name, valueToJson(one.value)]))) };
}
