//! A waiting process's ear.
//!
//! It keeps the pulse and the bells open and sleeps on `notify` for the rope; at intervals it reads them also without being
//! told, because a change made on another host raises no event and no error. Reading raises none either, so
//! waiters do not wake each other.
//!
//! **Invariants.** [`Watcher::mark`] is taken before the board is looked at. A commit writes both files before it lets go
//! of the board's lock, so what the look did not see makes them differ from the mark: no change is missed, whenever it
//! comes. Nothing is ever written here.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::{EventKind, RecursiveMode, Watcher as _};

use super::bells::{self, Bells};
use super::pulse::{self, Pulse};
use crate::domain::topic::Topic;
use crate::platform::deadline::Deadline;
use crate::platform::entropy::jitter;
use crate::platform::file;

/// How often a local board's pulse is read where the system cannot tell of changes,
const DEAF_INTERVAL: Duration = Duration::from_millis(250);
/// and where it can: only for what it fails to tell.
const LOCAL_INTERVAL: Duration = Duration::from_secs(1);
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
pub struct Watcher {
    post: Arc<Mutex<Post>>,
    far: Option<PathBuf>,
    told: Receiver<Woken>,
    teller: SyncSender<Woken>,
    system: Option<notify::RecommendedWatcher>,
    /// Why changes are found by reading alone, where the system tells of none.
    pub deaf: Option<String>,
}

/// What both the process and whoever tells it of changes look at.
struct Post {
    near: Near,
    waits: Option<Waits>,
}

/// What is waited for.
struct Waits {
    said: Said,
    ear: Ear,
    /// The last pulse that was seen: while it is the same, nothing else has to be read.
    known: Option<Pulse>,
}

/// The files of a directory, kept open.
#[derive(Debug)]
struct Near {
    directory: PathBuf,
    pulse: Option<File>,
    bells: Option<File>,
    rope: Option<File>,
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

    /// All bells.
    pub fn all() -> Self {
        Self((0..bells::COUNT).collect())
    }
}

impl Mark {
    /// True when what happened after `before` may concern whoever has this `ear`.
    pub fn concerns(&self, before: &Self, ear: &Ear) -> bool {
        let far = self.far.as_ref().zip(before.far.as_ref()).is_some_and(|(now, before)| before.is_news(now, ear));
        far || before.near.is_news(&self.near, ear)
    }

    /// The newest pulse of those that it has.
    pub fn pulse(&self) -> Option<&Pulse> {
        let far = self.far.as_ref().and_then(|said| said.pulse.as_ref());
        self.near.pulse.iter().chain(far).max_by_key(|pulse| (pulse.revision, pulse.presence, pulse.event_seq))
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
        let (teller, told) = sync_channel(1);
        let near = Near { directory: places.near, pulse: None, bells: None, rope: None };
        let post = Arc::new(Mutex::new(Post { near, waits: None }));
        let mut watcher = Self { post, far: places.far, told, teller, system: None, deaf: None };
        watcher.arm();
        watcher
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the files that have the names now, and asks the system to tell when the rope is pulled.
    fn arm(&mut self) {
        self.system = None;
        let rope = {
            let mut post = self.post();
            post.near.open();
            post.near.rope.is_some().then(|| post.near.directory.join(bells::ROPE))
        };
        let Some(rope) = rope.filter(|_| self.deaf.is_none()) else { return };
        match listen(&rope, Arc::clone(&self.post), self.teller.clone()) {
            Ok(system) => self.system = Some(system),
            Err(error) => self.deaf = Some(error.to_string()),
        }
    }

    fn arm_again_if_replaced(&mut self) {
        let is_replaced = self.post().near.is_replaced();
        if is_replaced {
            self.arm();
        }
    }

    /// What the files say now.
    pub fn mark(&mut self) -> Mark {
        self.arm_again_if_replaced();
        Mark { near: self.post().near.said(), far: self.far.as_deref().map(Said::read) }
    }

    /// Sleeps until a bell of `ear` differs from `mark`, the next deadline is another, or `until` has come.
    pub fn wait(&mut self, mark: &mut Mark, ear: &Ear, until: Deadline) -> Woken {
        let said = mark.near.clone();
        // What was told before is old; what is told from now on must not be thrown away.
        while self.told.try_recv().is_ok() {}
        self.post().waits = Some(Waits { known: said.pulse.clone(), said, ear: ear.clone() });
        let woken = self.listen_until(mark, ear, until);
        let waits = self.post().waits.take();
        mark.near = waits.map_or_else(|| mark.near.clone(), |waits| waits.said);
        woken
    }

    fn listen_until(&mut self, mark: &mut Mark, ear: &Ear, until: Deadline) -> Woken {
        loop {
            self.arm_again_if_replaced();
            if let Some(woken) = self.post().hear() {
                return woken;
            }
            if let (Some(before), Some(far)) = (&mut mark.far, self.far.as_deref())
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
                None if self.system.is_none() => DEAF_INTERVAL,
                None => LOCAL_INTERVAL,
            };
            // The watcher keeps a teller itself, so the channel never closes.
            if let Ok(woken) = self.told.recv_timeout(left.min(interval)) {
                return woken;
            }
        }
    }
}

/// Asks the system to tell when the rope is pulled. What does not concern whoever waits is dropped by the thread that hears
/// of it: then only that one was woken.
fn listen(
    rope: &Path,
    post: Arc<Mutex<Post>>,
    teller: SyncSender<Woken>,
) -> notify::Result<notify::RecommendedWatcher> {
    let mut system = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Others open the file when they begin to wait.
        if event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
            return;
        }
        let heard = post.lock().unwrap_or_else(PoisonError::into_inner).hear();
        if let Some(woken) = heard {
            // A full channel has told it already.
            let _ = teller.try_send(woken);
        }
    })?;
    system.watch(rope, RecursiveMode::NonRecursive)?;
    Ok(system)
}

impl Post {
    /// What has changed for whoever waits, if anything has.
    fn hear(&mut self) -> Option<Woken> {
        let waits = self.waits.as_mut()?;
        let pulse = self.near.pulse();
        if pulse.is_some() && pulse == waits.known {
            return None;
        }
        waits.known.clone_from(&pulse);
        waits.said.differ(&Said { pulse, bells: self.near.bells() }, &waits.ear)
    }
}

impl Said {
    fn read(directory: &Path) -> Self {
        Self { pulse: Pulse::read(directory), bells: Bells::read(directory) }
    }

    /// True when `now` is another board, or a bell of `ear` was rung.
    fn is_news(&self, now: &Self, ear: &Ear) -> bool {
        // Half a pulse says nothing; the bells were written before it.
        let is_other = match (&self.pulse, &now.pulse) {
            (Some(before), Some(now)) => before.generation != now.generation,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        is_other || now.bells.differ(&self.bells, &ear.0)
    }

    fn differ(&mut self, now: &Self, ear: &Ear) -> Option<Woken> {
        if self.is_news(now, ear) {
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
        let open = |name| file::open_to_read(&self.directory.join(name)).ok();
        (self.pulse, self.bells, self.rope) = (open(pulse::NAME), open(bells::NAME), open(bells::ROPE));
    }

    /// True when a file has appeared, gone, or is another than the open one.
    fn is_replaced(&self) -> bool {
        let files = [(&self.pulse, pulse::NAME), (&self.bells, bells::NAME), (&self.rope, bells::ROPE)];
        files.into_iter().any(|(open, name)| {
            let path = self.directory.join(name);
            match open {
                Some(open) => !file::is_still_named(open, &path),
                None => path.exists(),
            }
        })
    }

    fn said(&self) -> Said {
        Said { pulse: self.pulse(), bells: self.bells() }
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
        Bells::pull(directory, "t").expect("pulled");
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
        for name in [pulse::NAME, bells::NAME, bells::ROPE] {
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
