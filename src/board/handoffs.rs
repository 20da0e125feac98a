//! Handoffs: leaving one, taking it, saying that it was read, taking it back.
//!
//! **Invariants.** Only a handoff that the holder left lets somebody else have a live lease; taking it moves the lease in
//! one transaction and fences the old holder. A handed task counts for no limit and is offered like any other.

use serde_json::json;

use super::bundles::Parcel;
use super::claims::{Overlapping, Wish};
use super::inbox::{BundlePage, HandoffView, bundle_path};
use super::mutation::Answer;
use super::turn::{Touched, Turn};
use super::views::ClaimView;
use crate::domain::event::{Audience, EventKind};
use crate::domain::handoff::{Handoff, HandoffKey, HandoffKind, HandoffStatus};
use crate::domain::id::{AgentId, Module};
use crate::domain::lease::{LONGEST_SECONDS, Lease, LeaseKind};
use crate::domain::notice::Resolution;
use crate::domain::profile::Takeover;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Reservation, Returned, Task, TaskState};
use crate::domain::text;
use crate::domain::topic::Topic;
use crate::domain::workspace::WorkingTree;

/// Who leaves the bundle of a task whose lease ran out: callboard itself.
const SYSTEM: &str = "callboard";

/// A handoff to leave.
#[derive(Clone, Debug)]
pub struct NewHandoff {
    /// The task.
    pub module: Module,
    /// Whom it is for; none is whoever the task is for.
    pub to: Option<Audience>,
    /// What it is for.
    pub kind: HandoffKind,
    /// What to say to whoever takes it.
    pub notes: String,
    /// What git says of the working tree of whoever leaves it.
    pub tree: WorkingTree,
}

impl Turn<'_> {
    /// Leaves a handoff. Left by the holder, for a takeover, with the proof of its lease it is an agreement: somebody else
    /// may have the task. Left by others, or without proof, it is information.
    pub fn leave_handoff(&mut self, new: NewHandoff) -> Result<(HandoffView, BundlePage), Refusal> {
        let task = self.named_task(&new.module)?;
        if task.state.is_final() || task.state == TaskState::Draft {
            let message = format!("{} is {}: there is nothing to hand over", task.module, task.state);
            return Err(Refusal::new(Code::WrongState, message).hint(format!("callboard show {}", task.module)));
        }
        let audience = new.to.clone().unwrap_or_else(|| match new.kind {
            HandoffKind::Takeover => Audience::Workers(task.specialty.clone()),
            HandoffKind::Review => Audience::Reviewers(task.specialty.clone()),
        });
        self.refuse_unknown_audience(&audience)?;
        if new.kind == HandoffKind::Review && task.state != TaskState::Review {
            let message = format!("{} is {}: there is nothing to review yet", task.module, task.state);
            return Err(
                Refusal::new(Code::WrongState, message).hint(format!("callboard finish {} hands it in", task.module))
            );
        }
        if let Audience::Agent(to) = &audience
            && Some(to) == self.actor.agent_id()
        {
            return Err(Refusal::new(Code::InvalidValue, format!("{to} hands over to itself"))
                .hint("callboard agents shows who there is"));
        }
        self.warn_of_absence(&audience)?;
        let lease = self.store.lease(task.key, LeaseKind::Work)?;
        let own = lease.as_ref().filter(|lease| Some(&lease.agent) == self.actor.agent_id());
        let agreed = new.kind == HandoffKind::Takeover && own.is_some_and(|lease| lease.is_shown_by(&self.proof));
        if new.kind == HandoffKind::Takeover && own.is_some() && !agreed {
            self.warn(format!(
                "it is information only: to let somebody take {} over, repeat it with --lease-token TOKEN or --session-id ID",
                task.module
            ));
        } else if let Some(lease) = lease.as_ref().filter(|lease| !agreed && lease.is_live(self.dial.lease)) {
            self.warn(format!("it is information only: {} holds {} and goes on", lease.agent, task.module));
        }
        let standing = self.live_handoff(&task)?;
        if own.is_some() {
            self.refuse_unread_handoff(&task)?;
        } else if let Some(taken) = standing.as_ref().filter(|standing| standing.status == HandoffStatus::Claimed) {
            let by = taken.claimed_by.as_ref().map_or("somebody", AgentId::as_str);
            let message = format!("{by} has taken {} over, and has not acknowledged its handoff yet", task.module);
            return Err(Refusal::new(Code::WrongState, message).hint(format!("callboard show {}", task.module)));
        }
        // An agreement outlives the time of its lease: it stands until somebody takes it or its author takes it back.
        let is_handed = lease.as_ref().is_some_and(|lease| lease.handed);
        if let Some(standing) = standing.filter(|_| is_handed && !agreed) {
            let message = format!("{} handed {} over already, and nobody has taken it", standing.left_by, task.module);
            return Err(Refusal::new(Code::WrongState, message)
                .hint(format!("callboard claim-handoff {0}, or callboard withdraw-handoff {0}", task.module)));
        }
        let workspace = own.is_some().then(|| self.workspace.clone()).filter(|workspace| workspace.path.is_some());
        let tree = self.tree_of_work(&task, lease.is_some(), new.tree)?;
        let parcel = Parcel {
            kind: new.kind,
            audience: audience.clone(),
            left_by: self.actor.to_string(),
            agreed,
            notes: new.notes,
            workspace,
            tree,
        };
        let handoff = self.put_handoff(&task, parcel, HandoffStatus::Ready, None)?;
        if let Some(lease) = lease.filter(|_| agreed) {
            self.store.put_lease(&Lease { handed: true, ..lease })?;
            let mut after = task.clone();
            after.offered = true;
            after.reservation = match audience {
                Audience::Agent(agent) => {
                    let until = self.dial.lease.plus_seconds(LONGEST_SECONDS);
                    Some(Reservation { agent, until, why: Returned::HandedOver })
                }
                _ => None,
            };
            self.write_task(&task, &mut after)?;
        }
        let view = self.look().handoff_view(handoff.clone())?;
        let page = self.look().bundle_pages(&[handoff.key])?.pop().expect("it was just written");
        Ok((view, page))
    }

    /// What git says of the caller's checkout, as far as it is about the task: only where its work lies, and since the claim
    /// only while somebody has it.
    fn tree_of_work(&self, task: &Task, is_held: bool, tree: WorkingTree) -> Result<WorkingTree, Refusal> {
        let place = self.store.attempts(task.key, 1)?.pop().map(|attempt| attempt.place()).unwrap_or_default();
        let here = &self.workspace;
        if place.path.is_none() || (&place.host, &place.path) != (&here.host, &here.path) {
            return Ok(WorkingTree::default());
        }
        Ok(if is_held { tree } else { WorkingTree { diff_stat: Vec::new(), ..tree } })
    }

    fn warn_of_absence(&mut self, audience: &Audience) -> Result<(), Refusal> {
        let is_absent = match audience {
            Audience::Agent(agent) => !self.look().is_aboard(agent)?,
            audience => !self.look().is_anybody_aboard(audience)?,
        };
        if is_absent {
            self.warn(format!("nobody of {audience} is aboard now"));
        }
        Ok(())
    }

    /// Writes a handoff with its bundle; an older live one of the task is replaced by it.
    fn put_handoff(
        &mut self,
        task: &Task,
        parcel: Parcel,
        status: HandoffStatus,
        claimed_by: Option<AgentId>,
    ) -> Result<Handoff, Refusal> {
        if let Some(old) = self.live_handoff(task)? {
            // Whoever hands on what it took over has read it.
            let has_read = old.status == HandoffStatus::Claimed && old.claimed_by.as_ref() == self.actor.agent_id();
            self.end_handoff(old, if has_read { HandoffStatus::Acknowledged } else { HandoffStatus::Replaced })?;
        }
        let now = self.now();
        let (kind, audience, left_by, agreed) =
            (parcel.kind, parcel.audience.clone(), parcel.left_by.clone(), parcel.agreed);
        let notes = text::cut(&text::one_line(&parcel.notes), 200);
        let bundle = self.look().make_bundle(task, parcel, now)?;
        let json = serde_json::to_string(&bundle).expect("a bundle has a JSON form");
        let data = json!({"kind": kind, "path": bundle_path(&task.module), "agreed": agreed, "notes": notes});
        let to = (status == HandoffStatus::Ready).then(|| audience.clone());
        let event = self.push_event(EventKind::HandoffReady, Some(&task.module), to, task.priority, data);
        let mut handoff = Handoff {
            key: HandoffKey(0),
            task: task.key,
            module: task.module.clone(),
            kind,
            status,
            audience,
            left_by,
            agreed,
            claimed_by,
            event,
            left_at: now,
            changed_at: now,
        };
        handoff.key = self.store.insert_handoff(&handoff, &json)?;
        self.board.pending.handoffs += 1;
        self.board.pending.left += 1;
        self.touched = Touched::State;
        self.rung.insert(Topic::Handoffs);
        Ok(handoff)
    }

    pub(super) fn live_handoff(&self, task: &Task) -> Result<Option<Handoff>, Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(None);
        }
        Ok(self.store.live_handoff(task.key)?)
    }

    /// Gives a handoff another status. One that no longer waits calls nobody.
    fn set_handoff(&mut self, handoff: Handoff, status: HandoffStatus) -> Result<Handoff, Refusal> {
        let was_live = handoff.status.is_live();
        // What is over is no agreement any more.
        let agreed = handoff.agreed && !matches!(status, HandoffStatus::Withdrawn | HandoffStatus::Replaced);
        let handoff = Handoff { status, agreed, changed_at: self.now(), ..handoff };
        self.store.update_handoff(&handoff)?;
        if status != HandoffStatus::Ready {
            self.settled.insert(handoff.event, Resolution::Settled);
        }
        if was_live && !status.is_live() {
            let left = &mut self.board.pending.handoffs;
            *left = left.saturating_sub(1);
        }
        self.touched = Touched::State;
        self.rung.insert(Topic::Handoffs);
        Ok(handoff)
    }

    fn end_handoff(&mut self, handoff: Handoff, status: HandoffStatus) -> Result<Handoff, Refusal> {
        let told = match status {
            HandoffStatus::Acknowledged => EventKind::HandoffAcknowledged,
            _ => EventKind::HandoffWithdrawn,
        };
        self.event(told, &handoff.module, json!({"status": status, "left_by": handoff.left_by}));
        self.set_handoff(handoff, status)
    }

    /// Takes a handoff: of a review it is `start-review`; of work it is a claim, which moves the lease of a holder that
    /// agreed. Refuses with `no_handoff`, with `not_addressed` what is for another agent, and as a claim does.
    pub fn claim_handoff(&mut self, module: &Module, wish: &Wish) -> Result<Answer<ClaimView>, Refusal> {
        let agent = self.actor.window()?.0.id.clone();
        let task = self.named_task(module)?;
        let Some(handoff) = self.live_handoff(&task)? else { return Err(no_handoff(module)) };
        match &handoff.audience {
            Audience::Agent(other) if *other != agent => {
                return Err(Refusal::new(Code::NotAddressed, format!("the handoff of {module} is for {other}"))
                    .hint("callboard next-handoff"));
            }
            _ => {}
        }
        let lease = self.store.lease(task.key, LeaseKind::Work)?;
        if lease.is_some_and(|lease| lease.handed && lease.agent == agent) {
            return Err(Refusal::new(Code::WrongState, format!("{agent} itself handed {module} over"))
                .hint(format!("callboard withdraw-handoff {module} --agent-id {agent}")));
        }
        let answer = match handoff.kind {
            HandoffKind::Review => self.start_review(module, wish.ttl)?,
            HandoffKind::Takeover => self.claim(module, wish, Overlapping::Refuse)?,
        };
        // A claim takes a waiting handoff with it; a review does not know of it.
        if let Some(handoff) = self.live_handoff(&task)?.filter(|handoff| handoff.status == HandoffStatus::Ready) {
            self.take(handoff, agent)?;
        }
        Ok(answer)
    }

    /// Notes that somebody took a handoff.
    pub(super) fn take(&mut self, handoff: Handoff, agent: AgentId) -> Result<(), Refusal> {
        self.event(EventKind::HandoffClaimed, &handoff.module, json!({"left_by": handoff.left_by}));
        self.set_handoff(Handoff { claimed_by: Some(agent), ..handoff }, HandoffStatus::Claimed).map(drop)
    }

    /// Says that a handoff was read: its receipt. Whoever took it does, or a person. Saying it again changes nothing.
    pub fn acknowledge_handoff(&mut self, module: &Module) -> Result<HandoffView, Refusal> {
        let task = self.named_task(module)?;
        let Some(handoff) = self.live_handoff(&task)? else {
            let last = self.store.handoffs(Some(task.key), None, 1)?.pop();
            return match last.filter(|last| last.status == HandoffStatus::Acknowledged) {
                Some(last) => self.look().handoff_view(last),
                None => Err(no_handoff(module)),
            };
        };
        let taker = handoff.claimed_by.as_ref();
        let Some(taker) = taker else {
            return Err(Refusal::new(Code::WrongState, format!("nobody has taken the handoff of {module} yet"))
                .hint(format!("callboard claim-handoff {module}")));
        };
        if self.actor.agent_id().is_some_and(|agent| agent != taker) {
            let message = format!("{taker} took the handoff of {module}");
            return Err(Refusal::new(Code::NotAddressed, message).hint("callboard next-handoff"));
        }
        let handoff = self.end_handoff(handoff, HandoffStatus::Acknowledged)?;
        self.look().handoff_view(handoff)
    }

    /// Takes a handoff back: its author does, or a person. A lease that was handed is its holder's alone again.
    pub fn withdraw_handoff(&mut self, module: &Module) -> Result<HandoffView, Refusal> {
        let task = self.named_task(module)?;
        let Some(handoff) = self.live_handoff(&task)? else { return Err(no_handoff(module)) };
        if handoff.status == HandoffStatus::Claimed {
            let by = handoff.claimed_by.as_ref().map_or("somebody", AgentId::as_str);
            return Err(Refusal::new(Code::WrongState, format!("{by} has taken the handoff of {module}"))
                .hint(format!("callboard show {module}")));
        }
        if let Some(agent) = self.actor.agent_id()
            && handoff.left_by != agent.as_str()
        {
            let message = format!("the handoff of {module} was left by {}", handoff.left_by);
            return Err(Refusal::new(Code::NotAddressed, message).hint("callboard handoffs"));
        }
        self.take_back(&task)?;
        let handoff = self.end_handoff(handoff, HandoffStatus::Withdrawn)?;
        self.look().handoff_view(handoff)
    }

    /// Undoes an agreement: the task is its holder's alone again.
    fn take_back(&mut self, task: &Task) -> Result<(), Refusal> {
        let Some(lease) = self.store.lease(task.key, LeaseKind::Work)?.filter(|lease| lease.handed) else {
            return Ok(());
        };
        if !lease.lapsed {
            self.refuse_agent_beyond_limit(&lease.agent)?;
        }
        let mut after = task.clone();
        after.offered = lease.lapsed;
        after.reservation = None;
        self.store.put_lease(&Lease { handed: false, ..lease })?;
        self.write_task(task, &mut after)
    }

    /// What becomes of a task's handoff when its state changes. Called whenever it does.
    pub(super) fn settle_handoff(&mut self, before: &Task, after: &Task) -> Result<(), Refusal> {
        if before.state == after.state {
            return Ok(());
        }
        let Some(handoff) = self.live_handoff(after)? else { return Ok(()) };
        let ended = |acknowledged: bool| match acknowledged {
            true => Some(HandoffStatus::Acknowledged),
            false => Some(HandoffStatus::Withdrawn),
        };
        let claimed = handoff.status == HandoffStatus::Claimed;
        let status = match (handoff.kind, after.state) {
            (_, TaskState::Failed | TaskState::Cancelled) => ended(false),
            // Whoever hands the work in has read what it took over.
            (HandoffKind::Takeover, TaskState::Review | TaskState::Done) | (HandoffKind::Review, _) => ended(claimed),
            // Given back: the next one needs it as well.
            (HandoffKind::Takeover, TaskState::Open) if claimed => Some(HandoffStatus::Ready),
            _ => None,
        };
        match status {
            Some(HandoffStatus::Ready) => {
                let data = json!({"kind": handoff.kind, "path": bundle_path(&after.module), "agreed": false});
                let to = Some(handoff.audience.clone());
                let event = self.push_event(EventKind::HandoffReady, Some(&after.module), to, after.priority, data);
                let again = Handoff { claimed_by: None, agreed: false, event, ..handoff };
                self.set_handoff(again, HandoffStatus::Ready).map(drop)
            }
            Some(status) => self.end_handoff(handoff, status).map(drop),
            None => Ok(()),
        }
    }

    /// Leaves a bundle for whoever just took over a task whose lease had run out, where the profile wants one. `task` is as
    /// it was before.
    pub(super) fn leave_for_taker(&mut self, task: &Task, lost: &Lease, taker: &AgentId) -> Result<(), Refusal> {
        if self.board.profile.takeover() == Takeover::Bare || lost.agent == *taker {
            return Ok(());
        }
        let parcel = Parcel {
            kind: HandoffKind::Takeover,
            audience: Audience::Agent(taker.clone()),
            left_by: SYSTEM.to_owned(),
            agreed: false,
            notes: String::new(),
            workspace: None,
            tree: WorkingTree::default(),
        };
        self.put_handoff(task, parcel, HandoffStatus::Claimed, Some(taker.clone())).map(drop)
    }

    /// Refuses with `handoff_unread` where the profile wants a receipt before a task that was taken over is handed in.
    pub(super) fn refuse_unread_handoff(&self, task: &Task) -> Result<(), Refusal> {
        if self.board.profile.takeover() != Takeover::Acknowledged {
            return Ok(());
        }
        let Some(handoff) = self.live_handoff(task)?.filter(Handoff::awaits_acknowledgement) else { return Ok(()) };
        let (module, path) = (&task.module, bundle_path(&task.module));
        let agent = handoff.claimed_by.map(|agent| format!(" --agent-id {agent}")).unwrap_or_default();
        let message = match handoff.left_by == SYSTEM {
            true => format!("{module} was taken over: read {path} first"),
            false => format!("{} left a handoff of {module}: read {path} first", handoff.left_by),
        };
        Err(Refusal::new(Code::HandoffUnread, message).hint(format!("callboard ack-handoff {module}{agent}")))
    }
}

fn no_handoff(module: &Module) -> Refusal {
    Refusal::new(Code::NoHandoff, format!("there is no handoff of {module} to take")).hint("callboard handoffs")
}
