// One run: when each node starts, what its end or failure leads to, when the run is over. What moves along edges is in
// flow.ts, maps and sub-melodies in bodies.ts. Knows the ports it was handed (tracker.ts); nothing of components, files or
// terminals.
import { type Entry, type Plan, type PlanNode, type RunRecord, type RunState, spellValueType, SymphonyError, type Value } from "../../runtime/mod.ts";
import { createActivities } from "./activities.ts";
import { type BodyHost, runMap, runNested } from "./bodies.ts";
import { combine } from "./control.ts";
import { checkType, createFlow, outputFault, type Values } from "./flow.ts";
import { FAILED, FINISHED, Frame, READY, RUNNING, SKIPPED, WAITING } from "./frame.ts";
import type { DagTracker, RunHandle, RunOptions, RunResult, TrackerPorts } from "./tracker.ts";

/** Time for which nodes that answer at once may hold the thread. */
const TURN_MS = 8;

/** A DAG Tracker over these ports. */
export function createDagTracker(ports: TrackerPorts): DagTracker {
  return { start: (plan, inputs, options) => new Run(ports, plan, inputs, options) };
}

class Run implements RunHandle {
  readonly run: string;
  readonly ended: Promise<RunResult>;
  readonly #ports: TrackerPorts;
  readonly #parallel: number;
  readonly #root: Frame;
  readonly #activities = createActivities();
  /** Nodes that are under way over several turns, so that their end is told when they are stopped. */
  readonly #long = new Set<{ frame: Frame; node: number }>();
  #ready: { frame: Frame; node: number }[] = [];
  #readyAt = 0;
  /** Steps under way; what only waits doesn't count. */
  #steps = 0;
  #pumping = false;
  #over = false;
  #resolve!: (result: RunResult) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ports: TrackerPorts, plan: Plan, inputs: ReadonlyMap<string, Value>, { run, parallel = 16 }: RunOptions) {
    this.run = run;
    this.#ports = ports;
    this.#parallel = parallel;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#root = new Frame(plan, "", undefined, (_, error) => {
      if (error === undefined) this.#finish("completed", undefined);
      else this.#finish("failed", asError(error));
    });
    this.#record({ run, event: "run.started", melody: plan.id, nodes: plan.nodes.length, parallel, confinement: ports.confinement, inputs: Object.fromEntries(inputs) });
    if (plan.timeoutMs !== undefined) {
      const { timeoutMs } = plan;
      this.#timer = setTimeout(() => this.#finish("failed", new SymphonyError("run/timeout", `Cannot go on: the run took over ${timeoutMs} ms`)), timeoutMs);
    }
    const values = plan.inputs.map(({ name }) => inputs.get(name));
    // after the caller has the handle
    queueMicrotask(() => this.#begin(this.#root, values));
  }

  cancel(reason: string): void {
    this.#finish("cancelled", new SymphonyError("run/cancelled", reason));
  }

  /** Appends a record. A log that can't take it ends the run: nothing happens that isn't told. */
  #record(record: RunRecord): void {
    try {
      this.#ports.log.append(record);
    } catch (cause) {
      if (!this.#over) this.#end("failed", new SymphonyError("run/failed", `Cannot go on: the log takes no more: ${(cause as Error).message}`, { cause }));
    }
  }

  #finish(state: RunState, error: SymphonyError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopFrame(this.#root);
    this.#record({ run: this.run, event: "run.ended", state, ...(error ? { code: error.code, message: error.message } : {}) });
    this.#end(state, error);
  }

  #end(state: RunState, error: SymphonyError | undefined): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#activities.stop();
    const outputs = new Map<string, Value>();
    for (const [at, { name }] of this.#root.plan.outputs.entries()) {
      const value = this.#root.outputs[at];
      if (value !== undefined) outputs.set(name, value);
    }
    this.#resolve({ run: this.run, state, outputs, error });
  }

  // ---- frames ----

  readonly #flow = createFlow({
    ready: (frame, node) => this.#makeReady(frame, node),
    skipped: (frame, node, skip) => {
      frame.state[node] = SKIPPED;
      this.#record({ run: this.run, event: "node.skipped", node: frame.path(node), ...skip });
    },
    broken: (frame, node, cause, settled) => this.#fail(frame, node, cause, settled),
    ended: (frame) => {
      if (frame.over) return;
      frame.stopped = true;
      frame.onEnd(frame, frame.failure ?? outputFault(frame));
    },
  });

  #begin(frame: Frame, inputs: Values): void {
    if (this.#over) return;
    try {
      this.#flow.enter(frame, inputs);
    } catch (cause) {
      this.#fall(frame, cause);
    }
    this.#pump();
  }

  /** Ends a frame by a failure that no rule holds up. */
  #fall(frame: Frame, cause: unknown): void {
    this.#stopFrame(frame);
    frame.onEnd(frame, cause);
  }

  #stopFrame(frame: Frame): void {
    frame.stopped = true;
    for (const one of [...this.#long]) {
      if (!one.frame.over) continue;
      this.#long.delete(one);
      if (one.frame.state[one.node] === RUNNING) this.#record({ run: this.run, event: "node.cancelled", node: one.frame.path(one.node) });
    }
    this.#activities.stop(frame);
  }

  #wanted(frame: Frame, node: number): boolean {
    return !this.#over && !frame.over && frame.state[node] === RUNNING;
  }

  readonly #bodies: BodyHost = {
    begin: (frame, inputs) => this.#begin(frame, inputs),
    stopFrame: (frame) => this.#stopFrame(frame),
    wanted: (frame, node) => this.#wanted(frame, node),
    hold: (frame, node, inner) => this.#hold(frame, node, inner),
    done: (frame, node, outputs) => {
      this.#done(frame, node, outputs);
      this.#pump();
    },
    failed: (frame, node, cause) => {
      this.#failed(frame, node, cause);
      this.#pump();
    },
    itemFailed: (frame, node, index, cause) => {
      this.#failed(frame, node, within(`item ${index}`, asError(cause)));
      this.#pump();
    },
  };

  // ---- running ----

  #makeReady(frame: Frame, node: number): void {
    frame.state[node] = READY;
    this.#ready.push({ frame, node });
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      const begun = performance.now();
      let count = 0;
      while (!this.#over && this.#steps < this.#parallel && this.#readyAt < this.#ready.length) {
        if ((++count & 63) === 0 && performance.now() - begun > TURN_MS) {
          setTimeout(() => this.#pump(), 0);
          break;
        }
        const { frame, node } = this.#ready[this.#readyAt] as { frame: Frame; node: number };
        this.#ready[this.#readyAt++] = undefined as never;
        if (this.#readyAt > 1024 && this.#readyAt * 2 > this.#ready.length) {
          this.#ready = this.#ready.slice(this.#readyAt);
          this.#readyAt = 0;
        }
        if (!frame.over) this.#start(frame, node);
      }
    } finally {
      this.#pumping = false;
    }
  }

  #start(frame: Frame, node: number): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const attempt = (frame.attempts?.get(node) ?? 0) + 1;
    const path = frame.path(node);
    const { work } = plan;
    frame.state[node] = RUNNING;
    frame.begun[node] = performance.now();
    try {
      if (work.does === "map") {
        const items = frame.input(node, 0);
        if (items?.tag !== "items") throw new SymphonyError("step/input", `${path}.items is ${items ? spellValueType(items) : "nothing"}; a map takes a list`);
        this.#record({ run: this.run, event: "node.started", node: path, attempt, items: items.val.length });
        runMap(this.#bodies, frame, node, work, items.val);
        return;
      }
      this.#record({ run: this.run, event: "node.started", node: path, attempt });
      switch (work.does) {
        case "call":
          this.#call(frame, node, path, attempt);
          return;
        case "delay":
          this.#record({ run: this.run, event: "node.waiting", node: path, prompt: "", until: Date.now() + work.delayMs });
          this.#await(frame, node, this.#activities.wait(frame, work.delayMs), () => [frame.input(node, 0)]);
          return;
        case "approve":
          this.#ask(frame, node, path, work.prompt, attempt);
          return;
        case "melody":
          runNested(this.#bodies, frame, node, work.body);
          return;
        default:
          this.#done(
            frame,
            node,
            combine(plan, work, (slot) => frame.input(node, slot)),
          );
      }
    } catch (cause) {
      this.#failed(frame, node, cause);
    }
  }

  #call(frame: Frame, node: number, path: string, attempt: number): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const inputs: Entry[] = [];
    for (let slot = 0; slot < plan.inputs.length; slot++) {
      const given = frame.input(node, slot);
      if (given === undefined) continue;
      const { name, type } = plan.inputs[slot] as PlanNode["inputs"][number];
      checkType(given, type, `${path}.${name}`);
      inputs.push({ name, value: given });
    }
    if (inputs.length > 1) inputs.sort((a, b) => (a.name < b.name ? -1 : 1));
    const { task, done } = this.#activities.task(frame, { run: this.run, path, node: plan, inputs, attempt });
    const answer = this.#ports.invoke(task);
    if (answer instanceof Promise) this.#await(frame, node, answer.finally(done), (outputs) => plan.outputs.map(({ name }) => outputs.get(name)));
    else {
      done();
      this.#done(
        frame,
        node,
        plan.outputs.map(({ name }) => answer.get(name)),
      );
    }
  }

  #ask(frame: Frame, node: number, path: string, prompt: string, attempt: number): void {
    this.#record({ run: this.run, event: "node.waiting", node: path, prompt });
    const value = frame.input(node, 0);
    const { task, done } = this.#activities.task(frame, { run: this.run, path, node: frame.plan.nodes[node] as PlanNode, inputs: [], attempt });
    const asked = this.#ports.ask({ run: this.run, path, prompt, value, signal: task.signal }).finally(done);
    this.#await(frame, node, asked, ({ approved, reason }) => {
      this.#record({ run: this.run, event: "node.decided", node: path, approved, reason });
      if (!approved) throw new SymphonyError("approve/rejected", `${path} was rejected${reason ? `: ${reason}` : ""}`);
      return [value ?? { tag: "null" }];
    });
  }

  /** Marks a node as under way over several turns, until the returned function is called; its time runs out meanwhile. */
  #hold(frame: Frame, node: number, inner: Iterable<Frame>): () => void {
    const { timeoutMs, work } = frame.plan.nodes[node] as PlanNode;
    const long = { frame, node };
    this.#long.add(long);
    // a step's own time is kept where it runs
    const timer = timeoutMs === undefined || work.does === "call" ? undefined : setTimeout(() => this.#expire(frame, node, inner, timeoutMs), timeoutMs);
    return () => {
      clearTimeout(timer);
      this.#long.delete(long);
    };
  }

  #expire(frame: Frame, node: number, inner: Iterable<Frame>, timeoutMs: number): void {
    if (!this.#wanted(frame, node)) return;
    for (const one of inner) this.#stopFrame(one);
    this.#failed(frame, node, new SymphonyError("step/timeout", `Cannot wait any longer: ${frame.path(node)} took over ${timeoutMs} ms`, { retryable: true }));
    this.#pump();
  }

  #await<T>(frame: Frame, node: number, answer: Promise<T>, outputsOf: (answer: T) => Values): void {
    const isStep = (frame.plan.nodes[node] as PlanNode).work.does === "call";
    const release = this.#hold(frame, node, []);
    if (isStep) this.#steps++;
    const settle = (act: () => void): void => {
      release();
      if (isStep) this.#steps--;
      if (this.#wanted(frame, node))
        try {
          act();
        } catch (cause) {
          this.#failed(frame, node, cause);
        }
      this.#pump();
    };
    answer.then(
      (value) => settle(() => this.#done(frame, node, outputsOf(value))),
      (cause) => settle(() => this.#failed(frame, node, cause)),
    );
  }

  #done(frame: Frame, node: number, outputs: Values): void {
    frame.state[node] = FINISHED;
    const ms = Math.round((performance.now() - (frame.begun[node] as number)) * 1000) / 1000;
    this.#record({ run: this.run, event: "node.finished", node: frame.path(node), ms, outputs });
    frame.release(node);
    const settled: number[] = [];
    this.#leaveAs(frame, node, outputs, settled);
    this.#flow.settle(frame, settled);
  }

  /** Passes outputs on, as those of the node that this one stands for, if any. */
  #leaveAs(frame: Frame, node: number, outputs: Values | undefined, settled: number[]): void {
    let at = node;
    let values = outputs;
    for (let failed = frame.standsFor?.get(at); failed !== undefined; failed = frame.standsFor?.get(at)) {
      const from = frame.plan.nodes[at] as PlanNode;
      const given = values;
      values = given && (frame.plan.nodes[failed] as PlanNode).outputs.map(({ name }) => given[from.outputs.findIndex((port) => port.name === name)]);
      at = failed;
    }
    this.#flow.leave(frame, at, values, settled);
  }

  // ---- failure ----

  #failed(frame: Frame, node: number, cause: unknown): void {
    if (this.#over || frame.over) return;
    const settled: number[] = [];
    this.#fail(frame, node, cause, settled);
    this.#flow.settle(frame, settled);
  }

  #fail(frame: Frame, node: number, cause: unknown, settled: number[]): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const error = asError(cause);
    const path = frame.path(node);
    const attempt = (frame.attempts?.get(node) ?? 0) + 1;
    if (error.retryable && attempt < plan.retry.attempts) {
      this.#retry(frame, node, error, attempt);
      return;
    }
    frame.state[node] = FAILED;
    const then = typeof plan.onFailure === "string" ? plan.onFailure : "fallback";
    const { code, detail, step, message } = error;
    this.#record({ run: this.run, event: "node.failed", node: path, code, ...(detail ? { detail } : {}), ...(step ? { step } : {}), message, then });
    if (then === "stop") this.#fall(frame, frame.parent ? within(plan.id, error) : failureOfRun(path, error));
    else if (then === "fallback") {
      frame.standsFor ??= new Map();
      frame.standsFor.set(plan.fallback, node);
      this.#standIn(frame, node, plan.fallback);
    } else {
      if (then === "continue") frame.failure ??= failureOfRun(path, error);
      frame.release(node);
      this.#leaveAs(frame, node, undefined, settled);
    }
  }

  #retry(frame: Frame, node: number, error: SymphonyError, attempt: number): void {
    const { delayMs, factor, maxDelayMs } = (frame.plan.nodes[node] as PlanNode).retry;
    const wait = Math.max(error.retryAfterMs, Math.min(maxDelayMs, delayMs * factor ** (attempt - 1)));
    frame.attempts ??= new Map();
    frame.attempts.set(node, attempt);
    frame.state[node] = WAITING;
    const { code, message } = error;
    this.#record({ run: this.run, event: "node.retrying", node: frame.path(node), attempt: attempt + 1, delayMs: wait, until: Date.now() + wait, code, message });
    void this.#activities.wait(frame, wait).then(() => {
      if (this.#over || frame.over) return;
      this.#makeReady(frame, node);
      this.#pump();
    });
  }

  /** Gives a fallback the inputs of the node that failed, by the names of the ports; its own constants come first. */
  #standIn(frame: Frame, failed: number, fallback: number): void {
    const from = frame.plan.nodes[failed] as PlanNode;
    const to = frame.plan.nodes[fallback] as PlanNode;
    const first = frame.layout.inputStart[fallback] as number;
    for (const [slot, { name }] of to.inputs.entries()) {
      const same = from.inputs.findIndex((port) => port.name === name);
      if (same >= 0 && to.constants[slot] === undefined) frame.values[first + slot] = frame.input(failed, same);
    }
    frame.release(failed);
    this.#makeReady(frame, fallback);
  }
}

/** An error as the node around it tells it: with the way to where it happened. */
function within(place: string, error: SymphonyError): SymphonyError {
  return new SymphonyError(error.code, `${place}: ${error.message}`, { cause: error, detail: error.detail, step: error.step });
}

function failureOfRun(path: string, error: SymphonyError): SymphonyError {
  const code = error.code.startsWith("run/") || error.code.startsWith("approve/") ? error.code : "run/failed";
  return new SymphonyError(code, `${path} failed: ${error.message}`, { cause: error, detail: error.detail ?? error.code, step: error.step });
}

function asError(cause: unknown): SymphonyError {
  if (cause instanceof SymphonyError) return cause;
  return new SymphonyError("run/failed", `The host failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
