// The DAG Tracker, first form: runs a plan. A node runs as soon as its inputs are there; what a condition switches off
// is skipped, and what hangs only on it. Leaves out how a step is called (`invoke`), who approves (`ask`), and where
// events are kept (`log`).
import { type ArtifactRef, type Entry, type ErrorCode, type EventLog, type PlanNode, type Plan, type RunState, SymphonyError, type Value } from "../../runtime/mod.ts";
import { combine } from "./control.ts";
import { FAILED, FINISHED, Frame, READY, RUNNING, SKIPPED, WAITING } from "./frame.ts";

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

/** Time for which nodes that answer at once may hold the thread. */
const TURN_MS = 8;

export function createDagTracker(ports: TrackerPorts): DagTracker {
  return { start: (plan, inputs, options) => new Run(ports, plan, inputs, options) };
}

class Run implements RunHandle {
  readonly run: string;
  readonly ended: Promise<RunResult>;
  readonly #ports: TrackerPorts;
  readonly #parallel: number;
  readonly #root: Frame;
  readonly #tasks = new Set<{ frame: Frame; abort: () => void }>();
  #ready: { frame: Frame; node: number }[] = [];
  #readyAt = 0;
  #running = 0;
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
    ports.log.append({ run, event: "run.started", melody: plan.id, nodes: plan.nodes.length, confinement: ports.confinement });
    if (plan.timeoutMs !== undefined) {
      const { timeoutMs } = plan;
      this.#timer = setTimeout(() => this.#finish("failed", new SymphonyError("run/timeout", `Cannot go on: the run took over ${timeoutMs} ms`)), timeoutMs);
    }
    this.#root = new Frame(plan, "", undefined, (_, error) => {
      if (error === undefined) this.#finish("completed", undefined);
      else this.#finish("failed", asError(error));
    });
    // after the caller has the handle
    queueMicrotask(() =>
      this.#begin(
        this.#root,
        plan.inputs.map(({ name }) => inputs.get(name)),
      ),
    );
  }

  cancel(reason: string): void {
    this.#finish("cancelled", new SymphonyError("run/cancelled", reason));
  }

  #finish(state: RunState, error: SymphonyError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#stopFrame(this.#root);
    const outputs = new Map<string, Value>();
    for (const [at, { name }] of this.#root.plan.outputs.entries()) {
      const value = this.#root.outputs[at];
      if (value !== undefined) outputs.set(name, value);
    }
    this.#ports.log.append({ run: this.run, event: "run.ended", state, ...(error ? { code: error.code, message: error.message } : {}) });
    this.#resolve({ run: this.run, state, outputs, error });
  }

  // ---- frames ----

  #begin(frame: Frame, inputs: readonly (Value | undefined)[]): void {
    if (this.#over) return;
    const { plan, layout } = frame;
    const settled: number[] = [];
    for (const { input, node, slot, condition } of plan.entry) {
      const value = inputs[input];
      const on = value !== undefined && this.#allows(frame, node, condition, { value });
      this.#arrive(frame, node, slot, on ? value : undefined, on, settled);
    }
    for (let i = 0; i < plan.nodes.length; i++) if (layout.incoming[i] === 0 && !(plan.nodes[i] as PlanNode).isFallback) settled.push(i);
    for (const { node, slot, output, condition } of plan.exit) {
      if (node >= 0) continue;
      const value = inputs[slot];
      if (value !== undefined && (!condition || condition.holds({ value }))) frame.outputs[output] = value;
    }
    if (frame.left === 0) this.#endFrame(frame);
    else {
      this.#settle(frame, settled);
      this.#pump();
    }
  }

  #endFrame(frame: Frame): void {
    if (frame.stopped || frame.over) return;
    frame.stopped = true;
    const { plan } = frame;
    let error = frame.failure;
    if (error === undefined)
      for (const [at, { name, required }] of plan.outputs.entries())
        if (required && frame.outputs[at] === undefined) {
          error = new SymphonyError("run/failed", `Cannot give the output ${JSON.stringify(name)}: what feeds it was skipped; mark it optional if that may be`);
          break;
        }
    frame.onEnd(frame, error);
  }

  /** Aborts all that runs in a frame and in those inside it. */
  #stopFrame(frame: Frame): void {
    frame.stopped = true;
    for (const task of [...this.#tasks]) if (task.frame.over) task.abort();
  }

  // ---- edges ----

  #allows(
    frame: Frame,
    node: number,
    condition: { holds(variables: Record<string, Value | undefined>): boolean } | undefined,
    variables: Record<string, Value | undefined>,
  ): boolean {
    if (!condition) return true;
    try {
      return condition.holds(variables);
    } catch (cause) {
      frame.broken ??= new Map();
      frame.broken.set(node, cause);
      return false;
    }
  }

  #arrive(frame: Frame, node: number, slot: number, value: Value | undefined, on: boolean, settled: number[]): void {
    if (on) {
      frame.live[node] = 1;
      if (slot >= 0) frame.values[(frame.layout.inputStart[node] as number) + slot] = value;
    }
    const left = (frame.waiting[node] as number) - 1;
    frame.waiting[node] = left;
    if (left === 0) settled.push(node);
  }

  /** Passes on what a node gave (nothing, when it was skipped or failed). */
  #leave(frame: Frame, node: number, outputs: readonly (Value | undefined)[] | undefined, settled: number[]): void {
    const { plan, layout } = frame;
    const { graph } = plan;
    for (let at = graph.outStart[node] as number; at < (graph.outStart[node + 1] as number); at++) {
      const edge = graph.outEdges[at] as number;
      const target = graph.to[edge] as number;
      const slot = plan.fromSlot[edge] as number;
      const condition = plan.conditions[edge];
      const value = slot >= 0 ? outputs?.[slot] : undefined;
      let on = outputs !== undefined && (slot < 0 || value !== undefined);
      if (on && condition) {
        on = this.#allows(
          frame,
          target,
          condition,
          slot >= 0 ? { value, outputs: asObject(plan.nodes[node] as PlanNode, outputs) } : { outputs: asObject(plan.nodes[node] as PlanNode, outputs) },
        );
        if (!on && slot < 0) frame.gated[target] = 1;
      }
      this.#arrive(frame, target, plan.toSlot[edge] as number, value, on, settled);
    }
    for (let at = layout.exitStart[node] as number; at < (layout.exitStart[node + 1] as number); at++) {
      const { slot, output, condition } = plan.exit[layout.exits[at] as number] as Plan["exit"][number];
      const value = outputs?.[slot];
      if (value === undefined) continue;
      try {
        if (!condition || condition.holds({ value })) frame.outputs[output] = value;
      } catch (cause) {
        frame.failure ??= cause;
      }
    }
    frame.left--;
  }

  /** Nodes all of whose edges are settled are made ready or skipped; skipping settles others, without recursion. */
  #settle(frame: Frame, settled: number[]): void {
    const { plan, layout } = frame;
    for (let at = 0; at < settled.length; at++) {
      const node = settled[at] as number;
      const { inputs, constants, work, isFallback } = plan.nodes[node] as PlanNode;
      if (isFallback || frame.state[node] !== WAITING) continue;
      const broken = frame.broken?.get(node);
      if (broken !== undefined) {
        this.#fail(frame, node, broken, settled);
        continue;
      }
      let why = "";
      if (frame.gated[node] && work.does !== "merge") why = "its condition doesn't hold";
      else if ((layout.incoming[node] as number) > 0 && !frame.live[node]) why = "nothing reached it";
      else {
        const start = layout.inputStart[node] as number;
        for (let slot = 0; slot < inputs.length; slot++) {
          const port = inputs[slot] as PlanNode["inputs"][number];
          if (port.required && frame.values[start + slot] === undefined && constants[slot] === undefined) {
            why = `nothing reached its input ${port.name}`;
            break;
          }
        }
      }
      if (why) {
        frame.state[node] = SKIPPED;
        this.#ports.log.append({ run: this.run, event: "node.skipped", node: frame.path(node), why });
        this.#leave(frame, node, undefined, settled);
      } else {
        frame.state[node] = READY;
        this.#ready.push({ frame, node });
      }
    }
    if (frame.left === 0) this.#endFrame(frame);
  }

  // ---- running ----

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const begun = performance.now();
    let count = 0;
    while (!this.#over && this.#running < this.#parallel && this.#readyAt < this.#ready.length) {
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
    this.#pumping = false;
  }

  #start(frame: Frame, node: number): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const attempt = (frame.attempts?.get(node) ?? 0) + 1;
    const path = frame.path(node);
    const { work } = plan;
    frame.state[node] = RUNNING;
    const begun = performance.now();
    const start = frame.layout.inputStart[node] as number;
    const value = (slot: number): Value | undefined => frame.values[start + slot] ?? plan.constants[slot];
    if (work.does === "map") {
      const items = value(0);
      this.#ports.log.append({ run: this.run, event: "node.started", node: path, attempt, items: items?.tag === "items" ? items.val.length : 0 });
      this.#map(frame, node, work, begun, items?.tag === "items" ? items.val : []);
      return;
    }
    this.#ports.log.append({ run: this.run, event: "node.started", node: path, attempt });
    try {
      if (work.does === "call") {
        const inputs: Entry[] = [];
        for (let slot = 0; slot < plan.inputs.length; slot++) {
          const given = value(slot);
          if (given !== undefined) inputs.push({ name: (plan.inputs[slot] as { name: string }).name, value: given });
        }
        if (inputs.length > 1) inputs.sort((a, b) => (a.name < b.name ? -1 : 1));
        const task = this.#task(frame, { run: this.run, path, node: plan, inputs, attempt });
        const answer = this.#ports.invoke(task.step);
        if (answer instanceof Promise) this.#await(frame, node, begun, answer.finally(task.done), (outputs) => plan.outputs.map(({ name }) => outputs.get(name)));
        else {
          task.done();
          this.#done(
            frame,
            node,
            begun,
            plan.outputs.map(({ name }) => answer.get(name)),
          );
        }
      } else if (work.does === "delay") {
        this.#await(frame, node, begun, this.#wait(frame, work.delayMs), () => [value(0)]);
      } else if (work.does === "approve") {
        this.#ports.log.append({ run: this.run, event: "node.waiting", node: path, prompt: work.prompt });
        const task = this.#task(frame, { run: this.run, path, node: plan, inputs: [], attempt });
        const asked = this.#ports.ask({ run: this.run, path, prompt: work.prompt, value: value(0), signal: task.step.signal }).finally(task.done);
        this.#await(frame, node, begun, asked, ({ approved, reason }) => {
          if (!approved) throw new SymphonyError("approve/rejected", `${path} was rejected${reason ? `: ${reason}` : ""}`);
          return [value(0) ?? { tag: "null" }];
        });
      } else if (work.does === "melody") {
        this.#nested(
          frame,
          node,
          begun,
          work.body,
          `${path}/`,
          work.body.inputs.map(({ name }) => value(plan.inputs.findIndex((port) => port.name === name))),
          (outputs) => this.#done(frame, node, begun, outputs),
        );
      } else this.#done(frame, node, begun, combine(plan, work, value));
    } catch (cause) {
      this.#failed(frame, node, cause);
    }
  }

  /** A step whose signal is made when somebody asks for it. */
  #task(frame: Frame, fields: Omit<StepTask, "signal">): { step: StepTask; done: () => void } {
    const tasks = this.#tasks;
    let entry: { frame: Frame; abort: () => void } | undefined;
    const step = {
      ...fields,
      get signal() {
        const controller = new AbortController();
        entry = { frame, abort: () => controller.abort() };
        tasks.add(entry);
        Object.defineProperty(step, "signal", { value: controller.signal });
        return controller.signal;
      },
    };
    return { step, done: () => void (entry && tasks.delete(entry)) };
  }

  /** Holds a place among the parallel ones until the answer is there. */
  #await<T>(frame: Frame, node: number, begun: number, answer: Promise<T>, outputsOf: (answer: T) => (Value | undefined)[]): void {
    this.#running++;
    const { timeoutMs, work } = frame.plan.nodes[node] as PlanNode;
    const timer = timeoutMs !== undefined && work.does !== "call" ? this.#deadline(frame, node, timeoutMs) : undefined;
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      this.#running--;
      if (this.#over || frame.over || frame.state[node] !== RUNNING) {
        this.#pump();
        return;
      }
      try {
        act();
      } catch (cause) {
        this.#failed(frame, node, cause);
      }
      this.#pump();
    };
    answer.then(
      (value) => settle(() => this.#done(frame, node, begun, outputsOf(value))),
      (cause) => settle(() => this.#failed(frame, node, cause)),
    );
  }

  #deadline(frame: Frame, node: number, timeoutMs: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      if (this.#over || frame.over || frame.state[node] !== RUNNING) return;
      this.#failed(frame, node, new SymphonyError("step/timeout", `Cannot wait any longer: ${frame.path(node)} took over ${timeoutMs} ms`, { retryable: true }));
      this.#pump();
    }, timeoutMs);
  }

  #wait(frame: Frame, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const entry = {
        frame,
        abort: () => {
          clearTimeout(timer);
          this.#tasks.delete(entry);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#tasks.delete(entry);
        resolve();
      }, ms);
      this.#tasks.add(entry);
    });
  }

  #done(frame: Frame, node: number, begun: number, outputs: readonly (Value | undefined)[]): void {
    frame.state[node] = FINISHED;
    this.#ports.log.append({ run: this.run, event: "node.finished", node: frame.path(node), ms: Math.round((performance.now() - begun) * 1000) / 1000 });
    this.#pass(frame, node, outputs);
  }

  /** Lets go of a node's inputs and passes its outputs on, or those of the node that it stands for. */
  #pass(frame: Frame, node: number, outputs: readonly (Value | undefined)[] | undefined): void {
    const start = frame.layout.inputStart[node] as number;
    const plan = frame.plan.nodes[node] as PlanNode;
    for (let slot = 0; slot < plan.inputs.length; slot++) frame.values[start + slot] = undefined;
    const failed = frame.standsFor?.get(node);
    const settled: number[] = [];
    if (failed === undefined) this.#leave(frame, node, outputs, settled);
    else {
      const original = frame.plan.nodes[failed] as PlanNode;
      this.#leaveFor(frame, failed, outputs && original.outputs.map(({ name }) => outputs[plan.outputs.findIndex((port) => port.name === name)]), settled);
    }
    this.#settle(frame, settled);
  }

  #leaveFor(frame: Frame, node: number, outputs: readonly (Value | undefined)[] | undefined, settled: number[]): void {
    const further = frame.standsFor?.get(node);
    if (further === undefined) {
      this.#leave(frame, node, outputs, settled);
      return;
    }
    const plan = frame.plan.nodes[node] as PlanNode;
    const original = frame.plan.nodes[further] as PlanNode;
    this.#leaveFor(frame, further, outputs && original.outputs.map(({ name }) => outputs[plan.outputs.findIndex((port) => port.name === name)]), settled);
  }

  // ---- failure ----

  #failed(frame: Frame, node: number, cause: unknown): void {
    if (this.#over || frame.over) return;
    const settled: number[] = [];
    this.#fail(frame, node, cause, settled);
    if (!frame.over) this.#settle(frame, settled);
  }

  #fail(frame: Frame, node: number, cause: unknown, settled: number[]): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const error = asError(cause);
    const path = frame.path(node);
    const attempt = (frame.attempts?.get(node) ?? 0) + 1;
    if (error.retryable && attempt < plan.retry.attempts) {
      const { delayMs, factor, maxDelayMs } = plan.retry;
      const wait = Math.max(error.retryAfterMs, Math.min(maxDelayMs, delayMs * factor ** (attempt - 1)));
      frame.attempts ??= new Map();
      frame.attempts.set(node, attempt);
      frame.state[node] = WAITING;
      this.#ports.log.append({ run: this.run, event: "node.retrying", node: path, attempt: attempt + 1, delayMs: wait, code: error.code, message: error.message });
      void this.#wait(frame, wait).then(() => {
        if (this.#over || frame.over) return;
        frame.state[node] = READY;
        this.#ready.push({ frame, node });
        this.#pump();
      });
      return;
    }
    frame.state[node] = FAILED;
    const then = typeof plan.onFailure === "string" ? plan.onFailure : "fallback";
    this.#ports.log.append({ run: this.run, event: "node.failed", node: path, code: error.code, ...(error.detail ? { detail: error.detail } : {}), message: error.message, then });
    if (then === "stop") {
      const wrapped = frame.parent
        ? error
        : new SymphonyError(error.code.startsWith("run/") || error.code.startsWith("approve/") ? error.code : "run/failed", `${path} failed: ${error.message}`, {
            cause: error,
            detail: error.detail ?? error.code,
          });
      this.#stopFrame(frame);
      frame.onEnd(frame, wrapped);
    } else if (then === "fallback") {
      frame.standsFor ??= new Map();
      frame.standsFor.set(plan.fallback, node);
      this.#standIn(frame, node, plan.fallback);
    } else {
      if (then === "continue") frame.failure ??= new SymphonyError("run/failed", `${path} failed: ${error.message}`, { cause: error, detail: error.detail ?? error.code });
      const failed = frame.standsFor?.get(node);
      if (failed === undefined) this.#leave(frame, node, undefined, settled);
      else this.#leaveFor(frame, failed, undefined, settled);
    }
  }

  /** Gives a fallback the inputs of the node that failed, by the names of the ports. */
  #standIn(frame: Frame, failed: number, fallback: number): void {
    const from = frame.plan.nodes[failed] as PlanNode;
    const to = frame.plan.nodes[fallback] as PlanNode;
    const { inputStart } = frame.layout;
    for (const [slot, { name }] of to.inputs.entries()) {
      const same = from.inputs.findIndex((port) => port.name === name);
      if (same < 0) continue;
      frame.values[(inputStart[fallback] as number) + slot] = frame.values[(inputStart[failed] as number) + same] ?? from.constants[same];
    }
    frame.state[fallback] = READY;
    this.#ready.push({ frame, node: fallback });
  }

  // ---- bodies ----

  /** Runs a body once. A body doesn't hold a place among the parallel ones: what runs in it does. */
  #nested(frame: Frame, node: number, begun: number, body: Plan, prefix: string, inputs: (Value | undefined)[], done: (outputs: (Value | undefined)[]) => void): void {
    void begun;
    const inner = new Frame(body, prefix, frame, (ended, error) => {
      clearTimeout(timer);
      if (this.#over || frame.over || frame.state[node] !== RUNNING) return;
      if (error === undefined) done(ended.outputs);
      else this.#failed(frame, node, error);
      this.#pump();
    });
    const { timeoutMs } = frame.plan.nodes[node] as PlanNode;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#expire(frame, node, [inner], timeoutMs), timeoutMs);
    this.#begin(inner, inputs);
  }

  #expire(frame: Frame, node: number, inner: Iterable<Frame>, timeoutMs: number): void {
    if (this.#over || frame.over || frame.state[node] !== RUNNING) return;
    for (const one of inner) this.#stopFrame(one);
    this.#failed(frame, node, new SymphonyError("step/timeout", `Cannot wait any longer: ${frame.path(node)} took over ${timeoutMs} ms`, { retryable: true }));
    this.#pump();
  }

  #map(frame: Frame, node: number, work: Extract<PlanNode["work"], { does: "map" }>, begun: number, items: readonly Value[]): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const { body, over, concurrency, skipFailed } = work;
    const start = frame.layout.inputStart[node] as number;
    const slots = body.inputs.map(({ name }) => plan.inputs.findIndex((port) => port.name === name));
    const given = plan.inputs.map((_, slot) => frame.values[start + slot] ?? plan.constants[slot]);
    const results: (Value | undefined)[][] = body.outputs.map(() => new Array(items.length));
    const inner = new Set<Frame>();
    const path = frame.path(node);
    let next = 0;
    let left = items.length;
    const over1 = (): boolean => this.#over || frame.over || frame.state[node] !== RUNNING;
    const timer = plan.timeoutMs === undefined ? undefined : setTimeout(() => this.#expire(frame, node, inner, plan.timeoutMs as number), plan.timeoutMs);
    const finish = (): void => {
      clearTimeout(timer);
      this.#done(
        frame,
        node,
        begun,
        results.map((column) => ({ tag: "items", val: column.filter((value) => value !== undefined) }) as Value),
      );
      this.#pump();
    };
    let filling = false;
    const fill = (): void => {
      // an item that ends at once comes back here: the outer loop goes on, so nothing recurses
      if (filling) return;
      filling = true;
      while (inner.size < concurrency && next < items.length && !over1()) {
        const index = next++;
        const one = new Frame(body, `${path}/${index}/`, frame, (ended, error) => {
          inner.delete(one);
          if (over1()) return;
          if (error !== undefined && !skipFailed) {
            clearTimeout(timer);
            for (const other of inner) this.#stopFrame(other);
            const known = asError(error);
            this.#failed(
              frame,
              node,
              new SymphonyError(known.code, `item ${index}: ${known.message}`, { cause: known, retryable: false, ...(known.detail ? { detail: known.detail } : {}) }),
            );
            this.#pump();
            return;
          }
          if (error === undefined) for (const [at, column] of results.entries()) column[index] = ended.outputs[at];
          left--;
          fill();
        });
        inner.add(one);
        this.#begin(
          one,
          body.inputs.map(({ name }, at) =>
            name === over ? (items[index] as Value) : name === "index" && (slots[at] as number) < 0 ? { tag: "number", val: index } : given[slots[at] as number],
          ),
        );
      }
      filling = false;
      if (left === 0 && !over1()) finish();
    };
    fill();
  }
}

function asObject(node: PlanNode, outputs: readonly (Value | undefined)[] | undefined): Value {
  const object: Record<string, unknown> = {};
  for (const [slot, { name }] of node.outputs.entries()) {
    const value = outputs?.[slot];
    if (value === undefined) continue;
    object[name] = value.tag === "json" ? JSON.parse(value.val) : value.tag === "items" ? value.val.length : "val" in value ? value.val : null;
  }
  return { tag: "json", val: JSON.stringify(object) };
}

function asError(cause: unknown): SymphonyError {
  if (cause instanceof SymphonyError) return cause;
  return new SymphonyError("run/failed", `The host failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}

export type { ArtifactRef, ErrorCode };
