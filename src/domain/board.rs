//! The board itself: what it counts, and its policies.

use super::profile::Profile;
use super::retention::Retention;
use super::task::{Task, TaskState};
use super::time::{Dial, Millis};
use super::word::words;

words! {
    /// Where a board may be used.
    StorageKind, "kind of storage" {
        /// By processes of one host, on a disk whose locks work.
        Local = "local",
        /// By several hosts that see the same directory.
        Shared = "shared",
    }
}

words! {
    /// How SQLite keeps its journal.
    Journal, "journal mode" {
        /// A rollback journal: works everywhere.
        Truncate = "truncate",
        /// A write-ahead log: local boards only.
        Wal = "wal",
    }
}

words! {
    /// How the windows of a board find each other.
    Mode, "mode" {
        /// Through the directory.
        SharedBoard = "shared_board",
        /// Through a dispatch server.
        CentralizedDispatch = "centralized_dispatch",
    }
}

/// The board: one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// Random; a restored board has a new one.
    pub generation: String,
    /// What people call it.
    pub name: String,
    /// Grows when a state row changed.
    pub revision: u64,
    /// Grows when only presence changed.
    pub presence: u64,
    /// The number of the newest event.
    pub event_seq: u64,
    /// How windows find each other.
    pub mode: Mode,
    /// How careful it is.
    pub profile: Profile,
    /// How the database keeps its journal.
    pub journal: Journal,
    /// When it was made.
    pub created_at: Millis,
    /// Both clocks at the last exclusive transaction.
    pub dial: Dial,
    /// How many tasks there are in each state.
    pub counts: Counts,
    /// Events up to this one are in archives.
    pub pruned_through: u64,
    /// How many events are kept.
    pub retention: Retention,
    /// The event that told people that nothing moves, while nothing does.
    pub stalled_by: Option<u64>,
    /// What waits for somebody: counted, so that what nobody uses costs nothing.
    pub pending: Pending,
    /// True once there was a preflight.
    pub preflighted: bool,
    /// When this was copied, for a backup: it is no board until it was restored.
    pub copied_at: Option<Millis>,
}

impl Board {
    /// True where its events are not those that `before` told of: readers of before would miss some, or meet one twice.
    pub fn tells_otherwise(&self, before: &Self) -> bool {
        (self.event_seq, self.pruned_through) != (before.event_seq, before.pruned_through)
    }
}

/// How much waits for somebody, and how much ever did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Unresolved notifications.
    pub notifications: u64,
    /// Questions without an answer.
    pub questions: u64,
    /// Handoffs that wait for somebody or for a receipt.
    pub handoffs: u64,
    /// Questions that were ever asked.
    pub asked: u64,
    /// Handoffs that were ever left.
    pub left: u64,
}

/// How many tasks there are in each state. Kept by the mutations, so that no page counts rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    by_state: [u64; 8],
    /// Tasks that a session could claim.
    pub offered: u64,
    /// Open tasks that wait for others.
    pub unready: u64,
}

impl Counts {
    /// With these numbers, in the order of [`TaskState::ALL`].
    pub fn new(by_state: [u64; 8], offered: u64, unready: u64) -> Self {
        Self { by_state, offered, unready }
    }

    /// The tasks in `state`.
    pub fn of(&self, state: TaskState) -> u64 {
        self.by_state[state as usize]
    }

    /// In the order of [`TaskState::ALL`].
    pub fn by_state(&self) -> [u64; 8] {
        self.by_state
    }

    /// All tasks.
    pub fn total(&self) -> u64 {
        self.by_state.iter().sum()
    }

    /// Tasks in a final state.
    pub fn finished(&self) -> u64 {
        TaskState::ALL.iter().filter(|state| state.is_final()).map(|state| self.of(*state)).sum()
    }

    /// True when there are tasks and all are in a final state. A board with a draft is not complete.
    pub fn is_complete(&self) -> bool {
        self.total() > 0 && self.finished() == self.total()
    }

    /// Counts `task` in.
    pub fn add(&mut self, task: &Task) {
        self.by_state[task.state as usize] += 1;
        self.offered += u64::from(task.offered);
        self.unready += u64::from(is_unready(task));
    }

    /// Counts `task` out, as it was when it was counted in.
    pub fn remove(&mut self, task: &Task) {
        let one = &mut self.by_state[task.state as usize];
        *one = one.saturating_sub(1);
        self.offered = self.offered.saturating_sub(u64::from(task.offered));
        self.unready = self.unready.saturating_sub(u64::from(is_unready(task)));
    }
}

fn is_unready(task: &Task) -> bool {
    task.state == TaskState::Open && task.unmet > 0
}
