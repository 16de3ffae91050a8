// What a guest can ask of the host, checked against the host's own record of the call: which step, which run, what was
// granted. Leaves out how the question comes (isolate).
import { SymphonyError } from "../error.ts";
import { compareUtf8 } from "../order.ts";
import type { Folder, FolderEntry } from "../platform/platform.ts";
import type { ArtifactRef, Entry, Item } from "../value.ts";
import type { HostCalls } from "./isolate/isolate.ts";
import type { HostFunction, Scalar } from "./isolate/wire.ts";
import type { Manifest } from "./manifest.ts";

/** What a run grants to its steps. */
export interface Grants {
  /** Folders by the name under which steps know them. */
  folders: ReadonlyMap<string, { path: string; folder: Folder }>;
}

/** The part of the Artifact Store that steps reach. */
export interface ArtifactPort {
  create(mediaType: string): Promise<{ append(bytes: Uint8Array): Promise<void>; finish(): Promise<ArtifactRef>; abort(): Promise<void> }>;
  read(id: string, offset: number, length: number): Promise<Uint8Array>;
}

export interface CallRecord {
  run: string;
  path: string;
  attempt: number;
  manifest: Manifest;
  inputs: readonly Entry[];
  grants: Grants;
  artifacts: ArtifactPort;
  signal: AbortSignal | undefined;
  remainingMs: () => number;
  onLog: (level: string, message: string) => void;
  onProgress: (fraction: number, note: string) => void;
}

export interface CapabilityLimits {
  readonly pieceBytes: number;
  readonly entriesPage: number;
  readonly logLines: number;
  readonly openWriters: number;
  /** Of all artifacts that one call makes. */
  readonly artifactBytes: number;
  readonly artifacts: number;
}

/** Limits a call. */
export const CAPABILITY_LIMITS: CapabilityLimits = {
  pieceBytes: 1024 * 1024,
  entriesPage: 1000,
  logLines: 1000,
  openWriters: 16,
  artifactBytes: 1024 * 1024 * 1024,
  artifacts: 10_000,
};

const LEVELS = ["debug", "info", "warn", "error"];
const PROGRESS_MS = 50;

/** Answers the host calls of one call. `known` tells which artifacts it was given or has made. */
export function createHostCalls(record: CallRecord): HostCalls & { known(id: string): ArtifactRef | undefined } {
  const { manifest } = record;
  const given = new Map<string, ArtifactRef>();
  for (const { value } of record.inputs) for (const item of value.tag === "items" ? value.val : [value as Item]) if (item.tag === "artifact") given.set(item.val.id, item.val);
  const writers = new Map<number, ReturnType<ArtifactPort["create"]>>();
  let written = 0;
  let finished = 0;
  let listed: { root: string; path: string; entries: Promise<FolderEntry[]> } | undefined;
  let lines = 0;
  let progressAt = Number.NEGATIVE_INFINITY;

  const denied = (what: string): SymphonyError => new SymphonyError("step/denied", `Cannot ${what} for ${manifest.id}: not granted`);
  const rootOf = (name: string): Folder => {
    if (!manifest.capabilities.files) throw denied("read files");
    const root = record.grants.folders.get(name);
    if (!root)
      throw new SymphonyError(
        "files/denied",
        `Cannot read the folder ${JSON.stringify(name.slice(0, 128))} for ${manifest.id}: the run grants no folder of that name${record.grants.folders.size ? `; it grants ${[...record.grants.folders.keys()].join(", ")}` : ""}`,
      );
    // only a folder that was handed to this very step
    const handed = record.inputs.some((input) => manifest.inputs.get(input.name)?.type.item === "folder" && input.value.tag === "text" && input.value.val === name);
    if (!handed) throw new SymphonyError("files/denied", `Cannot read the folder ${JSON.stringify(name.slice(0, 128))} for ${manifest.id}: it was not given to this step`);
    return root.folder;
  };
  const piece = (offset: number, length: number): [number, number] => {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new SymphonyError("files/invalid", `Cannot read from ${offset}: expected a whole number from 0`);
    return [offset, Math.min(length, CAPABILITY_LIMITS.pieceBytes)];
  };

  const functions: Record<HostFunction, (args: readonly Scalar[]) => Scalar[] | Promise<Scalar[]>> = {
    "call.remaining-ms": () => [Math.floor(record.remainingMs())],
    "call.cancelled": () => [record.signal?.aborted ?? false],
    "call.idempotency-key": () => [`${record.run}:${record.path}`],
    "call.attempt": () => [record.attempt],
    "log.write": ([level, message]) => {
      if (lines++ >= CAPABILITY_LIMITS.logLines) return [];
      record.onLog(LEVELS.includes(string(level)) ? string(level) : "info", plain(string(message).slice(0, 4096)));
      return [];
    },
    "progress.report": ([fraction, note]) => {
      const now = performance.now();
      if (now - progressAt < PROGRESS_MS) return [];
      progressAt = now;
      record.onProgress(Math.min(1, Math.max(0, Number(fraction) || 0)), plain(string(note).slice(0, 256)));
      return [];
    },
    "files.entries": async ([root, path, after]) => {
      const folder = rootOf(string(root));
      const at = string(path);
      // one listing serves all pages of it
      if (!listed || listed.root !== root || listed.path !== at || after === null) listed = { root: string(root), path: at, entries: folder.entries(at) };
      const entries = await listed.entries;
      const from = typeof after === "string" ? upperBound(entries, after) : 0;
      return entries.slice(from, from + CAPABILITY_LIMITS.entriesPage).flatMap(({ name, kind, size }) => [name, kind, size]);
    },
    "files.read": async ([root, path, offset, length]) => {
      const folder = rootOf(string(root));
      return [await folder.read(string(path), ...piece(number(offset), number(length)))];
    },
    "artifacts.read": async ([id, offset, length]) => {
      if (manifest.capabilities.artifacts === "none") throw denied("read artifacts");
      if (!given.has(string(id))) throw new SymphonyError("step/denied", `Cannot read the artifact ${string(id).slice(0, 64)} for ${manifest.id}: it was not given to this step`);
      return [await record.artifacts.read(string(id), ...piece(number(offset), number(length)))];
    },
    "writer.new": ([id, mediaType]) => {
      if (writers.has(number(id))) throw new SymphonyError("isolate/protocol", "Cannot open a writer twice");
      if (manifest.capabilities.artifacts !== "write" || writers.size >= CAPABILITY_LIMITS.openWriters) return [];
      const writer = record.artifacts.create(string(mediaType));
      // told at the first append
      writer.catch(() => {});
      writers.set(number(id), writer);
      return [];
    },
    "writer.append": async ([id, data]) => {
      const open = writerOf(number(id));
      const bytes = data instanceof Uint8Array ? data : new Uint8Array(0);
      if (bytes.length > CAPABILITY_LIMITS.pieceBytes)
        throw new SymphonyError("run/limit", `Cannot append ${bytes.length} bytes at a time, at most ${CAPABILITY_LIMITS.pieceBytes}`);
      written += bytes.length;
      if (written > CAPABILITY_LIMITS.artifactBytes) throw new SymphonyError("run/limit", `Cannot make artifacts of over ${CAPABILITY_LIMITS.artifactBytes} bytes in one call`);
      await (await open).append(bytes);
      return [];
    },
    "writer.finish": async ([id]) => {
      const open = writerOf(number(id));
      writers.delete(number(id));
      const writer = await open;
      if (++finished > CAPABILITY_LIMITS.artifacts) {
        await writer.abort();
        throw new SymphonyError("run/limit", `Cannot make over ${CAPABILITY_LIMITS.artifacts} artifacts in one call`);
      }
      const ref = await writer.finish().catch(async (cause: unknown) => {
        await writer.abort().catch(() => {});
        throw cause;
      });
      given.set(ref.id, ref);
      return [ref.id, ref.size, ref.mediaType];
    },
    "writer.drop": ([id]) => {
      abandon(number(id));
      return [];
    },
  };

  function writerOf(id: number) {
    if (manifest.capabilities.artifacts !== "write") throw denied("write artifacts");
    const open = writers.get(id);
    if (!open) throw new SymphonyError("step/input", `Cannot use this writer: it is finished, or over ${CAPABILITY_LIMITS.openWriters} are open`);
    return open;
  }

  function abandon(id: number): void {
    const open = writers.get(id);
    writers.delete(id);
    open?.then((writer) => writer.abort()).catch(() => {});
  }

  return {
    answer: (name, args) => functions[name](args),
    over: () => {
      for (const id of [...writers.keys()]) abandon(id);
    },
    known: (id) => given.get(id),
  };
}

function string(value: Scalar | undefined): string {
  if (typeof value !== "string") throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
  return value;
}

function number(value: Scalar | undefined): number {
  if (typeof value !== "number") throw new SymphonyError("isolate/protocol", "a host call has an argument of the wrong type");
  return value;
}

/** Without control characters: a guest's words must not steer a terminal. */
function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]+/g, " ");
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
