//! One recommendation, the exact command for it, and what would have to happen when there is none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::{EventView, notice_view};
use super::look::Look;
use super::mutation::{Answer, Outcome};
use super::questions::answer_command;
use super::queues::conflict_with;
use super::sessions::unconfirmed;
use super::views::{ClaimView, LeaseView, WaitingOn, closing_command, finish_command};
use crate::domain::actor::Actor;
use crate::domain::agent::{Agent, Role};
use crate::domain::event::Audience;
use crate::domain::id::{Module, Specialty};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::notice::is_for_reading;
use crate::domain::profile::Confirmation;
use crate::domain::question::QuestionStatus;
use crate::domain::refusal::Refusal;
use crate::domain::session::Session;
use crate::domain::task::{Returned, Task, TaskState};
use crate::domain::text;
use crate::domain::word::words;
use crate::store::contract::{LeasesOf, NoticeFilter, Offers, QuestionFilter, TaskFilter};

/// Of each kind of hindrance this many are named: enough to act on, little enough to read.
const NAMED: usize = 5;
/// Of what somebody said so many characters are shown where it is only mentioned.
const SAID: usize = 200;
/// Among so many notices those are looked for that are only to be read.
const UNREAD_SEARCHED: usize = 200;
/// What is at least this urgent is read before new work is begun.
const URGENT: u8 = 1;
/// An agent holds few leases; this only bounds the reading.
const HELD_MOST: usize = 1_000;

words! {
    /// What to do next.
    Action, "action" {
        /// Go on with what you hold.
        Continue = "continue",
        /// Changes were requested of your work.
        Rework = "rework",
        /// What your task waited for has come.
        Answered = "answered",
        /// Take what somebody handed over.
        Handoff = "handoff",
        /// Review what somebody handed in.
        Review = "review",
        /// Take the next task.
        Claim = "claim",
        /// Read what was said to you, or answer what you were asked.
        Read = "read",
        /// The plan needs a planner's hand.
        Plan = "plan",
        /// Nothing now.
        Wait = "wait",
        /// The board is complete.
        Stop = "stop",
    }
}

/// Which messages are worth an action now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgent {
    /// Only urgent ones.
    Only,
    /// Others as well.
    Or,
}

/// One recommendation.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NextAction {
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// The task it is about.
    pub module: Option<Module>,
    /// The exact command.
    pub command: Option<String>,
    /// The command that hands in what is held, once it is done.
    #[serde(default)]
    pub finish_command: Option<String>,
    /// The lease that is held.
    pub lease: Option<LeaseView>,
    /// What was said to you and not acknowledged, first things first.
    #[serde(default)]
    pub notifications: Vec<EventView>,
    /// True when nothing will ever move by itself.
    pub stalled: bool,
    /// What would have to happen.
    pub waiting_on: Vec<WaitingOn>,
}

impl NextAction {
    fn new(action: Action, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            action,
            reason,
            module: None,
            command: None,
            finish_command: None,
            lease: None,
            notifications: Vec::new(),
            stalled: false,
            waiting_on: Vec::new(),
        }
    }

    fn about(self, module: &Module) -> Self {
        Self { module: Some(module.clone()), ..self }
    }

    fn with(self, command: impl Into<String>) -> Self {
        Self { command: Some(command.into()), ..self }
    }
}

impl Look<'_> {
    /// What the agent should do next, in its window. Nothing to do is `wait`, a complete board is `stop`. Refuses an agent
    /// without a window, or with several of which none was named, with `session_required`.
    pub fn next_action(&self, only: Option<&Specialty>) -> Result<Answer<NextAction>, Refusal> {
        let Actor::Agent(acting) = &self.actor else { return self.next_for_a_person() };
        let agent = &acting.agent;
        if self.board.counts.is_complete() {
            let stop = NextAction::new(Action::Stop, "every task is in a final state");
            return Ok(Answer { outcome: Outcome::Complete, reply: stop });
        }
        let (_, session) = self.actor.window()?;
        let unread = self.unread(agent)?;
        if let Some(lease) = self.held_in(session)? {
            return Ok(Answer::done(NextAction { notifications: unread, ..self.go_on(&lease) }));
        }
        let steps: [&dyn Fn() -> Result<Option<NextAction>, Refusal>; 8] = [
            &|| self.returned_work(agent, only),
            &|| self.question_for(agent),
            &|| Ok(self.read(&unread, Urgent::Only)),
            &|| self.handoff_for(),
            &|| self.review_for(agent, only),
            &|| self.claim_for(agent, only),
            &|| Ok(self.read(&unread, Urgent::Or)),
            &|| if agent.roles.contains(&Role::Planner) { self.plan() } else { Ok(None) },
        ];
        for step in steps {
            if let Some(action) = step()? {
                return Ok(Answer::done(action));
            }
        }
        self.wait()
    }

    /// What was said to the agent that no other action stands for, and that its own cursor is not past.
    fn unread(&self, agent: &Agent) -> Result<Vec<EventView>, Refusal> {
        if self.board.pending.notifications == 0 {
            return Ok(Vec::new());
        }
        let read = self.store.cursor(&self.own_cursor())?.map_or(0, |cursor| cursor.acknowledged);
        let audiences = Some(self.audiences_of(agent)?);
        let filter = NoticeFilter { audiences, unresolved: true, ..NoticeFilter::default() };
        let found = self.store.notices(&filter, read, UNREAD_SEARCHED)?;
        let said = found.into_iter().filter(|notice| is_for_reading(&notice.event));
        Ok(said.take(NAMED).map(notice_view).collect())
    }

    fn read(&self, unread: &[EventView], urgent: Urgent) -> Option<NextAction> {
        let last = unread.last()?;
        let comes_first = unread.iter().any(|event| event.priority <= URGENT);
        if urgent == Urgent::Only && !comes_first {
            return None;
        }
        let reason = format!("{} for you to read; the command acknowledges them", unread.len());
        let command = format!("callboard ack-notifications{} --up-to {}", self.caller(), last.seq);
        let action = NextAction::new(Action::Read, reason).with(command);
        Some(NextAction { notifications: unread.to_vec(), ..action })
    }

    /// A question that only this agent can answer: somebody waits for it.
    fn question_for(&self, agent: &Agent) -> Result<Option<NextAction>, Refusal> {
        if self.board.pending.questions == 0 {
            return Ok(None);
        }
        let audience = Some(Audience::Agent(agent.id.clone()));
        let filter = QuestionFilter { status: Some(QuestionStatus::Open), audience, task: None };
        let Some(question) = self.store.questions(&filter, None, 1)?.pop() else { return Ok(None) };
        let reason = format!("{} asks you: {}", question.asked_by, text::cut(&question.text, SAID));
        let command = format!("{}{}", answer_command(&question), self.caller());
        let action = NextAction::new(Action::Read, reason).with(command);
        Ok(Some(match &question.task {
            Some((_, module)) => action.about(module),
            None => action,
        }))
    }

    fn handoff_for(&self) -> Result<Option<NextAction>, Refusal> {
        let Some(handoff) = self.next_handoff()? else { return Ok(None) };
        let module = &handoff.module;
        let reason = format!("{} left it; {} says what you need", handoff.left_by, handoff.path);
        let command = format!("callboard claim-handoff {module}{}", self.caller());
        Ok(Some(NextAction::new(Action::Handoff, reason).about(module).with(command)))
    }

    fn next_for_a_person(&self) -> Result<Answer<NextAction>, Refusal> {
        if self.board.counts.is_complete() {
            let stop = NextAction::new(Action::Stop, "every task is in a final state");
            return Ok(Answer { outcome: Outcome::Complete, reply: stop });
        }
        match self.plan()? {
            Some(plan) => Ok(Answer::done(plan)),
            None => self.wait(),
        }
    }

    /// What the window holds, as a claim would resume it: what ran out first, then the oldest task.
    fn held_in(&self, session: &Session) -> Result<Option<Lease>, Refusal> {
        let held = self.store.leases(LeasesOf::Session(&session.id), HELD_MOST)?;
        // What was handed over waits for somebody else.
        Ok(held
            .into_iter()
            .filter(|lease| !lease.handed)
            .min_by_key(|lease| (lease.is_live(self.dial.lease), lease.task)))
    }

    /// How a command names the caller: the session only where it was named, because there are others.
    fn caller(&self) -> String {
        let agent = self.actor.agent_id().map(|agent| format!(" --agent-id {agent}")).unwrap_or_default();
        let session = self.actor.explicit_session().map(|id| format!(" --session-id {id}")).unwrap_or_default();
        format!("{agent}{session}")
    }

    /// Whoever lost its context gets everything by the command of `continue`; whoever has not needs only the other.
    fn go_on(&self, lease: &Lease) -> NextAction {
        let view = self.own_lease_view(lease);
        let (module, caller) = (&lease.module, self.caller());
        let (reason, command, finish) = match lease.kind {
            LeaseKind::Work if lease.is_live(self.dial.lease) => {
                let reason = format!("you hold it until {}; the command shows it whole", view.expires_at);
                (reason, format!("callboard claim {module}{caller}"), finish_command(lease))
            }
            LeaseKind::Work => {
                let reason = "your lease ran out and nobody has claimed it since; the command gets it back".to_owned();
                (reason, format!("callboard claim {module}{caller}"), finish_command(lease))
            }
            LeaseKind::Review => {
                let reason = format!("you review it until {}; the command shows it whole", view.expires_at);
                (reason, format!("callboard start-review {module}{caller}"), closing_command("approve", lease))
            }
        };
        let action = NextAction::new(Action::Continue, reason).about(module).with(command);
        NextAction { lease: Some(view), finish_command: Some(finish), ..action }
    }

    fn returned_work(&self, agent: &Agent, only: Option<&Specialty>) -> Result<Option<NextAction>, Refusal> {
        for task in self.store.reserved_for(&agent.id, NAMED)? {
            let fits = only.is_none() || task.specialty.is_none() || task.specialty.as_ref() == only;
            if let Some(kept) = task.reservation.as_ref().filter(|_| task.offered && fits) {
                let (action, reason) = match kept.why {
                    Returned::ChangesRequested => (Action::Rework, self.requested_changes(&task)?),
                    Returned::Answered => (Action::Answered, self.last_answer(&task)?),
                    Returned::Unblocked => (Action::Answered, "what it waited for has come".to_owned()),
                    // It is found among the handoffs, with its bundle.
                    Returned::HandedOver => continue,
                };
                let command = format!("callboard claim {}{}", task.module, self.caller());
                return Ok(Some(NextAction::new(action, reason).about(&task.module).with(command)));
            }
        }
        Ok(None)
    }

    fn requested_changes(&self, task: &Task) -> Result<String, Refusal> {
        Ok(match self.store.verdicts(task.key, 1)?.pop() {
            Some(verdict) => format!("{} requested changes: {}", verdict.by, text::cut(&verdict.notes, SAID)),
            None => "a reviewer requested changes".to_owned(),
        })
    }

    fn last_answer(&self, task: &Task) -> Result<String, Refusal> {
        let answered = self.answers(task.key)?.pop();
        let said = answered.and_then(|question| Some((question.ended_by?, question.question, question.answer?)));
        Ok(match said {
            Some((by, question, answer)) => {
                format!("{by} answered \"{}\": {}", text::cut(&question, SAID), text::cut(&answer, SAID))
            }
            None => "your question was answered".to_owned(),
        })
    }

    /// A review, for reviewers; for anybody when no reviewer is aboard.
    fn review_for(&self, agent: &Agent, only: Option<&Specialty>) -> Result<Option<NextAction>, Refusal> {
        let Some(task) = self.reviewable(Some(&agent.id), only, 1)?.pop() else { return Ok(None) };
        if !agent.roles.contains(&Role::Reviewer) && self.has_reviewer(&task)? {
            return Ok(None);
        }
        let by = task.last_agent.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
        let command = format!("callboard claim-review-next{}{}", self.caller(), flag(only));
        Ok(Some(NextAction::new(Action::Review, format!("{by} handed it in")).about(&task.module).with(command)))
    }

    fn claim_for(&self, agent: &Agent, only: Option<&Specialty>) -> Result<Option<NextAction>, Refusal> {
        if !agent.roles.contains(&Role::Worker) {
            return Ok(None);
        }
        if self.is_at_limit(agent)? {
            return Ok(None);
        }
        let Some(task) = self.claimable(agent, only, 1)?.pop() else { return Ok(None) };
        let (_, session) = self.actor.window()?;
        if self.board.profile.confirmation() == Confirmation::Required && !session.confirmed {
            return Err(unconfirmed(agent));
        }
        let command = format!("callboard claim-next{}{}", self.caller(), flag(only));
        let reason = format!("it ranks first: {}", task.title);
        Ok(Some(NextAction::new(Action::Claim, reason).about(&task.module).with(command)))
    }

    /// True when the agent holds as many tasks as it may, in all its windows.
    pub(super) fn is_at_limit(&self, agent: &Agent) -> Result<bool, Refusal> {
        let held = self.store.leases(LeasesOf::Agent(&agent.id), HELD_MOST)?;
        let counts = |lease: &Lease| lease.kind == LeaseKind::Work && lease.is_live(self.dial.lease) && !lease.handed;
        let live = held.iter().filter(|lease| counts(lease)).count();
        Ok(live >= self.board.profile.task_limit(agent.max_tasks) as usize)
    }

    /// What only a person or a planner can move.
    fn plan(&self) -> Result<Option<NextAction>, Refusal> {
        let hindrances = self.hindrances()?;
        let moved = hindrances.iter().find(|hindrance| Self::needs_a_hand(hindrance) && hindrance.command.is_some());
        Ok(moved.map(|hindrance| {
            let mut action = NextAction::new(Action::Plan, format!("{} stands in the way", hindrance.kind));
            action.module.clone_from(&hindrance.module);
            action.command.clone_from(&hindrance.command);
            action.waiting_on.clone_from(&hindrances);
            action
        }))
    }

    fn wait(&self) -> Result<Answer<NextAction>, Refusal> {
        let waiting_on = self.hindrances()?;
        let stalled = self.is_stalled()?;
        let reason = if stalled { "nothing moves without a person" } else { "nothing to do now" };
        let reply = NextAction { stalled, waiting_on, ..NextAction::new(Action::Wait, reason) };
        Ok(Answer { outcome: Outcome::Nothing, reply })
    }

    fn needs_a_hand(hindrance: &WaitingOn) -> bool {
        matches!(hindrance.kind.as_str(), "draft" | "dependency_failed" | "waiting" | "no_task")
    }

    /// True when nothing ever moves by itself: nobody holds anything, and nobody aboard could take what is offered or
    /// review what was handed in.
    pub fn is_stalled(&self) -> Result<bool, Refusal> {
        let counts = &self.board.counts;
        if counts.total() == 0 || counts.is_complete() {
            return Ok(false);
        }
        let is_live = |lease: &Lease| lease.is_live(self.dial.lease);
        if self.store.leases(LeasesOf::All, HELD_MOST)?.iter().any(is_live) {
            return Ok(false);
        }
        if counts.offered > 0 && self.somebody_may_claim()? {
            return Ok(false);
        }
        if counts.of(TaskState::Review) == 0 {
            return Ok(true);
        }
        for task in self.reviewable(None, None, NAMED)? {
            if self.can_be_reviewed(&task)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What stands between the board and its end, a few of each kind: held by whom until when, waiting for what.
    pub fn hindrances(&self) -> Result<Vec<WaitingOn>, Refusal> {
        let mut list = Vec::new();
        if self.board.counts.total() == 0 {
            let command = Some("callboard add-task --module NAME --title TEXT".to_owned());
            list.push(WaitingOn { command, ..hindrance("no_task", None) });
        }
        for lease in self.store.leases(LeasesOf::All, NAMED)? {
            let kind = if lease.kind == LeaseKind::Work { "held" } else { "review" };
            let holder = lease.holder(self.dial);
            list.push(WaitingOn {
                by: Some(holder.agent_id.to_string()),
                until: Some(holder.expires_at),
                ..hindrance(kind, Some(&lease.module))
            });
        }
        for task in self.reviewable(None, None, NAMED)? {
            // An agent that could review it would have been told to; the author and people read this.
            let command = Some(format!("callboard approve {} --as-human", task.module));
            let by = Some("somebody to review it".to_owned());
            list.push(WaitingOn { by, command, ..hindrance("review", Some(&task.module)) });
        }
        for task in self.in_state(TaskState::Waiting)? {
            let waiting = task.waiting.as_ref();
            let by = waiting.map(|waiting| format!("{}: {}", waiting.what, text::cut(&waiting.reason, 80)));
            let command = Some(self.waking_command(&task)?);
            list.push(WaitingOn { by, command, ..hindrance("waiting", Some(&task.module)) });
        }
        for task in self.in_state(TaskState::Draft)? {
            let command = Some(format!("callboard confirm-task {}", task.module));
            list.push(WaitingOn { command, ..hindrance("draft", Some(&task.module)) });
        }
        for task in self.store.stranding(NAMED)? {
            let by = Some(format!("{} tasks wait for it and it is {}", task.held_up, task.state));
            let command = Some(format!("callboard reopen-task {} --reason TEXT", task.module));
            list.push(WaitingOn { by, command, ..hindrance("dependency_failed", Some(&task.module)) });
        }
        self.name_conflicts(&mut list)?;
        Ok(list)
    }

    /// What ends the pause of a waiting task.
    pub(super) fn waking_command(&self, task: &Task) -> Result<String, Refusal> {
        let question = self.open_questions(task.key)?.into_iter().next();
        Ok(question.map_or_else(|| format!("callboard unblock {}", task.module), |question| answer_command(&question)))
    }

    /// Offered tasks that nobody gets because of whose paths, or for whom they are kept.
    fn name_conflicts(&self, list: &mut Vec<WaitingOn>) -> Result<(), Refusal> {
        let held = self.others_scopes()?;
        for task in self.store.offers(Offers::All, None, NAMED)? {
            if let Some(conflict) = conflict_with(&held, &task) {
                let holder = conflict.lease.holder(self.dial);
                list.push(WaitingOn {
                    by: Some(format!("{} holds {} for {}", holder.agent_id, conflict.theirs, conflict.lease.module)),
                    until: Some(holder.expires_at),
                    ..hindrance("overlap", Some(&task.module))
                });
            } else if let Some(kept) = task.reservation.as_ref().filter(|kept| kept.until > self.dial.lease) {
                let until = Some(self.dial.shown(kept.until));
                list.push(WaitingOn {
                    by: Some(kept.agent.to_string()),
                    until,
                    ..hindrance("reserved", Some(&task.module))
                });
            }
        }
        Ok(())
    }

    fn in_state(&self, state: TaskState) -> Result<Vec<Task>, Refusal> {
        let filter = TaskFilter { state: Some(state), ..TaskFilter::default() };
        Ok(self.store.tasks(&filter, None, NAMED)?)
    }

    /// The answer to a claim that found nothing.
    pub(super) fn nothing_to_claim(&self) -> Result<ClaimView, Refusal> {
        Ok(ClaimView { waiting_on: self.hindrances()?, ..ClaimView::default() })
    }

    /// The answer to a reviewer that found nothing.
    pub(super) fn nothing_to_review(&self) -> Result<ClaimView, Refusal> {
        self.nothing_to_claim()
    }
}

fn hindrance(kind: &str, module: Option<&Module>) -> WaitingOn {
    WaitingOn { kind: kind.to_owned(), module: module.cloned(), by: None, until: None, command: None }
}

fn flag(only: Option<&Specialty>) -> String {
    only.map(|one| format!(" --specialty {one}")).unwrap_or_default()
}
