//! The clocks of this host and of the storage.
//!
//! Three clocks, because each lies in its own way: the storage's clock is the same for all hosts but may be set; the
//! boot clock counts sleep but differs from host to host; the awake clock stops in sleep, so that a waiter that slept
//! does not take a holder for dead.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use super::error::PlatformError;
use super::file;

/// Where a process gets the time from.
#[derive(Debug)]
pub enum Clock {
    /// From the operating system.
    System,
    /// From a counter, in milliseconds: each reading of the storage's clock advances it by the step.
    Stepping {
        /// The time.
        now: Cell<i64>,
        /// How far each storage reading moves it.
        step: i64,
    },
}

impl Clock {
    /// Unix time in milliseconds, of this host.
    #[expect(clippy::disallowed_methods, reason = "platform owns the clock")]
    pub fn wall_ms(&self) -> i64 {
        match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
            }
            Self::Stepping { now, .. } => now.get(),
        }
    }

    /// Milliseconds since this host booted, sleep included.
    pub fn boot_ms(&self) -> i64 {
        match self {
            Self::System => boot_ms(),
            Self::Stepping { now, .. } => now.get(),
        }
    }

    /// The storage's time in milliseconds: `path` is rewritten, and its modification time read after it was closed.
    /// Data is written, because a mere `utime` may send the client's clock. Some storages give whole seconds.
    pub fn storage_ms(&self, path: &Path) -> Result<i64, PlatformError> {
        match self {
            Self::System => {
                file::touch(path, b"callboard reads this file's modification time\n")?;
                let meta = fs::metadata(path).map_err(PlatformError::file("read the time of", path))?;
                let time = meta.modified().map_err(PlatformError::file("read the time of", path))?;
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
            Self::Stepping { now, step } => {
                now.set(now.get() + step);
                Ok(now.get())
            }
        }
    }
}

/// Milliseconds since this host booted, sleep included.
pub fn boot_ms() -> i64 {
    // Darwin's monotonic clock goes on in sleep; Linux has a clock of its own for that.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let id = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let id = ClockId::Monotonic;
    let time = clock_gettime(id);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// Milliseconds on a clock that stops while the host sleeps, comparable between the processes of a host.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn awake_ms() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// Milliseconds on a clock that stops while the host sleeps, comparable between the processes of a host.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn awake_ms() -> i64 {
    boot_ms()
}

/// Measures how long something takes, for progress and diagnostics.
#[expect(clippy::disallowed_methods, reason = "platform owns the clock")]
pub fn stopwatch() -> Instant {
    Instant::now()
}
