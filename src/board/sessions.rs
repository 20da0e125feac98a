//! The end of sessions.

use serde_json::json;

use super::turn::{Touched, Turn};
use crate::domain::attempt::Outcome;
use crate::domain::event::EventKind;
use crate::domain::id::SessionId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::{Ending, Session};
use crate::domain::time::Millis;
use crate::store::contract::{LeasesOf, SessionsOf};

/// A session holds few leases; this only bounds the reading.
const HELD_MOST: usize = 1_000;
/// How many sessions one call reaps; the reply says when there are more.
pub const REAPED_AT_ONCE: usize = 1_000;

impl Turn<'_> {
    /// Ends the acting session and its leases: the tasks are open again. A person names the session. Refuses with
    /// `session_required` where none is known.
    pub fn close_session(&mut self, id: Option<&SessionId>) -> Result<Session, Refusal> {
        let session = match id {
            Some(id) => self.store.session(id)?,
            None => Some(self.actor.window()?.1.clone()),
        };
        match session {
            Some(session) if session.ended.is_none() => self.end_session(session, Ending::Closed),
            Some(session) => Ok(session),
            None => Err(Refusal::new(Code::UnknownSession, "there is no such session").hint("callboard sessions")),
        }
    }

    /// Ends sessions that were silent for `max_age_seconds` and hold no live lease.
    pub fn reap_sessions(&mut self, max_age_seconds: u32) -> Result<Vec<Session>, Refusal> {
        let before = Millis(self.now().0.saturating_sub(i64::from(max_age_seconds) * 1000));
        let mut reaped = Vec::new();
        for session in self.store.sessions(SessionsOf::SilentSince(before), REAPED_AT_ONCE)? {
            let leases = self.store.leases(LeasesOf::Session(&session.id), HELD_MOST)?;
            if !leases.iter().any(|lease| lease.is_live(self.dial.lease)) {
                reaped.push(self.end_session(session, Ending::Reaped)?);
            }
        }
        Ok(reaped)
    }

    fn end_session(&mut self, session: Session, ending: Ending) -> Result<Session, Refusal> {
        for lease in self.store.leases(LeasesOf::Session(&session.id), HELD_MOST)? {
            let data =
                json!({"kind": lease.kind, "agent_id": lease.agent, "session_id": session.id, "session": ending});
            self.revoke(&lease, Outcome::Released, data)?;
        }
        let ended = Session { ended: Some((self.now(), ending)), ..session };
        self.store.put_session(&ended)?;
        self.ended.push(ended.id.clone());
        self.touched = Touched::State;
        let data = json!({"agent_id": ended.agent, "session_id": ended.id, "ending": ending});
        self.board_event(EventKind::SessionEnded, None, data);
        Ok(ended)
    }
}
