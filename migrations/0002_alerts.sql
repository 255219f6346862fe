-- What alerting remembers: where each alert stands, the messages it owes, and what became of every attempt.

-- One row per alert (rule and instance labels). A change is a compare-and-swap on `version`.
CREATE TABLE alerts (
  id TEXT PRIMARY KEY,              -- alr_…
  rule TEXT NOT NULL,
  phase TEXT NOT NULL,              -- inactive | pending | firing | resolved
  version INTEGER NOT NULL,         -- grows by one with every change
  digest TEXT NOT NULL,             -- hash of `body`: whose write this is
  body TEXT NOT NULL                -- the state, JSON
) WITHOUT ROWID;
CREATE INDEX alerts_open ON alerts (phase) WHERE phase IN ('pending', 'firing');

-- The newest tick that was applied; one row.
CREATE TABLE tick (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  at INTEGER NOT NULL,              -- its `now`, Unix ms
  report TEXT NOT NULL              -- what it found, JSON
);

-- One row per message: one notification to one channel. Only `delivered` and `dead` close it.
CREATE TABLE outbox (
  id TEXT PRIMARY KEY,              -- msg_…, derived from what it says to whom: the idempotency key
  alert TEXT NOT NULL,
  seq INTEGER NOT NULL,             -- order of the messages of one alert to one channel
  channel TEXT NOT NULL,
  reason TEXT NOT NULL,             -- first | resolved | rule_removed | test
  state TEXT NOT NULL,              -- due | leased | delivered | dead
  notification TEXT NOT NULL,       -- what is said, JSON
  created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,          -- due: not before; leased: when the lease ends
  attempts INTEGER NOT NULL,
  closed_at INTEGER,
  detail TEXT                       -- why it stands where it stands; no secrets
) WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (due_at) WHERE state IN ('due', 'leased');
CREATE INDEX outbox_order ON outbox (alert, channel, seq) WHERE state IN ('due', 'leased');

-- One row per attempt, written when it begins, completed when its answer is known.
CREATE TABLE attempts (
  message TEXT NOT NULL,
  attempt INTEGER NOT NULL,         -- 1, 2, …
  at INTEGER NOT NULL,
  outcome TEXT NOT NULL,            -- unknown | delivered | retry | dead
  status INTEGER,                   -- the peer's, if it answered
  detail TEXT,                      -- no secrets
  PRIMARY KEY (message, attempt)
) WITHOUT ROWID;

-- How each channel fares: what the alert about a dead channel is evaluated on.
CREATE TABLE channels (
  id TEXT PRIMARY KEY,
  delivered_at INTEGER,             -- newest delivery
  failing_since INTEGER,            -- first failure since then
  dead_at INTEGER,                  -- newest message given up
  detail TEXT                       -- what the peer said last; no secrets
) WITHOUT ROWID;
