// What does a call cost? A text of 15 characters goes into an echo and comes back: in this process, in an isolate one by
// one and many at once, beside Extism.
import type { Plugin } from "@extism/extism";
import type { Entry } from "../runtime/value.ts";
import { createBench, guest } from "../tests/components.ts";
import { extismEcho } from "./extism.ts";
import { awaitedBatches, batches, type Contestant, each, head, keepInFlight, Mismatch, race, same, versionOf } from "./figures.ts";
import { transpiled } from "./in-process.ts";

const TEXT = "a short message";
const INPUTS: Entry[] = [{ name: "value", value: { tag: "text", val: TEXT } }];
const IN_FLIGHT = 256;
const LANGUAGES = ["as", "c", "js"] as const;

const textOf = (outputs: readonly Entry[]): unknown => outputs.find(({ name }) => name === "value")?.value;

export async function bench(): Promise<void> {
  await using real = createBench();
  head("call", "what does a call cost?", [versionOf("@bytecodealliance/jco-transpile", "."), versionOf("@extism/extism"), `isolates in ${real.platform.confinement}, one process`]);

  const loadExtism = await extismEcho();
  const inside = await loadExtism("in process");
  const worker = await loadExtism("worker");
  const inProcess: Contestant[] = [];
  const alone: Contestant[] = [];
  const many: Contestant[] = [];
  for (const language of LANGUAGES) {
    const component = await guest(`echo-${language}`);
    const plain = (await transpiled(component, { metered: false }))();
    const metered = (await transpiled(component, { metered: true }))();
    same(`plain echo-${language}`, textOf(plain(INPUTS, [])), INPUTS[0]?.value);
    same(`metered echo-${language}`, textOf(metered(INPUTS, [])), INPUTS[0]?.value);
    const size = language === "js" ? 20 : 500;
    inProcess.push(
      { what: `echo-${language}, raw jco`, block: () => batches(5, size, () => plain(INPUTS, [])) },
      {
        what: `echo-${language}, gated and metered`,
        block: () => batches(5, size, () => metered(INPUTS, [])),
        beside: [`echo-${language}, raw jco`, "Extism in process"],
      },
    );
    const prepared = await real.preparer.prepare(component, { memoryMiB: 128 });
    const call = async (): Promise<void> => {
      const { outcome } = await real.call(prepared, { inputs: INPUTS });
      const value = outcome.ended === "ok" ? outcome.outputs[0]?.value : undefined;
      if (value?.tag !== "text" || value.val !== TEXT) throw new Mismatch(`isolated echo-${language} gave ${JSON.stringify(outcome)}`);
    };
    alone.push({ what: `echo-${language}, isolated`, block: () => each(100, call), beside: ["Extism worker"] });
    many.push({
      what: `echo-${language}, isolated`,
      async block() {
        const begun = performance.now();
        await keepInFlight(4000, IN_FLIGHT, call);
        return [(performance.now() - begun) / 4000];
      },
      beside: ["Extism worker, one by one"],
    });
  }
  const callExtism = async (plugin: Plugin): Promise<void> => {
    const text = (await plugin.call("echo", TEXT))?.text();
    if (text !== TEXT) throw new Mismatch(`Extism gave ${text}`);
  };
  const callInside = (): Promise<void> => callExtism(inside);
  const callWorker = (): Promise<void> => callExtism(worker);
  // an Extism plugin keeps every block of every call until it is reset, and copies its list of them
  const fresh = async <T>(plugin: Plugin, work: () => Promise<T>): Promise<T> => {
    await plugin.reset();
    return work();
  };
  inProcess.push({ what: "Extism in process", block: () => fresh(inside, () => awaitedBatches(5, 100, callInside)) });
  alone.push({ what: "Extism worker", block: () => fresh(worker, () => each(100, callWorker)) });
  many.push({ what: "Extism worker, one by one", block: () => fresh(worker, () => each(100, callWorker)) });

  await race({ title: "In process", unit: "us", sample: "the mean of a batch of 500 calls; 100 for Extism, 20 for echo-js", warmUp: 10, rounds: 40, contestants: inProcess });
  await race({ title: "One by one", unit: "us", sample: "one call", warmUp: 10, rounds: 30, contestants: alone });
  await race({
    title: `${IN_FLIGHT} in flight`,
    unit: "us",
    sample: "the time of 4 000 calls for each of them; Extism serves one at a time, so there it is one call",
    warmUp: 3,
    rounds: 15,
    contestants: many,
  });
  await inside.close();
  await worker.close();
}
