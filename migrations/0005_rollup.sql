-- Which hours and days must be rolled up again: marked whenever a finer row of theirs is written.
-- `marks` counts the writes, so a roll-up that was overtaken leaves its row behind and runs again.

CREATE TABLE dirty (
  level TEXT NOT NULL,              -- hour | day
  t INTEGER NOT NULL,               -- start of the hour or day, Unix ms
  marks INTEGER NOT NULL,
  PRIMARY KEY (level, t)
) WITHOUT ROWID;
