//! Sessions: the live windows of agents.
//!
//! **Invariants.** An agent has at most one live session for each window of each host; a newer one replaces it and
//! its epoch is higher. An ended session never lives again.

use super::id::{AgentId, SessionId, TokenName, WindowId};
use super::time::Millis;
use super::word::words;
use super::workspace::Workspace;

words! {
    /// Where a session stands.
    SessionStatus, "session status" {
        /// Heard of lately.
        Active = "active",
        /// Silent for longer than [`STALE_AFTER_SECONDS`].
        Stale = "stale",
        /// Closed, reaped or replaced.
        Closed = "closed",
    }
}

words! {
    /// How a session ended.
    Ending, "ending" {
        /// By its own agent.
        Closed = "closed",
        /// For being silent too long.
        Reaped = "reaped",
        /// By a newer session of the same window.
        Replaced = "replaced",
        /// With the board as it was, when a backup was restored.
        Restored = "restored",
    }
}

/// A session that was silent for longer is shown as stale. Silence alone ends nothing.
pub const STALE_AFTER_SECONDS: i64 = 3600;
/// A session that was seen within this time is in use, also without a lease.
pub const IN_USE_SECONDS: i64 = 600;

/// One live window or process of an agent on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose window it is.
    pub agent: AgentId,
    /// The host's random id, or the name given for it.
    pub host: String,
    /// The window on that host.
    pub window: WindowId,
    /// Counts the sessions of this window.
    pub epoch: u64,
    /// When it was registered.
    pub started_at: Millis,
    /// When it was last heard of.
    pub seen_at: Millis,
    /// When and how it ended.
    pub ended: Option<(Millis, Ending)>,
    /// Where it works, and whether that was confirmed.
    pub workspace: Workspace,
    /// True once workspace and branch were confirmed.
    pub confirmed: bool,
    /// The token that registered it. None where it was registered in the directory or by an operator.
    pub registered_by: Option<TokenName>,
}

impl Session {
    /// True when another session took its window over while it was in use: whoever had it may still be at work.
    pub fn was_taken_over(&self) -> bool {
        self.ended
            .is_some_and(|(at, ending)| ending == Ending::Replaced && at.since(self.seen_at) < IN_USE_SECONDS * 1000)
    }

    /// Its host for people: what its machine is called, else the host's id.
    pub fn host_shown(&self) -> String {
        self.workspace.host.as_ref().map_or_else(|| self.host.clone(), ToString::to_string)
    }

    /// Where it stands at `now`.
    pub fn status(&self, now: Millis) -> SessionStatus {
        match self.ended {
            Some(_) => SessionStatus::Closed,
            None if now.since(self.seen_at) > STALE_AFTER_SECONDS * 1000 => SessionStatus::Stale,
            None => SessionStatus::Active,
        }
    }
}
