//! What does not move by itself, and the command that moves it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::leases::HELD_MOST;
use super::look::Look;
use super::pages::ROSTER_ROWS;
use super::questions::{answer_command, asked};
use crate::domain::agent::{Agent, Role};
use crate::domain::event::{Audience, EventKind};
use crate::domain::handoff::HandoffStatus;
use crate::domain::id::{AgentId, Specialty};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::question::QuestionStatus;
use crate::domain::refusal::Refusal;
use crate::domain::session::{Session, SessionStatus};
use crate::domain::task::{Task, TaskState};
use crate::domain::text;
use crate::store::contract::{LeasesOf, NoticeFilter, Offers, QuestionFilter, ReviewFilter, SessionsOf, WorkOf};

/// Of each kind so many are named: enough to act on.
const STALLED_ROWS: usize = 5;

/// Among so many windows a worker is looked for.
const WORKERS_ASKED: usize = 500;
/// Of what somebody says to people so many characters are shown.
const SAID_SHOWN: usize = 120;
/// So much of a question and its options is shown, in characters.
const ASKED_SHOWN: usize = 200;
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

/// Agents that could review something.
enum Reviewers {
    Nobody,
    One(AgentId),
    Several,
}

impl Look<'_> {
    /// What does not move by itself, each with the command that moves it, as the reader may have it.
    pub fn stalled(&self) -> Result<Vec<Stalled>, Refusal> {
        let lines = self.stalled_for_people()?.into_iter();
        Ok(lines.map(|line| Stalled { command: self.actor.readable(line.command), ..line }).collect())
    }

    /// The same for people, whoever acts.
    pub(super) fn stalled_for_people(&self) -> Result<Vec<Stalled>, Refusal> {
        let mut list = Vec::new();
        let counts = &self.board.counts;
        let drafts = counts.of(TaskState::Draft);
        if drafts > 0 {
            let what = format!("drafts that nobody confirmed: {drafts}");
            list.push(Stalled { what, command: "callboard confirm-task --all".to_owned() });
        }
        self.people_are_asked(&mut list)?;
        let mut say = |what: String, command: String| list.push(Stalled { what, command });
        let is_waiting = counts.of(TaskState::Waiting) > 0;
        for task in if is_waiting { self.store.paused(STALLED_ROWS)? } else { Vec::new() } {
            let what = task.waiting.as_ref().map_or("?", |waiting| waiting.what.as_str());
            let why = task.waiting.as_ref().map(|waiting| format!(": {}", text::cut(&waiting.reason, WHY_SHOWN)));
            let command = self.waking_command(&task)?;
            say(format!("{} waits for {what}{}", task.module, why.unwrap_or_default()), command);
        }
        let strand = counts.of(TaskState::Failed) + counts.of(TaskState::Cancelled) > 0;
        for task in if strand { self.store.stranding(STALLED_ROWS)? } else { Vec::new() } {
            let what = format!("{} is {} and holds up {}", task.module, task.state, task.held_up);
            say(what, format!("callboard reopen-task {} --reason TEXT --as-human", task.module));
        }
        if let Some(task) = self.unreviewable()? {
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
        self.untaken(&mut list)?;
        self.unmanned(&mut list)?;
        Ok(list)
    }

    /// Open questions, and words for people that nobody has acknowledged.
    fn people_are_asked(&self, list: &mut Vec<Stalled>) -> Result<(), Refusal> {
        if self.board.pending.questions > 0 {
            let filter = QuestionFilter { status: Some(QuestionStatus::Open), ..QuestionFilter::default() };
            for question in self.store.questions(&filter, None, STALLED_ROWS)? {
                let about = question.task.as_ref().map(|(_, module)| format!(" about {module}")).unwrap_or_default();
                let (by, to) = (&question.asked_by, &question.audience);
                let what = format!("{by} asks {to}{about}: {}", text::cut(&asked(&question), ASKED_SHOWN));
                list.push(Stalled { what, command: answer_command(&question) });
            }
        }
        if self.board.pending.notifications > 0 {
            let audiences = Some(vec![Audience::Humans]);
            let kind = Some(EventKind::Message);
            let filter = NoticeFilter { audiences, kind, unresolved: true, ..NoticeFilter::default() };
            for notice in self.store.notices(&filter, 0, STALLED_ROWS)? {
                let event = notice.event;
                let said = event.data.get("message").and_then(|said| said.as_str()).unwrap_or_default();
                let by = event.actor.as_deref().unwrap_or("somebody");
                let what = format!("{by} says: {}", text::cut(&text::one_line(said), SAID_SHOWN));
                list.push(Stalled { what, command: format!("callboard ack-notifications --up-to {}", event.seq) });
            }
        }
        Ok(())
    }

    /// What was handed to an agent that is not aboard.
    fn untaken(&self, list: &mut Vec<Stalled>) -> Result<(), Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(());
        }
        for handoff in self.store.live_handoffs(STALLED_ROWS)? {
            if let (HandoffStatus::Ready, Audience::Agent(agent)) = (handoff.status, &handoff.audience)
                && !self.is_aboard(agent)?
            {
                let module = &handoff.module;
                let what = format!("{module} was handed to {agent}, which is not aboard");
                list.push(Stalled { what, command: format!("callboard withdraw-handoff {module}") });
            }
        }
        Ok(())
    }

    /// True when nothing ever moves by itself: nobody holds anything, and nobody aboard could take what is offered or
    /// review what was handed in.
    pub fn is_stalled(&self) -> Result<bool, Refusal> {
        let counts = &self.board.counts;
        if counts.total() == 0 || counts.is_complete() {
            return Ok(false);
        }
        let is_live = |lease: &Lease| lease.is_live(self.dial.lease);
        let held = self.store.leases(LeasesOf::All, HELD_MOST)?;
        // What has run out and was not noticed yet is offered by the next mutation.
        if held.iter().any(|lease| is_live(lease) || !lease.lapsed) {
            return Ok(false);
        }
        if counts.offered > 0 && self.somebody_may_claim()? {
            return Ok(false);
        }
        if self.board.pending.questions > 0 {
            let filter = QuestionFilter { status: Some(QuestionStatus::Open), ..QuestionFilter::default() };
            for question in self.store.questions(&filter, None, ROSTER_ROWS)? {
                if let Audience::Agent(agent) = &question.audience
                    && self.is_aboard(agent)?
                {
                    return Ok(false);
                }
            }
        }
        if counts.of(TaskState::Review) == 0 {
            return Ok(true);
        }
        Ok(match self.possible_reviewers()? {
            Reviewers::Nobody => true,
            Reviewers::One(agent) => self.first_review(WorkOf::AllBut(&agent))?.is_none(),
            Reviewers::Several => false,
        })
    }

    /// A task in review that nobody who is there could review.
    fn unreviewable(&self) -> Result<Option<Task>, Refusal> {
        if self.board.counts.of(TaskState::Review) == 0 {
            return Ok(None);
        }
        match self.possible_reviewers()? {
            Reviewers::Nobody => self.first_review(WorkOf::Anybody),
            Reviewers::One(agent) => self.first_review(WorkOf::Only(&agent)),
            Reviewers::Several => Ok(None),
        }
    }

    fn first_review(&self, work_of: WorkOf<'_>) -> Result<Option<Task>, Refusal> {
        Ok(self.store.reviews(ReviewFilter { work_of, specialty: None }, None, 1)?.pop())
    }

    /// Which agents are there: any of them may review, but not its own work.
    fn possible_reviewers(&self) -> Result<Reviewers, Refusal> {
        let mut first: Option<Session> = None;
        for session in self.store.sessions(SessionsOf::Live, WORKERS_ASKED)? {
            if session.status(self.dial.wall) != SessionStatus::Active {
                // Those that follow have been silent for longer.
                break;
            }
            let Some(first) = &first else {
                first = Some(session);
                continue;
            };
            // One token is one author, whatever its agents are called.
            let is_same_token = session.registered_by.is_some() && session.registered_by == first.registered_by;
            if session.agent != first.agent && !is_same_token {
                return Ok(Reviewers::Several);
            }
        }
        Ok(first.map_or(Reviewers::Nobody, |session| Reviewers::One(session.agent)))
    }

    /// True when some task is offered that asks for no specialty, or for one that a worker aboard has; also while nobody is
    /// aboard, because whoever comes may have it.
    pub(super) fn somebody_may_claim(&self) -> Result<bool, Refusal> {
        if !self.store.offers(Offers::Free, None, 1)?.is_empty() {
            return Ok(true);
        }
        let mut nobody = true;
        for session in self.store.sessions(SessionsOf::Live, WORKERS_ASKED)? {
            nobody = false;
            let worker = self.store.agent(&session.agent)?.filter(|agent| agent.roles.contains(&Role::Worker));
            let Some(Agent { specialties, .. }) = worker else { continue };
            if specialties.is_empty() {
                return Ok(true);
            }
            for one in &specialties {
                if !self.store.offers(Offers::Of(one), None, 1)?.is_empty() {
                    return Ok(true);
                }
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
