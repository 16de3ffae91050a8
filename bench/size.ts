// Do time and memory grow with the size, and no faster? Process-durable runs from small to large, each in a process of its own: chains,
// fans, many nodes into one, many runs at once, and values that are stored.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { head, percentile } from "./figures.ts";

const CASES: [string, string, number[]][] = [
  ["chain", "nodes", [100, 1000, 10_000, 100_000]],
  ["fan", "nodes", [100, 1000, 10_000, 100_000]],
  ["fan-in", "nodes into one", [500, 5000, 50_000]],
  ["runs", "runs of 5 nodes at once", [100, 1000, 10_000]],
  ["values", "nodes that give 64 KiB each", [10, 100, 1000]],
];
const ROUNDS = 3;

export async function bench(): Promise<void> {
  head("size", "do time and memory grow with the size, and no faster?", []);
  for (const [name, what, sizes] of CASES) {
    console.log(`\n${name}: ${what} (each size in ${ROUNDS} processes; time and memory beyond what was there before the run)`);
    for (const size of sizes) {
      const all: { nodes: number; ms: number; bytes: number }[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
        const { stdout, stderr, status } = spawnSync(process.execPath, [join(import.meta.dirname, "size-case.ts"), name, String(size), folder], { encoding: "utf8" });
        rmSync(folder, { recursive: true, force: true });
        if (status !== 0) {
          console.log(`  ${String(size).padStart(7)}  failed: ${stderr.trim().split("\n").slice(0, 8).join(" ").slice(0, 300)}`);
          break;
        }
        all.push(JSON.parse(stdout) as (typeof all)[number]);
      }
      if (all.length < ROUNDS) continue;
      const [{ nodes }] = all as [(typeof all)[number]];
      const [ms, bytes] = [
        percentile(
          all.map((one) => one.ms),
          0.5,
        ),
        percentile(
          all.map((one) => one.bytes),
          0.5,
        ),
      ];
      console.log(
        `  ${String(size).padStart(7)}  ${ms.toFixed(0).padStart(6)} ms  ${((ms * 1000) / nodes).toFixed(1).padStart(7)} us a node  ${(bytes / 1048576).toFixed(0).padStart(5)} MiB  ${(bytes / nodes / 1024).toFixed(2).padStart(8)} KiB a node`,
      );
    }
  }
}
