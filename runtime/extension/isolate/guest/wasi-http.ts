// wasi:http over the host's own requests: a guest's request is gathered, sent as one, and its answer read from memory. Trailers don't
// exist. The same types serve a guest that is itself a handler.
import { type AskHost, faultOf, hostError, refuse, sealed } from "./host.ts";
import { InputStream, type IoError, OutputStream, Pollable, streamOf } from "./wasi-io.ts";

type Method = { tag: string; val?: string };
type Scheme = { tag: string; val?: string };
type ErrorCode = { tag: string; val?: unknown };

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,256}$/;
/** A guest can't set what belongs to the connection. */
const FORBIDDEN = new Set(["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host", "content-length", "te", "trailer", "expect", "http2-settings"]);
const BODY_BYTES_MAX = 16 * 1024 * 1024;

class Fields {
  entriesOf: [string, Uint8Array][] = [];
  isFixed = false;
  static fromList(entries: [string, Uint8Array][]): Fields {
    const fields = new Fields();
    for (const [name, value] of entries) fields.append(name, value);
    return fields;
  }
  #writable(name: string): void {
    if (this.isFixed) refuse({ tag: "immutable" });
    if (!TOKEN.test(name)) refuse({ tag: "invalid-syntax" });
    if (FORBIDDEN.has(name.toLowerCase())) refuse({ tag: "forbidden" });
  }
  #checked(value: Uint8Array): Uint8Array {
    if (value.some((byte) => byte === 10 || byte === 13 || byte === 0)) refuse({ tag: "invalid-syntax" });
    return value;
  }
  get(name: string): Uint8Array[] {
    return this.entriesOf.flatMap(([key, value]) => (key === name.toLowerCase() ? [value] : []));
  }
  has(name: string): boolean {
    return this.get(name).length > 0;
  }
  set(name: string, values: Uint8Array[]): void {
    this.#writable(name);
    for (const value of values) this.#checked(value);
    const key = name.toLowerCase();
    this.entriesOf = [...this.entriesOf.filter(([other]) => other !== key), ...values.map((value): [string, Uint8Array] => [key, value])];
  }
  delete(name: string): void {
    if (this.isFixed) refuse({ tag: "immutable" });
    if (!TOKEN.test(name)) refuse({ tag: "invalid-syntax" });
    this.entriesOf = this.entriesOf.filter(([key]) => key !== name.toLowerCase());
  }
  append(name: string, value: Uint8Array): void {
    this.#writable(name);
    this.entriesOf.push([name.toLowerCase(), this.#checked(value)]);
  }
  entries(): [string, Uint8Array][] {
    return this.entriesOf;
  }
  clone(): Fields {
    const copy = new Fields();
    copy.entriesOf = [...this.entriesOf];
    return copy;
  }
}

function fixed(entries: readonly (readonly [string, string])[]): Fields {
  const fields = new Fields();
  fields.entriesOf = entries.map(([name, value]) => [name.toLowerCase(), Uint8Array.from(value, (letter) => letter.charCodeAt(0) & 0xff)]);
  fields.isFixed = true;
  return fields;
}

class RequestOptions {
  connectMs: bigint | undefined;
  firstByteMs: bigint | undefined;
  betweenBytesMs: bigint | undefined;
  connectTimeout(): bigint | undefined {
    return this.connectMs;
  }
  setConnectTimeout(value: bigint | undefined): void {
    this.connectMs = value;
  }
  firstByteTimeout(): bigint | undefined {
    return this.firstByteMs;
  }
  setFirstByteTimeout(value: bigint | undefined): void {
    this.firstByteMs = value;
  }
  betweenBytesTimeout(): bigint | undefined {
    return this.betweenBytesMs;
  }
  setBetweenBytesTimeout(value: bigint | undefined): void {
    this.betweenBytesMs = value;
  }
}

class FutureTrailers {
  #taken = false;
  subscribe(): Pollable {
    return new Pollable();
  }
  get(): { tag: "ok"; val: { tag: "ok"; val: undefined } } | { tag: "err"; val: undefined } {
    if (this.#taken) return { tag: "err", val: undefined };
    this.#taken = true;
    return { tag: "ok", val: { tag: "ok", val: undefined } };
  }
}

class IncomingBody {
  readonly #bytes: Uint8Array;
  #taken = false;
  constructor(bytes: Uint8Array = new Uint8Array()) {
    this.#bytes = bytes;
  }
  stream(): InputStream {
    if (this.#taken) refuse(undefined);
    this.#taken = true;
    return streamOf(this.#bytes);
  }
  static finish(_: IncomingBody): FutureTrailers {
    return new FutureTrailers();
  }
}

/** Gathers what is written to it. */
class OutgoingBody {
  readonly pieces: Uint8Array[] = [];
  size = 0;
  finished = false;
  onFinish: (() => void) | undefined;
  #taken = false;
  write(): OutputStream {
    if (this.#taken) refuse(undefined);
    this.#taken = true;
    return new OutputStream((bytes) => {
      this.size += bytes.length;
      if (this.size > BODY_BYTES_MAX) throw new Error(`a body of over ${BODY_BYTES_MAX} bytes`);
      this.pieces.push(bytes.slice());
    });
  }
  static finish(body: OutgoingBody): void {
    body.finished = true;
    body.onFinish?.();
  }
  bytes(): Uint8Array {
    const whole = new Uint8Array(this.size);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

class OutgoingRequest {
  #method: Method = { tag: "get" };
  #path: string | undefined;
  #scheme: Scheme | undefined;
  #authority: string | undefined;
  readonly #headers: Fields;
  outgoing: OutgoingBody | undefined;
  constructor(headers = new Fields()) {
    headers.isFixed = true;
    this.#headers = headers;
  }
  body(): OutgoingBody {
    if (this.outgoing) refuse(undefined);
    this.outgoing = new OutgoingBody();
    return this.outgoing;
  }
  method(): Method {
    return this.#method;
  }
  setMethod(method: Method): void {
    if (method.tag === "other" && !TOKEN.test(method.val ?? "")) refuse(undefined);
    this.#method = method;
  }
  pathWithQuery(): string | undefined {
    return this.#path;
  }
  setPathWithQuery(path: string | undefined): void {
    if (path !== undefined && /[\s\0]/.test(path)) refuse(undefined);
    this.#path = path;
  }
  scheme(): Scheme | undefined {
    return this.#scheme;
  }
  setScheme(scheme: Scheme | undefined): void {
    this.#scheme = scheme;
  }
  authority(): string | undefined {
    return this.#authority;
  }
  setAuthority(authority: string | undefined): void {
    if (authority !== undefined && /[\s\0/?#@\\]/.test(authority)) refuse(undefined);
    this.#authority = authority;
  }
  headers(): Fields {
    return this.#headers;
  }
}

class IncomingResponse {
  readonly #status: number;
  readonly #headers: Fields;
  readonly #bytes: Uint8Array;
  #taken = false;
  constructor(status = 0, headers = new Fields(), bytes: Uint8Array = new Uint8Array()) {
    this.#status = status;
    this.#headers = headers;
    this.#bytes = bytes;
  }
  status(): number {
    return this.#status;
  }
  headers(): Fields {
    return this.#headers;
  }
  consume(): IncomingBody {
    if (this.#taken) refuse(undefined);
    this.#taken = true;
    return new IncomingBody(this.#bytes);
  }
}

type Answered = { tag: "ok"; val: IncomingResponse } | { tag: "err"; val: ErrorCode };

/** The request is sent when somebody first waits for its answer, or its body is finished. */
class FutureIncomingResponse {
  readonly #send: () => Answered;
  #answer: Answered | undefined;
  #taken = false;
  constructor(send: () => Answered = () => ({ tag: "err", val: { tag: "internal-error", val: undefined } })) {
    this.#send = send;
  }
  subscribe(): Pollable {
    return new Pollable();
  }
  get(): { tag: "ok"; val: Answered } | { tag: "err"; val: undefined } {
    if (this.#taken) return { tag: "err", val: undefined };
    this.#taken = true;
    this.#answer ??= this.#send();
    return { tag: "ok", val: this.#answer };
  }
}

class IncomingRequest {
  readonly #method: Method;
  readonly #url: URL;
  readonly #headers: Fields;
  readonly #bytes: Uint8Array;
  #taken = false;
  constructor(method: Method = { tag: "get" }, url = new URL("http://localhost/"), headers = new Fields(), bytes: Uint8Array = new Uint8Array()) {
    this.#method = method;
    this.#url = url;
    this.#headers = headers;
    this.#bytes = bytes;
  }
  method(): Method {
    return this.#method;
  }
  pathWithQuery(): string | undefined {
    return `${this.#url.pathname}${this.#url.search}`;
  }
  scheme(): Scheme | undefined {
    return { tag: this.#url.protocol === "https:" ? "HTTPS" : "HTTP" };
  }
  authority(): string | undefined {
    return this.#url.host;
  }
  headers(): Fields {
    return this.#headers;
  }
  consume(): IncomingBody {
    if (this.#taken) refuse(undefined);
    this.#taken = true;
    return new IncomingBody(this.#bytes);
  }
}

class OutgoingResponse {
  #status = 200;
  readonly #headers: Fields;
  outgoing: OutgoingBody | undefined;
  constructor(headers = new Fields()) {
    headers.isFixed = true;
    this.#headers = headers;
  }
  statusCode(): number {
    return this.#status;
  }
  setStatusCode(status: number): void {
    if (status < 100 || status > 599) refuse(undefined);
    this.#status = status;
  }
  headers(): Fields {
    return this.#headers;
  }
  body(): OutgoingBody {
    if (this.outgoing) refuse(undefined);
    this.outgoing = new OutgoingBody();
    return this.outgoing;
  }
}

type Result = { tag: "ok"; val: OutgoingResponse } | { tag: "err"; val: ErrorCode };

class ResponseOutparam {
  result: Result | undefined;
  static set(param: ResponseOutparam, result: Result): void {
    param.result = result;
  }
}

for (const resource of [
  Fields,
  RequestOptions,
  FutureTrailers,
  IncomingBody,
  OutgoingBody,
  OutgoingRequest,
  IncomingResponse,
  FutureIncomingResponse,
  IncomingRequest,
  OutgoingResponse,
  ResponseOutparam,
])
  sealed(resource as { prototype: object });

/** The error code that a host's error stands for. */
function codeOf(cause: unknown): ErrorCode {
  const error = hostError(cause);
  if (!error) return { tag: "internal-error", val: undefined };
  const { kind, code, message } = faultOf(error);
  if (kind === "denied") return { tag: "HTTP-request-denied" };
  if (code === "http.timeout") return { tag: "connection-timeout" };
  if (code === "http.limit") return { tag: "HTTP-response-body-size", val: undefined };
  if (code === "http.invalid") return { tag: "HTTP-request-URI-invalid" };
  if (/nobody listens/.test(message)) return { tag: "connection-refused" };
  if (/can't be resolved/.test(message)) return { tag: "DNS-error", val: { rcode: undefined, infoCode: undefined } };
  if (code === "http.failed") return { tag: "connection-terminated" };
  return { tag: "internal-error", val: message };
}

export function httpImports(host: AskHost): Record<string, Record<string, unknown>> {
  function send(request: OutgoingRequest, options: RequestOptions | undefined): Answered {
    const { tag, val } = request.method();
    const scheme = request.scheme();
    const url = `${scheme === undefined || scheme.tag === "HTTPS" ? "https" : scheme.tag === "HTTP" ? "http" : (scheme.val ?? "")}://${request.authority() ?? ""}${request.pathWithQuery() ?? "/"}`;
    const headers = request
      .headers()
      .entries()
      .map(([name, value]) => [name, "text", decoder.decode(value)]);
    const ms = [options?.connectMs, options?.firstByteMs].reduce((sum: number, one) => sum + (one === undefined ? 0 : Number(one) / 1_000_000), 0);
    try {
      const body = request.outgoing?.bytes();
      const [status, , answered, content] = host("http.send", [
        (tag === "other" ? (val ?? "") : tag).toUpperCase(),
        url,
        JSON.stringify(headers),
        body && body.length > 0 ? body : null,
        Math.ceil(ms),
        0,
        0,
      ]);
      return { tag: "ok", val: new IncomingResponse(status as number, fixed(JSON.parse(answered as string) as [string, string][]), content as Uint8Array) };
    } catch (cause) {
      return { tag: "err", val: codeOf(cause) };
    }
  }

  return {
    "wasi:http/types": {
      Fields,
      IncomingRequest,
      OutgoingRequest,
      RequestOptions,
      ResponseOutparam,
      IncomingResponse,
      IncomingBody,
      FutureTrailers,
      OutgoingResponse,
      OutgoingBody,
      FutureIncomingResponse,
      httpErrorCode: (_: IoError): ErrorCode | undefined => undefined,
    },
    "wasi:http/outgoing-handler": {
      handle(request: OutgoingRequest, options: RequestOptions | undefined): FutureIncomingResponse {
        let answer: Answered | undefined;
        // a body that is still being written is sent when it is done, or when somebody waits
        const once = (): Answered => {
          answer ??= send(request, options);
          return answer;
        };
        if (request.outgoing && !request.outgoing.finished) request.outgoing.onFinish = () => void once();
        else once();
        return new FutureIncomingResponse(once);
      },
    },
  };
}

/** Has a guest's handler answer one request. */
export function serveHandler(
  handle: (request: unknown, out: unknown) => void,
  { method, url, headers, body }: { method: string; url: string; headers: readonly (readonly [string, string])[]; body: Uint8Array },
): { status: number; headers: [string, string][]; body: Uint8Array } {
  const known = ["get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"];
  const lower = method.toLowerCase();
  const request = new IncomingRequest(known.includes(lower) ? { tag: lower } : { tag: "other", val: method }, new URL(url, "http://localhost/"), fixed(headers), body);
  const out = new ResponseOutparam();
  handle(request, out);
  const { result } = out;
  if (!result) throw new Error("the handler gave no response");
  if (result.tag === "err") throw new Error(`the handler gave the error ${result.val.tag}`);
  const response = result.val;
  return {
    status: response.statusCode(),
    headers: response
      .headers()
      .entries()
      .map(([name, value]) => [name, decoder.decode(value)]),
    body: response.outgoing?.bytes() ?? encoder.encode(""),
  };
}
