-- Alerts that are told of together, and the messages that tell of them.

-- One row per group and channel: who was told what of which alerts. A change is a compare-and-swap on `version`.
CREATE TABLE alert_group (
  id TEXT PRIMARY KEY,              -- grp_…: route, labels and channel
  version INTEGER NOT NULL,         -- grows by one with every change
  digest TEXT NOT NULL,             -- hash of `body`: whose write this is
  idle_since INTEGER,               -- Unix ms; null while it has alerts
  body TEXT NOT NULL                -- the state, JSON
) WITHOUT ROWID;
CREATE INDEX alert_group_idle ON alert_group (idle_since) WHERE idle_since IS NOT NULL;

-- Of a message about a group: its alerts, a JSON array of ids. `alert` is the group then.
ALTER TABLE outbox ADD COLUMN members TEXT;
CREATE INDEX outbox_groups ON outbox (channel, created_at) WHERE members IS NOT NULL AND state IN ('due', 'leased');
-- The messages about the alerts of an incident.
CREATE INDEX outbox_members ON outbox (created_at) WHERE members IS NOT NULL;
