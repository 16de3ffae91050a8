// What a peer is to this side: its name, how it proves it, what it may do, how much it may send. Pure.
import { covers, overlaps } from "./subject.ts";

/** Patterns of subjects. What no pattern covers is refused; `bus.>`, which the bus itself speaks on, always is. */
export interface PeerRights {
  publish: readonly string[];
  /** A wider pattern than this is narrowed to it. */
  subscribe: readonly string[];
  request: readonly string[];
  /** Answer requests. */
  serve: readonly string[];
}

export interface PeerLimits {
  /** Events and requests in a second, over some seconds. */
  perSecond: number;
  /** So many at once. */
  burst: number;
  /** Bytes of one frame. */
  frameMax: number;
  /** Requests of the peer that are answered at a time. */
  requestsMax: number;
  /** Patterns that it subscribes to and serves. */
  interestsMax: number;
  /**
   * Messages that wait to be sent to it, and what happens to more. "wait", which makes their publishers wait, is the default for peers that
   * the transport vouches for; for those with a token it is "drop-oldest".
   */
  queueMax: number;
  full: "wait" | "drop-oldest" | "fail";
}

export const PEER_LIMITS: PeerLimits = {
  perSecond: 1_000_000,
  burst: 1_000_000,
  frameMax: 64 * 1024 * 1024,
  requestsMax: 1024,
  interestsMax: 10_000,
  queueMax: 4096,
  full: "wait",
};
export const ALL_RIGHTS: PeerRights = { publish: [">"], subscribe: [">"], request: [">"], serve: [">"] };
export const NO_RIGHTS: PeerRights = { publish: [], subscribe: [], request: [], serve: [] };

export interface Peer {
  name: string;
  /** Shared with the peer, 16 bytes at least; without one the transport itself must vouch, as a pipe to a child of ours does. */
  token?: Uint8Array;
  rights: PeerRights;
  limits?: Partial<PeerLimits>;
}

/** What a peer was refused. */
export interface Refusal {
  /** Milliseconds since 1970. */
  at: number;
  peer: string;
  address: string;
  tried: "join" | "publish" | "subscribe" | "request" | "serve" | "frame";
  subject?: string;
  code: string;
  why: string;
}

/** Whether a subject or pattern is wholly the bus's own, which stays where it is said. */
export function isReserved(subject: string): boolean {
  return subject.startsWith("bus.");
}

export function may(patterns: readonly string[], subject: string): boolean {
  if (isReserved(subject)) return false;
  for (const pattern of patterns) if (covers(pattern, subject)) return true;
  return false;
}

/** Whether a pattern is wholly within, partly within or outside of what is allowed. */
export function within(patterns: readonly string[], asked: string): "all" | "some" | "none" {
  if (patterns.some((pattern) => covers(pattern, asked))) return "all";
  return patterns.some((pattern) => overlaps(pattern, asked)) ? "some" : "none";
}

/** A bucket of tokens that fills by the second (the leaky bucket as a meter). */
export function createRate(perSecond: number, burst: number, elapsed: () => number): (cost: number) => boolean {
  let tokens = burst;
  let at = elapsed();
  return (cost) => {
    if (tokens < burst) {
      const now = elapsed();
      tokens = Math.min(burst, tokens + ((now - at) * perSecond) / 1000);
      at = now;
    } else at = elapsed();
    if (tokens < cost) return false;
    tokens -= cost;
    return true;
  };
}
