//! Events and notifications, and acknowledging them.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Changer, Shared as _, Waiter};
use super::since::Since;
use super::texts::Text;
use super::values::{Limit, Priority, Target, Urgency};
use super::{Done, Group, Kind, Operation};
use crate::app::{App, Order};
use crate::board::history::EventView;
use crate::board::mutation::{Answer, Outcome, Refused};
use crate::board::notices::Given;
use crate::board::outlook::Outlook;
use crate::board::streams::{CursorView, Reading, StreamFilter, StreamPage};
use crate::domain::cursor::{Cursor, Stream};
use crate::domain::event::Source;
use crate::domain::id::{CursorId, Module, Specialty};
use crate::domain::notice::Signal;
use crate::domain::text;

/// A cursor to which nothing was given is moved on when it is so many events behind.
const LAG_MOST: u64 = 500;
/// A message is read by agents whose context is dear, in bytes.
const MESSAGE_MOST: usize = 8 * 1024;

/// Read the events of the board, in order.
///
/// Each has a number; there are no holes. Without --since and --cursor-id from the first that is kept. With --cursor-id
/// it goes on after what that reader acknowledged, and records what it was given. `next_since` is where the next page
/// begins. With --follow, as in events-stream, it goes on with what comes, and an explicit --limit is how many in all.
#[derive(Clone, Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// After this number, or place as `next_since` says.
    #[arg(long, value_name = "SEQ")]
    #[serde(default)]
    pub since: Option<Since>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
    /// From this source: mutation, preflight, intake, validate, repair or message.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub source: Option<Source>,
    /// About this task.
    #[arg(long, alias = "task", value_name = "M")]
    #[serde(default)]
    pub module: Option<Module>,
    /// Only what has an audience.
    #[arg(long)]
    #[serde(default)]
    pub notification_only: bool,
    /// For these: workers, reviewers, workers:SPECIALTY, reviewers:SPECIALTY, agent:ID or humans.
    #[arg(long, value_name = "T")]
    #[serde(default)]
    pub target: Option<Target>,
    /// Read as this named reader.
    #[arg(long, value_name = "C")]
    #[serde(default)]
    pub cursor_id: Option<CursorId>,
}

/// A page of events.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct EventsReply {
    /// The events.
    pub events: Vec<EventView>,
    /// Where the next page begins.
    pub next_since: Since,
    /// True when there may be more.
    pub more: bool,
    /// The events up to this one are in archives.
    pub pruned_through: u64,
    /// The cursor that they were read by.
    pub cursor: Option<CursorView>,
}

impl Events {
    fn reading(&self) -> Reading {
        let filter = StreamFilter {
            source: self.source,
            module: self.module.clone(),
            target: self.target.clone().map(Into::into),
            notified: self.notification_only,
            ..StreamFilter::default()
        };
        let since = self.since.clone().map(Into::into);
        let (cursor, limit) = (self.cursor_id.clone(), self.limit.get());
        Reading { stream: Stream::Events, filter, since, cursor, own: false, limit }
    }
}

impl Operation for Events {
    const NAME: &'static str = "events";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard events --cursor-id event-feed --watch-seconds 60";
    const FOLLOWS: bool = true;
    type Call = Waiter;
    type Reply = EventsReply;

    fn is_alone(&self, _: &Waiter) -> bool {
        // What a named reader is given is recorded after the look.
        self.cursor_id.is_some()
    }

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<EventsReply>, Refused> {
        let (seen, pruned_through, cursor) = read::<Self>(&self.reading(), call, app)?;
        Ok(seen.with(|page| {
            let outcome = call.outcome_of(&page.found);
            let next_since = Since::from(page.next);
            (outcome, EventsReply { events: page.found, next_since, more: page.more, pruned_through, cursor })
        }))
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| look.stream_outlook(&self.reading()))
    }

    fn follow(&mut self, reply: EventsReply) -> Vec<EventView> {
        self.since = Some(reply.next_since);
        reply.events
    }
}

/// Read what calls somebody and is not resolved yet.
///
/// An agent sees what is for it and what it has not acknowledged; what it is given is recorded, so that ack-notifications
/// needs no number, and --since 0 shows again what is not resolved. With a filter it sees all that is unresolved, and
/// nothing is recorded. --target asks for exactly that, and of reviewers also for reviews that are reserved for one of them,
/// marked so; a person without a target sees all. With --cursor-id it goes on after what that reader acknowledged.
#[derive(Clone, Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// For these: workers, reviewers, workers:SPECIALTY, reviewers:SPECIALTY, agent:ID or humans.
    #[arg(long, value_name = "T")]
    #[serde(default)]
    pub target: Option<Target>,
    /// Nothing that is for another specialty.
    #[arg(long, value_name = "S")]
    #[serde(default)]
    pub specialty: Option<Specialty>,
    /// Of this kind, such as review-ready, question or message.
    #[arg(long, value_name = "K")]
    #[serde(default)]
    pub kind: Option<Signal>,
    /// This urgent or more: 0 is most urgent, 4 least.
    #[arg(long, value_name = "0..4")]
    #[serde(default)]
    pub priority: Option<Urgency>,
    /// After this number, or place as `next_since` says.
    #[arg(long, value_name = "SEQ")]
    #[serde(default)]
    pub since: Option<Since>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
    /// Read as this named reader.
    #[arg(long, value_name = "C")]
    #[serde(default)]
    pub cursor_id: Option<CursorId>,
}

/// A page of notifications.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotificationsReply {
    /// The notifications.
    pub notifications: Vec<EventView>,
    /// Where the next page begins.
    pub next_since: Since,
    /// True when there may be more.
    pub more: bool,
    /// The cursor that they were read by.
    pub cursor: Option<CursorView>,
    /// The command that acknowledges them, once they were read.
    pub ack_command: Option<String>,
}

impl Notifications {
    fn reading(&self) -> Reading {
        let filter = StreamFilter {
            kind: self.kind,
            priority: self.priority.map(u8::from),
            target: self.target.clone().map(Into::into),
            specialty: self.specialty.clone(),
            whose: Some(String::new()),
            ..StreamFilter::default()
        };
        let since = self.since.clone().map(Into::into);
        let (cursor, own, limit) = (self.cursor_id.clone(), self.is_whole(), self.limit.get());
        Reading { stream: Stream::Notifications, filter, since, cursor, own, limit }
    }

    /// True when it leaves nothing out: an agent that reads so has read what is for it.
    fn is_whole(&self) -> bool {
        self.target.is_none() && self.specialty.is_none() && self.kind.is_none() && self.priority.is_none()
    }
}

impl Operation for Notifications {
    const NAME: &'static str = "notifications";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard notifications --target reviewers:backend --kind review-ready";
    const FOLLOWS: bool = true;
    type Call = Waiter;
    type Reply = NotificationsReply;

    fn is_alone(&self, call: &Waiter) -> bool {
        // What a reader with a cursor is given is recorded after the look.
        self.cursor_id.is_some() || (self.is_whole() && call.who().is_agent())
    }

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<NotificationsReply>, Refused> {
        let (seen, _, cursor) = read::<Self>(&self.reading(), call, app)?;
        Ok(seen.with(|page| {
            let outcome = call.outcome_of(&page.found);
            let next_since = Since::from(page.next);
            let reader = match (&self.cursor_id, &call.caller.agent_id) {
                (Some(cursor), _) => format!(" --cursor-id {}", text::quoted(cursor.as_str())),
                (None, Some(agent)) => format!(" --agent-id {agent}"),
                (None, None) => String::new(),
            };
            // What was delivered to the reader's own cursor needs no number.
            let is_delivered = self.cursor_id.is_none() && cursor.is_some();
            let up_to = |seq: u64| if is_delivered { String::new() } else { format!(" --up-to {seq}") };
            let last = page.found.last().map(|event| event.seq);
            let ack_command = last.map(|seq| format!("callboard ack-notifications{reader}{}", up_to(seq)));
            let reply =
                NotificationsReply { notifications: page.found, next_since, more: page.more, cursor, ack_command };
            (outcome, reply)
        }))
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| look.stream_outlook(&self.reading()))
    }

    fn follow(&mut self, reply: NotificationsReply) -> Vec<EventView> {
        self.since = Some(reply.next_since);
        reply.notifications
    }
}

/// Reads a page; what a cursor's reader is given is recorded before the answer.
fn read<O: Operation>(
    reading: &Reading,
    call: &Waiter,
    app: &App,
) -> Result<(Done<StreamPage>, u64, Option<CursorView>), Refused> {
    let caller = call.caller.for_board();
    let mut seen =
        call.caller.look(app, |look| Ok(Answer::done((look.read_stream(reading)?, look.board().pruned_through))))?;
    let (page, pruned_through) = &seen.reply;
    let pruned_through = *pruned_through;
    // Nothing that the filter wants lies between the last one found and the end of the page.
    let last = if page.found.is_empty() { page.start } else { page.next.seq };
    let mut view = page.cursor.as_ref().and_then(|(_, kept)| kept.as_ref().map(CursorView::from));
    if let Some((id, kept)) = &page.cursor
        && kept.as_ref().is_none_or(|cursor| cursor.delivered < last || cursor.filter.is_empty() || lags(cursor, page))
    {
        let last = if page.found.is_empty() { page.next.seq } else { last };
        let order = Order::presence(O::NAME, &caller);
        let (stream, filter, start) = (reading.stream, page.filter.clone(), page.start);
        let given = if page.found.is_empty() { Given::Nothing } else { Given::Something };
        let moved = app.commit(&order, |turn| {
            let cursor = turn.deliver(id, stream, &filter, (start, last), given)?;
            Ok(Answer { outcome: Outcome::Nothing, reply: CursorView::from(&cursor) })
        })?;
        view = Some(moved.answer.reply);
        if kept.is_none() && reading.since.is_none() && start > 0 {
            seen.warnings.push(format!(
                "cursor {id} is new and begins after event {start}; the events before are in archives: callboard event-archives"
            ));
        }
    }
    Ok((seen.with(|(page, _)| (Outcome::Done, page)), pruned_through, view))
}

/// True for a cursor whose filter has left out everything for so long that its place would be pruned.
fn lags(cursor: &Cursor, page: &StreamPage) -> bool {
    page.found.is_empty() && cursor.delivered == cursor.acknowledged && page.next.seq > cursor.acknowledged + LAG_MOST
}

/// Acknowledge events: a reader says how far it has read.
///
/// Without --up-to everything that was delivered to the cursor.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AckEvents {
    /// The reader.
    #[arg(long, value_name = "C")]
    pub cursor_id: CursorId,
    /// Up to this number.
    #[arg(long, value_name = "SEQ")]
    #[serde(default)]
    pub up_to: Option<u64>,
}

/// Where a cursor stands after an acknowledgement.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct AckReply {
    /// The cursor.
    pub cursor: CursorView,
    /// True when its place moved.
    pub moved: bool,
}

impl Operation for AckEvents {
    const NAME: &'static str = "ack-events";
    const KIND: Kind = Kind::Presence;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard ack-events --cursor-id event-feed";
    type Call = Changer;
    type Reply = AckReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<AckReply>, Refused> {
        call.commit(self, app, |turn| {
            let done = turn.acknowledge(Stream::Events, Some(&self.cursor_id), self.up_to)?;
            Ok(Answer::done(AckReply { cursor: CursorView::from(&done.cursor), moved: done.moved }))
        })
    }
}

/// Acknowledge notifications: the reader has read them. What was only to be read is resolved by that.
///
/// Without --cursor-id it is the agent's own cursor; without --up-to everything that was delivered to it.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AckNotifications {
    /// The reader; the agent's own unless named.
    #[arg(long, value_name = "C")]
    #[serde(default)]
    pub cursor_id: Option<CursorId>,
    /// Up to this number.
    #[arg(long, value_name = "SEQ")]
    #[serde(default)]
    pub up_to: Option<u64>,
}

impl Operation for AckNotifications {
    const NAME: &'static str = "ack-notifications";
    const KIND: Kind = Kind::Presence;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard ack-notifications --agent-id anns-worker --up-to 41";
    type Call = Changer;
    type Reply = AckReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<AckReply>, Refused> {
        call.commit(self, app, |turn| {
            let done = turn.acknowledge(Stream::Notifications, self.cursor_id.as_ref(), self.up_to)?;
            Ok(Answer::done(AckReply { cursor: CursorView::from(&done.cursor), moved: done.moved }))
        })
    }
}

/// Say something to agents or people.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// To whom: workers, reviewers, workers:SPECIALTY, reviewers:SPECIALTY, agent:ID or humans.
    #[arg(long, value_name = "T")]
    pub target: Target,
    /// What.
    #[arg(long, value_name = "TEXT")]
    pub message: Text,
    /// 0 is most urgent, 4 least. Urgent messages (0 and 1) come before new work.
    #[arg(long, value_name = "0..4", default_value_t)]
    #[serde(default)]
    pub priority: Priority,
}

/// What was said.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotifyReply {
    /// The notification.
    pub notification: EventView,
}

impl Operation for Notify {
    const NAME: &'static str = "notify";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard notify --target agent:anns-worker --message \"the schema is in place\"";
    type Call = Changer;
    type Reply = NotifyReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<NotifyReply>, Refused> {
        let message = text::short("the message", self.message.as_str(), MESSAGE_MOST);
        let message = message.map_err(|refusal| Refused { refusal, revision: None })?;
        call.commit(self, app, |turn| {
            let event = turn.send_message(self.target.clone().into(), &message, self.priority.into())?;
            Ok(Answer::done(NotifyReply { notification: EventView::unresolved(event) }))
        })
    }
}
