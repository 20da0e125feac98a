//! The command line as the client of a server: the same operations, sent as JSON.
//!
//! **Invariants.** A change always has a request id, made up here where none is given, so that it can be sent again when its
//! answer was lost: it is done once. The token is sent to the server that was named and nowhere else, after that server has
//! proven that it knows it. A request is sent again only where no whole answer came.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};
use ureq::config::Config;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::proven::{self, Credential, Unproven};
use crate::app::{App, Settings};
use crate::board::mutation::Refused;
use crate::domain::attempt::Outcome;
use crate::domain::id::{HostId, Module};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::submission::{Tried, WorkBase, began};
use crate::domain::verdict::sent_back;
use crate::ops::call::{Caller, Shared as _};
use crate::ops::status::History;
use crate::ops::surroundings::Surroundings;
use crate::ops::texts::json_of;
use crate::ops::{Done, Kind, Operation, envelope, for_reader};
use crate::platform::deadline::Deadline;
use crate::platform::file;
use crate::workspace::git::{self, Checkout};

/// How long a server that does not answer is tried again: about as long as it takes to start it anew.
const RETRIED_FOR: Duration = Duration::from_secs(10);
/// The pauses between tries grow up to this.
const PAUSE_MOST: Duration = Duration::from_secs(1);
/// The first pause between the end of a wait and the next one.
const PAUSE_LEAST: Duration = Duration::from_millis(10);
/// Maximum number of attempts among which the last submission is looked for, newest first.
const ATTEMPTS_ASKED: usize = 20;
/// How long all tries of one request may take together, beside what was asked to be waited: as long as a lock is waited for,
/// and some more.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a server may be silent, beside what was asked to be waited, until it is asked whether it lives. One that is stopped
/// still takes connections, and would hold its clients.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(8);
/// How long it may take to say that it lives.
const LIFE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it may take to connect.
const CONNECT_TAKES: Duration = Duration::from_secs(5);
/// Maximum size of an answer, in bytes. Lists have pages, so an answer of this board is smaller.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// The way to a server.
pub(super) struct Client<'a> {
    app: &'a App,
    config: Config,
    /// The agent of the last request, and the credential that its connections are proven for.
    agent: RefCell<Option<(Option<Credential>, ureq::Agent)>>,
    url: String,
    /// Where it is, on this host: it is asked there and nowhere else.
    address: Option<SocketAddr>,
    naming: Naming,
    token: Option<String>,
}

/// Where the server is, and what opens its door.
#[derive(Clone, Debug, Default)]
pub(super) struct Address {
    /// As it was given.
    pub url: String,
    /// Whether commands that are printed must name it: the environment does so by itself.
    pub naming: Naming,
    /// The token, if one was given.
    pub token: Option<String>,
    /// Whom to trust, as a PEM file, beside those whom everybody trusts.
    pub authority: Option<PathBuf>,
}

/// Where a server's address comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Naming {
    /// From the environment.
    #[default]
    Environment,
    /// From this command line alone.
    CommandLine,
}

/// Why a try brought no answer of a callboard server.
enum Failed {
    /// No whole answer came: a server that is being restarted may give one to the next try.
    Lost(Refusal),
    /// Nothing came for as long as was waited: the server is busy, or is stopped.
    Silent(Refusal),
    /// Another try would bring the same.
    Final(Refusal),
}

/// The address on this host that a URL means; none for others. A name may mean any of them, so `localhost` is the one at
/// which servers listen unless told otherwise.
fn loopback(url: &str) -> Option<SocketAddr> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
        _ => (authority, if scheme == "https" { 443 } else { 80 }),
    };
    let address = match name.trim_start_matches('[').trim_end_matches(']') {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        literal => literal.parse().ok()?,
    };
    address.is_loopback().then(|| SocketAddr::new(address, port))
}

impl<'a> Client<'a> {
    /// A client of the server at this address. For one on this host the token is found. Refuses what is no address.
    pub(super) fn new(app: &'a App, address: Address) -> Result<Self, Refusal> {
        let url = address.url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") && !url.starts_with("https://") {
            let message = format!("{url:?} is not the address of a server");
            return Err(Refusal::new(Code::Usage, message).hint("--server-url http://127.0.0.1:8765"));
        }
        let local = loopback(&url);
        // A certificate is for a name; without one nothing says who listens where else the name may lead.
        let url = match local {
            Some(address) if url.starts_with("http://") => format!("http://{address}"),
            _ => url,
        };
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TAKES));
        if local.is_some() {
            config = config.proxy(None);
        }
        if let Some(file) = &address.authority {
            config = config.tls_config(TlsConfig::builder().root_certs(trusted(file)?).build());
        }
        Ok(Self {
            app,
            config: config.build(),
            agent: RefCell::new(None),
            url,
            address: local,
            naming: address.naming,
            token: address.token,
        })
    }

    /// Does the operation on the server; waits no longer than that takes.
    pub(super) fn run<O: Operation>(&self, operation: &O, call: &O::Call) -> Result<Done<O::Reply>, Refused> {
        self.send(operation, call, None)
    }

    /// The same, and waits there for an answer that is not "nothing".
    pub(super) fn wait<O: Operation>(
        &self,
        operation: &O,
        call: &O::Call,
        until: Deadline,
    ) -> Result<Done<O::Reply>, Refused> {
        let mut call = call.clone();
        let mut pause = PAUSE_LEAST;
        loop {
            if let Some(facts) = call.facts().filter(|_| O::KIND == Kind::Mutation) {
                let settings = &self.app.settings;
                facts.workspace = git::workspace(&settings.directory, &settings.host_name);
                facts.asks_again = true;
            }
            let done = self.send(operation, &call, Some(until))?;
            if done.ends_wait() || until.left() < Duration::from_secs(1) {
                return Ok(done);
            }
            // There is something, and where the caller works is measured anew; or the server is about to stop, and may
            // be about to come back.
            until.nap(pause);
            pause = (pause * 4).min(PAUSE_MOST);
        }
    }

    fn send<O: Operation>(
        &self,
        operation: &O,
        call: &O::Call,
        until: Option<Deadline>,
    ) -> Result<Done<O::Reply>, Refused> {
        let (Value::Object(mut body), Value::Object(shared)) =
            (json_of(operation).map_err(unread)?, json_of(call).map_err(unread)?)
        else {
            unreachable!("operations and calls are objects");
        };
        body.extend(shared);
        if body.get("request_id").is_some_and(Value::is_null) {
            body.insert("request_id".to_owned(), json!(self.app.drawn().map_err(unread)?));
        }
        // The time that is left is sent to whoever waits, and to nobody else: a list without an entry means another thing to
        // them.
        let waits = body.get("watch_seconds").is_some_and(|watch| until.is_some() || !watch.is_null());
        let who = call.who();
        let mut pause = Duration::from_millis(100);
        let end = Deadline::after(until.map_or(Duration::ZERO, Deadline::left) + REQUEST_TIMEOUT);
        // What changes the board in more than one step must not be begun twice: it has its time in one try.
        let mut may_be_stopped = O::KIND == Kind::Read || !operation.is_alone(call);
        // From the first failure on: an answer may take long before it is lost.
        let mut given_up = None;
        loop {
            let patience = until.map_or(Duration::ZERO, Deadline::left);
            if waits {
                body.insert("watch_seconds".to_owned(), json!(patience.as_millis().div_ceil(1000)));
            }
            let silence = if may_be_stopped { patience + SILENCE_TIMEOUT } else { end.left() };
            match self.post(O::NAME, &body, silence, end) {
                Ok(answer) => match envelope::read(answer) {
                    Err(refused) if refused.refusal.code == Code::Overloaded && !is_over(given_up) => {}
                    // The server shows an operator every session; whoever works here is shown what the directory shows.
                    read => {
                        let read = if who.is_agent() { read } else { for_reader(read, &who) };
                        return read.map(|done| operation.marked(done));
                    }
                },
                Err(Failed::Final(refusal)) => return Err(unread(refusal)),
                Err(Failed::Silent(refusal)) if end.is_over() || !self.is_alive() => {
                    return Err(unread(with_request_id(refusal, &body)));
                }
                Err(Failed::Silent(_)) => {
                    tracing::debug!(operation = O::NAME, "the server lives, and is asked again");
                    may_be_stopped = false;
                    continue;
                }
                Err(Failed::Lost(refusal)) if is_over(given_up) || end.is_over() => {
                    return Err(unread(with_request_id(refusal, &body)));
                }
                Err(Failed::Lost(_)) => {}
            }
            tracing::debug!(operation = O::NAME, "the answer was lost, and is asked for again");
            given_up.get_or_insert_with(|| Deadline::after(RETRIED_FOR)).nap(pause);
            pause = (pause * 2).min(PAUSE_MOST);
        }
    }

    /// Whether something answers there at all, without a token and without the board.
    fn is_alive(&self) -> bool {
        let request = self.config.new_agent().get(format!("{}/healthz", self.url));
        let answer = request.config().timeout_global(Some(LIFE_TIMEOUT)).build().call();
        // A proxy says with such a status that what is behind it does not answer.
        answer.is_ok_and(|answer| !answer.status().is_server_error())
    }

    /// The token that was given, or that of a server of this account. Looked up for each request, because the server may
    /// have been started since the last one.
    fn credential(&self) -> Option<Credential> {
        let found = || {
            let address = self.address?;
            // A server that listens on every address listens here too, and no other process can.
            let everywhere = match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            };
            let credential = |address: SocketAddr| {
                let token = self.app.token_for(address)?;
                Some(Credential { token, registered: Some(address) })
            };
            credential(address).or_else(|| credential(SocketAddr::new(everywhere, address.port())))
        };
        let given = self.token.clone().map(|token| Credential { token, registered: None });
        given.or_else(found)
    }

    /// An agent whose open connections are proven for this credential.
    fn agent(&self, credential: Option<&Credential>) -> ureq::Agent {
        let mut agent = self.agent.borrow_mut();
        match &*agent {
            Some((known, agent)) if known.as_ref() == credential => agent.clone(),
            _ => {
                let prefix = self.url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
                let made = match credential {
                    Some(credential) => proven::agent(self.config.clone(), prefix.unwrap_or_default(), credential),
                    None => self.config.new_agent(),
                };
                *agent = Some((credential.cloned(), made.clone()));
                made
            }
        }
    }

    /// One try. The answer may take `silence` to begin, once the request was sent.
    fn post(&self, name: &str, body: &Map<String, Value>, silence: Duration, end: Deadline) -> Result<Value, Failed> {
        let credential = self.credential();
        let mut request = self.agent(credential.as_ref()).post(format!("{}/v1/{name}", self.url));
        if let Some(credential) = &credential {
            request = request.header("Authorization", format!("Bearer {}", credential.token));
        }
        let request = request.header("Content-Type", "application/json");
        let timeouts = request.config().timeout_recv_response(Some(silence)).timeout_global(Some(end.left()));
        let request = timeouts.build();
        let failed = |error| self.failed(&error);
        let mut response = request.send(envelope::line(body)).map_err(failed)?;
        let status = response.status();
        let content = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(failed)?;
        if status.as_u16() == 401 && credential.is_none() && self.credential().is_some() {
            return self.post(name, body, silence, end);
        }
        let mut answer = serde_json::from_slice(&content).map_err(|_| {
            let message = format!("what answers at {} is no callboard: {status}", self.url);
            Failed::Final(Refusal::new(Code::Unreachable, message).hint("--server-url http://127.0.0.1:8765"))
        })?;
        if self.naming == Naming::CommandLine {
            name_server(&mut answer, &self.url);
        }
        Ok(answer)
    }

    fn failed(&self, error: &ureq::Error) -> Failed {
        let refused = |code, message: String, hint: &str| Refusal::new(code, message).hint(hint);
        let url = &self.url;
        if let ureq::Error::Other(other) = error
            && let Some(unproven) = other.downcast_ref::<Unproven>()
        {
            let message = format!("the token was not sent to {url}: {unproven}");
            let hint = match unproven {
                Unproven::Missing => {
                    "check --server-url; a server of an older version has to be updated: callboard serve"
                }
                Unproven::Wrong => {
                    "check CALLBOARD_TOKEN and --server-url: the token was removed, or is of another board"
                }
            };
            return Failed::Final(refused(Code::ServerUnproven, message, hint));
        }
        if let ureq::Error::BodyExceedsLimit(limit) = error {
            let message = format!("the answer of {url} has more than {limit} bytes");
            return Failed::Final(refused(Code::Unreachable, message, "ask for a part of it: --limit"));
        }
        let hint = "callboard serve, on its host; or leave --server-url out where project-plan is at hand";
        let refusal = refused(Code::Unreachable, format!("the server at {url} does not answer: {error}"), hint);
        match error {
            ureq::Error::Timeout(_) => Failed::Silent(refusal),
            ureq::Error::Io(_) | ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => Failed::Lost(refusal),
            _ => Failed::Final(refusal),
        }
    }
}

impl Surroundings for Client<'_> {
    fn settings(&self) -> &Settings {
        &self.app.settings
    }

    fn host(&self) -> Option<HostId> {
        self.app.host().ok()?.id.parse().ok()
    }

    /// There may be no board here; then the checkout that the command was called in is the project.
    fn project(&self) -> Result<PathBuf, Refusal> {
        let directory = &self.app.settings.directory;
        let here = directory.canonicalize().unwrap_or_else(|_| directory.clone());
        Ok(Checkout::around(&here).map_or(here, |checkout| checkout.main_top()))
    }

    fn work_base(&self, caller: &Caller, module: &Module) -> WorkBase {
        let history = serde_json::from_value::<History>(json!({"module": module, "limit": ATTEMPTS_ASKED}));
        let done = history.ok().and_then(|history| self.run(&history, caller).ok());
        let Some(seen) = done.map(|done| done.reply) else { return WorkBase::default() };
        let (attempts, verdicts) = (seen.attempts, seen.verdicts);
        if attempts.first().is_none_or(|attempt| attempt.ended_at.is_some()) {
            return WorkBase::default();
        }
        let tried = attempts.iter().map(|attempt| Tried {
            number: attempt.attempt,
            workspace: &attempt.workspace,
            is_submitted: attempt.outcome == Some(Outcome::Finished),
        });
        let claimed = began(tried, &sent_back(&verdicts)).and_then(|first| first.workspace.head.clone());
        WorkBase { claimed, submitted: attempts.into_iter().skip(1).find_map(|attempt| attempt.submitted?.head) }
    }
}

/// Has the commands of an answer name the server, so that they work as they are printed.
fn name_server(answer: &mut Value, url: &str) {
    match answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_command = name == "hint" || name == "command" || name.ends_with("_command");
                match value {
                    Value::String(text) if is_command && text.starts_with("callboard ") => {
                        *text = text.replacen("callboard ", &format!("callboard --server-url {url} "), 1);
                    }
                    other => name_server(other, url),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| name_server(value, url)),
        _ => {}
    }
}

fn is_over(deadline: Option<Deadline>) -> bool {
    deadline.is_some_and(Deadline::is_over)
}

/// What a change without an answer came to is not known: its request id finds out.
fn with_request_id(refusal: Refusal, body: &Map<String, Value>) -> Refusal {
    let Some(request) = body.get("request_id").and_then(Value::as_str) else { return refusal };
    let hint = refusal.hint.as_deref().unwrap_or_default();
    let hint = format!("it may have been done: repeat it with --request-id {request}, which does it once; {hint}");
    refusal.hint(hint).detail("request_id", request)
}

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}

/// Maximum bytes of a file of certificates.
const MAX_CERTIFICATES: u64 = 4 * 1024 * 1024;

fn trusted(path: &Path) -> Result<RootCerts, Refusal> {
    let bad = |error: &dyn std::fmt::Display| {
        Refusal::new(Code::InvalidValue, format!("{}: {error}", path.display()))
            .hint("CALLBOARD_SERVER_CA names a PEM file with certificates")
    };
    let content = file::read_named(path, MAX_CERTIFICATES).map_err(|error| bad(&error))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(&content) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| bad(&error))? {
            certificates.push(certificate.to_owned());
        }
    }
    if certificates.is_empty() {
        return Err(bad(&"there is no certificate in it"));
    }
    Ok(certificates.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_commands_name_the_server() {
        let mut answer = json!({"task": {"title": "callboard x"}, "lists": [{"finish_command": "callboard finish a"}]});
        name_server(&mut answer, "http://h:1");
        let finish = "callboard --server-url http://h:1 finish a";
        assert_eq!(answer, json!({"task": {"title": "callboard x"}, "lists": [{"finish_command": finish}]}));
    }

    #[test]
    fn a_token_is_looked_for_only_for_this_host() {
        for (url, address) in [
            ("http://127.0.0.1:8765", Some("127.0.0.1:8765")),
            ("http://localhost:1/", Some("127.0.0.1:1")),
            ("http://[::1]:7", Some("[::1]:7")),
            ("https://localhost", Some("127.0.0.1:443")),
            ("http://127.0.0.1.evil.example:8765", None),
            ("http://board.example:8765", None),
            ("http://127.0.0.1@evil.example:8765", None),
        ] {
            assert_eq!(loopback(url), address.map(|text| text.parse().expect("an address")), "{url}");
        }
    }
}
