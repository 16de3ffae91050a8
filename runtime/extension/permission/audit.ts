// The audit log: one line a decision, each holding the hash of the one before it, and the last one's hash kept apart. Whoever changes,
// removes or cuts lines without writing all that follows anew is found out. Leaves out which decisions there are.
import { SymphonyError } from "../../error.ts";
import type { AppendFile, AppendFolder, Digest, RecordFile } from "../../platform/platform.ts";

/** What a line tells, besides its number, time and hashes. */
export interface AuditEntry {
  /** check: something was about to be done; grant, revoke: a person decided; open: a process that began to write found the log damaged. */
  event: "check" | "grant" | "revoke" | "open";
  extension?: string;
  /** Of the bus, instead of an extension. */
  peer?: string;
  version?: string;
  publisher?: string;
  /** SHA-256 of the component. */
  component?: string;
  run?: string;
  node?: string;
  /** What was about to be done, or what was decided about, as a right. */
  right?: string;
  allowed?: boolean;
  /** Who or what decided. */
  by?: string;
  /** Further words for people. */
  note?: string;
}

export type AuditLine = AuditEntry & { n: number; at: string; prev: string; hash: string };

export interface AuditLog {
  /** Writes a line and hands it to the operating system before it returns. Throws `audit/unwritable`; then nothing may be done. */
  write(entry: AuditEntry): void;
  close(): Promise<void>;
}

const FIRST = "0".repeat(64);
const FILE_BYTES_MAX = 4 * 1024 * 1024;
const NAME = /^(\d{8})\.jsonl$/;
const fileName = (n: number): string => `${String(n).padStart(8, "0")}.jsonl`;
const HASHED = /,"hash":"([0-9a-f]{64})"\}$/;

export interface AuditPorts {
  folder: AppendFolder;
  /** Keeps the number and the hash of the last line. */
  head: RecordFile;
  digest: () => Digest;
  now: () => number;
}

/** The head is one line of a fixed length, so that writing it is one act. */
function spellHead(n: number, hash: string): string {
  return `${String(n).padStart(12, "0")} ${hash}\n`;
}
function readHead(bytes: Uint8Array | undefined): { n: number; hash: string } | undefined {
  const [, n, hash] = /^(\d{12}) ([0-9a-f]{64})\n/.exec(bytes ? new TextDecoder().decode(bytes) : "") ?? [];
  return n === undefined ? undefined : { n: Number(n), hash: hash as string };
}

function hashOf(digest: () => Digest, text: string): string {
  const hashing = digest();
  hashing.update(new TextEncoder().encode(text));
  const hex = hashing.hex();
  if (typeof hex !== "string") throw new TypeError("the audit log needs hashes that don't wait");
  return hex;
}

/** Opens the log to write to it; who opens it is alone (the home's owner). What stands there is gone on with, whatever it is. */
export async function openAudit({ folder, head, digest, now }: AuditPorts): Promise<AuditLog> {
  const files = (await folder.list()).filter((name) => NAME.test(name)).sort();
  const last = files.at(-1);
  const bytes = last ? await folder.read(last) : undefined;
  const text = bytes ? new TextDecoder().decode(bytes) : "";
  const cut = text.length > 0 && !text.endsWith("\n");
  const lines = text.split("\n").filter(Boolean);
  const known = readHead(head.read());
  let prev = FIRST;
  let next = 0;
  for (let i = lines.length - 1; i >= 0; i--) {
    const line = parseLine(lines[i] as string);
    if (!line) continue;
    prev = line.hash;
    next = line.n + 1;
    break;
  }
  // a log that was cut must not begin again where it was cut: what is missing stays missing
  if (known && known.n >= next) {
    next = known.n + 1;
    prev = known.hash;
  }
  let file: AppendFile = folder.open(last ?? fileName(0));
  let size = bytes?.length ?? 0;
  let fileNumber = last ? Number(NAME.exec(last)?.[1]) : 0;
  if (cut) {
    file.append(new TextEncoder().encode("\n"));
    size++;
  }
  const encoder = new TextEncoder();
  const damage = !known && lines.length > 0 ? "the head was missing or could not be read" : known && lines.length === 0 ? `all ${known.n + 1} lines were missing` : undefined;
  const log: AuditLog = {
    write(entry) {
      try {
        const body = JSON.stringify({ n: next, at: new Date(now()).toISOString(), ...entry, prev });
        const hash = hashOf(digest, body);
        const line = encoder.encode(`${body.slice(0, -1)},"hash":"${hash}"}\n`);
        if (size > 0 && size + line.length > FILE_BYTES_MAX) {
          void file.close();
          fileNumber++;
          file = folder.open(fileName(fileNumber));
          size = 0;
        }
        file.append(line);
        head.write(encoder.encode(spellHead(next, hash)));
        size += line.length;
        prev = hash;
        next++;
      } catch (cause) {
        throw new SymphonyError("audit/unwritable", `Cannot write the audit log, so nothing may be done: ${(cause as Error).message}`, { cause });
      }
    },
    close: () => file.close(),
  };
  // what comes after looks whole: what was found must stand in it
  if (damage) log.write({ event: "open", allowed: false, note: damage });
  return log;
}

function parseLine(text: string): AuditLine | undefined {
  try {
    const line = JSON.parse(text) as Partial<AuditLine> | null;
    return typeof line?.n === "number" && typeof line.hash === "string" && typeof line.prev === "string" && typeof line.at === "string" && typeof line.event === "string"
      ? (line as AuditLine)
      : undefined;
  } catch {
    return undefined;
  }
}

export interface AuditRead {
  lines: AuditLine[];
  /** What is wrong, in words; none: every line is there as it was written. */
  faults: string[];
  /** What is as it should be and still worth saying. */
  notes: string[];
}

/** Reads the whole log and checks each line's hash, its number, that it follows the one before it, and that the last one is the head. */
export async function readAudit({ folder, head, digest }: Omit<AuditPorts, "now">): Promise<AuditRead> {
  const before = readHead(head.read());
  const lines: AuditLine[] = [];
  const faults: string[] = [];
  const notes: string[] = [];
  let prev = FIRST;
  let next = 0;
  const names = (await folder.list()).filter((name) => NAME.test(name)).sort();
  for (const [i, name] of names.entries()) {
    if (Number(NAME.exec(name)?.[1]) !== i && !faults.some((fault) => fault.includes("is missing: the files")))
      faults.push(`${fileName(i)} is missing: the files go on with ${name}`);
    const text = new TextDecoder().decode(await folder.read(name));
    for (const [k, one] of text.split("\n").entries()) {
      if (one === "") continue;
      const place = `${name} line ${k + 1}`;
      const line = parseLine(one);
      const hash = HASHED.exec(one)?.[1];
      if (!line || hash === undefined) {
        // the last line may be half written by a process that was killed
        faults.push(`${place} is no line of the log: ${JSON.stringify(one.slice(0, 60))}`);
        continue;
      }
      if (hashOf(digest, one.replace(HASHED, "}")) !== hash) faults.push(`${place} (number ${line.n}) was changed: its hash is not that of its words`);
      else if (line.n !== next)
        faults.push(
          line.n > next
            ? `${line.n - next} line${line.n - next > 1 ? "s" : ""} from number ${next} on ${line.n - next > 1 ? "are" : "is"} missing before ${place}`
            : `${place} has number ${line.n}, expected ${next}`,
        );
      else if (line.prev !== prev) faults.push(`${place} (number ${line.n}) doesn't follow the line before it: that one was replaced`);
      if (line.event === "open" && line.allowed === false) faults.push(`when a process began to write ${place} (${line.at}), ${line.note}`);
      prev = hash;
      next = line.n + 1;
      lines.push(line);
    }
  }
  // a process may have written meanwhile
  const after = readHead(head.read());
  const known = after && lines.some(({ n, hash }) => n === after.n && hash === after.hash) ? after : (before ?? after);
  const last = lines.at(-1);
  if (!known) {
    if (last) faults.push("the head is missing or can't be read, so nobody can say whether lines were cut from the end");
  } else if (!last) faults.push(`all ${known.n + 1} lines are missing`);
  else if (last.n < known.n)
    faults.push(
      `${known.n - last.n} line${known.n - last.n > 1 ? "s" : ""} at the end ${known.n - last.n > 1 ? "are" : "is"} missing: the head is number ${known.n}, the last line is number ${last.n}`,
    );
  else {
    const headed = lines.find(({ n }) => n === known.n);
    if (headed && headed.hash !== known.hash) faults.push(`line number ${known.n} was replaced: its hash is not the one that the head keeps`);
    if (last.n > known.n) notes.push("1 line follows the head: written just now, or by a process that was killed before it wrote the head");
  }
  return { lines, faults, notes };
}
