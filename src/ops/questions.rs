//! Questions and answers.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Changer, Waiter};
use super::texts::Text;
use super::values::{Limit, Priority, Target};
use super::{Done, Group, Kind, Operation};
use crate::app::App;
use crate::board::mutation::{Answer as Answered, Refused};
use crate::board::outlook::Outlook;
use crate::board::questions::{Asked, NewQuestion, OPTIONS_MOST, QuestionView, Reply};
use crate::board::turn::Turn;
use crate::board::views::TaskView;
use crate::domain::event::Audience;
use crate::domain::id::Module;
use crate::domain::question::{QuestionId, QuestionStatus};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::text;
use crate::domain::topic::Topic;
use crate::store::contract::QuestionFilter;

/// Questions and answers are read by agents whose context is dear, in bytes.
const SAID_MOST: usize = 16 * 1024;

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}

/// Ask a person or another agent. The task waits, and wakes by itself when the answer has come.
///
/// A held task needs its holder's proof, and its lease ends; the agent that asked is offered the task first.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What.
    #[arg(long, value_name = "TEXT")]
    pub question: Text,
    /// The task that waits for the answer.
    #[arg(long, alias = "task", value_name = "M")]
    #[serde(default)]
    pub module: Option<Module>,
    /// Who is asked: humans, or agent:ID.
    #[arg(long, value_name = "T", default_value = "humans")]
    #[serde(default = "people")]
    pub to: Target,
    /// An answer to choose from; again for more.
    #[arg(long, value_name = "TEXT")]
    #[serde(default)]
    pub option: Vec<Text>,
    /// 0 is most urgent, 4 least.
    #[arg(long, value_name = "0..4", default_value_t)]
    #[serde(default)]
    pub priority: Priority,
}

fn people() -> Target {
    Audience::Humans.into()
}

/// A question, and the task that waits for it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct QuestionReply {
    /// The question.
    pub question: QuestionView,
    /// The task; null for a question about none.
    pub task: Option<TaskView>,
}

impl QuestionReply {
    fn of(turn: &Turn<'_>, asked: Asked) -> Result<Answered<Self>, Refusal> {
        let task = asked.task.map(|task| turn.look().whole_task_view(&task)).transpose()?;
        let question = turn.look().question_view(asked.question);
        Ok(Answered::done(Self { question, task }))
    }
}

impl Operation for Ask {
    const NAME: &'static str = "ask";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard ask --module core-auth --agent-id anns-worker --lease-token TOKEN \
         --question \"sessions in cookies or headers?\" --option cookies --option headers";
    type Call = Changer;
    type Reply = QuestionReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<QuestionReply>, Refused> {
        let said = text::short("the question", self.question.as_str(), SAID_MOST).map_err(unread)?;
        let to = Audience::from(self.to.clone());
        if !matches!(to, Audience::Humans | Audience::Agent(_)) {
            let refusal = Refusal::new(Code::InvalidValue, format!("{to} cannot answer: ask humans or agent:ID"))
                .hint("callboard notify tells a group");
            return Err(unread(refusal));
        }
        if self.option.len() > OPTIONS_MOST {
            let message = format!("{} options are no choice; {OPTIONS_MOST} are allowed", self.option.len());
            return Err(unread(Refusal::new(Code::InvalidValue, message)));
        }
        let mut options: Vec<String> = Vec::new();
        for option in &self.option {
            let option = text::one_line(option.as_str());
            if option.is_empty() || option.chars().count() > text::TITLE_MOST || options.contains(&option) {
                let message = format!("an option is one line of 1 to {} characters, each another", text::TITLE_MOST);
                return Err(unread(Refusal::new(Code::InvalidValue, message).hint("callboard ask --help")));
            }
            options.push(option);
        }
        let module = self.module.clone();
        call.commit(self, app, |turn| {
            let asked = turn.ask(NewQuestion { module, to, text: said, options, priority: self.priority.into() })?;
            QuestionReply::of(turn, asked)
        })
    }
}

/// Answer a question. The first answer counts.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The question, such as q-3.
    #[arg(value_name = "Q")]
    pub question_id: QuestionId,
    /// In words.
    #[arg(long, value_name = "TEXT", conflicts_with = "option")]
    #[serde(default)]
    pub text: Option<Text>,
    /// One of its options, by number from 1.
    #[arg(long, value_name = "N")]
    #[serde(default)]
    pub option: Option<usize>,
}

impl Operation for Answer {
    const NAME: &'static str = "answer";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard answer q-3 --text \"cookies\" --as-human";
    type Call = Changer;
    type Reply = QuestionReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<QuestionReply>, Refused> {
        let reply = match (&self.text, self.option) {
            (Some(said), None) => Reply::Text(text::short("the answer", said.as_str(), SAID_MOST).map_err(unread)?),
            (None, Some(number)) => Reply::Option(number),
            _ => {
                let refusal = Refusal::new(Code::Usage, "answer with --text TEXT or with --option N")
                    .hint("callboard answer --help");
                return Err(unread(refusal));
            }
        };
        call.commit(self, app, |turn| {
            let asked = turn.answer(self.question_id, &reply)?;
            QuestionReply::of(turn, asked)
        })
    }
}

/// Take a question back. Its task wakes.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawQuestion {
    /// The question, such as q-3.
    #[arg(value_name = "Q")]
    pub question_id: QuestionId,
}

impl Operation for WithdrawQuestion {
    const NAME: &'static str = "withdraw-question";
    const KIND: Kind = Kind::Mutation;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard withdraw-question q-3 --agent-id anns-worker";
    type Call = Changer;
    type Reply = QuestionReply;

    fn run(&self, call: &Changer, app: &App) -> Result<Done<QuestionReply>, Refused> {
        call.commit(self, app, |turn| {
            let asked = turn.withdraw_question(self.question_id)?;
            QuestionReply::of(turn, asked)
        })
    }
}

/// List questions, oldest first: the open ones unless told otherwise.
#[derive(Debug, Args, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    /// open, answered or withdrawn.
    #[arg(long, value_name = "STATUS", default_value = "open")]
    #[serde(default = "open")]
    pub status: QuestionStatus,
    /// For these: humans, or agent:ID.
    #[arg(long, value_name = "T")]
    #[serde(default)]
    pub target: Option<Target>,
    /// Of this task.
    #[arg(long, alias = "task", value_name = "M")]
    #[serde(default)]
    pub module: Option<Module>,
    /// How many to list.
    #[arg(long, value_name = "N", default_value_t)]
    #[serde(default)]
    pub limit: Limit,
    /// Go on after this one.
    #[arg(long, value_name = "Q")]
    #[serde(default)]
    pub after: Option<QuestionId>,
}

fn open() -> QuestionStatus {
    QuestionStatus::Open
}

/// Questions.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct QuestionsReply {
    /// The questions.
    pub questions: Vec<QuestionView>,
    /// Where the next page begins, or null.
    pub next_after: Option<QuestionId>,
}

impl Questions {
    fn list(
        &self,
        look: &crate::board::look::Look<'_>,
        limit: usize,
    ) -> Result<(Vec<QuestionView>, Option<QuestionId>), Refusal> {
        let task = self.module.as_ref().map(|module| look.task(module)).transpose()?.map(|task| task.key);
        let audience = self.target.clone().map(Into::into);
        look.questions(&QuestionFilter { status: Some(self.status), audience, task }, self.after, limit)
    }
}

impl Operation for Questions {
    const NAME: &'static str = "questions";
    const KIND: Kind = Kind::Read;
    const GROUP: Group = Group::Signals;
    const EXAMPLE: &'static str = "callboard questions --target humans --watch-seconds 60";
    type Call = Waiter;
    type Reply = QuestionsReply;

    fn run(&self, call: &Waiter, app: &App) -> Result<Done<QuestionsReply>, Refused> {
        call.caller.look(app, |look| {
            let (questions, next_after) = self.list(look, self.limit.get())?;
            let outcome = call.outcome_of(&questions);
            Ok(Answered { outcome, reply: QuestionsReply { questions, next_after } })
        })
    }

    fn outlook(&self, call: &Waiter, app: &App) -> Result<Outlook, Refused> {
        call.caller.outlook(app, |look| {
            let found = !self.list(look, 1)?.0.is_empty();
            look.outlook(found, vec![Topic::Questions])
        })
    }
}
