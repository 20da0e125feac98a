//! One try of a task by a session.

use super::id::{AgentId, SessionId};
use super::submission::Submission;
use super::task::TaskKey;
use super::time::Millis;
use super::word::words;
use super::workspace::Workspace;

words! {
    /// How an attempt ended.
    Outcome, "outcome" {
        /// Handed in or done.
        Finished = "finished",
        /// Given back by its holder.
        Released = "released",
        /// Given up.
        Failed = "failed",
        /// Paused.
        Blocked = "blocked",
        /// Its lease ran out and another session claimed.
        Lost = "lost",
        /// Handed to somebody else by its holder.
        HandedOver = "handed_over",
        /// Its lease was taken away by a person or planner.
        Revoked = "revoked",
        /// The task was cancelled.
        Cancelled = "cancelled",
    }
}

impl Outcome {
    /// True for an attempt that counts: it came to its end, for better or worse. One that waited for an answer, or went
    /// over to somebody else, goes on in the next.
    pub fn is_try(self) -> bool {
        match self {
            Self::Finished | Self::Released | Self::Failed | Self::Lost | Self::Revoked => true,
            Self::Blocked | Self::HandedOver | Self::Cancelled => false,
        }
    }
}

/// The key of an attempt's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey(pub i64);

/// One try of a task by a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its row; 0 before it is stored.
    pub key: AttemptKey,
    /// The task.
    pub task: TaskKey,
    /// 1 for the first try of the task.
    pub number: u32,
    /// Who tried.
    pub agent: AgentId,
    /// In which window; the last one, when the agent came back in another.
    pub session: SessionId,
    /// When it started.
    pub started_at: Millis,
    /// When and how it ended.
    pub ended: Option<(Millis, Outcome)>,
    /// What the holder said at the end.
    pub summary: Option<String>,
    /// What was changed.
    pub changed_paths: Vec<String>,
    /// Where the work lay when the claim was granted.
    pub workspace: Workspace,
    /// What was submitted at its end.
    pub submitted: Option<Submission>,
}

impl Attempt {
    /// Where the work lies: where it was submitted, else where it was claimed.
    pub fn place(&self) -> Workspace {
        match &self.submitted {
            None => self.workspace.clone(),
            Some(submitted) if submitted.workspace != Workspace::default() => submitted.workspace.clone(),
            // Whoever submitted it did not say at which commit; that of the claim is not what was submitted.
            Some(_) => Workspace { branch: None, head: None, ..self.workspace.clone() },
        }
    }
}
