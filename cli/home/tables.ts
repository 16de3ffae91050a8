// The tables of the history, as SQLite makes them and as its users read them.

/** Shown to who writes queries. */
export const TABLES = `CREATE TABLE run (
  run TEXT PRIMARY KEY,
  melody TEXT NOT NULL,
  state TEXT NOT NULL,      -- running and paused also stand for interrupted
  began INTEGER NOT NULL,   -- milliseconds since 1970
  ms INTEGER NOT NULL,      -- from its beginning to its last event
  completed INTEGER NOT NULL, failed INTEGER NOT NULL, skipped INTEGER NOT NULL,  -- nodes
  code TEXT, error TEXT,
  part INTEGER NOT NULL,    -- 1: not all nodes were asked for
  stamp TEXT NOT NULL       -- of its files, when they were read
);
CREATE TABLE node (
  run TEXT NOT NULL REFERENCES run(run) ON DELETE CASCADE,
  node TEXT NOT NULL,       -- its path: each/3/split
  state TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  began INTEGER NOT NULL, ms REAL NOT NULL,
  items INTEGER NOT NULL,   -- of a map
  ran INTEGER NOT NULL,     -- 0: its outputs were kept, or pinned
  code TEXT, error TEXT,
  PRIMARY KEY (run, node)
) WITHOUT ROWID;
CREATE INDEX run_by_melody ON run (melody, began);
CREATE INDEX node_by_name ON node (node, state);`;
