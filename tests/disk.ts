// A folder of files in memory that behaves as badly as a disk may: what was not synced is lost at a loss of power, it may be full,
// and the process that writes to it may be gone.
import { type AppendFile, type AppendFolder, SymphonyError } from "../runtime/mod.ts";

class Crash extends Error {}

interface Kept {
  bytes: Uint8Array;
  synced: number;
}

export class Disk implements AppendFolder {
  /** The process that wrote to it is gone. */
  dead = false;
  full = false;
  readonly #files = new Map<string, Kept>();
  /** Pieces of a journal that a snapshot took the place of, by their names. */
  readonly #past = new Map<string, Uint8Array>();

  /** With a journal in it. */
  constructor(journal?: Uint8Array) {
    if (journal) this.#files.set("journal", { bytes: journal.slice(), synced: journal.length });
  }

  bytes(name = "journal"): Uint8Array {
    return this.#files.get(name)?.bytes ?? new Uint8Array(0);
  }

  get isEmpty(): boolean {
    return this.#files.size === 0;
  }

  clear(): void {
    this.#files.clear();
  }

  /** All that journals hold and ever held, one after the other. */
  text(): string {
    const pieces = new Map([...this.#past, ...[...this.#files].map(([name, { bytes }]) => [name, bytes] as const)]);
    const first = (name: string): number => Number(name.split("-")[1] ?? 0);
    return [...pieces]
      .filter(([name]) => name.startsWith("journal"))
      .sort(([a], [b]) => first(a) - first(b))
      .map(([name, bytes]) => {
        const text = new TextDecoder().decode(bytes);
        return first(name) === 0 ? text : text.slice(text.indexOf("\n") + 1);
      })
      .join("");
  }

  get names(): string[] {
    return [...this.#files.keys()];
  }

  powerLoss(random: (below: number) => number): void {
    for (const file of this.#files.values()) file.bytes = file.bytes.slice(0, file.synced + random(file.bytes.length - file.synced + 1));
  }

  #alive(): void {
    if (this.dead) throw new Crash();
  }

  #room(): void {
    if (this.full) throw new SymphonyError("artifact/storage", "Cannot use the disk: ENOSPC");
  }

  async list(): Promise<string[]> {
    return this.names;
  }

  open(name: string): AppendFile {
    this.#alive();
    const file = this.#files.get(name) ?? { bytes: new Uint8Array(0), synced: 0 };
    if (!this.#files.has(name)) this.#room();
    this.#files.set(name, file);
    const add = (more: Uint8Array): void => {
      const next = new Uint8Array(file.bytes.length + more.length);
      next.set(file.bytes);
      next.set(more, file.bytes.length);
      file.bytes = next;
    };
    return {
      append: (more) => {
        this.#alive();
        // a part may be written before there is no more room
        if (this.full) add(more.subarray(0, more.length >> 1));
        this.#room();
        add(more);
      },
      sync: async () => {
        this.#alive();
        file.synced = file.bytes.length;
      },
      truncate: async (size) => {
        file.bytes = file.bytes.slice(0, size);
        file.synced = Math.min(file.synced, size);
      },
      close: async () => {},
    };
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    return this.#files.get(name)?.bytes.slice();
  }

  async rename(from: string, to: string): Promise<void> {
    this.#alive();
    this.#files.set(to, this.#files.get(from) as Kept);
    this.#files.delete(from);
  }

  async remove(name: string): Promise<void> {
    this.#alive();
    const first = Number(name.split("-")[1] ?? 0);
    const covered = this.names.some((other) => other.startsWith("snapshot-") && Number(other.slice(9)) > first);
    if (name.startsWith("journal") && covered) this.#past.set(name, this.bytes(name));
    this.#files.delete(name);
  }

  async sync(): Promise<void> {
    this.#alive();
  }
}
