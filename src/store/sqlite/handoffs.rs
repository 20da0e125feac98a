//! Handoffs.

use rusqlite::{Row, params};

use super::columns::{count, limit, maybe_word, number, word};
use super::open::SqliteTransaction;
use crate::domain::handoff::{Handoff, HandoffKey};
use crate::domain::id::AgentId;
use crate::domain::task::TaskKey;
use crate::domain::time::Millis;
use crate::store::contract::{Handoffs, Kept};

/// Handoffs from `$rest` on.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT key, task, module, kind, status, audience, left_by, agreed, claimed_by, event, left_at, changed_at \
             FROM handoffs ",
            $rest
        )
    };
}

const LIVE: &str = select!("INDEXED BY live_handoffs WHERE task = ?1 AND status IN ('ready', 'claimed')");

const INBOX: &str =
    select!("INDEXED BY handoffs_in_the_inbox WHERE status IN ('ready', 'claimed') ORDER BY key DESC LIMIT ?1");

const OLDEST: &str =
    select!("INDEXED BY handoffs_in_the_inbox WHERE status IN ('ready', 'claimed') AND key > ?1 ORDER BY key LIMIT ?2");

const ALL: &str = select!("WHERE key < ?1 ORDER BY key DESC LIMIT ?2");

const OF_TASK: &str = select!("INDEXED BY handoffs_by_task WHERE task = ?3 AND key < ?1 ORDER BY key DESC LIMIT ?2");

const BUNDLE: &str = "SELECT bundle FROM handoffs WHERE key = ?1";

const INSERT: &str = "INSERT INTO handoffs (task, module, kind, status, audience, left_by, agreed, claimed_by, event, \
     left_at, changed_at, bundle) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

const UPDATE: &str =
    "UPDATE handoffs SET status = ?2, claimed_by = ?3, changed_at = ?4, agreed = ?5, event = ?6 WHERE key = ?1";

fn handoff(row: &Row<'_>) -> rusqlite::Result<Handoff> {
    Ok(Handoff {
        key: HandoffKey(row.get(0)?),
        task: TaskKey(row.get(1)?),
        module: word(row, 2)?,
        kind: word(row, 3)?,
        status: word(row, 4)?,
        audience: word(row, 5)?,
        left_by: row.get(6)?,
        agreed: row.get(7)?,
        claimed_by: maybe_word(row, 8)?,
        event: count(row, 9)?,
        left_at: Millis(row.get(10)?),
        changed_at: Millis(row.get(11)?),
    })
}

impl Handoffs for SqliteTransaction<'_> {
    fn live_handoff(&self, task: TaskKey) -> Kept<Option<Handoff>> {
        self.one(LIVE, [task.0], handoff)
    }

    fn insert_handoff(&mut self, handoff: &Handoff, bundle: &str) -> Kept<HandoffKey> {
        let values = params![
            handoff.task.0,
            handoff.module.as_str(),
            handoff.kind.as_str(),
            handoff.status.as_str(),
            handoff.audience.to_string(),
            handoff.left_by,
            handoff.agreed,
            handoff.claimed_by.as_ref().map(AgentId::as_str),
            number(handoff.event),
            handoff.left_at.0,
            handoff.changed_at.0,
            bundle,
        ];
        self.change_one("a handoff", INSERT, values)?;
        Ok(HandoffKey(self.last_key()))
    }

    fn update_handoff(&mut self, handoff: &Handoff) -> Kept<()> {
        let claimed_by = handoff.claimed_by.as_ref().map(AgentId::as_str);
        let values = params![
            handoff.key.0,
            handoff.status.as_str(),
            claimed_by,
            handoff.changed_at.0,
            handoff.agreed,
            number(handoff.event)
        ];
        self.change_one("a handoff", UPDATE, values)
    }

    fn bundle(&self, key: HandoffKey) -> Kept<Option<String>> {
        self.one(BUNDLE, [key.0], |row| row.get(0))
    }

    fn live_handoffs(&self, most: usize) -> Kept<Vec<Handoff>> {
        self.all(INBOX, [limit(most)], handoff)
    }

    fn oldest_handoffs(&self, after: Option<HandoffKey>, most: usize) -> Kept<Vec<Handoff>> {
        self.all(OLDEST, [after.map_or(0, |after| after.0), limit(most)], handoff)
    }

    fn handoffs(&self, task: Option<TaskKey>, before: Option<HandoffKey>, most: usize) -> Kept<Vec<Handoff>> {
        let before = before.map_or(i64::MAX, |before| before.0);
        match task {
            Some(task) => self.all(OF_TASK, [before, limit(most), task.0], handoff),
            None => self.all(ALL, [before, limit(most)], handoff),
        }
    }
}
