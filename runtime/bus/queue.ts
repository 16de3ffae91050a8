// A queue with a bound that is iterated, and what happens when it is full: a subscription's, and what a link has to send. Leaves out who
// fills it.
import { SymphonyError } from "../error.ts";

/**
 * What happens to a message for a full queue. `wait`: its publisher is given a promise that resolves when there is room; who publishes
 * on without waiting gets `bus/full` once as many wait as the queue holds. `drop-oldest`: it takes the place of the oldest, which is counted.
 * `fail`: the subscription ends with `bus/slow`, after what it holds.
 */
export type WhenFull = "wait" | "drop-oldest" | "fail";

export interface Items<T> extends AsyncIterable<T>, AsyncDisposable {
  /** All that is there at a time, at least one; what costs least for many small messages. */
  batches(): AsyncIterable<readonly T[]>;
  /** Messages that wait to be taken. */
  readonly pending: number;
  /** Messages that were dropped, or not taken in, since it began. */
  readonly dropped: number;
  /** Ends it: nothing more comes in, what waits is still given. */
  close(): void;
}

export interface Queue<T> extends Items<T> {
  /** Takes one in; a promise when it must wait for room. Throws `bus/full`. */
  take(item: T): void | Promise<void>;
  /** Takes one in, full or not; it doesn't count, and is never dropped. */
  force(item: T): void;
  /** Takes in those who wait, when `isFull` may say otherwise than before. */
  admit(): void;
}

export interface QueueOptions<T = never> {
  /** Whose it is, for errors: `the subscriber to "a.>"`. */
  owner: string;
  queueMax: number;
  full: WhenFull;
  /** Whether it is full by another measure too. */
  isFull?: () => boolean;
  onClose: () => void;
  onDrop: () => void;
  /** One that was taken in was given up for a newer one. */
  onDropped?: (item: T) => void;
}

export function createQueue<T>({ owner, queueMax, full, isFull = () => false, onClose, onDrop, onDropped }: QueueOptions<T>): Queue<T> {
  /** What was dropped leaves an empty place. */
  let queue: (T | typeof GONE)[] = [];
  /** Those before it were given already. */
  let head = 0;
  /** Before it stands nothing that may be dropped. */
  let oldest = 0;
  /** Those that came in by force, and the others. */
  const forced = new Set<T>();
  let counted = 0;
  const waiting: { item: T; admit: () => void }[] = [];
  /** Those who wait for a message share it. */
  let coming: Promise<void> | undefined;
  let wake: (() => void) | undefined;
  let closed = false;
  let failure: SymphonyError | undefined;
  let dropped = 0;

  const hasRoom = (): boolean => counted < queueMax && !isFull();
  const there = (): number => counted + forced.size;

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

  function push(item: T): void {
    queue.push(item);
    counted++;
  }

  function dropOldest(): void {
    for (oldest = Math.max(oldest, head); ; oldest++) {
      const item = queue[oldest];
      if (item === GONE || forced.has(item as T)) continue;
      queue[oldest++] = GONE;
      counted--;
      onDropped?.(item as T);
      return;
    }
  }

  /** Gives up the places of what is gone, when they are many. */
  function compact(): void {
    if (queue.length - head < COMPACT || queue.length - head < 2 * there()) return;
    queue = queue.slice(head).filter((item) => item !== GONE);
    head = 0;
    oldest = 0;
  }

  /** Those who wait come in as there is room. */
  function admit(): void {
    let next = 0;
    while (next < waiting.length && hasRoom()) {
      const one = waiting[next++] as (typeof waiting)[number];
      push(one.item);
      one.admit();
    }
    if (next === 0) return;
    waiting.splice(0, next);
    wake?.();
  }

  /** Resolves when something is there; false when nothing more comes. */
  async function ready(): Promise<boolean> {
    while (there() === 0) {
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

  const inbox: Queue<T> = {
    take(item) {
      if (closed) return undefined;
      if (waiting.length === 0 && hasRoom()) {
        push(item);
        wake?.();
        return undefined;
      }
      switch (full) {
        case "drop-oldest":
          drop();
          if (counted === 0) {
            // what fills it is not to be dropped: then this one is
            onDropped?.(item);
            return undefined;
          }
          dropOldest();
          push(item);
          compact();
          wake?.();
          return undefined;
        case "fail":
          drop();
          failure = new SymphonyError("bus/slow", `Cannot keep ${owner}: ${queueMax} messages wait and it asked to be ended then`);
          end();
          return undefined;
        case "wait":
          if (waiting.length >= queueMax) {
            drop();
            throw new SymphonyError(
              "bus/full",
              `Cannot publish more: ${owner} has ${counted} messages waiting and ${waiting.length} more that their publisher didn't wait for; await what publish() returns`,
            );
          }
          return new Promise<void>((admitted) => void waiting.push({ item, admit: admitted }));
      }
    },
    force(item) {
      if (closed) return;
      queue.push(item);
      forced.add(item);
      wake?.();
    },
    admit,
    async *batches() {
      try {
        while (await ready()) {
          const isWhole = head === 0 && queue.length === there();
          const batch = (isWhole ? queue : queue.slice(head).filter((item) => item !== GONE)) as T[];
          queue = [];
          head = 0;
          oldest = 0;
          counted = 0;
          forced.clear();
          admit();
          yield batch;
        }
      } finally {
        inbox.close();
      }
    },
    [Symbol.asyncIterator](): AsyncIterator<T> {
      const take = (): IteratorResult<T> => {
        while (queue[head] === GONE) head++;
        const value = queue[head] as T;
        queue[head++] = GONE;
        if (forced.size === 0 || !forced.delete(value)) counted--;
        if (head === queue.length) {
          queue = [];
          head = 0;
          oldest = 0;
        } else if (head > COMPACT && head * 2 > queue.length) {
          queue = queue.slice(head);
          oldest = Math.max(0, oldest - head);
          head = 0;
        }
        if (waiting.length > 0) admit();
        return { value, done: false };
      };
      return {
        async next() {
          if (there() > 0) return take();
          // another reader may have been first
          while (await ready()) if (there() > 0) return take();
          return { value: undefined, done: true };
        },
        async return() {
          inbox.close();
          return { value: undefined, done: true };
        },
      };
    },
    get pending() {
      return there() + waiting.length;
    },
    get dropped() {
      return dropped;
    },
    close() {
      // who waits was promised that it comes in
      for (const { item, admit: admitted } of waiting.splice(0)) {
        push(item);
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

const GONE = Symbol("gone");
/** Places of given messages that a queue keeps at its front. */
const COMPACT = 1024;
