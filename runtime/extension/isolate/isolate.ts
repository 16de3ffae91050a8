// One isolate: a process that serves one component at one set of grants. Sends calls ahead, keeps the record of which
// one is being served, and kills. Leaves out which isolate serves a call (pool.ts) and what a host call does
// (capabilities.ts).
import { type ErrorCode, SymphonyError } from "../../error.ts";
import type { Child, ProcessPlatform } from "../../platform/platform.ts";
import type { Entry } from "../../value.ts";
import type { Prepared } from "../prepare/prepare.ts";
import {
  type ErrorKind,
  FRAME,
  FrameCutter,
  FrameReader,
  FrameWriter,
  HOST_FUNCTIONS,
  type HostFunction,
  ONE_WAY,
  ONE_WAY_MAX,
  type Outcome,
  type Scalar,
  type StepError,
  ARGUMENTS_MAX,
  FRAME_BYTES_MAX,
  ONE_WAY_BYTES_MAX,
  WRITER_FRAMES_MAX,
} from "./wire.ts";

/** What a host call may rest on: the host's own record of the call being served, never what the child says. */
export interface HostCalls {
  /** Answers one host call of the guest; a thrown SymphonyError becomes the guest's `err`. */
  answer(name: HostFunction, args: readonly Scalar[]): Scalar[] | Promise<Scalar[]>;
  /** The call is over, however it ended: what it left open is let go. */
  over(): void;
}

/** One call to a component. */
export interface CallRequest {
  run: string;
  inputs: readonly Entry[];
  settings: readonly Entry[];
  /** From the start of execution. */
  timeMs: number;
  /** Instructions, about. */
  fuel: number;
  /** It may wait long for somebody else; processes for such calls don't count against those that work. */
  waits?: boolean;
  signal?: AbortSignal | undefined;
  /** Made when the call is sent; `deadline` gives the milliseconds left once it is being served. */
  hostCalls: (call: { remainingMs: () => number }) => HostCalls;
}

export interface CallResult {
  outcome: Outcome;
  fuelUsed: number;
  /** Bytes that the instances of its process hold after it. */
  heldBytes: number;
  /** From the start of execution. */
  ms: number;
}

/** A call on its way. `dispatched` counts the isolates it was sent to. */
export interface PendingCall {
  request: CallRequest;
  resolve: (result: CallResult) => void;
  reject: (cause: unknown) => void;
  dispatched: number;
}

interface Sent {
  pending: PendingCall;
  sequence: number;
  startedAt: number;
  hostCalls: HostCalls | undefined;
  /** Frames of this call that nobody waits for. */
  oneWay: number;
  onAbort: (() => void) | undefined;
}

const LOAD_MS = 10_000;
/** Calls sent ahead may wait for a process, and some answers. */
const UNSENT_BYTES_MAX = 2 * FRAME_BYTES_MAX;
/** A cancelled call may return within this time before its process is killed. */
const CANCEL_GRACE_MS = 100;
/** Above the idle isolate; an isolate that keeps more after a trap is not used again. */
const LEFTOVER_BYTES_MAX = 48 * 1024 * 1024;

/** How often a process is weighed while it serves and while it idles or loads, and how much it may gain besides the guest's own memory. */
const WEIGH_MS = 50;
const WEIGH_IDLE_MS = 1000;
const ENGINE_BYTES_MAX = 128 * 1024 * 1024;
/** What an idle process is taken to weigh at most, so that what it took while it loaded counts. */
const IDLE_BYTES_MAX = 160 * 1024 * 1024;

export class Isolate {
  readonly key: string;
  /** When the last call ended, for choosing whom to close. */
  idleSince = performance.now();
  /** No new calls; closes when it is idle. */
  retired = false;
  closed = false;
  readonly #child: Child;
  readonly #platform: ProcessPlatform;
  readonly #sent: Sent[] = [];
  readonly #writer = new FrameWriter();
  readonly #cutter = new FrameCutter();
  readonly #onIdle: (isolate: Isolate) => void;
  readonly #onLost: (isolate: Isolate, unstarted: PendingCall[]) => void;
  readonly #runs = new Set<string>();
  #flushing = false;
  #loaded = false;
  #sequence = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  /** A question is open; `replied` when its answer has gone out. */
  #answering = false;
  #replied = false;
  #idleBytes: number | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #watchMs = 0;
  readonly #bytesMax: number;

  constructor(
    spare: SpareProcess,
    platform: ProcessPlatform,
    component: Prepared,
    imports: readonly string[],
    key: string,
    events: { onIdle: (isolate: Isolate) => void; onLost: (isolate: Isolate, unstarted: PendingCall[]) => void },
  ) {
    this.key = key;
    this.#platform = platform;
    this.#bytesMax = component.memoryPages * 65_536 + ENGINE_BYTES_MAX;
    this.#child = spare.child;
    this.#onIdle = events.onIdle;
    this.#onLost = events.onLost;
    spare.adopt((chunk) => this.#receive(chunk));
    void spare.child.ended.then(({ code, signal, stderr }) => {
      const why = `Cannot go on with this call: the isolate's process ended by itself (${signal ?? `code ${code}`})${stderr ? `: ${stderr.trim().slice(0, 300)}` : ""}`;
      this.#lose(new SymphonyError("isolate/lost", why, { retryable: true }));
    });
    this.#writer.begin(FRAME.load);
    this.#writer.text(JSON.stringify(imports.map((name) => name.replace(/@.*$/, ""))));
    this.#writer.text(component.kind);
    this.#writer.text(component.interfaceName);
    this.#writer.text(component.functionName);
    this.#writer.f64(component.memoryPages * 65_536);
    this.#writer.text(component.source);
    this.#writer.u32(component.modules.length);
    for (const { name, bytes } of component.modules) {
      this.#writer.text(name);
      this.#writer.raw(bytes);
    }
    this.#writer.end();
    this.#flush();
    this.#arm(performance.now() + LOAD_MS);
    this.#weighEvery(WEIGH_MS);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Calls sent and not yet answered. */
  get load(): number {
    return this.#sent.length;
  }

  /** Sends a call behind those already sent. Throws `RangeError` when its values are too large. */
  send(pending: PendingCall): void {
    const { request } = pending;
    const sequence = this.#sequence++;
    this.#writer.begin(FRAME.call);
    try {
      this.#writer.u32(sequence);
      this.#writer.text(request.run);
      this.#writer.f64(request.fuel);
      this.#writer.entries(request.inputs);
      this.#writer.entries(request.settings);
      this.#writer.end();
    } catch (cause) {
      this.#writer.abandon();
      throw cause;
    }
    pending.dispatched++;
    const sent: Sent = { pending, sequence, startedAt: 0, hostCalls: undefined, oneWay: 0, onAbort: undefined };
    if (request.signal) {
      sent.onAbort = () => this.#abandon(sent);
      request.signal.addEventListener("abort", sent.onAbort, { once: true });
    }
    this.#sent.push(sent);
    this.#runs.add(request.run);
    if (this.#loaded && this.#sent.length === 1) this.#start();
    if (!this.#flushing) {
      // calls of one turn go out in one write
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    }
  }

  /** Ends the instance that belongs to a run. */
  drop(run: string): void {
    if (this.closed || !this.#runs.delete(run)) return;
    this.#writer.begin(FRAME.drop);
    this.#writer.text(run);
    this.#writer.end();
    this.#flush();
  }

  /** Kills the process; calls under way end with `isolate/closed`. */
  async close(): Promise<void> {
    this.#lose(new SymphonyError("isolate/closed", "Cannot go on with this call: the isolate was closed"), true);
    await this.#child.ended;
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.closed && this.#writer.length > 0) this.#child.send(this.#writer.take(true));
  }

  #start(): void {
    const head = this.#sent[0];
    if (!head) return;
    head.startedAt = performance.now();
    const deadline = head.startedAt + head.pending.request.timeMs;
    head.hostCalls = head.pending.request.hostCalls({ remainingMs: () => Math.max(0, deadline - performance.now()) });
    this.#arm(deadline);
    this.#weighEvery(WEIGH_MS);
    if (head.pending.request.signal?.aborted) this.#abandon(head);
  }

  /** One timer for the isolate: it is set earlier when needed, and found to be early when it fires. */
  #arm(at: number): void {
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, at - performance.now()));
  }

  #onTimer(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (this.closed) return;
    const now = performance.now();
    if (!this.#loaded) {
      this.#lose(new SymphonyError("prepare/timeout", `Cannot load the component: it was not compiled within ${LOAD_MS} ms`));
      return;
    }
    const head = this.#sent[0];
    if (!head) return;
    const { timeMs } = head.pending.request;
    const due = head.startedAt + timeMs;
    if (now + 0.5 < due) this.#arm(due);
    else this.#lose(new SymphonyError("step/timeout", `Cannot wait any longer: the call took over ${timeMs} ms and was killed`, { retryable: true }));
  }

  #weighEvery(ms: number): void {
    if (this.#watchMs === ms) return;
    clearInterval(this.#watch);
    this.#watchMs = ms;
    this.#watch = setInterval(() => this.#weigh(), ms);
  }

  /** A result of few bytes can name the same memory a thousand times over; only the process's weight shows it. */
  #weigh(): void {
    if (this.closed) return;
    const head = this.#sent[0];
    if (!head) this.#weighEvery(WEIGH_IDLE_MS);
    else if (this.#loaded && performance.now() - head.startedAt < WEIGH_MS) return;
    const now = this.#platform.residentBytes(this.pid);
    const idle = Math.min(this.#idleBytes ?? IDLE_BYTES_MAX, IDLE_BYTES_MAX);
    if (now === undefined || now - idle <= this.#bytesMax) return;
    this.#lose(
      new SymphonyError(
        "step/memory",
        `Cannot go on with this call: its process took ${Math.round((now - idle) / 1048576)} MiB, at most ${this.#bytesMax / 1048576} MiB are allowed`,
      ),
    );
  }

  #abandon(sent: Sent): void {
    if (this.#sent[0] !== sent || !this.#loaded) return; // looked at again when its turn comes
    setTimeout(() => {
      if (!this.closed && this.#sent[0] === sent) this.#lose(new SymphonyError("run/cancelled", "The call was cancelled"));
    }, CANCEL_GRACE_MS);
  }

  #receive(chunk: Uint8Array): void {
    if (this.closed) return;
    // an honest child waits for its answer, so its next question can't have come with the last one
    if (this.#replied) this.#answering = this.#replied = false;
    const head = this.#sent[0];
    // a child that keeps us busy must not keep its own deadline from coming
    if (head && this.#loaded && performance.now() > head.startedAt + head.pending.request.timeMs) {
      this.#onTimer();
      if (this.closed) return;
    }
    try {
      this.#cutter.push(chunk, (type, payload) => {
        if (!this.closed) this.#frame(type, new FrameReader(payload));
      });
    } catch (cause) {
      this.#lose(cause instanceof SymphonyError ? cause : new SymphonyError("isolate/protocol", `Cannot understand the isolate: ${(cause as Error).message}`, { cause }));
    }
  }

  #frame(type: number, reader: FrameReader): void {
    const head = this.#sent[0];
    if (type === FRAME.loaded && !this.#loaded) {
      const fault = reader.text();
      if (fault) {
        this.#lose(new SymphonyError("prepare/failed", `Cannot load the component: ${fault}`));
        return;
      }
      this.#loaded = true;
      this.#idleBytes = this.#platform.residentBytes(this.pid);
      clearTimeout(this.#timer);
      this.#timerAt = Number.POSITIVE_INFINITY;
      this.#start();
    } else if (type === FRAME.host && head && this.#loaded && !this.#answering) {
      const name = HOST_FUNCTIONS[reader.u8()];
      if (!name) throw new SymphonyError("isolate/protocol", "Cannot understand the isolate: an unknown host function");
      if (ONE_WAY.has(name)) {
        if (++head.oneWay > ONE_WAY_MAX + WRITER_FRAMES_MAX)
          throw new SymphonyError("isolate/protocol", "Cannot listen any longer: more came in one call than its program would say");
        if (reader.length > ONE_WAY_BYTES_MAX) throw new SymphonyError("isolate/protocol", `Cannot listen: a line or report of ${reader.length} bytes`);
        this.#hear(head, name, reader.scalars(ARGUMENTS_MAX));
      } else {
        this.#answering = true;
        void this.#answer(head, name, reader.scalars(ARGUMENTS_MAX));
      }
    } else if (type === FRAME.result && head && this.#loaded && !this.#answering) this.#result(head, reader);
    else throw new SymphonyError("isolate/protocol", `Cannot understand the isolate: a frame of type ${type} came out of turn`);
  }

  /** What nobody waits for. What it does wrong is its own loss, unless it can't come from our program. */
  #hear(head: Sent, name: HostFunction, args: Scalar[]): void {
    try {
      (head.hostCalls as HostCalls).answer(name, args);
    } catch (cause) {
      if (cause instanceof SymphonyError && cause.code === "isolate/protocol") throw cause;
    }
  }

  async #answer(head: Sent, name: HostFunction, args: Scalar[]): Promise<void> {
    let answered: { ok: Scalar[] } | { error: StepError };
    try {
      const answer = (head.hostCalls as HostCalls).answer(name, args);
      answered = { ok: answer instanceof Promise ? await answer : answer };
    } catch (cause) {
      answered = { error: stepErrorOf(cause) };
    }
    this.#replied = true;
    if (this.closed) return;
    if (this.#child.unsent > UNSENT_BYTES_MAX) {
      this.#lose(new SymphonyError("isolate/protocol", `Cannot go on with this call: its process asks and doesn't listen; ${UNSENT_BYTES_MAX} bytes wait for it`));
      return;
    }
    this.#writer.begin(FRAME.reply);
    try {
      if ("ok" in answered) {
        this.#writer.u8(1);
        this.#writer.scalars(answered.ok);
      } else {
        this.#writer.u8(0);
        this.#writer.error(answered.error);
      }
      this.#writer.end();
    } catch (cause) {
      this.#writer.abandon();
      this.#writer.begin(FRAME.reply);
      this.#writer.u8(0);
      this.#writer.error({ tag: "permanent", val: { kind: "limit", code: "run.limit", message: `the answer can't be sent: ${(cause as Error).message}` } });
      this.#writer.end();
    }
    this.#flush();
  }

  #result(head: Sent, reader: FrameReader): void {
    if (reader.u32() !== head.sequence) throw new SymphonyError("isolate/protocol", "Cannot understand the isolate: it answered another call than the one it was given");
    const fuelUsed = reader.f64();
    const held = reader.f64();
    const form = reader.u8();
    let outcome: Outcome;
    if (form === 0) outcome = { ended: "ok", outputs: reader.entries() };
    else if (form === 1) outcome = { ended: "error", error: reader.error() };
    else if (form === 2) outcome = { ended: "refused", message: reader.text() };
    else {
      const why = reader.text();
      outcome = { ended: "trap", why: why === "fuel" || why === "memory" ? why : "trap", message: reader.text() };
    }
    reader.end();
    this.#sent.shift();
    this.#settle(head);
    this.idleSince = performance.now();
    if (outcome.ended === "trap" || held > LEFTOVER_BYTES_MAX) {
      // measured from outside: a runtime may not give a dead instance's memory back
      const now = this.#platform.residentBytes(this.pid);
      if (now !== undefined && this.#idleBytes !== undefined && now - this.#idleBytes > LEFTOVER_BYTES_MAX) this.retired = true;
    }
    head.pending.resolve({ outcome, fuelUsed, heldBytes: held, ms: this.idleSince - head.startedAt });
    if (this.#sent.length > 0) this.#start();
    else this.#onIdle(this);
  }

  #settle(sent: Sent): void {
    if (sent.onAbort) sent.pending.request.signal?.removeEventListener("abort", sent.onAbort);
    sent.hostCalls?.over();
  }

  /** The process is no more to be used: the call being served ends with `cause`, the others are given back. */
  #lose(cause: SymphonyError, all = false): void {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#child.kill();
    // before it has loaded, no call has begun
    const head = this.#loaded || cause.code.startsWith("prepare/") ? this.#sent.shift() : undefined;
    if (head) {
      this.#settle(head);
      head.pending.reject(cause);
    }
    const rest = this.#sent.splice(0);
    for (const sent of rest) this.#settle(sent);
    if (all || cause.code.startsWith("prepare/")) {
      for (const { pending } of rest) pending.reject(cause);
      this.#onLost(this, []);
    } else
      this.#onLost(
        this,
        rest.map(({ pending }) => pending),
      );
  }
}

/** A host-side error as a guest sees it. */
export function stepErrorOf(cause: unknown): StepError {
  if (!(cause instanceof SymphonyError)) return { tag: "permanent", val: { kind: "internal", code: "host.internal", message: "the host failed; see its log" } };
  const kinds: Partial<Record<ErrorCode, ErrorKind>> = {
    "files/not-found": "not-found",
    "artifact/unknown": "not-found",
    "secret/unknown": "not-found",
    "model/unknown": "not-found",
    "files/denied": "denied",
    "step/denied": "denied",
    "http/denied": "denied",
    "files/exists": "conflict",
    "files/invalid": "invalid-input",
    "step/input": "invalid-input",
    "http/invalid": "invalid-input",
    "run/limit": "limit",
    "http/limit": "limit",
    "http/timeout": "timeout",
    "run/cancelled": "cancelled",
    "artifact/storage": "unavailable",
    "audit/unwritable": "unavailable",
    "http/failed": "unavailable",
    "model/failed": "unavailable",
    "model/protocol": "unavailable",
    "command/failed": "unavailable",
  };
  // what the disk says names places that are no guest's business
  const message = cause.code === "artifact/storage" || cause.code === "audit/unwritable" ? "the store can't be used now" : cause.message;
  const own = cause.code === "model/failed" ? cause.detail : undefined;
  const fault = { kind: kinds[cause.code] ?? "internal", code: own ?? cause.code.replace("/", "."), message };
  return cause.retryable ? { tag: "transient", val: { fault, retryAfterMs: cause.retryAfterMs } } : { tag: "permanent", val: fault };
}

/** A process that has started and serves nobody yet. */
export class SpareProcess {
  readonly child: Child;
  dead = false;
  #take: ((chunk: Uint8Array) => void) | undefined;

  constructor(platform: ProcessPlatform) {
    this.child = platform.spawn("isolate", (chunk) => this.#take?.(chunk));
    void this.child.ended.then(() => {
      this.dead = true;
    });
  }

  adopt(take: (chunk: Uint8Array) => void): void {
    this.#take = take;
  }
}
