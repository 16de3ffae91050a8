// One contract for all transports, with the far side in another process or worker; and what framing does with what is no frame.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Buffer } from "node:buffer";
import { afterAll, describe, expect, test } from "bun:test";
import { createRandom } from "../../tests/random.ts";
import { digestOf, frameOf } from "../../tests/transport-behaviour.ts";
import { SymphonyError } from "../error.ts";
import { type Connection, FRAME_MAX, type Listener } from "./connection.ts";
import { createFrameReader, packFrames } from "./frames.ts";
import { createMessageConnection } from "./messages.ts";
import { connectPort, type PortLike } from "./message-port.ts";
import { connectRing, createRing } from "./ring.ts";
import { connectSocket, listenSocket } from "./socket.ts";
import { connectChild } from "./stdio.ts";
import { listenWebSocket } from "./websocket-server.ts";
import { connectWebSocket } from "./websocket.ts";

const PEER = join(import.meta.dirname, "../../tests/transport-peer.ts");
const isDeno = "Deno" in globalThis;
const folder = mkdtempSync(join(tmpdir(), "symphony-transport-"));
const children = new Set<ChildProcess>();
const workers = new Set<Worker>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  for (const worker of workers) worker.terminate();
  rmSync(folder, { recursive: true, force: true });
});

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function startPeer(args: string[]): ChildProcess {
  const child = spawn(process.execPath, [...(isDeno ? ["run", "-A", "--no-check", "--quiet"] : []), PEER, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  children.add(child);
  child.on("exit", () => children.delete(child));
  return child;
}

function startWorker(): Worker {
  const worker = new Worker(new URL("../../tests/transport-peer.ts", import.meta.url), { type: "module" });
  workers.add(worker);
  return worker;
}

interface Pair {
  connection: Connection;
  /** Ends the far side without a word. */
  kill: () => void;
}

let sockets = 0;

const TRANSPORTS: Record<string, () => Promise<Pair>> = {
  async unix() {
    const path = join(folder, `${sockets++}.sock`);
    const { promise, resolve } = Promise.withResolvers<Connection>();
    const listener = await listenSocket(path, resolve);
    const child = startPeer(["unix", path]);
    const connection = await promise;
    await listener.close();
    return { connection, kill: () => child.kill("SIGKILL") };
  },
  async stdio() {
    const child = startPeer(["stdio"]);
    return { connection: connectChild(child), kill: () => child.kill("SIGKILL") };
  },
  async websocket() {
    const { promise, resolve } = Promise.withResolvers<Connection>();
    const listener = await listenWebSocket({}, resolve);
    const child = startPeer(["websocket", listener.address]);
    const connection = await promise;
    void listener.close();
    return { connection, kill: () => child.kill("SIGKILL") };
  },
  async port() {
    const { port1, port2 } = new MessageChannel();
    const worker = startWorker();
    worker.postMessage({ port: port2 }, [port2]);
    return { connection: connectPort(port1 as unknown as PortLike), kill: () => worker.terminate() };
  },
  async ring() {
    const { near, far } = createRing();
    const worker = startWorker();
    worker.postMessage({ ring: far });
    return { connection: connectRing(near), kill: () => worker.terminate() };
  },
};
/** The system tells that the far side is gone. */
const TELLS = new Set(["unix", "stdio", "websocket"]);

/** All frames until the far side ends. */
function collect(connection: Connection): { frames: Uint8Array[]; done: Promise<Uint8Array[]> } {
  const frames: Uint8Array[] = [];
  connection.receive((frame) => void frames.push(frame.slice()));
  return { frames, done: connection.ended.then(() => frames) };
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

const reportOf = (frame: Uint8Array | undefined): { took: number; bytes: number; digest: string } => JSON.parse(new TextDecoder().decode(frame)) as never;

for (const [name, open] of Object.entries(TRANSPORTS))
  describe(name, () => {
    test("carries frames from one byte to 64 MiB, there and back, in order", async () => {
      const { connection } = await open();
      const { done } = collect(connection);
      const sent = [1, 2, 3, 4, 5, 255, 256, 65_531, 65_532, 65_535, 65_536, 65_537, 1_048_575, 1_048_577, FRAME_MAX].map((size, n) => {
        const frame = new Uint8Array(size);
        for (let i = 0; i < size; i += 997) frame[i] = i + n;
        frame[size - 1] = n;
        return frame;
      });
      await connection.send([text("echo")]);
      for (const frame of sent) await connection.send([frame]);
      connection.end();
      const got = await done;
      expect(got.map(({ length }) => length)).toEqual(sent.map(({ length }) => length));
      expect(digestOf(got)).toBe(digestOf(sent));
      expect(await connection.closed).toBeUndefined();
    });

    test("carries both directions at once, one frame or many at a time, and what is said after the far side has ended", async () => {
      const { connection } = await open();
      const { done } = collect(connection);
      const COUNT = 3000;
      const frames = Array.from({ length: COUNT }, (_, n) => frameOf(n, 5));
      await connection.send([text(`mirror ${COUNT} 9`)]);
      for (let n = 0; n < COUNT; ) {
        const some = frames.slice(n, n + 1 + (n % 7));
        await connection.send(some);
        n += some.length;
      }
      connection.end();
      const got = await done;
      const report = reportOf(got.pop());
      expect(report).toEqual({ took: COUNT, bytes: frames.reduce((sum, { length }) => sum + length, 0), digest: digestOf(frames) });
      expect(got.length).toBe(COUNT);
      expect(digestOf(got)).toBe(digestOf(Array.from({ length: COUNT }, (_, n) => frameOf(n, 9))));
      expect(await connection.closed).toBeUndefined();
    });

    test("stops a sender that the far side doesn't keep up with, and loses nothing", async () => {
      const { connection } = await open();
      const { done } = collect(connection);
      const chunk = new Uint8Array(64 * 1024).fill(7);
      let sent = 0;
      const HOLD_MS = isDeno ? 1200 : 900;
      await connection.send([text(`hold ${HOLD_MS}`)]);
      const begun = performance.now();
      let stoodAt = 0;
      for (; sent < 400; sent++) {
        await connection.send([chunk]);
        // what was taken before the far side took the second frame
        if (performance.now() - begun < HOLD_MS / 2) stoodAt = sent;
      }
      connection.end();
      // 8 MiB: the system's buffers, the window and a ring together
      expect(stoodAt * chunk.length).toBeLessThan(8 * 1024 * 1024);
      const report = reportOf((await done).at(-1));
      expect([report.took, report.bytes]).toEqual([400, 400 * chunk.length]);
    });

    test("refuses frames that are none, and what is sent when it is closed", async () => {
      const { connection } = await open();
      connection.receive(() => {});
      expect(await codeOf(() => connection.send([new Uint8Array(0)]))).toBe("bus/limit");
      expect(await codeOf(() => connection.send([new Uint8Array(FRAME_MAX + 1)]))).toBe("bus/limit");
      await connection.send([text("echo")]);
      connection.close();
      expect(await codeOf(() => connection.send([text("more")]))).toBe("bus/closed");
      await connection.closed;
    });

    test.skipIf(!TELLS.has(name))("tells within 100 ms that the far side was killed", async () => {
      const late: number[] = [];
      for (let n = 0; n < 5; n++) {
        const { connection, kill } = await open();
        const answer = Promise.withResolvers<void>();
        connection.receive(() => answer.resolve());
        await connection.send([text("echo"), text("are you there?")]);
        await answer.promise;
        const begun = performance.now();
        kill();
        await Promise.race([connection.ended, connection.closed]);
        late.push(performance.now() - begun);
        connection.close();
      }
      // the third of five: one may have come while the machine did something else
      expect(late.sort((a, b) => a - b)[2]).toBeLessThan(100);
    });
  });

describe("bytes that are no frames", () => {
  /** What a far side that sends these bytes makes of the connection. */
  async function overSocket(hex: string, then = ""): Promise<{ frames: Uint8Array[]; error: SymphonyError | undefined }> {
    const path = join(folder, `${sockets++}.sock`);
    const { promise, resolve } = Promise.withResolvers<Connection>();
    const listener = await listenSocket(path, resolve);
    const child = startPeer(["raw", path, hex, then]);
    const connection = await promise;
    const frames: Uint8Array[] = [];
    connection.receive((frame) => void frames.push(frame));
    const error = await connection.closed;
    await listener.close();
    child.kill("SIGKILL");
    return { frames, error };
  }

  for (const way of ["a socket", "standard output"])
    test(`frames that come byte by byte over ${way} are whole`, async () => {
      const hex = [1, 2, 5, 17].map((size) => `${size.toString(16).padStart(2, "0")}000000${"ab".repeat(size)}`).join("");
      const frames: number[] = [];
      let connection: Connection;
      let child: ChildProcess;
      let listener: Listener | undefined;
      if (way === "a socket") {
        const path = join(folder, `${sockets++}.sock`);
        const { promise, resolve } = Promise.withResolvers<Connection>();
        listener = await listenSocket(path, resolve);
        child = startPeer(["crumbs", path, hex]);
        connection = await promise;
      } else {
        child = startPeer(["crumbs", "-", hex]);
        connection = connectChild(child);
      }
      connection.receive((frame) => void frames.push(frame.length));
      await connection.ended;
      expect(frames).toEqual([1, 2, 5, 17]);
      connection.close();
      await listener?.close();
      child.kill("SIGKILL");
    });

  test("frames go through a ring that is smaller than they are, at every place of it", async () => {
    const { near, far } = createRing(64);
    const [one, other] = [connectRing(near), connectRing(far)];
    const got: Uint8Array[] = [];
    other.receive((frame) => void got.push(frame.slice()));
    one.receive(() => {});
    const sent = Array.from({ length: 200 }, (_, n) => new Uint8Array(1 + ((n * 37) % 211)).fill(n));
    for (const frame of sent) await one.send([frame]);
    one.end();
    await other.ended;
    expect(digestOf(got)).toBe(digestOf(sent));
    other.end();
    expect(await one.closed).toBeUndefined();
  });

  test("a peer that is killed within a frame is told apart from one that ended", async () => {
    const { frames, error } = await overSocket("0200000061620a00000061", "die");
    expect(frames.map((frame) => new TextDecoder().decode(frame))).toEqual(["ab"]);
    expect([error?.code, error?.retryable]).toEqual(["bus/malformed", true]);
    expect(error?.message).toContain("ended within a frame: 5 bytes of it had come");
  });

  test("garbage ends the connection, after the frames before it", async () => {
    const { frames, error } = await overSocket(`0100000061${"ff".repeat(40)}`);
    expect(frames.length).toBe(1);
    expect(error?.code).toBe("bus/limit");
    expect(error?.message).toContain("its length is given as 4294967295 bytes, expected 1 to 67108864");
  });

  test("a child that prints is found out", async () => {
    const child = startPeer(["raw-stdio", Buffer.from("Hello, world!\n").toString("hex")]);
    const connection = connectChild(child);
    connection.receive(() => {});
    expect((await connection.closed)?.code).toBe("bus/limit");
    child.kill("SIGKILL");
  });

  test("messages that are none end the connection", async () => {
    for (const message of [[], [0], [1], [1, 0, 0, 0], [1, 5, 0, 0, 0], [2, 1], [3], [255, 1, 2], [3, 1, 2]]) {
      const connection = createMessageConnection({ address: "test", post: () => {}, closeAll: () => {} });
      connection.receive(() => {});
      connection.onMessage(Uint8Array.from(message));
      expect([message, (await connection.closed)?.code]).toEqual([message, "bus/malformed"]);
    }
  });

  test("who ignores the window is cut off before memory is full", async () => {
    const connection = createMessageConnection({ address: "test", post: () => {}, closeAll: () => {} });
    connection.receive(() => new Promise(() => {}));
    const message = new Uint8Array(1024 * 1024);
    let sent = 0;
    let isClosed = false;
    void connection.closed.then(() => {
      isClosed = true;
    });
    for (; sent < 1000 && !isClosed; sent++) {
      connection.onMessage(message);
      await null;
    }
    expect(sent).toBeLessThan(80);
  });
});

describe("framing", () => {
  const frames = [1, 3, 4, 5, 260, 70_000, 2, 65_536, 1].map((size, n) => new Uint8Array(size).fill(n + 1));
  const packed = packFrames(frames);
  const whole = new Uint8Array(packed.reduce((sum, { length }) => sum + length, 0));
  packed.reduce((at, chunk) => {
    whole.set(chunk, at);
    return at + chunk.length;
  }, 0);

  test("is the same wherever the bytes are cut in two", () => {
    const small = whole.subarray(0, 4 + 1 + 4 + 3 + 4 + 4 + 4 + 5 + 4 + 260);
    for (let cut = 0; cut <= small.length; cut++) {
      const got: number[] = [];
      const reader = createFrameReader((frame) => void got.push(frame.length));
      reader.push(small.slice(0, cut));
      reader.push(small.slice(cut));
      expect([cut, got, reader.left]).toEqual([cut, [1, 3, 4, 5, 260], 0]);
    }
  });

  test("is the same byte by byte, and in random pieces", () => {
    const draw = createRandom(5);
    for (let round = 0; round < 60; round++) {
      const got: Uint8Array[] = [];
      const reader = createFrameReader((frame) => void got.push(frame.slice()));
      for (let at = 0; at < whole.length; ) {
        const size = round === 0 ? 1 : 1 + draw(round === 1 ? 5 : 90_000);
        reader.push(whole.slice(at, at + size));
        at += size;
      }
      expect(digestOf(got)).toBe(digestOf(frames));
      expect(reader.left).toBe(0);
    }
  });

  test("hands over nothing while what it handed over isn't taken", async () => {
    const got: number[] = [];
    let free = (): void => {};
    const reader = createFrameReader((frame) => {
      got.push(frame.length);
      return new Promise((resolve) => {
        free = resolve;
      });
    });
    const pushed = reader.push(whole.slice());
    for (let n = 1; n <= frames.length; n++) {
      expect(got.length).toBe(n);
      free();
      await sleep(0);
    }
    await pushed;
  });

  test("takes no memory for what is only claimed, and little for what comes in crumbs", () => {
    const before = process.memoryUsage().rss;
    const readers = Array.from({ length: 200 }, () => createFrameReader(() => {}));
    for (const reader of readers) reader.push(Uint8Array.from([0, 0, 0, 4, 1]));
    const crumbs = createFrameReader(() => {});
    crumbs.push(Uint8Array.from([0, 0, 0, 4]));
    for (let n = 0; n < 1_000_000; n++) crumbs.push(Uint8Array.from([1]));
    expect(crumbs.left).toBe(1_000_004);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });
});

describe("sockets", () => {
  test("are this user's alone, and replace one that is left over but none that is used or something else", async () => {
    const path = join(folder, "own", "s.sock");
    const seen: Connection[] = [];
    const listener = await listenSocket(path, (connection) => void seen.push(connection));
    expect([statSync(path).mode & 0o777, statSync(join(folder, "own")).mode & 0o777]).toEqual([0o600, 0o700]);
    expect(await codeOf(() => listenSocket(path, () => {}))).toBe("bus/peer");
    await listener.close();
    // as a process that was killed leaves it
    const left = startPeer(["unix", path]);
    left.kill("SIGKILL");
    writeFileSync(join(folder, "own", "file"), "x");
    expect(await codeOf(() => listenSocket(join(folder, "own", "file"), () => {}))).toBe("bus/invalid");
    expect(await codeOf(() => listenSocket(join(tmpdir(), "s.sock"), () => {}))).toBe("bus/invalid");
    expect(await codeOf(() => listenSocket(`/${"x".repeat(120)}/s.sock`, () => {}))).toBe("bus/invalid");
    expect(await codeOf(() => connectSocket(join(folder, "own", "nobody")))).toBe("bus/peer");
  });
});

describe("WebSockets", () => {
  let listener: Listener | undefined;
  afterAll(() => void listener?.close());

  test("are refused to pages of other origins, and to what is no WebSocket", async () => {
    listener = await listenWebSocket({ origins: ["http://mine.example"] }, () => {});
    const url = listener.address.replace("ws:", "http:");
    expect((await fetch(url)).status).toBe(426);
    const upgrade = { connection: "upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" };
    const { request } = await import("node:http");
    const statusFor = (origin: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request(url, { headers: { ...upgrade, origin } });
        asked.on("response", (response) => {
          resolve(response.statusCode ?? 0);
          response.destroy();
        });
        asked.on("upgrade", (_, socket) => {
          resolve(101);
          socket.destroy();
        });
        asked.on("error", reject);
        asked.end();
      });
    expect(await statusFor("http://evil.example")).toBe(403);
    expect(await statusFor("http://mine.example")).toBe(101);
    expect(await codeOf(() => connectWebSocket("ws://127.0.0.1:1"))).toBe("bus/peer");
    expect(await codeOf(() => connectWebSocket("nonsense"))).toBe("bus/invalid");
  });
});
