//! Who acts, and what they show for it.

use std::fmt;

use super::agent::Agent;
use super::for_people;
use super::id::{AgentId, LeaseToken, SessionId};
use super::refusal::{Code, Refusal};
use super::session::Session;
use super::text::quoted;

/// Who acts.
#[derive(Clone, Debug, PartialEq)]
pub enum Actor {
    /// A person. May do everything but hold a lease.
    Human {
        /// The name of the account.
        user: String,
        /// True when it surely is a person: at a terminal, or said so.
        sure: bool,
    },
    /// An agent, in one of its windows where one is known.
    Agent(Box<Acting>),
}

/// An agent at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Acting {
    /// The agent.
    pub agent: Agent,
    /// Its window.
    pub session: Option<Session>,
    /// How the window was found.
    pub named: Named,
    /// Its live windows, where it has several and named none.
    pub candidates: Vec<SessionId>,
}

/// How a session was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The caller named it: this proves that the caller is that window.
    Explicitly,
    /// It is the agent's only live one: good for claims and reads.
    Implied,
}

/// What a holder shows: a token, or an explicit session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The agent that shows it.
    pub agent: Option<AgentId>,
    /// Its window, if it was named.
    pub session: Option<SessionId>,
    /// The token, if one was given.
    pub token: Option<LeaseToken>,
}

impl Actor {
    /// The agent at work; refuses a person with `agent_required`.
    pub fn acting(&self) -> Result<&Acting, Refusal> {
        match self {
            Self::Agent(acting) => Ok(acting),
            Self::Human { .. } => {
                Err(Refusal::new(Code::AgentRequired, "a lease is held by an agent, not by a person")
                    .hint("callboard init-agent --thread-key KEY, then give --agent-id"))
            }
        }
    }

    /// The agent and the window it acts in; refuses with `agent_required` or `session_required`.
    pub fn window(&self) -> Result<(&Agent, &Session), Refusal> {
        let acting = self.acting()?;
        let agent = &acting.agent;
        match &acting.session {
            Some(session) => Ok((agent, session)),
            None if acting.candidates.is_empty() => {
                let message = format!("agent {} has no live session", agent.id);
                Err(Refusal::new(Code::SessionRequired, message)
                    .hint(format!("callboard init-agent --thread-key {}", quoted(agent.thread_key.as_str()))))
            }
            None => {
                let ids: Vec<&str> = acting.candidates.iter().map(SessionId::as_str).collect();
                let message = format!("agent {} has several live sessions: {}", agent.id, ids.join(", "));
                Err(Refusal::new(Code::SessionRequired, message)
                    .hint("repeat it with --session-id ID")
                    .detail("sessions", ids))
            }
        }
    }

    /// A text with commands as this actor may read it: an agent is shown none that needs a person.
    pub fn readable(&self, text: String) -> String {
        match self {
            Self::Human { .. } => text,
            Self::Agent(_) => for_people::for_agent(&text).into_owned(),
        }
    }

    /// The agent's id, for an agent.
    pub fn agent_id(&self) -> Option<&AgentId> {
        match self {
            Self::Agent(acting) => Some(&acting.agent.id),
            Self::Human { .. } => None,
        }
    }

    /// The session's id, where one is known.
    pub fn session_id(&self) -> Option<&SessionId> {
        match self {
            Self::Agent(acting) => acting.session.as_ref().map(|session| &session.id),
            Self::Human { .. } => None,
        }
    }

    /// Replaces what is known of the window that it acts in.
    pub fn sight(&mut self, session: Session) {
        if let Self::Agent(acting) = self {
            acting.session = Some(session);
        }
    }

    /// The session's id, if the caller named it.
    pub fn explicit_session(&self) -> Option<&SessionId> {
        match self {
            Self::Agent(acting) if acting.named == Named::Explicitly => self.session_id(),
            _ => None,
        }
    }

    /// Refuses a caller that may be an agent that lost its name, for what people do: verdicts, cancelling, reopening,
    /// revoking. `what` says which.
    pub fn must_be_sure(&self, what: &str) -> Result<(), Refusal> {
        match self {
            Self::Human { sure: false, .. } => {
                Err(Refusal::new(Code::HumanRequired, format!("{what} without an agent id and without a terminal"))
                    .hint("repeat it with --agent-id ID; a person runs it at a terminal"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Human { user, .. } => write!(f, "human:{user}"),
            Self::Agent(acting) => write!(f, "{}", acting.agent.id),
        }
    }
}
