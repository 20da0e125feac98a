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
        let mut wanted = target.clone();
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
            self.write(&next)?;
            match newest() {
                Some(newest) if newest.generation == wanted.generation => wanted = newest,
                _ => break,
            }
        }
        drop(held);
        Ok(if self.shows(target) { Shown::Yes } else { Shown::Behind })
    }

    /// The handoffs whose pages are not there, or show an older one.
    pub fn missing_bundles(&self, handoffs: &[HandoffView]) -> Vec<HandoffKey> {
        let shown = self.shown().unwrap_or_default();
        let is_there = |handoff: &&HandoffView| {
            let name = bundles::file(&handoff.module);
            shown.bundles.get(&name).is_some_and(|mark| mark.handoff == handoff.handoff) && self.is_file(&name)
        };
        let live = handoffs.iter().filter(|handoff| handoff.status.is_live());
        live.filter(|handoff| !is_there(handoff)).map(|handoff| handoff.handoff).collect()
    }

    fn is_file(&self, name: &str) -> bool {
        fs::symlink_metadata(self.plan.join(name)).is_ok_and(|meta| meta.is_file())
    }

    fn write(&self, drawn: &Drawn) -> Result<(), ProjectionError> {
        let before = self.shown().unwrap_or_default();
        let mut marker = drawn.marker.clone();
        if drawn.pages.iter().any(|rendered| drawn.bundles.contains_key(&rendered.name)) {
            file::make_own_directory(&self.plan.join(DIRECTORY))?;
        }
        for Rendered { name, text } in &drawn.pages {
            let path = self.plan.join(name);
            // A page that shows the same is left alone, so that nobody who watches it is woken. Only then does it pay to
            // read it: it may have been edited by hand.
            let hash = drawn.marker.pages.get(name);
            let same = before.pages.get(name) == hash && holds(&path, text.as_bytes());
            if !same {
                file::replace(&path, text.as_bytes(), &self.writer, Durability::Disposable)?;
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
                file::remove(&path)?;
            }
        }
        marker.write(&self.marker(), &self.writer)
    }
}

/// True when the file holds exactly this text.
fn holds(path: &Path, text: &[u8]) -> bool {
    file::read(path, text.len() as u64 + 1).ok().flatten().as_deref() == Some(text)
}
