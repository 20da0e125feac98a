//! Level one of the lock: advisory locks among the processes of a host, through a gate.
//!
//! **Locks.** Everybody takes `gate` exclusively, then `lock` (readers shared, writers exclusive), then lets go of `gate`.
//! Without the gate, readers that come one after another never let a writer in. Locks are taken blocking, because the
//! kernel queues fairly and a polling waiter starves; in a thread, so that the deadline holds.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use fs2::FileExt;

use super::deadline::Deadline;
use super::error::PlatformError;
use super::file;

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// With other readers.
    Readers,
    /// Alone.
    Writer,
}

/// The two files of level one.
#[derive(Clone, Debug)]
pub struct FileLock {
    gate: PathBuf,
    lock: PathBuf,
}

/// Held level-one lock. Dropping it lets go.
#[derive(Debug)]
pub struct FileLockGuard {
    lock: File,
    path: PathBuf,
    gate: PathBuf,
}

impl FileLock {
    /// The lock whose files are in `directory`.
    pub fn in_directory(directory: &Path) -> Self {
        Self { gate: directory.join("gate"), lock: directory.join("lock") }
    }

    /// Takes the lock. `who` is what a waiter is told that gives up; it is written by writers. Fails with `LockHeld`
    /// after the deadline, and with the system's error where files cannot be locked at all.
    pub fn acquire(&self, share: Share, who: &str, deadline: Deadline) -> Result<FileLockGuard, PlatformError> {
        // A file that was replaced while it was waited for protects nothing: take the new one.
        for _ in 0..16 {
            let gate = file::open_lock(&self.gate)?;
            take(&gate, &self.gate, Share::Writer, &self.lock, deadline)?;
            let mut lock = file::open_lock(&self.lock)?;
            take(&lock, &self.lock, share, &self.lock, deadline)?;
            if !file::is_still_named(&lock, &self.lock) || !file::is_still_named(&gate, &self.gate) {
                continue;
            }
            if share == Share::Writer {
                // Only for people: what it says is never relied on, so a failure is none.
                let _ = lock.rewind().and_then(|()| lock.write_all(format!("{who:<80.80}\n").as_bytes()));
            }
            return Ok(FileLockGuard { lock, path: self.lock.clone(), gate: self.gate.clone() });
        }
        Err(PlatformError::LockReplaced { path: self.lock.clone() })
    }
}

impl FileLockGuard {
    /// True when somebody waits at the gate.
    pub fn is_waited_for(&self) -> bool {
        let Ok(gate) = file::open_lock(&self.gate) else { return true };
        FileExt::try_lock_exclusive(&gate).is_err()
    }

    /// Identifies the locked file among all files of this host. None where locks do nothing, which a second descriptor
    /// finds out.
    pub fn identity(&self) -> Option<String> {
        let second = file::open_lock(&self.path).ok()?;
        let meta = self.lock.metadata().ok()?;
        let excludes = file::is_still_named(&self.lock, &self.path) && FileExt::try_lock_exclusive(&second).is_err();
        excludes.then(|| format!("{}:{}", meta.dev(), meta.ino()))
    }
}

impl Drop for FileLockGuard {
    fn drop(&mut self) {
        // Closing the file would do it too; an error here has nobody to go to.
        let _ = FileExt::unlock(&self.lock);
    }
}

/// Takes an exclusive lock on one file, without a gate. For what is queued for but never shared.
pub fn acquire_alone(path: &Path, deadline: Deadline) -> Result<File, PlatformError> {
    let file = file::open_lock(path)?;
    take(&file, path, Share::Writer, path, deadline)?;
    Ok(file)
}

/// Whether nobody holds the lock of a file that exists. False where that cannot be found out.
pub fn is_free(path: &Path) -> bool {
    let file = File::options().read(true).write(true).open(path);
    file.is_ok_and(|file| FileExt::try_lock_exclusive(&file).is_ok())
}

fn take(file: &File, path: &Path, share: Share, holder_in: &Path, deadline: Deadline) -> Result<(), PlatformError> {
    let free = match share {
        Share::Readers => FileExt::try_lock_shared(file),
        Share::Writer => FileExt::try_lock_exclusive(file),
    };
    match free {
        Ok(()) => Ok(()),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => {
            match queue(file, path, share, deadline)? {
                Queued::Taken => Ok(()),
                Queued::Late => Err(PlatformError::LockHeld { path: path.to_owned(), holder: holder(holder_in) }),
            }
        }
        Err(error) => Err(PlatformError::file("lock", path)(error)),
    }
}

enum Queued {
    Taken,
    Late,
}

/// Waits in the kernel's queue. The waiting thread shares the open file with its caller, so a lock it gets is the
/// caller's; if the caller has left by then, the last copy of the file is closed and the lock with it.
fn queue(file: &File, path: &Path, share: Share, deadline: Deadline) -> Result<Queued, PlatformError> {
    let copy = file.try_clone().map_err(PlatformError::file("lock", path))?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let wait = move || {
        let taken = loop {
            let taken = match share {
                Share::Readers => FileExt::lock_shared(&copy),
                Share::Writer => FileExt::lock_exclusive(&copy),
            };
            match taken {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        if sender.send(taken).is_err() {
            let _ = FileExt::unlock(&copy);
        }
    };
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(wait);
    thread.map_err(PlatformError::file("wait for", path))?;
    match receiver.recv_timeout(deadline.left()) {
        Ok(taken) => taken.map(|()| Queued::Taken).map_err(PlatformError::file("lock", path)),
        Err(_) => Ok(Queued::Late),
    }
}

/// Who wrote their name into the lock last.
fn holder(path: &Path) -> Box<str> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), name) if !name.is_empty() => name.into(),
        _ => "another process".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn soon() -> Deadline {
        Deadline::after(Duration::from_millis(30))
    }

    #[test]
    fn a_waiter_gives_up_at_its_deadline_and_names_the_holder() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = FileLock::in_directory(dir.path());
        let held = lock.acquire(Share::Writer, "process 7", soon()).expect("free");
        let refused = lock.acquire(Share::Writer, "process 8", soon()).expect_err("held");
        assert!(refused.to_string().ends_with("is held by process 7"), "{refused}");
        drop(held);
        lock.acquire(Share::Writer, "process 9", Deadline::after(Duration::from_secs(60))).expect("free again");
    }

    #[test]
    fn readers_share_and_exclude_a_writer() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = FileLock::in_directory(dir.path());
        let one = lock.acquire(Share::Readers, "", soon()).expect("free");
        let two = lock.acquire(Share::Readers, "", soon()).expect("shared");
        assert!(lock.acquire(Share::Writer, "", soon()).is_err());
        drop((one, two));
    }

    #[test]
    fn a_lock_file_that_was_removed_does_not_split_the_lock() {
        let dir = tempfile::tempdir().expect("a directory");
        let lock = FileLock::in_directory(dir.path());
        let held = lock.acquire(Share::Writer, "old", soon()).expect("free");
        std::fs::remove_file(dir.path().join("lock")).expect("removed");
        drop(held);
        let held = lock.acquire(Share::Writer, "new", soon()).expect("a new file");
        assert!(lock.acquire(Share::Writer, "", soon()).is_err());
        drop(held);
    }
}
