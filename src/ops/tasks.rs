//! Tasks: adding, editing, confirming, ending, listing.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Changer;
use super::labels::NewLabels;
use super::lists::TasksReply;
use super::texts::Text;
use super::values::{Entry, Labels, ManyTasks, OneTask, Priority, entries};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::graph::Force;
use crate::board::mutation::{Answer, Refused};
use crate::board::tasks::{Edit, Hints, LIST_MOST, NewTask};
use crate::board::turn::Turn;
use crate::board::views::TaskView;
use crate::board::work::Free;
use crate::domain::id::{AgentId, Module, Specialty};
use crate::domain::profile::Review;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::domain::scope::Scope;
use crate::domain::task::{Candidates, Task, TaskState, TaskTexts};
use crate::domain::text;
use crate::intake::named_paths::Proposals;

/// A confirmation of very many names so many of them.
const CONFIRMED_SHOWN: usize = 500;

/// A task.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct TaskReply {
    /// The task.
    pub task: TaskView,
}

impl TaskReply {
    /// The task as it is after the turn's changes.
    pub fn of(turn: &Turn<'_>, task: &Task) -> Result<Answer<Self>, Refusal> {
        Ok(Answer::done(Self { task: turn.look().whole_task_view(task)? }))
    }
}

/// Add a task.
///
/// It is open at once, or a draft with --draft. A parent depends on its children. --reviewer-id implies that a review
/// is required. Paths that title and body name are proposed as `candidate_owned_paths`.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddTask {
    /// Its name: letters, digits, '.', '_' and '-'.
    #[command(flatten)]
    pub module: OneTask,
    /// One line.
    #[arg(long, value_name = "TEXT")]
    pub title: Text,
    /// 0 is most urgent, 4 least.
    #[arg(long, value_name = "0..4", default_value_t)]
    #[serde(default)]
    pub priority: Priority,
    /// The field of work.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
    /// Tasks that must be done first.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    #[serde(default)]
    pub depends_on: Vec<Module>,
    /// What it will change: gitignore-style globs.
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    #[serde(default)]
    pub owned_paths: Vec<Scope>,
    /// A guess at its length.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub estimate_minutes: Option<u32>,
    /// required or none.
    #[arg(long, value_name = "POLICY")]
    #[serde(default)]
    pub review: Option<Review>,
    /// Who is to review it.
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub reviewer_id: Option<AgentId>,
    /// When it is finished; again for more.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub acceptance: Vec<Text>,
    /// What to do.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub body: Option<Text>,
    /// Labels of the task.
    #[command(flatten)]
    #[serde(default)]
    pub label: Labels,
    /// The task that it is a part of.
    #[arg(long, value_name = "M")]
    #[serde(default)]
    pub parent: Option<Module>,
    /// Not yet confirmed, never offered.
    #[arg(long)]
    #[serde(default)]
    pub draft: bool,
}

impl AddTask {
    fn new_task(&self) -> Result<NewTask, Refusal> {
        bound("dependencies", self.depends_on.len())?;
        bound("paths", self.owned_paths.len())?;
        Ok(NewTask {
            module: self.module.name().clone(),
            title: text::title(self.title.as_str())?,
            texts: TaskTexts { body: body(self.body.as_ref())?, acceptance: criteria(&self.acceptance)? },
            priority: self.priority.into(),
            specialty: self.specialty.clone(),
            depends_on: self.depends_on.clone(),
            owned_paths: self.owned_paths.clone(),
            candidates: Candidates::default(),
            estimate_minutes: self.estimate_minutes,
            review: self.review,
            reviewer: self.reviewer_id.clone(),
            labels: self.label.map(),
            parent: self.parent.clone(),
            state: if self.draft { TaskState::Draft } else { TaskState::Open },
        })
    }
}

impl Operation for AddTask {
    const NAME: &'static str = "add-task";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str =
        "callboard add-task --module core-auth --title \"Sign in\" --specialty backend --owned-paths 'src/auth/**'";
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let mut new = self.new_task().map_err(unread)?;
        Proposals::of(&app.place().map_err(unread)?.project).add(&mut new);
        call.commit(self, app, |turn| {
            let task = turn.add_task(new)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// Change a task. A list that is given replaces the old one; an empty one clears it.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EditTask {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// One line.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub title: Option<Text>,
    /// 0 is most urgent, 4 least.
    #[arg(long, value_name = "0..4")]
    #[serde(default)]
    pub priority: Option<Priority>,
    /// The field of work; empty for none.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub specialty: Option<Entry<Specialty>>,
    /// What it will change.
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    pub owned_paths: Option<Vec<Entry<Scope>>>,
    /// A guess at its length.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub estimate_minutes: Option<u32>,
    /// required or none.
    #[arg(long, value_name = "POLICY")]
    #[serde(default)]
    pub review: Option<Review>,
    /// Who is to review it.
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub reviewer_id: Option<AgentId>,
    /// When it is finished; again for more.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub acceptance: Option<Vec<Text>>,
    /// What to do.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub body: Option<Text>,
    /// Labels of the task, in place of the old ones.
    #[command(flatten)]
    #[serde(default)]
    pub label: NewLabels,
    /// Refuse unless the task is exactly at this revision.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub expected_task_revision: Option<u64>,
    /// Also change the paths of a task that is being worked on.
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
}

impl EditTask {
    fn edit(&self) -> Result<Edit, Refusal> {
        Ok(Edit {
            expected_revision: self.expected_task_revision,
            title: self.title.as_ref().map(|title| text::title(title.as_str())).transpose()?,
            body: self.body.as_ref().map(|text| body(Some(text))).transpose()?,
            acceptance: self.acceptance.as_ref().map(|list| criteria(list)).transpose()?,
            priority: self.priority.map(u8::from),
            specialty: self.specialty.as_ref().map(|entry| entries(std::slice::from_ref(entry)).pop()),
            owned_paths: self.owned_paths.as_ref().map(|list| entries(list)),
            estimate_minutes: self.estimate_minutes,
            review: self.review,
            reviewer: self.reviewer_id.clone(),
            labels: self.label.map(),
        })
    }
}

impl Operation for EditTask {
    const NAME: &'static str = "edit-task";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard edit-task core-auth --priority 1";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let edit = self.edit().map_err(unread)?;
        let force = if self.force { Force::Yes } else { Force::No };
        call.commit(self, app, |turn| {
            let task = turn.edit_task(self.module.name(), edit, force)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// Turn drafts into open tasks.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmTask {
    /// The drafts.
    #[command(flatten)]
    #[serde(default)]
    pub module: ManyTasks,
    /// All drafts.
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
    /// Take intake's guesses for dependencies and paths.
    #[arg(long)]
    #[serde(default)]
    pub accept_hints: bool,
}

impl Operation for ConfirmTask {
    const NAME: &'static str = "confirm-task";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard confirm-task --all";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = TasksReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TasksReply>, Refused> {
        let hints = if self.accept_hints { Hints::Accept } else { Hints::Keep };
        call.commit(self, app, |turn| {
            let modules = if self.all { turn.look().drafts()? } else { self.module.some_names()? };
            let confirmed = turn.confirm_tasks(&modules, hints)?;
            if self.all && turn.has_drafts() {
                turn.warn("there are more drafts: callboard confirm-task --all");
            }
            let shown = &confirmed[..confirmed.len().min(CONFIRMED_SHOWN)];
            let tasks = turn.look().list(shown)?;
            Ok(Answer::done(TasksReply { tasks, next_after: None }))
        })
    }
}

/// Give up tasks that are no longer wanted. Prints which tasks are stranded by it.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelTask {
    /// The tasks.
    #[command(flatten)]
    pub module: ManyTasks,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
    /// Free the tasks that depend on them.
    #[arg(long)]
    #[serde(default)]
    pub undepend: bool,
}

/// Cancelled tasks.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CancelReply {
    /// The tasks.
    pub tasks: Vec<TaskView>,
    /// Tasks that wait for them and now never become ready by themselves.
    pub stranded: Vec<Module>,
    /// What frees them.
    pub commands: Vec<String>,
}

impl Operation for CancelTask {
    const NAME: &'static str = "cancel-task";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard cancel-task core-auth --reason \"bought instead\" --undepend --as-human";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = CancelReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<CancelReply>, Refused> {
        let reason = text::required("the reason", self.reason.as_str()).map_err(unread)?;
        let modules = self.module.some_names().map_err(unread)?;
        let free = if self.undepend { Free::Dependents } else { Free::Nobody };
        call.commit(self, app, |turn| {
            let (tasks, stranded) = turn.cancel(&modules, &reason, free)?;
            let tasks = turn.look().list(&tasks)?;
            let names: Vec<&str> = modules.iter().map(Module::as_str).collect();
            let free = |module: &Module| format!("callboard undepend {module} --on {}", names.join(","));
            let commands = stranded.iter().map(free).collect();
            Ok(Answer::done(CancelReply { tasks, stranded, commands }))
        })
    }
}

/// Make a finished task open again.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReopenTask {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
}

impl Operation for ReopenTask {
    const NAME: &'static str = "reopen-task";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Tasks;
    const EXAMPLE: &'static str = "callboard reopen-task core-auth --reason \"fails on Safari\" --as-human";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let reason = text::required("the reason", self.reason.as_str()).map_err(unread)?;
        call.commit(self, app, |turn| {
            let task = turn.reopen(self.module.name(), &reason)?;
            TaskReply::of(turn, &task)
        })
    }
}

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}

fn bound(what: &str, many: usize) -> Result<(), Refusal> {
    if many > LIST_MOST {
        return Err(Refusal::new(Code::InvalidValue, format!("{many} {what}, {LIST_MOST} are allowed")));
    }
    Ok(())
}

fn body(given: Option<&Text>) -> Result<String, Refusal> {
    text::bounded("the body", given.map_or("", Text::as_str))
}

fn criteria(given: &[Text]) -> Result<Vec<String>, Refusal> {
    bound("acceptance criteria", given.len())?;
    let filled = given.iter().map(Text::as_str).filter(|one| !one.trim().is_empty());
    filled.map(|one| text::bounded("a criterion", one)).collect()
}
