//! The frame around every mutation, in the order of the contract: replay, revision, session, expiry, then the use-case,
//! rows, events, revision, commit.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::caller::Caller;
use super::look::Moment;
use super::replay::{KeptReply, replay};
use super::turn::{Finished, Names, Rung, Touched, Turn};
use crate::domain::board::Board;
use crate::domain::event::{Event, EventKind, Source};
use crate::domain::id::{Module, RequestId, SessionId};
use crate::domain::lease_clock::{self, RECORD_AFTER_MS, REPORTED_CUT_MS, Tick};
use crate::domain::refusal::{Code, Exit, Refusal};
use crate::domain::retention::{ASKED_EVERY, Retention};
use crate::domain::time::{LeaseTime, Millis};
use crate::store::contract::Request;
use crate::store::{Access, Store, StoreError, Transaction};

/// How long a request is remembered, in milliseconds.
const REQUESTS_KEPT_MS: i64 = 7 * 24 * 3600 * 1000;
/// Old requests are forgotten at every so many revisions,
const FORGET_EVERY: u64 = 32;
/// so many at once: more than were added since, few enough to cost little.
const REQUESTS_FORGOTTEN: usize = 64;
/// Whose late result it may be is looked for among so many attempts, newest first.
const ATTEMPTS_ASKED: usize = 100;

/// What a mutation is called with.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The operation's name.
    pub operation: &'static str,
    /// A digest of the operation and its arguments.
    pub digest: &'a dyn Digest,
    /// Who calls.
    pub caller: &'a Caller,
    /// The name of this request.
    pub request_id: RequestId,
    /// Whether somebody may have used that name before.
    pub naming: Naming,
    /// The revision that the board must have.
    pub expected_revision: Option<u64>,
    /// The time, as this host sees it under the lock.
    pub moment: Moment,
    /// What is kept in the task's history if the lease or the session turns out to be gone.
    pub late: Option<LateResult>,
}

/// Where the name of a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// The caller gave it, and may be repeating itself.
    Given,
    /// It was drawn just now.
    Drawn,
}

/// A result that came after its lease was gone.
#[derive(Clone, Debug)]
pub struct LateResult {
    /// The task it is about.
    pub module: Module,
    /// What was tried and said.
    pub data: Map<String, Value>,
}

/// Makes a digest of what was asked.
pub trait Digest: std::fmt::Debug {
    /// The digest of the operation, its arguments, and who asks.
    fn of(&self, identity: &str) -> String;
}

/// What a use-case answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done, or found.
    Done,
    /// There is nothing to do now.
    Nothing,
    /// There is nothing to do, and never will be: the board is complete.
    Complete,
}

/// A use-case's reply with its outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer<T> {
    /// The outcome.
    pub outcome: Outcome,
    /// The reply.
    pub reply: T,
}

impl<T> Answer<T> {
    /// It was done.
    pub fn done(reply: T) -> Self {
        Self { outcome: Outcome::Done, reply }
    }
}

/// A mutation that was committed, or a replay of one.
#[derive(Clone, Debug)]
pub struct Committed<T> {
    /// The answer.
    pub answer: Answer<T>,
    /// The revision that it gave the board.
    pub revision: u64,
    /// The session that acted.
    pub session: Option<SessionId>,
    /// What is worth saying.
    pub warnings: Vec<String>,
    /// True when it had been done before.
    pub replayed: bool,
    /// How much it changed.
    pub touched: Touched,
    /// When, by the storage's clock.
    pub at: Millis,
    /// What waiting processes are told.
    pub pulse: Option<Pulse>,
    /// How many events are kept, where so many more are there that it is time to prune.
    pub overfull: Option<Retention>,
    /// What the caller is refused with although this was committed.
    pub refusal: Option<Refusal>,
}

/// Events that grow old are looked for every N revisions.
const AGE_ASKED_EVERY: u64 = 64;

/// The board's policy, if a mutation after which the board is so has to see to it.
fn overfull(board: &Board, seq_before: u64) -> Option<Retention> {
    let policy = board.retention;
    let many = board.event_seq / ASKED_EVERY != seq_before / ASKED_EVERY
        && policy.is_due(board.pruned_through, board.event_seq);
    let old = policy.max_age_days.is_some() && board.revision.is_multiple_of(AGE_ASKED_EVERY);
    (many || old).then_some(policy)
}

/// What waiting processes are told after a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The board's generation.
    pub generation: String,
    /// Its revision.
    pub revision: u64,
    /// Its presence.
    pub presence: u64,
    /// The newest event.
    pub event_seq: u64,
    /// When the next lease runs out.
    pub next_deadline: Option<LeaseTime>,
    /// Whom it may concern.
    pub rung: Rung,
}

impl Pulse {
    /// The pulse of a board after a change that may concern whoever was `rung`.
    pub fn of(board: &Board, next_deadline: Option<LeaseTime>, rung: Rung) -> Self {
        Self {
            generation: board.generation.clone(),
            revision: board.revision,
            presence: board.presence,
            event_seq: board.event_seq,
            next_deadline,
            rung,
        }
    }
}

/// A refusal with the revision of the board that it is about.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The refusal.
    pub refusal: Refusal,
    /// The revision; none where no board could be read.
    pub revision: Option<u64>,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self { refusal: error.into(), revision: None }
    }
}

/// Does `work` in one transaction and commits it, or answers a request that was done before with its first reply.
///
/// A refusal undoes everything. A result that came too late is then recorded by itself.
///
/// `before_commit` sees the board as it will be when the commit has worked; what it does there must not last long, and is
/// void if the commit fails. `ring` is told of every commit, also of what is recorded about a refusal.
pub fn commit<T: Serialize + DeserializeOwned>(
    store: &mut dyn Store,
    order: &Order<'_>,
    names: &dyn Names,
    work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
    before_commit: impl FnOnce(&dyn Transaction, &Committed<T>),
    ring: impl Fn(&Pulse),
) -> Result<Committed<T>, Refused> {
    let mut transaction = store.begin(Access::Write)?;
    let board = transaction.board()?;
    let (revision, recorded_at) = (board.revision, board.dial.wall);
    let refused = |refusal| Refused { refusal, revision: Some(revision) };
    match attempt(&mut *transaction, order, names, board, work) {
        Ok(Done::New(committed)) => {
            before_commit(&*transaction, &committed);
            transaction.commit()?;
            committed.pulse.iter().for_each(ring);
            Ok(committed)
        }
        Ok(Done::Unchanged(committed)) => {
            committed.pulse.iter().for_each(ring);
            Ok(committed)
        }
        Err(refusal) => {
            drop(transaction);
            // What fails here must not hide the refusal itself.
            let mut said = None;
            if matches!(refusal.code, Code::StaleLease | Code::StaleSession)
                && let Some(late) = &order.late
            {
                match record_late(store, order, late) {
                    Ok(pulse) => {
                        pulse.iter().for_each(&ring);
                        said = pulse.map(|_| "what you said is kept in the history of the task".to_owned());
                    }
                    Err(error) => said = Some(format!("your result could not be kept: {}", error.refusal.message)),
                }
            }
            // Else a board on which everything is refused would stand still, and nothing on it would ever run out.
            let by_rule = matches!(refusal.code.exit(), Exit::Refused | Exit::Taken | Exit::Stale);
            if by_rule && order.moment.wall.since(recorded_at).abs() >= RECORD_AFTER_MS {
                match record_clock(store, order) {
                    Ok(pulse) => ring(&pulse),
                    Err(error) => said = Some(format!("the clock could not be recorded: {}", error.refusal.message)),
                }
            }
            Err(refused(match said {
                Some(warning) => Refusal { message: format!("{} ({warning})", refusal.message), ..refusal },
                None => refusal,
            }))
        }
    }
}

/// Does `work` in a transaction that is undone whatever comes of it. Says what it would have answered, and the board's
/// revision.
pub fn rehearse<T>(
    store: &mut dyn Store,
    order: &Order<'_>,
    names: &dyn Names,
    work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
) -> Result<(Answer<T>, u64), Refused> {
    let mut transaction = store.begin(Access::Write)?;
    let board = transaction.board()?;
    let revision = board.revision;
    let answer = begin(&mut *transaction, order, names, board).and_then(|mut turn| work(&mut turn));
    Ok((answer.map_err(|refusal| Refused { refusal, revision: Some(revision) })?, revision))
}

enum Done<T> {
    New(Committed<T>),
    Unchanged(Committed<T>),
}

fn attempt<T: Serialize + DeserializeOwned>(
    store: &mut dyn Transaction,
    order: &Order<'_>,
    names: &dyn Names,
    board: Board,
    work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
) -> Result<Done<T>, Refusal> {
    let (revision, event_seq) = (board.revision, board.event_seq);
    let recorded_at = board.dial.wall;
    order.caller.authorize(store)?;
    let digest = order.digest.of(&order.caller.identity(store)?);
    if order.naming == Naming::Given
        && let Some(replay) = replay(store, order, &digest)?
    {
        return Ok(Done::Unchanged(replay));
    }
    let mut turn = begin(store, order, names, board)?;
    let answer = work(&mut turn)?;
    let found_nothing = answer.outcome != Outcome::Done;
    let recorded_lately = turn.now().since(recorded_at).abs() < RECORD_AFTER_MS;
    if found_nothing && recorded_lately && !turn.has_news() {
        let (touched, at) = (Touched::Nothing, recorded_at);
        return Ok(Done::Unchanged(Committed {
            answer,
            revision,
            session: turn.actor.session_id().cloned(),
            warnings: vec![],
            replayed: false,
            touched,
            at,
            pulse: None,
            overfull: None,
            refusal: None,
        }));
    }
    let session = turn.actor.session_id().cloned();
    let Finished { board, touched, warnings, rung, refusal } = turn.finish()?;
    let kept = KeptReply { answer, warnings, session };
    if !found_nothing {
        let reply = serde_json::to_string(&kept).map_err(|error| {
            Refusal::new(Code::Internal, format!("the reply of {} has no JSON form: {error}", order.operation))
        })?;
        let (id, at) = (order.request_id.clone(), board.dial.wall);
        store.keep_request(&Request { id, digest, reply, revision: board.revision, at })?;
        if board.revision % FORGET_EVERY == 0 {
            store.forget_requests(Millis(at.0 - REQUESTS_KEPT_MS), REQUESTS_FORGOTTEN)?;
        }
    }
    let KeptReply { answer, warnings, session } = kept;
    let pulse = Some(Pulse::of(&board, store.next_deadline()?, rung));
    let (revision, at) = (board.revision, board.dial.wall);
    let overfull = overfull(&board, event_seq);
    Ok(Done::New(Committed {
        answer,
        revision,
        session,
        warnings,
        replayed: false,
        touched,
        at,
        pulse,
        overfull,
        refusal,
    }))
}

/// Advances the clock, checks the revision and who calls, and expires what is overdue.
fn begin<'a>(
    store: &'a mut dyn Transaction,
    order: &Order<'_>,
    names: &'a dyn Names,
    mut board: Board,
) -> Result<Turn<'a>, Refusal> {
    if let Some(expected) = order.expected_revision
        && expected != board.revision
    {
        let message = format!("the board is at revision {}, not {expected}", board.revision);
        return Err(Refusal::new(Code::StaleRevision, message)
            .hint("callboard state")
            .detail("expected_revision", expected)
            .detail("revision", board.revision));
    }
    let actor = order.caller.resolve(store)?;
    let moment = &order.moment;
    let tick = lease_clock::advance(board.dial, moment.record(store)?, moment.wall, moment.boot_clock);
    board.dial = tick.dial;
    store.put_host_record(&moment.host, &moment.boot, tick.record)?;
    let mut turn = Turn::new(store, names, board, actor, order.caller);
    if let Some(data) = cut_seconds(&tick) {
        turn.board_event(EventKind::ClockCut, None, Value::Object(data));
    }
    turn.expire_overdue()?;
    Ok(turn)
}

/// Records what came too late in the history of the task, if whoever says it has ever tried that task.
fn record_late(store: &mut dyn Store, order: &Order<'_>, late: &LateResult) -> Result<Option<Pulse>, Refused> {
    let mut transaction = store.begin(Access::Write)?;
    let unread = |refusal| Refused { refusal, revision: None };
    let agent = order.caller.agent_id(&*transaction).map_err(unread)?;
    let task = transaction.task(&late.module)?;
    let (Some(agent), Some(task)) = (agent, task) else { return Ok(None) };
    if !transaction.attempts(task.key, ATTEMPTS_ASKED)?.iter().any(|attempt| attempt.agent == agent) {
        return Ok(None);
    }
    let mut board = transaction.board()?;
    let said = Event {
        module: Some(late.module.clone()),
        actor: Some(agent.to_string()),
        session: order.caller.session.clone(),
        data: late.data.clone(),
        ..board_event(&mut board, EventKind::LateResult, order.moment.wall)
    };
    transaction.append_event(&said)?;
    transaction.put_board(&board)?;
    let pulse = Pulse::of(&board, transaction.next_deadline()?, Rung::These(said.topics().collect()));
    transaction.commit()?;
    Ok(Some(pulse))
}

/// The next event of a board, about nothing yet.
fn board_event(board: &mut Board, kind: EventKind, at: Millis) -> Event {
    board.event_seq += 1;
    Event {
        seq: board.event_seq,
        at,
        kind,
        source: Source::Mutation,
        module: None,
        actor: None,
        session: None,
        board_revision: board.revision,
        audience: None,
        priority: 2,
        data: Map::new(),
    }
}

/// How much of the storage's time was not counted, for the event that tells it.
fn cut_seconds(tick: &Tick) -> Option<Map<String, Value>> {
    let data = Map::from_iter([("cut_seconds".to_owned(), Value::from(tick.cut / 1000))]);
    (tick.cut.abs() >= REPORTED_CUT_MS).then_some(data)
}

/// Advances the clock and nothing else.
fn record_clock(store: &mut dyn Store, order: &Order<'_>) -> Result<Pulse, Refused> {
    let mut transaction = store.begin(Access::Write)?;
    let mut board = transaction.board()?;
    let moment = &order.moment;
    let unread = |refusal| Refused { refusal, revision: None };
    let record = moment.record(&*transaction).map_err(unread)?;
    let tick = lease_clock::advance(board.dial, record, moment.wall, moment.boot_clock);
    board.dial = tick.dial;
    let mut rung = BTreeSet::new();
    if let Some(data) = cut_seconds(&tick) {
        let cut = Event { data, ..board_event(&mut board, EventKind::ClockCut, moment.wall) };
        transaction.append_event(&cut)?;
        rung.extend(cut.topics());
    }
    transaction.put_host_record(&moment.host, &moment.boot, tick.record)?;
    transaction.put_board(&board)?;
    let pulse = Pulse::of(&board, transaction.next_deadline()?, Rung::These(rung));
    transaction.commit()?;
    Ok(pulse)
}
