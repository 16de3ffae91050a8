// Frames in a stream of bytes: four bytes of length, least first, then so many bytes. One framing for all transports that carry bytes,
// for isolates and for the home's socket.
import { SymphonyError } from "../error.ts";
import { checkFrame, FRAME_MAX, type TakeFrame } from "./connection.ts";

const HEAD = 4;
/** Smaller frames are put together for one write; larger ones are written as they are. */
const TOGETHER_MAX = 64 * 1024;

/** What is written for some frames: chunks, small ones together. */
export function packFrames(frames: readonly Uint8Array[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let first = 0;
  let size = 0;
  const flush = (to: number): void => {
    if (size > 0) chunks.push(together(frames, first, to, size));
    first = to;
    size = 0;
  };
  for (const [i, frame] of frames.entries()) {
    checkFrame(frame);
    if (frame.length <= TOGETHER_MAX) {
      size += HEAD + frame.length;
      if (size > 4 * TOGETHER_MAX) flush(i + 1);
      continue;
    }
    flush(i);
    chunks.push(headOf(frame.length), frame);
    first = i + 1;
  }
  flush(frames.length);
  return chunks;
}

function headOf(length: number): Uint8Array {
  const head = new Uint8Array(HEAD);
  new DataView(head.buffer).setUint32(0, length, true);
  return head;
}

function together(frames: readonly Uint8Array[], from: number, to: number, size: number): Uint8Array {
  const chunk = new Uint8Array(size);
  let at = 0;
  for (let i = from; i < to; i++) {
    const frame = frames[i] as Uint8Array;
    const { length } = frame;
    chunk[at] = length;
    chunk[at + 1] = length >>> 8;
    chunk[at + 2] = length >>> 16;
    chunk[at + 3] = length >>> 24;
    chunk.set(frame, at + HEAD);
    at += HEAD + length;
  }
  return chunk;
}

export interface FrameReaderOptions {
  /** Asked for each frame. */
  frameMax?: () => number;
  /** The chunks that it is given are its own from then on; else what it keeps of them is a copy. True by default. */
  ownsChunks?: boolean;
  /** Of a length that no frame has; `bus/limit` by default. */
  refuse?: (what: string) => Error;
}

export interface FrameReader {
  /**
   * Takes what has come; a promise while what it makes isn't taken, until which no more should come. Throws
   * for a length that no frame has.
   */
  push(chunk: Uint8Array): void | Promise<void>;
  /** Bytes of a frame that hasn't come whole. */
  readonly left: number;
}

/** Memory is taken for what has come, at most twice as much, never for what a length claims. */
export function createFrameReader(
  take: TakeFrame,
  { frameMax = () => FRAME_MAX, ownsChunks = true, refuse = (what) => new SymphonyError("bus/limit", `Cannot read the frame: ${what}`) }: FrameReaderOptions = {},
): FrameReader {
  /** What has come and was not handed over stands at its front. */
  let held: Uint8Array = NOTHING;
  let size = 0;
  /** Bytes that are wanted before anything can go on. */
  let wanted = HEAD;

  function lengthAt(bytes: Uint8Array, at: number): number {
    const length = ((bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0;
    if (length === 0 || length > frameMax()) throw refuse(`its length is given as ${length} bytes, expected 1 to ${frameMax()}`);
    return length;
  }

  /** Hands over all whole frames from `at` on. */
  function give(bytes: Uint8Array, from: number): void | Promise<void> {
    let at = from;
    while (bytes.length - at >= HEAD) {
      const end = at + HEAD + lengthAt(bytes, at);
      if (end > bytes.length) break;
      const wait = take(bytes.subarray(at + HEAD, end));
      at = end;
      if (wait) return wait.then(() => give(bytes, at));
    }
    size = bytes.length - at;
    if (size === 0) {
      held = NOTHING;
      return undefined;
    }
    const rest = bytes.subarray(at);
    // a few bytes keep no large chunk alive
    held = !ownsChunks || size * 4 < rest.buffer.byteLength ? Uint8Array.prototype.slice.call(rest) : rest;
    wanted = size < HEAD ? HEAD : HEAD + lengthAt(rest, 0);
    return undefined;
  }

  return {
    push(chunk) {
      if (chunk.length === 0) return undefined;
      if (size === 0) return give(chunk, 0);
      const total = size + chunk.length;
      if (total > held.length) {
        const grown = new Uint8Array(Math.max(total, 2 * size));
        grown.set(held.subarray(0, size));
        held = grown;
      }
      held.set(chunk, size);
      size = total;
      if (size >= HEAD && wanted === HEAD) wanted = HEAD + lengthAt(held, 0);
      if (size < wanted) return undefined;
      const whole = held.subarray(0, size);
      held = NOTHING;
      size = 0;
      return give(whole, 0);
    },
    get left() {
      return size;
    },
  };
}

const NOTHING = new Uint8Array(0);
