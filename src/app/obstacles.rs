//! What is in the way of the files that a board needs beside its rows: its locks, its clock, its pages and their marker.
//!
//! **Locks.** None of the board's own: one of them may be what is in the way. Repairs keep out of each other's way by a lock
//! on the directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::access::App;
use super::backup::KEPT;
use super::error::refusal;
use super::locate::INTERNAL;
use super::locks;
use super::place::Place;
use crate::board::inbox::DIRECTORY as HANDOFFS;
use crate::domain::audit::{Finding, Rule};
use crate::domain::board::StorageKind;
use crate::domain::refusal::Refusal;
use crate::platform::deadline::Deadline;
use crate::platform::file;
use crate::platform::obstacle::{self, Belongs};
use crate::projection::pages::PAGES;
use crate::store::sqlite::companions::{COMPANIONS, beside};

/// Files in `.callboard` that are locked or written in place.
const IN_PLACE: &[&str] = &["gate", "lock", "clock", "projection", "prune", "pulse", "bells", "bell-rope"];
/// Files in `.callboard` that are replaced as a whole.
const REPLACED: &[&str] = &["projected", "backups.json"];
/// Files with which the processes of a host queue for a shared board.
const QUEUE: &[&str] = &["gate", "lock", "projection", "prune", "pulse", "bells", "bell-rope"];
/// How long a repair waits for another one.
const PATIENCE: Duration = Duration::from_secs(2);

/// A name with what belongs under it.
type Named = (PathBuf, Belongs);

/// What has been moved aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What was in the way.
    pub finding: Finding,
    /// Where it is now; why it could not be moved otherwise.
    pub to: Result<PathBuf, String>,
}

/// Every name of a board that something else could have.
fn names(place: &Place, queue: Option<&Path>) -> Vec<Named> {
    let internal = place.internal();
    let directories =
        [KEPT, "archive", "archive/events", HANDOFFS].map(|name| (place.plan.join(name), Belongs::Directory));
    let mut names: Vec<Named> = directories.into();
    names.extend(IN_PLACE.iter().map(|name| (internal.join(name), Belongs::File)));
    names.extend(REPLACED.iter().map(|name| (internal.join(name), Belongs::Page)));
    // SQLite's files. What a repair makes of a database that is moved aside is what it makes of one that is lost.
    let database = place.database();
    let companions = COMPANIONS.map(|end| (beside(&database, end), Belongs::Data));
    names.extend([(database, Belongs::Data)].into_iter().chain(companions));
    // git would wait for what a pipe never says.
    names.push((place.plan.join(".gitignore"), Belongs::Data));
    names.extend(PAGES.iter().map(|page| (place.plan.join(page.name), Belongs::Page)));
    if place.file.storage == StorageKind::Shared {
        names.push((internal.join("lock.d"), Belongs::Directory));
    }
    if let Some(queue) = queue.filter(|queue| *queue != internal) {
        names.extend(QUEUE.iter().map(|name| (queue.join(name), Belongs::File)));
    }
    let bundles = std::fs::read_dir(place.plan.join(HANDOFFS)).into_iter().flatten().flatten();
    names.extend(bundles.map(|entry| (entry.path(), Belongs::Page)));
    names
}

/// What is in the way, as findings.
pub(super) fn found(place: &Place, queue: Option<&Path>) -> Vec<Finding> {
    names(place, queue).into_iter().filter_map(|named| finding(place, &named)).collect()
}

fn finding(place: &Place, (path, belongs): &Named) -> Option<Finding> {
    let kind = obstacle::in_the_way(path, *belongs)?;
    let name = path.strip_prefix(&place.plan).unwrap_or(path).display().to_string();
    let wanted = match belongs {
        Belongs::File | Belongs::Page | Belongs::Data => "a file of callboard's",
        Belongs::Directory => "a directory of callboard's",
    };
    Some(Finding::new(Rule::InTheWay, name, format!("{} is there, and {wanted} belongs there", kind.words())))
}

impl App {
    /// Moves what is in the way aside, beside the databases that repairs keep. Nothing of it is followed or deleted.
    pub fn clear_the_way(&self) -> Result<Vec<Moved>, Refusal> {
        let place = self.place()?;
        let queue = locks::queue_directory(&place, &self.settings).ok();
        let queue = queue.as_deref();
        if found(&place, queue).is_empty() {
            return Ok(Vec::new());
        }
        let _alone = obstacle::alone_in(&place.plan.join(INTERNAL), Deadline::after(PATIENCE));
        let mut moved = Vec::new();
        for named in names(&place, queue) {
            let Some(finding) = finding(&place, &named) else { continue };
            match self.move_aside(&place, &named) {
                Ok(None) => {}
                Ok(Some(to)) => moved.push(Moved { finding, to: Ok(to) }),
                Err(refusal) => moved.push(Moved { finding, to: Err(refusal.message) }),
            }
        }
        Ok(moved)
    }

    /// Where it is now; none where nothing was in the way any more.
    fn move_aside(&self, place: &Place, (path, belongs): &Named) -> Result<Option<PathBuf>, Refusal> {
        let name = format!("{}-{}", path.file_name().unwrap_or_default().to_string_lossy(), self.nonce()?);
        let kept = place.plan.join(KEPT);
        let is_beside = *path == kept || !path.starts_with(&place.plan);
        let to = if is_beside {
            path.with_file_name(name)
        } else {
            file::make_own_directory(&kept).map_err(|error| refusal(&error))?;
            kept.join(format!("aside-{name}"))
        };
        let moved = obstacle::move_aside(path, *belongs, &to).map_err(|error| refusal(&error))?;
        Ok(moved.map(|_| to))
    }
}
