-- Alerts that others push through Alertmanager's API.

CREATE TABLE pushed_alert (
  id TEXT PRIMARY KEY,              -- alr_…, derived from the labels: the id of its alert, too
  labels TEXT NOT NULL,             -- JSON, as pushed
  annotations TEXT NOT NULL,        -- JSON, as pushed
  starts_at INTEGER NOT NULL,       -- Unix ms
  ends_at INTEGER NOT NULL,         -- Unix ms; it fires before
  times_out INTEGER NOT NULL,       -- 1 when the end is ours, for want of one that was said
  generator_url TEXT NOT NULL,      -- where it comes from; may be empty
  updated_at INTEGER NOT NULL       -- Unix ms: the last push
) WITHOUT ROWID;
CREATE INDEX pushed_alert_end ON pushed_alert (ends_at);
