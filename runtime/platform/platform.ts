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

export interface FileStat {
  kind: FolderEntry["kind"];
  size: number;
  /** Milliseconds since 1970. */
  modifiedMs: number;
  accessedMs: number;
  /** Equal for two ways to the same thing. */
  identity: string;
}

/** A granted folder, from which nothing leads out. Every path is walked anew, so nothing stays open. Throws `files/*`. */
export interface Folder {
  /** Of a link: the link's own. */
  stat(path: string): Promise<FileStat>;
  /** Makes an empty file where there is none; whether it did. `exclusive`: `files/exists` where something stands there. */
  create(path: string, exclusive: boolean): Promise<boolean>;
  /** Writes into a file that is there; without `offset` at its end. */
  write(path: string, offset: number | undefined, bytes: Uint8Array): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  createFolder(path: string): Promise<void>;
  /** A file, or a link itself; or a folder that is empty. */
  remove(path: string, kind: "file" | "folder"): Promise<void>;
  /** In the place of a file that is there. */
  rename(from: string, to: string): Promise<void>;
  touch(path: string, accessedMs: number | undefined, modifiedMs: number | undefined): Promise<void>;
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

/** A file of a few bytes that is written as a whole, in one act. */
export interface RecordFile {
  /** Hands bytes, always as many, to the operating system before it returns. */
  write(bytes: Uint8Array): void;
  /** What stands there, or undefined. */
  read(): Uint8Array | undefined;
}

/** One request, whose URL, headers and size were judged already. */
export interface HttpRequest {
  url: URL;
  method: string;
  /** Names in lower case; without those that the connection needs (host, length, connection). */
  headers: readonly (readonly [string, string])[];
  body: Uint8Array | undefined;
  /** Until the last byte of the answer. */
  timeoutMs: number;
  signal: AbortSignal;
  /** Bytes that may come over the connection, whatever they are. */
  receivedMax: number;
  /** Whether an address may be gone to; asked for each that the name leads to, and for the one that answers. */
  allows: (address: string) => boolean;
}

export interface HttpAnswer {
  status: number;
  headers: [string, string][];
  /** The body as it comes. Throws `http/*` when it breaks off. */
  chunks: AsyncIterable<Uint8Array>;
  /** Ends the connection, wherever it is. */
  close(): void;
}

export interface HttpPort {
  /** Resolves when the answer's head is there. Rejects with `http/*`, or with the signal's reason. Follows no redirect. */
  open(request: HttpRequest): Promise<HttpAnswer>;
}

/** A command that was started. Its streams end with it. */
export interface Command {
  write(bytes: Uint8Array): void;
  endInput(): void;
  /** Bytes that were written and not taken. */
  readonly unsent: number;
  /** SIGKILL, for it and what it started. */
  kill(): void;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
}

export interface CommandRequest {
  /** The program, then its arguments; no shell reads them. */
  words: readonly string[];
  /** Where it starts. */
  folder: string;
  onOutput: (bytes: Uint8Array, isError: boolean) => void;
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
  recordFile(path: string): RecordFile;
  /** Starts a program of this machine with the variables PATH, HOME, LANG, TMPDIR and USER alone. Rejects with `command/*`. */
  command(request: CommandRequest): Promise<Command>;
  readonly http: HttpPort;
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
