//! Where the lock between hosts is, and what this host knows of it.

use std::fs;
use std::path::{Path, PathBuf};

use super::holder::Holder;
use super::protocol::ProcessState;
use crate::platform::file;
use crate::platform::host::Host;

/// Maximum length of a file of the lock, in bytes.
const MAX_FILE_SIZE: u64 = 64 * 1024;

/// The lock directory of a shared board.
#[derive(Clone, Debug)]
pub struct LockDir {
    /// The directory that all hosts see.
    pub place: PathBuf,
    /// Where this host keeps its observations, beside the level-one lock.
    pub runtime: PathBuf,
    /// Identifies the level-one lock that this process holds; none where it holds none, or where locks do nothing.
    pub queue: Option<String>,
    /// Told who holds the lock, once, when a wait gets long.
    pub report: fn(&str),
    /// Called when a holder finds out that it slept and was broken; it need not return.
    pub lost: fn(),
}

impl LockDir {
    pub(super) fn held(&self) -> PathBuf {
        self.place.join("lock.d")
    }

    /// What is known about the process behind a holder file.
    pub(super) fn state_of(&self, holder: &Holder, host: &Host) -> ProcessState {
        match holder.state(host) {
            // Level one is held by one process at a time, and this one holds it, so the other has ended.
            ProcessState::Unknown
                if holder.is_in_another_container(host) && self.queue.is_some() && holder.queue == self.queue =>
            {
                ProcessState::Dead
            }
            state => state,
        }
    }
}

/// The names in a directory; none where there is no directory.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The text of a file of the lock; none where it cannot be read or is not a file.
pub(super) fn read_small(path: &Path) -> Option<String> {
    String::from_utf8(file::read(path, MAX_FILE_SIZE).ok()??).ok()
}
