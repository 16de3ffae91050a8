// symphony:host as a guest sees it: plain data of the contracts on one side, questions to the host on the other.
import type { Scalar } from "../wire.ts";
import { type AskHost, bare, sealed } from "./host.ts";

type Functions = Record<string, unknown>;
/** An absent option is undefined for the glue, and null on the wire. */
const orNull = <T extends Scalar>(value: T | undefined): T | null => value ?? null;

interface HeaderValue {
  tag: "text" | "secret";
  val: string | { prefix: string; name: string };
}
interface HttpRequest {
  method: string;
  url: string;
  headers: { name: string; value: HeaderValue }[];
  body: Uint8Array | undefined;
  timeoutMs: number;
  redirects: number;
  bodyMax: number;
}

/** All interfaces of symphony:host, by their names without a version. */
export function symphonyImports(host: AskHost): Record<string, Functions> {
  const one = (...args: Parameters<AskHost>): Scalar | undefined => host(...args)[0];
  let made = 1;

  class Writer {
    readonly #id = made++;
    constructor(mediaType: string) {
      host("writer.new", [this.#id, mediaType.slice(0, 256)]);
    }
    append(data: Uint8Array): void {
      host("writer.append", [this.#id, data]);
    }
    finish(): { id: Scalar | undefined; size: Scalar | undefined; mediaType: Scalar | undefined } {
      const [id, size, mediaType] = host("writer.finish", [this.#id]);
      return { id, size, mediaType };
    }
    [Symbol.dispose ?? Symbol.for("dispose")](): void {
      host("writer.drop", [this.#id]);
    }
  }

  const answerOf = ([text, finish, model, inputTokens, outputTokens, cost]: Scalar[]) => ({ text, finish, model, usage: { inputTokens, outputTokens, cost } });
  const optionsOf = (options: object): string => JSON.stringify(options);

  class Reply {
    readonly #id: number;
    constructor(id: number) {
      this.#id = id;
    }
    next(): Scalar | undefined {
      return one("model.next", [this.#id]) ?? undefined;
    }
    answer() {
      return answerOf(host("model.answer", [this.#id]));
    }
    [Symbol.dispose ?? Symbol.for("dispose")](): void {
      host("model.close", [this.#id]);
    }
  }

  class Child {
    readonly #id: number;
    constructor(id: number) {
      this.#id = id;
    }
    write(data: Uint8Array): void {
      host("process.write", [this.#id, data]);
    }
    endInput(): void {
      host("process.end-input", [this.#id]);
    }
    read(timeoutMs: number): Scalar | undefined {
      return one("process.read", [this.#id, timeoutMs]) ?? undefined;
    }
    kill(): void {
      host("process.kill", [this.#id]);
    }
    [Symbol.dispose ?? Symbol.for("dispose")](): void {
      host("process.kill", [this.#id]);
    }
  }

  const all: Record<string, Functions> = {
    call: {
      remainingMs: () => one("call.remaining-ms", []),
      cancelled: () => one("call.cancelled", []),
      idempotencyKey: () => one("call.idempotency-key", []),
      attempt: () => one("call.attempt", []),
    },
    log: { write: (level: string, message: string) => void host("log.write", [level, message.slice(0, 4096)]) },
    progress: { report: (fraction: number, note: string) => void host("progress.report", [fraction, note.slice(0, 256)]) },
    files: {
      entries: (root: string, path: string, after: string | undefined) => {
        const flat = host("files.entries", [root, path, orNull(after)]);
        const out: object[] = [];
        for (let i = 0; i + 2 < flat.length; i += 3) out.push({ name: flat[i], kind: flat[i + 1], size: flat[i + 2] });
        return out;
      },
      read: (root: string, path: string, offset: number, length: number) => one("files.read", [root, path, offset, length]),
      roots: () => {
        const flat = host("files.roots", []);
        const out: object[] = [];
        for (let i = 0; i + 1 < flat.length; i += 2) out.push({ name: flat[i], writable: flat[i + 1] });
        return out;
      },
      stat: (root: string, path: string) => {
        const [kind, size, modifiedMs, accessedMs, identity] = host("files.stat", [root, path]);
        return { kind, size, modifiedMs, accessedMs, identity };
      },
      create: (root: string, path: string, exclusive: boolean) => one("files.create", [root, path, exclusive]),
      write: (root: string, path: string, offset: number | undefined, data: Uint8Array) => void host("files.write", [root, path, orNull(offset), data]),
      truncate: (root: string, path: string, size: number) => void host("files.truncate", [root, path, size]),
      createFolder: (root: string, path: string) => void host("files.create-folder", [root, path]),
      removeFile: (root: string, path: string) => void host("files.remove-file", [root, path]),
      removeFolder: (root: string, path: string) => void host("files.remove-folder", [root, path]),
      rename: (root: string, old: string, next: string) => void host("files.rename", [root, old, next]),
      touch: (root: string, path: string, accessed: number | undefined, modified: number | undefined) => void host("files.touch", [root, path, orNull(accessed), orNull(modified)]),
    },
    artifacts: { read: (id: string, offset: number, length: number) => one("artifacts.read", [id, offset, length]), Writer: sealed(Writer) },
    clock: { now: () => Date.now(), monotonic: () => performance.now(), sleep: (ms: number) => sleep(ms) },
    random: { bytes: (length: number) => crypto.getRandomValues(new Uint8Array(Math.min(length, 65_536))) },
    http: {
      send: ({ method, url, headers, body, timeoutMs, redirects, bodyMax }: HttpRequest) => {
        const flat = headers.map(({ name, value: { tag, val } }) => (typeof val === "string" ? [name, tag, val] : [name, tag, val.prefix, val.name]));
        const [status, place, answered, content] = host("http.send", [method, url, JSON.stringify(flat), orNull(body), timeoutMs, redirects, bodyMax]);
        return { status, url: place, headers: JSON.parse(answered as string) as unknown, body: content };
      },
    },
    model: {
      chat: (model: string, messages: object[], options: object) => answerOf(host("model.ask", ["chat", model, JSON.stringify(messages), optionsOf(options)])),
      complete: (model: string, prompt: string, options: object) => answerOf(host("model.ask", ["complete", model, JSON.stringify(prompt), optionsOf(options)])),
      chatStream: (model: string, messages: object[], options: object) => {
        const id = made++;
        host("model.open", [id, "chat", model, JSON.stringify(messages), optionsOf(options)]);
        return new Reply(id);
      },
      embed: (model: string, texts: string[]) => {
        const [bytes, width, name, inputTokens, outputTokens, cost] = host("model.embed", [model, JSON.stringify(texts)]) as [Uint8Array, number, string, number, number, number];
        const flat = new Float64Array(bytes.slice().buffer);
        const vectors = Array.from({ length: width ? flat.length / width : 0 }, (_, i) => flat.subarray(i * width, (i + 1) * width));
        return { vectors, model: name, usage: { inputTokens, outputTokens, cost } };
      },
      Reply: sealed(Reply),
    },
    "key-value": {
      get: (key: string) => one("keys.get", [key]) ?? undefined,
      set: (key: string, value: Uint8Array) => void host("keys.set", [key, value]),
      delete: (key: string) => void host("keys.delete", [key]),
      keys: (after: string | undefined) => host("keys.list", [orNull(after)]),
      increment: (key: string, by: number) => one("keys.increment", [key, by]),
    },
    secrets: { sign: (name: string, data: Uint8Array) => one("secrets.sign", [name, data]) },
    process: {
      run: (command: string, words: string[], input: Uint8Array) => {
        const [code, output, errors] = host("process.run", [command, JSON.stringify(words), input]);
        return { code: code ?? undefined, output, errors };
      },
      start: (command: string, words: string[]) => new Child(one("process.start", [command, JSON.stringify(words)]) as number),
      Child: sealed(Child),
    },
  };
  return Object.fromEntries(Object.entries(all).map(([name, functions]) => [`symphony:host/${name}`, bare(functions)]));
}

const SLEEPING = new Int32Array(new SharedArrayBuffer(4));

/** Waits without a turn of the event loop; the host's deadline ends it. */
export function sleep(ms: number): void {
  Atomics.wait(SLEEPING, 0, 0, Math.min(ms, 2_000_000_000));
}
