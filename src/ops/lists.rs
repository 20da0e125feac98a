//! Looking at tasks: lists, and one whole.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Anyone, Caller};
use super::values::{Label, Limit, OneTask};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::inbox::HandoffView;
use crate::board::look::Look;
use crate::board::mutation::{Answer, Outcome, Refused};
use crate::board::questions::QuestionView;
use crate::board::views::{TaskView, WaitingOn};
use crate::domain::id::{AgentId, Module, Specialty};
use crate::domain::refusal::Refusal;
use crate::domain::task::TaskState;
use crate::store::contract::TaskFilter;

/// Tasks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct TasksReply {
    /// The tasks.
    pub tasks: Vec<TaskView>,
    /// Where the next page begins, or null.
    pub next_after: Option<Module>,
}

/// Tasks that an agent could take, best first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct OffersReply {
    /// The tasks.
    pub tasks: Vec<TaskView>,
    /// Always null: whoever takes the first one finds another order.
    pub next_after: Option<Module>,
    /// What would have to happen, when there is none.
    pub waiting_on: Vec<WaitingOn>,
}

impl OffersReply {
    /// The answer to whoever looks for tasks to take.
    pub fn of(look: &Look<'_>, tasks: Vec<TaskView>) -> Result<Answer<Self>, Refusal> {
        let waiting_on = if tasks.is_empty() { look.hindrances()? } else { Vec::new() };
        Ok(Answer { outcome: found(look, &tasks), reply: Self { tasks, next_after: None, waiting_on } })
    }
}

/// What a list that looks for one thing comes to.
fn found<T>(look: &Look<'_>, list: &[T]) -> Outcome {
    match list {
        [] if look.board().counts.is_complete() => Outcome::Complete,
        [] => Outcome::Nothing,
        _ => Outcome::Done,
    }
}

/// List tasks, oldest first.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    /// draft, open, active, waiting, review, done, failed or cancelled.
    #[arg(long, alias = "status", value_name = "STATE")]
    #[serde(default)]
    pub state: Option<TaskState>,
    /// Of this specialty.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
    /// Held by this agent.
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// Open, with every dependency done.
    #[arg(long)]
    #[serde(default)]
    pub ready: bool,
    /// With this label.
    #[arg(long, value_name = "K=V")]
    #[serde(default)]
    pub label: Option<Label>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
    /// Go on after this one.
    #[arg(long, value_name = "M")]
    #[serde(default)]
    pub after: Option<Module>,
}

impl Operation for Tasks {
    const NAME: &'static str = "tasks";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard tasks --state open --specialty backend";
    type Call = Anyone;
    type Reply = TasksReply;

    fn run(&self, call: &Anyone, app: &App) -> Result<Done<TasksReply>, Refused> {
        let filter = TaskFilter {
            state: self.state,
            specialty: self.specialty.clone(),
            held_by: self.agent_id.clone(),
            ready: self.ready,
            label: self.label.clone().map(|label| (label.name, label.value)),
        };
        call.look(app, |look| {
            let (tasks, next_after) = look.tasks(&filter, self.after.as_ref(), self.limit.get())?;
            Ok(Answer::done(TasksReply { tasks, next_after }))
        })
    }
}

/// A task with what is asked about it and handed over with it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ShowReply {
    /// The task.
    pub task: TaskView,
    /// The newest questions about it, oldest first.
    pub questions: Vec<QuestionView>,
    /// The handoff that waits for somebody or for a receipt.
    pub handoff: Option<HandoffView>,
}

/// Show one task whole.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
}

impl Operation for Show {
    const NAME: &'static str = "show";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard show core-auth";
    type Call = Caller;
    type Reply = ShowReply;

    fn run(&self, call: &Caller, app: &App) -> Result<Done<ShowReply>, Refused> {
        call.look(app, |look| {
            let task = look.task(self.module.name())?;
            let (questions, handoff) = (look.questions_of(&task)?, look.handoff_of(&task)?);
            Ok(Answer::done(ShowReply { task: look.whole_task_view(&task)?, questions, handoff }))
        })
    }
}
