// Folders by name: those of the inputs, the project, and those that the manifest names. Each thing that is done is judged by the path
// that it leads to; the folder itself sees to it that no path leads out.
import { SymphonyError } from "../../error.ts";
import { compareUtf8 } from "../../order.ts";
import { pathNames } from "../../path.ts";
import type { Folder, FolderEntry } from "../../platform/platform.ts";
import type { Scalar } from "../isolate/wire.ts";
import { makeRight, type Right, spellPathObject } from "../permission/right.ts";
import { number, string, whole } from "./arguments.ts";
import type { Answers, CallRecord } from "./services.ts";

/** Limits of one call. */
export const FILE_LIMITS: { readonly pieceBytes: number; readonly entriesPage: number; readonly writtenBytes: number; readonly made: number } = {
  pieceBytes: 1024 * 1024,
  entriesPage: 1000,
  writtenBytes: 1024 * 1024 * 1024,
  /** Files and folders. */
  made: 10_000,
};

interface Root {
  path: string;
  /** The path's names, which come before those of what is asked for. */
  names: readonly string[];
  folder: Folder;
}

type Scope = "read" | "write";

export function createFileAnswers(record: CallRecord): Answers {
  const { manifest, grants, guard, services } = record;
  const roots = new Map<string, Root>();
  const wholes = new Map<string, Right>();
  let listed: { root: string; path: string; entries: Promise<FolderEntry[]> } | undefined;
  let written = 0;
  let made = 0;

  const denied = (name: string, why: string): SymphonyError =>
    new SymphonyError("files/denied", `Cannot use the folder ${JSON.stringify(name.slice(0, 128))} for ${manifest.id}: ${why}`);

  /** Names of the folders that the manifest asks for, with where they are. */
  function known(): Map<string, { path: string; folder: Folder | undefined }> {
    const found = new Map<string, { path: string; folder: Folder | undefined }>();
    for (const { type, folder } of manifest.capabilities) {
      if (type !== "file" || !folder) continue;
      if (folder.from === "inputs") {
        // only what was handed to this very step
        for (const { name, value } of record.inputs) {
          if (manifest.inputs.get(name)?.type.item !== "folder" || value.tag !== "text") continue;
          const given = grants.folders.get(value.val);
          if (given) found.set(value.val, given);
        }
      } else if (folder.from === "project") {
        if (grants.project !== undefined) found.set(folder.name as string, { path: grants.project, folder: undefined });
      } else {
        const path = folder.path.startsWith("~/") ? services.userHome && `${services.userHome}${folder.path.slice(1)}` : folder.path;
        if (path) found.set(folder.name as string, { path: path.replace(/(?<=.)\/+$/, ""), folder: undefined });
      }
    }
    return found;
  }

  function rootOf(name: string): Root {
    const open = roots.get(name);
    if (open) return open;
    if (!manifest.capabilities.some(({ type }) => type === "file")) throw new SymphonyError("step/denied", `Cannot use files for ${manifest.id}: its manifest doesn't ask for any`);
    const all = known();
    const found = all.get(name);
    if (!found) {
      if (grants.folders.has(name)) throw denied(name, "it was not given to this step");
      throw denied(name, `the run grants no folder of that name${all.size ? `; it grants ${[...all.keys()].join(", ")}` : ""}`);
    }
    if (!found.folder && !services.isRealPath(found.path)) throw denied(name, "a symbolic link is on the way to it; the manifest must ask for the place that it really is");
    const root: Root = { path: found.path, names: found.path === "/" ? [] : found.path.slice(1).split("/"), folder: found.folder ?? services.openFolder(found.path) };
    roots.set(name, root);
    return root;
  }

  /** Judges one path; where a whole root is decided as one, that is one decision. */
  function demand(scope: Scope, name: string, root: Root, path: string): void {
    const key = `${scope} ${name}`;
    let whole = wholes.get(key);
    if (!whole) {
      whole = makeRight("file", scope, spellPathObject(root.path, true));
      wholes.set(key, whole);
    }
    if (guard.demandWhole(whole)) return;
    const names = [...root.names, ...pathNames(path)];
    const shown = (): string => `${scope} ${JSON.stringify(path)} in the folder ${name}`;
    guard.demand("file", [scope, ...names], () => `file:${scope}:${spellPathObject(`/${names.join("/")}`, false)}`, shown);
  }

  function at(scope: Scope, name: Scalar | undefined, path: Scalar | undefined): { folder: Folder; path: string } {
    const rootName = string(name);
    const root = rootOf(rootName);
    const below = string(path);
    pathNames(below);
    demand(scope, rootName, root, below);
    return { folder: root.folder, path: below };
  }

  /** What is made counts, so that a step can't fill a disk with names or bytes. */
  function count(things: number, length: number): void {
    made += things;
    written += length;
    if (made > FILE_LIMITS.made) throw new SymphonyError("run/limit", `Cannot make over ${FILE_LIMITS.made} files and folders in one call`);
    if (written > FILE_LIMITS.writtenBytes) throw new SymphonyError("run/limit", `Cannot write over ${FILE_LIMITS.writtenBytes} bytes in one call`);
  }

  /** What the folder itself refuses (a link on the way, a path that leads out) is refused for the record too. */
  function recorded(scope: Scope, answer: (args: readonly Scalar[]) => Scalar[] | Promise<Scalar[]>): (args: readonly Scalar[]) => Promise<Scalar[]> {
    return async (args) => {
      try {
        return await answer(args);
      } catch (cause) {
        if (cause instanceof SymphonyError && (cause.code === "files/denied" || cause.code === "files/invalid")) {
          const root = typeof args[0] === "string" ? roots.get(args[0]) : undefined;
          guard.refuse(root ? `file:${scope}:${spellPathObject(root.path, true)}` : `file:${scope}:/**`, cause.message.slice(0, 300));
        }
        throw cause;
      }
    };
  }

  const reads = (answer: Parameters<typeof recorded>[1]) => recorded("read", answer);
  const writes = (answer: Parameters<typeof recorded>[1]) => recorded("write", answer);

  return {
    over: () => {},
    functions: {
      "files.roots": () =>
        [...known()].flatMap(([name, { path }]): Scalar[] => {
          const may = (scope: Scope): boolean => guard.allows("file", [scope, ...(path === "/" ? [] : path.slice(1).split("/"))]);
          return may("read") || may("write") ? [name, may("write")] : [];
        }),
      "files.entries": reads(async ([root, path, after]) => {
        const { folder, path: below } = at("read", root, path);
        // one listing serves all pages of it
        if (!listed || listed.root !== root || listed.path !== below || after === null) listed = { root: string(root), path: below, entries: folder.entries(below) };
        const entries = await listed.entries;
        const from = typeof after === "string" ? upperBound(entries, after) : 0;
        return entries.slice(from, from + FILE_LIMITS.entriesPage).flatMap(({ name, kind, size }) => [name, kind, size]);
      }),
      "files.read": reads(async ([root, path, offset, length]) => {
        const { folder, path: below } = at("read", root, path);
        const from = number(offset);
        if (!Number.isSafeInteger(from) || from < 0) throw new SymphonyError("files/invalid", `Cannot read from ${from}: expected a whole number from 0`);
        return [await folder.read(below, from, Math.min(number(length), FILE_LIMITS.pieceBytes))];
      }),
      "files.stat": reads(async ([root, path]) => {
        const { folder, path: below } = at("read", root, path);
        const { kind, size, modifiedMs, accessedMs, identity } = await folder.stat(below);
        return [kind, size, modifiedMs, accessedMs, identity];
      }),
      "files.create": writes(async ([root, path, exclusive]) => {
        const { folder, path: below } = at("write", root, path);
        count(1, 0);
        const isNew = await folder.create(below, exclusive === true);
        if (!isNew) made--;
        return [isNew];
      }),
      "files.write": writes(async ([root, path, offset, data]) => {
        const { folder, path: below } = at("write", root, path);
        if (!(data instanceof Uint8Array) || data.length > FILE_LIMITS.pieceBytes)
          throw new SymphonyError("run/limit", `Cannot write over ${FILE_LIMITS.pieceBytes} bytes at a time`);
        const from = offset === null ? undefined : whole(offset, "an offset");
        // a hole costs nothing until it is read
        if (from !== undefined && from > FILE_LIMITS.writtenBytes * 1024) throw new SymphonyError("files/invalid", `Cannot write at ${from}: that is too far out`);
        count(0, data.length);
        await folder.write(below, from, data);
        return [];
      }),
      "files.truncate": writes(async ([root, path, size]) => {
        const { folder, path: below } = at("write", root, path);
        const wanted = whole(size, "a size");
        if (wanted > FILE_LIMITS.writtenBytes) throw new SymphonyError("run/limit", `Cannot make a file of over ${FILE_LIMITS.writtenBytes} bytes`);
        await folder.truncate(below, wanted);
        return [];
      }),
      "files.create-folder": writes(async ([root, path]) => {
        const { folder, path: below } = at("write", root, path);
        count(1, 0);
        await folder.createFolder(below);
        return [];
      }),
      "files.remove-file": writes(async ([root, path]) => {
        const { folder, path: below } = at("write", root, path);
        await folder.remove(below, "file");
        return [];
      }),
      "files.remove-folder": writes(async ([root, path]) => {
        const { folder, path: below } = at("write", root, path);
        await folder.remove(below, "folder");
        return [];
      }),
      "files.rename": writes(async ([root, old, next]) => {
        const { folder, path: from } = at("write", root, old);
        const { path: to } = at("write", root, next);
        // what couldn't be read must not become readable by another name
        const where = rootOf(string(root));
        const mayRead = (path: string): boolean => guard.allows("file", ["read", ...where.names, ...pathNames(path)]);
        const below = (scope: Scope, path: string): Right => makeRight("file", scope, spellPathObject(`/${[...where.names, ...pathNames(path)].join("/")}`, true));
        // a folder takes with it what is in it: all of that must be decided as one
        if (
          (await folder.stat(from)).kind === "folder" &&
          ![below("write", from), below("write", to), below("read", from), below("read", to)].every((right) => guard.isUniform(right))
        )
          throw new SymphonyError("files/denied", `Cannot move the folder ${JSON.stringify(from)}: rights to parts of it, or of where it would stand, differ`);
        if (!mayRead(from) && mayRead(to)) throw new SymphonyError("files/denied", `Cannot move ${JSON.stringify(from)} to where it could be read: reading it isn't granted`);
        await folder.rename(from, to);
        return [];
      }),
      "files.touch": writes(async ([root, path, accessed, modified]) => {
        const { folder, path: below } = at("write", root, path);
        await folder.touch(below, accessed === null ? undefined : whole(accessed, "a time"), modified === null ? undefined : whole(modified, "a time"));
        return [];
      }),
    },
  };
}

function upperBound(entries: readonly FolderEntry[], after: string): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareUtf8((entries[middle] as FolderEntry).name, after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
