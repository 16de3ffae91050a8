// A link between the buses of two ends of a connection: who is interested in what, events, requests, streams, and whether the far side lives.
// Links make a tree: what comes over one goes on over all others that want it, eight links far at most.
//
// Order: events keep the order in which they were published, requests and answers too; a stream's answers come in order. An event is told
// once or, when the connection is lost, not at all. One message that can't be taken is refused; what is no frame at all ends the link.
import { type Clock, systemClock } from "../clock.ts";
import { SymphonyError } from "../error.ts";
import { brokenError, type Connection } from "../transport/connection.ts";
import { createAnswering } from "./answering.ts";
import { createAsking } from "./asking.ts";
import type { Bus, Receiver, Responder } from "./bus.ts";
import { textOf } from "./requests.ts";
import { createRecords, decodeCbor } from "./cbor/decode.ts";
import { createCompactEncoder, createPlainEncoder } from "./cbor/encode.ts";
import { endpointOf, errorFrame, errorOf, type EventFrame, type Frame, FROM_MAX, interestKey, readFrame, type RequestFrame, type WireInterest } from "./frame.ts";
import { createDelivery } from "./delivery.ts";
import { createHeartbeat } from "./heartbeat.ts";
import { createTelling } from "./telling.ts";
import { createHandshake, type Encoding, HANDSHAKE_BYTES_MAX, type Joined } from "./handshake.ts";
import { Message } from "./message.ts";
import { createOutbox, type Outgoing } from "./outbox.ts";
import { createRate, isReserved, may, type Peer, PEER_LIMITS, type PeerLimits, type Refusal, within } from "./peer.ts";
import { createTypes, type Types } from "./message-types.ts";
import { covers } from "./subject.ts";

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
  /** Of the far bus: the same over all links to it. */
  readonly instance: string;
  readonly address: string;
  readonly encoding: Encoding;
  counts(): LinkCounts;
  /** Whether the far side answers within so many milliseconds. */
  isAlive(ms: number): Promise<boolean>;
  /** Says so and closes it. What waits to be sent goes out first, for a second at most. */
  close(): Promise<void>;
  /** Resolves when it is over, with what broke it. */
  readonly closed: Promise<SymphonyError | undefined>;
}

const HANDSHAKE_MS = 5000;
const HOPS_MAX = 8;
const CLOSE_MS = 1000;
/** Frames in a second that serve the link itself, such as credits, and interests. */
const CONTROLS_PER_SECOND = 100_000;
const INTERESTS_PER_SECOND = 2000;
const INTERESTS_BURST = 20_000;

interface Opened {
  link: Link;
  take(frame: Uint8Array): void | Promise<void>;
  fail(error: SymphonyError): void;
}

/** Resolves when both sides know each other. Rejects with `bus/peer`, after which the connection is closed. */
export async function createLink(options: LinkOptions): Promise<Link> {
  const { bus, connection, side, peerOf, encodings = ["compact", "plain"], clock = systemClock, onRefusal = () => {} } = options;
  const handshake = createHandshake({ connection, side, name: bus.name, instance: bus.instance, peerOf, encodings, frameMax: PEER_LIMITS.frameMax });
  const joined = Promise.withResolvers<Opened>();
  let opened: Opened | undefined;
  const fail = (error: SymphonyError): void => (opened ? opened.fail(error) : joined.reject(error));
  // nobody who hasn't joined makes this side keep more
  connection.frameMax = HANDSHAKE_BYTES_MAX;
  connection.receive((frame) => {
    if (opened) return opened.take(frame);
    return handshake.proceed(frame).then((done) => {
      if (!done) return;
      opened = openLink(options, done);
      joined.resolve(opened);
    }, fail);
  });
  void connection.closed.then((error) => fail(error ?? brokenError(connection.address, "it was closed")));
  void connection.ended.then(() => fail(brokenError(connection.address, "the far side ended it")));
  const cancel = clock.after(HANDSHAKE_MS, () =>
    fail(new SymphonyError("bus/peer", `Cannot join over ${connection.address}: nothing came for ${HANDSHAKE_MS} ms`, { retryable: true })),
  );
  try {
    if (side === "connect") handshake.begin();
    return (await joined.promise).link;
  } catch (cause) {
    // what it was told goes out before it is closed
    closeSoon(connection, clock);
    if (cause instanceof SymphonyError && side === "accept")
      onRefusal({ at: clock.now(), peer: "", address: connection.address, tried: "join", code: cause.code, why: cause.message });
    throw cause;
  } finally {
    cancel();
  }
}

/** Says no more, and closes it when the far side has heard that, or after a while. */
function closeSoon(connection: Connection, clock: Clock): void {
  connection.end();
  const cancel = clock.after(CLOSE_MS, () => connection.close());
  void connection.ended.then(() => connection.close());
  void connection.closed.then(cancel);
}

function openLink(
  { bus, connection, types = createTypes(), heartbeatMs = 1000, heartbeatsMissed = 5, onRefusal = () => {}, clock = systemClock }: LinkOptions,
  { peer, encoding, frameMax: farFrameMax, instance }: Joined,
): Opened {
  // one that had to prove itself may be anybody's: it holds nobody up unless it was given that
  const limits: PeerLimits = { ...PEER_LIMITS, ...(peer.token ? { full: "drop-oldest" as const } : {}), ...peer.limits };
  const { rights } = peer;
  connection.frameMax = limits.frameMax;
  const closed = Promise.withResolvers<SymphonyError | undefined>();
  const counts = { received: 0, refused: 0 };
  const records = encoding === "compact" ? { records: createRecords() } : {};
  const encode = encoding === "compact" ? createCompactEncoder() : createPlainEncoder();
  const isWithinRate = createRate(limits.perSecond, limits.burst, clock.elapsed);
  const isControlWithinRate = createRate(CONTROLS_PER_SECOND, CONTROLS_PER_SECOND, clock.elapsed);
  const areInterestsWithinRate = createRate(INTERESTS_PER_SECOND, INTERESTS_BURST, clock.elapsed);
  /** What the peer is interested in. */
  const theirs = new Map<string, () => void>();
  let isClosed = false;
  let pongWaits = false;

  const out = createOutbox({
    peer: peer.name,
    connection,
    encode,
    limits,
    frameMax: farFrameMax,
    onUnsayable: unsayable,
    onWritten: (frame) => answering.written(frame),
    onFail: (error) => end(error),
  });
  const say = (frame: Outgoing): void => {
    if (!isClosed) out.say(frame);
  };
  const asking = createAsking({ bus, peer: peer.name, say, types, requestsMax: limits.requestsMax });
  const answering = createAnswering({ bus, peer: peer.name, say, clock, requestsMax: limits.requestsMax });

  const delivery = createDelivery(bus);

  /** What is said instead of a frame that can't be. */
  function unsayable(frame: Outgoing, error: SymphonyError): Outgoing | undefined {
    if (frame.kind === "response") return errorFrame(frame.re, error, clock.now());
    if (frame.kind === "request") asking.fail(frame.id, error);
    else bus.far.fault(error, "to" in frame ? (frame.to ?? "") : "");
    return undefined;
  }

  const link: Link = {
    peer: peer.name,
    instance,
    address: connection.address,
    encoding,
    closed: closed.promise,
    counts: () => ({
      ...counts,
      ...out.counts,
      bytesReceived: connection.bytesReceived,
      roundTripMs: heartbeat.roundTripMs,
      queued: out.pending,
      answering: answering.size,
      asking: asking.size,
    }),
    async isAlive(ms) {
      const before = connection.bytesReceived;
      say({ kind: "ping" });
      for (const end = clock.elapsed() + ms; !isClosed && clock.elapsed() < end; ) {
        if (connection.bytesReceived !== before) return true;
        await new Promise<void>((resolve) => void clock.after(5, resolve));
      }
      return false;
    },
    async close() {
      if (isClosed) return;
      const late = Promise.withResolvers<void>();
      const cancel = clock.after(CLOSE_MS, late.resolve);
      await Promise.race([out.close(), late.promise]);
      cancel();
      end(undefined, { kind: "bye", message: "closed" });
      await connection.closed;
    },
  };

  const telling = createTelling({ bus, link, rights, say, clock });
  const heartbeat = createHeartbeat({
    connection,
    clock,
    beatMs: heartbeatMs,
    missedMax: heartbeatsMissed,
    isHeld: () => delivery.isHeld,
    ping: () => say({ kind: "ping" }),
    onHung: (missed) => end(new SymphonyError("bus/peer", `${peer.name} has given no sign of life for ${missed} times ${heartbeatMs} ms`, { retryable: true })),
  });

  // ---- what the peer is interested in ----

  function refuse(tried: Refusal["tried"], error: SymphonyError, subject?: string, re?: number): void {
    counts.refused++;
    try {
      onRefusal({ at: clock.now(), peer: peer.name, address: connection.address, tried, ...(subject === undefined ? {} : { subject }), code: error.code, why: error.message });
    } catch (cause) {
      bus.far.fault(cause, subject ?? "");
    }
    say(errorFrame(re, error, clock.now(), subject));
  }

  function denied(tried: "publish" | "subscribe" | "request" | "serve", subject: string): SymphonyError {
    const doing = { publish: "publish on", subscribe: "subscribe to", request: "ask", serve: "answer" }[tried];
    const why = isReserved(subject) ? "it is the bus's own" : `it has the right to ${rights[tried].join(", ") || "none"}`;
    return new SymphonyError("bus/denied", `${peer.name} may not ${doing} ${JSON.stringify(subject)}: ${why}`);
  }

  function onInterest(one: WireInterest): void {
    const key = interestKey(one);
    if (theirs.has(key)) return;
    if (theirs.size >= limits.interestsMax) {
      refuse("subscribe", new SymphonyError("bus/limit", `${peer.name} has ${limits.interestsMax} interests, and may have no more`), one.pattern);
      return;
    }
    if (one.endpoint) {
      if (within(rights.serve, one.pattern) !== "all" || isReserved(one.pattern)) {
        refuse("serve", denied("serve", one.pattern), one.pattern);
        return;
      }
      theirs.set(key, bus.far.respond(responderFor(one)));
      return;
    }
    const extent = within(rights.subscribe, one.pattern);
    if (extent === "none" || isReserved(one.pattern)) {
      refuse("subscribe", denied("subscribe", one.pattern), one.pattern);
      return;
    }
    theirs.set(key, bus.far.receive(one.pattern, one.group, receiverFor(one.group, extent === "all")));
  }

  /** Several patterns may mean one message: it is sent once. */
  let lastSent: Message | undefined;

  function receiverFor(group: string | undefined, getsAll: boolean): Receiver {
    // what a bus tells of itself stays with it
    const wants = ({ subject, hops }: Message): boolean =>
      !isClosed && hops < HOPS_MAX && !isReserved(subject) && (getsAll || rights.subscribe.some((pattern) => covers(pattern, subject)));
    return {
      link,
      wants,
      take(message) {
        if (group === undefined) {
          if (message === lastSent || !wants(message)) return undefined;
          lastSent = message;
        }
        return out.event({
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

  function responderFor(interest: WireInterest): Responder {
    return {
      link,
      endpoint: endpointOf(interest),
      wants: ({ subject, hops }) => !isClosed && hops < HOPS_MAX && !isReserved(subject),
      answer: (call, { timeoutMs, isStream }) => (isStream ? asking.askStream(call, timeoutMs) : asking.ask(call, timeoutMs)),
    };
  }

  // ---- what the peer sends ----

  /** The sender behind the peer, with the peer's own name in front. */
  const fromOf = (from: string | undefined): string => (from === undefined ? peer.name : `${peer.name}/${from}`.slice(0, FROM_MAX));

  function messageOf({ id, to, type, at, correlation, from, hops = 0, payload }: EventFrame | RequestFrame): Message {
    const read = types.read(type ?? "", payload);
    return new Message(to, read.payload, read.type, fromOf(from), id, at, correlation || undefined, link, hops + 1);
  }

  function onEvent(frame: EventFrame, bytes: number): void | Promise<void> {
    const { to, group } = frame;
    if (!isWithinRate(1)) return refuse("publish", tooFast(), to);
    if (!may(rights.publish, to)) return refuse("publish", denied("publish", to), to);
    if ((frame.hops ?? 0) >= HOPS_MAX) return undefined;
    let message: Message;
    try {
      message = messageOf(frame);
    } catch (cause) {
      return refuse("publish", cause as SymphonyError, to);
    }
    return delivery.take(message, group, bytes);
  }

  const tooFast = (): SymphonyError => new SymphonyError("bus/rate", `${peer.name} sends more than ${limits.perSecond} messages a second`, { retryable: true });

  function onRequest(frame: RequestFrame, bytes: number): void {
    const { id, to, timeoutMs, stream: isStream = false } = frame;
    if (!isWithinRate(1)) {
      refuse("request", tooFast(), to, id);
      return;
    }
    if (!may(rights.request, to)) {
      refuse("request", denied("request", to), to, id);
      return;
    }
    const refusal = answering.refusal(id, bytes);
    if (refusal) {
      refuse("request", refusal, to, id);
      return;
    }
    try {
      if ((frame.hops ?? 0) >= HOPS_MAX) throw new SymphonyError("bus/no-responder", `Cannot ask ${JSON.stringify(to)}: it is over ${HOPS_MAX} links away`);
      answering.request(messageOf(frame), { timeoutMs, isStream, bytes });
    } catch (cause) {
      refuse("request", cause as SymphonyError, to, id);
    }
  }

  function onFrame(frame: Frame, bytes: number): void | Promise<void> {
    switch (frame.kind) {
      case "event":
        return onEvent(frame, bytes);
      case "request":
        return onRequest(frame, bytes);
      case "response":
        return asking.response(frame);
      case "error":
        if (frame.re !== undefined) return asking.fail(frame.re, errorOf(frame));
        controlled();
        if (frame.code === "bus/limit" && frame.to !== undefined) telling.refused(frame.to);
        return bus.far.fault(errorOf(frame), frame.to ?? "");
      case "cancel":
        controlled();
        return answering.cancel(frame.re);
      case "credit":
        controlled();
        return answering.credit(frame.re, frame.count);
      case "interest":
        if (!areInterestsWithinRate(frame.add.length + frame.remove.length + 1))
          throw new SymphonyError("bus/rate", `${peer.name} changes more than ${INTERESTS_PER_SECOND} interests a second`);
        for (const gone of frame.remove) {
          const key = interestKey(gone);
          theirs.get(key)?.();
          theirs.delete(key);
        }
        for (const one of frame.add) onInterest(one);
        return undefined;
      case "ping":
        controlled();
        if (pongWaits) return undefined;
        pongWaits = true;
        say({ kind: "pong" });
        queueMicrotask(() => {
          pongWaits = false;
        });
        return undefined;
      case "pong":
        return heartbeat.pong();
      case "bye":
        return end(new SymphonyError("bus/peer", `${peer.name} has ended the link`, { retryable: true }));
    }
  }

  function controlled(): void {
    if (!isControlWithinRate(1)) throw new SymphonyError("bus/rate", `${peer.name} sends more than ${CONTROLS_PER_SECOND} frames a second that serve the link itself`);
  }

  function take(bytes: Uint8Array): void | Promise<void> {
    counts.received++;
    if (isClosed) return undefined;
    let raw: unknown;
    try {
      raw = decodeCbor(bytes, records);
    } catch (cause) {
      return broken(cause);
    }
    let frame: Frame;
    try {
      frame = readFrame(raw);
    } catch (cause) {
      // its bytes were sound: the rest of what the peer says can be understood
      if (!isWithinRate(1)) return broken(tooFast());
      const { id, kind } = raw as { id?: unknown; kind?: unknown };
      return refuse("frame", cause as SymphonyError, undefined, kind === "request" && Number.isSafeInteger(id) && (id as number) >= 0 ? (id as number) : undefined);
    }
    try {
      return onFrame(frame, bytes.length);
    } catch (cause) {
      return broken(cause);
    }
  }

  function broken(cause: unknown): void {
    const error = cause instanceof SymphonyError ? cause : new SymphonyError("bus/malformed", `Cannot take what ${peer.name} sent: ${textOf(cause)}`, { cause });
    refuse("frame", error);
    end(error, errorFrame(undefined, error, clock.now()));
  }

  // ---- the end ----

  /** `last`: said to the far side, if it can be. */
  function end(error: SymphonyError | undefined, last?: Outgoing): void {
    if (isClosed) return;
    isClosed = true;
    heartbeat.end();
    telling.end();
    delivery.end();
    for (const leave of theirs.values()) leave();
    theirs.clear();
    const why = error?.message ?? "it was closed";
    asking.end(why);
    answering.end(error ?? new SymphonyError("bus/closed", `The link to ${peer.name} was closed`));
    void out.close();
    try {
      if (last) void connection.send([encode(last)]);
    } catch {
      // it is closed already
    }
    closeSoon(connection, clock);
    closed.resolve(error);
  }

  return {
    link,
    take,
    fail(error) {
      // the transport has found what is no frame, or too large
      if (!isClosed && (error.code === "bus/limit" || error.code === "bus/malformed")) refuse("frame", error);
      end(error);
    },
  };
}
