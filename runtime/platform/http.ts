// One HTTP request over a connection of its own, to an address that was judged: names are resolved here, each address is asked about,
// and the socket goes to one that passed. Leaves out who may ask for what, redirects and secrets.
import { lookup as resolveName } from "node:dns/promises";
import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { setImmediate } from "node:timers";
import type { HttpAnswer, HttpPort, HttpRequest } from "./platform.ts";
import { SymphonyError } from "../error.ts";

/** Gives the addresses of a name; tests give their own. */
export type Resolver = (host: string) => Promise<readonly string[]>;

const systemResolver: Resolver = async (host) => (await resolveName(host, { all: true })).map(({ address }) => address);

const HEADER_BYTES_MAX = 64 * 1024;

export function createHttp(resolve: Resolver = systemResolver): HttpPort {
  return { open: (request) => open(request, resolve) };
}

function failed(url: URL, why: string, cause?: unknown): SymphonyError {
  return new SymphonyError("http/failed", `Cannot reach ${url.origin}: ${why}`, { cause, retryable: true });
}

/** Addresses of the URL's host that may be gone to. Throws `http/denied` where there is none. */
async function addressesOf(url: URL, allows: (address: string) => boolean, resolve: Resolver): Promise<string[]> {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  let found: readonly string[];
  if (isIP(host)) found = [host];
  else {
    try {
      found = await resolve(host);
    } catch (cause) {
      throw failed(url, `its name can't be resolved (${(cause as { code?: string }).code ?? "no answer"})`, cause);
    }
  }
  const allowed = found.filter((address) => isIP(address) > 0 && allows(address));
  if (allowed.length === 0)
    throw new SymphonyError(
      "http/denied",
      `Cannot reach ${url.origin}: ${found.length === 0 ? "it has no address" : "it leads to a private address, and only a right that names such a host lets one go there"}`,
    );
  return allowed;
}

/** Bytes that wait to be read, before the socket is told to wait. */
const WAITING_BYTES_MAX = 512 * 1024;
const INFORMATIONAL_MAX = 20;
const LOOK_MS = 100;

async function open(wanted: HttpRequest, resolve: Resolver): Promise<HttpAnswer> {
  const { url, method, headers, body, timeoutMs, signal, allows, receivedMax } = wanted;
  const addresses = await addressesOf(url, allows, resolve);
  signal.throwIfAborted();
  return new Promise((settle, reject) => {
    let answered = false;
    let over = false;
    let request: ClientRequest | undefined;
    let message: IncomingMessage | undefined;
    let broken: unknown;
    let wake = (): void => {};
    const end = (cause: unknown): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      clearInterval(look);
      signal.removeEventListener("abort", onAbort);
      request?.destroy();
      message?.destroy();
      wake();
      if (!answered) reject(cause);
    };
    const fail = (cause: unknown): void => {
      broken ??= cause;
      end(cause);
    };
    const onAbort = (): void => fail(signal.reason ?? new SymphonyError("run/cancelled", "The call was cancelled"));
    const timer = setTimeout(
      () => fail(new SymphonyError("http/timeout", `Cannot finish the request to ${url.origin}: it took over ${timeoutMs} ms`, { retryable: true })),
      timeoutMs,
    );
    // what comes besides a body counts too, and nobody else counts it
    const look = setInterval(() => {
      const received = request?.socket?.bytesRead ?? 0;
      if (received > receivedMax) fail(new SymphonyError("http/limit", `Cannot take the answer of ${url.origin}: over ${receivedMax} bytes came over its connection`));
    }, LOOK_MS);
    signal.addEventListener("abort", onAbort, { once: true });
    const isTls = url.protocol === "https:";
    try {
      request = (isTls ? requestHttps : requestHttp)(
        {
          host: url.hostname.replace(/^\[|\]$/g, ""),
          port: url.port || (isTls ? 443 : 80),
          path: `${url.pathname}${url.search}`,
          method,
          headers: headerObject(headers, url, body),
          // of its own: no connection of another call, and no proxy of the environment
          agent: isTls ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false }),
          maxHeaderSize: HEADER_BYTES_MAX,
          lookup: (_host, options, done) => {
            if ((options as { all?: boolean }).all)
              (done as unknown as (cause: null, found: { address: string; family: number }[]) => void)(
                null,
                addresses.map((address) => ({ address, family: isIP(address) })),
              );
            else (done as (cause: null, address: string, family: number) => void)(null, addresses[0] as string, isIP(addresses[0] as string));
          },
        },
        onAnswer,
      );
      request.on("error", (cause) => fail(failed(url, reasonOf(cause), cause)));
      let informational = 0;
      request.on("information", () => {
        if (++informational > INFORMATIONAL_MAX) fail(failed(url, "it sends one preliminary answer after the other"));
      });
      request.end(body && body.length > 0 ? body : undefined);
    } catch (cause) {
      fail(new SymphonyError("http/invalid", `Cannot send this request: ${(cause as Error).message.replace(/".*"/s, "a header")}`));
    }

    function onAnswer(answer: IncomingMessage): void {
      message = answer;
      const remote = answer.socket?.remoteAddress;
      // the last word has the connection that is used
      if (remote !== undefined && !allows(remote)) {
        fail(new SymphonyError("http/denied", `Cannot use the answer of ${url.origin}: it came from another address than the one that was judged`));
        return;
      }
      answered = true;
      settle({ status: answer.statusCode ?? 0, headers: pairs(answer.rawHeaders), chunks: chunksOf(answer), close: () => end(undefined) });
    }

    /** Gathers what comes from now on, however small its pieces are, and hands it on some at a time. */
    function chunksOf(answer: IncomingMessage): AsyncGenerator<Uint8Array> {
      let waiting = new Uint8Array(16 * 1024);
      let length = 0;
      let ended = false;
      answer.on("data", (chunk: Uint8Array) => {
        if (length + chunk.length > waiting.length) {
          const larger = new Uint8Array(Math.max(waiting.length * 2, length + chunk.length));
          larger.set(waiting.subarray(0, length));
          waiting = larger;
        }
        waiting.set(chunk, length);
        length += chunk.length;
        if (length > WAITING_BYTES_MAX) answer.pause();
        wake();
      });
      answer.on("end", () => {
        ended = true;
        wake();
      });
      const cut = (cause?: Error): void => {
        if (!ended) broken ??= failed(url, cause ? `the connection broke (${cause.message})` : "the connection was cut before the answer was whole", cause);
        wake();
      };
      answer.on("error", cut);
      answer.on("aborted", () => cut());
      answer.on("close", () => cut());
      return given();

      async function* given(): AsyncGenerator<Uint8Array> {
        try {
          for (;;) {
            if (length === 0 && !ended && !broken && !over)
              await new Promise<void>((ready) => {
                wake = ready;
              });
            // others have their turn between two pieces, whatever the server does
            await new Promise<void>((ready) => void setImmediate(ready));
            if (length > 0) {
              const piece = waiting.slice(0, length);
              length = 0;
              answer.resume();
              yield piece;
            } else if (broken) throw broken;
            else if (ended || over) break;
          }
        } finally {
          end(undefined);
        }
        if (broken) throw broken;
        if (answer.complete === false) throw failed(url, "the connection was cut before the answer was whole");
      }
    }
  });
}

function reasonOf(cause: Error): string {
  const { code } = cause as { code?: string };
  if (code === "ECONNREFUSED") return "nobody listens there";
  if (code === "ECONNRESET" || code === "UND_ERR_SOCKET") return "the connection was reset";
  return code ?? cause.message;
}

function headerObject(headers: readonly (readonly [string, string])[], url: URL, body: Uint8Array | undefined): Record<string, string | string[]> {
  const out = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of headers) {
    const before = out[name];
    out[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  out["host"] = url.host;
  out["connection"] = "close";
  if (out["accept-encoding"] === undefined) out["accept-encoding"] = "identity";
  if (body !== undefined && body.length > 0) out["content-length"] = String(body.length);
  return out;
}

function pairs(raw: readonly string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) out.push([(raw[i] as string).toLowerCase(), raw[i + 1] as string]);
  return out;
}
