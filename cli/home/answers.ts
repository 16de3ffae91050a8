// The answers of pure nodes on disk, for the tracker's memory: texts by key in SQLite, written some at a time.
import { join } from "node:path";
import type { TextStore } from "../../pit/mod.ts";
import { openDatabase } from "./database.ts";

const VERSION = 1;
const TABLES = "CREATE TABLE IF NOT EXISTS answer (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, text TEXT NOT NULL)";
/** The oldest go first. */
const ANSWERS_MAX = 200_000;
const WRITE_AFTER_MS = 50;
const WAITING_MAX = 2000;

export function openAnswers(home: string): TextStore & { close(): void } {
  const database = openDatabase(join(home, "cache/answers.sqlite"), VERSION, TABLES);
  const find = database.prepare("SELECT text FROM answer WHERE key = ?");
  const add = database.prepare("INSERT OR REPLACE INTO answer (key, text) VALUES (?, ?)");
  const { count } = database.prepare("SELECT count(*) AS count FROM answer").get() as { count: number };
  if (count > ANSWERS_MAX) database.prepare("DELETE FROM answer WHERE number IN (SELECT number FROM answer ORDER BY number LIMIT ?)").run(count - ANSWERS_MAX);
  const waiting = new Map<string, string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.size === 0) return;
    database.exec("BEGIN IMMEDIATE");
    for (const [key, text] of waiting) add.run(key, text);
    database.exec("COMMIT");
    waiting.clear();
  };
  return {
    get: (key) => waiting.get(key) ?? (find.get(key) as { text: string } | undefined)?.text,
    put(key, text) {
      waiting.set(key, text);
      if (waiting.size >= WAITING_MAX) write();
      else timer ??= setTimeout(write, WRITE_AFTER_MS);
    },
    close() {
      write();
      database.close();
    },
  };
}
