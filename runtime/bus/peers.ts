// All links of a bus: those that come in, and those that are kept to addresses and made again when they are lost. Tells of them on
// `bus.peer.joined`, `bus.peer.left` and `bus.peer.lost`.
import { type Clock, systemClock } from "../clock.ts";
import { SymphonyError } from "../error.ts";
import type { Connection } from "../transport/connection.ts";
import type { Bus } from "./bus.ts";
import { isPeerName } from "./handshake.ts";
import { createLink, type Link, type LinkCounts, type LinkOptions } from "./link.ts";
import { textOf } from "./requests.ts";

export interface RetryPolicy {
  /** In a row without a link between them; then it is given up. 5 by default. */
  attempts?: number;
  /** The first wait is up to so long, each further one up to twice the one before; at random, so that many don't come at once. 100 by default. */
  baseMs?: number;
  /** No wait is longer; 5000 by default. */
  maxMs?: number;
}

/** A link that is made again when it is lost. */
export interface Kept {
  readonly address: string;
  /** The link as it is now; undefined while there is none. */
  readonly link: Link | undefined;
  /** Resolves with the link as soon as there is one. Rejects when it was given up. */
  ready(): Promise<Link>;
  /** Lets it go; it is closed when nobody else keeps it. */
  release(): Promise<void>;
  /** Resolves when it is let go, or given up with the error of the last attempt. */
  readonly done: Promise<SymphonyError | undefined>;
}

export interface Peers {
  /** Who has come in. Undefined where it was refused; `onRefusal` was told. */
  accept(connection: Connection): Promise<Link | undefined>;
  /** The one link to an address, shared by all who ask for it. What was under way when it is lost fails as retryable; subscriptions come back with it. */
  keep(address: string, retry?: RetryPolicy): Kept;
  list(): { peer: string; address: string; counts: LinkCounts }[];
  links(): Link[];
  close(): Promise<void>;
}

export interface PeersOptions extends Pick<LinkOptions, "peerOf" | "types" | "encodings" | "heartbeatMs" | "heartbeatsMissed" | "onRefusal"> {
  bus: Bus;
  /** A connection to an address such as `unix:/run/symphony.sock` or `ws://host:port`. */
  dial?: (address: string) => Promise<Connection>;
  clock?: Clock;
  /** Between 0 and 1. */
  random?: () => number;
}

/** What holds a link to one address, for all who keep it. */
interface Keeper extends Omit<Kept, "release"> {
  holders: number;
  stop(): Promise<void>;
}

/** Connections whose peers haven't proved themselves, at a time. */
const JOINING_MAX = 256;
/** An older link is given so long to show that it lives, when there is a newer one. */
const ALIVE_MS = 500;
/** A link that has lived so long was one. */
const LIVED_MS = 2000;

/** Throws `bus/invalid` for a bus whose name no peer would take. */
export function createPeers(options: PeersOptions): Peers {
  const { bus, dial, clock = systemClock, random = Math.random, onRefusal = () => {} } = options;
  if (!isPeerName(bus.name))
    throw new SymphonyError("bus/invalid", `Cannot link the bus ${JSON.stringify(bus.name)}: expected a name of letters, digits, dots, dashes and underscores, at most 64`);
  const links = new Set<Link>();
  /** Which instance has made each. */
  const makers = new WeakMap<Link, string>();
  let joining = 0;
  const keepers = new Map<string, Keeper>();
  let isClosed = false;

  function tell(what: "joined" | "left" | "lost", facts: object): void {
    try {
      void bus.publish(`bus.peer.${what}`, facts);
    } catch {
      // the bus is closed, or its subscribers are full and counted it
    }
  }

  /** The other link between this bus and the one at a link's far side. */
  const besides = ({ peer, instance }: Link): Link | undefined => [...links].find((one) => one.peer === peer && one.instance === instance);

  async function open(connection: Connection, side: LinkOptions["side"]): Promise<Link> {
    const link = await createLink({ ...options, connection, side, clock });
    // a second link to the same bus would double all that it hears. Of two that each side has made, that of the smaller instance holds, which
    // both see alike; of two of one side the older, unless it is dead and doesn't know it
    const maker = side === "connect" ? bus.instance : link.instance;
    const other = besides(link);
    if (other) {
      const otherMaker = makers.get(other) as string;
      const isOlderKept = otherMaker === maker ? await other.isAlive(ALIVE_MS) : otherMaker < maker;
      if (isOlderKept && links.has(other)) {
        void link.close();
        return other;
      }
      void other.close();
    }
    makers.set(link, maker);
    links.add(link);
    tell("joined", { peer: link.peer, address: link.address });
    void link.closed.then((error) => {
      links.delete(link);
      tell("left", { peer: link.peer, address: link.address, ...(error ? { code: error.code, message: error.message } : {}) });
    });
    if (isClosed) await link.close();
    return link;
  }

  function createKeeper(address: string, { attempts = 5, baseMs = 100, maxMs = 5000 }: RetryPolicy): Keeper {
    if (!dial) throw new SymphonyError("bus/invalid", `Cannot connect to ${address}: this bus was given no way to connect`);
    const done = Promise.withResolvers<SymphonyError | undefined>();
    let link: Link | undefined;
    let isOver = false;
    let wake = (): void => {};
    const waiting: PromiseWithResolvers<Link>[] = [];
    const letGo = (error: SymphonyError | undefined): SymphonyError => error ?? new SymphonyError("bus/closed", `The link to ${address} was let go`);

    function over(error: SymphonyError | undefined): void {
      isOver = true;
      for (const { reject } of waiting.splice(0)) reject(letGo(error));
      done.resolve(error);
    }

    /** Until this link is lost, and those that take its place. Throws where it ended as soon as it began: that is no success. */
    async function live(first: Link): Promise<void> {
      const since = clock.elapsed();
      let error: SymphonyError | undefined;
      for (let one: Link | undefined = first; one && !isOver; one = besides(one)) {
        link = one;
        for (const { resolve } of waiting.splice(0)) resolve(one);
        error = await one.closed;
        link = undefined;
      }
      if (clock.elapsed() - since <= LIVED_MS)
        throw error ?? new SymphonyError("bus/peer", `The link to ${address} was closed by the far side as soon as it was made`, { retryable: true });
    }

    async function keepOn(dialOnce: (address: string) => Promise<Connection>): Promise<void> {
      for (let failed = 0; !isOver; ) {
        try {
          const made = await open(await dialOnce(address), "connect");
          if (isOver) return await made.close();
          await live(made);
          failed = 0;
        } catch (cause) {
          if (isOver) return;
          const error = cause instanceof SymphonyError ? cause : new SymphonyError("bus/peer", `Cannot connect to ${address}: ${textOf(cause)}`, { cause, retryable: true });
          // what is wrong on this side doesn't mend itself
          if (error.code === "bus/invalid" || ++failed >= attempts) {
            tell("lost", { address, code: error.code, message: error.message, attempts: failed });
            if (keepers.get(address) === keeper) keepers.delete(address);
            return over(error);
          }
        }
        if (isOver) return;
        const pause = Promise.withResolvers<void>();
        wake = pause.resolve;
        const cancel = clock.after(Math.ceil(random() * Math.min(maxMs, baseMs * 2 ** Math.max(0, failed - 1))), pause.resolve);
        await pause.promise;
        cancel();
      }
    }

    const keeper: Keeper = {
      address,
      holders: 0,
      get link() {
        return link;
      },
      async ready() {
        if (link) return link;
        if (isOver) throw letGo(await done.promise);
        const ready = Promise.withResolvers<Link>();
        waiting.push(ready);
        return ready.promise;
      },
      done: done.promise,
      async stop() {
        if (isOver) return;
        over(undefined);
        wake();
        await link?.close();
      },
    };
    void keepOn(dial);
    return keeper;
  }

  /** One holder's own: letting go twice takes nothing from the others. */
  function hold(keeper: Keeper): Kept {
    let isHeld = true;
    keeper.holders++;
    return {
      address: keeper.address,
      get link() {
        return isHeld ? keeper.link : undefined;
      },
      ready: () => keeper.ready(),
      done: keeper.done,
      async release() {
        if (!isHeld) return;
        isHeld = false;
        if (--keeper.holders > 0) return;
        if (keepers.get(keeper.address) === keeper) keepers.delete(keeper.address);
        await keeper.stop();
      },
    };
  }

  return {
    links: () => [...links],
    async accept(connection) {
      if (joining >= JOINING_MAX) {
        connection.close();
        onRefusal({ at: clock.now(), peer: "", address: connection.address, tried: "join", code: "bus/rate", why: `${joining} others are joining already` });
        return undefined;
      }
      joining++;
      try {
        return await open(connection, "accept");
      } catch {
        // onRefusal was told
        return undefined;
      } finally {
        joining--;
      }
    },
    keep(address, retry = {}) {
      const there = keepers.get(address) ?? createKeeper(address, retry);
      keepers.set(address, there);
      return hold(there);
    },
    list: () => [...links].map((link) => ({ peer: link.peer, address: link.address, counts: link.counts() })),
    async close() {
      isClosed = true;
      await Promise.all([...[...keepers.values()].map((keeper) => keeper.stop()), ...[...links].map((link) => link.close())]);
      keepers.clear();
    },
  };
}
