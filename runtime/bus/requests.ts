// Requests of one bus: who is asked, how long an answer is waited for, what is given up and how it ends. Leaves out who answers where
// (bus.ts).
import type { Clock } from "../clock.ts";
import { SymphonyError } from "../error.ts";
import type { BusCounts, Call, RequestOptions, Responder } from "./bus.ts";
import type { Message } from "./message.ts";
import { createTimerWheel, Timeout } from "./timer-wheel.ts";

/** Time to answer, where nobody says another. */
const REQUEST_MS = 30_000;
/** Classes of `latency`. */
export const LATENCIES = 24;

export interface Requests {
  /** One answer. `onSettled`: who answers has ended too, which may be after the answer was given up. */
  one(message: Message, options: RequestOptions, onSettled?: () => void): Promise<unknown>;
  /** Answers one after the other. */
  many(message: Message, options: RequestOptions, onSettled?: () => void): AsyncGenerator<unknown, void>;
  /** The error of a request whose own link broke: what is idempotent is asked again. What a far peer says of links of its own is none. */
  lost(error: SymphonyError): SymphonyError;
  /** All that waits ends with `bus/closed`. */
  close(): void;
}

export interface RequestsOptions {
  /** Of the bus, for errors. */
  name: string;
  clock: Clock;
  counts: BusCounts;
  /** Who answers, if anybody does. */
  find: (message: Message) => Responder | undefined;
  /** Calls when somebody joins or leaves, until the returned function is called. */
  watch: (changed: () => void) => () => void;
}

export function createRequests({ name, clock, counts, find, watch }: RequestsOptions): Requests {
  const wheel = createTimerWheel(clock);
  const lost = new WeakSet<object>();
  let closed = false;

  /** Made for each request: its signal only when it is looked at. */
  class CallOf implements Call {
    readonly message: Message;
    #controller: AbortController | undefined;
    #reason: unknown;
    constructor(message: Message) {
      this.message = message;
    }
    get signal(): AbortSignal {
      if (!this.#controller) {
        this.#controller = new AbortController();
        if (this.#reason !== undefined) this.#controller.abort(this.#reason);
      }
      return this.#controller.signal;
    }
    abort(reason: unknown): void {
      this.#reason ??= reason;
      this.#controller?.abort(reason);
    }
  }

  function noResponder(subject: string): SymphonyError {
    counts.noResponder++;
    return new SymphonyError("bus/no-responder", `Cannot ask ${JSON.stringify(subject)}: nobody answers there`, { retryable: true });
  }

  function refusalOf(cause: unknown, subject: string): SymphonyError {
    counts.refused++;
    if (cause instanceof SymphonyError) return cause;
    return new SymphonyError("bus/handler", `Cannot answer ${JSON.stringify(subject)}: ${textOf(cause)}`, { cause });
  }

  function cancelled(subject: string, reason: unknown): SymphonyError {
    counts.cancelled++;
    return new SymphonyError("bus/cancelled", `The request to ${JSON.stringify(subject)} was given up`, { cause: reason });
  }

  function late(subject: string, timeoutMs: number): SymphonyError {
    counts.timeouts++;
    return new SymphonyError("bus/timeout", `Cannot wait longer for an answer from ${JSON.stringify(subject)}: ${timeoutMs} ms have passed`, { retryable: true });
  }

  function note(since: number): void {
    const units = Math.floor(((clock.elapsed() - since) * 1000) / 16);
    const bucket = Math.min(LATENCIES - 1, 32 - Math.clz32(units));
    counts.latency[bucket] = (counts.latency[bucket] as number) + 1;
  }

  /** Waits for an answer, its time-out, its signal or the end of the bus, whichever comes first. */
  class Waiting extends Timeout {
    readonly #call: CallOf;
    readonly #timeoutMs: number;
    readonly #since = clock.elapsed();
    readonly #resolve: (value: unknown) => void;
    readonly #reject: (cause: unknown) => void;
    readonly #signal: AbortSignal | undefined;
    readonly #onAbort: (() => void) | undefined;
    #isOver = false;

    constructor(call: CallOf, timeoutMs: number, signal: AbortSignal | undefined, resolve: (value: unknown) => void, reject: (cause: unknown) => void) {
      super();
      this.#call = call;
      this.#timeoutMs = timeoutMs;
      this.#signal = signal;
      this.#resolve = resolve;
      this.#reject = reject;
      counts.waiting++;
      wheel.insert(timeoutMs, this);
      if (!signal) return;
      this.#onAbort = () => this.giveUp(cancelled(call.message.subject, signal.reason));
      signal.addEventListener("abort", this.#onAbort);
    }

    #end(): boolean {
      if (this.#isOver) return false;
      this.#isOver = true;
      counts.waiting--;
      wheel.cancel(this);
      if (this.#onAbort) this.#signal?.removeEventListener("abort", this.#onAbort);
      return true;
    }

    expire(): void {
      this.giveUp(late(this.#call.message.subject, this.#timeoutMs));
    }

    giveUp(cause: SymphonyError): void {
      if (!this.#end()) return;
      this.#call.abort(cause);
      this.#reject(cause);
    }

    answered(value: unknown): void {
      if (!this.#end()) return;
      note(this.#since);
      this.#resolve(value);
    }

    failed(cause: unknown): void {
      if (!this.#end()) return;
      note(this.#since);
      this.#reject(refusalOf(cause, this.#call.message.subject));
    }
  }

  /** The answer of a promise, unless something else comes first. */
  function awaitAnswer(answer: PromiseLike<unknown>, call: CallOf, timeoutMs: number, signal: AbortSignal | undefined, takesStream: boolean): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new SymphonyError("bus/closed", `Cannot wait for ${JSON.stringify(call.message.subject)}: the bus ${name} is closed`));
      if (signal?.aborted) {
        const cause = cancelled(call.message.subject, signal.reason);
        call.abort(cause);
        return reject(cause);
      }
      const waiting = new Waiting(call, timeoutMs, signal, resolve, reject);
      answer.then(
        (value) => {
          if (!takesStream && isStream(value)) waiting.failed(manyAnswers(value, call.message));
          else waiting.answered(value);
        },
        (cause: unknown) => waiting.failed(cause),
      );
    });
  }

  function ask(message: Message, timeoutMs: number, isStream: boolean, signal: AbortSignal | undefined): { answer: unknown; call: CallOf } {
    if (closed) throw new SymphonyError("bus/closed", `Cannot ask ${JSON.stringify(message.subject)}: the bus ${name} is closed`);
    if (!(timeoutMs > 0)) throw new SymphonyError("bus/invalid", `Cannot ask ${JSON.stringify(message.subject)} with timeoutMs ${timeoutMs}: expected more than 0`);
    if (signal?.aborted) throw cancelled(message.subject, signal.reason);
    counts.requests++;
    const responder = find(message);
    if (!responder) throw noResponder(message.subject);
    const call = new CallOf(message);
    try {
      return { answer: responder.answer(call, { timeoutMs, isStream }), call };
    } catch (cause) {
      throw refusalOf(cause, message.subject);
    }
  }

  /** Resolves when somebody joins or leaves, or the time is over. */
  function change(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        unwatch();
        signal?.removeEventListener("abort", end);
        wheel.cancel(timeout);
        resolve();
      };
      const timeout = wheel.add(ms, end);
      const unwatch = watch(end);
      signal?.addEventListener("abort", end);
    });
  }

  /** Asks again when the peer that was asked is lost, once somebody answers. */
  async function persist(message: Message, { timeoutMs = REQUEST_MS, signal }: RequestOptions): Promise<unknown> {
    const until = clock.elapsed() + timeoutMs;
    let wasLost = false;
    for (let waitMs = 1; ; waitMs = Math.min(2 * waitMs, 1000)) {
      try {
        return await once(message, { timeoutMs: timeoutMs > 0 ? Math.max(1, until - clock.elapsed()) : timeoutMs, ...(signal ? { signal } : {}) });
      } catch (cause) {
        const isLost = lost.has(cause as object);
        const isNobody = cause instanceof SymphonyError && cause.code === "bus/no-responder";
        if (!isLost && !(wasLost && isNobody)) throw cause;
        wasLost = true;
        const left = until - clock.elapsed();
        if (left <= 0 || signal?.aborted || closed) throw cause;
        if (isNobody) await change(left, signal);
        if (closed) throw cause;
        await new Promise<void>((resolve) => void wheel.add(Math.min(waitMs, left), resolve));
        if (closed) throw cause;
      }
    }
  }

  function once(message: Message, { timeoutMs = REQUEST_MS, signal }: RequestOptions, onSettled?: () => void): Promise<unknown> {
    try {
      const { answer, call } = asked(message, timeoutMs, false, signal, onSettled);
      if (isPromise(answer)) return awaitAnswer(answer, call, timeoutMs, signal, false);
      if (isStream(answer)) return Promise.reject(manyAnswers(answer, message));
      return Promise.resolve(answer);
    } catch (cause) {
      return Promise.reject(cause);
    }
  }

  function manyAnswers(stream: AsyncIterable<unknown>, { subject }: Message): SymphonyError {
    void stream[Symbol.asyncIterator]()
      .return?.()
      .catch(() => {});
    return new SymphonyError("bus/answer", `Cannot take the answer of ${JSON.stringify(subject)}: it is a stream; ask with requestStream`);
  }

  /** Asks; `onSettled` comes with the end of one answer, whatever happens to it on the way. A stream's end is another. */
  function asked(message: Message, timeoutMs: number, isMany: boolean, signal: AbortSignal | undefined, onSettled?: () => void): { answer: unknown; call: CallOf } {
    let made: { answer: unknown; call: CallOf } | undefined;
    try {
      made = ask(message, timeoutMs, isMany, signal);
      return made;
    } finally {
      if (onSettled) {
        if (!made) onSettled();
        else if (!isMany) {
          if (isPromise(made.answer)) made.answer.then(onSettled, onSettled);
          else onSettled();
        }
      }
    }
  }

  async function* many(message: Message, { timeoutMs = REQUEST_MS, signal }: RequestOptions, onSettled?: () => void): AsyncGenerator<unknown, void> {
    const { answer, call } = asked(message, timeoutMs, true, signal, onSettled);
    let first = answer;
    if (isPromise(answer)) {
      try {
        first = await awaitAnswer(answer, call, timeoutMs, signal, true);
      } catch (cause) {
        // what comes all the same is ended
        answer.then(
          (late) => {
            if (isStream(late)) void endOf(late[Symbol.asyncIterator]()).finally(onSettled);
            else onSettled?.();
          },
          () => onSettled?.(),
        );
        throw cause;
      }
    }
    if (!isStream(first)) {
      onSettled?.();
      yield first;
      return;
    }
    const iterator = first[Symbol.asyncIterator]();
    let isOver = false;
    try {
      for (;;) {
        const { value, done } = (await awaitAnswer(iterator.next(), call, timeoutMs, signal, true)) as IteratorResult<unknown>;
        if (done) {
          isOver = true;
          return;
        }
        yield value;
      }
    } finally {
      if (!isOver) {
        call.abort(new SymphonyError("bus/cancelled", `Nobody reads the answers of ${JSON.stringify(message.subject)} any more`));
        // it may never come to its end
        void endOf(iterator).finally(onSettled);
      } else onSettled?.();
    }
  }

  return {
    one: (message, options, onSettled) => (options.idempotent ? persist(message, options) : once(message, options, onSettled)),
    many,
    lost(error) {
      lost.add(error);
      return error;
    },
    close() {
      closed = true;
      const cause = new SymphonyError("bus/closed", `The bus ${name} was closed before the answer came`);
      for (const one of wheel.all()) if (one instanceof Waiting) one.giveUp(cause);
      // who waits for somebody to come waits no more
      for (const one of wheel.all()) one.expire();
      wheel.close();
    },
  };
}

/** Resolves when a stream that nobody reads any more has ended, however it does. */
async function endOf(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // nobody is left to be told
  }
}

/** Of anything that was thrown. */
export function textOf(cause: unknown): string {
  try {
    return cause instanceof Error ? String(cause.message) : String(cause);
  } catch {
    return "something that has no text";
  }
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as PromiseLike<unknown>).then === "function";
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === "function";
}
