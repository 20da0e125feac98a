//! Lists that people and agents ask for: bounded, a page at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::Look;
use super::pages::{AgentView, SessionView};
use super::views::{LeaseView, TaskView};
use crate::domain::actor::Actor;
use crate::domain::agent::{Agent, Role};
use crate::domain::id::{AgentId, Module, Specialty};
use crate::domain::refusal::Refusal;
use crate::domain::session::{Session, SessionStatus};
use crate::domain::task::{Task, TaskState};
use crate::domain::time::Millis;
use crate::store::contract::{LeasesOf, SessionsOf, TaskFilter};

/// One command confirms so many drafts, and says when there are more.
const DRAFTS_AT_ONCE: usize = 10_000;

/// Among so many sessions those of one agent and one status are looked for.
const SESSIONS_SEARCHED: usize = 5_000;

/// A part of the graph.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GraphView {
    /// The tasks in it.
    pub tasks: Vec<GraphTask>,
    /// What depends on what.
    pub edges: Vec<GraphEdge>,
    /// True when more hangs on it than is shown.
    pub cut: bool,
}

/// A task in a graph.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GraphTask {
    /// Its name.
    pub module: Module,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub state: TaskState,
}

/// An edge of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GraphEdge {
    /// This task
    pub module: Module,
    /// depends on this one.
    pub needs: Module,
}

impl Look<'_> {
    /// Tasks after `after`, oldest first, and where the next page begins.
    pub fn tasks(
        &self,
        filter: &TaskFilter,
        after: Option<&Module>,
        limit: usize,
    ) -> Result<(Vec<TaskView>, Option<Module>), Refusal> {
        let after = after.map(|module| self.task(module)).transpose()?.map(|task| task.key);
        let mut tasks = self.store.tasks(filter, after, limit + 1)?;
        let more = tasks.len() > limit;
        tasks.truncate(limit);
        let next_after = tasks.last().filter(|_| more).map(|task| task.module.clone());
        Ok((self.list(&tasks)?, next_after))
    }

    /// These tasks for a list.
    pub fn list(&self, tasks: &[Task]) -> Result<Vec<TaskView>, Refusal> {
        tasks.iter().map(|task| self.task_view(task)).collect()
    }

    /// The drafts, oldest first.
    pub fn drafts(&self) -> Result<Vec<Module>, Refusal> {
        let filter = TaskFilter { state: Some(TaskState::Draft), ..TaskFilter::default() };
        let drafts = self.store.tasks(&filter, None, DRAFTS_AT_ONCE)?;
        Ok(drafts.into_iter().map(|task| task.module).collect())
    }

    /// Agents after `after`, by id.
    pub fn agents(&self, after: Option<&AgentId>, limit: usize) -> Result<Vec<AgentView>, Refusal> {
        self.store.agents(after, limit)?.into_iter().map(|agent| self.agent_view(agent)).collect()
    }

    /// Sessions of a status, or of an agent, last heard of first.
    pub fn list_sessions(
        &self,
        status: Option<SessionStatus>,
        agent: Option<&AgentId>,
        limit: usize,
    ) -> Result<Vec<SessionView>, Refusal> {
        let stale = Millis(self.dial.wall.0 - crate::domain::session::STALE_AFTER_SECONDS * 1000);
        let which = match (agent, status) {
            (Some(agent), None | Some(SessionStatus::Active)) => SessionsOf::Agent(agent),
            (_, Some(SessionStatus::Closed)) => SessionsOf::Ended,
            (_, Some(SessionStatus::Stale)) => SessionsOf::SilentSince(stale),
            (None, None | Some(SessionStatus::Active)) => SessionsOf::Live,
        };
        let fits = |session: &Session| {
            agent.is_none_or(|agent| session.agent == *agent)
                && status.is_none_or(|status| session.status(self.dial.wall) == status)
        };
        // The index knows one of the two; the other is looked for among more.
        let among = if agent.is_some() && status.is_some() { SESSIONS_SEARCHED } else { limit };
        let found = self.store.sessions(which, among)?;
        found.into_iter().filter(fits).take(limit).map(|session| self.session_view(session)).collect()
    }

    /// Leases, those that run out first first.
    pub fn leases(&self, limit: usize) -> Result<Vec<LeaseView>, Refusal> {
        let leases = self.store.leases(LeasesOf::All, limit)?;
        leases.iter().map(|lease| self.lease_view(lease)).collect()
    }

    /// The tasks that the acting agent's `claim-next` would try, best first; for a person those of any worker.
    pub fn claimable_views(&self, only: Option<&Specialty>, limit: usize) -> Result<Vec<TaskView>, Refusal> {
        let agent = match &self.actor {
            Actor::Agent(acting) => acting.agent.clone(),
            Actor::Human { .. } => anybody(),
        };
        self.list(&self.claimable(&agent, only, limit)?)
    }

    /// The tasks in review that the acting agent could take.
    pub fn reviewable_views(&self, only: Option<&Specialty>, limit: usize) -> Result<Vec<TaskView>, Refusal> {
        self.list(&self.reviewable(self.actor.agent_id(), only, limit)?)
    }

    /// What hangs together around a task, nearest first; without one, the unfinished tasks, oldest first.
    pub fn graph(&self, around: Option<&Module>, limit: usize) -> Result<GraphView, Refusal> {
        let mut tasks = Vec::new();
        let mut cut = false;
        match around {
            Some(module) => {
                tasks.push(self.task(module)?);
                let mut at = 0;
                while at < tasks.len() {
                    let key = tasks[at].key;
                    for neighbour in self.store.dependencies(key)?.into_iter().chain(self.store.dependents(key)?) {
                        if tasks.iter().any(|task| task.key == neighbour.key) {
                            continue;
                        }
                        if tasks.len() >= limit {
                            cut = true;
                            break;
                        }
                        tasks.extend(self.store.task_by_key(neighbour.key)?);
                    }
                    at += 1;
                }
            }
            None => {
                for state in TaskState::ALL.iter().filter(|state| !state.is_final()) {
                    let filter = TaskFilter { state: Some(*state), ..TaskFilter::default() };
                    tasks.extend(self.store.tasks(&filter, None, limit + 1)?);
                }
                tasks.sort_by_key(|task| task.key);
                cut = tasks.len() > limit;
                tasks.truncate(limit);
            }
        }
        let mut edges = Vec::new();
        for task in &tasks {
            for needed in self.store.dependencies(task.key)? {
                let shown = tasks.iter().any(|task| task.key == needed.key);
                if shown || (around.is_none() && needed.state != TaskState::Done) {
                    edges.push(GraphEdge { module: task.module.clone(), needs: needed.module });
                }
            }
        }
        let view = |task: Task| GraphTask { module: task.module, title: task.title, state: task.state };
        Ok(GraphView { tasks: tasks.into_iter().map(view).collect(), edges, cut })
    }
}

/// A worker without specialties: what a person is shown.
fn anybody() -> Agent {
    Agent {
        id: "anybody".parse().expect("a slug"),
        thread_key: "anybody".parse().expect("a line"),
        roles: vec![Role::Worker],
        specialties: Vec::new(),
        labels: std::collections::BTreeMap::new(),
        max_tasks: None,
        ttl_seconds: None,
        created_at: Millis(0),
        seen_at: Millis(0),
        registered_by: None,
    }
}
