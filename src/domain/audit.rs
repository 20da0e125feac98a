//! What can be wrong with the rows of a board, although none of it should ever happen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::word::words;

words! {
    /// A rule that rows break.
    Rule, "rule" {
        /// SQLite itself finds the file damaged.
        Integrity = "integrity",
        /// A row holds something that no program wrote.
        UnreadableRow = "unreadable_row",
        /// A row points at one that is not there.
        Orphan = "orphan",
        /// The number of tasks in a state is not what was counted.
        Counts = "counts",
        /// The number of what waits for somebody is not what was counted.
        Pending = "pending",
        /// Dependencies go in a circle.
        Circle = "circle",
        /// The number of dependencies that are not done is wrong.
        Unmet = "unmet",
        /// The number of tasks that wait for one is wrong.
        HeldUp = "held_up",
        /// The length of the chain below a task is wrong.
        CriticalPath = "critical_path",
        /// A task is offered and should not be, or the other way round.
        Offered = "offered",
        /// The rank of a task is not what its numbers give.
        Score = "score",
        /// The labels of a task are not those that it is found by.
        Labels = "labels",
        /// A lease does not fit its task, its attempt or its window.
        Lease = "lease",
        /// A task is being worked on and nobody holds or held it.
        NoHolder = "no_holder",
        /// The attempts of a task do not fit its state.
        Attempts = "attempts",
        /// A task and its questions disagree about whether it waits.
        Question = "question",
        /// A handoff outlives its task or names another, or a lease was handed and nothing says so.
        Handoff = "handoff",
        /// Events have a hole, or their last number is not the board's.
        Events = "events",
        /// A notification has no event, or an event with an audience no notification.
        Notices = "notices",
        /// The archives of events have a hole, or one is not what was written.
        Archives = "archives",
        /// Something else has the name of a file of the board.
        InTheWay = "in_the_way",
        /// A page is not what the board says.
        Page = "page",
    }
}

impl Rule {
    /// What a repair does about it.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Integrity => "rebuild the database from what still reads",
            Self::UnreadableRow => "put the default in place of what cannot be read; a row that stays unreadable goes",
            Self::Orphan => "remove what points at nothing",
            Self::Counts | Self::Pending => "count again",
            Self::Circle => "take the dependency out that closes it",
            Self::Unmet | Self::HeldUp | Self::CriticalPath | Self::Offered | Self::Score => "compute it again",
            Self::Labels => "make the index from the task again",
            Self::Lease => "end the lease and raise the epoch",
            Self::NoHolder => "open the task again",
            Self::Attempts => "count again, and end or reopen the last attempt; what nobody submitted is open again",
            Self::Question => "withdraw the question, or let the task wait for a person",
            Self::Handoff => "withdraw the handoff, name its task again, or take the mark off the lease",
            Self::Events => "keep the newest events without a hole; cursors begin again",
            Self::Notices => "make the notification, or remove it",
            Self::Archives => "nothing: the archive is what is left of its events",
            Self::InTheWay => "move it aside",
            Self::Page => "write it again",
        }
    }
}

/// What mending came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mended {
    /// Rows that are gone, because nothing made them readable.
    pub gone: Vec<Finding>,
    /// Values that could not be read, with a default in their place.
    pub defaulted: Vec<Finding>,
    /// What is still wrong.
    pub left: Vec<Finding>,
}

/// A rule that was found broken, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The task, the table or the number that it is about.
    pub subject: String,
    /// What stands there.
    pub detail: String,
}

impl Finding {
    /// A rule that is broken by `subject`.
    pub fn new(rule: Rule, subject: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { rule, subject: subject.into(), detail: detail.into() }
    }
}
