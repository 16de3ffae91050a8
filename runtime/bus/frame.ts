// What two ends of a link say to each other, and the check of what the far side says. Pure; the bytes are cbor/'s.
//
// The header of a message is its id, type, time (`at`), correlation, sender (`from`) and recipient (`to`, a subject; `re`, the request that is
// answered); its kind says what the payload is: request, response, event or error. What has no payload serves the link itself.
import { type ErrorCode, CODES, type Fault, SymphonyError } from "../error.ts";
import { CORRELATION_MAX, DESCRIPTION_MAX, type Endpoint, GROUP_MAX, type Interest, TYPE_MAX } from "./bus.ts";
import { isPattern, isSubject } from "./subject.ts";

export interface EventFrame {
  kind: "event";
  id: number;
  to: string;
  type?: string;
  at: number;
  correlation?: string;
  /** Behind the peer itself; who takes it puts the peer's own name in front. */
  from?: string;
  /** For one of this group; else for all who are in none. */
  group?: string;
  hops?: number;
  payload: unknown;
}

export interface RequestFrame {
  kind: "request";
  id: number;
  to: string;
  type?: string;
  at: number;
  correlation?: string;
  from?: string;
  hops?: number;
  timeoutMs: number;
  stream?: boolean;
  payload: unknown;
}

export interface ResponseFrame {
  kind: "response";
  re: number;
  at: number;
  type?: string;
  /** Of a stream: more may come, or nothing is in it and it is over. */
  more?: boolean;
  end?: boolean;
  payload: unknown;
}

export interface ErrorFrame {
  kind: "error";
  /** The request that it answers; without one it is about an event or an interest. */
  re?: number;
  at: number;
  to?: string;
  code: string;
  message: string;
  retryable?: boolean;
  retryAfterMs?: number;
  detail?: string;
  faults?: { path: string; message: string }[];
}

export interface WireInterest {
  pattern: string;
  group?: string;
  /** Answers requests there, rather than taking events. */
  endpoint?: { description?: string; request?: string; response?: string };
}

export type ControlFrame =
  | { kind: "cancel"; re: number }
  | { kind: "credit"; re: number; count: number }
  | { kind: "interest"; add: WireInterest[]; remove: WireInterest[] }
  | { kind: "ping" }
  | { kind: "pong" }
  | { kind: "bye"; message: string };

export type Frame = EventFrame | RequestFrame | ResponseFrame | ErrorFrame | ControlFrame;

/** Of a peer's texts about itself. */
const TEXT_MAX = 4096;
/** More are told in several frames. */
export const INTERESTS_AT_ONCE_MAX = 1000;
/** A day; who asks for longer asks for this. */
export const TIMEOUT_MS_MAX = 24 * 3600 * 1000;
/** Characters of a sender with all that stand before it. */
export const FROM_MAX = 200;
const FROM = /^[!-~]{1,200}$/;

function fail(what: string): never {
  throw new SymphonyError("bus/shape", `Cannot take the frame: ${what}`);
}

type Raw = Record<string, unknown>;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown, max = TEXT_MAX): value is string => typeof value === "string" && value.length <= max;

function checkHeader(raw: Raw, kind: string): void {
  if (!isCount(raw["id"])) fail(`the id of a ${kind} is ${shown(raw["id"])}, expected a whole number`);
  if (!isSubject(raw["to"])) fail(`a ${kind} goes to ${shown(raw["to"])}, expected a subject`);
  if (typeof raw["at"] !== "number" || !(Math.abs(raw["at"]) < 8.64e15)) fail(`the time of a ${kind} is ${shown(raw["at"])}, expected milliseconds since 1970`);
  if (raw["type"] !== undefined && !isText(raw["type"], TYPE_MAX)) fail(`the type of a ${kind} is ${shown(raw["type"])}, expected a text such as run/node@1`);
  if (raw["correlation"] !== undefined && !isText(raw["correlation"], CORRELATION_MAX))
    fail(`the correlation of a ${kind} is ${shown(raw["correlation"])}, expected a text of at most ${CORRELATION_MAX} characters`);
  if (raw["from"] !== undefined && !(typeof raw["from"] === "string" && FROM.test(raw["from"])))
    fail(`the sender of a ${kind} is ${shown(raw["from"])}, expected printable text of at most 200 characters`);
  if (raw["hops"] !== undefined && !isCount(raw["hops"])) fail(`the hops of a ${kind} are ${shown(raw["hops"])}, expected a whole number`);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  return typeof value === "number" || typeof value === "boolean" || value === undefined || value === null ? String(value) : `a ${typeof value}`;
}

/** What a peer is interested in, of what it says only what is known: it is told on to others. */
function readInterests(list: unknown): WireInterest[] {
  if (!Array.isArray(list) || list.length > INTERESTS_AT_ONCE_MAX) fail(`interests are no list of at most ${INTERESTS_AT_ONCE_MAX}`);
  return (list as unknown[]).map((one) => {
    const { pattern, group, endpoint } = (typeof one === "object" && one !== null ? one : {}) as Raw;
    if (!isPattern(pattern)) fail(`an interest has the pattern ${shown(pattern)}, expected one`);
    if (group !== undefined && (!isText(group, GROUP_MAX) || group === "")) fail(`an interest has the group ${shown(group)}, expected a text of 1 to ${GROUP_MAX} characters`);
    const read: WireInterest = { pattern, ...(group === undefined ? {} : { group: group as string }) };
    if (endpoint === undefined) return read;
    if (typeof endpoint !== "object" || endpoint === null) fail("an endpoint is no object");
    const said = saidOf(endpoint);
    for (const key of SAID)
      if (said[key] !== undefined && !isText(said[key], DESCRIPTION_MAX)) fail(`the ${key} of an endpoint is no text of at most ${DESCRIPTION_MAX} characters`);
    read.endpoint = said;
    return read;
  });
}

/** The frame that a value is. Throws `bus/shape`, which says what is wrong. */
export function readFrame(value: unknown): Frame {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(`it is ${shown(value)}, expected an object`);
  const raw = value as Raw;
  switch (raw["kind"]) {
    case "event":
      checkHeader(raw, "event");
      if (raw["group"] !== undefined && (!isText(raw["group"], GROUP_MAX) || raw["group"] === ""))
        fail(`the group of an event is ${shown(raw["group"])}, expected a text of 1 to ${GROUP_MAX} characters`);
      break;
    case "request":
      checkHeader(raw, "request");
      if (!isCount(raw["timeoutMs"]) || raw["timeoutMs"] < 1 || raw["timeoutMs"] > TIMEOUT_MS_MAX)
        fail(`the time-out of a request is ${shown(raw["timeoutMs"])}, expected 1 to ${TIMEOUT_MS_MAX} ms`);
      break;
    case "response":
      if (!isCount(raw["re"])) fail(`a response answers ${shown(raw["re"])}, expected a request's number`);
      if (raw["type"] !== undefined && !isText(raw["type"], TYPE_MAX)) fail(`the type of a response is ${shown(raw["type"])}, expected a text`);
      break;
    case "error":
      if (raw["re"] !== undefined && !isCount(raw["re"])) fail(`an error answers ${shown(raw["re"])}, expected a request's number`);
      if (raw["to"] !== undefined && !isPattern(raw["to"])) fail(`an error is about ${shown(raw["to"])}, expected a subject or a pattern`);
      if (!isText(raw["code"], 100) || !isText(raw["message"], 64 * 1024)) fail("an error has no code and message");
      if (raw["detail"] !== undefined && !isText(raw["detail"])) fail("an error's detail is no text");
      if (raw["retryAfterMs"] !== undefined && !isCount(raw["retryAfterMs"])) fail("an error's retryAfterMs is no whole number");
      if (
        raw["faults"] !== undefined &&
        !(Array.isArray(raw["faults"]) && raw["faults"].length <= 1000 && raw["faults"].every((one: Raw | null) => isText(one?.["path"]) && isText(one?.["message"])))
      )
        fail("an error's faults are no list of paths and messages");
      break;
    case "cancel":
      if (!isCount(raw["re"])) fail(`a cancel is for ${shown(raw["re"])}, expected a request's number`);
      break;
    case "credit":
      if (!isCount(raw["re"]) || !isCount(raw["count"]) || raw["count"] > 1_000_000) fail("a credit has no request's number and count");
      break;
    case "interest":
      return { kind: "interest", add: readInterests(raw["add"]), remove: readInterests(raw["remove"]) };
    case "ping":
    case "pong":
      break;
    case "bye":
      if (!isText(raw["message"])) fail("a bye has no message");
      break;
    default:
      fail(`its kind is ${shown(raw["kind"])}, expected event, request, response, error, cancel, credit, interest, ping, pong or bye`);
  }
  return value as Frame;
}

/** An error as it crosses a link: code, message, what a person or a retry needs; no cause and no stack. */
export function errorFrame(re: number | undefined, error: SymphonyError, at: number, to?: string): ErrorFrame {
  return {
    kind: "error",
    ...(re === undefined ? {} : { re }),
    at,
    ...(to === undefined ? {} : { to }),
    code: error.code,
    // a text that was cut may end in half a surrogate pair
    message: error.message.slice(0, 64 * 1024).toWellFormed(),
    ...(error.retryable ? { retryable: true } : {}),
    ...(error.retryAfterMs > 0 ? { retryAfterMs: error.retryAfterMs } : {}),
    ...(error.detail === undefined ? {} : { detail: error.detail.slice(0, TEXT_MAX).toWellFormed() }),
    ...(error.faults.length > 0
      ? { faults: error.faults.slice(0, 1000).map(({ path, message }) => ({ path: path.slice(0, TEXT_MAX).toWellFormed(), message: message.slice(0, TEXT_MAX).toWellFormed() })) }
      : {}),
  };
}

/** The error that a far peer told. A code that isn't known here becomes `bus/handler`. */
export function errorOf({ code, message, retryable, retryAfterMs, detail, faults }: ErrorFrame): SymphonyError {
  const known = Object.hasOwn(CODES, code);
  return new SymphonyError(known ? (code as ErrorCode) : "bus/handler", known ? message : `${code}: ${message}`, {
    ...(retryable === undefined ? {} : { retryable: retryable === true }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    detail,
    ...(faults === undefined ? {} : { faults: faults as Fault[] }),
  });
}

/** An interest in one text: the same for the same. */
export function interestKey({ pattern, group, endpoint }: WireInterest): string {
  return `${endpoint ? "answers" : "takes"} ${JSON.stringify(group ?? null)} ${pattern}`;
}

export function endpointOf({ pattern, group, endpoint }: WireInterest): Endpoint {
  return { pattern, ...(group === undefined ? {} : { group }), ...saidOf(endpoint ?? {}) };
}

/** An interest as the far side is told of it. */
export function wireInterest(interest: Interest): WireInterest {
  if (interest.does === "receive") return { pattern: interest.pattern, ...(interest.group === undefined ? {} : { group: interest.group }) };
  const { pattern, group } = interest.endpoint;
  return { pattern, ...(group === undefined ? {} : { group }), endpoint: saidOf(interest.endpoint) };
}

/** What is told of an endpoint besides its place; nothing else that stands there goes on. */
const SAID = ["description", "request", "response"] as const;
function saidOf(from: { description?: string; request?: string; response?: string }): NonNullable<WireInterest["endpoint"]> {
  return Object.fromEntries(SAID.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]])));
}
