//! What operations share: who calls, and the guards of a change.

use std::time::Duration;

use clap::Args;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use super::{Done, Operation};
use crate::app::{App, Order};
use crate::board::caller;
use crate::board::look::Look;
use crate::board::mutation::{Answer, LateResult, Outcome, Refused};
use crate::board::outlook::Outlook;
use crate::board::turn::Turn;
use crate::domain::credential::Credential;
use crate::domain::id::{AgentId, DirectoryPath, HostId, LeaseToken, Module, RequestId, SessionId, ThreadKey};
use crate::domain::refusal::Refusal;
use crate::domain::submission::SubmittedTree;
use crate::domain::workspace::{WorkingTree, Workspace, lines};

/// What a door takes out of a call before the operation sees the rest.
pub trait Shared: Args + Clone + Serialize + DeserializeOwned + JsonSchema + Default + Send + Sync + 'static {
    /// Adds what the caller's machine knows.
    fn fill(&mut self, facts: Facts);

    /// Sets through what the call came. What a client sends cannot: it is no part of the JSON.
    fn set_credential(&mut self, credential: Credential);

    /// For how long an answer that is not "nothing" is waited for.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// What the caller's machine knows of itself, where the call takes it.
    fn facts(&mut self) -> Option<&mut Facts> {
        None
    }

    /// Who calls, for the board.
    fn who(&self) -> caller::Caller;
}

/// The longest that a command waits for the board, in seconds: a day.
const WATCH_MOST: u32 = 86_400;

/// How long to wait, in seconds: 0 to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u32", into = "u32")]
#[schemars(extend("minimum" = 0, "maximum" = 86_400))]
pub struct WatchSeconds(u32);

/// Why a number is not a time to wait.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a wait lasts 0 to {WATCH_MOST} seconds")]
pub struct InvalidWatch;

impl TryFrom<u32> for WatchSeconds {
    type Error = InvalidWatch;

    fn try_from(seconds: u32) -> Result<Self, InvalidWatch> {
        if seconds <= WATCH_MOST { Ok(Self(seconds)) } else { Err(InvalidWatch) }
    }
}

impl From<WatchSeconds> for u32 {
    fn from(watch: WatchSeconds) -> Self {
        watch.0
    }
}

impl std::str::FromStr for WatchSeconds {
    type Err = InvalidWatch;

    fn from_str(text: &str) -> Result<Self, InvalidWatch> {
        text.parse::<u32>().map_err(|_| InvalidWatch)?.try_into()
    }
}

/// Maximum length of the name of an account, in characters.
const MAX_ACCOUNT: usize = 80;

/// Reads the name of an account, which may be empty. Refuses long ones and control characters.
fn account<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let name = String::deserialize(from)?;
    match name.chars().count() > MAX_ACCOUNT || name.chars().any(char::is_control) {
        true => Err(D::Error::custom(format!(
            "an account has at most {MAX_ACCOUNT} characters, none of them control characters"
        ))),
        false => Ok(name),
    }
}

/// What the caller's machine knows of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Facts {
    /// The account.
    #[serde(deserialize_with = "account")]
    pub user: String,
    /// True at a terminal.
    pub terminal: bool,
    /// Where the caller works.
    pub workspace: Workspace,
    /// The random id of the caller's host, for a window that comes aboard through a server.
    pub host: Option<HostId>,
    /// What git says was changed since the claim. It depends on the moment, so it is no part of what a repeated request
    /// must match.
    #[serde(deserialize_with = "lines")]
    pub changed_paths: Vec<String>,
    /// What git says of the working tree, for a handoff.
    pub tree: WorkingTree,
    /// What git says of the checkout that work is submitted from. It depends on the moment too.
    pub submitted: SubmittedTree,
    /// True where the caller waits for a claim and measures where it works anew before it takes one: its wait ends with
    /// "nothing" once there is something, and it asks again.
    pub asks_again: bool,
    /// The top of the project, where the caller works outside of it.
    pub project: Option<DirectoryPath>,
}

/// Nobody needs to say who they are.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Anyone {
    /// A person asks, and there is no terminal: session ids are shown.
    #[arg(long, help_heading = "Who")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub as_human: bool,
    /// True at a terminal.
    #[arg(skip)]
    #[serde(skip)]
    pub terminal: bool,
    /// Through what the call came.
    #[arg(skip)]
    #[serde(skip)]
    pub credential: Credential,
}

impl Shared for Anyone {
    fn fill(&mut self, facts: Facts) {
        self.terminal = facts.terminal;
    }

    fn set_credential(&mut self, credential: Credential) {
        self.credential = credential;
    }

    fn who(&self) -> caller::Caller {
        Caller { as_human: self.as_human || self.terminal, credential: self.credential.clone(), ..Caller::default() }
            .for_board()
    }
}

/// Who calls.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Caller {
    /// Who acts.
    #[arg(long, value_name = "ID", help_heading = "Who")]
    pub agent_id: Option<AgentId>,
    /// Who acts, by thread key.
    #[arg(long, value_name = "KEY", help_heading = "Who")]
    pub thread_key: Option<ThreadKey>,
    /// In which registered window.
    #[arg(long, value_name = "ID", help_heading = "Who")]
    pub session_id: Option<SessionId>,
    /// Proof of the lease.
    #[arg(long, value_name = "TOKEN", help_heading = "Who")]
    pub lease_token: Option<LeaseToken>,
    /// Reuse the confirmation of workspace and branch that another window gave for the same place.
    #[arg(long, help_heading = "Who")]
    pub while_session: bool,
    /// A person acts, and there is no terminal.
    #[arg(long, help_heading = "Who")]
    pub as_human: bool,
    /// The key of whoever comes aboard.
    #[arg(skip)]
    #[serde(skip)]
    pub newcomer: Option<ThreadKey>,
    /// Through what the call came.
    #[arg(skip)]
    #[serde(skip)]
    pub credential: Credential,
    /// What the caller's machine knows of itself.
    #[arg(skip)]
    pub facts: Facts,
}

impl Shared for Caller {
    fn fill(&mut self, facts: Facts) {
        self.facts = facts;
    }

    fn facts(&mut self) -> Option<&mut Facts> {
        Some(&mut self.facts)
    }

    fn set_credential(&mut self, credential: Credential) {
        self.credential = credential;
    }

    fn who(&self) -> caller::Caller {
        self.for_board()
    }
}

impl Caller {
    /// The same for the board.
    pub fn for_board(&self) -> caller::Caller {
        caller::Caller {
            agent: self.agent_id.clone(),
            thread_key: self.thread_key.clone(),
            session: self.session_id.clone(),
            newcomer: self.newcomer.clone(),
            token: self.lease_token.clone(),
            user: self.facts.user.clone(),
            surely_human: self.as_human || self.facts.terminal,
            credential: self.credential.clone(),
            workspace: self.facts.workspace.clone(),
            while_session: self.while_session,
        }
    }

    /// Looks at the board as this caller.
    pub fn look<T>(
        &self,
        app: &App,
        look: impl FnOnce(&Look<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Done<T>, Refused> {
        Ok(app.look(&self.for_board(), look)?.into())
    }
}

impl Anyone {
    /// Looks at the board.
    pub fn look<T>(
        &self,
        app: &App,
        look: impl FnOnce(&Look<'_>) -> Result<Answer<T>, Refusal>,
    ) -> Result<Done<T>, Refused> {
        Ok(app.look(&self.who(), look)?.into())
    }
}

/// Who changes the board, and on what condition.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Changer {
    /// Who calls.
    #[command(flatten)]
    #[serde(flatten)]
    pub caller: Caller,
    /// Name this request: repeated, it is answered with the first reply and changes nothing.
    #[arg(long, value_name = "ID", help_heading = "Guards")]
    pub request_id: Option<RequestId>,
    /// Refuse unless the board is exactly at this revision.
    #[arg(long, value_name = "N", help_heading = "Guards")]
    pub expected_revision: Option<u64>,
}

impl Shared for Changer {
    fn fill(&mut self, facts: Facts) {
        self.caller.fill(facts);
    }

    fn facts(&mut self) -> Option<&mut Facts> {
        self.caller.facts()
    }

    fn who(&self) -> caller::Caller {
        self.caller.for_board()
    }

    fn set_credential(&mut self, credential: Credential) {
        self.caller.set_credential(credential);
    }
}

impl Changer {
    /// Commits `work` for `operation`.
    pub fn commit<O: Operation>(
        &self,
        operation: &O,
        app: &App,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<O::Reply>, Refusal>,
    ) -> Result<Done<O::Reply>, Refused> {
        commit_order(&self.order(operation, None)?, app, work)
    }

    /// Commits `work` for `operation`, and leaves the pages as they are.
    pub fn commit_unrendered<O: Operation>(
        &self,
        operation: &O,
        app: &App,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<O::Reply>, Refusal>,
    ) -> Result<Done<O::Reply>, Refused> {
        Ok(app.commit_unrendered(&self.order(operation, None)?, work)?.into())
    }

    /// Commits a holder's result: if its lease turns out to be gone, what it `said` is kept in the history.
    pub fn commit_result<O: Operation>(
        &self,
        operation: &O,
        module: &Module,
        said: &str,
        app: &App,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<O::Reply>, Refusal>,
    ) -> Result<Done<O::Reply>, Refused> {
        let Value::Object(data) = json!({"operation": O::NAME, "said": said}) else { unreachable!("it is an object") };
        let late = LateResult { module: module.clone(), data };
        commit_order(&self.order(operation, Some(late))?, app, work)
    }

    /// Does `work` and undoes it, to say what it would do.
    pub fn rehearse<O: Operation>(
        &self,
        operation: &O,
        app: &App,
        work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<O::Reply>, Refusal>,
    ) -> Result<Done<O::Reply>, Refused> {
        Ok(app.rehearse(&self.order(operation, None)?, work)?.into())
    }

    fn order<O: Operation>(&self, operation: &O, late: Option<LateResult>) -> Result<Order, Refused> {
        let arguments = super::texts::json_of(operation).map_err(|refusal| Refused { refusal, revision: None })?;
        Ok(Order {
            operation: O::NAME,
            arguments: arguments.to_string(),
            caller: self.caller.for_board(),
            request_id: self.request_id.clone(),
            expected_revision: self.expected_revision,
            late,
        })
    }
}

/// Commits `work`, which begins with what is worth saying of who asks for it.
fn commit_order<T: Serialize + DeserializeOwned>(
    order: &Order,
    app: &App,
    work: impl FnOnce(&mut Turn<'_>) -> Result<Answer<T>, Refusal>,
) -> Result<Done<T>, Refused> {
    let work = |turn: &mut Turn<'_>| {
        turn.warn_of_identity(&order.caller)?;
        work(turn)
    };
    Ok(app.commit(order, work)?.into())
}

/// Who looks, and for how long an answer is waited for.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Waiter {
    /// Who calls.
    #[command(flatten)]
    #[serde(flatten)]
    pub caller: Caller,
    /// Wait so long for an answer that is not "nothing".
    #[arg(long, alias = "timeout", value_name = "SECONDS", help_heading = "Waiting")]
    pub watch_seconds: Option<WatchSeconds>,
}

impl Waiter {
    /// How a list is answered: an empty one is "nothing" to whoever waits for something.
    pub fn outcome_of<T>(&self, found: &[T]) -> Outcome {
        if found.is_empty() && self.watch_seconds.is_some() { Outcome::Nothing } else { Outcome::Done }
    }
}

/// Who changes the board, on what condition, and for how long an answer is waited for.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct WaitingChanger {
    /// Who changes it, and on what condition.
    #[command(flatten)]
    #[serde(flatten)]
    pub changer: Changer,
    /// Wait so long for an answer that is not "nothing".
    #[arg(long, alias = "timeout", value_name = "SECONDS", help_heading = "Waiting")]
    pub watch_seconds: Option<WatchSeconds>,
}

impl Shared for Waiter {
    fn fill(&mut self, facts: Facts) {
        self.caller.fill(facts);
    }

    fn facts(&mut self) -> Option<&mut Facts> {
        self.caller.facts()
    }

    fn set_credential(&mut self, credential: Credential) {
        self.caller.set_credential(credential);
    }

    fn patience(&self) -> Option<Duration> {
        self.watch_seconds.map(patience)
    }

    fn who(&self) -> caller::Caller {
        self.caller.for_board()
    }
}

impl Shared for WaitingChanger {
    fn fill(&mut self, facts: Facts) {
        self.changer.fill(facts);
    }

    fn facts(&mut self) -> Option<&mut Facts> {
        self.changer.facts()
    }

    fn set_credential(&mut self, credential: Credential) {
        self.changer.set_credential(credential);
    }

    fn patience(&self) -> Option<Duration> {
        self.watch_seconds.map(patience)
    }

    fn who(&self) -> caller::Caller {
        self.changer.caller.for_board()
    }
}

fn patience(watch: WatchSeconds) -> Duration {
    Duration::from_secs(watch.0.into())
}

impl Caller {
    /// Looks at the board before a wait.
    pub fn outlook(
        &self,
        app: &App,
        look: impl FnOnce(&Look<'_>) -> Result<Outlook, Refusal>,
    ) -> Result<Outlook, Refused> {
        Ok(app.look(&self.for_board(), |seen| look(seen).map(Answer::done))?.answer.reply)
    }
}
