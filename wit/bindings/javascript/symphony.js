// Symphony's contracts for guests in JavaScript (QuickJS): values, faults, and the wrapper that every call goes through.
// Leaves out files and artifacts, which exist only for a guest whose manifest asks for them: import those where you use them.
import call from "symphony:host/call@0.1.0";
import log from "symphony:host/log@0.1.0";
import progress from "symphony:host/progress@0.1.0";

/** @typedef {import("../typescript/interfaces/symphony-types-types.d.ts").Value} Value */
/** @typedef {import("../typescript/interfaces/symphony-types-types.d.ts").Item} Item */
/** @typedef {import("../typescript/interfaces/symphony-types-types.d.ts").Entry} Entry */
/** @typedef {import("../typescript/interfaces/symphony-types-types.d.ts").ErrorKind} ErrorKind */

/** @returns {Item} */
export const nothing = () => ({ tag: "null" });
/** @returns {Item} */
export const boolean = (/** @type {boolean} */ val) => ({ tag: "boolean", val });
/** The host refuses NaN and infinities. @returns {Item} */
export const number = (/** @type {number} */ val) => ({ tag: "number", val });
/** @returns {Item} */
export const text = (/** @type {string} */ val) => ({ tag: "text", val });
/** Any data that JSON can hold. @returns {Item} */
export const json = (/** @type {unknown} */ data) => ({ tag: "json", val: JSON.stringify(data) });
/** Up to 1 MiB; larger data goes through an artifact. @returns {Item} */
export const bytes = (/** @type {string} */ mediaType, /** @type {Uint8Array} */ data) => ({ tag: "bytes", val: { mediaType, data } });
/** @returns {Item} */
export const artifact = (/** @type {string} */ id, /** @type {number} */ size, /** @type {string} */ mediaType) => ({ tag: "artifact", val: { id, size, mediaType } });
/** A list of values; lists don't nest. @returns {Value} */
export const items = (/** @type {Item[]} */ list) => ({ tag: "items", val: list });

/** What a value holds, as plain JavaScript: json is parsed, a list becomes an array, null becomes null. */
export function plain(/** @type {Value | undefined} */ value) {
  if (value === undefined || value.tag === "null") return null;
  if (value.tag === "json") return JSON.parse(value.val);
  return value.tag === "items" ? value.val.map(plain) : value.val;
}

/** What `fail` throws; holds the error as the contract has it. */
class Failure extends Error {
  constructor(payload, message) {
    super(message);
    this.payload = payload;
  }
}

/** One call: what came in, what goes out. */
class Call {
  /** Every input, by port. @type {Map<string, Value>} */
  inputs;
  /** Every setting, by name. @type {Map<string, Value>} */
  settings;
  /** @type {Entry[]} */
  outputs = [];

  constructor(inputs, settings) {
    this.inputs = new Map(inputs.map(({ name, value }) => [name, value]));
    this.settings = new Map(settings.map(({ name, value }) => [name, value]));
  }

  /** What a port holds, as `plain` gives it; null when nothing fed it. */
  input(port) {
    return plain(this.inputs.get(port));
  }

  /** What a setting holds, as `plain` gives it. */
  setting(name) {
    return plain(this.settings.get(name));
  }

  /** Gives a value to an output port. */
  output(/** @type {string} */ name, /** @type {Value} */ value) {
    if (typeof value?.tag !== "string") throw new TypeError(`output ${name}: expected a value made by text(), number(), json() or the like, got ${typeof value}`);
    this.outputs.push({ name, value });
  }

  /**
   * Ends the call with a fault that the same call would meet again; never returns. `code` is dotted lower case, `name`
   * the port or setting at fault, `details` any further facts.
   * @param {ErrorKind} kind @param {string} code @param {string} message @param {string} [name] @param {unknown} [details]
   * @returns {never}
   */
  fail(kind, code, message, name, details) {
    throw new Failure({ tag: "permanent", val: fault(kind, code, message, name, details) }, message);
  }

  /**
   * As `fail`, with a fault that may pass: worth another attempt after so many milliseconds.
   * @returns {never}
   */
  failForNow(kind, code, message, retryAfterMs = 0, name, details) {
    throw new Failure({ tag: "transient", val: { fault: fault(kind, code, message, name, details), retryAfterMs } }, message);
  }

  log(/** @type {string} */ message, /** @type {"debug" | "info" | "warn" | "error"} */ level = "info") {
    log.write(level, message);
  }

  /** Says that `fraction` (0 to 1) is done. */
  progress(/** @type {number} */ fraction, note = "") {
    progress.report(fraction, note);
  }

  /** Milliseconds until the host ends this call. */
  get remainingMs() {
    return call.remainingMs();
  }

  /** Whether nobody wants the result any more; then return soon, with any result. */
  get cancelled() {
    return call.cancelled();
  }

  /** Equal for every attempt at the same work in the same run. */
  get idempotencyKey() {
    return call.idempotencyKey();
  }

  /** 1 for the first attempt. */
  get attempt() {
    return call.attempt();
  }
}

const KINDS = ["invalid-input", "invalid-settings", "not-found", "denied", "conflict", "limit", "unavailable", "timeout", "cancelled", "unsupported", "internal"];

// absent options are null here, never undefined
function fault(kind, code, message, name, details) {
  // the contract has no others, and a trap would lose the message
  if (!KINDS.includes(kind)) return fault("internal", code, `${message} (${JSON.stringify(kind)} is no kind of fault; expected one of ${KINDS.join(", ")})`, name, details);
  return { kind, code, message, name: name ?? null, details: details === undefined ? null : JSON.stringify(details) };
}

/**
 * Runs the author's function and gives its outputs. QuickJS turns a thrown Error into a trap and loses the message, so
 * everything thrown leaves as the contract's error: a host call's own error as it came, the rest as `js.exception`.
 * @param {(call: Call) => void} process
 */
function enter(process, inputs, settings) {
  const call = new Call(inputs, settings);
  let error;
  try {
    process(call);
    return call.outputs;
  } catch (thrown) {
    error = errorOf(thrown);
  }
  throw error;
}

function errorOf(thrown) {
  if (thrown?.payload?.tag === "permanent" || thrown?.payload?.tag === "transient") return thrown.payload;
  // the innermost function says more than its line, which is the bundle's
  const where = /^\s*at (\S+) \(/.exec(thrown?.stack ?? "")?.[1];
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}${where && where !== "<anonymous>" ? ` (in ${where})` : ""}` : `thrown: ${String(thrown)}`;
  return { tag: "permanent", val: fault("internal", "js.exception", message, undefined, { stack: thrown?.stack ?? "" }) };
}

/** What `console` writes becomes lines of the run's log. */
const line =
  (/** @type {"debug" | "info" | "warn" | "error"} */ level) =>
  (/** @type {unknown[]} */ ...said) =>
    log.write(level, said.map((one) => (typeof one === "string" ? one : one instanceof Error ? `${one.name}: ${one.message}` : (JSON.stringify(one) ?? String(one)))).join(" "));
globalThis.console = { debug: line("debug"), log: line("info"), info: line("info"), warn: line("warn"), error: line("error"), trace: line("debug") };

/** UTF-8 of a text; QuickJS has no TextEncoder. */
export function utf8(/** @type {string} */ text) {
  const raw = unescape(encodeURIComponent(text));
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

/** The text that bytes are in UTF-8; what isn't becomes U+FFFD. */
export function fromUtf8(/** @type {Uint8Array} */ bytes) {
  let raw = "";
  for (let at = 0; at < bytes.length; at += 4096) raw += String.fromCharCode.apply(null, bytes.subarray(at, at + 4096));
  try {
    return decodeURIComponent(escape(raw));
  } catch {
    return raw.replace(/[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[^\x00-\x7f]/g, (piece) =>
      piece.length === 1 ? "\ufffd" : decodeURIComponent(escape(piece)),
    );
  }
}

/** What an operator exports as `transform`. */
export const operator = (/** @type {(call: Call) => void} */ process) => ({ process: (inputs, settings) => enter(process, inputs, settings) });
/** What an instrument exports as `inference`. */
export const instrument = (/** @type {(call: Call) => void} */ invoke) => ({ invoke: (inputs, settings) => enter(invoke, inputs, settings) });
