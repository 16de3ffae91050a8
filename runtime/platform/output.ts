// Lines to standard output or error that hold nobody up: a pipe that isn't read lets this process go on. Leaves out what is told once
// at the end.
import { write as writeTo } from "node:fs";

export interface Output {
  /** Queues a text. */
  write(text: string): void;
  /** Bytes that are queued. */
  readonly pending: number;
  /** Resolves when all is written, or nobody reads any more. */
  flushed(): Promise<void>;
}

const AGAIN_MS = 5;

/** Deno's own way: its `node:fs` waits in the thread that calls it. */
interface DenoStream {
  write(bytes: Uint8Array): Promise<number>;
}
const { Deno: deno } = globalThis as unknown as { Deno?: { stdout: DenoStream; stderr: DenoStream } };

export function createOutput(fd: 1 | 2): Output {
  const encoder = new TextEncoder();
  let queue: Uint8Array[] = [];
  let pending = 0;
  let broken = false;
  let writing: Promise<void> | undefined;

  const onNode = (bytes: Uint8Array): Promise<number> => new Promise((resolve, reject) => writeTo(fd, bytes, (cause, written) => (cause ? reject(cause) : resolve(written))));

  async function some(bytes: Uint8Array): Promise<number> {
    try {
      return await (deno ? (fd === 1 ? deno.stdout : deno.stderr).write(bytes) : onNode(bytes));
    } catch (cause) {
      if ((cause as { code?: string }).code === "EAGAIN" || (cause as Error).name === "WouldBlock") {
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        return 0;
      }
      // nobody reads any more
      broken = true;
      return bytes.length;
    }
  }

  async function run(): Promise<void> {
    while (queue.length > 0 && !broken) {
      const bytes = queue.length === 1 ? (queue[0] as Uint8Array) : Buffer.concat(queue);
      queue = [];
      for (let at = 0; at < bytes.length && !broken; ) {
        const written = await some(bytes.subarray(at));
        at += written;
        pending -= written;
      }
    }
    if (broken) {
      queue = [];
      pending = 0;
    }
    writing = undefined;
  }

  return {
    write(text) {
      if (broken) return;
      const bytes = encoder.encode(text);
      queue.push(bytes);
      pending += bytes.length;
      writing ??= run();
    },
    get pending() {
      return pending;
    },
    flushed: async () => {
      while (writing) await writing;
    },
  };
}
