//! A board that comes back: from a backup, or from what could be saved.
//!
//! **Invariants.** Nothing that was granted before counts afterwards: the generation is new, so cursors are refused; every
//! session and lease has ended; every epoch is so much higher that no token of a lost time is ever current again.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::history::EventView;
use super::turn::{Touched, Turn};
use crate::domain::audit::Mended;
use crate::domain::board::Journal;
use crate::domain::event::{EventKind, Source};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::Ending;
use crate::domain::task::{Task, TaskKey, TaskState};
use crate::domain::text;
use crate::store::contract::{SessionsOf, TaskFilter};

/// By so much every epoch rises at least: more than a board ever grants between a backup and its loss,
pub const EPOCHS_LOST: u64 = 1_000_000;
/// and by so much more for each revision that the board had: the same backup may come back twice.
const EPOCHS_A_REVISION: u64 = 4;
/// Sessions and tasks are gone through so many at a time.
const PAGE: usize = 500;

/// What a board comes back as.
#[derive(Clone, Debug)]
pub struct Return {
    /// Its new generation.
    pub generation: String,
    /// Its revision is higher than this.
    pub revision: u64,
    /// How its journal is kept here.
    pub journal: Journal,
    /// Restored or repaired.
    pub kind: EventKind,
    /// What the event says.
    pub data: Value,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    /// How many windows ended with the board as it was.
    pub sessions_ended: u64,
    /// How many tasks there are.
    pub tasks: u64,
}

impl Turn<'_> {
    /// Makes a board of a copy.
    pub fn come_back(&mut self, back: Return) -> Result<Returned, Refusal> {
        self.comes_from(Source::Repair);
        let raise = EPOCHS_LOST + EPOCHS_A_REVISION * back.revision;
        self.board.generation = back.generation;
        self.board.copied_at = None;
        self.board.journal = back.journal;
        self.board.revision = self.board.revision.max(back.revision);
        let mut returned = Returned { tasks: self.board.counts.total(), ..Returned::default() };
        loop {
            let live = self.store.sessions(SessionsOf::Live, PAGE)?;
            if live.is_empty() {
                break;
            }
            for session in live {
                self.end_session(session, Ending::Restored)?;
                returned.sessions_ended += 1;
            }
        }
        let mut after: Option<TaskKey> = None;
        loop {
            let tasks = self.store.tasks(&TaskFilter::default(), after, PAGE)?;
            let Some(last) = tasks.last() else { break };
            after = Some(last.key);
            for task in tasks {
                let (epoch, revision) = (task.epoch + raise, task.revision + 1);
                self.store.update_task(&Task { revision, epoch, ..task })?;
            }
        }
        self.touched = Touched::State;
        self.board_event(back.kind, None, back.data);
        Ok(returned)
    }

    /// Takes over what events tell that the rows do not: tasks that were added, and how tasks ended. Up to `through` the rows
    /// of a task know better, where there are any. Says how many events changed something. Nobody holds anything by now.
    pub fn replay_told(&mut self, events: &[EventView], through: u64) -> Result<u64, Refusal> {
        let (mut changed, mut missing) = (0, HashSet::new());
        for told in events {
            let Some(module) = &told.module else { continue };
            if self.store.task(module)?.is_none() {
                missing.insert(module.clone());
            }
            if told.seq > through || missing.contains(module) {
                changed += u64::from(self.replay(told)?);
            }
        }
        Ok(changed)
    }

    fn replay(&mut self, told: &EventView) -> Result<bool, Refusal> {
        let Some(module) = &told.module else { return Ok(false) };
        let known = self.store.task(module)?;
        let state = match (told.kind, &known) {
            (EventKind::TaskAdded, None) => {
                let said = |key: &str| told.data.get(key).and_then(Value::as_str).unwrap_or_default();
                let title = text::title(said("title")).unwrap_or_else(|_| module.to_string());
                let priority = told.data.get("priority").and_then(Value::as_u64).map_or(2, |n| n.min(4));
                let new = super::tasks::NewTask {
                    module: module.clone(),
                    title,
                    texts: crate::domain::task::TaskTexts {
                        body: "Brought back from events, which tell no more than its title: what it depends on, its paths and its body are lost.".to_owned(),
                        acceptance: Vec::new(),
                    },
                    priority: u8::try_from(priority).unwrap_or(2),
                    specialty: None,
                    depends_on: Vec::new(),
                    owned_paths: Vec::new(),
                    candidates: crate::domain::task::Candidates::default(),
                    estimate_minutes: None,
                    review: None,
                    reviewer: None,
                    labels: std::collections::BTreeMap::new(),
                    parent: None,
                    // What it depended on and which paths were its own is lost: a person confirms it.
                    state: TaskState::Draft,
                };
                self.insert_new(new)?;
                return Ok(true);
            }
            (EventKind::TaskDone | EventKind::Approved, Some(_)) => TaskState::Done,
            (EventKind::TaskFailed, Some(_)) => TaskState::Failed,
            (EventKind::TaskCancelled, Some(_)) => TaskState::Cancelled,
            (EventKind::TaskReopened, Some(task)) if task.state.is_final() => TaskState::Draft,
            _ => return Ok(false),
        };
        let Some(before) = known.filter(|task| task.state != state && task.waiting.is_none()) else { return Ok(false) };
        let mut after = Task { state, reservation: None, changed_at: told.at, ..before.clone() };
        self.save_task(&before, &mut after)?;
        Ok(true)
    }

    /// What was checked, as presence.
    pub fn note_validation(&mut self, findings: u64, drifted: u64) {
        self.comes_from(Source::Validate);
        let data = json!({"findings": findings, "drifted": drifted});
        self.board_event(EventKind::Validated, None, data);
        // Pages are what was checked: drawing them for this would hide what was found.
        self.touched = self.touched.max(Touched::Presence);
    }

    /// Mends the rows of this board, and tells of it. Refuses where this turn has told of something already: its numbers would
    /// not fit any more. The board takes the new `generation` where what was told before is not what is there now.
    pub fn mend_rows(&mut self, generation: String) -> Result<Mended, Refusal> {
        if !self.events.is_empty() {
            return Err(Refusal::new(Code::Internal, "something was told before the rows were mended"));
        }
        let mended = self.store.mend()?;
        let rows = self.store.board()?;
        if rows.tells_otherwise(&self.board) {
            self.board.generation = generation;
        }
        (self.board.counts, self.board.pending) = (rows.counts, rows.pending);
        (self.board.event_seq, self.board.pruned_through) = (rows.event_seq, rows.pruned_through);
        let data = json!({"rebuilt": false, "still_wrong": mended.left.len()});
        self.note_repair(data);
        Ok(mended)
    }

    /// Records that pages which differed were rendered again.
    pub fn note_rendered_pages(&mut self, pages: &[&str]) {
        self.comes_from(Source::Repair);
        self.board_event(EventKind::Repaired, None, json!({"rebuilt": false, "still_wrong": 0, "pages": pages}));
        self.touched = self.touched.max(Touched::Presence);
    }

    /// What was mended in place. The rows are changed already; this is the revision of it.
    pub fn note_repair(&mut self, data: Value) {
        self.comes_from(Source::Repair);
        self.touched = Touched::State;
        self.board_event(EventKind::Repaired, None, data);
    }
}
