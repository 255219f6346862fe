-- Series and their values per minute, hour and day.
-- One row per (t, series, shard): each Collector shard overwrites its own rows, so writing twice changes nothing.
-- No secondary index on the value tables: each would double the rows written, which is what D1 bills.

CREATE TABLE series (
  id INTEGER PRIMARY KEY,           -- 53-bit hash of kind and canonical text
  kind TEXT NOT NULL,               -- counter | gauge | distribution
  name TEXT NOT NULL,
  labels TEXT NOT NULL              -- JSON [["name","value"],…], sorted by name
);
CREATE INDEX series_name ON series (name);

CREATE TABLE minute (
  t INTEGER NOT NULL,               -- start of the minute, Unix ms
  series INTEGER NOT NULL,
  shard INTEGER NOT NULL,           -- Collector shard that owns the row
  value REAL NOT NULL,              -- counter: increase; gauge: last; distribution: sum
  at INTEGER,                       -- gauge: when `value` was seen, Unix ms
  low REAL,                         -- gauge, distribution: lowest value
  high REAL,                        -- gauge, distribution: highest value
  sketch BLOB,                      -- distribution: encoded sketch (its count included)
  PRIMARY KEY (t, series, shard)
) WITHOUT ROWID;

CREATE TABLE hour (
  t INTEGER NOT NULL, series INTEGER NOT NULL, shard INTEGER NOT NULL,
  value REAL NOT NULL, at INTEGER, low REAL, high REAL, sketch BLOB,
  PRIMARY KEY (t, series, shard)
) WITHOUT ROWID;

CREATE TABLE day (
  t INTEGER NOT NULL, series INTEGER NOT NULL, shard INTEGER NOT NULL,
  value REAL NOT NULL, at INTEGER, low REAL, high REAL, sketch BLOB,
  PRIMARY KEY (t, series, shard)
) WITHOUT ROWID;
