//! Retention: how many events a board keeps, and which go to an archive.
//!
//! **Invariants.** Events leave from the old end only, so what is kept has no holes. A notification is a row of its own: it holds
//! no event back.

use serde::{Deserialize, Serialize};

/// A board's policy. What is none does not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Retention {
    /// At most so many events are kept.
    pub max_rows: Option<u64>,
    /// Events are kept for so many days.
    pub max_age_days: Option<u32>,
}

/// So much of the limit is allowed on top before events are pruned by themselves, so that a prune is rare: one part of
/// this many,
const SLACK_PART: u64 = 10;
/// and at least so many events.
const SLACK_LEAST: u64 = 100;

/// A prune is considered each time this many events were added.
pub const ASKED_EVERY: u64 = 32;
/// Events may stay this many days beyond the policy, until a change comes that prunes.
const DAYS_SLACK: i64 = 1;
/// A day, in milliseconds.
pub const DAY_MS: i64 = 24 * 3600 * 1000;

impl Retention {
    /// True when a board whose events run from `pruned_through` + 1 to `event_seq` is so far over its limit that it pays to
    /// prune.
    pub fn is_due(self, pruned_through: u64, event_seq: u64) -> bool {
        let kept = event_seq.saturating_sub(pruned_through);
        self.max_rows.is_some_and(|most| kept > most + (most / SLACK_PART).max(SLACK_LEAST))
    }

    /// True when a board keeps more than it may, by so much that a prune must have been due and was not done. `age` is that of
    /// its oldest event, in milliseconds.
    pub fn is_overdue(self, pruned_through: u64, event_seq: u64, age: i64) -> bool {
        let rows = self.is_due(pruned_through + ASKED_EVERY, event_seq);
        let days = self.max_age_days.is_some_and(|days| age >= (i64::from(days) + DAYS_SLACK) * DAY_MS);
        rows || days
    }

    /// Through which event the number of rows lets events go: none at all is 0.
    pub fn rows_through(self, event_seq: u64) -> u64 {
        self.max_rows.map_or(0, |most| event_seq.saturating_sub(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prune_is_due_only_well_over_the_limit() {
        let rows = |max_rows| Retention { max_rows: Some(max_rows), max_age_days: None };
        assert!(!rows(1000).is_due(0, 1100) && rows(1000).is_due(0, 1101));
        assert!(!rows(10_000).is_due(5, 11_005) && rows(10_000).is_due(4, 11_005));
        assert!(!Retention::default().is_due(0, u64::MAX));
        assert!(!rows(100).is_overdue(0, 232, 0) && rows(100).is_overdue(0, 233, 0));
        let days = Retention { max_rows: None, max_age_days: Some(1) };
        assert!(!days.is_overdue(0, 9, 2 * DAY_MS - 1) && days.is_overdue(0, 9, 2 * DAY_MS));
        assert_eq!((rows(10).rows_through(25), rows(10).rows_through(5)), (15, 0));
    }
}
