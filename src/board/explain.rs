//! Why a task is or is not offered: its rank with numbers, and everything that stands in its way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::Look;
use super::queues::conflict_with;
use crate::domain::actor::Actor;
use crate::domain::id::{AgentId, Module};
use crate::domain::lease::LeaseKind;
use crate::domain::rank;
use crate::domain::refusal::Refusal;
use crate::domain::task::{Task, TaskState};

/// A task's rank, and why it is or is not offered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The task.
    pub module: Module,
    /// Where it stands.
    pub state: TaskState,
    /// For which agent.
    pub agent_id: Option<AgentId>,
    /// True when that agent would get it, when it is its turn.
    pub offered: bool,
    /// Why not; empty when it is offered.
    pub hindrances: Vec<String>,
    /// What the rank is made of; what hangs on the agent only where one asks.
    pub terms: Vec<Term>,
    /// Their sum: higher is first, of equals the older task.
    pub score: i64,
}

/// One term of a rank.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// Where it comes from, in words.
    pub from: String,
    /// What it adds.
    pub points: i64,
}

impl Look<'_> {
    /// The rank of `task` for the acting agent, and why it is or is not offered.
    pub fn explain(&self, task: &Task) -> Result<Explanation, Refusal> {
        let agent = match &self.actor {
            Actor::Agent(acting) => Some(&acting.agent),
            Actor::Human { .. } => None,
        };
        let specialties = agent.map(|agent| agent.specialties.as_slice()).unwrap_or_default();
        let terms = rank::terms(task, specialties);
        let specialty = match &task.specialty {
            None => "asks for no specialty".to_owned(),
            Some(one) if specialties.contains(one) => format!("{one}, which {} has", self.actor),
            Some(one) => format!("{one}, which {} has not", self.actor),
        };
        let term = |name: &str, from: String, points| Term { name: name.to_owned(), from, points };
        let hindrances = self.hindrances_of(task)?;
        let mut listed = vec![
            term("priority", format!("priority {}", task.priority), terms.priority),
            term("critical_path", format!("{} tasks long below it", task.critical_path), terms.critical_path),
            term("held_up", format!("{} tasks wait for it directly", task.held_up), terms.held_up),
        ];
        if agent.is_some() {
            listed.push(term("specialty", specialty, terms.specialty));
        }
        Ok(Explanation {
            module: task.module.clone(),
            state: task.state,
            agent_id: agent.map(|agent| agent.id.clone()),
            offered: hindrances.is_empty(),
            hindrances,
            score: listed.iter().map(|term| term.points).sum(),
            terms: listed,
        })
    }

    fn hindrances_of(&self, task: &Task) -> Result<Vec<String>, Refusal> {
        let mut list = Vec::new();
        match task.state {
            TaskState::Open => {}
            TaskState::Active => {
                if let Some(lease) =
                    self.store.lease(task.key, LeaseKind::Work)?.filter(|lease| lease.is_live(self.dial.lease))
                {
                    list.push(format!("held by {} until {}", lease.agent, lease.expires_at(self.dial)));
                }
            }
            TaskState::Waiting => {
                let waiting = task.waiting.as_ref();
                list.extend(waiting.map(|waiting| {
                    format!("waiting for {} since {}: {}", waiting.what, waiting.since, waiting.reason)
                }));
            }
            other => list.push(format!("it is {other}")),
        }
        if task.state == TaskState::Open {
            let needed = self.store.dependencies(task.key)?;
            for needed in needed.iter().filter(|needed| needed.state != TaskState::Done) {
                list.push(format!("depends on {}, which is {}", needed.module, needed.state));
            }
        }
        if let Some(kept) = &task.reservation
            && kept.excludes(self.actor.agent_id(), self.dial.lease)
        {
            list.push(format!("kept for {} until {}", kept.agent, self.dial.shown(kept.until)));
        }
        if let Actor::Agent(acting) = &self.actor
            && matches!(task.state, TaskState::Open | TaskState::Active)
            && self.is_at_limit(&acting.agent)?
        {
            list.push(format!("{} holds as many tasks as it may", acting.agent.id));
        }
        let held = self.others_scopes()?;
        if let Some(conflict) = conflict_with(&held, task) {
            let lease = conflict.lease;
            list.push(format!(
                "{} overlaps with {}, held by {} for {} until {}",
                conflict.ours,
                conflict.theirs,
                lease.agent,
                lease.module,
                lease.expires_at(self.dial)
            ));
        }
        Ok(list)
    }
}
