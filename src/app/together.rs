//! Several operations in one lock and one transaction: what a door with many callers does instead of one after another.
//!
//! Between [`App::begin_together`] and [`App::end_together`], every commit and every look of this [`App`] is a part of one
//! group. Each part succeeds or is refused by itself; nothing of it is durable, and nobody may be answered, before the
//! group has ended. An operation that needs the board more than once must run outside of a group, and is refused in one.
//!
//! **Invariants.** A storage that fails in one part fails the whole group, with the same refusal. What waiting processes are told is told once, after the commit, and pages are drawn once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::access::{App, unread};
use super::backup::refuse_copy;
use super::damage::judged;
use super::locks::Held;
use super::order::{Changed, Order, Seen};
use super::place::Place;
use super::pulse;
use crate::board::caller::Caller;
use crate::board::look::{Look, Moment};
use crate::board::mutation::{self, Answer, Committed, Pulse, Refused};
use crate::board::turn::{Rung, Turn};
use crate::domain::id::RequestId;
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::domain::retention::Retention;
use crate::platform::file_lock::Share;
use crate::platform::host::Host;
use crate::projection::refresh::Bundles;
use crate::projection::render::Drawing;
use crate::store::sqlite::SqliteStore;
use crate::store::{Access, Store as _};

/// A group that is open. Fields are dropped in this order: the database is closed before the lock is let go.
pub(super) struct Group {
    store: SqliteStore,
    held: Held,
    place: Place,
    host: Host,
    access: Access,
    moment: Moment,
    told: Vec<Pulse>,
    pages_are_due: bool,
    overfull: Option<Retention>,
    /// What the storage failed with, the first time it did: then nothing of the group can be committed.
    failed: Option<Refused>,
}

/// What a group came to.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// True when the pages do not show it yet.
    pub projection_behind: bool,
    /// What is worth saying to everybody who changed something.
    pub warnings: Vec<String>,
}

impl App {
    /// Begins a group of looks or of changes. Refuses with what the place, the lock and the storage can be refused for.
    pub fn begin_together(&self, access: Access) -> Result<(), Refused> {
        let host = self.host().map_err(unread)?;
        let (place, held) = match access {
            Access::Read => self.locked_to_read(&host),
            Access::Write => self.locked(Share::Writer, &host),
        }
        .map_err(unread)?;
        let mut store = self.store(&place, &held).map_err(unread)?;
        let moment = match access {
            Access::Read => self.own_moment(&host),
            Access::Write => self.storage_moment(&place, &host).map_err(unread)?,
        };
        store.begin_group(access)?;
        let (told, overfull) = (Vec::new(), None);
        let (pages_are_due, failed) = (false, None);
        let group = Group { store, held, place, host, access, moment, told, pages_are_due, overfull, failed };
        *self.group.borrow_mut() = Some(group);
        Ok(())
    }

    /// True when another process waits for the lock of the open group.
    pub fn others_wait(&self) -> bool {
        self.group.borrow().as_ref().is_some_and(|group| group.held.is_waited_for())
    }

    /// Makes durable what was done in the group, tells whoever waits, and shows it. After a refusal nothing of it was done.
    pub fn end_together(&self) -> Result<Ended, Refused> {
        let Some(mut group) = self.group.take() else { return Ok(Ended::default()) };
        if group.access == Access::Read {
            return Ok(Ended::default());
        }
        if let Some(failed) = group.failed.take() {
            return Err(failed);
        }
        let pulse = group.pulse();
        let mut first = None;
        // Somebody who waits for the lock shows what comes of both.
        if group.pages_are_due && !group.held.is_waited_for() {
            let transaction = group.store.begin(Access::Read)?;
            let picture = self.picture_in(&*transaction, &group.place, &group.host, Bundles::Missing).ok();
            first = picture.and_then(|picture| Drawing::begin(picture, self.templates(&group.place)));
        }
        group.store.end_group()?;
        let Group { store, held, place, host, pages_are_due, overfull, .. } = group;
        // Who waits also looks by itself: a pulse that cannot be written only makes it slower.
        if let Some(told) = &pulse {
            let _ = pulse::ring(&place, &self.settings, told, &host.id);
        }
        drop(store);
        drop(held);
        let mut ended = Ended::default();
        if let Some(pulse) = pulse.filter(|_| pages_are_due) {
            ended.projection_behind = self.show_pulse(&place, &host, &pulse, first, &mut ended.warnings);
        }
        self.prune_if_overfull(overfull, &mut ended.warnings);
        Ok(ended)
    }

    pub(super) fn is_together(&self) -> bool {
        self.group.borrow().is_some()
    }

    /// Refuses what needs a lock of its own while a group has it: it would wait for itself.
    pub(super) fn refuse_together(&self) -> Result<(), Refusal> {
        if self.is_together() {
            return Err(Refusal::new(Code::Internal, "this operation cannot be done together with others"));
        }
        Ok(())
    }

    pub(super) fn commit_together<T: Serialize + DeserializeOwned>(
        &self,
        order: &Order,
        request_id: RequestId,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Changed<T>, Refused> {
        let mut open = self.group.borrow_mut();
        let group = open.as_mut().expect("asked before");
        if group.access == Access::Read {
            return Err(unread(Refusal::new(Code::Internal, "this operation changes the board among looks")));
        }
        let whole = Self::whole(order, request_id.clone(), group.moment.clone());
        let told = std::cell::RefCell::new(Vec::new());
        let place = &group.place;
        let work = |turn: &mut Turn<'_>| {
            refuse_copy(place, turn.board())?;
            work(turn)
        };
        let tell = |pulse: &Pulse| told.borrow_mut().push(pulse.clone());
        let committed =
            judged(&mut group.store, |store| mutation::commit(store, &whole, &self.names(), work, |_, _| {}, tell));
        group.told.append(&mut told.into_inner());
        if let Err(refused) = &committed
            && refused.refusal.code.exit() == Exit::Place
        {
            group.failed.get_or_insert_with(|| refused.clone());
        }
        let committed = committed?;
        group.pages_are_due |= Self::pages_are_due(&group.place, &committed);
        group.overfull = committed.overfull.or(group.overfull);
        let Committed { answer, revision, session, warnings, replayed, refusal, .. } = committed;
        if let Some(refusal) = refusal {
            return Err(Refused { refusal, revision: Some(revision) });
        }
        Ok(Changed { answer, revision, request_id, session, warnings, replayed, projection_behind: false })
    }

    pub(super) fn look_together<T>(
        &self,
        caller: &Caller,
        look: impl FnOnce(&Look<'_>, &Place) -> Result<Answer<T>, Refusal>,
    ) -> Result<Seen<T>, Refused> {
        let mut open = self.group.borrow_mut();
        let Group { store, place, moment, .. } = open.as_mut().expect("asked before");
        judged(store, |store| Self::look_in(store, place, caller, moment, look))
    }
}

impl Group {
    /// What the parts told, as one.
    fn pulse(&mut self) -> Option<Pulse> {
        let parts = std::mem::take(&mut self.told);
        parts.into_iter().reduce(|before, now| {
            let rung = match (before.rung, now.rung) {
                (Rung::These(mut some), Rung::These(more)) => {
                    some.extend(more);
                    Rung::These(some)
                }
                _ => Rung::All,
            };
            Pulse { rung, ..now }
        })
    }
}
