// One run: a node starts as soon as its inputs are there; what a condition switches off is skipped, and what hangs only
// on it. Knows frames (frame.ts) and the ports it was handed (tracker.ts); nothing of components, files or terminals.
import {
  type Entry,
  Gathered,
  type Plan,
  type PlanNode,
  type PortType,
  type RunRecord,
  type RunState,
  spellPortType,
  spellValueType,
  SymphonyError,
  type Value,
  valueFits,
} from "../../runtime/mod.ts";
import { combine } from "./control.ts";
import { FAILED, FINISHED, Frame, READY, RUNNING, SKIPPED, WAITING } from "./frame.ts";
import type { DagTracker, RunHandle, RunOptions, RunResult, StepTask, TrackerPorts } from "./tracker.ts";

/** Time for which nodes that answer at once may hold the thread. */
const TURN_MS = 8;

type Values = readonly (Value | undefined)[];

/** Something under way that can be told to stop: a step, a wait, a question. */
interface Activity {
  frame: Frame;
  abort: () => void;
}

export function createDagTracker(ports: TrackerPorts): DagTracker {
  return { start: (plan, inputs, options) => new Run(ports, plan, inputs, options) };
}

class Run implements RunHandle {
  readonly run: string;
  readonly ended: Promise<RunResult>;
  readonly #ports: TrackerPorts;
  readonly #parallel: number;
  readonly #root: Frame;
  readonly #activities = new Set<Activity>();
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
    for (const activity of [...this.#activities]) activity.abort();
    const outputs = new Map<string, Value>();
    for (const [at, { name }] of this.#root.plan.outputs.entries()) {
      const value = this.#root.outputs[at];
      if (value !== undefined) outputs.set(name, value);
    }
    this.#resolve({ run: this.run, state, outputs, error });
  }

  // ---- frames ----

  #begin(frame: Frame, inputs: Values): void {
    if (this.#over) return;
    const { plan, layout } = frame;
    try {
      for (const [at, { name, type }] of plan.inputs.entries()) checkType(inputs[at], type, `${frame.prefix}inputs.${name}`);
    } catch (cause) {
      this.#fall(frame, cause);
      return;
    }
    const settled: number[] = [];
    for (const { input, node, slot, condition } of plan.entry) {
      const value = inputs[input];
      const on = value !== undefined && this.#allows(frame, node, condition, { value });
      this.#arrive(frame, node, slot, on ? value : undefined, on, settled);
    }
    for (let i = 0; i < plan.nodes.length; i++) if (layout.incoming[i] === 0 && !(plan.nodes[i] as PlanNode).isFallback) settled.push(i);
    for (const { node, slot, output, condition } of plan.exit) if (node < 0) this.#exit(frame, inputs[slot], output, condition);
    this.#settle(frame, settled);
    this.#pump();
  }

  /** A value reaches an output of the frame's melody, if its edge allows it. */
  #exit(frame: Frame, value: Value | undefined, output: number, condition: PlanCondition): void {
    if (value === undefined) return;
    try {
      if (!condition || condition.holds({ value })) frame.outputs[output] = value;
    } catch (cause) {
      frame.failure ??= cause;
    }
  }

  #endFrame(frame: Frame): void {
    if (frame.over) return;
    frame.stopped = true;
    let error = frame.failure;
    if (error === undefined)
      try {
        for (const [at, { name, type, required }] of frame.plan.outputs.entries()) {
          const value = frame.outputs[at];
          if (required && value === undefined)
            throw new SymphonyError("run/failed", `Cannot give the output ${JSON.stringify(name)}: what feeds it was skipped; mark it optional if that may be`);
          checkType(value, type, `${frame.prefix}outputs.${name}`);
        }
      } catch (cause) {
        error = cause;
      }
    frame.onEnd(frame, error);
  }

  /** Ends a frame by a failure that no rule holds up. */
  #fall(frame: Frame, cause: unknown): void {
    this.#stopFrame(frame);
    frame.onEnd(frame, cause);
  }

  /** Stops all that is under way in a frame and in those inside it. */
  #stopFrame(frame: Frame): void {
    frame.stopped = true;
    for (const one of [...this.#long]) {
      if (!one.frame.over) continue;
      this.#long.delete(one);
      if (one.frame.state[one.node] === RUNNING) this.#record({ run: this.run, event: "node.cancelled", node: one.frame.path(one.node) });
    }
    for (const activity of [...this.#activities]) if (activity.frame.over) activity.abort();
  }

  // ---- edges ----

  #allows(frame: Frame, node: number, condition: PlanCondition, variables: Record<string, Value | Gathered | undefined>): boolean {
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
    } else if (slot < 0) frame.gated[node] = 1;
    const left = (frame.waiting[node] as number) - 1;
    frame.waiting[node] = left;
    if (left === 0) settled.push(node);
  }

  /** Passes on what a node gave (nothing, when it was skipped or failed). */
  #leave(frame: Frame, node: number, outputs: Values | undefined, settled: number[]): void {
    const { plan, layout } = frame;
    const { graph } = plan;
    let gathered: Gathered | undefined;
    for (let at = graph.outStart[node] as number; at < (graph.outStart[node + 1] as number); at++) {
      const edge = graph.outEdges[at] as number;
      const target = graph.to[edge] as number;
      const slot = plan.fromSlot[edge] as number;
      const condition = plan.conditions[edge];
      const value = slot >= 0 ? outputs?.[slot] : undefined;
      let on = outputs !== undefined && (slot < 0 || value !== undefined);
      if (on && condition) {
        gathered ??= new Gathered((plan.nodes[node] as PlanNode).outputs, outputs as Values);
        on = this.#allows(frame, target, condition, { value, outputs: gathered });
      }
      this.#arrive(frame, target, plan.toSlot[edge] as number, value, on, settled);
    }
    for (let at = layout.exitStart[node] as number; at < (layout.exitStart[node + 1] as number); at++) {
      const { slot, output, condition } = plan.exit[layout.exits[at] as number] as Plan["exit"][number];
      this.#exit(frame, outputs?.[slot], output, condition);
    }
    frame.left--;
  }

  /** Nodes all of whose edges are settled are made ready or skipped; skipping settles others, without recursion. */
  #settle(frame: Frame, settled: number[]): void {
    for (let at = 0; at < settled.length; at++) {
      if (frame.over) return;
      const node = settled[at] as number;
      if ((frame.plan.nodes[node] as PlanNode).isFallback || frame.state[node] !== WAITING) continue;
      const broken = frame.broken?.get(node);
      if (broken !== undefined) {
        this.#fail(frame, node, broken, settled);
        continue;
      }
      const skip = whySkipped(frame, node);
      if (skip) {
        frame.state[node] = SKIPPED;
        this.#record({ run: this.run, event: "node.skipped", node: frame.path(node), ...skip });
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
    const begun = performance.now();
    const first = frame.layout.inputStart[node] as number;
    const value = (slot: number): Value | undefined => frame.values[first + slot] ?? plan.constants[slot];
    frame.state[node] = RUNNING;
    try {
      if (work.does === "map") {
        const items = value(0);
        if (items?.tag !== "items") throw new SymphonyError("step/input", `${path}.items is ${items ? spellValueType(items) : "nothing"}; a map takes a list`);
        this.#record({ run: this.run, event: "node.started", node: path, attempt, items: items.val.length });
        this.#map(frame, node, work, begun, items.val);
        return;
      }
      this.#record({ run: this.run, event: "node.started", node: path, attempt });
      switch (work.does) {
        case "call": {
          const inputs: Entry[] = [];
          for (let slot = 0; slot < plan.inputs.length; slot++) {
            const given = value(slot);
            if (given === undefined) continue;
            const { name, type } = plan.inputs[slot] as PlanNode["inputs"][number];
            checkType(given, type, `${path}.${name}`);
            inputs.push({ name, value: given });
          }
          if (inputs.length > 1) inputs.sort((a, b) => (a.name < b.name ? -1 : 1));
          const { task, done } = this.#task(frame, { run: this.run, path, node: plan, inputs, attempt });
          const answer = this.#ports.invoke(task);
          if (answer instanceof Promise) this.#await(frame, node, begun, answer.finally(done), (outputs) => plan.outputs.map(({ name }) => outputs.get(name)));
          else {
            done();
            this.#done(
              frame,
              node,
              begun,
              plan.outputs.map(({ name }) => answer.get(name)),
            );
          }
          return;
        }
        case "delay":
          this.#record({ run: this.run, event: "node.waiting", node: path, prompt: "", until: Date.now() + work.delayMs });
          this.#await(frame, node, begun, this.#wait(frame, work.delayMs), () => [value(0)]);
          return;
        case "approve": {
          this.#record({ run: this.run, event: "node.waiting", node: path, prompt: work.prompt });
          const { task, done } = this.#task(frame, { run: this.run, path, node: plan, inputs: [], attempt });
          const asked = this.#ports.ask({ run: this.run, path, prompt: work.prompt, value: value(0), signal: task.signal }).finally(done);
          this.#await(frame, node, begun, asked, ({ approved, reason }) => {
            this.#record({ run: this.run, event: "node.decided", node: path, approved, reason });
            if (!approved) throw new SymphonyError("approve/rejected", `${path} was rejected${reason ? `: ${reason}` : ""}`);
            return [value(0) ?? { tag: "null" }];
          });
          return;
        }
        case "melody":
          this.#nested(frame, node, begun, work.body, value);
          return;
        default:
          this.#done(frame, node, begun, combine(plan, work, value));
      }
    } catch (cause) {
      this.#failed(frame, node, cause);
    }
  }

  /** A step whose signal is made when somebody asks for it. */
  #task(frame: Frame, fields: Omit<StepTask, "signal">): { task: StepTask; done: () => void } {
    const activities = this.#activities;
    let activity: Activity | undefined;
    const task = {
      ...fields,
      get signal() {
        const controller = new AbortController();
        activity = { frame, abort: () => controller.abort() };
        activities.add(activity);
        Object.defineProperty(task, "signal", { value: controller.signal });
        return controller.signal;
      },
    };
    return { task, done: () => void (activity && activities.delete(activity)) };
  }

  #await<T>(frame: Frame, node: number, begun: number, answer: Promise<T>, outputsOf: (answer: T) => Values): void {
    const { timeoutMs, work } = frame.plan.nodes[node] as PlanNode;
    const isStep = work.does === "call";
    const long = { frame, node };
    this.#long.add(long);
    if (isStep) this.#steps++;
    // a step's own time is kept where it runs
    const timer = timeoutMs === undefined || isStep ? undefined : setTimeout(() => this.#expire(frame, node, [], timeoutMs), timeoutMs);
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      this.#long.delete(long);
      if (isStep) this.#steps--;
      if (!this.#over && !frame.over && frame.state[node] === RUNNING)
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

  #wait(frame: Frame, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const activity = {
        frame,
        abort: () => {
          clearTimeout(timer);
          this.#activities.delete(activity);
          resolve();
        },
      };
      const timer = setTimeout(activity.abort, ms);
      this.#activities.add(activity);
    });
  }

  #done(frame: Frame, node: number, begun: number, outputs: Values): void {
    frame.state[node] = FINISHED;
    this.#record({ run: this.run, event: "node.finished", node: frame.path(node), ms: Math.round((performance.now() - begun) * 1000) / 1000, outputs });
    this.#release(frame, node);
    const settled: number[] = [];
    this.#leaveAs(frame, node, outputs, settled);
    this.#settle(frame, settled);
  }

  /** Lets go of a node's inputs. */
  #release(frame: Frame, node: number): void {
    const { inputStart } = frame.layout;
    for (let slot = inputStart[node] as number; slot < (inputStart[node + 1] as number); slot++) frame.values[slot] = undefined;
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
    this.#leave(frame, at, values, settled);
  }

  // ---- failure ----

  #failed(frame: Frame, node: number, cause: unknown): void {
    if (this.#over || frame.over) return;
    const settled: number[] = [];
    this.#fail(frame, node, cause, settled);
    this.#settle(frame, settled);
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
    if (then === "stop") this.#fall(frame, frame.parent ? error : failureOfRun(path, error));
    else if (then === "fallback") {
      frame.standsFor ??= new Map();
      frame.standsFor.set(plan.fallback, node);
      this.#standIn(frame, node, plan.fallback);
    } else {
      if (then === "continue") frame.failure ??= failureOfRun(path, error);
      this.#release(frame, node);
      this.#leaveAs(frame, node, undefined, settled);
    }
  }

  #retry(frame: Frame, node: number, error: SymphonyError, attempt: number): void {
    const { delayMs, factor, maxDelayMs } = (frame.plan.nodes[node] as PlanNode).retry;
    const wait = Math.max(error.retryAfterMs, Math.min(maxDelayMs, delayMs * factor ** (attempt - 1)));
    frame.attempts ??= new Map();
    frame.attempts.set(node, attempt);
    frame.state[node] = WAITING;
    this.#record({
      run: this.run,
      event: "node.retrying",
      node: frame.path(node),
      attempt: attempt + 1,
      delayMs: wait,
      until: Date.now() + wait,
      code: error.code,
      message: error.message,
    });
    void this.#wait(frame, wait).then(() => {
      if (this.#over || frame.over) return;
      frame.state[node] = READY;
      this.#ready.push({ frame, node });
      this.#pump();
    });
  }

  /** Gives a fallback the inputs of the node that failed, by the names of the ports; its own constants come first. */
  #standIn(frame: Frame, failed: number, fallback: number): void {
    const from = frame.plan.nodes[failed] as PlanNode;
    const to = frame.plan.nodes[fallback] as PlanNode;
    const { inputStart } = frame.layout;
    for (const [slot, { name }] of to.inputs.entries()) {
      const same = from.inputs.findIndex((port) => port.name === name);
      if (same < 0 || to.constants[slot] !== undefined) continue;
      frame.values[(inputStart[fallback] as number) + slot] = frame.values[(inputStart[failed] as number) + same] ?? from.constants[same];
    }
    this.#release(frame, failed);
    frame.state[fallback] = READY;
    this.#ready.push({ frame, node: fallback });
  }

  #expire(frame: Frame, node: number, inner: Iterable<Frame>, timeoutMs: number): void {
    if (this.#over || frame.over || frame.state[node] !== RUNNING) return;
    for (const one of inner) this.#stopFrame(one);
    this.#failed(frame, node, new SymphonyError("step/timeout", `Cannot wait any longer: ${frame.path(node)} took over ${timeoutMs} ms`, { retryable: true }));
    this.#pump();
  }

  // ---- bodies: they hold no place among the parallel steps, what runs in them does ----

  #nested(frame: Frame, node: number, begun: number, body: Plan, value: (slot: number) => Value | undefined): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const inner = new Frame(body, `${frame.path(node)}/`, frame, (ended, error) => {
      clearTimeout(timer);
      this.#long.delete(long);
      if (this.#over || frame.over || frame.state[node] !== RUNNING) return;
      if (error === undefined) this.#done(frame, node, begun, ended.outputs);
      else this.#failed(frame, node, error);
      this.#pump();
    });
    const long = { frame, node };
    this.#long.add(long);
    const { timeoutMs } = plan;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#expire(frame, node, [inner], timeoutMs), timeoutMs);
    this.#begin(
      inner,
      body.inputs.map(({ name }) => value(plan.inputs.findIndex((port) => port.name === name))),
    );
  }

  #map(frame: Frame, node: number, work: Extract<PlanNode["work"], { does: "map" }>, begun: number, items: readonly Value[]): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const { body, over, concurrency, skipFailed } = work;
    const first = frame.layout.inputStart[node] as number;
    const given = body.inputs.map(({ name }) => {
      const slot = plan.inputs.findIndex((port) => port.name === name);
      return slot < 0 ? undefined : (frame.values[first + slot] ?? plan.constants[slot]);
    });
    const itemAt = body.inputs.findIndex(({ name }) => name === over);
    const indexAt = body.inputs.findIndex(({ name }) => name === "index");
    /** Outputs by item; undefined for an item that failed and is left out. */
    const results: (Values | undefined)[] = new Array(items.length);
    const inner = new Set<Frame>();
    const path = frame.path(node);
    const long = { frame, node };
    this.#long.add(long);
    let next = 0;
    let left = items.length;
    const isOver = (): boolean => this.#over || frame.over || frame.state[node] !== RUNNING;
    const { timeoutMs } = plan;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#expire(frame, node, inner, timeoutMs), timeoutMs);
    const end = (act: () => void): void => {
      clearTimeout(timer);
      this.#long.delete(long);
      act();
      this.#pump();
    };
    const itemEnded = (index: number, one: Frame, error: unknown): void => {
      inner.delete(one);
      if (isOver()) return;
      if (error !== undefined && !skipFailed) {
        end(() => {
          for (const other of inner) this.#stopFrame(other);
          const { code, message, detail, step } = asError(error);
          this.#failed(frame, node, new SymphonyError(code, `item ${index}: ${message}`, { cause: error, detail, step }));
        });
        return;
      }
      if (error === undefined) results[index] = one.outputs;
      left--;
      fill();
    };
    let filling = false;
    const fill = (): void => {
      // an item that ends at once comes back here: the outer loop goes on, so nothing recurses
      if (filling) return;
      filling = true;
      while (inner.size < concurrency && next < items.length && !isOver()) {
        const index = next++;
        const one = new Frame(body, `${path}/${index}/`, frame, (ended, error) => itemEnded(index, ended, error));
        inner.add(one);
        const inputs = given.slice();
        inputs[itemAt] = items[index];
        if (indexAt >= 0 && indexAt !== itemAt) inputs[indexAt] = { tag: "number", val: index };
        this.#begin(one, inputs);
      }
      filling = false;
      if (left > 0 || isOver()) return;
      const kept = results.filter((outputs) => outputs !== undefined);
      end(() =>
        this.#done(
          frame,
          node,
          begun,
          body.outputs.map((_, at) => ({ tag: "items", val: kept.map((outputs) => outputs[at] ?? { tag: "null" }) }) as Value),
        ),
      );
    };
    fill();
  }
}

type PlanCondition = Plan["conditions"][number];

/** Why a node that all edges have settled is not to run. */
function whySkipped(frame: Frame, node: number): { code: "condition" | "unreached" | "input"; why: string } | undefined {
  const { inputs, constants, work } = frame.plan.nodes[node] as PlanNode;
  if (frame.gated[node] && work.does !== "merge") return { code: "condition", why: "a node that it comes after didn't lead here" };
  if ((frame.layout.incoming[node] as number) > 0 && !frame.live[node]) return { code: "unreached", why: "nothing reached it" };
  const first = frame.layout.inputStart[node] as number;
  for (let slot = 0; slot < inputs.length; slot++) {
    const port = inputs[slot] as PlanNode["inputs"][number];
    if (port.required && frame.values[first + slot] === undefined && constants[slot] === undefined) return { code: "input", why: `nothing reached its input ${port.name}` };
  }
  return undefined;
}

/** What comes out of an `any` is only known when it arrives. */
function checkType(value: Value | undefined, type: PortType, place: string): void {
  if (value !== undefined && !valueFits(value, type)) throw new SymphonyError("step/input", `${place} got ${spellValueType(value)}; it takes ${spellPortType(type)}`);
}

function failureOfRun(path: string, error: SymphonyError): SymphonyError {
  const code = error.code.startsWith("run/") || error.code.startsWith("approve/") ? error.code : "run/failed";
  return new SymphonyError(code, `${path} failed: ${error.message}`, { cause: error, detail: error.detail ?? error.code, step: error.step });
}

function asError(cause: unknown): SymphonyError {
  if (cause instanceof SymphonyError) return cause;
  return new SymphonyError("run/failed", `The host failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
}
