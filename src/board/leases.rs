//! Leases: running out, being renewed, had back, taken away.

use serde_json::json;

use super::turn::{Touched, Turn};
use super::unread::Loss;
use crate::domain::actor::Actor;
use crate::domain::agent::Role;
use crate::domain::attempt::Outcome;
use crate::domain::event::{Audience, EventKind};
use crate::domain::id::Module;
use crate::domain::lease::{Lease, LeaseKind, Ttl, nobody_holds};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Returned, Step, Task, TaskState};
use crate::domain::topic::Topic;
use crate::store::contract::LeasesOf;

/// So many overdue leases are read at once; all are expired, because what is overdue counts for no scope.
const EXPIRED_AT_ONCE: usize = 200;
/// An agent holds few leases; this only bounds the reading.
pub(super) const HELD_MOST: usize = 1_000;

/// What a heartbeat says besides being alive.
#[derive(Clone, Debug, Default)]
pub struct Beat {
    /// A new length for the lease.
    pub ttl: Option<Ttl>,
    /// What is being done.
    pub progress: Option<String>,
    /// How much of it is done.
    pub percent: Option<u8>,
}

impl Turn<'_> {
    /// Marks what has run out, except the lease whose token the caller shows: that one is renewed at once. Nobody changed
    /// anything since it ran out, else it would be marked already, so nothing can stand against it.
    pub(super) fn expire_overdue(&mut self) -> Result<(), Refusal> {
        loop {
            let overdue = self.store.leases(LeasesOf::Overdue(self.dial.lease), EXPIRED_AT_ONCE)?;
            let was_all = overdue.len() < EXPIRED_AT_ONCE;
            for mut lease in overdue {
                if self.proof.token.is_some() && lease.is_shown_by(&self.proof) {
                    lease.renew(self.dial.lease);
                    self.store.put_lease(&lease)?;
                    self.touched = self.touched.max(Touched::Presence);
                } else {
                    self.lapse(&lease)?;
                }
            }
            if was_all {
                return Ok(());
            }
        }
    }

    fn lapse(&mut self, lease: &Lease) -> Result<(), Refusal> {
        self.store.put_lease(&Lease { lapsed: true, ..lease.clone() })?;
        let before = self.reload(lease.task)?;
        let mut after = before.clone();
        if lease.kind == LeaseKind::Work {
            after.offered = true;
            // It was kept for whom its holder wanted; now it is anybody's.
            after.reservation = None;
        } else {
            self.ring_review(&after);
        }
        self.rung.insert(Topic::Freed);
        self.write_task(&before, &mut after)?;
        let data = json!({"kind": lease.kind, "agent_id": lease.agent, "session_id": lease.session});
        self.notify(EventKind::LeaseExpired, &after, Audience::Agent(lease.agent.clone()), data);
        if lease.kind == LeaseKind::Review {
            self.call_for_review(&after)?;
        }
        Ok(())
    }

    /// The lease of `task` that the caller shows. Refuses with `proof_required`, or with `stale_lease` and the present
    /// holder.
    pub(super) fn shown_lease(&self, task: &Task, kind: LeaseKind) -> Result<Lease, Refusal> {
        self.actor.acting()?;
        match self.store.lease(task.key, kind)? {
            Some(lease) => lease.demand(&self.proof, &self.holder_of(&lease)?).map(|()| lease),
            None => Err(nobody_holds(&task.module, kind, task.state)),
        }
    }

    /// Renews a lease and says where the work is. A lease that ran out and that nobody claimed is had back, if the
    /// checks of a claim pass. Refuses an outdated or missing proof, and with `scope_overlap` or `limit_reached`.
    pub fn heartbeat(&mut self, module: &Module, beat: &Beat) -> Result<(Task, Lease), Refusal> {
        let task = self.named_task(module)?;
        let kind = if task.state == TaskState::Review { LeaseKind::Review } else { LeaseKind::Work };
        let mut lease = self.shown_lease(&task, kind)?;
        if lease.lapsed {
            self.regain(&mut lease, &task)?;
        }
        lease.ttl = beat.ttl.unwrap_or(lease.ttl);
        lease.renew(self.dial.lease);
        self.store.put_lease(&lease)?;
        self.touched = self.touched.max(Touched::Presence);
        if beat.progress.is_some() || beat.percent.is_some() {
            self.note_progress(&lease, beat)?;
        }
        if let Some(Refusal { message, hint: Some(command), .. }) = self.look().stop(&self.actor.acting()?.agent)? {
            self.warn(format!("{message}: {command}"));
        }
        Ok((self.reload(task.key)?, lease))
    }

    fn note_progress(&mut self, lease: &Lease, beat: &Beat) -> Result<(), Refusal> {
        if let Some(mut attempt) = self.store.attempt(lease.attempt)?
            && lease.kind == LeaseKind::Work
        {
            let percent = beat.percent.map(|percent| format!("{percent} %"));
            let words: Vec<String> = percent.into_iter().chain(beat.progress.clone()).collect();
            attempt.summary = Some(words.join(": "));
            self.store.update_attempt(&attempt)?;
        }
        Ok(())
    }

    /// Gives a lapsed lease back to its last holder, as a claim of the same attempt.
    pub(super) fn regain(&mut self, lease: &mut Lease, task: &Task) -> Result<(), Refusal> {
        if lease.kind == LeaseKind::Work {
            if !lease.handed {
                self.refuse_beyond_limit(task)?;
            }
            self.refuse_overlap(task, super::claims::Overlapping::Refuse)?;
        }
        self.regain_anyway(lease, task)
    }

    /// The same without the checks: for a holder that comes to hand in.
    pub(super) fn regain_anyway(&mut self, lease: &mut Lease, task: &Task) -> Result<(), Refusal> {
        lease.renew(self.dial.lease);
        self.store.put_lease(lease)?;
        let mut after = task.clone();
        // What was handed over is still offered.
        after.offered = lease.handed && lease.kind == LeaseKind::Work;
        self.write_task(task, &mut after)?;
        if lease.kind == LeaseKind::Review {
            self.settle(&task.module, |kind| matches!(kind, EventKind::ReviewReady | EventKind::LeaseExpired))?;
        }
        self.event(EventKind::LeaseRegained, &task.module, json!({"kind": lease.kind, "agent_id": lease.agent}));
        Ok(())
    }

    /// Ends the lease of `task`: whoever comes with it later is refused for good, and a holder that did not end it itself is
    /// told. Ends the attempt of a work lease with `outcome`. The caller saves the task, whose epoch is raised here.
    pub(super) fn end_lease(
        &mut self,
        lease: &Lease,
        task: &mut Task,
        outcome: Outcome,
        summary: Option<&str>,
    ) -> Result<(), Refusal> {
        self.tell_loser(lease, task, Loss::Ended);
        self.remove_lease(lease, task, outcome, summary)
    }

    /// Tells the holder of a lease that is gone without its doing. It has not handed it over, and works on.
    pub(super) fn tell_loser(&mut self, lease: &Lease, task: &Task, loss: Loss) {
        if !lease.handed && self.actor.agent_id() != Some(&lease.agent) {
            let data = json!({"kind": lease.kind, "session_id": lease.session, "loss": loss});
            self.notify(EventKind::LeaseLost, task, Audience::Agent(lease.agent.clone()), data);
        }
    }

    fn remove_lease(
        &mut self,
        lease: &Lease,
        task: &mut Task,
        outcome: Outcome,
        summary: Option<&str>,
    ) -> Result<(), Refusal> {
        self.store.remove_lease(lease.task, lease.kind)?;
        self.rung.insert(Topic::Freed);
        if task.reservation.as_ref().is_some_and(|kept| kept.why == Returned::HandedOver) {
            // It was kept for whom this holder wanted.
            task.reservation = None;
        }
        task.epoch += 1;
        if lease.kind == LeaseKind::Work {
            self.end_attempt(lease, outcome, summary)?;
        }
        Ok(())
    }

    pub(super) fn end_attempt(
        &mut self,
        lease: &Lease,
        outcome: Outcome,
        summary: Option<&str>,
    ) -> Result<(), Refusal> {
        if let Some(mut attempt) = self.store.attempt(lease.attempt)? {
            attempt.ended = Some((self.now(), outcome));
            attempt.summary = summary.map(ToOwned::to_owned).or(attempt.summary);
            self.store.update_attempt(&attempt)?;
        }
        Ok(())
    }

    /// Takes a lease away from whoever holds it and makes its task workable again.
    pub(super) fn revoke(&mut self, lease: &Lease, outcome: Outcome, data: serde_json::Value) -> Result<(), Refusal> {
        let before = self.reload(lease.task)?;
        let mut after = before.clone();
        self.remove_lease(lease, &mut after, outcome, None)?;
        if lease.kind == LeaseKind::Work {
            after.step(Step::Release, self.now())?;
        }
        self.save_task(&before, &mut after)?;
        self.notify(EventKind::LeaseRevoked, &after, Audience::Agent(lease.agent.clone()), data);
        if lease.kind == LeaseKind::Review {
            self.call_for_review(&after)?;
        }
        Ok(())
    }

    /// Expires what is overdue now; the frame of every mutation has done it already, so this only says which.
    pub fn reclaim_overdue(&mut self, module: Option<&Module>) -> Result<Vec<Lease>, Refusal> {
        let only = module.map(|module| self.named_task(module)).transpose()?;
        let lapsed = self.store.leases(LeasesOf::Lapsed, HELD_MOST)?;
        Ok(lapsed.into_iter().filter(|lease| only.as_ref().is_none_or(|task| task.key == lease.task)).collect())
    }

    /// Takes a live lease away, for a person or a planner. Refuses a task that nobody holds with `stale_lease`.
    pub fn force_reclaim(&mut self, module: &Module, reason: &str) -> Result<Lease, Refusal> {
        self.actor.must_be_sure("taking a lease away")?;
        let task = self.named_task(module)?;
        if let Actor::Agent(acting) = &self.actor
            && !acting.agent.roles.contains(&Role::Planner)
        {
            let message =
                format!("{} is no planner: a live lease is taken away by people and planners", acting.agent.id);
            return Err(Refusal::new(Code::HumanRequired, message)
                .hint(format!("callboard claim {module} --agent-id {} once it runs out", acting.agent.id)));
        }
        let mut held = None;
        for kind in LeaseKind::ALL {
            held = held.or(self.store.lease(task.key, *kind)?);
        }
        let Some(lease) = held else { return Err(nobody_holds(module, LeaseKind::Work, task.state)) };
        let data = json!({"kind": lease.kind, "agent_id": lease.agent, "session_id": lease.session, "reason": reason});
        self.revoke(&lease, Outcome::Revoked, data)?;
        Ok(lease)
    }

    /// A holder's mutation renews the leases of its proven session that it names; all, if it names none.
    pub(super) fn renew_proven(&mut self) -> Result<(), Refusal> {
        let shows_something = self.proof.session.is_some() || self.proof.token.is_some();
        let Some(agent) = self.proof.agent.clone().filter(|_| shows_something) else { return Ok(()) };
        let now = self.dial.lease;
        for mut lease in self.store.leases(LeasesOf::Agent(&agent), HELD_MOST)? {
            let meant = self.named.is_empty() || self.named.contains(&lease.task);
            if meant
                && lease.is_shown_by(&self.proof)
                && !lease.lapsed
                && lease.deadline < now.plus_seconds(lease.ttl.seconds())
            {
                lease.renew(now);
                self.store.put_lease(&lease)?;
                self.touched = self.touched.max(Touched::Presence);
            }
        }
        Ok(())
    }
}
