//! Events and notifications: two views of one sequence, read from a place or by a cursor.
//!
//! **Invariants.** A page begins right after its place; nothing between is left out but by the filter. A place whose
//! events are in an archive, of another generation, or ahead of the board is refused, never guessed.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::history::{EventView, notice_view};
use super::look::Look;
use super::notices::reserved;
use super::outlook::Outlook;
use crate::domain::actor::Actor;
use crate::domain::agent::{Agent, Role};
use crate::domain::cursor::{Cursor, Place, Stream};
use crate::domain::event::{Audience, EventKind, Source};
use crate::domain::id::{CursorId, Module, Specialty};
use crate::domain::notice::{Notice, Signal};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::topic::Topic;
use crate::store::contract::NoticeFilter;

/// So many archives are named to whoever asks for what is in them.
const ARCHIVES_NAMED: usize = 3;
/// Maximum number of agents whose reserved reviews are looked for.
const MAX_AGENTS: usize = 1_000;

/// What to leave out. What is none or false leaves nothing out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct StreamFilter {
    /// What does not come from this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// What is not about this task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<Module>,
    /// What is of another kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Signal>,
    /// What is less urgent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// What is for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Audience>,
    /// What is for another specialty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specialty: Option<Specialty>,
    /// What has no audience.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub notified: bool,
    /// For an agent that names no target: what is for none of its audiences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whose: Option<String>,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Events, or unresolved notifications.
    pub stream: Stream,
    /// What to leave out.
    pub filter: StreamFilter,
    /// After which place, if one is named.
    pub since: Option<Place>,
    /// By which cursor, if one is named.
    pub cursor: Option<CursorId>,
    /// Where none is named: by the one of the agent that reads, unless that is used with a filter.
    pub own: bool,
    /// At most so many.
    pub limit: usize,
}

/// Where a cursor stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
pub struct CursorView {
    /// Its name.
    pub cursor_id: CursorId,
    /// Everything up to here was given to its reader.
    pub delivered: u64,
    /// Everything up to here was read.
    pub acknowledged: u64,
}

impl From<&Cursor> for CursorView {
    fn from(cursor: &Cursor) -> Self {
        Self { cursor_id: cursor.id.clone(), delivered: cursor.delivered, acknowledged: cursor.acknowledged }
    }
}

/// A page of a stream.
#[derive(Clone, Debug)]
pub struct StreamPage {
    /// What was found, in order.
    pub found: Vec<EventView>,
    /// Where the next page begins.
    pub next: Place,
    /// Where this one began.
    pub start: u64,
    /// True when there may be more after it.
    pub more: bool,
    /// The cursor that it was read by, as it was before.
    pub cursor: Option<(CursorId, Option<Cursor>)>,
    /// The filter in the form that cursors keep.
    pub filter: String,
}

fn key_of(filter: &StreamFilter) -> String {
    serde_json::to_string(filter).expect("words have a JSON form")
}

impl Reading {
    /// The filter in the form that only equal ones share.
    fn key(&self) -> String {
        key_of(&self.filter)
    }
}

impl Look<'_> {
    /// A page of a stream. Refuses places that the board does not have, and a cursor that was first used with another
    /// filter.
    pub fn read_stream(&self, reading: &Reading) -> Result<StreamPage, Refusal> {
        let mut reading = reading.clone();
        self.address(&mut reading.filter);
        let filter = reading.key();
        let cursor = self.cursor_of(&reading, &filter)?;
        let kept = cursor.as_ref().and_then(|(_, kept)| kept.clone());
        let start = self.start(&reading, kept.as_ref())?;
        let wanted = self.wanted(&reading)?;
        let mut notices = self.store.notices(&wanted, start, reading.limit + 1)?;
        let more = notices.len() > reading.limit;
        notices.truncate(reading.limit);
        let end = if more { notices.last().map_or(start, |notice| notice.event.seq) } else { self.board.event_seq };
        let marks = matches!(reading.filter.target, Some(Audience::Reviewers(_)));
        let view = |notice| self.readable(if marks { reserved_view(notice) } else { notice_view(notice) });
        let found = notices.into_iter().map(view).collect();
        Ok(StreamPage { found, next: self.board.place(end), start, more, cursor, filter })
    }

    /// The cursor that is read by, as it is now. Refuses one that was first used with another filter.
    fn cursor_of(&self, reading: &Reading, filter: &str) -> Result<Option<(CursorId, Option<Cursor>)>, Refusal> {
        let is_agent = matches!(self.actor, Actor::Agent(_));
        let Some(id) = reading.cursor.clone().or_else(|| (reading.own && is_agent).then(|| self.own_cursor())) else {
            return Ok(None);
        };
        self.check_cursor(&id, reading.stream)?;
        if let Some(agent) = self.actor.agent_id().filter(|_| reading.cursor.is_some() && id == self.own_cursor()) {
            let whole = StreamFilter { whose: Some(agent.to_string()), ..StreamFilter::default() };
            if filter != key_of(&whole) {
                return Err(reserved(&id, agent.as_str(), reading.stream));
            }
        }
        let kept = self.store.cursor(&id)?;
        if let Some(cursor) = kept.as_ref().filter(|cursor| !cursor.filter.is_empty()) {
            match cursor.refuse_other_filter(reading.stream, filter) {
                Err(_) if reading.cursor.is_none() => return Ok(None),
                checked => checked?,
            }
        }
        Ok(Some((id, kept)))
    }

    /// The event as its reader may have it: what tells people how to go on names their commands.
    fn readable(&self, mut event: EventView) -> EventView {
        if event.kind == EventKind::Stalled
            && let Some(Value::Array(commands)) = event.data.get_mut("commands")
        {
            for command in commands.iter_mut() {
                *command = Value::String(self.actor.readable(command.as_str().unwrap_or_default().to_owned()));
            }
        }
        event
    }

    /// An agent that names no target means what is for it.
    fn address(&self, filter: &mut StreamFilter) {
        if let (true, None, Actor::Agent(acting)) = (filter.whose.is_some(), &filter.target, &self.actor) {
            filter.whose = Some(acting.agent.id.to_string());
        } else {
            filter.whose = None;
        }
    }

    fn start(&self, reading: &Reading, kept: Option<&Cursor>) -> Result<u64, Refusal> {
        let pruned = self.board.pruned_through;
        let place = match (&reading.since, kept) {
            (Some(since), _) => since.clone(),
            (None, Some(cursor)) => cursor.place(),
            // Whoever begins anew is told in the answer where that is.
            (None, None) => return Ok(if reading.stream == Stream::Events { pruned } else { 0 }),
        };
        self.board.refuse_foreign(&place)?;
        // An unresolved notification outlives its event, so nothing of it is missing.
        if reading.stream == Stream::Events && place.seq < pruned {
            return Err(self.pruned(&place, kept)?);
        }
        Ok(place.seq)
    }

    fn pruned(&self, place: &Place, kept: Option<&Cursor>) -> Result<Refusal, Refusal> {
        let pruned = self.board.pruned_through;
        let archives = self.store.archives(place.seq, ARCHIVES_NAMED)?;
        let names: Vec<String> = archives.into_iter().map(|archive| archive.name).collect();
        let (first, through) = (place.seq + 1, self.board.place(pruned));
        let message = match names.first() {
            Some(name) => format!("events {first} to {pruned} are in archives, beginning with {name}"),
            None => format!("events {first} to {pruned} were pruned, and no archive of them is known"),
        };
        let go_on = match kept {
            Some(cursor) => {
                format!("callboard ack-events --cursor-id {} --up-to {pruned} goes on after them", cursor.id)
            }
            None => format!("callboard events --since {through} goes on after them"),
        };
        let read = names.first().map(|name| format!("callboard event-archives --read {name} shows them; "));
        Ok(Refusal::new(Code::EventsPruned, message)
            .hint(read.unwrap_or_default() + &go_on)
            .detail("pruned_through", pruned)
            .detail("archives", names))
    }

    fn wanted(&self, reading: &Reading) -> Result<NoticeFilter, Refusal> {
        let filter = &reading.filter;
        let mut audiences = match (&filter.target, &self.actor) {
            (Some(target), _) => Some(self.audiences_within(target)?),
            (None, Actor::Agent(acting)) if filter.whose.is_some() => Some(self.audiences_of(&acting.agent)?),
            (None, _) => None,
        };
        if let Some(one) = &filter.specialty {
            let mut list = match audiences.take() {
                Some(list) => list,
                None => [self.store.audiences("workers", 1_000)?, self.store.audiences("reviewers", 1_000)?].concat(),
            };
            list.retain(|audience| audience.specialty().is_none_or(|specialty| specialty == one));
            audiences = Some(list);
        }
        let reserved_reviews = match &filter.target {
            Some(Audience::Reviewers(one)) => self.reviewers_with(one.as_ref().or(filter.specialty.as_ref()))?,
            _ => Vec::new(),
        };
        Ok(NoticeFilter {
            reserved_reviews,
            source: filter.source,
            module: filter.module.clone(),
            kind: filter.kind.map(Into::into),
            priority: filter.priority,
            notified: filter.notified || reading.stream == Stream::Notifications,
            audiences,
            unresolved: reading.stream == Stream::Notifications,
        })
    }

    /// The agents of a specialty, as far as anything is there for one of them alone. A review may be reserved for them.
    fn reviewers_with(&self, specialty: Option<&Specialty>) -> Result<Vec<Audience>, Refusal> {
        let mut found = Vec::new();
        for audience in self.store.audiences("agent:", MAX_AGENTS)? {
            let Audience::Agent(id) = &audience else { continue };
            let Some(agent) = self.store.agent(id)? else { continue };
            let has = |one| agent.specialties.is_empty() || agent.specialties.contains(one);
            if specialty.is_none_or(has) {
                found.push(audience);
            }
        }
        Ok(found)
    }

    /// The outlook of a page.
    pub fn stream_outlook(&self, reading: &Reading) -> Result<Outlook, Refusal> {
        let page = self.read_stream(&Reading { limit: 1, ..reading.clone() })?;
        let filter = &reading.filter;
        let topic = match filter {
            StreamFilter { module: Some(module), .. } => vec![Topic::Task(module.clone())],
            StreamFilter { source: Some(source), .. } => vec![Topic::Source(*source)],
            StreamFilter { target: Some(target), .. } => audience_topics(target),
            StreamFilter { whose: Some(_), .. } => match &self.actor {
                Actor::Agent(acting) => agent_topics(&acting.agent),
                Actor::Human { .. } => vec![Topic::Notified],
            },
            _ if filter.notified || reading.stream == Stream::Notifications => vec![Topic::Notified],
            _ => vec![Topic::Event],
        };
        self.outlook(!page.found.is_empty(), topic)
    }
}

/// A notice for those who ask for reviewers: one that is for a single agent is a review that is reserved for it.
fn reserved_view(notice: Notice) -> EventView {
    let agent = match &notice.event.audience {
        Some(Audience::Agent(agent)) => Some(agent.clone()),
        _ => None,
    };
    EventView { reserved_for: agent, ..notice_view(notice) }
}

/// The topics of whoever asks for a target. Which specialties there will be nobody knows.
fn audience_topics(target: &Audience) -> Vec<Topic> {
    match target {
        Audience::Workers(Some(_)) => vec![Topic::Audience(target.clone()), Topic::Audience(Audience::Workers(None))],
        Audience::Reviewers(Some(_)) => {
            // A review that is reserved for one of them is announced to that one alone.
            vec![Topic::Audience(target.clone()), Topic::Audience(Audience::Reviewers(None)), Topic::Review]
        }
        Audience::Workers(None) | Audience::Reviewers(None) => vec![Topic::Notified],
        Audience::Agent(_) | Audience::Humans => vec![Topic::Audience(target.clone())],
    }
}

/// The topics of what is for an agent.
pub(super) fn agent_topics(agent: &Agent) -> Vec<Topic> {
    let mut topics = vec![Topic::Audience(Audience::Agent(agent.id.clone()))];
    let roles = [Role::Worker, Role::Reviewer].into_iter().filter(|role| agent.roles.contains(role));
    for role in roles {
        if agent.specialties.is_empty() {
            // It belongs to specialties that nobody has named yet.
            return vec![Topic::Notified];
        }
        let group = |one| if role == Role::Worker { Audience::Workers(one) } else { Audience::Reviewers(one) };
        topics.extend(agent.specialties.iter().cloned().map(Some).chain([None]).map(|one| Topic::Audience(group(one))));
    }
    topics
}
