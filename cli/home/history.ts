// The history of a home: its runs and their nodes in SQLite, for lists, queries and expected times. An index only: what it says is in
// the journals, and it is made anew from them.
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { type KeptRun, type Past } from "../../pit/mod.ts";
import { type ProcessPlatform, SymphonyError } from "../../runtime/mod.ts";
import { inTransaction, isDamage, openDatabase, putAside } from "./database.ts";
import { readRun } from "./kept-run.ts";
import { TABLES } from "./tables.ts";
import { listRunFolders, type RunFolder } from "./run-store.ts";

const VERSION = 1;

export interface RunSummary {
  run: string;
  melody: string;
  /** As the journal says it: one that is running may be interrupted. */
  state: string;
  /** Milliseconds since 1970. */
  began: number;
  ms: number;
  nodes: { completed: number; failed: number; skipped: number };
  error?: string;
}

export interface Filter {
  melody?: string;
  state?: string;
  /** Begun at this time or later, in milliseconds since 1970. */
  since?: number;
  /** The last so many. */
  limit?: number;
}

/** What a node took before, in milliseconds. */
export interface NodeTime {
  /** Of an item, where it is a map. */
  ms: number;
  /** Of all items. */
  wholeMs: number;
  runs: number;
}

export interface History {
  /** Reads what has changed since; how many runs that were. */
  refresh(): Promise<number>;
  /** Reads one run that has just ended; a large one waits for the next refresh. */
  add(folder: RunFolder): Promise<void>;
  /** By their begin, the oldest first. */
  runs(filter: Filter): RunSummary[];
  /** Means of the last runs, by top-level node. */
  times(melody: string): Map<string, NodeTime>;
  /** One statement that only reads. Throws `cli/usage` with SQLite's words. */
  query(sql: string): Record<string, unknown>[];
  [Symbol.dispose](): void;
}

/** Of a run that is added while somebody waits for the command to end. */
const ADDED_BYTES_MAX = 4 * 1024 * 1024;
/** Runs whose times count. */
const RUNS_MEASURED = 20;

export function openHistory(home: string, platform: ProcessPlatform): History {
  const path = join(home, "history.sqlite");
  const open = (): DatabaseSync => {
    const made = openDatabase(path, VERSION, TABLES);
    made.exec("PRAGMA foreign_keys = ON");
    return made;
  };
  let database = open();

  /** An index that is damaged is made anew, all of it, and asked again. */
  async function healing<T>(work: () => T | Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      if (isDamage(cause)) {
        database.close();
        putAside(path);
        database = open();
        return work();
      }
      if (/locked|busy/i.test((cause as Error).message)) throw new SymphonyError("cli/io", `Cannot use ${JSON.stringify(path)}: another process holds it; try again`, { cause });
      throw cause;
    }
  }

  const read = async (folder: RunFolder, stamp: string): Promise<void> => {
    const kept = await readRun({ platform }, folder).catch((cause: Error) => cause);
    if (kept instanceof Error) putUnreadable(database, folder.id, kept, stamp);
    else put(database, kept, stamp);
  };

  async function refresh(): Promise<number> {
    const known = new Map((database.prepare("SELECT run, stamp FROM run").all() as { run: string; stamp: string }[]).map(({ run, stamp }) => [run, stamp]));
    let changed = 0;
    for (const folder of listRunFolders(home)) {
      const stamp = stampOf(folder);
      const isKnown = known.get(folder.id) === stamp;
      known.delete(folder.id);
      if (isKnown) continue;
      changed++;
      // one after the other: a journal may be large
      await read(folder, stamp);
    }
    for (const run of known.keys()) clear(database, run);
    return changed;
  }

  return {
    async add(folder) {
      const bytes = readdirSync(folder.folder).reduce((sum, name) => sum + (statSync(join(folder.folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
      if (bytes <= ADDED_BYTES_MAX) await healing(() => read(folder, stampOf(folder)));
    },
    refresh: () => healing(refresh),
    runs({ melody, state, since, limit }) {
      const conditions: string[] = [];
      const given: SQLInputValue[] = [];
      const where = (condition: string, value: SQLInputValue | undefined): void => {
        if (value === undefined) return;
        conditions.push(condition);
        given.push(value);
      };
      where("melody = ?", melody);
      where("began >= ?", since);
      if (state !== undefined) where(state === "interrupted" ? "state IN ('running', 'paused', 'pending', ?)" : "state = ?", state);
      const sql = `SELECT * FROM run ${conditions.length > 0 ? `WHERE ${conditions.join(" AND ")}` : ""} ORDER BY began DESC, run LIMIT ?`;
      const rows = database.prepare(sql).all(...given, limit ?? -1) as unknown as (Omit<RunSummary, "nodes"> & RunSummary["nodes"])[];
      return rows.reverse().map(({ run, melody: of, state: stands, began, ms, completed, failed, skipped, error }) => ({
        run,
        melody: of,
        state: stands,
        began,
        ms,
        nodes: { completed, failed, skipped },
        ...(error ? { error } : {}),
      }));
    },
    times(melody) {
      const rows = database
        .prepare(
          `SELECT node, avg(ms / max(items, 1)) AS ms, avg(ms) AS wholeMs, count(*) AS runs FROM node
           WHERE run IN (SELECT run FROM run WHERE melody = ? ORDER BY began DESC LIMIT ?) AND state = 'completed' AND ran = 1 AND instr(node, '/') = 0 GROUP BY node`,
        )
        .all(melody, RUNS_MEASURED) as unknown as ({ node: string } & NodeTime)[];
      return new Map(rows.map(({ node, ms, wholeMs, runs }) => [node, { ms, wholeMs, runs }]));
    },
    query(sql) {
      const fail = (why: string, cause?: unknown): SymphonyError =>
        new SymphonyError("cli/usage", `Cannot query the history: ${why}; \`symphony help history\` shows its tables`, { cause });
      if (!/^(\s|\(|--[^\n]*\n|\/\*[\s\S]*?\*\/)*(select|with|values|explain)\b/i.test(sql)) throw fail("a query begins with SELECT or WITH");
      // what stands in quotes and comments aside
      if (/;\s*\S/.test(sql.replace(/'[^']*'|"[^"]*"|\[[^\]]*\]|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\//g, ""))) throw fail("it is more than one statement");
      const reader = new DatabaseSync(path, { readOnly: true });
      try {
        return reader.prepare(sql).all() as Record<string, unknown>[];
      } catch (cause) {
        throw fail((cause as Error).message, cause);
      } finally {
        reader.close();
      }
    },
    [Symbol.dispose]: () => database.close(),
  };
}

/** Changes whenever one of a run's files does. */
function stampOf({ folder }: RunFolder): string {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const found = statSync(join(folder, name), { throwIfNoEntry: false });
      return `${name} ${found?.size} ${found?.mtimeMs}`;
    })
    .join(", ");
}

/** As its journal says it. */
export function summaryOf(run: string, { state, started, ended, last, nodes }: Past): RunSummary {
  const counts = { completed: 0, failed: 0, skipped: 0 };
  for (const { state: stands } of nodes.values()) if (stands === "completed" || stands === "failed" || stands === "skipped") counts[stands]++;
  const began = started?.at ?? 0;
  return {
    run,
    melody: started?.melody ?? "",
    state: state === "pending" ? "running" : state,
    began,
    ms: Math.max(0, last - began),
    nodes: counts,
    ...(ended?.message ? { error: ended.message } : {}),
  };
}

function put(database: DatabaseSync, { run, past }: KeptRun, stamp: string): void {
  const { melody, state, began, ms, nodes, error } = summaryOf(run, past);
  inTransaction(database, () => {
    clear(database, run);
    database
      .prepare("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(run, melody, state, began, ms, nodes.completed, nodes.failed, nodes.skipped, past.ended?.code ?? null, error ?? null, past.started?.part ? 1 : 0, stamp);
    const add = database.prepare("INSERT INTO node VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    for (const [node, { state: stands, attempt, began: at, ms: took, items, why, error: fault }] of past.nodes) {
      const failed = stands === "failed" ? fault : undefined;
      const ran = stands !== "skipped" && stands !== "pending" && why?.does !== "memory" && why?.does !== "pinned";
      add.run(run, node, stands, attempt, at, took, items, ran ? 1 : 0, failed ? (failed.detail ?? failed.code) : null, failed?.message ?? null);
    }
  });
}

function clear(database: DatabaseSync, run: string): void {
  database.prepare("DELETE FROM node WHERE run = ?").run(run);
  database.prepare("DELETE FROM run WHERE run = ?").run(run);
}

/** Whatever is wrong with one, the others are still told. */
function putUnreadable(database: DatabaseSync, run: string, { message }: Error, stamp: string): void {
  inTransaction(database, () => {
    clear(database, run);
    database.prepare("INSERT INTO run VALUES (?, '', 'unreadable', 0, 0, 0, 0, 0, NULL, ?, 0, ?)").run(run, message, stamp);
  });
}
