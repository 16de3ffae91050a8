// What each peer's program shares: it says when it is ready, then runs what each line of its input asks for, and says how long it took.
import { createInterface } from "node:readline";

/** `run(shape, nodes)` gives milliseconds from the first step to the last. Ends with its input. */
export async function takeTurns(run) {
  console.log(JSON.stringify({ ready: true }));
  for await (const line of createInterface({ input: process.stdin })) {
    const { shape, nodes } = JSON.parse(line);
    try {
      console.log(JSON.stringify({ ms: await run(shape, nodes) }));
    } catch (cause) {
      console.log(JSON.stringify({ error: String(cause?.message ?? cause).slice(0, 300) }));
    }
  }
}

/** A run that did something else than asked can't be compared. */
export function expectSum(sum, nodes) {
  if (sum !== nodes) throw new Error(`${sum} of ${nodes} steps were done`);
}
