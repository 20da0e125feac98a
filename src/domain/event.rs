//! Events: numbered facts. With an audience one is also a notification.
//!
//! **Invariants.** Numbers have no holes, and a later number was committed later. An event is never changed.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::id::{AgentId, Module, SessionId, Specialty};
use super::time::Millis;
use super::topic::Topic;
use super::word::words;

words! {
    /// What happened.
    EventKind, "kind of event" {
        /// The board was made.
        BoardCreated = "board_created",
        /// Workspace and branch were confirmed, mode and policy chosen.
        Preflighted = "preflighted",
        /// Somebody looked at the project for tasks.
        IntakeScanned = "intake_scanned",
        /// Somebody checked the board.
        Validated = "validated",
        /// What was wrong with the board was mended.
        Repaired = "repaired",
        /// The board came back from a backup.
        Restored = "restored",
        /// A silence or a jump of the storage's clock was not counted whole.
        ClockCut = "clock_cut",
        /// An agent came aboard or came back.
        SessionRegistered = "session_registered",
        /// A session ended.
        SessionEnded = "session_ended",
        /// A task was added.
        TaskAdded = "task_added",
        /// Many tasks were added at once.
        Imported = "imported",
        /// A task was edited.
        TaskEdited = "task_edited",
        /// A draft was confirmed.
        TaskConfirmed = "task_confirmed",
        /// Dependencies were added.
        DependencyAdded = "dependency_added",
        /// Dependencies were removed.
        DependencyRemoved = "dependency_removed",
        /// A session took a task.
        Claimed = "claimed",
        /// A session took a task although its paths overlap with another's.
        ScopeOverlap = "scope_overlap",
        /// A lease ran out.
        LeaseExpired = "lease_expired",
        /// Its last holder had it back.
        LeaseRegained = "lease_regained",
        /// It went to a newer session of the same window.
        LeaseMoved = "lease_moved",
        /// It was taken away.
        LeaseRevoked = "lease_revoked",
        /// A lease is gone without the doing of its holder: somebody took the task, or ended it.
        LeaseLost = "lease_lost",
        /// A holder gave a task back.
        Released = "released",
        /// A task was handed in for review.
        ReviewReady = "review_ready",
        /// A reviewer took it.
        ReviewStarted = "review_started",
        /// A reviewer gave it back without a verdict.
        ReviewReleased = "review_released",
        /// A reviewer accepted it.
        Approved = "approved",
        /// A reviewer sent it back.
        ChangesRequested = "changes_requested",
        /// A task is done.
        TaskDone = "task_done",
        /// A task was given up.
        TaskFailed = "task_failed",
        /// A task is no longer wanted.
        TaskCancelled = "task_cancelled",
        /// A task is wanted again.
        TaskReopened = "task_reopened",
        /// A task is paused.
        Blocked = "blocked",
        /// The pause ended.
        Unblocked = "unblocked",
        /// A question was asked.
        Question = "question",
        /// It was answered.
        Answered = "answered",
        /// It was withdrawn.
        QuestionWithdrawn = "question_withdrawn",
        /// A handoff was left.
        HandoffReady = "handoff_ready",
        /// Somebody took it.
        HandoffClaimed = "handoff_claimed",
        /// Somebody has read it.
        HandoffAcknowledged = "handoff_acknowledged",
        /// It was taken back.
        HandoffWithdrawn = "handoff_withdrawn",
        /// Somebody's words.
        Message = "message",
        /// Old events went to an archive.
        EventsPruned = "events_pruned",
        /// How many events are kept was changed.
        RetentionSet = "retention_set",
        /// Something that others wait for will not come.
        DependencyFailed = "dependency_failed",
        /// A result came after its lease was gone. It changed nothing.
        LateResult = "late_result",
        /// Nothing can move without a person.
        Stalled = "stalled",
        /// Everything is in a final state.
        BoardComplete = "board_complete",
    }
}

words! {
    /// Where an event came from.
    Source, "event source" {
        /// A change of the board.
        Mutation = "mutation",
        /// The confirmation of workspace and mode.
        Preflight = "preflight",
        /// An import or a look at the project.
        Intake = "intake",
        /// A check.
        Validate = "validate",
        /// A repair.
        Repair = "repair",
        /// Somebody's words.
        Message = "message",
    }
}

/// Whom an event concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Audience {
    /// All workers, or those of a specialty.
    Workers(Option<Specialty>),
    /// All reviewers, or those of a specialty.
    Reviewers(Option<Specialty>),
    /// One agent.
    Agent(AgentId),
    /// People.
    Humans,
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Workers(None) => f.write_str("workers"),
            Self::Workers(Some(specialty)) => write!(f, "workers:{specialty}"),
            Self::Reviewers(None) => f.write_str("reviewers"),
            Self::Reviewers(Some(specialty)) => write!(f, "reviewers:{specialty}"),
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::Humans => f.write_str("humans"),
        }
    }
}

/// Why a text is not an audience.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is not an audience; there are: workers, reviewers, workers:SPECIALTY, reviewers:SPECIALTY, agent:ID, humans"
)]
pub struct InvalidAudience(Box<str>);

impl serde::Serialize for Audience {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Audience {
    type Err = InvalidAudience;

    fn from_str(text: &str) -> Result<Self, InvalidAudience> {
        let bad = || InvalidAudience(text.into());
        match text.split_once(':') {
            None if text == "workers" => Ok(Self::Workers(None)),
            None if text == "reviewers" => Ok(Self::Reviewers(None)),
            None if text == "humans" => Ok(Self::Humans),
            Some(("workers", name)) => Ok(Self::Workers(Some(name.parse().map_err(|_| bad())?))),
            Some(("reviewers", name)) => Ok(Self::Reviewers(Some(name.parse().map_err(|_| bad())?))),
            Some(("agent", id)) => Ok(Self::Agent(id.parse().map_err(|_| bad())?)),
            _ => Err(bad()),
        }
    }
}

/// A numbered fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number; given by the transaction that appends it.
    pub seq: u64,
    /// When.
    pub at: Millis,
    /// What happened.
    pub kind: EventKind,
    /// Where it came from.
    pub source: Source,
    /// To which task.
    pub module: Option<Module>,
    /// By whom: an agent id, or `human:USER`.
    pub actor: Option<String>,
    /// In which session.
    pub session: Option<SessionId>,
    /// The revision of the board after it.
    pub board_revision: u64,
    /// Whom it concerns, for a notification.
    pub audience: Option<Audience>,
    /// 0 is most urgent, 4 least.
    pub priority: u8,
    /// Facts that depend on the kind.
    pub data: Map<String, Value>,
}

impl Event {
    /// What it is about, for whoever waits.
    pub fn topics(&self) -> impl Iterator<Item = Topic> {
        let task = self.module.clone().map(Topic::Task);
        let notified = self.audience.iter().flat_map(|audience| [Topic::Notified, Topic::Audience(audience.clone())]);
        [Topic::Event, Topic::Source(self.source)].into_iter().chain(task).chain(notified)
    }
}
