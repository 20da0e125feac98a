//! What stands between the board and its end: held by whom until when, waiting for what, and the command that helps whoever
//! reads it.
//!
//! **Invariants.** A command is for the reader: an agent is never given one that is a person's to run.

use super::look::Look;
use super::questions::{answer_command, asked};
use super::queues::conflict_with;
use super::views::{ClaimView, WaitingOn};
use crate::domain::actor::Actor;
use crate::domain::agent::Role;
use crate::domain::event::Audience;
use crate::domain::for_people::{TOLD, needs_person};
use crate::domain::handoff::HandoffStatus;
use crate::domain::id::Module;
use crate::domain::question::{Question, QuestionStatus};
use crate::domain::refusal::Refusal;
use crate::domain::task::{Task, TaskState};
use crate::domain::text;
use crate::store::contract::{LeasesOf, Offers, QuestionFilter, TaskFilter};

/// Of each kind of hindrance this many are named: enough to act on, little enough to read.
const NAMED: usize = 5;
/// So much of a reason is shown, in characters.
const WHY_SHOWN: usize = 160;

fn hindrance(kind: &str, module: Option<&Module>) -> WaitingOn {
    WaitingOn { kind: kind.to_owned(), module: module.cloned(), by: None, what: None, until: None, command: None }
}

impl Look<'_> {
    /// What stands between the board and its end, a few of each kind.
    pub fn hindrances(&self) -> Result<Vec<WaitingOn>, Refusal> {
        let mut list = Vec::new();
        if self.board.counts.total() == 0 {
            let command = self.for_planners("callboard add-task --module NAME --title TEXT");
            list.push(WaitingOn { command, ..hindrance("no_task", None) });
        }
        self.name_questions(&mut list)?;
        for lease in self.store.leases(LeasesOf::All, NAMED)?.iter().filter(|lease| lease.is_live(self.dial.lease)) {
            let kind = if lease.kind == crate::domain::lease::LeaseKind::Work { "held" } else { "review" };
            list.push(WaitingOn {
                by: Some(lease.agent.to_string()),
                until: Some(lease.expires_at(self.dial)),
                ..hindrance(kind, Some(&lease.module))
            });
        }
        for task in self.reviewable(None, None, NAMED)? {
            // An agent that could review it would have been told to; the author and people read this.
            let nobody = !self.can_be_reviewed(&task)?;
            let approve = format!("callboard approve {} --as-human", task.module);
            let command = (nobody && self.actor.agent_id().is_none()).then_some(approve);
            let by = Some(if nobody { "a person, or a reviewer who comes aboard" } else { "a reviewer" }.to_owned());
            list.push(WaitingOn { by, command, ..hindrance("review", Some(&task.module)) });
        }
        let is_waiting = self.board.counts.of(TaskState::Waiting) > 0;
        for task in if is_waiting { self.store.paused(NAMED)? } else { Vec::new() } {
            let Some(waiting) = task.waiting.as_ref() else { continue };
            let by = Some(waiting.what.to_string());
            let what = Some(text::cut(&waiting.reason, WHY_SHOWN));
            let command = self.for_planners(&format!("callboard unblock {}", task.module));
            list.push(WaitingOn { by, what, command, ..hindrance("waiting", Some(&task.module)) });
        }
        for task in self.in_state(TaskState::Draft)? {
            let command = self.for_planners(&format!("callboard confirm-task {}", task.module));
            list.push(WaitingOn { command, ..hindrance("draft", Some(&task.module)) });
        }
        for task in self.store.stranding(NAMED)? {
            let tasks =
                if task.held_up == 1 { "1 task waits".to_owned() } else { format!("{} tasks wait", task.held_up) };
            let what = Some(format!("{tasks} for it and it is {}", task.state));
            let command = self.for_planners(&format!("callboard reopen-task {} --reason TEXT", task.module));
            list.push(WaitingOn { what, command, ..hindrance("dependency_failed", Some(&task.module)) });
        }
        self.name_handoffs(&mut list)?;
        self.name_offers(&mut list)?;
        Ok(list)
    }

    /// A command that people and planners run, for the reader; none for other agents, where it needs a person.
    fn for_planners(&self, command: &str) -> Option<String> {
        match &self.actor {
            Actor::Human { .. } if command.contains(" reopen-task ") => Some(format!("{command} --as-human")),
            Actor::Human { .. } => Some(command.to_owned()),
            Actor::Agent(acting) if needs_person(command) && !acting.agent.roles.contains(&Role::Planner) => None,
            Actor::Agent(_) => Some(format!("{command}{}", self.caller())),
        }
    }

    /// How a question is answered, where the reader may; an agent reads that people were told of what is theirs.
    pub(super) fn answer_command(&self, question: &Question) -> Option<String> {
        match &self.actor {
            Actor::Human { .. } => Some(answer_command(question)),
            Actor::Agent(acting) if question.audience == Audience::Agent(acting.agent.id.clone()) => {
                let with = if question.options.is_empty() { "--text TEXT" } else { "--option N" };
                Some(format!("callboard answer {} {with}{}", question.id, self.caller()))
            }
            Actor::Agent(_) => (question.audience == Audience::Humans).then(|| TOLD.to_owned()),
        }
    }

    /// Open questions: what waits for them, who is asked, and what.
    fn name_questions(&self, list: &mut Vec<WaitingOn>) -> Result<(), Refusal> {
        if self.board.pending.questions == 0 {
            return Ok(());
        }
        let filter = QuestionFilter { status: Some(QuestionStatus::Open), ..QuestionFilter::default() };
        for question in self.store.questions(&filter, None, NAMED)? {
            let module = question.task.as_ref().map(|(_, module)| module);
            list.push(WaitingOn {
                by: Some(question.audience.to_string()),
                what: Some(asked(&question)),
                command: self.answer_command(&question).filter(|command| command != TOLD),
                ..hindrance("question", module)
            });
        }
        Ok(())
    }

    /// What was handed over and nobody has taken.
    fn name_handoffs(&self, list: &mut Vec<WaitingOn>) -> Result<(), Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(());
        }
        let waits = self
            .store
            .live_handoffs(NAMED)?
            .into_iter()
            .filter(|handoff| handoff.status == HandoffStatus::Ready && handoff.agreed);
        for handoff in waits {
            let own = self.actor.agent_id().is_none_or(|agent| handoff.left_by == agent.as_str());
            let take_back = format!("callboard withdraw-handoff {}{}", handoff.module, self.caller());
            list.push(WaitingOn {
                by: Some(handoff.audience.to_string()),
                what: Some("it was handed over and nobody has taken it".to_owned()),
                command: own.then_some(take_back),
                ..hindrance("handoff", Some(&handoff.module))
            });
        }
        Ok(())
    }

    /// What ends the pause of a waiting task, for people.
    pub(super) fn waking_command(&self, task: &Task) -> Result<String, Refusal> {
        let question = self.open_questions(task.key)?.into_iter().next();
        Ok(question.map_or_else(|| format!("callboard unblock {}", task.module), |question| answer_command(&question)))
    }

    /// Offered tasks: those that nobody gets because of whose paths, or for whom they are kept; else that they wait for a
    /// worker.
    fn name_offers(&self, list: &mut Vec<WaitingOn>) -> Result<(), Refusal> {
        let held = self.others_scopes()?;
        for task in self.store.offers(Offers::All, None, NAMED)? {
            if let Some(conflict) = conflict_with(&held, &task) {
                let lease = conflict.lease;
                list.push(WaitingOn {
                    by: Some(format!("{} holds {} for {}", lease.agent, conflict.theirs, lease.module)),
                    until: Some(lease.expires_at(self.dial)),
                    ..hindrance("overlap", Some(&task.module))
                });
            } else if let Some(kept) = task.reserved(self.dial.lease) {
                let until = Some(self.dial.shown(kept.until));
                list.push(WaitingOn {
                    by: Some(kept.agent.to_string()),
                    until,
                    ..hindrance("reserved", Some(&task.module))
                });
            } else if task.state == TaskState::Open {
                let field = task.specialty.as_ref().map(|one| format!(" for {one}")).unwrap_or_default();
                let by = Some(format!("a worker{field}"));
                list.push(WaitingOn { by, ..hindrance("ready", Some(&task.module)) });
            }
        }
        Ok(())
    }

    fn in_state(&self, state: TaskState) -> Result<Vec<Task>, Refusal> {
        if self.board.counts.of(state) == 0 {
            return Ok(Vec::new());
        }
        let filter = TaskFilter { state: Some(state), ..TaskFilter::default() };
        Ok(self.store.tasks(&filter, None, NAMED)?)
    }

    /// The answer to a claim that found nothing.
    pub(super) fn nothing_to_claim(&self) -> Result<ClaimView, Refusal> {
        Ok(ClaimView { waiting_on: self.hindrances()?, ..ClaimView::default() })
    }
}
