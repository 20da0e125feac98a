//! A waiting process's ear.
//!
//! It keeps the pulse and the bells open and sleeps on `notify` for that one file; at intervals it reads them also
//! without being told, because a change made on another host raises no event and no error. Reading raises none either, so
//! waiters do not wake each other.
//!
//! **Invariants.** [`Watcher::mark`] is taken before the board is looked at. A commit writes both files before it lets go
//! of the board's lock, so what the look did not see makes them differ from the mark: no change is missed, whenever it
//! comes. Nothing is ever written here.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use notify::event::{EventKind, ModifyKind};
use notify::{RecursiveMode, Watcher as _};

use super::bells::{self, Bells};
use super::pulse::{self, Pulse};
use crate::domain::topic::Topic;
use crate::platform::deadline::Deadline;
use crate::platform::entropy::jitter;
use crate::platform::file;

/// How often a local board's pulse is read without being told.
const LOCAL_INTERVAL: Duration = Duration::from_millis(250);
/// How often a shared board's, at least;
const SHARED_INTERVAL: Duration = Duration::from_secs(1);
/// up to so many milliseconds more, so that the hosts' reads spread out.
const SHARED_SPREAD_MS: u64 = 600;

/// Where a board's pulse is.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where the processes of this host write it.
    pub near: PathBuf,
    /// Where all hosts do, if that is elsewhere.
    pub far: Option<PathBuf>,
}

/// A waiting process's ear.
#[derive(Debug)]
pub struct Watcher {
    near: Near,
    far: Option<PathBuf>,
    told: Receiver<()>,
    teller: Teller,
    /// Why changes are found by reading alone, where the system tells of none.
    pub deaf: Option<String>,
}

/// What tells of changes, and the way it tells.
struct Teller {
    system: Option<notify::RecommendedWatcher>,
    sender: SyncSender<()>,
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").field("system", &self.system.is_some()).finish_non_exhaustive()
    }
}

/// Both files of a directory, kept open.
#[derive(Debug)]
struct Near {
    directory: PathBuf,
    pulse: Option<File>,
    bells: Option<File>,
}

/// What was said at one moment.
#[derive(Clone, Debug)]
pub struct Mark {
    near: Said,
    far: Option<Said>,
}

/// What both files of a directory said.
#[derive(Clone, Debug)]
struct Said {
    pulse: Option<Pulse>,
    bells: Bells,
}

/// Which bells a process listens to.
#[derive(Clone, Debug)]
pub struct Ear(Vec<usize>);

impl Ear {
    /// The bells of these topics.
    pub fn of<'a>(topics: impl IntoIterator<Item = &'a Topic>) -> Self {
        Self(topics.into_iter().map(|topic| topic.bell(bells::COUNT)).collect())
    }
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something that may concern this process changed.
    Changed,
    /// The next lease runs out then, in milliseconds of the lease clock (0 for never), and not when the mark says.
    Deadline(i64),
    /// The time is over.
    Time,
}

impl Watcher {
    /// Begins to listen. Where the system cannot tell of changes, [`Watcher::deaf`] says why, and waiting goes on by
    /// reading.
    pub fn new(places: Places) -> Self {
        let (sender, told) = sync_channel(1);
        let mut watcher = Self {
            near: Near { directory: places.near, pulse: None, bells: None },
            far: places.far,
            told,
            teller: Teller { system: None, sender },
            deaf: None,
        };
        watcher.arm();
        watcher
    }

    /// Opens the files that have the names now, and asks the system to tell of changes of the pulse.
    fn arm(&mut self) {
        self.near.open();
        self.teller.system = None;
        if self.near.pulse.is_none() || self.deaf.is_some() {
            return;
        }
        match self.teller.listen(&self.near.directory.join(pulse::NAME)) {
            Ok(system) => self.teller.system = Some(system),
            Err(error) => self.deaf = Some(error.to_string()),
        }
    }

    /// What the files say now.
    pub fn mark(&mut self) -> Mark {
        if self.near.is_replaced() {
            self.arm();
        }
        while self.told.try_recv().is_ok() {}
        let near = Said { pulse: self.near.pulse(), bells: self.near.bells() };
        Mark { near, far: self.far.as_deref().map(Said::read) }
    }

    /// Sleeps until a bell of `ear` differs from `mark`, the next deadline is another, or `until` has come.
    pub fn wait(&mut self, mark: &mut Mark, ear: &Ear, until: Deadline) -> Woken {
        let mut known = mark.near.pulse.clone();
        let mut is_round = true;
        loop {
            if is_round && self.near.is_replaced() {
                self.arm();
            }
            let now = self.near.pulse();
            if now.is_none() || now != known {
                if let Some(woken) = mark.near.differ(&Said { pulse: now.clone(), bells: self.near.bells() }, ear) {
                    return woken;
                }
                known = now;
            }
            if is_round
                && let (Some(before), Some(far)) = (&mut mark.far, self.far.as_deref())
                && let Some(woken) = before.differ(&Said::read(far), ear)
            {
                return woken;
            }
            let left = until.left();
            if left.is_zero() {
                return Woken::Time;
            }
            let interval = match &self.far {
                Some(_) => SHARED_INTERVAL + Duration::from_millis(jitter(SHARED_SPREAD_MS)),
                None => LOCAL_INTERVAL,
            };
            is_round = match self.told.recv_timeout(left.min(interval)) {
                Ok(()) => false,
                Err(RecvTimeoutError::Timeout) => true,
                // The teller keeps a sender; without one, reading goes on.
                Err(RecvTimeoutError::Disconnected) => {
                    until.nap(interval);
                    true
                }
            };
        }
    }
}

impl Said {
    fn read(directory: &Path) -> Self {
        Self { pulse: Pulse::read(directory), bells: Bells::read(directory) }
    }

    fn differ(&mut self, now: &Self, ear: &Ear) -> Option<Woken> {
        // Half a pulse says nothing; the bells were written before it.
        let is_other = match (&self.pulse, &now.pulse) {
            (Some(before), Some(now)) => before.generation != now.generation,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if is_other || now.bells.differ(&self.bells, &ear.0) {
            return Some(Woken::Changed);
        }
        let deadline = now.pulse.as_ref()?.next_deadline;
        let known = self.pulse.as_mut().filter(|known| known.next_deadline != deadline)?;
        known.next_deadline = deadline;
        Some(Woken::Deadline(deadline))
    }
}

impl Near {
    fn open(&mut self) {
        self.pulse = file::open_to_read(&self.directory.join(pulse::NAME)).ok();
        self.bells = file::open_to_read(&self.directory.join(bells::NAME)).ok();
    }

    /// True when a file has appeared, gone, or is another than the open one.
    fn is_replaced(&self) -> bool {
        [(&self.pulse, pulse::NAME), (&self.bells, bells::NAME)].into_iter().any(|(open, name)| {
            let path = self.directory.join(name);
            match open {
                Some(open) => !file::is_still_named(open, &path),
                None => path.exists(),
            }
        })
    }

    fn pulse(&self) -> Option<Pulse> {
        let mut content = [0; pulse::LENGTH];
        self.pulse.as_ref()?.read_exact_at(&mut content, 0).ok()?;
        Pulse::parse(&content)
    }

    fn bells(&self) -> Bells {
        let mut content = vec![0; bells::LENGTH];
        match &self.bells {
            Some(file) if file.read_exact_at(&mut content, 0).is_ok() => Bells::parse(&content),
            _ => Bells::default(),
        }
    }
}

impl Teller {
    fn listen(&self, path: &Path) -> notify::Result<notify::RecommendedWatcher> {
        let sender = self.sender.clone();
        let mut system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_news = match event {
                // Only the content counts: opening and closing the file is told as well.
                Ok(event) => match event.kind {
                    EventKind::Access(_) => false,
                    EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
                    _ => true,
                },
                Err(_) => true,
            };
            if is_news {
                // A full channel has told it already; a closed one has nobody left to tell.
                let _ = sender.try_send(());
            }
        })?;
        system.watch(path, RecursiveMode::NonRecursive)?;
        Ok(system)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn write(directory: &Path, revision: u64, topic: &Topic) {
        let mut bells = Bells::read(directory);
        bells.ring(Some([topic].into_iter()), revision);
        bells.write(directory, "t").expect("written");
        let pulse = Pulse { generation: "g".into(), revision, ..Pulse::default() };
        pulse.write(directory, "t").expect("written");
    }

    fn places(near: &Path, far: Option<&Path>) -> Places {
        Places { near: near.to_owned(), far: far.map(Path::to_owned) }
    }

    fn soon(ms: u64) -> Deadline {
        Deadline::after(Duration::from_millis(ms))
    }

    #[test]
    fn a_change_is_noticed_before_and_after_the_wait_began_and_others_are_not() {
        let directory = tempfile::tempdir().expect("a directory");
        write(directory.path(), 1, &Topic::Event);
        let mut watcher = Watcher::new(places(directory.path(), None));
        let ear = Ear::of([&Topic::Crew]);
        let mut mark = watcher.mark();
        write(directory.path(), 2, &Topic::Plan);
        assert_eq!(watcher.wait(&mut mark, &ear, soon(30)), Woken::Time, "it was about something else");
        write(directory.path(), 3, &Topic::Crew);
        assert_eq!(watcher.wait(&mut mark, &ear, soon(60_000)), Woken::Changed, "it came before the wait");
        let mut mark = watcher.mark();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                soon(20).nap(Duration::from_millis(20));
                write(directory.path(), 4, &Topic::Crew);
            });
            assert_eq!(watcher.wait(&mut mark, &ear, soon(60_000)), Woken::Changed, "it came during the wait");
        });
    }

    #[test]
    fn files_that_appear_or_are_replaced_are_heard() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut watcher = Watcher::new(places(directory.path(), None));
        let ear = Ear::of([&Topic::Crew]);
        let mut mark = watcher.mark();
        write(directory.path(), 1, &Topic::Crew);
        assert_eq!(watcher.wait(&mut mark, &ear, soon(60_000)), Woken::Changed);
        let mut mark = watcher.mark();
        for name in [pulse::NAME, bells::NAME] {
            std::fs::remove_file(directory.path().join(name)).expect("removed");
        }
        write(directory.path(), 2, &Topic::Crew);
        assert_eq!(watcher.wait(&mut mark, &ear, soon(60_000)), Woken::Changed);
    }

    #[test]
    fn another_hosts_change_is_found_by_reading() {
        let (near, far) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        for place in [&near, &far] {
            write(place.path(), 1, &Topic::Event);
        }
        let mut watcher = Watcher::new(places(near.path(), Some(far.path())));
        let mut mark = watcher.mark();
        let written = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                soon(20).nap(Duration::from_millis(20));
                write(far.path(), 2, &Topic::Crew);
                written.store(true, Ordering::Release);
            });
            assert_eq!(watcher.wait(&mut mark, &Ear::of([&Topic::Crew]), soon(60_000)), Woken::Changed);
        });
        assert!(written.load(Ordering::Acquire));
    }

    #[test]
    fn another_deadline_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        write(directory.path(), 1, &Topic::Event);
        let mut watcher = Watcher::new(places(directory.path(), None));
        let mut mark = watcher.mark();
        let pulse = Pulse { generation: "g".into(), revision: 2, next_deadline: 77, ..Pulse::default() };
        pulse.write(directory.path(), "t").expect("written");
        assert_eq!(watcher.wait(&mut mark, &Ear::of([]), soon(60_000)), Woken::Deadline(77));
        assert_eq!(watcher.wait(&mut mark, &Ear::of([]), soon(20)), Woken::Time, "once");
    }
}
