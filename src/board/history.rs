//! What happened to a task: attempts, verdicts, and the events about it, late results included.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::look::Look;
use super::views::{AttemptView, attempt_view};
use crate::domain::event::{Event, EventKind, Source};
use crate::domain::id::{AgentId, Module, SessionId};
use crate::domain::notice::{Notice, NoticeStatus, Resolution};
use crate::domain::refusal::Refusal;
use crate::domain::task::Task;
use crate::domain::time::Millis;
use crate::domain::verdict::Verdict;

/// An event as every door shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventView {
    /// Its number.
    pub seq: u64,
    /// When.
    pub at: Millis,
    /// What happened.
    pub kind: EventKind,
    /// Where it came from.
    pub source: Source,
    /// To which task.
    pub module: Option<Module>,
    /// By which agent; null for a person.
    pub agent_id: Option<AgentId>,
    /// By whom: an agent id, or `human:USER`.
    pub actor: Option<String>,
    /// In which session.
    pub session_id: Option<SessionId>,
    /// The revision of the board after it.
    pub board_revision: u64,
    /// Whom it concerns.
    pub audience: Option<String>,
    /// 0 is most urgent.
    pub priority: u8,
    /// Whether it still calls somebody; null for what calls nobody.
    #[serde(default)]
    pub status: Option<NoticeStatus>,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Millis>,
    /// By which event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_by: Option<u64>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// The agent that a review is reserved for, in a list for reviewers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_for: Option<AgentId>,
    /// Facts that depend on the kind.
    pub data: Map<String, Value>,
}

/// What happened to a task.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The task.
    pub module: Module,
    /// Its attempts, newest first.
    pub attempts: Vec<AttemptView>,
    /// The verdicts on it, newest first.
    pub verdicts: Vec<Verdict>,
    /// The events about it, newest first.
    pub events: Vec<EventView>,
}

impl Look<'_> {
    /// What happened to `task`: the newest `limit` of each.
    pub fn history(&self, task: &Task, limit: usize) -> Result<History, Refusal> {
        Ok(History {
            module: task.module.clone(),
            attempts: self.store.attempts(task.key, limit)?.into_iter().map(attempt_view).collect(),
            verdicts: self.store.verdicts(task.key, limit)?,
            events: self.store.events_about(&task.module, limit)?.into_iter().map(event_view).collect(),
        })
    }
}

/// An event as every door shows it.
pub fn event_view(event: Event) -> EventView {
    EventView {
        seq: event.seq,
        at: event.at,
        kind: event.kind,
        source: event.source,
        module: event.module,
        agent_id: event.actor.as_deref().and_then(|actor| actor.parse().ok()),
        actor: event.actor,
        session_id: event.session,
        board_revision: event.board_revision,
        audience: event.audience.map(|audience| audience.to_string()),
        priority: event.priority,
        status: None,
        resolved_at: None,
        resolved_by: None,
        resolution: None,
        reserved_for: None,
        data: event.data,
    }
}

impl EventView {
    /// A notification that was just sent.
    pub fn unresolved(event: Event) -> Self {
        notice_view(Notice { event, resolved: None })
    }
}

/// An event with its status.
pub fn notice_view(notice: Notice) -> EventView {
    let Notice { event, resolved } = notice;
    let calls = if resolved.is_some() { NoticeStatus::Resolved } else { NoticeStatus::Unresolved };
    EventView {
        status: event.audience.is_some().then_some(calls),
        resolved_at: resolved.map(|resolved| resolved.at),
        resolved_by: resolved.and_then(|resolved| resolved.by),
        resolution: resolved.map(|resolved| resolved.why),
        ..event_view(event)
    }
}
