// A link between the buses of two ends of a connection: who is interested in what, events, requests, streams, and whether the far side lives.
// Links make a tree: what comes over one goes on over all others that want it, eight links far at most.
//
// Order: events keep the order in which they were published, requests and answers too; a stream's answers come in order. An event is told
// once or, when the connection is lost, not at all.
import { type Clock, systemClock } from "../clock.ts";
import { SymphonyError } from "../error.ts";
import { brokenError, type Connection } from "../transport/connection.ts";
import type { Bus, Call, Interest, Receiver, Responder } from "./bus.ts";
import { createRecords, decodeCbor } from "./cbor/decode.ts";
import { createCompactEncoder, createPlainEncoder, type Encode } from "./cbor/encode.ts";
import {
  type ControlFrame,
  type ErrorFrame,
  errorFrame,
  errorOf,
  type EventFrame,
  type Frame,
  type WireInterest,
  endpointOf,
  interestKey,
  readFrame,
  type RequestFrame,
  type ResponseFrame,
} from "./frame.ts";
import { createHandshake, type Encoding, type Joined } from "./handshake.ts";
import { Message } from "./message.ts";
import { createRate, may, type Peer, PEER_LIMITS, type PeerLimits, type Refusal, within } from "./peer.ts";
import { createQueue } from "./queue.ts";
import { covers, overlaps } from "./subject.ts";
import { createTypes, type Types } from "./register.ts";

export interface LinkOptions {
  bus: Bus;
  connection: Connection;
  side: "connect" | "accept";
  /** Who the far side may be, by the name that it gives; undefined refuses it. */
  peerOf: (name: string) => Peer | undefined | Promise<Peer | undefined>;
  types?: Types;
  encodings?: readonly Encoding[];
  /** A sign of life is asked for after so long without one; 1000 by default. */
  heartbeatMs?: number;
  /** After so many asked for in vain the far side is taken for hung; 5 by default. */
  heartbeatsMissed?: number;
  /** Each refusal of what the peer tried. */
  onRefusal?: (refusal: Refusal) => void;
  clock?: Clock;
}

export interface LinkCounts {
  sent: number;
  received: number;
  bytesSent: number;
  bytesReceived: number;
  refused: number;
  /** Events that a full queue, or the end of the link, kept from being sent. */
  dropped: number;
  /** Messages that wait to be sent, requests that are answered here, and requests whose answers are waited for. */
  queued: number;
  answering: number;
  asking: number;
  /** Of the last sign of life that was asked for; 0 before the first. */
  roundTripMs: number;
}

export interface Link {
  readonly peer: string;
  readonly address: string;
  readonly encoding: Encoding;
  counts(): LinkCounts;
  /** Says so and closes it. What waits to be sent goes out first, for a second at most. */
  close(): Promise<void>;
  /** Resolves when it is over, with what broke it. */
  readonly closed: Promise<SymphonyError | undefined>;
}

const HANDSHAKE_MS = 5000;
const HOPS_MAX = 8;
/** Answers of a stream on their way. */
const CREDIT = 64;
/** Of one write. */
const WRITE_BYTES = 256 * 1024;
const WRITE_FRAMES = 512;
const CLOSE_MS = 1000;
const NO_GROUPS: readonly string[] = [];

/** Resolves when both sides know each other. Rejects with `bus/peer`, after which the connection is closed. */
export async function createLink(options: LinkOptions): Promise<Link> {
  const { bus, connection, side, peerOf, encodings = ["compact", "plain"], clock = systemClock, onRefusal = () => {} } = options;
  const handshake = createHandshake({ connection, side, name: bus.name, peerOf, encodings, frameMax: PEER_LIMITS.frameMax });
  const joined = Promise.withResolvers<Joined>();
  let take: ((frame: Uint8Array) => void | Promise<void>) | undefined;
  let fail = (error: SymphonyError): void => joined.reject(error);
  connection.receive((frame) => {
    if (take) return take(frame);
    return handshake.proceed(frame).then(
      (done) => {
        if (!done) return;
        const link = open(done);
        take = link.take;
        fail = link.fail;
        joined.resolve(done);
      },
      (cause: SymphonyError) => fail(cause),
    );
  });
  let opened: { link: Link } | undefined;
  function open(done: Joined): { take: (frame: Uint8Array) => void | Promise<void>; fail: (error: SymphonyError) => void } {
    const made = openLink(options, done);
    opened = made;
    return made;
  }
  void connection.closed.then((error) => fail(error ?? brokenError(connection.address, "it was closed")));
  void connection.ended.then(() => fail(brokenError(connection.address, "the far side ended it")));
  const cancel = clock.after(HANDSHAKE_MS, () =>
    fail(new SymphonyError("bus/peer", `Cannot join over ${connection.address}: nothing came for ${HANDSHAKE_MS} ms`, { retryable: true })),
  );
  try {
    if (side === "connect") handshake.begin();
    await joined.promise;
    return (opened as unknown as { link: Link }).link;
  } catch (cause) {
    if (cause instanceof SymphonyError && side === "accept")
      onRefusal({ at: clock.now(), peer: "", address: connection.address, tried: "join", code: cause.code, why: cause.message });
    // what it was told goes out before it is closed
    connection.end();
    const close = clock.after(CLOSE_MS, () => connection.close());
    void connection.closed.then(close);
    throw cause;
  } finally {
    cancel();
  }
}

type Outgoing = EventFrame | RequestFrame | ResponseFrame | ErrorFrame | ControlFrame;

/** A request of ours that waits for its answer. */
interface Asked {
  response(frame: ResponseFrame): void;
  fail(error: SymphonyError): void;
}

/** A request of the peer's that is answered here. */
interface Answering {
  controller: AbortController;
  /** Answers of a stream that may be sent; waits for more. */
  credit: number;
  more: (() => void) | undefined;
}

function openLink(
  { bus, connection, types = createTypes(), heartbeatMs = 1000, heartbeatsMissed = 5, onRefusal = () => {}, clock = systemClock }: LinkOptions,
  { peer, encoding, frameMax: farFrameMax }: Joined,
): { link: Link; take: (frame: Uint8Array) => void | Promise<void>; fail: (error: SymphonyError) => void } {
  const limits: PeerLimits = { ...PEER_LIMITS, ...peer.limits };
  const { rights } = peer;
  const closed = Promise.withResolvers<SymphonyError | undefined>();
  const counts = { sent: 0, received: 0, bytesSent: 0, bytesReceived: 0, refused: 0, dropped: 0, roundTripMs: 0 };
  const compact = encoding === "compact" ? createCompactEncoder() : undefined;
  const encode: Encode = compact ?? createPlainEncoder();
  const records = encoding === "compact" ? { records: createRecords() } : {};
  const rate = createRate(limits.perSecond, limits.burst, clock.elapsed);
  /** What the peer is interested in. */
  const theirs = new Map<string, () => void>();
  /** What it was told that this side is interested in. */
  const told = new Map<string, WireInterest>();
  const asked = new Map<number, Asked>();
  const answering = new Map<number, Answering>();
  let nextId = 1;
  let isClosed = false;
  /** Nothing is read, because subscribers here have no room. */
  let isHeld = false;
  const link: Link = {
    peer: peer.name,
    address: connection.address,
    encoding,
    closed: closed.promise,
    counts: () => ({ ...counts, dropped: counts.dropped + out.dropped, queued: out.pending, answering: answering.size, asking: asked.size }),
    async close() {
      if (isClosed) return;
      say({ kind: "bye", message: "closed" });
      out.close();
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const cancel = clock.after(CLOSE_MS, resolve);
      await Promise.race([pumped, late]);
      cancel();
      end(undefined);
    },
  };

  // ---- sending ----

  const out = createQueue<Outgoing>({ owner: `the link to ${peer.name}`, queueMax: limits.queueMax, full: limits.full, onClose: () => {}, onDrop: () => {} });

  /** What serves requests and the link itself isn't held up by a full queue; a peer that reads none of it is cut off. */
  function say(frame: Outgoing): void {
    if (isClosed) return;
    if (out.pending > limits.queueMax + 4 * limits.requestsMax) return end(new SymphonyError("bus/slow", `The link to ${peer.name} was cut: it doesn't read what it asked for`));
    out.force(frame);
  }

  /** The bytes of a frame, or those of what is said in its place. */
  function bytesOf(frame: Outgoing): Uint8Array | undefined {
    let error: SymphonyError;
    try {
      const bytes = encode(frame);
      if (bytes.length <= farFrameMax) return bytes;
      error = new SymphonyError("bus/limit", `Cannot send ${bytes.length} bytes to ${peer.name}: it takes ${farFrameMax} at most`);
    } catch (cause) {
      error = cause instanceof SymphonyError ? cause : new SymphonyError("bus/encode", String(cause), { cause });
    }
    compact?.forget();
    switch (frame.kind) {
      case "request":
        asked.get(frame.id)?.fail(error);
        return undefined;
      case "response":
        return encode(errorFrame(frame.re, error, clock.now()));
      case "event":
        counts.dropped++;
        bus.far.fault(error, frame.to);
        return undefined;
      default:
        end(error);
        return undefined;
    }
  }

  const pumped = pump().catch((cause) => end(cause instanceof SymphonyError ? cause : brokenError(connection.address, cause)));
  async function pump(): Promise<void> {
    for await (const batch of out.batches()) {
      let frames: Uint8Array[] = [];
      let size = 0;
      for (const [i, frame] of batch.entries()) {
        const bytes = bytesOf(frame);
        if (bytes) {
          frames.push(bytes);
          size += bytes.length;
        }
        if (frames.length === 0 || (size < WRITE_BYTES && frames.length < WRITE_FRAMES && i < batch.length - 1)) continue;
        if (isClosed) {
          counts.dropped += batch.length - i;
          return;
        }
        counts.sent += frames.length;
        counts.bytesSent += size;
        const wait = connection.send(frames);
        if (wait) await wait;
        frames = [];
        size = 0;
      }
    }
  }

  // ---- what this side is interested in ----

  function wire(interest: Interest): WireInterest {
    if (interest.does === "receive") return { pattern: interest.pattern, ...(interest.group === undefined ? {} : { group: interest.group }) };
    const { pattern, group, ...endpoint } = interest.endpoint;
    return { pattern, ...(group === undefined ? {} : { group }), endpoint };
  }

  let isTelling = false;
  /** Tells what has changed, once for all changes of a turn. */
  function tell(): void {
    if (isTelling || isClosed) return;
    isTelling = true;
    queueMicrotask(() => {
      isTelling = false;
      if (isClosed) return;
      const now = new Map<string, WireInterest>();
      for (const interest of bus.far.interests(link)) {
        const one = wire(interest);
        // only what the peer may send
        if ((one.endpoint ? rights.request : rights.publish).some((pattern) => overlaps(pattern, one.pattern))) now.set(interestKey(one), one);
      }
      const add = [...now].filter(([key]) => !told.has(key)).map(([, one]) => one);
      const remove = [...told].filter(([key]) => !now.has(key)).map(([, one]) => one);
      if (add.length + remove.length === 0) return;
      told.clear();
      for (const [key, one] of now) told.set(key, one);
      say({ kind: "interest", add, remove });
    });
  }
  const unwatch = bus.far.watch(tell);
  tell();

  // ---- what the peer is interested in ----

  function refuse(tried: Refusal["tried"], error: SymphonyError, subject: string | undefined, re?: number): void {
    counts.refused++;
    onRefusal({ at: clock.now(), peer: peer.name, address: connection.address, tried, ...(subject === undefined ? {} : { subject }), code: error.code, why: error.message });
    say(errorFrame(re, error, clock.now(), subject));
  }

  function denied(tried: "publish" | "subscribe" | "request" | "serve", subject: string): SymphonyError {
    const doing = { publish: "publish on", subscribe: "subscribe to", request: "ask", serve: "answer" }[tried];
    const names = rights[tried].length === 0 ? "none" : rights[tried].join(", ");
    return new SymphonyError("bus/denied", `${peer.name} may not ${doing} ${JSON.stringify(subject)}: it has the right to ${names}`);
  }

  function onInterest(one: WireInterest): void {
    const key = interestKey(one);
    if (theirs.has(key)) return;
    if (theirs.size >= limits.interestsMax)
      return refuse("subscribe", new SymphonyError("bus/limit", `${peer.name} has ${limits.interestsMax} interests, and may have no more`), one.pattern);
    if (one.endpoint) {
      if (within(rights.serve, one.pattern) !== "all" || covers("bus.>", one.pattern)) return refuse("serve", denied("serve", one.pattern), one.pattern);
      theirs.set(key, bus.far.respond(responderFor(one)));
      return;
    }
    const extent = within(rights.subscribe, one.pattern);
    if (extent === "none") return refuse("subscribe", denied("subscribe", one.pattern), one.pattern);
    theirs.set(key, bus.far.receive(one.pattern, one.group, receiverFor(one.group, extent === "all")));
  }

  /** Several patterns may mean one message: it is sent once. */
  let lastSent: Message | undefined;

  function receiverFor(group: string | undefined, sendsAll: boolean): Receiver {
    return {
      link,
      take(message) {
        // what a bus tells of itself stays with it
        if (isClosed || message.hops >= HOPS_MAX || message.subject.startsWith("bus.")) return undefined;
        if (!sendsAll && !rights.subscribe.some((pattern) => covers(pattern, message.subject))) return undefined;
        if (group === undefined) {
          if (message === lastSent) return undefined;
          lastSent = message;
        }
        return out.take({
          kind: "event",
          id: message.id,
          to: message.subject,
          type: message.type,
          at: message.at,
          correlation: message.correlation,
          from: message.hops === 0 ? undefined : message.from,
          group,
          hops: message.hops,
          payload: message.payload,
        } as EventFrame);
      },
    };
  }

  // ---- requests to the peer ----

  function responderFor(interest: WireInterest): Responder {
    return {
      link,
      endpoint: endpointOf(interest),
      answer: (call, { timeoutMs, isStream }) => (isStream ? askStream(call, timeoutMs) : ask(call, timeoutMs)),
    };
  }

  function request({ message }: Call, timeoutMs: number, isStream: boolean): number {
    if (isClosed) throw lost();
    if (asked.size >= limits.requestsMax) throw new SymphonyError("bus/full", `Cannot ask ${peer.name}: ${asked.size} requests wait for its answers`, { retryable: true });
    const id = nextId++;
    say({
      kind: "request",
      id,
      to: message.subject,
      type: message.type,
      at: message.at,
      correlation: message.correlation,
      from: message.hops === 0 ? undefined : message.from,
      hops: message.hops,
      timeoutMs: Math.max(1, Math.ceil(timeoutMs)),
      stream: isStream,
      payload: message.payload,
    } as RequestFrame);
    return id;
  }

  function ask(call: Call, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = request(call, timeoutMs, false);
      const onAbort = (): void => {
        if (asked.delete(id)) say({ kind: "cancel", re: id });
      };
      call.signal.addEventListener("abort", onAbort);
      const end = (): void => {
        asked.delete(id);
        call.signal.removeEventListener("abort", onAbort);
      };
      asked.set(id, {
        response({ type = "", payload, more }) {
          end();
          if (more) return reject(new SymphonyError("bus/answer", `Cannot take the answer of ${JSON.stringify(call.message.subject)}: it is a stream; ask with requestStream`));
          try {
            resolve(types.read(type, payload).payload);
          } catch (cause) {
            reject(cause);
          }
        },
        fail(error) {
          end();
          reject(error);
        },
      });
    });
  }

  async function* askStream(call: Call, timeoutMs: number): AsyncGenerator<unknown, void> {
    const id = request(call, timeoutMs, true);
    const answers = createQueue<ResponseFrame>({ owner: `the answers of ${peer.name}`, queueMax: 2 * CREDIT, full: "fail", onClose: () => {}, onDrop: () => {} });
    let failure: SymphonyError | undefined;
    let isOver = false;
    asked.set(id, {
      response(frame) {
        if (!frame.end) void answers.take(frame);
        if (!frame.more) {
          isOver = true;
          asked.delete(id);
          answers.close();
        }
      },
      fail(error) {
        failure = error;
        isOver = true;
        asked.delete(id);
        answers.close();
      },
    });
    const stop = (): void => answers.close();
    call.signal.addEventListener("abort", stop);
    let taken = 0;
    try {
      for await (const { type = "", payload } of answers) {
        yield types.read(type, payload).payload;
        if (++taken % (CREDIT / 2) === 0 && !isOver) say({ kind: "credit", re: id, count: CREDIT / 2 });
      }
      if (failure) throw failure;
    } finally {
      call.signal.removeEventListener("abort", stop);
      if (asked.delete(id)) say({ kind: "cancel", re: id });
    }
  }

  // ---- what the peer sends ----

  /** The sender behind the peer, with the peer's own name in front. */
  const fromOf = (from: string | undefined): string => (from === undefined ? peer.name : `${peer.name}/${from}`);

  function onEvent(frame: EventFrame): void | Promise<void> {
    const { to, group } = frame;
    if (!rate()) return refuse("publish", new SymphonyError("bus/rate", `${peer.name} sends more than ${limits.perSecond} messages a second`, { retryable: true }), to);
    if (!may(rights.publish, to)) return refuse("publish", denied("publish", to), to);
    if ((frame.hops ?? 0) >= HOPS_MAX) return undefined;
    let read: ReturnType<Types["read"]>;
    try {
      read = types.read(frame.type ?? "", frame.payload);
    } catch (cause) {
      return refuse("publish", cause as SymphonyError, to);
    }
    const message = new Message(to, read.payload, read.type, fromOf(frame.from), frame.id, frame.at, frame.correlation, link, (frame.hops ?? 0) + 1);
    let wait: void | Promise<void>;
    try {
      wait = bus.far.deliver(message, group === undefined, group === undefined ? NO_GROUPS : [group]);
    } catch (cause) {
      // a subscriber was full and counted it
      bus.far.fault(cause, to);
      return undefined;
    }
    if (!wait) return undefined;
    // nothing more is read from the peer until its subscribers have room: its own publishers wait in their turn
    isHeld = true;
    return wait.then(
      () => {
        isHeld = false;
      },
      (cause) => {
        isHeld = false;
        bus.far.fault(cause, to);
      },
    );
  }

  function onRequest(frame: RequestFrame): void {
    const { id, to, timeoutMs, stream: isStream = false } = frame;
    if (!rate()) return refuse("request", new SymphonyError("bus/rate", `${peer.name} sends more than ${limits.perSecond} messages a second`, { retryable: true }), to, id);
    if (!may(rights.request, to)) return refuse("request", denied("request", to), to, id);
    if (answering.has(id)) return refuse("request", new SymphonyError("bus/invalid", `${peer.name} has asked a request ${id} already`), to);
    if (answering.size >= limits.requestsMax)
      return refuse("request", new SymphonyError("bus/full", `${answering.size} requests of ${peer.name} are answered already`, { retryable: true }), to, id);
    let read: ReturnType<Types["read"]>;
    try {
      if ((frame.hops ?? 0) >= HOPS_MAX) throw new SymphonyError("bus/no-responder", `Cannot ask ${JSON.stringify(to)}: it is over ${HOPS_MAX} links away`);
      read = types.read(frame.type ?? "", frame.payload);
    } catch (cause) {
      return refuse("request", cause as SymphonyError, to, id);
    }
    const controller = new AbortController();
    const one: Answering = { controller, credit: CREDIT, more: undefined };
    answering.set(id, one);
    const message = new Message(to, read.payload, read.type, fromOf(frame.from), id, frame.at, frame.correlation, link, (frame.hops ?? 0) + 1);
    const answer = bus.far.answer(message, { timeoutMs, isStream, signal: controller.signal });
    const reply = isStream
      ? answerStream(id, answer as AsyncIterable<unknown>, one)
      : (answer as Promise<unknown>).then((payload) => say({ kind: "response", re: id, at: clock.now(), type: "", payload }));
    reply
      .catch((cause) => {
        // who gave it up waits for nothing
        if (!controller.signal.aborted) say(errorFrame(id, cause instanceof SymphonyError ? cause : new SymphonyError("bus/handler", String(cause)), clock.now()));
      })
      .finally(() => answering.delete(id));
  }

  async function answerStream(id: number, answers: AsyncIterable<unknown>, one: Answering): Promise<void> {
    for await (const payload of answers) {
      if (one.controller.signal.aborted) return;
      say({ kind: "response", re: id, at: clock.now(), type: "", more: true, payload });
      while (--one.credit < 0 && !one.controller.signal.aborted) {
        one.credit++;
        await new Promise<void>((resolve) => {
          one.more = resolve;
        });
      }
    }
    if (!one.controller.signal.aborted) say({ kind: "response", re: id, at: clock.now(), type: "", end: true, payload: undefined });
  }

  function onFrame(frame: Frame): void | Promise<void> {
    switch (frame.kind) {
      case "event":
        return onEvent(frame);
      case "request":
        return onRequest(frame);
      case "response":
        asked.get(frame.re)?.response(frame);
        return undefined;
      case "error":
        if (frame.re !== undefined) asked.get(frame.re)?.fail(errorOf(frame));
        else bus.far.fault(errorOf(frame), frame.to ?? "");
        return undefined;
      case "cancel": {
        const one = answering.get(frame.re);
        one?.controller.abort(new SymphonyError("bus/cancelled", `${peer.name} gave the request up`));
        one?.more?.();
        return undefined;
      }
      case "credit": {
        const one = answering.get(frame.re);
        if (!one) return undefined;
        one.credit = Math.min(one.credit + frame.count, 4 * CREDIT);
        one.more?.();
        one.more = undefined;
        return undefined;
      }
      case "interest":
        for (const gone of frame.remove) {
          const key = interestKey(gone);
          theirs.get(key)?.();
          theirs.delete(key);
        }
        for (const one of frame.add) onInterest(one);
        return undefined;
      case "ping":
        if (!pongWaits) {
          pongWaits = true;
          say({ kind: "pong" });
          queueMicrotask(() => {
            pongWaits = false;
          });
        }
        return undefined;
      case "pong":
        if (pingedAt > 0) counts.roundTripMs = clock.elapsed() - pingedAt;
        pingedAt = 0;
        return undefined;
      case "bye":
        end(new SymphonyError("bus/peer", `${peer.name} said that it ends the link: ${frame.message}`, { retryable: true }));
        return undefined;
    }
  }

  function take(bytes: Uint8Array): void | Promise<void> {
    heard = true;
    counts.received++;
    counts.bytesReceived += bytes.length;
    if (isClosed) return undefined;
    try {
      if (bytes.length > limits.frameMax) throw new SymphonyError("bus/limit", `${peer.name} sent a frame of ${bytes.length} bytes, and may send ${limits.frameMax}`);
      return onFrame(readFrame(decodeCbor(bytes, records)));
    } catch (cause) {
      const error = cause instanceof SymphonyError ? cause : new SymphonyError("bus/malformed", String(cause), { cause });
      refuse("frame", error, undefined);
      end(error);
      return undefined;
    }
  }

  // ---- life ----

  let heard = true;
  let missed = 0;
  let pingedAt = 0;
  let pongWaits = false;
  let cancelBeat = (): void => {};
  function beat(due: number): void {
    cancelBeat = clock.after(Math.max(1, due - clock.elapsed()), () => {
      const now = clock.elapsed();
      // this side was held up: what the far side said may lie unread, and a beat that came late says nothing
      const wasHeldUp = now - due > heartbeatMs / 2;
      if (heard || isHeld) missed = 0;
      else if (!wasHeldUp && ++missed > heartbeatsMissed)
        return end(new SymphonyError("bus/peer", `${peer.name} has given no sign of life for ${missed} times ${heartbeatMs} ms`, { retryable: true }));
      // also where nothing is read because subscribers are slow, the far side hears that this one lives
      if (!heard || isHeld) {
        if (pingedAt === 0) pingedAt = now;
        say({ kind: "ping" });
      }
      heard = false;
      return beat(now + heartbeatMs);
    });
  }
  beat(clock.elapsed() + heartbeatMs);

  const lost = (): SymphonyError => new SymphonyError("bus/peer", `The link to ${peer.name} was lost before the answer came`, { retryable: true });

  function end(error: SymphonyError | undefined): void {
    if (isClosed) return;
    isClosed = true;
    cancelBeat();
    unwatch();
    for (const leave of theirs.values()) leave();
    theirs.clear();
    counts.dropped += out.pending;
    out.close();
    const gone = error ?? lost();
    for (const one of [...asked.values()])
      one.fail(new SymphonyError("bus/peer", `The link to ${peer.name} was lost before the answer came: ${gone.message}`, { cause: gone, retryable: true }));
    for (const { controller, more } of answering.values()) {
      controller.abort(gone);
      more?.();
    }
    connection.end();
    connection.close();
    closed.resolve(error);
  }

  return { link, take, fail: end };
}
