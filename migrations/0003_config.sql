-- Versions of the configuration, and which one was made active when.
-- Both tables only grow: a roll-back is a new activation of an older version. Version 0 is what the build embeds; it has
-- no row in config_version.

CREATE TABLE config_version (
  version INTEGER PRIMARY KEY,      -- 1, 2, 3, …
  json TEXT NOT NULL,               -- the compact JSON of the whole configuration
  hash TEXT NOT NULL,               -- SHA-256 of json, hex
  author TEXT NOT NULL,             -- the principal that applied it
  at INTEGER NOT NULL,              -- Unix ms
  note TEXT NOT NULL                -- why, in the author's words; may be empty
);

CREATE TABLE config_activation (
  id INTEGER PRIMARY KEY,           -- the last one is in force
  version INTEGER NOT NULL,
  author TEXT NOT NULL,
  at INTEGER NOT NULL               -- Unix ms
);
