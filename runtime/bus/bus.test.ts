// The bus of one process.
import { describe, expect, test } from "bun:test";
import { checkRouting } from "../../tests/routing.ts";
import { SymphonyError } from "../error.ts";
import { type Bus, createBus } from "./bus.ts";
import type { Message } from "./message.ts";
import { covers, isPattern, isSubject, overlaps } from "./subject.ts";
import { createTimerWheel, TICK_MS } from "./timer-wheel.ts";
import { systemClock } from "../clock.ts";

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (cause) {
    if (cause instanceof SymphonyError) return cause.code;
    throw cause;
  }
  return "none";
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function heard(bus: Bus, pattern: string, options?: { group?: string }): unknown[] {
  const payloads: unknown[] = [];
  bus.on(pattern, ({ payload }) => void payloads.push(payload), options);
  return payloads;
}

describe("subjects", () => {
  test("are names joined by dots", () => {
    for (const subject of ["a", "run.7.node.a", "A-b_c.%:/@", "x".repeat(256), "<a"]) expect([subject, isSubject(subject)]).toEqual([subject, true]);
    const wrong = ["", ".", "a.", ".a", "a..b", "a b", "*", "a.*", "a.>", ">", "ä", "a\n", "a\u0000", "x".repeat(257), `${"a.".repeat(32)}a`, 7, undefined, {}];
    for (const subject of wrong) expect([subject, isSubject(subject)]).toEqual([subject, false]);
  });

  test("patterns have * for a name and > for the rest", () => {
    for (const pattern of ["a", "*", ">", "a.*.b", "*.*", "a.>", "*.>"]) expect([pattern, isPattern(pattern)]).toEqual([pattern, true]);
    for (const pattern of ["", "a*", "*a", "a.>.b", "a.b>", "a..>", ">.>", "a.", "**", "a.* "]) expect([pattern, isPattern(pattern)]).toEqual([pattern, false]);
  });

  test("cover and overlap as the subjects say that they mean", () => {
    const names = ["a", "b"];
    const patterns: string[] = [];
    const subjects: string[] = [];
    const grow = (list: string[], parts: string[], depth: number, start = ""): void => {
      for (const part of parts) {
        list.push(start + part);
        if (depth > 1 && part !== ">") grow(list, parts, depth - 1, `${start}${part}.`);
      }
    };
    grow(patterns, [...names, "*", ">"], 3);
    // one name and one level more than patterns have, so that a wildcard differs from all it could be mistaken for
    grow(subjects, [...names, "c"], 4);
    const meant = new Map(patterns.map((pattern) => [pattern, new Set(subjects.filter((subject) => covers(pattern, subject)))]));
    for (const one of patterns)
      for (const other of patterns) {
        const a = meant.get(one) as Set<string>;
        const b = meant.get(other) as Set<string>;
        expect([one, other, covers(one, other)]).toEqual([one, other, [...b].every((subject) => a.has(subject))]);
        expect([one, other, overlaps(one, other)]).toEqual([one, other, [...b].some((subject) => a.has(subject))]);
      }
  });
});

describe("publish and subscribe", () => {
  test("goes to whom an oracle says, in 400 random sequences", () => {
    for (let seed = 1; seed <= 400; seed++) expect(checkRouting(seed)).toEqual([]);
  });

  test("a message says what its sender and the bus know of it", () => {
    const bus = createBus({ name: "home" });
    let got: Message | undefined;
    bus.on("run.*", (message) => {
      got = message;
    });
    const before = Date.now();
    bus.publish("run.7", { n: 1 }, { type: "run/started@1", correlation: "r7" });
    expect(got).toMatchObject({ subject: "run.7", payload: { n: 1 }, type: "run/started@1", correlation: "r7", from: "home" });
    expect(got?.at).toBeGreaterThanOrEqual(before);
    const first = got?.id as number;
    bus.publish("run.7", {});
    expect(got?.id).toBe(first + 1);
  });

  test("a wrong subject or pattern is refused, with the way out", async () => {
    const bus = createBus();
    for (const subject of ["", "a..b", "a.*", "a.>", "a b"]) {
      expect(await codeOf(() => bus.publish(subject, 1))).toBe("bus/invalid");
      expect(await codeOf(() => bus.request(subject, 1))).toBe("bus/invalid");
    }
    expect(await codeOf(() => bus.on("a.b*", () => {}))).toBe("bus/invalid");
    expect(await codeOf(() => bus.subscribe("a..b"))).toBe("bus/invalid");
    expect(await codeOf(() => bus.subscribe("a", { queueMax: 0 }))).toBe("bus/invalid");
    expect(() => bus.publish("a.*", 1)).toThrow('Cannot use the subject "a.*": expected names joined by dots, such as run.7.node.a, without * and >');
  });

  test("what handlers publish is delivered after what they handle, in order, to all", () => {
    const bus = createBus();
    const seen: string[] = [];
    bus.on("a", ({ payload }) => {
      seen.push(`one ${payload}`);
      if (payload === 1) {
        bus.publish("a", 2);
        bus.publish("b", 3);
      }
    });
    bus.on("a", ({ payload }) => void seen.push(`two ${payload}`));
    bus.on("b", ({ payload }) => void seen.push(`b ${payload}`));
    bus.publish("a", 1);
    expect(seen).toEqual(["one 1", "two 1", "one 2", "two 2", "b 3"]);
  });

  test("handlers that publish for one another without end are stopped", async () => {
    const bus = createBus();
    let refused: unknown;
    bus.on("a", () => {
      try {
        bus.publish("a", 1);
      } catch (cause) {
        refused = cause;
      }
    });
    bus.publish("a", 1);
    expect((refused as SymphonyError).code).toBe("bus/loop");
  });

  test("a handler that throws keeps nobody else from it, and is told", () => {
    const faults: unknown[] = [];
    const bus = createBus({ onFault: (cause) => void faults.push((cause as Error).message) });
    bus.on("a", () => {
      throw new Error("mine");
    });
    const payloads = heard(bus, "a");
    bus.publish("a", 1);
    expect(payloads).toEqual([1]);
    expect(faults).toEqual(["mine"]);
    expect(bus.counts().handlerFaults).toBe(1);
  });

  test("what an asynchronous handler throws is told too", async () => {
    const faults: unknown[] = [];
    const bus = createBus({ onFault: (cause, subject) => void faults.push([(cause as Error).message, subject]) });
    bus.on("a", async () => {
      throw new Error("later");
    });
    expect(bus.publish("a", 1)).toBeUndefined();
    await sleep(1);
    expect(faults).toEqual([["later", "a"]]);
  });

  test("what a handler publishes to one who is full, without waiting, ends no process; who waits is told", async () => {
    const faults: string[] = [];
    const bus = createBus({ onFault: (cause) => void faults.push((cause as SymphonyError).code) });
    bus.subscribe("out", { queueMax: 1 });
    const waited: string[] = [];
    bus.on("in", () => void bus.publish("out", 1));
    for (let n = 0; n < 4; n++) bus.publish("in", n);
    bus.on("in", async () => {
      waited.push(await codeOf(() => bus.publish("out", 2)));
    });
    bus.publish("in", 5);
    await sleep(5);
    expect(faults.length).toBeGreaterThan(2);
    expect(new Set(faults)).toEqual(new Set(["bus/full"]));
    expect(waited).toEqual(["bus/full"]);
  });

  test("texts beside the payload have bounds, which links hold to as well", async () => {
    const bus = createBus();
    expect(await codeOf(() => bus.publish("a", 1, { correlation: "x".repeat(257) }))).toBe("bus/invalid");
    expect(await codeOf(() => bus.publish("a", 1, { type: "x".repeat(121) }))).toBe("bus/invalid");
    for (const group of ["", "x".repeat(257), "\ud800"]) expect(await codeOf(() => bus.on("a", () => {}, { group }))).toBe("bus/invalid");
    expect(await codeOf(() => bus.serve("a", () => 1, { description: "x".repeat(1001) }))).toBe("bus/invalid");
    expect(await codeOf(() => bus.request("a", 1, { timeoutMs: Number.NaN }))).toBe("bus/invalid");
  });

  test("who leaves or joins while a message is delivered doesn't change that delivery", () => {
    const bus = createBus();
    const late: unknown[] = [];
    let leave = (): void => {};
    bus.on("a", () => {
      leave();
      bus.on("a", ({ payload }) => void late.push(payload));
    });
    const second: unknown[] = [];
    leave = bus.on("a", ({ payload }) => void second.push(payload));
    bus.publish("a", 1);
    expect([second, late]).toEqual([[1], []]);
    bus.publish("a", 2);
    expect([second, late]).toEqual([[1], [2]]);
  });

  test("each of a group gets some, also while others come and go", () => {
    const bus = createBus();
    const shares = [0, 0, 0];
    const take = (i: number): void => {
      shares[i] = (shares[i] as number) + 1;
    };
    for (const i of shares.keys()) bus.on("work.*", () => take(i), { group: "workers" });
    for (let n = 0; n < 300; n++) {
      // each join makes the routes anew
      bus.on("work.>", () => {})();
      bus.publish("work.a", n);
    }
    for (const share of shares) expect(share).toBeGreaterThan(60);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBe(300);
  });

  test("subjects without end leave no memory behind", () => {
    const bus = createBus();
    const payloads = heard(bus, "s.>");
    for (let n = 0; n < 50_000; n++) bus.publish(`s.${n}`, 0);
    expect(payloads.length).toBe(50_000);
  });
});

describe("subscriptions", () => {
  test("give what was published, in order, and what waits after they were closed", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a");
    for (let n = 0; n < 5; n++) bus.publish("a", n);
    subscription.close();
    bus.publish("a", 5);
    const got: unknown[] = [];
    for await (const { payload } of subscription) got.push(payload);
    expect(got).toEqual([0, 1, 2, 3, 4]);
  });

  test("leaving the loop ends them", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a");
    bus.publish("a", 1);
    for await (const { payload } of subscription) {
      expect(payload).toBe(1);
      break;
    }
    bus.publish("a", 2);
    expect(subscription.pending).toBe(0);
    expect(bus.far.interests({})).toEqual([]);
  });

  test("an aborted signal ends them, before and after", async () => {
    const bus = createBus();
    const controller = new AbortController();
    const subscription = bus.subscribe("a", { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    for await (const _ of subscription) throw new Error("nothing was published");
    const ended = bus.subscribe("a", { signal: AbortSignal.abort() });
    for await (const _ of ended) throw new Error("nothing was published");
  });

  test("two who read one share it", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a");
    const iterator = subscription[Symbol.asyncIterator]();
    const both = [iterator.next(), iterator.next()];
    await sleep(1);
    bus.publish("a", 1);
    bus.publish("a", 2);
    const values = (await Promise.all(both)).map(({ value }) => (value as Message).payload);
    expect(values.sort()).toEqual([1, 2]);
  });

  test("wait: the publisher waits, nothing is lost, nothing is out of order", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a", { queueMax: 3, full: "wait" });
    let sent = 0;
    const publisher = (async () => {
      for (let n = 0; n < 50; n++) {
        await bus.publish("a", n);
        sent++;
      }
      subscription.close();
    })();
    await sleep(5);
    expect(sent).toBe(3);
    const got: unknown[] = [];
    for await (const { payload } of subscription) {
      got.push(payload);
      expect(sent).toBeLessThanOrEqual(got.length + 4);
      await null;
    }
    await publisher;
    expect(got).toEqual(Array.from({ length: 50 }, (_, n) => n));
    expect(subscription.dropped).toBe(0);
  });

  test("wait: who publishes on without waiting is refused, once as many wait as the queue holds", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a", { queueMax: 2 });
    const other = heard(bus, "a");
    const waits = [1, 2, 3, 4].map((n) => bus.publish("a", n));
    expect(await codeOf(() => bus.publish("a", 5))).toBe("bus/full");
    expect(subscription.dropped).toBe(1);
    expect(bus.counts().dropped).toBe(1);
    expect(other).toEqual([1, 2, 3, 4, 5]);
    const iterator = subscription[Symbol.asyncIterator]();
    const got: unknown[] = [];
    for (let n = 0; n < 4; n++) got.push(((await iterator.next()).value as Message).payload);
    expect(got).toEqual([1, 2, 3, 4]);
    await Promise.all(waits);
  });

  test("drop-oldest: the newest stay, each loss is counted", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a", { queueMax: 4, full: "drop-oldest" });
    for (let n = 0; n < 5000; n++) expect(bus.publish("a", n)).toBeUndefined();
    expect([subscription.pending, subscription.dropped]).toEqual([4, 4996]);
    subscription.close();
    const got: unknown[] = [];
    for await (const { payload } of subscription) got.push(payload);
    expect(got).toEqual([4996, 4997, 4998, 4999]);
  });

  test("fail: it ends after what it holds", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a", { queueMax: 2, full: "fail" });
    for (let n = 0; n < 4; n++) bus.publish("a", n);
    const got: unknown[] = [];
    expect(
      await codeOf(async () => {
        for await (const { payload } of subscription) got.push(payload);
      }),
    ).toBe("bus/slow");
    expect(got).toEqual([0, 1]);
    expect(subscription.dropped).toBe(1);
  });

  test("batches give all that is there at a time", async () => {
    const bus = createBus();
    const subscription = bus.subscribe("a", { queueMax: 10 });
    for (let n = 0; n < 15; n++) void bus.publish("a", n);
    subscription.close();
    const sizes: number[] = [];
    for await (const batch of subscription.batches()) sizes.push(batch.length);
    expect(sizes).toEqual([15]);
  });
});

describe("requests", () => {
  test("are answered, by a value, a promise or a refusal", async () => {
    const bus = createBus();
    bus.serve("double", (n) => (n as number) * 2);
    bus.serve("later", async (n) => n);
    bus.serve("refuse", () => {
      throw new SymphonyError("cli/usage", "Cannot do that");
    });
    bus.serve("break", async () => {
      throw new TypeError("x is undefined");
    });
    expect(await bus.request("double", 4)).toBe(8);
    expect(await bus.request("later", "x")).toBe("x");
    expect(await codeOf(() => bus.request("refuse", 1))).toBe("cli/usage");
    expect(await codeOf(() => bus.request("break", 1))).toBe("bus/handler");
    expect(bus.counts()).toMatchObject({ requests: 4, refused: 2, waiting: 0 });
  });

  test("nobody who answers is told at once, apart from one who is slow", async () => {
    const bus = createBus();
    const begun = performance.now();
    expect(await codeOf(() => bus.request("nobody", 1, { timeoutMs: 5000 }))).toBe("bus/no-responder");
    expect(performance.now() - begun).toBeLessThan(1000);
    let aborted = false;
    bus.serve("slow", (_, { signal }) => {
      signal.addEventListener("abort", () => {
        aborted = true;
      });
      return new Promise(() => {});
    });
    expect(await codeOf(() => bus.request("slow", 1, { timeoutMs: 30 }))).toBe("bus/timeout");
    expect(aborted).toBe(true);
    expect(bus.counts()).toMatchObject({ noResponder: 1, timeouts: 1, waiting: 0 });
  });

  test("a subscriber is no answerer, and an answerer gets no events", async () => {
    const bus = createBus();
    const events = heard(bus, "a");
    expect(await codeOf(() => bus.request("a", 1))).toBe("bus/no-responder");
    const asked: unknown[] = [];
    bus.serve("a", (payload) => void asked.push(payload));
    bus.publish("a", 2);
    await bus.request("a", 3);
    expect([events, asked]).toEqual([[2], [3]]);
  });

  test("are given up by a signal, before and while they wait; the answerer hears of it", async () => {
    const bus = createBus();
    const heardOf: boolean[] = [];
    bus.serve("slow", (_, call) => new Promise(() => call.signal.addEventListener("abort", () => heardOf.push(true))));
    expect(await codeOf(() => bus.request("slow", 1, { signal: AbortSignal.abort() }))).toBe("bus/cancelled");
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    expect(await codeOf(() => bus.request("slow", 1, { signal: controller.signal }))).toBe("bus/cancelled");
    expect(heardOf).toEqual([true]);
  });

  test("of several who answer each is asked in turn; one who left isn't", async () => {
    const bus = createBus();
    const leave = ["a", "b", "c"].map((name) => bus.serve("who", () => name));
    const first = await Promise.all(Array.from({ length: 6 }, () => bus.request("who", 0)));
    expect([...first].sort()).toEqual(["a", "a", "b", "b", "c", "c"]);
    leave[1]?.();
    const then = await Promise.all(Array.from({ length: 4 }, () => bus.request("who", 0)));
    expect(then.sort()).toEqual(["a", "a", "c", "c"]);
  });

  test("streams: in order, one answer is a stream of one, a fault comes after what was given", async () => {
    const bus = createBus();
    bus.serve("count", async function* (upTo) {
      for (let n = 0; n < (upTo as number); n++) yield n;
    });
    bus.serve("one", () => "only");
    bus.serve("breaks", async function* () {
      yield 1;
      throw new SymphonyError("cli/io", "Cannot read on");
    });
    expect(await Array.fromAsync(bus.requestStream("count", 4))).toEqual([0, 1, 2, 3]);
    expect(await Array.fromAsync(bus.requestStream("one", 0))).toEqual(["only"]);
    const got: unknown[] = [];
    expect(
      await codeOf(async () => {
        for await (const value of bus.requestStream("breaks", 0)) got.push(value);
      }),
    ).toBe("cli/io");
    expect(got).toEqual([1]);
    expect(await codeOf(() => bus.request("count", 3))).toBe("bus/answer");
    expect(await codeOf(() => Array.fromAsync(bus.requestStream("nobody", 0)))).toBe("bus/no-responder");
  });

  test("streams: leaving the loop ends it for who answers too", async () => {
    const bus = createBus();
    let ended = false;
    bus.serve("endless", async function* () {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        ended = true;
      }
    });
    for await (const value of bus.requestStream("endless", 0)) if (value === 10) break;
    await sleep(1);
    expect(ended).toBe(true);
  });

  test("streams: too long between two answers is too slow", async () => {
    const bus = createBus();
    bus.serve("stuck", async function* () {
      yield 1;
      await new Promise(() => {});
    });
    const got: unknown[] = [];
    expect(
      await codeOf(async () => {
        for await (const value of bus.requestStream("stuck", 0, { timeoutMs: 30 })) got.push(value);
      }),
    ).toBe("bus/timeout");
    expect(got).toEqual([1]);
  });

  test("endpoints say what is offered", () => {
    const bus = createBus();
    const leave = bus.serve("store.put", () => 0, { description: "Keeps bytes", request: "store/put@1", response: "store/ref@1" });
    expect(bus.endpoints()).toEqual([{ pattern: "store.put", description: "Keeps bytes", request: "store/put@1", response: "store/ref@1" }]);
    leave();
    expect(bus.endpoints()).toEqual([]);
  });

  test("what is thrown without a text is an answer too", async () => {
    const bus = createBus();
    bus.serve("odd", async () => {
      throw Object.create(null);
    });
    expect(await codeOf(() => bus.request("odd", 1))).toBe("bus/handler");
  });

  test("an answerer that speaks of lost peers isn't asked again and again", async () => {
    const bus = createBus();
    let calls = 0;
    bus.serve("x", () => {
      calls++;
      throw new SymphonyError("bus/peer", "gone", { retryable: true });
    });
    expect(await codeOf(() => bus.request("x", 1, { idempotent: true, timeoutMs: 1000 }))).toBe("bus/peer");
    expect(calls).toBe(1);
  });

  test("closing the bus between two answers of a stream ends it", async () => {
    const bus = createBus();
    bus.serve("s", async function* () {
      yield 1;
      await new Promise(() => {});
    });
    const stream = bus.requestStream("s", 0)[Symbol.asyncIterator]();
    await stream.next();
    bus.close();
    expect(await codeOf(() => stream.next())).toBe("bus/closed");
  });

  test("closing the bus ends all that waits", async () => {
    const bus = createBus();
    bus.serve("slow", () => new Promise(() => {}));
    const subscription = bus.subscribe("a");
    bus.publish("a", 1);
    const asked = codeOf(() => bus.request("slow", 1));
    bus.close();
    expect(await asked).toBe("bus/closed");
    expect((await Array.fromAsync(subscription)).length).toBe(1);
    expect(await codeOf(() => bus.publish("a", 1))).toBe("bus/closed");
    expect(await codeOf(() => bus.request("slow", 1))).toBe("bus/closed");
    expect(await codeOf(() => bus.subscribe("a"))).toBe("bus/closed");
  });
});

describe("time-outs", () => {
  test("are called once, never early, a tick late at most; cancelled ones never", async () => {
    const wheel = createTimerWheel(systemClock);
    const late: number[] = [];
    const all: Promise<void>[] = [];
    let cancelledCalls = 0;
    for (let i = 0; i < 300; i++) {
      const ms = (i * 7) % 400;
      const begun = performance.now();
      all.push(
        new Promise((resolve) => {
          wheel.add(ms, () => {
            late.push(performance.now() - begun - ms);
            resolve();
          });
        }),
      );
      const gone = wheel.add(ms, () => void cancelledCalls++);
      wheel.cancel(gone);
    }
    await Promise.all(all);
    expect(wheel.size).toBe(0);
    expect(cancelledCalls).toBe(0);
    expect(late.length).toBe(300);
    // the clock of a timer and ours may differ by a rounding
    expect(Math.min(...late)).toBeGreaterThan(-1);
  });

  test("longer than a turn of the wheel, in a time of our own", () => {
    let time = 0;
    let alarms: { at: number; call: () => void }[] = [];
    const clock = {
      now: () => time,
      elapsed: () => time,
      after(ms: number, call: () => void) {
        const alarm = { at: time + ms, call };
        alarms.push(alarm);
        return () => {
          alarms = alarms.filter((one) => one !== alarm);
        };
      },
    };
    const wheel = createTimerWheel(clock);
    const due: number[] = [];
    const asked = [0, 1, 7, 8, 9, 4095, 4096, 4097, 10_000, 100_000, 2 ** 31 - 1];
    for (const ms of asked) wheel.add(ms, () => void due.push(time - ms));
    while (alarms.length > 0 && time < 200_000) {
      alarms.sort((a, b) => a.at - b.at);
      const next = alarms.shift() as (typeof alarms)[number];
      time = Math.max(time, next.at);
      next.call();
    }
    expect(due.length).toBe(asked.length - 1);
    for (const late of due) {
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThanOrEqual(TICK_MS);
    }
    wheel.close();
    expect(alarms).toEqual([]);
  });
});
