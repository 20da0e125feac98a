//! A store that fails or dies at a chosen call, wrapped around a real one.
//!
//! Every call of a transaction counts, and so do its beginning and its end. At the chosen one the store either fails,
//! as a disk does, or dies, as a process does: the thread unwinds and nothing but what was committed remains. Both
//! happen before the call or after it was done; after a commit nobody knows whether it was.

use std::cell::Cell;
use std::panic::resume_unwind;

use super::contract::{
    Access, Agents, Archive, Archives, Attempts, Audits, Boards, Cursors, Events, Graph, Handoffs, HeldScopes, Kept,
    Labels, Leases, LeasesOf, Neighbour, NoticeFilter, Notices, OfferPlace, Offers, Preflights, QuestionFilter,
    Questions, Request, Requests, ReviewFilter, ReviewPlace, Sessions, SessionsOf, Store, TaskFilter, Tasks,
    Transaction,
};
use super::error::StoreError;
use crate::domain::agent::Agent;
use crate::domain::attempt::{Attempt, AttemptKey};
use crate::domain::audit::{Finding, Mended};
use crate::domain::board::Board;
use crate::domain::cursor::Cursor;
use crate::domain::event::{Audience, Event, EventKind};
use crate::domain::handoff::{Handoff, HandoffKey};
use crate::domain::id::{AgentId, CursorId, HostId, Module, RequestId, SessionId, Specialty, ThreadKey, WindowId};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::lease_clock::HostRecord;
use crate::domain::notice::{Notice, Resolved};
use crate::domain::preflight::{Confirmed, Preflight};
use crate::domain::question::{Question, QuestionEnd, QuestionId};
use crate::domain::scope::Scope;
use crate::domain::session::Session;
use crate::domain::task::{Task, TaskKey, TaskTexts};
use crate::domain::time::{LeaseTime, Millis};
use crate::domain::verdict::Verdict;

/// What happens at the chosen call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and was not done.
    FailBefore,
    /// It fails, and was done.
    FailAfter,
    /// The process dies, and it was not done.
    DieBefore,
    /// The process dies, and it was done.
    DieAfter,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::FailBefore, Self::FailAfter, Self::DieBefore, Self::DieAfter];
}

/// What a thread unwinds with when its process dies.
#[derive(Debug)]
pub(crate) struct Died;

/// A store that counts its calls, and has a fault at one of them.
pub(crate) struct Faulty<S> {
    inner: S,
    script: Script,
}

#[derive(Default)]
struct Script {
    calls: Cell<usize>,
    fault: Option<(usize, Fault)>,
}

impl<S> Faulty<S> {
    /// A store without a fault, to count calls.
    pub(crate) fn counting(inner: S) -> Self {
        Self { inner, script: Script::default() }
    }

    /// A store with a fault at its call number `at`, from 1.
    pub(crate) fn at(inner: S, at: usize, fault: Fault) -> Self {
        Self { inner, script: Script { calls: Cell::new(0), fault: Some((at, fault)) } }
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> usize {
        self.script.calls.get()
    }
}

impl Script {
    fn call<T>(&self, call: impl FnOnce() -> Kept<T>) -> Kept<T> {
        self.calls.set(self.calls.get() + 1);
        let fault = self.fault.filter(|(at, _)| *at == self.calls.get()).map(|(_, fault)| fault);
        match fault {
            Some(Fault::FailBefore) => return Err(StoreError::Io("a fault was injected".into())),
            Some(Fault::DieBefore) => resume_unwind(Box::new(Died)),
            _ => {}
        }
        let answer = call()?;
        match fault {
            Some(Fault::FailAfter) => Err(StoreError::Io("a fault was injected".into())),
            Some(Fault::DieAfter) => resume_unwind(Box::new(Died)),
            _ => Ok(answer),
        }
    }
}

impl<S: Store> Store for Faulty<S> {
    fn begin(&mut self, access: Access) -> Kept<Box<dyn Transaction + '_>> {
        let Self { inner, script } = self;
        let inner = script.call(|| inner.begin(access))?;
        Ok(Box::new(FaultyTransaction { inner, script }))
    }
}

struct FaultyTransaction<'a> {
    inner: Box<dyn Transaction + 'a>,
    script: &'a Script,
}

impl Transaction for FaultyTransaction<'_> {
    fn commit(self: Box<Self>) -> Kept<()> {
        let Self { inner, script } = *self;
        script.call(|| inner.commit())
    }
}

/// Passes each call on, through the script.
macro_rules! pass_on {
    ($($trait:ident { $($how:ident $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)+ })+) => {
        $(impl $trait for FaultyTransaction<'_> {
            $(pass_on!(@ $how $name($($arg: $type),*) -> $out);)+
        })+
    };
    (@ look $name:ident($($arg:ident: $type:ty),*) -> $out:ty) => {
        fn $name(&self, $($arg: $type),*) -> Kept<$out> {
            self.script.call(|| self.inner.$name($($arg),*))
        }
    };
    (@ change $name:ident($($arg:ident: $type:ty),*) -> $out:ty) => {
        fn $name(&mut self, $($arg: $type),*) -> Kept<$out> {
            let Self { inner, script } = self;
            script.call(|| inner.$name($($arg),*))
        }
    };
}

pass_on! {
    Boards {
        look board() -> Board;
        change put_board(board: &Board) -> ();
        look host_record(host: &HostId, boot: &str) -> Option<HostRecord>;
        change put_host_record(host: &HostId, boot: &str, record: HostRecord) -> ();
    }
    Agents {
        look agent(id: &AgentId) -> Option<Agent>;
        look agent_by_key(key: &ThreadKey) -> Option<Agent>;
        change put_agent(agent: &Agent) -> ();
        look agents(after: Option<&AgentId>, limit: usize) -> Vec<Agent>;
        look agent_count() -> u64;
    }
    Sessions {
        look session(id: &SessionId) -> Option<Session>;
        look window(agent: &AgentId, host: &str, window: &WindowId) -> Option<Session>;
        look session_before(session: &Session) -> Option<Session>;
        change put_session(session: &Session) -> ();
        look sessions(which: SessionsOf<'_>, limit: usize) -> Vec<Session>;
        look live_session_count() -> u64;
    }
    Tasks {
        look task(module: &Module) -> Option<Task>;
        look task_by_key(key: TaskKey) -> Option<Task>;
        look texts(key: TaskKey) -> TaskTexts;
        change insert_task(task: &Task, texts: &TaskTexts) -> TaskKey;
        change update_task(task: &Task) -> ();
        change relabel(key: TaskKey, old: &Labels, new: &Labels) -> ();
        change put_texts(key: TaskKey, texts: &TaskTexts) -> ();
        look tasks(filter: &TaskFilter, after: Option<TaskKey>, limit: usize) -> Vec<Task>;
        look offers(offers: Offers<'_>, after: Option<OfferPlace>, limit: usize) -> Vec<Task>;
        look reviews(filter: ReviewFilter<'_>, after: Option<ReviewPlace>, limit: usize) -> Vec<Task>;
        look paused(limit: usize) -> Vec<Task>;
        look offered_specialties(limit: usize) -> Vec<Specialty>;
        look reserved_for(agent: &AgentId, limit: usize) -> Vec<Task>;
        look next_reservation(now: LeaseTime) -> Option<LeaseTime>;
        look finished(limit: usize) -> Vec<Task>;
        look stranding(limit: usize) -> Vec<Task>;
    }
    Graph {
        look dependencies(task: TaskKey) -> Vec<Neighbour>;
        look dependents(task: TaskKey) -> Vec<Neighbour>;
        change add_dependency(task: TaskKey, needs: TaskKey) -> bool;
        change remove_dependency(task: TaskKey, needs: TaskKey) -> bool;
    }
    Leases {
        look lease(task: TaskKey, kind: LeaseKind) -> Option<Lease>;
        change put_lease(lease: &Lease) -> ();
        change remove_lease(task: TaskKey, kind: LeaseKind) -> ();
        look leases(which: LeasesOf<'_>, limit: usize) -> Vec<Lease>;
        look held_scopes() -> Vec<HeldScopes>;
        look next_deadline() -> Option<LeaseTime>;
    }
    Attempts {
        look attempt(key: AttemptKey) -> Option<Attempt>;
        change insert_attempt(attempt: &Attempt) -> AttemptKey;
        change update_attempt(attempt: &Attempt) -> ();
        look attempts(task: TaskKey, limit: usize) -> Vec<Attempt>;
        look tries(task: TaskKey) -> u32;
        look scopes_since(but: TaskKey, since: Millis, limit: usize) -> Vec<Scope>;
        look was_worked_on_since(but: TaskKey, since: Millis) -> bool;
        change add_verdict(task: TaskKey, verdict: &Verdict) -> ();
        look verdicts(task: TaskKey, limit: usize) -> Vec<Verdict>;
    }
    Events {
        change append_event(event: &Event) -> ();
        look events(after: u64, limit: usize) -> Vec<Event>;
        look events_about(module: &Module, limit: usize) -> Vec<Event>;
        change remove_events(through: u64) -> u64;
    }
    Notices {
        look notices(filter: &NoticeFilter, after: u64, limit: usize) -> Vec<Notice>;
        look urgent_notices(limit: usize) -> Vec<Notice>;
        look audiences(prefix: &str, limit: usize) -> Vec<Audience>;
        look unresolved_about(module: &Module, limit: usize) -> Vec<(u64, EventKind)>;
        change resolve(seq: u64, resolved: Resolved) -> bool;
    }
    Cursors {
        look cursor(id: &CursorId) -> Option<Cursor>;
        change put_cursor(cursor: &Cursor) -> ();
        look cursors(limit: usize) -> Vec<Cursor>;
    }
    Archives {
        change add_archive(archive: &Archive) -> ();
        look archive(name: &str) -> Option<Archive>;
        look archives(after: u64, limit: usize) -> Vec<Archive>;
    }
    Questions {
        look question(id: QuestionId) -> Option<Question>;
        change insert_question(question: &Question) -> QuestionId;
        change end_question(id: QuestionId, end: &QuestionEnd) -> ();
        look questions(filter: &QuestionFilter, after: Option<QuestionId>, limit: usize) -> Vec<Question>;
    }
    Handoffs {
        look live_handoff(task: TaskKey) -> Option<Handoff>;
        change insert_handoff(handoff: &Handoff, bundle: &str) -> HandoffKey;
        change update_handoff(handoff: &Handoff) -> ();
        look bundle(key: HandoffKey) -> Option<String>;
        look live_handoffs(limit: usize) -> Vec<Handoff>;
        look oldest_handoffs(after: Option<HandoffKey>, limit: usize) -> Vec<Handoff>;
        look handoffs(task: Option<TaskKey>, before: Option<HandoffKey>, limit: usize) -> Vec<Handoff>;
    }
    Preflights {
        look preflight() -> Option<Preflight>;
        change put_preflight(preflight: &Preflight) -> ();
        look confirmation(host: &str, workspace: &str) -> Option<Confirmed>;
        look confirmations(limit: usize) -> Vec<Confirmed>;
        change put_confirmation(confirmed: &Confirmed) -> ();
    }
    Audits {
        look integrity(limit: usize) -> Vec<Finding>;
        look findings(limit: usize) -> Vec<Finding>;
        change mend() -> Mended;
    }
    Requests {
        look request(id: &RequestId) -> Option<Request>;
        change keep_request(request: &Request) -> ();
        change forget_requests(before: Millis, limit: usize) -> ();
    }
}
