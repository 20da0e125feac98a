//! The end of work.

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
use crate::board::mutation::Refused;
use crate::board::work::CHANGED_PATHS_MOST;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::WaitFor;
use crate::domain::text;
use crate::workspace::git::Checkout;

/// Hand a task in: to review where one is due, else it is done.
///
/// Needs the lease token or an explicit session id. Without --changed-path git's list since the claim is recorded.
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

impl Operation for Finish {
    const NAME: &'static str = "finish";
    const ALIASES: &'static [&'static str] = &["complete"];
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str =
        "callboard finish core-auth --agent-id worker-a --lease-token TOKEN --summary \"sign-in works, 12 tests\"";
    type Call = Changer;
    type Reply = TaskReply;

    fn prepare(&self, call: &mut Changer, here: &dyn Surroundings) -> Result<(), Refused> {
        // Where this process works, whatever the caller says of itself.
        let Some(checkout) = Checkout::around(&here.settings().directory) else { return Ok(()) };
        if self.changed_path.is_empty() {
            // Whoever may not look is refused when it hands in, where a late result is kept and a repeated request known.
            if let Some(head) = here.head_at_claim(&call.caller, self.module.name()) {
                call.caller.facts.changed_paths = checkout.changed_since(&head, CHANGED_PATHS_MOST);
            }
        }
        Ok(())
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let summary = text::required("the summary", self.summary.as_str()).map_err(unread)?;
        let found = &call.caller.facts.changed_paths;
        let given = if self.changed_path.is_empty() { found } else { &self.changed_path };
        let paths: Vec<String> = given.iter().map(|path| text::one_line(path)).collect();
        let module = self.module.name();
        call.commit_result(self, module, &summary, app, |turn| {
            let task = turn.finish_task(module, &summary, paths)?;
            TaskReply::of(turn, &task)
        })
    }
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
        "callboard release core-auth --agent-id worker-a --lease-token TOKEN --reason \"needs the schema first\"";
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
        "callboard fail-task core-auth --agent-id worker-a --lease-token TOKEN --reason \"the API is gone\"";
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
    const EXAMPLE: &'static str = "callboard block core-auth --on external --reason \"waiting for the certificate\" --agent-id worker-a --lease-token TOKEN";
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
