//! The end of work.

use std::path::Path;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::Changer;
use super::surroundings::Surroundings;
use super::tasks::TaskReply;
use super::texts::Text;
use super::values::OneTask;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::mutation::{Answer, Refused};
use crate::board::views::{AttemptView, TaskView};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::submission::{ChangedPaths, SubmittedTree, SubmittedWork};
use crate::domain::task::WaitFor;
use crate::domain::text;
use crate::workspace::git::{self, Checkout};

/// Maximum number of paths that are taken from git: a shared checkout has those of others among them.
const MAX_FOUND_PATHS: usize = 1_000;

/// Hand a task in: to review where one is due, else it is done.
///
/// Needs the lease token or an explicit session id. What is submitted is recorded as git says in the working directory: branch,
/// commit, what is not committed, and what changed since the work was begun, in this attempt or one before. Of that, paths of
/// other tasks that were worked on meanwhile are left to them, and what is in no paths of either is listed apart as
/// unattributed; a task without paths owns everything else. With --changed-path the paths are as named.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finish {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// What was done; whoever reviews or depends on it reads this.
    #[arg(long, value_name = "TEXT")]
    pub summary: Text,
    /// A path that was changed; again for more.
    #[arg(long, value_name = "P")]
    #[serde(default)]
    pub changed_path: Vec<String>,
}

/// A task that was submitted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct FinishReply {
    /// The task.
    pub task: TaskView,
    /// What was recorded.
    pub submission: Option<AttemptView>,
}

impl Operation for Finish {
    const NAME: &'static str = "finish";
    const ALIASES: &'static [&'static str] = &["complete"];
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str =
        "callboard finish core-auth --agent-id anns-worker --lease-token TOKEN --summary \"sign-in works, 12 tests\"";
    type Call = Changer;
    type Reply = FinishReply;

    fn prepare(&self, call: &mut Changer, here: &dyn Surroundings) -> Result<(), Refused> {
        // Where this process works, whatever the caller says of itself.
        let directory = &here.settings().directory;
        let facts = &mut call.caller.facts;
        (facts.changed_paths, facts.submitted) = (Vec::new(), SubmittedTree::default());
        facts.workspace = git::workspace(directory, &here.settings().host_name);
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.clone());
        let Some(checkout) = Checkout::around(&directory) else { return Ok(()) };
        // Whoever may not look is refused when it submits, where a late result is kept and a repeated request known.
        let base = here.work_base(&call.caller, self.module.name());
        let project = here.project().ok();
        let inside = project.as_deref().and_then(|project| project.strip_prefix(checkout.main_top()).ok());
        let inside = inside.unwrap_or(Path::new(""));
        let below = |paths: Vec<String>| paths.iter().map(|path| from_project(inside, path)).collect::<Vec<_>>();
        let changed_since = |commit| below(checkout.changed_since(commit, MAX_FOUND_PATHS));
        let facts = &mut call.caller.facts;
        if let Some(claimed) = base.claimed.as_ref().filter(|_| self.changed_path.is_empty()) {
            facts.changed_paths = changed_since(claimed);
        }
        let uncommitted = checkout.uncommitted(MAX_FOUND_PATHS);
        facts.submitted = SubmittedTree {
            dirty: uncommitted.as_ref().map(|paths| !paths.is_empty()),
            uncommitted_paths: below(uncommitted.unwrap_or_default()),
            changed_since_last: base.submitted.as_ref().map(changed_since).unwrap_or_default(),
            last_head: base.submitted,
        };
        Ok(())
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<FinishReply>, Refused> {
        let summary = text::required("the summary", self.summary.as_str()).map_err(unread)?;
        let facts = &call.caller.facts;
        let lines = |paths: &[String]| paths.iter().map(|path| text::one_line(path)).collect::<Vec<_>>();
        let changed = match self.changed_path.is_empty() {
            true => ChangedPaths::Found(lines(&facts.changed_paths)),
            false => ChangedPaths::Named(lines(&self.changed_path)),
        };
        let work = SubmittedWork { changed, tree: facts.submitted.clone() };
        let module = self.module.name();
        call.commit_result(self, module, &summary, app, |turn| {
            let task = turn.finish_task(module, &summary, work)?;
            let submission = turn.look().submitted(&task)?;
            Ok(Answer::done(FinishReply { task: turn.look().whole_task_view(&task)?, submission }))
        })
    }
}

/// A path of a checkout as it is from the project, which lies `inside` of that checkout.
fn from_project(inside: &Path, path: &str) -> String {
    let below = Path::new(path).strip_prefix(inside).ok().and_then(Path::to_str);
    let up = || "../".repeat(inside.components().count()) + path;
    text::one_line(&below.map_or_else(up, ToOwned::to_owned))
}

/// Give a task back before it is finished.
///
/// It is open again at once. A reviewer gives the review back. Needs the lease token or an explicit session id; refused
/// with `stale_lease` when another session holds it by now.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// Why; the next holder reads it.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
}

impl Operation for Release {
    const NAME: &'static str = "release";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str =
        "callboard release core-auth --agent-id anns-worker --lease-token TOKEN --reason \"needs the schema first\"";
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let reason = text::required("the reason", self.reason.as_str()).map_err(unread)?;
        let module = self.module.name();
        call.commit_result(self, module, &reason, app, |turn| {
            let task = turn.release(module, &reason)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// Give a task up: it cannot be done this way. What depends on it waits for a person.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FailTask {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
}

impl Operation for FailTask {
    const NAME: &'static str = "fail-task";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Work;
    const EXAMPLE: &'static str =
        "callboard fail-task core-auth --agent-id anns-worker --lease-token TOKEN --reason \"the API is gone\"";
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let reason = text::required("the reason", self.reason.as_str()).map_err(unread)?;
        let module = self.module.name();
        call.commit_result(self, module, &reason, app, |turn| {
            let task = turn.fail_task(module, &reason)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// Pause a task until somebody unblocks it. A holder's lease ends.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// external or pause.
    #[arg(long, value_name = "WHAT")]
    pub on: WaitFor,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub reason: Text,
}

impl Operation for Block {
    const NAME: &'static str = "block";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Work;
    const EXAMPLE: &'static str = "callboard block core-auth --on external --reason \"waiting for the certificate\" --agent-id anns-worker --lease-token TOKEN";
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let reason = text::required("the reason", self.reason.as_str()).map_err(unread)?;
        if self.on == WaitFor::Answer {
            let refusal = Refusal::new(Code::InvalidValue, "--on is external or pause; an answer needs a question");
            return Err(unread(refusal.hint("callboard block M --on external --reason TEXT")));
        }
        let module = self.module.name();
        call.commit_result(self, module, &reason, app, |turn| {
            let task = turn.block(module, self.on, &reason)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// End a pause. The task is open again, kept for its last agent for one lease length.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unblock {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
}

impl Operation for Unblock {
    const NAME: &'static str = "unblock";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Work;
    const EXAMPLE: &'static str = "callboard unblock core-auth";
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        call.commit(self, app, |turn| {
            let task = turn.unblock(self.module.name())?;
            TaskReply::of(turn, &task)
        })
    }
}

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}
