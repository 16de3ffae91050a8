// What the far side of the transports' contract test does, and what both sides know of it.
import { createHash } from "node:crypto";
import type { Connection } from "../runtime/transport/connection.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Frame number `n` of a stream of them: another size and other bytes each. */
export function frameOf(n: number, seed: number): Uint8Array {
  const size = 1 + ((n * 7919 + seed * 104_729) % (n % 50 === 0 ? 200_000 : 3000));
  const frame = new Uint8Array(size);
  for (let i = 0; i < size; i += 1 + (size >> 7)) frame[i] = (n + i * seed) & 0xff;
  frame[size - 1] = n & 0xff;
  return frame;
}

export function digestOf(frames: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const frame of frames) hash.update(`${frame.length} `).update(frame);
  return hash.digest("hex");
}

/** `echo`: each frame back. `mirror N SEED`: N frames of its own while it takes; then a hash of what it took. `hold MS`: takes nothing for so long. */
export function behave(connection: Connection): void {
  let mode = "";
  let took = 0;
  let bytes = 0;
  const hash = createHash("sha256");
  let held: Promise<void> | undefined;
  let mirrored: Promise<void> | undefined;
  connection.receive((frame) => {
    if (mode === "") {
      mode = new TextDecoder().decode(frame);
      if (mode.startsWith("mirror ")) mirrored = mirror(mode);
      if (mode.startsWith("hold ")) held = new Promise((resolve) => setTimeout(resolve, Number(mode.split(" ")[1])));
      return undefined;
    }
    took++;
    bytes += frame.length;
    hash.update(`${frame.length} `).update(frame);
    if (mode === "echo") return connection.send([frame.slice()]);
    if (mode.startsWith("hold ") && held) return held;
    return undefined;
  });
  async function mirror(what: string): Promise<void> {
    const [, count, seed] = what.split(" ").map(Number) as [number, number, number];
    for (let n = 0; n < count; n++) await connection.send([frameOf(n, seed)]);
  }
  void connection.ended.then(async () => {
    try {
      await mirrored;
      if (mode !== "echo") await connection.send([text(JSON.stringify({ took, bytes, digest: hash.digest("hex") }))]);
      connection.end();
    } catch {
      // it was closed, not ended
    }
  });
}
