-- Times are Unix milliseconds; deadlines and lease_clock are milliseconds of the board's lease clock.
-- Lists and maps are JSON; nothing is ever searched inside one.

CREATE TABLE board (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    generation TEXT NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 0),
    presence INTEGER NOT NULL CHECK (presence >= 0),
    event_seq INTEGER NOT NULL CHECK (event_seq >= 0),
    mode TEXT NOT NULL,
    profile TEXT NOT NULL,
    journal TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    lease_clock INTEGER NOT NULL,
    draft INTEGER NOT NULL CHECK (draft >= 0),
    open INTEGER NOT NULL CHECK (open >= 0),
    active INTEGER NOT NULL CHECK (active >= 0),
    waiting INTEGER NOT NULL CHECK (waiting >= 0),
    review INTEGER NOT NULL CHECK (review >= 0),
    done INTEGER NOT NULL CHECK (done >= 0),
    failed INTEGER NOT NULL CHECK (failed >= 0),
    cancelled INTEGER NOT NULL CHECK (cancelled >= 0),
    offered INTEGER NOT NULL CHECK (offered >= 0),
    unready INTEGER NOT NULL CHECK (unready >= 0)
) STRICT;

CREATE TABLE hosts (
    host TEXT PRIMARY KEY,
    boot TEXT NOT NULL,
    boot_clock INTEGER NOT NULL,
    lease_clock INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE agents (
    id TEXT PRIMARY KEY,
    thread_key TEXT NOT NULL UNIQUE,
    roles TEXT NOT NULL,
    specialties TEXT NOT NULL,
    labels TEXT NOT NULL,
    max_tasks INTEGER CHECK (max_tasks > 0),
    ttl_seconds INTEGER CHECK (ttl_seconds BETWEEN 1 AND 86400),
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    agent TEXT NOT NULL REFERENCES agents (id),
    host TEXT NOT NULL,
    window TEXT NOT NULL,
    epoch INTEGER NOT NULL CHECK (epoch > 0),
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ended_at INTEGER,
    ending TEXT,
    workspace TEXT NOT NULL,
    confirmed INTEGER NOT NULL CHECK (confirmed IN (0, 1)),
    CHECK ((ended_at IS NULL) = (ending IS NULL)),
    UNIQUE (agent, host, window, epoch)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX live_windows ON sessions (agent, host, window) WHERE ended_at IS NULL;
CREATE INDEX live_sessions ON sessions (seen_at) WHERE ended_at IS NULL;
CREATE INDEX ended_sessions ON sessions (seen_at) WHERE ended_at IS NOT NULL;

CREATE TABLE tasks (
    key INTEGER PRIMARY KEY,
    module TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'open', 'active', 'waiting', 'review', 'done', 'failed', 'cancelled')),
    wait_for TEXT,
    wait_since INTEGER,
    wait_reason TEXT,
    priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 4),
    specialty TEXT,
    review TEXT,
    reviewer TEXT,
    owned_paths TEXT NOT NULL,
    candidates TEXT NOT NULL,
    labels TEXT NOT NULL,
    estimate_minutes INTEGER,
    parent TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    revision INTEGER NOT NULL CHECK (revision > 0),
    epoch INTEGER NOT NULL CHECK (epoch >= 0),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    losses INTEGER NOT NULL CHECK (losses >= 0),
    unmet INTEGER NOT NULL CHECK (unmet >= 0),
    held_up INTEGER NOT NULL CHECK (held_up >= 0),
    critical_path INTEGER NOT NULL CHECK (critical_path >= 0),
    offered INTEGER NOT NULL CHECK (offered IN (0, 1)),
    score INTEGER NOT NULL,
    reserved_for TEXT,
    reserved_until INTEGER,
    reserved_why TEXT,
    last_agent TEXT,
    CHECK ((state = 'waiting') = (wait_for IS NOT NULL)),
    CHECK (offered = 0 OR (state = 'open' AND unmet = 0) OR state = 'active'),
    CHECK ((reserved_for IS NULL) = (reserved_until IS NULL))
) STRICT;
CREATE INDEX offers ON tasks (score DESC, key) WHERE offered = 1;
CREATE INDEX offers_by_specialty ON tasks (specialty, score DESC, key) WHERE offered = 1;
CREATE INDEX ready ON tasks (key) WHERE state = 'open' AND unmet = 0;
CREATE INDEX tasks_by_state ON tasks (state);
CREATE INDEX tasks_by_specialty ON tasks (specialty) WHERE specialty IS NOT NULL;
CREATE INDEX tasks_by_specialty_and_state ON tasks (specialty, state) WHERE specialty IS NOT NULL;
CREATE INDEX reserved ON tasks (reserved_for) WHERE reserved_for IS NOT NULL;
CREATE INDEX finished ON tasks (changed_at) WHERE state IN ('done', 'failed', 'cancelled');
CREATE INDEX stranding ON tasks (key) WHERE state IN ('failed', 'cancelled') AND held_up > 0;

CREATE TABLE task_texts (
    task INTEGER PRIMARY KEY REFERENCES tasks (key),
    body TEXT NOT NULL,
    acceptance TEXT NOT NULL
) STRICT;

CREATE TABLE task_labels (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    task INTEGER NOT NULL REFERENCES tasks (key),
    PRIMARY KEY (name, value, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE dependencies (
    task INTEGER NOT NULL REFERENCES tasks (key),
    needs INTEGER NOT NULL REFERENCES tasks (key),
    PRIMARY KEY (task, needs),
    CHECK (task <> needs)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependents ON dependencies (needs, task);

CREATE TABLE attempts (
    key INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES tasks (key),
    number INTEGER NOT NULL CHECK (number > 0),
    agent TEXT NOT NULL,
    session TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT,
    summary TEXT,
    changed_paths TEXT NOT NULL,
    workspace TEXT NOT NULL,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    UNIQUE (task, number)
) STRICT;

-- The primary key is the first invariant: at most one lease of each kind per task.
CREATE TABLE leases (
    task INTEGER NOT NULL REFERENCES tasks (key),
    kind TEXT NOT NULL CHECK (kind IN ('work', 'review')),
    module TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempts (key),
    agent TEXT NOT NULL REFERENCES agents (id),
    session TEXT NOT NULL REFERENCES sessions (id),
    epoch INTEGER NOT NULL CHECK (epoch > 0),
    token TEXT NOT NULL UNIQUE,
    ttl INTEGER NOT NULL CHECK (ttl BETWEEN 1 AND 86400),
    acquired_at INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    lapsed INTEGER NOT NULL CHECK (lapsed IN (0, 1)),
    PRIMARY KEY (task, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX deadlines ON leases (deadline) WHERE lapsed = 0;
CREATE INDEX leases_by_session ON leases (session);
CREATE INDEX leases_by_agent ON leases (agent);

CREATE TABLE verdicts (
    key INTEGER PRIMARY KEY,
    task INTEGER NOT NULL REFERENCES tasks (key),
    attempt INTEGER NOT NULL,
    reviewer TEXT NOT NULL,
    verdict TEXT NOT NULL,
    notes TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX verdicts_by_task ON verdicts (task);

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    module TEXT,
    actor TEXT,
    session TEXT,
    board_revision INTEGER NOT NULL,
    audience TEXT,
    priority INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_module ON events (module) WHERE module IS NOT NULL;

CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    reply TEXT NOT NULL,
    revision INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX requests_by_time ON requests (at);
