//! Tasks.

use rusqlite::{Row, params};

use super::columns::{count, damaged, json, limit, maybe_count, maybe_word, number, to_json, word};
use super::open::SqliteTransaction;
use crate::domain::id::{AgentId, Module, Specialty};
use crate::domain::rank;
use crate::domain::task::{Candidates, Reservation, Task, TaskKey, TaskState, TaskTexts, WaitFor, Waiting};
use crate::domain::time::{LeaseTime, Millis};
use crate::store::contract::{Kept, Labels, OfferPlace, Offers, ReviewFilter, ReviewPlace, TaskFilter, Tasks, WorkOf};

/// A constant query over all columns of a task, in the order that [`task`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT t.key, t.module, t.title, t.state, t.wait_for, t.wait_since, t.wait_reason, t.priority, \
             t.specialty, t.review, t.reviewer, t.owned_paths, t.candidates, t.labels, t.estimate_minutes, t.parent, \
             t.created_at, t.changed_at, t.revision, t.epoch, t.attempts, t.losses, t.unmet, t.held_up, \
             t.critical_path, t.offered, t.reserved_for, t.reserved_until, t.reserved_why, t.last_agent FROM tasks t ",
            $rest
        )
    };
}

const BY_MODULE: &str = select!("WHERE t.module = ?1");
const BY_KEY: &str = select!("WHERE t.key = ?1");

const INSERT: &str = "INSERT OR IGNORE INTO tasks (module, title, state, wait_for, wait_since, wait_reason, priority, \
     specialty, review, reviewer, owned_paths, candidates, labels, estimate_minutes, parent, created_at, changed_at, \
     revision, epoch, attempts, losses, unmet, held_up, critical_path, offered, score, reserved_for, reserved_until, \
     reserved_why, last_agent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, \
     ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)";

const UPDATE: &str = "UPDATE tasks SET module = ?1, title = ?2, state = ?3, wait_for = ?4, wait_since = ?5, \
     wait_reason = ?6, priority = ?7, specialty = ?8, review = ?9, reviewer = ?10, owned_paths = ?11, candidates = ?12, \
     labels = ?13, estimate_minutes = ?14, parent = ?15, created_at = ?16, changed_at = ?17, revision = ?18, \
     epoch = ?19, attempts = ?20, losses = ?21, unmet = ?22, held_up = ?23, critical_path = ?24, offered = ?25, \
     score = ?26, reserved_for = ?27, reserved_until = ?28, reserved_why = ?29, last_agent = ?30 \
     WHERE key = ?31 AND revision = ?18 - 1 AND epoch <= ?19";

const TEXTS: &str = "SELECT body, acceptance FROM task_texts WHERE task = ?1";
const PUT_TEXTS: &str = "INSERT OR REPLACE INTO task_texts (task, body, acceptance) VALUES (?1, ?2, ?3)";
const REMOVE_LABEL: &str = "DELETE FROM task_labels WHERE name = ?1 AND value = ?2 AND task = ?3";
const ADD_LABEL: &str = "INSERT OR IGNORE INTO task_labels (name, value, task) VALUES (?1, ?2, ?3)";

// The same residual conditions behind each way in: ?1 after, ?2 limit, ?3 state, ?4 specialty, ?5 ready, ?6 and ?7 label,
// ?8 holder. Which way is taken is decided here and not by the planner, which does not know the values.
const LIST_ALL: &str = select!(
    "WHERE t.key > ?1 AND (?3 IS NULL OR t.state = ?3) AND (?4 IS NULL OR t.specialty = ?4) \
     AND (?5 = 0 OR (t.state = 'open' AND t.unmet = 0)) AND ?6 IS NULL AND ?7 IS NULL AND ?8 IS NULL \
     ORDER BY t.key LIMIT ?2"
);
const LIST_STATE: &str = select!(
    "INDEXED BY tasks_by_state WHERE t.state = ?3 AND t.key > ?1 AND (?4 IS NULL OR t.specialty = ?4) \
     AND (?5 = 0 OR (t.state = 'open' AND t.unmet = 0)) AND ?6 IS NULL AND ?7 IS NULL AND ?8 IS NULL \
     ORDER BY t.key LIMIT ?2"
);
const LIST_READY: &str = select!(
    "INDEXED BY ready WHERE t.state = 'open' AND t.unmet = 0 AND t.key > ?1 AND (?3 IS NULL OR t.state = ?3) \
     AND (?4 IS NULL OR t.specialty = ?4) AND ?5 = 1 AND ?6 IS NULL AND ?7 IS NULL AND ?8 IS NULL \
     ORDER BY t.key LIMIT ?2"
);
const LIST_SPECIALTY: &str = select!(
    "INDEXED BY tasks_by_specialty WHERE t.specialty = ?4 AND t.key > ?1 AND (?3 IS NULL OR t.state = ?3) \
     AND (?5 = 0 OR (t.state = 'open' AND t.unmet = 0)) AND ?6 IS NULL AND ?7 IS NULL AND ?8 IS NULL \
     ORDER BY t.key LIMIT ?2"
);
const LIST_SPECIALTY_AND_STATE: &str = select!(
    "INDEXED BY tasks_by_specialty_and_state WHERE t.specialty = ?4 AND t.state = ?3 AND t.key > ?1 \
     AND (?5 = 0 OR (t.state = 'open' AND t.unmet = 0)) AND ?6 IS NULL AND ?7 IS NULL AND ?8 IS NULL \
     ORDER BY t.key LIMIT ?2"
);
const LIST_LABEL: &str = select!(
    "JOIN task_labels l ON l.task = t.key WHERE l.name = ?6 AND l.value = ?7 AND l.task > ?1 \
     AND (?3 IS NULL OR t.state = ?3) AND (?4 IS NULL OR t.specialty = ?4) \
     AND (?5 = 0 OR (t.state = 'open' AND t.unmet = 0)) \
     AND (?8 IS NULL OR EXISTS (SELECT 1 FROM leases x WHERE x.task = t.key AND x.agent = ?8)) \
     ORDER BY l.task LIMIT ?2"
);
const LIST_HELD: &str = select!(
    "WHERE t.key IN (SELECT task FROM leases WHERE agent = ?8) AND t.key > ?1 AND (?3 IS NULL OR t.state = ?3) \
     AND (?4 IS NULL OR t.specialty = ?4) AND (?5 = 0 OR (t.state = 'open' AND t.unmet = 0)) \
     AND ?6 IS NULL AND ?7 IS NULL ORDER BY t.key LIMIT ?2"
);

const OFFERS: &str = select!(
    "INDEXED BY offers WHERE t.offered = 1 AND (t.score < ?1 OR (t.score = ?1 AND t.key > ?2)) \
     ORDER BY t.score DESC, t.key LIMIT ?3"
);
const OFFERS_OF: &str = select!(
    "INDEXED BY offers_by_specialty WHERE t.offered = 1 AND t.specialty IS ?4 \
     AND (t.score < ?1 OR (t.score = ?1 AND t.key > ?2)) ORDER BY t.score DESC, t.key LIMIT ?3"
);
// ?1 to ?3 the place, ?4 limit, ?5 specialty, ?6 only of this agent, ?7 of all but this one.
const REVIEWS: &str = select!(
    "INDEXED BY reviews WHERE t.state = 'review' AND (t.priority, t.changed_at, t.key) > (?1, ?2, ?3) \
     AND (?5 IS NULL OR t.specialty = ?5) AND (?6 IS NULL OR t.last_agent = ?6) AND (?7 IS NULL OR t.last_agent IS NOT ?7) \
     ORDER BY t.priority, t.changed_at, t.key LIMIT ?4"
);
const PAUSED: &str =
    select!("INDEXED BY paused WHERE t.state = 'waiting' AND t.wait_for <> 'answer' ORDER BY t.key LIMIT ?1");
const NEXT_SPECIALTY: &str = "SELECT specialty FROM tasks INDEXED BY offers_by_specialty \
     WHERE offered = 1 AND specialty > ?1 ORDER BY specialty LIMIT 1";
const RESERVED: &str =
    select!("INDEXED BY reserved WHERE t.reserved_for = ?1 AND t.reserved_why <> 'released' ORDER BY t.key LIMIT ?2");
const NEXT_RESERVATION: &str = "SELECT reserved_until FROM tasks INDEXED BY reservation_ends \
     WHERE reserved_for IS NOT NULL AND reserved_until > ?1 AND reserved_why <> 'released' ORDER BY reserved_until LIMIT 1";
const FINISHED: &str = select!(
    "INDEXED BY finished WHERE t.state IN ('done', 'failed', 'cancelled') ORDER BY t.changed_at DESC, t.key DESC LIMIT ?1"
);
const STRANDING: &str =
    select!("INDEXED BY stranding WHERE t.state IN ('failed', 'cancelled') AND t.held_up > 0 ORDER BY t.key LIMIT ?1");

/// The guesses of intake as they are kept.
#[derive(serde::Serialize, serde::Deserialize)]
struct KeptCandidates {
    depends_on: Vec<Module>,
    owned_paths: Vec<crate::domain::scope::Scope>,
}

fn task(row: &Row<'_>) -> rusqlite::Result<Task> {
    let waiting = match (maybe_word::<WaitFor>(row, 4)?, row.get::<_, Option<i64>>(5)?) {
        (Some(what), Some(since)) => {
            let reason: Option<String> = row.get(6)?;
            Some(Waiting { what, since: Millis(since), reason: reason.unwrap_or_default() })
        }
        (Some(_), None) => return Err(damaged(5, "it waits, and nobody knows since when")),
        (None, _) => None,
    };
    let reservation = match (maybe_word(row, 26)?, row.get::<_, Option<i64>>(27)?, maybe_word(row, 28)?) {
        (Some(agent), Some(until), Some(why)) => Some(Reservation { agent, until: LeaseTime(until), why }),
        _ => None,
    };
    let candidates: KeptCandidates = json(row, 12)?;
    Ok(Task {
        key: TaskKey(row.get(0)?),
        module: word(row, 1)?,
        title: row.get(2)?,
        state: word(row, 3)?,
        waiting,
        priority: count(row, 7)?,
        specialty: maybe_word(row, 8)?,
        review: maybe_word(row, 9)?,
        reviewer: maybe_word(row, 10)?,
        owned_paths: json(row, 11)?,
        candidates: Candidates { depends_on: candidates.depends_on, owned_paths: candidates.owned_paths },
        labels: json(row, 13)?,
        estimate_minutes: maybe_count(row, 14)?,
        parent: maybe_word(row, 15)?,
        created_at: Millis(row.get(16)?),
        changed_at: Millis(row.get(17)?),
        revision: count(row, 18)?,
        epoch: count(row, 19)?,
        attempts: count(row, 20)?,
        losses: count(row, 21)?,
        unmet: count(row, 22)?,
        held_up: count(row, 23)?,
        critical_path: count(row, 24)?,
        offered: row.get(25)?,
        reservation,
        last_agent: maybe_word(row, 29)?,
    })
}

impl SqliteTransaction<'_> {
    /// Inserts or updates with the same values in the same places; only an update has a key to find the row by.
    fn write_task(&self, sql: &str, task: &Task, key: Option<TaskKey>) -> Kept<()> {
        let mut statement = self.prepared(sql)?;
        let waiting = task.waiting.as_ref();
        let reservation = task.reservation.as_ref();
        let candidates = KeptCandidates {
            depends_on: task.candidates.depends_on.clone(),
            owned_paths: task.candidates.owned_paths.clone(),
        };
        let values = params![
            task.module.as_str(),
            task.title,
            task.state.as_str(),
            waiting.map(|waiting| waiting.what.as_str()),
            waiting.map(|waiting| waiting.since.0),
            waiting.map(|waiting| &waiting.reason),
            task.priority,
            task.specialty.as_ref().map(Specialty::as_str),
            task.review.map(crate::domain::profile::Review::as_str),
            task.reviewer.as_ref().map(AgentId::as_str),
            to_json(&task.owned_paths),
            to_json(&candidates),
            to_json(&task.labels),
            task.estimate_minutes,
            task.parent.as_ref().map(Module::as_str),
            task.created_at.0,
            task.changed_at.0,
            number(task.revision),
            number(task.epoch),
            task.attempts,
            task.losses,
            task.unmet,
            task.held_up,
            task.critical_path,
            task.offered,
            rank::score(task),
            reservation.map(|reservation| reservation.agent.as_str()),
            reservation.map(|reservation| reservation.until.0),
            reservation.map(|reservation| reservation.why.as_str()),
            task.last_agent.as_ref().map(AgentId::as_str),
        ];
        for (at, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(at + 1, value).map_err(super::error::translated)?;
        }
        if let Some(key) = key {
            statement.raw_bind_parameter(values.len() + 1, key.0).map_err(super::error::translated)?;
        }
        match statement.raw_execute().map_err(super::error::translated)? {
            1 => Ok(()),
            _ => Err(crate::store::error::StoreError::Conflict("a task")),
        }
    }

    fn write_labels(&self, sql: &str, key: TaskKey, labels: &Labels) -> Kept<()> {
        for (name, value) in labels {
            self.change(sql, params![name, value, key.0])?;
        }
        Ok(())
    }
}

impl Tasks for SqliteTransaction<'_> {
    fn task(&self, module: &Module) -> Kept<Option<Task>> {
        self.one(BY_MODULE, [module.as_str()], task)
    }

    fn task_by_key(&self, key: TaskKey) -> Kept<Option<Task>> {
        self.one(BY_KEY, [key.0], task)
    }

    fn texts(&self, key: TaskKey) -> Kept<TaskTexts> {
        let texts = self.one(TEXTS, [key.0], |row| Ok(TaskTexts { body: row.get(0)?, acceptance: json(row, 1)? }))?;
        Ok(texts.unwrap_or_default())
    }

    fn insert_task(&mut self, task: &Task, texts: &TaskTexts) -> Kept<TaskKey> {
        self.write_task(INSERT, task, None)?;
        let key = TaskKey(self.last_key());
        self.write_labels(ADD_LABEL, key, &task.labels)?;
        if *texts != TaskTexts::default() {
            self.put_texts(key, texts)?;
        }
        Ok(key)
    }

    fn update_task(&mut self, task: &Task) -> Kept<()> {
        self.write_task(UPDATE, task, Some(task.key))
    }

    fn relabel(&mut self, key: TaskKey, old: &Labels, new: &Labels) -> Kept<()> {
        self.write_labels(REMOVE_LABEL, key, old)?;
        self.write_labels(ADD_LABEL, key, new)
    }

    fn put_texts(&mut self, key: TaskKey, texts: &TaskTexts) -> Kept<()> {
        self.change_one("a text", PUT_TEXTS, params![key.0, texts.body, to_json(&texts.acceptance)])
    }

    fn tasks(&self, filter: &TaskFilter, after: Option<TaskKey>, most: usize) -> Kept<Vec<Task>> {
        let sql = match filter {
            TaskFilter { label: Some(_), .. } => LIST_LABEL,
            TaskFilter { held_by: Some(_), .. } => LIST_HELD,
            TaskFilter { ready: true, .. } => LIST_READY,
            TaskFilter { specialty: Some(_), state: Some(_), .. } => LIST_SPECIALTY_AND_STATE,
            TaskFilter { specialty: Some(_), .. } => LIST_SPECIALTY,
            TaskFilter { state: Some(_), .. } => LIST_STATE,
            _ => LIST_ALL,
        };
        let label = filter.label.as_ref();
        let values = params![
            after.map_or(0, |key| key.0),
            limit(most),
            filter.state.map(TaskState::as_str),
            filter.specialty.as_ref().map(Specialty::as_str),
            filter.ready,
            label.map(|(name, _)| name),
            label.map(|(_, value)| value),
            filter.held_by.as_ref().map(AgentId::as_str),
        ];
        self.all(sql, values, task)
    }

    fn offers(&self, offers: Offers<'_>, after: Option<OfferPlace>, most: usize) -> Kept<Vec<Task>> {
        let place = after.unwrap_or(OfferPlace { score: i64::MAX, key: TaskKey(0) });
        match offers {
            Offers::All => self.all(OFFERS, [place.score, place.key.0, limit(most)], task),
            Offers::Free | Offers::Of(_) => {
                let specialty = if let Offers::Of(specialty) = offers { Some(specialty.as_str()) } else { None };
                self.all(OFFERS_OF, params![place.score, place.key.0, limit(most), specialty], task)
            }
        }
    }

    fn reviews(&self, filter: ReviewFilter<'_>, after: Option<ReviewPlace>, most: usize) -> Kept<Vec<Task>> {
        let after =
            after.map_or((-1, i64::MIN, 0), |place| (i64::from(place.priority), place.changed_at.0, place.key.0));
        let (only, all_but) = match filter.work_of {
            WorkOf::Anybody => (None, None),
            WorkOf::Only(agent) => (Some(agent.as_str()), None),
            WorkOf::AllBut(agent) => (None, Some(agent.as_str())),
        };
        let specialty = filter.specialty.map(Specialty::as_str);
        self.all(REVIEWS, params![after.0, after.1, after.2, limit(most), specialty, only, all_but], task)
    }

    fn paused(&self, most: usize) -> Kept<Vec<Task>> {
        self.all(PAUSED, [limit(most)], task)
    }

    fn offered_specialties(&self, most: usize) -> Kept<Vec<Specialty>> {
        let mut found: Vec<Specialty> = Vec::new();
        while found.len() < most {
            let last = found.last().map_or("", Specialty::as_str);
            match self.one(NEXT_SPECIALTY, [last], |row| word(row, 0))? {
                Some(next) => found.push(next),
                None => break,
            }
        }
        Ok(found)
    }

    fn reserved_for(&self, agent: &AgentId, most: usize) -> Kept<Vec<Task>> {
        self.all(RESERVED, params![agent.as_str(), limit(most)], task)
    }

    fn next_reservation(&self, now: LeaseTime) -> Kept<Option<LeaseTime>> {
        self.one(NEXT_RESERVATION, [now.0], |row| row.get(0).map(LeaseTime))
    }

    fn finished(&self, most: usize) -> Kept<Vec<Task>> {
        self.all(FINISHED, [limit(most)], task)
    }

    fn stranding(&self, most: usize) -> Kept<Vec<Task>> {
        self.all(STRANDING, [limit(most)], task)
    }
}
