// What extensions keep between runs, in one SQLite file of the home: each by its own name.
import { join } from "node:path";
import { type KeyStore, SymphonyError } from "../../runtime/mod.ts";
import { inTransaction, openDatabase } from "./database.ts";

const VERSION = 1;
const TABLES = "CREATE TABLE kept (owner TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (owner, key)) WITHOUT ROWID";
/** Of one extension. */
const KEYS_MAX = 10_000;
const BYTES_MAX = 16 * 1024 * 1024;

export function openKeys(home: string): KeyStore & { close(): void } {
  const open = () => {
    const database = openDatabase(join(home, "keys.sqlite"), VERSION, TABLES);
    return {
      database,
      find: database.prepare("SELECT value FROM kept WHERE owner = ? AND key = ?"),
      put: database.prepare("INSERT OR REPLACE INTO kept (owner, key, value) VALUES (?, ?, ?)"),
      drop: database.prepare("DELETE FROM kept WHERE owner = ? AND key = ?"),
      list: database.prepare("SELECT key FROM kept WHERE owner = ? AND key > ? ORDER BY key LIMIT ?"),
      room: database.prepare("SELECT count(*) AS count, coalesce(sum(length(key) + length(value)), 0) AS bytes FROM kept WHERE owner = ? AND key <> ?"),
    };
  };
  let opened: ReturnType<typeof open> | undefined;
  const use = (): ReturnType<typeof open> => {
    opened ??= open();
    return opened;
  };
  const get = (owner: string, key: string): Uint8Array | undefined => {
    const found = (use().find.get(owner, key) as { value: Uint8Array } | undefined)?.value;
    return found && new Uint8Array(found);
  };
  const set = (owner: string, key: string, value: Uint8Array): void => {
    const { put, room } = use();
    const { count, bytes } = room.get(owner, key) as { count: number; bytes: number };
    if (count >= KEYS_MAX) throw new SymphonyError("run/limit", `Cannot keep another key: there are ${count}, at most ${KEYS_MAX} are allowed`);
    if (bytes + key.length + value.length > BYTES_MAX)
      throw new SymphonyError("run/limit", `Cannot keep ${value.length} bytes more: at most ${BYTES_MAX} are allowed, keys included`);
    put.run(owner, key, value);
  };
  return {
    get,
    set: (owner, key, value) => inTransaction(use().database, () => set(owner, key, value)),
    delete: (owner, key) => void use().drop.run(owner, key),
    keys: (owner, after, most) => (use().list.all(owner, after ?? "", most) as { key: string }[]).map(({ key }) => key),
    increment(owner, key, by) {
      let sum = 0;
      inTransaction(use().database, () => {
        const found = get(owner, key);
        const text = found ? new TextDecoder().decode(found) : "0";
        if (!/^-?\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text) + by))
          throw new SymphonyError("step/input", `Cannot add to ${JSON.stringify(key)}: what stands there is no whole number, or the sum would be too large`);
        sum = Number(text) + by;
        set(owner, key, new TextEncoder().encode(String(sum)));
      });
      return sum;
    },
    close: () => opened?.database.close(),
  };
}
