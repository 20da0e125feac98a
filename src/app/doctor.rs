//! The doctor: every thing that a board needs, tried, each with a deadline.
//!
//! It changes nothing of the board: what it writes are files of its own, which it removes.

use std::fmt::Display;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::App;
use super::locate;
use super::locks;
use super::place::Place;
use crate::domain::board::StorageKind;
use crate::domain::id::BranchName;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::word::words;
use crate::platform::deadline::Deadline;
use crate::platform::file_lock::Share;
use crate::platform::file_system;
use crate::platform::probe::{self, Locking, within};
use crate::platform::process;
use crate::store::sqlite;
use crate::watch::ear;
use crate::workspace::git::Checkout;

words! {
    /// What a check came to.
    Health, "health" {
        /// As it must be.
        Ok = "ok",
        /// It works, and could be better.
        Warn = "warn",
        /// It does not work.
        Fail = "fail",
    }
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What it is about: place, program, board, retention, pages or git.
    pub area: String,
    /// What was tried.
    pub name: String,
    /// What it came to.
    pub status: Health,
    /// What was seen.
    pub message: String,
    /// The command that mends it.
    pub command: Option<String>,
}

/// How long each probe of the place has.
const PROBE: Duration = Duration::from_secs(3);
/// How long the board's own lock is waited for: a healthy board is never held longer than milliseconds.
const LOCK: Duration = Duration::from_secs(2);
/// How long the board is read at most.
pub const BOARD: Duration = Duration::from_secs(30);
/// Less space than this is worth saying, in bytes,
const SPACE_LITTLE: u64 = 200 * 1024 * 1024;
/// and with less than this no transaction is sure to fit.
const SPACE_NONE: u64 = 4 * 1024 * 1024;
/// A durable write that takes longer is slow, in microseconds.
const SYNC_SLOW: u128 = 200_000;
/// Clocks that are further apart are worth saying, in milliseconds.
const OFFSET_MOST: i64 = 5_000;
/// How long the system has to tell of a change.
const EAR: Duration = Duration::from_secs(1);

/// The argument by which this program tries a lock for another of its processes.
pub const LOCK_PROBE: &str = "--try-this-lock";

/// A list of checks in the making.
#[derive(Debug, Default)]
pub struct Checks(pub Vec<Check>);

impl Checks {
    /// Adds what a check came to.
    pub fn say(&mut self, area: &str, name: &str, status: Health, message: impl Display, command: Option<String>) {
        let (area, name, message) = (area.to_owned(), name.to_owned(), message.to_string());
        self.0.push(Check { area, name, status, message, command });
    }

    fn ok(&mut self, area: &str, name: &str, message: impl Display) {
        self.say(area, name, Health::Ok, message, None);
    }

    fn warn(&mut self, area: &str, name: &str, message: impl Display, command: &str) {
        self.say(area, name, Health::Warn, message, Some(command.to_owned()));
    }

    fn fail(&mut self, area: &str, name: &str, message: impl Display, command: &str) {
        self.say(area, name, Health::Fail, message, Some(command.to_owned()));
    }

    /// A check that a refusal ended.
    pub fn refused(&mut self, area: &str, name: &str, refusal: &Refusal) {
        self.say(area, name, Health::Fail, &refusal.message, refusal.hint.clone());
    }
}

impl App {
    /// Tries the place and everything of it that is not the board itself. None where the board cannot be read now: what is
    /// in the way has been said.
    pub fn examine_place(&self, program: &Path, checks: &mut Checks) -> Option<Place> {
        let again = self.settings.again();
        let progress = self.progress;
        // A dead mount answers nobody.
        let place = match within(PROBE, move || again.and_then(|settings| App::new(settings, progress).place())) {
            Some(Ok(place)) => place,
            Some(Err(refusal)) => {
                checks.refused("place", "board", &refusal);
                return None;
            }
            None => {
                checks.fail("place", "board", "the file system of the board does not answer", "df -h .");
                return None;
            }
        };
        checks.ok("place", "board", place.plan.display());
        if let Some(warning) = place.copy_warning() {
            let command = format!("rm -r of the one that is not wanted: ls -ld '{}'", place.plan.display());
            checks.warn("place", "copy", warning, &command);
        }
        match self
            .settings
            .file_system
            .clone()
            .map_or_else(|| file_system::of(&place.plan), |name| Ok(file_system::FileSystem::named(&name)))
        {
            Ok(system) => checks.ok("place", "file_system", format!("{}, used as {}", system.name, place.file.storage)),
            Err(error) => checks.fail("place", "file_system", error, "df project-plan"),
        }
        Self::examine_files(&place, checks);
        self.examine_locks(&place, program, checks);
        self.examine_storage(&place, checks);
        Self::examine_git(&place, checks);
        self.try_the_lock(&place, checks).then_some(place)
    }

    fn examine_files(place: &Place, checks: &mut Checks) {
        let (database, internal) = (place.database(), place.internal());
        let list = format!("ls -la '{}'", place.plan.display());
        match std::fs::metadata(&database) {
            Ok(meta) if probe::is_writable(&database) => {
                checks.ok("place", "permissions", format!("coordination.db, {} bytes, read and written", meta.len()));
                if meta.mode() & 0o007 != 0 {
                    let message = "every account of this host may read coordination.db, and the tokens of leases in it";
                    let command = format!("chmod o-rwx '{}'", database.display());
                    checks.warn("place", "privacy", message, &command);
                }
            }
            Ok(_) => checks.fail("place", "permissions", "coordination.db may not be written", &list),
            Err(error) => {
                let ways = "callboard restore FILE, or callboard validate --repair";
                checks.fail("place", "permissions", format!("coordination.db: {error}"), ways);
            }
        }
        match probe::space(&internal) {
            Ok(left) if left < SPACE_NONE => {
                checks.fail("place", "space", format!("{left} bytes are left"), "df -h project-plan");
            }
            Ok(left) if left < SPACE_LITTLE => {
                checks.warn("place", "space", format!("{left} bytes are left"), "df -h project-plan");
            }
            Ok(left) => checks.ok("place", "space", format!("{} MB are left", left / 1_000_000)),
            Err(error) => checks.warn("place", "space", error, "df -h project-plan"),
        }
    }

    /// The lock as two processes see it, where this host's processes queue.
    fn examine_locks(&self, place: &Place, program: &Path, checks: &mut Checks) {
        let queue = match locks::queue_directory(place, &self.settings) {
            Ok(queue) => queue,
            Err(refusal) => return checks.refused("place", "locks", &refusal),
        };
        let (nonce, program) = (self.nonce().unwrap_or_default(), program.to_owned());
        let tried = within(PROBE + PROBE, move || probe::locking(&queue, &nonce, &program, LOCK_PROBE));
        let shared = "callboard init --storage shared, which needs no file locks";
        match tried {
            Some(Ok(Locking::Works)) => {
                checks.ok("place", "locks", "a second process is kept out, and let in afterwards");
            }
            Some(Ok(Locking::LetsBothIn)) => {
                checks.fail("place", "locks", "two processes get one lock at once", shared);
            }
            Some(Ok(Locking::KeepsOut)) => checks.fail("place", "locks", "a lock that was let go stays taken", shared),
            Some(Ok(Locking::Unknown)) => {
                checks.warn("place", "locks", "no second process could be started", "callboard doctor");
            }
            Some(Err(error)) => checks.fail("place", "locks", error, "ls -la project-plan/.callboard"),
            None => checks.fail("place", "locks", "a lock does not answer: its lock manager may be dead", shared),
        }
    }

    fn examine_storage(&self, place: &Place, checks: &mut Checks) {
        let internal = place.internal();
        let probe_in = |directory: &PathBuf| (directory.clone(), self.nonce().unwrap_or_default());
        let (directory, nonce) = probe_in(&internal);
        match within(PROBE, move || probe::sync_micros(&directory, &nonce)) {
            Some(Ok(micros)) if micros > SYNC_SLOW => {
                checks.warn(
                    "place",
                    "fsync",
                    format!("{} ms: every change waits so long", micros / 1000),
                    "callboard init on a faster disk",
                );
            }
            Some(Ok(micros)) => checks.ok("place", "fsync", format!("{}.{:02} ms", micros / 1000, micros % 1000 / 10)),
            Some(Err(error)) => checks.fail("place", "fsync", error, "df -h project-plan"),
            None => checks.fail("place", "fsync", "a durable write does not end", "df -h project-plan"),
        }
        let (directory, nonce) = probe_in(&internal);
        match within(PROBE, move || probe::clock_offset_ms(&directory, &nonce)) {
            Some(Ok(offset)) if offset.abs() > OFFSET_MOST => {
                let said = format!("the storage's clock is {offset} ms ahead of this host's");
                checks.warn("place", "clock", said, "timedatectl set-ntp true");
            }
            Some(Ok(offset)) => checks.ok("place", "clock", format!("{offset} ms from the storage's")),
            Some(Err(error)) => checks.fail("place", "clock", error, "ls -la project-plan/.callboard"),
            None => checks.fail("place", "clock", "the storage does not answer", "df -h project-plan"),
        }
        let Ok(near) = locks::queue_directory(place, &self.settings) else { return };
        let (directory, nonce) = probe_in(&near);
        let poll = "sysctl fs.inotify.max_user_instances fs.inotify.max_user_watches";
        match within(PROBE, move || ear::hears(&directory, &nonce, EAR)) {
            Some(Ok(true)) => checks.ok("place", "file_events", "the system tells of changes"),
            Some(Ok(false)) => checks.warn(
                "place",
                "file_events",
                "the system tells of no change; waiting windows look by themselves",
                poll,
            ),
            Some(Err(error)) => checks.warn("place", "file_events", error, poll),
            None => checks.warn("place", "file_events", "no answer", poll),
        }
    }

    /// The board's own lock: who holds it, if it is not free.
    fn try_the_lock(&self, place: &Place, checks: &mut Checks) -> bool {
        let host = match self.host() {
            Ok(host) => host,
            Err(refusal) => {
                checks.refused("place", "host", &refusal);
                return false;
            }
        };
        match locks::lock(place, Share::Readers, &host, &self.settings, Deadline::after(LOCK)) {
            Ok(held) => {
                drop(held);
                checks.ok("board", "lock", "free");
                true
            }
            Err(refusal) if refusal.code == Code::Busy => {
                let stopped = process_in(&refusal.message).filter(|pid| process::is_stopped(*pid));
                let command = stopped
                    .map_or_else(|| "callboard doctor, once it is done".to_owned(), |pid| format!("kill -CONT {pid}"));
                let why = if stopped.is_some() { ", which is stopped" } else { "" };
                checks.fail("board", "lock", format!("{}{why}", refusal.message), &command);
                false
            }
            Err(refusal) => {
                checks.refused("board", "lock", &refusal);
                false
            }
        }
    }

    fn examine_git(place: &Place, checks: &mut Checks) {
        let Some(checkout) = Checkout::around(&place.project) else {
            return checks.ok("git", "repository", "none; intake and handoffs do without");
        };
        let (branch, _) = checkout.head();
        checks.ok(
            "git",
            "repository",
            format!("{}, branch {}", checkout.top.display(), branch.as_ref().map_or("none", BranchName::as_str)),
        );
        let database = format!("{}/{}", locate::PLAN, locate::DATABASE);
        match within(PROBE, move || checkout.tracked()) {
            Some(Some(tracked)) if tracked.split('\0').any(|path| path.ends_with(&database)) => {
                checks.fail(
                    "git",
                    "tracked",
                    "git tracks coordination.db: a checkout would take the board back",
                    "git rm --cached project-plan/coordination.db",
                );
            }
            Some(Some(_)) => checks.ok("git", "tracked", "git leaves the database alone"),
            Some(None) | None => checks.warn("git", "tracked", "git does not answer", "git status"),
        }
    }

    /// What can be said of the database without reading its rows.
    pub fn examine_journal(place: &Place, checks: &mut Checks) {
        let wal = sqlite::is_wal(&place.database());
        let name = place.file.journal;
        if wal && place.file.storage == StorageKind::Shared {
            checks.fail(
                "board",
                "journal",
                "a write-ahead log, which shared storage breaks",
                "sqlite3 project-plan/coordination.db 'PRAGMA journal_mode=TRUNCATE'",
            );
        } else {
            checks.ok("board", "journal", name);
        }
    }
}

/// The process that a message names: `process 12 since …`.
fn process_in(message: &str) -> Option<u32> {
    let (_, rest) = message.split_once("process ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
