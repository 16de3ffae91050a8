// Ports over links, and what people and monitors see of messages.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "bun:test";
import { createArtifactStore } from "../../pit/mod.ts";
import { createTestPlatform } from "../../tests/platform.ts";
import { SymphonyError } from "../error.ts";
import { connectSocket, listenSocket } from "../transport/socket.ts";
import { openAudit, readAudit } from "../extension/permission/audit.ts";
import { auditRefusals } from "./audit.ts";
import { type Bus, createBus } from "./bus.ts";
import { Message } from "./message.ts";
import { spellMetrics } from "./metrics.ts";
import { ALL_RIGHTS } from "./peer.ts";
import { createPeers, type Peers } from "./peers.ts";
import { portOver, servePort } from "./port.ts";
import { printMessage, printValue } from "./print.ts";

const folder = mkdtempSync(join(tmpdir(), "symphony-port-"));
const closers: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closers) await close();
  rmSync(folder, { recursive: true, force: true });
});

async function linked(): Promise<{ near: Bus; far: Bus; peers: Peers }> {
  const [near, far] = [createBus({ name: "near" }), createBus({ name: "far" })];
  const peerOf = (name: string) => ({ name, rights: ALL_RIGHTS });
  const farPeers = createPeers({ bus: far, peerOf });
  const path = join(folder, `${closers.length}.sock`);
  const listener = await listenSocket(path, (connection) => void farPeers.accept(connection));
  const peers = createPeers({ bus: near, peerOf, dial: () => connectSocket(path) });
  closers.push(() => Promise.all([peers.close(), farPeers.close(), listener.close()]));
  await peers.keep(path).ready();
  return { near, far, peers };
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

const SHAPE = { put: "call", get: "call", find: "call", list: "call", create: { handle: { append: "call", finish: "call", discard: "call" } } } as const;

describe("a port", () => {
  test("of the Pit, the Artifact Store, serves a far peer as if it were there, with its errors and its handles", async () => {
    const { near, far } = await linked();
    const platform = createTestPlatform();
    const store = createArtifactStore({ platform, storage: platform.storage(join(folder, "artifacts")) });
    const leave = servePort(far, "artifacts", store, { ...SHAPE, create: { handle: { append: "call", finish: "call" } } });
    const probe = portOver(near, "artifacts", SHAPE);
    for (let end = performance.now() + 5000; near.endpoints().length < 6 && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 2));
    const bytes = new Uint8Array(300_000).map((_, i) => i % 251);
    const ref = (await probe.put(bytes, "application/octet-stream")) as { id: string; size: number };
    expect(ref).toEqual(await store.find(ref.id.slice(0, 12)));
    expect(await probe.get(ref.id)).toEqual(bytes);
    expect(await probe.list()).toEqual([ref]);
    expect(await codeOf(() => probe.get("0".repeat(64)))).toBe("artifact/unknown");
    expect(await codeOf(() => probe.put("text", "no type"))).not.toBe("none");

    const writer = await probe.create("text/plain");
    await writer.append(new TextEncoder().encode("one "));
    await writer.append(new TextEncoder().encode("two"));
    const made = (await writer.finish()) as { id: string };
    expect(new TextDecoder().decode(await store.get(made.id))).toBe("one two");
    expect(await codeOf(() => writer.discard())).toBe("bus/no-responder");
    await writer.release();
    expect(await codeOf(() => writer.append(bytes))).toBe("bus/answer");
    expect(await codeOf(() => near.request("artifacts.create.on", ["guess", "finish"]))).toBe("bus/answer");
    expect(await codeOf(() => near.request("artifacts.get", "no list"))).toBe("bus/shape");
    expect(await codeOf(() => near.request("artifacts.constructor", []))).toBe("bus/no-responder");
    expect(await codeOf(() => probe.get(() => 1))).toBe("bus/encode");
    leave();
    expect(far.endpoints()).toEqual([]);
  });

  test("with streams, in process; one that lacks a function isn't offered at all", async () => {
    const bus = createBus();
    const port = {
      count: async function* (upTo: number) {
        for (let n = 0; n < upTo; n++) yield n;
      },
      of(this: { name: string }) {
        return this.name;
      },
      name: "mine",
    };
    servePort(bus, "p", port, { count: "stream", of: "call" });
    const over = portOver(bus, "p", { count: "stream", of: "call" });
    expect(await Array.fromAsync(over.count(3))).toEqual([0, 1, 2]);
    expect(await over.of()).toBe("mine");
    expect(() => servePort(bus, "q", port, { of: "call", missing: "call" })).toThrow("Cannot offer q.missing");
    expect(bus.endpoints().length).toBe(2);
  });
});

describe("refusals", () => {
  test("are lines of the audit log, which is whole; what a peer repeats is counted", async () => {
    const platform = createTestPlatform();
    const ports = { folder: platform.appendFolder(join(folder, "audit")), head: platform.recordFile(join(folder, "audit.head")), digest: () => platform.digest(), now: Date.now };
    const log = await openAudit(ports);
    const audit = auditRefusals(log);
    const bus = createBus({ name: "hub" });
    const peers = createPeers({ bus, peerOf: (name) => (name === "guest" ? { name, rights: { ...ALL_RIGHTS, publish: ["chat.>"] } } : undefined), onRefusal: audit.onRefusal });
    const path = join(folder, "audited.sock");
    const listener = await listenSocket(path, (connection) => void peers.accept(connection));
    bus.on(">", () => {});
    const connectAs = (name: string): [Bus, Peers] => {
      const own = createBus({ name });
      return [own, createPeers({ bus: own, dial: () => connectSocket(path), peerOf: (far) => ({ name: far, rights: ALL_RIGHTS }) })];
    };
    const [guest, guestPeers] = connectAs("guest");
    await guestPeers.keep(path).ready();
    for (let end = performance.now() + 5000; guest.far.interests({}).length < 1 && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 2));
    for (let n = 0; n < 500; n++) await guest.publish("run.1", n);
    const [, strangers] = connectAs("stranger");
    expect(await codeOf(() => strangers.keep(path, { attempts: 1 }).ready())).toBe("bus/peer");
    for (let end = performance.now() + 5000; (peers.list()[0]?.counts.refused ?? 0) < 500 && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 2));
    await guestPeers.close();
    await peers.close();
    await listener.close();
    audit.close();
    await log.close();
    const { lines, faults } = await readAudit(ports);
    expect(faults).toEqual([]);
    expect(lines.length).toBeLessThan(8);
    expect(lines[0]).toMatchObject({
      event: "check",
      peer: "guest",
      right: "bus:publish:run.1",
      allowed: false,
      by: "bus/denied",
      note: 'guest may not publish on "run.1": it has the right to chat.>',
    });
    const more = lines.flatMap(({ note }) => /^(\d+) more like it: guest/.exec(note ?? "")?.[1] ?? []);
    expect(more.reduce((sum, count) => sum + Number(count), 0)).toBe(499);
    expect(lines.filter(({ right }) => right === "bus:join").length).toBe(1);
  });
});

describe("for people", () => {
  test("a message is a line, with what is long in short", () => {
    const at = Date.UTC(2026, 0, 2, 12, 4, 7, 250);
    const payload = {
      state: "finished",
      bytes: new Uint8Array(4300),
      list: Array.from({ length: 25 }, (_, n) => n),
      when: new Date(at),
      big: 12n,
      none: undefined,
      deep: { a: { b: { c: { d: { e: { f: 1 } } } } } },
    };
    expect(printMessage(new Message("run.7.node", payload, "run/node@2", "home/laptop", 12, at, "r7", undefined))).toBe(
      '12:04:07.250 event run.7.node from home/laptop run/node@2 #12 (r7) {state: "finished", bytes: 4.2 KiB of bytes, list: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 5 more], when: 2026-01-02T12:04:07.250Z, big: 12n, none: undefined, deep: {a: {b: {c: {d: {e: {deeper}}}}}}}',
    );
    expect(printMessage({ kind: "error", re: 4, at, code: "bus/denied", message: "no" })).toBe("12:04:07.250 error to request 4 bus/denied: no");
    expect(printMessage({ kind: "ping" })).toBe("ping");
    expect(printMessage({ kind: "response", re: 1, at: Number.NaN, payload: "x".repeat(5000) }, { max: 60 })).toBe(`at no time response to request 1 "${"x".repeat(60 - 35)}…`);
    expect(printMessage({ kind: "error", at, code: "x", message: "\u001b[31mred\u202e\n" })).toBe("12:04:07.250 error x: \\u001b[31mred\\u202e\\u000a");
    expect(printValue({ a: [1, { b: 2 }] }, true)).toBe("{\n  a: [\n    1,\n    {\n      b: 2\n    }\n  ]\n}");
  });

  test("counts are OpenMetrics, of the bus and of each link", async () => {
    const { near, far, peers } = await linked();
    far.serve("echo", (payload) => payload);
    for (let end = performance.now() + 5000; near.endpoints().length < 1 && performance.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 2));
    await near.request("echo", 1);
    await near.request("nobody", 1).catch(() => {});
    const text = spellMetrics(near, peers);
    expect(text).toContain("symphony_bus_requests_total 2\n");
    expect(text).toContain("symphony_bus_no_responder_total 1\n");
    expect(text).toContain('symphony_bus_answer_seconds_bucket{le="+Inf"} 1\n');
    expect(text).toMatch(/symphony_bus_link_sent_total\{peer="far",link="0"\} [1-9]/);
    expect(text.endsWith("# EOF\n")).toBe(true);
    for (const line of text.trim().split("\n")) expect(line).toMatch(/^(# (TYPE|HELP|EOF).*|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[\d.e+-]+)$/);
  });
});
