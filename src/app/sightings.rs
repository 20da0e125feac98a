//! Where this host has seen each board: a directory that was copied brings the id of its board along, and that id names
//! tokens and locks.
//!
//! **Invariants.** Two directories that exist at the same time never share tokens or locks of this host, although both say
//! that they are the same board. A directory that was moved keeps them.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use crate::domain::board::StorageKind;
use crate::domain::id::is_slug;
use crate::domain::refusal::Refusal;
use crate::platform::{file, private};

/// More than the file of a board ever has, in bytes.
const MAX_FILE_SIZE: u64 = 256 * 1024;
/// Maximum number of directories remembered for one board.
const MAX_SIGHTINGS: usize = 64;

/// A directory that says that it is a board.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sighting {
    plan: PathBuf,
    device: u64,
    inode: u64,
    /// What tokens and locks are filed under.
    key: String,
}

/// What is known about a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// What tokens and locks of this host are filed under.
    pub(super) key: String,
    /// The directory that it was copied from, if that is still there.
    pub(super) original: Option<PathBuf>,
}

/// Looks up a directory that says that it is `board`, and remembers it. `board_of` reads which board a directory says it is. Refuses with
/// `no_permission` where the state directory is not this account's.
pub(super) fn look_up(
    plan: &Path,
    board: &str,
    storage: StorageKind,
    settings: &Settings,
    board_of: impl Fn(&Path) -> Option<String>,
) -> Result<Known, Refusal> {
    let directory = settings.state.path()?.join("boards");
    let path = directory.join(format!("{board}.json"));
    let unseen = Known { key: board.to_owned(), original: None };
    let (Ok(plan), Ok(meta)) = (plan.canonicalize(), plan.metadata()) else { return Ok(unseen) };
    let stored = file::read(&path, MAX_FILE_SIZE).ok().flatten();
    let mut sightings: Vec<Sighting> =
        stored.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default();
    let is_this = |seen: &Sighting| {
        // The same storage may be mounted twice.
        let same_device = seen.device == meta.dev() || storage == StorageKind::Shared;
        seen.plan == plan || (seen.inode == meta.ino() && same_device)
    };
    let is_there = |seen: &Sighting| board_of(&seen.plan).as_deref() == Some(board);
    let original = |sightings: &[Sighting]| {
        let first = sightings.iter().find(|seen| seen.key == board && !is_this(seen) && is_there(seen));
        first.map(|seen| seen.plan.clone())
    };
    let known = sightings.iter().position(is_this);
    if let Some(at) = known {
        let key = sightings[at].key.clone();
        if sightings[at].plan == plan || is_there(&sightings[at]) {
            let original = if key == board { None } else { original(&sightings) };
            return Ok(Known { key, original });
        }
        // It was moved.
        sightings[at].plan.clone_from(&plan);
        store(&directory, &path, &sightings);
        let original = if key == board { None } else { original(&sightings) };
        return Ok(Known { key, original });
    }
    sightings.retain(is_there);
    let original = original(&sightings);
    let key = match original {
        Some(_) => format!("{board}-{:x}-{:x}", meta.dev(), meta.ino()),
        None => board.to_owned(),
    };
    if sightings.len() < MAX_SIGHTINGS {
        sightings.push(Sighting { plan: plan.clone(), device: meta.dev(), inode: meta.ino(), key: key.clone() });
        store(&directory, &path, &sightings);
    }
    Ok(Known { key, original })
}

/// The board that this host has last seen in a plan directory; none where it saw none there, or knows it as a copy.
pub(super) fn board_in(plan: &Path, settings: &Settings) -> Option<String> {
    let directory = settings.state.path().ok()?.join("boards");
    let (plan, meta) = (plan.canonicalize().ok()?, plan.metadata().ok()?);
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort_by_key(|path| std::cmp::Reverse(std::fs::metadata(path).and_then(|meta| meta.modified()).ok()));
    files.into_iter().find_map(|path| {
        let board = path.file_name()?.to_str()?.strip_suffix(".json").filter(|name| is_slug(name))?.to_owned();
        let sightings: Vec<Sighting> =
            serde_json::from_slice(&file::read(&path, MAX_FILE_SIZE).ok()??).unwrap_or_default();
        let is_this = |seen: &Sighting| seen.plan == plan && seen.inode == meta.ino() && seen.key == board;
        sightings.iter().any(is_this).then_some(board)
    })
}

/// What cannot be remembered is looked up again.
fn store(directory: &Path, path: &Path, sightings: &[Sighting]) {
    let content = serde_json::to_vec(sightings).unwrap_or_default();
    if private::make_directory(directory).is_ok() {
        let _ = private::replace(path, &content, &std::process::id().to_string());
    }
}
