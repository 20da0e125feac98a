//! Making a board, or saying what is there.

use std::fs;
use std::path::Path;

use super::access::App;
use super::error::refusal;
use super::locate::{self, INTERNAL, PLACE_FILE, PLAN};
use super::locks;
use super::place::{self, Place};
use super::pulse;
use crate::board::boards::{self, NewBoard};
use crate::board::mutation::{Pulse, Refused};
use crate::board::turn::Rung;
use crate::domain::board::{Board, Journal, StorageKind};
use crate::domain::profile::Profile;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::text;
use crate::platform::file;
use crate::platform::file_lock::Share;
use crate::store::sqlite::SqliteStore;
use crate::store::{Access, Store as _};

/// What `.gitignore` in the plan directory says.
const IGNORE: &str = "# callboard keeps its board out of git: branches would fork it.\n\
    # To publish pages, replace the line below by the files to leave out, such as:\n\
    #   .callboard/\n#   coordination.db*\n*\n";

/// What a new board is to be like; none is the default, and matches whatever is there.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What people call it.
    pub name: Option<String>,
    /// Where it may be used.
    pub storage: Option<StorageKind>,
    /// How its journal is kept.
    pub journal: Option<Journal>,
    /// How careful it is.
    pub profile: Option<Profile>,
}

/// What `init` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// A new board.
    New,
    /// Nothing: it was there.
    Nothing,
    /// A shared board from a local one.
    Shared,
}

/// The board that is there now.
#[derive(Clone, Debug)]
pub struct Initialised {
    /// Its place.
    pub place: Place,
    /// Its row.
    pub board: Board,
    /// What was done.
    pub made: Made,
}

impl App {
    /// Makes a board, or finishes one whose making was interrupted, or says what is there. Never makes one over
    /// another. Refuses with `differs` what is there and is not as wanted.
    pub fn init(&self, wanted: &Wanted) -> Result<Initialised, Refused> {
        let project = locate::new_project(&self.settings).map_err(unread)?;
        place::refuse_hopeless(&project, &self.settings).map_err(unread)?;
        let name = wanted.name.as_deref().map(text::title).transpose().map_err(unread)?;
        let wanted = &Wanted { name, ..wanted.clone() };
        self.prepare(&project, wanted).map_err(unread)?;
        let host = self.host().map_err(unread)?;
        let (place, held) = self.locked_at(&project, Share::Writer, &host).map_err(unread)?;
        let unfinished = !place.internal().join("pulse").exists();
        let mut made = Made::Nothing;
        let board = if unfinished && self.is_unmade(&place, &held).map_err(unread)? {
            made = Made::New;
            refuse_other_place(&place, wanted).map_err(unread)?;
            self.create(&place, &held, wanted).map_err(unread)?
        } else {
            self.existing(&place, &held).map_err(unread)?
        };
        let revision = board.revision;
        let refused = |refusal| Refused { refusal, revision: Some(revision) };
        if made == Made::Nothing {
            refuse_differing(&place, &board, wanted).map_err(refused)?;
            if wanted.storage == Some(StorageKind::Shared) && place.file.storage == StorageKind::Local {
                place::turn_shared(&place).map_err(refused)?;
                made = Made::Shared;
            }
        }
        let pulse = Pulse::of(&board, None, Rung::All);
        if unfinished {
            pulse::begin(&place, &pulse, &host.id).map_err(|error| refused(refusal(&error)))?;
        }
        drop(held);
        let place = Place::open(&project, &self.settings).map_err(refused)?;
        Ok(Initialised { place, board, made })
    }

    /// Makes the directories and the place file, if they are not there.
    fn prepare(&self, project: &Path, wanted: &Wanted) -> Result<(), Refusal> {
        let plan = project.join(PLAN);
        let platform = |error| refusal(&error);
        file::make_directory(&plan).map_err(platform)?;
        if fs::symlink_metadata(&plan).is_ok_and(|meta| meta.file_type().is_symlink()) {
            let message = format!("{} is a link", plan.display());
            return Err(
                Refusal::new(Code::WrongPlace, message).hint("callboard init --project-root DIR of where it leads")
            );
        }
        if !plan.join(INTERNAL).join(PLACE_FILE).exists() {
            if plan.join(locate::DATABASE).exists() {
                // A board without its place file: `Place::open` says so.
                return Ok(());
            }
            let natural = place::storage_for(&plan, &self.settings)?;
            let storage = wanted.storage.unwrap_or(natural);
            if storage == StorageKind::Local && natural == StorageKind::Shared {
                let message = format!("{} is not on a disk of this host alone", plan.display());
                return Err(Refusal::new(Code::WrongPlace, message).hint("callboard init --storage shared"));
            }
            let journal = wanted.journal.unwrap_or(Journal::Truncate);
            refuse_shared_wal(storage, journal)?;
            file::make_directory(&plan.join(INTERNAL)).map_err(platform)?;
            let board = self.settings.entropy.hex(8).map_err(platform)?;
            place::create(&plan, storage, journal, board)?;
        }
        let ignore = plan.join(".gitignore");
        if !ignore.exists() {
            file::overwrite(&ignore, IGNORE.as_bytes()).map_err(platform)?;
        }
        Ok(())
    }

    fn create(&self, place: &Place, held: &locks::Held, wanted: &Wanted) -> Result<Board, Refusal> {
        let name = match &wanted.name {
            Some(name) => name.clone(),
            None => {
                let name = place.project.file_name().map(|name| name.to_string_lossy().into_owned());
                text::cut(&text::one_line(&name.unwrap_or_default()), text::TITLE_MOST)
            }
        };
        let new = NewBoard {
            generation: self.settings.entropy.hex(4).map_err(|error| refusal(&error))?,
            name: if name.is_empty() { "board".to_owned() } else { name },
            profile: wanted.profile.unwrap_or(Profile::Balanced),
            journal: place.file.journal,
            creator: format!("human:{}", self.settings.user),
        };
        let mut store = SqliteStore::create(&place.database(), self.open_options(place), self.guard(held))?;
        let moment = self.storage_moment(place, &self.host()?)?;
        let board = boards::create(&mut store, new, &moment)?;
        Ok(board)
    }

    /// True for no database, or for what an interrupted `init` leaves: one of no bytes, or one whose journal takes back
    /// all that was written.
    fn is_unmade(&self, place: &Place, held: &locks::Held) -> Result<bool, Refusal> {
        let path = place.database();
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
            Ok(meta) if meta.is_file() && meta.len() > 0 => {
                let store = SqliteStore::open(&path, self.open_options(place), self.guard(held))?;
                Ok(store.is_empty()?)
            }
            Ok(meta) => Ok(meta.is_file()),
            Err(_) => Ok(false),
        }
    }

    fn existing(&self, place: &Place, held: &locks::Held) -> Result<Board, Refusal> {
        let mut store = self.store(place, held)?;
        let transaction = store.begin(Access::Read)?;
        Ok(transaction.board()?)
    }
}

/// An `init` that was interrupted may have left a place file that says something else.
fn refuse_other_place(place: &Place, wanted: &Wanted) -> Result<(), Refusal> {
    let there = &place.file;
    if wanted.journal.is_some_and(|journal| journal != there.journal)
        || wanted.storage.is_some_and(|storage| storage != there.storage)
    {
        let message = format!(
            "an unfinished board in {} is {} with journal {}",
            place.plan.display(),
            there.storage,
            there.journal
        );
        return Err(Refusal::new(Code::Differs, message)
            .hint(format!("callboard init finishes it; rm -r '{}' gives it up", place.plan.display())));
    }
    Ok(())
}

fn refuse_differing(place: &Place, board: &Board, wanted: &Wanted) -> Result<(), Refusal> {
    let differs = |what: &str, there: &str, wanted: &str| {
        let message = format!("the board in {} has {what} {there}, not {wanted}", place.plan.display());
        Err(Refusal::new(Code::Differs, message).hint("callboard init without that flag shows what is there"))
    };
    match wanted {
        Wanted { name: Some(name), .. } if *name != board.name => differs("the name", &board.name, name),
        Wanted { journal: Some(journal), .. } if *journal != board.journal => {
            differs("journal", board.journal.as_str(), journal.as_str())
        }
        Wanted { profile: Some(profile), .. } if *profile != board.profile => {
            differs("safety profile", board.profile.as_str(), profile.as_str())
        }
        Wanted { storage: Some(StorageKind::Local), .. } if place.file.storage == StorageKind::Shared => {
            differs("storage", "shared", "local")
        }
        Wanted { storage: Some(StorageKind::Shared), .. } => refuse_shared_wal(StorageKind::Shared, board.journal),
        _ => Ok(()),
    }
}

fn refuse_shared_wal(storage: StorageKind, journal: Journal) -> Result<(), Refusal> {
    if storage == StorageKind::Shared && journal == Journal::Wal {
        let message = "a write-ahead log works on one host only, and this board is for several";
        return Err(Refusal::new(Code::WrongPlace, message)
            .hint("callboard init --storage shared --journal truncate, in a directory that has no board yet"));
    }
    Ok(())
}

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}
