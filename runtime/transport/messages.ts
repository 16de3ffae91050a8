// A connection over what carries whole messages but can't be told to stop: WebSocket and MessagePort. Each message has a byte in front that
// says what it is; who receives says how much it has taken, and who sends keeps within a window.
import { SymphonyError } from "../error.ts";
import { brokenError, checkFrame, type Connection, closedError, createEnds, FRAME_MAX, type TakeFrame } from "./connection.ts";

const FRAME = 0;
/** Followed by four bytes, least first: so many bytes of frames were taken, with 128 more for each frame or part. */
const TAKEN = 1;
const END = 2;
/** Of a frame that is larger: as many bytes as a part has, and more follow. Deno takes no message over 64 MiB, and other work has its turn. */
const PART = 3;
export const PART_BYTES = 1024 * 1024;
/** So many small ones fit into the window, twice. */
const FRAMES_MAX = 20_000;
/** What a frame that waits costs besides its bytes. */
const EACH_BYTES = 128;
/** Bytes on their way before the sender waits; one frame may be larger. */
export const WINDOW = 1024 * 1024;

export interface MessageConnection extends Connection {
  /** What has come. */
  onMessage(message: Uint8Array): void;
  /** What carries the messages is gone. */
  onClose(cause?: unknown): void;
}

export function createMessageConnection({
  address,
  post,
  closeAll,
}: {
  address: string;
  post: (message: Uint8Array<ArrayBuffer>) => void;
  closeAll: () => void;
}): MessageConnection {
  const ends = createEnds();
  let saidEnd = false;
  let under = 0;
  /** What the window has no room for. */
  const unsent: Uint8Array[] = [];
  let hasSaidEnd = false;
  let open: PromiseWithResolvers<void> | undefined;
  let take: TakeFrame | undefined;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let isTaking = false;
  let taken = 0;
  let farEnded = false;
  let bytesReceived = 0;
  /** Of a frame that hasn't come whole. */
  let parts: Uint8Array[] = [];

  function close(error?: SymphonyError): void {
    if (ends.isClosed) return;
    ends.close(error);
    open?.resolve();
    waiting = [];
    parts = [];
    closeAll();
  }

  function say(kind: number, count = 0): void {
    const message = new Uint8Array(kind === TAKEN ? 5 : 1);
    message[0] = kind;
    if (kind === TAKEN) new DataView(message.buffer).setUint32(1, count, true);
    try {
      post(message);
    } catch (cause) {
      close(brokenError(address, cause));
    }
  }

  const isClosed = (): boolean => ends.isClosed;

  /** Posts what the window has room for. */
  function flush(): void {
    let done = 0;
    try {
      for (; done < unsent.length && under <= WINDOW; done++) {
        const frame = unsent[done] as Uint8Array;
        for (let at = 0; at < frame.length; at += PART_BYTES) {
          const isLast = frame.length - at <= PART_BYTES;
          const part = isLast && at === 0 ? frame : frame.subarray(at, at + PART_BYTES);
          const message = new Uint8Array(part.length + 1);
          message[0] = isLast ? FRAME : PART;
          message.set(part, 1);
          under += part.length + EACH_BYTES;
          post(message);
        }
      }
    } catch (cause) {
      close(brokenError(address, cause));
      return;
    }
    unsent.splice(0, done);
    if (unsent.length === 0 && saidEnd && !hasSaidEnd) sayEnd();
  }

  function sayEnd(): void {
    hasSaidEnd = true;
    say(END);
    if (ends.hasEnded) close();
  }

  function noteTaken(bytes: number): void {
    taken += bytes;
    if (taken < WINDOW / 4 || ends.isClosed) return;
    say(TAKEN, taken);
    taken = 0;
  }

  function drain(): void {
    if (isTaking || !take) return;
    while (waiting.length > 0 && !ends.isClosed) {
      const frame = waiting.shift() as Uint8Array;
      waitingBytes -= frame.length + EACH_BYTES;
      try {
        const wait = take(frame);
        if (wait) {
          isTaking = true;
          wait.then(
            () => {
              isTaking = false;
              noteTaken(costOf(frame));
              drain();
            },
            (cause: unknown) => close(cause instanceof SymphonyError ? cause : brokenError(address, cause)),
          );
          return;
        }
      } catch (cause) {
        close(cause instanceof SymphonyError ? cause : brokenError(address, cause));
        return;
      }
      noteTaken(costOf(frame));
    }
    if (farEnded && !ends.isClosed) {
      ends.end();
      if (hasSaidEnd) close();
    }
  }

  function refuse(what: string): void {
    close(new SymphonyError("bus/malformed", `Cannot read what came over ${address}: ${what}`));
  }

  const connection: MessageConnection = {
    address,
    closed: ends.closed,
    ended: ends.ended,
    frameMax: FRAME_MAX,
    get bytesReceived() {
      return bytesReceived;
    },
    send(frames) {
      if (ends.isClosed || saidEnd) throw closedError(address);
      for (const frame of frames) checkFrame(frame);
      for (const frame of frames) unsent.push(frame);
      flush();
      if (isClosed()) throw closedError(address);
      if (unsent.length === 0 && under <= WINDOW) return undefined;
      open ??= Promise.withResolvers();
      return open.promise;
    },
    receive(taker) {
      take = taker;
      drain();
    },
    end() {
      if (saidEnd || ends.isClosed) return;
      saidEnd = true;
      if (unsent.length === 0) sayEnd();
    },
    close: () => close(),
    onMessage(message) {
      if (ends.isClosed) return;
      const { length } = message;
      bytesReceived += length;
      switch (message[0]) {
        case PART:
          if (farEnded || length - 1 !== PART_BYTES || (parts.length + 1) * PART_BYTES > connection.frameMax) return refuse("a part of a frame that can't be");
          parts.push(message.subarray(1));
          return;
        case FRAME: {
          if (farEnded) return refuse("a frame after its end");
          const size = parts.length * PART_BYTES + length - 1;
          if (length < 2 || length - 1 > PART_BYTES || size > connection.frameMax) return refuse(`a frame of ${size} bytes, expected 1 to ${connection.frameMax}`);
          // who keeps to the window has no more on its way
          if (waitingBytes > 2 * WINDOW + connection.frameMax || waiting.length > FRAMES_MAX) return refuse("more than the window allows");
          waiting.push(parts.length === 0 ? message.subarray(1) : joined(parts.splice(0), message.subarray(1)));
          waitingBytes += size + EACH_BYTES;
          return drain();
        }
        case TAKEN: {
          if (length !== 5) return refuse(`a count of ${length - 1} bytes, expected 4`);
          const count = new DataView(message.buffer, message.byteOffset).getUint32(1, true);
          if (count > under) return refuse(`${count} bytes are said to be taken, and ${under} were on their way`);
          under -= count;
          flush();
          if (under <= WINDOW && unsent.length === 0) {
            open?.resolve();
            open = undefined;
          }
          return;
        }
        case END:
          if (length !== 1) return refuse("an end with something behind it");
          farEnded = true;
          return drain();
        default:
          return refuse(length === 0 ? "an empty message" : `a message of kind ${message[0]}`);
      }
    },
    onClose(cause) {
      close(cause === undefined && farEnded ? undefined : brokenError(address, cause ?? "the far side is gone"));
    },
  };
  return connection;
}

/** As the sender counts it, part by part. */
function costOf(frame: Uint8Array): number {
  return frame.length + EACH_BYTES * Math.ceil(frame.length / PART_BYTES);
}

function joined(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  const whole = new Uint8Array(parts.length * PART_BYTES + last.length);
  for (const [i, part] of parts.entries()) whole.set(part, i * PART_BYTES);
  whole.set(last, parts.length * PART_BYTES);
  return whole;
}
