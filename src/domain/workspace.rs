//! Where work lies: a directory on a host, its branch and head.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the work of an attempt lies. What is not known is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Workspace {
    /// The name of the host.
    pub host: Option<String>,
    /// The top level of the working tree.
    pub path: Option<String>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// The commit that is checked out.
    pub head: Option<String>,
}

/// What the working tree of whoever leaves a handoff looks like, as git says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WorkingTree {
    /// Paths that are changed and not committed.
    pub dirty: Vec<String>,
    /// A line for each path that was changed since the claim, with how much.
    pub diff_stat: Vec<String>,
    /// True when some were left out.
    pub cut: bool,
}

impl Workspace {
    /// True when both are the same branch of the same working tree of the same host: a confirmation of one holds for
    /// the other.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.path.is_some() && (&self.host, &self.path, &self.branch) == (&other.host, &other.path, &other.branch)
    }
}
