// The answers of pure nodes on disk, for the tracker's memory: texts by key in SQLite, written some at a time. What can't be kept or read
// is as if it had never been: no run ever fails by it.
import { join } from "node:path";
import type { TextStore } from "../../pit/mod.ts";
import { inTransaction, isDamage, openDatabase, putAside } from "./database.ts";

const VERSION = 1;
const TABLES = "CREATE TABLE answer (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, text TEXT NOT NULL)";
/** The oldest go first. */
const ANSWERS_MAX = 200_000;
const WRITE_AFTER_MS = 50;
/** While somebody else holds it, runs wait for nothing. */
const BUSY_MS_MAX = 20;
const OPEN_AGAIN_MS = 1000;
const WAITING_MAX = 2000;

export function openAnswers(home: string): TextStore & { close(): void } {
  const path = join(home, "cache/answers.sqlite");
  const open = () => {
    const database = openDatabase(path, VERSION, TABLES, BUSY_MS_MAX);
    return {
      database,
      find: database.prepare("SELECT text FROM answer WHERE key = ?"),
      add: database.prepare("INSERT OR REPLACE INTO answer (key, text) VALUES (?, ?)"),
    };
  };
  let opened: ReturnType<typeof open> | undefined;
  let openAfter = 0;
  /** What it gives, or undefined where the file doesn't let it. */
  const attempt = <T>(work: (of: ReturnType<typeof open>) => T): T | undefined => {
    if (!opened && performance.now() < openAfter) return undefined;
    try {
      opened ??= open();
      return work(opened);
    } catch (cause) {
      if (!opened) openAfter = performance.now() + OPEN_AGAIN_MS;
      if (opened && isDamage(cause)) {
        opened.database.close();
        opened = undefined;
        putAside(path);
      }
      return undefined;
    }
  };
  const trim = (): void => {
    attempt(({ database }) => {
      const { count } = database.prepare("SELECT count(*) AS count FROM answer").get() as { count: number };
      if (count > ANSWERS_MAX) database.prepare("DELETE FROM answer WHERE number IN (SELECT number FROM answer ORDER BY number LIMIT ?)").run(count - ANSWERS_MAX);
    });
  };
  trim();
  const waiting = new Map<string, string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.size === 0) return;
    attempt(({ database, add }) => {
      inTransaction(database, () => {
        for (const [key, text] of waiting) add.run(key, text);
      });
      waiting.clear();
    });
    // held by somebody else: later, but not without a bound
    if (waiting.size >= WAITING_MAX) waiting.clear();
  };
  return {
    get: (key) => waiting.get(key) ?? attempt(({ find }) => (find.get(key) as { text: string } | undefined)?.text),
    put(key, text) {
      waiting.set(key, text);
      if (waiting.size >= WAITING_MAX) write();
      else timer ??= setTimeout(write, WRITE_AFTER_MS);
    },
    close() {
      write();
      opened?.database.close();
    },
  };
}
