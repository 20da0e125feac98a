//! What an operation is.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::call::Shared;
use super::surroundings::Surroundings;
use crate::app::App;
use crate::app::order::{Changed, Seen};
use crate::board::caller::Caller;
use crate::board::history::EventView;
use crate::board::mutation::{Outcome, Refused};
use crate::board::outlook::Outlook;
use crate::domain::for_people::for_agent;
use crate::domain::id::{RequestId, SessionId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::domain::session_ids::ShownSessions;

/// What an operation does to the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Looks.
    Read,
    /// Records who was seen; the revision stays.
    Presence,
    /// Changes the board.
    Mutation,
}

/// Where the help lists an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// What every agent needs.
    Loop,
    /// Boards, agents, sessions.
    Aboard,
    /// The plan.
    Tasks,
    /// The end of work, and reviews.
    Work,
    /// Looking around.
    Status,
    /// Events, messages, questions.
    Signals,
    /// Handing work over.
    Handoffs,
    /// Health.
    Health,
}

/// One operation, at every door.
pub trait Operation: Args + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// Its name, in kebab case.
    const NAME: &'static str;
    /// Other names.
    const ALIASES: &'static [&'static str] = &[];
    /// What it does to the board.
    const KIND: Kind;
    /// Where the help lists it.
    const GROUP: Group;
    /// A command line that works, for the end of its help.
    const EXAMPLE: &'static str;
    /// True for a stream: its pages can be followed for ever.
    const FOLLOWS: bool = false;
    /// What a token of a server must be good for.
    const RIGHT: Right = match Self::KIND {
        Kind::Read => Right::Read,
        Kind::Presence | Kind::Mutation => Right::Worker,
    };
    /// What it shares with others: who calls, the guards of a change.
    type Call: Shared;
    /// What it answers.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + 'static;

    /// Adds to the call what only the caller's machine knows. The command line calls it before the operation runs or is sent
    /// elsewhere; other doors leave it to their clients.
    fn prepare(&self, _call: &mut Self::Call, _here: &dyn Surroundings) -> Result<(), Refused> {
        Ok(())
    }

    /// What a token must be good for to ask for just this: more than for others where it does more.
    fn right(&self) -> Right {
        Self::RIGHT
    }

    /// True where it needs the board more than once, or for long: such a thing is not done together with others.
    fn is_alone(&self, _call: &Self::Call) -> bool {
        false
    }

    /// Does it; never waits for the board to change.
    fn run(&self, call: &Self::Call, app: &App) -> Result<Done<Self::Reply>, Refused>;

    /// Runs it for its reader: nothing in the answer is a session id that is not shown to them, and neither a refusal nor a
    /// warning names an agent a command that needs a person.
    fn answer(&self, call: &Self::Call, app: &App) -> Result<Done<Self::Reply>, Refused> {
        let is_to_panic = app.settings.panicking_operation.as_deref() == Some(Self::NAME);
        assert!(!is_to_panic, "a test asked for it");
        let answer = self.run(call, app).map(|done| self.marked(done));
        for_reader(answer, &call.who())
    }

    /// The answer with what a door has to know of its reply before that becomes JSON.
    fn marked(&self, done: Done<Self::Reply>) -> Done<Self::Reply> {
        Done { said_once: self.is_said_once(&done.reply), ..done }
    }

    /// True for a reply of "nothing" that says what is said only once: whoever waits is given it at once.
    fn is_said_once(&self, _reply: &Self::Reply) -> bool {
        false
    }

    /// Takes the entries out of a page of a stream, and makes this the operation that reads the next one.
    fn follow(&mut self, _reply: Self::Reply) -> Vec<EventView> {
        Vec::new()
    }

    /// One look before a wait: whether running it would find something, and what the answer hangs on. Doors own the
    /// waiting; only operations whose call has a patience are asked.
    fn outlook(&self, _call: &Self::Call, _app: &App) -> Result<Outlook, Refused> {
        let refusal = Refusal::new(Code::Internal, format!("{} does not say what it waits for", Self::NAME));
        Err(Refused { refusal, revision: None })
    }
}

/// The answer as the caller may read it.
pub fn for_reader<T: Serialize + DeserializeOwned>(
    answer: Result<Done<T>, Refused>,
    who: &Caller,
) -> Result<Done<T>, Refused> {
    match answer {
        Ok(done) => {
            let shown = who.shown_sessions(done.session.as_ref());
            let text = |text: &String| readable_text(text, who, &shown);
            Ok(Done {
                warnings: done.warnings.iter().map(text).collect(),
                complaint: done.complaint.map(|refusal| readable(refusal, who, &shown)),
                reply: without_sessions(done.reply, &shown)
                    .map_err(|refusal| Refused { refusal, revision: Some(done.revision) })?,
                ..done
            })
        }
        Err(refused) => Err(refusal_for_reader(refused, who)),
    }
}

/// The refusal as the caller may read it.
pub fn refusal_for_reader(Refused { refusal, revision }: Refused, who: &Caller) -> Refused {
    Refused { refusal: readable(refusal, who, &who.shown_sessions(None)), revision }
}

fn readable(mut refusal: Refusal, who: &Caller, shown: &ShownSessions) -> Refusal {
    refusal.message = readable_text(&refusal.message, who, shown);
    refusal.hint = refusal.hint.map(|hint| readable_text(&hint, who, shown));
    let mut details = Value::Object(refusal.details);
    shown.hide(&mut details);
    refusal.details = if let Value::Object(details) = details { details } else { Map::new() };
    refusal
}

fn readable_text(text: &str, who: &Caller, shown: &ShownSessions) -> String {
    let text = shown.text(text);
    if who.is_agent() { for_agent(&text).into_owned() } else { text.into_owned() }
}

fn without_sessions<T: Serialize + DeserializeOwned>(reply: T, shown: &ShownSessions) -> Result<T, Refusal> {
    if *shown == ShownSessions::All {
        return Ok(reply);
    }
    let strange = |error| Refusal::new(Code::Internal, format!("the reply has no form without session ids: {error}"));
    let mut value = serde_json::to_value(&reply).map_err(strange)?;
    if shown.hide(&mut value) { serde_json::from_value(value).map_err(strange) } else { Ok(reply) }
}

/// What an operation came to.
#[derive(Clone, Debug)]
pub struct Done<T> {
    /// The reply.
    pub reply: T,
    /// Done, nothing or complete.
    pub outcome: Outcome,
    /// The revision of the transaction.
    pub revision: u64,
    /// The name of the request, for a change.
    pub request_id: Option<RequestId>,
    /// True when it had been done before.
    pub replayed: bool,
    /// True when the pages do not show it yet.
    pub projection_behind: bool,
    /// The session that asked, where it is known.
    pub session: Option<SessionId>,
    /// What is worth saying.
    pub warnings: Vec<String>,
    /// What is wrong, for a check that answers all the same: the exit code is that of the refusal.
    pub complaint: Option<Refusal>,
    /// True when it is not said again, so that whoever waits is given it although it is "nothing".
    pub said_once: bool,
}

impl<T> Done<T> {
    /// True when there is something for whoever waits.
    pub fn ends_wait(&self) -> bool {
        self.outcome != Outcome::Nothing || self.said_once
    }

    /// An answer that no transaction gave.
    pub fn plain(reply: T, revision: u64) -> Self {
        Self {
            reply,
            outcome: Outcome::Done,
            revision,
            request_id: None,
            replayed: false,
            projection_behind: false,
            session: None,
            warnings: Vec::new(),
            complaint: None,
            said_once: false,
        }
    }

    /// The same with another outcome and reply.
    pub fn with<U>(self, map: impl FnOnce(T) -> (Outcome, U)) -> Done<U> {
        let (outcome, reply) = map(self.reply);
        Done {
            reply,
            outcome,
            revision: self.revision,
            request_id: self.request_id,
            replayed: self.replayed,
            projection_behind: self.projection_behind,
            session: self.session,
            warnings: self.warnings,
            complaint: self.complaint,
            said_once: self.said_once,
        }
    }
}

impl<T> From<Changed<T>> for Done<T> {
    fn from(changed: Changed<T>) -> Self {
        Self {
            reply: changed.answer.reply,
            outcome: changed.answer.outcome,
            revision: changed.revision,
            request_id: Some(changed.request_id),
            replayed: changed.replayed,
            projection_behind: changed.projection_behind,
            session: changed.session,
            warnings: changed.warnings,
            complaint: None,
            said_once: false,
        }
    }
}

impl<T> From<Seen<T>> for Done<T> {
    fn from(seen: Seen<T>) -> Self {
        let session = seen.session;
        Self { outcome: seen.answer.outcome, session, ..Self::plain(seen.answer.reply, seen.revision) }
    }
}
