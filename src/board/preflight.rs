//! Preflight: a place is confirmed, and the team says what it is like; that chooses the mode.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::look::Look;
use super::turn::{Touched, Turn};
use crate::domain::actor::Actor;
use crate::domain::board::Mode;
use crate::domain::event::{EventKind, Source};
use crate::domain::id::DirectoryPath;
use crate::domain::preflight::{Advice, Confirmed, ModeChoice, OptimizeFor, Preflight, SessionKind, Topology, advise};
use crate::domain::profile::{Policy, Profile};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::{Session, SessionStatus};
use crate::domain::workspace::Workspace;
use crate::store::contract::SessionsOf;

/// So many confirmed places are shown, newest first.
const PLACES_SHOWN: usize = 50;
/// Among so many windows those that are open are counted.
const WINDOWS_COUNTED: usize = 1000;
/// More of anything than this is a slip of the finger.
const TEAM_MOST: u32 = 10_000;

/// What somebody says of the team. What is none stays as it was, or is seen from the board.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// How long the windows stay.
    pub session_kind: Option<SessionKind>,
    /// The mode.
    pub mode: Option<ModeChoice>,
    /// What matters most.
    pub optimize_for: Option<OptimizeFor>,
    /// Agents that work at once.
    pub agent_count: Option<u32>,
    /// Machines that they run on.
    pub machine_count: Option<u32>,
    /// Windows that are open at once.
    pub window_count: Option<u32>,
    /// True when it was said that there are several machines.
    pub cross_machine: bool,
    /// Whether all machines see the directory.
    pub shared_storage: Option<bool>,
}

/// Whether somebody confirmed where the work happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirming {
    /// Workspace and branch.
    Both,
    /// Not both: what would be confirmed is shown.
    No,
}

/// What the board sees of its team by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// Agents with an open window.
    pub agents: u32,
    /// Open windows that were heard of lately.
    pub windows: u32,
    /// Hosts that they run on.
    pub machines: u32,
}

/// What was said at preflight, and what follows from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreflightView {
    /// What was said.
    #[serde(flatten)]
    pub said: Preflight,
    /// The mode that holds.
    pub mode: Mode,
    /// How careful the board is,
    pub safety_profile: Profile,
    /// and what that decides.
    pub policy: Policy,
    /// What the rule says of the mode.
    pub advice: Advice,
    /// The places that were confirmed, newest first.
    pub confirmations: Vec<Confirmed>,
}

impl Turn<'_> {
    /// Records what was said, and confirms `place`. Without a confirmation it refuses with `confirmation_required` and
    /// shows what would be recorded. `shared` says whether the board lies on shared storage.
    pub fn preflight(
        &mut self,
        said: Said,
        profile: Option<Profile>,
        confirming: Confirming,
        shared: bool,
    ) -> Result<PreflightView, Refusal> {
        self.comes_from(Source::Preflight);
        let preflight = self.look().preflight_said(said, shared)?;
        let profile = profile.unwrap_or(self.board.profile);
        let advice = advise(&preflight.topology, preflight.optimize_for);
        let mode = match preflight.mode_choice {
            ModeChoice::Auto => advice.mode,
            ModeChoice::SharedBoard => Mode::SharedBoard,
            ModeChoice::CentralizedDispatch => Mode::CentralizedDispatch,
        };
        let place = self.workspace.clone();
        if confirming == Confirming::No {
            return Err(unconfirmed(&place, &preflight, mode, profile));
        }
        let confirmed = self.confirm(&place)?;
        let state = (mode, profile, Some(&preflight));
        let before = self.store.preflight()?;
        if state != (self.board.mode, self.board.profile, before.as_ref()) {
            if profile != self.board.profile && self.store.next_deadline()?.is_some() {
                self.warn("what is held now goes on by the rules of the profile before");
            }
            (self.board.mode, self.board.profile) = (mode, profile);
            self.board.preflighted = true;
            self.store.put_preflight(&preflight)?;
            self.touched = Touched::State;
            // What asks for a review may be another by now, and so may be who can take what.
            self.rung.insert(crate::domain::topic::Topic::Crew);
        }
        let data = json!({
            "workspace": confirmed.workspace, "branch": confirmed.branch, "head": confirmed.head, "mode": mode,
            "safety_profile": profile, "session_kind": preflight.session_kind,
        });
        self.board_event(EventKind::Preflighted, None, data);
        self.touched = self.touched.max(Touched::Notes);
        let view = self.look().preflight_view()?;
        Ok(view.expect("it was put just now"))
    }

    /// Says that the confirmed place is no part of the project, which is at `project` then.
    pub fn warn_of_place(&mut self, project: Option<&DirectoryPath>) {
        if let Some(project) = project {
            let place = self.workspace.shown();
            self.warn(format!(
                "{place} was confirmed, and is no part of the project at {project}: is it the right one?"
            ));
        }
    }

    /// Confirms a place, for everybody and for the acting window.
    fn confirm(&mut self, place: &Workspace) -> Result<Confirmed, Refusal> {
        let (Some(host), Some(workspace)) = (place.host.clone(), place.path.clone()) else {
            let refusal = Refusal::new(Code::Usage, "it is not known where the work happens");
            return Err(refusal.hint("callboard preflight --workspace DIR --confirm-workspace --confirm-branch"));
        };
        let (branch, head) = (place.branch.clone(), place.head.clone());
        let by = self.actor.to_string();
        let confirmed = Confirmed { host, workspace, branch, head, by, at: self.now() };
        self.store.put_confirmation(&confirmed)?;
        if let Actor::Agent(acting) = &self.actor
            && !(acting.session.is_none() && acting.candidates.is_empty())
        {
            let session = self.actor.window()?.1.clone();
            let session = Session { workspace: place.clone(), confirmed: true, seen_at: self.now(), ..session };
            self.store.put_session(&session)?;
            self.actor.sight(session);
        }
        Ok(confirmed)
    }

    /// True when this place was confirmed at preflight, on this branch.
    pub(super) fn is_confirmed_at_preflight(&self, place: &Workspace) -> Result<bool, Refusal> {
        let (Some(host), Some(path)) = (&place.host, &place.path) else { return Ok(false) };
        if !self.board.preflighted {
            return Ok(false);
        }
        Ok(self
            .store
            .confirmation(host.as_str(), path.as_str())?
            .is_some_and(|confirmed| confirmed.branch == place.branch))
    }
}

impl Look<'_> {
    /// What was said at preflight; none before the first.
    pub fn preflight_view(&self) -> Result<Option<PreflightView>, Refusal> {
        if !self.board.preflighted {
            return Ok(None);
        }
        let Some(said) = self.store.preflight()? else { return Ok(None) };
        let advice = advise(&said.topology, said.optimize_for);
        let confirmations = self.store.confirmations(PLACES_SHOWN)?;
        let profile = self.board.profile;
        let (mode, policy) = (self.board.mode, profile.policy());
        Ok(Some(PreflightView { said, mode, safety_profile: profile, policy, advice, confirmations }))
    }

    /// What `said` comes to: with what was said before it, and with what the board sees. Refuses numbers that contradict
    /// each other.
    pub fn preflight_said(&self, said: Said, shared: bool) -> Result<Preflight, Refusal> {
        let before = self.store.preflight()?;
        let (seen, old) = (self.seen()?, before.as_ref().map(|before| before.topology));
        let counts = [said.agent_count, said.machine_count, said.window_count];
        if counts.into_iter().flatten().any(|count| count == 0 || count > TEAM_MOST) {
            return Err(Refusal::new(Code::InvalidValue, format!("a team has 1 to {TEAM_MOST} of each")));
        }
        if said.cross_machine && said.machine_count == Some(1) {
            let message = "--cross-machine means two machines at least, and --machine-count says 1";
            return Err(Refusal::new(Code::InvalidValue, message).hint("leave one of them out"));
        }
        let machines = said.machine_count.or(old.map(|old| old.machine_count)).unwrap_or(seen.machines).max(1);
        let agents = said.agent_count.or(old.map(|old| old.agent_count));
        let windows = said.window_count.or(old.map(|old| old.window_count));
        let topology = Topology {
            agent_count: agents.or(windows).unwrap_or(seen.agents).max(1),
            machine_count: if said.cross_machine { machines.max(2) } else { machines },
            window_count: windows.or(agents).unwrap_or(seen.windows).max(1),
            shared_storage: said.shared_storage.unwrap_or_else(|| old.map_or(shared, |old| old.shared_storage)),
        };
        let before = before.as_ref();
        Ok(Preflight {
            session_kind: said.session_kind.or(before.map(|it| it.session_kind)).unwrap_or(SessionKind::WhileLoop),
            mode_choice: said.mode.or(before.map(|it| it.mode_choice)).unwrap_or(ModeChoice::Auto),
            optimize_for: said.optimize_for.or(before.map(|it| it.optimize_for)).unwrap_or(OptimizeFor::Balanced),
            topology,
        })
    }

    /// What the board sees of its team by itself: the windows that were heard of lately.
    pub fn seen(&self) -> Result<Seen, Refusal> {
        let live = self.store.sessions(SessionsOf::Live, WINDOWS_COUNTED)?;
        let open: Vec<&Session> =
            live.iter().filter(|session| session.status(self.dial.wall) == SessionStatus::Active).collect();
        let distinct = |of: fn(&Session) -> &str| open.iter().map(|one| of(one)).collect::<HashSet<_>>().len();
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        Ok(Seen {
            agents: count(distinct(|session| session.agent.as_str())),
            windows: count(open.len()),
            machines: count(distinct(|session| &session.host)),
        })
    }
}

fn unconfirmed(place: &Workspace, said: &Preflight, mode: Mode, profile: Profile) -> Refusal {
    fn shown(name: Option<&impl ToString>) -> String {
        name.map_or_else(|| "none".to_owned(), ToString::to_string)
    }
    let message = format!(
        "nothing was recorded: workspace {}, branch {}, mode {mode}, profile {profile} are to be confirmed",
        shown(place.path.as_ref()),
        shown(place.branch.as_ref())
    );
    Refusal::new(Code::ConfirmationRequired, message)
        .hint("the same command with --confirm-workspace --confirm-branch, if that is where the work happens")
        .detail("workspace", json!(place))
        .detail("preflight", json!(said))
        .detail("mode", mode.as_str())
        .detail("safety_profile", profile.as_str())
}
