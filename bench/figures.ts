// What every bench shares: contestants that take turns, percentiles, and one form of table. Leaves out what is measured.
import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, platform, release } from "node:os";
import { join } from "node:path";

const { Deno: deno, Bun: bun } = globalThis as unknown as { Deno?: { version: { deno: string } }; Bun?: { version: string } };

/** The runtime that runs this, with its version. */
export const runtime = deno ? `Deno ${deno.version.deno}` : `Bun ${bun?.version}`;

export type Unit = "ns" | "us" | "ms";

/** One of several things that are measured in turns, so that what else the machine does falls on all of them. */
export interface Contestant {
  what: string;
  /** Some samples, in milliseconds for one piece of work. */
  block(): number[] | Promise<number[]>;
  /** Those that this one is compared with, by `what`. */
  beside?: string[];
}

export interface Race {
  title: string;
  unit: Unit;
  /** What one sample is. */
  sample: string;
  /** Blocks thrown away first. */
  warmUp?: number;
  rounds: number;
  contestants: Contestant[];
}

/** Milliseconds of each of `count` pieces of work. */
export async function each(count: number, work: () => unknown): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const begun = performance.now();
    await work();
    samples.push(performance.now() - begun);
  }
  return samples;
}

/** Milliseconds of one piece of work, as the mean of a batch: for what is too short for the clock. */
export function batches(count: number, size: number, work: () => unknown): number[] {
  return Array.from({ length: count }, () => {
    const begun = performance.now();
    for (let i = 0; i < size; i++) work();
    return (performance.now() - begun) / size;
  });
}

/** As `batches`, for work that is waited for one by one. */
export async function awaitedBatches(count: number, size: number, work: () => Promise<unknown>): Promise<number[]> {
  const samples: number[] = [];
  for (let at = 0; at < count; at++) {
    const begun = performance.now();
    for (let i = 0; i < size; i++) await work();
    samples.push((performance.now() - begun) / size);
  }
  return samples;
}

/** Makes `count` calls, `many` at once: as one ends, the next goes out. */
export async function keepInFlight(count: number, many: number, call: () => Promise<void>): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: many }, async () => {
      while (left-- > 0) await call();
    }),
  );
}

/** The value below which `part` of the samples lie (nearest rank). */
export function percentile(samples: readonly number[], part: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

/** Runs the contestants in turns and prints p50, p99 and how each stands to its peers. */
export async function race({ title, unit, sample, warmUp = 1, rounds, contestants }: Race): Promise<Map<string, number[]>> {
  const samples = new Map<string, number[]>(contestants.map(({ what }) => [what, []]));
  const failed = new Map<string, string>();
  for (let round = -warmUp; round < rounds; round++) {
    for (const { what, block } of contestants) {
      if (failed.has(what)) continue;
      try {
        const taken = await block();
        if (round >= 0) samples.get(what)?.push(...taken);
      } catch (cause) {
        if (cause instanceof Mismatch) throw cause;
        failed.set(what, cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause));
      }
    }
  }
  const rows = contestants.map(({ what, beside = [] }) => {
    const own = samples.get(what) ?? [];
    const why = failed.get(what);
    if (why !== undefined) return [what, `failed (${why.slice(0, 80)})`, "", "", ""];
    const ratios = beside.flatMap((peer) => {
      const theirs = samples.get(peer) ?? [];
      return theirs.length > 0 && !failed.has(peer) ? [`${spell(percentile(own, 0.5) / percentile(theirs, 0.5))} x ${peer}`] : [];
    });
    return [what, `${inUnit(percentile(own, 0.5), unit)} ${unit}`, `${inUnit(percentile(own, 0.99), unit)} ${unit}`, String(own.length), ratios.join("; ")];
  });
  print(title, `one sample is ${sample}`, rows);
  return samples;
}

/** Stops a bench: contestants that don't do the same can't be compared. */
export class Mismatch extends Error {}

/** Throws when what a contestant gave isn't what is expected of all. */
export function same(what: string, given: unknown, expected: unknown): void {
  const [one, other] = [JSON.stringify(given), JSON.stringify(expected)];
  if (one !== other) throw new Mismatch(`${what} gave ${one?.slice(0, 200)}, expected ${other?.slice(0, 200)}`);
}

/** The version of a package, by the folder of node_modules that holds it. */
export function versionOf(name: string, where: "bench" | "." = "bench"): string {
  const file = join(import.meta.dirname, where === "bench" ? "." : "..", "node_modules", name, "package.json");
  return `${name} ${(JSON.parse(readFileSync(file, "utf8")) as { version: string }).version}`;
}

/** Heads a bench: machine, runtime, versions. */
export function head(name: string, question: string, versions: readonly string[]): void {
  const cores = cpus();
  console.log(`\n## ${name}: ${question}`);
  console.log([runtime, ...versions, `${cores[0]?.model.trim() ?? arch()} x ${cores.length}`, `${platform()} ${release()}`, `load ${loadavg()[0]?.toFixed(2)}`].join(" | "));
}

function print(title: string, note: string, rows: string[][]): void {
  console.log(`\n${title} (${note})`);
  const table = [["", "p50", "p99", "samples", "p50 beside"], ...rows];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => (row[1]?.startsWith("failed") && column === 1 ? 0 : (row[column]?.length ?? 0)))));
  for (const [what, p50, p99, count, beside] of table as [string, string, string, string, string][])
    console.log(
      `  ${what.padEnd(widths[0] as number)}  ${p50.padStart(widths[1] as number)}  ${p99.padStart(widths[2] as number)}  ${count.padStart(widths[3] as number)}  ${beside}`.trimEnd(),
    );
}

function inUnit(ms: number, unit: Unit): string {
  return spell(unit === "ms" ? ms : unit === "us" ? ms * 1000 : ms * 1_000_000);
}

/** Three digits that mean something. */
function spell(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(2) : value.toPrecision(2);
}
