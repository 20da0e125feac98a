//! Questions and answers.

use super::page::{Page, Render, Shown};
use crate::board::mutation::Outcome;
use crate::board::questions::QuestionView;
use crate::domain::text;
use crate::ops::questions::{QuestionReply, QuestionsReply};

/// A question in a table; `--json` has it whole.
const SHOWN: usize = 60;

/// What is asked, to choose from, and answered.
fn said(question: &QuestionView) -> String {
    let options = question.options.iter().enumerate().map(|(at, option)| format!("{} {option}", at + 1));
    let options = options.collect::<Vec<_>>().join(", ");
    let options = if options.is_empty() { options } else { format!(" ({})", text::cut(&options, SHOWN)) };
    let answer = question.answer.as_deref().map(|answer| format!(" -> {}", text::cut(answer, SHOWN)));
    format!("{}{options}{}", text::cut(&question.question, SHOWN), answer.unwrap_or_default())
}

/// One question, whole.
pub(super) fn question(question: &QuestionView, page: &mut Page) {
    page.field("question_id", question.question_id);
    page.field("status", question.status);
    page.maybe("module", question.module.as_ref());
    page.field("asked_by", &question.asked_by);
    page.field("for", &question.target);
    page.field("question", &question.question);
    for (at, option) in question.options.iter().enumerate() {
        page.field(&format!("option {}", at + 1), option);
    }
    page.maybe("answer", question.answer.as_ref());
    page.maybe("ended_by", question.ended_by.as_ref());
    page.maybe("answer_command", question.answer_command.as_ref());
}

impl Render for QuestionReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        question(&self.question, page);
        page.maybe("task", self.task.as_ref().map(super::tasks::state));
    }
}

impl Render for QuestionsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        if let ([one], None) = (&self.questions[..], self.next_after) {
            return question(one, page);
        }
        let rows = self.questions.iter().map(|question| {
            vec![
                question.question_id.to_string(),
                question.module.as_ref().map(ToString::to_string).unwrap_or_default(),
                question.asked_by.clone(),
                question.target.clone(),
                said(question),
            ]
        });
        let headings = ["QUESTION", "MODULE", "BY", "FOR", "WHAT"];
        let after = |shown: usize| format!("--after {}", self.questions[shown - 1].question_id);
        if page.listing(&headings, rows.collect(), "no questions", after) == Shown::All {
            page.maybe("next_page", self.next_after.map(|after| format!("--after {after}")));
        }
    }
}
