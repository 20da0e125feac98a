//! `.callboard/pulse`: 64 bytes that tell a waiting process whether to look.
//!
//! Replaced under the board's lock after each commit. A crash in between leaves it behind until the next mutation, so
//! who waits on it also looks from time to time.

use std::path::Path;

use crate::board::mutation::Pulse;
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};
use crate::projection::refresh::Target;

/// The whole length, in bytes.
const LENGTH: usize = 64;

/// Writes it. `writer` is this host.
pub fn write(internal: &Path, pulse: &Pulse, writer: &str) -> Result<(), PlatformError> {
    file::replace(&internal.join("pulse"), line(pulse).as_bytes(), writer, Durability::Disposable)
}

/// What it says that pages must show; none where there is none or it is not whole.
pub fn target(internal: &Path) -> Option<Target> {
    let content = file::read(&internal.join("pulse"), LENGTH as u64 + 1).ok()??;
    let text = std::str::from_utf8(&content).ok().filter(|text| text.len() == LENGTH)?;
    let mut fields = text.split_whitespace();
    let generation = fields.next()?.to_owned();
    let mut number = || fields.next()?.parse().ok();
    let (revision, _, presence) = (number()?, number()?, number()?);
    Some(Target { generation, revision, presence })
}

/// The generation, revision, newest event, presence, offered tasks, and the next deadline of the lease clock.
fn line(pulse: &Pulse) -> String {
    let deadline = pulse.next_deadline.map_or(0, |deadline| deadline.0.max(0));
    let Pulse { generation, revision, event_seq, presence, offered, .. } = pulse;
    format!(
        "{generation:8.8} {revision:010} {event_seq:010} {presence:010} {:07} {deadline:013}\n",
        offered.min(&9_999_999)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::LeaseTime;

    #[test]
    fn it_has_64_bytes_and_survives() {
        let pulse = Pulse {
            generation: "0123abcd".into(),
            revision: 999_999_999,
            presence: 7,
            event_seq: 9_999_999_999,
            offered: 123_456_789,
            next_deadline: Some(LeaseTime(1_790_000_000_000)),
        };
        assert_eq!(line(&pulse).len(), LENGTH);
        let directory = tempfile::tempdir().expect("a directory");
        write(directory.path(), &pulse, "t").expect("written");
        let target = target(directory.path()).expect("whole");
        assert_eq!((target.revision, target.presence), (999_999_999, 7));
    }
}
