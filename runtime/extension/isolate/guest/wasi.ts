// WASI 0.2 for guests that were written for other hosts: cli, clocks, random, config, logging and keyvalue here, the rest in files of
// their own. All that reaches beyond the process asks the host, where it is judged; sockets are there and always refused.
import type { Entry } from "../../../value.ts";
import { type AskHost, bare, type GuestCall, refuse, sealed, textOf } from "./host.ts";
import { filesystemImports } from "./wasi-filesystem.ts";
import { httpImports } from "./wasi-http.ts";
import { InputStream, ioImports, OutputStream, Pollable, streamOf } from "./wasi-io.ts";
import { socketImports } from "./wasi-sockets.ts";

/** What a guest wrote, and how it ended. */
export interface Stdio {
  stdin: Uint8Array;
  stdout: Uint8Array[];
  stderr: Uint8Array[];
  size: number;
}

/** A guest that exits is unwound by this. */
export class Exit {
  readonly code: number;
  constructor(code: number) {
    this.code = code;
  }
}

const STDIO_BYTES_MAX = 16 * 1024 * 1024;
const encoder = new TextEncoder();

export interface Wasi {
  imports: Record<string, unknown>;
  /** Before each call. `keeps`: what is written is gathered; else its lines are the run's log. */
  begin(call: GuestCall, keeps: boolean): Stdio;
  /** After each call: lines without an end are told. */
  end(): void;
}

export function createWasi(host: AskHost): Wasi {
  let call: GuestCall = { inputs: [], settings: [] };
  let stdio: Stdio = { stdin: new Uint8Array(), stdout: [], stderr: [], size: 0 };
  let keeps = false;
  let stdin: InputStream = streamOf(stdio.stdin);
  const pending = { stdout: "", stderr: "" };
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };

  function write(to: "stdout" | "stderr", bytes: Uint8Array): void {
    if (keeps) {
      stdio.size += bytes.length;
      if (stdio.size > STDIO_BYTES_MAX) throw new Error(`over ${STDIO_BYTES_MAX} bytes of output`);
      stdio[to].push(bytes.slice());
      return;
    }
    const lines = `${pending[to]}${decoders[to].decode(bytes, { stream: true })}`.split("\n");
    pending[to] = (lines.pop() ?? "").slice(-8192);
    for (const line of lines) host("log.write", [to === "stdout" ? "info" : "warn", line.slice(0, 4096)]);
  }

  // equal for as long as the process lives, as the interface says
  const seed = new BigUint64Array(randomBytes(16n).buffer);
  const input = (name: string): Entry | undefined => call.inputs.find((one) => one.name === name);

  function environment(): [string, string][] {
    const given = input("environment")?.value;
    if (given?.tag !== "json") return [];
    const all = JSON.parse(given.val) as unknown;
    return typeof all === "object" && all !== null && !Array.isArray(all) ? Object.entries(all).map(([name, value]) => [name, String(value)]) : [];
  }

  function words(): string[] {
    const given = input("arguments")?.value;
    const list = given?.tag === "items" ? given.val.map((item) => (item.tag === "text" ? item.val : "")) : [];
    return ["component", ...list];
  }

  function setting(key: string): string | undefined {
    const found = call.settings.find(({ name }) => name === key)?.value;
    if (!found || found.tag === "null" || found.tag === "items" || found.tag === "bytes" || found.tag === "artifact") return undefined;
    return String(found.val);
  }

  class TerminalInput {}
  class TerminalOutput {}

  // ---- keyvalue ----

  const keyError = (cause: unknown): never => {
    const { kind, message } = (cause as { payload?: { val: { kind?: string; message?: string; fault?: { kind: string; message: string } } } }).payload?.val.fault ?? {
      kind: "",
      message: "",
    };
    const plain = (cause as { payload?: { tag: string; val: { kind: string; message: string } } }).payload;
    const said = plain?.tag === "permanent" ? plain.val : { kind, message };
    refuse(said.kind === "denied" ? { tag: "access-denied" } : { tag: "other", val: said.message || "it failed" });
  };
  const keys: AskHost = (name, args) => {
    try {
      return host(name, args);
    } catch (cause) {
      return keyError(cause);
    }
  };
  class Bucket {
    get(key: string): Uint8Array | undefined {
      return (keys("keys.get", [key])[0] as Uint8Array | null) ?? undefined;
    }
    set(key: string, value: Uint8Array): void {
      keys("keys.set", [key, value]);
    }
    delete(key: string): void {
      keys("keys.delete", [key]);
    }
    exists(key: string): boolean {
      return keys("keys.get", [key])[0] !== null;
    }
    /** A cursor counts the keys that were given. */
    listKeys(cursor: bigint | undefined): { keys: string[]; cursor: bigint | undefined } {
      let after: string | null = null;
      let page: string[] = [];
      for (let left = Number(cursor ?? 0n) / 1000; left >= 0; left--) {
        page = keys("keys.list", [after]) as string[];
        after = page.at(-1) ?? null;
        if (page.length < 1000) return { keys: left > 0 ? [] : page, cursor: undefined };
      }
      return { keys: page, cursor: (cursor ?? 0n) + 1000n };
    }
  }

  // ---- all ----

  const imports: Record<string, Record<string, unknown>> = {
    ...ioImports,
    ...filesystemImports(host, () => call),
    ...httpImports(host),
    ...socketImports(),
    "wasi:cli/environment": { getEnvironment: environment, getArguments: words, initialCwd: () => "/" },
    "wasi:cli/exit": {
      exit: ({ tag }: { tag: "ok" | "err" }) => {
        throw new Exit(tag === "ok" ? 0 : 1);
      },
      exitWithCode: (code: number) => {
        throw new Exit(code);
      },
    },
    "wasi:cli/stdin": { getStdin: () => stdin },
    "wasi:cli/stdout": { getStdout: () => new OutputStream((bytes) => write("stdout", bytes)) },
    "wasi:cli/stderr": { getStderr: () => new OutputStream((bytes) => write("stderr", bytes)) },
    "wasi:cli/terminal-input": { TerminalInput: sealed(TerminalInput) },
    "wasi:cli/terminal-output": { TerminalOutput: sealed(TerminalOutput) },
    "wasi:cli/terminal-stdin": { getTerminalStdin: () => undefined },
    "wasi:cli/terminal-stdout": { getTerminalStdout: () => undefined },
    "wasi:cli/terminal-stderr": { getTerminalStderr: () => undefined },
    "wasi:clocks/monotonic-clock": {
      now: () => BigInt(Math.floor(performance.now() * 1_000_000)),
      resolution: () => 1000n,
      subscribeInstant: (when: bigint) => new Pollable(Number(when) / 1_000_000),
      subscribeDuration: (duration: bigint) => new Pollable(performance.now() + Number(duration) / 1_000_000),
    },
    "wasi:clocks/wall-clock": {
      now: () => {
        const ms = performance.timeOrigin + performance.now();
        return { seconds: BigInt(Math.floor(ms / 1000)), nanoseconds: Math.floor((ms % 1000) * 1_000_000) };
      },
      resolution: () => ({ seconds: 0n, nanoseconds: 1000 }),
    },
    // the machine's place is nobody's business
    "wasi:clocks/timezone": { display: () => ({ utcOffset: 0, name: "UTC", inDaylightSavingTime: false }), utcOffset: () => 0 },
    "wasi:random/random": {
      getRandomBytes: (length: bigint) => randomBytes(length),
      getRandomU64: () => new BigUint64Array(randomBytes(8n).buffer)[0],
    },
    "wasi:random/insecure": {
      getInsecureRandomBytes: (length: bigint) => randomBytes(length),
      getInsecureRandomU64: () => new BigUint64Array(randomBytes(8n).buffer)[0],
    },
    "wasi:random/insecure-seed": { insecureSeed: () => [...seed] },
    "wasi:config/store": {
      get: setting,
      getAll: () =>
        call.settings.flatMap(({ name }) => {
          const value = setting(name);
          return value === undefined ? [] : [[name, value]];
        }),
    },
    "wasi:logging/logging": {
      log: (level: string, context: string, message: string) => void host("log.write", [LEVELS[level] ?? "info", `${context ? `${context}: ` : ""}${message}`.slice(0, 4096)]),
    },
    "wasi:keyvalue/store": {
      Bucket: sealed(Bucket),
      open: (name: string) => (name === "" || name === "default" ? new Bucket() : refuse({ tag: "no-such-store" })),
    },
    "wasi:keyvalue/atomics": { increment: (_: Bucket, key: string, by: bigint) => BigInt(keys("keys.increment", [key, Number(by)])[0] as number) },
    "wasi:keyvalue/batch": {
      getMany: (bucket: Bucket, names: string[]) =>
        names.map((key) => {
          const value = bucket.get(key);
          return value === undefined ? undefined : [key, value];
        }),
      setMany: (bucket: Bucket, pairs: [string, Uint8Array][]) => {
        for (const [key, value] of pairs) bucket.set(key, value);
      },
      deleteMany: (bucket: Bucket, names: string[]) => {
        for (const key of names) bucket.delete(key);
      },
    },
  };

  return {
    imports: Object.fromEntries(Object.entries(imports).map(([name, functions]) => [name, bare(functions)])),
    begin(now, isKept) {
      call = now;
      keeps = isKept;
      const given = input("stdin")?.value;
      const bytes = given?.tag === "bytes" ? given.val.data : encoder.encode(textOf(given) ?? "");
      stdio = { stdin: bytes, stdout: [], stderr: [], size: 0 };
      stdin = streamOf(bytes);
      return stdio;
    },
    end() {
      for (const to of ["stdout", "stderr"] as const) {
        if (pending[to] !== "") write(to, encoder.encode("\n"));
        pending[to] = "";
        decoders[to] = new TextDecoder();
      }
    },
  };
}

const LEVELS: Readonly<Record<string, string>> = { trace: "debug", debug: "debug", info: "info", warn: "warn", error: "error", critical: "error" };
const RANDOM_BYTES_MAX = 16 * 1024 * 1024;

function randomBytes(length: bigint): Uint8Array<ArrayBuffer> {
  if (length > BigInt(RANDOM_BYTES_MAX)) throw new Error(`over ${RANDOM_BYTES_MAX} bytes of randomness at once`);
  const bytes = new Uint8Array(Number(length));
  // the engine gives no more than this at once
  for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}
