// The platform on Bun and Deno: files, hashes and storage here; folders, processes and HTTP in files of their own beside it.
import { createHash } from "node:crypto";
import { closeSync, constants, fdatasync, ftruncateSync, mkdirSync, openSync, readFileSync, realpathSync, writeSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SymphonyError } from "../error.ts";
import { createFolder, type Hidden, hide } from "./folder.ts";
import { createHttp } from "./http.ts";
import { bubblewrap, childCommand, type Programs, residentBytes, startChild, startCommand } from "./processes.ts";

export { createOutput, type Output } from "./output.ts";

import type { AppendFile, AppendFolder, Child, Digest, ProcessPlatform, RecordFile, Storage } from "./platform.ts";

export function createSystemPlatform(programs: Programs): ProcessPlatform {
  const name = "Deno" in globalThis ? "deno" : "bun";
  const children = new Set<Child>();
  const hidden = new Map<string, Hidden>();
  const confinement = bubblewrap() ? "bubblewrap" : name === "deno" ? "deno permissions" : "nothing more";
  return {
    name,
    confinement,
    // V8 takes 17 to 21 MiB for QuickJS; JSC is kept from it (see ENGINE)
    optimiserMiB: name === "deno" ? 10 : 0,
    digest,
    storage: createFileStorage,
    folder(path, without) {
      // as it was when it was first named: one that is moved stays hidden
      if (without !== undefined && !hidden.has(without)) hidden.set(without, hide(without));
      return createFolder(path, without === undefined ? undefined : hidden.get(without));
    },
    appendFolder,
    recordFile,
    readFile: readRegularFile,
    listFolder: async (path) => ((await readdir(path).catch(absent)) ?? []).sort(),
    spawn(program, onData) {
      const child = startChild(childCommand(program, programs, name, confinement === "bubblewrap"), onData);
      children.add(child);
      void child.ended.then(() => children.delete(child));
      return child;
    },
    residentBytes,
    http: createHttp(),
    command: startCommand,
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

function recordFile(path: string): RecordFile {
  let fd: number | undefined;
  return {
    write(bytes) {
      try {
        fd ??= openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
        writeSync(fd, bytes, 0, bytes.length, 0);
      } catch (cause) {
        throw storageFault(cause);
      }
    },
    read() {
      try {
        return new Uint8Array(readFileSync(path));
      } catch (cause) {
        return absent(cause);
      }
    },
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

/** Makes a folder that is there afterwards; `cli/io` where it can't be. */
export function ensureFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true });
    return realpathSync(path);
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot make the folder ${JSON.stringify(path)}: ${(cause as Error).message}`, { cause });
  }
}
