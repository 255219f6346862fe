-- API tokens: only the hash is kept, so a copy of the database opens nothing.

CREATE TABLE token (
  id TEXT PRIMARY KEY,              -- tok_…
  hash TEXT NOT NULL UNIQUE,        -- SHA-256 of the whole token, hex
  name TEXT NOT NULL,               -- what it is for, in its maker's words
  role TEXT NOT NULL,               -- viewer | operator | security | admin | ingest
  created_by TEXT NOT NULL,
  created_at INTEGER NOT NULL,      -- Unix ms
  expires_at INTEGER NOT NULL,      -- Unix ms
  revoked_at INTEGER                -- Unix ms; NULL while it may be used
) WITHOUT ROWID;
