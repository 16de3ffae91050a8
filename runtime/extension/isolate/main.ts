// Entry of the isolate's process: joins the pipes of Bun or Deno to the program in child.ts.
import { serveIsolate } from "./child.ts";

interface DenoPipes {
  stdin: { readSync(into: Uint8Array): number | null };
  stdout: { writeSync(bytes: Uint8Array): number };
}

const { Deno: deno, Bun: bun, gc } = globalThis as unknown as { Deno?: DenoPipes; Bun?: { gc(force: boolean): void }; gc?: () => void };

export async function main(): Promise<void> {
  if (deno) {
    serveIsolate({
      read: (into) => deno.stdin.readSync(into) ?? 0,
      write: (bytes) => {
        for (let at = 0; at < bytes.length; ) at += deno.stdout.writeSync(bytes.subarray(at));
      },
      collect: () => gc?.(),
    });
  } else {
    const { readSync, writeSync } = await import("node:fs");
    serveIsolate({
      read: (into) => readSync(0, into, 0, into.length, null),
      write: (bytes) => {
        for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
      },
      collect: () => bun?.gc(true),
    });
  }
}
