//! Removes the private directories of processes that died before they had the lock.
//!
//! **Invariants.** No wall clock decides: hosts disagree about it, and a waiter may have slept. A directory is swept when its
//! process is known to have ended, or when this host has seen it for long enough (an hour; half a minute where nobody's file
//! is in it) on a clock that stops in sleep. Even a wrong decision is safe: the directory is renamed before it is emptied, so its owner's rename fails, and it prepares another.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::holder::Holder;
use super::lock_dir::{LockDir, names, read_small};
use super::protocol::{Content, ProcessState, holder_file};
use crate::platform::clock;
use crate::platform::file::{self, Durability};
use crate::platform::host::Host;

/// Minimum time between two sweeps of a host, in milliseconds.
const SWEEP_INTERVAL_MS: i64 = 5_000;
/// How long a host must have seen a directory of an unknown process before it sweeps it, in milliseconds.
const ABANDONED_AFTER_MS: i64 = 3_600_000;
/// The same for a directory without a holder file: its process died, or will write one within moments.
const EMPTY_ABANDONED_AFTER_MS: i64 = 30_000;
/// Maximum number of directories that a host remembers having seen.
const MAX_REMEMBERED: usize = 1_000;

/// What a host remembers between sweeps. Times are of its clock that stops in sleep.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Seen {
    /// The boot that the times belong to.
    boot: String,
    /// When it swept last.
    swept_at: i64,
    /// Since when it has seen each directory.
    since: BTreeMap<String, i64>,
}

/// Sweeps, unless this host did so a moment ago.
pub(super) fn sweep(lock: &LockDir, host: &Host) {
    let path = lock.runtime.join("leftovers");
    let now = clock::awake_ms();
    let stored: Option<Seen> = read_small(&path).and_then(|content| serde_json::from_str(&content).ok());
    let seen = stored.filter(|seen| seen.boot == host.boot && seen.swept_at <= now).unwrap_or_default();
    if !seen.boot.is_empty() && now - seen.swept_at < SWEEP_INTERVAL_MS {
        return;
    }
    let mut since = BTreeMap::new();
    for name in names(&lock.place) {
        if name.starts_with("swept-") {
            remove(&lock.place.join(&name));
        } else if let Some(nonce) = name.strip_prefix("lock-") {
            let first = seen.since.get(&name).copied().unwrap_or(now);
            let is_abandoned = match holder_of(lock, nonce) {
                Some(holder) if lock.state_of(&holder, host) == ProcessState::Dead => true,
                Some(_) => now - first >= ABANDONED_AFTER_MS,
                None => now - first >= EMPTY_ABANDONED_AFTER_MS,
            };
            if is_abandoned {
                sweep_one(&lock.place, nonce);
            } else if since.len() < MAX_REMEMBERED {
                since.insert(name, first);
            }
        }
    }
    let seen = Seen { boot: host.boot.clone(), swept_at: now, since };
    let content = serde_json::to_vec(&seen).unwrap_or_default();
    // What cannot be remembered is only seen later.
    let _ = file::replace(&path, &content, &std::process::id().to_string(), Durability::Disposable);
}

/// Who prepared a directory; none where its file is not there or cannot be read.
fn holder_of(lock: &LockDir, nonce: &str) -> Option<Holder> {
    let path = lock.place.join(format!("lock-{nonce}")).join(holder_file(nonce));
    Holder::parse(&read_small(&path)?).map(|(_, holder)| holder)
}

fn sweep_one(place: &Path, nonce: &str) {
    let swept = place.join(format!("swept-{nonce}"));
    // Its owner may have renamed it to the lock meanwhile.
    if fs::rename(place.join(format!("lock-{nonce}")), &swept).is_ok() {
        remove(&swept);
    }
}

/// Empties and removes a directory that nobody can rename to the lock any more.
fn remove(swept: &Path) {
    for name in names(swept) {
        if Content::of([name.clone()]) != Content::Nothing {
            let _ = fs::remove_file(swept.join(name));
        }
    }
    let _ = fs::remove_dir(swept);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host { id: "here".into(), boot: "b".into(), pid_namespace: "p".into() }
    }

    fn prepare(place: &Path, nonce: &str, holder: Option<&Holder>) {
        let private = place.join(format!("lock-{nonce}"));
        fs::create_dir(&private).expect("made");
        if let Some(holder) = holder {
            file::overwrite(&private.join(holder_file(nonce)), holder.file_content(0).as_bytes()).expect("written");
        }
    }

    #[test]
    fn dead_waiters_are_swept_and_living_ones_are_not_whatever_their_clocks_say() {
        let (place, runtime) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        let lock = LockDir {
            place: place.path().to_owned(),
            runtime: runtime.path().to_owned(),
            queue: None,
            report: |_| {},
            lost: || {},
        };
        let alive = Holder::this(&host(), "now".into(), None);
        let elsewhere = Holder { host: "there".into(), ..alive.clone() };
        let dead = Holder { born: "1".into(), ..alive.clone() };
        for (nonce, holder) in
            [("alive", Some(&alive)), ("far", Some(&elsewhere)), ("dead", Some(&dead)), ("empty", None)]
        {
            prepare(place.path(), nonce, holder);
            // As old as a clock that is years ahead would find it.
            let directory = fs::File::open(place.path().join(format!("lock-{nonce}"))).expect("opened");
            directory.set_modified(std::time::UNIX_EPOCH).expect("set");
        }
        prepare(place.path(), "half", Some(&dead));
        fs::rename(place.path().join("lock-half"), place.path().join("swept-half")).expect("renamed");
        sweep(&lock, &host());
        let mut left = names(place.path());
        left.sort();
        assert_eq!(left, ["lock-alive", "lock-empty", "lock-far"]);

        prepare(place.path(), "later", Some(&dead));
        sweep(&lock, &host());
        assert!(place.path().join("lock-later").exists(), "not at every command");

        let path = runtime.path().join("leftovers");
        let mut seen: Seen = serde_json::from_slice(&fs::read(&path).expect("kept")).expect("JSON");
        seen.swept_at -= SWEEP_INTERVAL_MS;
        *seen.since.get_mut("lock-far").expect("seen") -= ABANDONED_AFTER_MS;
        *seen.since.get_mut("lock-empty").expect("seen") -= EMPTY_ABANDONED_AFTER_MS;
        file::overwrite(&path, &serde_json::to_vec(&seen).expect("JSON")).expect("written");
        sweep(&lock, &host());
        assert_eq!(names(place.path()), ["lock-alive"]);
    }
}
