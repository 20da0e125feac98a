//! Coming aboard, and who is.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Anyone, Changer};
use super::preflight::project_elsewhere;
use super::surroundings::Surroundings;
use super::values::{Labels, Limit};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::agents::{Aboard, Registration};
use crate::board::mutation::{Answer, Refused};
use crate::board::pages::AgentView;
use crate::board::views::LeaseView;
use crate::domain::agent::Role;
use crate::domain::id::{AgentId, HostId, SessionId, Specialty, WindowId};
use crate::domain::lease::Ttl;
use crate::domain::refusal::{Code, Refusal};

/// What both ways of coming aboard take.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// worker, reviewer or planner; again for more. Roles steer, they never refuse.
    #[arg(long, value_name = "ROLE", value_delimiter = ',')]
    #[serde(default)]
    pub role: Vec<Role>,
    /// A field of work; again for more. Specialties rank, they do not limit.
    #[arg(long, value_name = "S", value_delimiter = ',')]
    #[serde(default)]
    pub specialty: Vec<Specialty>,
    /// Labels of the agent.
    #[command(flatten)]
    #[serde(default)]
    pub label: Labels,
    /// How many tasks it may hold at once, where the profile lets it choose.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub max_tasks: Option<u16>,
    /// The length of its leases in seconds.
    #[arg(long, value_name = "SECONDS")]
    #[serde(default)]
    pub ttl_seconds: Option<Ttl>,
    /// A name of the host, for people.
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub host_id: Option<HostId>,
    /// Which of several windows this is; `main` when none is given.
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub window_id: Option<WindowId>,
    /// You are this window and lost your context: take its leases over.
    #[arg(long)]
    #[serde(default)]
    pub resume: bool,
    /// The working directory is the right one.
    #[arg(long)]
    #[serde(default)]
    pub confirm_workspace: bool,
    /// The branch is the right one.
    #[arg(long)]
    #[serde(default)]
    pub confirm_branch: bool,
}

impl Window {
    fn prepare(&self, call: &mut Changer, here: &dyn Surroundings) {
        call.caller.facts.host = here.host();
        if self.confirm_workspace && self.confirm_branch {
            call.caller.facts.project = project_elsewhere(&call.caller.facts.workspace, here);
        }
    }

    fn registration(&self, call: &Changer, this_host: String) -> Result<Registration, Refusal> {
        let Some(thread_key) = call.caller.thread_key.clone() else {
            return Err(Refusal::new(Code::Usage, "--thread-key is missing")
                .hint("callboard init-agent --thread-key KEY: a name of your own that you will know again, such as anns-laptop-1"));
        };
        if self.max_tasks == Some(0) {
            return Err(Refusal::new(Code::InvalidValue, "--max-tasks is 1 or more"));
        }
        let workspace = call.caller.facts.workspace.clone();
        // Its random id, never its name: two hosts may have one name.
        let host = self.host_id.clone().map_or(this_host, String::from);
        Ok(Registration {
            thread_key,
            roles: self.role.clone(),
            specialties: self.specialty.clone(),
            labels: self.label.map(),
            max_tasks: self.max_tasks.map(u32::from),
            ttl: self.ttl_seconds,
            host,
            window: self.window_id.clone().unwrap_or_else(|| "main".parse().expect("a slug")),
            workspace,
            confirmed: self.confirm_workspace && self.confirm_branch,
            resume: self.resume,
            former: call.caller.session_id.clone(),
        })
    }

    fn come_aboard<O: Operation<Reply = AboardReply>>(
        &self,
        operation: &O,
        call: &Changer,
        app: &App,
    ) -> Result<Done<AboardReply>, Refused> {
        let unread = |refusal| Refused { refusal, revision: None };
        let host = match &call.caller.facts.host {
            Some(host) => host.to_string(),
            None => app.host().map_err(unread)?.id,
        };
        let registration = self.registration(call, host).map_err(unread)?;
        // Who registers need not be known yet, and replaces its own session whatever became of it.
        let mut call = call.clone();
        call.caller.newcomer = call.caller.thread_key.take();
        call.caller.agent_id = None;
        call.caller.session_id = None;
        call.commit(operation, app, |turn| {
            let Aboard { agent, session, resumed, is_one_of_several } = turn.register(registration)?;
            turn.warn_of_place(call.caller.facts.project.as_ref());
            let which = if is_one_of_several { format!(" --session-id {}", session.id) } else { String::new() };
            let look = turn.look();
            Ok(Answer::done(AboardReply {
                next_command: format!("callboard next-action --agent-id {}{which}", agent.id),
                agent_id: agent.id,
                session_id: session.id,
                epoch: session.epoch,
                window_id: session.window,
                roles: agent.roles,
                resumed: resumed.iter().map(|lease| look.own_lease_view(lease)).collect::<Result<_, _>>()?,
            }))
        })
    }
}

/// Come aboard: the same key always gives the same agent.
///
/// Opens a session for this window and prints its agent id, session id and epoch. The same line with --resume is how a window
/// that lost its context comes back: it replaces the old session and takes over its leases. Without it a window that holds a
/// live lease or was seen within ten minutes is refused (`window_in_use`): another window takes another --window-id.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
pub struct InitAgent {
    /// The window.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
}

/// Register a window of an agent, for programs: the same as init-agent.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
pub struct RegisterSession {
    /// The window.
    #[command(flatten)]
    #[serde(flatten)]
    pub window: Window,
}

/// An agent with its new window.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct AboardReply {
    /// The agent.
    pub agent_id: AgentId,
    /// The window.
    pub session_id: SessionId,
    /// Counts the sessions of this window.
    pub epoch: u64,
    /// Its name.
    pub window_id: WindowId,
    /// What the agent is for.
    pub roles: Vec<Role>,
    /// What the window held before, with new tokens.
    pub resumed: Vec<LeaseView>,
    /// What to do next.
    pub next_command: String,
}

impl Operation for InitAgent {
    const NAME: &'static str = "init-agent";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Loop;
    const EXAMPLE: &'static str = "callboard init-agent --thread-key anns-worker --specialty backend";
    type Call = Changer;
    type Reply = AboardReply;

    fn prepare(&self, call: &mut Changer, here: &dyn Surroundings) -> Result<(), Refused> {
        self.window.prepare(call, here);
        Ok(())
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<AboardReply>, Refused> {
        self.window.come_aboard(self, call, app)
    }
}

impl Operation for RegisterSession {
    const NAME: &'static str = "register-session";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard register-session --thread-key anns-worker --window-id second";
    type Call = Changer;
    type Reply = AboardReply;

    fn prepare(&self, call: &mut Changer, here: &dyn Surroundings) -> Result<(), Refused> {
        self.window.prepare(call, here);
        Ok(())
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<AboardReply>, Refused> {
        self.window.come_aboard(self, call, app)
    }
}

/// The agents of this board.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
    /// Go on after this one.
    #[arg(long, value_name = "ID")]
    #[serde(default)]
    pub after: Option<AgentId>,
}

/// Agents, by id.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct AgentsReply {
    /// The agents.
    pub agents: Vec<AgentView>,
    /// Where the next page begins, or null.
    pub next_after: Option<AgentId>,
}

impl Operation for Agents {
    const NAME: &'static str = "agents";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard agents";
    type Call = Anyone;
    type Reply = AgentsReply;

    fn run(&self, call: &Anyone, app: &App) -> Result<Done<AgentsReply>, Refused> {
        call.look(app, |look| {
            let agents = look.agents(self.after.as_ref(), self.limit.get())?;
            let full = agents.len() == self.limit.get();
            let next_after = agents.last().filter(|_| full).map(|agent| agent.agent_id.clone());
            Ok(Answer::done(AgentsReply { agents, next_after }))
        })
    }
}
