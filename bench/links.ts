// What does a message cost between processes and between workers? Over a Unix socket beside the bare socket and NATS with its server; over
// the ring beside postMessage and Comlink.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { wrap } from "comlink";
import { type NatsConnection, connect } from "@nats-io/transport-node";
import { createBus } from "../runtime/bus/bus.ts";
import { createPlainEncoder } from "../runtime/bus/cbor/encode.ts";
import { createLink } from "../runtime/bus/link.ts";
import { ALL_RIGHTS } from "../runtime/bus/peer.ts";
import { createPeers } from "../runtime/bus/peers.ts";
import { connectPort, type PortLike } from "../runtime/transport/message-port.ts";
import { connectRing, createRing } from "../runtime/transport/ring.ts";
import { connectSocket } from "../runtime/transport/socket.ts";
import { connectChild } from "../runtime/transport/stdio.ts";
import type { Connection } from "../runtime/transport/connection.ts";
import { awaitedBatches, each, head, race, same, versionOf } from "./figures.ts";
import { MESSAGE } from "./message.ts";

const PORT = 42_177;
const FLOW = 20_000;

export async function bench(): Promise<void> {
  head("links", "what does a message cost between processes and between workers?", [versionOf("@nats-io/transport-node"), versionOf("comlink")]);
  const folder = mkdtempSync(join(tmpdir(), "symphony-bench-"));
  const nats = spawn("nats-server", ["-a", "127.0.0.1", "-p", String(PORT)], { stdio: "ignore" });
  let hasNats = true;
  nats.on("error", () => {
    hasNats = false;
    console.log("skipped: NATS, whose server is missing (Debian: nats-server)");
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  const far = spawn(process.execPath, [join(import.meta.dirname, "links-far.ts"), folder, hasNats ? `127.0.0.1:${PORT}` : ""], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => far.stdout.once("data", resolve));
    await sockets(folder, hasNats ? await connect({ servers: `127.0.0.1:${PORT}` }) : undefined);
    await pipes();
    await workers();
  } finally {
    end(far);
    end(nats);
    rmSync(folder, { recursive: true, force: true });
  }
}

function end(child: ChildProcess): void {
  child.kill("SIGKILL");
}

async function sockets(folder: string, nats: NatsConnection | undefined): Promise<void> {
  const payload = MESSAGE.payload;
  const bytes = createPlainEncoder()(payload);
  const bare = createConnection(join(folder, "bare.sock"));
  let wake = (_: Uint8Array): void => {};
  bare.on("data", (chunk: Uint8Array) => wake(chunk));
  const overBare = (): Promise<Uint8Array> =>
    new Promise((resolve) => {
      wake = resolve;
      bare.write(bytes);
    });
  const bus = createBus({ name: "near" });
  const peers = createPeers({ bus, dial: (path) => connectSocket(path), peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
  const kept = peers.keep(join(folder, "bus.sock"));
  await kept.ready();
  while (bus.endpoints().length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  same("the bus", await bus.request("echo", payload), payload);
  same("the socket", (await overBare()).length, bytes.length);
  if (nats) same("NATS", (await nats.request("echo", bytes)).data.length, bytes.length);
  await race({
    title: "Ask over a Unix socket, 500 bytes there and back",
    unit: "us",
    sample: "one question",
    rounds: 6,
    contestants: [
      { what: "the bare socket", block: () => each(500, overBare) },
      { what: "the bus", beside: ["the bare socket", "NATS"], block: () => each(500, () => bus.request("echo", payload)) },
      ...(nats ? [{ what: "NATS", block: () => each(500, () => nats.request("echo", bytes)) }] : []),
    ],
  });
  await race({
    title: "Ask with 256 questions on their way",
    unit: "us",
    sample: "the mean of 5000",
    rounds: 6,
    contestants: [
      { what: "the bus", beside: ["NATS"], block: () => flight(() => bus.request("echo", payload)) },
      ...(nats ? [{ what: "NATS", block: () => flight(() => nats.request("echo", bytes)) }] : []),
    ],
  });
  const small = { n: 1, state: "finished" };
  const smallBytes = createPlainEncoder()(small);
  await race({
    title: `Publish to a far subscriber, ${FLOW} in a row`,
    unit: "us",
    sample: `one message, as the mean of ${FLOW}`,
    rounds: 6,
    contestants: [
      {
        what: "the bus, waiting when it is told to",
        beside: ["NATS"],
        block: async () => {
          const before = (await bus.request("got", 0)) as number;
          const begun = performance.now();
          for (let i = 0; i < FLOW; i++) {
            const wait = bus.publish("flow", small);
            if (wait) await wait;
          }
          while (((await bus.request("got", 0)) as number) - before < FLOW);
          return [(performance.now() - begun) / FLOW];
        },
      },
      ...(nats
        ? [
            {
              what: "NATS",
              block: async () => {
                const taken = async (): Promise<number> => Number(new TextDecoder().decode((await nats.request("got")).data));
                const before = await taken();
                const begun = performance.now();
                for (let i = 0; i < FLOW; i++) nats.publish("flow", smallBytes);
                while ((await taken()) - before < FLOW);
                return [(performance.now() - begun) / FLOW];
              },
            },
          ]
        : []),
    ],
  });
  bare.destroy();
  await nats?.close();
  await peers.close();
}

async function pipes(): Promise<void> {
  const payload = MESSAGE.payload;
  const bytes = createPlainEncoder()(payload);
  const start = (mode: string) => spawn(process.execPath, [join(import.meta.dirname, "pipe-far.ts"), mode], { stdio: ["pipe", "pipe", "inherit"] });
  const [bare, child] = [start("bare"), start("bus")];
  let wake = (_: Uint8Array): void => {};
  bare.stdout.on("data", (chunk: Uint8Array) => wake(chunk));
  const overBare = (): Promise<Uint8Array> =>
    new Promise((resolve) => {
      wake = resolve;
      bare.stdin.write(bytes);
    });
  const bus = createBus({ name: "parent" });
  await createLink({ bus, connection: connectChild(child), side: "connect", peerOf: (name) => ({ name, rights: ALL_RIGHTS }) });
  while (bus.endpoints().length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
  same("the bus", await bus.request("echo", payload), payload);
  same("the pipe", (await overBare()).length, bytes.length);
  await race({
    title: "Ask a child over its standard input and output, 500 bytes there and back",
    unit: "us",
    sample: "one question",
    rounds: 6,
    contestants: [
      { what: "the bare pipe", block: () => each(500, overBare) },
      { what: "the bus", beside: ["the bare pipe"], block: () => each(500, () => bus.request("echo", payload)) },
    ],
  });
  end(bare);
  end(child);
}

async function flight(ask: () => Promise<unknown>): Promise<number[]> {
  const COUNT = 5000;
  const begun = performance.now();
  let left = COUNT;
  await Promise.all(
    Array.from({ length: 256 }, async () => {
      while (left-- > 0) await ask();
    }),
  );
  return [(performance.now() - begun) / COUNT];
}

async function workers(): Promise<void> {
  const worker = new Worker(new URL("./ring-far.ts", import.meta.url), { type: "module" });
  const { near, far } = createRing();
  const [ours, bare, linked] = [new MessageChannel(), new MessageChannel(), new MessageChannel()];
  const ready = new Promise((resolve) => worker.addEventListener("message", resolve, { once: true }));
  worker.postMessage({ ring: far, port: ours.port2, bare: bare.port2, linked: linked.port2 }, [ours.port2, bare.port2, linked.port2]);
  await ready;
  const message = new Uint8Array(300).fill(7);
  const pingPong = (connection: Connection): (() => Promise<void>) => {
    let wake = (): void => {};
    connection.receive(() => wake());
    return () =>
      new Promise((resolve) => {
        wake = resolve;
        void connection.send([message]);
      });
  };
  const overRing = pingPong(connectRing(near, { lookMicros: 200 }));
  const overPort = pingPong(connectPort(ours.port1 as unknown as PortLike));
  let wakeBare = (): void => {};
  bare.port1.onmessage = () => wakeBare();
  const overBare = (): Promise<void> =>
    new Promise((resolve) => {
      wakeBare = resolve;
      bare.port1.postMessage(message);
    });
  const remote = wrap<{ echo(message: Uint8Array): Promise<Uint8Array> }>(linked.port1);
  same("Comlink", (await remote.echo(message)).length, 300);
  const half = async (samples: Promise<number[]>): Promise<number[]> => (await samples).map((ms) => ms / 2);
  await race({
    title: "300 bytes to a worker, half of there and back",
    unit: "us",
    sample: "the mean of 20",
    rounds: 6,
    contestants: [
      { what: "postMessage", block: () => half(awaitedBatches(100, 20, overBare)) },
      { what: "the ring, looked at", beside: ["postMessage", "Comlink"], block: () => half(awaitedBatches(100, 20, overRing)) },
      { what: "the ring, asleep between", block: () => half(rested(overRing)) },
      { what: "a MessagePort's connection", beside: ["postMessage"], block: () => half(awaitedBatches(100, 20, overPort)) },
      { what: "Comlink", block: () => half(awaitedBatches(100, 20, () => remote.echo(message))) },
    ],
  });
  worker.terminate();
}

/** Both sides have gone to sleep before each message. */
async function rested(call: () => Promise<void>): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < 60; i++) {
    await new Promise((resolve) => setTimeout(resolve, 3));
    const begun = performance.now();
    await call();
    samples.push(performance.now() - begun);
  }
  return samples;
}
