//! Tasks.

use super::page::{Page, Render, Shown, more, when};
use crate::board::mutation::Outcome;
use crate::board::views::TaskView;
use crate::domain::profile::Review;
use crate::domain::task::TaskState;
use crate::domain::text;
use crate::ops::lists::{OffersReply, ShowReply, TasksReply};
use crate::ops::tasks::{CancelReply, TaskReply};
use crate::ops::work::FinishReply;

/// A title in a table: the rest is in `show`.
const TITLE_SHOWN: usize = 48;

/// One task, whole.
pub(super) fn task(task: &TaskView, page: &mut Page) {
    page.field("module", &task.module);
    page.field("title", &task.title);
    page.field("state", state(task));
    page.field("priority", task.priority);
    page.maybe("specialty", task.specialty.as_ref());
    page.list("depends_on", &task.depends_on);
    page.list("unmet_dependencies", &task.unmet_dependencies);
    page.list("owned_paths", &task.owned_paths);
    page.list("candidate_depends_on", &task.candidate_depends_on);
    page.list("candidate_owned_paths", &task.candidate_owned_paths);
    if task.review == Review::Required {
        page.field("review", "required");
    }
    page.maybe("reviewer_id", task.reviewer_id.as_ref());
    page.maybe("parent", task.parent.as_ref());
    page.maybe("estimate_minutes", task.estimate_minutes);
    for (name, value) in &task.labels {
        page.field("label", format!("{name}={value}"));
    }
    if task.attempts > 0 {
        page.field("attempts", task.attempts);
    }
    for criterion in &task.acceptance {
        page.field("acceptance", criterion);
    }
    if !task.body.is_empty() {
        page.field("body", format!("\n{}", task.body));
    }
}

/// Where a task stands, in a few words.
pub(super) fn state(task: &TaskView) -> String {
    match (task.state, &task.holder, task.wait_for) {
        (TaskState::Open, ..) if !task.ready => "open, not ready".to_owned(),
        (TaskState::Open, ..) => match &task.reserved_for {
            Some(agent) => format!("open, kept for {agent}"),
            None => "open, ready".to_owned(),
        },
        (TaskState::Active, None, _) => "active, its lease ran out".to_owned(),
        (state, Some(holder), _) => {
            let progress =
                task.progress.as_deref().map(|said| format!(": {}", text::cut(said, 40))).unwrap_or_default();
            format!("{state}, {} until {}{progress}", holder.agent_id, when(holder.expires_at))
        }
        (state, _, Some(what)) => {
            let why = task.wait_reason.as_deref().map(|why| format!(": {}", text::cut(why, 80))).unwrap_or_default();
            format!("{state} for {what}{why}")
        }
        (state, ..) => state.to_string(),
    }
}

/// Tasks as a table that stays short.
pub(super) fn table(tasks: &[TaskView], page: &mut Page, empty: &str, go_on: impl Fn(usize) -> String) -> Shown {
    let rows = tasks.iter().map(|task| {
        vec![
            task.module.to_string(),
            state(task),
            task.priority.to_string(),
            task.specialty.as_ref().map(ToString::to_string).unwrap_or_default(),
            text::cut(&task.title, TITLE_SHOWN),
        ]
    });
    page.listing(&["MODULE", "STATE", "PRIO", "SPECIALTY", "TITLE"], rows.collect(), empty, go_on)
}

impl Render for TaskReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        task(&self.task, page);
    }
}

impl Render for FinishReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        task(&self.task, page);
        if let Some(submission) = &self.submission {
            super::claims::submission(submission, page);
        }
    }
}

impl Render for TasksReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let after = |shown: usize| format!("--after {}", self.tasks[shown - 1].module);
        if table(&self.tasks, page, "no tasks", after) == Shown::All {
            page.maybe("next_page", self.next_after.as_ref().map(|after| format!("--after {after}")));
        }
    }
}

impl Render for OffersReply {
    fn render(&self, outcome: Outcome, page: &mut Page) {
        let empty = match outcome {
            Outcome::Complete => "the board is complete",
            Outcome::Done | Outcome::Nothing => "nothing now",
        };
        table(&self.tasks, page, empty, more(self.tasks.len()));
        super::claims::waiting_on(&self.waiting_on, page);
    }
}

impl Render for ShowReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        task(&self.task, page);
        for question in &self.questions {
            page.line("");
            super::questions::question(question, page);
        }
        if let Some(handoff) = &self.handoff {
            page.line("");
            super::handoffs::handoff(handoff, page);
        }
    }
}

impl Render for CancelReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        table(&self.tasks, page, "nothing was cancelled", more(self.tasks.len()));
        page.list("stranded", &self.stranded);
        for command in &self.commands {
            page.field("frees it", command);
        }
    }
}
