// The platform on Bun and Deno: files, hashes, folders that nothing leads out of, and child processes. All that needs
// `node:` stands here.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, constants, existsSync, fdatasync, ftruncateSync, mkdirSync, mkdtempSync, openSync, readFileSync, realpathSync, rmSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SymphonyError } from "../error.ts";
import { createFolder } from "./folder.ts";

export { createOutput, type Output } from "./output.ts";

import type { AppendFile, AppendFolder, Child, Digest, ProcessPlatform, Storage } from "./platform.ts";

/** How to start one of our own programs: a file for the runtime that runs us, or this very binary. */
export interface Programs {
  isolate: string;
  prepare: string;
  /** Set in the compiled binary, which starts itself with a hidden argument. */
  compiled: boolean;
}

export function createSystemPlatform(programs: Programs): ProcessPlatform {
  const name = "Deno" in globalThis ? "deno" : "bun";
  const children = new Set<Child>();
  const confinement = bubblewrap() ? "bubblewrap" : name === "deno" ? "deno permissions" : "nothing more";
  return {
    name,
    confinement,
    // V8 takes 17 to 21 MiB for QuickJS; JSC is kept from it (see ENGINE)
    optimiserMiB: name === "deno" ? 10 : 0,
    digest,
    storage: createFileStorage,
    folder: createFolder,
    appendFolder,
    readFile: readRegularFile,
    listFolder: async (path) => ((await readdir(path).catch(absent)) ?? []).sort(),
    spawn(program, onData) {
      const child = startChild(command(program, programs, name, confinement === "bubblewrap"), onData);
      children.add(child);
      void child.ended.then(() => children.delete(child));
      return child;
    },
    residentBytes,
    async [Symbol.asyncDispose]() {
      for (const child of children) child.kill();
      await Promise.all([...children].map(({ ended }) => ended));
    },
  };
}

function digest(): Digest {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

/** What strangers hand out may be a pipe, a device, or larger than memory. */
async function readRegularFile(path: string, most: number): Promise<Uint8Array | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(absent);
  if (!file) return undefined;
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(path)}: it is no regular file`);
    if (found.size > most) throw new SymphonyError("cli/io", `Cannot read ${JSON.stringify(path)}: it has ${found.size} bytes, at most ${most} are allowed`);
    return await readAt(file, 0, found.size);
  } finally {
    await file.close();
  }
}

// ---- storage ----

let temporaries = 0;

/** Files below one folder, written beside their place and renamed into it; `durable`: on stable storage before that is told. */
export function createFileStorage(folder: string, { durable = false }: { durable?: boolean } = {}): Storage {
  const place = (name: string): string => {
    if (!/^[a-z0-9][a-z0-9./-]*$/.test(name) || name.includes("..")) throw new TypeError(`storage name ${JSON.stringify(name)}`);
    return join(folder, name);
  };
  const temporary = async (): Promise<string> => {
    await mkdir(join(folder, "tmp"), { recursive: true });
    return join(folder, "tmp", `${process.pid}-${temporaries++}-${Math.random().toString(36).slice(2)}`);
  };
  const settle = async (from: string, name: string): Promise<void> => {
    const to = place(name);
    await mkdir(dirname(to), { recursive: true });
    if (durable) await syncPath(from);
    await rename(from, to);
    if (durable) await syncPath(dirname(to));
  };
  return {
    read: (name) => readFile(place(name)).then((bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), absent),
    async readPart(name, offset, length) {
      const file = await open(place(name), "r").catch(absent);
      if (!file) return undefined;
      try {
        return await readAt(file, offset, length);
      } finally {
        await file.close();
      }
    },
    async write(name, bytes) {
      const from = await temporary();
      try {
        await writeFile(from, bytes);
        await settle(from, name);
      } catch (cause) {
        await rm(from, { force: true });
        throw storageFault(cause);
      }
    },
    async writer() {
      const attempt = <T>(work: () => Promise<T>): Promise<T> =>
        work().catch((cause: unknown) => {
          throw storageFault(cause);
        });
      const from = await attempt(temporary);
      const file = await attempt(() => open(from, "wx"));
      let closed = false;
      const close = async (): Promise<void> => {
        if (closed) return;
        closed = true;
        await file.close();
      };
      return {
        append: (bytes) =>
          attempt(async () => {
            for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
          }),
        commit: (name) =>
          attempt(async () => {
            await close();
            await settle(from, name);
          }),
        abort: () =>
          attempt(async () => {
            await close();
            await rm(from, { force: true });
          }),
      };
    },
    size: (name) => stat(place(name)).then((found) => found.size, absent),
    async list(name) {
      const entries = await readdir(name ? place(name) : folder).catch(absent);
      return (entries ?? []).sort();
    },
    remove: (name) => rm(place(name), { force: true }),
  };
}

function appendFolder(folder: string): AppendFolder {
  const attempt = <T>(work: Promise<T>): Promise<T> =>
    work.catch((cause) => {
      throw storageFault(cause);
    });
  return {
    list: async () => (await readdir(folder).catch(absent)) ?? [],
    open: (name) => appendFile(join(folder, name)),
    read: (name) => readFile(join(folder, name)).then((bytes) => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length), absent),
    rename: (from, to) => attempt(rename(join(folder, from), join(folder, to)).then(() => syncPath(folder))),
    remove: (name) => attempt(rm(join(folder, name), { force: true })),
    sync: () => attempt(syncPath(folder).then(() => syncPath(dirname(folder)))),
  };
}

function appendFile(path: string): AppendFile {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      throw storageFault(cause);
    }
  };
  const fd = attempt(() => {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600);
  });
  return {
    append: (bytes) =>
      attempt(() => {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
      }),
    sync: () => new Promise((resolve, reject) => fdatasync(fd, (cause) => (cause ? reject(storageFault(cause)) : resolve()))),
    truncate: async (size) => attempt(() => ftruncateSync(fd, size)),
    close: async () => attempt(() => closeSync(fd)),
  };
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const size = (await file.stat()).size;
  const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
  let at = 0;
  while (at < bytes.length) {
    const { bytesRead } = await file.read(bytes, at, bytes.length - at, offset + at);
    if (bytesRead === 0) break;
    at += bytesRead;
  }
  return bytes.subarray(0, at);
}

function absent(cause: unknown): undefined {
  const { code } = cause as { code?: string };
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw storageFault(cause);
}

function storageFault(cause: unknown): SymphonyError {
  return new SymphonyError("artifact/storage", `Cannot use the disk: ${(cause as Error).message}`, { cause, retryable: true });
}

// ---- processes ----

/** Whether bubblewrap is there and may make its namespaces; asked once a process. */
function bubblewrap(): boolean {
  if (process.platform !== "linux" || !existsSync("/usr/bin/bwrap")) return false;
  return (
    spawnSync("/usr/bin/bwrap", ["--unshare-all", "--size", "4096", "--tmpfs", "/tmp", "--ro-bind", "/", "/", "--remount-ro", "/", "/bin/true"], {
      env: {},
      stdio: "ignore",
      timeout: 2000,
    }).status === 0
  );
}

function command(program: "isolate" | "prepare", programs: Programs, runtime: "bun" | "deno", wrapped: boolean): string[] {
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

function startChild(argv: string[], onData: (chunk: Uint8Array) => void): Child {
  const folder = mkdtempSync(join(tmpdir(), "symphony-"));
  let stderr = "";
  const onStderr = (chunk: Uint8Array): void => {
    if (stderr.length < STDERR_KEPT) stderr += new TextDecoder().decode(chunk).slice(0, STDERR_KEPT);
  };
  const { pid, send, unsent, kill, exited } = "Deno" in globalThis ? startOnDeno(argv, folder, onData, onStderr) : startOnBun(argv, folder, onData, onStderr);
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
  kill();
}

interface Started {
  pid: number;
  send: (bytes: Uint8Array) => void;
  unsent: () => number;
  kill: () => void;
  exited: Promise<{ code: number | null; signal: string | null; fault?: string }>;
}

/**
 * stderr is drained always: a full pipe would stop the child. A child that is gone shows itself by its exit. It is in a
 * group of its own, so that a Ctrl-C at the terminal comes to us alone, and we end it in order.
 */
function startOnBun(argv: string[], cwd: string, onData: (chunk: Uint8Array) => void, onStderr: (chunk: Uint8Array) => void): Started {
  const child: ChildProcess = spawn(argv[0] as string, argv.slice(1), { cwd, env: ENGINE, detached: true, stdio: ["pipe", "pipe", "pipe"] });
  let over = false;
  // plain arrays: a Buffer's slice is a view over the pipe's memory
  child.stdout?.on("data", (chunk: Uint8Array) => onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length)));
  child.stderr?.on("data", onStderr);
  child.stdin?.on("error", () => {
    over = true;
  });
  return {
    pid: child.pid ?? -1,
    send: (bytes) => {
      if (!over) child.stdin?.write(bytes);
    },
    unsent: () => child.stdin?.writableLength ?? 0,
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
 * The one variable is Deno's condition for starting; it names the child's own empty folder.
 */
function startOnDeno(argv: string[], cwd: string, onData: (chunk: Uint8Array) => void, onStderr: (chunk: Uint8Array) => void): Started {
  const { Command } = (globalThis as unknown as { Deno: DenoApi }).Deno;
  const child = new Command(argv[0] as string, {
    args: argv.slice(1),
    cwd,
    clearEnv: true,
    env: { DENO_DIR: cwd },
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

function residentBytes(pid: number): number | undefined {
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

/** Makes a folder that is there afterwards; `cli/io` where it can't be. */
export function ensureFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true });
    return realpathSync(path);
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot make the folder ${JSON.stringify(path)}: ${(cause as Error).message}`, { cause });
  }
}
