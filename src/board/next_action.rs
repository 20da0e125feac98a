//! One recommendation, the exact command for it, and what would have to happen when there is none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::EventView;
use super::leases::HELD_MOST;
use super::look::Look;
use super::mutation::{Answer, Outcome};
use super::questions::asked;
use super::sessions::unconfirmed;
use super::unread::LostLease;
use super::views::{LeaseView, WaitingOn, closing_command, finish_command};
use crate::domain::actor::Actor;
use crate::domain::agent::{Agent, Role};
use crate::domain::event::{Audience, EventKind};
use crate::domain::for_people::TOLD;
use crate::domain::id::{Module, Specialty};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::profile::Confirmation;
use crate::domain::question::QuestionStatus;
use crate::domain::refusal::Refusal;
use crate::domain::session::Session;
use crate::domain::task::{Returned, Task};
use crate::domain::text;
use crate::domain::word::words;
use crate::store::contract::{LeasesOf, QuestionFilter};

/// Of each kind of hindrance this many are named: enough to act on, little enough to read.
const NAMED: usize = 5;
/// Of what somebody said so many characters are shown where it is only mentioned.
const SAID: usize = 200;
/// What is at least this urgent is read before new work is begun.
const URGENT: u8 = 1;

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
    /// The command that hands in what is held, once it is done; of a review the one that accepts it.
    #[serde(default)]
    pub finish_command: Option<String>,
    /// Of a review, the command that sends it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_changes_command: Option<String>,
    /// The command that says that the handoff of what is held was read, where that is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_command: Option<String>,
    /// The lease that is held.
    pub lease: Option<LeaseView>,
    /// Leases that were lost and of which nothing was said yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostLease>,
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
            request_changes_command: None,
            acknowledge_command: None,
            lease: None,
            lost: Vec::new(),
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
            let (notifications, lost) = (self.unread(agent, NAMED)?, self.lost_leases()?);
            return Ok(Answer { outcome: Outcome::Complete, reply: NextAction { lost, notifications, ..stop } });
        }
        let (_, session) = self.actor.window()?;
        let unread = self.unread(agent, NAMED)?;
        if let Some(read) = self.read_of_lost(&unread)? {
            return Ok(Answer::done(read));
        }
        if self.stop(agent)?.is_some()
            && let Some(read) = self.read(&unread, Urgent::Or)
        {
            return Ok(Answer::done(read));
        }
        if let Some(lease) = self.held_in(session)? {
            return Ok(Answer::done(NextAction { notifications: unread, ..self.go_on(&lease)? }));
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

    /// Whoever lost a lease works on what is no longer its own: it is told before anything else.
    fn read_of_lost(&self, unread: &[EventView]) -> Result<Option<NextAction>, Refusal> {
        let lost = self.lost_leases()?;
        let (Some(first), Some(read)) = (lost.first(), self.read(unread, Urgent::Or)) else { return Ok(None) };
        let reason = format!("you lost {}; the command says that you know", first.in_words());
        Ok(Some(NextAction { reason, module: Some(first.module.clone()), lost, ..read }))
    }

    fn read(&self, unread: &[EventView], urgent: Urgent) -> Option<NextAction> {
        // A question is not dealt with by having been read.
        let unread: Vec<EventView> = unread.iter().filter(|event| event.kind != EventKind::Question).cloned().collect();
        let last = unread.last()?;
        let comes_first = unread.iter().any(|event| event.priority <= URGENT);
        if urgent == Urgent::Only && !comes_first {
            return None;
        }
        let reason = format!("{} for you to read; the command acknowledges them", unread.len());
        let command = format!("callboard ack-notifications{} --up-to {}", self.caller(), last.seq);
        let action = NextAction::new(Action::Read, reason).with(command);
        Some(NextAction { notifications: unread, ..action })
    }

    /// A question that only this agent can answer: somebody waits for it.
    fn question_for(&self, agent: &Agent) -> Result<Option<NextAction>, Refusal> {
        if self.board.pending.questions == 0 {
            return Ok(None);
        }
        let audience = Some(Audience::Agent(agent.id.clone()));
        let filter = QuestionFilter { status: Some(QuestionStatus::Open), audience, task: None };
        let Some(question) = self.store.questions(&filter, None, 1)?.pop() else { return Ok(None) };
        let reason = format!("{} asks you: {}", question.asked_by, asked(&question));
        let command = self.answer_command(&question).unwrap_or_default();
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
    pub(super) fn caller(&self) -> String {
        let agent = self.actor.agent_id().map(|agent| format!(" --agent-id {agent}")).unwrap_or_default();
        let session = self.actor.explicit_session().map(|id| format!(" --session-id {id}")).unwrap_or_default();
        format!("{agent}{session}")
    }

    /// Whoever lost its context gets everything by the command of `continue`; whoever has not needs only the other.
    fn go_on(&self, lease: &Lease) -> Result<NextAction, Refusal> {
        let view = self.own_lease_view(lease)?;
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
        let sends_back = (lease.kind == LeaseKind::Review).then(|| closing_command("request-changes", lease));
        Ok(NextAction {
            lease: Some(view),
            finish_command: Some(finish),
            request_changes_command: sends_back,
            acknowledge_command: self.receipt_command(lease)?,
            ..action
        })
    }

    fn returned_work(&self, agent: &Agent, only: Option<&Specialty>) -> Result<Option<NextAction>, Refusal> {
        for task in self.store.reserved_for(&agent.id, NAMED)? {
            let fits = only.is_none() || task.specialty.is_none() || task.specialty.as_ref() == only;
            if let Some(kept) = task.reservation.as_ref().filter(|_| task.offered && fits) {
                let (action, reason) = match kept.why {
                    Returned::ChangesRequested => (Action::Rework, self.requested_changes(&task)?),
                    Returned::Answered => (Action::Answered, self.last_answer(&task)?),
                    Returned::Unblocked => (Action::Answered, "its pause has ended; it is kept for you".to_owned()),
                    // It is found among the handoffs, with its bundle; what was released is claimed last.
                    Returned::HandedOver | Returned::Released => continue,
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
            return Err(unconfirmed(agent, session, &self.caller(), &self.credential));
        }
        let command = format!("callboard claim-next{}{}", self.caller(), flag(only));
        let reason = format!("it ranks first: {}", task.title);
        Ok(Some(NextAction::new(Action::Claim, reason).about(&task.module).with(command)))
    }

    /// True when the agent holds as many tasks as it may, in all its windows.
    pub(super) fn is_at_limit(&self, agent: &Agent) -> Result<bool, Refusal> {
        let held = self.store.leases(LeasesOf::Agent(&agent.id), HELD_MOST)?;
        let live = held.iter().filter(|lease| lease.counts_for_limit(self.dial.lease)).count();
        Ok(live >= self.board.profile.task_limit(agent.max_tasks) as usize)
    }

    /// What only a person or a planner can move.
    fn plan(&self) -> Result<Option<NextAction>, Refusal> {
        let hindrances = self.hindrances()?;
        let movable =
            hindrances.iter().filter(|hindrance| Self::needs_a_hand(hindrance) && hindrance.command.is_some());
        // An agent is asked for its own answer: nobody is sent to give it while something else is to be moved.
        let moved = movable.min_by_key(|hindrance| hindrance.by.as_deref().is_some_and(|by| by.starts_with("agent:")));
        Ok(moved.map(|hindrance| {
            let mut action = NextAction::new(Action::Plan, Self::needs(hindrance));
            action.module.clone_from(&hindrance.module);
            action.command.clone_from(&hindrance.command);
            action.waiting_on.clone_from(&hindrances);
            action
        }))
    }

    fn wait(&self) -> Result<Answer<NextAction>, Refusal> {
        let waiting_on = self.hindrances()?;
        let stalled = self.is_stalled()?;
        let reason = match (stalled, self.actor.agent_id()) {
            (true, Some(_)) => format!("nothing moves without a person; {TOLD}"),
            (true, None) => "nothing moves without a person".to_owned(),
            (false, _) => "nothing to do now".to_owned(),
        };
        let reply = NextAction { stalled, waiting_on, ..NextAction::new(Action::Wait, reason) };
        Ok(Answer { outcome: Outcome::Nothing, reply })
    }

    fn needs_a_hand(hindrance: &WaitingOn) -> bool {
        let kind = hindrance.kind.as_str();
        matches!(kind, "question" | "draft" | "dependency_failed" | "waiting" | "no_task")
            || (kind == "review" && hindrance.command.is_some())
    }

    /// Why a person's or a planner's hand is needed.
    fn needs(hindrance: &WaitingOn) -> String {
        let module = hindrance.module.as_ref().map_or("it", Module::as_str);
        let what = hindrance.what.as_deref().map(|what| format!(": {what}")).unwrap_or_default();
        match hindrance.kind.as_str() {
            "no_task" => "there is no task yet".to_owned(),
            "question" => format!("{} is asked{what}", hindrance.by.as_deref().unwrap_or("somebody")),
            "draft" => format!("{module} is a draft that nobody confirmed"),
            "review" => format!("{module} was handed in, and nobody is aboard who could review it"),
            "dependency_failed" => format!("{module} will not come{what}"),
            _ => format!("{module} waits{what}"),
        }
    }
}

fn flag(only: Option<&Specialty>) -> String {
    only.map(|one| format!(" --specialty {one}")).unwrap_or_default()
}
