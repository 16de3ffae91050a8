// What happens in a run, as numbered records: appended, made durable, then published, and only then followed by effects.
// Leaves out where they are kept (a sink; the journal is one).
import type { RunGrant } from "./extension/permission/policy.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { ErrorCode, StepDetails } from "./error.ts";
import type { Value } from "./value.ts";

export type EndState = "completed" | "failed" | "cancelled";
export type RunState = "pending" | "running" | "paused" | EndState;

/** Without its number. Paths name node instances: `each/3/split` is node `split` of item 3 of the map `each`. */
export type RunRecord = { run: string } & (
  | {
      event: "run.started";
      melody: string;
      nodes: number;
      parallel: number;
      confinement: string;
      inputs: Readonly<Record<string, Value>>;
      /** What a resume needs besides: the melody's text as an artifact, granted folders, approvals and limits. */
      origin?: RunOrigin;
      /** Which nodes are run, where it isn't all of them. */
      part?: RunPart;
    }
  /** Its process had ended, or what failed is tried again. `cut` are bytes of a torn journal that were left out, `resets` paths of nodes whose past doesn't count any more; `order` tells one resume from another. */
  | {
      event: "run.resumed";
      confinement: string;
      cut: number;
      resets?: readonly string[];
      order?: string /** Granted besides what the run began with. */;
      grants?: readonly RunGrant[];
    }
  /** A person took something back from it, or gave it more. */
  | { event: "run.permitted"; grants: readonly RunGrant[] }
  | { event: "run.paused"; stop: boolean }
  | { event: "run.continued" }
  /** `again`: it was under way when its process ended; what it did before may have been done, and its idempotency key is the same. */
  | { event: "node.started"; node: string; attempt: number; items?: number; list?: string; again?: true }
  /** `outputs` by the node's output ports, in their order; absent where the node gave nothing. */
  | { event: "node.finished"; node: string; ms: number; outputs: readonly (Value | undefined)[] }
  | { event: "node.skipped"; node: string; code: "condition" | "unreached" | "input" | "part"; why: string }
  /** Was under way when its run, or the body around it, ended. */
  | { event: "node.cancelled"; node: string }
  | { event: "node.retrying"; node: string; attempt: number; delayMs: number; until: number; code: ErrorCode; message: string }
  | { event: "node.failed"; node: string; code: ErrorCode; detail?: string; step?: StepDetails; message: string; then: "stop" | "continue" | "skip" | "fallback" }
  | { event: "node.progress"; node: string; fraction: number; note: string }
  | { event: "node.log"; node: string; level: string; message: string }
  /** A language model was used; `cost` by the prices in the home's settings. */
  | { event: "node.model"; node: string; model: string; inputTokens: number; outputTokens: number; cost: number }
  /** Whether what a pure node gave before stands for a call, and why (not). */
  | { event: "node.memory"; node: string; hit: boolean; why: string }
  /** Isn't run: a person, or an earlier run (`of`), gave its outputs. */
  | { event: "node.pinned"; node: string; outputs: readonly (Value | undefined)[]; of?: string }
  /** For a time (`until`), or for a person, who is shown `value`. */
  | { event: "node.waiting"; node: string; prompt: string; until?: number; value?: Value }
  | { event: "node.decided"; node: string; approved: boolean; reason: string }
  | { event: "run.ended"; state: EndState; outputs: Readonly<Record<string, Value>>; code?: ErrorCode; detail?: string; message?: string }
);

/** Nodes by their ids. Without `to`: to the end; without `from`: from the beginning. */
export interface RunPart {
  to?: readonly string[];
  from?: readonly string[];
  /** Outputs, by their ports, of nodes that aren't run; by node. `skipped`: in the run `of` it was, and leads nowhere in this one too. */
  pins: Readonly<Record<string, { outputs: readonly (Value | undefined)[]; of?: string; skipped?: true }>>;
}

export interface RunOrigin {
  /** The melody's text, by its artifact. */
  source: string;
  /** Where the file stood, for messages. */
  file: string;
  /** Granted folders by the name of their input. */
  folders: Readonly<Record<string, string>>;
  /** The folder that the melody belongs to. */
  project?: string;
  /** What was granted for this run, and refused. */
  grants?: readonly RunGrant[];
  approved: readonly string[];
  timeoutMs?: number;
  /** Components by extension: SHA-256 of their bytes. */
  extensions: Readonly<Record<string, string>>;
  /** No answers that are kept count. */
  fresh?: true;
  /** What waits for approval waits, also where nobody can be asked. */
  wait?: true;
  /** Folders in which extensions were looked for besides. */
  searched?: readonly string[];
}

/** `n` counts from 0 within a log; `at` is the wall clock in milliseconds since 1970. One run has one log. */
export type RunEvent = RunRecord & { n: number; at: number };

/** Where events are kept. */
export interface EventSink {
  /** Keeps events for good, in their order, before they are published. May wait. Throws when it can't. */
  write(events: readonly RunEvent[]): void | Promise<void>;
}

export interface EventLog {
  /** Numbers a record and queues it for the next commit; its number. Throws when an earlier commit failed. */
  append(record: RunRecord): number;
  /** Keeps and publishes all that was appended. What must not happen before it is told waits for this. Throws or rejects when it can't be kept. */
  commit(): void | Promise<void>;
  /** Called for each event, in order, after it is kept, until the returned function is called. A handler must not throw. */
  subscribe(handler: (event: RunEvent) => void): () => void;
}

/** A log over a sink; `next` is the number of the next event. Appends of one turn are committed together, at its end at the latest. */
export function createEventLog(sink?: EventSink, next = 0, clock: Clock = systemClock): EventLog {
  const handlers = new Set<(event: RunEvent) => void>();
  let queue: RunEvent[] = [];
  let writing: Promise<void> | undefined;
  let ticking = false;
  let broken: { cause: unknown } | undefined;

  const publish = (events: readonly RunEvent[]): void => {
    for (const event of events) for (const handler of handlers) handler(event);
  };
  const fail = (cause: unknown): never => {
    broken = { cause };
    throw cause;
  };

  function commit(): void | Promise<void> {
    if (broken) throw broken.cause;
    if (writing) return queue.length > 0 ? writing.then(commit) : writing;
    if (queue.length === 0) return undefined;
    const events = queue;
    queue = [];
    let written: void | Promise<void>;
    try {
      written = sink?.write(events);
    } catch (cause) {
      return fail(cause);
    }
    if (!written) return publish(events);
    writing = written.then(
      () => {
        writing = undefined;
        publish(events);
      },
      (cause: unknown) => {
        writing = undefined;
        fail(cause);
      },
    );
    return writing;
  }

  return {
    append(record) {
      if (broken) throw broken.cause;
      const event = record as RunEvent;
      event.n = next++;
      event.at = clock.now();
      queue.push(event);
      if (!ticking) {
        ticking = true;
        queueMicrotask(() => {
          ticking = false;
          if (broken || queue.length === 0) return;
          // whoever needs the events kept commits itself, and hears of a failure there
          try {
            void Promise.resolve(commit()).catch(() => {});
          } catch {
            // as above
          }
        });
      }
      return event.n;
    },
    commit,
    subscribe(handler) {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
  };
}
