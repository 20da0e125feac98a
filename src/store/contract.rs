//! The contract of a store, split by noun.
//!
//! **Transactions.** [`Store::begin`] gives one transaction; it sees one state of the board, and what it wrote itself.
//! [`Transaction::commit`] makes all of it durable or none of it; dropping it undoes everything. At most one writing
//! transaction runs at a time; the caller's lock sees to that, and an implementer that finds otherwise says `Busy` or
//! `Conflict`, it never merges. After an error the transaction is only good for being dropped.
//!
//! **Rows.** Reading what is not there is `None` or an empty list, never an error. `put_*` inserts or replaces by key.
//! An `update_*` of a row that is not as it was read is a `Conflict`. Lists come in the order that their method names,
//! and no more than `limit` of them.

use std::collections::BTreeMap;

use crate::domain::agent::Agent;
use crate::domain::attempt::{Attempt, AttemptKey};
use crate::domain::audit::{Finding, Mended};
use crate::domain::board::Board;
use crate::domain::cursor::Cursor;
use crate::domain::event::{Audience, Event, EventKind, Source};
use crate::domain::handoff::{Handoff, HandoffKey};
use crate::domain::id::{AgentId, CursorId, HostId, Module, RequestId, SessionId, Specialty, ThreadKey, WindowId};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::lease_clock::HostRecord;
use crate::domain::notice::{Notice, Resolved};
use crate::domain::preflight::{Confirmed, Preflight};
use crate::domain::question::{Question, QuestionEnd, QuestionId, QuestionStatus};
use crate::domain::scope::Scope;
use crate::domain::session::Session;
use crate::domain::task::{Task, TaskKey, TaskState, TaskTexts};
use crate::domain::time::{LeaseTime, Millis};
use crate::domain::verdict::Verdict;

use super::error::StoreError;

/// What came of a call.
pub type Kept<T> = Result<T, StoreError>;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// A place where one board is kept.
pub trait Store {
    /// Starts a transaction. A reader of a board of an older format is refused with `TooOld`; a writer brings it up to
    /// date. Both are refused with `TooNew` on a board of a newer format.
    fn begin(&mut self, access: Access) -> Kept<Box<dyn Transaction + '_>>;
}

/// One transaction. See the module for what it promises.
pub trait Transaction:
    Boards
    + Agents
    + Sessions
    + Tasks
    + Graph
    + Leases
    + Attempts
    + Events
    + Notices
    + Cursors
    + Archives
    + Questions
    + Handoffs
    + Preflights
    + Audits
    + Requests
{
    /// Makes everything durable. After an error of this call it is unknown whether it did.
    fn commit(self: Box<Self>) -> Kept<()>;
}

/// The board's own row, and the clocks of hosts.
pub trait Boards {
    /// The board.
    fn board(&self) -> Kept<Board>;
    /// Replaces the board's row.
    fn put_board(&mut self, board: &Board) -> Kept<()>;
    /// What this boot of this host recorded last.
    fn host_record(&self, host: &HostId, boot: &str) -> Kept<Option<HostRecord>>;
    /// Replaces the host's record, of whatever boot.
    fn put_host_record(&mut self, host: &HostId, boot: &str, record: HostRecord) -> Kept<()>;
}

/// Agents.
pub trait Agents {
    /// The agent of this id.
    fn agent(&self, id: &AgentId) -> Kept<Option<Agent>>;
    /// The agent of this key.
    fn agent_by_key(&self, key: &ThreadKey) -> Kept<Option<Agent>>;
    /// Inserts or replaces an agent.
    fn put_agent(&mut self, agent: &Agent) -> Kept<()>;
    /// Agents after this id, by id.
    fn agents(&self, after: Option<&AgentId>, limit: usize) -> Kept<Vec<Agent>>;
    /// How many there are.
    fn agent_count(&self) -> Kept<u64>;
}

/// Which sessions to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionsOf<'a> {
    /// All that have not ended, last heard of first.
    Live,
    /// All that ended, last heard of first.
    Ended,
    /// Those of an agent that have not ended, last heard of first.
    Agent(&'a AgentId),
    /// Those that have not ended and were last heard of before this, longest silent first.
    SilentSince(Millis),
}

/// Sessions.
pub trait Sessions {
    /// The session of this id.
    fn session(&self, id: &SessionId) -> Kept<Option<Session>>;
    /// The newest session of a window, ended or not.
    fn window(&self, agent: &AgentId, host: &str, window: &WindowId) -> Kept<Option<Session>>;
    /// The session before this one in the same window.
    fn session_before(&self, session: &Session) -> Kept<Option<Session>>;
    /// Inserts or replaces a session. Two live ones in one window are an error.
    fn put_session(&mut self, session: &Session) -> Kept<()>;
    /// Sessions, in the order that `which` names.
    fn sessions(&self, which: SessionsOf<'_>, limit: usize) -> Kept<Vec<Session>>;
    /// How many have not ended.
    fn live_session_count(&self) -> Kept<u64>;
}

/// Which tasks to list. What is none does not limit.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// In this state.
    pub state: Option<TaskState>,
    /// Of this specialty.
    pub specialty: Option<Specialty>,
    /// Held by this agent, working or reviewing, or held by it last while nobody claimed since.
    pub held_by: Option<AgentId>,
    /// Open with every dependency done.
    pub ready: bool,
    /// With this label.
    pub label: Option<(String, String)>,
}

/// An order of offered tasks: best score first, of equals the older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers<'a> {
    /// All of them.
    All,
    /// Those that ask for no specialty.
    Free,
    /// Those of one specialty.
    Of(&'a Specialty),
}

/// A place in an order of offered tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferPlace {
    /// The score of the last one seen.
    pub score: i64,
    /// Its key.
    pub key: TaskKey,
}

/// Whose submissions to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkOf<'a> {
    /// Everybody's.
    #[default]
    Anybody,
    /// Those of this agent.
    Only(&'a AgentId),
    /// All but those of this agent.
    AllBut(&'a AgentId),
}

/// Which tasks in review to list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReviewFilter<'a> {
    /// Whose work.
    pub work_of: WorkOf<'a>,
    /// Of this specialty; none does not limit.
    pub specialty: Option<&'a Specialty>,
}

/// A place in the order of tasks in review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReviewPlace {
    /// The priority of the last one seen.
    pub priority: u8,
    /// When it changed last.
    pub changed_at: Millis,
    /// Its key.
    pub key: TaskKey,
}

/// Labels of a task.
pub type Labels = BTreeMap<String, String>;

/// Tasks.
pub trait Tasks {
    /// The task of this name.
    fn task(&self, module: &Module) -> Kept<Option<Task>>;
    /// The task of this key.
    fn task_by_key(&self, key: TaskKey) -> Kept<Option<Task>>;
    /// The long texts of a task.
    fn texts(&self, key: TaskKey) -> Kept<TaskTexts>;
    /// Adds a task; its key is given by the store and is higher than all before. A name that exists is a `Conflict`.
    fn insert_task(&mut self, task: &Task, texts: &TaskTexts) -> Kept<TaskKey>;
    /// Replaces a task that is still at revision `task.revision - 1`.
    fn update_task(&mut self, task: &Task) -> Kept<()>;
    /// Replaces the labels that a task is found by, once its row has the new ones.
    fn relabel(&mut self, key: TaskKey, old: &Labels, new: &Labels) -> Kept<()>;
    /// Replaces the long texts of a task.
    fn put_texts(&mut self, key: TaskKey, texts: &TaskTexts) -> Kept<()>;
    /// Tasks after this key, oldest first.
    fn tasks(&self, filter: &TaskFilter, after: Option<TaskKey>, limit: usize) -> Kept<Vec<Task>>;
    /// Tasks that are offered, in the order of `offers`, after a place in it.
    fn offers(&self, offers: Offers<'_>, after: Option<OfferPlace>, limit: usize) -> Kept<Vec<Task>>;
    /// Tasks in review after a place, most urgent first, of equals the one that changed first.
    fn reviews(&self, filter: ReviewFilter<'_>, after: Option<ReviewPlace>, limit: usize) -> Kept<Vec<Task>>;
    /// Tasks that wait for something other than an answer, oldest first.
    fn paused(&self, limit: usize) -> Kept<Vec<Task>>;
    /// The specialties of offered tasks, each once, by name.
    fn offered_specialties(&self, limit: usize) -> Kept<Vec<Specialty>>;
    /// Tasks reserved for an agent, oldest first; not those that it released.
    fn reserved_for(&self, agent: &AgentId, limit: usize) -> Kept<Vec<Task>>;
    /// The first end after `now` of a time for which a task is kept.
    fn next_reservation(&self, now: LeaseTime) -> Kept<Option<LeaseTime>>;
    /// Tasks in a final state, last changed first.
    fn finished(&self, limit: usize) -> Kept<Vec<Task>>;
    /// Failed and cancelled tasks that others still wait for, oldest first.
    fn stranding(&self, limit: usize) -> Kept<Vec<Task>>;
}

/// What the ranking needs of a neighbour in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its key.
    pub key: TaskKey,
    /// Its name.
    pub module: Module,
    /// Its state.
    pub state: TaskState,
    /// Its critical path.
    pub critical_path: u32,
}

/// Dependencies.
pub trait Graph {
    /// What a task depends on, oldest first.
    fn dependencies(&self, task: TaskKey) -> Kept<Vec<Neighbour>>;
    /// What depends on a task, oldest first.
    fn dependents(&self, task: TaskKey) -> Kept<Vec<Neighbour>>;
    /// Adds an edge; false if it was there.
    fn add_dependency(&mut self, task: TaskKey, needs: TaskKey) -> Kept<bool>;
    /// Removes an edge; false if it was not there.
    fn remove_dependency(&mut self, task: TaskKey, needs: TaskKey) -> Kept<bool>;
}

/// Which leases to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeasesOf<'a> {
    /// All, those that run out first first.
    All,
    /// Those of an agent, oldest task first.
    Agent(&'a AgentId),
    /// Those of a session, oldest task first.
    Session(&'a SessionId),
    /// Those that ran out by then and are not marked as lapsed, first run out first.
    Overdue(LeaseTime),
    /// Those marked as lapsed, oldest task first.
    Lapsed,
}

/// What a session may change while others keep off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldScopes {
    /// The work lease.
    pub lease: Lease,
    /// The paths of its task; at least one.
    pub scopes: Vec<Scope>,
}

/// Leases.
pub trait Leases {
    /// The lease of a task.
    fn lease(&self, task: TaskKey, kind: LeaseKind) -> Kept<Option<Lease>>;
    /// Inserts or replaces the lease of a task and kind.
    fn put_lease(&mut self, lease: &Lease) -> Kept<()>;
    /// Removes it; it must be there.
    fn remove_lease(&mut self, task: TaskKey, kind: LeaseKind) -> Kept<()>;
    /// Leases, in the order that `which` names.
    fn leases(&self, which: LeasesOf<'_>, limit: usize) -> Kept<Vec<Lease>>;
    /// The paths of all work leases that have not lapsed and have some, oldest task first.
    fn held_scopes(&self) -> Kept<Vec<HeldScopes>>;
    /// When the next lease that has not lapsed runs out.
    fn next_deadline(&self) -> Kept<Option<LeaseTime>>;
}

/// Attempts and verdicts.
pub trait Attempts {
    /// The attempt of this key.
    fn attempt(&self, key: AttemptKey) -> Kept<Option<Attempt>>;
    /// Adds an attempt; its key is given by the store.
    fn insert_attempt(&mut self, attempt: &Attempt) -> Kept<AttemptKey>;
    /// Replaces an attempt.
    fn update_attempt(&mut self, attempt: &Attempt) -> Kept<()>;
    /// The attempts of a task, newest first.
    fn attempts(&self, task: TaskKey, limit: usize) -> Kept<Vec<Attempt>>;
    /// How many attempts of a task were a try: [`Outcome::is_try`](crate::domain::attempt::Outcome::is_try).
    fn tries(&self, task: TaskKey) -> Kept<u32>;
    /// The scopes of tasks other than `but` that were worked on at `since` or later: attempts that go on, and those that
    /// ended last, at most `limit` tasks.
    fn scopes_since(&self, but: TaskKey, since: Millis, limit: usize) -> Kept<Vec<Scope>>;
    /// True when a task other than `but` was worked on at `since` or later, with scopes or without.
    fn was_worked_on_since(&self, but: TaskKey, since: Millis) -> Kept<bool>;
    /// Adds a verdict on a task.
    fn add_verdict(&mut self, task: TaskKey, verdict: &Verdict) -> Kept<()>;
    /// The verdicts on a task, newest first.
    fn verdicts(&self, task: TaskKey, limit: usize) -> Kept<Vec<Verdict>>;
}

/// Events.
pub trait Events {
    /// Appends an event; its number must be new. With an audience it is an unresolved notice too.
    fn append_event(&mut self, event: &Event) -> Kept<()>;
    /// Events after this number, in order.
    fn events(&self, after: u64, limit: usize) -> Kept<Vec<Event>>;
    /// The events about a task, newest first.
    fn events_about(&self, module: &Module, limit: usize) -> Kept<Vec<Event>>;
    /// Removes the events up to this number, and those of their notices that are resolved. Says how many events there were.
    fn remove_events(&mut self, through: u64) -> Kept<u64>;
}

/// Which notices to list. What is none or false does not limit.
#[derive(Clone, Debug, Default)]
pub struct NoticeFilter {
    /// From this source.
    pub source: Option<Source>,
    /// About this task.
    pub module: Option<Module>,
    /// Of this kind.
    pub kind: Option<EventKind>,
    /// This urgent or more: 0 is most urgent.
    pub priority: Option<u8>,
    /// Only what has an audience.
    pub notified: bool,
    /// Only what is for one of these,
    pub audiences: Option<Vec<Audience>>,
    /// and, where audiences are named, reviews that wait for one of these.
    pub reserved_reviews: Vec<Audience>,
    /// Only what is unresolved.
    pub unresolved: bool,
}

/// Events with their status, and what calls somebody.
pub trait Notices {
    /// Notices after this number, in order.
    fn notices(&self, filter: &NoticeFilter, after: u64, limit: usize) -> Kept<Vec<Notice>>;
    /// What is unresolved, most urgent first, then in order.
    fn urgent_notices(&self, limit: usize) -> Kept<Vec<Notice>>;
    /// The audiences that begin with this text and ever had a notice that is kept, each once, by name.
    fn audiences(&self, prefix: &str, limit: usize) -> Kept<Vec<Audience>>;
    /// The number and kind of what is unresolved about a task, in order.
    fn unresolved_about(&self, module: &Module, limit: usize) -> Kept<Vec<(u64, EventKind)>>;
    /// Resolves a notice; false if it was resolved, or is not there.
    fn resolve(&mut self, seq: u64, resolved: Resolved) -> Kept<bool>;
}

/// Named readers.
pub trait Cursors {
    /// The cursor of this name.
    fn cursor(&self, id: &CursorId) -> Kept<Option<Cursor>>;
    /// Inserts or replaces a cursor.
    fn put_cursor(&mut self, cursor: &Cursor) -> Kept<()>;
    /// Cursors, last moved first.
    fn cursors(&self, limit: usize) -> Kept<Vec<Cursor>>;
}

/// An archive of events: a file, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The number of its first event.
    pub first: u64,
    /// The number of its last.
    pub last: u64,
    /// The name of its file.
    pub name: String,
    /// The SHA-256 of its content, in hexadecimal.
    pub sha256: String,
    /// Its length, in bytes.
    pub bytes: u64,
    /// When it was made.
    pub at: Millis,
}

/// Archives of events.
pub trait Archives {
    /// Records an archive; its first number must be new.
    fn add_archive(&mut self, archive: &Archive) -> Kept<()>;
    /// The archive of this name.
    fn archive(&self, name: &str) -> Kept<Option<Archive>>;
    /// Archives whose last event is after this number, in order.
    fn archives(&self, after: u64, limit: usize) -> Kept<Vec<Archive>>;
}

/// Which questions to list. What is none does not limit.
#[derive(Clone, Debug, Default)]
pub struct QuestionFilter {
    /// Where it stands.
    pub status: Option<QuestionStatus>,
    /// Who is asked.
    pub audience: Option<Audience>,
    /// About this task.
    pub task: Option<TaskKey>,
}

/// Questions.
pub trait Questions {
    /// The question of this name.
    fn question(&self, id: QuestionId) -> Kept<Option<Question>>;
    /// Adds a question; its name is given by the store and is higher than all before.
    fn insert_question(&mut self, question: &Question) -> Kept<QuestionId>;
    /// Ends a question that is open.
    fn end_question(&mut self, id: QuestionId, end: &QuestionEnd) -> Kept<()>;
    /// Questions after this one, oldest first.
    fn questions(&self, filter: &QuestionFilter, after: Option<QuestionId>, limit: usize) -> Kept<Vec<Question>>;
}

/// Handoffs.
pub trait Handoffs {
    /// The handoff of a task that waits for somebody or for a receipt.
    fn live_handoff(&self, task: TaskKey) -> Kept<Option<Handoff>>;
    /// Adds a handoff with its bundle; its key is given by the store and is higher than all before.
    fn insert_handoff(&mut self, handoff: &Handoff, bundle: &str) -> Kept<HandoffKey>;
    /// Replaces a handoff, but not its bundle.
    fn update_handoff(&mut self, handoff: &Handoff) -> Kept<()>;
    /// The bundle of a handoff.
    fn bundle(&self, key: HandoffKey) -> Kept<Option<String>>;
    /// Those that wait for somebody or for a receipt, newest first.
    fn live_handoffs(&self, limit: usize) -> Kept<Vec<Handoff>>;
    /// The same from the oldest on, after this one.
    fn oldest_handoffs(&self, after: Option<HandoffKey>, limit: usize) -> Kept<Vec<Handoff>>;
    /// All of them, of a task if one is named, newest first, before this one.
    fn handoffs(&self, task: Option<TaskKey>, before: Option<HandoffKey>, limit: usize) -> Kept<Vec<Handoff>>;
}

/// What the team said of itself, and the places that were confirmed.
pub trait Preflights {
    /// What was said last.
    fn preflight(&self) -> Kept<Option<Preflight>>;
    /// Replaces it.
    fn put_preflight(&mut self, preflight: &Preflight) -> Kept<()>;
    /// What was confirmed last for a working tree of a host.
    fn confirmation(&self, host: &str, workspace: &str) -> Kept<Option<Confirmed>>;
    /// All of them, newest first.
    fn confirmations(&self, limit: usize) -> Kept<Vec<Confirmed>>;
    /// Inserts or replaces what was confirmed for a working tree.
    fn put_confirmation(&mut self, confirmed: &Confirmed) -> Kept<()>;
}

/// Whether rows are as every mutation leaves them.
pub trait Audits {
    /// What the backend's own check of the file finds, at most `limit` of it.
    fn integrity(&self, limit: usize) -> Kept<Vec<Finding>>;
    /// Rules that rows break, at most `limit` of each. Rows that cannot be read come alone: the rest is asked afterwards.
    fn findings(&self, limit: usize) -> Kept<Vec<Finding>>;
    /// Mends what has a remedy.
    fn mend(&mut self) -> Kept<Mended>;
}

/// A mutation that was committed, with its first answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its name.
    pub id: RequestId,
    /// A digest of the operation, its arguments, the actor and the session.
    pub digest: String,
    /// The answer, as JSON.
    pub reply: String,
    /// The revision of the board after it.
    pub revision: u64,
    /// When.
    pub at: Millis,
}

/// Requests that were committed.
pub trait Requests {
    /// The request of this id.
    fn request(&self, id: &RequestId) -> Kept<Option<Request>>;
    /// Keeps a request; its id must be new.
    fn keep_request(&mut self, request: &Request) -> Kept<()>;
    /// Forgets requests older than this, at most `limit` of them.
    fn forget_requests(&mut self, before: Millis, limit: usize) -> Kept<()>;
}
