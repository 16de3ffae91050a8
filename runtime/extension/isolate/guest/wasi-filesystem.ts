// wasi:filesystem over the host's folders. A descriptor is a folder's name and a path: each operation walks the path anew on the host,
// where it is judged, so nothing stays open. Links are listed, never followed, and never made.
import { type AskHost, type GuestCall, faultOf, hostError, refuse, sealed, textOf } from "./host.ts";
import { FAILURES, InputStream, type IoError, OutputStream } from "./wasi-io.ts";

interface DescriptorFlags {
  read?: boolean;
  write?: boolean;
  mutateDirectory?: boolean;
}
interface Datetime {
  seconds: bigint;
  nanoseconds: number;
}
type NewTimestamp = { tag: "no-change" } | { tag: "now" } | { tag: "timestamp"; val: Datetime };

const KINDS: Readonly<Record<string, string>> = { file: "regular-file", folder: "directory", link: "symbolic-link", other: "unknown" };
const DESCRIPTORS_MAX = 100;
const PIECE_BYTES_MAX = 1024 * 1024;

/** The error code that a host's error stands for. */
function codeOf(cause: unknown): string {
  const error = hostError(cause);
  if (!error) return "io";
  const { kind, code } = faultOf(error);
  if (code === "files.not-found") return /is no folder/.test(faultOf(error).message) ? "not-directory" : "no-entry";
  if (code === "files.exists") return /isn't empty/.test(faultOf(error).message) ? "not-empty" : "exist";
  if (code === "files.invalid") return "invalid";
  if (/symbolic link/.test(faultOf(error).message)) return "loop";
  if (/it is a folder/.test(faultOf(error).message)) return "is-directory";
  if (kind === "denied") return "access";
  return kind === "limit" ? "quota" : "io";
}

function datetime(ms: number): Datetime {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanoseconds: Math.floor((ms % 1000) * 1_000_000) };
}

function stampMs(stamp: NewTimestamp): number | null {
  if (stamp.tag === "no-change") return null;
  return stamp.tag === "now" ? Date.now() : Math.floor(Number(stamp.val.seconds) * 1000 + stamp.val.nanoseconds / 1_000_000);
}

/** Joins a path to one that is in order; `..` may lead up again, but never out of where it began: a descriptor is a right. */
function join(base: string, path: string): string {
  if (path.startsWith("/")) refuse("not-permitted");
  const names = base === "" ? [] : base.split("/");
  const depth = names.length;
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      if (names.length <= depth) refuse("not-permitted");
      names.pop();
    } else names.push(name);
  }
  return names.join("/");
}

/** Two 64-bit numbers from a text (FNV-1a), which is all that equal hashes must mean. */
function hashes(text: string): { lower: bigint; upper: bigint } {
  const hash = (from: bigint): bigint => {
    let value = from;
    for (const letter of text) value = BigInt.asUintN(64, (value ^ BigInt(letter.codePointAt(0) as number)) * 1_099_511_628_211n);
    return value;
  };
  return { lower: hash(14_695_981_039_346_656_037n), upper: hash(7_046_029_254_386_353_131n) };
}

/** `callOf` gives the call that is being served. */
export function filesystemImports(host: AskHost, callOf: () => GuestCall): Record<string, Record<string, unknown>> {
  let open = 0;

  const ask: AskHost = (name, args) => {
    try {
      return host(name, args);
    } catch (cause) {
      refuse(codeOf(cause));
    }
  };

  interface Stat {
    type: string;
    linkCount: bigint;
    size: bigint;
    dataAccessTimestamp: Datetime | undefined;
    dataModificationTimestamp: Datetime | undefined;
    statusChangeTimestamp: Datetime | undefined;
  }

  class DirectoryEntryStream {
    readonly #root: string;
    readonly #path: string;
    #page: { type: string; name: string }[] = [];
    #after: string | null = null;
    #isOver = false;
    constructor(root = "", path = "") {
      this.#root = root;
      this.#path = path;
    }
    readDirectoryEntry(): { type: string; name: string } | undefined {
      if (this.#page.length === 0 && !this.#isOver) {
        const flat = ask("files.entries", [this.#root, this.#path, this.#after]);
        for (let i = 0; i + 2 < flat.length; i += 3) this.#page.push({ type: KINDS[flat[i + 1] as string] ?? "unknown", name: flat[i] as string });
        this.#after = this.#page.at(-1)?.name ?? null;
        this.#isOver = this.#page.length === 0;
      }
      return this.#page.shift();
    }
  }

  class Descriptor {
    readonly root: string;
    readonly path: string;
    readonly flags: DescriptorFlags;
    readonly kind: string;

    constructor(root = "", path = "", flags: DescriptorFlags = {}, kind = "regular-file") {
      this.root = root;
      this.path = path;
      this.flags = flags;
      this.kind = kind;
    }
    [Symbol.dispose ?? Symbol.for("dispose")](): void {
      open--;
    }

    #needs(right: keyof DescriptorFlags): void {
      if (!this.flags[right]) refuse(right === "mutateDirectory" ? "read-only" : "bad-descriptor");
    }
    #file(): void {
      if (this.kind === "directory") refuse("is-directory");
    }
    #folder(): void {
      if (this.kind !== "directory") refuse("not-directory");
    }

    readViaStream(offset: bigint): InputStream {
      this.#file();
      this.#needs("read");
      let at = Number(offset);
      return new InputStream((length) => {
        const piece = host("files.read", [this.root, this.path, at, length])[0] as Uint8Array;
        at += piece.length;
        return piece.length === 0 && length > 0 ? undefined : piece;
      });
    }
    writeViaStream(offset: bigint): OutputStream {
      this.#file();
      this.#needs("write");
      let at = Number(offset);
      return new OutputStream((bytes) => {
        host("files.write", [this.root, this.path, at, bytes]);
        at += bytes.length;
      });
    }
    appendViaStream(): OutputStream {
      this.#file();
      this.#needs("write");
      return new OutputStream((bytes) => void host("files.write", [this.root, this.path, null, bytes]));
    }
    advise(): void {}
    syncData(): void {}
    sync(): void {}
    getFlags(): DescriptorFlags {
      return this.flags;
    }
    getType(): string {
      return this.kind;
    }
    setSize(size: bigint): void {
      this.#file();
      this.#needs("write");
      ask("files.truncate", [this.root, this.path, Number(size)]);
    }
    setTimes(accessed: NewTimestamp, modified: NewTimestamp): void {
      ask("files.touch", [this.root, this.path, stampMs(accessed), stampMs(modified)]);
    }
    read(length: bigint, offset: bigint): [Uint8Array, boolean] {
      this.#file();
      this.#needs("read");
      const wanted = Number(length > PIECE_BYTES_MAX ? BigInt(PIECE_BYTES_MAX) : length);
      const piece = ask("files.read", [this.root, this.path, Number(offset), wanted])[0] as Uint8Array;
      return [piece, piece.length < wanted];
    }
    write(bytes: Uint8Array, offset: bigint): bigint {
      this.#file();
      this.#needs("write");
      const piece = bytes.subarray(0, PIECE_BYTES_MAX);
      ask("files.write", [this.root, this.path, Number(offset), piece]);
      return BigInt(piece.length);
    }
    readDirectory(): DirectoryEntryStream {
      this.#folder();
      this.#needs("read");
      return new DirectoryEntryStream(this.root, this.path);
    }
    createDirectoryAt(path: string): void {
      this.#folder();
      this.#needs("mutateDirectory");
      const at = join(this.path, path);
      if (at === "") refuse("exist");
      ask("files.create-folder", [this.root, at]);
    }
    stat(): Stat {
      return this.#statOf(this.path);
    }
    statAt(flags: { symlinkFollow?: boolean }, path: string): Stat {
      this.#folder();
      const at = join(this.path, path);
      const found = this.#statOf(at);
      if (found.type === "symbolic-link" && flags.symlinkFollow) refuse("loop");
      if (path.endsWith("/") && found.type !== "directory") refuse("not-directory");
      return found;
    }
    #statOf(path: string): Stat {
      const [kind, size, modified, accessed] = ask("files.stat", [this.root, path]) as [string, number, number, number];
      return {
        type: KINDS[kind] ?? "unknown",
        linkCount: 1n,
        size: BigInt(size),
        dataAccessTimestamp: datetime(accessed),
        dataModificationTimestamp: datetime(modified),
        statusChangeTimestamp: datetime(modified),
      };
    }
    setTimesAt(_: object, path: string, accessed: NewTimestamp, modified: NewTimestamp): void {
      this.#folder();
      ask("files.touch", [this.root, join(this.path, path), stampMs(accessed), stampMs(modified)]);
    }
    linkAt(): void {
      refuse("not-permitted");
    }
    openAt(
      pathFlags: { symlinkFollow?: boolean },
      path: string,
      openFlags: { create?: boolean; directory?: boolean; exclusive?: boolean; truncate?: boolean },
      flags: DescriptorFlags,
    ): Descriptor {
      this.#folder();
      if (open >= DESCRIPTORS_MAX) refuse("insufficient-memory");
      if (path === "") refuse("no-entry");
      const at = join(this.path, path);
      const wantsFolder = openFlags.directory === true || path.endsWith("/");
      const writes = flags.write === true || openFlags.truncate === true || openFlags.create === true;
      if (writes && !this.flags.mutateDirectory) refuse(flags.write || openFlags.truncate ? "read-only" : "not-permitted");
      if (openFlags.create && wantsFolder) refuse("invalid");
      let isNew = false;
      if (openFlags.create) {
        // a folder that is there is no file to make
        isNew = ask("files.create", [this.root, at, openFlags.exclusive === true])[0] === true;
      }
      let kind = "regular-file";
      // who may only write can't look
      if (!isNew) {
        kind = this.#statOf(at).type;
        if (kind === "symbolic-link") refuse("loop");
        void pathFlags;
        if (wantsFolder && kind !== "directory") refuse("not-directory");
        if (kind === "directory" && (flags.write || openFlags.truncate)) refuse("is-directory");
        if (openFlags.truncate) ask("files.truncate", [this.root, at, 0]);
      }
      open++;
      return new Descriptor(
        this.root,
        at,
        kind === "directory" ? { read: true, mutateDirectory: this.flags.mutateDirectory === true } : { read: flags.read === true, write: flags.write === true },
        kind,
      );
    }
    readlinkAt(): string {
      refuse("not-permitted");
    }
    removeDirectoryAt(path: string): void {
      this.#folder();
      this.#needs("mutateDirectory");
      const at = join(this.path, path);
      if (at === "" || path.endsWith(".")) refuse("invalid");
      if (this.#statOf(at).type !== "directory") refuse("not-directory");
      ask("files.remove-folder", [this.root, at]);
    }
    renameAt(oldPath: string, folder: Descriptor, newPath: string): void {
      this.#folder();
      this.#needs("mutateDirectory");
      if (!folder.flags.mutateDirectory) refuse("read-only");
      if (folder.root !== this.root) refuse("cross-device");
      ask("files.rename", [this.root, join(this.path, oldPath), join(folder.path, newPath)]);
    }
    symlinkAt(): void {
      refuse("not-permitted");
    }
    unlinkFileAt(path: string): void {
      this.#folder();
      this.#needs("mutateDirectory");
      const at = join(this.path, path);
      if (at === "") refuse("is-directory");
      if (path.endsWith("/")) refuse(this.#statOf(at).type === "directory" ? "is-directory" : "not-directory");
      ask("files.remove-file", [this.root, at]);
    }
    isSameObject(other: Descriptor): boolean {
      return other.root === this.root && other.path === this.path;
    }
    metadataHash(): { lower: bigint; upper: bigint } {
      return hashes(String(ask("files.stat", [this.root, this.path])[4]));
    }
    metadataHashAt(_: object, path: string): { lower: bigint; upper: bigint } {
      this.#folder();
      return hashes(String(ask("files.stat", [this.root, join(this.path, path)])[4]));
    }
  }
  sealed(Descriptor);
  sealed(DirectoryEntryStream);

  return {
    "wasi:filesystem/types": {
      Descriptor,
      DirectoryEntryStream,
      filesystemErrorCode(error: IoError): string | undefined {
        const cause = FAILURES.get(error);
        return cause === undefined ? undefined : codeOf(cause);
      },
    },
    "wasi:filesystem/preopens": {
      /** The folders that were granted, each under the name of its input port (the project's and the manifest's under their own); the one that is called root is the root. */
      getDirectories(): [Descriptor, string][] {
        let flat: ReturnType<AskHost>;
        try {
          flat = host("files.roots", []);
        } catch {
          return [];
        }
        const out: [Descriptor, string][] = [];
        for (let i = 0; i + 1 < flat.length; i += 2) {
          const root = flat[i] as string;
          const ports = callOf().inputs.flatMap(({ name, value }) => (textOf(value) === root ? [name] : []));
          for (const name of ports.length > 0 ? ports : [root]) {
            open++;
            out.push([new Descriptor(root, "", { read: true, mutateDirectory: flat[i + 1] === true }, "directory"), name === "root" ? "/" : `/${name}`]);
          }
        }
        return out;
      },
    },
  };
}
