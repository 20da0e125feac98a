//! Getting a task to work on.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Changer, Waiter, WaitingChanger};
use super::lists::OffersReply;
use super::values::{Limit, OneTask};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::claims::{Overlapping, Wish};
use crate::board::mutation::Refused;
use crate::board::outlook::Outlook;
use crate::board::views::ClaimView;
use crate::domain::id::{AgentId, Specialty};
use crate::domain::lease::Ttl;

/// Take the best task there is.
///
/// First what came back to this agent, then by rank. The answer holds everything needed to start, and the command that
/// hands it in. At its limit the agent gets what it holds. Nothing to do is exit 3, a complete board exit 10; with
/// --watch-seconds it waits until it can claim.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimNext {
    /// Only this specialty, or none.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
    /// Who is to review it.
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub reviewer_id: Option<AgentId>,
    /// The length of the lease: 1 to 86400.
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    pub ttl_seconds: Option<Ttl>,
}

impl Operation for ClaimNext {
    const NAME: &'static str = "claim-next";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str = "callboard claim-next --agent-id anns-worker --watch-seconds 90";
    type Call = WaitingChanger;
    type Reply = ClaimView;

    fn run(&self, call: &WaitingChanger, app: &App) -> Result<Done<ClaimView>, Refused> {
        let wish =
            Wish { specialty: self.specialty.clone(), reviewer: self.reviewer_id.clone(), ttl: self.ttl_seconds };
        call.changer.commit(self, app, |turn| turn.claim_next(&wish))
    }

    fn is_said_once(&self, reply: &ClaimView) -> bool {
        !reply.lost.is_empty()
    }

    fn outlook(&self, call: &WaitingChanger, app: &App) -> Result<Outlook, Refused> {
        call.changer.caller.outlook(app, |look| look.claim_outlook(self.specialty.as_ref()))
    }
}

/// Take one task. What the session holds already is answered again.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// Although its paths overlap with another holder's, where the profile leaves that to you.
    #[arg(long)]
    #[serde(default)]
    pub allow_overlap: bool,
    /// The length of the lease: 1 to 86400.
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    pub ttl_seconds: Option<Ttl>,
}

impl Operation for Claim {
    const NAME: &'static str = "claim";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Work;
    const EXAMPLE: &'static str = "callboard claim core-auth --agent-id anns-worker";
    type Call = Changer;
    type Reply = ClaimView;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<ClaimView>, Refused> {
        let overlapping = if self.allow_overlap { Overlapping::Allow } else { Overlapping::Refuse };
        let wish = Wish { ttl: self.ttl_seconds, ..Wish::default() };
        call.commit(self, app, |turn| turn.claim(self.module.name(), &wish, overlapping))
    }
}

/// The tasks that claim-next would try, best first.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextClaimable {
    /// Only this specialty, or none.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
}

impl Operation for NextClaimable {
    const NAME: &'static str = "next-claimable";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard next-claimable --agent-id anns-worker";
    type Call = Waiter;
    type Reply = OffersReply;

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<OffersReply>, Refused> {
        call.caller.look(app, |look| {
            let tasks = look.claimable_views(self.specialty.as_ref(), self.limit.get())?;
            OffersReply::of(look, tasks)
        })
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| look.claimable_outlook(self.specialty.as_ref()))
    }
}
