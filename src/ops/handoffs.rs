//! Handing work over.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Changer, Waiter};
use super::surroundings::Surroundings;
use super::texts::Text;
use super::values::{Limit, OneTask, Receiver, Target};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::bundles::Bundle;
use crate::board::claims::Wish;
use crate::board::handoffs::NewHandoff;
use crate::board::inbox::HandoffView;
use crate::board::mutation::{Answer, Outcome, Refused};
use crate::board::outlook::Outlook;
use crate::board::views::{ClaimView, WaitingOn};
use crate::domain::event::Audience;
use crate::domain::handoff::{HandoffKey, HandoffKind, HandoffStatus};
use crate::domain::lease::Ttl;
use crate::domain::refusal::Refusal;
use crate::domain::text;
use crate::workspace::git::Checkout;

/// Notes are read by agents whose context is dear, in bytes.
const NOTES_MOST: usize = 16 * 1024;

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}

/// Leave a task's context for whoever takes it over, or reviews it.
///
/// Writes project-plan/handoffs/M.handoff.md and an entry in the inbox. From the holder, with the proof of its lease, it
/// agrees that somebody else takes the task; from others it is information.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffBundle {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// For whom: agent:ID, or a specialty. Without it, for those of the task's specialty.
    #[arg(long, value_name = "T")]
    #[serde(default)]
    pub to: Option<Receiver>,
    /// takeover or review.
    #[arg(long, value_name = "KIND", default_value = "takeover")]
    #[serde(default = "takeover")]
    pub kind: HandoffKind,
    /// What to say to whoever takes it.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub notes: Option<Text>,
}

fn takeover() -> HandoffKind {
    HandoffKind::Takeover
}

/// What was left.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct BundleReply {
    /// The entry in the inbox.
    pub handoff: HandoffView,
    /// What the bundle holds.
    pub bundle: Bundle,
}

impl Operation for HandoffBundle {
    const NAME: &'static str = "handoff-bundle";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Handoffs;
    const EXAMPLE: &'static str =
        "callboard handoff-bundle core-auth --agent-id anns-worker --lease-token TOKEN --notes \"tests pass but one\"";
    type Call = Changer;
    type Reply = BundleReply;

    fn prepare(&self, call: &mut Changer, here: &dyn Surroundings) -> Result<(), Refused> {
        // Where this process works, whatever the caller says of itself.
        let Some(checkout) = Checkout::around(&here.settings().directory) else { return Ok(()) };
        // Whoever may not look is refused when it hands over.
        let since = here.work_base(&call.caller, self.module.name()).claimed;
        call.caller.facts.tree = checkout.working_tree(since.as_ref());
        Ok(())
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<BundleReply>, Refused> {
        let notes = self.notes.as_ref().map(|notes| text::short("the notes", notes.as_str(), NOTES_MOST));
        let notes = notes.transpose().map_err(unread)?.unwrap_or_default();
        app.refuse_linked_handoffs().map_err(unread)?;
        let module = self.module.name().clone();
        let to = self.to.clone().map(|to| match (to, self.kind) {
            (Receiver::Agent(agent), _) => Audience::Agent(agent),
            (Receiver::Specialty(one), HandoffKind::Takeover) => Audience::Workers(Some(one)),
            (Receiver::Specialty(one), HandoffKind::Review) => Audience::Reviewers(Some(one)),
        });
        let tree = call.caller.facts.tree.clone();
        call.commit(self, app, |turn| {
            let new = NewHandoff { module, to, kind: self.kind, notes, tree };
            let (handoff, page) = turn.leave_handoff(new)?;
            Ok(Answer::done(BundleReply { handoff, bundle: page.bundle }))
        })
    }
}

/// List handoffs, newest first: what waits for somebody or for a receipt, unless told otherwise.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Handoffs {
    /// ready, claimed, acknowledged, withdrawn or replaced.
    #[arg(long, value_name = "STATUS")]
    #[serde(default)]
    pub status: Option<HandoffStatus>,
    /// For these: workers, workers:SPECIALTY, reviewers, agent:ID and so on.
    #[arg(long, value_name = "T")]
    #[serde(default)]
    pub target: Option<Target>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
    /// Go on with those before this number.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub before: Option<i64>,
}

/// Handoffs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct HandoffsReply {
    /// The handoffs.
    pub handoffs: Vec<HandoffView>,
    /// Where the next page begins, or null.
    pub next_before: Option<HandoffKey>,
}

impl Handoffs {
    fn list(
        &self,
        look: &crate::board::look::Look<'_>,
        limit: usize,
    ) -> Result<(Vec<HandoffView>, Option<HandoffKey>), Refusal> {
        let target = self.target.clone().map(Audience::from);
        look.handoffs(self.status, target.as_ref(), self.before.map(HandoffKey), limit)
    }
}

impl Operation for Handoffs {
    const NAME: &'static str = "handoffs";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Handoffs;
    const EXAMPLE: &'static str = "callboard handoffs";
    type Call = Waiter;
    type Reply = HandoffsReply;

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<HandoffsReply>, Refused> {
        call.caller.look(app, |look| {
            let (handoffs, next_before) = self.list(look, self.limit.get())?;
            let outcome = call.outcome_of(&handoffs);
            Ok(Answer { outcome, reply: HandoffsReply { handoffs, next_before } })
        })
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| {
            let found = !self.list(look, 1)?.0.is_empty();
            look.outlook(found, vec![crate::domain::topic::Topic::Handoffs])
        })
    }
}

/// The handoff that waits longest for the agent.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NextHandoff {}

/// A handoff, or none.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct NextHandoffReply {
    /// The handoff; null when there is none.
    pub handoff: Option<HandoffView>,
    /// What would have to happen, when there is none.
    pub waiting_on: Vec<WaitingOn>,
}

impl Operation for NextHandoff {
    const NAME: &'static str = "next-handoff";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Handoffs;
    const EXAMPLE: &'static str = "callboard next-handoff --agent-id worker-b --watch-seconds 60";
    type Call = Waiter;
    type Reply = NextHandoffReply;

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<NextHandoffReply>, Refused> {
        call.caller.look(app, |look| {
            let handoff = look.next_handoff()?;
            let outcome = match &handoff {
                Some(_) => Outcome::Done,
                None if look.board().counts.is_complete() => Outcome::Complete,
                None => Outcome::Nothing,
            };
            let waiting_on = if handoff.is_none() { look.hindrances()? } else { Vec::new() };
            Ok(Answer { outcome, reply: NextHandoffReply { handoff, waiting_on } })
        })
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| look.handoff_outlook())
    }
}

/// Take a handoff: the lease moves to you, and the old holder is refused from then on.
///
/// Of kind review it is start-review. The answer holds everything needed to go on.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimHandoff {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
    /// The length of the lease: 1 to 86400.
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    pub ttl_seconds: Option<Ttl>,
}

impl Operation for ClaimHandoff {
    const NAME: &'static str = "claim-handoff";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Handoffs;
    const EXAMPLE: &'static str = "callboard claim-handoff core-auth --agent-id worker-b";
    type Call = Changer;
    type Reply = ClaimView;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<ClaimView>, Refused> {
        let wish = Wish { ttl: self.ttl_seconds, ..Wish::default() };
        call.commit(self, app, |turn| turn.claim_handoff(self.module.name(), &wish))
    }
}

/// The entry of a handoff in the inbox.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct HandoffReply {
    /// The entry.
    pub handoff: HandoffView,
}

/// Say that you have read a handoff that you took: its receipt.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AckHandoff {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
}

impl Operation for AckHandoff {
    const NAME: &'static str = "ack-handoff";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Handoffs;
    const EXAMPLE: &'static str = "callboard ack-handoff core-auth --agent-id worker-b";
    type Call = Changer;
    type Reply = HandoffReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<HandoffReply>, Refused> {
        call.commit(self, app, |turn| {
            Ok(Answer::done(HandoffReply { handoff: turn.acknowledge_handoff(self.module.name())? }))
        })
    }
}

/// Take a handoff back that nobody has taken. The task is its holder's alone again.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawHandoff {
    /// The task.
    #[command(flatten)]
    pub module: OneTask,
}

impl Operation for WithdrawHandoff {
    const NAME: &'static str = "withdraw-handoff";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Handoffs;
    const EXAMPLE: &'static str = "callboard withdraw-handoff core-auth --agent-id anns-worker";
    type Call = Changer;
    type Reply = HandoffReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<HandoffReply>, Refused> {
        call.commit(self, app, |turn| {
            Ok(Answer::done(HandoffReply { handoff: turn.withdraw_handoff(self.module.name())? }))
        })
    }
}
