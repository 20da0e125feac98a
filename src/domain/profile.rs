//! What a safety profile decides. One board has one; the table in the manual is this file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::words;

words! {
    /// How careful a board is.
    Profile, "safety profile" {
        /// Nothing overlaps, everything is reviewed, every session confirms its workspace.
        Safe = "safe",
        /// The default.
        Balanced = "balanced",
        /// Warnings instead of refusals.
        Throughput = "throughput",
    }
}

words! {
    /// Whether a finished task is looked at by somebody else.
    Review, "review policy" {
        /// A reviewer must approve.
        Required = "required",
        /// Finished is done.
        None = "none",
    }
}

words! {
    /// What happens when the paths of a task overlap with another holder's.
    Overlap, "rule for overlaps" {
        /// It cannot be claimed.
        Refused = "refused",
        /// `claim-next` passes it over; `claim` takes it with `--allow-overlap`.
        OnRequest = "on_request",
        /// It is claimed, and an event warns.
        Warned = "warned",
    }
}

words! {
    /// What is reviewed.
    Reviewed, "rule for reviews" {
        /// Every task.
        Always = "always",
        /// Tasks that ask for it.
        WhenAsked = "when_asked",
    }
}

words! {
    /// What confirming the workspace and branch means.
    Confirmation, "rule for confirmations" {
        /// Each session says it for itself; claims and finish are refused without.
        Required = "required",
        /// Once for a working tree and branch; a warning without.
        Advised = "advised",
        /// Recorded only.
        Recorded = "recorded",
    }
}

words! {
    /// What is left for whoever takes over a task whose lease ran out.
    Takeover, "rule for takeovers" {
        /// A bundle, which must be acknowledged before the task is handed in.
        Acknowledged = "acknowledged",
        /// A bundle.
        Written = "written",
        /// Nothing.
        Bare = "bare",
    }
}

/// A task that was lost so often, each time to another agent, waits for a person.
pub const LOSSES_MOST: u32 = 3;

/// All that a profile decides, as programs and pages see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// What happens when paths overlap with another holder's.
    pub overlap: Overlap,
    /// What is reviewed, never by its own worker.
    pub review: Reviewed,
    /// What confirming workspace and branch means.
    pub confirmation: Confirmation,
    /// The length of a lease that names none.
    pub default_lease_seconds: u32,
    /// How many tasks an agent may hold that says nothing of it.
    pub tasks_per_agent: u32,
    /// True where an agent may say that it takes more.
    pub agent_may_choose: bool,
    /// What is left for whoever takes over.
    pub takeover: Takeover,
    /// A task that was lost so often waits for a person.
    pub losses_most: u32,
}

impl Profile {
    /// All that it decides.
    pub fn policy(self) -> Policy {
        Policy {
            overlap: self.overlap(),
            review: match self.review(None) {
                Review::Required => Reviewed::Always,
                Review::None => Reviewed::WhenAsked,
            },
            confirmation: self.confirmation(),
            default_lease_seconds: self.lease_seconds(),
            tasks_per_agent: self.task_limit(None),
            agent_may_choose: self != Self::Safe,
            takeover: self.takeover(),
            losses_most: LOSSES_MOST,
        }
    }

    /// What is left for whoever takes over a task whose lease ran out.
    pub fn takeover(self) -> Takeover {
        match self {
            Self::Safe => Takeover::Acknowledged,
            Self::Balanced => Takeover::Written,
            Self::Throughput => Takeover::Bare,
        }
    }

    /// What happens when scopes overlap.
    pub fn overlap(self) -> Overlap {
        match self {
            Self::Safe => Overlap::Refused,
            Self::Balanced => Overlap::OnRequest,
            Self::Throughput => Overlap::Warned,
        }
    }

    /// What confirming the workspace means.
    pub fn confirmation(self) -> Confirmation {
        match self {
            Self::Safe => Confirmation::Required,
            Self::Balanced => Confirmation::Advised,
            Self::Throughput => Confirmation::Recorded,
        }
    }

    /// The review policy of a task, given what it asks for.
    pub fn review(self, asked: Option<Review>) -> Review {
        match self {
            Self::Safe => Review::Required,
            Self::Balanced | Self::Throughput => asked.unwrap_or(Review::None),
        }
    }

    /// The length of a lease that names none, in seconds.
    pub fn lease_seconds(self) -> u32 {
        match self {
            Self::Safe => 600,
            Self::Balanced => 900,
            Self::Throughput => 1800,
        }
    }

    /// How many tasks an agent with this `--max-tasks` may hold at once.
    pub fn task_limit(self, max_tasks: Option<u32>) -> u32 {
        match self {
            Self::Safe => 1,
            Self::Balanced => max_tasks.unwrap_or(1),
            Self::Throughput => max_tasks.unwrap_or(4),
        }
    }
}
