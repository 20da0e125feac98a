-- Work that was submitted, as git said there; NULL for attempts that did not end by it, or ended before this format.
ALTER TABLE attempts ADD COLUMN submitted TEXT;
-- Rows that are written anew have every column: what reads pages without their table knows them by that.
UPDATE attempts SET submitted = NULL;
-- Whose paths were held meanwhile is asked when work is submitted.
CREATE INDEX attempts_by_end ON attempts (ended_at);

-- A notification is a row of its own, so that its event may go to an archive while it is unresolved.
ALTER TABLE notifications ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notifications ADD COLUMN source TEXT NOT NULL DEFAULT 'mutation';
ALTER TABLE notifications ADD COLUMN actor TEXT;
ALTER TABLE notifications ADD COLUMN session TEXT;
ALTER TABLE notifications ADD COLUMN board_revision INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notifications ADD COLUMN priority INTEGER NOT NULL DEFAULT 2;
ALTER TABLE notifications ADD COLUMN data TEXT NOT NULL DEFAULT '{}';
UPDATE notifications SET (at, source, actor, session, board_revision, priority, data) =
    (SELECT e.at, e.source, e.actor, e.session, e.board_revision, e.priority, e.data FROM events e WHERE e.seq = notifications.seq)
    WHERE seq IN (SELECT seq FROM events);

-- The session before one in the same window.
CREATE INDEX sessions_by_window ON sessions (agent, host, window, epoch);

-- Pages show what is most urgent first, however much is open.
CREATE INDEX open_by_priority ON notifications (priority, seq) WHERE resolved_at IS NULL;
