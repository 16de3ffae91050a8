// A part of the simulation's seeds, and proof that the judge is awake: a tracker that is broken on purpose in each of these ways
// is found out. SYMPHONY_SEEDS asks for more; seeds that once failed stay.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkOutcome } from "./check.ts";
import { root } from "./platform.ts";
import { type CreateTracker, simulate } from "./simulation.ts";

const SEEDS = Number(process.env["SYMPHONY_SEEDS"] ?? 400);
const FROM = Number(process.env["SYMPHONY_SEED"] ?? 0);
/** What each of them found is in the commit that added it. */
const KEPT_SEEDS = [32, 107, 201, 351, 400, 577, 1534, 2296, 2929, 4325, 4434];

test(
  `${SEEDS} runs through crashes, a full disk and orders at any moment leave nothing that can't be`,
  async () => {
    for (const seed of [...KEPT_SEEDS, ...Array.from({ length: SEEDS }, (_, i) => FROM + i)]) {
      const wrong = checkOutcome(await simulate(seed));
      if (wrong.length > 0) throw new Error(`seed ${seed}:\n${wrong.join("\n")}`);
    }
  },
  60_000 + SEEDS * 50,
);

test("a seed leads to the same journal each time", async () => {
  for (const seed of [3, 32, 351]) {
    const [one, two] = [await simulate(seed), await simulate(seed)];
    // but for the moment of creation in its header
    const text = ({ journal }: { journal: Uint8Array }) => new TextDecoder().decode(journal).split("\n").slice(1).join("\n");
    expect(text(two)).toBe(text(one));
  }
});

/** Each breaks the tracker at one place of its source. */
const BROKEN: [string, string, string, string][] = [
  [
    "calls steps before their start is kept",
    "run.ts",
    "      const kept = this.#commit();\n      if (this.#starting.length === 0) break;",
    "      const kept = undefined as void | Promise<void>;\n      if (this.#starting.length === 0) break;",
  ],
  ["forgets what had finished before a crash", "run.ts", 'if (past?.state === "completed") {', 'if (past?.state === "completed" && past.attempt < 0) {'],
  ["starts nodes one input too early", "flow.ts", "if (left === 0) settled.push(node);", "if (left <= 1 && frame.state[node] === 0) settled.push(node);"],
  ["starts nodes while the run is paused", "run.ts", 'while (!this.#over && this.#state === "running" && ', "while (!this.#over && "],
  [
    "loses a value that a finished node gave",
    "run.ts",
    "      (value) => settle(() => (isKept ?",
    "      (value) => settle(() => (Math.abs(node) % 3 === 2 ? this.#done(frame, node, []) : isKept ?",
  ],
  ["tells a stopped step's end twice", "run.ts", "if (this.#wanted(frame, node) && !isStale())", "if (!this.#over)"],
];

// beside the tracker, so that its imports hold
const folder = mkdtempSync(join(root, "pit/dag-tracker/.broken-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

for (const [index, [what, file, from, to]] of BROKEN.entries())
  test(`a tracker that ${what} is found out`, async () => {
    const named: Record<string, string> = {};
    for (const one of ["run.ts", "flow.ts"]) {
      const source = readFileSync(join(root, "pit/dag-tracker", one), "utf8");
      const changed = one === file ? source.replace(from, () => to) : source;
      if (one === file) expect(changed === source).toBe(false);
      named[one] = join(folder, `${index}-${one}`);
      const moved = changed
        .replaceAll('"../../runtime/mod.ts"', '"../../../runtime/mod.ts"')
        .replace(/"\.\/([a-z0-9-]+\.ts)"/g, (_, name: string) => (name === "flow.ts" || name === "run.ts" ? `"./${index}-${name}"` : `"../${name}"`));
      writeFileSync(named[one], moved);
    }
    const { createDagTracker } = (await import(named["run.ts"] as string)) as { createDagTracker: CreateTracker };
    const found: string[] = [];
    for (let seed = 0; seed < 3000 && found.length === 0; seed++) {
      try {
        found.push(...checkOutcome(await simulate(seed, { createTracker: createDagTracker })));
      } catch (cause) {
        // a log that can't be folded, or a run without an end, is found out as well
        found.push((cause as Error).message);
      }
    }
    expect(found.length).toBeGreaterThan(0);
  }, 120_000);
