// The long forms of the bus's tests: `soak-bus.ts PART`, on Bun or on Deno. Prints what it did and what was wrong; ends with 1 when something
// was.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createBus } from "../runtime/bus/bus.ts";
import { createRecords, decodeCbor } from "../runtime/bus/cbor/decode.ts";
import { createCompactEncoder, createPlainEncoder } from "../runtime/bus/cbor/encode.ts";
import { readFrame } from "../runtime/bus/frame.ts";
import { createHandshake } from "../runtime/bus/handshake.ts";
import { ALL_RIGHTS } from "../runtime/bus/peer.ts";
import { createPeers, type Peers } from "../runtime/bus/peers.ts";
import type { WhenFull } from "../runtime/bus/queue.ts";
import { SymphonyError } from "../runtime/error.ts";
import { FrameReader, FrameWriter } from "../runtime/extension/isolate/wire.ts";
import { createFrameReader, packFrames } from "../runtime/transport/frames.ts";
import { createMessageConnection } from "../runtime/transport/messages.ts";
import { connectSocket, listenSocket } from "../runtime/transport/socket.ts";
import type { Item } from "../runtime/value.ts";
import { drawFrame, drawPayload } from "./payloads.ts";
import { createRandom } from "./random.ts";
import { checkRouting } from "./routing.ts";

const MIB = 1024 * 1024;
const SEED = Number(process.env["SYMPHONY_SEED"] ?? 1);
const runtime = "Deno" in globalThis ? "Deno" : "Bun";
const say = (line: string): void => console.log(line);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const rss = (): number => process.memoryUsage().rss;
const percentile = (samples: number[], part: number): number => [...samples].sort((a, b) => a - b)[Math.max(0, Math.ceil(part * samples.length) - 1)] ?? Number.NaN;

async function until(holds: () => boolean, ms = 10_000): Promise<boolean> {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(1)) if (holds()) return true;
  return holds();
}

// ---- routing ----

async function routing(): Promise<string[]> {
  const SEQUENCES = 10_000;
  const wrong = Array.from({ length: SEQUENCES }, (_, i) => checkRouting(SEED * 1_000_000 + i)).flat();
  say(`routing on ${runtime}: ${SEQUENCES} sequences of 60 joins, leaves and messages as an oracle says`);
  return wrong.slice(0, 5);
}

// ---- fuzz ----

/** 100 000 frames that do harm to each that reads what a far side says: a value or a code, within a second, in bounded memory. */
async function fuzz(): Promise<string[]> {
  const FRAMES = 100_000;
  const wrong: string[] = [];
  const draw = createRandom(SEED);
  const plain = createPlainEncoder();
  const compact = createCompactEncoder();
  const records = createRecords();
  const codes = new Map<string, number>();
  const silent = {
    address: "fuzz",
    closed: new Promise<undefined>(() => {}),
    ended: new Promise<void>(() => {}),
    send() {},
    receive() {},
    end() {},
    close() {},
    frameMax: 1000,
    bytesReceived: 0,
  };
  const readers: Record<string, (frame: Uint8Array) => unknown> = {
    "CBOR, plain": (frame) => decodeCbor(frame),
    "CBOR, compact": (frame) => decodeCbor(frame, { records }),
    "frames of a stream": (frame) =>
      createFrameReader(() => {}).push(draw(2) === 0 ? frame : (packFrames([frame.length > 0 ? frame : Uint8Array.of(1)])[0] as Uint8Array).subarray(0, draw(frame.length + 8))),
    "messages of a port": (frame) => {
      const connection = createMessageConnection({ address: "fuzz", post: () => {}, closeAll: () => {} });
      connection.receive(() => {});
      connection.onMessage(frame);
      // what it makes of a message it has made of it before this
      let soon = Promise.resolve();
      for (let turn = 0; turn < 4; turn++) soon = soon.then(() => {});
      return Promise.race([connection.closed.then((error) => Promise.reject(error)), soon]);
    },
    "frames of a link": (frame) =>
      readFrame(
        draw(2) === 0
          ? decodeCbor(frame)
          : {
              ...(drawPayload(draw, 2) as object),
              kind: ["event", "request", "response", "error", "interest", "credit", "bye"][draw(7)],
              to: "a",
              id: 1,
              at: 0,
              add: drawPayload(draw, 2),
              remove: [],
            },
      ),
    "a handshake": (frame) =>
      createHandshake({
        connection: silent,
        side: draw(2) === 0 ? "accept" : "connect",
        name: "fuzz",
        instance: crypto.randomUUID(),
        peerOf: (name) => ({ name, rights: ALL_RIGHTS, token: new Uint8Array(32) }),
        encodings: ["plain"],
        frameMax: 1000,
      }).proceed(frame),
    "frames of an isolate": (frame) => new FrameReader(frame).entries(),
  };
  for (const [what, read] of Object.entries(readers)) {
    codes.clear();
    const before = rss();
    let slowest = 0;
    for (let n = 0; n < FRAMES; n++) {
      const frame = drawFrame(draw, what.includes("compact") ? compact : what.includes("isolate") ? () => isolateFrame(draw) : plain);
      const begun = performance.now();
      let code = "taken";
      try {
        const made = read(frame);
        if (made instanceof Promise) await made;
      } catch (cause) {
        code = cause instanceof SymphonyError ? cause.code : `a ${(cause as Error)?.name}: ${(cause as Error)?.message}`;
        if (!(cause instanceof SymphonyError)) wrong.push(`fuzz: ${what} answered with ${code}`);
      }
      codes.set(code, (codes.get(code) ?? 0) + 1);
      slowest = Math.max(slowest, performance.now() - begun);
      if (n % 1000 === 0) await sleep(0);
    }
    const grown = (rss() - before) / MIB;
    say(
      `fuzz on ${runtime}: ${what}: ${FRAMES} frames, ${[...codes].map(([code, count]) => `${code} ${count}`).join(", ")}; slowest ${slowest.toFixed(1)} ms, ${grown.toFixed(0)} MiB more`,
    );
    if (slowest > 1000) wrong.push(`fuzz: ${what} took ${slowest.toFixed(0)} ms over a frame`);
    if (grown > 300) wrong.push(`fuzz: ${what} holds ${grown.toFixed(0)} MiB more than before`);
  }
  return [...new Set(wrong)].slice(0, 10);
}

/** The payload of a sound frame with some values. */
function isolateFrame(draw: (below: number) => number): Uint8Array {
  const writer = new FrameWriter();
  writer.begin(1);
  const text = (): string => "value ".repeat(draw(20));
  const item = (): Item =>
    [
      { tag: "number" as const, val: draw(1000) },
      { tag: "text" as const, val: text() },
      { tag: "json" as const, val: "{}" },
      { tag: "bytes" as const, val: { mediaType: "a/b", data: new Uint8Array(draw(100)) } },
      { tag: "null" as const },
    ][draw(5)] as Item;
  writer.entries(Array.from({ length: draw(5) }, () => ({ name: text(), value: draw(3) === 0 ? { tag: "items" as const, val: Array.from({ length: draw(10) }, item) } : item() })));
  writer.end();
  return writer.take(true).subarray(5);
}

// ---- slow ----

/** Subscribers that are slower than their publishers for a minute, by each policy, here and over a link. */
async function slow(): Promise<string[]> {
  const SECONDS = Number(process.env["SYMPHONY_SECONDS"] ?? 60);
  const wrong: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "symphony-slow-"));
  const bus = createBus({ name: "hub" });
  const peers = createPeers({ bus, peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
  const listener = await listenSocket(join(folder, "s"), (connection) => void peers.accept(connection));
  const far = createBus({ name: "far" });
  const farPeers = createPeers({ bus: far, dial: (path) => connectSocket(path), peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
  await farPeers.keep(join(folder, "s")).ready();
  const end = performance.now() + SECONDS * 1000;
  const figures: string[] = [];
  const samples: number[] = [];
  const sampler = setInterval(() => samples.push(rss()), 500);

  async function pair(where: string, publisher: typeof bus, subscriber: typeof bus, full: WhenFull): Promise<void> {
    const subject = `slow.${where}.${full}`;
    const subscription = subscriber.subscribe(subject, { queueMax: 100, full });
    await sleep(200);
    let sent = 0;
    let got = 0;
    let last = -1;
    let isDone = false;
    let failure = "";
    const reading = (async () => {
      try {
        for await (const { payload } of subscription) {
          const { n } = payload as { n: number };
          if (n <= last) wrong.push(`slow: ${subject} gave ${n} after ${last}`);
          last = n;
          got++;
          if (!isDone && got % 10 === 0) await sleep(1);
        }
      } catch (cause) {
        failure = (cause as SymphonyError).code;
      }
    })();
    while (performance.now() < end && failure === "") {
      for (let i = 0; i < 20; i++) {
        const wait = publisher.publish(subject, { n: sent++, text: "x".repeat(400) });
        if (wait) await wait;
      }
      await sleep(0);
    }
    isDone = true;
    // what is on its way arrives
    for (let before = -1; before !== got; ) {
      before = got;
      await sleep(500);
    }
    subscription.close();
    await reading;
    const lost = sent - got - subscription.dropped;
    figures.push(`${where}, ${full}: ${sent} sent, ${got} taken, ${subscription.dropped} counted as dropped${failure ? `, ended with ${failure}` : ""}`);
    if (full === "wait" && (lost !== 0 || subscription.dropped !== 0)) wrong.push(`slow: ${subject} lost ${lost}`);
    if (full === "drop-oldest" && lost !== 0) wrong.push(`slow: ${subject} lost ${lost} that weren't counted`);
    if (full === "fail" && failure !== "bus/slow") wrong.push(`slow: ${subject} didn't end with bus/slow but ${failure}`);
  }

  const policies: WhenFull[] = ["wait", "drop-oldest", "fail"];
  await Promise.all([...policies.map((full) => pair("here", bus, bus, full)), ...policies.map((full) => pair("far", bus, far, full))]);
  clearInterval(sampler);
  const half = samples.slice(Math.floor(samples.length / 4), Math.floor(samples.length / 2));
  const late = samples.slice(Math.floor((3 * samples.length) / 4));
  const mean = (list: number[]): number => list.reduce((sum, one) => sum + one, 0) / list.length / MIB;
  for (const figure of figures) say(`slow on ${runtime}: ${figure}`);
  say(`slow on ${runtime}: ${SECONDS} s, memory ${mean(half).toFixed(0)} MiB in the second quarter, ${mean(late).toFixed(0)} MiB in the last`);
  if (mean(late) > mean(half) * 1.25 + 20) wrong.push(`slow: memory grew from ${mean(half).toFixed(0)} to ${mean(late).toFixed(0)} MiB`);
  await farPeers.close();
  await peers.close();
  await listener.close();
  rmSync(folder, { recursive: true, force: true });
  return wrong;
}

// ---- peers ----

function startPeer(path: string, name: string): ChildProcess {
  const peer = join(import.meta.dirname, "bus-peer.ts");
  return spawn(process.execPath, [...(runtime === "Deno" ? ["run", "-A", "--no-check", "--quiet"] : []), peer, path, name], { stdio: "ignore" });
}

/** 200 peers that connect, are asked, and are killed or leave: what stays behind, and how soon each death is seen. */
async function peers(): Promise<string[]> {
  const COUNT = 200;
  const wrong: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "symphony-peers-"));
  const bus = createBus({ name: "hub" });
  const own = createPeers({ bus, peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
  const path = join(folder, "s");
  const listener = await listenSocket(path, (connection) => void own.accept(connection));
  const handles = (): number => readdirSync("/proc/self/fd").length;
  const seen: number[] = [];
  let base = 0;
  let baseRss = 0;
  for (let n = 0; n < COUNT; n++) {
    const child = startPeer(path, `p${n}`);
    const gone = new Promise((resolve) => child.once("exit", resolve));
    if (!(await until(() => bus.endpoints().length === 6))) wrong.push(`peers: ${n} didn't come`);
    const waits = bus.request(`p${n}.never`, 0).then(
      () => "answered",
      (cause) => (cause as SymphonyError).code,
    );
    if ((await bus.request(`p${n}.echo`, { n })) === undefined) wrong.push(`peers: ${n} gave no answer`);
    if (n % 2 === 0) {
      const begun = performance.now();
      child.kill("SIGKILL");
      const code = await waits;
      seen.push(performance.now() - begun);
      if (code !== "bus/peer") wrong.push(`peers: a request to the killed ${n} ended with ${code}`);
    } else {
      await Promise.all(own.links().map((link) => link.close()));
      child.kill("SIGKILL");
      if ((await waits) !== "bus/peer") wrong.push(`peers: a request over a closed link ended otherwise`);
    }
    await gone;
    if (!(await until(() => bus.endpoints().length === 0 && own.list().length === 0))) wrong.push(`peers: something of ${n} stayed`);
    if (n === 20) {
      await sleep(200);
      base = handles();
      baseRss = rss();
    }
  }
  await sleep(500);
  const more = handles() - base;
  const { waiting } = bus.counts();
  say(
    `peers on ${runtime}: ${COUNT} connects, ${seen.length} kills seen after ${percentile(seen, 0.5).toFixed(1)} ms (p50), ${percentile(seen, 0.99).toFixed(1)} ms (p99); since the 20th ${more} handles and ${((rss() - baseRss) / MIB).toFixed(0)} MiB more, ${waiting} requests left open`,
  );
  if (more > 2) wrong.push(`peers: ${more} handles stayed`);
  if (waiting !== 0) wrong.push(`peers: ${waiting} requests stayed`);
  if (percentile(seen, 0.5) > 100) wrong.push("peers: deaths are seen too late");
  if (rss() - baseRss > 60 * MIB) wrong.push("peers: memory grew");
  await own.close();
  await listener.close();
  rmSync(folder, { recursive: true, force: true });
  return wrong;
}

// ---- health ----

const BEAT_MS = 100;
const MISSED = 5;

/** How soon a peer that is stopped is found, and how often one that lives is taken for dead while everything is busy. */
async function health(): Promise<string[]> {
  const SECONDS = Number(process.env["SYMPHONY_SECONDS"] ?? 60);
  const wrong: string[] = [];
  const folder = mkdtempSync(join(tmpdir(), "symphony-health-"));
  const bus = createBus({ name: "hub" });
  let left: string[] = [];
  bus.on("bus.peer.left", ({ payload }) => void left.push((payload as { message?: string }).message ?? ""));
  const own: Peers = createPeers({ bus, peerOf: (name) => ({ name, rights: ALL_RIGHTS }), heartbeatMs: BEAT_MS, heartbeatsMissed: MISSED });
  const path = join(folder, "s");
  const listener = await listenSocket(path, (connection) => void own.accept(connection));
  const found: number[] = [];
  for (let n = 0; n < 20; n++) {
    left = [];
    const child = startPeer(path, `h${n}`);
    await until(() => bus.endpoints().length === 6);
    await sleep(n * 7);
    const begun = performance.now();
    child.kill("SIGSTOP");
    if (!(await until(() => left.length > 0))) wrong.push("health: a stopped peer was not found in 10 s");
    found.push(performance.now() - begun);
    child.kill("SIGKILL");
    await until(() => bus.endpoints().length === 0);
  }
  say(
    `health on ${runtime}: 20 stopped peers, a heartbeat of ${BEAT_MS} ms, ${MISSED} missed: found after ${percentile(found, 0.5).toFixed(0)} ms (p50), ${percentile(found, 0.99).toFixed(0)} ms (p99)`,
  );
  left = [];
  const children = Array.from({ length: 4 }, (_, n) => startPeer(path, `busy${n}`));
  await until(() => bus.endpoints().length === 24);
  const hogs = Array.from({ length: 4 }, () => spawn("sh", ["-c", "while :; do :; done"], { stdio: "ignore" }));
  const draw = createRandom(SEED);
  const end = performance.now() + SECONDS * 1000;
  let stalls = 0;
  let checks = 0;
  try {
    while (performance.now() < end) {
      // this side is held up, up to four heartbeats long
      const stall = performance.now() + draw(4 * BEAT_MS);
      while (performance.now() < stall);
      stalls++;
      // one of the others is busy for up to two
      if (draw(3) === 0 && left.length === 0) void bus.request(`busy${draw(4)}.hang`, draw(2 * BEAT_MS)).catch(() => {});
      await sleep(draw(50));
      checks++;
    }
  } finally {
    for (const hog of hogs) hog.kill("SIGKILL");
  }
  const beats = (SECONDS * 1000 * 4) / BEAT_MS;
  say(
    `health on ${runtime}: 4 living peers for ${SECONDS} s with 4 processes that take all processors, this side held up ${stalls} times by up to ${4 * BEAT_MS} ms: ${left.length} taken for dead in some ${beats} heartbeats`,
  );
  if (left.length > 0) wrong.push(`health: ${left.length} living peers were taken for dead`);
  if (checks === 0) wrong.push("health: nothing was tried");
  for (const child of children) child.kill("SIGKILL");
  await own.close();
  await listener.close();
  rmSync(folder, { recursive: true, force: true });
  return wrong;
}

const PARTS: Record<string, () => Promise<string[]>> = { routing, fuzz, slow, peers, health };

const part = PARTS[process.argv[2] ?? ""];
if (!part) {
  console.error(`Which part? ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}
const wrong = await part();
for (const line of wrong) console.error(line);
process.exit(wrong.length > 0 ? 1 : 0);
