// Child processes: our own programs, closed in as far as the system lets us, and commands that a person granted. Leaves out what they do.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";
import { SymphonyError } from "../error.ts";
import type { Child, Command, CommandRequest } from "./platform.ts";

/** How to start one of our own programs: a file for the runtime that runs us, or this very binary. */
export interface Programs {
  isolate: string;
  prepare: string;
  /** Set in the compiled binary, which starts itself with a hidden argument. */
  compiled: boolean;
}

/** Whether bubblewrap is there and may make its namespaces; asked once a process. */
export function bubblewrap(): boolean {
  if (process.platform !== "linux" || !existsSync("/usr/bin/bwrap")) return false;
  return (
    spawnSync("/usr/bin/bwrap", ["--unshare-all", "--size", "4096", "--tmpfs", "/tmp", "--ro-bind", "/", "/", "--remount-ro", "/", "/bin/true"], {
      env: {},
      stdio: "ignore",
      timeout: 2000,
    }).status === 0
  );
}

export function childCommand(program: "isolate" | "prepare", programs: Programs, runtime: "bun" | "deno", wrapped: boolean): string[] {
  const binary = realpathSync(process.execPath);
  const file = programs[program];
  // Deno gives a program nothing that isn't named here; the one that prepares reads the transpiler's own files.
  const own = programs.compiled
    ? [`__${program}`]
    : runtime === "deno"
      ? [
          "run",
          "--quiet",
          "--no-prompt",
          "--no-config",
          "--no-lock",
          "--no-remote",
          "--cached-only",
          "--v8-flags=--expose-gc",
          ...(program === "prepare" ? [`--allow-read=${dirname(file)}`, "--allow-env"] : []),
          file,
        ]
      : ["--no-install", "--no-env-file", file];
  if (!wrapped) return [binary, ...own];
  const libraries = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"].filter((path) => existsSync(path));
  return [
    "/usr/bin/bwrap",
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--clearenv",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--size",
    String(SCRATCH_BYTES),
    "--tmpfs",
    "/tmp",
    ...libraries.flatMap((path) => ["--ro-bind", path, path]),
    "--ro-bind",
    binary,
    binary,
    ...(programs.compiled ? [] : ["--ro-bind", dirname(file), dirname(file)]),
    ...(runtime === "deno" ? ["--setenv", "DENO_DIR", "/tmp"] : []),
    ...Object.entries(ENGINE).flatMap(([name, value]) => ["--setenv", name, value]),
    // memory that no process weighs is not to be had
    "--remount-ro",
    "/dev",
    "--remount-ro",
    "/",
    "--chdir",
    "/tmp",
    binary,
    ...own,
  ];
}

/** For what a runtime wants to keep beside itself. */
const SCRATCH_BYTES = 8 * 1024 * 1024;

/** Bun's optimising compiler takes 80 MiB for one interpreter's loop; functions this large stay with the baseline compiler. */
const ENGINE = { BUN_JSC_maximumOMGCandidateCost: "20000" };
const STDERR_KEPT = 4096;

export function startChild(argv: string[], onData: (chunk: Uint8Array) => void): Child {
  const folder = mkdtempSync(join(tmpdir(), "symphony-"));
  let stderr = "";
  const onStderr = (chunk: Uint8Array): void => {
    if (stderr.length < STDERR_KEPT) stderr += new TextDecoder().decode(chunk).slice(0, STDERR_KEPT);
  };
  const { pid, send, unsent, kill, exited } =
    "Deno" in globalThis ? startOnDeno(argv, folder, { DENO_DIR: folder }, onData, onStderr) : startOnBun(argv, folder, ENGINE, onData, onStderr);
  const ended = exited.then(({ code, signal, fault }) => {
    rmSync(folder, { recursive: true, force: true });
    return { code, signal, stderr: fault ? `${stderr}${fault}` : stderr };
  });
  return {
    pid,
    send,
    get unsent() {
      return unsent();
    },
    kill: () => killAll(pid, kill),
    ended,
  };
}

/** The innermost first: bubblewrap passes a kill on only after it has died itself, which takes some milliseconds more. */
function killAll(pid: number, kill: () => void): void {
  for (const inner of below(pid).reverse()) {
    try {
      process.kill(inner, "SIGKILL");
    } catch {
      // it is gone already
    }
  }
  try {
    // it leads a group of its own: what it started, and left to the system, is in it
    process.kill(-pid, "SIGKILL");
  } catch {
    // all are gone already
  }
  kill();
}

interface Started {
  pid: number;
  send: (bytes: Uint8Array) => void;
  endInput: () => void;
  unsent: () => number;
  kill: () => void;
  exited: Promise<{ code: number | null; signal: string | null; fault?: string }>;
}

/**
 * stderr is drained always: a full pipe would stop the child. A child that is gone shows itself by its exit. It is in a
 * group of its own, so that a Ctrl-C at the terminal comes to us alone, and we end it in order.
 */
function startOnBun(argv: readonly string[], cwd: string, env: Record<string, string>, onData: (chunk: Uint8Array) => void, onStderr: (chunk: Uint8Array) => void): Started {
  const child: ChildProcess = spawn(argv[0] as string, argv.slice(1), { cwd, env, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  let over = false;
  let waiting = 0;
  // plain arrays: a Buffer's slice is a view over the pipe's memory
  child.stdout?.on("data", (chunk: Uint8Array) => onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)));
  child.stderr?.on("data", onStderr);
  child.stdin?.on("error", () => {
    over = true;
  });
  return {
    pid: child.pid ?? -1,
    send: (bytes) => {
      if (over) return;
      waiting += bytes.length;
      child.stdin?.write(bytes, () => {
        waiting -= bytes.length;
      });
    },
    endInput: () => void child.stdin?.end(),
    // not the stream's own count, which Bun leaves at 0
    unsent: () => waiting,
    kill: () => void child.kill("SIGKILL"),
    exited: new Promise((resolve) => {
      child.on("error", (cause) => resolve({ code: null, signal: null, fault: cause.message }));
      child.on("exit", (code, signal) => {
        over = true;
        resolve({ code, signal });
      });
    }),
  };
}

interface DenoApi {
  Command: new (
    program: string,
    options: object,
  ) => {
    spawn(): {
      pid: number;
      stdin: WritableStream<Uint8Array>;
      stdout: ReadableStream<Uint8Array>;
      stderr: ReadableStream<Uint8Array>;
      status: Promise<{ code: number; signal: string | null }>;
      kill(signal: string): void;
    };
  };
}

/**
 * Deno's own way: its `node:child_process` rewrites arguments that name Deno itself, also those of other programs.
 * For a child of ours the one variable is Deno's condition for starting; it names the child's own empty folder.
 */
function startOnDeno(argv: readonly string[], cwd: string, env: Record<string, string>, onData: (chunk: Uint8Array) => void, onStderr: (chunk: Uint8Array) => void): Started {
  const { Command } = (globalThis as unknown as { Deno: DenoApi }).Deno;
  const child = new Command(argv[0] as string, {
    args: argv.slice(1),
    cwd,
    clearEnv: true,
    env,
    detached: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const drain = async (stream: ReadableStream<Uint8Array>, take: (chunk: Uint8Array) => void): Promise<void> => {
    for await (const chunk of stream) take(chunk);
  };
  let over = false;
  let waiting = 0;
  void drain(child.stdout, onData).catch(() => {});
  void drain(child.stderr, onStderr).catch(() => {});
  return {
    pid: child.pid,
    send: (bytes) => {
      if (over) return;
      waiting += bytes.length;
      const taken = (): void => {
        waiting -= bytes.length;
      };
      writer.write(bytes).then(taken, taken);
    },
    endInput: () => void writer.close().catch(() => {}),
    unsent: () => waiting,
    kill: () => {
      if (!over) child.kill("SIGKILL");
    },
    exited: child.status.then(({ code, signal }) => {
      over = true;
      writer.close().catch(() => {});
      return { code, signal };
    }),
  };
}

export function residentBytes(pid: number): number | undefined {
  try {
    return [pid, ...below(pid)].reduce((sum, id) => sum + 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0), 0);
  } catch {
    return undefined;
  }
}

/** The processes that one has started and those that they have, parents first; none where that can't be seen. */
function below(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return children === "" ? [] : children.split(" ").flatMap((child) => [Number(child), ...below(Number(child))]);
  } catch {
    return [];
  }
}

/** Of our own variables those that programs need to find themselves; the rest may hold secrets. */
const PASSED_ON = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME"];

/** Starts a program by its name on the PATH or its path. No shell is asked. */
export async function startCommand({ words, folder, onOutput }: CommandRequest): Promise<Command> {
  const env = Object.fromEntries(PASSED_ON.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name] as string]])));
  const refuse = (why: string, cause?: unknown): SymphonyError => new SymphonyError("command/failed", `Cannot start ${JSON.stringify(words[0])}: ${why}`, { cause });
  const program = findProgram(words[0] as string, env["PATH"] ?? "", folder);
  if (!existsSync(folder)) throw refuse("the folder to start it in isn't there any more");
  if (!program) throw refuse("there is no such program on the PATH");
  const argv = [program, ...words.slice(1)];
  let started: Started;
  try {
    started =
      "Deno" in globalThis
        ? startOnDeno(
            argv,
            folder,
            env,
            (chunk) => onOutput(chunk, false),
            (chunk) => onOutput(chunk, true),
          )
        : startOnBun(
            argv,
            folder,
            env,
            (chunk) => onOutput(chunk, false),
            (chunk) => onOutput(chunk, true),
          );
  } catch (cause) {
    throw refuse((cause as { code?: string }).code ?? "the system refuses", cause);
  }
  const { pid, send, endInput, unsent, kill, exited } = started;
  return {
    write: send,
    endInput,
    get unsent() {
      return unsent();
    },
    kill: () => killAll(pid, kill),
    ended: exited,
  };
}

function findProgram(name: string, path: string, base: string): string | undefined {
  if (name.includes("/")) return existsSync(resolve(base, name)) ? resolve(base, name) : undefined;
  return path
    .split(":")
    .filter((folder) => folder.startsWith("/"))
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));
}
