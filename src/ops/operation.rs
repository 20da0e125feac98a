//! What an operation is.

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::call::Shared;
use super::surroundings::Surroundings;
use crate::app::App;
use crate::app::order::{Changed, Seen};
use crate::board::history::EventView;
use crate::board::mutation::{Outcome, Refused};
use crate::board::outlook::Outlook;
use crate::domain::for_people::for_agent;
use crate::domain::id::RequestId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;

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

    /// Runs it for its reader: neither a refusal nor a warning names an agent a command that needs a person.
    fn answer(&self, call: &Self::Call, app: &App) -> Result<Done<Self::Reply>, Refused> {
        let is_to_panic = app.settings.panicking_operation.as_deref() == Some(Self::NAME);
        assert!(!is_to_panic, "a test asked for it");
        let answer = self.run(call, app).map(|done| self.marked(done));
        if !call.who().is_agent() {
            return answer;
        }
        let readable = |mut refusal: Refusal| {
            refusal.message = for_agent(&refusal.message).into_owned();
            refusal.hint = refusal.hint.map(|hint| for_agent(&hint).into_owned());
            refusal
        };
        match answer {
            Ok(done) => Ok(Done {
                warnings: done.warnings.iter().map(|warning| for_agent(warning).into_owned()).collect(),
                complaint: done.complaint.map(readable),
                ..done
            }),
            Err(Refused { refusal, revision }) => Err(Refused { refusal: readable(refusal), revision }),
        }
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
            warnings: changed.warnings,
            complaint: None,
            said_once: false,
        }
    }
}

impl<T> From<Seen<T>> for Done<T> {
    fn from(seen: Seen<T>) -> Self {
        Self { outcome: seen.answer.outcome, ..Self::plain(seen.answer.reply, seen.revision) }
    }
}
