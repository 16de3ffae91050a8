// All links of a bus: those that come in, and those that are kept to addresses and made again when they are lost. Tells of them on
// `bus.peer.joined`, `bus.peer.left` and `bus.peer.lost`.
import { type Clock, systemClock } from "../clock.ts";
import { SymphonyError } from "../error.ts";
import type { Connection } from "../transport/connection.ts";
import type { Bus } from "./bus.ts";
import { isPeerName } from "./handshake.ts";
import { createLink, type Link, type LinkCounts, type LinkOptions } from "./link.ts";

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
  const kept = new Map<string, { kept: Kept; holders: number; stop: () => Promise<void> }>();
  let isClosed = false;

  function tell(what: "joined" | "left" | "lost", facts: object): void {
    try {
      void bus.publish(`bus.peer.${what}`, facts);
    } catch {
      // the bus is closed, or its subscribers are full and counted it
    }
  }

  async function open(connection: Connection, side: LinkOptions["side"]): Promise<Link> {
    const link = await createLink({ ...options, connection, side, clock });
    // a second link to the same bus would double all that it hears. Of two that each side has made, that of the smaller instance holds, which
    // both see alike; of two of one side the older, unless it is dead and doesn't know it
    const maker = side === "connect" ? bus.instance : link.instance;
    const other = [...links].find((one) => one.peer === link.peer && one.instance === link.instance);
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

  function keepAt(address: string, { attempts = 5, baseMs = 100, maxMs = 5000 }: RetryPolicy): { kept: Kept; stop: () => Promise<void> } {
    if (!dial) throw new SymphonyError("bus/invalid", `Cannot connect to ${address}: this bus was given no way to connect`);
    const done = Promise.withResolvers<SymphonyError | undefined>();
    let own: { kept: Kept; stop: () => Promise<void> } | undefined;
    let link: Link | undefined;
    let isOver = false;
    let wake = (): void => {};
    let waiting: { resolve: (link: Link) => void; reject: (cause: unknown) => void }[] = [];
    const over = (error: SymphonyError | undefined): void => {
      isOver = true;
      for (const { reject } of waiting.splice(0)) reject(error ?? new SymphonyError("bus/closed", `The link to ${address} was let go`));
      done.resolve(error);
    };

    void (async () => {
      let failed = 0;
      while (!isOver) {
        try {
          const made = await open(await dial(address), "connect");
          if (isOver) {
            await made.close();
            return;
          }
          link = made;
          for (const { resolve } of waiting.splice(0)) resolve(link);
          const since = clock.elapsed();
          const error = await link.closed;
          const { peer, instance } = link;
          link = undefined;
          // the other side has kept another link between the two
          const rest = [...links].find((one) => one.peer === peer && one.instance === instance);
          if (rest && !isOver) {
            link = rest;
            for (const { resolve } of waiting.splice(0)) resolve(rest);
            await rest.closed;
            link = undefined;
            failed = 0;
            continue;
          }
          // one that ends as soon as it begins is no success
          if (clock.elapsed() - since > LIVED_MS) failed = 0;
          else throw error ?? new SymphonyError("bus/peer", `The link to ${address} was closed by the far side as soon as it was made`, { retryable: true });
        } catch (cause) {
          const error = cause instanceof SymphonyError ? cause : new SymphonyError("bus/peer", `Cannot connect to ${address}: ${String(cause)}`, { cause, retryable: true });
          if (isOver) return;
          // what is wrong on this side doesn't mend itself
          if (error.code === "bus/invalid" || ++failed >= attempts) {
            tell("lost", { address, code: error.code, message: error.message, attempts: failed });
            if (kept.get(address)?.stop === own?.stop) kept.delete(address);
            over(error);
            return;
          }
        }
        if (isOver) return;
        const most = Math.min(maxMs, baseMs * 2 ** Math.max(0, failed - 1));
        await new Promise<void>((resolve) => {
          const cancel = clock.after(Math.ceil(random() * most), resolve);
          wake = () => {
            cancel();
            resolve();
          };
        });
      }
    })();

    own = {
      kept: {
        address,
        get link() {
          return link;
        },
        ready: () =>
          link
            ? Promise.resolve(link)
            : isOver
              ? done.promise.then((error) => Promise.reject(error ?? new SymphonyError("bus/closed", `The link to ${address} was let go`)))
              : new Promise((resolve, reject) => void waiting.push({ resolve, reject })),
        release: async () => {},
        done: done.promise,
      },
      async stop() {
        if (isOver) return;
        over(undefined);
        wake();
        await link?.close();
        waiting = [];
      },
    };
    return own;
  }

  /** One holder's own: letting go twice takes nothing from the others. */
  function held(entry: { kept: Kept; holders: number; stop: () => Promise<void> }): Kept {
    const { kept: shared } = entry;
    let isHeld = true;
    entry.holders++;
    return {
      address: shared.address,
      get link() {
        return isHeld ? shared.link : undefined;
      },
      ready: () => shared.ready(),
      done: shared.done,
      async release() {
        if (!isHeld) return;
        isHeld = false;
        if (--entry.holders > 0) return;
        if (kept.get(shared.address) === entry) kept.delete(shared.address);
        await entry.stop();
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
      let entry = kept.get(address);
      if (!entry) {
        entry = { ...keepAt(address, retry), holders: 0 };
        kept.set(address, entry);
      }
      return held(entry);
    },
    list: () => [...links].map((link) => ({ peer: link.peer, address: link.address, counts: link.counts() })),
    async close() {
      isClosed = true;
      await Promise.all([...[...kept.values()].map(({ stop }) => stop()), ...[...links].map((link) => link.close())]);
      kept.clear();
    },
  };
}
