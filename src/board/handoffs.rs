//! Handoffs: leaving one, taking it, saying that it was read, taking it back.
//!
//! **Invariants.** Only a handoff that the holder left lets somebody else have a live lease; taking it moves the lease in
//! one transaction and fences the old holder. A handed task counts for no limit and is offered like any other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bundles::{Bundle, Parcel};
use super::claims::{Overlapping, Wish};
use super::look::Look;
use super::mutation::Answer;
use super::outlook::Outlook;
use super::streams::agent_topics;
use super::turn::{Touched, Turn};
use super::views::ClaimView;
use crate::domain::actor::Actor;
use crate::domain::event::{Audience, EventKind};
use crate::domain::handoff::{Handoff, HandoffKey, HandoffKind, HandoffStatus};
use crate::domain::id::{AgentId, Module};
use crate::domain::lease::{LONGEST_SECONDS, Lease, LeaseKind};
use crate::domain::notice::Resolution;
use crate::domain::profile::Takeover;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Reservation, Returned, Task, TaskState};
use crate::domain::text;
use crate::domain::time::Millis;
use crate::domain::topic::Topic;
use crate::domain::workspace::{WorkingTree, Workspace};

/// Where bundles lie, in the plan directory.
pub const DIRECTORY: &str = "handoffs";
/// The index shows so many that are live;
pub const LIVE_SHOWN: usize = 50;
/// and so many that ended, newest first.
const ENDED_SHOWN: usize = 10;
/// Among so many handoffs one for an agent is looked for.
const SEARCHED: usize = 500;

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

/// A handoff as every door shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffView {
    /// Its number, which grows.
    pub handoff: HandoffKey,
    /// The task.
    pub module: Module,
    /// One line.
    pub title: String,
    /// Where the task stands.
    pub state: TaskState,
    /// What the handoff is for.
    pub kind: HandoffKind,
    /// Where the handoff stands.
    pub status: HandoffStatus,
    /// Whom it is for.
    pub target: String,
    /// Who left it: an agent id, or `human:USER`.
    pub left_by: String,
    /// True when the holder of the work left it: then its lease moves with it.
    pub agreed: bool,
    /// Who took it.
    pub claimed_by: Option<AgentId>,
    /// When it was left.
    pub left_at: Millis,
    /// When its status last changed.
    pub changed_at: Millis,
    /// The bundle, in the plan directory.
    pub path: String,
    /// The command that takes it, while it waits.
    pub claim_command: Option<String>,
}

/// The path of a task's bundle, from the project on.
pub fn bundle_path(module: &Module) -> String {
    format!("project-plan/{DIRECTORY}/{module}.handoff.md")
}

/// A bundle whose page is to be made, with the one before.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BundlePage {
    /// Its number.
    pub handoff: HandoffKey,
    /// What it holds.
    pub bundle: Bundle,
    /// The bundle of the same task before it.
    pub previous: Option<Bundle>,
}

impl Look<'_> {
    /// A handoff as every door shows it.
    pub(super) fn handoff_view(&self, handoff: Handoff) -> Result<HandoffView, Refusal> {
        let task = self.task(&handoff.module)?;
        let module = &handoff.module;
        let claim = format!("callboard claim-handoff {module} --agent-id ID");
        Ok(HandoffView {
            handoff: handoff.key,
            title: task.title,
            state: task.state,
            kind: handoff.kind,
            status: handoff.status,
            target: handoff.audience.to_string(),
            left_by: handoff.left_by,
            agreed: handoff.agreed,
            claimed_by: handoff.claimed_by,
            left_at: handoff.left_at,
            changed_at: handoff.changed_at,
            path: bundle_path(module),
            claim_command: (handoff.status == HandoffStatus::Ready).then_some(claim),
            module: handoff.module,
        })
    }

    /// What the inbox shows: what is live, then the newest of each task that ended.
    pub fn inbox(&self) -> Result<Vec<HandoffView>, Refusal> {
        let newest = self.store.handoffs(None, None, LIVE_SHOWN)?;
        if newest.is_empty() {
            return Ok(Vec::new());
        }
        let mut shown = self.store.live_handoffs(LIVE_SHOWN)?;
        let mut ended = 0;
        for handoff in newest {
            if ended < ENDED_SHOWN && shown.iter().all(|other| other.task != handoff.task) {
                ended += 1;
                shown.push(handoff);
            }
        }
        shown.into_iter().map(|handoff| self.handoff_view(handoff)).collect()
    }

    /// Handoffs, newest first, before one, and where the next page begins.
    pub fn handoffs(
        &self,
        status: Option<HandoffStatus>,
        target: Option<&Audience>,
        before: Option<HandoffKey>,
        limit: usize,
    ) -> Result<(Vec<HandoffView>, Option<HandoffKey>), Refusal> {
        let mut found = Vec::new();
        let mut place = before;
        loop {
            let page = self.store.handoffs(None, place, SEARCHED)?;
            let was_all = page.len() < SEARCHED;
            place = page.last().map(|handoff| handoff.key);
            let fits = |handoff: &Handoff| {
                status.map_or(handoff.status.is_live(), |status| handoff.status == status)
                    && target.is_none_or(|target| handoff.audience.is_within(target))
            };
            found.extend(page.into_iter().filter(fits).take(limit + 1 - found.len()));
            if was_all || found.len() > limit {
                break;
            }
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|handoff| handoff.key);
        Ok((found.into_iter().map(|handoff| self.handoff_view(handoff)).collect::<Result<_, _>>()?, next))
    }

    /// The handoff that waits longest for the acting agent and that it could take now; for a person, for anybody.
    pub fn next_handoff(&self) -> Result<Option<HandoffView>, Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(None);
        }
        for handoff in self.store.live_handoffs(SEARCHED)?.into_iter().rev() {
            if self.is_for_actor(&handoff)? {
                return self.handoff_view(handoff).map(Some);
            }
        }
        Ok(None)
    }

    fn is_for_actor(&self, handoff: &Handoff) -> Result<bool, Refusal> {
        if handoff.status != HandoffStatus::Ready {
            return Ok(false);
        }
        let Actor::Agent(acting) = &self.actor else { return Ok(true) };
        let agent = &acting.agent;
        if !handoff.audience.has(agent) || handoff.left_by == agent.id.as_str() {
            return Ok(false);
        }
        let task = self.task(&handoff.module)?;
        Ok(match handoff.kind {
            HandoffKind::Review => self.hindrance_to_review(&task, Some(&agent.id))?.is_none(),
            HandoffKind::Takeover => {
                let kept = task.reservation.as_ref().filter(|kept| kept.until > self.dial.lease);
                task.offered && kept.is_none_or(|kept| kept.agent == agent.id) && !self.is_at_limit(agent)?
            }
        })
    }

    /// The outlook of `next-handoff`.
    pub fn handoff_outlook(&self) -> Result<Outlook, Refusal> {
        let found = self.board.counts.is_complete() || self.next_handoff()?.is_some();
        let mut topics = vec![Topic::Handoffs, Topic::Complete];
        if let Actor::Agent(acting) = &self.actor {
            topics.extend(agent_topics(&acting.agent));
            topics.extend([Topic::Offered, Topic::Review, Topic::Freed]);
        }
        self.outlook(found, topics)
    }

    /// The bundles of these handoffs, each with the one before of the same task.
    pub fn bundle_pages(&self, keys: &[HandoffKey]) -> Result<Vec<BundlePage>, Refusal> {
        let mut pages = Vec::new();
        for key in keys {
            let Some(bundle) = self.kept_bundle(*key)? else { continue };
            let task = self.task(&bundle.module)?;
            let before = self.store.handoffs(Some(task.key), Some(*key), 1)?.pop();
            let previous = before.map(|before| self.kept_bundle(before.key)).transpose()?.flatten();
            pages.push(BundlePage { handoff: *key, bundle, previous });
        }
        Ok(pages)
    }

    /// A bundle that an older program wrote may lack what this one needs: then there is none.
    fn kept_bundle(&self, key: HandoffKey) -> Result<Option<Bundle>, Refusal> {
        Ok(self.store.bundle(key)?.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// The path of the bundle of a task, where one is live.
    pub(super) fn live_bundle(&self, task: &Task) -> Result<Option<String>, Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(None);
        }
        Ok(self.store.live_handoff(task.key)?.map(|handoff| bundle_path(&handoff.module)))
    }
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
        let lease = self.store.lease(task.key, LeaseKind::Work)?;
        let own = lease.as_ref().filter(|lease| Some(&lease.agent) == self.actor.agent_id());
        let agreed = new.kind == HandoffKind::Takeover && own.is_some_and(|lease| lease.is_shown_by(&self.proof));
        if new.kind == HandoffKind::Takeover && own.is_some() && !agreed {
            self.warn(format!(
                "it is information only: to let somebody take {} over, repeat it with --lease-token TOKEN or --session-id ID",
                task.module
            ));
        }
        let workspace = own.is_some().then(|| self.workspace.clone()).filter(|workspace| workspace.path.is_some());
        let parcel = Parcel {
            kind: new.kind,
            audience: audience.clone(),
            left_by: self.actor.to_string(),
            agreed,
            notes: new.notes,
            workspace,
            tree: new.tree,
        };
        let handoff = self.put_handoff(&task, parcel, HandoffStatus::Ready, None)?;
        if let Some(lease) = lease.filter(|_| agreed) {
            self.store.put_lease(&Lease { handed: true, ..lease })?;
            let mut after = task.clone();
            after.offered = true;
            if let Audience::Agent(agent) = audience {
                let until = self.dial.lease.plus_seconds(LONGEST_SECONDS);
                after.reservation = Some(Reservation { agent, until, why: Returned::HandedOver });
            }
            self.write_task(&task, &mut after)?;
            self.rung.insert(Topic::Freed);
        }
        let view = self.look().handoff_view(handoff.clone())?;
        let page = self.look().bundle_pages(&[handoff.key])?.pop().expect("it was just written");
        Ok((view, page))
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
            self.end_handoff(old, HandoffStatus::Replaced)?;
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
        let handoff = Handoff { status, changed_at: self.now(), ..handoff };
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
        if let Some(agent) = self.actor.agent_id()
            && taker != Some(agent)
        {
            let who = taker.map_or_else(|| "nobody has taken it yet".to_owned(), |taker| format!("{taker} took it"));
            return Err(Refusal::new(Code::NotAddressed, format!("the handoff of {module} is not yours: {who}"))
                .hint(format!("callboard claim-handoff {module} --agent-id {agent}")));
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
            (HandoffKind::Takeover, TaskState::Review | TaskState::Done) => ended(claimed),
            (HandoffKind::Review, _) if before.state == TaskState::Review => ended(claimed),
            // Given back: the next one needs it as well.
            (HandoffKind::Takeover, TaskState::Open) if claimed => Some(HandoffStatus::Ready),
            _ => None,
        };
        match status {
            Some(HandoffStatus::Ready) => {
                let again = Handoff { claimed_by: None, agreed: false, ..handoff };
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
            left_by: lost.agent.to_string(),
            agreed: false,
            notes: format!("The lease of {} ran out; this is what the board knows of its work.", lost.agent),
            workspace: None::<Workspace>,
            tree: WorkingTree::default(),
        };
        self.put_handoff(task, parcel, HandoffStatus::Claimed, Some(taker.clone())).map(drop)
    }

    /// Refuses with `handoff_unread` where the profile wants a receipt before a task that was taken over is handed in.
    pub(super) fn refuse_unread_handoff(&self, task: &Task) -> Result<(), Refusal> {
        if self.board.profile.takeover() != Takeover::Acknowledged {
            return Ok(());
        }
        let Some(handoff) = self.live_handoff(task)?.filter(|handoff| handoff.status == HandoffStatus::Claimed) else {
            return Ok(());
        };
        let (module, path) = (&task.module, bundle_path(&task.module));
        let agent = handoff.claimed_by.map(|agent| format!(" --agent-id {agent}")).unwrap_or_default();
        let message = format!("{module} was taken over from {}: read {path} first", handoff.left_by);
        Err(Refusal::new(Code::HandoffUnread, message).hint(format!("callboard ack-handoff {module}{agent}")))
    }
}

fn no_handoff(module: &Module) -> Refusal {
    Refusal::new(Code::NoHandoff, format!("there is no handoff of {module} to take")).hint("callboard handoffs")
}
