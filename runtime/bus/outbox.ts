// What a link has to send: events within the peer's bound and by its policy, and what serves requests and the link itself, which comes
// first in nothing and is dropped never. Frames are encoded as they are written, because a compact one must be sent once it was made.
import { SymphonyError } from "../error.ts";
import type { Connection } from "../transport/connection.ts";
import type { Encode } from "./cbor/encode.ts";
import type { ControlFrame, ErrorFrame, EventFrame, RequestFrame, ResponseFrame } from "./frame.ts";
import type { PeerLimits } from "./peer.ts";
import { createQueue } from "./queue.ts";
import { textOf } from "./requests.ts";

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
      error = cause instanceof SymphonyError ? cause : new SymphonyError("bus/encode", `Cannot write the message: ${textOf(cause)}`, { cause });
    }
    encode.forget?.();
    if (frame.kind === "event") counts.dropped++;
    const instead = onUnsayable(frame, error);
    return instead && encode(instead);
  }

  async function pump(): Promise<void> {
    for await (const batch of queue.batches()) {
      for (let from = 0; from < batch.length; ) from = isOver ? giveUp(batch, from) : await write(batch, from);
    }
  }

  /** Writes some frames of a batch in one go; the place of the next. */
  async function write(batch: readonly Outgoing[], from: number): Promise<number> {
    const frames: Uint8Array[] = [];
    let size = 0;
    let to = from;
    while (to < batch.length && size < WRITE_BYTES && frames.length < WRITE_FRAMES) {
      const frame = batch[to++] as Outgoing;
      lighten(frame);
      const bytes = bytesOf(frame);
      if (!bytes) continue;
      frames.push(bytes);
      size += bytes.length;
    }
    try {
      const wait = frames.length > 0 ? connection.send(frames) : undefined;
      if (wait) await wait;
    } catch (cause) {
      fail(cause);
      return giveUp(batch, from);
    }
    counts.sent += frames.length;
    counts.bytesSent += size;
    for (let i = from; i < to; i++) onWritten(batch[i] as Outgoing);
    return to;
  }

  /** What can't be sent any more is counted. */
  function giveUp(batch: readonly Outgoing[], from: number): number {
    for (const frame of batch.slice(from)) if (frame.kind === "event") counts.dropped++;
    return batch.length;
  }

  function fail(cause: unknown): void {
    isOver = true;
    onFail(cause instanceof SymphonyError ? cause : new SymphonyError("bus/peer", `Cannot send to ${peer}: ${textOf(cause)}`, { cause, retryable: true }));
  }

  const pumped = pump().catch(fail);
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
