// What does a node cost through the whole stack? A fan of echoes in isolates: tracker, extension host, pool, processes.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createArtifactStore, createDagTracker } from "../pit/mod.ts";
import {
  createEventLog,
  createExtensionHost,
  createIsolatePool,
  createPreparer,
  discoverExtensions,
  type Grants,
  type Plan,
  planMelody,
  readMelody,
  type Value,
} from "../runtime/mod.ts";
import { createFileStorage } from "../runtime/platform/system.ts";
import { FUEL, guest, TIME_MS } from "../tests/components.ts";
import { createTestServices } from "../tests/services.ts";
import { createTestPlatform } from "../tests/platform.ts";
import { type Contestant, head, keepInFlight, Mismatch, race, same } from "./figures.ts";

const NODES = 2000;
const TEXT: Value = { tag: "text", val: "a short message" };
const CALL = { inputs: [{ name: "value", value: TEXT }], settings: [], timeMs: TIME_MS, fuel: FUEL, hostCalls: () => ({ answer: () => [], over() {} }) };
const GRANTS: Grants = { folders: new Map() };

export async function bench(): Promise<void> {
  const platform = createTestPlatform();
  const cores = availableParallelism();
  head("step", "what does a node cost through the whole stack?", [`isolates in ${platform.confinement}, up to ${cores} processes a component`]);
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  const pool = createIsolatePool({ platform, perComponentMax: cores });
  try {
    for (const language of ["as", "c", "js"]) await guest(`echo-${language}`);
    const catalogue = await discoverExtensions(platform, [join(import.meta.dirname, "../tests/guests")]);
    const host = createExtensionHost({
      catalogue,
      preparer: createPreparer({ platform, cache: createFileStorage(join(folder, "cache")) }),
      pool,
      services: await createTestServices(join(folder, "home"), platform, createArtifactStore({ platform, storage: createFileStorage(join(folder, "artifacts")) })),
    });
    let run = 0;
    const tracker = (check: boolean) =>
      createDagTracker({
        confinement: platform.confinement,
        ask: async () => ({ approved: true, reason: "" }),
        async invoke(task) {
          const outputs = await host.invoke(task, GRANTS);
          if (check) same(task.path, outputs.get("value"), TEXT);
          return outputs;
        },
      });
    const all = async (plan: Plan, parallel: number, check = false): Promise<number[]> => {
      const id = `bench-${run++}`;
      const begun = performance.now();
      const { state, error } = await tracker(check).start(plan, new Map([["x", TEXT]]), { run: id, parallel, log: createEventLog() }).ended;
      const ms = performance.now() - begun;
      host.endRun(id);
      if (state !== "completed") throw new Mismatch(`the run ${state}: ${error?.message}`);
      return [ms / plan.nodes.length];
    };
    const contestants: Contestant[] = [];
    for (const language of ["as", "c", "js"]) {
      const id = `echo-${language}`;
      const plan = planOf(id);
      await all(plan, 16, true);
      const prepared = await host.prepare(id);
      const call = async (): Promise<void> => {
        const { outcome } = await pool.invoke(prepared, prepared.imports, "calls alone", { ...CALL, run: `bench-${run}` });
        if (outcome.ended !== "ok") throw new Mismatch(JSON.stringify(outcome));
      };
      for (const parallel of [16, 256]) {
        const calls = `${id}, ${parallel} calls at once, no tracker and host`;
        contestants.push(
          { what: `${id}, ${parallel} nodes at once`, block: () => all(plan, parallel), beside: [calls] },
          {
            what: calls,
            async block() {
              const begun = performance.now();
              await keepInFlight(NODES, parallel, call);
              const ms = performance.now() - begun;
              pool.dropRun(`bench-${run++}`);
              return [ms / NODES];
            },
          },
        );
      }
    }
    await race({
      title: `A fan of ${NODES} isolated nodes`,
      unit: "us",
      sample: "the mean of a node over one run, with a new instance for it",
      warmUp: 2,
      rounds: 12,
      contestants,
    });

    function planOf(id: string): Plan {
      const nodes = Array.from({ length: NODES }, (_, i) => ({ id: `n${i}`, kind: "operator", uses: id }));
      const read = readMelody(
        JSON.stringify({ symphony: 1, id: "fan", inputs: { x: { type: "text" } }, nodes, edges: nodes.map((node) => ({ from: "inputs.x", to: `${node.id}.value` })) }),
      );
      if (!read.melody) throw new Mismatch(JSON.stringify(read.faults.slice(0, 3)));
      const { plan, faults } = planMelody(read.melody, catalogue, read);
      same("faults", faults.slice(0, 3), []);
      return plan;
    }
  } finally {
    await pool[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  }
}
