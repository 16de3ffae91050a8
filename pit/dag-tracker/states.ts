// The states of a run and of its nodes, and what moves them: one table, by the events of the log. Pure. A move that isn't in
// the table is an error, never mended in silence.
import { type RunEvent, type RunState, SymphonyError } from "../../runtime/mod.ts";

/** `pending`: not yet begun. `waiting`: for a person or a time. `retrying`: failed, and another attempt is due. */
export type NodeState = "pending" | "running" | "waiting" | "retrying" | "completed" | "failed" | "skipped" | "cancelled";

type NodeEvent = Extract<RunEvent, { node: string }>["event"];
type Moves<State extends string> = Partial<Record<State, State>>;

const INTO_RUNNING: Moves<NodeState> = { pending: "running", retrying: "running", running: "running", waiting: "running", cancelled: "running" };

/**
 * From where each event leads to where. `node.started` also stands behind `running` and `waiting`: that is a node that was
 * under way when its process ended, and is run again.
 */
export const NODE_MOVES: Readonly<Record<Exclude<NodeEvent, "node.progress" | "node.log" | "node.model" | "node.memory">, Moves<NodeState>>> = {
  "node.started": INTO_RUNNING,
  "node.waiting": { running: "waiting", waiting: "waiting" },
  "node.decided": { waiting: "running" },
  "node.finished": { running: "completed", waiting: "completed" },
  "node.skipped": { pending: "skipped" },
  "node.pinned": { pending: "completed" },
  // a condition on the way to it may fail before it begins
  "node.failed": { pending: "failed", running: "failed", waiting: "failed" },
  "node.retrying": { running: "retrying", waiting: "retrying" },
  "node.cancelled": { running: "cancelled", waiting: "cancelled", retrying: "cancelled" },
};

type RunEventName = Extract<RunEvent["event"], `run.${string}`>;

/** `run.ended` leads to the state that it names. */
export const RUN_MOVES: Readonly<Record<Exclude<RunEventName, "run.ended">, Moves<RunState>>> & { "run.ended": readonly RunState[] } = {
  "run.started": { pending: "running" },
  "run.paused": { running: "paused" },
  "run.permitted": { running: "running", paused: "paused" },
  "run.continued": { paused: "running" },
  // after its process ended, or to try again what failed
  "run.resumed": { running: "running", paused: "running", failed: "running", cancelled: "running", completed: "running" },
  "run.ended": ["running", "paused"],
};

function impossible(what: string, from: string, event: string): SymphonyError {
  return new SymphonyError("run/impossible", `Cannot follow the log: ${what} is ${from}, and ${event} doesn't lead on from there`);
}

/** The state of a node after an event about it. Throws `run/impossible`. */
export function moveNode(from: NodeState, event: Extract<RunEvent, { node: string }>): NodeState {
  if (event.event === "node.progress" || event.event === "node.log" || event.event === "node.model" || event.event === "node.memory") return from;
  const to = NODE_MOVES[event.event][from];
  if (to === undefined) throw impossible(event.node, from, event.event);
  return to;
}

/** The state of a run after an event about it. Throws `run/impossible`. */
export function moveRun(from: RunState, event: RunEvent): RunState {
  if ("node" in event) return from;
  if (event.event === "run.ended") {
    if (!RUN_MOVES["run.ended"].includes(from)) throw impossible("the run", from, event.event);
    return event.state;
  }
  const to = RUN_MOVES[event.event][from];
  if (to === undefined) throw impossible("the run", from, event.event);
  return to;
}
