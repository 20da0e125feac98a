//! The place of a board: what it says about itself, and whether it may be used from here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::refusal;
use super::locate::{DATABASE, INTERNAL, PLACE_FILE, PLAN};
use super::settings::Settings;
use super::sightings;
use crate::domain::board::{Journal, StorageKind};
use crate::domain::id::is_slug;
use crate::domain::refusal::{Code, Refusal};
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};
use crate::platform::file_system::{self, FileSystem, Trust};

/// The newest form of `place.json` that this program knows.
const FORMAT: u32 = 1;
/// What helps where the place file is lost.
const IN_PLACE: &str =
    "callboard restore --in-place makes a board of the database that lies there; leases and windows of before end";
/// More than a place file ever has, in bytes.
const PLACE_MOST: u64 = 4096;

/// What `.callboard/place.json` says: written before the database, so that nobody locks a board the wrong way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceFile {
    /// The form of this file.
    pub format: u32,
    /// Where the board may be used.
    pub storage: StorageKind,
    /// How its database keeps its journal.
    pub journal: Journal,
    /// Random: names the board's locks on each host.
    pub board: String,
}

/// A board's directory.
#[derive(Clone, Debug)]
pub struct Place {
    /// The project.
    pub project: PathBuf,
    /// The plan directory in it.
    pub plan: PathBuf,
    /// What it says about itself.
    pub file: PlaceFile,
    /// What this host files its tokens and locks under: the id of the board, but for a copy.
    pub key: String,
    /// The directory that this one was copied from, if that is still there.
    pub original: Option<PathBuf>,
}

impl Place {
    /// The place of the board of `project`, judged for use. Refuses with `wrong_place`, `board_too_new`, `no_board`,
    /// `damaged`.
    pub fn open(project: &Path, settings: &Settings) -> Result<Self, Refusal> {
        let plan = project.join(PLAN);
        let file = read(&plan)?;
        let board_of = |plan: &Path| read(plan).ok().map(|file| file.board);
        let known = sightings::look_up(&plan, &file.board, file.storage, settings, board_of)?;
        let place = Self { project: project.to_owned(), file, plan, key: known.key, original: known.original };
        place.judge(settings)?;
        Ok(place)
    }

    /// What is said of a copy whose original is still there.
    pub fn copy_warning(&self) -> Option<String> {
        let original = self.original.as_ref()?;
        Some(format!(
            "{} is a copy of {}: both say that they are one board; tokens and locks are kept apart, and agents of one do not see the other",
            self.plan.display(),
            original.display()
        ))
    }

    /// What belongs to callboard alone.
    pub fn internal(&self) -> PathBuf {
        self.plan.join(INTERNAL)
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.plan.join(DATABASE)
    }

    /// Says so if another process changed the place file since it was read.
    pub fn is_current(&self) -> Result<bool, Refusal> {
        Ok(read(&self.plan)? == self.file)
    }

    /// Whether this host reaches it through a mount, which may show files as they were.
    pub fn is_mounted(&self, settings: &Settings) -> Result<bool, Refusal> {
        Ok(file_system(&self.plan, settings)?.trust != Trust::Local)
    }

    fn judge(&self, settings: &Settings) -> Result<(), Refusal> {
        let system = file_system(&self.plan, settings)?;
        let place = self.plan.display();
        refuse_unusable(&self.plan, &system)?;
        if self.file.storage == StorageKind::Local && system.trust != Trust::Local {
            let project = self.project.display();
            let message = format!("the board in {place} is for one host, and this is {}", system.name);
            return Err(Refusal::new(Code::WrongPlace, message)
                .hint(format!("on the host that has it on its own disk: callboard init --storage shared --project-root '{project}'"))
                .detail("file_system", system.name));
        }
        Ok(())
    }
}

/// Refuses a project in which no board can be, before anything is made there.
pub fn refuse_hopeless(project: &Path, settings: &Settings) -> Result<(), Refusal> {
    refuse_unusable(&project.join(PLAN), &file_system(project, settings)?)
}

/// The kind of storage that a new board gets in `plan`, where none was asked for.
pub fn storage_for(plan: &Path, settings: &Settings) -> Result<StorageKind, Refusal> {
    let system = file_system(plan, settings)?;
    refuse_unusable(plan, &system)?;
    Ok(if system.trust == Trust::Local { StorageKind::Local } else { StorageKind::Shared })
}

fn file_system(plan: &Path, settings: &Settings) -> Result<FileSystem, Refusal> {
    match &settings.file_system {
        Some(name) => Ok(FileSystem::named(name)),
        None => file_system::of(plan).map_err(|error| refusal(&error)),
    }
}

fn refuse_unusable(plan: &Path, system: &FileSystem) -> Result<(), Refusal> {
    let place = plan.display();
    if system.trust == Trust::Unusable {
        let message = format!("{place} is on {}, where no lock can work", system.name);
        return Err(Refusal::new(Code::WrongPlace, message)
            .hint("callboard init --project-root DIR on a disk or a file server")
            .detail("file_system", system.name.clone()));
    }
    match file_system::synced_folder(plan) {
        Some(folder) => {
            let message = format!("{place} is in {folder}, which a sync client copies while it is written");
            Err(Refusal::new(Code::WrongPlace, message).hint("callboard init --project-root DIR outside of it"))
        }
        None => Ok(()),
    }
}

/// What every form of the place file has.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

fn read(plan: &Path) -> Result<PlaceFile, Refusal> {
    refuse_linked_internal(plan)?;
    let path = plan.join(INTERNAL).join(PLACE_FILE);
    let Some(content) = file::read(&path, PLACE_MOST).map_err(|error| refusal(&error))? else {
        let shown = path.display();
        if plan.join(DATABASE).exists() {
            let message = format!("{shown} is missing: it says how the board is locked");
            return Err(Refusal::new(Code::WrongPlace, message).hint(IN_PLACE));
        }
        return Err(Refusal::new(Code::NoBoard, format!("{shown} is gone")).hint("callboard init"));
    };
    parse(&content, &path)
}

/// True where the place file is gone or cannot be read, and can be written again without losing what it says. Refuses with
/// `board_too_new`, `no_permission`, `wrong_place` where it says something that this program must not lose.
pub fn is_lost(plan: &Path) -> Result<bool, Refusal> {
    refuse_linked_internal(plan)?;
    let path = plan.join(INTERNAL).join(PLACE_FILE);
    let content = match file::read(&path, PLACE_MOST) {
        Err(PlatformError::InTheWay { .. }) | Ok(None) => return Ok(true),
        Ok(Some(content)) => content,
        Err(error) => return Err(refusal(&error)),
    };
    match parse(&content, &path) {
        Ok(_) => Ok(false),
        Err(refusal) if refusal.code == Code::Damaged => Ok(true),
        Err(refusal) => Err(refusal),
    }
}

fn refuse_linked_internal(plan: &Path) -> Result<(), Refusal> {
    let internal = plan.join(INTERNAL);
    if std::fs::symlink_metadata(&internal).is_ok_and(|meta| meta.file_type().is_symlink()) {
        let message = format!("{} is a link", internal.display());
        return Err(Refusal::new(Code::WrongPlace, message).hint("put the directory itself there"));
    }
    Ok(())
}

/// What the bytes of the place file at `path` say.
fn parse(content: &[u8], path: &Path) -> Result<PlaceFile, Refusal> {
    let damaged = |error: serde_json::Error| {
        Refusal::new(Code::Damaged, format!("{} cannot be read: {error}", path.display())).hint(IN_PLACE)
    };
    let form: Form = serde_json::from_slice(content).map_err(damaged)?;
    if form.format > FORMAT {
        let message = format!("{} has form {}, this callboard knows {FORMAT}", path.display(), form.format);
        return Err(Refusal::new(Code::BoardTooNew, message).hint("cargo install callboard --locked"));
    }
    let place: PlaceFile = serde_json::from_slice(content).map_err(damaged)?;
    // It names a directory of locks.
    if !is_slug(&place.board) {
        return Err(Refusal::new(Code::Damaged, format!("{} names no board", path.display())).hint(IN_PLACE));
    }
    Ok(place)
}

/// Writes a place file that must not exist yet. False if another process was faster.
pub fn create(plan: &Path, storage: StorageKind, journal: Journal, board: String) -> Result<bool, Refusal> {
    let path = plan.join(INTERNAL).join(PLACE_FILE);
    let content = PlaceFile { format: FORMAT, storage, journal, board };
    let json = serde_json::to_vec(&content).expect("words and numbers have a JSON form");
    match file::create_new(&path, &json, &content.board) {
        Ok(()) => Ok(true),
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::AlreadyExists) => Ok(false),
        Err(error) => Err(refusal(&error)),
    }
}

/// Makes a local board a shared one, for good. The board's lock is held.
pub fn turn_shared(place: &Place) -> Result<(), Refusal> {
    let path = place.internal().join(PLACE_FILE);
    let content = PlaceFile { storage: StorageKind::Shared, ..place.file.clone() };
    let json = serde_json::to_vec(&content).expect("words and numbers have a JSON form");
    file::replace(&path, &json, "init", Durability::Durable).map_err(|error| refusal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::fuzz;

    proptest::proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn a_place_file_of_any_bytes_names_a_directory_of_its_own_or_is_refused(
            content in fuzz::hostile(vec![br#"{"format":1,"storage":"local","journal":"truncate","board":"0a1b"}"#.to_vec()])
        ) {
            if let Ok(place) = parse(&content, Path::new("place.json")) {
                assert!(!place.board.contains('/') && place.board != "..");
            }
        }
    }
}
