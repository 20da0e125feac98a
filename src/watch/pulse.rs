//! `pulse`: 64 bytes that tell a waiting process whether anything changed.
//!
//! Written in place under the board's lock after each commit, so that a reader can keep it open. Its last field is a check,
//! because a reader may see half of a write.
//!
//! A crash between commit and pulse leaves it behind until the next mutation, so whoever waits on it also looks from time
//! to time.

use std::path::Path;

use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};

/// The name of the file.
pub const NAME: &str = "pulse";
/// The whole length, in bytes.
pub const LENGTH: usize = 64;

/// What it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The board's generation.
    pub generation: String,
    /// Its revision.
    pub revision: u64,
    /// Its presence.
    pub presence: u64,
    /// The newest event.
    pub event_seq: u64,
    /// When the next lease runs out, in milliseconds of the lease clock; 0 for never.
    pub next_deadline: i64,
}

impl Pulse {
    /// Writes it to the file in `directory`. `writer` tells the hosts apart where it must be made first.
    pub fn write(&self, directory: &Path, writer: &str) -> Result<(), PlatformError> {
        let path = directory.join(NAME);
        match file::write_over(&path, self.line().as_bytes()) {
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => {
                file::replace(&path, self.line().as_bytes(), writer, Durability::Disposable)
            }
            other => other,
        }
    }

    /// Reads it; none where there is none, or none that is whole.
    pub fn read(directory: &Path) -> Option<Self> {
        Self::parse(&file::read(&directory.join(NAME), LENGTH as u64 + 1).ok()??)
    }

    /// What these bytes say; none if they are not whole.
    pub fn parse(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok().filter(|text| text.len() == LENGTH)?;
        let (said, check) = text.trim_end_matches('\n').rsplit_once(' ')?;
        if u32::from_str_radix(check, 16) != Ok(check_of(said)) {
            return None;
        }
        let mut fields = said.split_ascii_whitespace();
        let generation = fields.next()?.to_owned();
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let (revision, presence, event_seq) = (number()?, number()?, number()?);
        let next_deadline = i64::try_from(number()?).ok()?;
        Some(Self { generation, revision, presence, event_seq, next_deadline })
    }

    fn line(&self) -> String {
        let Self { generation, revision, presence, event_seq, .. } = self;
        let deadline = self.next_deadline.max(0);
        let said = format!("{generation:8.8} {revision:010x} {presence:010x} {event_seq:010x} {deadline:012x}");
        format!("{said} {:08x}\n", check_of(&said))
    }
}

/// The FNV-1a hash of a text: enough to tell half a write from a whole one.
fn check_of(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::fuzz;

    fn pulse() -> Pulse {
        Pulse {
            generation: "0123abcd".into(),
            revision: 999_999_999_999,
            presence: 7,
            event_seq: 999_999_999_999,
            next_deadline: 1_790_000_000_000,
        }
    }

    #[test]
    fn it_has_64_bytes_and_survives() {
        assert_eq!(pulse().line().len(), LENGTH);
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(Pulse::read(directory.path()), None);
        for presence in [7, 8] {
            let pulse = Pulse { presence, ..pulse() };
            pulse.write(directory.path(), "t").expect("written");
            assert_eq!(Pulse::read(directory.path()), Some(pulse));
        }
        assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 1);
    }

    #[test]
    fn half_a_write_is_no_pulse() {
        let (old, new) = (pulse().line(), Pulse { revision: 5, presence: 900, ..pulse() }.line());
        for at in 1..LENGTH - 1 {
            let torn = [&new.as_bytes()[..at], &old.as_bytes()[at..]].concat();
            let whole = torn == old.as_bytes() || torn == new.as_bytes();
            assert_eq!(Pulse::parse(&torn).is_some(), whole, "{at}");
        }
    }

    proptest::proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn a_change_file_of_any_bytes_is_whole_or_nothing(content in fuzz::hostile(vec![Pulse::default().line().into_bytes()])) {
            if let Some(pulse) = Pulse::parse(&content) {
                assert_eq!(pulse.line().len(), LENGTH);
            }
        }
    }
}
