// The runs of a home: one folder each, with its journal and, while a process runs it, a lock.
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { near } from "../runtime/near.ts";
import { SymphonyError } from "../runtime/mod.ts";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export interface RunFolder {
  id: string;
  /** Of its journal. */
  journal: string;
  folder: string;
}

function folderOf(home: string, id: string): RunFolder {
  const folder = join(home, "runs", id);
  return { id, folder, journal: join(folder, "journal") };
}

export function createRunFolder(home: string): RunFolder {
  const made = folderOf(home, crypto.randomUUID());
  try {
    mkdirSync(made.folder, { recursive: true });
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot keep the run: ${(cause as Error).message}`, { cause });
  }
  return made;
}

export function listRunFolders(home: string): RunFolder[] {
  const folder = join(home, "runs");
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => ID.test(name) && existsSync(join(folder, name, "journal")))
        .sort()
        .map((id) => folderOf(home, id))
    : [];
}

/** The one run whose id begins so. */
export function findRunFolder(home: string, prefix: string): RunFolder {
  const all = listRunFolders(home);
  const found = /^[0-9a-f-]{4,36}$/.test(prefix) ? all.filter(({ id }) => id.startsWith(prefix)) : [];
  if (found.length > 1) throw new SymphonyError("run/unknown", `Cannot tell which run ${prefix} is: ${found.map(({ id }) => id).join(", ")} begin so; give more of its id`);
  const [one] = found;
  if (!one)
    throw new SymphonyError(
      "run/unknown",
      `Cannot find the run ${JSON.stringify(prefix)}${near(
        prefix,
        all.map(({ id }) => id),
      )}; \`symphony runs list\` shows what is kept, and the first four characters of an id are enough`,
    );
  return one;
}

/** The process that holds a run's lock, if it lives. */
export function ownerOf({ folder }: RunFolder): number | undefined {
  try {
    const [pid, began] = readFileSync(join(folder, "lock"), "utf8").split(" ");
    return isAlive(pid, began) ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a lock's words stand for a process that lives. */
function isAlive(pid: string | undefined, began: string | undefined): boolean {
  return /^[1-9][0-9]{0,9}$/.test(pid ?? "") && Boolean(began) && beganAt(Number(pid)) === began;
}

/** Takes a run away for good, but not from under a process that runs it. Throws `run/live`. */
export function removeRun(run: RunFolder): void {
  const owner = ownerOf(run);
  if (owner !== undefined) throw new SymphonyError("run/live", `Cannot delete the run ${run.id}: process ${owner} runs it`);
  try {
    // out of the way first, so that nobody takes up half of it
    const away = `${run.folder}.deleted`;
    renameSync(run.folder, away);
    rmSync(away, { recursive: true, force: true });
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot delete the run: ${(cause as Error).message}`, { cause });
  }
}

/** When a process began, by a clock that a later process of the same number can't have; "" when there is none. */
function beganAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] as string;
  } catch {
    try {
      process.kill(pid, 0);
      return "alive";
    } catch {
      return "";
    }
  }
}

/**
 * Takes the run's lock for this process, until the returned function is called. A lock whose process is gone is taken over.
 * Throws `run/live` while another process holds it.
 */
export function lockRun(run: RunFolder): () => void {
  const lock = join(run.folder, "lock");
  const own = join(run.folder, `lock.${process.pid}.${crypto.randomUUID()}`);
  try {
    writeFileSync(own, `${process.pid} ${beganAt(process.pid)}`);
    for (;;) {
      try {
        // a link appears whole or not at all, and never over another
        linkSync(own, lock);
        return () => {
          if (ownerOf(run) === process.pid) rmSync(lock, { force: true });
        };
      } catch (cause) {
        if ((cause as { code?: string }).code !== "EEXIST") throw new SymphonyError("cli/io", `Cannot lock the run: ${(cause as Error).message}`, { cause });
      }
      const owner = ownerOf(run);
      if (owner !== undefined) throw new SymphonyError("run/live", `Cannot take over the run ${run.id}: process ${owner} runs it`);
      // moved away first: of two that find it stale, one moves it, and neither moves the other's new one unseen
      const stale = `${own}.stale`;
      try {
        renameSync(lock, stale);
      } catch {
        continue;
      }
      const [pid, began] = readFileSync(stale, "utf8").split(" ");
      if (isAlive(pid, began)) renameSync(stale, lock);
      else rmSync(stale, { force: true });
    }
  } catch (cause) {
    if (cause instanceof SymphonyError) throw cause;
    throw new SymphonyError("cli/io", `Cannot lock the run: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(own, { force: true });
  }
}
