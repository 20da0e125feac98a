//! The end of sessions, and what a session must have confirmed.

use serde_json::json;

use super::leases::HELD_MOST;
use super::turn::{Touched, Turn};
use crate::domain::agent::Agent;
use crate::domain::attempt::Outcome;
use crate::domain::credential::Credential;
use crate::domain::event::EventKind;
use crate::domain::id::SessionId;
use crate::domain::profile::Confirmation;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::{Ending, Session};
use crate::domain::time::Millis;
use crate::domain::topic::Topic;
use crate::domain::workspace::Workspace;
use crate::store::contract::{LeasesOf, SessionsOf};

/// Among so many live windows a confirmation is looked for, last heard of first.
const WINDOWS_ASKED: usize = 200;
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
        let own = self.actor.session_id().cloned();
        let silent = self.store.sessions(SessionsOf::SilentSince(before), REAPED_AT_ONCE)?;
        for session in silent.into_iter().filter(|session| Some(&session.id) != own.as_ref()) {
            let leases = self.store.leases(LeasesOf::Session(&session.id), HELD_MOST)?;
            if !leases.iter().any(|lease| lease.is_live(self.dial.lease)) {
                reaped.push(self.end_session(session, Ending::Reaped)?);
            }
        }
        Ok(reaped)
    }

    pub(super) fn end_session(&mut self, session: Session, ending: Ending) -> Result<Session, Refusal> {
        for lease in self.store.leases(LeasesOf::Session(&session.id), HELD_MOST)? {
            let data =
                json!({"kind": lease.kind, "agent_id": lease.agent, "session_id": session.id, "session": ending});
            self.revoke(&lease, Outcome::Released, data)?;
        }
        let ended = Session { ended: Some((self.now(), ending)), ..session };
        self.store.put_session(&ended)?;
        self.ended.push(ended.id.clone());
        self.rung.insert(Topic::Crew);
        self.touched = Touched::State;
        let data = json!({
            "agent_id": ended.agent, "session_id": ended.id, "host": ended.host, "window": ended.window, "ending": ending,
        });
        self.board_event(EventKind::SessionEnded, None, data);
        Ok(ended)
    }

    /// Refuses with `confirmation_required` where the profile wants workspace and branch confirmed and they are not, or
    /// are others by now.
    pub(super) fn refuse_unconfirmed(&mut self) -> Result<(), Refusal> {
        let (agent, session) = self.actor.window()?;
        let session = session.clone();
        // A door that does not know where its caller works cannot tell that it moved.
        let moved = self.workspace.path.is_some() && !session.workspace.is_same_place(&self.workspace);
        if session.confirmed && !moved {
            return Ok(());
        }
        let workspace = if self.workspace.path.is_some() { &self.workspace } else { &session.workspace }.clone();
        if self.is_confirmed_elsewhere(&workspace)? {
            let confirmed = true;
            let session = Session { confirmed, workspace, seen_at: self.now(), ..session };
            self.store.put_session(&session)?;
            self.actor.sight(session);
            self.touched = self.touched.max(Touched::Presence);
            return Ok(());
        }
        let refusal = unconfirmed(agent, &session, &self.look().caller(), &self.credential);
        match self.board.profile.confirmation() {
            Confirmation::Required => return Err(refusal),
            // What was never confirmed was said when the window registered: this comes once.
            Confirmation::Advised if session.confirmed => {
                let hint = refusal.hint.unwrap_or_default();
                self.warn(format!("this window works elsewhere than was confirmed, {}: {hint}", workspace.shown()));
                let session = Session { confirmed: false, workspace, seen_at: self.now(), ..session };
                self.store.put_session(&session)?;
                self.actor.sight(session);
                self.touched = self.touched.max(Touched::Presence);
            }
            Confirmation::Advised | Confirmation::Recorded => {}
        }
        Ok(())
    }

    /// Says or refuses that a window registers without a confirmation of its workspace and branch: `line` is its registration.
    pub(super) fn check_registered_place(&mut self, session: &Session, line: &str) -> Result<(), Refusal> {
        let confirmation = self.board.profile.confirmation();
        if session.confirmed || !self.while_session && confirmation != Confirmation::Advised {
            return Ok(());
        }
        let message = match self.while_session {
            true => format!("there is no confirmation of {} to reuse", session.workspace.shown()),
            false => "this window has not confirmed its workspace and branch".to_owned(),
        };
        let confirms = " --confirm-workspace --confirm-branch";
        if confirmation == Confirmation::Required {
            let hint = format!("{line}{confirms}");
            return Err(Refusal::new(Code::ConfirmationRequired, message).hint(hint));
        }
        let command = match self.credential.acts_for_all() {
            true => format!("callboard preflight{confirms} --agent-id {}", session.agent),
            false => format!("{line}{confirms} --resume"),
        };
        self.warn(format!("{message}: {command}"));
        Ok(())
    }

    /// True when a confirmation holds that was given for this place at preflight or by a live window. Where each session
    /// has to say it for itself, the caller says so by asking to reuse it.
    pub(super) fn is_confirmed_elsewhere(&self, workspace: &Workspace) -> Result<bool, Refusal> {
        if !self.while_session && self.board.profile.confirmation() == Confirmation::Required {
            return Ok(false);
        }
        if self.is_confirmed_at_preflight(workspace)? {
            return Ok(true);
        }
        let live = self.store.sessions(SessionsOf::Live, WINDOWS_ASKED)?;
        Ok(live.iter().any(|other| other.confirmed && other.workspace.is_same_place(workspace)))
    }
}

/// The refusal of a window that did not confirm where it works. `caller` names it, as flags. The hint confirms for this window
/// alone, and leaves its session and its leases as they are wherever the caller may.
pub(super) fn unconfirmed(agent: &Agent, session: &Session, caller: &str, credential: &Credential) -> Refusal {
    let hint = match credential.acts_for_all() {
        true => format!("callboard preflight --confirm-workspace --confirm-branch{caller}"),
        false => {
            let line = agent.registration_of(&session.host, &session.window);
            format!("{line} --confirm-workspace --confirm-branch --resume")
        }
    };
    Refusal::new(Code::ConfirmationRequired, "this window has not confirmed its workspace and branch").hint(hint)
}
