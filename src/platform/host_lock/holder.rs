//! Who holds the lock between hosts: the file in the lock directory, and the thread that shows its holder is awake.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::protocol::ProcessState;
use crate::platform::clock;
use crate::platform::host::Host;
use crate::platform::process::{self, Birth};
use crate::platform::signals::Shield;

/// How often a holder shows that it is awake.
const COUNT_INTERVAL: Duration = Duration::from_secs(2);
/// A holder that has not counted for longer checks that its file is still there, in milliseconds.
pub(super) const MAX_UNCERTAIN_MS: i64 = 5_000;
/// A holder that has not counted for longer treats the lock as lost, in milliseconds.
const LOST_AFTER_MS: i64 = 10_000;
/// The width of the counter at the start of the file.
const COUNTER_WIDTH: usize = 20;

/// What a holder writes about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The host's random id.
    pub host: String,
    /// Changes with every boot of that host.
    pub boot: String,
    /// Tells its containers apart.
    pub pid_namespace: String,
    /// The process.
    pub pid: u32,
    /// When the process started, so that a reused number is recognised.
    pub born: String,
    /// Since when it holds the lock, by its own clock, for people.
    pub since: String,
    /// Identifies the level-one lock that it holds; none where it holds none, or where locks do nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

impl Holder {
    /// This process.
    pub fn this(host: &Host, since: String, queue: Option<String>) -> Self {
        let pid = std::process::id();
        let born = match process::birth(pid) {
            Birth::Known(born) => born,
            Birth::Dead | Birth::Unknown => String::new(),
        };
        let Host { id, boot, pid_namespace } = host.clone();
        Self { host: id, boot, pid_namespace, pid, born, since, queue }
    }

    /// The content of its file: a counter of fixed width, then itself.
    pub fn file_content(&self, counter: u64) -> String {
        let json = serde_json::to_string(self).expect("text and numbers have a JSON form");
        format!("{counter:0COUNTER_WIDTH$}\n{json}\n")
    }

    /// The counter and the holder in a file; none while it is being written.
    pub fn parse(content: &str) -> Option<(u64, Self)> {
        let (counter, json) = content.split_once('\n')?;
        Some((counter.parse().ok()?, serde_json::from_str(json).ok()?))
    }

    /// What `host` can know about this holder's process. One that is stopped is judged by its counter, like one of another
    /// host: it may never go on.
    pub fn state(&self, host: &Host) -> ProcessState {
        if self.host != host.id || self.boot != host.boot || self.pid_namespace != host.pid_namespace {
            ProcessState::Unknown
        } else if !process::is_alive(self.pid, &self.born) {
            ProcessState::Dead
        } else if process::is_stopped(self.pid) {
            ProcessState::Unknown
        } else {
            ProcessState::Alive
        }
    }

    /// Whether its process is on `host`, where process ids do not identify it.
    pub fn is_in_another_container(&self, host: &Host) -> bool {
        self.boot == host.boot && self.pid_namespace != host.pid_namespace
    }
}

/// The held lock directory. Dropping it stops counting, removes its own file and then the empty directory.
#[derive(Debug)]
pub struct HolderGuard {
    file: PathBuf,
    counting: Arc<Counting>,
    thread: Option<JoinHandle<()>>,
    shield: Option<Shield>,
}

#[derive(Debug)]
struct Counting {
    /// When the file was last written, on the boot clock.
    last: AtomicI64,
    stopped: Mutex<bool>,
    stop: Condvar,
}

/// Asks, at any time and from any thread, whether the lock is still this process's.
#[derive(Clone, Debug)]
pub struct Fence {
    file: PathBuf,
    counting: Arc<Counting>,
}

impl HolderGuard {
    /// Starts counting in the file `path`, which is in place since `began` on the boot clock or later. When the lock turns
    /// out to be lost, `lost` is called and counting ends.
    pub fn start(path: &Path, began: i64, lost: fn()) -> Self {
        let counting =
            Arc::new(Counting { last: AtomicI64::new(began), stopped: Mutex::new(false), stop: Condvar::new() });
        let shared = Arc::clone(&counting);
        let fence = Fence { file: path.to_owned(), counting: Arc::clone(&counting) };
        let count = move || {
            for counter in 1u64.. {
                let stopped = shared.stopped.lock().unwrap_or_else(PoisonError::into_inner);
                let wait = shared.stop.wait_timeout_while(stopped, COUNT_INTERVAL, |stopped| !*stopped);
                let (stopped, _) = wait.unwrap_or_else(PoisonError::into_inner);
                if *stopped {
                    return;
                }
                // Counting would hide from the commit how long this process slept; a sleep between here and the end of
                // the write is not hidden, because the time is from before it.
                let now = clock::boot_ms();
                if !fence.holds() {
                    return lost();
                }
                if fence.count(counter).is_ok() {
                    shared.last.store(now, Ordering::Release);
                }
            }
        };
        // Without a thread the holder cannot show that it is awake; the fence then gives the lock up by itself.
        let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(count).ok();
        Self { file: path.to_owned(), counting, thread, shield: None }
    }

    /// The same, with signals held off until it is dropped.
    #[must_use]
    pub fn shielded(mut self, shield: Shield) -> Self {
        self.shield = Some(shield);
        self
    }

    /// What the commit asks.
    pub fn fence(&self) -> Fence {
        Fence { file: self.file.clone(), counting: Arc::clone(&self.counting) }
    }
}

impl Fence {
    /// Shows that the holder is awake. The file is opened each time and never created: one that is open when it is unlinked
    /// stays behind under another name on some storage, and one that a breaker removed must not appear again.
    fn count(&self, counter: u64) -> std::io::Result<()> {
        let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(&self.file)?;
        file.write_all_at(format!("{counter:0COUNTER_WIDTH$}").as_bytes(), 0)?;
        // Else a client's cache keeps it from the hosts that wait.
        file.sync_data()
    }

    /// False when this process slept so long that another host may have broken its lock.
    pub fn holds(&self) -> bool {
        let silent = clock::boot_ms() - self.counting.last.load(Ordering::Acquire);
        silent <= MAX_UNCERTAIN_MS || (silent <= LOST_AFTER_MS && File::open(&self.file).is_ok())
    }
}

impl Drop for HolderGuard {
    fn drop(&mut self) {
        *self.counting.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.counting.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.file);
        if let Some(directory) = self.file.parent() {
            let _ = std::fs::remove_dir(directory);
        }
        drop(self.shield.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::deadline::Deadline;

    #[test]
    fn a_holder_survives_its_file() {
        let host = Host { id: "h".into(), boot: "b".into(), pid_namespace: "p".into() };
        let holder = Holder::this(&host, "now".into(), None);
        let (counter, read) = Holder::parse(&holder.file_content(3)).expect("its own file");
        assert_eq!((counter, read.pid), (3, std::process::id()));
        assert_eq!(read.state(&host), ProcessState::Alive);
        let other = Host { id: "other".into(), ..host };
        assert_eq!(read.state(&other), ProcessState::Unknown);
        assert!(Holder::parse("0000").is_none());
    }

    #[test]
    fn a_freeze_between_taking_the_lock_and_the_first_count_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("holder-x");
        File::create(&path).expect("created");
        let began = clock::boot_ms() - LOST_AFTER_MS - 1;
        let guard = HolderGuard::start(&path, began, || {});
        assert!(!guard.fence().holds());
    }

    #[test]
    fn a_holder_that_slept_gives_up_and_does_not_count_on() {
        static LOST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("holder-x");
        File::create(&path).expect("created");
        let guard = HolderGuard::start(&path, clock::boot_ms(), || LOST.store(true, Ordering::Release));
        assert!(guard.fence().holds());
        // As if it had last counted a while ago: longer than a breaker waits.
        guard.counting.last.store(clock::boot_ms() - LOST_AFTER_MS - 1, Ordering::Release);
        let patience = Deadline::after(COUNT_INTERVAL * 5);
        while !LOST.load(Ordering::Acquire) && !patience.is_over() {
            patience.nap(std::time::Duration::from_millis(5));
        }
        assert!(LOST.load(Ordering::Acquire) && !guard.fence().holds());
    }
}
