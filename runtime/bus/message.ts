// One message in process: what a handler is given. Its form on the wire is the envelope (frame.ts).

/** Nobody changes it, or what it carries, after it was published: all who get it get the same. */
export class Message {
  readonly subject: string;
  readonly payload: unknown;
  /** Of the payload, by the register of types; "" where nobody said. */
  readonly type: string;
  /** The name of the bus, or of the far peer as it authenticated. */
  readonly from: string;
  /** Counts up by sender. */
  readonly id: number;
  /** Milliseconds since 1970, of the turn of the event loop in which it was sent. */
  readonly at: number;
  /** What it belongs to, as its sender said: a request's id, a run. */
  readonly correlation: string | undefined;
  /** The link that it came over. */
  readonly via: object | undefined;
  /** Links that it came over. */
  readonly hops: number;

  constructor(subject: string, payload: unknown, type: string, from: string, id: number, at: number, correlation: string | undefined, via: object | undefined, hops = 0) {
    this.subject = subject;
    this.payload = payload;
    this.type = type;
    this.from = from;
    this.id = id;
    this.at = at;
    this.correlation = correlation;
    this.via = via;
    this.hops = hops;
  }
}
