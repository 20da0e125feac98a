//! Where work lies: a directory on a host, its branch and head.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::id::{BranchName, CommitId, DirectoryPath, HostName};

/// Where the work of an attempt lies. What is not known is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Workspace {
    /// The name of the host.
    pub host: Option<HostName>,
    /// The top level of the working tree.
    pub path: Option<DirectoryPath>,
    /// The branch that is checked out.
    pub branch: Option<BranchName>,
    /// The commit that is checked out.
    pub head: Option<CommitId>,
}

/// What the working tree of whoever leaves a handoff looks like, as git says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WorkingTree {
    /// Paths that are changed and not committed.
    #[serde(deserialize_with = "lines")]
    pub dirty: Vec<String>,
    /// A line for each path that was changed since the claim, with how much.
    #[serde(deserialize_with = "lines")]
    pub diff_stat: Vec<String>,
    /// True when some were left out.
    pub cut: bool,
}

/// Maximum number of lines in a list that comes from outside.
const MAX_LINES: usize = 1_000;
/// Maximum length of such a line, in bytes.
const MAX_LINE_LENGTH: usize = 4_096;

/// Reads a list of lines. Refuses a list that is too long, and lines that are too long or have control characters.
pub fn lines<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let lines = Vec::<String>::deserialize(from)?;
    if lines.len() > MAX_LINES {
        return Err(D::Error::custom(format!("a list of more than {MAX_LINES} lines")));
    }
    let is_bad = |line: &&String| line.len() > MAX_LINE_LENGTH || line.chars().any(char::is_control);
    match lines.iter().find(is_bad) {
        Some(_) => {
            Err(D::Error::custom(format!("a line of more than {MAX_LINE_LENGTH} bytes, or with control characters")))
        }
        None => Ok(lines),
    }
}

impl Workspace {
    /// The place for a sentence.
    pub fn shown(&self) -> String {
        let path = self.path.as_ref().map_or("a directory that is not known", DirectoryPath::as_str);
        let branch = self.branch.as_ref().map(|branch| format!(" on branch {branch}")).unwrap_or_default();
        format!("{path}{branch}")
    }

    /// From what a store has. Values that these types do not allow, as older programs or other hands may have written, are
    /// unknown.
    pub fn from_stored(stored: &Value) -> Self {
        fn known<T: std::str::FromStr>(value: &Value) -> Option<T> {
            value.as_str()?.parse().ok()
        }
        Self {
            host: known(&stored["host"]),
            path: known(&stored["path"]),
            branch: known(&stored["branch"]),
            head: known(&stored["head"]),
        }
    }

    /// True when both are the same branch of the same working tree of the same host: a confirmation of one holds for
    /// the other.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.path.is_some() && (&self.host, &self.path, &self.branch) == (&other.host, &other.path, &other.branch)
    }
}
