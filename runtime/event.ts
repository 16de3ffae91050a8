// What happens in a run, as numbered records: appended first, published after. Leaves out where they are kept; the
// journal will be an `append` of its own.
import type { ErrorCode, StepDetails } from "./error.ts";
import type { Value } from "./value.ts";

/** Without its number. Paths name node instances: `each/3/split` is node `split` of item 3 of the map `each`. */
export type RunRecord = { run: string } & (
  | { event: "run.started"; melody: string; nodes: number; parallel: number; confinement: string; inputs: Readonly<Record<string, Value>> }
  | { event: "node.started"; node: string; attempt: number; items?: number }
  /** `outputs` by the node's output ports, in their order; absent where the node gave nothing. */
  | { event: "node.finished"; node: string; ms: number; outputs: readonly (Value | undefined)[] }
  | { event: "node.skipped"; node: string; code: "condition" | "unreached" | "input"; why: string }
  /** Was under way when its run, or the body around it, ended. */
  | { event: "node.cancelled"; node: string }
  | { event: "node.retrying"; node: string; attempt: number; delayMs: number; until: number; code: ErrorCode; message: string }
  | { event: "node.failed"; node: string; code: ErrorCode; detail?: string; step?: StepDetails; message: string; then: "stop" | "continue" | "skip" | "fallback" }
  | { event: "node.progress"; node: string; fraction: number; note: string }
  | { event: "node.log"; node: string; level: string; message: string }
  | { event: "node.waiting"; node: string; prompt: string; until?: number }
  | { event: "node.decided"; node: string; approved: boolean; reason: string }
  | { event: "run.ended"; state: RunState; code?: ErrorCode; message?: string }
);
export type RunState = "completed" | "failed" | "cancelled";
/** `n` counts from 0 within a log; `at` is the wall clock in milliseconds since 1970. One run has one log. */
export type RunEvent = RunRecord & { n: number; at: number };

export interface EventLog {
  /** Appends the record, then publishes it with its number, which it returns. */
  append(record: RunRecord): number;
  /** Called for each event, in order, until the returned function is called. A handler must not throw. */
  subscribe(handler: (event: RunEvent) => void): () => void;
}

/** A log whose records go to `sink` before anybody hears of them. */
export function createEventLog(sink: (event: RunEvent) => void = () => {}): EventLog {
  const handlers = new Set<(event: RunEvent) => void>();
  let next = 0;
  return {
    append(record) {
      const event = record as RunEvent;
      event.n = next++;
      event.at = Date.now();
      sink(event);
      for (const handler of handlers) handler(event);
      return event.n;
    },
    subscribe(handler) {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
  };
}
