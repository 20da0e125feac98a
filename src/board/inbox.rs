//! The inbox: handoffs as they are shown, and the one that is for an agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bundles::Bundle;
use super::look::Look;
use super::outlook::Outlook;
use super::paging::first_of;
use super::streams::agent_topics;
use crate::domain::actor::Actor;
use crate::domain::agent::Agent;
use crate::domain::event::Audience;
use crate::domain::handoff::{Handoff, HandoffKey, HandoffKind, HandoffStatus};
use crate::domain::id::{AgentId, Module};
use crate::domain::lease::Lease;
use crate::domain::refusal::Refusal;
use crate::domain::task::{Task, TaskState};
use crate::domain::time::Millis;
use crate::domain::topic::Topic;

/// Where bundles lie, in the plan directory.
pub const DIRECTORY: &str = "handoffs";
/// The index shows so many that are live;
pub const LIVE_SHOWN: usize = 50;
/// and so many that ended, newest first.
const ENDED_SHOWN: usize = 10;
/// So many handoffs are read at once.
const BATCH: usize = 200;

/// A handoff as every door shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffView {
    /// Its number, which grows.
    pub handoff: HandoffKey,
    /// The task.
    pub module: Module,
    /// One line.
    pub title: String,
    /// Where the task stands.
    pub state: TaskState,
    /// What the handoff is for.
    pub kind: HandoffKind,
    /// Where the handoff stands.
    pub status: HandoffStatus,
    /// Whom it is for.
    pub target: String,
    /// Who left it: an agent id, or `human:USER`.
    pub left_by: String,
    /// True when the holder of the work left it: then its lease moves with it.
    pub agreed: bool,
    /// Who took it.
    pub claimed_by: Option<AgentId>,
    /// When it was left.
    pub left_at: Millis,
    /// When its status last changed.
    pub changed_at: Millis,
    /// The bundle, in the plan directory.
    pub path: String,
    /// The command that takes it, while that is possible.
    pub claim_command: Option<String>,
}

/// The path of a task's bundle, from the project on.
pub fn bundle_path(module: &Module) -> String {
    format!("project-plan/{DIRECTORY}/{module}.handoff.md")
}

/// A bundle whose page is to be made, with the one before.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BundlePage {
    /// Its number.
    pub handoff: HandoffKey,
    /// What it holds.
    pub bundle: Bundle,
    /// The bundle of the same task before it.
    pub previous: Option<Bundle>,
}

impl Look<'_> {
    /// A handoff as every door shows it.
    pub(super) fn handoff_view(&self, handoff: Handoff) -> Result<HandoffView, Refusal> {
        let task = self.task(&handoff.module)?;
        let module = &handoff.module;
        // Whoever left it does not take it: the command is for somebody else.
        let is_for_actor = |actor: &Agent| {
            let is_own = handoff.left_by == actor.id.as_str() && handoff.audience != Audience::Agent(actor.id.clone());
            handoff.audience.has(actor) && !is_own
        };
        let whose = match (&self.actor, &handoff.audience) {
            (Actor::Agent(acting), _) if is_for_actor(&acting.agent) => self.caller(),
            (_, Audience::Agent(agent)) => format!(" --agent-id {agent}"),
            _ => " --agent-id ID".to_owned(),
        };
        let claim = format!("callboard claim-handoff {module}{whose}");
        let is_takeable = handoff.status == HandoffStatus::Ready
            && (handoff.kind == HandoffKind::Review || handoff.agreed || task.offered);
        Ok(HandoffView {
            handoff: handoff.key,
            title: task.title,
            state: task.state,
            kind: handoff.kind,
            status: handoff.status,
            target: handoff.audience.to_string(),
            left_by: handoff.left_by,
            agreed: handoff.agreed,
            claimed_by: handoff.claimed_by,
            left_at: handoff.left_at,
            changed_at: handoff.changed_at,
            path: bundle_path(module),
            claim_command: is_takeable.then_some(claim),
            module: handoff.module,
        })
    }

    /// What the inbox shows: what is live, then the newest of each task that ended.
    pub fn inbox(&self) -> Result<Vec<HandoffView>, Refusal> {
        if self.board.pending.left == 0 {
            return Ok(Vec::new());
        }
        let newest = self.store.handoffs(None, None, LIVE_SHOWN)?;
        let mut shown = self.store.live_handoffs(LIVE_SHOWN)?;
        let mut ended = 0;
        for handoff in newest {
            if ended < ENDED_SHOWN && shown.iter().all(|other| other.task != handoff.task) {
                ended += 1;
                shown.push(handoff);
            }
        }
        shown.into_iter().map(|handoff| self.handoff_view(handoff)).collect()
    }

    /// Handoffs, newest first, before one, and where the next page begins.
    pub fn handoffs(
        &self,
        status: Option<HandoffStatus>,
        target: Option<&Audience>,
        before: Option<HandoffKey>,
        limit: usize,
    ) -> Result<(Vec<HandoffView>, Option<HandoffKey>), Refusal> {
        let fits = |handoff: &Handoff| {
            status.map_or(handoff.status.is_live(), |status| handoff.status == status)
                && target.is_none_or(|target| handoff.audience.is_within(target))
        };
        let mut found = first_of(
            before,
            (BATCH, limit + 1),
            |before, size| self.store.handoffs(None, before, size),
            |handoff| Some(handoff.key),
            |handoff| Ok(Some(handoff).filter(fits)),
        )?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|handoff| handoff.key);
        Ok((found.into_iter().map(|handoff| self.handoff_view(handoff)).collect::<Result<_, _>>()?, next))
    }

    /// The handoff that waits longest for the acting agent and that it could take now; for a person, for anybody.
    pub fn next_handoff(&self) -> Result<Option<HandoffView>, Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(None);
        }
        let first = first_of(
            None,
            (BATCH, 1),
            |after, size| self.store.oldest_handoffs(after, size),
            |handoff| Some(handoff.key),
            |handoff| Ok(self.is_for_actor(&handoff)?.then_some(handoff)),
        )?;
        first.into_iter().next().map(|handoff| self.handoff_view(handoff)).transpose()
    }

    fn is_for_actor(&self, handoff: &Handoff) -> Result<bool, Refusal> {
        if handoff.status != HandoffStatus::Ready {
            return Ok(false);
        }
        let Actor::Agent(acting) = &self.actor else { return Ok(true) };
        let agent = &acting.agent;
        if !handoff.audience.has(agent) || handoff.left_by == agent.id.as_str() {
            return Ok(false);
        }
        let task = self.task(&handoff.module)?;
        Ok(match handoff.kind {
            HandoffKind::Review => self.hindrance_to_review(&task, Some(&agent.id))?.is_none(),
            HandoffKind::Takeover => {
                let kept = task.reserved(self.dial.lease);
                task.offered && kept.is_none_or(|kept| kept.agent == agent.id) && !self.is_at_limit(agent)?
            }
        })
    }

    /// The outlook of `next-handoff`.
    pub fn handoff_outlook(&self) -> Result<Outlook, Refusal> {
        let found = self.board.counts.is_complete() || self.next_handoff()?.is_some();
        let mut topics = vec![Topic::Handoffs, Topic::Complete, Topic::Crew];
        if let Actor::Agent(acting) = &self.actor {
            topics.extend(agent_topics(&acting.agent));
            topics.extend([Topic::Offered, Topic::Review, Topic::Freed]);
        }
        self.outlook(found, topics)
    }

    /// The bundles of these handoffs, each with the one before of the same task.
    pub fn bundle_pages(&self, keys: &[HandoffKey]) -> Result<Vec<BundlePage>, Refusal> {
        let mut pages = Vec::new();
        for key in keys {
            let Some(bundle) = self.kept_bundle(*key)? else { continue };
            let Some(task) = self.store.task(&bundle.module)? else { continue };
            let before = self.store.handoffs(Some(task.key), Some(*key), 1)?.pop();
            let previous = before.map(|before| self.kept_bundle(before.key)).transpose()?.flatten();
            pages.push(BundlePage { handoff: *key, bundle, previous });
        }
        Ok(pages)
    }

    /// A bundle that an older program wrote may lack what this one needs: then there is none.
    fn kept_bundle(&self, key: HandoffKey) -> Result<Option<Bundle>, Refusal> {
        Ok(self.store.bundle(key)?.and_then(|json| serde_json::from_str(&json).ok()))
    }

    /// The command that says that the handoff of what `lease` allows was read, where that is due.
    pub(super) fn receipt_command(&self, lease: &Lease) -> Result<Option<String>, Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(None);
        }
        let handoff = self.store.live_handoff(lease.task)?;
        let due = handoff.is_some_and(|handoff| {
            handoff.awaits_acknowledgement() && handoff.claimed_by.as_ref() == Some(&lease.agent)
        });
        Ok(due.then(|| format!("callboard ack-handoff {} --agent-id {}", lease.module, lease.agent)))
    }

    /// The handoff of a task that waits for somebody or for a receipt.
    pub fn handoff_of(&self, task: &Task) -> Result<Option<HandoffView>, Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(None);
        }
        self.store.live_handoff(task.key)?.map(|handoff| self.handoff_view(handoff)).transpose()
    }

    /// The path of the bundle of a task, where one is live.
    pub(super) fn live_bundle(&self, task: &Task) -> Result<Option<String>, Refusal> {
        if self.board.pending.handoffs == 0 {
            return Ok(None);
        }
        Ok(self.store.live_handoff(task.key)?.map(|handoff| bundle_path(&handoff.module)))
    }
}
