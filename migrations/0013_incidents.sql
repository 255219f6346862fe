-- Incidents: what went wrong as people speak of it, the alerts in it, and what was done.

CREATE TABLE incident (
  id TEXT PRIMARY KEY,              -- inc_…, derived from what opened it
  key TEXT NOT NULL,                -- what its alerts share
  title TEXT NOT NULL,
  severity TEXT NOT NULL,           -- info | warning | critical
  owner TEXT NOT NULL,
  state TEXT NOT NULL,              -- open | resolved
  opened_at INTEGER NOT NULL,       -- Unix ms
  resolved_at INTEGER,              -- Unix ms: when its last alert ended, or when a person said so
  verdict TEXT,                     -- true_alarm | false_alarm | expected, once a person said
  version INTEGER NOT NULL          -- grows by one with every change
) WITHOUT ROWID;
-- At most one is open for a key, whoever opens it.
CREATE UNIQUE INDEX incident_open ON incident (key) WHERE state = 'open';
CREATE INDEX incident_key ON incident (key, resolved_at);
CREATE INDEX incident_opened ON incident (opened_at);

-- One row per episode of an alert; an episode is in one incident at most.
CREATE TABLE incident_alert (
  alert TEXT NOT NULL,
  episode INTEGER NOT NULL,         -- when it began to fire, Unix ms
  incident TEXT NOT NULL,
  rule TEXT NOT NULL,
  name TEXT NOT NULL,
  severity TEXT NOT NULL,
  ended_at INTEGER,                 -- Unix ms
  ended_by TEXT,                    -- who resolved it, if a person did
  PRIMARY KEY (alert, episode)
) WITHOUT ROWID;
CREATE INDEX incident_alert_of ON incident_alert (incident);

-- What was done; rows are only added. What alerts and messages did is read from their own rows.
CREATE TABLE incident_entry (
  incident TEXT NOT NULL,
  at INTEGER NOT NULL,              -- Unix ms
  kind TEXT NOT NULL,               -- acknowledged | escalated | withheld | reopened | detected | resolved | note | owner | severity | status_update | verdict
  alert TEXT NOT NULL,              -- which alert it was done about; empty for the incident
  seq INTEGER NOT NULL,             -- version of what changed: tells apart what happens in one millisecond
  actor TEXT NOT NULL,              -- who; empty for Parapet
  text TEXT NOT NULL,
  PRIMARY KEY (incident, at, kind, alert, seq)
) WITHOUT ROWID;

-- The messages of an alert's episode.
CREATE INDEX outbox_alert ON outbox (alert, created_at);
