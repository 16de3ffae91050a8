// What web standards don't give, as the one port that runtime and pit are handed. system.ts gives it on Bun and Deno,
// browser.ts in a tab.

/** SHA-256 over pieces. */
export interface Digest {
  update(bytes: Uint8Array): void;
  /** 64 lower-case hexadecimal digits; ends the digest. */
  hex(): string | Promise<string>;
}

/** Bytes under names of the form `aa/bb...`, made of [a-z0-9./-]. */
export interface Storage {
  /** The bytes, or undefined. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Up to `length` bytes from `offset`; undefined when nothing stands there. */
  readPart(name: string, offset: number, length: number): Promise<Uint8Array | undefined>;
  /** Appears whole or not at all, also when two write at once. */
  write(name: string, bytes: Uint8Array): Promise<void>;
  /** A place that takes pieces; `commit` names it, `abort` forgets it. */
  writer(): Promise<{ append(bytes: Uint8Array): Promise<void>; commit(name: string): Promise<void>; abort(): Promise<void> }>;
  size(name: string): Promise<number | undefined>;
  list(folder: string): Promise<string[]>;
  remove(name: string): Promise<void>;
}

/** One name in a granted folder. */
export interface FolderEntry {
  name: string;
  kind: "file" | "folder" | "link" | "other";
  size: number;
}

/** A granted folder, from which nothing leads out. Throws `files/*`. */
export interface Folder {
  entries(path: string): Promise<FolderEntry[]>;
  read(path: string, offset: number, length: number): Promise<Uint8Array>;
}

/** A file that is only added to. */
export interface AppendFile {
  /** Hands bytes to the operating system before it returns: they outlive the process. */
  append(bytes: Uint8Array): void;
  /** Resolves when all that was appended is on stable storage. */
  sync(): Promise<void>;
  /** Cuts it to so many bytes. */
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** A folder of files that are only added to. */
export interface AppendFolder {
  /** Names, in no order; none when the folder isn't there. */
  list(): Promise<string[]>;
  /** Opens a file to add to; what is there already stays. Makes the folder where it is missing. */
  open(name: string): AppendFile;
  read(name: string): Promise<Uint8Array | undefined>;
  /** In the place of a file that is there, on stable storage. */
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Resolves when the names in it are on stable storage, its own too. */
  sync(): Promise<void>;
}

/** A process of ours that runs hostile code or on hostile bytes. */
export interface Child {
  readonly pid: number;
  send(bytes: Uint8Array): void;
  /** Bytes that were sent and that it hasn't taken yet. */
  readonly unsent: number;
  /** SIGKILL; `ended` follows. */
  kill(): void;
  /** How it ended, with the last lines of stderr. */
  readonly ended: Promise<{ code: number | null; signal: string | null; stderr: string }>;
}

export interface Platform {
  readonly name: "bun" | "deno" | "browser";
  digest(): Digest;
  storage(folder: string): Storage;
}

/** What the extension host needs besides; a tab will answer with workers. */
export interface ProcessPlatform extends Platform {
  /** `without`: a folder of ours that is as if it weren't there. */
  folder(path: string, without?: string): Folder;
  appendFolder(path: string): AppendFolder;
  /** A file of at most `most` bytes, such as a manifest or a component; undefined when it isn't there, `cli/io` when it is something else. */
  readFile(path: string, most: number): Promise<Uint8Array | undefined>;
  /** Names in a folder of ours, sorted; empty when it isn't there. */
  listFolder(path: string): Promise<string[]>;
  /** Starts the isolate's program, or the program that prepares components. `onData` chunks are no messages. */
  spawn(program: "isolate" | "prepare", onData: (chunk: Uint8Array) => void): Child;
  /**
   * What the engine's optimiser takes for a component whose code is large, such as an interpreter's; it counts into the
   * component's memory limit.
   */
  readonly optimiserMiB: number;
  /** What closes the isolates in besides their own process: "bubblewrap", "deno permissions", or "nothing more". */
  readonly confinement: string;
  /** Resident bytes of a process and what it started, or undefined where that can't be read. */
  residentBytes(pid: number): number | undefined;
  /** Kills every child that is left, and waits until nothing of them is. */
  [Symbol.asyncDispose](): Promise<void>;
}
