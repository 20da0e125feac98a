//! The end of work: handing in, giving back, giving up, pausing.

use serde_json::json;

use super::turn::Turn;
use crate::domain::actor::Actor;
use crate::domain::attempt::Outcome;
use crate::domain::event::{Audience, EventKind};
use crate::domain::id::Module;
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::profile::Review;
use crate::domain::refusal::Refusal;
use crate::domain::submission::SubmittedWork;
use crate::domain::task::{Returned, Step, Task, TaskState, WaitFor, Waiting};

impl Turn<'_> {
    /// Hands a task in: to review where one is due, else it is done. A lease that ran out is had back first. Refuses
    /// an outdated or missing proof, and with `confirmation_required`.
    pub fn finish_task(&mut self, module: &Module, summary: &str, work: SubmittedWork) -> Result<Task, Refusal> {
        let (before, mut lease) = self.held_task(module)?;
        self.refuse_unconfirmed_finish()?;
        self.refuse_unread_handoff(&before)?;
        if lease.lapsed {
            self.regain_anyway(&mut lease, &before)?;
        }
        let before = self.reload(before.key)?;
        let mut task = before.clone();
        self.end_lease(&lease, &mut task, Outcome::Finished, Some(summary))?;
        let review = self.board.profile.review(task.review);
        if let Some(attempt) = self.store.attempt(lease.attempt)? {
            self.record_submission(&before, attempt, work, review)?;
        }
        let review = review == Review::Required;
        task.step(if review { Step::Submit } else { Step::Complete }, self.now())?;
        self.save_task(&before, &mut task)?;
        if review {
            self.call_for_review(&task)?;
            self.warn_without_reviewer(&task)?;
        } else {
            let data = json!({"attempt": task.attempts, "agent_id": lease.agent});
            self.event(EventKind::TaskDone, module, data);
            self.tell_if_complete();
        }
        Ok(task)
    }

    /// Tells those who may review a task that it waits for them; an older call is settled by this one.
    pub(super) fn call_for_review(&mut self, task: &Task) -> Result<(), Refusal> {
        self.settle(&task.module, |kind| kind == EventKind::ReviewReady)?;
        let audience = match &task.reviewer {
            Some(reviewer) => Audience::Agent(reviewer.clone()),
            None => Audience::Reviewers(task.specialty.clone()),
        };
        let data = json!({"attempt": task.attempts, "agent_id": task.last_agent});
        self.notify(EventKind::ReviewReady, task, audience, data);
        Ok(())
    }

    fn refuse_unconfirmed_finish(&mut self) -> Result<(), Refusal> {
        match &self.actor {
            Actor::Agent(acting) if acting.session.is_some() => self.refuse_unconfirmed(),
            // A token alone is proof enough; there is no window to have confirmed.
            _ => Ok(()),
        }
    }

    /// Gives a task back before it is finished; it is open again at once. A review lease given back leaves the task in
    /// review.
    pub fn release(&mut self, module: &Module, reason: &str) -> Result<Task, Refusal> {
        let before = self.named_task(module)?;
        let kind = if before.state == TaskState::Review { LeaseKind::Review } else { LeaseKind::Work };
        let lease = self.shown_lease(&before, kind)?;
        let mut task = before.clone();
        self.end_lease(&lease, &mut task, Outcome::Released, Some(reason))?;
        let event = match kind {
            LeaseKind::Work => {
                task.step(Step::Release, self.now())?;
                // Else its own next claim would give it back at once.
                self.reserve(&mut task, Some(lease.agent.clone()), Returned::Released)?;
                EventKind::Released
            }
            LeaseKind::Review => EventKind::ReviewReleased,
        };
        self.save_task(&before, &mut task)?;
        self.event(event, module, json!({"reason": reason, "agent_id": lease.agent}));
        if kind == LeaseKind::Review {
            self.call_for_review(&task)?;
        }
        Ok(task)
    }

    /// Gives a task up. A held one needs its holder's proof.
    pub fn fail_task(&mut self, module: &Module, reason: &str) -> Result<Task, Refusal> {
        let task = self.set_aside(module, Step::Fail, Outcome::Failed, reason, |_, _| Ok(()))?;
        self.withdraw_all(task.key)?;
        let stranded = self.tell_of_stranded(&task)?;
        match stranded[..] {
            [] => self.notify(EventKind::TaskFailed, &task, Audience::Humans, json!({"reason": reason})),
            // People are told of what it holds up; that says it all.
            _ => self.event(EventKind::TaskFailed, module, json!({"reason": reason})),
        }
        if !stranded.is_empty() {
            let names: Vec<&str> = stranded.iter().map(Module::as_str).collect();
            self.warn(format!("waiting for {module}, which failed: {}", names.join(", ")));
        }
        self.tell_if_complete();
        Ok(task)
    }

    /// Pauses a task until somebody unblocks it. A held one needs its holder's proof, and its lease ends.
    pub fn block(&mut self, module: &Module, on: WaitFor, reason: &str) -> Result<Task, Refusal> {
        let since = self.now();
        let waiting = Waiting { what: on, since, reason: reason.to_owned() };
        let task = self.set_aside(module, Step::Block, Outcome::Blocked, reason, |_, task| {
            task.waiting = Some(waiting);
            Ok(())
        })?;
        self.notify(EventKind::Blocked, &task, Audience::Humans, json!({"on": on, "reason": reason}));
        Ok(task)
    }

    /// Ends a pause: the task is open again, kept for its last agent for one lease length.
    pub fn unblock(&mut self, module: &Module) -> Result<Task, Refusal> {
        let before = self.named_task(module)?;
        let mut task = before.clone();
        task.step(Step::Unblock, self.now())?;
        // Whoever looked at it decided that it may go on: it gets its chances back.
        task.losses = 0;
        self.withdraw_all(task.key)?;
        self.reserve_for_last(&mut task, Returned::Unblocked)?;
        self.save_task(&before, &mut task)?;
        let audience = match &task.last_agent {
            Some(agent) => Audience::Agent(agent.clone()),
            None => Audience::Workers(task.specialty.clone()),
        };
        self.notify(EventKind::Unblocked, &task, audience, json!({}));
        Ok(task)
    }

    /// Cancels tasks. A live lease ends with it. Returns the modules that are stranded by it.
    pub fn cancel(
        &mut self,
        modules: &[Module],
        reason: &str,
        free: Free,
    ) -> Result<(Vec<Task>, Vec<Module>), Refusal> {
        self.actor.must_be_sure("cancelling a task")?;
        let mut cancelled = Vec::new();
        let mut stranded = Vec::new();
        for module in modules {
            let before = self.named_task(module)?;
            let mut task = before.clone();
            task.step(Step::Cancel, self.now())?;
            self.withdraw_all(task.key)?;
            for kind in LeaseKind::ALL {
                if let Some(lease) = self.store.lease(task.key, *kind)? {
                    self.end_lease(&lease, &mut task, Outcome::Cancelled, None)?;
                }
            }
            self.save_task(&before, &mut task)?;
            self.event(EventKind::TaskCancelled, module, json!({"reason": reason}));
            if free == Free::Dependents {
                for dependent in self.store.dependents(task.key)? {
                    self.undepend(&dependent.module, std::slice::from_ref(module))?;
                }
            } else {
                stranded.extend(self.tell_of_stranded(&task)?);
            }
            cancelled.push(self.reload(task.key)?);
        }
        stranded.retain(|module| !modules.contains(module));
        stranded.sort();
        stranded.dedup();
        self.tell_if_complete();
        Ok((cancelled, stranded))
    }

    /// Makes a finished task open again. Its dependents that are done stay, those that are active go on with a warning,
    /// those that are open become unready.
    pub fn reopen(&mut self, module: &Module, reason: &str) -> Result<Task, Refusal> {
        self.actor.must_be_sure("reopening a task")?;
        let before = self.named_task(module)?;
        let mut task = before.clone();
        task.step(Step::Reopen, self.now())?;
        task.losses = 0;
        self.save_task(&before, &mut task)?;
        self.event(EventKind::TaskReopened, module, json!({"reason": reason, "was": before.state}));
        Ok(task)
    }

    /// The task and the work lease that the caller shows.
    fn held_task(&mut self, module: &Module) -> Result<(Task, Lease), Refusal> {
        let task = self.named_task(module)?;
        let lease = self.shown_lease(&task, LeaseKind::Work)?;
        Ok((task, lease))
    }

    /// Takes a step out of work, which ends a held lease that the caller must show.
    pub(super) fn set_aside(
        &mut self,
        module: &Module,
        step: Step,
        outcome: Outcome,
        reason: &str,
        mark: impl FnOnce(&Self, &mut Task) -> Result<(), Refusal>,
    ) -> Result<Task, Refusal> {
        let before = self.named_task(module)?;
        let mut task = before.clone();
        task.step(step, self.now())?;
        for kind in LeaseKind::ALL {
            if let Some(lease) = self.store.lease(task.key, *kind)? {
                if lease.is_live(self.dial.lease) {
                    lease.demand(&self.proof, &self.holder_of(&lease)?)?;
                }
                self.end_lease(&lease, &mut task, outcome, Some(reason))?;
            }
        }
        mark(self, &mut task)?;
        self.save_task(&before, &mut task)?;
        Ok(task)
    }
}

/// What becomes of those that depend on a cancelled task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// They go on waiting for it.
    Nobody,
    /// They depend on it no longer.
    Dependents,
}
