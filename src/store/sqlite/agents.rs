//! Agents.

use rusqlite::{Row, params};

use super::columns::{count, json, limit, maybe_count, maybe_ttl, maybe_word, to_json, word};
use super::open::SqliteTransaction;
use crate::domain::agent::Agent;
use crate::domain::id::{AgentId, ThreadKey, TokenName};
use crate::domain::time::Millis;
use crate::store::contract::{Agents, Kept};

const BY_ID: &str = "SELECT id, thread_key, roles, specialties, labels, max_tasks, ttl_seconds, created_at, seen_at, \
     registered_by FROM agents WHERE id = ?1";

const BY_KEY: &str = "SELECT id, thread_key, roles, specialties, labels, max_tasks, ttl_seconds, created_at, seen_at, \
     registered_by FROM agents WHERE thread_key = ?1";

const LIST: &str = "SELECT id, thread_key, roles, specialties, labels, max_tasks, ttl_seconds, created_at, seen_at, \
     registered_by FROM agents WHERE id > ?1 ORDER BY id LIMIT ?2";

const PUT: &str = "INSERT INTO agents (id, thread_key, roles, specialties, labels, max_tasks, ttl_seconds, created_at, \
     seen_at, registered_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
     ON CONFLICT (id) DO UPDATE SET roles = ?3, specialties = ?4, labels = ?5, max_tasks = ?6, ttl_seconds = ?7, \
     seen_at = ?9";

const COUNT: &str = "SELECT count(*) FROM agents";

fn agent(row: &Row<'_>) -> rusqlite::Result<Agent> {
    Ok(Agent {
        id: word(row, 0)?,
        thread_key: word(row, 1)?,
        roles: json(row, 2)?,
        specialties: json(row, 3)?,
        labels: json(row, 4)?,
        max_tasks: maybe_count(row, 5)?,
        ttl_seconds: maybe_ttl(row, 6)?.map(u32::from),
        created_at: Millis(row.get(7)?),
        seen_at: Millis(row.get(8)?),
        registered_by: maybe_word(row, 9)?,
    })
}

impl Agents for SqliteTransaction<'_> {
    fn agent(&self, id: &AgentId) -> Kept<Option<Agent>> {
        self.one(BY_ID, [id.as_str()], agent)
    }

    fn agent_by_key(&self, key: &ThreadKey) -> Kept<Option<Agent>> {
        self.one(BY_KEY, [key.as_str()], agent)
    }

    fn put_agent(&mut self, agent: &Agent) -> Kept<()> {
        let values = params![
            agent.id.as_str(),
            agent.thread_key.as_str(),
            to_json(&agent.roles),
            to_json(&agent.specialties),
            to_json(&agent.labels),
            agent.max_tasks,
            agent.ttl_seconds,
            agent.created_at.0,
            agent.seen_at.0,
            agent.registered_by.as_ref().map(TokenName::as_str),
        ];
        self.change_one("an agent", PUT, values)
    }

    fn agents(&self, after: Option<&AgentId>, most: usize) -> Kept<Vec<Agent>> {
        self.all(LIST, params![after.map_or("", AgentId::as_str), limit(most)], agent)
    }

    fn agent_count(&self) -> Kept<u64> {
        self.one(COUNT, [], |row| count(row, 0)).map(Option::unwrap_or_default)
    }
}
