//! What the board answers: tasks, leases and claims as every door shows them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::Look;
use super::questions::QuestionView;
use super::unread::{LostLease, UnreadMessages};
use crate::domain::attempt::{Attempt, Outcome};
use crate::domain::id::{AgentId, BranchName, CommitId, LeaseToken, Module, SessionId, Specialty, WindowId};
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::profile::Review;
use crate::domain::refusal::{Holder, Refusal};
use crate::domain::scope::Scope;
use crate::domain::session::Session;
use crate::domain::submission::{SinceLast, Submission};
use crate::domain::task::{Returned, Task, TaskState, WaitFor};
use crate::domain::text;
use crate::domain::time::Millis;
use crate::domain::verdict::Verdict;
use crate::domain::workspace::Workspace;
use crate::store::contract::Neighbour;

/// The newest verdicts are the ones to act on.
const VERDICTS_SHOWN: usize = 5;
/// A summary of a dependency is cut here; `show` has it whole.
const SUMMARY_SHOWN: usize = 600;
/// A list names so many dependencies of a task and so much of a reason; `show` has them whole.
const DEPENDENCIES_LISTED: usize = 100;
/// In characters.
const REASON_LISTED: usize = 300;
/// So many earlier attempts are told to whoever goes on, newest first.
const ATTEMPTS_TOLD: usize = 4;
/// More dependencies than this are counted, not told.
const DEPENDENCIES_TOLD: usize = 20;

/// A task. Lists leave `body` and `acceptance` out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TaskView {
    /// Its name.
    pub module: Module,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub state: TaskState,
    /// What it waits for, while waiting.
    pub wait_for: Option<WaitFor>,
    /// Why, in the words of whoever paused it.
    pub wait_reason: Option<String>,
    /// Since when it waits.
    pub wait_since: Option<Millis>,
    /// 0 is most urgent, 4 least.
    pub priority: u8,
    /// The field of work.
    pub specialty: Option<Specialty>,
    /// True when it is open and every dependency is done.
    pub ready: bool,
    /// What it depends on.
    pub depends_on: Vec<Module>,
    /// Those of them that are not done.
    pub unmet_dependencies: Vec<Module>,
    /// What it will change.
    pub owned_paths: Vec<Scope>,
    /// Proposals that nobody confirmed: what may have to come first.
    pub candidate_depends_on: Vec<Module>,
    /// Proposals that nobody confirmed: what it may change, such as paths that its title and body name.
    pub candidate_owned_paths: Vec<Scope>,
    /// Whether somebody else must look at it.
    pub review: Review,
    /// Who that is.
    pub reviewer_id: Option<AgentId>,
    /// Who holds it.
    pub holder: Option<Holder>,
    /// True while its holder has handed it over and nobody has taken it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
    /// How far the work is, in its holder's words; on pages and in summaries, of what is being worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Who worked on it last.
    #[serde(default)]
    pub last_agent_id: Option<AgentId>,
    /// For whom it is kept after it came back.
    pub reserved_for: Option<AgentId>,
    /// Until when.
    pub reserved_until: Option<Millis>,
    /// Why it came back.
    pub returned: Option<Returned>,
    /// How many attempts ended by being handed in, given up, given back or lost. Waiting for an answer is none.
    pub attempts: u32,
    /// Counts the changes of this task.
    pub task_revision: u64,
    /// Free key and value pairs.
    pub labels: BTreeMap<String, String>,
    /// A guess at its length.
    pub estimate_minutes: Option<u32>,
    /// The task that it is a part of.
    pub parent: Option<Module>,
    /// When it was made.
    pub created_at: Millis,
    /// When its state last changed.
    pub changed_at: Millis,
    /// What to do, where it was asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// When it is finished, where it was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance: Vec<String>,
}

/// A lease. The token is shown to its holder only.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaseView {
    /// The task.
    pub module: Module,
    /// What it allows.
    pub kind: LeaseKind,
    /// Its proof; null in lists.
    pub token: Option<LeaseToken>,
    /// The epoch of the task when it was granted.
    pub epoch: u64,
    /// Who holds it.
    pub agent_id: AgentId,
    /// The host of its window: what people call it, else its id.
    pub host: Option<String>,
    /// Its window on that host.
    pub window: Option<WindowId>,
    /// Its session, for that session itself, people and operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// When it runs out.
    pub expires_at: Millis,
    /// In how many seconds, counted before the answer left.
    pub expires_in_seconds: u64,
    /// Its length.
    pub ttl_seconds: u32,
    /// True when it has run out and nobody claimed since: its holder can still have it back.
    pub lapsed: bool,
}

/// What was done in a task that this one depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DependencyView {
    /// The task.
    pub module: Module,
    /// Where it stands.
    pub state: TaskState,
    /// What its last attempt said at the end.
    pub summary: Option<String>,
}

/// An attempt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AttemptView {
    /// 1 for the first try.
    pub attempt: u32,
    /// Who tried.
    pub agent_id: AgentId,
    /// In which session, for that session itself, people and operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// When it started.
    pub started_at: Millis,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// What was said at the end, or of the progress.
    pub summary: Option<String>,
    /// What was changed.
    pub changed_paths: Vec<String>,
    /// What is changed and not in the paths of this task, or of one that was worked on meanwhile: whose it is, nobody said.
    #[serde(default)]
    pub unattributed_paths: Vec<String>,
    /// Where the work lies: where it was submitted, else where it was claimed.
    pub workspace: Workspace,
    /// What git said when it was submitted; null for attempts that were not.
    #[serde(default)]
    pub submitted: Option<SubmittedView>,
}

/// What git said when work was submitted. Branch and commit are those of `workspace`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SubmittedView {
    /// The commit that the work started from: the one that was checked out when the claim was granted.
    pub base: Option<CommitId>,
    /// The branch that was submitted.
    pub branch: Option<BranchName>,
    /// The commit that was submitted.
    pub head: Option<CommitId>,
    /// True when part of the work was not committed; null where git could not say.
    pub dirty: Option<bool>,
    /// That part.
    pub uncommitted_paths: Vec<String>,
    /// For a rework: what changed since the submission before.
    pub since_last: Option<SinceLast>,
}

/// Everything that is needed to start: the task, the lease, what came before, and the commands that end it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClaimView {
    /// Leases that the agent lost and was not told of yet; told once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostLease>,
    /// The task; null when there is none.
    pub task: Option<TaskView>,
    /// The lease, with its token.
    pub lease: Option<LeaseView>,
    /// True when the session held it already.
    pub resumed: bool,
    /// The bundle that was left for whoever takes over.
    pub handoff: Option<String>,
    /// The command that says that the bundle was read, where that is due.
    pub acknowledge_command: Option<String>,
    /// What was done in the tasks that this one depends on.
    pub dependencies: Vec<DependencyView>,
    /// What reviewers said, newest first.
    pub verdicts: Vec<Verdict>,
    /// Answers to questions about it.
    pub answers: Vec<QuestionView>,
    /// Where the work of the attempt before lies.
    pub workspace: Option<Workspace>,
    /// What others, or the agent itself, tried before, newest first: how it ended, and what was said.
    pub earlier: Vec<AttemptView>,
    /// What is to be reviewed.
    pub submission: Option<AttemptView>,
    /// The command that hands it in.
    pub finish_command: Option<String>,
    /// The command that accepts it.
    pub approve_command: Option<String>,
    /// The command that sends it back.
    pub request_changes_command: Option<String>,
    /// What would have to happen, when there is nothing.
    pub waiting_on: Vec<WaitingOn>,
    /// Urgent messages that came meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<UnreadMessages>,
}

/// Something that would have to happen first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitingOn {
    /// What kind of thing: `question`, `held`, `review`, `waiting`, `draft`, `dependency_failed`, `handoff`, `overlap`,
    /// `reserved`, `ready`, `no_task`.
    pub kind: String,
    /// The task.
    pub module: Option<Module>,
    /// Who has it, or would have to do something.
    pub by: Option<String>,
    /// What is asked, or why it waits.
    #[serde(default)]
    pub what: Option<String>,
    /// Until when at the latest.
    pub until: Option<Millis>,
    /// The command that helps.
    pub command: Option<String>,
}

impl Look<'_> {
    /// A task for a list: without its long texts.
    pub fn task_view(&self, task: &Task) -> Result<TaskView, Refusal> {
        self.listed_view(task, self.holder(task)?)
    }

    /// The same where it is known who holds it.
    pub(super) fn listed_view(&self, task: &Task, holder: Option<Holder>) -> Result<TaskView, Refusal> {
        let mut view = self.task_view_with(task, holder)?;
        view.depends_on.truncate(DEPENDENCIES_LISTED);
        view.unmet_dependencies.truncate(DEPENDENCIES_LISTED);
        view.wait_reason = view.wait_reason.map(|reason| text::cut(&reason, REASON_LISTED));
        Ok(view)
    }

    fn tries(&self, task: &Task) -> Result<u32, Refusal> {
        let is_first = task.attempts == 1 && task.state == TaskState::Active;
        if task.attempts == 0 || is_first { Ok(0) } else { Ok(self.store.tries(task.key)?) }
    }

    fn task_view_with(&self, task: &Task, holder: Option<Holder>) -> Result<TaskView, Refusal> {
        let needed = self.store.dependencies(task.key)?;
        let module = |neighbour: &Neighbour| neighbour.module.clone();
        let waiting = task.waiting.as_ref();
        let kept = task.reserved(self.dial.lease);
        Ok(TaskView {
            module: task.module.clone(),
            title: task.title.clone(),
            state: task.state,
            wait_for: waiting.map(|waiting| waiting.what),
            wait_reason: waiting.map(|waiting| waiting.reason.clone()),
            wait_since: waiting.map(|waiting| waiting.since),
            priority: task.priority,
            specialty: task.specialty.clone(),
            ready: task.is_ready(),
            depends_on: needed.iter().map(module).collect(),
            unmet_dependencies: needed.iter().filter(|needed| needed.state != TaskState::Done).map(module).collect(),
            owned_paths: task.owned_paths.clone(),
            candidate_depends_on: task.candidates.depends_on.clone(),
            candidate_owned_paths: task.candidates.owned_paths.clone(),
            review: self.board.profile.review(task.review),
            reviewer_id: task.reviewer.clone(),
            handed_over: holder.is_some() && task.state == TaskState::Active && task.offered,
            holder,
            progress: None,
            last_agent_id: task.last_agent.clone(),
            reserved_for: kept.map(|kept| kept.agent.clone()),
            reserved_until: kept.map(|kept| self.dial.shown(kept.until)),
            returned: kept.map(|kept| kept.why),
            attempts: self.tries(task)?,
            task_revision: task.revision,
            labels: task.labels.clone(),
            estimate_minutes: task.estimate_minutes,
            parent: task.parent.clone(),
            created_at: task.created_at,
            changed_at: task.changed_at,
            body: String::new(),
            acceptance: Vec::new(),
        })
    }

    /// A task whole.
    pub fn whole_task_view(&self, task: &Task) -> Result<TaskView, Refusal> {
        self.whole_task_view_with(task, self.holder(task)?)
    }

    fn whole_task_view_with(&self, task: &Task, holder: Option<Holder>) -> Result<TaskView, Refusal> {
        let texts = self.store.texts(task.key)?;
        Ok(TaskView { body: texts.body, acceptance: texts.acceptance, ..self.task_view_with(task, holder)? })
    }

    /// Who holds a task now, to work on it or to review it.
    pub fn holder(&self, task: &Task) -> Result<Option<Holder>, Refusal> {
        let kind = match task.state {
            TaskState::Active => LeaseKind::Work,
            TaskState::Review => LeaseKind::Review,
            _ => return Ok(None),
        };
        let lease = self.store.lease(task.key, kind)?;
        lease.filter(|lease| lease.is_live(self.dial.lease)).map(|lease| self.holder_of(&lease)).transpose()
    }

    /// A lease as others see it.
    pub fn lease_view(&self, lease: &Lease) -> Result<LeaseView, Refusal> {
        Ok(self.lease_view_in(lease, self.store.session(&lease.session)?.as_ref()))
    }

    /// The same with the session that holds it.
    pub(super) fn lease_view_in(&self, lease: &Lease, session: Option<&Session>) -> LeaseView {
        let deadline = lease.effective_deadline(self.dial.lease);
        let Holder { agent_id, host, window, session_id, expires_at } = lease.holder(self.dial, session);
        LeaseView {
            module: lease.module.clone(),
            kind: lease.kind,
            token: None,
            epoch: lease.epoch,
            agent_id,
            host,
            window,
            session_id,
            expires_at,
            expires_in_seconds: self.dial.seconds_until(deadline),
            ttl_seconds: lease.ttl.seconds(),
            lapsed: !lease.is_live(self.dial.lease),
        }
    }

    /// A lease as its holder sees it.
    pub fn own_lease_view(&self, lease: &Lease) -> Result<LeaseView, Refusal> {
        Ok(LeaseView { token: Some(lease.token.clone()), ..self.lease_view(lease)? })
    }

    /// What a worker needs to start.
    pub(super) fn claim_view(&self, lease: &Lease, resumed: bool) -> Result<ClaimView, Refusal> {
        let task = self.task(&lease.module)?;
        let is_first = task.attempts == 1;
        let attempts = if is_first { Vec::new() } else { self.store.attempts(task.key, ATTEMPTS_TOLD)? };
        let mut earlier: Vec<AttemptView> =
            attempts.into_iter().filter(|attempt| attempt.key != lease.attempt).map(attempt_view).collect();
        for attempt in &mut earlier {
            attempt.summary = attempt.summary.take().map(|summary| text::cut(&summary, SUMMARY_SHOWN));
            attempt.changed_paths.truncate(DEPENDENCIES_LISTED);
            attempt.unattributed_paths.truncate(DEPENDENCIES_LISTED);
        }
        let view = self.whole_task_view_with(&task, Some(self.holder_of(lease)?))?;
        Ok(ClaimView {
            dependencies: self.dependency_views(&view)?,
            task: Some(view),
            lease: Some(self.own_lease_view(lease)?),
            resumed,
            verdicts: if is_first { Vec::new() } else { self.store.verdicts(task.key, VERDICTS_SHOWN)? },
            answers: self.answers(task.key)?,
            handoff: self.live_bundle(&task)?,
            acknowledge_command: self.receipt_command(lease)?,
            workspace: earlier.first().map(|attempt| attempt.workspace.clone()),
            earlier,
            finish_command: Some(finish_command(lease)),
            messages: self.messages_for_actor()?,
            ..ClaimView::default()
        })
    }

    /// What a reviewer needs to start.
    pub(super) fn review_view(&self, lease: &Lease, resumed: bool) -> Result<ClaimView, Refusal> {
        let task = self.task(&lease.module)?;
        let submission = self.store.attempt(lease.attempt)?;
        Ok(ClaimView {
            task: Some(self.whole_task_view(&task)?),
            lease: Some(self.own_lease_view(lease)?),
            resumed,
            verdicts: self.store.verdicts(task.key, VERDICTS_SHOWN)?,
            answers: self.answers(task.key)?,
            handoff: self.live_bundle(&task)?,
            workspace: submission.as_ref().map(Attempt::place),
            submission: submission.map(attempt_view),
            approve_command: Some(closing_command("approve", lease)),
            request_changes_command: Some(closing_command("request-changes", lease)),
            messages: self.messages_for_actor()?,
            ..ClaimView::default()
        })
    }

    pub(super) fn dependency_views(&self, task: &TaskView) -> Result<Vec<DependencyView>, Refusal> {
        let view = |module: &Module| {
            let needed = self.task(module)?;
            let last = self.store.attempts(needed.key, 1)?.pop();
            let summary = last.and_then(|attempt| attempt.summary).map(|summary| text::cut(&summary, SUMMARY_SHOWN));
            Ok(DependencyView { module: needed.module, state: needed.state, summary })
        };
        task.depends_on.iter().take(DEPENDENCIES_TOLD).map(view).collect()
    }
}

/// An attempt as every door shows it.
pub fn attempt_view(attempt: Attempt) -> AttemptView {
    let workspace = attempt.place();
    let unattributed_paths = attempt.submitted.as_ref().map(|one| one.unattributed_paths.clone()).unwrap_or_default();
    AttemptView {
        attempt: attempt.number,
        agent_id: attempt.agent,
        session_id: Some(attempt.session),
        started_at: attempt.started_at,
        ended_at: attempt.ended.map(|(at, _)| at),
        outcome: attempt.ended.map(|(_, outcome)| outcome),
        summary: attempt.summary,
        changed_paths: attempt.changed_paths,
        unattributed_paths,
        workspace,
        submitted: attempt.submitted.map(submitted_view),
    }
}

fn submitted_view(submitted: Submission) -> SubmittedView {
    let Submission { base, workspace, dirty, uncommitted_paths, since_last, .. } = submitted;
    SubmittedView { base, branch: workspace.branch, head: workspace.head, dirty, uncommitted_paths, since_last }
}

/// The command that hands in what `lease` allows to work on.
pub fn finish_command(lease: &Lease) -> String {
    let (module, agent, token) = (&lease.module, &lease.agent, &lease.token);
    format!("callboard finish {module} --agent-id {agent} --lease-token {token} --summary TEXT")
}

/// The command that closes a review.
pub fn closing_command(verdict: &str, lease: &Lease) -> String {
    let (module, agent, token) = (&lease.module, &lease.agent, &lease.token);
    format!("callboard {verdict} {module} --agent-id {agent} --lease-token {token} --notes TEXT")
}
