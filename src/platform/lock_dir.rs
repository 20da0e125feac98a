//! Level two of the lock, driven: the machine of [`super::lock_protocol`] against a real directory.
//!
//! **Locks.** Taken after level one, so that at most one process of a host is here, unless advisory locks do nothing.
//! Correctness does not depend on level one; only fairness and speed do.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock;
use super::deadline::Deadline;
use super::entropy::{Entropy, jitter};
use super::error::PlatformError;
use super::file;
use super::holder::{Holder, HolderGuard};
use super::host::Host;
use super::lock_protocol::{Act, Seen, Sight, Taker};
use super::signals;

/// Looks that count are at least this far apart, in milliseconds, on a clock that stops in sleep.
const LOOK_APART_MS: i64 = 1_000;
/// A prepared directory of a process that died is removed by a breaker after this time.
const LITTER_AFTER: Duration = Duration::from_secs(3600);

/// The lock directory of a shared board.
#[derive(Clone, Debug)]
pub struct LockDir {
    /// The directory that all hosts see.
    place: PathBuf,
    /// Where this host keeps its looks.
    looks: PathBuf,
    /// What a holder does that slept and was broken; it need not return.
    lost: fn(),
}

/// What the waiters of a host saw so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Looks {
    nonce: String,
    counter: u64,
    count: u32,
    at: i64,
}

impl LockDir {
    /// The lock `lock.d` in `place`; looks are kept in `runtime`, beside the level-one lock. A holder that finds out that
    /// it slept and was broken calls `lost`, which ends the process.
    pub fn new(place: &Path, runtime: &Path, lost: fn()) -> Self {
        Self { place: place.to_owned(), looks: runtime.join("looks"), lost }
    }

    /// Takes the lock, breaking it if its holder is gone. Fails with `LockHeld` after the deadline.
    pub fn acquire(
        &self,
        host: &Host,
        entropy: &Entropy,
        since: String,
        deadline: Deadline,
    ) -> Result<HolderGuard, PlatformError> {
        let nonce = entropy.hex(12)?;
        let name = format!("holder-{nonce}");
        let private = self.place.join(format!("lock-{nonce}"));
        let held = self.place.join("lock.d");
        // A lock directory that is left behind keeps the other hosts waiting.
        let shield = signals::shield();
        file::make_directory(&private)?;
        let prepared = private.join(&name);
        let taken = self.write_holder(&prepared, &Holder::this(host, since)).and_then(|file| {
            self.take(&private, &held, nonce, host, deadline)
                .map(|began| HolderGuard::start(&held.join(&name), file, began, self.lost))
        });
        if taken.is_err() {
            let _ = fs::remove_file(&prepared);
            let _ = fs::remove_dir(&private);
        }
        if matches!(taken, Err(PlatformError::Ending)) {
            shield.give_way();
        }
        taken.map(|guard| guard.shielded(shield))
    }

    fn write_holder(&self, path: &Path, holder: &Holder) -> Result<File, PlatformError> {
        use std::io::Write as _;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(path).map_err(PlatformError::file("create", path))?;
        file::share(&file, &self.place);
        let written = file.write_all(holder.file_content(0).as_bytes()).and_then(|()| file.sync_data());
        written.map(|()| file).map_err(PlatformError::file("write", path))
    }

    /// Returns a time on the boot clock from before the lock was had: a freeze right after it must not be missed.
    fn take(
        &self,
        private: &Path,
        held: &Path,
        nonce: String,
        host: &Host,
        deadline: Deadline,
    ) -> Result<i64, PlatformError> {
        let (mut began, mut renames) = (clock::boot_ms(), 0);
        let mut taker = Taker::new(nonce);
        let mut seen = Seen::Start;
        let mut nap = 2;
        loop {
            if signals::is_ending() {
                return Err(PlatformError::Ending);
            }
            seen = match taker.next(seen) {
                Act::Hold => return Ok(began),
                // Whatever the error is, it means: look. ENOTEMPTY, EEXIST and EPERM all were seen for "in use".
                Act::Rename => {
                    renames += 1;
                    if renames > 2 {
                        // The second follows a break. Something that is no holder may lie there, and then every look finds it
                        // free.
                        if deadline.is_over() {
                            return Err(PlatformError::LockHeld { path: held.to_owned(), holder: describe(held) });
                        }
                        deadline.nap(Duration::from_millis(1 + jitter(nap)));
                    }
                    began = clock::boot_ms();
                    match fs::rename(private, held) {
                        Ok(()) => Seen::Renamed,
                        Err(_) if private.exists() || held.exists() => Seen::NotRenamed,
                        Err(error) => return Err(PlatformError::file("take", held)(error)),
                    }
                }
                Act::Look => self.look(held, host),
                Act::Pause => {
                    if deadline.is_over() {
                        return Err(PlatformError::LockHeld { path: held.to_owned(), holder: describe(held) });
                    }
                    deadline.nap(Duration::from_millis(nap + jitter(nap)));
                    nap = (nap * 3 / 2).min(100);
                    self.look(held, host)
                }
                Act::Unlink(nonce) => {
                    let _ = fs::remove_file(held.join(format!("holder-{nonce}")));
                    self.sweep();
                    Seen::Done
                }
                Act::Rmdir => {
                    let _ = fs::remove_dir(held);
                    Seen::Done
                }
            };
        }
    }

    fn look(&self, held: &Path, host: &Host) -> Seen {
        let Some((nonce, path)) = holder_file(held) else { return Seen::Free };
        let content = fs::read_to_string(&path).ok();
        let Some((counter, holder)) = content.as_deref().and_then(Holder::parse) else {
            // Released since, or not readable yet: looked at again, and counted like any other.
            return if path.exists() {
                Seen::Held(self.sight(nonce, 0, super::lock_protocol::Life::Elsewhere))
            } else {
                Seen::Free
            };
        };
        let life = holder.life(host);
        Seen::Held(self.sight(nonce, counter, life))
    }

    /// Counts a look. A look within a second of the last one, or at another nonce or counter, does not add up.
    fn sight(&self, nonce: String, counter: u64, life: super::lock_protocol::Life) -> Sight {
        let now = clock::awake_ms();
        let kept: Option<Looks> = fs::read(&self.looks).ok().and_then(|content| serde_json::from_slice(&content).ok());
        let same = kept.filter(|kept| kept.nonce == nonce && kept.counter == counter && kept.at <= now);
        let looks = match same {
            Some(kept) if now - kept.at < LOOK_APART_MS => kept,
            Some(kept) => self.keep(Looks { count: kept.count + 1, at: now, ..kept }),
            None => self.keep(Looks { nonce: nonce.clone(), counter, count: 1, at: now }),
        };
        Sight { nonce, counter, life, looks: looks.count }
    }

    fn keep(&self, looks: Looks) -> Looks {
        let content = serde_json::to_vec(&looks).unwrap_or_default();
        // A look that cannot be kept only makes the next waiter start anew.
        let _ = file::replace(&self.looks, &content, &std::process::id().to_string(), file::Durability::Disposable);
        looks
    }

    /// Removes what processes left that died between preparing and renaming.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.place) else { return };
        let old = |entry: &fs::DirEntry| {
            let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
            age.is_some_and(|age| age > LITTER_AFTER)
        };
        for entry in entries.flatten().filter(old) {
            if let Some(nonce) = entry.file_name().to_str().and_then(|name| name.strip_prefix("lock-")) {
                let _ = fs::remove_file(entry.path().join(format!("holder-{nonce}")));
                let _ = fs::remove_dir(entry.path());
            }
        }
    }
}

fn holder_file(held: &Path) -> Option<(String, PathBuf)> {
    fs::read_dir(held).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let nonce = name.to_str()?.strip_prefix("holder-")?.to_owned();
        Some((nonce, entry.path()))
    })
}

fn describe(held: &Path) -> Box<str> {
    let file = holder_file(held);
    let holder = file.as_ref().and_then(|(_, path)| fs::read_to_string(path).ok());
    match holder.as_deref().and_then(Holder::parse) {
        Some((_, holder)) => format!("process {} of host {} since {}", holder.pid, holder.host, holder.since).into(),
        None if file.is_none() && held.exists() => "a file in it that is not callboard's; remove it".into(),
        None => "another host".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() {
        unreachable!("nobody sleeps here");
    }

    fn host(id: &str) -> Host {
        Host { id: id.to_owned(), boot: "b".into(), pid_namespace: "p".into() }
    }

    fn acquire(lock: &LockDir, host: &Host, wait_ms: u64) -> Result<HolderGuard, PlatformError> {
        lock.acquire(host, &Entropy::System, "now".into(), Deadline::after(Duration::from_millis(wait_ms)))
    }

    #[test]
    fn one_host_at_a_time_and_nothing_is_left_behind() {
        let (place, here, there) = three_directories();
        let held = acquire(&LockDir::new(place.path(), here.path(), never), &host("here"), 50).expect("free");
        let refused = acquire(&LockDir::new(place.path(), there.path(), never), &host("there"), 50).expect_err("held");
        assert!(refused.to_string().contains("of host here since now"), "{refused}");
        drop(held);
        drop(acquire(&LockDir::new(place.path(), there.path(), never), &host("there"), 50).expect("free again"));
        assert_eq!(fs::read_dir(place.path()).expect("readable").count(), 0);
    }

    #[test]
    fn a_dead_process_of_this_host_is_broken_at_once() {
        let (place, here, _) = three_directories();
        let mut child = std::process::Command::new("true").spawn().expect("true is there");
        let dead = Holder { pid: child.id(), born: String::new(), ..Holder::this(&host("here"), "then".into()) };
        child.wait().expect("it ends");
        let held = place.path().join("lock.d");
        fs::create_dir(&held).expect("made");
        file::overwrite(&held.join("holder-dead"), dead.file_content(4).as_bytes()).expect("written");
        acquire(&LockDir::new(place.path(), here.path(), never), &host("here"), 0).expect("broken");
    }

    #[test]
    fn looks_within_a_second_count_once() {
        let (place, here, _) = three_directories();
        let lock = LockDir::new(place.path(), here.path(), never);
        let looks = |counter| lock.sight("n".into(), counter, super::super::lock_protocol::Life::Elsewhere).looks;
        assert_eq!((looks(1), looks(1), looks(1)), (1, 1, 1));
        let kept = Looks { nonce: "n".into(), counter: 1, count: 7, at: clock::awake_ms() - LOOK_APART_MS };
        lock.keep(kept);
        assert_eq!(looks(1), 8, "the next waiter goes on counting");
        assert_eq!(looks(2), 1, "a holder that counted is awake");
    }

    fn three_directories() -> (tempfile::TempDir, tempfile::TempDir, tempfile::TempDir) {
        let new = || tempfile::tempdir().expect("a directory");
        (new(), new(), new())
    }
}
