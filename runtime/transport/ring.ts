// A connection over shared memory, between two workers or a tab and its worker: a ring of bytes each way (Lamport's queue of one writer and
// one reader, 1983), with the frames of all byte transports in it.
//
// Who reads looks again for a short time after the last message, and then sleeps until it is woken. It can't see that the far side is gone:
// that is the link's heartbeat to find, or its owner's to say.
import { SymphonyError } from "../error.ts";
import { brokenError, type Connection, closedError, createEnds, FRAME_MAX } from "./connection.ts";
import { createFrameReader, packFrames } from "./frames.ts";

/** Bytes that each way holds; larger frames go through it in parts. */
const CAPACITY = 1024 * 1024;

/** What is shared with the far side, which takes it turned round. */
export interface Ring {
  out: SharedArrayBuffer;
  in: SharedArrayBuffer;
}

export function createRing(capacity = CAPACITY): { near: Ring; far: Ring } {
  if (capacity < 64 || (capacity & (capacity - 1)) !== 0) throw new SymphonyError("bus/invalid", `Cannot make a ring of ${capacity} bytes: expected a power of two from 64`);
  const one = new SharedArrayBuffer(HEAD_BYTES + capacity);
  const other = new SharedArrayBuffer(HEAD_BYTES + capacity);
  return { near: { out: one, in: other }, far: { out: other, in: one } };
}

// the head: counts of bytes, modulo 2^32, and flags; each on a cache line of its own
const WRITTEN = 0;
const READER_SLEEPS = 1;
const READ = 16;
const WRITER_SLEEPS = 17;
const STATE = 32;
const HEAD_BYTES = 192;
// what the state may be made of; who has ended and then closes has ended
const ENDED = 1;
const CLOSED = 2;

/** A sleeper looks up after so long, woken or not; some engines keep no program alive for a sleeper. */
const SLEEP_MS = 1000;
/** So long without a rest, and other work of the thread has its turn. */
const TURN_MS = 5;

type WaitAsync = (view: Int32Array, index: number, value: number, ms: number) => { async: boolean; value: Promise<string> | string };

/**
 * `lookMicros`: how long it looks again before it sleeps, which the thread does nothing else in: 20 by default; waking takes 50 to 100.
 */
export function connectRing(ring: Ring, { name = "ring", lookMicros = 20 }: { name?: string; lookMicros?: number } = {}): Connection {
  const address = `ring:${name}`;
  const waitAsync = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync;
  if (!waitAsync) throw new SymphonyError("bus/invalid", "Cannot use a ring: this engine has no Atomics.waitAsync; use a MessagePort");
  const ends = createEnds();
  const outHead = new Int32Array(ring.out, 0, HEAD_BYTES / 4);
  const outBytes = new Uint8Array(ring.out, HEAD_BYTES);
  const inHead = new Int32Array(ring.in, 0, HEAD_BYTES / 4);
  const inBytes = new Uint8Array(ring.in, HEAD_BYTES);
  const size = outBytes.length;
  for (const bytes of [outBytes, inBytes])
    if (bytes.length < 64 || (bytes.length & (bytes.length - 1)) !== 0)
      throw new SymphonyError("bus/invalid", `Cannot use a ring of ${bytes.length} bytes: expected one that createRing made`);
  let written = Atomics.load(outHead, WRITTEN) >>> 0;
  let read = Atomics.load(inHead, READ) >>> 0;
  /** What didn't fit. */
  const left: Uint8Array[] = [];
  let leftWait: PromiseWithResolvers<void> | undefined;
  let saidEnd = false;
  let isRead = false;
  let bytesReceived = 0;
  const keepAlive = setInterval(() => {}, SLEEP_MS);

  function close(error?: SymphonyError): void {
    if (ends.isClosed) return;
    ends.close(error);
    clearInterval(keepAlive);
    leftWait?.resolve();
    Atomics.or(outHead, STATE, CLOSED);
    Atomics.or(inHead, STATE, CLOSED);
    wakeReader();
    Atomics.notify(inHead, READ);
    Atomics.notify(inHead, WRITTEN);
    Atomics.notify(outHead, READ);
  }

  function wakeReader(): void {
    if (Atomics.exchange(outHead, READER_SLEEPS, 0) === 1) Atomics.notify(outHead, WRITTEN);
  }

  /** What of a chunk fits; how much that was. */
  function put(chunk: Uint8Array): number {
    const used = (written - (Atomics.load(outHead, READ) >>> 0)) >>> 0;
    if (used > size) throw new SymphonyError("bus/malformed", `The connection ${address} broke: its counts are wrong`);
    const fits = Math.min(chunk.length, size - used);
    if (fits === 0) return 0;
    const at = written & (size - 1);
    const first = Math.min(fits, size - at);
    outBytes.set(first === chunk.length ? chunk : chunk.subarray(0, first), at);
    if (fits > first) outBytes.set(chunk.subarray(first, fits), 0);
    written = (written + fits) >>> 0;
    Atomics.store(outHead, WRITTEN, written | 0);
    return fits;
  }

  /** Writes the rest as there is room. */
  async function writeOn(): Promise<void> {
    while (left.length > 0 && !ends.isClosed) {
      const seen = Atomics.load(outHead, READ);
      const chunk = left[0] as Uint8Array;
      const did = put(chunk);
      if (did > 0) wakeReader();
      if (did === chunk.length) left.shift();
      else {
        if (did > 0) left[0] = chunk.subarray(did);
        Atomics.store(outHead, WRITER_SLEEPS, 1);
        const wait = (waitAsync as WaitAsync)(outHead, READ, seen, SLEEP_MS);
        if (wait.async) await wait.value;
        if (Atomics.load(outHead, STATE) & CLOSED) close(brokenError(address, "the far side is gone"));
      }
    }
    leftWait?.resolve();
    leftWait = undefined;
    if (saidEnd) sayEnd();
  }

  function sayEnd(): void {
    if (ends.isClosed) return;
    Atomics.or(outHead, STATE, ENDED);
    Atomics.store(outHead, READER_SLEEPS, 0);
    Atomics.notify(outHead, WRITTEN);
    if (ends.hasEnded) close();
  }

  /** What is there, as a copy. */
  function get(): Uint8Array | undefined {
    const there = ((Atomics.load(inHead, WRITTEN) >>> 0) - read) >>> 0;
    if (there === 0) return undefined;
    if (there > size) throw new SymphonyError("bus/malformed", `The connection ${address} broke: its counts are wrong`);
    const at = read & (size - 1);
    const first = Math.min(there, size - at);
    const chunk = new Uint8Array(there);
    chunk.set(inBytes.subarray(at, at + first));
    if (there > first) chunk.set(inBytes.subarray(0, there - first), first);
    bytesReceived += there;
    read = (read + there) >>> 0;
    Atomics.store(inHead, READ, read | 0);
    if (Atomics.exchange(inHead, WRITER_SLEEPS, 0) === 1) Atomics.notify(inHead, READ);
    return chunk;
  }

  async function readOn(push: (chunk: Uint8Array) => void | Promise<void>, leftOf: () => number): Promise<void> {
    let rested = performance.now();
    let looked = rested;
    while (!ends.isClosed) {
      const chunk = get();
      if (chunk) {
        await push(chunk);
        looked = performance.now();
        if (looked - rested > TURN_MS) {
          await new Promise((resolve) => setTimeout(resolve, 0));
          rested = performance.now();
        }
        continue;
      }
      if (lookMicros > 0 && (performance.now() - looked) * 1000 < lookMicros) continue;
      const state = Atomics.load(inHead, STATE);
      const seen = Atomics.load(inHead, WRITTEN);
      if (seen >>> 0 !== read) continue;
      if (state & ENDED) {
        if (leftOf() > 0) throw new SymphonyError("bus/malformed", `The connection ${address} ended within a frame: ${leftOf()} bytes of it had come`, { retryable: true });
        ends.end();
        if (saidEnd && left.length === 0) close();
        return;
      }
      if (state & CLOSED) {
        close(brokenError(address, "the far side closed it"));
        return;
      }
      Atomics.store(inHead, READER_SLEEPS, 1);
      const wait = (waitAsync as WaitAsync)(inHead, WRITTEN, seen, SLEEP_MS);
      if (wait.async) {
        await wait.value;
        rested = performance.now();
      }
      looked = performance.now();
    }
  }

  const connection: Connection = {
    address,
    closed: ends.closed,
    ended: ends.ended,
    frameMax: FRAME_MAX,
    get bytesReceived() {
      return bytesReceived;
    },
    send(frames) {
      if (ends.isClosed || saidEnd || Atomics.load(outHead, STATE) & CLOSED) throw closedError(address);
      const chunks = packFrames(frames);
      if (left.length > 0) left.push(...chunks);
      else
        for (const [i, chunk] of chunks.entries()) {
          const did = put(chunk);
          if (did === chunk.length) continue;
          left.push(chunk.subarray(did), ...chunks.slice(i + 1));
          break;
        }
      wakeReader();
      if (left.length === 0) return undefined;
      if (leftWait) return leftWait.promise;
      // it may all fit before the function comes back
      const wait = Promise.withResolvers<void>();
      leftWait = wait;
      writeOn().catch((cause) => close(cause instanceof SymphonyError ? cause : brokenError(address, cause)));
      return wait.promise;
    },
    receive(take) {
      if (isRead) throw new SymphonyError("bus/invalid", `Cannot receive from ${address} twice`);
      isRead = true;
      const reader = createFrameReader(take, { frameMax: () => connection.frameMax });
      readOn(
        (chunk) => reader.push(chunk),
        () => reader.left,
      ).catch((cause) => close(cause instanceof SymphonyError ? cause : brokenError(address, cause)));
    },
    end() {
      if (saidEnd || ends.isClosed) return;
      saidEnd = true;
      if (left.length === 0) sayEnd();
    },
    close: () => close(),
  };
  return connection;
}
