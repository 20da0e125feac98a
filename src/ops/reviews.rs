//! Reviews.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Changer, Waiter, WaitingChanger};
use super::lists::OffersReply;
use super::tasks::TaskReply;
use super::texts::Text;
use super::values::{Limit, OneTask};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::mutation::Refused;
use crate::board::outlook::Outlook;
use crate::board::views::ClaimView;
use crate::domain::id::Specialty;
use crate::domain::lease::Ttl;
use crate::domain::right::Right;
use crate::domain::text;

/// Take the review that waits most urgently.
///
/// Never of the agent's own work. The answer holds what was handed in and both closing commands.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimReviewNext {
    /// Only this specialty.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
    /// The length of the lease: 1 to 86400.
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    pub ttl_seconds: Option<Ttl>,
}

impl Operation for ClaimReviewNext {
    const NAME: &'static str = "claim-review-next";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str = "callboard claim-review-next --agent-id reviewer-a";
    const RIGHT: Right = Right::Reviewer;
    type Call = WaitingChanger;
    type Reply = ClaimView;

    fn run(&self, call: &WaitingChanger, app: &App) -> Result<Done<ClaimView>, Refused> {
        call.changer.commit(self, app, |turn| turn.claim_review_next(self.specialty.as_ref(), self.ttl_seconds))
    }

    fn outlook(&self, call: &WaitingChanger, app: &App) -> Result<Outlook, Refused> {
        call.changer.caller.outlook(app, |look| look.review_claim_outlook(self.specialty.as_ref()))
    }
}

/// Take the review of one task.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StartReview {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// The length of the lease: 1 to 86400.
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    pub ttl_seconds: Option<Ttl>,
}

impl Operation for StartReview {
    const NAME: &'static str = "start-review";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Work;
    const EXAMPLE: &'static str = "callboard start-review core-auth --agent-id reviewer-a";
    const RIGHT: Right = Right::Reviewer;
    type Call = Changer;
    type Reply = ClaimView;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<ClaimView>, Refused> {
        call.commit(self, app, |turn| turn.start_review(self.module.name(), self.ttl_seconds))
    }
}

/// Accept what was handed in: the task is done.
///
/// A reviewer shows the lease of its review. A person needs none, and may name the attempt that was read.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// What to say about it.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub notes: Option<Text>,
    /// Refuse unless this attempt is the one handed in.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub attempt: Option<u32>,
}

impl Operation for Approve {
    const NAME: &'static str = "approve";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str = "callboard approve core-auth --agent-id reviewer-a --lease-token TOKEN";
    const RIGHT: Right = Right::Reviewer;
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let notes = text::bounded("the notes", self.notes.as_ref().map_or("", Text::as_str));
        let notes = notes.map_err(|refusal| Refused { refusal, revision: None })?;
        let module = self.module.name();
        call.commit_result(self, module, &notes, app, |turn| {
            let task = turn.approve(module, self.attempt, &notes)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// Send a task back to its author, for whom it is kept for one lease length.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestChanges {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// What must change.
    #[arg(long, value_name = "TEXT")]
    pub notes: Text,
    /// Refuse unless this attempt is the one handed in.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub attempt: Option<u32>,
}

impl Operation for RequestChanges {
    const NAME: &'static str = "request-changes";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str =
        "callboard request-changes core-auth --agent-id reviewer-a --lease-token TOKEN --notes \"no test for expiry\"";
    const RIGHT: Right = Right::Reviewer;
    type Call = Changer;
    type Reply = TaskReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<TaskReply>, Refused> {
        let notes = text::required("the notes", self.notes.as_str());
        let notes = notes.map_err(|refusal| Refused { refusal, revision: None })?;
        let module = self.module.name();
        call.commit_result(self, module, &notes, app, |turn| {
            let task = turn.request_changes(module, self.attempt, &notes)?;
            TaskReply::of(turn, &task)
        })
    }
}

/// The tasks in review that the agent could take, most urgent first.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextReviewable {
    /// Only this specialty.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
}

impl Operation for NextReviewable {
    const NAME: &'static str = "next-reviewable";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard next-reviewable --agent-id reviewer-a";
    type Call = Waiter;
    type Reply = OffersReply;

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<OffersReply>, Refused> {
        call.caller.look(app, |look| {
            let tasks = look.reviewable_views(self.specialty.as_ref(), self.limit.get())?;
            OffersReply::of(look, tasks)
        })
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| look.review_outlook(self.specialty.as_ref()))
    }
}
