-- Closed messages by age: what the last day's audit and the retention look for, without reading the whole outbox.

CREATE INDEX outbox_closed ON outbox (closed_at) WHERE closed_at IS NOT NULL;
