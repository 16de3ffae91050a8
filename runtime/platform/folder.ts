// A folder that nothing leads out of: paths are walked name by name without following links, each step relative to a
// handle that is already held, so that nothing which changes meanwhile can redirect it.
//
// On Linux `/proc/self/fd/N/name` opened with O_NOFOLLOW stands for openat. Elsewhere that isn't there: each name is
// looked at before it is opened and the result is compared by device and inode, which leaves a narrower promise (a link
// swapped in and out between the two looks is noticed, one inside a renamed parent is not).
import { constants, existsSync, statSync } from "node:fs";
import { type FileHandle, lstat, open, readdir, realpath } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { SymphonyError } from "../error.ts";
import { compareUtf8 } from "../order.ts";
import type { Folder, FolderEntry } from "./platform.ts";

interface Identity {
  dev: number;
  ino: number;
}

/** Told apart by device and inode, so that no other way to it is taken for another folder. */
function identityOf(path: string): Identity | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  return found && { dev: found.dev, ino: found.ino };
}

const PATH_BYTES_MAX = 4096;
const ENTRIES_MAX = 1_000_000;

function names(path: string): string[] {
  if (path === "") return [];
  const refused = (why: string): SymphonyError => new SymphonyError("files/invalid", `Cannot use the path ${JSON.stringify(path.slice(0, 200))}: ${why}`);
  if (path.length > PATH_BYTES_MAX) throw refused(`it is longer than ${PATH_BYTES_MAX} characters`);
  if (path.startsWith("/")) throw refused("it is absolute; paths are relative to the granted folder");
  if (/[\\\0]/.test(path)) throw refused("it holds a backslash or NUL");
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..")) throw refused("it holds an empty name, '.' or '..'");
  return parts;
}

function failed(cause: unknown, path: string): SymphonyError {
  const { code } = cause as { code?: string };
  if (cause instanceof SymphonyError) return cause;
  const shown = JSON.stringify(path);
  if (code === "ENOENT") return new SymphonyError("files/not-found", `Cannot read ${shown}: nothing stands there`);
  if (code === "ELOOP" || code === "EMLINK") return new SymphonyError("files/denied", `Cannot read ${shown}: a symbolic link is on the way, and links are not followed`);
  if (code === "ENOTDIR") return new SymphonyError("files/not-found", `Cannot read ${shown}: a name on the way is no folder, or is a symbolic link`);
  if (code === "EACCES" || code === "EPERM") return new SymphonyError("files/denied", `Cannot read ${shown}: the operating system refuses`);
  // the message names the way there, which is no guest's business
  return new SymphonyError("files/not-found", `Cannot read ${shown}: ${code ?? "it failed"}`, { cause });
}

const { O_RDONLY, O_NOFOLLOW, O_DIRECTORY, O_NONBLOCK } = constants;

/**
 * Opens the granted folder by its path; the folder itself may be reached through links, nothing below it. What stands in `without`, a
 * folder of ours, is as if it weren't there: closing a file of it could also let go of a lock that this process holds on it.
 */
export function createFolder(root: string, without?: string): Folder {
  const viaHandles = existsSync("/proc/self/fd");
  const own = without === undefined ? undefined : identityOf(without);
  const around = without === undefined ? undefined : identityOf(dirname(without));
  const isSame = (one: { dev: number; ino: number }, other: Identity | undefined): boolean => other !== undefined && one.dev === other.dev && one.ino === other.ino;

  async function descend<T>(path: string, use: (place: string, handle: FileHandle) => Promise<T>, last: "folder" | "file"): Promise<T> {
    const parts = names(path);
    let handle = await open(root, O_RDONLY | O_DIRECTORY);
    let place = viaHandles ? `/proc/self/fd/${handle.fd}` : await realpath(root);
    try {
      for (let i = 0; i < parts.length; i++) {
        const isLast = i === parts.length - 1;
        const wantFolder = !isLast || last === "folder";
        const next = `${place}/${parts[i]}`;
        const before = viaHandles ? undefined : await lstat(next);
        if (before?.isSymbolicLink()) throw new SymphonyError("files/denied", `Cannot read ${JSON.stringify(path)}: a symbolic link is on the way, and links are not followed`);
        // O_NONBLOCK: opening a pipe must not wait for its writer
        const opened = await open(next, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | (wantFolder ? O_DIRECTORY : 0));
        await handle.close();
        handle = opened;
        if (before) {
          const after = await handle.stat();
          if (after.dev !== before.dev || after.ino !== before.ino) throw new SymphonyError("files/denied", `Cannot read ${JSON.stringify(path)}: it changed while it was opened`);
        }
        place = viaHandles ? `/proc/self/fd/${handle.fd}` : next;
        if (own && wantFolder && isSame(await handle.stat(), own)) throw new SymphonyError("files/not-found", `Cannot find ${JSON.stringify(path)}: nothing stands there`);
      }
      return await use(place, handle);
    } catch (cause) {
      throw failed(cause, path);
    } finally {
      await handle.close();
    }
  }

  return {
    entries: (path) =>
      descend(
        path,
        async (place, handle) => {
          const found = await readdir(place, { withFileTypes: true });
          const holdsOwn = isSame(await handle.stat(), around);
          if (found.length > ENTRIES_MAX) throw new SymphonyError("files/invalid", `Cannot list ${JSON.stringify(path)}: it holds over ${ENTRIES_MAX} names`);
          const out: FolderEntry[] = [];
          for (const entry of found) {
            const { name } = entry;
            // the contract: names that are not UTF-8 are left out; decoded they don't stand for anything
            if (name.includes("\ufffd") && !(await lstat(`${place}/${name}`).catch(() => undefined))) continue;
            if (holdsOwn && name === basename(without as string)) continue;
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
