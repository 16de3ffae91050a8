// One run: when each node starts, what its end or failure leads to, when the run is over. What moves along edges is in
// flow.ts, maps and sub-melodies in bodies.ts. Knows the ports it was handed (tracker.ts); nothing of components, files or
// terminals.
import {
  type Clock,
  type EndState,
  type Entry,
  type EventLog,
  type Plan,
  type PlanNode,
  type RunPart,
  type RunRecord,
  type RunState,
  spellValueType,
  type StepNote,
  SymphonyError,
  systemClock,
  type Value,
} from "../../runtime/mod.ts";
import { type Activities, createActivities, Task } from "./activities.ts";
import { type BodyHost, runMap, runNested } from "./bodies.ts";
import { combine } from "./control.ts";
import { checkType, createFlow, outputFault, type Values } from "./flow.ts";
import { asError, failureOfRun, within } from "./failure.ts";
import { FAILED, FINISHED, Frame, READY, RUNNING, SKIPPED, WAITING } from "./frame.ts";
import { canStand, storedId } from "./written.ts";
import type { PastNode } from "./past.ts";
import { partOf } from "./part.ts";
import { Queue } from "./queue.ts";
import type { DagTracker, Decision, RunHandle, RunOptions, RunResult, TrackerPorts } from "./tracker.ts";

/** Time for which nodes that answer at once may hold the thread. */
const TURN_MS = 8;
/** Nodes that are recorded together. */
const BATCH = 64;

/** A DAG Tracker over these ports. */
export function createDagTracker(ports: TrackerPorts): DagTracker {
  return { start: (plan, inputs, options) => new Run(ports, plan, inputs, options) };
}

/** A node whose start has been recorded, and is not yet followed by anything. */
interface Starting {
  frame: Frame;
  node: number;
  path: string;
  attempt: number;
  /** What the log held of it before this process began. */
  past: PastNode | undefined;
  /** Its start is in the log. */
  isTold: boolean;
}

class Run implements RunHandle {
  readonly run: string;
  readonly ended: Promise<RunResult>;
  readonly #ports: TrackerPorts;
  readonly #log: EventLog;
  readonly #past: ReadonlyMap<string, PastNode> | undefined;
  readonly #parallel: number;
  readonly #root: Frame;
  readonly #clock: Clock;
  readonly #activities: Activities;
  /** Nodes that are under way over several turns, so that their end is told when they are stopped. */
  readonly #long = new Set<{ frame: Frame; node: number }>();
  /** Nodes that are to be tried again, by their paths, until they are. */
  readonly #retrying = new Map<string, Frame>();
  /** Questions to a person, by the node's path. */
  readonly #questions = new Map<string, (decision: Decision) => void>();
  /** Steps under way, so that a pause can stop them. */
  readonly #stops = new Set<() => void>();
  readonly #ready = new Queue<{ frame: Frame; node: number }>();
  /** Recorded, and waiting for the log before they are launched. */
  #starting: Starting[] = [];
  /** Those that are being launched now, one after the other. */
  #launching: Starting[] = [];
  /** A pause also stops what is under way. */
  #stopping = false;
  /** Steps under way; what only waits doesn't count. */
  #steps = 0;
  #pumping = false;
  #state: RunState = "running";
  /** Orders that came before the run had begun, which they wait for. */
  #early: (() => void)[] | undefined = [];
  #over = false;
  /** The log takes no more: nothing more is told, and nothing begins. */
  #brokenOff = false;
  #resolve!: (result: RunResult) => void;
  #cancelTimeout: (() => void) | undefined;
  /** Of the top level. */
  readonly #part: RunPart | undefined;

  constructor(ports: TrackerPorts, plan: Plan, inputs: ReadonlyMap<string, Value>, { run, log, parallel = 16, past, resets = [], origin, part, order, grants }: RunOptions) {
    this.run = run;
    this.#ports = ports;
    this.#clock = ports.clock ?? systemClock;
    this.#activities = createActivities(this.#clock);
    this.#log = log;
    this.#past = past?.nodes.size ? past.nodes : undefined;
    this.#parallel = parallel;
    this.#part = part;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#root = new Frame(plan, "", undefined, (_, error) => {
      if (error === undefined) this.#finish("completed", undefined);
      else this.#finish("failed", asError(error));
    });
    if (plan.timeoutMs !== undefined) {
      const { timeoutMs } = plan;
      const expire = (): void => this.#finish("failed", new SymphonyError("run/timeout", `Cannot go on: the run took over ${timeoutMs} ms`));
      this.#cancelTimeout = this.#clock.after(timeoutMs, () => {
        if (!this.#waitsToBegin(expire)) expire();
      });
    }
    const values = plan.inputs.map(({ name }) => inputs.get(name));
    const { confinement } = ports;
    const begin = (): void => {
      if (this.#over) return;
      if (past?.started) {
        this.#record({
          run,
          event: "run.resumed",
          confinement,
          cut: past.cut,
          ...(resets.length > 0 ? { resets } : {}),
          ...(order ? { order } : {}),
          ...(grants?.length ? { grants } : {}),
        });
      } else
        this.#record({
          run,
          event: "run.started",
          melody: plan.id,
          nodes: plan.nodes.length,
          parallel,
          confinement,
          inputs: Object.fromEntries(inputs),
          ...(origin ? { origin } : {}),
          ...(part ? { part } : {}),
        });
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const order of early) {
        // a second one of a kind is one too many
        if (!this.#over && !this.#brokenOff) order();
      }
      this.#begin(this.#root, values);
    };
    const kept = ports.keep?.([...values, ...Object.values(part?.pins ?? {}).flatMap(({ outputs }) => outputs)]);
    // after the caller has the handle
    if (kept) kept.then(begin, (cause) => this.#breakOff(cause));
    else queueMicrotask(begin);
  }

  get state(): RunState {
    return this.#state;
  }

  cancel(reason: string): void {
    if (this.#waitsToBegin(() => this.cancel(reason))) return;
    this.#mustBe("cancel", "running", "paused");
    this.#finish("cancelled", new SymphonyError("run/cancelled", reason));
  }

  pause(stop: boolean): void {
    if (this.#waitsToBegin(() => this.#state === "running" && this.pause(stop))) return;
    this.#mustBe("pause", "running");
    this.#state = "paused";
    this.#stopping = stop;
    this.#record({ run: this.run, event: "run.paused", stop });
    if (stop) for (const stopStep of [...this.#stops]) stopStep();
    this.#commit();
  }

  continue(): void {
    if (this.#waitsToBegin(() => this.#state === "paused" && this.continue())) return;
    this.#mustBe("continue", "paused");
    this.#state = "running";
    this.#stopping = false;
    this.#record({ run: this.run, event: "run.continued" });
    this.#pump();
  }

  #waitsToBegin(order: () => void): boolean {
    if (this.#over) return false;
    this.#early?.push(order);
    return this.#early !== undefined;
  }

  #mustBe(order: string, ...states: RunState[]): void {
    if (this.#over || !states.includes(this.#state)) throw new SymphonyError("run/control", `Cannot ${order} the run: it ${this.#over ? "has ended" : `is ${this.#state}`}`);
  }

  decide(path: string, decision: Decision): boolean {
    const answer = this.#questions.get(path);
    // the first one counts
    this.#questions.delete(path);
    answer?.(decision);
    return answer !== undefined;
  }

  #record(record: RunRecord): void {
    if (this.#brokenOff) return;
    try {
      this.#log.append(record);
    } catch (cause) {
      this.#breakOff(cause);
    }
  }

  /** Has what was recorded kept and published; a promise where that takes time. Effects come after it. */
  #commit(): void | Promise<void> {
    try {
      const kept = this.#log.commit();
      if (kept)
        return kept.catch((cause) => {
          this.#breakOff(cause);
        });
    } catch (cause) {
      this.#breakOff(cause);
    }
    return undefined;
  }

  /** A log that takes no more ends the run where it stands, for nothing may happen that isn't told; a resume can go on. */
  #breakOff(cause: unknown): void {
    if (this.#brokenOff) return;
    this.#over = true;
    this.#brokenOff = true;
    this.#end("failed", new SymphonyError("run/journal", `Cannot go on: what happens can't be kept: ${(cause as Error).message}`, { cause }));
  }

  #finish(state: EndState, error: SymphonyError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopFrame(this.#root);
    // what was under way when an earlier process ended, and has not been begun again
    for (const [path, { state }] of this.#past ?? [])
      if (state === "running" || state === "waiting" || state === "retrying") this.#record({ run: this.run, event: "node.cancelled", node: path });
    this.#record({
      run: this.run,
      event: "run.ended",
      state,
      outputs: Object.fromEntries(this.#outputs()),
      ...(error ? { code: error.code, ...(error.detail ? { detail: error.detail } : {}), message: error.message } : {}),
    });
    const end = (): void => {
      if (this.#brokenOff) return;
      this.#state = state;
      this.#end(state, error);
    };
    const kept = this.#commit();
    if (kept) void kept.then(end);
    else end();
  }

  #end(state: EndState, error: SymphonyError | undefined): void {
    this.#cancelTimeout?.();
    this.#activities.stop();
    this.#resolve({ run: this.run, state, outputs: this.#outputs(), error });
  }

  #outputs(): Map<string, Value> {
    const outputs = new Map<string, Value>();
    for (const [at, { name }] of this.#root.plan.outputs.entries()) {
      const value = this.#root.outputs[at];
      if (value !== undefined) outputs.set(name, value);
    }
    return outputs;
  }

  // ---- frames ----

  readonly #flow = createFlow({
    ready: (frame, node) => this.#makeReady(frame, node),
    skipped: (frame, node, skip) => {
      frame.state[node] = SKIPPED;
      const path = frame.path(node);
      if (this.#past?.get(path)?.state !== "skipped") this.#record({ run: this.run, event: "node.skipped", node: path, ...skip });
    },
    broken: (frame, node, cause, settled) => this.#fail(frame, node, cause, settled),
    ended: (frame) => {
      if (frame.over) return;
      frame.stopped = true;
      // of a part, outputs may be missing
      frame.onEnd(frame, frame.failure ?? outputFault(frame, frame === this.#root && this.#part !== undefined));
    },
  });

  #begin(frame: Frame, inputs: Values): void {
    if (this.#over) return;
    try {
      const settled = frame === this.#root && this.#part ? this.#leaveOut(this.#part) : [];
      this.#flow.enter(frame, inputs);
      if (!frame.over) this.#flow.settle(frame, settled);
    } catch (cause) {
      this.#fall(frame, cause);
    }
    this.#pump();
  }

  /** Settles what isn't run before anything else: pinned nodes give what they were given, others nothing. Nodes that this settles. */
  #leaveOut(part: RunPart): number[] {
    const root = this.#root;
    const { nodes } = root.plan;
    const { runs } = partOf(root.plan, part);
    const settled: number[] = [];
    for (const [node, { id, isFallback }] of nodes.entries()) {
      const pin = Object.hasOwn(part.pins, id) ? part.pins[id] : undefined;
      if (!pin && (runs[node] || isFallback)) continue;
      const isTold = this.#past?.has(id);
      const gives = pin && !pin.skipped ? pin : undefined;
      root.state[node] = gives ? FINISHED : SKIPPED;
      const why = pin ? `it led nowhere in the run ${pin.of?.slice(0, 8)}` : "it is no part of what was asked for";
      if (gives && !isTold) this.#record({ run: this.run, event: "node.pinned", node: id, outputs: gives.outputs, ...(gives.of ? { of: gives.of } : {}) });
      else if (!isTold) this.#record({ run: this.run, event: "node.skipped", node: id, code: "part", why });
      this.#flow.leave(root, node, gives?.outputs, settled);
    }
    return settled;
  }

  /** Ends a frame by a failure that no rule holds up. */
  #fall(frame: Frame, cause: unknown): void {
    this.#stopFrame(frame);
    frame.onEnd(frame, cause);
  }

  #stopFrame(frame: Frame): void {
    frame.stopped = true;
    // what was about to start doesn't
    const isOver = ({ frame: own, path, isTold }: Starting): boolean => {
      if (own.over && isTold) this.#record({ run: this.run, event: "node.cancelled", node: path });
      return own.over;
    };
    this.#launching = this.#launching.filter((one) => !isOver(one));
    this.#starting = this.#starting.filter((one) => !isOver(one));
    for (const one of [...this.#long]) {
      if (!one.frame.over) continue;
      this.#long.delete(one);
      if (one.frame.state[one.node] !== RUNNING) continue;
      // once, though an attempt that a pause stopped may still be under way beside the next
      one.frame.state[one.node] = WAITING;
      this.#record({ run: this.run, event: "node.cancelled", node: one.frame.path(one.node) });
    }
    for (const [path, own] of this.#retrying) {
      if (!own.over) continue;
      this.#retrying.delete(path);
      this.#record({ run: this.run, event: "node.cancelled", node: path });
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
    const past = this.#past?.get(frame.path(node));
    if (past?.state === "retrying" && past.until > this.#clock.now()) {
      // the wait before its next attempt goes on
      const { until } = past;
      past.until = 0;
      void this.#activities.wait(frame, until - this.#clock.now()).then(() => {
        if (this.#over || frame.over) return;
        this.#makeReady(frame, node);
        this.#pump();
      });
      return;
    }
    frame.state[node] = READY;
    this.#ready.push({ frame, node });
  }

  /** Starts what is ready, some at a time: first all are recorded, then the log keeps that, then they are launched. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let begun = -1;
    for (let count = 1; ; count++) {
      while (!this.#over && this.#state === "running" && this.#starting.length < BATCH && this.#steps + this.#starting.length < this.#parallel && !this.#ready.isEmpty) {
        const { frame, node } = this.#ready.take();
        if (!frame.over) this.#start(frame, node);
      }
      const kept = this.#commit();
      if (this.#starting.length === 0) break;
      if (kept) {
        void kept.then(() => {
          this.#launchAll();
          this.#pumping = false;
          this.#pump();
        });
        return;
      }
      this.#launchAll();
      if ((count & 31) !== 0) continue;
      if (begun < 0) begun = this.#clock.elapsed();
      else if (this.#clock.elapsed() - begun > TURN_MS) {
        this.#pumping = false;
        this.#clock.after(0, () => this.#pump());
        return;
      }
    }
    this.#pumping = false;
  }

  /** Records that a node starts; what it does comes when that is kept. */
  #start(frame: Frame, node: number): void {
    const path = frame.path(node);
    const past = this.#past?.get(path);
    const done = past?.state === "completed" || past?.state === "failed";
    const attempt = (frame.attempts?.get(node) ?? (past && !done ? past.attempt - 1 : 0)) + 1;
    if (this.#retrying.size > 0) this.#retrying.delete(path);
    frame.state[node] = RUNNING;
    frame.begun[node] = this.#clock.elapsed();
    this.#starting.push({ frame, node, path, attempt, past, isTold: !done });
    if (done) return;
    // once: a later attempt of this process is its own
    if (past) (this.#past as Map<string, PastNode>).delete(path);
    if (attempt > 1) {
      frame.attempts ??= new Map();
      frame.attempts.set(node, attempt - 1);
    }
    const record: Extract<RunRecord, { event: "node.started" }> = { run: this.run, event: "node.started", node: path, attempt };
    if ((frame.plan.nodes[node] as PlanNode).work.does === "map") {
      const items = frame.input(node, 0);
      if (items?.tag === "items") record.items = items.val.length;
      const list = items && storedId(items);
      if (list) record.list = list;
    }
    if (past?.state === "running" || past?.state === "waiting") record.again = true;
    this.#record(record);
  }

  #launchAll(): void {
    // in reverse, so that the first is taken off cheaply
    this.#launching = this.#starting.reverse();
    this.#starting = [];
    // what isn't kept doesn't begin; one that ends its frame takes the others of that frame with it
    for (let one = this.#launching.pop(); one && !this.#brokenOff; one = this.#launching.pop()) {
      const { frame, node, path, isTold } = one;
      if (isTold && this.#stopping && (frame.plan.nodes[node] as PlanNode).work.does === "call") {
        // the pause came while the log kept its start
        this.#record({ run: this.run, event: "node.cancelled", node: path });
        this.#makeReady(frame, node);
      } else this.#launch(one);
    }
    this.#launching = [];
  }

  #launch({ frame, node, path, attempt, past }: Starting): void {
    const plan = frame.plan.nodes[node] as PlanNode;
    const { work } = plan;
    try {
      if (past?.state === "completed") {
        this.#pass(frame, node, past.outputs);
        return;
      }
      if (past?.state === "failed") throw past.error;
      switch (work.does) {
        case "map": {
          const items = frame.input(node, 0);
          if (items?.tag !== "items") throw new SymphonyError("step/input", `${path}.items is ${items ? spellValueType(items) : "nothing"}; a map takes a list`);
          runMap(this.#bodies, frame, node, work, items.val);
          return;
        }
        case "call":
          this.#call(frame, node, path, attempt);
          return;
        case "delay": {
          const until = past?.until || this.#clock.now() + work.delayMs;
          this.#record({ run: this.run, event: "node.waiting", node: path, prompt: "", until });
          this.#await(frame, node, this.#activities.wait(frame, Math.max(0, until - this.#clock.now())), () => [frame.input(node, 0)]);
          return;
        }
        case "approve":
          if (past?.decided) this.#decided(frame, node, past.decided);
          else this.#ask(frame, node, path, work.prompt, attempt);
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

  /** What a step says while it runs. */
  readonly #note = (path: string, frame: Frame, record: StepNote): void => {
    if (!this.#over && !frame.over) this.#record({ run: this.run, node: path, ...record });
  };

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
    const task = new Task({ run: this.run, path, node: plan, inputs, attempt }, frame, this.#activities, this.#note);
    const answer = this.#ports.invoke(task);
    if (answer instanceof Promise) {
      let stopped = false;
      const stop = (): void => {
        // it is run again when the run goes on; what this attempt may still answer doesn't count
        this.#stops.delete(stop);
        if (!this.#wanted(frame, node)) return;
        stopped = true;
        this.#record({ run: this.run, event: "node.cancelled", node: path });
        this.#makeReady(frame, node);
        task.abort();
      };
      this.#stops.add(stop);
      this.#await(
        frame,
        node,
        answer.finally(() => {
          this.#stops.delete(stop);
          task.done();
        }),
        (outputs) => plan.outputs.map(({ name }) => outputs.get(name)),
        { isStale: () => stopped },
      );
    } else {
      task.done();
      this.#done(
        frame,
        node,
        plan.outputs.map(({ name }) => answer.get(name)),
      );
    }
  }

  #ask(frame: Frame, node: number, path: string, prompt: string, attempt: number): void {
    const shown = frame.input(node, 0);
    this.#record({ run: this.run, event: "node.waiting", node: path, prompt, ...(shown && canStand(shown) ? { value: shown } : {}) });
    const task = new Task({ run: this.run, path, node: frame.plan.nodes[node] as PlanNode, inputs: [], attempt }, frame, this.#activities, this.#note);
    const asked = new Promise<Decision>((resolve, reject) => {
      this.#questions.set(path, (decision) => {
        resolve(decision);
        task.abort();
      });
      this.#ports.ask({ run: this.run, path, prompt, value: frame.input(node, 0), signal: task.signal }).then(resolve, reject);
    }).finally(() => {
      this.#questions.delete(path);
      task.done();
    });
    this.#await(frame, node, asked, (decision) => {
      this.#record({ run: this.run, event: "node.decided", node: path, ...decision });
      return this.#verdict(frame, node, decision);
    });
  }

  /** What a person had said before the process ended. */
  #decided(frame: Frame, node: number, decision: Decision): void {
    this.#done(frame, node, this.#verdict(frame, node, decision));
  }

  #verdict(frame: Frame, node: number, { approved, reason }: Decision): Values {
    if (!approved) throw new SymphonyError("approve/rejected", `${frame.path(node)} was rejected${reason ? `: ${reason}` : ""}`);
    return [frame.input(node, 0) ?? { tag: "null" }];
  }

  /** Marks a node as under way over several turns, until the returned function is called; its time runs out meanwhile. */
  #hold(frame: Frame, node: number, inner: Iterable<Frame>): () => void {
    const { timeoutMs, work } = frame.plan.nodes[node] as PlanNode;
    const long = { frame, node };
    this.#long.add(long);
    // a step's own time is kept where it runs
    const cancel = timeoutMs === undefined || work.does === "call" ? undefined : this.#clock.after(timeoutMs, () => this.#expire(frame, node, inner, timeoutMs));
    return () => {
      cancel?.();
      this.#long.delete(long);
    };
  }

  #expire(frame: Frame, node: number, inner: Iterable<Frame>, timeoutMs: number): void {
    if (!this.#wanted(frame, node)) return;
    for (const one of inner) this.#stopFrame(one);
    this.#failed(frame, node, new SymphonyError("step/timeout", `Cannot wait any longer: ${frame.path(node)} took over ${timeoutMs} ms`, { retryable: true }));
    this.#pump();
  }

  #await<T>(
    frame: Frame,
    node: number,
    answer: Promise<T>,
    outputsOf: (answer: T) => Values,
    { isKept = false, isStale = () => false }: { isKept?: boolean; isStale?: () => boolean } = {},
  ): void {
    const isStep = !isKept && (frame.plan.nodes[node] as PlanNode).work.does === "call";
    const release = this.#hold(frame, node, []);
    if (isStep) this.#steps++;
    const settle = (act: () => void): void => {
      release();
      if (isStep) this.#steps--;
      if (this.#wanted(frame, node) && !isStale())
        try {
          act();
        } catch (cause) {
          this.#failed(frame, node, cause);
        }
      this.#pump();
    };
    answer.then(
      (value) => settle(() => (isKept ? this.#tellDone(frame, node, outputsOf(value)) : this.#done(frame, node, outputsOf(value)))),
      (cause) => settle(() => this.#failed(frame, node, cause)),
    );
  }

  /** A node has given its outputs; large ones are stored first, so that the log can name them. */
  #done(frame: Frame, node: number, outputs: Values): void {
    const kept = this.#ports.keep?.(outputs);
    if (kept) this.#await(frame, node, kept, () => outputs, { isKept: true });
    else this.#tellDone(frame, node, outputs);
  }

  #tellDone(frame: Frame, node: number, outputs: Values): void {
    const ms = Math.round((this.#clock.elapsed() - (frame.begun[node] as number)) * 1000) / 1000;
    this.#record({ run: this.run, event: "node.finished", node: frame.path(node), ms, outputs });
    this.#pass(frame, node, outputs);
  }

  /** Passes on what a node gave. */
  #pass(frame: Frame, node: number, outputs: Values): void {
    frame.state[node] = FINISHED;
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
    if (error.retryable && attempt < plan.retry.attempts && this.#past?.get(path)?.state !== "failed") {
      this.#retry(frame, node, error, attempt);
      return;
    }
    frame.state[node] = FAILED;
    const then = typeof plan.onFailure === "string" ? plan.onFailure : "fallback";
    const { code, detail, step, message } = error;
    if (this.#past?.get(path)?.state !== "failed")
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
    this.#retrying.set(frame.path(node), frame);
    const { code, message } = error;
    this.#record({ run: this.run, event: "node.retrying", node: frame.path(node), attempt: attempt + 1, delayMs: wait, until: this.#clock.now() + wait, code, message });
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
