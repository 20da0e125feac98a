//! Looking around.

use std::collections::BTreeMap;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Caller, Waiter};
use super::values::{Limit, OneTask};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::explain::Explanation;
use crate::board::mutation::{Answer, Refused};
use crate::board::outlook::Outlook;
use crate::board::pages::{AgentView, BoardView, Picture, SessionView};
use crate::board::stalled::Stalled;
use crate::board::views::{LeaseView, TaskView};
use crate::board::{history, next_action};
use crate::domain::id::{Module, Specialty};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::word::words;
use crate::store::contract::TaskFilter;

/// What to do next, and the exact command for it.
///
/// continue, rework, answered, handoff, review, claim, read, plan, wait (exit 3: what would have to happen) or stop
/// (exit 10: the board is complete).
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextAction {
    /// Only this specialty, or none.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
}

impl Operation for NextAction {
    const NAME: &'static str = "next-action";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str = "callboard next-action --agent-id anns-worker";
    type Call = Waiter;
    type Reply = next_action::NextAction;

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<next_action::NextAction>, Refused> {
        call.caller.look(app, |look| look.next_action(self.specialty.as_ref()))
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| look.next_action_outlook(self.specialty.as_ref()))
    }
}

/// One screen: counts, who works on what, and what does not move by itself.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {}

/// The board on one screen.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct SummaryReply {
    /// The project.
    pub project_root: String,
    /// The board.
    pub board: BoardView,
    /// How many tasks there are in each state.
    pub counts: BTreeMap<String, u64>,
    /// Being worked on.
    pub active: Vec<TaskView>,
    /// Waiting for a verdict or getting one.
    pub review: Vec<TaskView>,
    /// Paused.
    pub waiting: Vec<TaskView>,
    /// What does not move by itself, and what moves it.
    pub stalled: Vec<Stalled>,
    /// What was left out.
    pub omitted: BTreeMap<String, u64>,
}

impl Operation for Summary {
    const NAME: &'static str = "summary";
    const ALIASES: &'static [&'static str] = &["status"];
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str = "callboard summary";
    type Call = Caller;
    type Reply = SummaryReply;

    fn run(&self, call: &Caller, app: &App) -> Result<Done<SummaryReply>, Refused> {
        let seen = app.look_at_picture(&call.for_board(), |_, place, picture| {
            Ok(Answer::done(SummaryReply {
                project_root: place.project.to_string_lossy().into_owned(),
                board: picture.board,
                counts: picture.counts,
                active: picture.active,
                review: picture.review,
                waiting: picture.waiting,
                stalled: picture.stalled,
                omitted: picture.omitted,
            }))
        })?;
        Ok(seen.into())
    }
}

words! {
    /// How much of the board to answer with.
    StateFormat, "state format" {
        /// What `state.json` holds.
        Summary = "summary",
        /// All tasks, a page at a time.
        Full = "full",
    }
}

#[expect(clippy::derivable_impls, reason = "the words macro has no place for a default marker")]
impl Default for StateFormat {
    fn default() -> Self {
        Self::Summary
    }
}

/// The board for programs.
///
/// `summary` is what state.json holds. `full` has every task, a page of --limit at a time, and --after goes on.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// summary or full.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    #[serde(default)]
    pub format: StateFormat,
    /// How many tasks a page of `full` has.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub limit: Option<Limit>,
    /// Go on after this task.
    #[arg(long, value_name = "M")]
    #[serde(default)]
    pub after: Option<Module>,
}

/// The board for programs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct StateReply {
    /// The board.
    pub board: BoardView,
    /// How many tasks there are in each state.
    pub counts: BTreeMap<String, u64>,
    /// Tasks.
    pub tasks: Vec<TaskView>,
    /// What does not move by itself.
    pub stalled: Vec<Stalled>,
    /// Agents.
    pub agents: Vec<AgentView>,
    /// Sessions that have not ended.
    pub sessions: Vec<SessionView>,
    /// Leases.
    pub leases: Vec<LeaseView>,
    /// What was left out.
    pub omitted: BTreeMap<String, u64>,
    /// Where the next page of `full` begins, or null.
    pub next_after: Option<Module>,
}

/// A page of `full` unless told otherwise: big enough for programs, small enough for memory.
const FULL_PAGE: u16 = 500;

impl Operation for State {
    const NAME: &'static str = "state";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard state --format full --limit 100 --json";
    type Call = Caller;
    type Reply = StateReply;

    fn run(&self, call: &Caller, app: &App) -> Result<Done<StateReply>, Refused> {
        if self.format == StateFormat::Summary && (self.limit.is_some() || self.after.is_some()) {
            let refusal = Refusal::new(Code::Usage, "--limit and --after go with --format full")
                .hint("callboard state --format full --limit 100");
            return Err(Refused { refusal, revision: None });
        }
        let seen = app.look_at_picture(&call.for_board(), |look, _, mut picture| {
            if self.format == StateFormat::Summary {
                let tasks = picture.tasks().cloned().collect();
                return Ok(Answer::done(StateReply::new(picture, tasks, None)));
            }
            let limit = self.limit.map_or(usize::from(FULL_PAGE), Limit::get);
            let (tasks, next_after) = look.tasks(&TaskFilter::default(), self.after.as_ref(), limit)?;
            for group in ["active", "review", "waiting", "next", "finished"] {
                picture.omitted.remove(group);
            }
            Ok(Answer::done(StateReply::new(picture, tasks, next_after)))
        })?;
        Ok(seen.into())
    }
}

impl StateReply {
    fn new(picture: Picture, tasks: Vec<TaskView>, next_after: Option<Module>) -> Self {
        Self {
            board: picture.board,
            counts: picture.counts,
            tasks,
            stalled: picture.stalled,
            agents: picture.agents,
            sessions: picture.sessions,
            leases: picture.leases,
            omitted: picture.omitted,
            next_after,
        }
    }
}

/// The rank of a task with its numbers, and why it is or is not offered to the agent.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
}

impl Operation for Explain {
    const NAME: &'static str = "explain";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard explain core-auth --agent-id anns-worker";
    type Call = Caller;
    type Reply = Explanation;

    fn run(&self, call: &Caller, app: &App) -> Result<Done<Explanation>, Refused> {
        call.look(app, |look| {
            let task = look.task(self.module.name())?;
            Ok(Answer::done(look.explain(&task)?))
        })
    }
}

/// What happened to a task: attempts, verdicts, events, late results; newest first.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// How many of each.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
}

impl Operation for History {
    const NAME: &'static str = "history";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard history core-auth";
    type Call = Caller;
    type Reply = history::History;

    fn run(&self, call: &Caller, app: &App) -> Result<Done<history::History>, Refused> {
        call.look(app, |look| {
            let task = look.task(self.module.name())?;
            Ok(Answer::done(look.history(&task, self.limit.get())?))
        })
    }
}
