//! Tasks: adding, editing, confirming.

use std::collections::BTreeMap;

use serde_json::json;

use super::claims::Overlapping;
use super::graph::Force;
use super::turn::Turn;
use crate::domain::event::EventKind;
use crate::domain::id::{AgentId, Module, Specialty};
use crate::domain::profile::Review;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::scope::Scope;
use crate::domain::task::{Candidates, Step, Task, TaskKey, TaskState, TaskTexts};

/// The most acceptance criteria, labels, dependencies or paths of a task: beyond it a list is a mistake.
pub const LIST_MOST: usize = 200;

/// A task to add.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Its name.
    pub module: Module,
    /// One line, already checked.
    pub title: String,
    /// The long texts, already checked.
    pub texts: TaskTexts,
    /// 0 is most urgent.
    pub priority: u8,
    /// The field of work.
    pub specialty: Option<Specialty>,
    /// What it depends on.
    pub depends_on: Vec<Module>,
    /// What it will change.
    pub owned_paths: Vec<Scope>,
    /// Guesses.
    pub candidates: Candidates,
    /// A guess at its length.
    pub estimate_minutes: Option<u32>,
    /// Whether somebody else must look at it.
    pub review: Option<Review>,
    /// Who that is.
    pub reviewer: Option<AgentId>,
    /// Free key and value pairs.
    pub labels: BTreeMap<String, String>,
    /// The task that it is a part of.
    pub parent: Option<Module>,
    /// Draft or open.
    pub state: TaskState,
}

/// What to change of a task; none is left as it is.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// The revision that the task must have.
    pub expected_revision: Option<u64>,
    /// A new title.
    pub title: Option<String>,
    /// A new body.
    pub body: Option<String>,
    /// New acceptance criteria.
    pub acceptance: Option<Vec<String>>,
    /// A new priority.
    pub priority: Option<u8>,
    /// Another field of work; inner none clears it.
    pub specialty: Option<Option<Specialty>>,
    /// Other paths.
    pub owned_paths: Option<Vec<Scope>>,
    /// Another estimate.
    pub estimate_minutes: Option<u32>,
    /// Another review policy.
    pub review: Option<Review>,
    /// Another reviewer.
    pub reviewer: Option<AgentId>,
    /// Other labels.
    pub labels: Option<BTreeMap<String, String>>,
}

impl Turn<'_> {
    /// Adds a task. Refuses a name that exists with `module_exists`, unknown dependencies and parents, and circles.
    pub fn add_task(&mut self, new: NewTask) -> Result<Task, Refusal> {
        let module = new.module.clone();
        let depends_on = new.depends_on.clone();
        let parent = new.parent.clone();
        if let Some(task) = self.store.task(&module)? {
            return Err(Refusal::new(Code::ModuleExists, format!("task {module} exists ({})", task.state))
                .hint(format!("callboard show {module}"))
                .detail("module", module.as_str()));
        }
        let reviewer = new.reviewer.as_ref().map(|id| self.known_reviewer(id)).transpose()?;
        let task = self.insert_new(NewTask { reviewer, ..new })?;
        self.named.push(task.key);
        let (title, priority) = (&task.title, task.priority);
        self.event(EventKind::TaskAdded, &module, json!({"title": title, "priority": priority, "state": task.state}));
        for needed in &depends_on {
            self.depend(&module, std::slice::from_ref(needed), Force::Yes)?;
        }
        if let Some(parent) = parent {
            self.depend(&parent, std::slice::from_ref(&module), Force::No)?;
        }
        self.reload(task.key)
    }

    /// Writes the row of a new task, without its dependencies.
    pub(super) fn insert_new(&mut self, new: NewTask) -> Result<Task, Refusal> {
        let now = self.now();
        let many =
            [new.owned_paths.len(), new.labels.len(), new.texts.acceptance.len(), new.candidates.owned_paths.len()];
        refuse_too_many(&new.module, &many)?;
        let review = if new.reviewer.is_some() { Some(Review::Required) } else { new.review };
        let task = Task {
            key: TaskKey(0),
            module: new.module,
            title: new.title,
            state: new.state,
            waiting: None,
            priority: new.priority,
            specialty: new.specialty,
            review,
            reviewer: new.reviewer,
            owned_paths: new.owned_paths,
            candidates: new.candidates,
            labels: new.labels,
            estimate_minutes: new.estimate_minutes,
            parent: new.parent,
            created_at: now,
            changed_at: now,
            revision: 1,
            epoch: 0,
            attempts: 0,
            losses: 0,
            unmet: 0,
            held_up: 0,
            critical_path: 0,
            offered: false,
            reservation: None,
            last_agent: None,
        };
        self.insert_task(task, &new.texts)
    }

    /// Changes a task. Refuses with `stale_task_revision`, and with `force_required` new paths for an active task.
    pub fn edit_task(&mut self, module: &Module, edit: Edit, force: Force) -> Result<Task, Refusal> {
        let before = self.named_task(module)?;
        if let Some(expected) = edit.expected_revision.filter(|expected| *expected != before.revision) {
            let message = format!("{module} is at task revision {}, not {expected}", before.revision);
            return Err(Refusal::new(Code::StaleTaskRevision, message)
                .hint(format!("callboard show {module}"))
                .detail("task_revision", before.revision));
        }
        if edit.owned_paths.is_some() && before.state == TaskState::Active && force == Force::No {
            let message = format!("{module} is being worked on: its paths are what others keep off");
            return Err(Refusal::new(Code::ForceRequired, message).hint("repeat it with --force"));
        }
        let mut after = before.clone();
        let mut changed = Vec::new();
        set(&mut after.title, edit.title, "title", &mut changed);
        set(&mut after.priority, edit.priority, "priority", &mut changed);
        set(&mut after.specialty, edit.specialty, "specialty", &mut changed);
        set(&mut after.owned_paths, edit.owned_paths, "owned_paths", &mut changed);
        set(&mut after.estimate_minutes, edit.estimate_minutes.map(Some), "estimate_minutes", &mut changed);
        set(&mut after.labels, edit.labels, "labels", &mut changed);
        set(&mut after.review, edit.review.map(Some), "review", &mut changed);
        if edit.review == Some(Review::None) {
            set(&mut after.reviewer, Some(None), "reviewer_id", &mut changed);
        }
        if let Some(reviewer) = edit.reviewer {
            let reviewer = self.known_reviewer(&reviewer)?;
            set(&mut after.reviewer, Some(Some(reviewer)), "reviewer_id", &mut changed);
            set(&mut after.review, Some(Some(Review::Required)), "review", &mut changed);
        }
        let mut texts = self.store.texts(before.key)?;
        let texts_before = texts.clone();
        set(&mut texts.body, edit.body, "body", &mut changed);
        set(&mut texts.acceptance, edit.acceptance, "acceptance", &mut changed);
        refuse_too_many(module, &[after.owned_paths.len(), after.labels.len(), texts.acceptance.len()])?;
        if changed.is_empty() {
            return Ok(before);
        }
        if texts != texts_before {
            self.store.put_texts(before.key, &texts)?;
        }
        if after.owned_paths != before.owned_paths && after.state == TaskState::Active {
            // Forced: what others hold is warned of, and in a safe board refused all the same.
            self.refuse_overlap(&after, Overlapping::Allow)?;
        }
        self.write_task(&before, &mut after)?;
        if after.labels != before.labels {
            self.store.relabel(after.key, &before.labels, &after.labels)?;
        }
        self.event(EventKind::TaskEdited, module, json!({"fields": changed}));
        Ok(after)
    }

    /// Turns drafts into open tasks. With `hints`, what intake guessed becomes dependencies and paths, also of tasks that
    /// were confirmed without. What is no draft is left and not counted.
    pub fn confirm_tasks(&mut self, modules: &[Module], hints: Hints) -> Result<Vec<Task>, Refusal> {
        let mut confirmed = Vec::new();
        for module in modules {
            let before = self.named_task(module)?;
            let has_guesses = before.candidates != Candidates::default();
            let is_late = before.state == TaskState::Open && hints == Hints::Accept && has_guesses;
            if before.state != TaskState::Draft && !is_late {
                continue;
            }
            let mut after = before.clone();
            if !is_late {
                after.step(Step::Confirm, self.now())?;
            }
            if has_guesses && hints == Hints::Keep {
                self.warn(format!(
                    "{module}: intake's guesses were not taken: callboard confirm-task {module} --accept-hints"
                ));
            }
            if hints == Hints::Accept {
                after.owned_paths.extend(std::mem::take(&mut after.candidates.owned_paths));
                after.owned_paths.sort();
                after.owned_paths.dedup();
            }
            self.save_task(&before, &mut after)?;
            self.event(EventKind::TaskConfirmed, module, json!({}));
            confirmed.push(after.key);
        }
        if hints == Hints::Accept {
            for key in &confirmed {
                self.accept_dependencies(*key)?;
            }
        }
        confirmed.into_iter().map(|key| self.reload(key)).collect()
    }

    /// True while there are drafts.
    pub fn has_drafts(&self) -> bool {
        self.board.counts.of(TaskState::Draft) > 0
    }

    /// A guess may be wrong: what does not exist or would close a circle is left, with a warning.
    fn accept_dependencies(&mut self, key: TaskKey) -> Result<(), Refusal> {
        let task = self.reload(key)?;
        for guess in &task.candidates.depends_on {
            match self.depend(&task.module, std::slice::from_ref(guess), Force::No) {
                Ok(_) => {}
                Err(refusal) if matches!(refusal.code, Code::Cycle | Code::UnknownModule) => {
                    self.warn(format!("{}: the candidate dependency {guess} was left out: {refusal}", task.module));
                }
                Err(refusal) => return Err(refusal),
            }
        }
        let before = self.reload(key)?;
        let mut after = before.clone();
        after.candidates = Candidates::default();
        self.write_task(&before, &mut after)
    }
}

/// What becomes of intake's guesses when a draft is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// They stay guesses.
    Keep,
    /// They become dependencies and paths.
    Accept,
}

fn refuse_too_many(module: &Module, lists: &[usize]) -> Result<(), Refusal> {
    if lists.iter().all(|many| *many <= LIST_MOST) {
        return Ok(());
    }
    let message = format!("{module} has more than {LIST_MOST} paths, labels or acceptance criteria");
    Err(Refusal::new(Code::InvalidValue, message).hint("split the task, or name directories instead of files"))
}

fn set<T: PartialEq>(field: &mut T, value: Option<T>, name: &'static str, changed: &mut Vec<&'static str>) {
    if let Some(value) = value.filter(|value| value != field) {
        *field = value;
        changed.push(name);
    }
}
