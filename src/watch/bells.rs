//! `bells`: for each topic one of a few hundred numbers, which a commit that concerns the topic changes.
//!
//! Whoever waits compares the bells of its topics with what they were before its last look. So fifty windows that wait
//! for different things open the board only when it is about them.
//!
//! **Invariants.** A bell is only ever set to a number that this board never used before, so that a bell that was rung is
//! never mistaken for one that was not. Bells are written before the pulse, under the board's lock.

use std::path::Path;

use crate::domain::topic::Topic;
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};

/// The name of the file.
pub const NAME: &str = "bells";
/// The name of the file that waiters watch. Nothing is in it, and setting its times is one event and no more: opening,
/// writing and closing a file would be three, for each of fifty waiters.
pub const ROPE: &str = "bell-rope";
/// How many there are: few topics are in use at once, and all bells fit a page of memory.
pub const COUNT: usize = 512;
/// The whole length, in bytes.
pub const LENGTH: usize = COUNT * 8;

/// The bells of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bells(Vec<u64>);

impl Default for Bells {
    fn default() -> Self {
        Self(vec![0; COUNT])
    }
}

impl Bells {
    /// Reads them; silent ones where there are none.
    pub fn read(directory: &Path) -> Self {
        let content = file::read(&directory.join(NAME), LENGTH as u64).ok().flatten();
        content.map(|content| Self::parse(&content)).unwrap_or_default()
    }

    /// What these bytes say; what is missing is silent.
    pub fn parse(content: &[u8]) -> Self {
        let mut bells = Self::default();
        for (bell, bytes) in bells.0.iter_mut().zip(content.chunks_exact(8)) {
            *bell = u64::from_le_bytes(bytes.try_into().expect("chunks of eight bytes"));
        }
        bells
    }

    /// Sets those of `topics`, or all, to `mark`.
    pub fn ring<'a>(&mut self, topics: Option<impl Iterator<Item = &'a Topic>>, mark: u64) {
        match topics {
            Some(topics) => topics.for_each(|topic| self.0[topic.bell(COUNT)] = mark),
            None => self.0.fill(mark),
        }
    }

    /// Writes them to the file in `directory`.
    pub fn write(&self, directory: &Path, writer: &str) -> Result<(), PlatformError> {
        let path = directory.join(NAME);
        let content: Vec<u8> = self.0.iter().flat_map(|bell| bell.to_le_bytes()).collect();
        match file::write_over(&path, &content) {
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => {
                file::replace(&path, &content, writer, Durability::Disposable)
            }
            other => other,
        }
    }

    /// Tells the system's watchers of `directory`. Best done after the pulse was written.
    pub fn pull(directory: &Path, writer: &str) -> Result<(), PlatformError> {
        let rope = directory.join(ROPE);
        match file::set_times_now(&rope) {
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::NotFound) => {
                file::replace(&rope, b"", writer, Durability::Disposable)
            }
            other => other,
        }
    }

    /// True when one of these bells is another than in `before`.
    pub fn differ(&self, before: &Self, which: &[usize]) -> bool {
        which.iter().any(|bell| self.0[*bell] != before.0[*bell])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_are_meant_hear_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let before = Bells::read(directory.path());
        let mut bells = before.clone();
        bells.ring(Some([Topic::Crew, Topic::Plan].iter()), 7);
        bells.write(directory.path(), "t").expect("written");
        let after = Bells::read(directory.path());
        assert!(after.differ(&before, &[Topic::Crew.bell(COUNT)]));
        assert!(!after.differ(&before, &[Topic::Questions.bell(COUNT), Topic::Offered.bell(COUNT)]));
        bells.ring(None::<std::iter::Empty<&Topic>>, 8);
        bells.write(directory.path(), "t").expect("written");
        assert!(Bells::read(directory.path()).differ(&after, &[Topic::Questions.bell(COUNT)]));
    }
}
