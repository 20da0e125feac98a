//! Whether paths may be changed: inside of what the caller's leases allow, and outside of everybody else's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::leases::HELD_MOST;
use super::look::Look;
use crate::domain::id::Module;
use crate::domain::lease::LeaseKind;
use crate::domain::refusal::{Holder, Refusal};
use crate::domain::scope::Scope;
use crate::domain::word::words;
use crate::store::contract::{HeldScopes, LeasesOf};

words! {
    /// What holds for a path.
    PathVerdict, "verdict on a path" {
        /// A lease of the caller covers it.
        Own = "own",
        /// Nobody's lease covers it, and the caller is a person.
        Free = "free",
        /// Nobody's lease covers it, and none of the caller's either.
        Outside = "outside",
        /// A lease of somebody else covers it.
        Held = "held",
    }
}

/// A path, and what holds for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedPath {
    /// The path, from the top of the project.
    pub path: String,
    /// What holds for it.
    pub verdict: PathVerdict,
    /// The task whose lease covers it.
    pub module: Option<Module>,
    /// Who holds that, where it is somebody else, and until when.
    pub holder: Option<Holder>,
}

/// What the caller's leases allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnScope {
    /// The task.
    pub module: Module,
    /// Its paths; none where it names none, which allows every path that nobody else holds.
    pub owned_paths: Vec<Scope>,
}

impl Look<'_> {
    /// What the caller's live work leases allow.
    pub fn own_scopes(&self) -> Result<Vec<OwnScope>, Refusal> {
        let Some(agent) = self.actor.agent_id() else { return Ok(Vec::new()) };
        let held = self.store.leases(LeasesOf::Agent(agent), HELD_MOST)?;
        let live = held.into_iter().filter(|lease| lease.kind == LeaseKind::Work && lease.is_live(self.dial.lease));
        live.map(|lease| Ok(OwnScope { owned_paths: self.task(&lease.module)?.owned_paths, module: lease.module }))
            .collect()
    }

    /// What holds for each of these paths, which are from the top of the project.
    pub fn check_paths(&self, paths: &[String], own: &[OwnScope]) -> Result<Vec<CheckedPath>, Refusal> {
        let agent = self.actor.agent_id();
        let is_other = |held: &HeldScopes| Some(&held.lease.agent) != agent && held.lease.is_live(self.dial.lease);
        let others: Vec<HeldScopes> = self.store.held_scopes()?.into_iter().filter(is_other).collect();
        let covers = |scopes: &[Scope], path: &Scope| scopes.iter().any(|scope| scope.overlaps(path));
        let check = |path: &String| {
            let (mut verdict, mut module, mut holder) = (PathVerdict::Free, None, None);
            if let Some(scope) = Scope::of_path(path) {
                let other = others.iter().find(|held| covers(&held.scopes, &scope));
                let ours = own.iter().find(|own| own.owned_paths.is_empty() || covers(&own.owned_paths, &scope));
                match (other, ours) {
                    (Some(held), _) => {
                        verdict = PathVerdict::Held;
                        module = Some(held.lease.module.clone());
                        holder = Some(self.holder_of(&held.lease)?);
                    }
                    (None, Some(own)) => (verdict, module) = (PathVerdict::Own, Some(own.module.clone())),
                    (None, None) if agent.is_some() => verdict = PathVerdict::Outside,
                    (None, None) => {}
                }
            }
            Ok(CheckedPath { path: path.clone(), verdict, module, holder })
        };
        paths.iter().map(check).collect()
    }
}
