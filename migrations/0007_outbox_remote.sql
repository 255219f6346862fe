-- What the peer calls what it made of a message, where a later one must name it (a status page's incident); empty once that is over.

ALTER TABLE outbox ADD COLUMN remote TEXT;
CREATE INDEX outbox_remote ON outbox (alert, channel, seq) WHERE remote IS NOT NULL;
