//! Whoever comes through a door: what they may do, and what of their words is believed.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::catalogue::Entry;
use super::request::Request;
use crate::domain::credential::Credential;
use crate::domain::id::InvalidName;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;

/// Maximum wait for an answer without a token, in seconds.
const MAX_ANONYMOUS_WAIT: u64 = 60;

/// Keys that say who acts, or prove it. They are for those who show a token.
const IDENTITIES: [&str; 6] = ["agent_id", "thread_key", "session_id", "lease_token", "cursor_id", "as_human"];

/// Whoever comes through a door.
#[derive(Clone)]
pub struct Guest {
    /// What they are called on the board where a person is meant and does not say.
    pub name: String,
    /// What they may do.
    pub right: Right,
    /// Which of their words are believed.
    pub standing: Standing,
    /// Whether what they showed still opens the door.
    holds: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.right)
    }
}

/// What is known of whoever comes through a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They show no token: they may look, as nobody in particular.
    Stranger,
    /// They show a token that somebody gave them: a person among them has its name.
    Known,
    /// They show the owner's token, and say themselves what they are called.
    Owner,
    /// They are the account itself, in its own process, and say themselves what they are called.
    Account,
}

impl Guest {
    /// Who shows a token of this name.
    pub fn known(name: impl Into<String>, right: Right) -> Self {
        Self { name: name.into(), right, standing: Standing::Known, holds: None }
    }

    /// Who shows the owner's token.
    pub fn owner(name: impl Into<String>) -> Self {
        Self { name: name.into(), right: Right::Operator, standing: Standing::Owner, holds: None }
    }

    /// The account itself, in its own process.
    pub fn account(name: impl Into<String>) -> Self {
        Self { standing: Standing::Account, ..Self::owner(name) }
    }

    /// Who shows none.
    pub fn stranger() -> Self {
        Self { name: "stranger".to_owned(), right: Right::Read, standing: Standing::Stranger, holds: None }
    }

    /// The same for as long as this says so.
    #[must_use]
    pub fn as_long_as(self, holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { holds: Some(Arc::new(holds)), ..self }
    }

    /// Refuses with `unauthorized` whoever is no longer known: what goes on for long asks from time to time.
    pub fn demand_known(&self) -> Result<(), Refusal> {
        match &self.holds {
            Some(holds) if !holds() => Err(unauthorized("this token is no longer known")),
            _ => Ok(()),
        }
    }

    /// The request that a body means, if they may ask for it. Refuses as [`Entry::request`] does, and what they may not do
    /// with `unauthorized` or `forbidden`.
    pub fn request(&self, entry: &'static Entry, mut body: Map<String, Value>) -> Result<Box<dyn Request>, Refusal> {
        self.admit(entry, &mut body)?;
        let request = entry.request(body, self.credential()?)?;
        self.demand(entry, request.right())?;
        Ok(request)
    }

    /// The body with what is believed of it, if they may ask for that.
    pub fn admitted(&self, entry: &'static Entry, mut body: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
        self.admit(entry, &mut body)?;
        self.demand(entry, entry.request(body.clone(), self.credential()?)?.right())?;
        Ok(body)
    }

    /// Refuses an operation that needs a better token with `unauthorized` or `forbidden`, before its body is read.
    pub fn check_operation(&self, entry: &Entry) -> Result<(), Refusal> {
        match self.standing == Standing::Stranger && entry.right > Right::Read {
            true => Err(unauthorized(&format!("{} needs a token", entry.name))),
            false => self.demand(entry, entry.right),
        }
    }

    /// Through what their calls come. Refuses a token whose name is none.
    pub fn credential(&self) -> Result<Credential, Refusal> {
        Ok(match self.standing {
            Standing::Owner => Credential::Operator,
            Standing::Account => Credential::Account,
            Standing::Stranger => Credential::Anonymous,
            Standing::Known => {
                let name = self.name.parse();
                let strange = |error: InvalidName| Refusal::new(Code::Forbidden, error.to_string());
                Credential::of_token(
                    name.map_err(|error| strange(error).hint("callboard token add NAME --role ROLE"))?,
                    self.right,
                )
            }
        })
    }

    fn demand(&self, entry: &Entry, right: Right) -> Result<(), Refusal> {
        if self.right >= right {
            return Ok(());
        }
        let message = format!("{} needs the token of a {right} here, this one is for a {}", entry.name, self.right);
        let hint = "callboard token add NAME --role ROLE, on the server's host";
        Err(Refusal::new(Code::Forbidden, message).hint(hint))
    }

    /// Refuses what they may not do with `unauthorized` or `forbidden`, and takes out of `body` what is not believed:
    /// only an operator is taken at the word of being a person.
    fn admit(&self, entry: &Entry, body: &mut Map<String, Value>) -> Result<(), Refusal> {
        // Under another name a field would pass what is checked here.
        *body = entry.normalized(std::mem::take(body))?;
        let names_somebody = IDENTITIES.iter().find(|key| {
            let speaks = entry.shared.contains(**key) || **key == "cursor_id";
            speaks && body.get(**key).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
        });
        if self.standing == Standing::Stranger && (entry.right > Right::Read || names_somebody.is_some()) {
            let what = names_somebody.filter(|_| entry.right == Right::Read);
            let what = what.map_or_else(String::new, |key| format!(" with {key}"));
            return Err(unauthorized(&format!("{}{what} needs a token", entry.name)));
        }
        self.demand(entry, entry.right)?;
        if self.standing == Standing::Stranger
            && let Some(seconds) = body.get_mut("watch_seconds")
            && seconds.as_u64().is_some_and(|seconds| seconds > MAX_ANONYMOUS_WAIT)
        {
            *seconds = Value::from(MAX_ANONYMOUS_WAIT);
        }
        if let Some(key) = names_somebody.filter(|_| self.right < Right::Worker) {
            let message =
                format!("{} with {key} needs the token of a worker, this one is for a {}", entry.name, self.right);
            return Err(Refusal::new(Code::Forbidden, message).hint("leave it out, or show another token"));
        }
        if !entry.shared.contains("facts") {
            return Ok(());
        }
        let facts = body.entry("facts").or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(facts) = facts else { return Ok(()) };
        let says = facts.get("user").and_then(Value::as_str).is_some_and(|user| !user.is_empty());
        if !says || !matches!(self.standing, Standing::Owner | Standing::Account) {
            facts.insert("user".to_owned(), Value::String(self.name.clone()));
        }
        if self.right < Right::Operator {
            facts.insert("terminal".to_owned(), Value::Bool(false));
            if body.remove("as_human").is_some_and(|said| said != Value::Bool(false)) {
                let message = format!("as_human needs the token of an operator, this one is for a {}", self.right);
                return Err(Refusal::new(Code::Forbidden, message).hint("name an agent instead: agent_id"));
            }
        }
        Ok(())
    }
}

/// The refusal of whoever has no good token.
pub fn unauthorized(message: &str) -> Refusal {
    Refusal::new(Code::Unauthorized, message).hint(
        "CALLBOARD_TOKEN, or the header 'Authorization: Bearer TOKEN'; callboard token show, on the server's host",
    )
}
