//! Leases: renewing, listing, taking away.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Anyone, Changer};
use super::texts::Text;
use super::values::{Limit, MaybeTask, OneTask};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::leases::Beat;
use crate::board::mutation::{Answer, Refused};
use crate::board::views::{LeaseView, TaskView};
use crate::domain::lease::Ttl;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::domain::text;

/// Renew a lease, and say how far the work is.
///
/// Needs the lease token or an explicit session id. A lease that ran out and that nobody claimed since is had back.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// A new length for the lease: 1 to 86400.
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    pub ttl_seconds: Option<Ttl>,
    /// What is being done.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub progress: Option<Text>,
    /// How much of it is done.
    #[arg(long, value_name = "0..100")]
    #[serde(default)]
    pub percent: Option<u8>,
}

/// A renewed lease.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct HeartbeatReply {
    /// The task.
    pub task: TaskView,
    /// The lease.
    pub lease: LeaseView,
}

impl Operation for Heartbeat {
    const NAME: &'static str = "heartbeat";
    const ALIASES: &'static [&'static str] = &["lease-heartbeat"];
    const KIND: Kind = Kind::Presence;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str = "callboard heartbeat core-auth --agent-id anns-worker --lease-token TOKEN";
    type Call = Changer;
    type Reply = HeartbeatReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<HeartbeatReply>, Refused> {
        let beat = self.beat().map_err(|refusal| Refused { refusal, revision: None })?;
        call.commit(self, app, |turn| {
            let (task, lease) = turn.heartbeat(self.module.name(), &beat)?;
            let look = turn.look();
            Ok(Answer::done(HeartbeatReply { task: look.task_view(&task)?, lease: look.own_lease_view(&lease)? }))
        })
    }
}

impl Heartbeat {
    fn beat(&self) -> Result<Beat, Refusal> {
        if self.percent.is_some_and(|percent| percent > 100) {
            return Err(Refusal::new(Code::InvalidValue, "--percent is 0 to 100"));
        }
        let progress = self.progress.as_ref().map(|words| text::bounded("the progress", words.as_str())).transpose()?;
        Ok(Beat { ttl: self.ttl_seconds, progress, percent: self.percent })
    }
}

/// Leases, those that run out first first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeasesReply {
    /// The leases, without their tokens.
    pub leases: Vec<LeaseView>,
}

/// The leases of this board.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leases {
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
}

impl Operation for Leases {
    const NAME: &'static str = "leases";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Status;
    const EXAMPLE: &'static str = "callboard leases";
    type Call = Anyone;
    type Reply = LeasesReply;

    fn run(&self, call: &Anyone, app: &App) -> Result<Done<LeasesReply>, Refused> {
        call.look(app, |look| Ok(Answer::done(LeasesReply { leases: look.leases(self.limit.get())? })))
    }
}

/// Expire what is overdue; with --force take a live lease away.
///
/// Claims do the first by themselves. The second is for people and planners: the task is open again at once.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseReclaim {
    /// Only this task.
    #[command(flatten)]
    #[serde(default)]
    pub module: MaybeTask,
    /// Take a live lease away.
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
    /// Why, with --force.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub reason: Option<Text>,
}

impl Operation for LeaseReclaim {
    const NAME: &'static str = "lease-reclaim";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Work;
    const EXAMPLE: &'static str =
        "callboard lease-reclaim core-auth --force --reason \"its window is gone\" --as-human";
    type Call = Changer;
    type Reply = LeasesReply;

    fn right(&self) -> Right {
        // A live lease is taken away by people and planners.
        if self.force { Right::Operator } else { Self::RIGHT }
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<LeasesReply>, Refused> {
        let reason = self.checked_reason().map_err(|refusal| Refused { refusal, revision: None })?;
        call.commit(self, app, |turn| {
            let leases = match (self.module.name(), &reason) {
                (Some(module), Some(reason)) => vec![turn.force_reclaim(module, reason)?],
                (module, _) => turn.reclaim_overdue(module)?,
            };
            let look = turn.look();
            let leases = leases.iter().map(|lease| look.lease_view(lease)).collect::<Result<_, _>>()?;
            Ok(Answer::done(LeasesReply { leases }))
        })
    }
}

impl LeaseReclaim {
    fn checked_reason(&self) -> Result<Option<String>, Refusal> {
        match (self.force, self.module.name(), &self.reason) {
            (true, Some(_), Some(reason)) => text::required("the reason", reason.as_str()).map(Some),
            (true, ..) => Err(Refusal::new(Code::Usage, "--force needs a task and --reason")),
            (false, _, Some(_)) => Err(Refusal::new(Code::Usage, "--reason goes with --force")),
            (false, _, None) => Ok(None),
        }
    }
}
