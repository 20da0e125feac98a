//! What was said to an agent that it has not read, and the leases that it lost without being told.
//!
//! **Invariants.** An agent has read what its own cursor is past. What tells of a lost lease stays until its holder has seen
//! it. Nothing is hidden behind what concerns somebody else.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::{EventView, notice_view};
use super::look::Look;
use super::paging::first_of;
use super::turn::Turn;
use crate::domain::actor::Actor;
use crate::domain::agent::Agent;
use crate::domain::event::{Audience, Event, EventKind};
use crate::domain::id::{Module, SessionId};
use crate::domain::lease::LeaseKind;
use crate::domain::notice::{Notice, Resolution, is_for_reading};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::Session;
use crate::domain::task::{Task, TaskState};
use crate::domain::time::Millis;
use crate::domain::word::words;
use crate::store::contract::NoticeFilter;

/// So many notices are read at once.
const PAGE: usize = 200;
/// A message of this priority stops new work until it was read.
const STOPS: u8 = 0;
/// One of this priority comes along with new work.
const COMES_ALONG: u8 = 1;

words! {
    /// How a lease was lost.
    Loss, "kind of loss" {
        /// Somebody else took the task, or its review.
        Taken = "taken",
        /// Somebody else ended the work.
        Ended = "ended",
    }
}

/// A lease that is gone without the doing of its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LostLease {
    /// The number of the event that tells it.
    pub seq: u64,
    /// The task.
    pub module: Module,
    /// What the lease allowed.
    pub kind: LeaseKind,
    /// How it was lost.
    pub loss: Loss,
    /// By whom: an agent id, or `human:USER`.
    pub by: String,
    /// When.
    pub at: Millis,
    /// Where the task stands now.
    pub state: TaskState,
}

impl LostLease {
    fn of(event: &Event, task: &Task) -> Self {
        let word = |name: &str| event.data.get(name).and_then(|word| word.as_str()).unwrap_or_default();
        Self {
            seq: event.seq,
            module: task.module.clone(),
            kind: word("kind").parse().unwrap_or(LeaseKind::Work),
            loss: word("loss").parse().unwrap_or(Loss::Taken),
            by: event.actor.clone().unwrap_or_else(|| "somebody".to_owned()),
            at: event.at,
            state: task.state,
        }
    }

    /// It in words.
    pub fn in_words(&self) -> String {
        let Self { module, by, at, state, .. } = self;
        let what = if self.kind == LeaseKind::Review { "the review of " } else { "" };
        match self.loss {
            Loss::Taken => format!("{what}{module}, taken by {by} at {at}"),
            Loss::Ended => format!("{what}{module}, ended by {by} at {at}; it is {state}"),
        }
    }
}

/// Messages that came while the agent worked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnreadMessages {
    /// How many are urgent (priority 0 or 1) and unread.
    pub count: usize,
    /// The newest of them.
    pub newest: EventView,
    /// The command that reads them.
    pub command: String,
}

impl Look<'_> {
    /// The first `most` notices for `agent` that its own cursor is not past and that are as wanted.
    pub(super) fn unread_notices(
        &self,
        agent: &Agent,
        filter: &NoticeFilter,
        most: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> Result<Vec<Notice>, Refusal> {
        if self.board.pending.notifications == 0 {
            return Ok(Vec::new());
        }
        let read = self.store.cursor(&self.own_cursor())?.map_or(0, |cursor| cursor.acknowledged);
        let audiences = Some(self.audiences_of(agent)?);
        let filter = NoticeFilter { audiences, unresolved: true, ..filter.clone() };
        self.first_notices(&filter, read, most, |notice| {
            // Whoever said it to a group has read it.
            let is_own = notice.event.actor.as_deref() == Some(agent.id.as_str());
            Ok(Some(notice).filter(|notice| !is_own && wanted(&notice.event)))
        })
    }

    fn first_notices<T>(
        &self,
        filter: &NoticeFilter,
        after: u64,
        most: usize,
        pick: impl FnMut(Notice) -> Result<Option<T>, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        let page = |place, size| self.store.notices(filter, place, size);
        first_of(after, (PAGE, most), page, |notice| notice.event.seq, pick)
    }

    fn unread_messages(&self, agent: &Agent, priority: u8, most: usize) -> Result<Vec<Notice>, Refusal> {
        let filter =
            NoticeFilter { kind: Some(EventKind::Message), priority: Some(priority), ..NoticeFilter::default() };
        self.unread_notices(agent, &filter, most, |_| true)
    }

    /// What was said to the agent, or asked, or happened to it: what no other action stands for.
    pub(super) fn unread(&self, agent: &Agent, most: usize) -> Result<Vec<EventView>, Refusal> {
        let own = Audience::Agent(agent.id.clone());
        let concerns = |event: &Event| {
            let asked = event.kind == EventKind::Question && event.audience.as_ref() == Some(&own);
            asked || is_for_reading(event)
        };
        let found = self.unread_notices(agent, &NoticeFilter::default(), most, concerns)?;
        Ok(found.into_iter().map(notice_view).collect())
    }

    /// The refusal of new work while a message of priority 0 is unread.
    pub(super) fn stop(&self, agent: &Agent) -> Result<Option<Refusal>, Refusal> {
        let Some(first) = self.unread_messages(agent, STOPS, 1)?.pop() else { return Ok(None) };
        let by = first.event.actor.as_deref().unwrap_or("somebody");
        let message =
            format!("{by} sent you a message of priority 0 that you have not read; nothing is claimed before");
        Ok(Some(
            Refusal::new(Code::MessageUnread, message)
                .hint(format!("callboard notifications{}", self.caller()))
                .detail("seq", first.event.seq)
                .detail("from", by),
        ))
    }

    /// Refuses new work with `message_unread` while a message of priority 0 is unread.
    pub(super) fn refuse_unread(&self, agent: &Agent) -> Result<(), Refusal> {
        self.stop(agent)?.map_or(Ok(()), Err)
    }

    /// Urgent messages for the acting agent that new work does not wait for.
    pub(super) fn messages_for_actor(&self) -> Result<Option<UnreadMessages>, Refusal> {
        let Actor::Agent(acting) = &self.actor else { return Ok(None) };
        let mut messages = self.unread_messages(&acting.agent, COMES_ALONG, usize::MAX)?;
        let count = messages.len();
        let command = format!("callboard notifications{}", self.caller());
        Ok(messages.pop().map(|newest| UnreadMessages { count, newest: notice_view(newest), command }))
    }

    /// The leases that the acting agent lost and has not seen to be lost: those of this window, and of windows that ended.
    pub(super) fn lost_leases(&self) -> Result<Vec<LostLease>, Refusal> {
        let Actor::Agent(acting) = &self.actor else { return Ok(Vec::new()) };
        if self.board.pending.notifications == 0 {
            return Ok(Vec::new());
        }
        let audiences = Some(vec![Audience::Agent(acting.agent.id.clone())]);
        let kind = Some(EventKind::LeaseLost);
        let filter = NoticeFilter { kind, audiences, unresolved: true, ..NoticeFilter::default() };
        self.first_notices(&filter, 0, usize::MAX, |Notice { event, .. }| {
            let task = event.module.as_ref().map(|module| self.store.task(module)).transpose()?.flatten();
            let Some(task) = task else { return Ok(None) };
            let is_elsewhere = self.is_of_another_window(&event, acting.session.as_ref())?;
            Ok((!is_elsewhere).then(|| LostLease::of(&event, &task)))
        })
    }

    /// True for what another window held that has not ended: it is told there.
    fn is_of_another_window(&self, event: &Event, own: Option<&Session>) -> Result<bool, Refusal> {
        let holder: Option<SessionId> = event.data.get("session_id").and_then(|id| id.as_str()?.parse().ok());
        match holder.filter(|holder| own.is_none_or(|own| own.id != *holder)) {
            Some(other) => Ok(self.store.session(&other)?.is_some_and(|session| session.ended.is_none())),
            None => Ok(false),
        }
    }
}

impl Turn<'_> {
    /// The leases that the acting agent lost, which are thereby told: they are not named again.
    pub(super) fn tell_of_lost(&mut self) -> Result<Vec<LostLease>, Refusal> {
        let lost = self.look().lost_leases()?;
        for one in &lost {
            self.settled.insert(one.seq, Resolution::Acknowledged);
            self.news = true;
        }
        Ok(lost)
    }
}
