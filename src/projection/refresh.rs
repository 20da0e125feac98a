//! Bringing the pages up to date, like a group commit: whoever holds the projection lock renders the newest state once
//! for everybody who waits.
//!
//! **Locks.** The board's lock is not held while rendering and writing; the projection lock is. Under a storm each
//! process waits for at most two renderings: one that began before its commit, and one that began after.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ProjectionError;
use super::marker::Marker;
use super::pages::PAGES;
use super::render::{Drawing, Drawn, Rendered, draw};
use crate::board::pages::Picture;
use crate::platform::deadline::Deadline;
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};
use crate::platform::file_lock;

/// How long a command waits for its pages before it says that they are behind.
const PATIENCE: Duration = Duration::from_secs(2);
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
    pub fn templates(&self) -> PathBuf {
        self.plan.join("templates")
    }

    /// What the pages show, if that is known.
    pub fn shown(&self) -> Option<Marker> {
        Marker::read(&self.marker())
    }

    /// True when the marker says so and no page was removed.
    pub fn shows(&self, target: &Target) -> bool {
        self.shown().is_some_and(|marker| marker.shows(&target.generation, target.revision, target.presence))
            && PAGES.iter().all(|page| fs::symlink_metadata(self.plan.join(page.name)).is_ok_and(|meta| meta.is_file()))
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

    fn write(&self, drawn: &Drawn) -> Result<(), ProjectionError> {
        let before = self.shown().unwrap_or_default();
        for Rendered { page, text } in &drawn.pages {
            let path = self.plan.join(page.name);
            // A page that shows the same is left alone, so that nobody who watches it is woken. Only then does it pay to
            // read it: it may have been edited by hand.
            let hash = drawn.marker.pages.get(page.name);
            let same = before.pages.get(page.name) == hash && holds(&path, text.as_bytes());
            if !same {
                file::replace(&path, text.as_bytes(), &self.writer, Durability::Disposable)?;
            }
        }
        drawn.marker.write(&self.marker(), &self.writer)
    }
}

/// True when the file holds exactly this text.
fn holds(path: &Path, text: &[u8]) -> bool {
    file::read(path, text.len() as u64 + 1).ok().flatten().as_deref() == Some(text)
}
