// wasi:io for a guest whose every wait is a wait of its whole process: streams over memory or over the host, and pollables.
import { refuse, sealed } from "./host.ts";
import { sleep } from "./symphony.ts";

export class IoError {
  readonly #text: string;
  constructor(text = "it failed") {
    this.#text = text;
  }
  toDebugString(): string {
    return this.#text;
  }
}

/** Ready at a moment of the monotonic clock, in milliseconds; 0 is always. */
export class Pollable {
  readonly at: number;
  constructor(at = 0) {
    this.at = at;
  }
  ready(): boolean {
    return performance.now() >= this.at;
  }
  block(): void {
    const left = this.at - performance.now();
    if (left > 0) sleep(left);
  }
}

/** Indices of those that are ready, after waiting for the first. */
export function poll(list: readonly Pollable[]): Uint32Array {
  // the contract: an empty list is the guest's mistake
  if (list.length === 0) throw new Error("poll of no pollables");
  let ready: number[] = [];
  for (;;) {
    ready = list.flatMap((one, i) => (one.ready() ? [i] : []));
    if (ready.length > 0) return new Uint32Array(ready);
    sleep(Math.max(0, Math.min(...list.map(({ at }) => at)) - performance.now()));
  }
}

export type StreamError = { tag: "last-operation-failed"; val: IoError } | { tag: "closed" };

/** Of one read or write. */
const PIECE_BYTES_MAX = 1024 * 1024;

/** Gives up to `length` bytes; undefined at the end. */
export type Source = (length: number) => Uint8Array | undefined;

export class InputStream {
  readonly #source: Source;
  constructor(source: Source = () => undefined) {
    this.#source = source;
  }
  read(length: bigint): Uint8Array {
    const wanted = Number(length > PIECE_BYTES_MAX ? BigInt(PIECE_BYTES_MAX) : length);
    let piece: Uint8Array | undefined;
    try {
      piece = this.#source(wanted);
    } catch (cause) {
      refuse(failedWith(cause));
    }
    return piece ?? refuse({ tag: "closed" } satisfies StreamError);
  }
  blockingRead(length: bigint): Uint8Array {
    return this.read(length);
  }
  skip(length: bigint): bigint {
    return BigInt(this.read(length).length);
  }
  blockingSkip(length: bigint): bigint {
    return this.skip(length);
  }
  subscribe(): Pollable {
    return new Pollable();
  }
}

/** What a stream tells of a failure that came from the host; keeps what a filesystem may want to look at. */
function failedWith(cause: unknown): StreamError {
  const error = new IoError((cause as Error).message ?? String(cause));
  FAILURES.set(error, cause);
  return { tag: "last-operation-failed", val: error };
}
export const FAILURES = new WeakMap<IoError, unknown>();

/** Takes bytes; throws when it can't. */
export type Drain = (bytes: Uint8Array) => void;

export class OutputStream {
  readonly #drain: Drain;
  #closed = false;
  constructor(drain: Drain = () => {}) {
    this.#drain = drain;
  }
  checkWrite(): bigint {
    if (this.#closed) refuse({ tag: "closed" } satisfies StreamError);
    return BigInt(PIECE_BYTES_MAX);
  }
  write(contents: Uint8Array): void {
    if (this.#closed) refuse({ tag: "closed" } satisfies StreamError);
    try {
      this.#drain(contents);
    } catch (cause) {
      this.#closed = true;
      refuse(failedWith(cause));
    }
  }
  blockingWriteAndFlush(contents: Uint8Array): void {
    this.write(contents);
  }
  flush(): void {
    if (this.#closed) refuse({ tag: "closed" } satisfies StreamError);
  }
  blockingFlush(): void {
    this.flush();
  }
  subscribe(): Pollable {
    return new Pollable();
  }
  writeZeroes(length: bigint): void {
    this.write(new Uint8Array(Number(length > PIECE_BYTES_MAX ? BigInt(PIECE_BYTES_MAX) : length)));
  }
  blockingWriteZeroesAndFlush(length: bigint): void {
    this.writeZeroes(length);
  }
  splice(from: InputStream, length: bigint): bigint {
    const piece = from.read(length);
    this.write(piece);
    return BigInt(piece.length);
  }
  blockingSplice(from: InputStream, length: bigint): bigint {
    return this.splice(from, length);
  }
}

/** A stream over bytes that are all there. */
export function streamOf(bytes: Uint8Array): InputStream {
  let at = 0;
  return new InputStream((length) => {
    if (at >= bytes.length) return undefined;
    const piece = bytes.slice(at, at + Math.max(1, length));
    at += piece.length;
    return piece;
  });
}

for (const resource of [IoError, Pollable, InputStream, OutputStream]) sealed(resource);

export const ioImports = {
  "wasi:io/error": { Error: IoError },
  "wasi:io/poll": { Pollable, poll },
  "wasi:io/streams": { InputStream, OutputStream },
};
