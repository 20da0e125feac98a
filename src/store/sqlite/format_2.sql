-- Signals: notifications, cursors, questions, handoffs, archives of events.

ALTER TABLE board ADD COLUMN pruned_through INTEGER NOT NULL DEFAULT 0 CHECK (pruned_through >= 0);
ALTER TABLE board ADD COLUMN keep_rows INTEGER CHECK (keep_rows > 0);
ALTER TABLE board ADD COLUMN keep_days INTEGER CHECK (keep_days > 0);
-- The event that told people that nothing moves, while nothing does.
ALTER TABLE board ADD COLUMN stalled_by INTEGER CHECK (stalled_by > 0);
-- Counts, so that what nobody uses costs nothing.
ALTER TABLE board ADD COLUMN open_notifications INTEGER NOT NULL DEFAULT 0 CHECK (open_notifications >= 0);
ALTER TABLE board ADD COLUMN open_questions INTEGER NOT NULL DEFAULT 0 CHECK (open_questions >= 0);
ALTER TABLE board ADD COLUMN live_handoffs INTEGER NOT NULL DEFAULT 0 CHECK (live_handoffs >= 0);
ALTER TABLE board ADD COLUMN questions_asked INTEGER NOT NULL DEFAULT 0 CHECK (questions_asked >= open_questions);
ALTER TABLE board ADD COLUMN handoffs_left INTEGER NOT NULL DEFAULT 0 CHECK (handoffs_left >= live_handoffs);

-- True once its holder agreed that somebody else takes it over.
ALTER TABLE leases ADD COLUMN handed INTEGER NOT NULL DEFAULT 0 CHECK (handed IN (0, 1));

CREATE INDEX reservation_ends ON tasks (reserved_until) WHERE reserved_for IS NOT NULL;
CREATE INDEX events_by_source ON events (source) WHERE source <> 'mutation';

-- An event is never changed; whether it still calls anybody is kept here.
CREATE TABLE notifications (
    seq INTEGER PRIMARY KEY,
    audience TEXT NOT NULL,
    kind TEXT NOT NULL,
    module TEXT,
    resolved_at INTEGER,
    resolved_by INTEGER,
    resolution TEXT,
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
) STRICT;
CREATE INDEX notifications_by_audience ON notifications (audience, seq);
CREATE INDEX open_notifications ON notifications (seq) WHERE resolved_at IS NULL;
CREATE INDEX open_by_audience ON notifications (audience, seq) WHERE resolved_at IS NULL;
CREATE INDEX open_by_module ON notifications (module, seq) WHERE resolved_at IS NULL AND module IS NOT NULL;
INSERT INTO notifications (seq, audience, kind, module, resolved_at, resolution)
    SELECT seq, audience, kind, module, at, 'expired' FROM events WHERE audience IS NOT NULL;

CREATE TABLE cursors (
    id TEXT PRIMARY KEY,
    stream TEXT NOT NULL,
    filter TEXT NOT NULL,
    generation TEXT NOT NULL,
    delivered INTEGER NOT NULL CHECK (delivered >= acknowledged),
    acknowledged INTEGER NOT NULL CHECK (acknowledged >= 0),
    moved_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE archives (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL CHECK (last >= first),
    name TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL CHECK (bytes > 0),
    at INTEGER NOT NULL
) STRICT;

CREATE TABLE questions (
    key INTEGER PRIMARY KEY,
    task INTEGER REFERENCES tasks (key),
    module TEXT,
    asked_by TEXT NOT NULL,
    asker TEXT,
    audience TEXT NOT NULL,
    text TEXT NOT NULL,
    options TEXT NOT NULL,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 4),
    status TEXT NOT NULL CHECK (status IN ('open', 'answered', 'withdrawn')),
    asked_at INTEGER NOT NULL,
    event INTEGER NOT NULL,
    ended_at INTEGER,
    ended_by TEXT,
    answer TEXT,
    CHECK ((status = 'open') = (ended_at IS NULL)),
    CHECK ((status = 'answered') = (answer IS NOT NULL))
) STRICT;
CREATE INDEX open_questions ON questions (key) WHERE status = 'open';
CREATE INDEX questions_by_task ON questions (task, key) WHERE task IS NOT NULL;

CREATE TABLE handoffs (
    key INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES tasks (key),
    module TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('takeover', 'review')),
    status TEXT NOT NULL CHECK (status IN ('ready', 'claimed', 'acknowledged', 'withdrawn', 'replaced')),
    audience TEXT NOT NULL,
    left_by TEXT NOT NULL,
    agreed INTEGER NOT NULL CHECK (agreed IN (0, 1)),
    claimed_by TEXT,
    event INTEGER NOT NULL,
    left_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    bundle TEXT NOT NULL
) STRICT;
-- At most one that still waits for somebody or for a receipt.
CREATE UNIQUE INDEX live_handoffs ON handoffs (task) WHERE status IN ('ready', 'claimed');
CREATE INDEX handoffs_by_task ON handoffs (task, key);
CREATE INDEX handoffs_in_the_inbox ON handoffs (key) WHERE status IN ('ready', 'claimed');
