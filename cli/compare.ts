// Two runs beside each other: states, times and outputs, node by node.
import { type Past, spellValues } from "../pit/mod.ts";
import type { Value } from "../runtime/mod.ts";

export interface ComparedNode {
  node: string;
  /** `-` where a run doesn't know the node. */
  states: [string, string];
  /** Milliseconds, of completed ones. */
  ms: [number | undefined, number | undefined];
  outputs: "same" | "differ" | "only in the first" | "only in the second";
}

/** Nodes that either run knows, by their paths. */
export function comparePasts(first: Past, second: Past): ComparedNode[] {
  const paths = [...new Set([...first.nodes.keys(), ...second.nodes.keys()])];
  return paths.map((node) => {
    const [one, other] = [first.nodes.get(node), second.nodes.get(node)];
    const ms = (of: typeof one): number | undefined => (of?.state === "completed" ? of.ms : undefined);
    return { node, states: [one?.state ?? "-", other?.state ?? "-"], ms: [ms(one), ms(other)], outputs: comparedAs(spelled(one?.outputs), spelled(other?.outputs)) };
  });
}

/** The outputs of the runs, and whether all are the same. */
export function compareOutputs(first: Past, second: Past): [{ output: string; is: ComparedNode["outputs"] }[], boolean] {
  const [one, other] = [first.ended?.outputs ?? {}, second.ended?.outputs ?? {}];
  const rows = [...new Set([...Object.keys(one), ...Object.keys(other)])].map((output) => ({ output, is: comparedAs(spelled([one[output]]), spelled([other[output]])) }));
  return [rows, rows.every(({ is }) => is === "same")];
}

/** Large values stand by their hash, so their bytes need not be read. */
function spelled(outputs: readonly (Value | undefined)[] | undefined): string {
  const given = new Map((outputs ?? []).flatMap((value, at) => (value === undefined ? [] : [[String(at), value] as const])));
  return given.size > 0 ? JSON.stringify(spellValues(given)) : "";
}

function comparedAs(one: string, other: string): ComparedNode["outputs"] {
  if (one === other) return "same";
  return other === "" ? "only in the first" : one === "" ? "only in the second" : "differ";
}
