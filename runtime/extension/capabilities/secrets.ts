// Secrets in a call: the host puts them where they belong, signs with them, and masks them in all that comes back. The guest knows
// their names alone.
import type { Scalar } from "../isolate/wire.ts";
import { bytes as bytesOf, string } from "./arguments.ts";
import { SymphonyError } from "../../error.ts";
import { requestRow } from "../permission/right.ts";
import type { Answers, CallRecord } from "./services.ts";

export const MASK = "[secret]";

export interface CallSecrets extends Answers {
  /** The secret's value for a request to this URL. Throws `step/denied` unless the call may send it there. */
  useAt(name: string, url: URL): Promise<string>;
  /** Whether the call may send it there; decides nothing. */
  mayUseAt(name: string, url: URL): boolean;
  /** Notes a value of the host's own, such as a provider's key, to be masked. */
  note(value: string): void;
  /** Whether a secret may come back in an answer. */
  inUse(): boolean;
  /** Whether a text holds one, in any case of its letters. */
  holds(text: string): boolean;
  /** Masks a text that comes in pieces, of which none need hold all of a secret. */
  createStream(): { push(piece: string): string; end(): string };
  /** Texts and bytes without any secret that this call has used, in the forms in which one may come back. */
  maskText(text: string): string;
  maskBytes(bytes: Uint8Array): Uint8Array;
}

/** Shorter ones would mask words by chance. */
const MASKED_MIN = 6;

export function createSecrets({ guard, services, manifest, forms }: CallRecord): CallSecrets {
  const place = (name: string, url: URL): string[] => {
    const [, ...origin] = requestRow("", url);
    return ["use", name, ...origin];
  };

  function note(value: string): void {
    for (const form of formsOf(value)) if (form.length >= MASKED_MIN) forms.add(form);
  }

  /** Bytes as the characters of their numbers, so that one search serves both. */
  function maskRaw(text: string): string {
    let masked = text;
    for (const form of forms) if (masked.includes(form)) masked = masked.replaceAll(form, MASK);
    return masked;
  }

  return {
    note,
    async useAt(name, url) {
      guard.demand("secret", place(name, url), () => `secret:use:${/^[A-Za-z0-9_-]{1,128}$/.test(name) ? name : "?"}@${url.origin}`);
      const value = await services.secret(name);
      checkSendable(name, value);
      note(value);
      return value;
    },
    mayUseAt: (name, url) => guard.allows("secret", place(name, url)),
    inUse: () => forms.size > 0,
    holds(text) {
      const low = text.toLowerCase();
      for (const form of forms) if (low.includes(form.toLowerCase())) return true;
      return false;
    },
    createStream() {
      let held = "";
      /** How much of the end may be the beginning of a secret. */
      const open = (text: string): number => {
        let most = 0;
        for (const form of forms) for (let count = Math.min(form.length - 1, text.length); count > most; count--) if (form.startsWith(text.slice(-count))) most = count;
        return most;
      };
      return {
        push(piece) {
          held = maskRaw(held + piece);
          // that waits for what follows
          const out = held.slice(0, held.length - open(held));
          held = held.slice(out.length);
          return out;
        },
        end() {
          const out = held;
          held = "";
          return out;
        },
      };
    },
    maskText: (text) => (forms.size === 0 ? text : maskRaw(text)),
    maskBytes(bytes) {
      if (forms.size === 0) return bytes;
      let raw = "";
      for (let at = 0; at < bytes.length; at += 8192) raw += String.fromCharCode(...bytes.subarray(at, at + 8192));
      const masked = maskRaw(raw);
      return masked === raw ? bytes : Uint8Array.from(masked, (letter) => letter.charCodeAt(0));
    },
    over: () => {},
    functions: {
      "secrets.sign": async ([name, data]): Promise<Scalar[]> => {
        const secret = string(name);
        if (!/^[A-Za-z0-9_-]{1,128}$/.test(secret))
          throw new SymphonyError("step/denied", `Cannot sign for ${manifest.id}: ${JSON.stringify(secret.slice(0, 60))} is no name of a secret`);
        guard.demand("secret", ["sign", secret], () => `secret:sign:${secret}`);
        const value = new TextEncoder().encode(await services.secret(secret));
        const key = await crypto.subtle.importKey("raw", value, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
        return [new Uint8Array(await crypto.subtle.sign("HMAC", key, bytesOf(data) as Uint8Array<ArrayBuffer>))];
      },
    },
  };
}

/** Throws `secret/unknown` for a value that can't stand in a header. */
export function checkSendable(name: string, value: string): void {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) throw new SymphonyError("secret/unknown", `Cannot send the secret ${name}: it holds a character that can't stand in a header`);
}

/** A value and what it looks like quoted, percent-encoded, in hexadecimal and, at each of three alignments, in base64. */
export function formsOf(value: string): string[] {
  const raw = latin(value);
  const bytes = [...raw].map((letter) => letter.charCodeAt(0).toString(16).padStart(2, "0"));
  const json = JSON.stringify(value).slice(1, -1);
  const percent = encodeURIComponent(value);
  const form = percent.replace(/[!'()*~]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
  const lowered = (text: string): string => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  const every = bytes.map((byte) => `%${byte.toUpperCase()}`).join("");
  const base64 = [0, 1, 2].flatMap((lead) => {
    const coded = btoa(`${"\0".repeat(lead)}${raw}`).replace(/=+$/, "");
    // letters at both ends also hold bits of what stands beside it
    const inner = coded.slice(lead === 0 ? 0 : lead + 1, (raw.length + lead) % 3 === 0 ? undefined : -1);
    return [inner, inner.replaceAll("+", "-").replaceAll("/", "_")];
  });
  return [
    ...new Set([
      ...[value, raw, json, latin(json), json.replaceAll("/", "\\/")],
      ...[percent, lowered(percent), form, lowered(form), form.replaceAll("%20", "+"), every, lowered(every), every.toLowerCase()],
      ...[bytes.join(""), bytes.join("").toUpperCase(), bytes.join(" "), bytes.join(":")],
      ...base64,
    ]),
  ];
}

function latin(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}
