// Who owns a home: the process that holds a lock which the operating system lets go of when that process ends, however it
// ends. Leaves out what an owner does.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { SymphonyError } from "../../runtime/mod.ts";

/** Only for this user: what stands in it leads to the runs. */
export function ownerFolder(home: string): string {
  const folder = join(home, "owner");
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new SymphonyError("cli/io", `Cannot use the home ${JSON.stringify(home)}: ${(cause as Error).message}`, { cause });
  }
  return folder;
}

/**
 * Takes the home's lock; the returned function lets go of it. Undefined while another process holds it.
 *
 * The lock is SQLite's exclusive one on an empty database: locks of files as the operating system keeps them, which Bun and Deno
 * give no other way to.
 */
export function takeLock(home: string): (() => void) | undefined {
  const folder = ownerFolder(home);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(folder, "lock"));
    database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    writeFileSync(join(folder, "pid"), String(process.pid));
  } catch (cause) {
    database?.close();
    if (/locked|busy/i.test((cause as Error).message)) return undefined;
    throw new SymphonyError("cli/io", `Cannot lock the home ${JSON.stringify(home)}: ${(cause as Error).message}`, { cause });
  }
  const held = database;
  return () => held.close();
}

/** The process that took the lock last, for messages. */
export function lastOwner(home: string): string {
  try {
    return `process ${readFileSync(join(ownerFolder(home), "pid"), "utf8").slice(0, 20)}`;
  } catch {
    return "a process";
  }
}
