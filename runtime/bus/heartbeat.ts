// Whether the far side of a connection lives: it is asked for a sign of life where nothing comes, and given up after some in vain. A busy event
// loop of this side takes nobody for dead: a beat that comes late says nothing, and connections have a turn to be read before one counts.
import type { Clock } from "../clock.ts";
import type { Connection } from "../transport/connection.ts";

/** A beat that comes later than this says nothing. */
const HELD_UP_MS = 40;

export interface HeartbeatOptions {
  connection: Connection;
  clock: Clock;
  beatMs: number;
  /** In a row, before the far side is taken for hung. */
  missedMax: number;
  /** Whether nothing is read, because subscribers here have no room. */
  isHeld: () => boolean;
  ping: () => void;
  onHung: (missed: number) => void;
}

export interface Heartbeat {
  pong(): void;
  /** Of the last sign of life that was asked for; 0 before the first. */
  readonly roundTripMs: number;
  end(): void;
}

export function createHeartbeat({ connection, clock, beatMs, missedMax, isHeld, ping, onHung }: HeartbeatOptions): Heartbeat {
  let heard = -1;
  let isSilent = false;
  let missed = 0;
  let pingedAt: number | undefined;
  let roundTripMs = 0;
  let cancel = (): void => {};

  function beat(): void {
    const due = clock.elapsed() + beatMs;
    cancel = clock.after(beatMs, () => {
      const wasHeldUp = clock.elapsed() - due > Math.min(beatMs / 2, HELD_UP_MS);
      if (hasSpoken()) end(false);
      // one more turn of the event loop, in which connections are read
      else cancel = clock.after(1, () => end(!hasSpoken() && !wasHeldUp));
    });
  }

  /** Whether bytes have come since it was asked last, be they of a frame that isn't whole. */
  function hasSpoken(): boolean {
    const isSpoken = connection.bytesReceived !== heard || isHeld();
    heard = connection.bytesReceived;
    if (isSpoken) missed = 0;
    isSilent = !isSpoken;
    return isSpoken;
  }

  /** Of one beat. */
  function end(isMissed: boolean): void {
    if (isMissed && ++missed > missedMax) {
      onHung(missed);
      return;
    }
    // also where nothing is read the far side hears that this one lives
    if (isSilent || isHeld()) {
      pingedAt ??= clock.elapsed();
      ping();
    }
    beat();
  }

  beat();
  return {
    pong() {
      if (pingedAt !== undefined) roundTripMs = clock.elapsed() - pingedAt;
      pingedAt = undefined;
    },
    get roundTripMs() {
      return roundTripMs;
    },
    end: () => cancel(),
  };
}
