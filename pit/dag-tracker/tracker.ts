// The DAG Tracker's port: starts runs of plans, goes on with runs that were begun, and takes orders. Types only; run.ts does
// the work. Leaves out how a step is called (`invoke`), who approves (`ask`), and where events are kept (the run's log).
import type { Clock, EndState, Entry, EventLog, Plan, PlanNode, RunOrigin, RunPart, RunState, StepNote, SymphonyError, Value } from "../../runtime/mod.ts";
import type { Past } from "./past.ts";

/** One attempt at one step. */
export interface StepTask {
  run: string;
  /** `each/3/split` */
  path: string;
  node: PlanNode;
  /** Sorted by name. */
  inputs: Entry[];
  attempt: number;
  /** Aborted when the result is no longer wanted. Made when first asked for. */
  readonly signal: AbortSignal;
  /** Tells what the step says while it runs. */
  note(record: StepNote): void;
}

export interface Decision {
  approved: boolean;
  reason: string;
}

export interface TrackerPorts {
  /** Runs one step; the outputs by name, checked by whoever calls the component. May answer at once. */
  invoke(task: StepTask): ReadonlyMap<string, Value> | Promise<ReadonlyMap<string, Value>>;
  /** Asks a person; `RunHandle.decide` may answer first, and aborts the signal. */
  ask(question: { run: string; path: string; prompt: string; value: Value | undefined; signal: AbortSignal }): Promise<Decision>;
  /** Stores what is too large for a log, before an event names it. Nothing to wait for when nothing is. */
  keep?(values: readonly (Value | undefined)[]): Promise<void> | undefined;
  /** Told in `run.started`. */
  confinement: string;
  /** Default: the machine's. */
  clock?: Clock;
}

export interface RunOptions {
  run: string;
  log: EventLog;
  /** Steps under way at once. Default 16. */
  parallel?: number;
  /** What the log holds of this run already: it goes on from there. */
  past?: Past;
  /** Nodes, by their paths, that run anew: `past` is without them, and the resume tells it. */
  resets?: readonly string[];
  /** Told in `run.resumed`, so that an order that is given again can be told from a new one. */
  order?: string;
  /** Told in `run.resumed`: what was granted besides what the run began with. */
  grants?: NonNullable<RunOrigin["grants"]>;
  /** Told in `run.started`, for a resume. */
  origin?: RunOrigin;
  /** Not all nodes are run; of a run with a past, what it was begun with. */
  part?: RunPart;
}

export interface RunResult {
  run: string;
  state: EndState;
  /** By name; those that nothing reached are left out. */
  outputs: Map<string, Value>;
  error: SymphonyError | undefined;
}

export interface RunHandle {
  readonly run: string;
  readonly state: RunState;
  /** Never rejects. */
  readonly ended: Promise<RunResult>;
  /** Stops what is under way. The run ends as cancelled. This and the next two throw `run/control` where its state doesn't allow it. */
  cancel(reason: string): void;
  /** Starts no more nodes. Steps under way end, or with `stop` are stopped, and run again when the run goes on. */
  pause(stop: boolean): void;
  continue(): void;
  /** Answers for an approve node; false when none of that path waits. */
  decide(path: string, decision: Decision): boolean;
}

export interface DagTracker {
  start(plan: Plan, inputs: ReadonlyMap<string, Value>, options: RunOptions): RunHandle;
}
