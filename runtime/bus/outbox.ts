// What a link has to send: events within the peer's bound and by its policy, and what serves requests and the link itself, which comes
// first in nothing and is dropped never. Frames are encoded as they are written, because a compact one must be sent once it was made.
import { SymphonyError } from "../error.ts";
import type { Connection } from "../transport/connection.ts";
import type { Encode } from "./cbor/encode.ts";
import type { ControlFrame, ErrorFrame, EventFrame, RequestFrame, ResponseFrame } from "./frame.ts";
import type { PeerLimits } from "./peer.ts";
import { createQueue } from "./queue.ts";

export type Outgoing = EventFrame | RequestFrame | ResponseFrame | ErrorFrame | ControlFrame;

/** Of one write. */
const WRITE_BYTES = 256 * 1024;
const WRITE_FRAMES = 512;
/** Besides events and answers; a peer that lets more wait reads nothing. */
const FORCED_MAX = 20_000;
/** Of events that wait; by a guess at what they weigh. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

export interface Outbox {
  /** A promise where its publisher should wait; throws `bus/full` where it didn't. */
  event(frame: EventFrame): void | Promise<void>;
  say(frame: Outgoing): void;
  /** Takes nothing more; resolves when all that waits was handed to the connection. */
  close(): Promise<void>;
  readonly pending: number;
  readonly counts: { sent: number; bytesSent: number; dropped: number };
}

export interface OutboxOptions {
  peer: string;
  connection: Connection;
  encode: Encode & { forget?(): void };
  limits: PeerLimits;
  /** The largest frame that the peer takes. */
  frameMax: number;
  /** It can't be said; what is said in its place, if anything. */
  onUnsayable: (frame: Outgoing, error: SymphonyError) => Outgoing | undefined;
  onWritten: (frame: Outgoing) => void;
  onFail: (error: SymphonyError) => void;
}

export function createOutbox({ peer, connection, encode, limits, frameMax, onUnsayable, onWritten, onFail }: OutboxOptions): Outbox {
  const counts = { sent: 0, bytesSent: 0, dropped: 0 };
  /** Events of more than a few bytes, and what they weigh. */
  const heavy = new Map<Outgoing, number>();
  let heavyBytes = 0;
  let isOver = false;
  let isClosing = false;
  const queue = createQueue<Outgoing>({
    owner: `the link to ${peer}`,
    queueMax: limits.queueMax,
    full: limits.full,
    isFull: () => heavyBytes > WAITING_BYTES_MAX,
    onClose: () => {},
    onDrop: () => void counts.dropped++,
    onDropped: lighten,
  });

  function lighten(frame: Outgoing): void {
    const weight = heavy.get(frame);
    if (weight === undefined) return;
    heavy.delete(frame);
    heavyBytes -= weight;
    if (heavyBytes <= WAITING_BYTES_MAX) queue.admit();
  }

  function bytesOf(frame: Outgoing): Uint8Array | undefined {
    let error: SymphonyError;
    try {
      const bytes = encode(frame);
      if (bytes.length <= frameMax) return bytes;
      error = new SymphonyError("bus/limit", `Cannot send ${bytes.length} bytes to ${peer}: it takes ${frameMax} at most`);
    } catch (cause) {
      error =
        cause instanceof SymphonyError
          ? cause
          : new SymphonyError("bus/encode", `Cannot write the message: ${cause instanceof Error ? cause.message : "it can't be read"}`, { cause });
    }
    encode.forget?.();
    if (frame.kind === "event") counts.dropped++;
    const instead = onUnsayable(frame, error);
    return instead && encode(instead);
  }

  async function pump(): Promise<void> {
    for await (const batch of queue.batches()) {
      let frames: Uint8Array[] = [];
      let size = 0;
      for (const [i, frame] of batch.entries()) {
        if (isOver) {
          for (const left of batch.slice(i)) if (left.kind === "event") counts.dropped++;
          break;
        }
        if (heavy.size > 0) lighten(frame);
        const bytes = bytesOf(frame);
        if (bytes) {
          frames.push(bytes);
          size += bytes.length;
        }
        if (frames.length === 0 || (size < WRITE_BYTES && frames.length < WRITE_FRAMES && i < batch.length - 1)) {
          onWritten(frame);
          continue;
        }
        counts.sent += frames.length;
        counts.bytesSent += size;
        try {
          const wait = connection.send(frames);
          if (wait) await wait;
        } catch (cause) {
          // what waits behind it is counted all the same
          isOver = true;
          if (frame.kind === "event") counts.dropped++;
          onFail(cause instanceof SymphonyError ? cause : new SymphonyError("bus/peer", `Cannot send to ${peer}: ${String(cause)}`, { cause, retryable: true }));
          continue;
        }
        onWritten(frame);
        frames = [];
        size = 0;
      }
    }
  }
  const pumped = pump().catch((cause) => {
    isOver = true;
    onFail(cause instanceof SymphonyError ? cause : new SymphonyError("bus/peer", `Cannot send to ${peer}: ${String(cause)}`, { cause, retryable: true }));
  });
  void connection.closed.then(() => {
    isOver = true;
  });

  function event(frame: EventFrame): void | Promise<void> {
    if (isOver || isClosing) {
      counts.dropped++;
      return undefined;
    }
    const weight = weigh(frame.payload, 3);
    if (weight <= HEAVY) return queue.take(frame);
    // publishers who don't wait hold so much at most
    if (heavyBytes > 2 * WAITING_BYTES_MAX && limits.full === "wait") {
      counts.dropped++;
      throw new SymphonyError("bus/full", `Cannot publish more: ${heavyBytes} bytes wait for the link to ${peer}; await what publish() returns`);
    }
    heavy.set(frame, weight);
    heavyBytes += weight;
    try {
      return queue.take(frame);
    } catch (cause) {
      lighten(frame);
      throw cause;
    }
  }

  return {
    event,
    say(frame) {
      if (isOver) return;
      if (queue.pending > limits.queueMax + FORCED_MAX) onFail(new SymphonyError("bus/slow", `The link to ${peer} was cut: it doesn't read what it asked for`));
      else queue.force(frame);
    },
    close() {
      isClosing = true;
      queue.close();
      return pumped;
    },
    get pending() {
      return isOver ? 0 : queue.pending;
    },
    counts,
  };
}

const HEAVY = 4096;

/** About how many bytes a payload holds: its long texts and bytes, some levels deep. */
export function weigh(value: unknown, depth: number): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null) return 8;
  if (value instanceof Uint8Array) return value.length;
  if (depth === 0) return 64;
  let sum = 0;
  let seen = 0;
  if (Array.isArray(value)) {
    for (const one of value) {
      sum += weigh(one, depth - 1);
      // the rest is as the first are
      if (++seen === 64) return (sum / 64) * value.length;
    }
    return sum;
  }
  for (const name in value) {
    sum += weigh((value as Record<string, unknown>)[name], depth - 1) + 16;
    if (++seen === 64) return sum * 4;
  }
  return sum;
}
