// SQLite files of a home that can be made anew from what else it keeps: a damaged one is put aside and begun again.
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SymphonyError } from "../../runtime/mod.ts";

const BUSY_MS_MAX = 5000;

/**
 * Opens one whose tables have this version, or makes it. Other processes may have it open too. Losing the last changes at a loss of
 * power is no harm here. Throws `cli/io`.
 */
export function openDatabase(path: string, version: number, tables: string, busyMs = BUSY_MS_MAX): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true });
    try {
      return opened(path, version, tables, busyMs);
    } catch (cause) {
      if (!isDamage(cause)) throw cause;
      putAside(path);
      return opened(path, version, tables, busyMs);
    }
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot use ${JSON.stringify(path)}: ${(cause as Error).message}`, { cause });
  }
}

/** Whether an error says that the file isn't what it should be, rather than that it can't be had now. */
export function isDamage(cause: unknown): boolean {
  return /not a database|malformed|corrupt|no such (table|column)|constraint failed|its tables have version/i.test((cause as Error).message);
}

/** Out of the way, for who wants to look at it; one before it is gone. */
export function putAside(path: string): void {
  for (const end of ["", "-wal", "-shm"]) if (existsSync(path + end)) renameSync(path + end, `${path}.damaged${end}`);
}

/** All of it or nothing. */
export function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (cause) {
    database.exec("ROLLBACK");
    throw cause;
  }
}

function opened(path: string, version: number, tables: string, busyMs: number): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyMs}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
    const isMade = (): boolean => {
      const { user_version: found } = database.prepare("PRAGMA user_version").get() as { user_version: number };
      if (found !== 0 && found !== version) throw new Error(`its tables have version ${found}, not ${version}`);
      return found === version;
    };
    if (!isMade())
      inTransaction(database, () => {
        // another process may have made them meanwhile
        if (!isMade()) database.exec(`${tables}; PRAGMA user_version = ${version}`);
      });
    return database;
  } catch (cause) {
    database.close();
    throw cause;
  }
}
