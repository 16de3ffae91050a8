// The DAG Tracker's port, first form: starts runs of plans. Types only; run.ts does the work. Leaves out how a step is called
// (`invoke`), who approves (`ask`), and where events are kept (`log`).
import type { Entry, EventLog, Plan, PlanNode, RunState, SymphonyError, Value } from "../../runtime/mod.ts";

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
}

export interface TrackerPorts {
  /** Runs one step; the outputs by name, checked by whoever calls the component. May answer at once. */
  invoke(task: StepTask): ReadonlyMap<string, Value> | Promise<ReadonlyMap<string, Value>>;
  /** Asks a person. */
  ask(question: { run: string; path: string; prompt: string; value: Value | undefined; signal: AbortSignal }): Promise<{ approved: boolean; reason: string }>;
  log: EventLog;
  /** Told in `run.started`. */
  confinement: string;
}

export interface RunOptions {
  run: string;
  /** Steps under way at once. Default 16. */
  parallel?: number;
}

export interface RunResult {
  run: string;
  state: RunState;
  /** By name; those that nothing reached are left out. */
  outputs: Map<string, Value>;
  error: SymphonyError | undefined;
}

export interface RunHandle {
  readonly run: string;
  /** Never rejects. */
  readonly ended: Promise<RunResult>;
  /** Stops what is under way. The run ends as cancelled. */
  cancel(reason: string): void;
}

export interface DagTracker {
  start(plan: Plan, inputs: ReadonlyMap<string, Value>, options: RunOptions): RunHandle;
}
