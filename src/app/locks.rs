//! The board's lock: level one among the processes of this host, level two among hosts.
//!
//! **Locks.** Level one first. A local board keeps its lock files beside the database; a shared board keeps them in the
//! host's own runtime directory, so that a dead lock manager of the storage hangs nobody, and adds level two.

use std::path::PathBuf;
use std::time::Duration;

use super::error::refusal;
use super::place::Place;
use super::settings::Settings;
use crate::domain::board::StorageKind;
use crate::domain::refusal::Refusal;
use crate::domain::time::Millis;
use crate::platform::deadline::Deadline;
use crate::platform::error::PlatformError;
use crate::platform::file_lock::{FileLock, FileLockGuard, Share};
use crate::platform::host::Host;
use crate::platform::host_lock::holder::{Fence, HolderGuard};
use crate::platform::host_lock::lock_dir::LockDir;
use crate::platform::{private, signals};

/// How long a process of a shared board queues behind the others of its host before it goes on without its turn: a holder
/// that is stopped keeps level one, and its lock between hosts can be broken.
const MAX_QUEUE_TIME: Duration = Duration::from_secs(20);

/// The board's lock, held. Dropping it lets go: level two first.
#[derive(Debug)]
pub struct Held {
    level_two: Option<HolderGuard>,
    /// None where it was kept by a process that does not go on.
    level_one: Option<FileLockGuard>,
}

impl Held {
    /// What a commit asks on shared storage; none on local.
    pub fn fence(&self) -> Option<Fence> {
        self.level_two.as_ref().map(HolderGuard::fence)
    }

    /// True when another process of this host waits.
    pub fn is_waited_for(&self) -> bool {
        self.level_one.as_ref().is_none_or(FileLockGuard::is_waited_for)
    }
}

/// Where this host's processes queue for a board.
pub fn queue_directory(place: &Place, settings: &Settings) -> Result<PathBuf, Refusal> {
    match place.file.storage {
        StorageKind::Local => Ok(place.internal()),
        StorageKind::Shared => {
            let directory = settings.runtime.path()?.join(&place.key);
            private::make_directory(&directory).map_err(|error| refusal(&error))?;
            Ok(directory)
        }
    }
}

/// Takes the board's lock. Refuses with `busy` after the deadline, naming the holder.
pub fn lock(
    place: &Place,
    share: Share,
    host: &Host,
    settings: &Settings,
    deadline: Deadline,
) -> Result<Held, Refusal> {
    let directory = queue_directory(place, settings)?;
    let since = Millis(settings.clock.wall_ms()).to_string();
    let who = format!("process {} since {since}", std::process::id());
    // Level two knows no readers, so on a shared board they queue like writers.
    let share = if place.file.storage == StorageKind::Shared { Share::Writer } else { share };
    let files = FileLock::in_directory(&directory);
    if place.file.storage == StorageKind::Local {
        let level_one = files.acquire(share, &who, deadline).map_err(|error| refusal(&error))?;
        return Ok(Held { level_two: None, level_one: Some(level_one) });
    }
    let level_one = match files.acquire(share, &who, deadline.or_sooner(Deadline::after(MAX_QUEUE_TIME))) {
        Ok(held) => Some(held),
        Err(PlatformError::LockHeld { .. }) if !deadline.is_over() => None,
        Err(error) => return Err(refusal(&error)),
    };
    signals::heed();
    let lock = LockDir {
        place: place.internal(),
        runtime: directory,
        queue: level_one.as_ref().and_then(FileLockGuard::identity),
        report: settings.messages.waiting,
        lost: settings.messages.lost_lock,
    };
    let level_two = lock.acquire(host, &settings.entropy, since, deadline).map_err(|error| refusal(&error))?;
    Ok(Held { level_two: Some(level_two), level_one })
}
