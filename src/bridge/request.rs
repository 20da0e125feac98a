//! An operation with its call, as one thing of which the doors do not know the type.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::catalogue::Entry;
use super::lanes::Way;
use crate::app::{App, Settings};
use crate::board::mutation::Refused;
use crate::board::outlook::Outlook;
use crate::domain::credential::Credential;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::ops::call::Shared;
use crate::ops::{Done, Kind, Operation, refusal_for_reader};
use crate::workspace::git;

/// What came of a request.
pub type Settled = Result<Done<Value>, Refused>;

/// An operation with its call.
pub trait Request: Send + Sync {
    /// Its place in the table.
    fn entry(&self) -> &'static Entry;
    /// What a token must be good for.
    fn right(&self) -> Right;
    /// Where it is done.
    fn way(&self) -> Way;
    /// For how long an answer that is not "nothing" is waited for.
    fn patience(&self) -> Option<Duration>;
    /// Adds what this machine knows, where it is the caller's.
    fn prepare(&mut self, app: &App) -> Result<(), Refused>;
    /// True where a claim may be granted to a caller that works on this machine: then [`Request::measured`] is due.
    fn is_measured_here(&self) -> bool;
    /// The same request with where its caller works now.
    fn measured(&self, settings: &Settings) -> Arc<dyn Request>;
    /// True where the caller measures that itself, and asks again once there is something.
    fn asks_again(&self) -> bool;
    /// Does it; never waits for the board to change.
    fn run(&self, app: &App) -> Settled;
    /// One look before a wait.
    fn outlook(&self, app: &App) -> Result<Outlook, Refused>;
    /// Records that whoever waits is still there.
    fn tick(&self, app: &App, outlook: &Outlook) -> Result<(), Refused>;
}

impl fmt::Debug for dyn Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().name)
    }
}

struct Bound<O: Operation> {
    entry: &'static Entry,
    operation: Arc<O>,
    call: O::Call,
    /// True where its caller works on this machine.
    is_local: bool,
}

impl<O: Operation> Request for Bound<O> {
    fn entry(&self) -> &'static Entry {
        self.entry
    }

    fn right(&self) -> Right {
        self.operation.right()
    }

    fn way(&self) -> Way {
        match O::KIND {
            _ if self.operation.is_alone(&self.call) => Way::Alone,
            Kind::Read => Way::Looks,
            Kind::Presence | Kind::Mutation => Way::Changes,
        }
    }

    fn patience(&self) -> Option<Duration> {
        self.call.patience()
    }

    fn prepare(&mut self, app: &App) -> Result<(), Refused> {
        self.is_local = true;
        self.operation.prepare(&mut self.call, app)
    }

    fn is_measured_here(&self) -> bool {
        self.is_local && O::KIND == Kind::Mutation
    }

    fn measured(&self, settings: &Settings) -> Arc<dyn Request> {
        let mut call = self.call.clone();
        if let Some(facts) = call.facts() {
            facts.workspace = git::workspace(&settings.directory, &settings.host_name);
        }
        Arc::new(Self { entry: self.entry, operation: Arc::clone(&self.operation), call, is_local: self.is_local })
    }

    fn asks_again(&self) -> bool {
        self.call.clone().facts().is_some_and(|facts| facts.asks_again)
    }

    fn run(&self, app: &App) -> Settled {
        self.operation.answer(&self.call, app).map(Done::erased)
    }

    fn outlook(&self, app: &App) -> Result<Outlook, Refused> {
        let outlook = self.operation.outlook(&self.call, app);
        outlook.map_err(|refused| refusal_for_reader(refused, &self.call.who()))
    }

    fn tick(&self, app: &App, outlook: &Outlook) -> Result<(), Refused> {
        app.tick(&self.call.who(), outlook)
    }
}

pub(super) fn bind<O: Operation>(
    entry: &'static Entry,
    own: Value,
    shared: Value,
    credential: Credential,
) -> Result<Box<dyn Request>, Refusal> {
    let operation: O = typed(own, entry.name)?;
    let mut call: O::Call = typed(shared, entry.name)?;
    call.set_credential(credential);
    Ok(Box::new(Bound { entry, operation: Arc::new(operation), call, is_local: false }))
}

/// Refuses what is not of the type, and says where.
fn typed<T: DeserializeOwned>(value: Value, name: &str) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.inner();
        let message = if path == "." { format!("{name}: {inner}") } else { format!("{name}: {path}: {inner}") };
        Refusal::new(Code::Usage, message).hint(format!("callboard {name} --help"))
    })
}
