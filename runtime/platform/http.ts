// One HTTP request over a connection of its own, to an address that was judged: names are resolved here, each address is asked about,
// and the socket goes to one that passed. Leaves out who may ask for what, redirects and secrets.
import { lookup as resolveName } from "node:dns/promises";
import { type ClientRequest, type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
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

async function open(wanted: HttpRequest, resolve: Resolver): Promise<HttpAnswer> {
  const { url, method, headers, body, timeoutMs, signal, allows } = wanted;
  const addresses = await addressesOf(url, allows, resolve);
  signal.throwIfAborted();
  return new Promise((settle, reject) => {
    let answered = false;
    let over = false;
    const end = (cause: unknown): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      request.destroy();
      message?.destroy();
      if (!answered) reject(cause);
    };
    let message: IncomingMessage | undefined;
    let broken: unknown;
    const fail = (cause: unknown): void => {
      broken ??= cause;
      end(cause);
    };
    const onAbort = (): void => fail(signal.reason ?? new SymphonyError("run/cancelled", "The call was cancelled"));
    const timer = setTimeout(
      () => fail(new SymphonyError("http/timeout", `Cannot finish the request to ${url.origin}: it took over ${timeoutMs} ms`, { retryable: true })),
      timeoutMs,
    );
    signal.addEventListener("abort", onAbort, { once: true });
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const family = isIP(addresses[0] as string);
    const request: ClientRequest = send(
      {
        host: url.hostname.replace(/^\[|\]$/g, ""),
        port: url.port || (url.protocol === "https:" ? 443 : 80),
        path: `${url.pathname}${url.search}`,
        method,
        // pairs in a row, so that a name may come twice and Host comes from the URL alone
        headers: headerObject(headers, url, body),
        agent: false,
        maxHeaderSize: HEADER_BYTES_MAX,
        lookup: (_host, options, done) => {
          if ((options as { all?: boolean }).all)
            (done as unknown as (cause: null, found: { address: string; family: number }[]) => void)(
              null,
              addresses.map((address) => ({ address, family: isIP(address) })),
            );
          else (done as (cause: null, address: string, family: number) => void)(null, addresses[0] as string, family);
        },
      },
      (answer) => {
        message = answer;
        const remote = answer.socket?.remoteAddress;
        // the last word has the connection that is used
        if (remote !== undefined && !allows(remote)) {
          fail(new SymphonyError("http/denied", `Cannot use the answer of ${url.origin}: it came from another address than the one that was judged`));
          return;
        }
        answered = true;
        answer.on("error", (cause) => {
          broken ??= failed(url, `the connection broke (${cause.message})`, cause);
        });
        settle({
          status: answer.statusCode ?? 0,
          headers: pairs(answer.rawHeaders),
          chunks: chunksOf(answer),
          close: () => end(undefined),
        });
      },
    );
    request.on("error", (cause) => fail(failed(url, reasonOf(cause), cause)));
    async function* chunksOf(answer: IncomingMessage): AsyncGenerator<Uint8Array> {
      let complete = false;
      try {
        for await (const chunk of answer) {
          if (broken) throw broken;
          yield new Uint8Array((chunk as Uint8Array).buffer, (chunk as Uint8Array).byteOffset, (chunk as Uint8Array).length);
        }
        complete = answer.complete !== false;
      } catch (cause) {
        throw broken ?? failed(url, "the connection broke before the answer was whole", cause);
      } finally {
        end(undefined);
      }
      if (broken) throw broken;
      if (!complete) throw failed(url, "the connection was cut before the answer was whole");
    }
    if (body && body.length > 0) request.end(body);
    else request.end();
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
