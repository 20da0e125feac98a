//! A turn at the board: everything one mutation may use, and what it has changed so far.
//!
//! **Invariants.** Every row goes through here, so that counts, readiness and the graph's numbers stay right whatever
//! the use-case. Events are numbered when the turn ends, all with the revision that it gives the board. Presence (a
//! renewed lease, a sighted session) does not raise the revision.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::caller::Caller;
use super::look::{Look, holder_of, known_task};
use crate::domain::actor::{Actor, Proof};
use crate::domain::board::Board;
use crate::domain::credential::Credential;
use crate::domain::event::{Audience, Event, EventKind, Source};
use crate::domain::id::{LeaseToken, Module, SessionId};
use crate::domain::lease::{Lease, LeaseKind, nobody_holds};
use crate::domain::notice::Resolution;
use crate::domain::refusal::{Code, Holder, Refusal};
use crate::domain::session::Session;
use crate::domain::task::{Task, TaskKey, TaskState};
use crate::domain::time::{Dial, Millis};
use crate::domain::topic::Topic;
use crate::domain::workspace::Workspace;
use crate::store::Transaction;

/// Where a turn gets names that nobody can guess.
pub trait Names {
    /// A new session id.
    fn session_id(&self) -> Result<SessionId, Refusal>;
    /// A new lease token.
    fn lease_token(&self) -> Result<LeaseToken, Refusal>;
    /// Eight hexadecimal digits that are always the same for this text.
    fn fingerprint(&self, text: &str) -> String;
}

/// How much a turn has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touched {
    /// Nothing.
    Nothing,
    /// Who was seen when, and how long leases last.
    Presence,
    /// What was said and acknowledged: no state, but the pages show it at once.
    Notes,
    /// The state of the board.
    State,
}

/// A turn at the board.
pub struct Turn<'a> {
    pub(super) store: &'a mut dyn Transaction,
    pub(super) names: &'a dyn Names,
    pub(super) board: Board,
    pub(super) actor: Actor,
    pub(super) credential: Credential,
    pub(super) dial: Dial,
    pub(super) proof: Proof,
    pub(super) workspace: Workspace,
    pub(super) while_session: bool,
    pub(super) named: Vec<TaskKey>,
    pub(super) touched: Touched,
    pub(super) source: Source,
    pub(super) ended: Vec<SessionId>,
    pub(super) rung: BTreeSet<Topic>,
    /// True when this transaction must be committed even if it found nothing.
    pub(super) news: bool,
    /// True when every task was in a final state before this turn.
    pub(super) was_complete: bool,
    pub(super) settled: BTreeMap<u64, Resolution>,
    pub(super) events: Vec<Event>,
    warnings: Vec<String>,
    refusal: Option<Refusal>,
}

impl<'a> Turn<'a> {
    /// A turn whose actor was resolved by `look` in the same transaction.
    pub(super) fn new(
        store: &'a mut dyn Transaction,
        names: &'a dyn Names,
        board: Board,
        actor: Actor,
        caller: &Caller,
    ) -> Self {
        let dial = board.dial;
        let proof = caller.proof(&actor);
        let was_complete = board.counts.is_complete();
        Self {
            store,
            names,
            board,
            actor,
            credential: caller.credential.clone(),
            dial,
            proof,
            workspace: caller.workspace.clone(),
            while_session: caller.while_session,
            named: Vec::new(),
            touched: Touched::Nothing,
            source: Source::Mutation,
            ended: Vec::new(),
            rung: BTreeSet::new(),
            news: false,
            was_complete,
            settled: BTreeMap::new(),
            events: Vec::new(),
            warnings: Vec::new(),
            refusal: None,
        }
    }

    /// The storage's time.
    pub fn now(&self) -> Millis {
        self.dial.wall
    }

    /// The board's own row, as it is so far.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Has it recorded that the acting window is there, even if nothing else comes of this turn.
    pub fn be_heard_of(&mut self) {
        self.news = true;
    }

    /// Where the events of this turn come from.
    pub fn comes_from(&mut self, source: Source) {
        self.source = source;
    }

    /// The same board, to look at.
    pub fn look(&self) -> Look<'_> {
        Look {
            store: &*self.store,
            board: self.board.clone(),
            actor: self.actor.clone(),
            credential: self.credential.clone(),
            dial: self.dial,
            host_wall: self.dial.wall,
        }
    }

    /// Who holds a lease, and in which window.
    pub(super) fn holder_of(&self, lease: &Lease) -> Result<Holder, Refusal> {
        holder_of(&*self.store, lease, self.dial)
    }

    /// Says what is worth saying of who makes the change.
    pub fn warn_of_identity(&mut self, caller: &Caller) -> Result<(), Refusal> {
        self.warnings.extend(caller.warning(&self.actor, &*self.store)?);
        Ok(())
    }

    /// Something that is worth saying although the mutation was done.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Refuses the caller and keeps what this turn has changed: the reason of the refusal is a part of it.
    pub(super) fn refuse_and_keep(&mut self, refusal: Refusal) {
        self.refusal = Some(refusal);
        self.news = true;
    }

    /// The task that the caller names; refuses with `unknown_module`, and with `stale_lease` a token that is not the
    /// present one of that task. A holder that names a task of its own renews that lease and no other.
    pub fn named_task(&mut self, module: &Module) -> Result<Task, Refusal> {
        let task = known_task(&*self.store, module)?;
        self.refuse_stale_token(&task)?;
        self.named.push(task.key);
        Ok(task)
    }

    fn refuse_stale_token(&self, task: &Task) -> Result<(), Refusal> {
        if self.proof.token.is_none() {
            return Ok(());
        }
        let acting = self.actor.acting()?;
        let mut others = Vec::new();
        for kind in LeaseKind::ALL {
            match self.store.lease(task.key, *kind)? {
                Some(lease) if lease.is_shown_by(&self.proof) => return Ok(()),
                other => others.extend(other),
            }
        }
        if let Some(other) = others.pop() {
            return other.demand(&self.proof, &self.holder_of(&other)?);
        }
        let kind = if task.state == TaskState::Review { LeaseKind::Review } else { LeaseKind::Work };
        if kind == LeaseKind::Review && task.last_agent.as_ref() == Some(&acting.agent.id) {
            let message = format!("you handed {} in already: it is in review", task.module);
            let hint = format!("callboard next-action --agent-id {}", acting.agent.id);
            return Err(Refusal::new(Code::StaleLease, message).hint(hint).detail("holder", Value::Null));
        }
        let mut refusal = nobody_holds(&task.module, kind, task.state);
        if let (TaskState::Review, Some(by)) = (task.state, &task.last_agent) {
            refusal.message =
                format!("{} was handed in by {by}: it is in review, and your lease of it has ended", task.module);
        }
        // A window that was closed or reaped has to come aboard again before anything else.
        let is_gone = acting.session.is_none() && acting.candidates.is_empty();
        Err(if is_gone { refusal.hint(acting.agent.registration()) } else { refusal })
    }

    /// Appends an event about a task.
    pub(super) fn event(&mut self, kind: EventKind, module: &Module, data: Value) {
        let _ = self.push_event(kind, Some(module), None, 2, data);
    }

    /// Appends an event that somebody is to notice.
    pub(super) fn notify(&mut self, kind: EventKind, task: &Task, audience: Audience, data: Value) {
        let _ = self.push_event(kind, Some(&task.module), Some(audience), task.priority, data);
    }

    /// Appends an event about no task.
    pub(super) fn board_event(&mut self, kind: EventKind, audience: Option<Audience>, data: Value) {
        let _ = self.push_event(kind, None, audience, 2, data);
    }

    /// The same with everything that an event can say. Returns its number.
    pub(super) fn push_event(
        &mut self,
        kind: EventKind,
        module: Option<&Module>,
        audience: Option<Audience>,
        priority: u8,
        data: Value,
    ) -> u64 {
        self.board.event_seq += 1;
        self.board.pending.notifications += u64::from(audience.is_some());
        self.events.push(Event {
            seq: self.board.event_seq,
            at: self.now(),
            kind,
            source: self.source,
            module: module.cloned(),
            actor: Some(self.actor.to_string()),
            session: self.actor.session_id().cloned(),
            board_revision: 0,
            audience,
            priority,
            data: match data {
                Value::Object(data) => data,
                _ => Map::new(),
            },
        });
        self.board.event_seq
    }

    /// Adds a task; its dependencies are added afterwards. Returns it with its key.
    pub(super) fn insert_task(
        &mut self,
        mut task: Task,
        texts: &crate::domain::task::TaskTexts,
    ) -> Result<Task, Refusal> {
        task.offered = task.is_ready();
        task.key = self.store.insert_task(&task, texts)?;
        self.board.counts.add(&task);
        self.touched = Touched::State;
        self.ring_for(None, &task);
        Ok(task)
    }

    /// Replaces `before` by `after`, and carries what follows from it through the graph: who is ready, who is held up.
    pub(super) fn save_task(&mut self, before: &Task, after: &mut Task) -> Result<(), Refusal> {
        if before.state.is_final() && !after.state.is_final() {
            // Nothing kept these right while the task was done.
            (after.held_up, after.critical_path) = self.weight_below(after.key)?;
        }
        self.write_task(before, after)?;
        if (before.state == TaskState::Done) != (after.state == TaskState::Done) {
            self.carry_down(after)?;
        }
        if before.state.is_final() != after.state.is_final() {
            self.carry_up(after.key)?;
        }
        Ok(())
    }

    /// Writes one task's row and the counts that depend on it.
    pub(super) fn write_task(&mut self, before: &Task, after: &mut Task) -> Result<(), Refusal> {
        after.offered = match after.state {
            TaskState::Open => after.unmet == 0,
            TaskState::Active => after.offered,
            _ => false,
        };
        after.revision = before.revision + 1;
        self.store.update_task(after)?;
        self.board.counts.remove(before);
        self.board.counts.add(after);
        self.touched = Touched::State;
        self.ring_for(Some(before), after);
        self.settle_notices(after)?;
        self.settle_handoff(before, after)
    }

    /// Rings for what a change of a task's row may mean to whoever waits.
    fn ring_for(&mut self, before: Option<&Task>, after: &Task) {
        let same = |part: fn(&Task, &Task) -> bool| before.is_some_and(|before| part(before, after));
        let state_stays = same(|a, b| a.state == b.state);
        let offer_stays = same(|a, b| {
            a.offered
                && (&a.owned_paths, &a.specialty, &a.reservation) == (&b.owned_paths, &b.specialty, &b.reservation)
        });
        if after.offered && !offer_stays {
            self.rung.extend([Topic::Offered, Topic::OfferedOf(after.specialty.clone())]);
        }
        // Every end of a review lease but expiry raises the epoch.
        let review_stays =
            state_stays && same(|a, b| (a.epoch, &a.reviewer, &a.specialty) == (b.epoch, &b.reviewer, &b.specialty));
        if after.state == TaskState::Review && !review_stays {
            self.ring_review(after);
        }
        let needs_a_hand =
            |state| matches!(state, TaskState::Draft | TaskState::Waiting | TaskState::Failed | TaskState::Cancelled);
        if !state_stays && (needs_a_hand(after.state) || before.is_some_and(|before| needs_a_hand(before.state))) {
            self.rung.insert(Topic::Plan);
        }
        // Others may depend on what will not come, or no longer.
        let strands = matches!(after.state, TaskState::Failed | TaskState::Cancelled);
        if strands && !same(|a, b| a.held_up == b.held_up) {
            self.rung.insert(Topic::Plan);
        }
        // Others keep off the paths of what is held.
        if after.state == TaskState::Active && !same(|a, b| a.owned_paths == b.owned_paths) {
            self.rung.insert(Topic::Freed);
        }
        if !state_stays && after.state.is_final() && self.board.counts.is_complete() {
            self.rung.insert(Topic::Complete);
        }
    }

    /// Rings for a task that may be reviewed.
    pub(super) fn ring_review(&mut self, task: &Task) {
        self.rung.extend([Topic::Review, Topic::ReviewOf(task.specialty.clone())]);
    }

    /// Ends the turn: sights the session, numbers the events, raises a counter, writes the board's row. Returns what
    /// is worth saying.
    pub(super) fn finish(mut self) -> Result<Finished, Refusal> {
        self.renew_proven()?;
        self.sight_session()?;
        self.tell_of_standstill()?;
        match self.touched {
            Touched::State => self.board.revision += 1,
            Touched::Presence | Touched::Notes => self.board.presence += 1,
            Touched::Nothing => {}
        }
        for event in &mut self.events {
            event.board_revision = self.board.revision;
            self.store.append_event(event)?;
            self.rung.extend(event.topics());
        }
        self.resolve_settled()?;
        self.store.put_board(&self.board)?;
        let rung = Rung::These(self.rung);
        let Self { board, touched, warnings, refusal, .. } = self;
        Ok(Finished { board, touched, warnings, rung, refusal })
    }

    /// True when something would be lost if this transaction did not commit.
    pub(super) fn has_news(&self) -> bool {
        self.touched == Touched::State || self.news || !self.events.is_empty()
    }

    fn sight_session(&mut self) -> Result<(), Refusal> {
        let now = self.now();
        if let Actor::Agent(acting) = &self.actor
            && let Some(session) = acting.session.as_ref().filter(|session| session.seen_at < now)
            && !self.ended.contains(&session.id)
        {
            let sighted = Session { seen_at: now, ..session.clone() };
            self.store.put_session(&sighted)?;
            self.touched = self.touched.max(Touched::Presence);
        }
        Ok(())
    }

    /// The event that says why a final state of one task strands others, and the command that moves them.
    pub(super) fn tell_of_stranded(&mut self, task: &Task) -> Result<Vec<Module>, Refusal> {
        let stranded: Vec<Module> = self
            .store
            .dependents(task.key)?
            .into_iter()
            .filter(|dependent| !dependent.state.is_final())
            .map(|dependent| dependent.module)
            .collect();
        if !stranded.is_empty() {
            let data = json!({"state": task.state, "dependents": stranded});
            self.notify(EventKind::DependencyFailed, task, Audience::Humans, data);
        }
        Ok(stranded)
    }

    /// Says that everything is done, the first time it is.
    pub(super) fn tell_if_complete(&mut self) {
        if self.board.counts.is_complete() {
            let data = json!({"tasks": self.board.counts.total()});
            self.board_event(EventKind::BoardComplete, Some(Audience::Humans), data);
        }
    }
}

/// What a turn came to.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The board after it.
    pub board: Board,
    /// How much it changed.
    pub touched: Touched,
    /// What is worth saying.
    pub warnings: Vec<String>,
    /// Whom it may concern.
    pub rung: Rung,
    /// What the caller is refused with all the same.
    pub refusal: Option<Refusal>,
}

/// Whom a change may concern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Whoever waits for one of these.
    These(BTreeSet<Topic>),
    /// Everybody: nobody knows any more what it was.
    All,
}
