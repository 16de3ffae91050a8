// Time as a port, so that a simulation can bring its own. Pure.

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds from some moment on, never going back. */
  elapsed(): number;
  /** Calls once, after so many milliseconds; the returned function takes it back. */
  after(ms: number, call: () => void): () => void;
}

/** The machine's. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};
