//! Coming aboard: an agent and a window of it.

use std::collections::BTreeMap;

use serde_json::json;

use super::caller::has_taken_over;
use super::leases::HELD_MOST;
use super::turn::Turn;
use super::windows::window_in_use;
use crate::domain::actor::{Acting, Actor, Named};
use crate::domain::agent::{Agent, Role};
use crate::domain::event::EventKind;
use crate::domain::id::{AgentId, SessionId, Specialty, ThreadKey, WindowId};
use crate::domain::lease::{Lease, LeaseKind, Ttl};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::session::{Ending, Session};
use crate::domain::text::quoted;
use crate::domain::topic::Topic;
use crate::domain::workspace::Workspace;
use crate::store::contract::{LeasesOf, SessionsOf};

/// More of one kind is a mistake, and every page would carry it.
const LIST_MOST: usize = 50;

/// How an agent registers a window. What is empty or none is left as it was.
#[derive(Clone, Debug)]
pub struct Registration {
    /// What it is recognised by.
    pub thread_key: ThreadKey,
    /// What it is for.
    pub roles: Vec<Role>,
    /// Its fields of work.
    pub specialties: Vec<Specialty>,
    /// Free key and value pairs.
    pub labels: BTreeMap<String, String>,
    /// How many tasks it may hold at once.
    pub max_tasks: Option<u32>,
    /// The length of its leases.
    pub ttl: Option<Ttl>,
    /// The host: the name given for it, or its random id.
    pub host: String,
    /// The window on it.
    pub window: WindowId,
    /// Where it works.
    pub workspace: Workspace,
    /// True when workspace and branch were confirmed.
    pub confirmed: bool,
    /// True where the caller says that it is this window and lost its context.
    pub resume: bool,
    /// The session that the caller had: it proves that the caller is its window.
    pub former: Option<SessionId>,
}

/// An agent with its new window.
#[derive(Clone, Debug)]
pub struct Aboard {
    /// The agent.
    pub agent: Agent,
    /// The window.
    pub session: Session,
    /// What the window held before, under new tokens.
    pub resumed: Vec<Lease>,
    /// True when the agent has other windows: this one names its session with each command.
    pub is_one_of_several: bool,
}

impl Registration {
    /// What was given beside the agent and the window, as flags.
    fn flags(&self, while_session: bool) -> String {
        let labels = self.labels.iter().map(|(name, value)| format!(" --label {}", quoted(&format!("{name}={value}"))));
        let number = |flag: &str, number: Option<u32>| number.map(|number| format!(" --{flag} {number}"));
        let numbers = [number("max-tasks", self.max_tasks), number("ttl-seconds", self.ttl.map(Ttl::seconds))];
        let confirms = self.confirmed.then(|| " --confirm-workspace --confirm-branch".to_owned());
        let reuses = while_session.then(|| " --while-session".to_owned());
        labels.chain(numbers.into_iter().flatten()).chain(confirms).chain(reuses).collect()
    }
}

impl Turn<'_> {
    /// Registers a window. The same key gives the same agent; the same key, host and window replaces the old session
    /// and takes over its leases, with a new epoch and token. Refuses with `window_in_use` a caller that neither says nor
    /// proves that it is a window that is in use.
    pub fn register(&mut self, registration: Registration) -> Result<Aboard, Refusal> {
        let agent = self.agent_for(&registration)?;
        let now = self.now();
        let flags = registration.flags(self.while_session);
        let old = self.store.window(&agent.id, &registration.host, &registration.window)?;
        if let Some(old) = old.as_ref().filter(|old| old.ended.is_none()) {
            // Its leases go to the new session.
            self.credential.check(&format!("window {}", old.window), old.registered_by.as_ref())?;
            let is_same = registration.resume || registration.former.as_ref() == Some(&old.id);
            if !is_same && let Some(refusal) = window_in_use(&*self.store, &agent, old, self.dial, &flags)? {
                return Err(refusal);
            }
        }
        let session = Session {
            id: self.names.session_id()?,
            agent: agent.id.clone(),
            host: registration.host,
            window: registration.window,
            epoch: old.as_ref().map_or(1, |old| old.epoch + 1),
            started_at: now,
            seen_at: now,
            ended: None,
            confirmed: registration.confirmed || self.is_confirmed_elsewhere(&registration.workspace)?,
            workspace: registration.workspace,
            registered_by: self.credential.registers_as().cloned(),
        };
        let live = old.filter(|old| old.ended.is_none());
        if let Some(old) = &live {
            self.store.put_session(&Session { ended: Some((now, Ending::Replaced)), ..old.clone() })?;
        }
        self.store.put_session(&session)?;
        self.check_registered_place(
            &session,
            &format!("{}{flags}", agent.registration_of(&session.host, &session.window)),
        )?;
        self.touched = super::turn::Touched::State;
        self.rung.insert(Topic::Crew);
        self.actor = Actor::Agent(Box::new(Acting {
            agent: agent.clone(),
            session: Some(session.clone()),
            named: Named::Implied,
            candidates: Vec::new(),
        }));
        let resumed = match &live {
            Some(old) => self.move_leases(old, &session)?,
            None => Vec::new(),
        };
        let data = json!({
            "agent_id": agent.id, "session_id": session.id, "host": session.host, "window": session.window,
            "epoch": session.epoch, "replaces": live.map(|old| old.id),
        });
        self.board_event(EventKind::SessionRegistered, None, data);
        let is_one_of_several =
            self.store.sessions(SessionsOf::Agent(&agent.id), 2)?.len() > 1 || has_taken_over(&*self.store, &session)?;
        Ok(Aboard { agent, session, resumed, is_one_of_several })
    }

    fn agent_for(&mut self, registration: &Registration) -> Result<Agent, Refusal> {
        let key = &registration.thread_key;
        let now = self.now();
        let most = [registration.specialties.len(), registration.roles.len(), registration.labels.len()];
        if most.into_iter().any(|many| many > LIST_MOST) {
            return Err(Refusal::new(Code::InvalidValue, format!("an agent has more than {LIST_MOST} of a kind"))
                .hint("callboard init-agent with fewer specialties and labels"));
        }
        let mut agent = match self.store.agent_by_key(key)? {
            Some(agent) => {
                self.credential.check(&format!("agent {}", agent.id), agent.registered_by.as_ref())?;
                agent
            }
            None => Agent {
                id: self.new_agent_id(key)?,
                thread_key: key.clone(),
                roles: vec![Role::Worker],
                specialties: Vec::new(),
                labels: BTreeMap::new(),
                max_tasks: None,
                ttl_seconds: None,
                created_at: now,
                seen_at: now,
                registered_by: self.credential.registers_as().cloned(),
            },
        };
        if !registration.roles.is_empty() {
            agent.roles.clone_from(&registration.roles);
        }
        if !registration.specialties.is_empty() {
            agent.specialties.clone_from(&registration.specialties);
        }
        agent.roles = distinct(agent.roles);
        agent.specialties = distinct(agent.specialties);
        agent.labels.extend(registration.labels.clone());
        agent.max_tasks = registration.max_tasks.or(agent.max_tasks);
        agent.ttl_seconds = registration.ttl.map(Ttl::seconds).or(agent.ttl_seconds);
        agent.seen_at = now;
        self.store.put_agent(&agent)?;
        Ok(agent)
    }

    fn new_agent_id(&self, key: &ThreadKey) -> Result<AgentId, Refusal> {
        let id = AgentId::from_thread_key(key, &self.names.fingerprint(key.as_str()));
        match self.store.agent(&id)? {
            None => Ok(id),
            Some(other) => {
                let message = format!("the agent id {id} belongs to the thread key '{}'", other.thread_key);
                Err(Refusal::new(Code::ThreadKeyTaken, message).hint("callboard init-agent with another --thread-key"))
            }
        }
    }

    fn move_leases(&mut self, old: &Session, new: &Session) -> Result<Vec<Lease>, Refusal> {
        let mut moved = Vec::new();
        for lease in self.store.leases(LeasesOf::Session(&old.id), HELD_MOST)? {
            let before = self.reload(lease.task)?;
            let mut task = before.clone();
            task.epoch += 1;
            self.save_task(&before, &mut task)?;
            let mut lease =
                Lease { session: new.id.clone(), epoch: task.epoch, token: self.names.lease_token()?, ..lease };
            if !lease.lapsed {
                lease.renew(self.dial.lease);
            }
            self.store.put_lease(&lease)?;
            if lease.kind == LeaseKind::Work
                && let Some(mut attempt) = self.store.attempt(lease.attempt)?
            {
                attempt.session = new.id.clone();
                self.store.update_attempt(&attempt)?;
            }
            let data = json!({"kind": lease.kind, "from": old.id, "to": new.id});
            self.event(EventKind::LeaseMoved, &task.module, data);
            moved.push(lease);
        }
        Ok(moved)
    }
}

/// Each once, in the order given.
fn distinct<T: PartialEq>(list: Vec<T>) -> Vec<T> {
    list.into_iter().fold(Vec::new(), |mut distinct, one| {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
        distinct
    })
}
