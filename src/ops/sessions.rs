//! Windows: which there are, and their end.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Anyone, Changer};
use super::values::Limit;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::mutation::{Answer, Refused};
use crate::board::pages::SessionView;
use crate::domain::id::AgentId;
use crate::domain::right::Right;
use crate::domain::session::SessionStatus;

/// The windows of this board, last heard of first.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    /// active, stale or closed; without it all that have not ended.
    #[arg(long, value_name = "STATUS")]
    #[serde(default)]
    pub status: Option<SessionStatus>,
    /// Only those of this agent that have not ended.
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
}

/// Sessions with their leases.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionsReply {
    /// The sessions.
    pub sessions: Vec<SessionView>,
}

impl Operation for Sessions {
    const NAME: &'static str = "sessions";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard sessions --status stale";
    type Call = Anyone;
    type Reply = SessionsReply;

    fn run(&self, call: &Anyone, app: &App) -> Result<Done<SessionsReply>, Refused> {
        call.look(app, |look| {
            let sessions = look.list_sessions(self.status, self.agent_id.as_ref(), self.limit.get())?;
            Ok(Answer::done(SessionsReply { sessions }))
        })
    }
}

/// Close a window: its leases end and its tasks are open again.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseSession {}

/// A session that has ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionReply {
    /// The session.
    pub session: SessionView,
}

impl Operation for CloseSession {
    const NAME: &'static str = "close-session";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard close-session --agent-id anns-worker";
    type Call = Changer;
    type Reply = SessionReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<SessionReply>, Refused> {
        call.commit(self, app, |turn| {
            let session = turn.close_session(call.caller.session_id.as_ref())?;
            Ok(Answer::done(SessionReply { session: turn.look().session_view(session)? }))
        })
    }
}

/// End windows that were silent for long and hold no live lease.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReapSessions {
    /// How long they must have been silent.
    #[arg(long, value_name = "SECONDS")]
    pub max_age_seconds: u32,
}

impl Operation for ReapSessions {
    const NAME: &'static str = "reap-sessions";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard reap-sessions --max-age-seconds 86400";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = SessionsReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<SessionsReply>, Refused> {
        call.commit(self, app, |turn| {
            let reaped = turn.reap_sessions(self.max_age_seconds)?;
            let look = turn.look();
            let sessions = reaped.into_iter().map(|session| look.session_view(session)).collect::<Result<_, _>>()?;
            Ok(Answer::done(SessionsReply { sessions }))
        })
    }
}
