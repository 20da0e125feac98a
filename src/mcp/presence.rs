//! Who a connection is on the board: a window of an agent, registered for it and closed with it.
//!
//! **Invariants.** Every call of the connection is made by that window, unless it names another agent itself. Its leases are
//! renewed by its calls, whatever they are about. When the connection ends, the window is closed and its leases end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::app::stored_sessions::{StoredSession, StoredSessions};
use crate::board::mutation::Refused;
use crate::bridge::Bridge;
use crate::bridge::catalogue::{Entry, find};
use crate::bridge::guest::Guest;
use crate::domain::for_people::TELL;
use crate::domain::id::{AgentId, SessionId};
use crate::domain::refusal::{Code, Refusal};
use crate::platform::deadline::Deadline;
use crate::platform::entropy::Entropy;

/// A window that calls is heard of at most this often, and its leases renewed.
const RENEWED_EVERY: Duration = Duration::from_secs(20);

/// Who connections are.
#[derive(Clone, Default)]
pub struct Identity {
    /// The agent's key; the client's name where there is none.
    pub thread_key: Option<String>,
    /// The window; one of its own for each connection where there is none.
    pub window: Option<String>,
    /// What the agent is for.
    pub roles: Vec<String>,
    /// Its specialties.
    pub specialties: Vec<String>,
    /// True if the client may say that a person acts.
    pub may_act_as_human: bool,
    /// Where the session of the fixed window is stored for the next process.
    pub stored_sessions: Option<StoredSessions>,
    /// Asks what the client's machine knows of itself, where it is this one: branch and head may be others at each call.
    pub facts: Option<Arc<dyn Fn() -> Value + Send + Sync>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("thread_key", &self.thread_key).finish_non_exhaustive()
    }
}

/// The window of one connection.
pub(super) struct Presence {
    bridge: Arc<Bridge>,
    identity: Identity,
    state: Mutex<Option<Aboard>>,
}

#[derive(Clone)]
struct Aboard {
    agent: AgentId,
    session: SessionId,
    renew: Deadline,
    /// Keeps other processes of the same window from taking this one for ended.
    stored: Option<Arc<StoredSession>>,
}

impl Presence {
    pub(super) fn new(bridge: Arc<Bridge>, identity: Identity) -> Arc<Self> {
        Arc::new(Self { bridge, identity, state: Mutex::new(None) })
    }

    /// Registers the window of the connection, if it has none yet. `client` is what the client calls itself.
    pub(super) async fn come_aboard(&self, client: &str, guest: &Guest) -> Result<(), Refused> {
        let mut state = self.state.lock().await;
        if state.is_some() {
            return Ok(());
        }
        let key = self.identity.thread_key.clone().unwrap_or_else(|| slug(client));
        let window = self.identity.window.clone().unwrap_or_else(own_window);
        let mut body = json!({"thread_key": key, "window_id": window});
        for (field, list) in [("role", &self.identity.roles), ("specialty", &self.identity.specialties)] {
            if !list.is_empty() {
                body[field] = json!(list);
            }
        }
        *state = Some(self.register(body.as_object().cloned().unwrap_or_default(), None, guest).await?.1);
        Ok(())
    }

    /// Registers the window that the client asks for, in place of the one that it had.
    pub(super) async fn be(&self, body: Map<String, Value>, guest: &Guest) -> crate::bridge::request::Settled {
        let mut state = self.state.lock().await;
        let mut body = body;
        if !body.contains_key("window_id") {
            body.insert("window_id".to_owned(), json!(self.identity.window.clone().unwrap_or_else(own_window)));
        }
        if let Some(before) = state.as_ref() {
            // Whoever registers the window that it has proves it.
            body.entry("session_id").or_insert_with(|| json!(before.session));
        }
        let (done, aboard) = self.register(body, state.as_ref(), guest).await?;
        let before = state.replace(aboard.clone());
        if let Some(before) = before.filter(|before| before.session != aboard.session) {
            self.close(&before).await;
        }
        Ok(done)
    }

    async fn register(
        &self,
        mut body: Map<String, Value>,
        before: Option<&Aboard>,
        guest: &Guest,
    ) -> Result<(crate::ops::Done<Value>, Aboard), Refused> {
        let entry = find("register-session").map_err(unread)?;
        self.add_facts(entry, &mut body);
        let stored = self.stored(&body, before);
        if let Some(former) = stored.as_ref().and_then(|stored| stored.id()) {
            // The window is the same, and so is who has it: that process has ended.
            body.entry("session_id").or_insert_with(|| json!(former));
        }
        let request = guest.request(entry, body).map_err(unread)?;
        let request = match self.identity.facts {
            // The client's machine is this one.
            Some(_) => self.bridge.prepare(request).await?,
            None => request,
        };
        let mut done = self.bridge.call(request.into()).await?;
        let text = |key: &str| done.reply[key].as_str().unwrap_or_default();
        let strange = |_| unread(Refusal::new(Code::Internal, "a window was registered without a name"));
        let (agent, session) =
            (text("agent_id").parse().map_err(strange)?, text("session_id").parse().map_err(strange)?);
        tracing::info!(%agent, "a session was registered for a connection");
        if let Some(Err(refusal)) = stored.as_ref().map(|stored| stored.store(&session)) {
            done.warnings.push(format!("the next process of this window has to resume it by hand: {refusal}"));
        }
        Ok((done, Aboard { agent, session, renew: Deadline::after(RENEWED_EVERY), stored }))
    }

    /// The stored session of the fixed window, where `body` registers that and no other process has it.
    fn stored(&self, body: &Map<String, Value>, before: Option<&Aboard>) -> Option<Arc<StoredSession>> {
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let (key, window) = (text("thread_key")?, text("window_id")?);
        let sessions =
            self.identity.stored_sessions.as_ref().filter(|_| self.identity.window.as_deref() == Some(window))?;
        let own = before.and_then(|before| before.stored.clone()).filter(|stored| sessions.is_of(stored, key, window));
        // Without a place to store it, a window is resumed by hand.
        own.or_else(|| sessions.of(key, window).ok().flatten().map(Arc::new))
    }

    /// Refuses with `human_required` fields that say that a person acts, in whatever spelling and tool: what speaks here is
    /// an agent's client.
    pub(super) fn check_person(&self, fields: &Map<String, Value>) -> Result<(), Refusal> {
        let says = |fields: &Map<String, Value>, name: &str| {
            fields.iter().any(|(key, value)| {
                let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
                key.eq_ignore_ascii_case(name) && !matches!(value, Value::Null | Value::Bool(false))
            })
        };
        let facts = fields.get("facts").and_then(Value::as_object);
        if self.identity.may_act_as_human
            || !says(fields, "ashuman") && !facts.is_some_and(|facts| says(facts, "terminal"))
        {
            return Ok(());
        }
        Err(Refusal::new(Code::HumanRequired, "as_human is refused over MCP: an agent is no person").hint(TELL))
    }

    fn add_facts(&self, entry: &Entry, body: &mut Map<String, Value>) {
        if let Some(facts) = self.identity.facts.as_ref().filter(|_| entry.shared.contains("facts")) {
            body.entry("facts").or_insert_with(|| facts());
        }
    }

    /// Says in the fields of a call who calls, unless they do; returns the window that was named.
    pub(super) async fn sign(&self, entry: &Entry, body: &mut Map<String, Value>) -> Option<SessionId> {
        self.add_facts(entry, body);
        if says_who(entry, body) {
            return None;
        }
        let state = self.state.lock().await;
        let aboard = state.as_ref()?;
        body.insert("agent_id".to_owned(), json!(aboard.agent));
        body.insert("session_id".to_owned(), json!(aboard.session));
        Some(aboard.session.clone())
    }

    /// Renews the leases of the window, if that was not done lately: after each call, and while one waits.
    pub(super) async fn renew(&self) {
        let mut state = self.state.lock().await;
        let Some(aboard) = state.as_mut().filter(|aboard| aboard.renew.is_over()) else { return };
        aboard.renew = Deadline::after(RENEWED_EVERY);
        // A window that was reaped meanwhile is told so by the next call that needs it.
        let _ = self.bridge.be_heard_of(aboard.agent.clone(), aboard.session.clone()).await;
    }

    /// The window has ended by itself; if it is still that of the connection, the next call comes aboard anew.
    pub(super) async fn forget(&self, session: &SessionId) {
        let mut state = self.state.lock().await;
        state.take_if(|aboard| aboard.session == *session);
    }

    /// Closes the window.
    pub(super) async fn leave(&self) {
        if let Some(aboard) = self.state.lock().await.take() {
            self.close(&aboard).await;
        }
    }

    async fn close(&self, aboard: &Aboard) {
        tracing::info!(agent = %aboard.agent, "the session of a connection ends");
        let body = json!({"agent_id": aboard.agent, "session_id": aboard.session});
        let body = body.as_object().cloned().unwrap_or_default();
        let Ok(entry) = find("close-session") else { return };
        let guest = Guest::account("mcp");
        if let Ok(request) = guest.request(entry, body) {
            // A window that has ended already needs no closing.
            let _ = self.bridge.call(request.into()).await;
        }
    }
}

/// True where the fields of a call say who calls, or where nobody is asked.
pub(super) fn says_who(entry: &Entry, body: &Map<String, Value>) -> bool {
    let named = ["agent_id", "thread_key", "session_id", "as_human"];
    let mut speaks = named.iter().filter(|key| entry.shared.contains(**key));
    speaks.any(|key| body.get(*key).is_some_and(|value| !value.is_null())) || !entry.shared.contains("session_id")
}

fn unread(refusal: Refusal) -> Refused {
    Refused { refusal, revision: None }
}

/// A name as the board takes it.
fn slug(name: &str) -> String {
    let plain =
        name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let plain = plain.trim_matches('-').to_owned();
    if plain.is_empty() { "mcp".to_owned() } else { plain }
}

/// A window for one connection of this process. Random, because processes of containers share their numbers.
fn own_window() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    match Entropy::System.hex(4) {
        Ok(hex) => format!("mcp-{hex}-{count}"),
        Err(_) => format!("mcp-{}-{count}", std::process::id()),
    }
}
