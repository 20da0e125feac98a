//! Handoffs: a parcel of context for whoever takes a task over, or reviews it.
//!
//! **Invariants.** A task has at most one handoff that still waits for somebody or for a receipt; a newer one replaces it.
//! A lease moves only by a handoff that its holder left.

use super::event::Audience;
use super::id::{AgentId, Module};
use super::task::TaskKey;
use super::time::Millis;
use super::word::words;

words! {
    /// What a handoff is for.
    HandoffKind, "kind of handoff" {
        /// Somebody is to go on with the work.
        Takeover = "takeover",
        /// Somebody is to review it.
        Review = "review",
    }
}

words! {
    /// Where a handoff stands.
    HandoffStatus, "handoff status" {
        /// It waits for somebody.
        Ready = "ready",
        /// Somebody took it, and has not said that it was read.
        Claimed = "claimed",
        /// It was read.
        Acknowledged = "acknowledged",
        /// It was taken back.
        Withdrawn = "withdrawn",
        /// A newer one came.
        Replaced = "replaced",
    }
}

impl HandoffStatus {
    /// True for one that still waits for somebody or for a receipt.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Ready | Self::Claimed)
    }
}

/// The key of a handoff: it grows.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct HandoffKey(pub i64);

/// A handoff, without its bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Its key.
    pub key: HandoffKey,
    /// The task.
    pub task: TaskKey,
    /// Its name, which is the file's.
    pub module: Module,
    /// What it is for.
    pub kind: HandoffKind,
    /// Where it stands.
    pub status: HandoffStatus,
    /// Whom it is for.
    pub audience: Audience,
    /// Who left it: an agent id, or `human:USER`.
    pub left_by: String,
    /// True when the holder of the work left it, and so agreed that somebody else goes on.
    pub agreed: bool,
    /// Who took it.
    pub claimed_by: Option<AgentId>,
    /// The event that told of it.
    pub event: u64,
    /// When it was left.
    pub left_at: Millis,
    /// When its status last changed.
    pub changed_at: Millis,
}

impl Handoff {
    /// True when it was taken, and whoever took it has not said that it was read. Nobody has to read what it left itself.
    pub fn awaits_acknowledgement(&self) -> bool {
        let is_own = self.claimed_by.as_ref().is_some_and(|agent| agent.as_str() == self.left_by);
        self.status == HandoffStatus::Claimed && !is_own
    }
}
