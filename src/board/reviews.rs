//! Reviews: a leased claim of its own, by somebody other than the author, bound to the attempt that was handed in.

use serde_json::json;

use super::leases::HELD_MOST;
use super::look::Look;
use super::mutation::{Answer, Outcome as Came};
use super::turn::{Touched, Turn};
use super::unread::Loss;
use super::views::ClaimView;
use crate::domain::actor::Actor;
use crate::domain::agent::{Agent, Role};
use crate::domain::attempt::{Attempt, Outcome};
use crate::domain::event::{Audience, EventKind};
use crate::domain::id::{AgentId, Module, Specialty, TokenName};
use crate::domain::lease::{Lease, LeaseKind, Ttl};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::SessionStatus;
use crate::domain::task::{Returned, Step, Task, TaskState};
use crate::domain::verdict::{Decision, Verdict};
use crate::store::contract::{LeasesOf, SessionsOf};

/// More live windows than this are not searched for a possible reviewer.
const WINDOWS_SEARCHED: usize = 200;
/// The priority of what nobody has to act on.
const READ_LATER: u8 = 2;

/// The refusal for a task in review without the attempt that submitted it.
fn no_submission(task: &Task) -> Refusal {
    Refusal::missing_row(format!("the attempt that submitted {}", task.module))
}

impl Look<'_> {
    /// Why `agent` cannot take the review of `task` now; none when it can.
    pub(super) fn hindrance_to_review(&self, task: &Task, agent: Option<&AgentId>) -> Result<Option<Refusal>, Refusal> {
        let module = &task.module;
        if task.state != TaskState::Review {
            return Ok(task.clone().step(Step::Approve, self.dial.wall).err());
        }
        if self.is_own_work(task, agent)? {
            let author = self.author(task)?.ok_or_else(|| no_submission(task))?;
            let message = format!("{module} is the work of {author}");
            return Ok(Some(Refusal::new(Code::OwnWork, message).hint("callboard next-action")));
        }
        if let Some(lease) = self.store.lease(task.key, LeaseKind::Review)?
            && lease.is_live(self.dial.lease)
            && !(agent.is_some() && self.actor.session_id() == Some(&lease.session))
        {
            return Ok(Some(lease.held_by_other(&self.holder_of(&lease)?)));
        }
        match &task.reviewer {
            Some(reviewer) if Some(reviewer) != agent && self.is_aboard(reviewer)? => {
                let message = format!("the review of {module} is kept for {reviewer}");
                Ok(Some(Refusal::new(Code::Reserved, message).hint("callboard claim-review-next")))
            }
            _ => Ok(None),
        }
    }

    /// Who handed the task in.
    pub(super) fn author(&self, task: &Task) -> Result<Option<AgentId>, Refusal> {
        Ok(self.submission(task)?.map(|attempt| attempt.agent))
    }

    /// The token that the task was handed in with. None where it was the account itself or an operator.
    fn author_token(&self, task: &Task) -> Result<Option<TokenName>, Refusal> {
        let Some(attempt) = self.submission(task)? else { return Ok(None) };
        Ok(match self.store.session(&attempt.session)? {
            Some(session) => session.registered_by,
            None => self.store.agent(&attempt.agent)?.and_then(|agent| agent.registered_by),
        })
    }

    /// True if `agent` submitted the task, or another agent did with the token of the call: one token is one author,
    /// whatever its agents are called.
    pub(super) fn is_own_work(&self, task: &Task, agent: Option<&AgentId>) -> Result<bool, Refusal> {
        let Some(agent) = agent else { return Ok(false) };
        Ok(self.author(task)?.as_ref() == Some(agent) || self.credential.is_author(self.author_token(task)?.as_ref()))
    }

    /// The attempt that is or was last handed in.
    pub(super) fn submission(&self, task: &Task) -> Result<Option<Attempt>, Refusal> {
        Ok(self.store.attempts(task.key, 1)?.pop())
    }

    /// True when the agent has a window that was heard of lately.
    pub(super) fn is_aboard(&self, agent: &AgentId) -> Result<bool, Refusal> {
        let windows = self.store.sessions(SessionsOf::Agent(agent), WINDOWS_SEARCHED)?;
        Ok(windows.iter().any(|session| session.status(self.dial.wall) == SessionStatus::Active))
    }

    /// True when somebody of an audience has a window that has not ended.
    pub(super) fn is_anybody_aboard(&self, audience: &Audience) -> Result<bool, Refusal> {
        for session in self.store.sessions(SessionsOf::Live, WINDOWS_SEARCHED)? {
            if self.store.agent(&session.agent)?.is_some_and(|agent| audience.has(&agent)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True when some agent is aboard that is not the author: roles steer, so anybody else may review.
    pub(super) fn can_be_reviewed(&self, task: &Task) -> Result<bool, Refusal> {
        self.somebody_aboard(task, |_| true)
    }

    /// True when one of them is there to review.
    pub(super) fn has_reviewer(&self, task: &Task) -> Result<bool, Refusal> {
        self.somebody_aboard(task, |agent| agent.roles.contains(&Role::Reviewer))
    }

    /// True when some agent that was heard of lately is not the author and is as wanted.
    fn somebody_aboard(&self, task: &Task, wanted: impl Fn(&Agent) -> bool) -> Result<bool, Refusal> {
        let (author, token) = (self.author(task)?, self.author_token(task)?);
        for session in self.store.sessions(SessionsOf::Live, WINDOWS_SEARCHED)? {
            if Some(&session.agent) != author.as_ref()
                && (token.is_none() || session.registered_by != token)
                && session.status(self.dial.wall) == SessionStatus::Active
                && self.store.agent(&session.agent)?.is_some_and(|agent| wanted(&agent))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Turn<'_> {
    pub(super) fn warn_without_reviewer(&mut self, task: &Task) -> Result<(), Refusal> {
        if !self.look().can_be_reviewed(task)? {
            let module = &task.module;
            self.warn(format!("nobody is aboard who could review it: callboard approve {module} --as-human"));
            let data = json!({"attempt": task.attempts, "agent_id": task.last_agent});
            self.notify(EventKind::ReviewReady, task, Audience::Humans, data);
        }
        Ok(())
    }

    /// Takes the review of one task. Refuses with `own_work`, `held`, `reserved`, `wrong_state`.
    pub fn start_review(&mut self, module: &Module, ttl: Option<Ttl>) -> Result<Answer<ClaimView>, Refusal> {
        self.actor.window()?;
        let task = self.named_task(module)?;
        self.review_or_refuse(&task, ttl)
    }

    /// Takes the review that waits most urgently; what the session reviews already is answered with `resumed`.
    pub fn claim_review_next(
        &mut self,
        specialty: Option<&Specialty>,
        ttl: Option<Ttl>,
    ) -> Result<Answer<ClaimView>, Refusal> {
        let (agent, session) = self.actor.window()?;
        self.look().refuse_unread(agent)?;
        let (agent, session) = (agent.id.clone(), session.id.clone());
        let own = self.store.leases(LeasesOf::Session(&session), HELD_MOST)?;
        if let Some(lease) = own.into_iter().find(|lease| lease.kind == LeaseKind::Review) {
            return self.resume_review(lease, ttl);
        }
        let next = self.look().reviewable(Some(&agent), specialty, 1)?.pop();
        match next {
            Some(task) => self.review_or_refuse(&task, ttl),
            None => {
                let outcome = if self.board.counts.is_complete() { Came::Complete } else { Came::Nothing };
                Ok(Answer { outcome, reply: self.look().nothing_to_claim()? })
            }
        }
    }

    fn review_or_refuse(&mut self, before: &Task, ttl: Option<Ttl>) -> Result<Answer<ClaimView>, Refusal> {
        let (agent, session) = self.actor.window()?;
        let (agent, session) = (agent.clone(), session.id.clone());
        let previous = self.store.lease(before.key, LeaseKind::Review)?;
        if let Some(own) = previous.clone().filter(|lease| lease.session == session) {
            return self.resume_review(own, ttl);
        }
        if let Some(refusal) = self.look().hindrance_to_review(before, Some(&agent.id))? {
            return Err(refusal);
        }
        if let Some(previous) = previous {
            if previous.is_live(self.dial.lease) {
                // The agent's own review in another of its windows.
                return Err(previous.held_by_other(&self.holder_of(&previous)?));
            }
            self.tell_loser(&previous, before, Loss::Taken);
        }
        let attempt = self.look().submission(before)?.ok_or_else(|| no_submission(before))?.key;
        let mut task = before.clone();
        task.epoch += 1;
        self.save_task(before, &mut task)?;
        let kept = Ttl::try_from(agent.ttl_seconds.unwrap_or(self.board.profile.lease_seconds()));
        let mut lease = Lease {
            task: task.key,
            module: task.module.clone(),
            kind: LeaseKind::Review,
            attempt,
            agent: agent.id,
            session,
            epoch: task.epoch,
            token: self.names.lease_token()?,
            ttl: ttl.or(kept.ok()).expect("kept lengths are checked when an agent is registered"),
            acquired_at: self.now(),
            deadline: self.dial.lease,
            lapsed: false,
            handed: false,
        };
        lease.renew(self.dial.lease);
        self.store.put_lease(&lease)?;
        self.named.push(task.key);
        self.settle(&task.module, |kind| matches!(kind, EventKind::ReviewReady | EventKind::LeaseExpired))?;
        self.event(EventKind::ReviewStarted, &task.module, json!({"attempt": task.attempts}));
        Ok(Answer::done(self.look().review_view(&lease, false)?))
    }

    fn resume_review(&mut self, mut lease: Lease, ttl: Option<Ttl>) -> Result<Answer<ClaimView>, Refusal> {
        self.named.push(lease.task);
        let task = self.reload(lease.task)?;
        if lease.lapsed {
            self.regain(&mut lease, &task)?;
        }
        lease.ttl = ttl.unwrap_or(lease.ttl);
        lease.renew(self.dial.lease);
        self.store.put_lease(&lease)?;
        self.touched = self.touched.max(Touched::Presence);
        Ok(Answer::done(self.look().review_view(&lease, true)?))
    }

    /// Accepts what was handed in: the task is done. A reviewer shows its lease; a person names the attempt it read.
    /// Refuses with `own_work`, `stale_lease`, `human_required`.
    pub fn approve(&mut self, module: &Module, attempt: Option<u32>, notes: &str) -> Result<Task, Refusal> {
        let before = self.named_task(module)?;
        let mut task = before.clone();
        task.step(Step::Approve, self.now())?;
        self.decide(&before, &mut task, Decision::Approved, attempt, notes)?;
        self.save_task(&before, &mut task)?;
        self.event(EventKind::TaskDone, module, json!({"attempt": task.attempts}));
        self.tell_if_complete();
        Ok(task)
    }

    /// Sends a task back to its author, for whom it is kept for one lease length. The author may do so with its own
    /// work.
    pub fn request_changes(&mut self, module: &Module, attempt: Option<u32>, notes: &str) -> Result<Task, Refusal> {
        let before = self.named_task(module)?;
        let mut task = before.clone();
        task.step(Step::RequestChanges, self.now())?;
        self.decide(&before, &mut task, Decision::ChangesRequested, attempt, notes)?;
        self.reserve_for_last(&mut task, Returned::ChangesRequested)?;
        self.save_task(&before, &mut task)?;
        Ok(task)
    }

    /// Records a verdict and ends the review lease.
    fn decide(
        &mut self,
        before: &Task,
        task: &mut Task,
        decision: Decision,
        attempt: Option<u32>,
        notes: &str,
    ) -> Result<(), Refusal> {
        let module = &before.module;
        if let Some(read) = attempt.filter(|read| *read != before.attempts) {
            let message = format!("{module} is at attempt {}, not {read}", before.attempts);
            return Err(Refusal::new(Code::StaleTaskRevision, message).hint(format!("callboard show {module}")));
        }
        let author = self.look().author(before)?;
        let is_author = self.actor.agent_id().is_some() && self.actor.agent_id() == author.as_ref();
        if decision == Decision::Approved && self.look().is_own_work(before, self.actor.agent_id())? {
            return Err(Refusal::new(Code::OwnWork, format!("{module} is your own work")).hint(format!(
                "let somebody else review it, or take it back: callboard request-changes {module} --notes TEXT"
            )));
        }
        let lease = self.store.lease(before.key, LeaseKind::Review)?;
        match &self.actor {
            Actor::Human { .. } => {
                self.actor.must_be_sure("a verdict")?;
                if let Some(lease) = lease.as_ref().filter(|lease| lease.is_live(self.dial.lease)) {
                    self.warn(format!("{} was reviewing it; that lease has ended", lease.agent));
                }
            }
            Actor::Agent(_) if is_author => {}
            Actor::Agent(_) => drop(self.shown_lease(before, LeaseKind::Review)?),
        }
        if let Some(lease) = &lease {
            self.end_lease(lease, task, Outcome::Finished, None)?;
        }
        let by = self.actor.to_string();
        let verdict =
            Verdict { attempt: before.attempts, by, verdict: decision, notes: notes.to_owned(), at: self.now() };
        self.store.add_verdict(before.key, &verdict)?;
        let kind = match decision {
            Decision::Approved => EventKind::Approved,
            Decision::ChangesRequested => EventKind::ChangesRequested,
        };
        let data = json!({"attempt": before.attempts, "notes": crate::domain::text::cut(notes, 300)});
        match (author, decision) {
            (None, _) => self.event(kind, module, data),
            (Some(author), Decision::ChangesRequested) => self.notify(kind, before, Audience::Agent(author), data),
            (Some(author), Decision::Approved) => {
                // It is good to know, however urgent the task was.
                self.push_event(kind, Some(module), Some(Audience::Agent(author)), READ_LATER, data);
            }
        }
        Ok(())
    }
}
