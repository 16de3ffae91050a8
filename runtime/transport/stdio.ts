// Standard input and output: of this process, towards who started it, and of a child.
import type { ChildProcess } from "node:child_process";
import process from "node:process";
import { Readable, type Writable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import type { Connection } from "./connection.ts";
import { createStreamConnection } from "./stream.ts";

/** To who started this process. Nothing else may print to its output. */
export function connectParent(): Connection {
  // process.stdin that was paused reads no more on Deno (2.9), and at times doesn't tell its end on Bun (1.4)
  const { Bun, Deno } = globalThis as unknown as { Bun?: { stdin: { stream(): ReadableStream } }; Deno?: { stdin: { readable: ReadableStream } } };
  const web = Bun ? Bun.stdin.stream() : Deno?.stdin.readable;
  const readable: Readable = web ? Readable.fromWeb(web) : process.stdin;
  return createStreamConnection({ address: "stdio:parent", readable, writable: process.stdout, closeAll: () => readable.destroy() });
}

/** To a child that was started with pipes. Closing it closes the pipes; the child is its owner's to end. */
export function connectChild(child: ChildProcess): Connection {
  return createStreamConnection({
    address: `stdio:${child.pid ?? "?"}`,
    readable: child.stdout as Readable,
    writable: child.stdin as Writable,
    closeAll: () => {
      child.stdout?.destroy();
      child.stdin?.destroy();
    },
  });
}
