//! Trying what a board needs of its place: locks between processes, a durable write, the storage's clock, space.
//!
//! Nothing of the board is touched: every probe works on a file of its own, which it removes. Each has a deadline; one
//! that hangs is left to its thread.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fs2::FileExt;

use super::clock::Clock;
use super::error::PlatformError;
use super::file;
use super::program::Program;

/// A file that a probe works on. It goes when the probe is over.
struct Scrap(PathBuf);

impl Scrap {
    fn make(directory: &Path, nonce: &str) -> Result<(Self, File), PlatformError> {
        let path = directory.join(format!("probe-{nonce}"));
        let file = file::open_lock(&path)?;
        Ok((Self(path), file))
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a probe in a thread of its own. None where it did not answer in time: it may never.
pub fn within<T: Send + 'static>(wait: Duration, probe: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let started = std::thread::Builder::new().spawn(move || {
        // Whoever asked may have left.
        let _ = sender.send(probe());
    });
    started.ok()?;
    receiver.recv_timeout(wait).ok()
}

/// What two processes made of one lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    /// The second was kept out, and got in when the first let go.
    Works,
    /// Both got in at once.
    LetsBothIn,
    /// The second was kept out after the first had let go.
    KeepsOut,
    /// The second process could not be started or did not end.
    Unknown,
}

/// How long the second process has, in all.
const SECOND_PATIENCE: Duration = Duration::from_secs(3);

/// Has `program` try a lock with `arguments` and the file's path, while this process holds it and after it let go. It exits
/// 0 when it got the lock, 5 when not.
pub fn locking(directory: &Path, nonce: &str, program: &Path, argument: &str) -> Result<Locking, PlatformError> {
    let (scrap, file) = Scrap::make(directory, nonce)?;
    FileExt::lock_exclusive(&file).map_err(PlatformError::file("lock", &scrap.0))?;
    let held = second(program, argument, &scrap.0);
    FileExt::unlock(&file).map_err(PlatformError::file("unlock", &scrap.0))?;
    let free = second(program, argument, &scrap.0);
    Ok(match (held, free) {
        (Some(5), Some(0)) => Locking::Works,
        (Some(0), _) => Locking::LetsBothIn,
        (Some(5), Some(5)) => Locking::KeepsOut,
        _ => Locking::Unknown,
    })
}

fn second(program: &Path, argument: &str, path: &Path) -> Option<i32> {
    let here = path.parent().unwrap_or(path);
    let second = Program::new(program, here, SECOND_PATIENCE, 1024).arguments([argument.as_ref(), path.as_os_str()]);
    second.run().ok().flatten()?.code
}

/// Whether the lock of a file is free: what the second process of [`locking`] does.
pub fn is_free(path: &Path) -> bool {
    file::open_lock(path).is_ok_and(|file| FileExt::try_lock_exclusive(&file).is_ok())
}

/// How long a small durable write takes, in microseconds.
pub fn sync_micros(directory: &Path, nonce: &str) -> Result<u128, PlatformError> {
    let (scrap, mut file) = Scrap::make(directory, nonce)?;
    let written = file.write_all(b"callboard doctor\n");
    written.map_err(PlatformError::file("write", &scrap.0))?;
    #[expect(clippy::disallowed_methods, reason = "platform owns the clock")]
    let began = Instant::now();
    file.sync_all().map_err(PlatformError::file("sync", &scrap.0))?;
    Ok(began.elapsed().as_micros())
}

/// How far the storage's clock is ahead of this host's, in milliseconds.
pub fn clock_offset_ms(directory: &Path, nonce: &str) -> Result<i64, PlatformError> {
    let (scrap, file) = Scrap::make(directory, nonce)?;
    drop(file);
    let here = Clock::System.wall_ms();
    Ok(Clock::System.storage_ms(&scrap.0)? - here)
}

/// Space that is left to this user, in bytes.
pub fn space(path: &Path) -> Result<u64, PlatformError> {
    fs2::available_space(path).map_err(PlatformError::file("ask for the space of", path))
}

/// Whether a file can be opened for reading and writing, without making it.
pub fn is_writable(path: &Path) -> bool {
    File::options().read(true).write(true).open(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_hangs_is_left() {
        let (end, never) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(20), move || never.recv().is_ok()), None);
        drop(end);
        assert_eq!(within(Duration::from_secs(9), || 7), Some(7));
    }

    #[test]
    fn a_directory_is_left_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        sync_micros(dir.path(), "a").expect("synced");
        let offset = clock_offset_ms(dir.path(), "b").expect("read");
        assert!(offset.abs() < 5_000, "{offset}");
        // `true` always gets in; `false` never tells.
        let tried = locking(dir.path(), "c", Path::new("true"), "x").expect("tried");
        assert_eq!(tried, Locking::LetsBothIn);
        assert_eq!(locking(dir.path(), "d", Path::new("false"), "x").expect("tried"), Locking::Unknown);
        assert!(space(dir.path()).expect("asked") > 0);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }
}
