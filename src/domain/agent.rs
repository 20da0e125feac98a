//! Agents: durable identities made from a thread key.

use std::collections::BTreeMap;

use super::id::{AgentId, Specialty, ThreadKey, TokenName, WindowId};
use super::text::quoted;
use super::time::Millis;
use super::word::words;

words! {
    /// What an agent is for. Roles steer recommendations and audiences; they never refuse.
    Role, "role" {
        /// Works on tasks.
        Worker = "worker",
        /// Reviews what others hand in.
        Reviewer = "reviewer",
        /// Shapes the plan.
        Planner = "planner",
    }
}

/// A durable identity made from a thread key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// The key that gives this id.
    pub thread_key: ThreadKey,
    /// What it is for.
    pub roles: Vec<Role>,
    /// Its fields of work; they rank, they do not limit.
    pub specialties: Vec<Specialty>,
    /// Free key and value pairs.
    pub labels: BTreeMap<String, String>,
    /// How many tasks it may hold at once, where the profile lets it choose.
    pub max_tasks: Option<u32>,
    /// The length of its leases when a claim names none, in seconds.
    pub ttl_seconds: Option<u32>,
    /// When it first came aboard.
    pub created_at: Millis,
    /// When it was last heard of.
    pub seen_at: Millis,
    /// The token that registered it. None where it was registered in the directory or by an operator.
    pub registered_by: Option<TokenName>,
}

impl Agent {
    /// The command that registers a window of this agent.
    pub fn registration(&self) -> String {
        let list = |flag: &str, names: Vec<&str>| match names.is_empty() {
            true => String::new(),
            false => format!(" --{flag} {}", names.join(",")),
        };
        let roles = list("role", self.roles.iter().map(|role| role.as_str()).collect());
        let specialties = list("specialty", self.specialties.iter().map(Specialty::as_str).collect());
        format!("callboard init-agent --thread-key {}{roles}{specialties}", quoted(self.thread_key.as_str()))
    }

    /// The same for this window of this host.
    pub fn registration_of(&self, host: &str, window: &WindowId) -> String {
        format!("{} --host-id {} --window-id {window}", self.registration(), quoted(host))
    }
}
