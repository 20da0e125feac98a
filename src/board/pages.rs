//! What the pages show: a bounded picture of the board, the same size at 100 tasks and at 100,000.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::{EventView, notice_view};
use super::inbox::{BundlePage, HandoffView};
use super::look::Look;
use super::paging::first_of;
use super::preflight::PreflightView;
use super::stalled::Stalled;
use super::views::{LeaseView, TaskView};
use crate::domain::agent::{Agent, Role};
use crate::domain::board::{Journal, Mode, StorageKind};
use crate::domain::id::{AgentId, BranchName, DirectoryPath, HostName, Module, SessionId, Specialty, WindowId};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::profile::{Policy, Profile};
use crate::domain::rank;
use crate::domain::refusal::{Holder, Refusal};
use crate::domain::retention::Retention;
use crate::domain::session::{Session, SessionStatus};
use crate::domain::task::{Task, TaskState};
use crate::domain::text;
use crate::domain::time::Millis;
use crate::store::contract::{LeasesOf, OfferPlace, Offers, SessionsOf, TaskFilter};

/// How many rows a section of a page has.
pub const ROWS: usize = 20;
/// How many agents and sessions the rosters show.
pub const ROSTER_ROWS: usize = 50;
/// So many characters of what a holder says of its progress.
const PROGRESS_SHOWN: usize = 120;

/// The board as programs see it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BoardView {
    /// What people call it.
    pub name: String,
    /// Random; a restored board has a new one.
    pub generation: String,
    /// Grows when the state changed.
    pub revision: u64,
    /// Grows when only presence changed.
    pub presence: u64,
    /// The number of the newest event.
    pub event_seq: u64,
    /// How windows find each other.
    pub mode: Mode,
    /// How careful it is,
    pub safety_profile: Profile,
    /// and what that decides.
    pub policy: Policy,
    /// Where it may be used; the place knows, not the database.
    pub storage: Option<StorageKind>,
    /// How the database keeps its journal.
    pub journal: Journal,
    /// How many events are kept.
    pub retention: Retention,
    /// Events up to this one are in archives.
    pub pruned_through: u64,
    /// The length of a lease that names none.
    pub default_lease_seconds: u32,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub changed_at: Millis,
    /// True when every task is in a final state.
    pub complete: bool,
}

/// An agent as every door shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AgentView {
    /// Its id.
    pub agent_id: AgentId,
    /// What it is for.
    pub roles: Vec<Role>,
    /// Its fields of work.
    pub specialties: Vec<Specialty>,
    /// Free key and value pairs.
    pub labels: BTreeMap<String, String>,
    /// How many tasks it may hold at once.
    pub max_tasks: Option<u32>,
    /// The length of its leases.
    pub ttl_seconds: Option<u32>,
    /// What it holds.
    pub holds: Vec<Module>,
    /// When it first came aboard.
    pub created_at: Millis,
    /// When it last came aboard.
    pub seen_at: Millis,
}

/// A session as every door shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SessionView {
    /// Its id, for that session itself, people and operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Whose window it is.
    pub agent_id: AgentId,
    /// The host: its random id, or the name that was given for it.
    pub host_id: String,
    /// What its machine is called.
    #[serde(default)]
    pub host_name: Option<HostName>,
    /// The window on it.
    pub window_id: WindowId,
    /// Counts the sessions of this window.
    pub epoch: u64,
    /// Where it stands.
    pub status: SessionStatus,
    /// When it was registered.
    pub started_at: Millis,
    /// When it was last heard of.
    pub seen_at: Millis,
    /// Where it works.
    pub workspace: Option<DirectoryPath>,
    /// On which branch.
    pub branch: Option<BranchName>,
    /// True once both were confirmed.
    pub confirmed: bool,
    /// What it holds.
    pub leases: Vec<LeaseView>,
}

/// The board, bounded: what the pages and `state` show.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Picture {
    /// The board.
    pub board: BoardView,
    /// How many tasks there are in each state; and how many open ones are ready.
    pub counts: BTreeMap<String, u64>,
    /// Being worked on, what runs out first first.
    pub active: Vec<TaskView>,
    /// Waiting for a verdict or getting one.
    pub review: Vec<TaskView>,
    /// Paused.
    pub waiting: Vec<TaskView>,
    /// Offered next.
    pub next: Vec<TaskView>,
    /// In a final state, newest first.
    pub finished: Vec<TaskView>,
    /// What does not move by itself.
    pub stalled: Vec<Stalled>,
    /// What calls somebody, most urgent first.
    pub notifications: Vec<EventView>,
    /// The handoffs that wait, and the newest that ended.
    pub handoffs: Vec<HandoffView>,
    /// What was said at preflight; it has a page of its own.
    #[serde(default, skip_serializing)]
    pub preflight: Option<PreflightView>,
    /// Bundles whose pages are to be made.
    #[serde(default, skip_serializing)]
    pub bundles: Vec<BundlePage>,
    /// The agents.
    pub agents: Vec<AgentView>,
    /// Sessions that have not ended.
    pub sessions: Vec<SessionView>,
    /// Leases, what runs out first first.
    pub leases: Vec<LeaseView>,
    /// What was left out.
    pub omitted: BTreeMap<String, u64>,
}

impl Picture {
    /// The same without session ids: whoever works in the directory reads the pages.
    #[must_use]
    pub fn without_sessions(mut self) -> Self {
        let groups = [&mut self.active, &mut self.review, &mut self.waiting, &mut self.next, &mut self.finished];
        for holder in groups.into_iter().flatten().filter_map(|task| task.holder.as_mut()) {
            holder.session_id = None;
        }
        for session in &mut self.sessions {
            session.session_id = None;
            session.leases.iter_mut().for_each(|lease| lease.session_id = None);
        }
        self.leases.iter_mut().for_each(|lease| lease.session_id = None);
        self.notifications.iter_mut().for_each(|notification| notification.session_id = None);
        self
    }

    /// All tasks in it, in the order of the pages.
    pub fn tasks(&self) -> impl Iterator<Item = &TaskView> {
        [&self.active, &self.review, &self.waiting, &self.next, &self.finished].into_iter().flatten()
    }
}

/// The leases of a picture: from the list that it shows anyway, as long as that is all of them.
struct Leases<'a, 'b> {
    look: &'a Look<'b>,
    all: Option<&'a Vec<Lease>>,
}

impl Leases<'_, '_> {
    /// Those of an agent or a session, oldest task first.
    fn of(&self, which: LeasesOf<'_>, is_meant: impl Fn(&Lease) -> bool) -> Result<Vec<Lease>, Refusal> {
        let Some(all) = self.all else { return Ok(self.look.store.leases(which, ROWS)?) };
        let mut found: Vec<Lease> = all.iter().filter(|lease| is_meant(lease)).cloned().collect();
        found.sort_by_key(|lease| (lease.task, lease.kind == LeaseKind::Work));
        found.truncate(ROWS);
        Ok(found)
    }

    /// Who works on a task now.
    fn holder(&self, task: &Task) -> Result<Option<Holder>, Refusal> {
        let Some(all) = self.all else { return self.look.holder(task) };
        let now = self.look.dial;
        let mut own = all.iter().filter(|lease| lease.task == task.key && lease.kind == LeaseKind::Work);
        own.find(|lease| lease.is_live(now.lease)).map(|lease| self.look.holder_of(lease)).transpose()
    }
}

impl Look<'_> {
    /// The picture of the board. Its times are those of the last change, so that the same board gives the same bytes.
    pub fn picture(&self) -> Result<Picture, Refusal> {
        let steady = Look {
            dial: self.board.dial,
            host_wall: self.host_wall,
            store: self.store,
            board: self.board.clone(),
            actor: self.actor.clone(),
            credential: self.credential.clone(),
        };
        steady.paint()
    }

    /// The picture of the board at this moment.
    pub fn picture_now(&self) -> Result<Picture, Refusal> {
        self.paint()
    }

    fn paint(&self) -> Result<Picture, Refusal> {
        let counts = &self.board.counts;
        let leases = self.store.leases(LeasesOf::All, ROSTER_ROWS)?;
        let held = Leases { look: self, all: (leases.len() < ROSTER_ROWS).then_some(&leases) };
        let picture = Picture {
            board: self.board_view(),
            counts: self.count_view(),
            active: self.active_views(&held)?,
            review: self.views(&self.tasks_in(TaskState::Review)?)?,
            waiting: self.views(&self.tasks_in(TaskState::Waiting)?)?,
            next: self.views(&self.open_offers()?)?,
            finished: self.views(&if counts.finished() > 0 { self.store.finished(ROWS)? } else { Vec::new() })?,
            stalled: self.stalled()?,
            notifications: self.calls()?,
            handoffs: self.inbox()?,
            preflight: self.preflight_view()?,
            bundles: Vec::new(),
            agents: self
                .store
                .agents(None, ROSTER_ROWS)?
                .into_iter()
                .map(|agent| {
                    let holds = held.of(LeasesOf::Agent(&agent.id), |lease| lease.agent == agent.id)?;
                    Ok::<_, Refusal>(Self::agent_view_with(agent, holds))
                })
                .collect::<Result<_, _>>()?,
            sessions: self
                .store
                .sessions(SessionsOf::Live, ROSTER_ROWS)?
                .into_iter()
                .map(|session| {
                    let leases = held.of(LeasesOf::Session(&session.id), |lease| lease.session == session.id)?;
                    Ok::<_, Refusal>(self.session_view_with(session, &leases))
                })
                .collect::<Result<_, _>>()?,
            leases: leases.iter().map(|lease| self.lease_view(lease)).collect::<Result<_, _>>()?,
            omitted: BTreeMap::new(),
        };
        let is_full = |shown: usize| shown >= ROSTER_ROWS;
        let left_out = |all: u64, shown: usize| all.saturating_sub(shown as u64);
        let omitted = [
            ("active", left_out(counts.of(TaskState::Active), picture.active.len())),
            ("review", left_out(counts.of(TaskState::Review), picture.review.len())),
            ("waiting", left_out(counts.of(TaskState::Waiting), picture.waiting.len())),
            ("next", left_out(counts.of(TaskState::Open).saturating_sub(counts.unready), picture.next.len())),
            ("finished", left_out(counts.finished(), picture.finished.len())),
            ("notifications", left_out(self.board.pending.notifications, picture.notifications.len())),
            (
                "agents",
                if is_full(picture.agents.len()) { left_out(self.store.agent_count()?, ROSTER_ROWS) } else { 0 },
            ),
            (
                "sessions",
                if is_full(picture.sessions.len()) {
                    left_out(self.store.live_session_count()?, ROSTER_ROWS)
                } else {
                    0
                },
            ),
        ];
        let omitted = omitted.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect();
        Ok(Picture { omitted, ..picture })
    }

    /// The board as programs see it.
    pub fn board_view(&self) -> BoardView {
        let board = &self.board;
        BoardView {
            name: board.name.clone(),
            generation: board.generation.clone(),
            revision: board.revision,
            presence: board.presence,
            event_seq: board.event_seq,
            mode: board.mode,
            safety_profile: board.profile,
            policy: board.profile.policy(),
            storage: None,
            journal: board.journal,
            retention: board.retention,
            pruned_through: board.pruned_through,
            default_lease_seconds: board.profile.lease_seconds(),
            created_at: board.created_at,
            changed_at: board.dial.wall,
            complete: board.counts.is_complete(),
        }
    }

    /// The notices that call somebody, most urgent first.
    fn calls(&self) -> Result<Vec<EventView>, Refusal> {
        if self.board.pending.notifications == 0 {
            return Ok(Vec::new());
        }
        Ok(self.store.urgent_notices(ROSTER_ROWS)?.into_iter().map(notice_view).collect())
    }

    /// How many tasks there are in each state, and in all.
    pub fn count_view(&self) -> BTreeMap<String, u64> {
        let counts = &self.board.counts;
        let states = TaskState::ALL.iter().map(|state| (state.to_string(), counts.of(*state)));
        let ready = counts.of(TaskState::Open).saturating_sub(counts.unready);
        states.chain([("ready".to_owned(), ready), ("total".to_owned(), counts.total())]).collect()
    }

    /// What is offered next and that nobody works on: what was handed over, or whose lease ran out, stands among the active.
    fn open_offers(&self) -> Result<Vec<Task>, Refusal> {
        first_of(
            None,
            (ROWS, ROWS),
            |place, size| self.store.offers(Offers::All, place, size),
            |task| Some(OfferPlace { score: rank::score(task), key: task.key }),
            |task| Ok(Some(task).filter(|task| task.state == TaskState::Open)),
        )
    }

    pub(super) fn tasks_in(&self, state: TaskState) -> Result<Vec<Task>, Refusal> {
        if self.board.counts.of(state) == 0 {
            return Ok(Vec::new());
        }
        Ok(self.store.tasks(&TaskFilter { state: Some(state), ..TaskFilter::default() }, None, ROWS)?)
    }

    /// What is being worked on, with how far it is.
    fn active_views(&self, held: &Leases<'_, '_>) -> Result<Vec<TaskView>, Refusal> {
        let with_progress = |task: &Task| {
            let attempt = self.store.attempts(task.key, 1)?.pop();
            let progress = attempt.and_then(|attempt| attempt.summary).map(|said| text::cut(&said, PROGRESS_SHOWN));
            Ok(TaskView { progress, ..self.listed_view(task, held.holder(task)?)? })
        };
        self.tasks_in(TaskState::Active)?.iter().map(with_progress).collect()
    }

    fn views(&self, tasks: &[Task]) -> Result<Vec<TaskView>, Refusal> {
        tasks.iter().map(|task| self.task_view(task)).collect()
    }

    /// An agent with what it holds.
    pub fn agent_view(&self, agent: Agent) -> Result<AgentView, Refusal> {
        let holds = self.store.leases(LeasesOf::Agent(&agent.id), ROWS)?;
        Ok(Self::agent_view_with(agent, holds))
    }

    fn agent_view_with(agent: Agent, holds: Vec<Lease>) -> AgentView {
        AgentView {
            agent_id: agent.id,
            roles: agent.roles,
            specialties: agent.specialties,
            labels: agent.labels,
            max_tasks: agent.max_tasks,
            ttl_seconds: agent.ttl_seconds,
            holds: holds.into_iter().map(|lease| lease.module).collect(),
            created_at: agent.created_at,
            seen_at: agent.seen_at,
        }
    }

    /// A session with what it holds.
    pub fn session_view(&self, session: Session) -> Result<SessionView, Refusal> {
        let leases = self.store.leases(LeasesOf::Session(&session.id), ROWS)?;
        Ok(self.session_view_with(session, &leases))
    }

    fn session_view_with(&self, session: Session, leases: &[Lease]) -> SessionView {
        let leases = leases.iter().map(|lease| self.lease_view_in(lease, Some(&session))).collect();
        SessionView {
            status: session.status(self.dial.wall),
            session_id: Some(session.id),
            agent_id: session.agent,
            host_id: session.host,
            host_name: session.workspace.host,
            window_id: session.window,
            epoch: session.epoch,
            started_at: session.started_at,
            seen_at: session.seen_at,
            workspace: session.workspace.path,
            branch: session.workspace.branch,
            confirmed: session.confirmed,
            leases,
        }
    }
}
