// Requests of the peer of a link that are answered here. A request holds its place until whoever answers it has ended and the answer was
// written: one that is given up and asked again in turn gains nothing.
import type { Clock } from "../clock.ts";
import { SymphonyError } from "../error.ts";
import { CREDIT } from "./asking.ts";
import type { Bus } from "./bus.ts";
import { textOf } from "./requests.ts";
import { errorFrame } from "./frame.ts";
import type { Message } from "./message.ts";
import { type Outgoing, weigh } from "./outbox.ts";

interface Answered {
  controller: AbortController;
  bytes: number;
  /** Whoever answers has ended; the last of the answer was written, or nobody waits for it. */
  hasEnded: boolean;
  isSaid: boolean;
  /** Answers of a stream that may be sent; waits for more. */
  credit: number;
  more: (() => void) | undefined;
}

/** Of requests that are answered at a time, and of answers that weren't written; one may be larger. */
const BYTES_MAX = 64 * 1024 * 1024;

export interface Answering {
  /** Whether another one may be asked; the refusal otherwise. */
  refusal(id: number, bytes: number): SymphonyError | undefined;
  /** `bytes`: of its frame. */
  request(message: Message, options: { timeoutMs: number; isStream: boolean; bytes: number }): void;
  cancel(id: number): void;
  credit(id: number, count: number): void;
  written(frame: Outgoing): void;
  end(why: SymphonyError): void;
  readonly size: number;
}

export function createAnswering({ bus, peer, say, clock, requestsMax }: { bus: Bus; peer: string; say: (frame: Outgoing) => void; clock: Clock; requestsMax: number }): Answering {
  const byId = new Map<number, Answered>();
  /** The last frames of answers, which are to be written. */
  const lasts = new Map<Outgoing, Answered>();
  /** Answers of streams that are to be written, and what they weigh; streams that wait until less is. */
  const streamed = new Map<Outgoing, number>();
  const starved = new Set<Answered>();
  let places = 0;
  let bytesHeld = 0;

  function leave(one: Answered): void {
    if (!one.hasEnded || !one.isSaid) return;
    places--;
    bytesHeld -= one.bytes;
  }

  /** The end of an answer; nothing where nobody waits for it. */
  function last(id: number, one: Answered, frame: Outgoing): void {
    forget(id, one);
    if (one.controller.signal.aborted) return;
    if (frame.kind === "response") {
      const weight = weigh(frame.payload, 3);
      one.bytes += weight;
      bytesHeld += weight;
    }
    lasts.set(frame, one);
    say(frame);
  }

  /** Its number may be another's by now. */
  function forget(id: number, one: Answered): void {
    if (byId.get(id) === one) byId.delete(id);
  }

  function abort(id: number, one: Answered, why: SymphonyError): void {
    forget(id, one);
    one.controller.abort(why);
    one.more?.();
    if (one.isSaid) return;
    one.isSaid = true;
    leave(one);
  }

  async function stream(id: number, answers: AsyncIterable<unknown>, one: Answered, timeoutMs: number): Promise<void> {
    const { signal } = one.controller;
    for await (const payload of answers) {
      if (signal.aborted) return;
      const frame: Outgoing = { kind: "response", re: id, at: clock.now(), type: "", more: true, payload };
      const weight = weigh(payload, 3);
      streamed.set(frame, weight);
      bytesHeld += weight;
      say(frame);
      one.credit--;
      while ((one.credit <= 0 || bytesHeld > BYTES_MAX) && !signal.aborted) {
        await new Promise<void>((resolve) => {
          const cancel = clock.after(timeoutMs, () => {
            // it waits as long for its reader as its reader for it
            say(errorFrame(id, new SymphonyError("bus/timeout", `Nobody has taken the answers for ${timeoutMs} ms`, { retryable: true }), clock.now()));
            abort(id, one, new SymphonyError("bus/timeout", `${peer} has taken no answer for ${timeoutMs} ms`));
          });
          one.more = () => {
            cancel();
            resolve();
          };
          if (bytesHeld > BYTES_MAX) starved.add(one);
        });
        one.more = undefined;
        starved.delete(one);
      }
      if (signal.aborted) return;
    }
    last(id, one, { kind: "response", re: id, at: clock.now(), type: "", end: true, payload: undefined });
  }

  return {
    refusal(id, bytes) {
      if (byId.has(id)) return new SymphonyError("bus/invalid", `${peer} has asked a request ${id} already`);
      if (places >= requestsMax) return new SymphonyError("bus/full", `${places} requests of ${peer} are answered already`, { retryable: true });
      if (bytesHeld > 0 && bytesHeld + bytes > BYTES_MAX)
        return new SymphonyError("bus/full", `Requests of ${peer} with ${bytesHeld} bytes are answered already`, { retryable: true });
      return undefined;
    },
    request(message, { timeoutMs, isStream, bytes }) {
      const { id } = message;
      const one: Answered = { controller: new AbortController(), bytes, hasEnded: false, isSaid: false, credit: CREDIT, more: undefined };
      byId.set(id, one);
      places++;
      bytesHeld += bytes;
      const onSettled = (): void => {
        if (one.hasEnded) return;
        one.hasEnded = true;
        leave(one);
      };
      const answer = bus.far.answer(message, { timeoutMs, isStream, signal: one.controller.signal, onSettled });
      const answered = isStream
        ? stream(id, answer as AsyncIterable<unknown>, one, timeoutMs)
        : (answer as Promise<unknown>).then((payload) => last(id, one, { kind: "response", re: id, at: clock.now(), type: "", payload }));
      answered.catch((cause) => last(id, one, errorFrame(id, cause instanceof SymphonyError ? cause : new SymphonyError("bus/handler", textOf(cause)), clock.now())));
    },
    cancel(id) {
      const one = byId.get(id);
      if (one) abort(id, one, new SymphonyError("bus/cancelled", `${peer} gave the request up`));
    },
    credit(id, count) {
      const one = byId.get(id);
      if (!one || count === 0) return;
      one.credit = Math.min(one.credit + count, 4 * CREDIT);
      one.more?.();
    },
    written(frame) {
      const weight = streamed.get(frame);
      if (weight !== undefined) {
        streamed.delete(frame);
        bytesHeld -= weight;
        if (bytesHeld <= BYTES_MAX) for (const waiting of [...starved]) waiting.more?.();
        return;
      }
      const one = lasts.get(frame);
      if (!one) return;
      lasts.delete(frame);
      one.isSaid = true;
      leave(one);
    },
    end(why) {
      for (const [id, one] of [...byId]) abort(id, one, why);
      lasts.clear();
      streamed.clear();
    },
    get size() {
      return places;
    },
  };
}
