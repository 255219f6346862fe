-- Links of e-mails that were used: each acts once.

CREATE TABLE used_link (
  hash TEXT PRIMARY KEY,            -- SHA-256 of the link's token
  used_by TEXT NOT NULL,               -- whose link it was
  used_at INTEGER NOT NULL,         -- Unix ms
  expires_at INTEGER NOT NULL       -- Unix ms: when the token is refused anyway
) WITHOUT ROWID;
CREATE INDEX used_link_end ON used_link (expires_at);
