//! One operation on one board: the order of every change and of every look.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backup::refuse_copy;
use super::damage::judged;
use super::error::refusal;
use super::locate;
use super::locks::{self, Held};
use super::order::{Changed, Order, Seen, digest};
use super::place::Place;
use super::pulse;
use super::settings::Settings;
use super::together::Group;
use crate::board::caller::Caller;
use crate::board::look::{Look, Moment};
use crate::board::mutation::{self, Answer, Committed, Naming, Pulse, Refused};
use crate::board::pages::Picture;
use crate::board::turn::{Names, Turn};
use crate::domain::id::{HostId, LeaseToken, RequestId, SessionId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session_ids::{SESSION_DIGITS, SESSION_PREFIX};
use crate::domain::time::Millis;
use crate::intake::scan::Progress;
use crate::platform::deadline::Deadline;
use crate::platform::entropy::Entropy;
use crate::platform::file;
use crate::platform::file_lock::Share;
use crate::platform::host::Host;
use crate::projection::refresh::Bundles;
use crate::projection::render::Drawing;
use crate::store::sqlite::companions::beside;
use crate::store::sqlite::{Guarded, OpenOptions, SqliteStore, is_wal};
use crate::store::{Access, Store as _, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The place file changes at most once in a board's life.
const PLACE_TRIES: usize = 3;

/// A process's way to its board.
pub struct App {
    /// What the process takes from its environment.
    pub settings: Settings,
    /// Whoever is told how far a long look is.
    pub progress: fn(Progress),
    pub(super) group: RefCell<Option<Group>>,
}

/// What becomes of the pages after a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PagesAfter {
    /// They show it.
    Rendered,
    /// They stay as they are, until something else is committed.
    Left,
}

/// Names from the system's randomness.
struct Draw<'a>(&'a Entropy);

impl Names for Draw<'_> {
    fn session_id(&self) -> Result<SessionId, Refusal> {
        let hex = self.0.hex(SESSION_DIGITS / 2).map_err(|error| refusal(&error))?;
        Ok(format!("{SESSION_PREFIX}{hex}").parse().expect("hexadecimal is a slug"))
    }

    fn lease_token(&self) -> Result<LeaseToken, Refusal> {
        let hex = self.0.hex(10).map_err(|error| refusal(&error))?;
        Ok(format!("lt-{hex}").parse().expect("hexadecimal is a slug"))
    }

    fn fingerprint(&self, text: &str) -> String {
        digest(&[text])[..8].to_owned()
    }
}

impl App {
    /// A way to the board that these settings mean.
    pub fn new(settings: Settings, progress: fn(Progress)) -> Self {
        Self { settings, progress, group: RefCell::new(None) }
    }

    /// The board's place. Refuses with `no_board`, `wrong_place` and their like.
    pub fn place(&self) -> Result<Place, Refusal> {
        Place::open(&locate::project(&self.settings)?, &self.settings)
    }

    /// This host. Refuses an id that is none.
    pub fn host(&self) -> Result<Host, Refusal> {
        let settings = &self.settings;
        let host = Host::this(settings.host_id.as_deref(), settings.state.path()?, &settings.entropy)
            .map_err(|error| refusal(&error))?;
        let checked = host.id.parse::<HostId>();
        checked.map(|_| host).map_err(|error| {
            Refusal::new(Code::InvalidValue, error.to_string())
                .hint("give another CALLBOARD_HOST_ID, or remove the file host-id that callboard keeps for this host")
        })
    }

    /// Commits `work` on the board, then shows it. Refuses as the work does, and with what the place, the lock and the
    /// storage can be refused for.
    pub fn commit<T: Serialize + DeserializeOwned>(
        &self,
        order: &Order,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Changed<T>, Refused> {
        self.commit_with(order, PagesAfter::Rendered, work)
    }

    /// Commits `work` and leaves the pages as they are, for a check that found something in them: its caller wants to see it.
    pub fn commit_unrendered<T: Serialize + DeserializeOwned>(
        &self,
        order: &Order,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Changed<T>, Refused> {
        self.commit_with(order, PagesAfter::Left, work)
    }

    fn commit_with<T: Serialize + DeserializeOwned>(
        &self,
        order: &Order,
        pages: PagesAfter,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Changed<T>, Refused> {
        let host = self.host().map_err(unread)?;
        let request_id = self.request_id(order).map_err(unread)?;
        if self.is_together() {
            return self.commit_together(order, request_id, work);
        }
        let mut first = None;
        let (place, committed) = {
            let (place, held) = self.locked(Share::Writer, &host).map_err(unread)?;
            let mut store = self.store(&place, &held).map_err(unread)?;
            let moment = self.storage_moment(&place, &host).map_err(unread)?;
            let whole = Self::whole(order, request_id.clone(), moment);
            let showing = |transaction: &dyn Transaction, committed: &Committed<T>| {
                // Somebody who waits for the lock shows what comes of both.
                if pages == PagesAfter::Rendered && Self::pages_are_due(&place, committed) && !held.is_waited_for() {
                    let picture = self.picture_in(transaction, &place, &host, Bundles::Missing).ok();
                    first = picture.and_then(|picture| Drawing::begin(picture, self.templates(&place)));
                }
            };
            // Who waits also looks by itself: a pulse that cannot be written only makes it slower.
            let ring = |told: &Pulse| drop(pulse::ring(&place, &self.settings, told, &host.id));
            let work = |turn: &mut Turn<'_>| {
                refuse_copy(&place, turn.board())?;
                work(turn)
            };
            let committed =
                judged(&mut store, |store| mutation::commit(store, &whole, &self.names(), work, showing, ring))?;
            drop(store);
            drop(held);
            (place, committed)
        };
        let mut warnings = committed.warnings.clone();
        warnings.extend(place.copy_warning());
        let behind = pages == PagesAfter::Rendered && self.show(&place, &host, &committed, first, &mut warnings);
        self.prune_if_overfull(committed.overfull, &mut warnings);
        let Committed { answer, revision, session, replayed, refusal, .. } = committed;
        if let Some(refusal) = refusal {
            return Err(Refused { refusal, revision: Some(revision) });
        }
        Ok(Changed { answer, revision, request_id, session, warnings, replayed, projection_behind: behind })
    }

    /// Looks at the board. Nothing is written, whatever `look` does.
    pub fn look<T>(
        &self,
        caller: &Caller,
        look_in: impl FnOnce(&Look<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Seen<T>, Refused> {
        self.look_at_place(caller, |look, _| look_in(look))
    }

    /// Looks at the board, with the picture of it that the pages show.
    pub fn look_at_picture<T>(
        &self,
        caller: &Caller,
        look_in: impl FnOnce(&Look<'_>, &Place, Picture) -> Result<Answer<T>, Refusal>,
    ) -> Result<Seen<T>, Refused> {
        self.look_at_place(caller, |look, place| {
            let mut picture = look.picture_now()?;
            picture.board.storage = Some(place.file.storage);
            look_in(look, place, picture)
        })
    }

    fn look_at_place<T>(
        &self,
        caller: &Caller,
        look: impl FnOnce(&Look<'_>, &Place) -> Result<Answer<T>, Refusal>,
    ) -> Result<Seen<T>, Refused> {
        if self.is_together() {
            return self.look_together(caller, look);
        }
        let host = self.host().map_err(unread)?;
        let (place, held) = self.locked_to_read(&host).map_err(unread)?;
        let mut store = self.store(&place, &held).map_err(unread)?;
        let moment = self.own_moment(&host);
        let seen = judged(&mut store, |store| Self::look_in(store, &place, caller, &moment, look))?;
        drop(store);
        drop(held);
        Ok(seen)
    }

    pub(super) fn look_in<T>(
        store: &mut SqliteStore,
        place: &Place,
        caller: &Caller,
        moment: &Moment,
        look: impl FnOnce(&Look<'_>, &Place) -> Result<Answer<T>, Refusal>,
    ) -> Result<Seen<T>, Refused> {
        let transaction = store.begin(Access::Read)?;
        let seen = Look::begin(&*transaction, caller, moment).map_err(|refusal| {
            let revision = transaction.board().ok().map(|board| board.revision);
            Refused { refusal, revision }
        })?;
        let revision = seen.board().revision;
        let session = seen.session_id().cloned();
        let refused = |refusal| Refused { refusal, revision: Some(revision) };
        refuse_copy(place, seen.board()).map_err(refused)?;
        let answer = look(&seen, place).map_err(refused)?;
        Ok(Seen { answer, revision, session })
    }

    /// Does `work` and undoes it, to say what it would do.
    pub fn rehearse<T>(
        &self,
        order: &Order,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Seen<T>, Refused> {
        let host = self.host().map_err(unread)?;
        let request_id = self.request_id(order).map_err(unread)?;
        let (place, held) = self.locked(Share::Writer, &host).map_err(unread)?;
        let mut store = self.store(&place, &held).map_err(unread)?;
        let whole = Self::whole(order, request_id, self.storage_moment(&place, &host).map_err(unread)?);
        let (answer, revision) = judged(&mut store, |store| mutation::rehearse(store, &whole, &self.names(), work))?;
        Ok(Seen { answer, revision, session: order.caller.session.clone() })
    }

    pub(super) fn whole(order: &Order, request_id: RequestId, moment: Moment) -> mutation::Order<'_> {
        mutation::Order {
            operation: order.operation,
            digest: order,
            caller: &order.caller,
            request_id,
            naming: if order.request_id.is_some() { Naming::Given } else { Naming::Drawn },
            expected_revision: order.expected_revision,
            moment,
            late: order.late.clone(),
        }
    }

    fn request_id(&self, order: &Order) -> Result<RequestId, Refusal> {
        order.request_id.clone().map_or_else(|| self.drawn(), Ok)
    }

    /// The name of a request that has none.
    pub fn drawn(&self) -> Result<RequestId, Refusal> {
        let hex = self.settings.entropy.hex(8).map_err(|error| refusal(&error))?;
        Ok(format!("r-{hex}").parse().expect("hexadecimal is a line"))
    }

    /// Names that nobody can guess.
    pub(super) fn names(&self) -> impl Names {
        Draw(&self.settings.entropy)
    }

    /// The place with its lock. The place file is read again under the lock: who waited may find a board that was made
    /// a shared one meanwhile.
    pub(super) fn locked(&self, share: Share, host: &Host) -> Result<(Place, Held), Refusal> {
        self.locked_at(&locate::project(&self.settings)?, share, host)
    }

    /// The same for the board of a project that is known.
    pub(super) fn locked_at(&self, project: &Path, share: Share, host: &Host) -> Result<(Place, Held), Refusal> {
        self.refuse_together()?;
        let deadline = Deadline::after(self.settings.lock_timeout);
        for _ in 0..PLACE_TRIES {
            let place = Place::open(project, &self.settings)?;
            let held = locks::lock(&place, share, host, &self.settings, deadline)?;
            if place.is_current()? {
                self.forget_cached(&place, &held)?;
                return Ok((place, held));
            }
        }
        Err(Refusal::new(Code::WrongPlace, "the place file of the board changes again and again"))
    }

    /// Has a mount forget what it keeps of the database: SQLite takes one that is longer than the system says for damaged, and
    /// a journal that a dead holder left must not look empty.
    fn forget_cached(&self, place: &Place, held: &Held) -> Result<(), Refusal> {
        if held.fence().is_some() && place.is_mounted(&self.settings)? {
            file::forget_cached(&place.database());
            file::forget_cached(&journal(place));
        }
        Ok(())
    }

    /// The same for a look. After a crash the journal must be rolled back, which readers cannot do side by side.
    pub(super) fn locked_to_read(&self, host: &Host) -> Result<(Place, Held), Refusal> {
        let (place, held) = self.locked(Share::Readers, host)?;
        if std::fs::metadata(journal(&place)).is_ok_and(|meta| meta.len() > 0) {
            drop(held);
            return self.locked(Share::Writer, host);
        }
        Ok((place, held))
    }

    /// The database. The lock is held.
    pub(super) fn store(&self, place: &Place, held: &Held) -> Result<SqliteStore, Refusal> {
        let path = place.database();
        let options = self.open_options(place);
        if held.fence().is_some() && is_wal(&path) {
            let message = format!("{} has a write-ahead log, which shared storage breaks", path.display());
            return Err(Refusal::new(Code::WrongPlace, message).hint(
                "on the host that made it: sqlite3 project-plan/coordination.db 'PRAGMA journal_mode=TRUNCATE'",
            ));
        }
        SqliteStore::open(&path, options, self.guard(held)).map_err(|error| {
            let refusal = Refusal::from(error);
            match refusal.code {
                Code::BoardLost => lost(place),
                _ => refusal,
            }
        })
    }

    pub(super) fn open_options(&self, place: &Place) -> OpenOptions {
        OpenOptions {
            deadline: Deadline::after(self.settings.lock_timeout),
            journal: place.file.journal,
            storage: place.file.storage,
        }
    }

    /// On shared storage every commit and rollback asks whether the lock is still held. A holder that slept so long that it was
    /// broken ends here, without rollback: that would truncate the new holder's journal.
    pub(super) fn guard(&self, held: &Held) -> Option<Guarded> {
        let fence = held.fence()?;
        let lost = self.settings.messages.lost_lock;
        Some(Arc::new(move || {
            if !fence.holds() {
                lost();
            }
            true
        }))
    }

    pub(super) fn storage_moment(&self, place: &Place, host: &Host) -> Result<Moment, Refusal> {
        let clock = &self.settings.clock;
        let wall = clock.storage_ms(&place.internal().join("clock")).map_err(|error| refusal(&error))?;
        Ok(Moment { wall: Millis(wall), ..self.own_moment(host) })
    }

    pub(super) fn own_moment(&self, host: &Host) -> Moment {
        let clock = &self.settings.clock;
        Moment {
            host: host.id.parse().expect("App::host has checked it"),
            boot: host.boot.clone(),
            boot_clock: clock.boot_ms(),
            wall: Millis(clock.wall_ms()),
        }
    }
}

pub(super) fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}

fn journal(place: &Place) -> PathBuf {
    beside(&place.database(), "-journal")
}

fn lost(place: &Place) -> Refusal {
    let path = place.database();
    if place.internal().join("pulse").exists() {
        return Refusal::new(Code::BoardLost, format!("{} is gone", path.display()))
            .hint("callboard restore FILE, or callboard validate --repair, which looks for a backup itself");
    }
    Refusal::new(Code::NoBoard, format!("the board in {} was not finished", place.plan.display()))
        .hint("callboard init")
}
