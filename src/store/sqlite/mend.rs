//! Making rows again what every mutation leaves: what follows from other rows is computed, what contradicts them goes.
//!
//! The order matters: rows that can be read, then rows that point somewhere, then leases and states, then what is counted
//! from them.

use rusqlite::params;

use super::open::SqliteTransaction;
use crate::domain::audit::{Finding, Mended, Rule};
use crate::domain::graph::CRITICAL_PATH_MOST;
use crate::store::contract::{Audits as _, Kept};

/// What the tables themselves would refuse; it comes first, because readers refuse some of it too.
const CHECKS: &[&str] = &[
    "UPDATE tasks SET priority = 2 WHERE priority NOT BETWEEN 0 AND 4",
    "UPDATE tasks SET wait_for = NULL, wait_since = NULL, wait_reason = NULL WHERE state <> 'waiting' AND wait_for IS NOT NULL",
    "UPDATE tasks SET wait_for = 'pause', wait_since = coalesce(wait_since, changed_at), \
     wait_reason = coalesce(wait_reason, 'nobody knows for what') WHERE state = 'waiting' AND wait_for IS NULL",
    "UPDATE tasks SET reserved_for = NULL, reserved_until = NULL, reserved_why = NULL \
     WHERE (reserved_for IS NULL) <> (reserved_until IS NULL)",
    "UPDATE tasks SET offered = 0 WHERE offered NOT IN (0, 1) OR (offered = 1 AND NOT (state = 'open' AND unmet = 0 OR state = 'active'))",
    "UPDATE tasks SET revision = min(max(revision, 1), 1 << 52), epoch = min(max(epoch, 0), 1 << 52), attempts = max(attempts, 0), \
     losses = min(max(losses, 0), 9), unmet = max(unmet, 0), held_up = max(held_up, 0), critical_path = max(critical_path, 0)",
    "DELETE FROM dependencies WHERE task = needs",
    "UPDATE attempts SET outcome = CASE WHEN ended_at IS NULL THEN NULL ELSE 'lost' END WHERE (ended_at IS NULL) <> (outcome IS NULL)",
    "UPDATE sessions SET ending = CASE WHEN ended_at IS NULL THEN NULL ELSE 'closed' END WHERE (ended_at IS NULL) <> (ending IS NULL)",
    "UPDATE leases SET ttl = 900 WHERE ttl NOT BETWEEN 1 AND 86400",
    "UPDATE questions SET priority = 2 WHERE priority NOT BETWEEN 0 AND 4",
    "UPDATE notifications SET resolution = CASE WHEN resolved_at IS NULL THEN NULL ELSE 'expired' END \
     WHERE (resolved_at IS NULL) <> (resolution IS NULL)",
    "UPDATE cursors SET acknowledged = min(max(acknowledged, 0), 1 << 52)",
    "UPDATE cursors SET delivered = min(max(delivered, acknowledged), 1 << 52)",
    "UPDATE tasks SET wait_since = coalesce(wait_since, changed_at), wait_reason = coalesce(wait_reason, '') \
     WHERE wait_for IS NOT NULL AND (wait_since IS NULL OR wait_reason IS NULL)",
    "UPDATE agents SET max_tasks = NULL WHERE max_tasks < 1",
    "UPDATE agents SET ttl_seconds = NULL WHERE ttl_seconds NOT BETWEEN 1 AND 86400",
    "DELETE FROM agents WHERE id = ''",
    "DELETE FROM sessions WHERE id = ''",
    "DELETE FROM cursors WHERE id = ''",
    "UPDATE OR REPLACE sessions SET epoch = 1 WHERE epoch < 1",
    "UPDATE sessions SET confirmed = 0 WHERE confirmed NOT IN (0, 1)",
    "DELETE FROM attempts WHERE number < 1",
    "DELETE FROM leases WHERE epoch < 1 OR kind NOT IN ('work', 'review')",
    "UPDATE leases SET lapsed = lapsed <> 0, handed = handed <> 0 WHERE lapsed NOT IN (0, 1) OR handed NOT IN (0, 1)",
    "UPDATE questions SET status = 'withdrawn' WHERE status NOT IN ('open', 'answered', 'withdrawn') \
     OR (status = 'answered' AND answer IS NULL)",
    "UPDATE questions SET answer = NULL WHERE status <> 'answered' AND answer IS NOT NULL",
    "UPDATE questions SET ended_at = NULL, ended_by = NULL WHERE status = 'open' AND ended_at IS NOT NULL",
    "UPDATE questions SET ended_at = asked_at, ended_by = 'repair' WHERE status <> 'open' AND ended_at IS NULL",
    "UPDATE handoffs SET agreed = agreed <> 0 WHERE agreed NOT IN (0, 1)",
    "UPDATE handoffs SET kind = 'takeover' WHERE kind NOT IN ('takeover', 'review')",
    "UPDATE handoffs SET status = 'withdrawn' WHERE status NOT IN ('ready', 'claimed', 'acknowledged', 'withdrawn', 'replaced')",
    "DELETE FROM archives WHERE last < first OR bytes < 1",
    "UPDATE OR REPLACE preflight SET one = 1",
    "UPDATE OR REPLACE board SET one = 1",
    "UPDATE board SET mode = 'shared_board' WHERE mode NOT IN ('shared_board', 'centralized_dispatch')",
    "UPDATE board SET profile = 'balanced' WHERE profile NOT IN ('safe', 'balanced', 'throughput')",
    "UPDATE board SET journal = 'truncate' WHERE journal NOT IN ('truncate', 'wal')",
    "UPDATE board SET keep_rows = NULL WHERE keep_rows NOT BETWEEN 1 AND 1 << 52",
    "UPDATE board SET keep_days = NULL WHERE keep_days NOT BETWEEN 1 AND 1 << 31",
    "UPDATE board SET stalled_by = NULL WHERE stalled_by NOT BETWEEN 1 AND 1 << 52",
    "UPDATE board SET preflighted = 0 WHERE preflighted NOT IN (0, 1)",
    "UPDATE board SET wall = coalesce((SELECT max(at) FROM events WHERE at BETWEEN 0 AND 1 << 52), 0) \
     WHERE wall NOT BETWEEN -(1 << 52) AND 1 << 52",
    "UPDATE board SET lease_clock = coalesce((SELECT max(deadline) FROM leases WHERE deadline BETWEEN 0 AND 1 << 52), 0) \
     WHERE lease_clock NOT BETWEEN -(1 << 52) AND 1 << 52",
    "UPDATE board SET created_at = wall WHERE created_at NOT BETWEEN -(1 << 52) AND 1 << 52",
    "UPDATE board SET event_seq = min(max(event_seq, 0), 1 << 52)",
    "UPDATE board SET pruned_through = max(pruned_through, 0), revision = min(max(revision, 0), 1 << 52), presence = min(max(presence, 0), 1 << 52)",
];

/// What each rule's mending is, in order.
const STEPS: &[&str] = &[
    // Rows that point at nothing.
    "DELETE FROM dependencies WHERE task NOT IN (SELECT key FROM tasks) OR needs NOT IN (SELECT key FROM tasks)",
    "DELETE FROM task_texts WHERE task NOT IN (SELECT key FROM tasks)",
    "DELETE FROM task_labels WHERE task NOT IN (SELECT key FROM tasks)",
    "DELETE FROM verdicts WHERE task NOT IN (SELECT key FROM tasks)",
    "DELETE FROM sessions WHERE agent NOT IN (SELECT id FROM agents)",
    "DELETE FROM attempts WHERE task NOT IN (SELECT key FROM tasks)",
    "UPDATE tasks SET epoch = epoch + 1 WHERE key IN (SELECT task FROM leases l WHERE attempt NOT IN (SELECT key FROM attempts) \
     OR agent NOT IN (SELECT id FROM agents) OR session NOT IN (SELECT id FROM sessions))",
    "DELETE FROM leases WHERE task NOT IN (SELECT key FROM tasks) OR attempt NOT IN (SELECT key FROM attempts) \
     OR agent NOT IN (SELECT id FROM agents) OR session NOT IN (SELECT id FROM sessions)",
    "DELETE FROM handoffs WHERE task NOT IN (SELECT key FROM tasks)",
    "UPDATE handoffs SET module = (SELECT module FROM tasks WHERE key = task) \
     WHERE module <> (SELECT module FROM tasks WHERE key = task)",
    "UPDATE questions SET task = NULL, module = NULL WHERE task NOT IN (SELECT key FROM tasks)",
    // Leases that do not fit.
    "UPDATE leases SET module = (SELECT module FROM tasks WHERE key = task) \
     WHERE module <> (SELECT module FROM tasks WHERE key = task)",
    "UPDATE tasks SET epoch = max(epoch, (SELECT max(l.epoch) FROM leases l WHERE l.task = tasks.key)) + 1 WHERE key IN (\
     SELECT l.task FROM leases l JOIN tasks t ON t.key = l.task JOIN sessions s ON s.id = l.session \
     JOIN attempts a ON a.key = l.attempt WHERE t.state <> CASE l.kind WHEN 'work' THEN 'active' ELSE 'review' END \
     OR s.ended_at IS NOT NULL OR s.agent <> l.agent OR l.epoch > t.epoch OR a.task <> l.task)",
    "DELETE FROM leases WHERE (task, kind) IN (\
     SELECT l.task, l.kind FROM leases l JOIN tasks t ON t.key = l.task JOIN sessions s ON s.id = l.session \
     JOIN attempts a ON a.key = l.attempt WHERE t.state <> CASE l.kind WHEN 'work' THEN 'active' ELSE 'review' END \
     OR s.ended_at IS NOT NULL OR s.agent <> l.agent OR l.epoch > t.epoch OR a.task <> l.task)",
    // A lease whose epoch was ahead has no task at its epoch any more.
    "DELETE FROM leases WHERE epoch > (SELECT epoch FROM tasks WHERE key = task)",
    // Tasks that nobody holds or held.
    "UPDATE tasks SET state = 'open', offered = 0, epoch = epoch + 1, revision = revision + 1 WHERE state = 'active' \
     AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.task = tasks.key AND l.kind = 'work')",
    // Nobody can review what nobody submitted.
    "UPDATE tasks SET state = 'open', offered = 0, epoch = epoch + 1, revision = revision + 1 WHERE state = 'review' \
     AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.task = tasks.key)",
    // Attempts: those of a task that is not active have ended, that of the lease has not.
    "UPDATE attempts SET ended_at = (SELECT wall FROM board), outcome = 'lost' WHERE ended_at IS NULL \
     AND key NOT IN (SELECT attempt FROM leases WHERE kind = 'work')",
    "UPDATE attempts SET ended_at = NULL, outcome = NULL WHERE ended_at IS NOT NULL \
     AND key IN (SELECT attempt FROM leases WHERE kind = 'work')",
    "UPDATE tasks SET attempts = (SELECT count(*) FROM attempts a WHERE a.task = tasks.key) \
     WHERE attempts <> (SELECT count(*) FROM attempts a WHERE a.task = tasks.key)",
    // Questions and the tasks that wait for them.
    "UPDATE questions SET status = 'withdrawn', ended_at = (SELECT wall FROM board), ended_by = 'repair' \
     WHERE status = 'open' AND task IN (SELECT key FROM tasks WHERE wait_for IS NOT 'answer')",
    "UPDATE tasks SET wait_for = 'pause', wait_reason = 'the question that it waited for is gone', revision = revision + 1 \
     WHERE wait_for = 'answer' AND NOT EXISTS (SELECT 1 FROM questions q WHERE q.task = tasks.key AND q.status = 'open')",
    "UPDATE tasks SET reserved_for = NULL, reserved_until = NULL, reserved_why = NULL \
     WHERE reserved_for IS NOT NULL AND reserved_for NOT IN (SELECT id FROM agents)",
    // Handoffs.
    "UPDATE handoffs SET status = 'withdrawn' WHERE status IN ('ready', 'claimed') AND (\
     task IN (SELECT key FROM tasks WHERE state IN ('done', 'failed', 'cancelled')) \
     OR (status = 'claimed') <> (claimed_by IS NOT NULL))",
    "UPDATE leases SET handed = 0 WHERE handed = 1 AND NOT EXISTS (\
     SELECT 1 FROM handoffs h WHERE h.task = leases.task AND h.status = 'ready' AND h.agreed = 1)",
    // Labels are found by an index of their own.
    "DELETE FROM task_labels WHERE NOT EXISTS (SELECT 1 FROM tasks t, json_each(t.labels) j \
     WHERE t.key = task_labels.task AND j.key = task_labels.name AND j.value = task_labels.value)",
    "INSERT OR IGNORE INTO task_labels (name, value, task) SELECT j.key, j.value, t.key FROM tasks t, json_each(t.labels) j",
    // Events: the newest ones without a hole stay.
    "UPDATE board SET event_seq = coalesce((SELECT max(seq) FROM events), 0) \
     WHERE event_seq <> coalesce((SELECT max(seq) FROM events), pruned_through)",
    "DELETE FROM events WHERE seq < (SELECT max(e.seq) FROM events e WHERE NOT EXISTS (SELECT 1 FROM events b WHERE b.seq = e.seq - 1))",
    "UPDATE board SET pruned_through = coalesce((SELECT min(seq) - 1 FROM events), event_seq) \
     WHERE pruned_through <> coalesce((SELECT min(seq) - 1 FROM events), event_seq)",
    // What is unresolved outlives its event, as after a prune.
    "DELETE FROM notifications WHERE CASE WHEN seq > (SELECT pruned_through FROM board) \
     THEN seq NOT IN (SELECT seq FROM events) ELSE resolved_at IS NOT NULL END",
    "INSERT INTO notifications (seq, at, kind, source, module, actor, session, board_revision, audience, priority, data, \
     resolved_at, resolution) SELECT seq, at, kind, source, module, actor, session, board_revision, audience, priority, data, \
     at, 'expired' FROM events e WHERE audience IS NOT NULL AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.seq = e.seq)",
    // A board of an older format that was salvaged has less of them.
    "UPDATE notifications SET (at, source, actor, session, board_revision, priority, data) = (SELECT e.at, e.source, e.actor, \
     e.session, e.board_revision, e.priority, e.data FROM events e WHERE e.seq = notifications.seq) \
     WHERE at = 0 AND seq IN (SELECT seq FROM events)",
    // What calls for something that is over.
    "UPDATE notifications SET resolved_at = (SELECT wall FROM board), resolution = 'expired' WHERE resolved_at IS NULL \
     AND kind = 'question' AND seq NOT IN (SELECT event FROM questions WHERE status = 'open')",
    "UPDATE notifications SET resolved_at = (SELECT wall FROM board), resolution = 'expired' WHERE resolved_at IS NULL \
     AND kind = 'handoff_ready' AND seq NOT IN (SELECT event FROM handoffs WHERE status = 'ready')",
    // The numbers of the graph. Readiness is a condition between columns, so it is taken back first.
    "UPDATE tasks SET offered = 0 WHERE offered = 1 AND NOT (state = 'open' AND unmet = (SELECT count(*) FROM dependencies d \
     JOIN tasks n ON n.key = d.needs WHERE d.task = tasks.key AND n.state <> 'done') AND unmet = 0)",
    "UPDATE tasks SET unmet = (SELECT count(*) FROM dependencies d JOIN tasks n ON n.key = d.needs \
     WHERE d.task = tasks.key AND n.state <> 'done') WHERE unmet <> (SELECT count(*) FROM dependencies d \
     JOIN tasks n ON n.key = d.needs WHERE d.task = tasks.key AND n.state <> 'done')",
    "UPDATE tasks SET offered = 1 WHERE offered = 0 AND ((state = 'open' AND unmet = 0) OR (state = 'active' \
     AND EXISTS (SELECT 1 FROM leases l WHERE l.task = tasks.key AND l.kind = 'work' AND (l.lapsed = 1 OR l.handed = 1))))",
    "UPDATE tasks SET held_up = (SELECT count(*) FROM dependencies d JOIN tasks n ON n.key = d.task \
     WHERE d.needs = tasks.key AND n.state NOT IN ('done', 'failed', 'cancelled')) WHERE state <> 'done'",
];

const NO_PATHS: &str = "UPDATE tasks SET critical_path = 0 WHERE state <> 'done' AND critical_path <> 0";

/// One more step of the longest chains below; changes nothing once they are right.
const LONGER_PATHS: &str = "UPDATE tasks SET critical_path = min(?1, 1 + (SELECT max(n.critical_path) FROM dependencies d \
     JOIN tasks n ON n.key = d.task WHERE d.needs = tasks.key AND n.state NOT IN ('done', 'failed', 'cancelled'))) \
     WHERE state <> 'done' AND critical_path < min(?1, 1 + (SELECT max(n.critical_path) FROM dependencies d \
     JOIN tasks n ON n.key = d.task WHERE d.needs = tasks.key AND n.state NOT IN ('done', 'failed', 'cancelled')))";

const PUT_SCORE: &str = "UPDATE tasks SET score = ?2 WHERE key = ?1";

const REMOVE_EDGE: &str = "DELETE FROM dependencies WHERE task = ?1 AND needs = ?2";

const COUNT: &str = "UPDATE board SET draft = (SELECT count(*) FROM tasks WHERE state = 'draft'), \
     open = (SELECT count(*) FROM tasks WHERE state = 'open'), active = (SELECT count(*) FROM tasks WHERE state = 'active'), \
     waiting = (SELECT count(*) FROM tasks WHERE state = 'waiting'), \
     review = (SELECT count(*) FROM tasks WHERE state = 'review'), done = (SELECT count(*) FROM tasks WHERE state = 'done'), \
     failed = (SELECT count(*) FROM tasks WHERE state = 'failed'), \
     cancelled = (SELECT count(*) FROM tasks WHERE state = 'cancelled'), \
     offered = (SELECT count(*) FROM tasks WHERE offered = 1), \
     unready = (SELECT count(*) FROM tasks WHERE state = 'open' AND unmet > 0), \
     questions_asked = (SELECT count(*) FROM questions), handoffs_left = (SELECT count(*) FROM handoffs), \
     open_notifications = (SELECT count(*) FROM notifications WHERE resolved_at IS NULL), \
     open_questions = (SELECT count(*) FROM questions WHERE status = 'open'), \
     live_handoffs = (SELECT count(*) FROM handoffs WHERE status IN ('ready', 'claimed'))";

impl SqliteTransaction<'_> {
    /// Mends everything that has a remedy.
    pub(super) fn mend_all(&mut self) -> Kept<Mended> {
        self.change("PRAGMA defer_foreign_keys = ON", [])?;
        for check in CHECKS {
            self.change(check, [])?;
        }
        let mut mended = self.make_readable()?;
        mended.gone.extend(self.before_a_hole()?);
        while let Some(circle) = self.circle()? {
            let closes = [circle[circle.len() - 1].0, circle[0].0];
            self.change(REMOVE_EDGE, closes)?;
        }
        for step in STEPS {
            self.change(step, [])?;
        }
        self.change(NO_PATHS, [])?;
        for _ in 0..=CRITICAL_PATH_MOST {
            if self.change(LONGER_PATHS, [CRITICAL_PATH_MOST])? == 0 {
                break;
            }
        }
        for (key, score, _) in self.wrong_scores(usize::MAX)? {
            self.change(PUT_SCORE, params![key.0, score])?;
        }
        self.change(COUNT, [])?;
        mended.left = self.findings(FOUND_MOST)?;
        mended.left.retain(|finding| finding.rule != Rule::Archives);
        Ok(mended)
    }

    /// The events that go with everything before a hole, and how many notifications outlive theirs.
    fn before_a_hole(&self) -> Kept<Option<Finding>> {
        let counts = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (events, unresolved) = self.one(BEFORE_A_HOLE, [], counts)?.unwrap_or_default();
        let detail =
            format!("{events} before a hole are taken out; {unresolved} unresolved notifications of them stay");
        Ok((events > 0).then(|| Finding::new(Rule::Events, "events", detail)))
    }
}

const BEFORE_A_HOLE: &str = "SELECT count(*), count(n.seq) FROM events e LEFT JOIN notifications n \
     ON n.seq = e.seq AND n.resolved_at IS NULL WHERE e.seq < (\
     SELECT max(h.seq) FROM events h WHERE NOT EXISTS (SELECT 1 FROM events b WHERE b.seq = h.seq - 1))";

/// So many of what is still wrong are told.
const FOUND_MOST: usize = 20;
