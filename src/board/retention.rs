//! Pruning: which events may go to an archive, and the transaction that lets them go.
//!
//! **Invariants.** The archive is durable before the transaction begins; the transaction records its name, range and hash
//! and removes exactly its rows. Whoever finds that others were faster changes nothing: a file without a record is no
//! archive. An unresolved notification outlives its event.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::history::{EventView, notice_view};
use super::look::Look;
use super::turn::{Touched, Turn};
use crate::domain::board::Board;
use crate::domain::event::EventKind;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::retention::{DAY_MS, Retention};
use crate::domain::time::Millis;
use crate::store::contract::{Archive, NoticeFilter};

/// So many events are read at once.
const PAGE: usize = 1_000;

/// What a prune would do.
#[derive(Clone, Debug)]
pub struct PrunePlan {
    /// The first event that is kept now.
    pub first: u64,
    /// The last one that goes; before `first` when none does.
    pub last: u64,
    /// The board's generation.
    pub generation: String,
}

impl PrunePlan {
    /// True when nothing is to go.
    pub fn is_empty(&self) -> bool {
        self.last < self.first
    }
}

/// An archive as every door shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArchiveView {
    /// The name of its file, in `project-plan/archive/events`.
    pub name: String,
    /// The number of its first event.
    pub first: u64,
    /// The number of its last.
    pub last: u64,
    /// Its length.
    pub bytes: u64,
    /// The SHA-256 of its content.
    pub sha256: String,
    /// When it was made.
    pub at: Millis,
}

impl From<Archive> for ArchiveView {
    fn from(archive: Archive) -> Self {
        let Archive { first, last, name, sha256, bytes, at } = archive;
        Self { name, first, last, bytes, sha256, at }
    }
}

impl Look<'_> {
    /// What a prune by this policy would do now.
    pub fn prune_plan(&self, policy: Retention) -> Result<PrunePlan, Refusal> {
        let first = self.board.pruned_through + 1;
        let by_age = match policy.max_age_days {
            Some(days) => self.older_than(Millis(self.dial.wall.0 - i64::from(days) * DAY_MS))?,
            None => 0,
        };
        let last = policy.rows_through(self.board.event_seq).max(by_age);
        Ok(PrunePlan { first, last, generation: self.board.generation.clone() })
    }

    /// True when the board keeps more than its policy allows, so that something must have kept it from pruning.
    pub fn is_over_retention(&self) -> Result<bool, Refusal> {
        let Board { retention, pruned_through, event_seq, .. } = &self.board;
        let oldest = self.store.events(*pruned_through, 1)?.pop();
        let age = oldest.map_or(0, |event| self.dial.wall.since(event.at));
        Ok(retention.is_overdue(*pruned_through, *event_seq, age))
    }

    /// The last of the oldest events that are all from before `time`.
    fn older_than(&self, time: Millis) -> Result<u64, Refusal> {
        let mut through = self.board.pruned_through;
        loop {
            let page = self.store.events(through, PAGE)?;
            let was_all = page.len() < PAGE;
            for event in page {
                if event.at >= time {
                    return Ok(through);
                }
                through = event.seq;
            }
            if was_all {
                return Ok(through);
            }
        }
    }

    /// Events after `after` with their status, for an archive.
    pub fn archive_page(&self, after: u64, through: u64) -> Result<Vec<EventView>, Refusal> {
        let limit = usize::try_from(through.saturating_sub(after)).map_or(PAGE, |left| left.min(PAGE));
        let mut page = self.store.notices(&NoticeFilter::default(), after, limit)?;
        page.retain(|notice| notice.event.seq <= through);
        Ok(page.into_iter().map(notice_view).collect())
    }

    /// Archives whose last event is after `after`, in order.
    pub fn archives(&self, after: u64, limit: usize) -> Result<Vec<ArchiveView>, Refusal> {
        Ok(self.store.archives(after, limit)?.into_iter().map(Into::into).collect())
    }

    /// The archive of this name.
    pub fn archive(&self, name: &str) -> Result<Option<ArchiveView>, Refusal> {
        Ok(self.store.archive(name)?.map(Into::into))
    }

    /// True when a request of this name was done before.
    pub fn is_done(&self, request: &crate::domain::id::RequestId) -> Result<bool, Refusal> {
        Ok(self.store.request(request)?.is_some())
    }
}

impl Turn<'_> {
    /// Lets the events of an archive go. Refuses with `stale_revision` when others pruned meanwhile, and when the board is no
    /// longer of the generation that was archived.
    pub fn prune(&mut self, mut archive: Archive, generation: &str) -> Result<Archive, Refusal> {
        if self.board.generation != generation {
            let message = format!("the board was restored meanwhile, and is {}", self.board.generation);
            return Err(Refusal::new(Code::StaleRevision, message).hint("repeat the command"));
        }
        if archive.first != self.board.pruned_through + 1 {
            let message = format!("events up to {} were pruned meanwhile", self.board.pruned_through);
            return Err(Refusal::new(Code::StaleRevision, message).hint("repeat the command"));
        }
        // Nobody's absence keeps a notification for ever.
        self.expire_unread()?;
        archive.at = self.now();
        let removed = self.store.remove_events(archive.last)?;
        self.store.add_archive(&archive)?;
        self.board.pruned_through = archive.last;
        self.touched = Touched::State;
        let data = json!({"archive": archive.name, "first": archive.first, "last": archive.last, "events": removed});
        self.board_event(EventKind::EventsPruned, None, data);
        Ok(archive)
    }

    /// Changes how many events are kept; none leaves a limit as it is, 0 takes it away.
    pub fn set_retention(&mut self, max_rows: Option<u64>, max_age_days: Option<u32>) -> Retention {
        let before = self.board.retention;
        let policy = Retention {
            max_rows: max_rows.map_or(before.max_rows, |rows| Some(rows).filter(|rows| *rows > 0)),
            max_age_days: max_age_days.map_or(before.max_age_days, |days| Some(days).filter(|days| *days > 0)),
        };
        if policy != before {
            self.board.retention = policy;
            self.touched = Touched::State;
            self.board_event(EventKind::RetentionSet, None, json!(policy));
        }
        policy
    }
}
