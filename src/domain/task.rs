//! A task and the states it can be in.
//!
//! **Invariants.** [`Task::step`] is the only way to another state. A final state is left only by reopening. Readiness
//! is never stored as a state: it follows from the state and the unmet dependencies.

use std::collections::BTreeMap;

use super::id::{AgentId, Module, Specialty};
use super::profile::Review;
use super::refusal::{Code, Refusal};
use super::scope::Scope;
use super::time::{LeaseTime, Millis};
use super::word::words;

words! {
    /// Where a task stands.
    TaskState, "task state" {
        /// Seen by intake, not yet confirmed; never offered.
        Draft = "draft",
        /// May be worked on once its dependencies are done.
        Open = "open",
        /// A session holds it, or held it last and nobody claimed since.
        Active = "active",
        /// Paused; holds no lease.
        Waiting = "waiting",
        /// Handed in.
        Review = "review",
        /// Finished, and approved where a review was due.
        Done = "done",
        /// Given up as not to be done this way.
        Failed = "failed",
        /// No longer wanted.
        Cancelled = "cancelled",
    }
}

words! {
    /// What a waiting task waits for.
    WaitFor, "kind of waiting" {
        /// An answer to a question.
        Answer = "answer",
        /// Something outside the board.
        External = "external",
        /// A person's decision to go on.
        Pause = "pause",
    }
}

words! {
    /// Why a task came back to open and is kept for its last agent for a while.
    Returned, "kind of return" {
        /// A reviewer asked for changes.
        ChangesRequested = "changes_requested",
        /// What it waited for has come.
        Unblocked = "unblocked",
        /// Its question was answered.
        Answered = "answered",
        /// Its holder handed it to this agent.
        HandedOver = "handed_over",
        /// This agent released it: others get it first.
        Released = "released",
    }
}

words! {
    /// What happens to a task.
    Step, "step" {
        /// A draft becomes work.
        Confirm = "confirm",
        /// A session takes it.
        Claim = "claim",
        /// Handed in, a review is due.
        Submit = "submit",
        /// Finished, no review is due.
        Complete = "complete",
        /// Given back before it is finished.
        Release = "release",
        /// Paused.
        Block = "block",
        /// The pause ends.
        Unblock = "unblock",
        /// Given up.
        Fail = "fail",
        /// No longer wanted.
        Cancel = "cancel",
        /// A reviewer accepts it.
        Approve = "approve",
        /// A reviewer sends it back.
        RequestChanges = "request_changes",
        /// Wanted again after its end.
        Reopen = "reopen",
    }
}

impl TaskState {
    /// True for the states that only reopening leaves.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The state after `step`, or none where the step is not allowed. This is the table of the manual.
    pub fn after(self, step: Step) -> Option<Self> {
        use TaskState as S;
        let next = match (self, step) {
            (S::Draft, Step::Confirm)
            | (S::Active, Step::Release)
            | (S::Waiting, Step::Unblock)
            | (S::Review, Step::RequestChanges)
            | (S::Done | S::Failed | S::Cancelled, Step::Reopen) => S::Open,
            (S::Open | S::Active, Step::Claim) => S::Active,
            (S::Active, Step::Submit) => S::Review,
            (S::Active, Step::Complete) | (S::Review, Step::Approve) => S::Done,
            (S::Open | S::Active | S::Review, Step::Block) => S::Waiting,
            (S::Open | S::Active | S::Waiting | S::Review, Step::Fail) => S::Failed,
            (S::Draft | S::Open | S::Active | S::Waiting | S::Review, Step::Cancel) => S::Cancelled,
            _ => return None,
        };
        Some(next)
    }
}

/// The key of a task's row. It grows with creation, so it also says which of two tasks is older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskKey(pub i64);

/// A unit of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its row.
    pub key: TaskKey,
    /// Its name.
    pub module: Module,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub state: TaskState,
    /// What it waits for, while waiting.
    pub waiting: Option<Waiting>,
    /// 0 is most urgent, 4 least.
    pub priority: u8,
    /// The field of work it belongs to.
    pub specialty: Option<Specialty>,
    /// What it asked for; the profile decides with it.
    pub review: Option<Review>,
    /// Who is to review it.
    pub reviewer: Option<AgentId>,
    /// What it will change.
    pub owned_paths: Vec<Scope>,
    /// Guesses of intake. Shown, never scheduled by.
    pub candidates: Candidates,
    /// Free key and value pairs.
    pub labels: BTreeMap<String, String>,
    /// A guess at its length.
    pub estimate_minutes: Option<u32>,
    /// The task that it is a part of.
    pub parent: Option<Module>,
    /// When it was made.
    pub created_at: Millis,
    /// When its state last changed.
    pub changed_at: Millis,
    /// Counts the changes of this task.
    pub revision: u64,
    /// Counts the ends of its leases; only grows.
    pub epoch: u64,
    /// How many attempts there were.
    pub attempts: u32,
    /// How many of them were lost: expired, then claimed by another.
    pub losses: u32,
    /// How many of its dependencies are not done.
    pub unmet: u32,
    /// How many tasks that are not final depend on it directly.
    pub held_up: u32,
    /// The longest chain of such tasks below it, bounded by [`super::graph::CRITICAL_PATH_MOST`].
    pub critical_path: u32,
    /// True while a session could claim it: kept right by the mutations that change it.
    pub offered: bool,
    /// For whom it is kept, and how long.
    pub reservation: Option<Reservation>,
    /// Who worked on it last.
    pub last_agent: Option<AgentId>,
}

/// The guesses of intake about a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// It may depend on these.
    pub depends_on: Vec<Module>,
    /// It may change these.
    pub owned_paths: Vec<Scope>,
}

/// What a waiting task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The kind.
    pub what: WaitFor,
    /// Since when.
    pub since: Millis,
    /// In the words of whoever paused it.
    pub reason: String,
}

/// What an agent has to do with a task that came back, for one lease length: it is reserved for the agent, or the agent has
/// just released it and gets it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The agent.
    pub agent: AgentId,
    /// Until this reading of the lease clock.
    pub until: LeaseTime,
    /// Why it came back.
    pub why: Returned,
}

impl Reservation {
    /// Whether `agent` cannot have the task now because it is reserved for another.
    pub fn excludes(&self, agent: Option<&AgentId>, now: LeaseTime) -> bool {
        self.why != Returned::Released && self.until > now && agent != Some(&self.agent)
    }

    /// Whether `agent` released the task less than one lease length ago.
    pub fn is_released_by(&self, agent: &AgentId, now: LeaseTime) -> bool {
        self.why == Returned::Released && self.until > now && *agent == self.agent
    }
}

/// The long texts of a task, kept beside it so that lists never read them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskTexts {
    /// What to do, in markdown.
    pub body: String,
    /// When it is finished.
    pub acceptance: Vec<String>,
}

impl Task {
    /// Its reservation, if one is in force now.
    pub fn reserved(&self, now: LeaseTime) -> Option<&Reservation> {
        self.reservation.as_ref().filter(|reservation| reservation.excludes(None, now))
    }

    /// True for an open task whose dependencies are all done.
    pub fn is_ready(&self) -> bool {
        self.state == TaskState::Open && self.unmet == 0
    }

    /// Takes `step` and clears what belongs to the state it leaves. Refuses with `wrong_state` and changes nothing
    /// where the table does not allow it.
    pub fn step(&mut self, step: Step, now: Millis) -> Result<(), Refusal> {
        let Some(next) = self.state.after(step) else {
            let module = &self.module;
            return Err(Refusal::new(Code::WrongState, format!("{module} is {}: {} is not allowed", self.state, step))
                .hint(self.way_out(step))
                .detail("state", self.state.as_str())
                .detail("module", module.as_str()));
        };
        self.state = next;
        self.changed_at = now;
        self.waiting = None;
        if next != TaskState::Open {
            self.reservation = None;
        }
        Ok(())
    }

    /// The command that helps whoever was refused.
    fn way_out(&self, step: Step) -> String {
        let module = &self.module;
        match (self.state, step) {
            (state, _) if state.is_final() => format!("callboard reopen-task {module} --reason TEXT"),
            (TaskState::Draft, _) => format!("callboard confirm-task {module}"),
            (TaskState::Waiting, _) if self.waiting.as_ref().is_some_and(|waiting| waiting.what == WaitFor::Answer) => {
                format!("callboard questions --module {module}")
            }
            (TaskState::Waiting, _) => format!("callboard unblock {module}"),
            _ => format!("callboard show {module}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An open task with nothing special about it.
    pub(crate) fn open_task(key: i64, module: &str) -> Task {
        Task {
            key: TaskKey(key),
            module: module.parse().expect("a module"),
            title: module.to_owned(),
            state: TaskState::Open,
            waiting: None,
            priority: 2,
            specialty: None,
            review: None,
            reviewer: None,
            owned_paths: Vec::new(),
            candidates: Candidates::default(),
            labels: BTreeMap::new(),
            estimate_minutes: None,
            parent: None,
            created_at: Millis(0),
            changed_at: Millis(0),
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
        }
    }

    #[test]
    fn nothing_but_reopening_leaves_a_final_state() {
        for state in TaskState::ALL.iter().filter(|state| state.is_final()) {
            for step in Step::ALL {
                assert_eq!(state.after(*step).is_some(), *step == Step::Reopen, "{state} {step}");
            }
        }
    }

    #[test]
    fn a_draft_is_never_claimed_or_finished() {
        for step in [Step::Claim, Step::Submit, Step::Complete, Step::Approve] {
            assert_eq!(TaskState::Draft.after(step), None);
        }
    }

    #[test]
    fn a_refused_step_changes_nothing() {
        let mut task = open_task(1, "a");
        let before = task.clone();
        let refusal = task.step(Step::Approve, Millis(9)).expect_err("open tasks are not in review");
        assert_eq!((refusal.code, task), (Code::WrongState, before));
    }

    #[test]
    fn dashes_are_read_as_underscores() {
        assert_eq!("changes-requested".parse(), Ok(Returned::ChangesRequested));
        assert!("nonsense".parse::<TaskState>().is_err());
    }
}
