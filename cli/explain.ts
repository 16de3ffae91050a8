// Why each node of a run was run or wasn't, in words.
import type { PastNode } from "../pit/mod.ts";
import type { Plan, PlanNode } from "../runtime/mod.ts";
import { pad, painter, withoutControls, write } from "./print.ts";

export interface Explanation {
  node: string;
  ran: boolean;
  why: string;
}

/** One for each top-level node of the plan, and for each inside a body that was reached; in the order in which they may run. */
export function explain(plan: Plan, nodes: ReadonlyMap<string, Pick<PastNode, "state" | "why" | "attempt" | "error" | "began">>): Explanation[] {
  const told: Explanation[] = [];
  const seen = new Set<string>();
  const tell = (path: string, node: PlanNode | undefined): void => {
    seen.add(path);
    told.push({ node: path, ...whyOf(nodes.get(path), node) });
  };
  for (const at of plan.order) {
    const node = plan.nodes[at] as PlanNode;
    tell(node.id, node);
    if (node.work.does !== "map" && node.work.does !== "melody") continue;
    for (const path of nodes.keys()) if (path.startsWith(`${node.id}/`) && !seen.has(path)) tell(path, insideOf(plan, path));
  }
  return told;
}

function whyOf(past: Pick<PastNode, "state" | "why" | "attempt" | "error" | "began"> | undefined, node: PlanNode | undefined): { ran: boolean; why: string } {
  if (!past || past.state === "pending") return { ran: false, why: node?.isFallback ? "the node that it stands in for didn't fail" : "the run ended before" };
  const { state, why, attempt } = past;
  if (why?.does === "memory") return { ran: false, why: `its answer was kept: ${why.says}` };
  if (why?.does === "pinned") return { ran: false, why: why.says ? `its outputs were taken from run ${why.says.slice(0, 8)}` : "its outputs were pinned" };
  if (state === "skipped") return { ran: false, why: why?.says ?? "nothing reached it" };
  const attempts = attempt > 1 ? ` (attempt ${attempt})` : "";
  if (state === "failed" && past.began === 0) return { ran: false, why: `it failed before it began: ${past.error?.message ?? ""}` };
  if (state === "failed") return { ran: true, why: `and failed${attempts}: ${past.error?.message ?? ""}` };
  if (why?.does === "ran") return { ran: true, why: `${why.says}${attempts}` };
  if (node?.work.does === "call") return { ran: true, why: `${node.work.manifest.id} doesn't declare itself pure${attempts}` };
  return { ran: true, why: node ? `${node.work.does} always does` : "it was reached" };
}

function insideOf(plan: Plan, path: string): PlanNode | undefined {
  const parts = path.split("/");
  let level: Plan | undefined = plan;
  for (let at = 0; level; at++) {
    const node: PlanNode | undefined = level.nodes.find(({ id }) => id === parts[at]);
    if (!node || at === parts.length - 1) return node;
    const { work }: PlanNode = node;
    level = work.does === "map" || work.does === "melody" ? work.body : undefined;
    if (work.does === "map") at++;
  }
  return undefined;
}

/** To standard output (1), where they are what was asked for, else to standard error (2). */
export function tellExplanations(all: readonly Explanation[], json: boolean, fd: 1 | 2): void {
  const paint = painter();
  const wide = Math.min(40, Math.max(0, ...all.map(({ node }) => node.length)));
  for (const one of all)
    if (json) write(1, `${JSON.stringify({ explain: one })}\n`);
    else write(fd, `${pad(withoutControls(one.node), wide)}  ${one.ran ? paint("green", "ran    ") : paint("dim", "not run")}  ${withoutControls(one.why)}\n`);
}
