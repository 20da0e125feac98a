//! Questions.

use rusqlite::{Row, params};

use super::columns::{count, json, limit, maybe_word, number, to_json, word};
use super::open::SqliteTransaction;
use crate::domain::id::{AgentId, Module};
use crate::domain::question::{Question, QuestionEnd, QuestionId, QuestionStatus};
use crate::domain::task::TaskKey;
use crate::domain::time::Millis;
use crate::store::contract::{Kept, QuestionFilter, Questions};

/// A list of questions from `$from`, which has `?1` for the name after which it begins; then what the index does not know.
macro_rules! list {
    ($from:literal) => {
        concat!(
            "SELECT key, task, module, asked_by, asker, audience, text, options, priority, asked_at, event, ended_at, \
             ended_by, answer FROM questions ",
            $from,
            " AND (?3 IS NULL OR status = ?3) AND (?4 IS NULL OR audience = ?4) AND (?5 IS NULL OR task = ?5) \
             ORDER BY key LIMIT ?2"
        )
    };
}

const ALL: &str = list!("WHERE key > ?1");
const OPEN: &str = list!("INDEXED BY open_questions WHERE status = 'open' AND key > ?1");
const OF_TASK: &str = list!("INDEXED BY questions_by_task WHERE task = ?5 AND task IS NOT NULL AND key > ?1");
const ONE: &str = list!("WHERE key = ?1");

const INSERT: &str = "INSERT INTO questions (task, module, asked_by, asker, audience, text, options, priority, status, \
     asked_at, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'open', ?9, ?10)";

const END: &str = "UPDATE questions SET status = ?2, ended_at = ?3, ended_by = ?4, answer = ?5 \
     WHERE key = ?1 AND status = 'open'";

fn question(row: &Row<'_>) -> rusqlite::Result<Question> {
    let (task, module): (Option<i64>, Option<Module>) = (row.get(1)?, maybe_word(row, 2)?);
    let (ended_at, ended_by): (Option<i64>, Option<String>) = (row.get(11)?, row.get(12)?);
    let answer = row.get(13)?;
    let end = ended_at.map(|at| QuestionEnd { at: Millis(at), by: ended_by.unwrap_or_default(), answer });
    Ok(Question {
        id: QuestionId(row.get(0)?),
        task: task.map(TaskKey).zip(module),
        asked_by: row.get(3)?,
        asker: maybe_word(row, 4)?,
        audience: word(row, 5)?,
        text: row.get(6)?,
        options: json(row, 7)?,
        priority: count(row, 8)?,
        asked_at: Millis(row.get(9)?),
        event: count(row, 10)?,
        end,
    })
}

impl SqliteTransaction<'_> {
    fn list_questions(&self, sql: &'static str, filter: &QuestionFilter, key: i64, most: usize) -> Kept<Vec<Question>> {
        let status = filter.status.map(QuestionStatus::as_str);
        let audience = filter.audience.as_ref().map(ToString::to_string);
        let values = params![key, limit(most), status, audience, filter.task.map(|task| task.0)];
        self.all(sql, values, question)
    }
}

impl Questions for SqliteTransaction<'_> {
    fn question(&self, id: QuestionId) -> Kept<Option<Question>> {
        Ok(self.list_questions(ONE, &QuestionFilter::default(), id.0, 1)?.pop())
    }

    fn insert_question(&mut self, question: &Question) -> Kept<QuestionId> {
        let values = params![
            question.task.as_ref().map(|(task, _)| task.0),
            question.task.as_ref().map(|(_, module)| module.as_str()),
            question.asked_by,
            question.asker.as_ref().map(AgentId::as_str),
            question.audience.to_string(),
            question.text,
            to_json(&question.options),
            question.priority,
            question.asked_at.0,
            number(question.event),
        ];
        self.change_one("a question", INSERT, values)?;
        Ok(QuestionId(self.last_key()))
    }

    fn end_question(&mut self, id: QuestionId, end: &QuestionEnd) -> Kept<()> {
        let status = if end.answer.is_some() { QuestionStatus::Answered } else { QuestionStatus::Withdrawn };
        self.change_one("a question", END, params![id.0, status.as_str(), end.at.0, end.by, end.answer])
    }

    fn questions(&self, filter: &QuestionFilter, after: Option<QuestionId>, most: usize) -> Kept<Vec<Question>> {
        let sql = match filter {
            QuestionFilter { task: Some(_), .. } => OF_TASK,
            QuestionFilter { status: Some(QuestionStatus::Open), .. } => OPEN,
            _ => ALL,
        };
        self.list_questions(sql, filter, after.map_or(0, |after| after.0), most)
    }
}
