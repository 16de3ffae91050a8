// HTTP for guests: each request, and each redirect, is judged by scheme, host, port and method before anything is sent, and by the
// address when the connection is made. Headers of the connection are the host's; secrets go in here and are masked on the way back.
import { SymphonyError } from "../../error.ts";
import type { HttpAnswer } from "../../platform/platform.ts";
import { isLocalName, isPublicAddress } from "../permission/address.ts";
import { namesHost, requestRow, SCOPES } from "../permission/right.ts";
import { number, parsed, string } from "./arguments.ts";
import type { CallSecrets } from "./secrets.ts";
import type { Answers, CallRecord } from "./services.ts";

/** Limits of one call, but for those of a single request. */
export const HTTP_LIMITS: {
  readonly requests: number;
  readonly receivedBytes: number;
  readonly bodyBytes: number;
  readonly answerBytes: number;
  readonly headers: number;
  readonly headerBytes: number;
  readonly urlCharacters: number;
  readonly redirects: number;
  readonly overhead: number;
  readonly secretAnswerBytes: number;
} = {
  requests: 1000,
  receivedBytes: 256 * 1024 * 1024,
  /** Of one request. */
  bodyBytes: 8 * 1024 * 1024,
  /** Of one answer. */
  answerBytes: 16 * 1024 * 1024,
  headers: 100,
  headerBytes: 32 * 1024,
  urlCharacters: 8192,
  redirects: 10,
  /** How many times an answer's bytes may come over its connection, for chunks have heads. */
  overhead: 10,
  /** Of an answer in which secrets must be looked for. */
  secretAnswerBytes: 4 * 1024 * 1024,
};

type HeaderValue = string | { prefix: string; secret: string };
type Header = readonly [name: string, value: HeaderValue];

/** They belong to the connection, or say who asks for whom. */
const OWN_HEADERS = new Set([
  "host",
  "connection",
  "content-length",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
  "expect",
  "keep-alive",
  "proxy-authorization",
  "proxy-authenticate",
  "proxy-connection",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "http2-settings",
]);
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]{1,256}$/;
/** They say who somebody is at one place, and are no other place's business. */
const PERSONAL = new Set(["authorization", "cookie", "cookie2", "www-authenticate"]);

function invalid(why: string): SymphonyError {
  return new SymphonyError("http/invalid", `Cannot send this request: ${why}`);
}

export function readUrl(text: string): URL {
  if (text.length > HTTP_LIMITS.urlCharacters) throw invalid(`its URL has ${text.length} characters, at most ${HTTP_LIMITS.urlCharacters} are allowed`);
  const shown = JSON.stringify(text.slice(0, 200));
  if (!URL.canParse(text)) throw invalid(`${shown} is no URL; expected one such as https://example.com/path`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw invalid(`${shown} is no http or https URL`);
  if (url.username || url.password) throw invalid("its URL holds a user or a password; give them in a header");
  // one spelling of each host
  if (url.hostname.endsWith(".")) url.hostname = url.hostname.slice(0, -1);
  url.hash = "";
  return url;
}

function readHeaders(given: unknown): Header[] {
  if (!Array.isArray(given)) throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
  if (given.length > HTTP_LIMITS.headers) throw invalid(`it has ${given.length} headers, at most ${HTTP_LIMITS.headers} are allowed`);
  let size = 0;
  return given.map((one: unknown): Header => {
    const [name, tag, first, second] = one as [unknown, unknown, unknown, unknown];
    if (typeof name !== "string" || typeof first !== "string") throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
    const lower = name.toLowerCase();
    if (!TOKEN.test(lower)) throw invalid(`${JSON.stringify(name.slice(0, 60))} is no name of a header`);
    if (OWN_HEADERS.has(lower) || lower.startsWith("sec-") || lower.startsWith("proxy-")) throw invalid(`the header ${lower} is the host's own; leave it out`);
    if (/[^\t\x20-\x7e\x80-\xff]/.test(first)) throw invalid(`the header ${lower} holds a character that can't stand in one`);
    size += lower.length + first.length + 4;
    if (size > HTTP_LIMITS.headerBytes) throw invalid(`its headers have over ${HTTP_LIMITS.headerBytes} bytes`);
    if (tag !== "secret") return [lower, first];
    if (typeof second !== "string") throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
    return [lower, { prefix: first, secret: second }];
  });
}

export function createRequests(record: CallRecord, secrets: CallSecrets): Answers {
  const { guard, services } = record;
  let requests = 0;
  let received = 0;

  /** Which addresses a request may go to: public ones; its own where the right itself names a local host; all where a person said so. */
  function addressRule(url: URL, row: readonly string[]): (address: string) => boolean {
    const host = url.hostname;
    if (services.isPrivateHost(host)) return () => true;
    // any right that names it will do, though a wider one may have been found first
    if (!isLocalName(host) || !guard.allowsBy("network", row, namesHost)) return isPublicAddress;
    if (host === "localhost" || host.endsWith(".localhost")) return (address) => /^127\./.test(address) || address === "::1" || address.startsWith("::ffff:127.");
    const literal = host.replace(/^\[|\]$/g, "");
    return (address) => address === literal || address === `::ffff:${literal}` || canonical(address) === canonical(literal);
  }

  async function send(given: { method: string; url: string; headers: Header[]; body: Uint8Array | undefined; timeoutMs: number; redirects: number; bytesMax: number }) {
    let { method, headers, body } = given;
    let url = readUrl(given.url);
    const deadline = performance.now() + Math.min(given.timeoutMs || Number.POSITIVE_INFINITY, record.remainingMs());
    for (let hop = 0; ; hop++) {
      if (++requests > HTTP_LIMITS.requests) throw new SymphonyError("run/limit", `Cannot send over ${HTTP_LIMITS.requests} requests in one call`);
      const row = requestRow(method, url);
      guard.demand("network", row, () => `network:${method}:${url.origin}`);
      const ready: (readonly [string, string])[] = [];
      for (const [name, value] of headers) {
        if (typeof value === "string") ready.push([name, value]);
        else {
          ready.push([name, `${value.prefix}${await secrets.useAt(value.secret, url)}`]);
        }
      }
      const abort = new AbortController();
      const onAbort = (): void => abort.abort(new SymphonyError("run/cancelled", "The call was cancelled"));
      record.signal?.addEventListener("abort", onAbort, { once: true });
      const unhold = guard.hold("network", row, () =>
        abort.abort(new SymphonyError("step/denied", `Cannot go on with the request to ${url.origin}: the right to it was taken back`)),
      );
      try {
        const answer = await services.http
          .open({
            url,
            method,
            // what comes back masked must not come back compressed
            headers: secrets.inUse() ? [...ready.filter(([name]) => name !== "accept-encoding" && name !== "range"), ["accept-encoding", "identity"]] : ready,
            body,
            timeoutMs: Math.max(1, deadline - performance.now()),
            receivedMax: HTTP_LIMITS.overhead * given.bytesMax + 1024 * 1024,
            signal: abort.signal,
            allows: addressRule(url, row),
          })
          .catch((cause: unknown) => {
            if (cause instanceof SymphonyError && cause.code === "http/denied")
              guard.refuse(`network:${method}:${url.origin}`, "the address behind the name is not one that the right may mean");
            if (cause instanceof SymphonyError && cause.code === "http/denied" && isLocalName(url.hostname))
              throw new SymphonyError("http/denied", `${cause.message}: \`symphony permissions allow ${record.manifest.id} 'network:${method}:${url.origin}'\``, { cause });
            throw cause;
          });
        const location = answer.headers.find(([name]) => name === "location")?.[1];
        if (given.redirects > 0 && location !== undefined && [301, 302, 303, 307, 308].includes(answer.status)) {
          answer.close();
          if (secrets.holds(location)) throw new SymphonyError("http/failed", `Cannot follow the redirect of ${url.origin}: it holds a secret`);
          if (hop >= given.redirects)
            throw new SymphonyError(
              "http/failed",
              `Cannot follow over ${given.redirects} redirects; the last one leads to ${JSON.stringify(secrets.maskText(location).slice(0, 200))}`,
            );
          const next = readUrl(URL.canParse(location, url.href) ? new URL(location, url).href : location);
          if (answer.status === 303 || (method === "POST" && answer.status < 307)) {
            method = method === "HEAD" ? "HEAD" : "GET";
            body = undefined;
            headers = headers.filter(([name]) => !name.startsWith("content-"));
          }
          if (next.origin !== url.origin) headers = headers.filter(([name, value]) => (typeof value === "string" ? !PERSONAL.has(name) : secrets.mayUseAt(value.secret, next)));
          url = next;
          continue;
        }
        if (secrets.inUse() && answer.status === 206) {
          answer.close();
          throw new SymphonyError("http/failed", `Cannot take the answer of ${url.origin}: it is a part, so that a secret in it couldn't be seen`);
        }
        if (secrets.inUse() && answer.headers.some(([name, value]) => name === "content-encoding" && value !== "identity")) {
          answer.close();
          throw new SymphonyError("http/failed", `Cannot take the answer of ${url.origin}: it is compressed, so that a secret in it couldn't be seen`);
        }
        const whole = await collect(answer, secrets.inUse() ? Math.min(given.bytesMax, HTTP_LIMITS.secretAnswerBytes) : given.bytesMax, url);
        return {
          status: answer.status,
          url: secrets.maskText(url.href),
          headers: answer.headers.map(([name, value]) => [secrets.maskText(name), secrets.maskText(value)] as const),
          body: secrets.maskBytes(whole),
        };
      } catch (cause) {
        // an abort tells why, whatever the connection says of it
        if (abort.signal.aborted) throw abort.signal.reason;
        throw cause;
      } finally {
        unhold();
        record.signal?.removeEventListener("abort", onAbort);
      }
    }
  }

  async function collect(answer: HttpAnswer, most: number, url: URL): Promise<Uint8Array> {
    let whole = new Uint8Array(16 * 1024);
    let size = 0;
    for await (const piece of answer.chunks) {
      received += piece.length;
      if (size + piece.length > most || received > HTTP_LIMITS.receivedBytes) {
        answer.close();
        throw new SymphonyError(
          "http/limit",
          `Cannot take the answer of ${url.origin}: it has over ${size + piece.length > most ? `${most} bytes` : `${HTTP_LIMITS.receivedBytes} bytes together with those before it`}`,
        );
      }
      if (size + piece.length > whole.length) {
        const larger = new Uint8Array(Math.max(whole.length * 2, size + piece.length));
        larger.set(whole.subarray(0, size));
        whole = larger;
      }
      whole.set(piece, size);
      size += piece.length;
    }
    return whole.subarray(0, size);
  }

  return {
    over: () => {},
    functions: {
      "http.send": async ([method, url, headers, body, timeoutMs, redirects, bytesMax]) => {
        const wanted = string(method);
        if (wanted === "*" || !Object.hasOwn(SCOPES.network, wanted))
          throw invalid(
            `${JSON.stringify(wanted.slice(0, 20))} is no method that can be sent; expected one of ${Object.keys(SCOPES.network)
              .filter((one) => one !== "*")
              .join(", ")}`,
          );
        const content = body === null ? undefined : body instanceof Uint8Array ? body : undefined;
        if (content && content.length > HTTP_LIMITS.bodyBytes) throw invalid(`its body has ${content.length} bytes, at most ${HTTP_LIMITS.bodyBytes} are allowed`);
        const answer = await send({
          method: wanted,
          url: string(url),
          headers: readHeaders(parsed(headers)),
          body: content,
          timeoutMs: number(timeoutMs),
          redirects: Math.min(HTTP_LIMITS.redirects, number(redirects)),
          bytesMax: Math.min(HTTP_LIMITS.answerBytes, number(bytesMax) || HTTP_LIMITS.answerBytes),
        });
        return [answer.status, answer.url, JSON.stringify(answer.headers), answer.body];
      },
    },
  };
}

function canonical(address: string): string {
  try {
    return new URL(`http://${address.includes(":") ? `[${address}]` : address}/`).hostname;
  } catch {
    return address;
  }
}
