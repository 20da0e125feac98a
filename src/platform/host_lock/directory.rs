//! Drives [`super::protocol`] against a real directory.
//!
//! **Locks.** Taken after level one, so that at most one process of a host is here, unless advisory locks do nothing or the
//! holder of level one is stopped. Correctness does not depend on level one; only fairness and speed do.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::holder::{Holder, HolderGuard, MAX_UNCERTAIN_MS};
use super::leftovers;
use super::lock_dir::{LockDir, names, read_small};
use super::protocol::{Acquisition, Content, Observation, ProcessState, Step, StepResult, holder_file};
use crate::platform::clock;
use crate::platform::deadline::Deadline;
use crate::platform::entropy::{Entropy, jitter};
use crate::platform::error::PlatformError;
use crate::platform::host::Host;
use crate::platform::signals;
use crate::platform::{file, open};

/// Minimum time between two counted observations, in milliseconds on a clock that stops in sleep.
const OBSERVATION_INTERVAL_MS: i64 = 1_000;
/// Maximum time between two attempts of a waiter, in milliseconds, before jitter.
const MAX_WAIT_MS: u64 = 100;
/// How long a waiter waits before it says for whom.
const REPORT_AFTER_MS: i64 = 3_000;

/// What the waiters of a host have observed so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Observations {
    nonce: String,
    counter: u64,
    count: u32,
    at: i64,
}

/// One acquisition in progress.
struct Attempt<'a> {
    lock: &'a LockDir,
    host: &'a Host,
    entropy: &'a Entropy,
    since: String,
    deadline: Deadline,
    /// The nonces that this process has used, each with a time on the boot clock from before its rename: a freeze right
    /// after the rename must not be missed. The last one is in the private directory.
    nonces: Vec<(String, i64)>,
    began: i64,
    reported: bool,
    inspected: Option<i64>,
    wait_ms: u64,
}

impl LockDir {
    /// Takes the lock, breaking it if its holder is gone. Fails with `LockHeld` after the deadline.
    pub fn acquire(
        &self,
        host: &Host,
        entropy: &Entropy,
        since: String,
        deadline: Deadline,
    ) -> Result<HolderGuard, PlatformError> {
        // A lock directory that is left behind keeps the other hosts waiting.
        let shield = signals::shield();
        leftovers::sweep(self, host);
        let mut attempt = Attempt {
            lock: self,
            host,
            entropy,
            since,
            deadline,
            nonces: Vec::new(),
            began: clock::awake_ms(),
            reported: false,
            inspected: None,
            wait_ms: 2,
        };
        let taken = attempt.run();
        attempt.clean_up(taken.as_deref().ok());
        if matches!(taken, Err(PlatformError::Ending)) {
            shield.give_way();
        }
        let nonce = taken?;
        let began = attempt.renamed_at(&nonce);
        Ok(HolderGuard::start(&self.held().join(holder_file(&nonce)), began, self.lost).shielded(shield))
    }

    /// Counts an observation. One within a second of the last, or of another nonce or counter, does not add up.
    fn count(&self, nonce: &str, counter: u64) -> u32 {
        let now = clock::awake_ms();
        let path = self.runtime.join("looks");
        let stored: Option<Observations> = read_small(&path).and_then(|content| serde_json::from_str(&content).ok());
        let same = stored.filter(|stored| stored.nonce == nonce && stored.counter == counter && stored.at <= now);
        let count = match same {
            Some(stored) if now - stored.at < OBSERVATION_INTERVAL_MS => return stored.count,
            Some(stored) => stored.count + 1,
            None => 1,
        };
        let observations = Observations { nonce: nonce.to_owned(), counter, count, at: now };
        let content = serde_json::to_vec(&observations).unwrap_or_default();
        // An observation that cannot be kept only makes the next waiter start anew.
        let _ = file::replace(&path, &content, &std::process::id().to_string(), file::Durability::Disposable);
        count
    }
}

impl Attempt<'_> {
    /// Runs the protocol to its end; the nonce under which the lock is held.
    fn run(&mut self) -> Result<String, PlatformError> {
        let mut acquisition = Acquisition::default();
        let mut step = Acquisition::first();
        loop {
            if signals::is_ending() {
                return Err(PlatformError::Ending);
            }
            let result = match &step {
                Step::Hold(nonce) => return Ok(nonce.clone()),
                Step::Prepare => self.prepare()?,
                Step::Rename => self.rename()?,
                Step::Confirm => self.confirm(),
                Step::Inspect => self.inspect(),
                Step::Unlink(names) => {
                    for name in names {
                        let _ = fs::remove_file(self.lock.held().join(name));
                    }
                    StepResult::Finished
                }
                Step::RemoveDirectory => {
                    let _ = fs::remove_dir(self.lock.held());
                    StepResult::Finished
                }
                Step::Wait => self.wait()?,
            };
            step = acquisition.next(&step, result);
        }
    }

    fn private(&self, nonce: &str) -> PathBuf {
        self.lock.place.join(format!("lock-{nonce}"))
    }

    fn renamed_at(&self, nonce: &str) -> i64 {
        self.nonces.iter().find(|(used, _)| used == nonce).map_or(0, |(_, at)| *at)
    }

    fn prepare(&mut self) -> Result<StepResult, PlatformError> {
        loop {
            let nonce = self.entropy.hex(12)?;
            let private = self.private(&nonce);
            file::make_directory(&private)?;
            let path = private.join(holder_file(&nonce));
            self.nonces.push((nonce, clock::boot_ms()));
            match self.write_holder(&path) {
                Ok(()) => return Ok(StepResult::Prepared),
                // Somebody swept the directory.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.deadline.is_over() => {
                    self.deadline.nap(Duration::from_millis(1 + jitter(10)));
                }
                Err(error) => return Err(PlatformError::file("create", &path)(error)),
            }
        }
    }

    /// The file is closed afterwards: one that is open when it is unlinked stays behind under another name on some storage.
    fn write_holder(&self, path: &Path) -> std::io::Result<()> {
        use std::io::Write as _;
        let holder = Holder::this(self.host, self.since.clone(), self.lock.queue.clone());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(path)?;
        open::share(&file, &self.lock.place);
        file.write_all(holder.file_content(0).as_bytes()).and_then(|()| file.sync_data())
    }

    fn rename(&mut self) -> Result<StepResult, PlatformError> {
        let Some((nonce, at)) = self.nonces.last_mut() else { return Ok(StepResult::Vanished) };
        *at = clock::boot_ms();
        let private = self.lock.place.join(format!("lock-{nonce}"));
        match fs::rename(&private, self.lock.held()) {
            Ok(()) => Ok(StepResult::Renamed),
            // Whatever the error is, it means: not now. ENOTEMPTY, EEXIST and EPERM all were seen for "in use".
            Err(_) if private.exists() => Ok(StepResult::NotRenamed),
            Err(_) if self.lock.place.is_dir() => Ok(StepResult::Vanished),
            Err(error) => Err(PlatformError::file("take", &self.lock.held())(error)),
        }
    }

    fn own(&self, nonce: String) -> Option<StepResult> {
        let (_, at) = self.nonces.iter().find(|(used, _)| *used == nonce)?;
        let is_old = clock::boot_ms() - at > MAX_UNCERTAIN_MS;
        Some(StepResult::Own { nonce, is_old })
    }

    fn confirm(&self) -> StepResult {
        match content(&self.lock.held()) {
            Content::Holder(nonce) => self.own(nonce).unwrap_or(StepResult::NotOwn),
            _ => StepResult::NotOwn,
        }
    }

    fn inspect(&mut self) -> StepResult {
        let now = clock::awake_ms();
        if self.inspected.is_some_and(|at| now - at < OBSERVATION_INTERVAL_MS) {
            return StepResult::TooSoon;
        }
        self.inspected = Some(now);
        let held = self.lock.held();
        let nonce = match content(&held) {
            Content::Nothing => return StepResult::Free(Vec::new()),
            Content::Leftovers(names) => return StepResult::Free(names),
            Content::Holder(nonce) => nonce,
        };
        if let Some(own) = self.own(nonce.clone()) {
            return own;
        }
        let text = read_small(&held.join(holder_file(&nonce)));
        // A file that cannot be read is of a lock that was released since, or not readable yet: counted like any other.
        let (counter, process) = match text.as_deref().and_then(Holder::parse) {
            Some((counter, holder)) => {
                let process = self.lock.state_of(&holder, self.host);
                if now - self.began > REPORT_AFTER_MS && !std::mem::replace(&mut self.reported, true) {
                    (self.lock.report)(&describe(&holder, process, self.host));
                }
                (counter, process)
            }
            None => (0, ProcessState::Unknown),
        };
        let count = self.lock.count(&nonce, counter);
        StepResult::Held(Observation { nonce, process, count })
    }

    fn wait(&mut self) -> Result<StepResult, PlatformError> {
        if self.deadline.is_over() {
            let held = self.lock.held();
            let holder = self.holder_now(&held);
            return Err(PlatformError::LockHeld { path: held, holder });
        }
        self.deadline.nap(Duration::from_millis(self.wait_ms + jitter(self.wait_ms)));
        self.wait_ms = (self.wait_ms * 3 / 2).min(MAX_WAIT_MS);
        Ok(StepResult::Finished)
    }

    /// Who is in the way, for people.
    fn holder_now(&self, held: &Path) -> Box<str> {
        let names = names(held);
        let (Content::Nothing | Content::Leftovers(_)) = Content::of(names.iter().cloned()) else {
            let text = names.iter().find_map(|name| read_small(&held.join(name)));
            return match text.as_deref().and_then(Holder::parse) {
                Some((_, holder)) => describe(&holder, self.lock.state_of(&holder, self.host), self.host).into(),
                None => "another host".into(),
            };
        };
        match names.first() {
            Some(name) => format!("{name:?} in it, which is not callboard's; remove that file").into(),
            None => "another host".into(),
        }
    }

    /// Removes the private directories that did not become the lock, and the lock where it was taken by a rename whose
    /// success came too late. Only names of this process's own nonces are touched.
    fn clean_up(&self, held: Option<&str>) {
        if held.is_some() && self.nonces.len() == 1 {
            return;
        }
        for (nonce, _) in self.nonces.iter().filter(|(nonce, _)| held != Some(nonce)) {
            let _ = fs::remove_file(self.lock.held().join(holder_file(nonce)));
            let _ = fs::remove_file(self.private(nonce).join(holder_file(nonce)));
            let _ = fs::remove_dir(self.private(nonce));
        }
        if held.is_none() {
            let _ = fs::remove_dir(self.lock.held());
        }
    }
}

fn content(directory: &Path) -> Content {
    Content::of(names(directory))
}

fn describe(holder: &Holder, process: ProcessState, host: &Host) -> String {
    let Holder { pid, host: id, since, .. } = holder;
    let note = match process {
        ProcessState::Dead => ", which has ended",
        ProcessState::Unknown if holder.is_in_another_container(host) => {
            ", in another container of this host; if it has ended, its lock is broken 15 seconds after its last sign of life"
        }
        ProcessState::Alive | ProcessState::Unknown => "",
    };
    format!("process {pid} of host {id} since {since}{note}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::host_lock::protocol::OBSERVATIONS_TO_BREAK;

    fn never() {
        unreachable!("nobody sleeps here");
    }

    fn lock(place: &Path, runtime: &Path) -> LockDir {
        let (place, runtime) = (place.to_owned(), runtime.to_owned());
        LockDir { place, runtime, queue: None, report: |_| {}, lost: never }
    }

    fn host(id: &str) -> Host {
        Host { id: id.to_owned(), boot: "b".into(), pid_namespace: "p".into() }
    }

    fn acquire(lock: &LockDir, host: &Host, wait_ms: u64) -> Result<HolderGuard, PlatformError> {
        lock.acquire(host, &Entropy::System, "now".into(), Deadline::after(Duration::from_millis(wait_ms)))
    }

    /// A lock directory whose holder is `holder`.
    fn hold(place: &Path, nonce: &str, holder: &Holder) {
        let held = place.join("lock.d");
        fs::create_dir(&held).expect("made");
        file::overwrite(&held.join(holder_file(nonce)), holder.file_content(4).as_bytes()).expect("written");
    }

    fn ended_process() -> u32 {
        let mut child = std::process::Command::new("true").spawn().expect("true is there");
        child.wait().expect("it ends");
        child.id()
    }

    #[test]
    fn one_host_at_a_time_and_nothing_is_left_behind() {
        let (place, here, there) = three_directories();
        let held = acquire(&lock(place.path(), here.path()), &host("here"), 50).expect("free");
        let refused = acquire(&lock(place.path(), there.path()), &host("there"), 50).expect_err("held");
        assert!(refused.to_string().contains("of host here since now"), "{refused}");
        drop(held);
        drop(acquire(&lock(place.path(), there.path()), &host("there"), 50).expect("free again"));
        assert_eq!(fs::read_dir(place.path()).expect("readable").count(), 0);
    }

    #[test]
    fn a_dead_process_of_this_host_is_broken_at_once() {
        let (place, here, _) = three_directories();
        let this = Holder::this(&host("here"), "then".into(), None);
        hold(place.path(), "dead", &Holder { pid: ended_process(), born: String::new(), ..this });
        acquire(&lock(place.path(), here.path()), &host("here"), 0).expect("broken");
    }

    #[test]
    fn a_dead_process_of_another_container_with_the_same_queue_is_broken_at_once() {
        let (place, here, _) = three_directories();
        let container = Host { pid_namespace: "other".into(), ..host("here") };
        // The pid lives, but it is a number of another namespace.
        hold(place.path(), "dead", &Holder::this(&container, "then".into(), Some("8:1".into())));
        let without = lock(place.path(), here.path());
        let refused = acquire(&without, &host("here"), 0).expect_err("nothing is known of it");
        assert!(refused.to_string().contains("in another container of this host"), "{refused}");
        let with = |queue: &str| LockDir { queue: Some(queue.into()), ..without.clone() };
        acquire(&with("8:2"), &host("here"), 0).expect_err("another queue says nothing");
        acquire(&with("8:1"), &host("here"), 0).expect("broken");
    }

    #[test]
    fn a_file_that_was_unlinked_while_open_locks_nobody_out() {
        let (place, here, _) = three_directories();
        let held = place.path().join("lock.d");
        for leftover in [".fuse_hidden0000001100000002", ".nfs000000000004a1b200000001", ".smbdeleteAAA1"] {
            fs::create_dir(&held).expect("made");
            file::overwrite(&held.join(leftover), b"0").expect("written");
            drop(acquire(&lock(place.path(), here.path()), &host("here"), 1_000).expect("it is no holder"));
            assert!(!held.exists(), "{leftover}");
        }
        fs::create_dir(&held).expect("made");
        file::overwrite(&held.join("notes.txt"), b"0").expect("written");
        let refused = acquire(&lock(place.path(), here.path()), &host("here"), 10).expect_err("somebody's file");
        assert!(refused.to_string().contains("\"notes.txt\" in it"), "{refused}");
        assert!(held.join("notes.txt").exists(), "it is not ours to remove");
    }

    #[test]
    fn observations_within_a_second_count_once() {
        let (place, here, _) = three_directories();
        let lock = lock(place.path(), here.path());
        assert_eq!((lock.count("n", 1), lock.count("n", 1), lock.count("n", 1)), (1, 1, 1));
        let at = clock::awake_ms() - OBSERVATION_INTERVAL_MS;
        let stored = Observations { nonce: "n".into(), counter: 1, count: OBSERVATIONS_TO_BREAK - 2, at };
        file::overwrite(&here.path().join("looks"), &serde_json::to_vec(&stored).expect("JSON")).expect("written");
        assert_eq!(lock.count("n", 1), OBSERVATIONS_TO_BREAK - 1, "the next waiter goes on counting");
        assert_eq!(lock.count("n", 2), 1, "a holder that counted is awake");
    }

    fn three_directories() -> (tempfile::TempDir, tempfile::TempDir, tempfile::TempDir) {
        let new = || tempfile::tempdir().expect("a directory");
        (new(), new(), new())
    }
}
