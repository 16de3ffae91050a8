// Events that came over a link, on their way to subscribers here: in order, and one after the other while somebody has no room. Few wait here;
// then nothing more is read from the peer, and its own publishers wait in their turn.
import type { Bus } from "./bus.ts";
import type { Message } from "./message.ts";

const PARKED_MAX = 256;
const PARKED_BYTES_MAX = 4 * 1024 * 1024;
const NO_GROUPS: readonly string[] = [];

export interface Delivery {
  /** `bytes`: of its frame. A promise: nothing more should be read until it resolves. */
  take(message: Message, group: string | undefined, bytes: number): void | Promise<void>;
  /** Whether nothing is read. */
  readonly isHeld: boolean;
  end(): void;
}

export function createDelivery(bus: Bus): Delivery {
  /** Those behind the one that waits. */
  const parked: { message: Message; group: string | undefined; bytes: number }[] = [];
  let parkedBytes = 0;
  let isWaiting = false;
  let room: PromiseWithResolvers<void> | undefined;

  function hand(message: Message, group: string | undefined): void | Promise<void> {
    try {
      return bus.far.deliver(message, group === undefined, group === undefined ? NO_GROUPS : [group]);
    } catch (cause) {
      // a subscriber was full and counted it
      bus.far.fault(cause, message.subject);
    }
    return undefined;
  }

  async function handOn(first: Promise<void>): Promise<void> {
    isWaiting = true;
    for (let wait: void | Promise<void> = first; ; ) {
      try {
        await wait;
      } catch (cause) {
        bus.far.fault(cause, "");
      }
      const next = parked.shift();
      if (!next) break;
      parkedBytes -= next.bytes;
      wait = hand(next.message, next.group);
      if (parked.length < PARKED_MAX / 2 && parkedBytes < PARKED_BYTES_MAX) makeRoom();
    }
    isWaiting = false;
  }

  function makeRoom(): void {
    room?.resolve();
    room = undefined;
  }

  return {
    take(message, group, bytes) {
      if (!isWaiting) {
        const wait = hand(message, group);
        if (wait) void handOn(wait);
        return undefined;
      }
      parked.push({ message, group, bytes });
      parkedBytes += bytes;
      if (parked.length <= PARKED_MAX && parkedBytes <= PARKED_BYTES_MAX) return undefined;
      room ??= Promise.withResolvers();
      return room.promise;
    },
    get isHeld() {
      return room !== undefined;
    },
    end: makeRoom,
  };
}
