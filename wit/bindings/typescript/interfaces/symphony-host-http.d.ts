// Generated from wit/ by `npm run bindings`; never edited.
/** @module Interface symphony:host/http@0.1.0 **/
/**
 * Sends a request and waits for the whole answer. An answer of any status is no error.
 */
export function send(request: Request): Response;
export type Error = import('./symphony-types-types.js').Error;
/**
 * The host puts a secret's value here; the guest never sees it. Needs `[[capabilities.secret]]` for the request's host.
 */
export interface SecretUse {
  /**
   * What stands before it, for example `Bearer `.
   */
  prefix: string,
  /**
   * The secret's name.
   */
  name: string,
}
/**
 * What a header holds.
 */
export type HeaderValue = HeaderValueText | HeaderValueSecret;
/**
 * A text.
 */
export interface HeaderValueText {
  tag: 'text',
  val: string,
}
/**
 * A secret.
 */
export interface HeaderValueSecret {
  tag: 'secret',
  val: SecretUse,
}
/**
 * A header of a request. Host, Connection, Content-Length and others that belong to the connection are the host's.
 */
export interface Header {
  /**
   * In lower case.
   */
  name: string,
  /**
   * What it holds.
   */
  value: HeaderValue,
}
/**
 * What is sent.
 */
export interface Request {
  /**
   * In capitals.
   */
  method: string,
  /**
   * http or https, without a user or a password.
   */
  url: string,
  /**
   * In their order.
   */
  headers: Array<Header>,
  /**
   * Nothing: no body. At most 8 MiB.
   */
  body?: Uint8Array,
  /**
   * For all of it, redirects too; 0: as long as the call has.
   */
  timeoutMs: number,
  /**
   * How many redirects are followed, at most 10; 0: none, the redirect is the answer.
   */
  redirects: number,
  /**
   * At most so many bytes of an answer are taken, up to 16 MiB.
   */
  bodyMax: number,
}
/**
 * What came back. Secrets that a server sends back are masked.
 */
export interface Response {
  /**
   * For example 200.
   */
  status: number,
  /**
   * Where it came from, after redirects.
   */
  url: string,
  /**
   * Names in lower case.
   */
  headers: Array<[string, string]>,
  /**
   * All of it.
   */
  body: Uint8Array,
}
