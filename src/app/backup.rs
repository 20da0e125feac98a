//! Copies of the board, and putting one in its place.
//!
//! **Invariants.** A copy says that it is one. What is put in place of a database is whole and durable before it gets the
//! name, and what was there is kept beside it: nothing here can lose anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::access::{App, unread};
use super::error::refusal;
use super::leftovers;
use super::locks::Held;
use super::order::Order;
use super::place::Place;
use super::pulse;
use crate::board::caller::Caller;
use crate::board::mutation::{self, Answer, Naming, Pulse, Refused};
use crate::board::restore::{Return, Returned};
use crate::board::turn::{Rung, Turn};
use crate::domain::board::Board;
use crate::domain::event::EventKind;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::time::Millis;
use crate::platform::deadline::Deadline;
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};
use crate::platform::file_lock::{self, Share};
use crate::platform::host::Host;
use crate::store::StoreError;
use crate::store::sqlite::companions::{COMPANIONS, JOURNALS, beside};
use crate::store::sqlite::{SqliteStore, copies};
use crate::watch::pulse as told;

/// What is kept of a database that was replaced or mended, in the plan directory.
pub(super) const KEPT: &str = "backups";
/// Names of backups that were made lately, in `.callboard`.
const REMEMBERED: &str = "backups.json";
/// So many are remembered,
const REMEMBERED_MOST: usize = 20;
/// in so many bytes.
const LIST_MOST: u64 = 64 * 1024;

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backup {
    /// The file.
    pub path: String,
    /// The board's generation.
    pub generation: String,
    /// The revision that it has.
    pub board_revision: u64,
    /// When it was made.
    pub at: Millis,
    /// Its length.
    pub bytes: u64,
}

/// What a restore did.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Restored {
    /// The file that was restored.
    pub from: String,
    /// The revision that it had.
    pub from_revision: u64,
    /// The board's new generation.
    pub generation: String,
    /// How many tasks there are.
    pub tasks: u64,
    /// How many windows ended with the board as it was.
    pub sessions_ended: u64,
    /// Where the database that was there before is kept; null where there was none.
    pub kept: Option<String>,
    /// True where the file that says how the board is locked was lost, and was written again.
    #[serde(default)]
    pub place_written: bool,
}

impl App {
    /// Copies the board into a file that does not exist, whole and as one moment has it. Refuses with `file_exists`.
    pub fn back_up(&self, target: &Path) -> Result<Backup, Refused> {
        let host = self.host().map_err(unread)?;
        let target = self.settings.directory.join(target);
        refuse_existing(&target).map_err(unread)?;
        let nonce = self.nonce().map_err(unread)?;
        let directory = target.parent().unwrap_or(&target).to_owned();
        let (place, held) = self.locked_to_back_up(&directory, &host).map_err(unread)?;
        let drafted = leftovers::draft_of(&target, &place, &nonce);
        let copied = self.store(&place, &held).and_then(|store| Ok(store.copy_into(&drafted)?));
        // From now on this says that somebody uses it. Where files cannot be locked nobody takes it away either.
        let in_use = file_lock::acquire_alone(&drafted, Deadline::after(Duration::ZERO));
        drop(held);
        let settled = copied.and_then(|()| {
            // A copy may lie where nobody else was meant to read the board.
            file::make_private(&drafted).map_err(|error| refusal(&error))?;
            let board = copies::mark(&drafted, Millis(self.settings.clock.wall_ms()))?;
            file::settle_new(&drafted, &target).map_err(|error| match error.io_kind() {
                Some(std::io::ErrorKind::AlreadyExists) => exists(&target),
                _ => refusal(&error),
            })?;
            Ok(board)
        });
        // It has its own name by now, or was not made: what is left is its journal.
        leftovers::remove_database(&drafted);
        drop(in_use);
        let board = settled.map_err(unread)?;
        let path = target.to_string_lossy().into_owned();
        let at = board.copied_at.unwrap_or(Millis(0));
        let bytes = std::fs::metadata(&target).map_or(0, |meta| meta.len());
        let backup = Backup { path, generation: board.generation, board_revision: board.revision, at, bytes };
        // Only a repair would miss it, and it can be told where a backup is.
        let _ = remember(&place, &backup, &host);
        Ok(backup)
    }

    /// The board's lock for a backup into `directory`. Where a killed one left a draft there, it is taken away first.
    fn locked_to_back_up(&self, directory: &Path, host: &Host) -> Result<(Place, Held), Refusal> {
        let (place, held) = self.locked_to_read(host)?;
        if !leftovers::has_drafts(directory, &place) {
            return Ok((place, held));
        }
        drop(held);
        let (place, held) = self.locked(Share::Writer, host)?;
        leftovers::sweep_drafts(directory, &place, &held);
        Ok((place, held))
    }

    /// Takes away what killed backups, restores and repairs of this board left. The board's lock is held as a writer.
    pub(super) fn sweep_leftovers(place: &Place, writer: &Held) {
        leftovers::sweep_work(place, writer);
        let made = remembered(place);
        let directories: BTreeSet<&Path> = made.iter().filter_map(|backup| Path::new(&backup.path).parent()).collect();
        for directory in directories {
            leftovers::sweep_drafts(directory, place, writer);
        }
    }

    /// Puts a copy in the place of the board. Windows, leases and cursors of before are gone; what was there is kept.
    pub fn restore(&self, from: &Path, caller: &Caller) -> Result<(Restored, u64), Refused> {
        let from = self.settings.directory.join(from);
        let found = copies::inspect(&from).map_err(|error| unread(unusable(&from, error)))?;
        let host = self.host().map_err(unread)?;
        let (place, held) = self.locked(Share::Writer, &host).map_err(unread)?;
        leftovers::sweep_work(&place, &held);
        let drafted = place.internal().join(format!("restore-{}.db", self.nonce().map_err(unread)?));
        let data = json!({"from_generation": found.generation, "from_revision": found.revision});
        let work = copies::duplicate(&from, &drafted).map_err(Refusal::from).map_err(unread);
        let came = work.and_then(|()| {
            self.bring_back(&place, &host, &drafted, EventKind::Restored, caller, data, |_| Ok(0)).map(|(back, _)| back)
        });
        let put = came.and_then(|(returned, board)| {
            let kept = self.keep(&place, "restore").map_err(unread)?;
            self.put_in_place(&place, &held, &host, &drafted, &board).map_err(unread)?;
            Ok((returned, board, kept))
        });
        let (returned, board, kept) = put.inspect_err(|_| leftovers::remove_database(&drafted))?;
        drop(held);
        let Returned { sessions_ended, tasks } = returned;
        let restored = Restored {
            from: from.to_string_lossy().into_owned(),
            from_revision: found.revision,
            generation: board.generation,
            tasks,
            sessions_ended,
            kept: kept.map(|path| path.to_string_lossy().into_owned()),
            place_written: false,
        };
        Ok((restored, board.revision))
    }

    /// Makes a board of the copy at `path`: a new generation, nobody holds anything. `more` is done in the same transaction,
    /// and its number is passed on.
    #[expect(clippy::too_many_arguments, reason = "all of it is about one transaction on a file that nobody else has")]
    pub(super) fn bring_back(
        &self,
        place: &Place,
        host: &Host,
        path: &Path,
        kind: EventKind,
        caller: &Caller,
        data: serde_json::Value,
        more: impl FnOnce(&mut Turn<'_>) -> Result<u64, Refusal>,
    ) -> Result<((Returned, Board), u64), Refused> {
        let mut store = SqliteStore::open_copy(path)?;
        let order = Order::presence(kind.as_str(), caller);
        let request = self.drawn().map_err(unread)?;
        let order = mutation::Order {
            naming: Naming::Drawn,
            ..Self::whole(&order, request, self.storage_moment(place, host).map_err(unread)?)
        };
        let back = Return {
            generation: self.nonce().map_err(unread)?,
            revision: pulse::target(&place.internal()).map_or(0, |shown| shown.revision),
            journal: place.file.journal,
            kind,
            data,
        };
        let mut after = None;
        let mut came = 0;
        let work = |turn: &mut Turn<'_>| {
            let returned = turn.come_back(back)?;
            came = more(turn)?;
            Ok(Answer::done(returned))
        };
        let names = self.names();
        let shown = |transaction: &dyn crate::store::Transaction, _: &_| after = transaction.board().ok();
        let committed = mutation::commit(&mut store, &order, &names, work, shown, |_| {})?;
        let board = after.ok_or_else(|| unread(Refusal::new(Code::Internal, "the board could not be read again")))?;
        Ok(((committed.answer.reply, board), came))
    }

    /// Gives the database at `drafted` the board's name. The one before was kept, and the board's lock is held.
    pub(super) fn put_in_place(
        &self,
        place: &Place,
        held: &Held,
        host: &Host,
        drafted: &Path,
        board: &Board,
    ) -> Result<(), Refusal> {
        let platform = |error: PlatformError| refusal(&error);
        // All of this is done without a transaction, so that nothing but the lock keeps two from doing it.
        let still_ours = || self.guard(held).is_none_or(|guard| guard());
        // What a journal would take back is not in the new file. A database that opens takes its own back first.
        drop(self.store(place, held));
        still_ours();
        for end in COMPANIONS {
            file::remove(&beside(&place.database(), end)).map_err(platform)?;
        }
        still_ours();
        file::settle(drafted, &place.database()).map_err(platform)?;
        let pulse = Pulse::of(board, None, Rung::All);
        still_ours();
        pulse::ring(place, &self.settings, &pulse, &host.id).map_err(platform)?;
        file::remove(&beside(drafted, "-journal")).map_err(platform)
    }

    /// Keeps the database as it is, with its journal, under a name of its own.
    pub(super) fn keep(&self, place: &Place, why: &str) -> Result<Option<PathBuf>, Refusal> {
        let platform = |error: PlatformError| refusal(&error);
        let directory = place.plan.join(KEPT);
        if !place.database().exists() {
            return Ok(None);
        }
        file::make_own_directory(&directory).map_err(platform)?;
        let name = format!("before-{why}-{}.db", self.nonce()?);
        let kept = directory.join(&name);
        file::copy(&place.database(), &kept).map_err(platform)?;
        for end in JOURNALS {
            let journal = beside(&place.database(), end);
            // An empty journal is how every commit leaves it.
            if std::fs::metadata(&journal).is_ok_and(|meta| meta.len() > 0) {
                file::copy(&journal, &beside(&kept, end)).map_err(platform)?;
            }
        }
        file::sync_directory_of(&kept).map_err(platform)?;
        Ok(Some(kept))
    }

    /// The newest backup that can be read, but for one file: of those that were made here, and of what was kept in the plan
    /// directory.
    pub(super) fn newest_backup(place: &Place, not_this: Option<&Path>) -> Option<PathBuf> {
        let made = remembered(place).into_iter().rev().map(|backup| PathBuf::from(backup.path));
        let mut kept: Vec<PathBuf> = std::fs::read_dir(place.plan.join(KEPT))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "db"))
            .collect();
        kept.sort_by_key(|path| std::cmp::Reverse(std::fs::metadata(path).and_then(|meta| meta.modified()).ok()));
        made.chain(kept).find(|path| Some(path.as_path()) != not_this && copies::inspect(path).is_ok())
    }

    /// True for a backup that was made here, and for what was kept in the plan directory.
    pub(super) fn is_known_backup(place: &Place, path: &Path) -> bool {
        let is_same = |known: &Path| known == path || path.canonicalize().is_ok_and(|path| path == known);
        let kept = place.plan.join(KEPT);
        remembered(place).iter().any(|backup| is_same(Path::new(&backup.path)))
            || path.canonicalize().is_ok_and(|path| path.parent().is_some_and(|parent| parent == kept))
    }

    /// A part of a name that nobody else uses.
    pub(super) fn nonce(&self) -> Result<String, Refusal> {
        self.settings.entropy.hex(4).map_err(|error| refusal(&error))
    }
}

/// A backup that somebody put in the place of the board, or an old copy of it, would forget what was granted since.
pub(super) fn refuse_copy(place: &Place, board: &Board) -> Result<(), Refusal> {
    let path = place.database();
    let refused = |code, message| {
        let hint =
            format!("callboard restore '{}' makes it the board; leases and windows of before end", path.display());
        Err(Refusal::new(code, message).hint(hint))
    };
    if let Some(at) = board.copied_at {
        return refused(Code::IsBackup, format!("{} is a backup of {at}", path.display()));
    }
    let Some(shown) = told::Pulse::read(&place.internal()).filter(|shown| shown.generation == board.generation) else {
        return Ok(());
    };
    let behind = [
        ("revision", board.revision, shown.revision),
        ("presence", board.presence, shown.presence),
        ("event", board.event_seq, shown.event_seq),
    ];
    match behind.into_iter().find(|(_, there, shown)| there < shown) {
        Some((what, there, shown)) => {
            refused(Code::RolledBack, format!("{} is at {what} {there}, and the board was at {shown}", path.display()))
        }
        None => Ok(()),
    }
}

fn exists(target: &Path) -> Refusal {
    Refusal::new(Code::FileExists, format!("{} exists", target.display())).hint("callboard backup with another name")
}

fn refuse_existing(target: &Path) -> Result<(), Refusal> {
    match (std::fs::symlink_metadata(target), target.parent()) {
        (Ok(_), _) => Err(exists(target)),
        (Err(_), Some(parent)) if !parent.is_dir() => {
            let message = format!("{} is no directory", parent.display());
            Err(Refusal::new(Code::NoPermission, message).hint("callboard backup into one that is there"))
        }
        _ => Ok(()),
    }
}

fn unusable(from: &Path, error: StoreError) -> Refusal {
    let message = format!("{} cannot be restored: {error}", from.display());
    match error {
        StoreError::TooNew { .. } => Refusal::from(error),
        StoreError::Missing => Refusal::new(Code::NoPermission, message).hint("give the path of a backup"),
        _ => Refusal::new(Code::Damaged, message)
            .hint("callboard validate --repair saves what reads of the present board"),
    }
}

fn remembered(place: &Place) -> Vec<Backup> {
    let content = file::read(&place.internal().join(REMEMBERED), LIST_MOST).ok().flatten();
    content.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default()
}

fn remember(place: &Place, backup: &Backup, host: &Host) -> Result<(), PlatformError> {
    let mut list = remembered(place);
    list.retain(|known| known.path != backup.path);
    list.push(backup.clone());
    let list = &list[list.len().saturating_sub(REMEMBERED_MOST)..];
    let json = serde_json::to_vec(list).expect("texts and numbers have a JSON form");
    file::replace(&place.internal().join(REMEMBERED), &json, &host.id, Durability::Disposable)
}
