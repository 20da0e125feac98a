//! Submitted work: what git says of it, and whose a changed path is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::CommitId;
use super::scope::Scope;
use super::workspace::{Workspace, lines};

/// Maximum number of paths kept in each list of a submission: they are for people and reviewers to read.
pub const MAX_CHANGED_PATHS: usize = 500;

/// The commits that changes are measured from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkBase {
    /// The commit that was checked out when the work was begun: see [`began`].
    pub claimed: Option<CommitId>,
    /// The commit that was submitted last, for a rework.
    pub submitted: Option<CommitId>,
}

/// An attempt, as far as it decides where the work began.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// 1 for the first try of the task.
    pub number: u32,
    /// Where it was claimed.
    pub workspace: &'a Workspace,
    /// True when it was submitted.
    pub is_submitted: bool,
}

/// The attempt with which the work was begun that is submitted with the newest one. `attempts` come newest first; `sent_back`
/// are those of which a reviewer wanted more.
///
/// What was interrupted by a question, a pause, a hand-over, a loss or a review goes on in the next attempt, in the same
/// checkout; what was accepted is other work.
pub fn began<'a>(attempts: impl IntoIterator<Item = Tried<'a>>, sent_back: &[u32]) -> Option<Tried<'a>> {
    let place = |one: &Tried<'a>| (one.workspace.host.as_ref(), one.workspace.path.as_ref());
    let mut attempts = attempts.into_iter();
    let mut first = attempts.next()?;
    for one in attempts {
        let is_other_work = one.is_submitted && !sent_back.contains(&one.number);
        if is_other_work || place(&one) != place(&first) || one.workspace.head.is_none() {
            break;
        }
        first = one;
    }
    Some(first)
}

/// What git says of the checkout that work is submitted from. Over a connection it is the client's claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SubmittedTree {
    /// True when something is not committed; null where git cannot say.
    pub dirty: Option<bool>,
    /// Paths that are changed and not committed.
    #[serde(deserialize_with = "lines")]
    pub uncommitted_paths: Vec<String>,
    /// The commit that was submitted before, for a rework.
    pub last_head: Option<CommitId>,
    /// Paths that changed since that commit.
    #[serde(deserialize_with = "lines")]
    pub changed_since_last: Vec<String>,
}

/// Which paths were changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedPaths {
    /// The worker named them: they are its own.
    Named(Vec<String>),
    /// git found them in the checkout, which others may work in too.
    Found(Vec<String>),
}

impl Default for ChangedPaths {
    fn default() -> Self {
        Self::Found(Vec::new())
    }
}

/// What is submitted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubmittedWork {
    /// Which paths were changed.
    pub changed: ChangedPaths,
    /// What git says of the checkout.
    pub tree: SubmittedTree,
}

/// What was submitted, kept with its attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Submission {
    /// The commit that was checked out when the work was begun.
    pub base: Option<CommitId>,
    /// Where it lies: directory, branch and the commit that was submitted.
    pub workspace: Workspace,
    /// True when part of the work was not committed; none where git could not say.
    pub dirty: Option<bool>,
    /// That part.
    pub uncommitted_paths: Vec<String>,
    /// Paths changed meanwhile that are in no task's scopes.
    pub unattributed_paths: Vec<String>,
    /// For a rework: what is new.
    pub since_last: Option<SinceLast>,
}

/// What changed since the submission before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SinceLast {
    /// The attempt that was submitted before.
    pub attempt: u32,
    /// The commit that was submitted then.
    pub head: CommitId,
    /// True when part of that work was not committed then, so that it may be among the paths; null where git could not say.
    pub dirty: Option<bool>,
    /// Paths that changed since.
    pub paths: Vec<String>,
}

/// Whose a changed path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The task's that is submitted.
    Own,
    /// Another task's, which was worked on meanwhile.
    Other,
    /// Nobody's.
    Nobody,
}

/// Whose `path` is: that of the task whose own scopes have it, else of one of the `others`. A task without scopes owns
/// everything that no other one does.
pub fn owner_of(path: &str, own: &[Scope], others: &[Scope]) -> Owner {
    let scope = Scope::of_path(path);
    let is_in = |scopes: &[Scope]| scope.as_ref().is_some_and(|path| scopes.iter().any(|one| one.overlaps(path)));
    match () {
        () if is_in(own) => Owner::Own,
        () if is_in(others) => Owner::Other,
        () if own.is_empty() => Owner::Own,
        () => Owner::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_begins_with_the_first_attempt_of_it_in_the_same_checkout() {
        let at = |path: &str, head: &str| Workspace {
            path: Some(path.parse().expect("a path")),
            head: Some(head.repeat(40).parse().expect("a commit")),
            ..Workspace::default()
        };
        let places = [at("/one", "a"), at("/one", "b"), at("/one", "c"), at("/two", "d")];
        let tried = |number: u32, place: usize, is_submitted| Tried { number, workspace: &places[place], is_submitted };
        let begins = |newest_first: &[Tried<'_>], sent_back: &[u32]| {
            began(newest_first.iter().copied(), sent_back).map(|one| one.number)
        };
        assert_eq!(begins(&[], &[]), None);
        let interrupted = [tried(3, 2, false), tried(2, 1, false), tried(1, 0, false)];
        assert_eq!(begins(&interrupted, &[]), Some(1));
        let reworked = [tried(3, 2, false), tried(2, 1, true), tried(1, 0, false)];
        assert_eq!(begins(&reworked, &[2]), Some(1), "a reviewer wanted more of the same work");
        assert_eq!(begins(&reworked, &[]), Some(3), "it was accepted, and opened again");
        let elsewhere = [tried(3, 2, false), tried(2, 3, false), tried(1, 0, false)];
        assert_eq!(begins(&elsewhere, &[]), Some(3), "another checkout has another history");
    }

    #[test]
    fn a_path_is_its_own_tasks_first_then_another_ones_then_nobodys() {
        let scopes = |list: &[&str]| list.iter().map(|one| one.parse().expect("a scope")).collect::<Vec<Scope>>();
        let (own, others) = (scopes(&["a/**"]), scopes(&["a/b/**", "b"]));
        let owner = |path| owner_of(path, &own, &others);
        assert_eq!((owner("a/b/c"), owner("b/f"), owner("c")), (Owner::Own, Owner::Other, Owner::Nobody));
        assert_eq!(owner("../elsewhere"), Owner::Nobody);
        let free = |path| owner_of(path, &[], &others);
        assert_eq!((free("b/f"), free("c")), (Owner::Other, Owner::Own), "a task without scopes owns the rest");
    }
}
