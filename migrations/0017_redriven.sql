-- Dead letters that were given another day, the delivery log by age, and every message of an alert and channel in order.

ALTER TABLE outbox ADD COLUMN redriven_at INTEGER; -- Unix ms; the time after which it is given up counts from here
CREATE INDEX outbox_created ON outbox (created_at);
CREATE INDEX outbox_pair ON outbox (alert, channel, seq);
