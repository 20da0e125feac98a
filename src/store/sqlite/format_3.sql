-- Coming aboard: what was confirmed where, what the team said of itself, and whether this file is a copy.

-- True once there was a preflight, so that a board without one is asked nothing more.
ALTER TABLE board ADD COLUMN preflighted INTEGER NOT NULL DEFAULT 0 CHECK (preflighted IN (0, 1));
-- Set in a backup, and nowhere else: a copy is no board until it was restored.
ALTER TABLE board ADD COLUMN copied_at INTEGER;

CREATE TABLE preflight (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    said TEXT NOT NULL
) STRICT;

CREATE TABLE confirmations (
    host TEXT NOT NULL,
    workspace TEXT NOT NULL,
    branch TEXT,
    head TEXT,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (host, workspace)
) STRICT, WITHOUT ROWID;
CREATE INDEX newest_confirmations ON confirmations (at);
