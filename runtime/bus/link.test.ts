// Links between buses over real sockets, with the far side in this process where its inside is looked at, and in another where it is killed.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";
import { afterAll, describe, expect, test } from "bun:test";
import { SymphonyError } from "../error.ts";
import type { Connection, Listener } from "../transport/connection.ts";
import { connectSocket, listenSocket } from "../transport/socket.ts";
import { type Bus, createBus } from "./bus.ts";
import { decodeCbor } from "./cbor/decode.ts";
import { createPlainEncoder } from "./cbor/encode.ts";
import { createLink, type Link } from "./link.ts";
import { ALL_RIGHTS, type Peer, type Refusal } from "./peer.ts";
import { createPeers, type Kept, type Peers, type PeersOptions } from "./peers.ts";
import { createTypes, type Types } from "./message-types.ts";

const isDeno = "Deno" in globalThis;
const folder = mkdtempSync(join(tmpdir(), "symphony-link-"));
const closers: (() => unknown)[] = [];
const children = new Set<ChildProcess>();
afterAll(async () => {
  for (const close of closers) await close();
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const INSTANCE = "00000000-0000-4000-8000-000000000000";
const TOKEN = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
let sockets = 0;

async function until(holds: () => boolean, what = "it"): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`${what} didn't come about in 10 s`);
    await sleep(2);
  }
}

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (cause) {
    if (cause instanceof SymphonyError) return cause.code;
    throw cause;
  }
  return "none";
}

interface Hub {
  bus: Bus;
  peers: Peers;
  path: string;
  refusals: Refusal[];
  faults: string[];
  listener: Listener;
}

/** A bus that others connect to. */
async function hub(peerOf: PeersOptions["peerOf"] = (name) => ({ name, rights: ALL_RIGHTS }), more: Partial<PeersOptions> = {}): Promise<Hub> {
  const refusals: Refusal[] = [];
  const faults: string[] = [];
  const bus = createBus({ name: "hub", onFault: (cause) => void faults.push((cause as SymphonyError).code) });
  const peers = createPeers({ bus, peerOf, onRefusal: (refusal) => void refusals.push(refusal), ...more });
  const path = join(folder, `${sockets++}.sock`);
  const listener = await listenSocket(path, (connection) => void peers.accept(connection));
  closers.push(
    () => peers.close(),
    () => listener.close(),
  );
  return { bus, peers, path, refusals, faults, listener };
}

interface Spoke {
  bus: Bus;
  peers: Peers;
  kept: Kept;
  link: Link;
  faults: SymphonyError[];
}

async function spoke(path: string, name: string, more: Partial<PeersOptions> = {}, attempts = 5): Promise<Spoke> {
  const faults: SymphonyError[] = [];
  const bus = createBus({ name, onFault: (cause) => void faults.push(cause as SymphonyError) });
  const peers = createPeers({ bus, dial: (address) => connectSocket(address.replace("unix:", "")), peerOf: (far) => ({ name: far, rights: ALL_RIGHTS }), ...more });
  closers.push(() => peers.close());
  const kept = peers.keep(`unix:${path}`, { attempts });
  return { bus, peers, kept, link: await kept.ready(), faults };
}

/** A subject is heard of over a link a moment after it was subscribed to. */
async function reaches(from: Bus, subject: string, to: unknown[]): Promise<void> {
  await until(() => {
    void from.publish(subject, "probe");
    return to.includes("probe");
  }, `a message on ${subject}`);
  await sleep(20);
  to.length = 0;
}

function startChild(args: string[]): ChildProcess {
  const child = spawn(process.execPath, [...(isDeno ? ["run", "-A", "--no-check", "--quiet"] : []), join(import.meta.dirname, "../../tests/bus-peer.ts"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  child.on("exit", () => children.delete(child));
  return child;
}

for (const encodings of [["compact"], ["plain"]] as const)
  describe(`a link, ${encodings[0]}`, () => {
    test("carries events both ways and on to others, each once and in order, and says who sent them", async () => {
      const { bus, path } = await hub(undefined, { encodings });
      const one = await spoke(path, "one", { encodings });
      const two = await spoke(path, "two", { encodings });
      expect(one.link.encoding).toBe(encodings[0]);
      const got: [unknown, string, string | undefined][] = [];
      const atHub: unknown[] = [];
      const atTwo: unknown[] = [];
      two.bus.on("run.>", ({ payload, from, correlation }) => {
        got.push([payload, from, correlation]);
        atTwo.push(payload);
      });
      two.bus.on("run.*.node", () => {});
      bus.on("run.*.node", ({ payload }) => void atHub.push(payload));
      await reaches(one.bus, "run.7.node", atTwo);
      got.length = 0;
      atHub.length = 0;
      for (let n = 0; n < 2000; n++) await one.bus.publish("run.7.node", { n, state: "done" }, { correlation: "r7" });
      await until(() => got.length === 2000);
      await sleep(30);
      expect(got.length).toBe(2000);
      expect(atHub).toEqual(Array.from({ length: 2000 }, (_, n) => ({ n, state: "done" })));
      expect(got.map(([payload]) => payload)).toEqual(atHub);
      expect(got[0]?.slice(1)).toEqual(["hub/one", "r7"]);
    });

    test("groups get each message once, wherever their members are", async () => {
      const { bus, path } = await hub(undefined, { encodings });
      const spokes = await Promise.all(["a", "b", "c"].map((name) => spoke(path, name, { encodings })));
      const got: unknown[][] = [[], [], [], []];
      for (const [i, { bus: far }] of spokes.entries()) far.on("work", ({ payload }) => void got[i]?.push(payload), { group: "workers" });
      bus.on("work", ({ payload }) => void got[3]?.push(payload), { group: "workers" });
      await sleep(100);
      for (let n = 0; n < 400; n++) await bus.publish("work", n);
      for (let n = 400; n < 800; n++) await (spokes[0] as Spoke).bus.publish("work", n);
      await until(() => got.flat().length >= 800);
      await sleep(50);
      expect(got.flat().sort((a, b) => (a as number) - (b as number))).toEqual(Array.from({ length: 800 }, (_, n) => n));
      for (const share of got) expect(share.length).toBeGreaterThan(20);
    });

    test("carries requests, refusals with all that they say, and streams, over one link and over two", async () => {
      const { bus, path, peers } = await hub(undefined, { encodings });
      const one = await spoke(path, "one", { encodings });
      const two = await spoke(path, "two", { encodings });
      two.bus.serve("double", (n) => (n as number) * 2, { description: "Twice as much", request: "number@1" });
      two.bus.serve("refuse", () => {
        throw new SymphonyError("cli/usage", "Cannot do that", { retryable: true, retryAfterMs: 50, detail: "csv.ragged", faults: [{ path: "a.b", message: "is wrong" }] });
      });
      two.bus.serve("count", async function* (upTo) {
        for (let n = 0; n < (upTo as number); n++) yield { n };
      });
      await until(() => one.bus.endpoints().length === 3, "the endpoints");
      expect(one.bus.endpoints()).toContainEqual({ pattern: "double", description: "Twice as much", request: "number@1" });
      for (const from of [bus, one.bus]) {
        expect(await from.request("double", 21)).toBe(42);
        expect(await Promise.all(Array.from({ length: 500 }, (_, n) => from.request("double", n)))).toEqual(Array.from({ length: 500 }, (_, n) => 2 * n));
        let error: SymphonyError | undefined;
        await from.request("refuse", 1).catch((cause) => {
          error = cause;
        });
        expect({ ...error, message: error?.message }).toMatchObject({
          code: "cli/usage",
          message: "Cannot do that",
          retryable: true,
          retryAfterMs: 50,
          detail: "csv.ragged",
          faults: [{ path: "a.b", message: "is wrong" }],
        });
        expect(await Array.fromAsync(from.requestStream("count", 500))).toEqual(Array.from({ length: 500 }, (_, n) => ({ n })));
        expect(await Array.fromAsync(from.requestStream("double", 4))).toEqual([8]);
        expect(await codeOf(() => from.request("count", 3))).toBe("bus/answer");
        expect(await codeOf(() => from.request("nobody", 3))).toBe("bus/no-responder");
      }
      await until(() => peers.list().every(({ counts }) => counts.answering + counts.asking === 0), "nothing is left open");
    });

    test("what is given up is given up at the far side too", async () => {
      const { path } = await hub(undefined, { encodings });
      const one = await spoke(path, "one", { encodings });
      const two = await spoke(path, "two", { encodings });
      const ended: string[] = [];
      two.bus.serve("slow", (_, { signal }) => new Promise(() => signal.addEventListener("abort", () => ended.push("slow"))));
      two.bus.serve("endless", async function* () {
        try {
          for (let n = 0; ; n++) yield n;
        } finally {
          ended.push("endless");
        }
      });
      await until(() => one.bus.endpoints().length === 2);
      expect(await codeOf(() => one.bus.request("slow", 0, { timeoutMs: 40 }))).toBe("bus/timeout");
      await until(() => ended.includes("slow"), "the end of slow");
      let taken = 0;
      for await (const n of one.bus.requestStream("endless", 0)) {
        expect(n).toBe(taken);
        if (++taken === 300) break;
      }
      await until(() => ended.includes("endless"), "the end of endless");
    });
  });

describe("streams", () => {
  test("no more is made than is taken, but for a window", async () => {
    const { path } = await hub();
    const one = await spoke(path, "one");
    const two = await spoke(path, "two");
    let made = 0;
    two.bus.serve("numbers", async function* () {
      for (;;) yield made++;
    });
    await until(() => one.bus.endpoints().length === 1);
    let taken = 0;
    for await (const _ of one.bus.requestStream("numbers", 0)) {
      if (++taken === 200) await sleep(100);
      if (taken === 200) {
        // 64 on each of two links, and what is on its way
        expect(made).toBeLessThan(200 + 4 * 64 + 10);
        break;
      }
    }
  });
});

describe("who may what", () => {
  test("a peer with the token comes in and knows that the hub has it too; others are refused alike, and each refusal is told", async () => {
    const peerOf = (name: string): Peer | undefined => (name === "friend" ? { name, token: TOKEN, rights: ALL_RIGHTS } : undefined);
    const { path, refusals } = await hub(peerOf);
    const farOf = (token: Uint8Array) => (far: string) => ({ name: far, token, rights: ALL_RIGHTS });
    const friend = await spoke(path, "friend", { peerOf: farOf(TOKEN) });
    expect(friend.link.peer).toBe("hub");
    const wrong = new Uint8Array(TOKEN);
    wrong[31] = 0;
    // the friend finds out first that the hub doesn't prove to have its token
    expect(await codeOf(() => spoke(path, "friend", { peerOf: farOf(wrong) }, 1))).toBe("bus/peer");
    expect(await codeOf(() => spoke(path, "stranger", { peerOf: farOf(TOKEN) }, 1))).toBe("bus/peer");
    // who doesn't ask for a proof must still give one
    expect(await codeOf(() => spoke(path, "friend", {}, 1))).toBe("bus/peer");
    expect(await codeOf(() => spoke(path, "stranger", {}, 1))).toBe("bus/peer");
    expect(await codeOf(() => spoke(path, "friend", { peerOf: farOf(new Uint8Array(8)) }, 1))).toBe("bus/invalid");
    await until(() => refusals.length === 5, "all refusals");
    expect(refusals.every(({ tried, code }) => tried === "join" && code === "bus/peer")).toBe(true);
    const said = refusals.filter(({ why }) => why.startsWith("Cannot join as")).map(({ why }) => why.replace(/friend|stranger/, "X"));
    expect(said.length).toBe(2);
    expect(new Set(said).size).toBe(1);
  });

  test("what a peer has no right to is refused with its name, the rest goes on", async () => {
    const rights = { publish: ["chat.*"], subscribe: ["chat.>"], request: ["time"], serve: ["tool.one.>"] };
    const { bus, path, refusals } = await hub((name) => ({ name, rights }));
    const { bus: far, faults } = await spoke(path, "guest");
    const atHub: unknown[] = [];
    bus.on(">", ({ subject, from }) => from === "guest" && atHub.push(subject));
    bus.serve("time", () => 12);
    bus.serve("secret", () => 13);
    await until(() => far.endpoints().length === 1, "the endpoint that it may ask");
    await far.request("time", 0);
    expect(await codeOf(() => far.request("secret", 0))).toBe("bus/no-responder");
    for (const subject of ["chat.one", "chat.one.two", "run.x", "bus.peer.joined"]) void far.publish(subject, 1);
    await until(() => refusals.length >= 2, "two refusals");
    const raw = await rawPeer(path, "raw");
    await raw.send([createPlainEncoder()({ kind: "event", id: 1, to: "bus.peer.joined", at: 0, payload: 1 })]);
    await until(() => refusals.length >= 3, "the refusal of a subject of the bus itself");
    raw.close();
    expect(atHub).toEqual(["chat.one"]);
    expect(refusals.map(({ peer, tried, subject, code }) => [peer, tried, subject, code])).toEqual([
      ["guest", "publish", "chat.one.two", "bus/denied"],
      ["guest", "publish", "run.x", "bus/denied"],
      ["raw", "publish", "bus.peer.joined", "bus/denied"],
    ]);
    expect(refusals[0]?.why).toBe('guest may not publish on "chat.one.two": it has the right to chat.*');
    await until(() => faults.length === 2, "the guest hears of it");
    expect(faults[0]?.code).toBe("bus/denied");

    // a wider pattern is narrowed, one that is outside refused
    const got: string[] = [];
    far.on(">", ({ subject, from }) => from.startsWith("hub") && got.push(subject));
    far.on("run.*", () => {});
    await until(() => refusals.some(({ tried }) => tried === "subscribe"), "a refused subscription");
    await until(() => {
      void bus.publish("chat.x.y", 1);
      return got.length > 0;
    });
    await bus.publish("run.z", 1);
    await sleep(30);
    expect(new Set(got)).toEqual(new Set(["chat.x.y"]));
    far.serve("tool.one.a", () => 1);
    far.serve("tool.two", () => 1);
    far.serve("bus.x", () => 1);
    await until(() => refusals.filter(({ tried }) => tried === "serve").length === 1);
    const server = await rawPeer(path, "server");
    const own = { patterns: [">", "bus.x", "tool.>"].map((pattern) => ({ pattern, endpoint: { pattern: ">", group: "", description: "mine" } })) };
    await server.send([createPlainEncoder()({ kind: "interest", add: own.patterns, remove: [] })]);
    await until(() => refusals.filter(({ tried }) => tried === "serve").length === 4, "all refused");
    server.close();
    expect(bus.endpoints().map(({ pattern }) => pattern)).toEqual(["time", "secret", "tool.one.a"]);
  });

  test("who sends too much, too fast or too large is refused by its own limits", async () => {
    const limits = { perSecond: 10, burst: 20, frameMax: 10_000, interestsMax: 5 };
    const { bus, path, refusals } = await hub((name) => ({ name, rights: ALL_RIGHTS, limits: name === "free" ? {} : limits }));
    const fast = await spoke(path, "fast");
    let got = 0;
    bus.on("x", () => void got++);
    await until(() => fast.bus.far.interests({}).length > 0);
    for (let n = 0; n < 200; n++) await fast.bus.publish("x", n);
    await until(() => refusals.length >= 170);
    expect(got).toBeLessThan(30);
    expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(["bus/rate"]));
    for (let n = 0; n < 10; n++) fast.bus.on(`sub.${n}`, () => {});
    await until(() => refusals.some(({ code }) => code === "bus/limit"), "too many interests");

    // its own side knows what the hub takes from it
    const large = await spoke(path, "large");
    bus.serve("size", (payload) => (payload as Uint8Array).length);
    await until(() => large.bus.endpoints().length === 1);
    expect(await codeOf(() => large.bus.request("size", new Uint8Array(20_000)))).toBe("bus/limit");
    void large.bus.publish("x", new Uint8Array(20_000));
    await until(() => large.faults.some(({ code }) => code === "bus/limit"), "the fault");
    expect(large.link.counts().dropped).toBe(1);
    expect(await large.bus.request("size", new Uint8Array(2000))).toBe(2000);
    // and who doesn't heed it is cut off
    const raw = await rawPeer(path, "raw");
    await raw.send([createPlainEncoder()({ kind: "event", id: 1, to: "x", at: 0, payload: new Uint8Array(20_000) })]);
    await Promise.race([raw.ended, raw.closed]);
    await until(() => refusals.some(({ peer, tried, code }) => peer === "raw" && tried === "frame" && code === "bus/limit"), "the refusal");
    raw.close();
  });

  test("frames that are none, and what comes before the handshake, end the link with a code; others don't notice", async () => {
    const { bus, path, refusals } = await hub();
    const good = await spoke(path, "good");
    good.bus.serve("here", () => "yes");
    await until(() => bus.endpoints().length === 1);
    const encode = createPlainEncoder();
    const before: (Uint8Array | unknown)[] = [
      Uint8Array.from([0xff]),
      { kind: "event" },
      { kind: "hello" },
      { kind: "hello", protocol: 2 },
      { kind: "hello", protocol: 1, instance: INSTANCE, name: "a b", nonce: new Uint8Array(32), encodings: ["plain"], frameMax: 5000 },
      { kind: "hello", protocol: 1, instance: INSTANCE, name: "x", nonce: new Uint8Array(3), encodings: ["plain"], frameMax: 5000 },
      { kind: "hello", protocol: 1, instance: INSTANCE, name: "x", nonce: new Uint8Array(32), encodings: ["xml"], frameMax: 5000 },
      { kind: "hello", protocol: 1, name: "x", nonce: new Uint8Array(32), encodings: ["plain"], frameMax: 1, instance: INSTANCE },
      { kind: "hello", protocol: 1, name: "x", nonce: new Uint8Array(32), encodings: ["plain"], frameMax: 5000, instance: "me" },
      new Uint8Array(5000).fill(0x81),
    ];
    for (const [n, frame] of before.entries()) {
      const connection = await connectSocket(path);
      connection.receive(() => {});
      await connection.send([frame instanceof Uint8Array ? frame : encode(frame)]);
      await connection.ended;
      connection.close();
      await until(() => refusals.length === n + 1, `refusal ${n}`);
      expect(["bus/peer", "bus/malformed", "bus/limit"]).toContain(refusals.at(-1)?.code as string);
    }
    refusals.length = 0;
    const after: unknown[] = [
      "text",
      [],
      { kind: "nonsense" },
      { kind: "event", id: 1, to: "a.*", at: 0, payload: 1 },
      { kind: "event", id: -1, to: "a", at: 0, payload: 1 },
      { kind: "event", id: 1, to: "a", at: Number.NaN, payload: 1 },
      { kind: "event", id: 1, to: "a", at: 1, from: "x\u0007", payload: 1 },
      { kind: "request", id: 1, to: "a", at: 1, timeoutMs: 0, payload: 1 },
      { kind: "request", id: 1, to: "a", at: 1, timeoutMs: 2 ** 40, payload: 1 },
      { kind: "response", re: "1", payload: 1 },
      { kind: "error", re: 1 },
      { kind: "credit", re: 1, count: -1 },
      { kind: "interest", add: [{ pattern: "a..b" }], remove: [] },
      { kind: "interest", add: 3, remove: [] },
      { kind: "bye" },
    ];
    // a message that can't be taken is refused, and the link goes on
    const raw = await rawPeer(path, "raw");
    for (const [n, frame] of after.entries()) {
      await raw.send([encode(frame)]);
      await until(() => refusals.length === n + 1, `refusal of ${JSON.stringify(frame)}`);
      expect(refusals.at(-1)).toMatchObject({ peer: "raw", tried: "frame", code: "bus/shape" });
    }
    // what is no CBOR ends it
    await raw.send([Uint8Array.from([0xff])]);
    await Promise.race([raw.ended, raw.closed]);
    expect(refusals.at(-1)).toMatchObject({ peer: "raw", tried: "frame", code: "bus/malformed" });
    raw.close();
    expect(await bus.request("here", 0)).toBe("yes");
  });

  /** A peer that has joined, without a link on its side. */
  async function rawPeer(path: string, name: string): Promise<Connection> {
    const encode = createPlainEncoder();
    const connection = await connectSocket(path);
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.receive((bytes) => {
      const { kind } = decodeCbor(bytes) as { kind: string };
      if (kind === "challenge") void connection.send([encode({ kind: "join" })]);
      if (kind === "welcome") resolve();
    });
    await connection.send([encode({ kind: "hello", protocol: 1, name, instance: crypto.randomUUID(), nonce: new Uint8Array(32), encodings: ["plain"], frameMax: 100_000 })]);
    await promise;
    return connection;
  }
});

describe("a hostile peer", () => {
  const encode = createPlainEncoder();

  /** One that has joined and says what it likes; what it is sent. */
  async function evil(path: string, name = "evil"): Promise<{ connection: Connection; got: Record<string, unknown>[] }> {
    const connection = await connectSocket(path);
    const got: Record<string, unknown>[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    connection.receive((bytes) => {
      const frame = decodeCbor(bytes) as Record<string, unknown>;
      if (frame["kind"] === "challenge") void connection.send([encode({ kind: "join" })]);
      else if (frame["kind"] === "welcome") resolve();
      else got.push(frame);
    });
    await connection.send([encode({ kind: "hello", protocol: 1, name, instance: crypto.randomUUID(), nonce: new Uint8Array(32), encodings: ["plain"], frameMax: 1_000_000 })]);
    await promise;
    return { connection, got };
  }

  test("gets no more than it may by what it says of its interests, and harms nobody by it", async () => {
    const { bus, path, peers } = await hub((name) => ({ name, rights: name === "evil" ? { ...ALL_RIGHTS, serve: ["mine.>"], subscribe: ["run.public.>"] } : ALL_RIGHTS }));
    const good = await spoke(path, "good");
    const { connection, got } = await evil(path);
    const add = [
      { pattern: "mine.x", endpoint: { pattern: ">", group: "", description: "d" } },
      { pattern: "mine.big", endpoint: { group: 2n ** 70n } },
      { pattern: "mine.map", endpoint: { x: new Date(0), y: [1] } },
      { pattern: "run.>", group: "workers" },
    ];
    for (const one of add) await connection.send([encode({ kind: "interest", add: [one], remove: [] })]);
    await until(() => bus.endpoints().length === 3, "its endpoints");
    expect(bus.endpoints().map(({ pattern }) => pattern)).toEqual(["mine.x", "mine.big", "mine.map"]);
    expect(await codeOf(() => bus.request("secret.password", 0))).toBe("bus/no-responder");
    // in a group of which it may hear little, it takes nothing away from the others
    let worked = 0;
    good.bus.on("run.>", () => void worked++, { group: "workers" });
    await sleep(30);
    for (let n = 0; n < 50; n++) await bus.publish("run.secret", n);
    await until(() => worked === 50, "all at the one who may");
    // a group without a name is no group
    await connection.send([encode({ kind: "interest", add: [{ pattern: "run.public.a", group: "" }], remove: [] })]);
    await until(() => got.some(({ code }) => code === "bus/shape"), "the refusal");
    await connection.send([encode({ kind: "event", id: 1, to: "a.b", at: 0, from: "x".repeat(200), payload: new Map([[1, 2]]).size })]);
    await sleep(30);
    expect(
      peers
        .list()
        .map(({ peer }) => peer)
        .sort(),
    ).toEqual(["evil", "good"]);
    expect(good.link.counts().refused).toBe(0);
    connection.close();
  });

  test("holds no more places by giving its requests up", async () => {
    const { bus, path } = await hub((name) => ({ name, rights: ALL_RIGHTS, limits: { requestsMax: 4 } }));
    let running = 0;
    let most = 0;
    bus.serve("slow", async () => {
      most = Math.max(most, ++running);
      await sleep(50);
      running--;
    });
    const { connection, got } = await evil(path);
    for (let id = 1; id <= 200; id++) await connection.send([encode({ kind: "request", id, to: "slow", at: 0, timeoutMs: 5000, payload: 0 }), encode({ kind: "cancel", re: id })]);
    await until(() => got.filter(({ code }) => code === "bus/full").length === 196, "the refusals");
    expect(most).toBe(4);
    await until(() => running === 0);
    await connection.send([encode({ kind: "request", id: 201, to: "slow", at: 0, timeoutMs: 5000, payload: 0 })]);
    await until(() => got.some(({ re, kind }) => re === 201 && kind === "response"), "an answer, when there is room again");
    connection.close();
  });

  test("is cut off when it changes its interests or serves itself without end, and before it has joined it holds nothing", async () => {
    const { bus, path, peers, refusals } = await hub((name) => ({ name, rights: ALL_RIGHTS, limits: { interestsMax: 10 } }));
    const { connection } = await evil(path);
    const frame = encode({ kind: "interest", add: [{ pattern: "a" }], remove: [{ pattern: "a" }] });
    await connection.send(Array.from({ length: 8000 }, () => frame));
    await until(() => refusals.some(({ code }) => code === "bus/rate"), "the end of the link");
    await until(() => peers.list().length === 0);
    const quiet = await connectSocket(path);
    quiet.receive(() => {});
    const head = new Uint8Array(20_000);
    await quiet.send([head]);
    await Promise.race([quiet.ended, quiet.closed]);
    quiet.close();
    await until(() => refusals.some(({ tried, code }) => tried === "join" && code === "bus/limit"), "the refusal of a large first word");
    expect(bus.endpoints()).toEqual([]);
    connection.close();
  });

  test("that is too slow loses events, not requests, answers, streams or interests", async () => {
    const { bus, path } = await hub((name) => ({ name, rights: ALL_RIGHTS, limits: { queueMax: 2, full: "drop-oldest" } }));
    const one = await spoke(path, "one");
    one.bus.on("burst", () => {});
    one.bus.serve("echo", (payload) => payload);
    one.bus.serve("count", async function* () {
      for (let n = 0; n < 40; n++) yield n;
    });
    await until(() => bus.endpoints().length === 2 && bus.far.interests({}).length >= 3);
    const burst = (): void => {
      for (let n = 0; n < 50; n++) void bus.publish("burst", n);
    };
    const asked = bus.request("echo", "still here");
    burst();
    expect(await asked).toBe("still here");
    const got: unknown[] = [];
    for await (const n of bus.requestStream("count", 0)) {
      got.push(n);
      burst();
    }
    expect(got).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });
});

describe("types", () => {
  const typed = (version: number): Types => {
    const types = createTypes();
    types.define({ name: "run/node", version: 1, schema: z.strictObject({ node: z.string() }) });
    if (version > 1)
      types.define({
        name: "run/node",
        version: 2,
        schema: z.strictObject({ path: z.string(), attempt: z.number() }),
        upgrade: ({ node }: { node: string }) => ({ path: node, attempt: 1 }),
      });
    if (version > 2)
      types.define({
        name: "run/node",
        version: 3,
        schema: z.strictObject({ path: z.string(), attempt: z.number(), part: z.string() }),
        upgrade: (two: { path: string; attempt: number }) => ({ ...two, part: "whole" }),
      });
    return types;
  };

  test("an old peer's message is upgraded, a newer one refused, and what has another shape or an unknown type too", async () => {
    const { bus, path, refusals } = await hub(undefined, { types: typed(3) });
    const old = await spoke(path, "old", { types: typed(1) });
    const got: [string, unknown][] = [];
    bus.on("n", ({ type, payload }) => void got.push([type, payload]));
    await until(() => old.bus.far.interests({}).length > 0);
    await old.bus.publish("n", { node: "a" }, { type: "run/node@1" });
    await old.bus.publish("n", { path: "b", attempt: 2 }, { type: "run/node@2" });
    await old.bus.publish("n", { anything: 1 });
    await old.bus.publish("n", { path: 7, more: 1 }, { type: "run/node@2" });
    await old.bus.publish("n", {}, { type: "run/node@4" });
    await old.bus.publish("n", {}, { type: "run/nod@1" });
    await old.bus.publish("n", {}, { type: "__proto__@1" });
    await until(() => got.length === 3 && refusals.length === 4, "three taken and four refused");
    expect(got).toEqual([
      ["run/node@3", { path: "a", attempt: 1, part: "whole" }],
      ["run/node@3", { path: "b", attempt: 2, part: "whole" }],
      ["", { anything: 1 }],
    ]);
    expect(refusals.map(({ code }) => code)).toEqual(["bus/shape", "bus/type", "bus/type", "bus/type"]);
    expect(refusals[1]?.why).toBe("Cannot take a message of the type run/node@4: this side knows run/node up to version 3; bring it to the sender's version");
    expect(refusals[2]?.why).toContain('did you mean "run/node"?');
  });

  test("a register takes versions in order, each with its upgrade", () => {
    const types = typed(2);
    expect(types.current("run/node")).toBe("run/node@2");
    for (const bad of [
      { name: "run/node", version: 2, schema: z.any() },
      { name: "run/node", version: 4, schema: z.any() },
      { name: "run/node", version: 3, schema: z.any() },
      { name: "Run", version: 1, schema: z.any() },
    ])
      expect(() => types.define(bad)).toThrow("Cannot define");
    expect(() => types.read("run/node@1", { node: 1 })).toThrow("hasn't the shape");
  });
});

describe("life", () => {
  test("a killed peer is seen at once; what was asked of it fails as retryable, or is asked again when it is back", async () => {
    const { bus, path } = await hub();
    const told: [string, unknown][] = [];
    bus.on("bus.peer.*", ({ subject, payload }) => void told.push([subject, (payload as { peer: string }).peer]));
    let child = startChild([path, "child"]);
    await until(() => bus.endpoints().length === 6, "the child");
    const first = await bus.request("child.pid", 0);
    const waits = codeOf(() => bus.request("child.never", 0));
    const persists = bus.request("child.pid", 0, { idempotent: true });
    expect(await persists).toBe(first as number);
    const again = bus.request("child.hang", 200, { idempotent: true });
    again.catch(() => {});
    await sleep(50);
    const begun = performance.now();
    child.kill("SIGKILL");
    expect(await waits).toBe("bus/peer");
    // long before a heartbeat would find it; `soak peers` holds it to 100 ms
    expect(performance.now() - begun).toBeLessThan(900);
    await until(() => bus.endpoints().length === 0);
    child = startChild([path, "child"]);
    expect(await again).toBe("back");
    expect(await bus.request("child.pid", 0)).not.toBe(first as number);
    expect(told).toEqual([
      ["bus.peer.joined", "child"],
      ["bus.peer.left", "child"],
      ["bus.peer.joined", "child"],
    ]);
    child.kill("SIGKILL");
  });

  test("a link that is lost is made again, and subscriptions and endpoints come back with it", async () => {
    const { bus, path, peers } = await hub();
    const child = startChild([path, "child"]);
    const got: unknown[] = [];
    bus.on("tick", ({ payload }) => void got.push(payload));
    let pid: unknown;
    for (let round = 0; round < 3; round++) {
      await until(() => bus.endpoints().length === 6, "the child");
      got.length = 0;
      await bus.request("child.publish", { subject: "tick", count: 100 });
      await until(() => got.length === 100, "its events");
      expect(got).toEqual(Array.from({ length: 100 }, (_, n) => n));
      const now = await bus.request("child.pid", 0);
      expect(pid ?? now).toBe(now);
      pid = now;
      // cut from this side: the child comes back by itself
      await Promise.all(peers.links().map((link) => link.close()));
      expect(bus.endpoints()).toEqual([]);
    }
    child.kill("SIGKILL");
  });

  test("a hung peer is found by its heartbeat; one that was only busy for a while is not", async () => {
    const { bus, path } = await hub(undefined, { heartbeatMs: 50, heartbeatsMissed: 5 });
    const left: unknown[] = [];
    bus.on("bus.peer.left", ({ payload }) => void left.push((payload as { message: string }).message));
    const child = startChild([path, "child"]);
    await until(() => bus.endpoints().length === 6, "the child");
    expect(await bus.request("child.hang", 150)).toBe("back");
    expect(left).toEqual([]);
    const begun = performance.now();
    expect(await codeOf(() => bus.request("child.hang", 20_000))).toBe("bus/peer");
    const took = performance.now() - begun;
    expect(left[0]).toContain("child has given no sign of life");
    expect(took).toBeGreaterThan(250);
    expect(took).toBeLessThan(3000);
    child.kill("SIGKILL");
  });

  test("a side that is held up itself declares nobody dead", async () => {
    const { bus, path } = await hub(undefined, { heartbeatMs: 20, heartbeatsMissed: 2 });
    const left: unknown[] = [];
    bus.on("bus.peer.left", ({ payload }) => void left.push(payload));
    const child = startChild([path, "child"]);
    await until(() => bus.endpoints().length === 6, "the child");
    for (let n = 0; n < 30; n++) {
      const end = performance.now() + 20 + ((n * 37) % 150);
      while (performance.now() < end);
      await sleep(n % 5);
    }
    expect(left).toEqual([]);
    expect(await bus.request("child.echo", 5)).toBe(5);
    child.kill("SIGKILL");
  });

  test("closing sends what waits, and gives up on who can't be reached after so many tries", async () => {
    const { bus, path, peers, listener } = await hub();
    const one = await spoke(path, "one");
    const got: unknown[] = [];
    bus.on("x", ({ payload }) => void got.push(payload));
    await reaches(one.bus, "x", got);
    for (let n = 0; n < 3000; n++) void one.bus.publish("x", n);
    await one.link.close();
    await until(() => got.length === 3000);
    await listener.close();
    await peers.close();
    const bus2 = createBus({ name: "two" });
    const lost: unknown[] = [];
    bus2.on("bus.peer.lost", ({ payload }) => void lost.push(payload));
    const none = createPeers({ bus: bus2, dial: (address) => connectSocket(address.replace("unix:", "")), peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
    const kept = none.keep(`unix:${path}`, { attempts: 3, baseMs: 1 });
    expect(await codeOf(() => kept.ready())).toBe("bus/peer");
    expect((await kept.done)?.code).toBe("bus/peer");
    expect(lost).toMatchObject([{ address: `unix:${path}`, code: "bus/peer", attempts: 3 }]);
  });

  test("two ways to one hub are one link: nothing is heard twice", async () => {
    const { bus, path } = await hub();
    const one = await spoke(path, "one");
    const second = await createLink({ bus: one.bus, connection: await connectSocket(path), side: "connect", peerOf: (far) => ({ name: far, rights: ALL_RIGHTS }) });
    let heard = 0;
    one.bus.on("x", () => void heard++);
    await sleep(50);
    await bus.publish("x", 1);
    await sleep(50);
    expect(heard).toBe(1);
    await second.close();
  });

  test("one that is let go while it connects is not kept", async () => {
    const { path, peers } = await hub();
    const bus = createBus({ name: "hasty" });
    const own = createPeers({ bus, dial: () => connectSocket(path), peerOf: (far) => ({ name: far, rights: ALL_RIGHTS }) });
    const kept = own.keep(path);
    const ready = codeOf(() => kept.ready());
    await kept.release();
    expect(await ready).toBe("bus/closed");
    await until(() => peers.list().length === 0 && own.links().length === 0);
    await own.close();
  });

  test("a link is shared by all who keep it, and closed when the last lets go", async () => {
    const { path, peers } = await hub();
    const one = await spoke(path, "one");
    const [again, more] = [one.peers.keep(`unix:${path}`), one.peers.keep(`unix:${path}`)];
    expect(await again.ready()).toBe(one.link);
    await again.release();
    // letting go twice takes nothing from others
    await again.release();
    expect(again.link).toBeUndefined();
    expect(more.link).toBe(one.link);
    expect(peers.list().length).toBe(1);
    await more.release();
    expect(peers.list().length).toBe(1);
    await one.kept.release();
    await until(() => peers.list().length === 0);
  });

  test("two buses that keep each other have one link, and neither gives up", async () => {
    const [one, other] = [createBus({ name: "one" }), createBus({ name: "other" })];
    const told: string[] = [];
    for (const bus of [one, other]) bus.on("bus.peer.lost", () => void told.push(bus.name));
    const paths = [0, 1].map(() => join(folder, `${sockets++}.sock`));
    const peerOf = (name: string): Peer => ({ name, rights: ALL_RIGHTS });
    const dial = (address: string): Promise<Connection> => connectSocket(address);
    const [first, second] = [createPeers({ bus: one, peerOf, dial }), createPeers({ bus: other, peerOf, dial })];
    const listeners = [
      await listenSocket(paths[0] as string, (connection) => void first.accept(connection)),
      await listenSocket(paths[1] as string, (connection) => void second.accept(connection)),
    ];
    const [toOther, toOne] = [first.keep(paths[1] as string), second.keep(paths[0] as string)];
    await Promise.all([toOther.ready(), toOne.ready()]);
    let heard = 0;
    other.on("x", () => void heard++);
    await sleep(800);
    expect([first.links().length, second.links().length]).toEqual([1, 1]);
    await one.publish("x", 1);
    await sleep(50);
    expect(heard).toBe(1);
    expect(told).toEqual([]);
    expect([toOther.link, toOne.link]).toEqual([first.links()[0], second.links()[0]]);
    await Promise.all([first.close(), second.close(), ...listeners.map((listener) => listener.close())]);
  });
});

describe("slow subscribers at the far side", () => {
  test("hold their publisher up, across the link; nothing is lost", async () => {
    const { bus, path } = await hub();
    const one = await spoke(path, "one");
    const slow = bus.subscribe("x", { queueMax: 10 });
    await until(() => one.bus.far.interests({}).length > 0);
    await sleep(30);
    let sent = 0;
    const COUNT = 20_000;
    const publisher = (async () => {
      for (; sent < COUNT; sent++) await one.bus.publish("x", { n: sent, text: "x".repeat(1000) });
    })();
    await sleep(300);
    const stood = sent;
    await sleep(100);
    expect(sent).toBe(stood);
    expect(stood).toBeLessThan(COUNT / 2);
    let next = 0;
    for await (const { payload } of slow) {
      expect((payload as { n: number }).n).toBe(next++);
      if (next === COUNT) break;
    }
    await publisher;
    expect(one.link.counts().dropped).toBe(0);
  });
});
