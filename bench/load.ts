// How long until a component answers for the first time? In an isolate whose process stood ready and in one that is
// started for it, beside an Extism worker and raw jco in this process.
import { createIsolatePool, type IsolatePool } from "../runtime/extension/isolate/pool.ts";
import type { Prepared } from "../runtime/extension/prepare/prepare.ts";
import type { Entry } from "../runtime/value.ts";
import { createBench, FUEL, guest, TIME_MS } from "../tests/components.ts";
import { extismEcho } from "./extism.ts";
import { type Contestant, head, race, same, versionOf } from "./figures.ts";
import { transpiled } from "./in-process.ts";

const TEXT = "a short message";
const INPUTS: Entry[] = [{ name: "value", value: { tag: "text", val: TEXT } }];
/** In which a spare process has started. */
const SPARE_MS = 250;

export async function bench(): Promise<void> {
  await using real = createBench();
  const { platform, preparer } = real;
  head("load", "how long until a component answers for the first time?", [
    versionOf("@bytecodealliance/jco-transpile", "."),
    versionOf("@extism/extism"),
    `isolates in ${platform.confinement}`,
  ]);
  const contestants: Contestant[] = [];
  const preparing: Contestant[] = [];
  for (const language of ["as", "c", "js"]) {
    const component = await guest(`echo-${language}`);
    const prepared = await preparer.prepare(component, { memoryMiB: 128 });
    const instantiate = await transpiled(component, { metered: false });
    const fromPool = (waitMs: number) => async (): Promise<number[]> => {
      await using pool = createIsolatePool({ platform, perComponentMax: 1 });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      const begun = performance.now();
      await firstAnswer(pool, prepared);
      return [performance.now() - begun];
    };
    contestants.push(
      { what: `echo-${language}, isolated, from a spare`, block: fromPool(SPARE_MS), beside: ["Extism worker"] },
      { what: `echo-${language}, isolated, cold`, block: cold(platform, prepared), beside: ["Extism worker"] },
      {
        what: `echo-${language}, raw jco in process`,
        block() {
          const begun = performance.now();
          const [output] = instantiate()(INPUTS, []);
          const ms = performance.now() - begun;
          same("raw jco", output?.value, INPUTS[0]?.value);
          return [ms];
        },
      },
    );
    let limit = 64;
    preparing.push({
      what: `echo-${language}`,
      async block() {
        const begun = performance.now();
        // a limit of its own makes it another entry of the cache
        await preparer.prepare(component, { memoryMiB: ++limit });
        return [performance.now() - begun];
      },
    });
  }
  const load = await extismEcho();
  for (const where of ["worker", "in process"] as const)
    contestants.push({
      what: `Extism ${where}`,
      async block() {
        const begun = performance.now();
        const plugin = await load(where);
        const answer = await plugin.call("echo", TEXT);
        const ms = performance.now() - begun;
        same("Extism", answer?.text(), TEXT);
        await plugin.close();
        return [ms];
      },
    });
  await race({ title: "Load to first answer", unit: "ms", sample: "one load", warmUp: 2, rounds: 20, contestants });
  await race({ title: "Gate and transpile, once for a component", unit: "ms", sample: "one preparation in a process of its own", rounds: 5, contestants: preparing });
}

function cold(platform: Parameters<typeof createIsolatePool>[0]["platform"], prepared: Prepared): () => Promise<number[]> {
  return async () => {
    const begun = performance.now();
    await using pool = createIsolatePool({ platform, perComponentMax: 1 });
    await firstAnswer(pool, prepared);
    return [performance.now() - begun];
  };
}

async function firstAnswer(pool: IsolatePool, prepared: Prepared): Promise<void> {
  const { outcome } = await pool.invoke(prepared, prepared.imports, "none", {
    run: "bench",
    inputs: INPUTS,
    settings: [],
    timeMs: TIME_MS,
    fuel: FUEL,
    hostCalls: () => ({ answer: () => [], over() {} }),
  });
  same("isolate", outcome, { ended: "ok", outputs: INPUTS });
}
