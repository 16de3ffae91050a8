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
export function openDatabase(path: string, version: number, tables: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true });
    try {
      return opened(path, version, tables);
    } catch (cause) {
      if (!/not a database|malformed|corrupt|version/i.test((cause as Error).message)) throw cause;
      for (const end of ["", "-wal", "-shm"]) if (existsSync(path + end)) renameSync(path + end, `${path}.damaged${end}`);
      return opened(path, version, tables);
    }
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot use ${JSON.stringify(path)}: ${(cause as Error).message}`, { cause });
  }
}

function opened(path: string, version: number, tables: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${BUSY_MS_MAX}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
    const { user_version: found } = database.prepare("PRAGMA user_version").get() as { user_version: number };
    if (found !== 0 && found !== version) throw new Error(`its tables have version ${found}, not ${version}`);
    if (found === 0) database.exec(`BEGIN IMMEDIATE; ${tables}; PRAGMA user_version = ${version}; COMMIT`);
    return database;
  } catch (cause) {
    database.close();
    throw cause;
  }
}
