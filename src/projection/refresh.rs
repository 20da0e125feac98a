//! Bringing the pages up to date, like a group commit: whoever holds the projection lock renders the newest state once
//! for everybody who waits.
//!
//! **Locks.** The board's lock is not held while rendering and writing; the projection lock is. Under a storm each
//! process waits for at most two renderings: one that began before its commit, and one that began after.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bundles;
use super::error::ProjectionError;
use super::marker::{BundleMark, Marker, hash};
use super::own_templates::OwnTemplates;
use super::render::{Drawing, Drawn, Rendered, draw};
use crate::board::inbox::{DIRECTORY, HandoffView};
use crate::board::pages::Picture;
use crate::domain::handoff::HandoffKey;
use crate::platform::deadline::Deadline;
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};
use crate::platform::file_lock;

/// How long a command waits for its pages before it says that they are behind.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the page of a bundle ever has, in bytes.
const BUNDLE_MOST: u64 = 1024 * 1024;
/// A storm never ends a refresher's work: it leaves the rest to the next process after this many rounds.
const ROUNDS: usize = 3;

/// Where pages are, and who writes them.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The plan directory.
    pub plan: PathBuf,
    /// Where the marker is.
    pub internal: PathBuf,
    /// Where the projection lock is: beside level one of the board's lock.
    pub lock: PathBuf,
    /// Tells the temporary files of hosts apart.
    pub writer: String,
    /// This program.
    pub program: PathBuf,
}

/// What the pages are to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The board's generation.
    pub generation: String,
    /// At least this revision.
    pub revision: u64,
    /// At least this presence.
    pub presence: u64,
}

/// Which bundles are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bundles {
    /// Those whose pages are not there or show an older handoff: a bundle never changes.
    Missing,
    /// All that wait for somebody.
    Live,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The pages show the target or something later.
    Yes,
    /// Not yet: others are at it.
    Behind,
}

impl Desk {
    fn marker(&self) -> PathBuf {
        self.internal.join("projected")
    }

    /// Where a board keeps templates of its own.
    pub fn templates(&self) -> OwnTemplates {
        OwnTemplates::new(&self.plan, &self.program)
    }

    /// Has the system read the marker and the named files of the plan directory anew, instead of from the cache of a mount.
    pub fn forget_cached<'a>(&self, files: impl Iterator<Item = &'a str>) {
        file::forget_cached(&self.marker());
        files.for_each(|name| file::forget_cached(&self.plan.join(name)));
    }

    /// What the pages show, if that is known.
    pub fn shown(&self) -> Option<Marker> {
        Marker::read(&self.marker())
    }

    /// True when the marker says so and no page was removed.
    pub fn shows(&self, target: &Target) -> bool {
        self.shown().is_some_and(|marker| {
            marker.shows(&target.generation, target.revision, target.presence)
                && marker.pages.keys().all(|name| self.is_file(name))
        })
    }

    /// Brings the pages up to date. `picture` reads the newest state under the board's lock; `first` is a state that
    /// is being drawn already.
    pub fn refresh(
        &self,
        target: &Target,
        mut first: Option<Drawing>,
        mut picture: impl FnMut() -> Result<Picture, ProjectionError>,
        newest: impl Fn() -> Option<Target>,
        warnings: &mut Vec<String>,
    ) -> Result<Shown, ProjectionError> {
        if self.shows(target) {
            return Ok(Shown::Yes);
        }
        let held = match file_lock::acquire_alone(&self.lock, Deadline::after(PATIENCE)) {
            Ok(held) => held,
            Err(PlatformError::LockHeld { .. }) if self.shows(target) => return Ok(Shown::Yes),
            Err(PlatformError::LockHeld { .. }) => return Ok(Shown::Behind),
            Err(error) => return Err(error.into()),
        };
        let (mut wanted, mut blocked) = (target.clone(), Vec::new());
        for _ in 0..ROUNDS {
            // Whoever held the lock before may have shown it already.
            if self.shows(&wanted) {
                break;
            }
            let mut next = match first.take() {
                Some(drawing) => drawing.finish()?,
                None => draw(&picture()?, &self.templates())?,
            };
            warnings.append(&mut next.warnings);
            blocked = self.write(&next);
            match newest() {
                Some(newest) if newest.generation == wanted.generation => wanted = newest,
                _ => break,
            }
        }
        drop(held);
        let is_blocked = warn_of(&blocked, warnings);
        Ok(if !is_blocked && self.shows(target) { Shown::Yes } else { Shown::Behind })
    }

    /// Writes all pages, whatever the marker says of them: somebody may have edited one. `picture` is the newest state with
    /// every live bundle.
    pub fn restore_pages(
        &self,
        picture: impl FnOnce() -> Result<Picture, ProjectionError>,
        warnings: &mut Vec<String>,
    ) -> Result<Shown, ProjectionError> {
        let held = match file_lock::acquire_alone(&self.lock, Deadline::after(PATIENCE)) {
            Ok(held) => held,
            Err(PlatformError::LockHeld { .. }) => return Ok(Shown::Behind),
            Err(error) => return Err(error.into()),
        };
        let mut drawn = draw(&picture()?, &self.templates())?;
        warnings.append(&mut drawn.warnings);
        let blocked = self.write(&drawn);
        drop(held);
        Ok(if warn_of(&blocked, warnings) { Shown::Behind } else { Shown::Yes })
    }

    /// The handoffs whose bundles are to be drawn.
    pub fn bundles_to_draw(&self, handoffs: &[HandoffView], which: Bundles) -> Vec<HandoffKey> {
        let shown = self.shown().unwrap_or_default();
        let is_there = |handoff: &&HandoffView| {
            let name = bundles::file(&handoff.module);
            shown.bundles.get(&name).is_some_and(|mark| mark.handoff == handoff.handoff) && self.is_file(&name)
        };
        let live = handoffs.iter().filter(|handoff| handoff.status.is_live());
        live.filter(|handoff| which == Bundles::Live || !is_there(handoff)).map(|handoff| handoff.handoff).collect()
    }

    fn is_file(&self, name: &str) -> bool {
        fs::symlink_metadata(self.plan.join(name)).is_ok_and(|meta| meta.is_file())
    }

    /// Writes what differs, and the marker last. A page that cannot be written does not keep the others: the marker does not
    /// name it, and why is returned.
    fn write(&self, drawn: &Drawn) -> Vec<PlatformError> {
        let before = self.shown().unwrap_or_default();
        let mut marker = drawn.marker.clone();
        let mut blocked = Vec::new();
        let has_bundles = drawn.pages.iter().any(|rendered| drawn.bundles.contains_key(&rendered.name));
        // A link in place of the directory may lead anywhere.
        let directory = if has_bundles { file::make_own_directory(&self.plan.join(DIRECTORY)) } else { Ok(()) };
        let has_directory = directory.is_ok();
        blocked.extend(directory.err());
        for Rendered { name, text } in &drawn.pages {
            // A page that shows the same is left alone, so that nobody who watches it is woken. Only then does it pay to
            // read it: it may have been edited by hand.
            let path = self.plan.join(name);
            let same = before.pages.get(name) == drawn.marker.pages.get(name) && holds(&path, text.as_bytes());
            let replace = || file::replace(&path, text.as_bytes(), &self.writer, Durability::Disposable);
            if !has_directory && drawn.bundles.contains_key(name) {
                marker.pages.remove(name);
            } else if !same && let Err(error) = replace() {
                marker.pages.remove(name);
                blocked.push(error);
            }
        }
        for (name, handoff) in &drawn.bundles {
            let drawn_now = marker.pages.remove(name).map(|hash| BundleMark { handoff: *handoff, hash });
            let kept = before.bundles.get(name).filter(|mark| mark.handoff == *handoff).cloned();
            marker.bundles.extend(drawn_now.or(kept).map(|mark| (name.clone(), mark)));
        }
        // What is no longer in the inbox goes, unless somebody made it their own.
        for (name, mark) in before.bundles.iter().filter(|(name, _)| !drawn.bundles.contains_key(*name)) {
            let path = self.plan.join(name);
            let content = file::read(&path, BUNDLE_MOST).ok().flatten();
            if self.is_file(name) && content.is_some_and(|content| hash(&content) == mark.hash) {
                blocked.extend(file::remove(&path).err());
            }
        }
        // What is in the way stays there for a while; after any other failure the next process tries all of it again.
        if blocked.iter().all(is_in_the_way) {
            blocked.extend(marker.write(&self.marker(), &self.writer).err());
        }
        blocked
    }
}

fn is_in_the_way(error: &PlatformError) -> bool {
    matches!(error, PlatformError::InTheWay { .. } | PlatformError::NotOwn { .. })
}

/// Warns of pages that could not be written; says whether there are any.
fn warn_of(blocked: &[PlatformError], warnings: &mut Vec<String>) -> bool {
    let Some(first) = blocked.first() else { return false };
    let more = match blocked.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let help = if is_in_the_way(first) { "; callboard validate --repair moves it aside" } else { "" };
    warnings.push(format!("the pages are behind: {first}{more}{help}"));
    true
}

/// True when the file holds exactly this text.
fn holds(path: &Path, text: &[u8]) -> bool {
    file::read(path, text.len() as u64 + 1).ok().flatten().as_deref() == Some(text)
}
