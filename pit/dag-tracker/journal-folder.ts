// A run's journal as files in a folder: pieces that only grow, and from time to time a snapshot that takes the place of those before
// it, so that reading a run again takes no longer than its nodes and its last events. Leaves out the lines (journal.ts).
import { type AppendFile, type AppendFolder, type EventSink, type RunEvent, type RunPart, SymphonyError, type Value } from "../../runtime/mod.ts";
import { drain, journalSteps, LineWriter, readJournal, spellEvent, spellHeader } from "./journal.ts";
import { emptyPast, foldEvent, type Past } from "./past.ts";
import { readSnapshot, snapshotSteps } from "./snapshot.ts";
import { loadLarge, loadPins, type StoredValue, type ValueStore } from "./written.ts";

/** What survives: the end of our process, or a loss of power. */
export type Durability = "process" | "power";

/** A piece is closed when it is larger than this and than the last snapshot, so that all snapshots together cost no more than the events. */
const PIECE_BYTES = 4 * 1024 * 1024;
const WORK_NAME = "snapshot.part";

/** A journal that is open for writing. */
export interface Journal {
  /** What a log writes to. */
  readonly sink: EventSink;
  /** On stable storage, then closed. */
  close(): Promise<void>;
}

export interface JournalOptions {
  durability: Durability;
  /** Of a piece; for tests. */
  pieceBytes?: number;
  /** Resolves when other work had its turn. */
  turn?: () => Promise<void>;
}

/** A run as its files tell it. */
export interface KeptRun {
  run: string;
  created: number;
  /** All events folded. */
  past: Past;
  /** Those that are kept one by one: the last ones, from number `first` on. */
  events: RunEvent[];
  first: number;
  /** Bytes at the end that are torn or damaged, and why they aren't read. */
  cut: { bytes: number; why: string } | undefined;
  /** The piece that is to be gone on with, and how much of it is sound. */
  piece: { name: string; soundBytes: number };
  /** Files that say nothing any more. */
  stale: string[];
  snapshotBytes: number;
}

const pieceName = (first: number): string => (first === 0 ? "journal" : `journal-${first}`);
const snapshotName = (next: number): string => `snapshot-${next}`;
const numbersOf = (names: readonly string[], form: RegExp): number[] =>
  names
    .flatMap(
      (name) =>
        form
          .exec(name)
          ?.slice(1)
          .map((number) => Number(number ?? 0)) ?? [],
    )
    .sort((a, b) => a - b);

/** Begins a run's journal. */
export function createJournal(folder: AppendFolder, run: string, options: JournalOptions): Journal {
  const created = Date.now();
  const file = beginPiece(folder, run, created, 0);
  return write(folder, file, { run, created, first: 0, bytes: 0, snapshotBytes: 0 }, options);
}

function beginPiece(folder: AppendFolder, run: string, created: number, first: number): AppendFile {
  const file = folder.open(pieceName(first));
  const writer = new LineWriter();
  writer.line(spellHeader(run, created, first));
  file.append(writer.take());
  return file;
}

/** Cuts off what is torn or damaged, and goes on from there. */
export async function openJournal(folder: AppendFolder, kept: KeptRun, options: JournalOptions): Promise<Journal> {
  for (const name of kept.stale) await folder.remove(name);
  const { name, soundBytes } = kept.piece;
  const file = folder.open(name);
  if (kept.cut) await file.truncate(soundBytes);
  return write(folder, file, { run: kept.run, created: kept.created, first: kept.first, bytes: soundBytes, snapshotBytes: kept.snapshotBytes }, options);
}

interface Position {
  run: string;
  created: number;
  /** Of the events that no snapshot holds. */
  first: number;
  bytes: number;
  snapshotBytes: number;
}

function write(folder: AppendFolder, opened: AppendFile, position: Position, { durability, pieceBytes = PIECE_BYTES, turn = nextTurn }: JournalOptions): Journal {
  const { run, created } = position;
  const writer = new LineWriter();
  let file = opened;
  let { first, bytes, snapshotBytes } = position;
  let compacting: Promise<void> | undefined;
  let closed = false;
  let named: Promise<void> | undefined;

  /** Closes the piece before event number `next`, and puts a snapshot in the place of all that is closed. */
  const nextPiece = (next: number): AppendFile => {
    const before = file;
    file = beginPiece(folder, run, created, next);
    bytes = 0;
    compacting = compact(folder, { run, created, from: first, next, turn, isOver: () => closed })
      .then((size) => {
        if (size === undefined) return;
        first = next;
        snapshotBytes = size;
      })
      // the pieces stay, and are read as they are
      .catch(() => {})
      .finally(async () => {
        compacting = undefined;
        await before.close();
      });
    return file;
  };

  return {
    sink: {
      write(events) {
        for (const event of events) writer.line(spellEvent(event));
        const lines = writer.take();
        file.append(lines);
        bytes += lines.length;
        const next = (events.at(-1) as RunEvent).n + 1;
        const isDue = bytes > Math.max(pieceBytes, snapshotBytes) && !compacting;
        if (durability === "process") {
          if (isDue) nextPiece(next);
          return undefined;
        }
        return file.sync().then(async () => {
          named ??= folder.sync();
          await named;
          if (!isDue) return;
          await nextPiece(next).sync();
          await folder.sync();
        });
      },
    },
    async close() {
      closed = true;
      await compacting;
      await file.sync();
      await file.close();
    },
  };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Writes the snapshot before event number `next`; its bytes, or undefined when it was given up. */
async function compact(
  folder: AppendFolder,
  { run, created, from, next, turn, isOver }: { run: string; created: number; from: number; next: number; turn: () => Promise<void>; isOver: () => boolean },
): Promise<number | undefined> {
  const steps = async <T>(work: Generator<void, T>): Promise<T> => {
    for (;;) {
      await turn();
      const { done, value } = work.next();
      if (done) return value;
    }
  };
  const past = from > 0 ? (await steps(readSnapshot(await bytesOf(folder, snapshotName(from))))).past : emptyPast();
  for (let at = from; at < next; ) {
    const { events } = await steps(journalSteps(await bytesOf(folder, pieceName(at))));
    for (const event of events) foldEvent(past, event, true);
    at += events.length;
    if (isOver() || events.length === 0) return undefined;
  }
  const file = folder.open(WORK_NAME);
  let size = 0;
  try {
    await file.truncate(0);
    const writer = new LineWriter();
    const work = snapshotSteps(run, created, past, (json) => writer.line(json));
    for (let done: boolean | undefined = false; !done; ) {
      await turn();
      if (isOver()) return undefined;
      done = work.next().done;
      const lines = writer.take();
      file.append(lines);
      size += lines.length;
    }
    await file.sync();
  } finally {
    await file.close();
    if (isOver()) await folder.remove(WORK_NAME);
  }
  await folder.rename(WORK_NAME, snapshotName(next));
  for (const name of await folder.list()) if (isBefore(name, next)) await folder.remove(name);
  return size;
}

/** Whether a file holds only what a snapshot before event number `next` holds. */
function isBefore(name: string, next: number): boolean {
  const [number] = numbersOf([name], /^(?:journal|snapshot)(?:-(\d+))?$/);
  return number !== undefined && number < next;
}

async function bytesOf(folder: AppendFolder, name: string): Promise<Uint8Array> {
  const bytes = await folder.read(name);
  if (!bytes) throw new SymphonyError("journal/damaged", `Cannot read the journal: ${name} is missing`);
  return bytes;
}

/** Whether anything of a run was ever told: without a whole header, nothing was. */
export async function hasBegun(folder: AppendFolder): Promise<boolean> {
  const names = await folder.list();
  if (names.some((name) => name.startsWith("snapshot-") || name.startsWith("journal-"))) return true;
  return (await folder.read(pieceName(0)))?.includes(0x0a) === true;
}

const TRIES = 4;

/** Reads a run as far as it is sound; also while it is written. Throws `journal/damaged`, `journal/version`. */
export async function readKept(folder: AppendFolder): Promise<KeptRun> {
  for (let left = TRIES; ; left--) {
    const names = await folder.list();
    const [base = 0] = numbersOf(names, /^snapshot-(\d+)$/).reverse();
    try {
      return await readFrom(folder, names, base);
    } catch (cause) {
      // a snapshot may have taken the place of files meanwhile
      const now = numbersOf(await folder.list(), /^snapshot-(\d+)$/).at(-1) ?? 0;
      if (now === base || left === 0) throw cause;
    }
  }
}

async function readFrom(folder: AppendFolder, names: readonly string[], base: number): Promise<KeptRun> {
  const snapshot = base > 0 ? await bytesOf(folder, snapshotName(base)) : undefined;
  const { past } = snapshot ? drain(readSnapshot(snapshot)) : { past: emptyPast() };
  const pieces = numbersOf(names, /^journal(?:-(\d+))?$/).filter((first) => first >= base);
  const stale = names.filter((name) => isBefore(name, base) || name === WORK_NAME);
  const events: RunEvent[] = [];
  let kept: Pick<KeptRun, "run" | "created" | "piece"> | undefined;
  let cut: KeptRun["cut"];
  for (const first of pieces) {
    const name = pieceName(first);
    const bytes = await bytesOf(folder, name);
    const leaveOut = (why: string): void => {
      stale.push(name);
      if (bytes.length > 0) cut = { bytes: (cut?.bytes ?? 0) + bytes.length, why: cut?.why ?? why };
    };
    if (cut || first !== base + events.length) {
      leaveOut(`events from ${base + events.length} on are missing`);
      continue;
    }
    let read: ReturnType<typeof readJournal>;
    try {
      read = readJournal(bytes);
      if (read.first !== first) throw new SymphonyError("journal/damaged", `Cannot read the journal: ${name} begins with event ${read.first}`);
    } catch (cause) {
      // a piece that was just begun may have no whole header
      if (!kept || (cause as SymphonyError).code !== "journal/damaged" || bytes.includes(0x0a)) throw cause;
      leaveOut("its last piece is torn");
      continue;
    }
    kept = { run: read.run, created: read.created, piece: { name, soundBytes: read.soundBytes } };
    cut = read.cut;
    for (const event of read.events) {
      events.push(event);
      foldEvent(past, event, true);
    }
  }
  if (!kept) throw new SymphonyError("journal/damaged", `Cannot read the journal: ${base > 0 ? pieceName(base) : "it"} is missing`);
  past.cut = cut?.bytes ?? 0;
  return { ...kept, past, events, first: base, cut, stale, snapshotBytes: snapshot?.length ?? 0 };
}

/** Loads the values that stand by their hash in what a resume needs: inputs, and outputs of nodes whose frame isn't done. */
export async function loadPast(past: Past, store: ValueStore): Promise<void> {
  const load = async (value: Value | undefined): Promise<Value | undefined> =>
    (value as StoredValue | undefined)?.tag === "stored" ? loadLarge((value as unknown as StoredValue).val, store) : value;
  const completed = (path: string): boolean => past.nodes.get(path)?.state === "completed";
  const covered = (path: string): boolean => {
    // what a map or sub-melody that is done gave stands for all inside it
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) if (completed(path.slice(0, slash))) return true;
    return false;
  };
  for (const [path, node] of past.nodes) {
    if (covered(path)) past.nodes.delete(path);
    else if (node.outputs.some((value) => (value as unknown as StoredValue | undefined)?.tag === "stored")) node.outputs = await Promise.all(node.outputs.map(load));
  }
  const part = past.started?.part;
  if (part) (part as { pins: RunPart["pins"] }).pins = await loadPins(part.pins, store);
  const inputs = past.started?.inputs as Record<string, Value> | undefined;
  for (const [name, value] of Object.entries(inputs ?? {})) (inputs as Record<string, Value>)[name] = (await load(value)) as Value;
}

/** Loads what a run that has ended gave. */
export async function loadOutputs(ended: NonNullable<Past["ended"]>, store: ValueStore): Promise<Map<string, Value>> {
  const outputs = new Map<string, Value>();
  for (const [name, value] of Object.entries(ended.outputs))
    outputs.set(name, (value as unknown as StoredValue).tag === "stored" ? await loadLarge((value as unknown as StoredValue).val, store) : value);
  return outputs;
}
