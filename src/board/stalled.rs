//! What does not move by itself, and the command that moves it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::Look;
use super::pages::ROSTER_ROWS;
use crate::domain::agent::{Agent, Role};
use crate::domain::id::Specialty;
use crate::domain::lease::LeaseKind;
use crate::domain::refusal::Refusal;
use crate::domain::task::TaskState;
use crate::domain::text;
use crate::store::contract::{LeasesOf, Offers, SessionsOf};

/// Of each kind so many are named: enough to act on.
const STALLED_ROWS: usize = 5;

/// So much of a reason is shown, in characters.
const WHY_SHOWN: usize = 80;

/// A line that says what does not move by itself, and what moves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stalled {
    /// What stands still.
    pub what: String,
    /// The command that moves it.
    pub command: String,
}

impl Look<'_> {
    /// What does not move by itself, each with the command that moves it.
    pub fn stalled(&self) -> Result<Vec<Stalled>, Refusal> {
        let mut list = Vec::new();
        let mut say = |what: String, command: String| list.push(Stalled { what, command });
        let counts = &self.board.counts;
        let drafts = counts.of(TaskState::Draft);
        if drafts > 0 {
            say(format!("drafts that nobody confirmed: {drafts}"), "callboard confirm-task --all".to_owned());
        }
        for task in self.tasks_in(TaskState::Waiting)?.into_iter().take(STALLED_ROWS) {
            let what = task.waiting.as_ref().map_or("?", |waiting| waiting.what.as_str());
            let why = task.waiting.as_ref().map(|waiting| format!(": {}", text::cut(&waiting.reason, WHY_SHOWN)));
            let command = self.waking_command(&task)?;
            say(format!("{} waits for {what}{}", task.module, why.unwrap_or_default()), command);
        }
        let strand = counts.of(TaskState::Failed) + counts.of(TaskState::Cancelled) > 0;
        for task in if strand { self.store.stranding(STALLED_ROWS)? } else { Vec::new() } {
            let what = format!("{} is {} and holds up {}", task.module, task.state, task.held_up);
            say(what, format!("callboard reopen-task {} --reason TEXT", task.module));
        }
        if counts.of(TaskState::Review) > 0
            && let Some(task) = self.reviewable(None, None, 1)?.first()
            && !self.can_be_reviewed(task)?
        {
            let what = format!("{} is in review and nobody is aboard who could review it", task.module);
            say(what, format!("callboard approve {} --as-human", task.module));
        }
        let overdue = self.store.leases(LeasesOf::Overdue(self.dial.lease), STALLED_ROWS)?;
        for lease in overdue.into_iter().chain(self.store.leases(LeasesOf::Lapsed, STALLED_ROWS)?).take(STALLED_ROWS) {
            let (kind, module) = (lease.kind, &lease.module);
            let claim = if kind == LeaseKind::Work { "claim" } else { "start-review" };
            let what = format!("the {kind} lease of {module} ran out; {} held it", lease.agent);
            say(what, format!("callboard {claim} {module} --agent-id ID"));
        }
        self.unmanned(&mut list)?;
        Ok(list)
    }

    /// True when some task is offered that asks for no specialty, or for one that a worker aboard has; also while nobody is
    /// aboard, because whoever comes may have it.
    pub(super) fn somebody_may_claim(&self) -> Result<bool, Refusal> {
        let wanted = self.store.offered_specialties(STALLED_ROWS)?;
        if wanted.is_empty() || !self.store.offers(Offers::Free, None, 1)?.is_empty() {
            return Ok(true);
        }
        let mut nobody = true;
        for session in self.store.sessions(SessionsOf::Live, ROSTER_ROWS)? {
            nobody = false;
            let agent = self.store.agent(&session.agent)?.filter(|agent| agent.roles.contains(&Role::Worker));
            let fits = |agent: &Agent| {
                agent.specialties.is_empty() || agent.specialties.iter().any(|one| wanted.contains(one))
            };
            if agent.as_ref().is_some_and(fits) {
                return Ok(true);
            }
        }
        Ok(nobody)
    }

    /// Offered tasks of a specialty that no worker aboard has. A worker without specialties is as good for every task.
    fn unmanned(&self, list: &mut Vec<Stalled>) -> Result<(), Refusal> {
        let wanted = self.store.offered_specialties(STALLED_ROWS)?;
        if wanted.is_empty() {
            return Ok(());
        }
        let mut aboard: Vec<Specialty> = Vec::new();
        for session in self.store.sessions(SessionsOf::Live, ROSTER_ROWS)? {
            let worker = self.store.agent(&session.agent)?.filter(|agent| agent.roles.contains(&Role::Worker));
            match worker {
                Some(worker) if worker.specialties.is_empty() => return Ok(()),
                worker => aboard.extend(worker.into_iter().flat_map(|worker| worker.specialties)),
            }
        }
        for specialty in wanted.into_iter().filter(|specialty| !aboard.contains(specialty)) {
            list.push(Stalled {
                what: format!("no agent of specialty {specialty} is aboard"),
                command: format!("callboard init-agent --thread-key KEY --specialty {specialty}"),
            });
        }
        Ok(())
    }
}
