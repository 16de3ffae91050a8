// Offers any port, a set of functions such as a part of the Pit, to far peers over the bus, and gives one that is far as if it were here.
// Arguments and results are copied as messages are; functions can't be among them.
import { SymphonyError } from "../error.ts";
import type { Bus, Call, RequestOptions } from "./bus.ts";

/**
 * What a port's functions give: one answer; answers one after the other; or a thing with functions of its own, which stays at its side and
 * is spoken to until it is released or nobody has for ten minutes.
 */
export type PortShape = { readonly [method: string]: "call" | "stream" | { readonly handle: PortShape } };

/** A far port's functions, as its shape says them: promises of answers, AsyncIterables, promises of handles. */
export type FarPortOf<S extends PortShape> = {
  [M in keyof S]: S[M] extends "stream"
    ? (...args: unknown[]) => AsyncIterable<unknown>
    : S[M] extends { handle: infer H extends PortShape }
      ? (...args: unknown[]) => Promise<FarHandle<H>>
      : (...args: unknown[]) => Promise<unknown>;
};
export type FarHandle<S extends PortShape> = FarPortOf<S> & {
  /** The far side need not keep it any longer. */
  release(): Promise<void>;
};

const HANDLES_MAX = 10_000;
const IDLE_MS = 600_000;
const HANDLE = "on";
const RELEASE = "release";

interface Held {
  thing: Functions;
  shape: PortShape;
  usedAt: number;
}

type Functions = Record<string, unknown>;

/** Serves `PREFIX.METHOD` for each method of the shape, until the returned function is called. Throws `bus/invalid` where one isn't there. */
export function servePort(bus: Bus, prefix: string, port: object, shape: PortShape, now: () => number = () => performance.now()): () => void {
  const held = new Map<string, Held>();
  const leave: (() => void)[] = [];

  function hold(thing: unknown, of: PortShape): string {
    for (const [id, { usedAt }] of held) if (now() - usedAt > IDLE_MS) held.delete(id);
    if (held.size >= HANDLES_MAX) throw new SymphonyError("bus/full", `Cannot give another handle of ${prefix}: ${held.size} are held; release some`, { retryable: true });
    const id = crypto.randomUUID();
    held.set(id, { thing: thing as Functions, shape: of, usedAt: now() });
    return id;
  }

  function call(thing: Functions, of: PortShape, method: string, args: unknown[]): unknown {
    const gives = of[method];
    const made = (thing[method] as (...args: unknown[]) => unknown).apply(thing, args);
    if (typeof gives !== "object") return made;
    return Promise.resolve(made).then((value) => ({ handle: hold(value, gives.handle) }));
  }

  try {
    for (const [method, gives] of Object.entries(shape)) {
      if (typeof (port as Functions)[method] !== "function") throw new SymphonyError("bus/invalid", `Cannot offer ${prefix}.${method}: the port has no such function`);
      leave.push(bus.serve(`${prefix}.${method}`, (payload) => call(port as Functions, shape, method, listOf(payload, prefix, method))));
      if (typeof gives === "object")
        leave.push(
          bus.serve(`${prefix}.${method}.${HANDLE}`, (payload: unknown, { message }: Call) => {
            const [id, name, ...args] = listOf(payload, prefix, method);
            const one = typeof id === "string" ? held.get(id) : undefined;
            if (!one) throw new SymphonyError("bus/answer", `Cannot use a handle of ${prefix}.${method}: it was released, or nobody has used it for ${IDLE_MS / 60_000} minutes`);
            if (name === RELEASE) return void held.delete(id as string);
            if (typeof name !== "string" || !Object.hasOwn(one.shape, name))
              throw new SymphonyError("bus/no-responder", `Cannot ask ${message.subject}: a handle of it has no ${JSON.stringify(String(name).slice(0, 60))}`);
            one.usedAt = now();
            return call(one.thing, one.shape, name, args);
          }),
        );
    }
  } catch (cause) {
    for (const one of leave) one();
    throw cause;
  }
  return () => {
    for (const one of leave) one();
    held.clear();
  };
}

function listOf(payload: unknown, prefix: string, method: string): unknown[] {
  if (Array.isArray(payload)) return payload;
  throw new SymphonyError("bus/shape", `Cannot call ${prefix}.${method}: expected a list of arguments`);
}

/** The port that is served under `prefix`, here or at a far peer. */
export function portOver<const S extends PortShape>(bus: Bus, prefix: string, shape: S, options: RequestOptions = {}): FarPortOf<S> {
  return proxy(bus, shape, options, (method) => `${prefix}.${method}`, []) as FarPortOf<S>;
}

function proxy(bus: Bus, shape: PortShape, options: RequestOptions, subjectOf: (method: string) => string, first: unknown[]): Functions {
  const functions: Functions = Object.create(null);
  for (const [method, gives] of Object.entries(shape)) {
    const subject = subjectOf(method);
    // a handle's functions are all asked on one subject
    const argsOf = (args: unknown[]): unknown[] => (first.length > 0 ? [...first, method, ...args] : args);
    functions[method] =
      gives === "stream"
        ? (...args: unknown[]) => bus.requestStream(subject, argsOf(args), options)
        : gives === "call"
          ? (...args: unknown[]) => bus.request(subject, argsOf(args), options)
          : async (...args: unknown[]) => {
              const { handle } = (await bus.request(subject, argsOf(args), options)) as { handle: string };
              const on = first.length > 0 ? subject : `${subject}.${HANDLE}`;
              return {
                ...proxy(bus, gives.handle, options, () => on, [handle]),
                release: async () => void (await bus.request(on, [handle, RELEASE], options)),
              };
            };
  }
  return functions;
}
