//! Mending a board: in place where its rows can be mended, else from what still reads, a backup, and archives of events.
//!
//! **Invariants.** The database is kept as it was before anything is done. What is lost is said. A board of which facts may
//! be missing comes back like one from a backup: nobody holds anything, and cursors begin again.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::access::{App, unread};
use super::backup::refuse_copy;
use super::error::refusal;
use super::leftovers;
use super::locks::Held;
use super::order::Order;
use super::place::Place;
use super::pulse;
use super::validate::Audit;
use crate::board::boards::{self, NewBoard};
use crate::board::caller::Caller;
use crate::board::history::{EventView, event_view};
use crate::board::mutation::{self, Answer, Pulse, Refused};
use crate::domain::audit::{Finding, Mended};
use crate::domain::board::Board;
use crate::domain::event::EventKind;
use crate::domain::profile::Profile;
use crate::domain::refusal::{Code, Refusal};
use crate::platform::file;
use crate::platform::file_lock::Share;
use crate::platform::host::Host;
use crate::store::sqlite::companions::{JOURNALS, beside};
use crate::store::sqlite::salvage::{Saved, salvage};
use crate::store::sqlite::{SqliteStore, copies};
use crate::store::{Access, Store as _};

/// What a repair did.
#[derive(Clone, Debug, Default)]
pub struct Repaired {
    /// Where the database of before is kept.
    pub kept: Option<PathBuf>,
    /// True when a new database was made.
    pub rebuilt: bool,
    /// The backup that rows came from.
    pub backup: Option<PathBuf>,
    /// How many events told something that the rows did not.
    pub replayed: u64,
    /// True when nothing of before counts any more: leases, windows, cursors.
    pub came_back: bool,
    /// What is gone, in words.
    pub lost: Vec<String>,
    /// What is still wrong.
    pub left: Vec<Finding>,
}

impl Repaired {
    fn take(&mut self, Mended { gone, defaulted, left }: Mended) {
        let said = |finding: Finding| format!("{}: {}", finding.subject, finding.detail);
        self.lost.extend(gone.into_iter().chain(defaulted).map(said));
        self.left = left;
    }
}

/// So many events are read for what they tell.
const EVENTS_MOST: usize = 2_000_000;
/// The longest archive that is read whole, in bytes.
const ARCHIVE_MOST: u64 = 256 * 1024 * 1024;

impl App {
    /// Mends what `audit` found wrong with the rows; the pages are drawn anew by whoever shows them. `backup` is the one to
    /// fill from; else the newest that is known.
    pub fn repair(&self, audit: &Audit, backup: Option<&Path>, caller: &Caller) -> Result<Repaired, Refused> {
        let host = self.host().map_err(unread)?;
        let (place, held) = self.locked(Share::Writer, &host).map_err(unread)?;
        Self::sweep_leftovers(&place, &held);
        let mut repaired = Repaired::default();
        if audit.findings.is_empty() {
            return Ok(repaired);
        }
        repaired.kept = self.keep(&place, "repair").map_err(unread)?;
        if audit.is_broken {
            self.rebuild(&place, held, &host, backup, caller, &mut repaired)?;
        } else {
            self.mend_in_place(&place, held, &host, caller, &mut repaired)?;
        }
        Ok(repaired)
    }

    /// Mends rows and tells of it in one transaction. Where the frame of a mutation stumbles over the rows themselves, they are
    /// mended first and told of afterwards.
    fn mend_in_place(
        &self,
        place: &Place,
        held: Held,
        host: &Host,
        caller: &Caller,
        repaired: &mut Repaired,
    ) -> Result<(), Refused> {
        let mut store = self.store(place, &held).map_err(unread)?;
        let board = store.begin(Access::Read)?.board()?;
        refuse_copy(place, &board).map_err(unread)?;
        let generation = self.nonce().map_err(unread)?;
        let order = Order::presence("repair", caller);
        let whole =
            Self::whole(&order, self.drawn().map_err(unread)?, self.storage_moment(place, host).map_err(unread)?);
        let fresh = generation.clone();
        let ring = |told: &Pulse| drop(pulse::ring(place, &self.settings, told, &host.id));
        let mut mended = None;
        let at_once = mutation::commit(
            &mut store,
            &whole,
            &self.names(),
            |turn| {
                mended = Some(turn.mend_rows(fresh)?);
                Ok(Answer::done(()))
            },
            |_, _| {},
            ring,
        );
        if let (Ok(_), Some(mended)) = (at_once, mended) {
            repaired.take(mended);
            return Ok(());
        }
        let mut transaction = store.begin(Access::Write)?;
        let mended = transaction.mend()?;
        // With the rows: fewer events than were told of, and of the same generation, would pass for an old copy.
        let after = transaction.board()?;
        if after.tells_otherwise(&board) {
            transaction.put_board(&Board { generation, ..after })?;
        }
        transaction.commit()?;
        repaired.take(mended);
        drop(store);
        drop(held);
        self.tell(caller, repaired)
    }

    /// The revision and the event of a repair that kept everything.
    fn tell(&self, caller: &Caller, repaired: &Repaired) -> Result<(), Refused> {
        let data = json!({"rebuilt": repaired.rebuilt, "still_wrong": repaired.left.len()});
        self.commit(&Order::presence("repair", caller), |turn| {
            turn.note_repair(data);
            Ok(Answer::done(()))
        })?;
        Ok(())
    }

    /// Records that pages which differed in `before` show the board again in `after`. They stay byte for byte what they are.
    pub fn record_rendered_pages(&self, before: &Audit, after: &Audit, caller: &Caller) -> Result<(), Refused> {
        let differs = |page: &str| after.drifts.iter().any(|drift| drift.page == page);
        let pages: Vec<&str> =
            before.drifts.iter().map(|drift| drift.page.as_str()).filter(|page| !differs(page)).collect();
        if pages.is_empty() {
            return Ok(());
        }
        self.commit_unrendered(&Order::presence("repair", caller), |turn| {
            turn.note_rendered_pages(&pages);
            Ok(Answer::done(()))
        })?;
        Ok(())
    }

    fn rebuild(
        &self,
        place: &Place,
        held: Held,
        host: &Host,
        backup: Option<&Path>,
        caller: &Caller,
        repaired: &mut Repaired,
    ) -> Result<(), Refused> {
        let nonce = self.nonce().map_err(unread)?;
        let (scratch, drafted) =
            (place.internal().join(format!("damaged-{nonce}.db")), place.internal().join(format!("repair-{nonce}.db")));
        let result = self.rebuild_with(place, &held, host, (&scratch, &drafted), backup, caller, repaired);
        leftovers::remove_database(&scratch);
        leftovers::remove_database(&drafted);
        drop(held);
        if result? {
            self.tell(caller, repaired)?;
        }
        Ok(())
    }

    /// True when everything was kept, and the repair is still to be told.
    #[expect(clippy::too_many_arguments, reason = "two scratch files and where they lead")]
    fn rebuild_with(
        &self,
        place: &Place,
        held: &Held,
        host: &Host,
        (scratch, drafted): (&Path, &Path),
        backup: Option<&Path>,
        caller: &Caller,
        repaired: &mut Repaired,
    ) -> Result<bool, Refused> {
        let platform = |error| unread(refusal(&error));
        file::copy(&place.database(), scratch).map_err(platform)?;
        for end in JOURNALS {
            file::copy(&beside(&place.database(), end), &beside(scratch, end)).map_err(platform)?;
        }
        let backup = match backup {
            Some(path) => Some(self.given_backup(place, path).map_err(unread)?),
            None => Self::newest_backup(place, repaired.kept.as_deref()),
        };
        let saved = salvage(scratch, backup.as_deref(), drafted)?;
        let filled = saved.iter().any(|table| table.filled > 0);
        repaired.backup = backup.filter(|_| filled);
        repaired.rebuilt = true;
        repaired.lost = saved.iter().filter(|table| table.damaged).map(said).collect();
        let has_row = self.give_a_row(place, host, drafted, &saved).map_err(unread)?;
        let before = copies::task_counts(drafted)?;
        let mended = copies::mend_copy(drafted)?;
        let after = copies::task_counts(drafted)?;
        // A copy of an earlier time is no whole board, however well it reads.
        let board = copies::board_of(drafted)?;
        let is_present = refuse_copy(place, &board).is_ok();
        let is_whole =
            is_present && has_row && !filled && mended.gone.is_empty() && !saved.iter().any(Saved::is_a_loss);
        repaired.take(mended);
        if is_whole {
            self.put_in_place(place, held, host, drafted, &board).map_err(unread)?;
            return Ok(true);
        }
        let (told, through) = Self::told(place, drafted).map_err(unread)?;
        if saved.iter().any(|table| table.table == "tasks" && table.is_a_loss()) {
            refuse_empty(place, &told, after.rows).map_err(unread)?;
            let said = match before.counted {
                Some(there) => {
                    format!("tasks: {} rows of {there} are there again, before events were read", after.rows)
                }
                None => "what pointed at lost tasks: dependencies, bodies, attempts".to_owned(),
            };
            repaired.lost.push(said);
        }
        let data = json!({"rebuilt": true, "backup": repaired.backup, "lost": repaired.lost});
        let work = |turn: &mut crate::board::turn::Turn<'_>| turn.replay_told(&told, through);
        let ((_, board), replayed) = self.bring_back(place, host, drafted, EventKind::Repaired, caller, data, work)?;
        (repaired.replayed, repaired.came_back) = (replayed, true);
        self.put_in_place(place, held, host, drafted, &board).map_err(unread)?;
        Ok(false)
    }

    fn given_backup(&self, place: &Place, path: &Path) -> Result<PathBuf, Refusal> {
        let path = self.settings.directory.join(path);
        let found = copies::inspect(&path).map_err(|error| {
            Refusal::new(Code::Damaged, format!("{} is no backup: {error}", path.display()))
                .hint("give a file that callboard backup made; without --backup the newest that is known is taken")
        })?;
        // Rows of another board would fit into the gaps of this one.
        let is_ours = pulse::target(&place.internal()).is_none_or(|shown| shown.generation == found.generation);
        if !is_ours && !Self::is_known_backup(place, &path) {
            let message = format!("{} is of another board, or of this one before a restore", path.display());
            return Err(Refusal::new(Code::OtherGeneration, message)
                .hint("callboard restore FILE --as-human makes it the board, whole and as it is"));
        }
        Ok(path)
    }

    /// Gives a board's row to what was saved without one. False where that was needed. Refuses where nothing was saved.
    fn give_a_row(&self, place: &Place, host: &Host, drafted: &Path, saved: &[Saved]) -> Result<bool, Refusal> {
        if copies::inspect(drafted).is_ok() {
            return Ok(true);
        }
        if saved.iter().all(|table| table.read + table.filled == 0) {
            let message =
                format!("nothing of {} can be read, and no backup of it is known", place.database().display());
            return Err(Refusal::new(Code::Damaged, message).hint(
                "callboard validate --repair --backup FILE; without any copy, move project-plan away and callboard init begins anew",
            ));
        }
        let new = NewBoard {
            generation: self.nonce()?,
            name: place.project.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            profile: Profile::Balanced,
            journal: place.file.journal,
            creator: "repair".to_owned(),
        };
        let revision = pulse::target(&place.internal()).map_or(1, |shown| shown.revision);
        let moment = self.storage_moment(place, host)?;
        let mut store = SqliteStore::open_copy(drafted)?;
        let mut transaction = store.begin(Access::Write)?;
        transaction.put_board(&boards::blank(&new, &moment, revision))?;
        transaction.commit()?;
        Ok(false)
    }

    /// What events tell of the board in `drafted`: its own, and those of archives beside it; and up to which its rows go.
    fn told(place: &Place, drafted: &Path) -> Result<(Vec<EventView>, u64), Refusal> {
        let mut store = SqliteStore::open_copy(drafted)?;
        let transaction = store.begin(Access::Read)?;
        let board = transaction.board()?;
        let own = transaction.events(0, EVENTS_MOST)?;
        let mut told: Vec<EventView> = own.into_iter().map(event_view).collect();
        let entries = std::fs::read_dir(place.archives()).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(&format!("events-{}-", board.generation)) {
                let content = file::read(&path, ARCHIVE_MOST).map_err(|error| refusal(&error))?.unwrap_or_default();
                told.extend(content.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()));
            }
        }
        told.sort_by_key(|event| event.seq);
        told.dedup_by_key(|event| event.seq);
        Ok((told, board.event_seq))
    }
}

/// A repair must not put a board without tasks in the place of one that had some.
fn refuse_empty(place: &Place, told: &[EventView], rows: u64) -> Result<(), Refusal> {
    if rows > 0 || told.iter().any(|event| event.kind == EventKind::TaskAdded) {
        return Ok(());
    }
    let message = format!("no task of {} can be read, and no backup of it is known", place.database().display());
    Err(Refusal::new(Code::Damaged, message)
        .hint("callboard validate --repair --backup FILE, with a copy that callboard backup made"))
}

/// What became of a damaged table, in words.
fn said(table: &Saved) -> String {
    let Saved { table, read, filled, .. } = table;
    match filled {
        0 => format!("{table}: {read} rows could be read, and others may be lost"),
        _ => format!("{table}: {read} rows could be read, {filled} came from the backup"),
    }
}
