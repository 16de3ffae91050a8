// What a log says of a run: each node's last state, and what a resume needs of it. Pure; checks every change against the table
// of states. Leaves out reading the log.
import { type RunEvent, type RunState, SymphonyError, type Value } from "../../runtime/mod.ts";
import { moveNode, moveRun, type NodeState } from "./states.ts";

export interface PastNode {
  state: NodeState;
  attempt: number;
  /** Of a completed one. */
  outputs: readonly (Value | undefined)[];
  /** Of a failed one. */
  error: SymphonyError | undefined;
  /** When a delay or the wait before another attempt is over. */
  until: number;
  /** What a person said, if the node had not yet ended. */
  decided: { approved: boolean; reason: string } | undefined;
}

export interface Past {
  state: RunState;
  nodes: Map<string, PastNode>;
  /** The number of the next event. */
  next: number;
  /** Told by the resume. */
  cut: number;
  started: Extract<RunEvent, { event: "run.started" }> | undefined;
  ended: Extract<RunEvent, { event: "run.ended" }> | undefined;
}

/** Folds events, in their order, into the state that they leave. Throws `run/impossible`. */
export function foldEvents(events: Iterable<RunEvent>): Past {
  const past: Past = { state: "pending", nodes: new Map(), next: 0, cut: 0, started: undefined, ended: undefined };
  for (const event of events) {
    past.next = event.n + 1;
    past.state = moveRun(past.state, event);
    if ("node" in event) foldNode(past.nodes, event);
    else if (event.event === "run.started") past.started = event;
    else if (event.event === "run.ended") past.ended = event;
  }
  return past;
}

function foldNode(nodes: Map<string, PastNode>, event: Extract<RunEvent, { node: string }>): void {
  let node = nodes.get(event.node);
  if (!node) {
    node = { state: "pending", attempt: 0, outputs: [], error: undefined, until: 0, decided: undefined };
    nodes.set(event.node, node);
  }
  node.state = moveNode(node.state, event);
  switch (event.event) {
    case "node.started":
      node.attempt = event.attempt;
      node.decided = undefined;
      node.until = 0;
      return;
    case "node.finished":
      node.outputs = event.outputs;
      return;
    case "node.failed":
      node.error = new SymphonyError(event.code, event.message, { detail: event.detail, step: event.step });
      return;
    case "node.retrying":
      node.attempt = event.attempt;
      node.until = event.until;
      return;
    case "node.waiting":
      node.until = event.until ?? 0;
      return;
    case "node.decided":
      node.decided = { approved: event.approved, reason: event.reason };
      return;
    case "node.reset":
      nodes.delete(event.node);
  }
}

/**
 * The nodes that must run anew so that a run that has ended can end better: all that failed, was cancelled or skipped; with
 * `from`, that node and all that comes after it. Their records are to be appended as `node.reset`.
 */
export function nodesToReset({ nodes }: Past, from: ReadonlySet<string> | undefined): string[] {
  const out: string[] = [];
  for (const [path, { state }] of nodes) {
    const again = state === "failed" || state === "cancelled" || state === "skipped";
    const top = path.split("/", 1)[0] as string;
    if (again || from?.has(top) === true) out.push(path);
  }
  return out;
}
