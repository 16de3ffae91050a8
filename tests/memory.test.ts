// What a guest can make its process weigh, measured from outside, and how long after its deadline that process is gone.
// Prints the figures. Leaves out what the cap is made of (gate) and which calls are retried (pool).
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { CallResult } from "../runtime/extension/isolate/isolate.ts";
import type { Entry } from "../runtime/value.ts";
import { type Bench, createBench, guest } from "./components.ts";
import { family } from "./processes.ts";

const MIB = 1024 * 1024;
const MEMORY_MIB = 128;
/** Of the cap: what the engine may take besides. */
const GROWTH_MAX = 1.1;
const TIME_MS = 300;
/** After the deadline, on however busy a machine. */
const GONE_MS_MAX = 500;
const ROUNDS = 5;
/** More than a call in these tests can use. */
const FUEL = 9e12;
const SETTLED_POLLS = 15;

const settings = (then: string, most: number): Entry[] => [
  { name: "most", value: { tag: "number", val: most } },
  { name: "then", value: { tag: "text", val: then } },
];
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Whether a process runs no more: it isn't there, or only its number waits to be collected. */
function gone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return true;
  }
}

let bench: Bench;
beforeAll(() => {
  bench = createBench();
});
afterAll(() => bench[Symbol.asyncDispose]());

/** The resident bytes of the one process that serves `key`. */
function resident(key: string): number {
  const found = bench.pool.processes().filter((one) => one.key.startsWith(key));
  expect(found).toHaveLength(1);
  return bench.platform.residentBytes((found[0] as { pid: number }).pid) ?? 0;
}

/** Looks until the process has not grown for some looks on end. */
async function settled(key: string): Promise<number> {
  let most = 0;
  for (let same = 0; same < SETTLED_POLLS; same++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = resident(key);
    if (now > most + MIB / 4) same = 0;
    most = Math.max(most, now);
  }
  return most;
}

for (const name of ["hog-as", "hog-js", "hog-c"]) {
  test(`${name} with ${MEMORY_MIB} MiB makes its process weigh at most a tenth more`, async () => {
    const component = await bench.preparer.prepare(await guest(name), { memoryMiB: MEMORY_MIB });
    expect((await bench.call(component, { settings: settings("return", 0), fuel: FUEL })).outcome.ended).toBe("ok");
    const idle = resident(component.key);
    const abort = new AbortController();
    const pending = bench.call(component, { settings: settings("loop", 4096), fuel: FUEL, timeMs: 20_000, signal: abort.signal }).catch((cause: { code: string }) => cause.code);
    const full = await settled(component.key);
    abort.abort();
    expect(await pending).toBe("run/cancelled");
    const growth = full - idle;
    console.log(`${name}: idle ${mib(idle)}, full ${mib(full)}, growth ${mib(growth)} = ${(growth / MIB / MEMORY_MIB).toFixed(3)} of the cap`);
    // it did take what it may; a collection in the engine can free some of what was there before
    expect(growth).toBeGreaterThan(0.8 * MEMORY_MIB * MIB);
    expect(growth).toBeLessThanOrEqual(GROWTH_MAX * MEMORY_MIB * MIB);
  }, 30_000);

  test(`${name} that traps with all its memory leaves nothing behind in the next call`, async () => {
    const component = await bench.preparer.prepare(await guest(name), { memoryMiB: MEMORY_MIB });
    expect((await bench.call(component, { settings: settings("return", 0), fuel: FUEL })).outcome.ended).toBe("ok");
    const idle = resident(component.key);
    let most = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { outcome } = (await bench.call(component, { settings: settings("trap", 4096), fuel: FUEL })) as CallResult;
      expect(outcome).toMatchObject({ ended: "trap", why: "memory" });
      expect((await bench.call(component, { settings: settings("return", 0), fuel: FUEL })).outcome.ended).toBe("ok");
      for (const { pid, key } of bench.pool.processes()) if (key.startsWith(component.key)) most = Math.max(most, bench.platform.residentBytes(pid) ?? 0);
    }
    console.log(`${name}: after ${ROUNDS} traps ${mib(most - idle)} above idle`);
    expect(most - idle).toBeLessThan(64 * MIB);
  }, 30_000);

  test(`${name} that loops with all its memory is killed at its deadline`, async () => {
    const component = await bench.preparer.prepare(await guest(name), { memoryMiB: MEMORY_MIB });
    const late: number[] = [];
    const stopped: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      // a fresh process, warm
      expect((await bench.call(component, { settings: settings("return", 0), fuel: FUEL })).outcome.ended).toBe("ok");
      const all = bench.pool
        .processes()
        .filter(({ key }) => key.startsWith(component.key))
        .flatMap(({ pid }) => family(pid));
      expect(all.length).toBeGreaterThan(0);
      const begun = performance.now();
      const ended = await bench.call(component, { settings: settings("loop", 4096), fuel: FUEL, timeMs: TIME_MS }).catch((cause: { code: string }) => cause.code);
      expect(ended).toBe("step/timeout");
      // the innermost is the guest's; those around it wait until the system has all its memory back
      while (!gone(all.at(-1) as number)) await nextTurn();
      stopped.push(performance.now() - begun - TIME_MS);
      while (!all.every(gone)) await nextTurn();
      late.push(performance.now() - begun - TIME_MS);
    }
    late.sort((a, b) => a - b);
    stopped.sort((a, b) => a - b);
    console.log(`${name}: stopped after the deadline by ${stopped.map((ms) => ms.toFixed(1)).join(", ")} ms`);
    console.log(`${name}: gone after the deadline by ${late.map((ms) => ms.toFixed(1)).join(", ")} ms`);
    // that it is gone; how soon is a figure, which `soak` holds against its limit
    expect(late.at(-1)).toBeLessThanOrEqual(GONE_MS_MAX);
  }, 30_000);
}
