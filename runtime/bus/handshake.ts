// How two ends of a connection learn who the other is: three frames of plain CBOR, with proofs by HMAC-SHA256 over both sides' names and
// random numbers (the shape of SCRAM's and of ISO 9798-4's mutual authentication). The token itself is never sent.
import { SymphonyError } from "../error.ts";
import type { Connection } from "../transport/connection.ts";
import { textOf } from "./requests.ts";
import { decodeCbor } from "./cbor/decode.ts";
import { createPlainEncoder } from "./cbor/encode.ts";
import type { Peer } from "./peer.ts";

/** Raised when what is said changes so that older sides can't follow. */
export const PROTOCOL = 1;
export type Encoding = "compact" | "plain";

/** What both sides know in the end. */
export interface Joined {
  peer: Peer;
  encoding: Encoding;
  /** The largest frame that the peer takes. */
  frameMax: number;
  /** Of the far bus: the same over all links to it. */
  instance: string;
}

export interface HandshakeOptions {
  connection: Connection;
  side: "connect" | "accept";
  /** Of this side. */
  name: string;
  /** Of this side's bus, at random. */
  instance: string;
  /** Who the other side may be; undefined refuses it. */
  peerOf: (name: string) => Peer | undefined | Promise<Peer | undefined>;
  /** In the order of liking. */
  encodings: readonly Encoding[];
  frameMax: number;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
export const NONCE_BYTES = 32;
export const TOKEN_BYTES_MIN = 16;
const INSTANCE = /^[0-9a-f-]{36}$/;
/** No frame of a handshake is larger. */
export const HANDSHAKE_BYTES_MAX = 4096;
const LIMITS = { depthMax: 4, itemsMax: 100, tags: false };

export function isPeerName(name: unknown): name is string {
  return typeof name === "string" && NAME.test(name);
}

type Raw = Record<string, unknown>;

function refuse(what: string): never {
  throw new SymphonyError("bus/peer", what);
}

/** Nothing is read off the connection beyond the last frame of the handshake before `proceed` has returned. */
export interface Handshake {
  /** To be given each frame until it returns what was agreed. Throws `bus/peer` with what the far side may know. */
  proceed(frame: Uint8Array): Promise<Joined | undefined>;
  /** Of the one who connects, the first word. */
  begin(): void;
}

export function createHandshake({ connection, side, name, instance, peerOf, encodings, frameMax }: HandshakeOptions): Handshake {
  const encode = createPlainEncoder();
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  /** Stands in for the token of who isn't known. */
  const decoy = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const say = (frame: Raw): void => void connection.send([encode(frame)]);
  let stage = 0;
  /** Known from the first frame of the far side on. */
  let far: { peer: Peer; nonce: Uint8Array<ArrayBuffer>; frameMax: number; encoding: Encoding; instance: string } | undefined;

  function read(frame: Uint8Array, kind: string): Raw {
    if (frame.length > HANDSHAKE_BYTES_MAX) refuse(`Cannot join: a frame of ${frame.length} bytes came where at most ${HANDSHAKE_BYTES_MAX} are expected`);
    const raw = decodeCbor(frame, { limits: LIMITS }) as Raw | null;
    if (typeof raw !== "object" || raw === null) refuse("Cannot join: the frame is no object");
    if (raw["kind"] === "refused") refuse(`${connection.address} refused to join: ${printable(raw["message"])}`);
    if (raw["kind"] !== kind) refuse(`Cannot join: expected a frame of the kind ${kind}`);
    return raw;
  }

  /** What the first frame of either side holds. */
  async function meet(raw: Raw): Promise<{ peer: Peer | undefined; name: string; nonce: Uint8Array<ArrayBuffer>; frameMax: number; instance: string }> {
    if (raw["protocol"] !== PROTOCOL)
      refuse(`Cannot join: this side speaks version ${PROTOCOL} of the protocol, the other ${String(raw["protocol"]).slice(0, 20)}; bring both to the same version of Symphony`);
    const { name: farName, nonce: farNonce, frameMax: farMax, instance: farInstance } = raw;
    if (!isPeerName(farName)) refuse("Cannot join: the name is none of letters, digits, dots, dashes and underscores, at most 64");
    if (!(farNonce instanceof Uint8Array) || farNonce.length !== NONCE_BYTES) refuse(`Cannot join: the nonce is not ${NONCE_BYTES} bytes`);
    if (!Number.isSafeInteger(farMax) || (farMax as number) < 1024) refuse("Cannot join: frameMax is not a whole number from 1024");
    if (typeof farInstance !== "string" || !INSTANCE.test(farInstance)) refuse("Cannot join: the instance is no UUID");
    let peer: Peer | undefined;
    try {
      peer = await peerOf(farName);
    } catch (cause) {
      // what went wrong here is not for who asks
      throw new SymphonyError("bus/peer", "Cannot join: who the name is can't be found out now", { cause, retryable: true });
    }
    if (peer?.token && peer.token.length < TOKEN_BYTES_MIN)
      throw new SymphonyError("bus/invalid", `Cannot join ${farName}: the token that is set for it has ${peer.token.length} bytes, expected ${TOKEN_BYTES_MIN} at least`);
    return { peer, name: farName, nonce: farNonce.slice(), frameMax: farMax as number, instance: farInstance };
  }

  /** The client's part first, whichever side this is. */
  async function proof(by: "connect" | "accept", token: Uint8Array, farName: string, farNonce: Uint8Array, encoding: Encoding): Promise<Uint8Array<ArrayBuffer>> {
    const [client, server] = side === "connect" ? [name, farName] : [farName, name];
    const [first, second] = side === "connect" ? [nonce, farNonce] : [farNonce, nonce];
    const words = new TextEncoder().encode(`symphony bus ${PROTOCOL} ${by} ${client} ${server} ${encoding} `);
    const said = new Uint8Array(words.length + 2 * NONCE_BYTES);
    said.set(words);
    said.set(first, words.length);
    said.set(second, words.length + NONCE_BYTES);
    return new Uint8Array(await crypto.subtle.sign("HMAC", await keyOf(token), said));
  }

  async function check(peer: Peer | undefined, farName: string, farNonce: Uint8Array, encoding: Encoding, given: unknown): Promise<Peer> {
    const by = side === "connect" ? "accept" : "connect";
    if (peer?.token === undefined && peer !== undefined) return peer;
    // who is not known is found out no sooner than who doesn't know the token
    const expected = await proof(by, peer?.token ?? decoy, farName, farNonce, encoding);
    if (!peer || !(given instanceof Uint8Array) || !equal(given, expected)) refuse(`Cannot join as ${farName}: the name isn't known here, or its token is another`);
    return peer;
  }

  return {
    begin: () => say({ kind: "hello", protocol: PROTOCOL, name, instance, nonce, encodings: [...encodings], frameMax }),
    async proceed(frame) {
      try {
        if (side === "connect") {
          if (stage++ === 0) {
            const raw = read(frame, "challenge");
            const { peer, name: farName, nonce: farNonce, frameMax: farMax, instance: farInstance } = await meet(raw);
            const encoding = encodings.find((one) => one === raw["encoding"]) ?? refuse("Cannot join: no encoding is agreed on");
            const known = await check(peer, farName, farNonce, encoding, raw["proof"]);
            far = { peer: known, nonce: farNonce, frameMax: farMax, encoding, instance: farInstance };
            say({ kind: "join", frameMax: known.limits?.frameMax ?? frameMax, proof: await proof("connect", known.token ?? decoy, farName, farNonce, encoding) });
            return undefined;
          }
          read(frame, "welcome");
        } else if (stage++ === 0) {
          const raw = read(frame, "hello");
          const { peer, name: farName, nonce: farNonce, frameMax: farMax, instance: farInstance } = await meet(raw);
          const offered = Array.isArray(raw["encodings"]) ? (raw["encodings"] as unknown[]) : [];
          const encoding = encodings.find((one) => offered.includes(one)) ?? refuse("Cannot join: no encoding is agreed on");
          far = { peer: peer ?? UNKNOWN(farName, decoy), nonce: farNonce, frameMax: farMax, encoding, instance: farInstance };
          say({
            kind: "challenge",
            protocol: PROTOCOL,
            name,
            instance,
            nonce,
            encoding,
            frameMax: far.peer.limits?.frameMax ?? frameMax,
            proof: await proof("accept", far.peer.token ?? decoy, farName, farNonce, encoding),
          });
          return undefined;
        } else {
          const raw = read(frame, "join");
          const { peer, nonce: farNonce, encoding } = far as NonNullable<typeof far>;
          await check(peer.rights === NOBODY ? undefined : peer, peer.name, farNonce, encoding, raw["proof"]);
          // now that it knows who this side is it may take less
          if (Number.isSafeInteger(raw["frameMax"]) && (raw["frameMax"] as number) >= 1024) (far as NonNullable<typeof far>).frameMax = raw["frameMax"] as number;
          say({ kind: "welcome" });
        }
        const { peer, encoding, frameMax: farMax, instance: farInstance } = far as NonNullable<typeof far>;
        return { peer, encoding, frameMax: farMax, instance: farInstance };
      } catch (cause) {
        const error = cause instanceof SymphonyError ? cause : new SymphonyError("bus/peer", `Cannot join: ${textOf(cause)}`, { cause });
        try {
          say({ kind: "refused", message: error.message.slice(0, 1000) });
        } catch {
          // it is closed already
        }
        throw error;
      }
    },
  };
}

const NOBODY = { publish: [], subscribe: [], request: [], serve: [] };
const UNKNOWN = (name: string, token: Uint8Array): Peer => ({ name, token, rights: NOBODY });

/** What a stranger says, for a person's terminal. */
function printable(text: unknown): string {
  return typeof text === "string" ? text.slice(0, 500).replace(/[^ -~]/gu, "?") : "without a word";
}

function keyOf(token: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", token.slice() as Uint8Array<ArrayBuffer>, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

/** In a time that says nothing of where they differ. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let differ = 0;
  for (let i = 0; i < a.length; i++) differ |= (a[i] as number) ^ (b[i] as number);
  return differ === 0;
}
