// Tells the far side of a link what this side is interested in, as it changes: only what the peer may send, at a bounded pace, so that what one
// peer changes ends nobody else's link. Leaves out what the peer is interested in (link.ts).
import type { Clock } from "../clock.ts";
import type { Bus } from "./bus.ts";
import { INTERESTS_AT_ONCE_MAX, interestKey, type WireInterest, wireInterest } from "./frame.ts";
import type { Outgoing } from "./outbox.ts";
import { createRate, isReserved, type PeerRights } from "./peer.ts";
import { overlaps } from "./subject.ts";

/** Interests are told so often at most. */
const TELL_MS = 10;
/** What was too much at once is told so much later. */
const TELL_LATER_MS = 100;
/** Half of what a peer may change (link.ts). */
const TOLD_PER_SECOND = 1000;
const TOLD_BURST = 10_000;
/** Of what one link wants, so many are told to the others. */
const RELAYED_MAX = 2000;

export interface Telling {
  /** The peer had no room for interests of this pattern: they are told again with the next change. */
  refused(pattern: string): void;
  end(): void;
}

export function createTelling({ bus, link, rights, say, clock }: { bus: Bus; link: object; rights: PeerRights; say: (frame: Outgoing) => void; clock: Clock }): Telling {
  const mayTell = createRate(TOLD_PER_SECOND, TOLD_BURST, clock.elapsed);
  const told = new Map<string, WireInterest>();
  let toldAt = Number.NEGATIVE_INFINITY;
  let isOver = false;
  /** Set while something is to be told. */
  let cancel: (() => void) | undefined;

  /** At the end of this turn, or a while after the last time. */
  function tellSoon(): void {
    if (cancel || isOver) return;
    const left = toldAt + TELL_MS - clock.elapsed();
    if (left > 0) cancel = clock.after(left, tell);
    else {
      cancel = () => {};
      queueMicrotask(tell);
    }
  }

  /** All that should be known at the far side. */
  function wanted(): Map<string, WireInterest> {
    const all = new Map<string, WireInterest>();
    const relayed = new Map<object, number>();
    for (const interest of bus.far.interests(link)) {
      if (interest.origin) {
        const count = (relayed.get(interest.origin) ?? 0) + 1;
        relayed.set(interest.origin, count);
        if (count > RELAYED_MAX) continue;
      }
      const one = wireInterest(interest);
      if (!isReserved(one.pattern) && (one.endpoint ? rights.request : rights.publish).some((pattern) => overlaps(pattern, one.pattern))) all.set(interestKey(one), one);
    }
    return all;
  }

  function tell(): void {
    cancel = undefined;
    if (isOver) return;
    toldAt = clock.elapsed();
    const now = wanted();
    let isLeft = false;
    const paced = <T>(all: T[]): T[] => {
      const most = all.findIndex(() => !mayTell(1));
      if (most < 0) return all;
      isLeft = true;
      return all.slice(0, most);
    };
    const remove = paced([...told].filter(([key]) => !now.has(key)));
    const add = paced([...now].filter(([key]) => !told.has(key)));
    for (const [key] of remove) told.delete(key);
    for (const [key, one] of add) told.set(key, one);
    while (add.length + remove.length > 0)
      say({ kind: "interest", add: add.splice(0, INTERESTS_AT_ONCE_MAX).map(([, one]) => one), remove: remove.splice(0, INTERESTS_AT_ONCE_MAX).map(([, one]) => one) });
    if (isLeft) cancel = clock.after(TELL_LATER_MS, tell);
  }

  const unwatch = bus.far.watch(tellSoon);
  tellSoon();
  return {
    refused(pattern) {
      for (const [key, one] of told) if (one.pattern === pattern) told.delete(key);
    },
    end() {
      isOver = true;
      cancel?.();
      unwatch();
    },
  };
}
