//! Events.

use rusqlite::{Row, params};

use super::columns::{count, json, limit, maybe_word, number, to_json, word};
use super::open::SqliteTransaction;
use crate::domain::event::Event;
use crate::domain::id::{Module, SessionId};
use crate::domain::time::Millis;
use crate::store::contract::{Events, Kept};

const APPEND: &str = "INSERT INTO events (seq, at, kind, source, module, actor, session, board_revision, audience, \
     priority, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const AFTER: &str = "SELECT seq, at, kind, source, module, actor, session, board_revision, audience, priority, data \
     FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";

const POST: &str = "INSERT INTO notifications (seq, at, kind, source, module, actor, session, board_revision, audience, \
     priority, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const REMOVE: &str = "DELETE FROM events WHERE seq <= ?1";

const REMOVE_NOTICES: &str = "DELETE FROM notifications WHERE seq <= ?1 AND resolved_at IS NOT NULL";

const ABOUT: &str = "SELECT seq, at, kind, source, module, actor, session, board_revision, audience, priority, data \
     FROM events WHERE module = ?1 ORDER BY seq DESC LIMIT ?2";

/// An event from the first columns of a row.
pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        seq: count(row, 0)?,
        at: Millis(row.get(1)?),
        kind: word(row, 2)?,
        source: word(row, 3)?,
        module: maybe_word(row, 4)?,
        actor: row.get(5)?,
        session: maybe_word(row, 6)?,
        board_revision: count(row, 7)?,
        audience: maybe_word(row, 8)?,
        priority: count(row, 9)?,
        data: json(row, 10)?,
    })
}

impl Events for SqliteTransaction<'_> {
    fn append_event(&mut self, event: &Event) -> Kept<()> {
        let data = to_json(&event.data);
        let values = params![
            number(event.seq),
            event.at.0,
            event.kind.as_str(),
            event.source.as_str(),
            event.module.as_ref().map(Module::as_str),
            event.actor,
            event.session.as_ref().map(SessionId::as_str),
            number(event.board_revision),
            event.audience.as_ref().map(ToString::to_string),
            event.priority,
            data,
        ];
        self.change_one("an event", APPEND, values)?;
        if event.audience.is_some() { self.change_one("a notice", POST, values) } else { Ok(()) }
    }

    fn events(&self, after: u64, most: usize) -> Kept<Vec<Event>> {
        self.all(AFTER, [number(after), limit(most)], event)
    }

    fn events_about(&self, module: &Module, most: usize) -> Kept<Vec<Event>> {
        self.all(ABOUT, params![module.as_str(), limit(most)], event)
    }

    fn remove_events(&mut self, through: u64) -> Kept<u64> {
        self.change(REMOVE_NOTICES, [number(through)])?;
        Ok(self.change(REMOVE, [number(through)])? as u64)
    }
}
