//! Claims: getting a task to work on.
//!
//! **Invariants.** A claim reads a handful of rows whatever the size of the board: candidates come from an index in the
//! order of their rank. A candidate is granted by raising its epoch, in the same transaction that looked at it.

use serde_json::json;

use super::leases::HELD_MOST;
use super::mutation::{Answer, Outcome as Came};
use super::queues::{Candidates, conflict_with, is_handed_by};
use super::turn::{Touched, Turn};
use super::unread::Loss;
use super::views::ClaimView;
use crate::domain::attempt::{Attempt, AttemptKey, Outcome};
use crate::domain::event::{Audience, EventKind};
use crate::domain::handoff::{HandoffKind, HandoffStatus};
use crate::domain::id::{AgentId, Module, Specialty};
use crate::domain::lease::{Lease, LeaseKind, Ttl};
use crate::domain::profile::{LOSSES_MOST, Overlap, Review};
use crate::domain::rank::CONFLICTS_MOST;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Returned, Step, Task, TaskState, WaitFor, Waiting};
use crate::store::contract::{HeldScopes, LeasesOf};

/// Why a task was paused that was lost [`LOSSES_MOST`] times.
const LOST_TOO_OFTEN: &str = "lost three times: the lease ran out and another agent came";

/// What a claim asks for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Only this specialty, or none.
    pub specialty: Option<Specialty>,
    /// Who is to review the task.
    pub reviewer: Option<AgentId>,
    /// The length of the lease.
    pub ttl: Option<Ttl>,
}

/// What to do about paths that overlap with another holder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlapping {
    /// What the profile says.
    Refuse,
    /// Take it where the profile leaves it to the caller.
    Allow,
}

impl Turn<'_> {
    /// Claims one task. What the session holds already is answered with `resumed`. Refuses with `held`, `not_ready`,
    /// `reserved`, `scope_overlap`, `limit_reached`, `confirmation_required`, `wrong_state`.
    pub fn claim(
        &mut self,
        module: &Module,
        wish: &Wish,
        overlapping: Overlapping,
    ) -> Result<Answer<ClaimView>, Refusal> {
        self.actor.window()?;
        let task = self.named_task(module)?;
        let lease = self.store.lease(task.key, LeaseKind::Work)?;
        if let Some(lease) = lease {
            if self.is_own(&lease)? {
                return self.resume(lease, wish);
            }
            if lease.is_live(self.dial.lease) && (!lease.handed || lease.agent == self.actor.acting()?.agent.id) {
                return Err(lease.held_by_other(&self.holder_of(&lease)?));
            }
        }
        self.refuse_unconfirmed()?;
        self.refuse_unavailable(&task)?;
        self.refuse_beyond_limit(&task)?;
        if self.pause_if_lost_too_often(&task)? {
            let refusal =
                Refusal::new(Code::LostTooOften, format!("{module} was {LOST_TOO_OFTEN}; it waits for a person"));
            self.refuse_and_keep(refusal.hint(format!("callboard unblock {module}")).detail("losses", LOSSES_MOST));
            return Ok(Answer { outcome: Came::Nothing, reply: ClaimView::default() });
        }
        self.refuse_overlap(&task, overlapping)?;
        let lease = self.grant(&task, wish)?;
        Ok(Answer::done(self.look().claim_view(&lease, false)?))
    }

    /// Claims the best task there is for the agent: what came back to it first, then by rank. At its limit it gets what
    /// it holds, with `resumed`.
    ///
    /// Which leases the agent lost is told once. Refuses with `message_unread` while something is to be read first.
    pub fn claim_next(&mut self, wish: &Wish) -> Result<Answer<ClaimView>, Refusal> {
        let answer = self.claim_best(wish)?;
        let lost = self.tell_of_lost()?;
        Ok(Answer { reply: ClaimView { lost, ..answer.reply }, ..answer })
    }

    fn claim_best(&mut self, wish: &Wish) -> Result<Answer<ClaimView>, Refusal> {
        let (agent, session) = self.actor.window()?;
        self.look().refuse_unread(agent)?;
        let (agent, agent_id, session) = (agent.clone(), agent.id.clone(), session.id.clone());
        let held = self.store.leases(LeasesOf::Agent(&agent.id), HELD_MOST)?;
        let mut own =
            held.iter().filter(|lease| lease.kind == LeaseKind::Work && lease.session == session && !lease.handed);
        if let Some(lapsed) = own.clone().find(|lease| lease.lapsed) {
            // Nobody wanted it meanwhile: going on is cheaper than starting something else.
            match self.resume(lapsed.clone(), wish) {
                Err(refusal) if matches!(refusal.code, Code::LimitReached | Code::ScopeOverlap) => self.named.clear(),
                resumed => return resumed,
            }
        }
        let live = held.iter().filter(|lease| lease.counts_for_limit(self.dial.lease)).count();
        if live >= self.board.profile.task_limit(agent.max_tasks) as usize {
            return match own.find(|lease| !lease.lapsed) {
                Some(lease) => self.resume(lease.clone(), wish),
                None => Err(self.beyond_limit(&agent.id)?),
            };
        }
        self.refuse_unconfirmed()?;
        let mut candidates = Candidates::new(agent, wish.specialty.clone(), self.dial.lease);
        let mut held: Option<Vec<HeldScopes>> = None;
        let skips = self.board.profile.overlap() != Overlap::Warned;
        let mut conflicts = 0;
        while let Some(task) = candidates.next(self.store)? {
            if is_handed_by(self.store, &task, &agent_id)? {
                continue;
            }
            if skips && !task.owned_paths.is_empty() && held.is_none() {
                held = Some(self.others_scopes()?);
            }
            if held.as_ref().is_some_and(|held| conflict_with(held, &task).is_some()) {
                conflicts += 1;
                if conflicts >= CONFLICTS_MOST {
                    self.warn(format!("the {CONFLICTS_MOST} best tasks overlap with paths that others hold; the rest was not looked at"));
                    break;
                }
                continue;
            }
            if self.pause_if_lost_too_often(&task)? {
                let module = &task.module;
                self.warn(format!("{module} was {LOST_TOO_OFTEN}; it waits: callboard unblock {module}"));
                continue;
            }
            if !skips {
                // Only to say so: nothing is refused here.
                self.refuse_overlap(&task, Overlapping::Allow)?;
            }
            if task.reservation.as_ref().is_some_and(|kept| kept.is_released_by(&agent_id, self.dial.lease)) {
                self.warn(format!(
                    "{} was released by {agent_id} itself a short while ago; nothing else can be claimed",
                    task.module
                ));
            }
            let lease = self.grant(&task, wish)?;
            return Ok(Answer::done(self.look().claim_view(&lease, false)?));
        }
        let outcome = if self.board.counts.is_complete() { Came::Complete } else { Came::Nothing };
        Ok(Answer { outcome, reply: self.look().nothing_to_claim()? })
    }

    fn is_own(&self, lease: &Lease) -> Result<bool, Refusal> {
        Ok(self.actor.window()?.1.id == lease.session)
    }

    /// Answers with what the session holds, renewed; regains it if it ran out.
    fn resume(&mut self, mut lease: Lease, wish: &Wish) -> Result<Answer<ClaimView>, Refusal> {
        self.named.push(lease.task);
        let task = self.reload(lease.task)?;
        if lease.lapsed {
            self.regain(&mut lease, &task)?;
        }
        lease.ttl = wish.ttl.unwrap_or(lease.ttl);
        lease.renew(self.dial.lease);
        self.store.put_lease(&lease)?;
        self.touched = self.touched.max(Touched::Presence);
        Ok(Answer::done(self.look().claim_view(&lease, true)?))
    }

    /// Gives the task to the acting session: a new epoch, a new attempt, a new token.
    fn grant(&mut self, before: &Task, wish: &Wish) -> Result<Lease, Refusal> {
        let now = self.now();
        let (agent, session) = self.actor.window()?;
        let (agent, session) = (agent.clone(), session.id.clone());
        let previous = self.last_lease(before)?;
        let mut task = before.clone();
        if let Some(previous) = &previous {
            let outcome = if previous.handed { Outcome::HandedOver } else { Outcome::Lost };
            self.end_attempt(previous, outcome, None)?;
            if !previous.handed {
                self.tell_loser(previous, before, Loss::Taken);
                task.losses += u32::from(previous.agent != agent.id);
                let waits = self.live_handoff(before)?.filter(|handoff| handoff.status == HandoffStatus::Ready);
                if waits.is_none() {
                    self.leave_for_taker(before, previous, &agent.id)?;
                }
            }
        }
        if let Some(handoff) = self.live_handoff(before)?
            && (handoff.kind, handoff.status) == (HandoffKind::Takeover, HandoffStatus::Ready)
        {
            self.take(handoff, agent.id.clone())?;
        }
        task.step(Step::Claim, now)?;
        task.epoch += 1;
        task.attempts += 1;
        task.offered = false;
        task.last_agent = Some(agent.id.clone());
        if let Some(reviewer) = &wish.reviewer {
            task.reviewer = Some(self.known_reviewer(reviewer)?);
            task.review = Some(Review::Required);
        }
        self.save_task(before, &mut task)?;
        let attempt = self.store.insert_attempt(&Attempt {
            key: AttemptKey(0),
            task: task.key,
            number: task.attempts,
            agent: agent.id.clone(),
            session: session.clone(),
            started_at: now,
            ended: None,
            summary: None,
            changed_paths: Vec::new(),
            workspace: self.workspace.clone(),
            submitted: None,
        })?;
        let profile_ttl = Ttl::try_from(agent.ttl_seconds.unwrap_or(self.board.profile.lease_seconds()));
        let ttl = wish.ttl.or(profile_ttl.ok()).expect("kept lengths are checked when an agent is registered");
        let mut lease = Lease {
            task: task.key,
            module: task.module.clone(),
            kind: LeaseKind::Work,
            attempt,
            agent: agent.id,
            session,
            epoch: task.epoch,
            token: self.names.lease_token()?,
            ttl,
            acquired_at: now,
            deadline: self.dial.lease,
            lapsed: false,
            handed: false,
        };
        lease.renew(self.dial.lease);
        self.store.put_lease(&lease)?;
        self.named.push(task.key);
        let taken_over = previous.map(|previous| json!({"agent_id": previous.agent, "session_id": previous.session}));
        let data = json!({"attempt": task.attempts, "epoch": task.epoch, "taken_over_from": taken_over});
        self.event(EventKind::Claimed, &task.module, data);
        Ok(lease)
    }

    /// The lapsed lease of an active task. No other state has a work lease.
    fn last_lease(&self, task: &Task) -> Result<Option<Lease>, Refusal> {
        match task.state {
            TaskState::Active => Ok(self.store.lease(task.key, LeaseKind::Work)?),
            _ => Ok(None),
        }
    }

    /// The reviewer's id if there is such an agent.
    pub(super) fn known_reviewer(&self, id: &AgentId) -> Result<AgentId, Refusal> {
        match self.store.agent(id)? {
            Some(agent) => Ok(agent.id),
            None => Err(super::caller::unknown_agent(id)),
        }
    }

    fn refuse_unavailable(&self, task: &Task) -> Result<(), Refusal> {
        let module = &task.module;
        task.clone().step(Step::Claim, self.now())?;
        if task.unmet > 0 && task.state == TaskState::Open {
            let needed = self.store.dependencies(task.key)?;
            let unmet: Vec<String> = needed
                .into_iter()
                .filter(|needed| needed.state != TaskState::Done)
                .map(|needed| format!("{} ({})", needed.module, needed.state))
                .collect();
            return Err(Refusal::new(Code::NotReady, format!("{module} waits for {}", unmet.join(", ")))
                .hint(format!("callboard explain {module}"))
                .detail("unmet_dependencies", unmet));
        }
        match &task.reservation {
            Some(kept) if kept.excludes(self.actor.agent_id(), self.dial.lease) => {
                let until = self.dial.shown(kept.until);
                Err(Refusal::new(Code::Reserved, format!("{module} is kept for {} until {until}", kept.agent))
                    .hint("callboard claim-next")
                    .detail("reserved_for", kept.agent.as_str())
                    .detail("reserved_until", until.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn live_work(&self, agent: &AgentId) -> Result<Vec<Lease>, Refusal> {
        let leases = self.store.leases(LeasesOf::Agent(agent), HELD_MOST)?;
        Ok(leases.into_iter().filter(|lease| lease.counts_for_limit(self.dial.lease)).collect())
    }

    fn limit_of(&self, agent: &AgentId) -> Result<u32, Refusal> {
        let max_tasks = self.store.agent(agent)?.and_then(|agent| agent.max_tasks);
        Ok(self.board.profile.task_limit(max_tasks))
    }

    fn beyond_limit(&self, agent: &AgentId) -> Result<Refusal, Refusal> {
        let held = self.live_work(agent)?;
        let list = held.iter().map(|lease| Ok(format!("{} in {}", lease.module, self.holder_of(lease)?.place())));
        let list: Vec<String> = list.collect::<Result<_, Refusal>>()?;
        let limit = self.limit_of(agent)?;
        Ok(Refusal::new(Code::LimitReached, format!("{agent} may hold {limit} at once and holds {}", list.join(", ")))
            .hint("finish or release it there; each window names its own --session-id")
            .detail("held", list))
    }

    /// Refuses with `limit_reached` an agent that holds as much as it may, not counting `task` itself.
    pub(super) fn refuse_beyond_limit(&self, task: &Task) -> Result<(), Refusal> {
        let Some(agent) = self.actor.agent_id() else { return Ok(()) };
        let held = self.live_work(agent)?.into_iter().filter(|lease| lease.task != task.key).count();
        if held >= self.limit_of(agent)? as usize { Err(self.beyond_limit(agent)?) } else { Ok(()) }
    }

    /// The same for an agent that gets back what it handed over.
    pub(super) fn refuse_agent_beyond_limit(&self, agent: &AgentId) -> Result<(), Refusal> {
        let held = self.live_work(agent)?.len();
        if held >= self.limit_of(agent)? as usize { Err(self.beyond_limit(agent)?) } else { Ok(()) }
    }

    /// The paths that sessions other than the acting one hold now.
    fn others_scopes(&self) -> Result<Vec<HeldScopes>, Refusal> {
        let own = self.actor.session_id();
        let now = self.dial.lease;
        let held = self.store.held_scopes()?;
        Ok(held.into_iter().filter(|held| Some(&held.lease.session) != own && held.lease.is_live(now)).collect())
    }

    /// Refuses with `scope_overlap` where the profile or the caller does not allow it; else says so in an event.
    pub(super) fn refuse_overlap(&mut self, task: &Task, overlapping: Overlapping) -> Result<(), Refusal> {
        if task.owned_paths.is_empty() {
            return Ok(());
        }
        let held = self.others_scopes()?;
        let Some(conflict) = conflict_with(&held, task) else { return Ok(()) };
        let (ours, theirs) = (conflict.ours.to_string(), conflict.theirs.to_string());
        let lease = conflict.lease.clone();
        let module = &task.module;
        let allowed = match self.board.profile.overlap() {
            Overlap::Refused => false,
            Overlap::OnRequest => overlapping == Overlapping::Allow,
            Overlap::Warned => true,
        };
        let message = format!("{module} would change {ours}, {} holds {theirs} for {}", lease.agent, lease.module);
        if allowed {
            let data = json!({"with": lease.module, "agent_id": lease.agent, "ours": ours, "theirs": theirs});
            self.notify(EventKind::ScopeOverlap, task, Audience::Agent(lease.agent), data);
            self.warn(message);
            return Ok(());
        }
        let hint = match self.board.profile.overlap() {
            Overlap::OnRequest => format!("callboard claim {module} --allow-overlap, or callboard claim-next"),
            _ => "callboard claim-next".to_owned(),
        };
        let refusal = Refusal::new(Code::ScopeOverlap, message).hint(hint).holder(&self.holder_of(&lease)?);
        Err(refusal.detail("with", lease.module.as_str()).detail("paths", vec![ours, theirs]))
    }

    /// A task that was lost twice and would be lost again waits for a person instead. Says whether it does.
    fn pause_if_lost_too_often(&mut self, before: &Task) -> Result<bool, Refusal> {
        let Some(lease) = self.last_lease(before)? else { return Ok(false) };
        if lease.handed || before.losses + 1 < LOSSES_MOST || Some(&lease.agent) == self.actor.agent_id() {
            return Ok(false);
        }
        let mut after = before.clone();
        self.end_lease(&lease, &mut after, Outcome::Lost, None)?;
        after.losses += 1;
        after.step(Step::Block, self.now())?;
        let reason = LOST_TOO_OFTEN.to_owned();
        let what = WaitFor::Pause;
        after.waiting = Some(Waiting { what, since: self.now(), reason: reason.clone() });
        self.save_task(before, &mut after)?;
        self.notify(EventKind::Blocked, &after, Audience::Humans, json!({"on": what, "reason": reason}));
        Ok(true)
    }

    /// Keeps a task that comes back to open for its last agent, for one lease length.
    pub(super) fn reserve_for_last(&mut self, task: &mut Task, why: Returned) -> Result<(), Refusal> {
        let agent = task.last_agent.clone();
        self.reserve(task, agent, why)
    }

    /// The same for an agent, if one is named.
    pub(super) fn reserve(&mut self, task: &mut Task, agent: Option<AgentId>, why: Returned) -> Result<(), Refusal> {
        let Some(agent) = agent else { return Ok(()) };
        let own = self.store.agent(&agent)?.and_then(|agent| agent.ttl_seconds);
        let seconds = own.unwrap_or(self.board.profile.lease_seconds());
        let until = self.dial.lease.plus_seconds(seconds);
        task.reservation = Some(crate::domain::task::Reservation { agent, until, why });
        Ok(())
    }
}
