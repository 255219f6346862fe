-- What came into force when, as pipelines tell it and as Parapet sees of itself.

CREATE TABLE deploy (
  service TEXT NOT NULL,            -- what was deployed; may be empty: the site
  version TEXT NOT NULL,
  at INTEGER NOT NULL,              -- Unix ms: when it came into force
  url TEXT NOT NULL,                -- where to read about it; may be empty
  author TEXT NOT NULL,             -- whose token told of it
  PRIMARY KEY (service, version)
) WITHOUT ROWID;
CREATE INDEX deploy_time ON deploy (at);
