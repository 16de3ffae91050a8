// A folder that nothing leads out of: paths are walked name by name without following links, each step relative to a
// handle that is already held, so that nothing which changes meanwhile can redirect it.
//
// On Linux `/proc/self/fd/N/name` opened with O_NOFOLLOW stands for openat. Elsewhere that isn't there: each name is
// looked at before it is opened and the result is compared by device and inode, which leaves a narrower promise (a link
// swapped in and out between the two looks is noticed, one inside a renamed parent is not).
import { closeSync, constants, existsSync, fstatSync, lstatSync, openSync, realpathSync, statSync } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rmdir, unlink } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { SymphonyError } from "../error.ts";
import { compareUtf8 } from "../order.ts";
import { pathNames } from "../path.ts";
import type { FileStat, Folder, FolderEntry } from "./platform.ts";

interface Identity {
  dev: number;
  ino: number;
}

/** Told apart by device and inode, so that no other way to it is taken for another folder. */
function identityOf(path: string): Identity | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && { dev: found.dev, ino: found.ino };
}

const ENTRIES_MAX = 1_000_000;

function failed(cause: unknown, path: string, does = "read"): SymphonyError {
  const { code } = cause as { code?: string };
  if (cause instanceof SymphonyError) return cause;
  const shown = JSON.stringify(path);
  if (code === "ENOENT") return new SymphonyError("files/not-found", `Cannot ${does} ${shown}: nothing stands there`);
  if (code === "ELOOP" || code === "EMLINK") return new SymphonyError("files/denied", `Cannot ${does} ${shown}: a symbolic link is on the way, and links are not followed`);
  if (code === "ENOTDIR") return new SymphonyError("files/not-found", `Cannot ${does} ${shown}: a name on the way is no folder, or is a symbolic link`);
  if (code === "EACCES" || code === "EPERM") return new SymphonyError("files/denied", `Cannot ${does} ${shown}: the operating system refuses`);
  if (code === "EEXIST" || code === "ENOTEMPTY")
    return new SymphonyError("files/exists", `Cannot ${does} ${shown}: ${code === "EEXIST" ? "something stands there already" : "the folder isn't empty"}`);
  if (code === "ENXIO") return new SymphonyError("files/denied", `Cannot ${does} ${shown}: it is no regular file`);
  if (code === "EISDIR") return new SymphonyError("files/denied", `Cannot ${does} ${shown}: it is a folder`);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") return new SymphonyError("run/limit", `Cannot ${does} ${shown}: the disk is full`);
  if (code === "EROFS") return new SymphonyError("files/denied", `Cannot ${does} ${shown}: the disk is read-only`);
  if (code === "ENAMETOOLONG") return new SymphonyError("files/invalid", `Cannot ${does} ${shown}: a name in it is too long`);
  // the message names the way there, which is no guest's business
  return new SymphonyError("files/not-found", `Cannot ${does} ${shown}: ${code ?? "it failed"}`, { cause });
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants;

/** A folder of ours that nobody is to see, wherever somebody moves it. */
export interface Hidden {
  path: string;
  own: Identity | undefined;
  around: Identity | undefined;
}

export function hide(path: string): Hidden {
  return { path, own: identityOf(path), around: identityOf(dirname(path)) };
}

/**
 * Opens the granted folder by its path. The way there may hold links at this moment; from then on it is walked from the top, name by
 * name, without following any, so that what is judged by its path is what is used. What stands in `without`, a folder of ours, is as if
 * it weren't there: closing a file of it could also let go of a lock that this process holds on it.
 */
export function createFolder(root: string, without?: string | Hidden): Folder {
  const viaHandles = existsSync("/proc/self/fd");
  const hidden = typeof without === "string" ? hide(without) : without;
  const { own, around } = hidden ?? {};
  const place = realOrSame(root);
  const rootNames = place.split("/").filter(Boolean);
  /** Whether moving or deleting this would move our own folder. */
  const holdsOwn = (names: readonly string[]): boolean => hidden !== undefined && `${hidden.path}/`.startsWith(`/${[...rootNames, ...names].join("/")}/`);
  const isSame = (one: { dev: number; ino: number }, other: Identity | undefined): boolean => other !== undefined && one.dev === other.dev && one.ino === other.ino;

  async function descend<T>(path: string, use: (place: string, handle: FileHandle) => Promise<T>, last: "folder" | "file", parts = pathNames(path), does = "read"): Promise<T> {
    const all = [...rootNames, ...parts];
    const endsInFile = last === "file" && parts.length > 0;
    // folders on the way are opened at once: each takes microseconds, and waiting for a turn takes ten times as long
    let fd = openSync("/", O_RDONLY | O_DIRECTORY);
    let file: FileHandle | undefined;
    try {
      let place = viaHandles ? `/proc/self/fd/${fd}` : "";
      for (let i = 0; i < all.length; i++) {
        const isFile = endsInFile && i === all.length - 1;
        const next = `${place}/${all[i]}`;
        const before = viaHandles ? undefined : lstatSync(next);
        if (before?.isSymbolicLink()) throw new SymphonyError("files/denied", `Cannot read ${JSON.stringify(path)}: a symbolic link is on the way, and links are not followed`);
        if (isFile) {
          // O_NONBLOCK: opening a pipe must not wait for its writer
          file = await open(next, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
          if (before && !isSame(await file.stat(), before)) throw new SymphonyError("files/denied", `Cannot read ${JSON.stringify(path)}: it changed while it was opened`);
          return await use(next, file);
        }
        const opened = openSync(next, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_DIRECTORY);
        closeSync(fd);
        fd = opened;
        if (before && !isSame(fstatSync(fd), before)) throw new SymphonyError("files/denied", `Cannot read ${JSON.stringify(path)}: it changed while it was opened`);
        place = viaHandles ? `/proc/self/fd/${fd}` : next;
        if (own && isSame(fstatSync(fd), own)) throw new SymphonyError("files/not-found", `Cannot find ${JSON.stringify(path)}: nothing stands there`);
      }
      return await use(place, { stat: async () => fstatSync(fd) } as FileHandle);
    } catch (cause) {
      throw failed(cause, path, does);
    } finally {
      closeSync(fd);
      await file?.close();
    }
  }

  /** Hands over the place of what a path's last name stands for, inside of its folder, which is held open meanwhile. */
  function beside<T>(path: string, does: string, use: (place: string, name: string, folder: string) => Promise<T>): Promise<T> {
    const parts = pathNames(path);
    const name = parts.pop();
    if (name === undefined) throw new SymphonyError("files/denied", `Cannot ${does} "": it is the granted folder itself`);
    return descend(
      path,
      async (place, handle) => {
        if (isSame(await handle.stat(), around) && name === basename(hidden?.path ?? ""))
          throw new SymphonyError("files/denied", `Cannot ${does} ${JSON.stringify(path)}: it is Symphony's own`);
        return use(`${place}/${name}`, name, place);
      },
      "folder",
      parts,
      does,
    );
  }

  /** Opens a regular file to write to; without `make` it must be there. */
  async function withFile<T>(path: string, does: string, flags: number, use: (handle: FileHandle, isNew: boolean) => Promise<T>): Promise<T> {
    return beside(path, does, async (place) => {
      // another way on systems without handles: a link at the end is refused by O_NOFOLLOW, one before it was looked at
      let isNew = (flags & O_CREAT) !== 0;
      let handle: FileHandle;
      try {
        handle = await open(place, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | flags | (isNew ? O_EXCL : 0), 0o644);
      } catch (cause) {
        if (!isNew || (flags & O_EXCL) !== 0 || (cause as { code?: string }).code !== "EEXIST") throw cause;
        isNew = false;
        handle = await open(place, O_WRONLY | O_NOFOLLOW | O_NONBLOCK);
      }
      try {
        if (!(await handle.stat()).isFile()) throw new SymphonyError("files/denied", `Cannot ${does} ${JSON.stringify(path)}: it is no regular file`);
        return await use(handle, isNew);
      } finally {
        await handle.close();
      }
    });
  }

  return {
    stat: (path) =>
      pathNames(path).length === 0
        ? descend(path, async (_, handle) => statOf(await handle.stat()), "folder")
        : beside(path, "look at", async (place) => statOf(await lstat(place))),
    create: (path, exclusive) => withFile(path, "make", O_CREAT | (exclusive ? O_EXCL : 0), async (_, isNew) => isNew),
    write: (path, offset, bytes) =>
      withFile(path, "write", 0, async (handle) => {
        let at = offset ?? (await handle.stat()).size;
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at);
          done += bytesWritten;
          at += bytesWritten;
        }
      }),
    truncate: (path, size) => withFile(path, "write", 0, (handle) => handle.truncate(size)),
    createFolder: (path) => beside(path, "make", (place) => mkdir(place, 0o755)),
    remove: (path, kind) => beside(path, "delete", (place) => (kind === "folder" ? rmdir(place) : unlink(place).catch(asNoFile))),
    rename: async (from, to) => {
      for (const path of [from, to])
        if (holdsOwn(pathNames(path))) throw new SymphonyError("files/denied", `Cannot move ${JSON.stringify(path)}: Symphony's own folder stands in it`);
      await beside(from, "move", (old) => beside(to, "move", (next) => rename(old, next)));
    },
    touch: (path, accessedMs, modifiedMs) =>
      withFile(path, "touch", 0, async (handle) => {
        const { atimeMs, mtimeMs } = await handle.stat();
        await handle.utimes((accessedMs ?? atimeMs) / 1000, (modifiedMs ?? mtimeMs) / 1000);
      }),
    entries: (path) =>
      descend(
        path,
        async (place, handle) => {
          const found = await readdir(place, { withFileTypes: true });
          const isAround = isSame(await handle.stat(), around);
          if (found.length > ENTRIES_MAX) throw new SymphonyError("files/invalid", `Cannot list ${JSON.stringify(path)}: it holds over ${ENTRIES_MAX} names`);
          const out: FolderEntry[] = [];
          for (const entry of found) {
            const { name } = entry;
            // the contract: names that are not UTF-8 are left out; decoded they don't stand for anything
            if (name.includes("\ufffd") && !(await lstat(`${place}/${name}`).catch(() => undefined))) continue;
            if (isAround && name === basename(hidden?.path ?? "")) continue;
            // a path can't hold it (see names), so nobody could read it
            if (name.includes("\\")) continue;
            const kind = entry.isSymbolicLink() ? "link" : entry.isFile() ? "file" : entry.isDirectory() ? "folder" : "other";
            out.push({ name, kind, size: 0 });
          }
          out.sort((a, b) => compareUtf8(a.name, b.name));
          for (const entry of out) {
            if (entry.kind !== "file") continue;
            const found = await lstat(`${place}/${entry.name}`).catch(() => undefined);
            if (found?.isFile()) entry.size = found.size;
          }
          return out;
        },
        "folder",
      ),
    read: (path, offset, length) =>
      descend(
        path,
        async (_, handle) => {
          const found = await handle.stat();
          if (!found.isFile()) throw new SymphonyError("files/denied", `Cannot read ${JSON.stringify(path)}: it is no regular file`);
          const bytes = new Uint8Array(Math.max(0, Math.min(length, found.size - offset)));
          let at = 0;
          while (at < bytes.length) {
            const { bytesRead } = await handle.read(bytes, at, bytes.length - at, offset + at);
            if (bytesRead === 0) break;
            at += bytesRead;
          }
          return bytes.subarray(0, at);
        },
        "file",
      ),
  };
}

function realOrSame(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function statOf(found: {
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
  size: number;
  mtimeMs: number;
  atimeMs: number;
  dev: number;
  ino: number;
}): FileStat {
  const kind = found.isSymbolicLink() ? "link" : found.isFile() ? "file" : found.isDirectory() ? "folder" : "other";
  return { kind, size: kind === "file" ? found.size : 0, modifiedMs: Math.floor(found.mtimeMs), accessedMs: Math.floor(found.atimeMs), identity: `${found.dev}:${found.ino}` };
}

/** What systems say of unlinking a folder differs. */
function asNoFile(cause: unknown): never {
  const { code } = cause as { code?: string };
  throw code === "EPERM" || code === "EISDIR" ? Object.assign(new Error("it is a folder"), { code: "EISDIR" }) : cause;
}
