//! Bundles: everything that a window needs which takes a task over.
//!
//! **Invariants.** A bundle is kept as data and never changes; its page is made from it, and can be made again. It is
//! bounded: long texts are cut, long lists too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::Look;
use super::questions::QuestionView;
use super::views::{AttemptView, DependencyView, attempt_view};
use crate::domain::event::Audience;
use crate::domain::handoff::HandoffKind;
use crate::domain::id::{Module, Specialty};
use crate::domain::refusal::Refusal;
use crate::domain::scope::Scope;
use crate::domain::task::{Task, TaskState};
use crate::domain::text;
use crate::domain::time::Millis;
use crate::domain::verdict::Verdict;
use crate::domain::workspace::{WorkingTree, Workspace};

/// A long text in a bundle, in characters; `show` has it whole.
const TEXT_SHOWN: usize = 4_000;
/// A list in a bundle,
const LIST_SHOWN: usize = 30;
/// and one of its lines, in characters.
const LINE_SHOWN: usize = 300;
/// The attempts of a bundle, newest first.
const ATTEMPTS_SHOWN: usize = 5;
/// A summary of an attempt, a dependency or a verdict, in characters.
const SUMMARY_SHOWN: usize = 600;

/// What is handed over with a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bundle {
    /// The task.
    pub module: Module,
    /// One line.
    pub title: String,
    /// What the handoff is for.
    pub kind: HandoffKind,
    /// Whom it is for.
    pub audience: String,
    /// Who left it: an agent id, or `human:USER`.
    pub left_by: String,
    /// True when the holder of the work left it.
    pub agreed: bool,
    /// When.
    pub left_at: Millis,
    /// Where the task stood.
    pub state: TaskState,
    /// 0 is most urgent.
    pub priority: u8,
    /// The field of work.
    pub specialty: Option<Specialty>,
    /// What to do.
    pub goal: String,
    /// When it is finished.
    pub acceptance: Vec<String>,
    /// What it may change.
    pub owned_paths: Vec<Scope>,
    /// What was done in the tasks that it depends on.
    pub dependencies: Vec<DependencyView>,
    /// Who tried, newest first.
    pub attempts: Vec<TriedView>,
    /// What reviewers said, newest first.
    pub verdicts: Vec<Verdict>,
    /// Answers to questions about it.
    pub answers: Vec<AnsweredView>,
    /// Questions that are still open.
    pub open_questions: Vec<String>,
    /// Where the work lies.
    pub workspace: Workspace,
    /// What git says of the working tree.
    pub tree: WorkingTree,
    /// What was changed, as far as anybody said.
    pub changed_paths: Vec<String>,
    /// What whoever left it says.
    pub notes: String,
    /// What to do next.
    pub next_step: String,
    /// The command that takes it.
    pub claim_command: String,
}

/// An attempt, as far as whoever goes on needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TriedView {
    /// 1 for the first try.
    pub attempt: u32,
    /// Who tried.
    pub agent_id: String,
    /// When it started.
    pub started_at: Millis,
    /// How it ended; null while it goes on.
    pub outcome: Option<String>,
    /// What was said at the end, or of the progress.
    pub summary: String,
}

/// A question that was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnsweredView {
    /// What was asked.
    pub question: String,
    /// What was answered.
    pub answer: String,
    /// By whom.
    pub by: String,
}

/// What a bundle is made with besides what the board knows.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// What the handoff is for.
    pub kind: HandoffKind,
    /// Whom it is for.
    pub audience: Audience,
    /// Who leaves it.
    pub left_by: String,
    /// True when the holder of the work leaves it.
    pub agreed: bool,
    /// What whoever leaves it says.
    pub notes: String,
    /// Where that works; none where it is not known to be the place of the work.
    pub workspace: Option<Workspace>,
    /// What git says there.
    pub tree: WorkingTree,
}

impl Look<'_> {
    /// The bundle of a task as it is now.
    pub(super) fn make_bundle(&self, task: &Task, parcel: Parcel, at: Millis) -> Result<Bundle, Refusal> {
        let view = self.whole_task_view(task)?;
        let attempts: Vec<AttemptView> =
            self.store.attempts(task.key, ATTEMPTS_SHOWN)?.into_iter().map(attempt_view).collect();
        let newest = attempts.first();
        let mut dependencies = self.dependency_views(&view)?;
        for dependency in &mut dependencies {
            dependency.summary = dependency.summary.take().map(|summary| text::cut(&summary, SUMMARY_SHOWN));
        }
        let mut verdicts = self.store.verdicts(task.key, ATTEMPTS_SHOWN)?;
        for verdict in &mut verdicts {
            verdict.notes = text::cut(&verdict.notes, SUMMARY_SHOWN);
        }
        let changed = attempts.iter().find(|attempt| !attempt.changed_paths.is_empty());
        let (next_step, claim_command) = next_step(task, parcel.kind, &parcel.audience.to_string(), newest);
        Ok(Bundle {
            module: task.module.clone(),
            title: task.title.clone(),
            kind: parcel.kind,
            audience: parcel.audience.to_string(),
            left_by: parcel.left_by,
            agreed: parcel.agreed,
            left_at: at,
            state: task.state,
            priority: task.priority,
            specialty: task.specialty.clone(),
            goal: text::cut(&view.body, TEXT_SHOWN),
            acceptance: cut_list(view.acceptance.into_iter()),
            owned_paths: view.owned_paths.into_iter().take(LIST_SHOWN).collect(),
            dependencies,
            workspace: parcel.workspace.or_else(|| newest.map(|attempt| attempt.workspace.clone())).unwrap_or_default(),
            changed_paths: changed.map(|attempt| cut_list(attempt.changed_paths.iter().cloned())).unwrap_or_default(),
            attempts: attempts.iter().map(tried).collect(),
            verdicts,
            answers: self.answers(task.key)?.into_iter().map(answered).collect(),
            open_questions: cut_list(
                self.open_questions(task.key)?.into_iter().map(|question| said(&self.question_view(question))),
            ),
            tree: WorkingTree {
                dirty: cut_list(parcel.tree.dirty.iter().cloned()),
                diff_stat: cut_list(parcel.tree.diff_stat.iter().cloned()),
                cut: parcel.tree.cut
                    || parcel.tree.dirty.len() > LIST_SHOWN
                    || parcel.tree.diff_stat.len() > LIST_SHOWN,
            },
            notes: text::cut(&parcel.notes, TEXT_SHOWN),
            next_step,
            claim_command,
        })
    }
}

fn cut_list(list: impl Iterator<Item = String>) -> Vec<String> {
    list.take(LIST_SHOWN).map(|line| text::cut(&line, LINE_SHOWN)).collect()
}

fn tried(attempt: &AttemptView) -> TriedView {
    TriedView {
        attempt: attempt.attempt,
        agent_id: attempt.agent_id.to_string(),
        started_at: attempt.started_at,
        outcome: attempt.outcome.map(|outcome| outcome.to_string()),
        summary: text::cut(attempt.summary.as_deref().unwrap_or_default(), SUMMARY_SHOWN),
    }
}

fn answered(question: QuestionView) -> AnsweredView {
    AnsweredView {
        question: text::cut(&question.question, SUMMARY_SHOWN),
        answer: text::cut(question.answer.as_deref().unwrap_or_default(), SUMMARY_SHOWN),
        by: question.ended_by.unwrap_or_default(),
    }
}

fn said(question: &QuestionView) -> String {
    format!("{} to {}: {}", question.question_id, question.target, text::cut(&question.question, SUMMARY_SHOWN))
}

/// What whoever takes it does next, and the command that takes it.
fn next_step(task: &Task, kind: HandoffKind, audience: &str, newest: Option<&AttemptView>) -> (String, String) {
    let module = &task.module;
    let whose = audience.strip_prefix("agent:").unwrap_or("ID");
    let claim = format!("callboard claim-handoff {module} --agent-id {whose}");
    let step = match (kind, task.state) {
        (HandoffKind::Review, _) => "Read what was handed in, then approve it or request changes.".to_owned(),
        (_, TaskState::Waiting) => "It waits; it can be taken once that has ended.".to_owned(),
        (_, state) if state.is_final() => format!("Nothing: it is {state}."),
        _ => match newest.and_then(|attempt| attempt.workspace.path.as_ref()) {
            Some(_) => "Take it, look at what lies in the workspace below, and go on from there.".to_owned(),
            None => "Take it and begin.".to_owned(),
        },
    };
    (step, claim)
}
