//! Questions: what a person or another agent must answer before a task goes on.
//!
//! **Invariants.** A question ends once: answered or withdrawn. The first answer counts.

use std::fmt;
use std::str::FromStr;

use super::event::Audience;
use super::id::{AgentId, Module};
use super::task::TaskKey;
use super::time::Millis;
use super::word::words;

words! {
    /// Where a question stands.
    QuestionStatus, "question status" {
        /// It waits for its answer.
        Open = "open",
        /// It has one.
        Answered = "answered",
        /// Nobody wants an answer any more.
        Withdrawn = "withdrawn",
    }
}

/// The name of a question: `q-N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QuestionId(pub i64);

/// Why a text is not the name of a question.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a question; questions are named q-1, q-2 and so on")]
pub struct InvalidQuestionId(Box<str>);

impl FromStr for QuestionId {
    type Err = InvalidQuestionId;

    fn from_str(text: &str) -> Result<Self, InvalidQuestionId> {
        let number = text.strip_prefix("q-").unwrap_or(text).parse().ok().filter(|number| *number > 0);
        number.map(Self).ok_or_else(|| InvalidQuestionId(text.into()))
    }
}

impl TryFrom<String> for QuestionId {
    type Error = InvalidQuestionId;

    fn try_from(text: String) -> Result<Self, InvalidQuestionId> {
        text.parse()
    }
}

impl From<QuestionId> for String {
    fn from(id: QuestionId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "q-{}", self.0)
    }
}

impl schemars::JsonSchema for QuestionId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "QuestionId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^q-[1-9][0-9]*$"})
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its name, which grows.
    pub id: QuestionId,
    /// The task that waits for it, and its name.
    pub task: Option<(TaskKey, Module)>,
    /// Who asked: an agent id, or `human:USER`.
    pub asked_by: String,
    /// The agent that asked.
    pub asker: Option<AgentId>,
    /// Who is asked.
    pub audience: Audience,
    /// What.
    pub text: String,
    /// Answers to choose from, if any.
    pub options: Vec<String>,
    /// 0 is most urgent, 4 least.
    pub priority: u8,
    /// When it was asked.
    pub asked_at: Millis,
    /// The event that told of it.
    pub event: u64,
    /// How it ended.
    pub end: Option<QuestionEnd>,
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionEnd {
    /// When.
    pub at: Millis,
    /// Who ended it.
    pub by: String,
    /// The answer; none for one that was withdrawn.
    pub answer: Option<String>,
}

impl Question {
    /// Where it stands.
    pub fn status(&self) -> QuestionStatus {
        match &self.end {
            None => QuestionStatus::Open,
            Some(QuestionEnd { answer: Some(_), .. }) => QuestionStatus::Answered,
            Some(_) => QuestionStatus::Withdrawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_named_by_its_number() {
        assert_eq!("q-12".parse(), Ok(QuestionId(12)));
        assert_eq!("12".parse(), Ok(QuestionId(12)));
        assert_eq!(QuestionId(12).to_string(), "q-12");
        for text in ["", "q-", "q-0", "-3", "x"] {
            assert!(text.parse::<QuestionId>().is_err(), "{text}");
        }
    }
}
