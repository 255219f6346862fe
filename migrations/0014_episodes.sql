-- One row per episode of an alert, for reports: what it became is known long after its alert fired again.

CREATE TABLE episode (
  alert TEXT NOT NULL,
  fired_at INTEGER NOT NULL,        -- Unix ms
  rule TEXT NOT NULL,
  name TEXT NOT NULL,
  severity TEXT NOT NULL,
  told_at INTEGER,                  -- Unix ms: when people were first told; NULL while it is kept quiet
  acknowledged_at INTEGER,          -- Unix ms: when somebody first had it, or resolved it
  ended_at INTEGER,                 -- Unix ms
  verdict TEXT,                     -- true_alarm | false_alarm | expected, of the alert itself
  PRIMARY KEY (alert, fired_at)
) WITHOUT ROWID;
CREATE INDEX episode_fired ON episode (fired_at);
