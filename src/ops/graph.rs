//! Dependencies.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Caller, Changer};
use super::tasks::TaskReply;
use super::values::{MaybeTask, OneTask};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::graph::Force;
use crate::board::lists::GraphView;
use crate::board::mutation::{Answer, Refused};
use crate::domain::id::Module;
use crate::domain::right::Right;
use crate::domain::word::words;

/// Make a task depend on others.
///
/// A circle is refused and printed. A task that is active or finished gets a new dependency only with --force.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Depend {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// What it depends on.
    #[arg(long, value_name = "A,B", value_delimiter = ',', required = true)]
    pub on: Vec<Module>,
    /// Also for a task that is active or finished.
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

impl Operation for Depend {
    const NAME: &'static str = "depend";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard depend web-login --on core-auth";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let force = if self.force { Force::Yes } else { Force::No };
        call.commit(self, app, |turn| {
            let task = turn.depend(self.module.name(), &self.on, force)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// Remove dependencies of a task.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Undepend {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// What it depends on no longer.
    #[arg(long, value_name = "A,B", value_delimiter = ',', required = true)]
    pub on: Vec<Module>,
}

impl Operation for Undepend {
    const NAME: &'static str = "undepend";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard undepend web-login --on core-auth";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        call.commit(self, app, |turn| {
            let task = turn.undepend(self.module.name(), &self.on)?;
            TaskReply::of(turn, &task)
        })
    }
}

words! {
    /// How a graph is written.
    GraphFormat, "graph format" {
        /// Lines for people and agents.
        Text = "text",
        /// For Graphviz.
        Dot = "dot",
        /// For markdown pages.
        Mermaid = "mermaid",
    }
}

#[expect(clippy::derivable_impls, reason = "the words macro has no place for a default marker")]
impl Default for GraphFormat {
    fn default() -> Self {
        Self::Text
    }
}

/// Show what depends on what: around one task, or everything that is not finished.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Graph {
    /// Around this task; without it the unfinished part of the plan.
    #[command(flatten)]
    #[serde(default)]
    pub module: MaybeTask,
    /// text, dot or mermaid.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    #[serde(default)]
    pub format: GraphFormat,
    /// How many tasks to show.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: super::values::Limit,
}

/// A part of the graph.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct GraphReply {
    /// The tasks and edges.
    #[serde(flatten)]
    pub graph: GraphView,
    /// In which format the text door is to write it.
    pub format: GraphFormat,
}

impl Operation for Graph {
    const NAME: &'static str = "graph";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard graph --format mermaid";
    type Call = Caller;
    type Reply = GraphReply;

    fn run(&self, call: &Caller, app: &App) -> Result<Done<GraphReply>, Refused> {
        call.look(app, |look| {
            let graph = look.graph(self.module.name(), self.limit.get())?;
            Ok(Answer::done(GraphReply { graph, format: self.format }))
        })
    }
}
