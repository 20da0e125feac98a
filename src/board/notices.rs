//! Notices at work: calling, being settled when their cause is gone, being acknowledged.
//!
//! **Invariants.** What a task's notices call for is asked whenever its row changes, so none outlives its cause. The event
//! that settled them is named.

use serde_json::json;

use super::look::Look;
use super::turn::{Touched, Turn};
use crate::domain::actor::Actor;
use crate::domain::agent::{Agent, Role};
use crate::domain::cursor::{Cursor, Stream};
use crate::domain::event::{Audience, Event, EventKind, Source};
use crate::domain::id::{CursorId, Module};
use crate::domain::notice::{READ_WITHIN_DAYS, Resolution, Resolved, is_for_reading, is_settled};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::time::Millis;
use crate::store::contract::{NoticeFilter, SessionsOf};

/// More than so many notices about one task are settled when it changes again.
const SETTLED_AT_ONCE: usize = 1_000;
/// So many notices are looked at when somebody has read: the oldest are resolved first.
const RESOLVED_AT_ONCE: usize = 2_000;
/// So many notices are read at once.
const PAGE: usize = 500;
/// Among so many live windows those are looked for that have not read something yet.
const WINDOWS_ASKED: usize = 500;
/// So many specialties are known of each role.
const AUDIENCES_MOST: usize = 1_000;
/// So many cursors are named to whoever names one that is not there.
const CURSORS_NAMED: usize = 10;

/// Whether a cursor's reader was given anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// Events.
    Something,
    /// Its filter left everything out.
    Nothing,
}

/// What became of an acknowledgement.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The cursor after it.
    pub cursor: Cursor,
    /// True when its place moved.
    pub moved: bool,
}

impl Look<'_> {
    /// The audiences that an agent belongs to, as far as anything is there for them.
    pub fn audiences_of(&self, agent: &Agent) -> Result<Vec<Audience>, Refusal> {
        let mut found = vec![Audience::Agent(agent.id.clone())];
        for (role, prefix) in [(Role::Worker, "workers"), (Role::Reviewer, "reviewers")] {
            if agent.roles.contains(&role) {
                found.extend(self.store.audiences(prefix, AUDIENCES_MOST)?);
            }
        }
        found.retain(|audience| audience.has(agent));
        Ok(found)
    }

    /// The audiences that somebody means who asks for `target`.
    pub fn audiences_within(&self, target: &Audience) -> Result<Vec<Audience>, Refusal> {
        let prefix = match target {
            Audience::Workers(_) => "workers",
            Audience::Reviewers(_) => "reviewers",
            Audience::Agent(_) | Audience::Humans => return Ok(vec![target.clone()]),
        };
        let mut found = self.store.audiences(prefix, AUDIENCES_MOST)?;
        found.retain(|audience| audience.is_within(target));
        Ok(found)
    }

    /// The cursor that is the actor's own.
    pub fn own_cursor(&self) -> CursorId {
        let name = match &self.actor {
            Actor::Agent(acting) => format!("agent:{}", acting.agent.id),
            Actor::Human { user, .. } => format!("human:{user}"),
        };
        name.parse().unwrap_or_else(|_| "own".parse().expect("a word is a name"))
    }

    /// Refuses with `forbidden` the own cursor of an agent that another token registered, or of another person: reading
    /// by it would acknowledge what is for them.
    ///
    /// The own cursor of an agent says what it has read of all that is for it, so nobody else reads by it, and nothing but
    /// notifications is read by it.
    pub(super) fn check_cursor(&self, id: &CursorId, stream: Stream) -> Result<(), Refusal> {
        let is_own = *id == self.own_cursor();
        let name = id.as_str().strip_prefix("agent:");
        if !self.credential.acts_for_all() && !is_own {
            let agent = name.and_then(|agent| agent.parse().ok());
            match agent.map(|agent| self.store.agent(&agent)).transpose()?.flatten() {
                Some(agent) => self.credential.check(&format!("agent {}", agent.id), agent.registered_by.as_ref())?,
                None if id.as_str().starts_with("human:") => self.credential.check(&format!("cursor {id}"), None)?,
                None => {}
            }
        }
        match name {
            Some(whose) if !(is_own && stream == Stream::Notifications) => Err(reserved(id, whose, stream)),
            _ => Ok(()),
        }
    }
}

/// The refusal of a use of an agent's own cursor that would say what the agent has not read.
pub(super) fn reserved(id: &CursorId, whose: &str, stream: Stream) -> Refusal {
    let message = format!("cursor {id} says what {whose} itself has read of all its notifications");
    Refusal::new(Code::CursorDiffers, message)
        .hint(format!("callboard {stream} --cursor-id NAME, with a name of your own"))
}

impl Turn<'_> {
    /// Settles what the task, as it is now, gives no cause for any more.
    pub(super) fn settle_notices(&mut self, task: &Task) -> Result<(), Refusal> {
        self.settle(&task.module, |kind| is_settled(kind, task))
    }

    /// Settles the notices of a task whose kind is meant.
    pub(super) fn settle(&mut self, module: &Module, is_meant: impl Fn(EventKind) -> bool) -> Result<(), Refusal> {
        if self.board.pending.notifications == 0 {
            return Ok(());
        }
        let open = self.store.unresolved_about(module, SETTLED_AT_ONCE)?;
        let new = self.events.iter().filter(|event| event.audience.is_some() && event.module.as_ref() == Some(module));
        let new: Vec<(u64, EventKind)> = new.map(|event| (event.seq, event.kind)).collect();
        for (seq, _) in open.into_iter().chain(new).filter(|(_, kind)| is_meant(*kind)) {
            self.settled.insert(seq, Resolution::Settled);
        }
        Ok(())
    }

    /// Writes down what was settled, by the last event of this turn.
    pub(super) fn resolve_settled(&mut self) -> Result<(), Refusal> {
        let (at, by) = (self.now(), self.events.last().map(|event| event.seq));
        for (seq, why) in std::mem::take(&mut self.settled) {
            let by = by.filter(|by| why == Resolution::Settled && *by != seq);
            if self.store.resolve(seq, Resolved { at, by, why })? {
                let left = &mut self.board.pending.notifications;
                *left = left.saturating_sub(1);
                self.news = true;
            }
        }
        Ok(())
    }

    /// Tells people once when nothing can move without them, and takes it back when something does.
    pub(super) fn tell_of_standstill(&mut self) -> Result<(), Refusal> {
        // Whoever holds a live lease moves; that is what most turns leave behind.
        let stands =
            self.store.next_deadline()?.is_none() && self.look().is_stalled()? && self.store.live_session_count()? > 0;
        if self.was_complete && !self.board.counts.is_complete() {
            let (kind, audiences) = (Some(EventKind::BoardComplete), Some(vec![Audience::Humans]));
            let filter = NoticeFilter { kind, audiences, unresolved: true, ..NoticeFilter::default() };
            for notice in self.store.notices(&filter, 0, PAGE)? {
                self.settled.insert(notice.event.seq, Resolution::Settled);
            }
        }
        match self.board.stalled_by {
            // While nobody is aboard there is nobody who stands.
            None if stands && self.store.live_session_count()? > 0 => {
                let lines = self.look().stalled_for_people()?;
                let what: Vec<&str> = lines.iter().map(|line| line.what.as_str()).collect();
                let commands: Vec<&str> = lines.iter().map(|line| line.command.as_str()).collect();
                let data = json!({"what": what, "commands": commands});
                let seq = self.push_event(EventKind::Stalled, None, Some(Audience::Humans), 1, data);
                self.board.stalled_by = Some(seq);
            }
            Some(seq) if !stands => {
                self.settled.insert(seq, Resolution::Settled);
                self.board.stalled_by = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Says something to others. Refuses an agent that is not known.
    pub fn send_message(&mut self, to: Audience, message: &str, priority: u8) -> Result<Event, Refusal> {
        self.refuse_unknown_audience(&to)?;
        self.comes_from(Source::Message);
        let data = json!({"message": message});
        self.push_event(EventKind::Message, None, Some(to), priority, data);
        self.touched = self.touched.max(Touched::Notes);
        let said = self.events.last().expect("it was just pushed").clone();
        // Saying something changes no row, so the revision stays.
        Ok(Event { board_revision: self.board.revision, ..said })
    }

    pub(super) fn refuse_unknown_audience(&self, to: &Audience) -> Result<(), Refusal> {
        match to {
            Audience::Agent(id) if self.store.agent(id)?.is_none() => Err(super::caller::unknown_agent(id)),
            _ => Ok(()),
        }
    }

    /// Records that a cursor's reader was given what lies after the first place and up to the second; the cursor is made if it
    /// is new. Answers with it. Refuses another filter.
    pub fn deliver(
        &mut self,
        id: &CursorId,
        stream: Stream,
        filter: &str,
        (start, seq): (u64, u64),
        given: Given,
    ) -> Result<Cursor, Refusal> {
        let kept = self.store.cursor(id)?;
        let is_new = kept.is_none();
        let mut cursor = kept.unwrap_or_else(|| self.new_cursor(id, stream, filter, start));
        let is_unbound = cursor.filter.is_empty();
        if is_unbound {
            filter.clone_into(&mut cursor.filter);
        }
        cursor.refuse_other_filter(stream, filter)?;
        let had_read_all = cursor.delivered == cursor.acknowledged && start == cursor.acknowledged;
        let moved = cursor.deliver(seq, self.now());
        if moved && had_read_all && given == Given::Nothing {
            // There was nothing to read.
            cursor.acknowledge(None, self.now());
        }
        if moved || is_new || is_unbound {
            self.store.put_cursor(&cursor)?;
            self.touched = self.touched.max(Touched::Presence);
            self.news = true;
        }
        Ok(cursor)
    }

    fn new_cursor(&self, id: &CursorId, stream: Stream, filter: &str, start: u64) -> Cursor {
        Cursor {
            id: id.clone(),
            stream,
            filter: filter.to_owned(),
            generation: self.board.generation.clone(),
            delivered: start,
            acknowledged: start,
            moved_at: self.now(),
        }
    }

    /// Acknowledges what a cursor's reader has read: up to `up_to`, else all that was delivered to it. Without a name it
    /// is the actor's own cursor. What was only for reading is resolved by that. Refuses a cursor that is not there, one
    /// of the other stream, and places that the board does not have.
    pub fn acknowledge(
        &mut self,
        stream: Stream,
        id: Option<&CursorId>,
        up_to: Option<u64>,
    ) -> Result<Acknowledged, Refusal> {
        let own = self.look().own_cursor();
        let id = id.unwrap_or(&own);
        self.look().check_cursor(id, stream)?;
        let mut cursor = match self.store.cursor(id)? {
            Some(cursor) => cursor,
            None if *id == own && stream == Stream::Notifications => self.new_cursor(id, stream, "", 0),
            None => return Err(self.unknown_cursor(stream, id)?),
        };
        let filter = cursor.filter.clone();
        cursor.refuse_other_filter(stream, &filter)?;
        self.board.refuse_foreign(&cursor.place())?;
        if let Some(seq) = up_to {
            self.board.refuse_foreign(&self.board.place(seq))?;
        }
        let moved = cursor.acknowledge(up_to, self.now());
        if moved {
            self.store.put_cursor(&cursor)?;
            self.touched = self.touched.max(Touched::Notes);
            self.news = true;
            if stream == Stream::Notifications {
                self.resolve_read(&cursor)?;
            }
        } else if up_to.is_none() && cursor.delivered == cursor.acknowledged {
            let reader = match self.actor.agent_id() {
                Some(agent) if *id == own => format!("--agent-id {agent} and no filter"),
                _ => format!("--cursor-id {id}"),
            };
            self.warn(format!(
                "nothing was delivered to cursor {id} since: callboard {stream} with {reader} delivers; else give --up-to SEQ"
            ));
        }
        Ok(Acknowledged { cursor, moved })
    }

    fn unknown_cursor(&self, stream: Stream, id: &CursorId) -> Result<Refusal, Refusal> {
        let known: Vec<String> =
            self.store.cursors(CURSORS_NAMED)?.into_iter().map(|cursor| cursor.id.to_string()).collect();
        let there = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
        Ok(Refusal::new(Code::UnknownCursor, format!("there is no cursor {id}; there are: {there}"))
            .hint(format!("callboard {stream} --cursor-id {id} begins one"))
            .detail("cursors", known))
    }

    /// Resolves what was only to be read, among what the actor has now read: what is for it alone, what is for people, and
    /// what is for a group once all of it that are aboard have read it. A reader that leaves something out has not read it.
    fn resolve_read(&mut self, cursor: &Cursor) -> Result<(), Refusal> {
        let own = match &self.actor {
            Actor::Agent(acting) => self.look().audiences_of(&acting.agent)?,
            Actor::Human { .. } => vec![Audience::Humans],
        };
        let shown = shown_to(cursor);
        let audiences: Vec<Audience> = own.into_iter().filter(|audience| shown(audience)).collect();
        if audiences.is_empty() {
            return Ok(());
        }
        let places = self.places_of_readers(cursor)?;
        let filter = NoticeFilter { audiences: Some(audiences), unresolved: true, ..NoticeFilter::default() };
        for notice in self.store.notices(&filter, 0, RESOLVED_AT_ONCE)? {
            let event = &notice.event;
            if event.seq > cursor.acknowledged {
                break;
            }
            let unread = |(agent, read): &(Agent, u64)| {
                let is_asked = event.audience.as_ref().is_some_and(|audience| audience.has(agent));
                is_asked && event.actor.as_deref() != Some(agent.id.as_str()) && *read < event.seq
            };
            let is_group = matches!(event.audience, Some(Audience::Workers(_) | Audience::Reviewers(_)));
            if is_for_reading(event) && !(is_group && places.iter().any(unread)) {
                self.settled.insert(event.seq, Resolution::Acknowledged);
            }
        }
        Ok(())
    }

    /// How far each agent that is aboard has read, by its own cursor.
    fn places_of_readers(&self, moved: &Cursor) -> Result<Vec<(Agent, u64)>, Refusal> {
        let mut places: Vec<(Agent, u64)> = Vec::new();
        for session in self.store.sessions(SessionsOf::Live, WINDOWS_ASKED)? {
            if places.iter().any(|(agent, _)| agent.id == session.agent) {
                continue;
            }
            let Some(agent) = self.store.agent(&session.agent)? else { continue };
            let own: Option<CursorId> = format!("agent:{}", agent.id).parse().ok();
            let kept = own.map(|own| self.store.cursor(&own)).transpose()?.flatten();
            let mut read = kept.map_or(0, |cursor| cursor.acknowledged);
            if Some(&agent.id) == self.actor.agent_id() {
                read = read.max(moved.acknowledged);
            }
            places.push((agent, read));
        }
        Ok(places)
    }

    /// Resolves what was only to be read and has not been for long, so that nobody's absence keeps events for ever.
    pub fn expire_unread(&mut self) -> Result<(), Refusal> {
        let before = Millis(self.now().0 - READ_WITHIN_DAYS * 24 * 3600 * 1000);
        let filter = NoticeFilter { unresolved: true, ..NoticeFilter::default() };
        let mut place = 0;
        loop {
            let page = self.store.notices(&filter, place, PAGE)?;
            let was_all = page.len() < PAGE;
            for notice in page {
                place = notice.event.seq;
                if notice.event.at >= before {
                    return Ok(());
                }
                if is_for_reading(&notice.event) {
                    self.settled.insert(place, Resolution::Expired);
                }
            }
            if was_all {
                return Ok(());
            }
        }
    }
}

/// What a cursor's reader is shown: everything, what is for one target, or less than can be told.
fn shown_to(cursor: &Cursor) -> impl Fn(&Audience) -> bool {
    let filter: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&cursor.filter).unwrap_or_default();
    let narrows = filter.keys().any(|key| key != "whose" && key != "target");
    let target: Option<Audience> = filter.get("target").and_then(|target| target.as_str()?.parse().ok());
    move |audience| !narrows && target.as_ref().is_none_or(|target| audience.is_within(target))
}
