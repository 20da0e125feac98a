//! Who acts, and what they show for it.

use std::fmt;

use serde_json::json;

use super::agent::Agent;
use super::for_people;
use super::id::{AgentId, LeaseToken, SessionId};
use super::refusal::{Code, Refusal};
use super::session::Session;

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
    /// Its live sessions, where it has several and named none.
    pub candidates: Vec<Session>,
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

impl Acting {
    /// The refusal of an agent with several live sessions that named none. It lists windows; each knows its own session.
    fn session_required(&self) -> Refusal {
        let Self { agent, candidates, .. } = self;
        let windows = candidates.iter().map(|session| {
            json!({"host": session.host_shown(), "window": session.window, "seen_at": session.seen_at,
                "resume_command": format!("{} --resume", agent.registration_of(&session.host, &session.window))})
        });
        let hint = format!(
            "callboard next-action --agent-id {} --session-id ID, with the ID that init-agent printed in this window; only if that is \
             lost: {} --window-id WINDOW --resume",
            agent.id,
            agent.registration()
        );
        Refusal::new(Code::SessionRequired, self.several_sessions())
            .hint(hint)
            .detail("windows", windows.collect::<Vec<_>>())
    }

    /// What an agent with several live sessions is told that named none.
    pub fn several_sessions(&self) -> String {
        if let [only] = self.candidates.as_slice() {
            return format!(
                "window {} on {} of agent {} was resumed at {}. It names its session with every command, because whoever had \
                 it before may still be at work",
                only.window,
                only.host_shown(),
                self.agent.id,
                only.started_at
            );
        }
        let mut windows: Vec<&Session> = self.candidates.iter().collect();
        windows.sort_by_key(|session| session.started_at);
        let newest =
            windows.last().map(|session| format!("; {} was registered at {}", session.window, session.started_at));
        let names: Vec<String> =
            windows.iter().map(|session| format!("{} on {}", session.window, session.host_shown())).collect();
        let (id, newest) = (&self.agent.id, newest.unwrap_or_default());
        format!(
            "agent {id} has several windows: {}{newest}. Each names its session with every command",
            names.join(", ")
        )
    }
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
                Err(Refusal::new(Code::SessionRequired, message).hint(agent.registration()))
            }
            None => Err(acting.session_required()),
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
