-- Silences, and what was not told because of them, of a maintenance window or of another alert.

CREATE TABLE silence (
  id TEXT PRIMARY KEY,              -- sil_…
  matchers TEXT NOT NULL,           -- JSON, as the Alertmanager API has them
  reason TEXT NOT NULL,             -- why, in the author's words
  author TEXT NOT NULL,             -- who answers for it, as given
  created_by TEXT NOT NULL,         -- the principal that made it
  created_at INTEGER NOT NULL,      -- Unix ms
  starts_at INTEGER NOT NULL,       -- first moment, Unix ms
  ends_at INTEGER NOT NULL,         -- first moment after, Unix ms; moved up when it is ended early
  updated_at INTEGER NOT NULL       -- Unix ms
) WITHOUT ROWID;
CREATE INDEX silence_end ON silence (ends_at);

-- One row per episode of an alert and thing that withheld it: what people would have been told.
CREATE TABLE withheld (
  suppressor TEXT NOT NULL,         -- the silence, maintenance window or inhibition
  alert TEXT NOT NULL,
  episode INTEGER NOT NULL,         -- when it began to fire, Unix ms
  kind TEXT NOT NULL,               -- silence | maintenance | inhibition
  rule TEXT NOT NULL,
  at INTEGER NOT NULL,              -- when it was first withheld, Unix ms
  PRIMARY KEY (suppressor, alert, episode)
) WITHOUT ROWID;
CREATE INDEX withheld_at ON withheld (at);
