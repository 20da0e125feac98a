//! Questions: a task waits for its answer and wakes by itself.
//!
//! **Invariants.** A task waits for an answer as long as one of its questions is open. The first answer counts; a second one
//! is told of it. The agent that asked is offered the task first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::look::Look;
use super::turn::{Touched, Turn};
use crate::domain::actor::Actor;
use crate::domain::attempt::Outcome;
use crate::domain::event::{Audience, EventKind};
use crate::domain::id::{AgentId, Module};
use crate::domain::notice::Resolution;
use crate::domain::question::{Question, QuestionEnd, QuestionId, QuestionStatus};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Returned, Step, Task, TaskKey, TaskState, WaitFor, Waiting};
use crate::domain::text;
use crate::domain::time::Millis;
use crate::domain::topic::Topic;
use crate::store::contract::QuestionFilter;

/// More options than this are no choice.
pub const OPTIONS_MOST: usize = 20;
/// A question is cut to so many characters where it is only mentioned.
const MENTIONED: usize = 300;
/// The open questions of one task are few; this only bounds the reading.
const OPEN_MOST: usize = 100;
/// So many answers are told to whoever goes on with a task, newest last.
const ANSWERS_TOLD: usize = 10;
/// Among so many questions of a task they are looked for.
const QUESTIONS_READ: usize = 200;

/// What to ask.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    /// The task that waits for the answer.
    pub module: Option<Module>,
    /// Who is asked: people, or one agent.
    pub to: Audience,
    /// What, already checked.
    pub text: String,
    /// Answers to choose from.
    pub options: Vec<String>,
    /// 0 is most urgent.
    pub priority: u8,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// In words.
    Text(String),
    /// One of the options, from 1.
    Option(usize),
}

/// A question as every door shows it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct QuestionView {
    /// Its name.
    pub question_id: QuestionId,
    /// The task that waits for it.
    pub module: Option<Module>,
    /// Where it stands.
    pub status: QuestionStatus,
    /// Who asked: an agent id, or `human:USER`.
    pub asked_by: String,
    /// Who is asked.
    pub target: String,
    /// What.
    pub question: String,
    /// Answers to choose from, the first is 1.
    pub options: Vec<String>,
    /// 0 is most urgent, 4 least.
    pub priority: u8,
    /// When it was asked.
    pub asked_at: Millis,
    /// The answer.
    pub answer: Option<String>,
    /// Who answered or withdrew it.
    pub ended_by: Option<String>,
    /// When.
    pub ended_at: Option<Millis>,
    /// The command that answers it, while it is open.
    pub answer_command: Option<String>,
}

/// A question with what became of its task.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// The task that waits for it, or waited.
    pub task: Option<Task>,
}

/// The command with which a person answers a question.
pub fn answer_command(question: &Question) -> String {
    let human = if question.audience == Audience::Humans { " --as-human" } else { "" };
    let with = if question.options.is_empty() { "--text TEXT" } else { "--option N" };
    format!("callboard answer {} {with}{human}", question.id)
}

/// What is asked, with the answers to choose from, in a line.
pub fn asked(question: &Question) -> String {
    let text = text::cut(&text::one_line(&question.text), MENTIONED);
    if question.options.is_empty() {
        return text;
    }
    let options: Vec<String> =
        question.options.iter().enumerate().map(|(at, option)| format!("{} {option}", at + 1)).collect();
    format!("{text} ({})", text::cut(&options.join(", "), MENTIONED))
}

impl Look<'_> {
    /// A question as its reader sees it.
    pub fn question_view(&self, question: Question) -> QuestionView {
        let status = question.status();
        let answer_command = (status == QuestionStatus::Open).then(|| self.answer_command(&question)).flatten();
        let end = question.end;
        QuestionView {
            question_id: question.id,
            module: question.task.map(|(_, module)| module),
            status,
            asked_by: question.asked_by,
            target: question.audience.to_string(),
            question: question.text,
            options: question.options,
            priority: question.priority,
            asked_at: question.asked_at,
            answer: end.as_ref().and_then(|end| end.answer.clone()),
            ended_by: end.as_ref().map(|end| end.by.clone()),
            ended_at: end.map(|end| end.at),
            answer_command,
        }
    }

    /// Questions after `after`, oldest first, and where the next page begins.
    pub fn questions(
        &self,
        filter: &QuestionFilter,
        after: Option<QuestionId>,
        limit: usize,
    ) -> Result<(Vec<QuestionView>, Option<QuestionId>), Refusal> {
        let mut found = self.store.questions(filter, after, limit + 1)?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|question| question.id);
        Ok((found.into_iter().map(|question| self.question_view(question)).collect(), next))
    }

    /// The newest questions about a task, oldest first.
    pub fn questions_of(&self, task: &Task) -> Result<Vec<QuestionView>, Refusal> {
        if self.board.pending.asked == 0 {
            return Ok(Vec::new());
        }
        let filter = QuestionFilter { task: Some(task.key), ..QuestionFilter::default() };
        let mut found = self.store.questions(&filter, None, QUESTIONS_READ)?;
        let told = found.split_off(found.len().saturating_sub(ANSWERS_TOLD));
        Ok(told.into_iter().map(|question| self.question_view(question)).collect())
    }

    /// The answered questions of a task, oldest first.
    pub(super) fn answers(&self, task: TaskKey) -> Result<Vec<QuestionView>, Refusal> {
        if self.board.pending.asked == self.board.pending.questions {
            return Ok(Vec::new());
        }
        let status = Some(QuestionStatus::Answered);
        let filter = QuestionFilter { status, task: Some(task), ..QuestionFilter::default() };
        let mut found = self.store.questions(&filter, None, QUESTIONS_READ)?;
        let told = found.split_off(found.len().saturating_sub(ANSWERS_TOLD));
        Ok(told.into_iter().map(|question| self.question_view(question)).collect())
    }

    /// The open questions of a task, oldest first.
    pub(super) fn open_questions(&self, task: TaskKey) -> Result<Vec<Question>, Refusal> {
        if self.board.pending.questions == 0 {
            return Ok(Vec::new());
        }
        let status = Some(QuestionStatus::Open);
        let filter = QuestionFilter { status, task: Some(task), ..QuestionFilter::default() };
        Ok(self.store.questions(&filter, None, OPEN_MOST)?)
    }
}

impl Turn<'_> {
    /// Asks. The task waits for the answer, and its lease ends; a held one needs its holder's proof. Refuses an agent that
    /// is not known.
    pub fn ask(&mut self, new: NewQuestion) -> Result<Asked, Refusal> {
        self.refuse_unknown_audience(&new.to)?;
        if let Audience::Agent(asked) = &new.to
            && Some(asked) == self.actor.agent_id()
        {
            return Err(Refusal::new(Code::InvalidValue, format!("{asked} asks itself"))
                .hint("callboard ask --to humans, or --to agent:ID of another"));
        }
        let task = new.module.as_ref().map(|module| self.wait_for_answer(module, &new)).transpose()?;
        let mut question = Question {
            id: QuestionId(0),
            task: task.as_ref().map(|task| (task.key, task.module.clone())),
            asked_by: self.actor.to_string(),
            asker: self.actor.agent_id().cloned(),
            audience: new.to.clone(),
            text: new.text,
            options: new.options,
            priority: new.priority,
            asked_at: self.now(),
            event: self.board.event_seq + 1,
            end: None,
        };
        question.id = self.store.insert_question(&question)?;
        let said = text::cut(&question.text, MENTIONED);
        let data = json!({"question_id": question.id, "question": said, "options": question.options});
        let module = new.module.as_ref();
        question.event = self.push_event(EventKind::Question, module, Some(new.to), question.priority, data);
        self.board.pending.questions += 1;
        self.board.pending.asked += 1;
        self.touched = Touched::State;
        self.rung.insert(Topic::Questions);
        Ok(Asked { question, task })
    }

    fn wait_for_answer(&mut self, module: &Module, new: &NewQuestion) -> Result<Task, Refusal> {
        let before = self.named_task(module)?;
        let waits = before.waiting.as_ref().is_some_and(|waiting| waiting.what == WaitFor::Answer);
        if waits {
            return Ok(before);
        }
        if !matches!(before.state, TaskState::Open | TaskState::Active) {
            let message = format!("{module} is {}: it cannot wait for an answer", before.state);
            return Err(Refusal::new(Code::WrongState, message)
                .hint("the same without --module: then nothing waits")
                .detail("state", before.state.as_str()));
        }
        let reason = text::cut(&text::one_line(&new.text), MENTIONED);
        let waiting = Waiting { what: WaitFor::Answer, since: self.now(), reason: reason.clone() };
        self.set_aside(module, Step::Block, Outcome::Blocked, &format!("asked: {reason}"), |_, task| {
            task.waiting = Some(waiting);
            Ok(())
        })
    }

    /// Answers a question. Its task wakes when it was the last one. Refuses with `already_answered` and the first answer a
    /// second one, and whoever was not asked.
    pub fn answer(&mut self, id: QuestionId, reply: &Reply) -> Result<Asked, Refusal> {
        self.actor.must_be_sure("an answer")?;
        let question = self.open_question(id)?;
        self.refuse_not_asked(&question)?;
        let answer = match reply {
            Reply::Text(text) => text.clone(),
            Reply::Option(number) => {
                let chosen = number.checked_sub(1).and_then(|at| question.options.get(at)).cloned();
                let hint = self.look().answer_command(&question).unwrap_or_default();
                chosen.ok_or_else(|| no_such_option(&question, *number, hint))?
            }
        };
        let said = text::cut(&answer, MENTIONED);
        let asked = self.end_question(question, Some(answer), Returned::Answered)?;
        let question = &asked.question;
        let to = question.asker.clone().map_or(Audience::Humans, Audience::Agent);
        let data = json!({"question_id": id, "question": text::cut(&question.text, MENTIONED), "answer": said});
        let module = question.task.as_ref().map(|(_, module)| module.clone());
        let seq = self.push_event(EventKind::Answered, module.as_ref(), Some(to), question.priority, data);
        if asked.task.as_ref().is_some_and(|task| task.state != TaskState::Open) {
            // Nobody is called back to a task that still waits for something else.
            self.settled.insert(seq, Resolution::Settled);
        }
        Ok(asked)
    }

    /// Takes a question back. Its task wakes when it was the last one. Refuses whoever did not ask it, but people.
    pub fn withdraw_question(&mut self, id: QuestionId) -> Result<Asked, Refusal> {
        let question = self.open_question(id)?;
        if let Actor::Agent(acting) = &self.actor
            && question.asker.as_ref() != Some(&acting.agent.id)
        {
            let message = format!("{id} was asked by {}, who may withdraw it", question.asked_by);
            return Err(Refusal::new(Code::NotAddressed, message).hint(format!("callboard questions --after {id}")));
        }
        let asked = self.end_question(question, None, Returned::Unblocked)?;
        self.tell_withdrawn(&asked.question);
        Ok(asked)
    }

    fn tell_withdrawn(&mut self, question: &Question) {
        let module = question.task.as_ref().map(|(_, module)| module.clone());
        let data = json!({"question_id": question.id});
        let _ = self.push_event(EventKind::QuestionWithdrawn, module.as_ref(), None, question.priority, data);
    }

    /// Withdraws what a task still asks: somebody decided that it goes on, or ends, without an answer.
    pub(super) fn withdraw_all(&mut self, task: TaskKey) -> Result<(), Refusal> {
        loop {
            let open = self.look().open_questions(task)?;
            if open.is_empty() {
                return Ok(());
            }
            for question in open {
                let question = self.close(question, None)?;
                self.tell_withdrawn(&question);
            }
        }
    }

    fn open_question(&self, id: QuestionId) -> Result<Question, Refusal> {
        let Some(question) = self.store.question(id)? else {
            return Err(
                Refusal::new(Code::UnknownQuestion, format!("there is no question {id}")).hint("callboard questions")
            );
        };
        let Some(end) = &question.end else { return Ok(question) };
        let how = match &end.answer {
            Some(answer) => format!("answered by {} at {}: {}", end.by, end.at, text::cut(answer, MENTIONED)),
            None => format!("withdrawn by {} at {}", end.by, end.at),
        };
        let about = question
            .task
            .as_ref()
            .map_or_else(|| "callboard questions".to_owned(), |(_, module)| format!("callboard show {module}"));
        Err(Refusal::new(Code::AlreadyAnswered, format!("{id} was {how}"))
            .hint(about)
            .detail("answer", end.answer.clone().map_or(Value::Null, Value::from))
            .detail("ended_by", end.by.as_str())
            .detail("ended_at", end.at.to_string()))
    }

    /// People answer everything; an agent only what it was asked.
    fn refuse_not_asked(&self, question: &Question) -> Result<(), Refusal> {
        let Some(agent) = self.actor.agent_id() else { return Ok(()) };
        if question.audience == Audience::Agent(agent.clone()) {
            return Ok(());
        }
        let message = format!("{} is for {}", question.id, question.audience);
        let code = if question.audience == Audience::Humans { Code::HumanRequired } else { Code::NotAddressed };
        Err(Refusal::new(code, message).hint(format!("callboard notify --target {} --message TEXT", question.audience)))
    }

    fn close(&mut self, mut question: Question, answer: Option<String>) -> Result<Question, Refusal> {
        let end = QuestionEnd { at: self.now(), by: self.actor.to_string(), answer };
        self.store.end_question(question.id, &end)?;
        question.end = Some(end);
        self.settled.insert(question.event, Resolution::Settled);
        let left = &mut self.board.pending.questions;
        *left = left.saturating_sub(1);
        self.touched = Touched::State;
        self.rung.insert(Topic::Questions);
        Ok(question)
    }

    fn end_question(&mut self, question: Question, answer: Option<String>, why: Returned) -> Result<Asked, Refusal> {
        let question = self.close(question, answer)?;
        let Some((key, _)) = question.task else { return Ok(Asked { question, task: None }) };
        let before = self.reload(key)?;
        let waits = before.waiting.as_ref().is_some_and(|waiting| waiting.what == WaitFor::Answer);
        if !waits {
            return Ok(Asked { question, task: Some(before) });
        }
        let mut task = before.clone();
        if let Some(next) = self.look().open_questions(key)?.into_iter().next() {
            let reason = text::cut(&text::one_line(&next.text), MENTIONED);
            task.waiting = task.waiting.map(|waiting| Waiting { reason, ..waiting });
            self.save_task(&before, &mut task)?;
            return Ok(Asked { question, task: Some(task) });
        }
        task.step(Step::Unblock, self.now())?;
        let first: Option<AgentId> = question.asker.clone().or_else(|| task.last_agent.clone());
        self.reserve(&mut task, first, why)?;
        self.save_task(&before, &mut task)?;
        Ok(Asked { question, task: Some(task) })
    }
}

fn no_such_option(question: &Question, number: usize, hint: String) -> Refusal {
    let there: Vec<String> =
        question.options.iter().enumerate().map(|(at, option)| format!("{} {option}", at + 1)).collect();
    let there = if there.is_empty() { "none; answer with --text".to_owned() } else { there.join(", ") };
    Refusal::new(Code::InvalidValue, format!("{} has no option {number}; there are: {there}", question.id)).hint(hint)
}
