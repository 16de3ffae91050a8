// The public door of the bus. Browser compatible: connections come from outside, by runtime/transport/.
export { auditRefusals } from "./audit.ts";
export {
  type Answerer,
  type Bus,
  type BusCounts,
  type Call,
  createBus,
  type Endpoint,
  type PublishOptions,
  type RequestOptions,
  type ServeOptions,
  type SubscribeOptions,
  type Subscription,
} from "./bus.ts";
export { CBOR_LIMITS, createRecords, decodeCbor } from "./cbor/decode.ts";
export { createCompactEncoder, createPlainEncoder } from "./cbor/encode.ts";
export { createLink, type Link, type LinkCounts, type LinkOptions } from "./link.ts";
export type { Message } from "./message.ts";
export { spellMetrics } from "./metrics.ts";
export { ALL_RIGHTS, NO_RIGHTS, type Peer, PEER_LIMITS, type PeerLimits, type PeerRights, type Refusal } from "./peer.ts";
export { createPeers, type Kept, type Peers, type PeersOptions, type RetryPolicy } from "./peers.ts";
export { type FarHandle, type FarPortOf, portOver, type PortShape, servePort } from "./port.ts";
export { printMessage, type PrintOptions, printValue } from "./print.ts";
export type { WhenFull } from "./queue.ts";
export { createTypes, type MessageType, type Types } from "./message-types.ts";
export { covers, isPattern, isSubject, overlaps } from "./subject.ts";
