// The bus of one process: subjects, publish and subscribe, requests. Links to far peers join through `far`; what crosses them stands in
// link.ts. Leaves out encodings and transports.
//
// Order: what one sender publishes on one subject arrives at each subscriber in that order, also where handlers publish themselves: what
// is published during a delivery is delivered after it.
import { type Clock, systemClock } from "../clock.ts";
import { SymphonyError } from "../error.ts";
import { Message } from "./message.ts";
import { createQueue, type Items, type WhenFull } from "./queue.ts";
import { createRequests, isPromise, LATENCIES } from "./requests.ts";
import { createRoutes, type Route, type Turn } from "./routes.ts";
import { checkSubject } from "./subject.ts";

/** What was published, one by one or in batches. */
export type Subscription = Items<Message>;

export interface PublishOptions {
  /** Of the payload, by the register of types. */
  type?: string;
  /** What it belongs to, for who reads along. */
  correlation?: string;
}

export interface RequestOptions extends PublishOptions {
  /** 30 000 by default; of a stream, until its first answer and between two. */
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Asking twice does no harm: when a far peer that was asked is lost, it is asked again as soon as somebody answers, while there is time. */
  idempotent?: boolean;
}

export interface SubscribeOptions {
  /** Of all who subscribe under one name, one gets each message. */
  group?: string;
  /** 1024 by default. */
  queueMax?: number;
  /** "wait" by default. */
  full?: WhenFull;
  signal?: AbortSignal;
}

/** A request as who answers it sees it. */
export interface Call {
  readonly message: Message;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * What it returns, or resolves to, is the answer; what it throws is thrown at who asked: a SymphonyError as it is, anything else as
 * `bus/handler`. An AsyncIterable is a stream of answers.
 */
export type Answerer = (payload: unknown, call: Call) => unknown;

/** What is told of who answers, for people and for discovery. */
export interface Endpoint {
  pattern: string;
  group?: string;
  description?: string;
  /** By the register of types. */
  request?: string;
  response?: string;
}

export type ServeOptions = Omit<Endpoint, "pattern">;

/** Counts since the bus was made. */
export interface BusCounts {
  published: number;
  delivered: number;
  /** Messages that a full queue didn't take, or gave up for newer ones. */
  dropped: number;
  /** Handlers that threw. */
  handlerFaults: number;
  requests: number;
  noResponder: number;
  timeouts: number;
  cancelled: number;
  /** Requests that were answered by an error. */
  refused: number;
  /** Requests under way whose answer is waited for. */
  waiting: number;
  /** Answers that were waited for, by time: below 2^i * 16 microseconds. */
  latency: number[];
}

/** Who takes what is published. */
export interface Receiver {
  /** Whether it would take it; asked before one of a group is chosen. Always, where it doesn't say. */
  wants?(message: Message): boolean;
  /** `group`: for which it was chosen. A promise: the publisher should wait. */
  take(message: Message, group: string | undefined): void | Promise<void>;
  readonly link: object | undefined;
}

/** Who answers requests. */
export interface Responder {
  /** As for a receiver. */
  wants?(message: Message): boolean;
  answer(call: Call, options: { timeoutMs: number; isStream: boolean }): unknown;
  readonly endpoint: Endpoint;
  readonly link: object | undefined;
}

/** For links. */
export interface FarPort {
  receive(pattern: string, group: string | undefined, receiver: Receiver): () => void;
  respond(responder: Responder): () => void;
  /** Delivers what came over a link, to those that the far side chose for. */
  deliver(message: Message, toAll: boolean, groups: readonly string[]): void | Promise<void>;
  /** Has a request answered that came over a link. `onSettled`: who answers it has ended too, which may be after the answer was given up. */
  answer(message: Message, options: { timeoutMs: number; isStream: boolean; signal: AbortSignal; onSettled: () => void }): unknown;
  /** Who is there now, but for what came over `link`; the same may be there several times. */
  interests(link: object): Interest[];
  /** The error of a request whose link broke. */
  lost(error: SymphonyError): SymphonyError;
  /** Something went wrong with a message for this subject, and nobody waits for it. */
  fault(cause: unknown, subject: string): void;
  /** Called when somebody joins or leaves, until the returned function is called. */
  watch(changed: () => void): () => void;
}

/** `origin`: the link that it came over. */
export type Interest = { origin: object | undefined } & ({ does: "receive"; pattern: string; group: string | undefined } | { does: "respond"; endpoint: Endpoint });

export interface Bus {
  readonly name: string;
  /** At random: tells this bus from all others, whatever their names. */
  readonly instance: string;
  /**
   * Sends to all who are subscribed. Synchronous handlers have run when it returns. A promise is returned where a subscriber's queue is full
   * and its publisher should wait. Throws `bus/invalid`; `bus/full` where it was not waited for.
   */
  publish(subject: string, payload: unknown, options?: PublishOptions): void | Promise<void>;
  /** Calls `handler` for each message while it is published, until the returned function is called. What it throws is counted and told to `onFault`. */
  on(pattern: string, handler: (message: Message) => void, options?: { group?: string }): () => void;
  subscribe(pattern: string, options?: SubscribeOptions): Subscription;
  /**
   * Asks one who answers. Rejects with `bus/no-responder` at once where nobody does, with `bus/timeout`, with `bus/cancelled`, and with what
   * the answerer threw.
   */
  request(subject: string, payload: unknown, options?: RequestOptions): Promise<unknown>;
  /** Asks for a stream of answers; one answer is a stream of one. Leaving the loop ends it for who answers too. */
  requestStream(subject: string, payload: unknown, options?: RequestOptions): AsyncIterable<unknown>;
  /** Answers requests until the returned function is called; of several who answer on a subject, each in turn. */
  serve(pattern: string, answerer: Answerer, options?: ServeOptions): () => void;
  /** Who answers what, here and at far peers. */
  endpoints(): Endpoint[];
  counts(): BusCounts;
  readonly far: FarPort;
  /** Ends subscriptions after what they hold, and requests with `bus/closed`. */
  close(): void;
}

/** Characters; what crosses a link is held to them too. */
export const TYPE_MAX = 120;
export const CORRELATION_MAX = 256;
export const GROUP_MAX = 256;
export const DESCRIPTION_MAX = 1000;

function checkText(what: string, text: unknown, max: number): void {
  if (typeof text !== "string" || text.length === 0 || text.length > max || !text.isWellFormed())
    throw new SymphonyError(
      "bus/invalid",
      `Cannot use the ${what} ${typeof text === "string" ? JSON.stringify(text.slice(0, 60)) : `of type ${typeof text}`}: expected 1 to ${max} characters`,
    );
}

const QUEUE_MAX = 1024;
/** Messages that handlers publish in one delivery. */
const LOOP_MAX = 1_000_000;
/** Who answers without a group stands in this one: each in turn. */
const ANSWERERS = "";

export function createBus({
  name = "local",
  clock = systemClock,
  onFault: tellFault = () => {},
}: {
  name?: string;
  clock?: Clock;
  /** A handler threw, or a far peer refused or couldn't be sent something that nobody waits for. */
  onFault?: (cause: unknown, subject: string) => void;
} = {}): Bus {
  const receivers = createRoutes<Receiver>();
  const responders = createRoutes<Responder>();
  const inboxes = new Set<Subscription>();
  const watchers = new Set<() => void>();
  const counts: BusCounts = {
    published: 0,
    delivered: 0,
    dropped: 0,
    handlerFaults: 0,
    requests: 0,
    noResponder: 0,
    timeouts: 0,
    cancelled: 0,
    refused: 0,
    waiting: 0,
    latency: new Array<number>(LATENCIES).fill(0),
  };
  // counted apart: they are what each message touches
  let published = 0;
  let delivered = 0;
  let id = 0;
  let closed = false;
  const requests = createRequests({ name, clock, counts, find: responderFor, watch });

  function watch(watcher: () => void): () => void {
    watchers.add(watcher);
    return () => void watchers.delete(watcher);
  }

  function onFault(cause: unknown, subject: string): void {
    try {
      tellFault(cause, subject);
    } catch {
      // who is told of faults can't be told of its own
    }
  }

  // ---- the time of a turn ----

  let turnAt = 0;
  const forgetTurn = (): void => {
    turnAt = 0;
  };
  function now(): number {
    if (turnAt === 0) {
      turnAt = clock.now();
      queueMicrotask(forgetTurn);
    }
    return turnAt;
  }

  // ---- publish ----

  let isDelivering = false;
  let nested: { message: Message; toAll: boolean; groups: readonly string[] | undefined; done: (waits: void | Promise<void>) => void }[] = [];

  function hand(receiver: Receiver, message: Message, group: string | undefined): void | Promise<void> {
    try {
      delivered++;
      return receiver.take(message, group);
    } catch (cause) {
      if (cause instanceof SymphonyError && cause.code === "bus/full") throw cause;
      faulted(cause, message);
    }
    return undefined;
  }

  function faulted(cause: unknown, message: Message): void {
    counts.handlerFaults++;
    onFault(cause, message.subject);
  }

  function choose<T extends { link: object | undefined; wants?(message: Message): boolean }>(turn: Turn<T>, message: Message): T | undefined {
    const { members } = turn;
    const { via } = message;
    for (let i = 0; i < members.length; i++) {
      const member = members[turn.next++ % members.length] as T;
      if ((via === undefined || member.link !== via) && (!member.wants || member.wants(message))) return member;
    }
    return undefined;
  }

  /** `groups`: those that are meant; undefined for all. */
  function spread(message: Message, toAll: boolean, groups: readonly string[] | undefined): void | Promise<void> {
    const route: Route<Receiver> = receivers.find(message.subject);
    const { all, groups: turns } = route;
    const { via } = message;
    let waits: Promise<void>[] | undefined;
    let refusal: unknown;
    if (toAll)
      for (let i = 0; i < all.length; i++) {
        const receiver = all[i] as Receiver;
        if (via !== undefined && receiver.link === via) continue;
        try {
          const wait = hand(receiver, message, undefined);
          if (wait) {
            waits ??= [];
            waits.push(wait);
          }
        } catch (cause) {
          refusal = cause;
        }
      }
    for (let i = 0; i < turns.length; i++) {
      const turn = turns[i] as Turn<Receiver>;
      if (groups && !groups.includes(turn.name)) continue;
      const receiver = choose(turn, message);
      if (!receiver) continue;
      try {
        const wait = hand(receiver, message, turn.name);
        if (wait) {
          waits ??= [];
          waits.push(wait);
        }
      } catch (cause) {
        refusal = cause;
      }
    }
    if (refusal) {
      // the others wait for nobody
      for (const wait of waits ?? []) void wait.catch(() => {});
      throw refusal;
    }
    if (waits) return waits.length === 1 ? waits[0] : Promise.all(waits).then(() => {});
    return undefined;
  }

  function deliver(message: Message, toAll: boolean, groups: readonly string[] | undefined): void | Promise<void> {
    if (isDelivering) {
      if (nested.length >= LOOP_MAX) throw new SymphonyError("bus/loop", `Cannot publish on ${message.subject}: handlers have published ${LOOP_MAX} messages in one delivery`);
      // whoever publishes in a handler can wait too; who doesn't isn't ended by what nobody catches
      const done = new Promise<void>((resolve, reject) => {
        nested.push({
          message,
          toAll,
          groups,
          done: (waits) => void Promise.resolve(waits).then(resolve, reject),
        });
      });
      done.catch((cause) => onFault(cause, message.subject));
      return done;
    }
    isDelivering = true;
    try {
      return spread(message, toAll, groups);
    } finally {
      if (nested.length > 0) drain();
      isDelivering = false;
    }
  }

  /** What was published meanwhile, and what is published by that. */
  function drain(): void {
    for (let i = 0; i < nested.length; i++) {
      const { message, toAll, groups, done } = nested[i] as (typeof nested)[number];
      nested[i] = undefined as never;
      try {
        done(spread(message, toAll, groups));
      } catch (cause) {
        done(Promise.reject(cause));
      }
    }
    nested = [];
  }

  function responderFor(message: Message): Responder | undefined {
    const { groups } = responders.find(message.subject);
    // a group of answerers is one answerer; between groups the one that joined first
    for (const turn of groups) {
      const found = choose(turn, message);
      if (found) return found;
    }
    return undefined;
  }

  // ---- who is there ----

  function changed(): void {
    for (const watcher of watchers) watcher();
  }

  function receive(pattern: string, group: string | undefined, receiver: Receiver): () => void {
    if (group !== undefined) checkText("group", group, GROUP_MAX);
    const remove = receivers.add(pattern, group, receiver);
    changed();
    return () => {
      remove();
      changed();
    };
  }

  function respond(responder: Responder): () => void {
    const { group, ...said } = responder.endpoint;
    if (group !== undefined) checkText("group", group, GROUP_MAX);
    for (const key of ["description", "request", "response"] as const) if (said[key] !== undefined) checkText(key, said[key], DESCRIPTION_MAX);
    const remove = responders.add(responder.endpoint.pattern, responder.endpoint.group ?? ANSWERERS, responder);
    changed();
    return () => {
      remove();
      changed();
    };
  }

  function outgoing(subject: string, payload: unknown, { type = "", correlation }: PublishOptions): Message {
    if (type !== "") checkText("type", type, TYPE_MAX);
    if (correlation !== undefined) checkText("correlation", correlation, CORRELATION_MAX);
    return new Message(subject, payload, type, name, ++id, now(), correlation, undefined);
  }
  const NOTHING: PublishOptions = {};

  return {
    name,
    instance: crypto.randomUUID(),
    publish(subject, payload, options = NOTHING) {
      if (closed) throw new SymphonyError("bus/closed", `Cannot publish on ${JSON.stringify(subject)}: the bus ${name} is closed`);
      published++;
      return deliver(outgoing(subject, payload, options), true, undefined);
    },
    on(pattern, handler, { group } = {}) {
      return receive(pattern, group, {
        take(message) {
          const made = handler(message) as unknown;
          // nobody waits for an asynchronous handler, but its fault isn't lost
          if (made !== undefined && isPromise(made)) made.then(undefined, (cause: unknown) => faulted(cause, message));
        },
        link: undefined,
      });
    },
    subscribe(pattern, { group, queueMax = QUEUE_MAX, full = "wait", signal } = {}) {
      if (!Number.isInteger(queueMax) || queueMax < 1) throw new SymphonyError("bus/invalid", `Cannot subscribe with queueMax ${queueMax}: expected a whole number from 1`);
      let remove = (): void => {};
      const stop = (): void => inbox.close();
      const inbox = createQueue<Message>({
        owner: `the subscriber to ${JSON.stringify(pattern)}`,
        queueMax,
        full,
        onClose: () => {
          remove();
          inboxes.delete(inbox);
          signal?.removeEventListener("abort", stop);
        },
        onDrop: () => void counts.dropped++,
      });
      if (closed) throw new SymphonyError("bus/closed", `Cannot subscribe to ${JSON.stringify(pattern)}: the bus ${name} is closed`);
      remove = receive(pattern, group, { take: inbox.take, link: undefined });
      inboxes.add(inbox);
      if (signal?.aborted) stop();
      else signal?.addEventListener("abort", stop, { once: true });
      return inbox;
    },
    request: (subject, payload, options = {}) => requests.one(outgoing(checkSubject(subject), payload, options), options),
    requestStream: (subject, payload, options = {}) => requests.many(outgoing(checkSubject(subject), payload, options), options),
    serve(pattern, answerer, options = {}) {
      return respond({ endpoint: { pattern, ...options }, link: undefined, answer: (call) => answerer(call.message.payload, call) });
    },
    endpoints: () => [...responders.patterns()].map(({ target }) => target.endpoint),
    counts: () => ({ ...counts, published, delivered, latency: [...counts.latency] }),
    far: {
      receive,
      respond,
      deliver: (message, toAll, groups) => (closed ? undefined : deliver(message, toAll, groups)),
      answer(message, { timeoutMs, isStream: isMany, signal, onSettled }) {
        return (isMany ? requests.many : requests.one)(message, { timeoutMs, signal }, onSettled);
      },
      interests(link) {
        const others = <T extends { link: object | undefined }>({ target }: { target: T }): boolean => target.link !== link;
        return [
          ...[...receivers.patterns()].filter(others).map(({ pattern, group, target }): Interest => ({ origin: target.link, does: "receive", pattern, group })),
          ...[...responders.patterns()].filter(others).map(({ target }): Interest => ({ origin: target.link, does: "respond", endpoint: target.endpoint })),
        ];
      },
      fault: onFault,
      lost: requests.lost,
      watch,
    },
    close() {
      if (closed) return;
      closed = true;
      for (const inbox of [...inboxes]) inbox.close();
      requests.close();
    },
  };
}
