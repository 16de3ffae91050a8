// What does a message cost in process? Publishing to three subscribers and asking with a time-out, beside EventEmitter3 (which has no
// patterns) and Moleculer, with the function calls and promises that no bus can do without.
import EventEmitter from "eventemitter3";
import moleculer from "moleculer";
import { createBus } from "../runtime/bus/bus.ts";
import { awaitedBatches, batches, head, race, same, versionOf } from "./figures.ts";

const SIZE = 1000;

export async function bench(): Promise<void> {
  head("bus", "what does a message cost in process?", [versionOf("eventemitter3"), versionOf("moleculer")]);
  let got = 0;
  const take = (message: { n: number }): void => {
    got += message.n;
  };
  const payload = { n: 1, state: "finished" };

  const functions = [take, (message: typeof payload) => take(message), (message: typeof payload) => take(message)];
  const emitter = new EventEmitter();
  for (let i = 0; i < 3; i++) emitter.on("run.7.node", (message) => take(message as typeof payload));
  const bus = createBus();
  for (let i = 0; i < 3; i++) bus.on("run.*.node", (message) => take(message.payload as typeof payload));
  const manyBus = createBus();
  for (let i = 0; i < 3; i++) manyBus.on("run.*.node", (message) => take(message.payload as typeof payload));
  for (let i = 0; i < 1000; i++) manyBus.on(`other.${i}.>`, () => {});
  const subjects = Array.from({ length: 4096 }, (_, i) => `run.${i}.node`);
  let next = 0;
  const broker = new moleculer.ServiceBroker({ logger: false });
  for (let i = 0; i < 3; i++) broker.createService({ name: `take${i}`, events: { "run.*.node": ({ params }: { params: typeof payload }) => take(params) } });
  broker.createService({ name: "answer", actions: { double: ({ params }: { params: { n: number } }) => params.n * 2 } });
  await broker.start();
  bus.serve("double", (asked) => (asked as { n: number }).n * 2);
  bus.serve("later", async (asked) => (asked as { n: number }).n * 2);

  for (const [what, publish] of [
    ["calls", () => void functions.map((one) => one(payload))],
    ["eventemitter3", () => void emitter.emit("run.7.node", payload)],
    ["ours", () => void bus.publish("run.7.node", payload)],
  ] as const) {
    got = 0;
    publish();
    same(what, got, 3);
  }
  got = 0;
  await broker.emit("run.7.node", payload);
  same("moleculer", got, 3);

  await race({
    title: "Publish to three handlers",
    unit: "ns",
    sample: `the mean of ${SIZE}`,
    rounds: 8,
    contestants: [
      {
        what: "three calls",
        block: () =>
          batches(50, SIZE, () => {
            for (const one of functions) one(payload);
          }),
      },
      { what: "eventemitter3, by the name", block: () => batches(50, SIZE, () => emitter.emit("run.7.node", payload)) },
      {
        what: "the bus, through a pattern",
        beside: ["eventemitter3, by the name", "moleculer emit, through a pattern"],
        block: () => batches(50, SIZE, () => bus.publish("run.7.node", payload)),
      },
      { what: "the bus, 4096 subjects, 1000 other patterns", block: () => batches(50, SIZE, () => manyBus.publish(subjects[next++ & 4095] as string, payload)) },
      { what: "moleculer emit, through a pattern", block: () => awaitedBatches(5, SIZE, () => broker.emit("run.7.node", payload)) },
    ],
  });

  const many = createBus();
  const readers = Array.from({ length: 3 }, () => many.subscribe("run.*.node", { queueMax: 4096 }));
  let read = 0;
  for (const reader of readers)
    void (async () => {
      for await (const batch of reader.batches()) read += batch.length;
    })();
  const ones = createBus();
  for (let i = 0; i < 3; i++)
    void (async () => {
      for await (const _ of ones.subscribe("run.*.node", { queueMax: 4096 })) read++;
    })();
  await race({
    title: "Publish to three AsyncIterables, 2000 at a time",
    unit: "ns",
    sample: "one delivery, as the mean of 6000",
    rounds: 8,
    contestants: [
      { what: "in batches", block: () => flow(many) },
      { what: "one by one", block: () => flow(ones) },
    ],
  });
  async function flow(to: typeof bus): Promise<number[]> {
    const samples: number[] = [];
    for (let round = 0; round < 20; round++) {
      read = 0;
      const begun = performance.now();
      for (let i = 0; i < 2000; i++) void to.publish("run.7.node", payload);
      while (read < 6000) await null;
      samples.push((performance.now() - begun) / 6000);
    }
    return samples;
  }

  const asked = { n: 21 };
  same("ours", await bus.request("double", asked), 42);
  same("moleculer", await broker.call("answer.double", asked), 42);
  await race({
    title: "Ask and be answered, with a time-out",
    unit: "ns",
    sample: `the mean of ${SIZE}, one after the other`,
    rounds: 8,
    contestants: [
      { what: "a promise", block: () => awaitedBatches(30, SIZE, async () => asked.n * 2) },
      { what: "a promise and a setTimeout", block: () => awaitedBatches(30, SIZE, withTimer) },
      { what: "the bus, an answer at hand", beside: ["moleculer call"], block: () => awaitedBatches(30, SIZE, () => bus.request("double", asked, { timeoutMs: 5000 })) },
      { what: "the bus, an answer by promise", beside: ["moleculer call"], block: () => awaitedBatches(30, SIZE, () => bus.request("later", asked, { timeoutMs: 5000 })) },
      { what: "moleculer call", block: () => awaitedBatches(30, SIZE, () => broker.call("answer.double", asked, { timeout: 5000 })) },
    ],
  });
  function withTimer(): Promise<number> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {}, 5000);
      void Promise.resolve(asked.n * 2).then((value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
  }
  await broker.stop();
}
