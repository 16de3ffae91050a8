// What happens in a run, as numbered records: appended first, published after. Leaves out where they are kept; the
// journal will be an `append` of its own.
import type { ErrorCode } from "./error.ts";

/** Without its number. Paths name node instances: `each/3/split` is node `split` of item 3 of the map `each`. */
export type RunRecord = { run: string } & (
  | { event: "run.started"; melody: string; nodes: number; confinement: string }
  | { event: "node.started"; node: string; attempt: number; items?: number }
  | { event: "node.finished"; node: string; ms: number }
  | { event: "node.skipped"; node: string; why: string }
  | { event: "node.retrying"; node: string; attempt: number; delayMs: number; code: ErrorCode; message: string }
  | { event: "node.failed"; node: string; code: ErrorCode; detail?: string; message: string; then: "stop" | "continue" | "skip" | "fallback" }
  | { event: "node.progress"; node: string; fraction: number; note: string }
  | { event: "node.log"; node: string; level: string; message: string }
  | { event: "node.waiting"; node: string; prompt: string }
  | { event: "run.ended"; state: RunState; code?: ErrorCode; message?: string }
);
export type RunState = "completed" | "failed" | "cancelled";
export type RunEvent = RunRecord & { n: number };

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
