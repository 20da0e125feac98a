//! Who calls, as a door hands it over, and who that is on this board.

use super::windows::free_window;
use crate::domain::actor::{Acting, Actor, Named, Proof};
use crate::domain::credential::Credential;
use crate::domain::id::{AgentId, LeaseToken, SessionId, ThreadKey};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::{Ending, Session};
use crate::domain::session_ids::ShownSessions;
use crate::domain::text::quoted;
use crate::domain::workspace::Workspace;
use crate::store::Transaction;
use crate::store::contract::SessionsOf;

/// More live windows of one agent than this are not listed.
const WINDOWS_SHOWN: usize = 20;

/// Who calls, as a door hands it over.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The agent, by id.
    pub agent: Option<AgentId>,
    /// The agent, by key.
    pub thread_key: Option<ThreadKey>,
    /// The window.
    pub session: Option<SessionId>,
    /// The key of whoever comes aboard: it need not be known yet.
    pub newcomer: Option<ThreadKey>,
    /// Proof of a lease.
    pub token: Option<LeaseToken>,
    /// The account, for a person.
    pub user: String,
    /// True when it surely is a person.
    pub surely_human: bool,
    /// Through what the call came.
    pub credential: Credential,
    /// Where the caller works.
    pub workspace: Workspace,
    /// True when a confirmation that was given for the same place is to hold for this window too.
    pub while_session: bool,
}

/// True for a session that took its window over from one that was in use.
pub(super) fn has_taken_over(store: &dyn Transaction, session: &Session) -> Result<bool, Refusal> {
    Ok(session.epoch > 1 && store.session_before(session)?.is_some_and(|before| before.was_taken_over()))
}

impl Caller {
    /// Refuses with `forbidden` a caller that names an agent or session which another token registered. It comes before
    /// everything else, so that no other refusal, and no replay, tells or does anything for that agent.
    pub fn authorize(&self, store: &dyn Transaction) -> Result<(), Refusal> {
        if self.credential.acts_for_all() {
            return Ok(());
        }
        for key in self.thread_key.iter().chain(&self.newcomer) {
            if let Some(agent) = store.agent_by_key(key)? {
                self.credential.check(&format!("agent {}", agent.id), agent.registered_by.as_ref())?;
            }
        }
        if let Some(id) = &self.agent
            && let Some(agent) = store.agent(id)?
        {
            self.credential.check(&format!("agent {id}"), agent.registered_by.as_ref())?;
        }
        if let Some(id) = &self.session
            && let Some(session) = store.session(id)?
        {
            self.credential.check(&format!("session {id}"), session.registered_by.as_ref())?;
        }
        Ok(())
    }

    /// Who that is. Refuses as [`Self::authorize`] does, an agent or session that is not known, a session of another
    /// agent, and with `stale_session` one that has ended.
    pub fn resolve(&self, store: &dyn Transaction) -> Result<Actor, Refusal> {
        self.authorize(store)?;
        let session = self.session.as_ref().map(|id| live_session(store, id)).transpose()?;
        let by_key = match &self.thread_key {
            Some(key) => Some(store.agent_by_key(key)?.ok_or_else(|| unknown_key(key))?),
            None => None,
        };
        let by_id = match (&self.agent, &session) {
            (Some(id), _) => Some(store.agent(id)?.ok_or_else(|| unknown_agent(id))?),
            (None, Some(session)) if by_key.is_none() => store.agent(&session.agent)?,
            _ => None,
        };
        let agent = match (by_id, by_key) {
            (Some(one), Some(other)) if one.id != other.id => {
                let message = format!("agent {} has another thread key than '{}'", one.id, other.thread_key);
                return Err(Refusal::new(Code::Usage, message).hint("give --agent-id or --thread-key, not both"));
            }
            (Some(agent), _) | (None, Some(agent)) => agent,
            (None, None) => return Ok(Actor::Human { user: self.user.clone(), sure: self.surely_human }),
        };
        let (session, named, candidates) = match session {
            Some(session) if session.agent != agent.id => {
                let message = format!("session {} belongs to agent {}", session.id, session.agent);
                return Err(Refusal::new(Code::UnknownSession, message).hint(agent.registration()));
            }
            Some(session) => (Some(session), Named::Explicitly, Vec::new()),
            None => {
                let mut live = store.sessions(SessionsOf::Agent(&agent.id), WINDOWS_SHOWN)?;
                // A claim in another's session would be answered with the lease token of what it holds.
                live.retain(|session| self.credential.may_act_for(session.registered_by.as_ref()));
                // Who had the window before may still be at work, and knows no session but its own.
                let is_alone = matches!(live.as_slice(), [only] if !has_taken_over(store, only)?);
                if is_alone { (live.pop(), Named::Implied, Vec::new()) } else { (None, Named::Implied, live) }
            }
        };
        Ok(Actor::Agent(Box::new(Acting { agent, session, named, candidates })))
    }

    /// The session ids that the answer shows, where `own` is the session that asks.
    pub fn shown_sessions(&self, own: Option<&SessionId>) -> ShownSessions {
        match self.credential {
            _ if self.is_agent() => ShownSessions::Own(own.or(self.session.as_ref()).cloned()),
            Credential::Operator => ShownSessions::All,
            Credential::Account if self.surely_human => ShownSessions::All,
            Credential::Account | Credential::Token { .. } | Credential::Anonymous => ShownSessions::NONE,
        }
    }

    /// What a change is worth saying of who makes it: that it is recorded as a person's, where an agent may have forgotten its
    /// name; that the session is to be named, where there are several.
    pub fn warning(&self, actor: &Actor, store: &dyn Transaction) -> Result<Option<String>, Refusal> {
        Ok(match actor {
            Actor::Human { sure: false, .. } if !self.is_agent() && store.agent_count()? > 0 => Some(format!(
                "no agent was named: this is recorded as done by a person, {actor}. An agent names itself: --agent-id ID, or \
                 CALLBOARD_AGENT_ID"
            )),
            Actor::Agent(acting) if acting.session.is_none() && acting.candidates.len() > 1 => {
                Some(format!("{}: --session-id ID, as init-agent printed it there", acting.several_sessions()))
            }
            _ => None,
        })
    }

    /// True for an agent, by whatever it is named.
    pub fn is_agent(&self) -> bool {
        self.agent.is_some() || self.thread_key.is_some() || self.session.is_some() || self.newcomer.is_some()
    }

    /// The agent that is meant, whether or not its window still lives.
    pub fn agent_id(&self, store: &dyn Transaction) -> Result<Option<AgentId>, Refusal> {
        if self.agent.is_some() {
            return Ok(self.agent.clone());
        }
        let by_key = self.thread_key.as_ref().map(|key| store.agent_by_key(key)).transpose()?.flatten();
        let by_session = self.session.as_ref().map(|id| store.session(id)).transpose()?.flatten();
        Ok(by_key.map(|agent| agent.id).or(by_session.map(|session| session.agent)))
    }

    /// Who asks, for comparing requests: the agent or person, the window that was named, and the key of whoever comes
    /// aboard. A retry must be recognised after its session ended.
    pub fn identity(&self, store: &dyn Transaction) -> Result<String, Refusal> {
        let asks = match self.agent_id(store)? {
            Some(agent) => agent.to_string(),
            None => format!("human:{}", self.user),
        };
        let named = [self.session.as_ref().map(SessionId::as_str), self.newcomer.as_ref().map(ThreadKey::as_str)];
        Ok(named.into_iter().flatten().fold(asks, |asks, name| format!("{asks}/{name}")))
    }

    /// What the caller shows for a lease.
    pub fn proof(&self, actor: &Actor) -> Proof {
        Proof {
            agent: actor.agent_id().cloned(),
            session: actor.explicit_session().cloned(),
            token: self.token.clone(),
        }
    }
}

fn live_session(store: &dyn Transaction, id: &SessionId) -> Result<Session, Refusal> {
    let Some(session) = store.session(id)? else {
        return Err(Refusal::new(Code::UnknownSession, format!("there is no session {id}")).hint("callboard sessions"));
    };
    match session.ended {
        None => Ok(session),
        Some((at, ending)) => {
            // A window that another one replaced registers under a name of its own; else the two would replace each other.
            let window =
                if ending == Ending::Replaced { free_window(store, &session)? } else { session.window.clone() };
            let hint = store.agent(&session.agent)?.map_or_else(
                || format!("callboard init-agent --thread-key KEY --window-id {window}"),
                |agent| agent.registration_of(&session.host, &window),
            );
            Err(Refusal::new(Code::StaleSession, format!("session {id} was {ending} at {at}"))
                .hint(hint)
                .detail("ending", ending.as_str())
                .detail("agent_id", session.agent.as_str()))
        }
    }
}

/// The refusal of an agent id that nobody has.
pub fn unknown_agent(id: &AgentId) -> Refusal {
    Refusal::new(Code::UnknownAgent, format!("there is no agent {id}"))
        .hint("callboard agents shows who there is; callboard init-agent --thread-key KEY comes aboard")
}

fn unknown_key(key: &ThreadKey) -> Refusal {
    Refusal::new(Code::UnknownAgent, format!("no agent has the thread key '{key}'"))
        .hint(format!("callboard init-agent --thread-key {}", quoted(key.as_str())))
}
