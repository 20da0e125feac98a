//! A read of the board: the actor, the time and everything the store can answer, and no way to change it.

use super::caller::Caller;
use crate::domain::actor::Actor;
use crate::domain::board::Board;
use crate::domain::credential::Credential;
use crate::domain::id::{Module, SessionId};
use crate::domain::lease::Lease;
use crate::domain::lease_clock::{self, HostRecord};
use crate::domain::refusal::{Code, Holder, Refusal};
use crate::domain::task::Task;
use crate::domain::time::{Dial, Millis};
use crate::store::Transaction;

/// What a host knows about the time.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The host's random id.
    pub host: crate::domain::id::HostId,
    /// Which boot of it.
    pub boot: String,
    /// Its boot clock, in milliseconds.
    pub boot_clock: i64,
    /// For a write the storage's time, for a read the host's own.
    pub wall: Millis,
}

impl Moment {
    /// What this boot of the host recorded last.
    pub fn record(&self, store: &dyn Transaction) -> Result<Option<HostRecord>, Refusal> {
        Ok(store.host_record(&self.host, &self.boot)?)
    }
}

/// A read of the board.
pub struct Look<'a> {
    pub(super) store: &'a dyn Transaction,
    pub(super) board: Board,
    pub(super) actor: Actor,
    pub(super) credential: Credential,
    pub(super) dial: Dial,
    /// The time as this host has it. On a board that nobody changes the dial stands behind it.
    pub(super) host_wall: Millis,
}

impl<'a> Look<'a> {
    /// Looks at the board for `caller`. Refuses as [`Caller::resolve`] does.
    pub fn begin(store: &'a dyn Transaction, caller: &Caller, moment: &Moment) -> Result<Self, Refusal> {
        let board = store.board()?;
        let actor = caller.resolve(store)?;
        let dial = lease_clock::estimate(board.dial, moment.record(store)?, moment.wall, moment.boot_clock);
        Ok(Self { store, board, actor, credential: caller.credential.clone(), dial, host_wall: moment.wall })
    }

    /// The session that asks.
    pub fn session_id(&self) -> Option<&SessionId> {
        self.actor.session_id()
    }

    /// The board's own row.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Who holds a lease, and in which window.
    pub(super) fn holder_of(&self, lease: &Lease) -> Result<Holder, Refusal> {
        holder_of(self.store, lease, self.dial)
    }

    /// The task of this name; refuses with `unknown_module`.
    pub fn task(&self, module: &Module) -> Result<Task, Refusal> {
        known_task(self.store, module)
    }
}

/// Who holds a lease, and in which window.
pub(super) fn holder_of(store: &dyn Transaction, lease: &Lease, dial: Dial) -> Result<Holder, Refusal> {
    Ok(lease.holder(dial, store.session(&lease.session)?.as_ref()))
}

/// The task of this name; refuses with `unknown_module`.
pub(super) fn known_task(store: &dyn Transaction, module: &Module) -> Result<Task, Refusal> {
    store.task(module)?.ok_or_else(|| {
        Refusal::new(Code::UnknownModule, format!("there is no task {module}"))
            .hint("callboard tasks")
            .detail("module", module.as_str())
    })
}
