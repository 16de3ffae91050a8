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
/** The least that a side may take. */
const FRAME_MAX_MIN = 1024;
const LIMITS = { depthMax: 4, itemsMax: 100, tags: false };

export function isPeerName(name: unknown): name is string {
  return typeof name === "string" && NAME.test(name);
}

type Raw = Record<string, unknown>;

function refuse(what: string): never {
  throw new SymphonyError("bus/peer", what);
}

/** What the far side says of itself, and who that is here; undefined: nobody. */
interface Far {
  peer: Peer | undefined;
  name: string;
  instance: string;
  nonce: Uint8Array<ArrayBuffer>;
  frameMax: number;
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
  /** Known from the first frame of the far side on. */
  let far: (Far & { encoding: Encoding }) | undefined;

  function read(frame: Uint8Array, kind: string): Raw {
    if (frame.length > HANDSHAKE_BYTES_MAX) refuse(`Cannot join: a frame of ${frame.length} bytes came where at most ${HANDSHAKE_BYTES_MAX} are expected`);
    const raw = decodeCbor(frame, { limits: LIMITS }) as Raw | null;
    if (typeof raw !== "object" || raw === null) refuse("Cannot join: the frame is no object");
    if (raw["kind"] === "refused") refuse(`${connection.address} refused to join: ${printable(raw["message"])}`);
    if (raw["kind"] !== kind) refuse(`Cannot join: expected a frame of the kind ${kind}`);
    return raw;
  }

  /** What the first frame of either side holds. */
  async function meet(raw: Raw): Promise<Far> {
    if (raw["protocol"] !== PROTOCOL)
      refuse(`Cannot join: this side speaks version ${PROTOCOL} of the protocol, the other ${String(raw["protocol"]).slice(0, 20)}; bring both to the same version of Symphony`);
    const { name: farName, nonce: farNonce, frameMax: farMax, instance: farInstance } = raw;
    if (!isPeerName(farName)) refuse("Cannot join: the name is none of letters, digits, dots, dashes and underscores, at most 64");
    if (!(farNonce instanceof Uint8Array) || farNonce.length !== NONCE_BYTES) refuse(`Cannot join: the nonce is not ${NONCE_BYTES} bytes`);
    if (!Number.isSafeInteger(farMax) || (farMax as number) < FRAME_MAX_MIN) refuse(`Cannot join: frameMax is not a whole number from ${FRAME_MAX_MIN}`);
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

  /** By one side, over what both have said; the client's part first, whichever side this is. */
  async function proof(
    by: "connect" | "accept",
    { peer, name: farName, instance: farInstance, nonce: farNonce, encoding }: Far & { encoding: Encoding },
  ): Promise<Uint8Array<ArrayBuffer>> {
    const inOrder = <T>(own: T, other: T): T[] => (side === "connect" ? [own, other] : [other, own]);
    const words = new TextEncoder().encode(`symphony bus ${PROTOCOL} ${by} ${inOrder(name, farName).join(" ")} ${inOrder(instance, farInstance).join(" ")} ${encoding} `);
    const said = new Uint8Array(words.length + 2 * NONCE_BYTES);
    said.set(words);
    for (const [i, one] of inOrder(nonce, farNonce).entries()) said.set(one, words.length + i * NONCE_BYTES);
    return new Uint8Array(await crypto.subtle.sign("HMAC", await keyOf(peer?.token ?? decoy), said));
  }

  /** The peer, when it has proved itself. */
  async function check(of: Far & { encoding: Encoding }, given: unknown): Promise<Peer> {
    const { peer } = of;
    if (peer && !peer.token) return peer;
    // who is not known is found out no sooner than who doesn't know the token
    const expected = await proof(side === "connect" ? "accept" : "connect", of);
    if (!peer || !(given instanceof Uint8Array) || !equal(given, expected)) refuse(`Cannot join as ${of.name}: the name isn't known here, or its token is another`);
    return peer;
  }

  /** What a peer may send is told when it has proved itself: it says that the name is known. */
  function bound(to: Far, raw: Raw): void {
    const frameMax = raw["frameMax"];
    if (Number.isSafeInteger(frameMax) && (frameMax as number) >= FRAME_MAX_MIN) to.frameMax = frameMax as number;
  }

  async function step(frame: Uint8Array): Promise<Joined | undefined> {
    const known = far;
    if (side === "connect") {
      if (!known) {
        const raw = read(frame, "challenge");
        const encoding = encodings.find((one) => one === raw["encoding"]) ?? refuse("Cannot join: no encoding is agreed on");
        far = { ...(await meet(raw)), encoding };
        const { limits } = await check(far, raw["proof"]);
        say({ kind: "join", frameMax: limits?.frameMax ?? frameMax, proof: await proof("connect", far) });
        return undefined;
      }
      bound(known, read(frame, "welcome"));
      return { ...known, peer: known.peer as Peer };
    }
    if (!known) {
      const raw = read(frame, "hello");
      const offered = Array.isArray(raw["encodings"]) ? (raw["encodings"] as unknown[]) : [];
      const encoding = encodings.find((one) => offered.includes(one)) ?? refuse("Cannot join: no encoding is agreed on");
      far = { ...(await meet(raw)), encoding };
      say({ kind: "challenge", protocol: PROTOCOL, name, instance, nonce, encoding, frameMax, proof: await proof("accept", far) });
      return undefined;
    }
    const raw = read(frame, "join");
    const peer = await check(known, raw["proof"]);
    bound(known, raw);
    say({ kind: "welcome", frameMax: peer.limits?.frameMax ?? frameMax });
    return { ...known, peer };
  }

  return {
    begin: () => say({ kind: "hello", protocol: PROTOCOL, name, instance, nonce, encodings: [...encodings], frameMax }),
    async proceed(frame) {
      try {
        return await step(frame);
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
