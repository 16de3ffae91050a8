// Reading and writing WebAssembly's binary form. A read past the end or an over-long number is a malformed component;
// knows nothing of what the bytes mean.
import { SymphonyError } from "../../error.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function malformed(at: number, what: string): SymphonyError {
  return new SymphonyError("gate/malformed", `Cannot read the component: ${what} at byte ${at}`);
}

export function unsupported(at: number, what: string): SymphonyError {
  return new SymphonyError("gate/unsupported", `Cannot admit the component: ${what} at byte ${at} is not supported`);
}

/** A position in bytes that moves forward and never past `end`. */
export class Cursor {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  u8(): number {
    if (this.at >= this.end) throw malformed(this.at, "it ends too early");
    return this.bytes[this.at++] as number;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      if (shift === 28 && byte > 0x0f) throw malformed(this.at - 1, "a number is too long");
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed(this.at, "a number is too long");
  }

  /** Passes over a signed LEB128 of at most `bits` bits, and says whether it is negative and short (one byte). */
  signed(bits: number): { negative: boolean; byte: number } {
    const start = this.at;
    const most = Math.ceil(bits / 7);
    for (let i = 0; i < most; i++) {
      const byte = this.u8();
      if (byte < 0x80) return { negative: (byte & 0x40) !== 0, byte: i === 0 ? byte : -1 };
    }
    throw malformed(start, "a number is too long");
  }

  /** A type index, or a negative one-byte code for a built-in type, as its byte. */
  indexOrCode(): { index: number } | { code: number } {
    const first = this.bytes[this.at] ?? 0;
    if (this.at < this.end && first >= 0x40 && first < 0x80) {
      this.at++;
      return { code: first };
    }
    const start = this.at;
    const { negative } = this.signed(33);
    if (negative) throw malformed(start, "a type index is negative");
    const after = this.at;
    this.at = start;
    const index = this.u32();
    if (this.at !== after) throw malformed(start, "a type index is too long");
    return { index };
  }

  skip(count: number): void {
    if (count > this.end - this.at) throw malformed(this.at, "it ends too early");
    this.at += count;
  }

  take(count: number): Uint8Array {
    const from = this.at;
    this.skip(count);
    return this.bytes.subarray(from, this.at);
  }

  /** A length-prefixed name of at most 1000 bytes, valid UTF-8. */
  name(): string {
    const length = this.u32();
    if (length > 1000) throw new SymphonyError("gate/name", `Cannot admit the component: a name of ${length} bytes at byte ${this.at}, at most 1000 are allowed`);
    const from = this.at;
    try {
      return utf8.decode(this.take(length));
    } catch (cause) {
      if (cause instanceof SymphonyError) throw cause;
      throw malformed(from, "a name is not UTF-8");
    }
  }

  /** A cursor over the next `count` bytes, which this one passes over. */
  part(count: number): Cursor {
    const from = this.at;
    this.skip(count);
    return new Cursor(this.bytes, from, this.at);
  }
}

/** Bytes that grow at the end. */
export class Sink {
  #bytes: Uint8Array;
  length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  #room(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }

  u8(byte: number): void {
    this.#room(1);
    this.#bytes[this.length++] = byte;
  }

  u32(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  /** Room for a non-negative signed LEB128 below 2^34, padded to five bytes so that it can be set later. */
  reserve(): number {
    const at = this.length;
    this.raw(PADDED_ZERO);
    return at;
  }

  /** Sets what `reserve` left room for. */
  patch(at: number, value: number): void {
    let rest = value;
    for (let i = 0; i < 4; i++) {
      this.#bytes[at + i] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[at + 4] = rest;
  }

  raw(bytes: Uint8Array | readonly number[]): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A signed LEB128 of 64 bits. */
  s64(value: bigint): void {
    let rest = value;
    for (;;) {
      const byte = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0)) {
        this.u8(byte);
        return;
      }
      this.u8(byte | 0x80);
    }
  }

  name(name: string): void {
    const bytes = new TextEncoder().encode(name);
    this.u32(bytes.length);
    this.raw(bytes);
  }

  section(id: number, body: Sink | Uint8Array): void {
    const bytes = body instanceof Sink ? body.view() : body;
    this.u8(id);
    this.u32(bytes.length);
    this.raw(bytes);
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}

const PADDED_ZERO = [0x80, 0x80, 0x80, 0x80, 0x00];
