// What every transport gives: frames in order, both ways, between two ends. Leaves out what frames mean (runtime/bus/link.ts).
import { SymphonyError } from "../error.ts";

/** The largest frame. */
export const FRAME_MAX = 64 * 1024 * 1024;

/** Takes one frame, which is its own from then on. While a promise is open no further one is handed over, and reading stops. */
export type TakeFrame = (frame: Uint8Array) => void | Promise<void>;

export interface Connection {
  /** Of which kind and where to, for people: `unix:/run/symphony.sock`. */
  readonly address: string;
  /**
   * Sends some frames of 1 byte to 64 MiB in one go; they may not change any more. A promise where the far side takes less than it is sent:
   * who sends on without waiting fills this side's memory. Throws `bus/closed` once it is closed, `bus/limit` for a frame that is too large.
   */
  send(frames: readonly Uint8Array[]): void | Promise<void>;
  /** To be called once; what has come before waits for it. */
  receive(take: TakeFrame): void;
  /** Bytes of the largest frame that is taken, 64 MiB at first; may be set at any time, and holds from the next frame on. */
  frameMax: number;
  /** Counts up as bytes come, also of a frame that isn't whole yet. */
  readonly bytesReceived: number;
  /** This side says nothing more; what the far side says still comes. */
  end(): void;
  /** Closes both ways at once; what was not sent yet is lost. */
  close(): void;
  /**
   * Resolves when it is over: both sides have ended, somebody closed it, or it broke. The error says what broke, `bus/malformed` and
   * `bus/limit` for what is no frame.
   */
  readonly closed: Promise<SymphonyError | undefined>;
  /** Resolves when the far side says nothing more, at the latest when it is closed. */
  readonly ended: Promise<void>;
}

export interface Listener {
  readonly address: string;
  /** No more connections; those that there are stay. */
  close(): Promise<void>;
}

export function checkFrame(frame: Uint8Array): void {
  if (frame.length === 0 || frame.length > FRAME_MAX) throw new SymphonyError("bus/limit", `Cannot send a frame of ${frame.length} bytes: expected 1 to ${FRAME_MAX}`);
}

export function closedError(address: string): SymphonyError {
  return new SymphonyError("bus/closed", `Cannot send over ${address}: the connection is closed`);
}

export function brokenError(address: string, cause: unknown): SymphonyError {
  return new SymphonyError("bus/peer", `The connection ${address} broke: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, retryable: true });
}

/** One end of the promises that a connection has. */
export interface Ends {
  readonly closed: Promise<SymphonyError | undefined>;
  readonly ended: Promise<void>;
  readonly isClosed: boolean;
  readonly hasEnded: boolean;
  close(error?: SymphonyError): void;
  end(): void;
}

export function createEnds(): Ends {
  const closed = Promise.withResolvers<SymphonyError | undefined>();
  const ended = Promise.withResolvers<void>();
  let isClosed = false;
  let hasEnded = false;
  return {
    closed: closed.promise,
    ended: ended.promise,
    get isClosed() {
      return isClosed;
    },
    get hasEnded() {
      return hasEnded;
    },
    close(error) {
      isClosed = true;
      hasEnded = true;
      closed.resolve(error);
      ended.resolve();
    },
    end() {
      hasEnded = true;
      ended.resolve();
    },
  };
}
