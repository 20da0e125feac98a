//! Sessions.

use rusqlite::{Row, params};

use super::columns::{count, json, limit, maybe_word, number, to_json, word};
use super::open::SqliteTransaction;
use crate::domain::id::{AgentId, SessionId, TokenName, WindowId};
use crate::domain::session::Session;
use crate::domain::time::Millis;
use crate::domain::workspace::Workspace;
use crate::store::contract::{Kept, Sessions, SessionsOf};

const BY_ID: &str = "SELECT id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, workspace, confirmed, \
     registered_by FROM sessions WHERE id = ?1";

const WINDOW: &str = "SELECT id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, workspace, confirmed, \
     registered_by FROM sessions WHERE agent = ?1 AND host = ?2 AND window = ?3 ORDER BY epoch DESC LIMIT 1";

const BEFORE: &str = "SELECT id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, workspace, confirmed, \
     registered_by FROM sessions INDEXED BY sessions_by_window \
     WHERE agent = ?1 AND host = ?2 AND window = ?3 AND epoch < ?4 ORDER BY epoch DESC LIMIT 1";

const LIVE: &str = "SELECT id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, workspace, confirmed, \
     registered_by FROM sessions WHERE ended_at IS NULL ORDER BY seen_at DESC, id LIMIT ?1";

const ENDED: &str = "SELECT id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, workspace, confirmed, \
     registered_by FROM sessions WHERE ended_at IS NOT NULL ORDER BY seen_at DESC, id LIMIT ?1";

const OF_AGENT: &str = "SELECT id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, workspace, \
     confirmed, registered_by FROM sessions WHERE agent = ?2 AND ended_at IS NULL ORDER BY seen_at DESC, id LIMIT ?1";

const SILENT: &str = "SELECT id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, workspace, confirmed, \
     registered_by FROM sessions WHERE ended_at IS NULL AND seen_at < ?2 ORDER BY seen_at, id LIMIT ?1";

const PUT: &str = "INSERT INTO sessions (id, agent, host, window, epoch, started_at, seen_at, ended_at, ending, \
     workspace, confirmed, registered_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
     ON CONFLICT (id) DO UPDATE SET seen_at = ?7, ended_at = ?8, ending = ?9, workspace = ?10, confirmed = ?11";

const COUNT_LIVE: &str = "SELECT count(*) FROM sessions WHERE ended_at IS NULL";

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    let ended_at: Option<i64> = row.get(7)?;
    Ok(Session {
        id: word(row, 0)?,
        agent: word(row, 1)?,
        host: row.get(2)?,
        window: word(row, 3)?,
        epoch: count(row, 4)?,
        started_at: Millis(row.get(5)?),
        seen_at: Millis(row.get(6)?),
        ended: ended_at.map(Millis).zip(maybe_word(row, 8)?),
        workspace: Workspace::from_stored(&json(row, 9)?),
        confirmed: row.get(10)?,
        registered_by: maybe_word(row, 11)?,
    })
}

impl Sessions for SqliteTransaction<'_> {
    fn session(&self, id: &SessionId) -> Kept<Option<Session>> {
        self.one(BY_ID, [id.as_str()], session)
    }

    fn window(&self, agent: &AgentId, host: &str, window: &WindowId) -> Kept<Option<Session>> {
        self.one(WINDOW, params![agent.as_str(), host, window.as_str()], session)
    }

    fn session_before(&self, of: &Session) -> Kept<Option<Session>> {
        self.one(BEFORE, params![of.agent.as_str(), of.host, of.window.as_str(), number(of.epoch)], session)
    }

    fn put_session(&mut self, session: &Session) -> Kept<()> {
        let values = params![
            session.id.as_str(),
            session.agent.as_str(),
            session.host,
            session.window.as_str(),
            number(session.epoch),
            session.started_at.0,
            session.seen_at.0,
            session.ended.map(|(at, _)| at.0),
            session.ended.map(|(_, ending)| ending.as_str()),
            to_json(&session.workspace),
            session.confirmed,
            session.registered_by.as_ref().map(TokenName::as_str),
        ];
        self.change_one("a session", PUT, values)
    }

    fn sessions(&self, which: SessionsOf<'_>, most: usize) -> Kept<Vec<Session>> {
        let most = limit(most);
        match which {
            SessionsOf::Live => self.all(LIVE, [most], session),
            SessionsOf::Ended => self.all(ENDED, [most], session),
            SessionsOf::Agent(agent) => self.all(OF_AGENT, params![most, agent.as_str()], session),
            SessionsOf::SilentSince(before) => self.all(SILENT, [most, before.0], session),
        }
    }

    fn live_session_count(&self) -> Kept<u64> {
        self.one(COUNT_LIVE, [], |row| count(row, 0)).map(Option::unwrap_or_default)
    }
}
