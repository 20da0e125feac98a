//! Notices: events with an audience, and whether they still call anybody.
//!
//! **Invariants.** Delivered, acknowledged and resolved are three things. A cursor says what was delivered to its reader and
//! what the reader acknowledged; a notice is resolved when its cause is gone, whoever has read it. Only what has no cause
//! but to be read is resolved by its reader. Nothing resolved calls again: another cause is another notice.

use super::agent::{Agent, Role};
use super::event::{Audience, Event, EventKind};
use super::id::Specialty;
use super::task::{Task, TaskState};
use super::time::Millis;
use super::word::words;

words! {
    /// Why a notice calls nobody any more.
    Resolution, "resolution" {
        /// What it was about is over.
        Settled = "settled",
        /// Everybody it was for has acknowledged it.
        Acknowledged = "acknowledged",
        /// Nobody acknowledged it for [`READ_WITHIN_DAYS`] days.
        Expired = "expired",
    }
}

words! {
    /// A kind of notification.
    Signal, "kind of notification" {
        /// A task waits for its reviewer.
        ReviewReady = "review_ready",
        /// A reviewer sent work back.
        ChangesRequested = "changes_requested",
        /// A reviewer accepted work.
        Approved = "approved",
        /// A task is paused.
        Blocked = "blocked",
        /// The pause ended.
        Unblocked = "unblocked",
        /// A lease ran out.
        LeaseExpired = "lease_expired",
        /// A lease is gone without the doing of its holder: somebody took the task, or ended it.
        LeaseLost = "lease_lost",
        /// A lease was taken away.
        LeaseRevoked = "lease_revoked",
        /// Somebody works on overlapping paths.
        ScopeOverlap = "scope_overlap",
        /// A handoff waits for somebody.
        HandoffReady = "handoff_ready",
        /// A question waits for its answer.
        Question = "question",
        /// A question was answered.
        Answered = "answered",
        /// A task was given up.
        TaskFailed = "task_failed",
        /// What others wait for will not come.
        DependencyFailed = "dependency_failed",
        /// Somebody's words.
        Message = "message",
        /// Nothing moves without a person.
        Stalled = "stalled",
        /// Everything is done.
        BoardComplete = "board_complete",
    }
}

impl From<Signal> for EventKind {
    fn from(signal: Signal) -> Self {
        signal.as_str().parse().expect("every signal is a kind of event")
    }
}

words! {
    /// Whether a notice still calls somebody.
    NoticeStatus, "notification status" {
        /// It does.
        Unresolved = "unresolved",
        /// It does not.
        Resolved = "resolved",
    }
}

/// What has no cause but to be read expires after so many days.
pub const READ_WITHIN_DAYS: i64 = 7;

/// How a notice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// When.
    pub at: Millis,
    /// By which event, where one did.
    pub by: Option<u64>,
    /// Why.
    pub why: Resolution,
}

/// An event, and whether it still calls anybody.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The event.
    pub event: Event,
    /// How it ended; also none for events without an audience.
    pub resolved: Option<Resolved>,
}

/// True when a task, as it is now, gives a notice of this kind nothing to call for.
pub fn is_settled(kind: EventKind, task: &Task) -> bool {
    match kind {
        EventKind::ReviewReady => task.state != TaskState::Review,
        EventKind::ChangesRequested | EventKind::Unblocked | EventKind::Answered => task.state != TaskState::Open,
        EventKind::Blocked => task.state != TaskState::Waiting,
        EventKind::LeaseExpired => !task.offered && task.state != TaskState::Review,
        EventKind::TaskFailed => task.state != TaskState::Failed,
        EventKind::DependencyFailed => {
            !matches!(task.state, TaskState::Failed | TaskState::Cancelled) || task.held_up == 0
        }
        _ => false,
    }
}

/// True for what has no cause but to be read.
pub fn is_for_reading(event: &Event) -> bool {
    match event.kind {
        EventKind::Approved
        | EventKind::LeaseLost
        | EventKind::LeaseRevoked
        | EventKind::ScopeOverlap
        | EventKind::Message
        | EventKind::TaskFailed
        | EventKind::BoardComplete => true,
        // No task waits for the answer, so none is claimed because of it.
        EventKind::Answered => event.module.is_none(),
        _ => false,
    }
}

impl Audience {
    /// True when the agent is one of them. An agent without specialties belongs to every specialty of its role.
    pub fn has(&self, agent: &Agent) -> bool {
        let fits = |role, specialty: &Option<Specialty>| {
            agent.roles.contains(&role)
                && specialty.as_ref().is_none_or(|one| agent.specialties.is_empty() || agent.specialties.contains(one))
        };
        match self {
            Self::Workers(specialty) => fits(Role::Worker, specialty),
            Self::Reviewers(specialty) => fits(Role::Reviewer, specialty),
            Self::Agent(id) => *id == agent.id,
            Self::Humans => false,
        }
    }

    /// True when somebody who asks for `target` wants what is for this audience: all specialties where the target names
    /// none, and what is for all where it names one.
    pub fn is_within(&self, target: &Self) -> bool {
        match (self, target) {
            (Self::Workers(own), Self::Workers(wanted)) | (Self::Reviewers(own), Self::Reviewers(wanted)) => {
                own.is_none() || wanted.is_none() || own == wanted
            }
            _ => self == target,
        }
    }

    /// The specialty that it names.
    pub fn specialty(&self) -> Option<&Specialty> {
        match self {
            Self::Workers(specialty) | Self::Reviewers(specialty) => specialty.as_ref(),
            Self::Agent(_) | Self::Humans => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::tests::open_task;

    fn audience(text: &str) -> Audience {
        text.parse().expect("an audience")
    }

    #[test]
    fn a_target_has_its_specialties_and_a_specialty_has_what_is_for_all() {
        let within = |own: &str, target: &str| audience(own).is_within(&audience(target));
        assert!(within("reviewers:rust", "reviewers") && within("reviewers", "reviewers:rust"));
        assert!(within("workers:rust", "workers:rust") && !within("workers:docs", "workers:rust"));
        assert!(!within("workers", "reviewers") && !within("agent:a", "agent:b") && within("humans", "humans"));
    }

    #[test]
    fn every_signal_is_a_kind_of_event() {
        for signal in Signal::ALL {
            assert_eq!(EventKind::from(*signal).as_str(), signal.as_str());
        }
    }

    #[test]
    fn a_review_that_is_over_calls_nobody() {
        let mut task = open_task(1, "a");
        task.state = TaskState::Review;
        assert!(!is_settled(EventKind::ReviewReady, &task));
        task.state = TaskState::Open;
        assert!(is_settled(EventKind::ReviewReady, &task) && !is_settled(EventKind::ChangesRequested, &task));
        task.state = TaskState::Active;
        assert!(is_settled(EventKind::ChangesRequested, &task) && is_settled(EventKind::LeaseExpired, &task));
        task.offered = true;
        assert!(!is_settled(EventKind::LeaseExpired, &task));
    }
}
