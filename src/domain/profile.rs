//! What a safety profile decides. One board has one; the table in the manual is this file.

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

/// What happens when the paths of a task overlap with another holder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It cannot be claimed.
    Refused,
    /// `claim-next` passes it over; `claim` takes it with `--allow-overlap`.
    OnRequest,
    /// It is claimed, and an event warns.
    Warned,
}

/// What confirming the workspace and branch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// Claims and finish are refused without.
    Required,
    /// A warning without.
    Advised,
    /// Recorded only.
    Recorded,
}

/// What is left for whoever takes over a task whose lease ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// A bundle, which must be acknowledged before the task is handed in.
    Acknowledged,
    /// A bundle.
    Written,
    /// Nothing.
    Bare,
}

impl Profile {
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
