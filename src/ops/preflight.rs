//! Preflight: confirming where the work happens, and choosing how the windows meet.

use std::path::Path;

use clap::{ArgAction, Args};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Anyone, Changer};
use super::surroundings::Surroundings;
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::mutation::{Answer, Refused};
use crate::board::preflight::{Confirming, PreflightView, Said, Seen};
use crate::domain::board::{Mode, StorageKind};
use crate::domain::id::DirectoryPath;
use crate::domain::preflight::{Advice, ModeChoice, OptimizeFor, SessionKind, Topology, advise};
use crate::domain::profile::Profile;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::domain::workspace::Workspace;
use crate::workspace::git::{self, Checkout};

/// Who takes part. What is not given stays as it was at the preflight before, or is seen from the board.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
pub struct Team {
    /// token, balanced or efficiency: what matters most.
    #[arg(long, value_name = "AIM")]
    #[serde(default)]
    pub optimize_for: Option<OptimizeFor>,
    /// Agents that work at once.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub agent_count: Option<u32>,
    /// Machines that they run on.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub machine_count: Option<u32>,
    /// Windows that are open at once.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub window_count: Option<u32>,
    /// There are several machines.
    #[arg(long)]
    #[serde(default)]
    pub cross_machine: bool,
    /// All machines see the plan directory; what the board's storage says when not given.
    #[arg(long, value_name = "YES", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          action = ArgAction::Set)]
    #[serde(default)]
    pub shared_storage: Option<bool>,
}

impl Team {
    fn said(&self) -> Said {
        Said {
            session_kind: None,
            mode: None,
            optimize_for: self.optimize_for,
            agent_count: self.agent_count,
            machine_count: self.machine_count,
            window_count: self.window_count,
            cross_machine: self.cross_machine,
            shared_storage: self.shared_storage,
        }
    }
}

/// Confirm workspace and branch, and choose mode and safety profile.
///
/// Done once for a working tree and branch; windows reuse it with --while-session. It is lost when the branch or the
/// workspace is another. Without both --confirm flags it shows what would be recorded and exits 4
/// (`confirmation_required`). What is not given stays as it was at the preflight before.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
pub struct Preflight {
    /// The working directory is the right one.
    #[arg(long)]
    #[serde(default)]
    pub confirm_workspace: bool,
    /// The branch is the right one.
    #[arg(long)]
    #[serde(default)]
    pub confirm_branch: bool,
    /// while-loop or single: how long windows stay.
    #[arg(long, value_name = "KIND")]
    #[serde(default)]
    pub session_kind: Option<SessionKind>,
    /// auto, shared-board or centralized-dispatch.
    #[arg(long, value_name = "MODE")]
    #[serde(default)]
    pub mode: Option<ModeChoice>,
    /// safe, balanced or throughput.
    #[arg(long, value_name = "PROFILE")]
    #[serde(default)]
    pub safety_profile: Option<Profile>,
    /// Confirm this directory instead of the working directory.
    #[arg(long, value_name = "DIR")]
    #[serde(default)]
    pub workspace: Option<String>,
    /// Who takes part.
    #[command(flatten)]
    #[serde(flatten)]
    pub team: Team,
}

/// What was recorded.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreflightReply {
    /// What was said, and what follows from it.
    pub preflight: PreflightView,
    /// What to do next.
    pub next_command: String,
}

impl Operation for Preflight {
    const NAME: &'static str = "preflight";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard preflight --confirm-workspace --confirm-branch --agent-count 3";
    const RIGHT: Right = Right::Operator;
    type Call = Changer;
    type Reply = PreflightReply;

    fn prepare(&self, call: &mut Changer, here: &dyn Surroundings) -> Result<(), Refused> {
        if let Some(directory) = &self.workspace {
            let directory = here.settings().directory.join(directory);
            let directory = directory.canonicalize().map_err(|error| {
                let message = format!("{} is no directory to work in: {error}", directory.display());
                let refusal =
                    Refusal::new(Code::InvalidValue, message).hint("callboard preflight in it, without --workspace");
                Refused { refusal, revision: None }
            })?;
            call.caller.facts.workspace = git::workspace(&directory, &here.settings().host_name);
        }
        call.caller.facts.project = project_elsewhere(&call.caller.facts.workspace, here);
        Ok(())
    }

    fn run(&self, call: &Changer, app: &App) -> Result<Done<PreflightReply>, Refused> {
        let shared = is_shared(app)?;
        let said = Said { session_kind: self.session_kind, mode: self.mode, ..self.team.said() };
        let confirming = if self.confirm_workspace && self.confirm_branch { Confirming::Both } else { Confirming::No };
        call.commit(self, app, |turn| {
            let preflight = turn.preflight(said, self.safety_profile, confirming, shared)?;
            turn.warn_of_place(call.caller.facts.project.as_ref());
            let has_tasks = turn.look().board().counts.total() > 0;
            let next =
                if has_tasks { "callboard init-agent --thread-key KEY --while-session" } else { "callboard intake" };
            Ok(Answer::done(PreflightReply { preflight, next_command: next.to_owned() }))
        })
    }
}

/// The top of the project, where a workspace of this machine is no part of it: neither in it nor around it, nor another working
/// tree of its repository.
pub(super) fn project_elsewhere(workspace: &Workspace, here: &dyn Surroundings) -> Option<DirectoryPath> {
    let path = Path::new(workspace.path.as_ref()?.as_str());
    let project = here.project().ok()?;
    let is_part = |path: &Path| path.starts_with(&project) || project.starts_with(path);
    let main = Checkout::around(path).map(|checkout| checkout.main_top());
    let belongs = is_part(path) || main.is_some_and(|top| is_part(&top));
    if belongs { None } else { project.to_str()?.parse().ok() }
}

fn is_shared(app: &App) -> Result<bool, Refused> {
    let place = app.place().map_err(|refusal| Refused { refusal, revision: None })?;
    Ok(place.file.storage == StorageKind::Shared)
}

/// Which mode suits the team, why, and what would change it.
///
/// Without flags it judges what was said at preflight, else what the board sees. It changes nothing.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
pub struct ModeAdvisor {
    /// Who takes part.
    #[command(flatten)]
    #[serde(flatten)]
    pub team: Team,
}

/// What the rule says.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModeAdvisorReply {
    /// The mode that is advised, and why.
    #[serde(flatten)]
    pub advice: Advice,
    /// What matters most.
    pub optimize_for: OptimizeFor,
    /// The team that was judged.
    pub topology: Topology,
    /// The mode that holds now.
    pub present_mode: Mode,
    /// What the board sees by itself.
    pub seen: Seen,
    /// The command that makes the advised mode hold; null where it does.
    pub command: Option<String>,
}

impl Operation for ModeAdvisor {
    const NAME: &'static str = "mode-advisor";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Aboard;
    const EXAMPLE: &'static str = "callboard mode-advisor --agent-count 6 --machine-count 2 --shared-storage";
    type Call = Anyone;
    type Reply = ModeAdvisorReply;

    fn run(&self, call: &Anyone, app: &App) -> Result<Done<ModeAdvisorReply>, Refused> {
        let shared = is_shared(app)?;
        call.look(app, |look| {
            let said = look.preflight_said(self.team.said(), shared)?;
            let advice = advise(&said.topology, said.optimize_for);
            let present_mode = look.board().mode;
            let turn = format!("callboard preflight --mode {} --confirm-workspace --confirm-branch", advice.mode);
            Ok(Answer::done(ModeAdvisorReply {
                command: (advice.mode != present_mode).then(|| turn.replace('_', "-")),
                optimize_for: said.optimize_for,
                topology: said.topology,
                present_mode,
                seen: look.seen()?,
                advice,
            }))
        })
    }
}
