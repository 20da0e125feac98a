//! One operation on one board: the order of every change and of every look.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::backup::refuse_copy;
use super::error::refusal;
use super::locate;
use super::locks::{self, Held};
use super::place::Place;
use super::pulse;
use super::settings::Settings;
use crate::board::caller::Caller;
use crate::board::look::{Look, Moment};
use crate::board::mutation::{self, Answer, Committed, LateResult, Naming, Pulse, Refused};
use crate::board::pages::Picture;
use crate::board::turn::{Names, Turn};
use crate::domain::id::{HostId, LeaseToken, RequestId, SessionId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::time::Millis;
use crate::intake::scan::Progress;
use crate::platform::deadline::Deadline;
use crate::platform::entropy::Entropy;
use crate::platform::file_lock::Share;
use crate::platform::host::Host;
use crate::projection::render::Drawing;
use crate::store::sqlite::{Guarded, OpenOptions, SqliteStore, is_wal};
use crate::store::{Access, Store as _, Transaction};

/// The place file changes at most once in a board's life.
const PLACE_TRIES: usize = 3;

/// A process's way to its board.
#[derive(Debug)]
pub struct App {
    /// What the process takes from its environment.
    pub settings: Settings,
    /// Whoever is told how far a long look is.
    pub progress: fn(Progress),
}

/// A mutation as a door orders it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The operation's name.
    pub operation: &'static str,
    /// Its arguments, as JSON.
    pub arguments: String,
    /// Who calls.
    pub caller: Caller,
    /// The name of the request, if it has one.
    pub request_id: Option<RequestId>,
    /// The revision that the board must have.
    pub expected_revision: Option<u64>,
    /// What is kept if the lease turns out to be gone.
    pub late: Option<LateResult>,
}

impl Order {
    /// Presence that no request id is for.
    pub fn presence(operation: &'static str, caller: &Caller) -> Self {
        Self {
            operation,
            arguments: String::new(),
            caller: caller.clone(),
            request_id: None,
            expected_revision: None,
            late: None,
        }
    }
}

impl mutation::Digest for Order {
    fn of(&self, identity: &str) -> String {
        digest(&[self.operation, &self.arguments, identity])
    }
}

fn digest(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part.len().to_le_bytes());
        sha.update(part.as_bytes());
    }
    hexadecimal(&sha.finalize()[..16])
}

/// Bytes as people write them.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        use std::fmt::Write as _;
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    })
}

/// What a mutation came to.
#[derive(Clone, Debug)]
pub struct Changed<T> {
    /// The answer.
    pub answer: Answer<T>,
    /// The revision of the board after it.
    pub revision: u64,
    /// The name of the request.
    pub request_id: RequestId,
    /// What is worth saying.
    pub warnings: Vec<String>,
    /// True when it had been done before.
    pub replayed: bool,
    /// True when the pages do not show it yet.
    pub projection_behind: bool,
}

/// What a look found.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// The answer.
    pub answer: Answer<T>,
    /// The revision of the board that was looked at.
    pub revision: u64,
}

impl<T> Seen<T> {
    /// The same with another reply.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Seen<U> {
        let Answer { outcome, reply } = self.answer;
        Seen { answer: Answer { outcome, reply: map(reply) }, revision: self.revision }
    }
}

/// Names from the system's randomness.
struct Draw<'a>(&'a Entropy);

impl Names for Draw<'_> {
    fn session_id(&self) -> Result<SessionId, Refusal> {
        let hex = self.0.hex(6).map_err(|error| refusal(&error))?;
        Ok(format!("s-{hex}").parse().expect("hexadecimal is a slug"))
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
    /// The board's place. Refuses with `no_board`, `wrong_place` and their like.
    pub fn place(&self) -> Result<Place, Refusal> {
        Place::open(&locate::project(&self.settings)?, &self.settings)
    }

    /// This host. Refuses an id that is none.
    pub fn host(&self) -> Result<Host, Refusal> {
        let settings = &self.settings;
        let host = Host::this(settings.host_id.as_deref(), &settings.state, &settings.entropy)
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
        let host = self.host().map_err(unread)?;
        let request_id = self.request_id(order).map_err(unread)?;
        let mut first = None;
        let (place, committed) = {
            let (place, held) = self.locked(Share::Writer, &host).map_err(unread)?;
            let mut store = self.store(&place, &held).map_err(unread)?;
            let whole = self.whole(order, request_id.clone(), &place, &host).map_err(unread)?;
            let showing = |transaction: &dyn Transaction, committed: &Committed<T>| {
                // Somebody who waits for the lock shows what comes of both.
                if Self::pages_are_due(&place, committed) && !held.is_waited_for() {
                    let picture = self.picture_in(transaction, &place, &host).ok();
                    first = picture.and_then(|picture| Drawing::begin(picture, place.plan.join("templates")));
                }
            };
            // Who waits also looks by itself: a pulse that cannot be written only makes it slower.
            let ring = |told: &Pulse| drop(pulse::ring(&place, &self.settings, told, &host.id));
            let work = |turn: &mut Turn<'_>| {
                refuse_copy(&place, turn.board())?;
                work(turn)
            };
            let committed = mutation::commit(&mut store, &whole, &self.names(), work, showing, ring)?;
            drop(store);
            drop(held);
            (place, committed)
        };
        let mut warnings = committed.warnings.clone();
        let behind = self.show(&place, &host, &committed, first, &mut warnings);
        if let Some(policy) = committed.overfull
            && let Err(refused) = self.prune_by_policy(policy)
        {
            warnings.push(format!("old events could not be archived: {}", refused.refusal));
        }
        let Committed { answer, revision, replayed, .. } = committed;
        Ok(Changed { answer, revision, request_id, warnings, replayed, projection_behind: behind })
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
        let host = self.host().map_err(unread)?;
        let (place, held) = self.locked_to_read(&host).map_err(unread)?;
        let mut store = self.store(&place, &held).map_err(unread)?;
        let transaction = store.begin(Access::Read)?;
        let moment = self.own_moment(&host);
        let seen = Look::begin(&*transaction, caller, &moment).map_err(|refusal| {
            let revision = transaction.board().ok().map(|board| board.revision);
            Refused { refusal, revision }
        })?;
        let revision = seen.board().revision;
        refuse_copy(&place, seen.board()).map_err(|refusal| Refused { refusal, revision: Some(revision) })?;
        let answer = look(&seen, &place).map_err(|refusal| Refused { refusal, revision: Some(revision) })?;
        drop(seen);
        drop(transaction);
        drop(store);
        drop(held);
        Ok(Seen { answer, revision })
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
        let whole = self.whole(order, request_id, &place, &host).map_err(unread)?;
        let (answer, revision) = mutation::rehearse(&mut store, &whole, &self.names(), work)?;
        Ok(Seen { answer, revision })
    }

    pub(super) fn whole<'a>(
        &self,
        order: &'a Order,
        request_id: RequestId,
        place: &Place,
        host: &Host,
    ) -> Result<mutation::Order<'a>, Refusal> {
        Ok(mutation::Order {
            operation: order.operation,
            digest: order,
            caller: &order.caller,
            request_id,
            naming: if order.request_id.is_some() { Naming::Given } else { Naming::Drawn },
            expected_revision: order.expected_revision,
            moment: self.storage_moment(place, host)?,
            late: order.late.clone(),
        })
    }

    fn request_id(&self, order: &Order) -> Result<RequestId, Refusal> {
        order.request_id.clone().map_or_else(|| self.drawn(), Ok)
    }

    /// The name of a request that has none.
    pub(super) fn drawn(&self) -> Result<RequestId, Refusal> {
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
        let deadline = Deadline::after(self.settings.lock_timeout);
        for _ in 0..PLACE_TRIES {
            let place = Place::open(project, &self.settings)?;
            let held = locks::lock(&place, share, host, &self.settings, deadline)?;
            if place.is_current()? {
                return Ok((place, held));
            }
        }
        Err(Refusal::new(Code::WrongPlace, "the place file of the board changes again and again"))
    }

    /// The same for a look. After a crash the journal must be rolled back, which readers cannot do side by side.
    pub(super) fn locked_to_read(&self, host: &Host) -> Result<(Place, Held), Refusal> {
        let (place, held) = self.locked(Share::Readers, host)?;
        let journal = place.plan.join("coordination.db-journal");
        if std::fs::metadata(journal).is_ok_and(|meta| meta.len() > 0) {
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
        SqliteStore::open(&path, options, Self::guard(held)).map_err(|error| {
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
    pub(super) fn guard(held: &Held) -> Option<Guarded> {
        let fence = held.fence()?;
        Some(Arc::new(move || {
            if !fence.holds() {
                locks::leave_a_lost_lock();
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

fn lost(place: &Place) -> Refusal {
    let path = place.database();
    if place.internal().join("pulse").exists() {
        return Refusal::new(Code::BoardLost, format!("{} is gone", path.display()))
            .hint("callboard restore FILE, or callboard validate --repair, which looks for a backup itself");
    }
    Refusal::new(Code::NoBoard, format!("the board in {} was not finished", place.plan.display()))
        .hint("callboard init")
}
