// Requests to the peer of a link, and the answers that come. Leaves out what the peer asks (answering.ts).
import { SymphonyError } from "../error.ts";
import type { Bus, Call } from "./bus.ts";
import { type RequestFrame, type ResponseFrame, TIMEOUT_MS_MAX } from "./frame.ts";
import type { Outgoing } from "./outbox.ts";
import { createQueue } from "./queue.ts";
import type { Types } from "./message-types.ts";

/** Answers of a stream on their way. */
export const CREDIT = 64;

interface Asked {
  response(frame: ResponseFrame): void;
  fail(error: SymphonyError): void;
}

export interface Asking {
  /** Rejects with what the peer says, or `bus/peer` when the link is lost. */
  ask(call: Call, timeoutMs: number): Promise<unknown>;
  askStream(call: Call, timeoutMs: number): AsyncIterable<unknown>;
  response(frame: ResponseFrame): void;
  /** The peer refused it, or it couldn't be sent. */
  fail(id: number, error: SymphonyError): void;
  /** The link is lost: all that waits fails. */
  end(why: string): void;
  readonly size: number;
}

export function createAsking({ bus, peer, say, types, requestsMax }: { bus: Bus; peer: string; say: (frame: Outgoing) => void; types: Types; requestsMax: number }): Asking {
  const asked = new Map<number, Asked>();
  let nextId = 1;
  let ended: string | undefined;

  const lost = (why: string): SymphonyError => bus.far.lost(new SymphonyError("bus/peer", `The link to ${peer} was lost before the answer came: ${why}`, { retryable: true }));

  /** `wait`: what takes the answer; it is there before the request is said. */
  function request({ message }: Call, timeoutMs: number, isStream: boolean, wait: (id: number) => Asked): number {
    if (ended !== undefined) throw lost(ended);
    if (asked.size >= requestsMax) throw new SymphonyError("bus/full", `Cannot ask ${peer}: ${asked.size} requests wait for its answers`, { retryable: true });
    const id = nextId++;
    asked.set(id, wait(id));
    say({
      kind: "request",
      id,
      to: message.subject,
      type: message.type,
      at: message.at,
      correlation: message.correlation,
      from: message.hops === 0 ? undefined : message.from,
      hops: message.hops,
      timeoutMs: Math.max(1, Math.min(Math.ceil(timeoutMs), TIMEOUT_MS_MAX)),
      stream: isStream,
      payload: message.payload,
    } as RequestFrame);
    return id;
  }

  return {
    ask(call, timeoutMs) {
      return new Promise((resolve, reject) => {
        const { signal } = call;
        request(call, timeoutMs, false, (id) => {
          const onAbort = (): void => {
            if (!asked.delete(id)) return;
            say({ kind: "cancel", re: id });
            // who waits was told why already
            reject(new SymphonyError("bus/cancelled", `The request to ${JSON.stringify(call.message.subject)} was given up`, { cause: signal.reason }));
          };
          const end = (): void => {
            asked.delete(id);
            signal.removeEventListener("abort", onAbort);
          };
          signal.addEventListener("abort", onAbort);
          return {
            response({ type = "", payload, more }) {
              end();
              if (more) {
                say({ kind: "cancel", re: id });
                reject(new SymphonyError("bus/answer", `Cannot take the answer of ${JSON.stringify(call.message.subject)}: it is a stream; ask with requestStream`));
                return;
              }
              try {
                resolve(types.read(type, payload).payload);
              } catch (cause) {
                reject(cause);
              }
            },
            fail(error) {
              end();
              reject(error);
            },
          };
        });
      });
    },
    async *askStream(call, timeoutMs) {
      const answers = createQueue<ResponseFrame>({ owner: `the answers of ${peer}`, queueMax: 2 * CREDIT, full: "fail", onClose: () => {}, onDrop: () => {} });
      let failure: SymphonyError | undefined;
      let isOver = false;
      const over = (id: number): void => {
        isOver = true;
        asked.delete(id);
        answers.close();
      };
      const stop = (): void => answers.close();
      call.signal.addEventListener("abort", stop);
      const id = request(call, timeoutMs, true, (own) => ({
        response(frame) {
          if (!frame.end) void answers.take(frame);
          if (!frame.more) over(own);
        },
        fail(error) {
          failure = error;
          over(own);
        },
      }));
      let taken = 0;
      try {
        for await (const { type = "", payload } of answers) {
          yield types.read(type, payload).payload;
          if (++taken % (CREDIT / 2) === 0 && !isOver) say({ kind: "credit", re: id, count: CREDIT / 2 });
        }
        if (failure) throw failure;
      } finally {
        call.signal.removeEventListener("abort", stop);
        if (asked.delete(id)) say({ kind: "cancel", re: id });
      }
    },
    response: (frame) => asked.get(frame.re)?.response(frame),
    fail: (id, error) => asked.get(id)?.fail(error),
    end(why) {
      ended = why;
      for (const one of [...asked.values()]) one.fail(lost(why));
    },
    get size() {
      return asked.size;
    },
  };
}
