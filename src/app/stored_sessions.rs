//! The sessions of windows with fixed names, stored by this host for the next process of the same window: its proof that it
//! is that window.
//!
//! **Invariants.** Only this account can read one. A process that has a window's session keeps everybody else from reading it
//! until that process ends: two processes of one window are two windows, and one of them has to take another name.

use std::fs::File;
use std::path::PathBuf;

use super::access::App;
use super::error::refusal;
use super::order::digest;
use super::place::Place;
use crate::domain::id::SessionId;
use crate::domain::refusal::Refusal;
use crate::platform::{file, private};

/// Maximum size of a file with a session id, in bytes.
const MAX_SIZE: u64 = 200;

/// Where this host stores the sessions of one board's windows.
#[derive(Clone, Debug)]
pub struct StoredSessions {
    directory: PathBuf,
}

/// The stored session of one window. Other processes cannot have it at the same time.
#[derive(Debug)]
pub struct StoredSession {
    path: PathBuf,
    _lock: File,
}

impl App {
    /// Where this host stores the sessions of a board's windows. Refuses a state directory that others can change.
    pub fn stored_sessions(&self, place: &Place) -> Result<StoredSessions, Refusal> {
        Ok(StoredSessions { directory: self.settings.state.path()?.join("windows").join(&place.key) })
    }
}

impl StoredSessions {
    fn path(&self, thread_key: &str, window: &str) -> PathBuf {
        self.directory.join(digest(&[thread_key, window]))
    }

    /// True for a session that is stored for this window.
    pub fn is_of(&self, stored: &StoredSession, thread_key: &str, window: &str) -> bool {
        stored.path == self.path(thread_key, window)
    }

    /// The session of this window of the agent with this thread key. None while another process has it.
    pub fn of(&self, thread_key: &str, window: &str) -> Result<Option<StoredSession>, Refusal> {
        let platform = |error| refusal(&error);
        private::make_directory(&self.directory).map_err(platform)?;
        let path = self.path(thread_key, window);
        let lock = private::try_lock(&path.with_extension("lock")).map_err(platform)?;
        Ok(lock.map(|lock| StoredSession { path, _lock: lock }))
    }
}

impl StoredSession {
    /// The id that was stored last, if there is one that can be read.
    pub fn id(&self) -> Option<SessionId> {
        let content = file::read(&self.path, MAX_SIZE).ok()??;
        std::str::from_utf8(&content).ok()?.trim().parse().ok()
    }

    /// Stores an id in place of the one before.
    pub fn store(&self, id: &SessionId) -> Result<(), Refusal> {
        // No two sessions have one id, so nothing else has this name for its temporary file.
        private::replace(&self.path, format!("{id}\n").as_bytes(), id.as_str()).map_err(|error| refusal(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_has_the_session_of_a_window() {
        let top = tempfile::tempdir().expect("a directory");
        let sessions = StoredSessions { directory: top.path().join("windows/b") };
        let of = |key: &str, window: &str| sessions.of(key, window).expect("a file");
        let first = of("ann", "main").expect("free");
        assert_eq!(first.id(), None);
        let id: SessionId = "s-0123456789ab".parse().expect("an id");
        first.store(&id).expect("stored");
        assert!(of("ann", "main").is_none(), "another process");
        assert_eq!(of("ann", "other").expect("another window").id(), None);
        assert_eq!(of("ben", "main").expect("another agent").id(), None);
        drop(first);
        let next = of("ann", "main").expect("free again");
        assert_eq!(next.id(), Some(id.clone()));
        next.store(&id).expect("the same again");
    }
}
