//! Attempts and verdicts.

use rusqlite::{Row, params};

use super::columns::{count, json, limit, maybe_json, maybe_word, to_json, word};
use super::open::SqliteTransaction;
use crate::domain::attempt::{Attempt, AttemptKey, Outcome};
use crate::domain::scope::Scope;
use crate::domain::task::TaskKey;
use crate::domain::time::Millis;
use crate::domain::verdict::Verdict;
use crate::domain::workspace::Workspace;
use crate::store::contract::{Attempts, Kept};

const BY_KEY: &str = "SELECT key, task, number, agent, session, started_at, ended_at, outcome, summary, changed_paths, \
     workspace, submitted FROM attempts WHERE key = ?1";

const OF_TASK: &str = "SELECT key, task, number, agent, session, started_at, ended_at, outcome, summary, changed_paths, \
     workspace, submitted FROM attempts WHERE task = ?1 ORDER BY number DESC LIMIT ?2";

const TRIES: &str = "SELECT count(*) FROM attempts WHERE task = ?1 AND outcome IN (SELECT value FROM json_each(?2))";

const INSERT: &str = "INSERT INTO attempts (task, number, agent, session, started_at, ended_at, outcome, summary, \
     changed_paths, workspace, submitted) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const UPDATE: &str = "UPDATE attempts SET session = ?2, ended_at = ?3, outcome = ?4, summary = ?5, changed_paths = ?6, \
     workspace = ?7, submitted = ?8 WHERE key = ?1";

// One index leads to the attempts that go on, and to those that ended last.
const SCOPES_SINCE: &str = "SELECT t.owned_paths FROM (\
     SELECT task FROM attempts WHERE ended_at IS NULL \
     UNION SELECT task FROM (SELECT task FROM attempts WHERE ended_at >= ?2 ORDER BY ended_at DESC LIMIT ?3)) a \
     JOIN tasks t ON t.key = a.task WHERE t.key <> ?1 AND t.owned_paths <> '[]' ORDER BY t.key LIMIT ?3";

const WORKED_SINCE: &str = "SELECT EXISTS (SELECT 1 FROM attempts WHERE task <> ?1 AND ended_at IS NULL) \
     OR EXISTS (SELECT 1 FROM attempts WHERE task <> ?1 AND ended_at >= ?2)";

const ADD_VERDICT: &str =
    "INSERT INTO verdicts (task, attempt, reviewer, verdict, notes, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const VERDICTS: &str = "SELECT attempt, reviewer, verdict, notes, at FROM verdicts WHERE task = ?1 \
     ORDER BY key DESC LIMIT ?2";

fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    let ended_at: Option<i64> = row.get(6)?;
    Ok(Attempt {
        key: AttemptKey(row.get(0)?),
        task: TaskKey(row.get(1)?),
        number: count(row, 2)?,
        agent: word(row, 3)?,
        session: word(row, 4)?,
        started_at: Millis(row.get(5)?),
        ended: ended_at.map(Millis).zip(maybe_word(row, 7)?),
        summary: row.get(8)?,
        changed_paths: json(row, 9)?,
        workspace: Workspace::from_stored(&json(row, 10)?),
        submitted: maybe_json(row, 11)?,
    })
}

fn verdict(row: &Row<'_>) -> rusqlite::Result<Verdict> {
    Ok(Verdict {
        attempt: count(row, 0)?,
        by: row.get(1)?,
        verdict: word(row, 2)?,
        notes: row.get(3)?,
        at: Millis(row.get(4)?),
    })
}

impl Attempts for SqliteTransaction<'_> {
    fn attempt(&self, key: AttemptKey) -> Kept<Option<Attempt>> {
        self.one(BY_KEY, [key.0], attempt)
    }

    fn insert_attempt(&mut self, attempt: &Attempt) -> Kept<AttemptKey> {
        let values = params![
            attempt.task.0,
            attempt.number,
            attempt.agent.as_str(),
            attempt.session.as_str(),
            attempt.started_at.0,
            attempt.ended.map(|(at, _)| at.0),
            attempt.ended.map(|(_, outcome)| outcome.as_str()),
            attempt.summary,
            to_json(&attempt.changed_paths),
            to_json(&attempt.workspace),
            attempt.submitted.as_ref().map(to_json),
        ];
        self.change_one("an attempt", INSERT, values)?;
        Ok(AttemptKey(self.last_key()))
    }

    fn update_attempt(&mut self, attempt: &Attempt) -> Kept<()> {
        let values = params![
            attempt.key.0,
            attempt.session.as_str(),
            attempt.ended.map(|(at, _)| at.0),
            attempt.ended.map(|(_, outcome)| outcome.as_str()),
            attempt.summary,
            to_json(&attempt.changed_paths),
            to_json(&attempt.workspace),
            attempt.submitted.as_ref().map(to_json),
        ];
        self.change_one("an attempt", UPDATE, values)
    }

    fn attempts(&self, task: TaskKey, most: usize) -> Kept<Vec<Attempt>> {
        self.all(OF_TASK, [task.0, limit(most)], attempt)
    }

    fn tries(&self, task: TaskKey) -> Kept<u32> {
        let outcomes = Outcome::ALL.iter().filter(|outcome| outcome.is_try());
        let words: Vec<&str> = outcomes.map(|outcome| outcome.as_str()).collect();
        Ok(self.one(TRIES, params![task.0, to_json(&words)], |row| row.get(0))?.unwrap_or_default())
    }

    fn scopes_since(&self, but: TaskKey, since: Millis, most: usize) -> Kept<Vec<Scope>> {
        let lists: Vec<Vec<Scope>> =
            self.all(SCOPES_SINCE, params![but.0, since.0, limit(most)], |row| json(row, 0))?;
        Ok(lists.into_iter().flatten().collect())
    }

    fn was_worked_on_since(&self, but: TaskKey, since: Millis) -> Kept<bool> {
        Ok(self.one(WORKED_SINCE, params![but.0, since.0], |row| row.get(0))?.unwrap_or_default())
    }

    fn add_verdict(&mut self, task: TaskKey, verdict: &Verdict) -> Kept<()> {
        let values =
            params![task.0, verdict.attempt, verdict.by, verdict.verdict.as_str(), verdict.notes, verdict.at.0];
        self.change_one("a verdict", ADD_VERDICT, values)
    }

    fn verdicts(&self, task: TaskKey, most: usize) -> Kept<Vec<Verdict>> {
        self.all(VERDICTS, [task.0, limit(most)], verdict)
    }
}
