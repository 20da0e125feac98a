//! Looking at tasks: lists, and one whole.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Anyone, Caller};
use super::tasks::TaskReply;
use super::values::{Label, Limit, OneTask};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::mutation::{Answer, Refused};
use crate::board::views::TaskView;
use crate::domain::id::{AgentId, Module, Specialty};
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
    type Reply = TaskReply;

    fn run(&self, call: &Caller, app: &App) -> Result<Done<TaskReply>, Refused> {
        call.look(app, |look| {
            let task = look.task(self.module.name())?;
            Ok(Answer::done(TaskReply { task: look.whole_task_view(&task)? }))
        })
    }
}
