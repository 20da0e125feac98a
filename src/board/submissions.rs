//! What a submission holds: whose the changed paths are, and what is new since the one before.
//!
//! **Invariants.** What git found in a checkout is everybody's who works there. A path in the scopes of another task that was
//! worked on since the claim is that one's; what is in nobody's scopes is listed apart and never as the worker's own.

use super::look::Look;
use super::turn::Turn;
use super::views::{AttemptView, attempt_view};
use crate::domain::attempt::{Attempt, Outcome};
use crate::domain::id::Module;
use crate::domain::lease::LeaseKind;
use crate::domain::profile::Review;
use crate::domain::refusal::Refusal;
use crate::domain::scope::Scope;
use crate::domain::submission::{
    ChangedPaths, MAX_CHANGED_PATHS, Owner, SinceLast, Submission, SubmittedTree, SubmittedWork, Tried, WorkBase,
    began, owner_of,
};
use crate::domain::task::Task;
use crate::domain::verdict::sent_back;

/// Maximum number of other tasks whose scopes are looked at.
const MAX_OTHERS: usize = 500;
/// Maximum number of attempts among which the last submission is looked for, newest first.
const MAX_ATTEMPTS_READ: usize = 100;
/// Number of paths that a warning names.
const PATHS_NAMED: usize = 3;

/// The newest attempt before `than` that was submitted at a known commit.
fn submitted_before(attempts: &[Attempt], than: u32) -> Option<&Attempt> {
    let has_head = |attempt: &&Attempt| attempt.submitted.as_ref().is_some_and(|one| one.workspace.head.is_some());
    attempts.iter().filter(|attempt| attempt.number < than).find(has_head)
}

impl Look<'_> {
    /// The commits that the changes of the present holder's work are measured from.
    pub fn work_base(&self, module: &Module) -> Result<WorkBase, Refusal> {
        let task = self.task(module)?;
        let Some(lease) = self.store.lease(task.key, LeaseKind::Work)? else { return Ok(WorkBase::default()) };
        let attempts = self.store.attempts(task.key, MAX_ATTEMPTS_READ)?;
        let own = attempts.iter().find(|attempt| attempt.key == lease.attempt);
        let first = self.first_of_work(&task, &attempts)?;
        let last = own.and_then(|own| submitted_before(&attempts, own.number));
        Ok(WorkBase {
            claimed: first.and_then(|first| first.workspace.head.clone()),
            submitted: last.and_then(|last| last.submitted.as_ref()?.workspace.head.clone()),
        })
    }

    /// The attempt with which the work of the newest of these was begun.
    fn first_of_work<'a>(&self, task: &Task, attempts: &'a [Attempt]) -> Result<Option<&'a Attempt>, Refusal> {
        let verdicts = self.store.verdicts(task.key, MAX_ATTEMPTS_READ)?;
        let tried = attempts.iter().map(|attempt| Tried {
            number: attempt.number,
            workspace: &attempt.workspace,
            is_submitted: attempt.ended.is_some_and(|(_, outcome)| outcome == Outcome::Finished),
        });
        let first = began(tried, &sent_back(&verdicts));
        Ok(first.and_then(|first| attempts.iter().find(|attempt| attempt.number == first.number)))
    }

    /// What was submitted last.
    pub fn submitted(&self, task: &Task) -> Result<Option<AttemptView>, Refusal> {
        Ok(self.submission(task)?.map(attempt_view))
    }
}

/// Sorts paths by whose they are.
struct Scopes<'a> {
    own: &'a [Scope],
    others: Vec<Scope>,
}

impl Scopes<'_> {
    fn owner(&self, path: &str) -> Owner {
        owner_of(path, self.own, &self.others)
    }

    /// Those that are not another task's.
    fn not_of_others(&self, paths: Vec<String>) -> Vec<String> {
        let mut paths = paths;
        paths.retain(|path| self.owner(path) != Owner::Other);
        paths.truncate(MAX_CHANGED_PATHS);
        paths
    }
}

impl Turn<'_> {
    /// Records with `attempt` what was submitted at its end, and warns of paths that are not the task's.
    pub(super) fn record_submission(
        &mut self,
        task: &Task,
        mut attempt: Attempt,
        work: SubmittedWork,
        review: Review,
    ) -> Result<(), Refusal> {
        let attempts = self.store.attempts(task.key, MAX_ATTEMPTS_READ)?;
        let first = self.look().first_of_work(task, &attempts)?.cloned();
        let (base, since) = first.map_or_else(
            || (attempt.workspace.head.clone(), attempt.started_at),
            |first| (first.workspace.head, first.started_at),
        );
        let others = self.store.scopes_since(task.key, since, MAX_OTHERS)?;
        let scopes = Scopes { own: &task.owned_paths, others };
        let (own, unattributed) = match work.changed {
            ChangedPaths::Named(paths) => {
                self.warn_of_outside(task, &paths, review);
                (paths, Vec::new())
            }
            ChangedPaths::Found(paths) => {
                let (own, left): (Vec<String>, Vec<String>) =
                    scopes.not_of_others(paths).into_iter().partition(|path| scopes.owner(path) == Owner::Own);
                self.warn_of_unattributed(&left, review);
                if task.owned_paths.is_empty() && !own.is_empty() && self.store.was_worked_on_since(task.key, since)? {
                    let module = &task.module;
                    self.warn(format!(
                        "{module} names no paths: all that was changed since it was begun counts as its own, but for the paths of \
                         tasks that were worked on meanwhile"
                    ));
                }
                (own, left)
            }
        };
        if self.workspace.head.is_none() && attempt.workspace.head.is_some() {
            let place = attempt.workspace.path.as_ref().map(|path| format!(": {path}")).unwrap_or_default();
            self.warn(format!(
                "nothing of git was recorded, because this was not run where the task was claimed{place}"
            ));
        }
        let SubmittedTree { dirty, uncommitted_paths, last_head, changed_since_last } = work.tree;
        let uncommitted_paths = scopes.not_of_others(uncommitted_paths);
        let last = submitted_before(&attempts, attempt.number).and_then(|last| {
            let before = last.submitted.as_ref()?;
            // Paths since another commit say nothing about this one.
            let head = before.workspace.head.clone().filter(|head| Some(head) == last_head.as_ref())?;
            let paths = scopes.not_of_others(changed_since_last);
            Some(SinceLast { attempt: last.number, head, dirty: before.dirty, paths })
        });
        attempt.changed_paths = own;
        attempt.changed_paths.truncate(MAX_CHANGED_PATHS);
        attempt.submitted = Some(Submission {
            base,
            workspace: self.workspace.clone(),
            // What others have not committed is not this work's.
            dirty: dirty.map(|_| !uncommitted_paths.is_empty()),
            uncommitted_paths,
            unattributed_paths: unattributed,
            since_last: last,
        });
        Ok(self.store.update_attempt(&attempt)?)
    }

    fn warn_of_outside(&mut self, task: &Task, paths: &[String], review: Review) {
        if task.owned_paths.is_empty() {
            return;
        }
        let outside = paths.iter().filter(|path| owner_of(path, &task.owned_paths, &[]) != Owner::Own);
        let outside: Vec<&String> = outside.collect();
        if !outside.is_empty() {
            let end = if review == Review::Required { "; the reviewer sees them too" } else { "" };
            self.warn(format!("outside of the task's paths: {}{end}", named(&outside)));
        }
    }

    fn warn_of_unattributed(&mut self, left: &[String], review: Review) {
        if !left.is_empty() {
            let end = if review == Review::Required { ", for the reviewer too" } else { "" };
            let left: Vec<&String> = left.iter().collect();
            self.warn(format!(
                "not in the paths of this task, or of one that was worked on meanwhile: {}; listed apart as unattributed{end}",
                named(&left)
            ));
        }
    }
}

/// The first of some paths, and how many more there are.
fn named(paths: &[&String]) -> String {
    let first: Vec<&str> = paths.iter().take(PATHS_NAMED).map(|path| path.as_str()).collect();
    match paths.len().saturating_sub(PATHS_NAMED) {
        0 => first.join(", "),
        more => format!("{}, and {more} more", first.join(", ")),
    }
}
