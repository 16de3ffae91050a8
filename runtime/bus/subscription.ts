// A subscription that is iterated: a queue with a bound, and what happens when it is full. Leaves out who fills it (bus.ts).
import { SymphonyError } from "../error.ts";
import type { Message } from "./message.ts";

/**
 * What happens to a message for a full queue. `wait`: its publisher is given a promise that resolves when there is room; who publishes
 * on without waiting gets `bus/full` once as many wait as the queue holds. `drop-oldest`: it takes the place of the oldest, which is counted.
 * `fail`: the subscription ends with `bus/slow`, after what it holds.
 */
export type WhenFull = "wait" | "drop-oldest" | "fail";

export interface Subscription extends AsyncIterable<Message>, AsyncDisposable {
  /** All that is there at a time, at least one; what costs least for many small messages. */
  batches(): AsyncIterable<readonly Message[]>;
  /** Messages that wait to be taken. */
  readonly pending: number;
  /** Messages that were dropped, or not taken in, since it began. */
  readonly dropped: number;
  /** Ends it: nothing more comes in, what waits is still given. */
  close(): void;
}

export interface Inbox extends Subscription {
  /** Takes a message in; a promise when it must wait for room. Throws `bus/full`. */
  take(message: Message): void | Promise<void>;
}

export interface InboxOptions {
  pattern: string;
  queueMax: number;
  full: WhenFull;
  onClose: () => void;
  onDrop: () => void;
}

export function createInbox({ pattern, queueMax, full, onClose, onDrop }: InboxOptions): Inbox {
  let queue: Message[] = [];
  /** Those before it were given already. */
  let head = 0;
  const waiting: { message: Message; admit: () => void }[] = [];
  /** Those who wait for a message share it. */
  let coming: Promise<void> | undefined;
  let wake: (() => void) | undefined;
  let closed = false;
  let failure: SymphonyError | undefined;
  let dropped = 0;

  function end(): void {
    if (closed) return;
    closed = true;
    onClose();
    wake?.();
  }

  function drop(): void {
    dropped++;
    onDrop();
  }

  /** Those who wait come in as there is room. */
  function admit(): void {
    let next = 0;
    while (next < waiting.length && queue.length - head < queueMax) {
      const one = waiting[next++] as (typeof waiting)[number];
      queue.push(one.message);
      one.admit();
    }
    if (next > 0) waiting.splice(0, next);
  }

  /** Resolves when something is there; false when nothing more comes. */
  async function ready(): Promise<boolean> {
    while (queue.length === head) {
      if (closed) {
        if (failure) throw failure;
        return false;
      }
      coming ??= new Promise<void>((resolve) => {
        wake = () => {
          wake = undefined;
          coming = undefined;
          resolve();
        };
      });
      await coming;
    }
    return true;
  }

  const inbox: Inbox = {
    take(message) {
      if (closed) return undefined;
      if (queue.length - head < queueMax) {
        queue.push(message);
        wake?.();
        return undefined;
      }
      switch (full) {
        case "drop-oldest":
          drop();
          queue[head++] = undefined as never;
          if (head > COMPACT) {
            queue = queue.slice(head);
            head = 0;
          }
          queue.push(message);
          return undefined;
        case "fail":
          drop();
          failure = new SymphonyError("bus/slow", `Cannot keep ${JSON.stringify(pattern)} subscribed: ${queueMax} messages wait and it asked to be ended then`);
          end();
          return undefined;
        case "wait":
          if (waiting.length >= queueMax) {
            drop();
            throw new SymphonyError(
              "bus/full",
              `Cannot publish on ${message.subject}: a subscriber to ${JSON.stringify(pattern)} has ${queueMax} messages waiting and ${waiting.length} more that their publisher didn't wait for; await what publish() returns`,
            );
          }
          return new Promise<void>((admitted) => void waiting.push({ message, admit: admitted }));
      }
    },
    async *batches() {
      try {
        while (await ready()) {
          const batch = head === 0 ? queue : queue.slice(head);
          queue = [];
          head = 0;
          admit();
          yield batch;
        }
      } finally {
        inbox.close();
      }
    },
    [Symbol.asyncIterator](): AsyncIterator<Message> {
      const take = (): IteratorResult<Message> => {
        const value = queue[head] as Message;
        queue[head++] = undefined as never;
        if (head === queue.length) {
          queue = [];
          head = 0;
        } else if (head > COMPACT && head * 2 > queue.length) {
          queue = queue.slice(head);
          head = 0;
        }
        if (waiting.length > 0) admit();
        return { value, done: false };
      };
      return {
        async next() {
          if (queue.length > head) return take();
          return (await ready()) ? take() : { value: undefined, done: true };
        },
        async return() {
          inbox.close();
          return { value: undefined, done: true };
        },
      };
    },
    get pending() {
      return queue.length - head + waiting.length;
    },
    get dropped() {
      return dropped;
    },
    close() {
      // who waits was promised that it comes in
      for (const { message, admit: admitted } of waiting.splice(0)) {
        queue.push(message);
        admitted();
      }
      end();
    },
    async [Symbol.asyncDispose]() {
      inbox.close();
    },
  };
  return inbox;
}

/** Places of given messages that a queue keeps at its front. */
const COMPACT = 1024;
