//! The sessions of clients over HTTP: which caller each belongs to, and which one ends to make room.
//!
//! **Invariants.** A session belongs to the caller that opened it from the moment it exists. A caller has at most
//! [`MAX_OWN_SESSIONS`], so no token keeps others out. A session with a call that is being answered never makes room.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio_stream::Stream;

use crate::bridge::guest::{Guest, Standing};

/// A client over HTTP that sends nothing for this long has gone, and its session is closed. Work between two calls may take
/// longer than a lease.
const SESSION_TIMEOUT: Duration = Duration::from_secs(2 * 3600);
/// Maximum number of sessions.
const MAX_SESSIONS: usize = 1_024;
/// Maximum number of sessions of one caller.
const MAX_OWN_SESSIONS: usize = 32;

/// Whose a session is: callers with the same token have the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    standing: Standing,
    name: String,
}

impl Owner {
    pub(super) fn of(guest: &Guest) -> Self {
        Self { standing: guest.standing, name: guest.name.clone() }
    }
}

tokio::task_local! {
    static CALLER: Caller;
}

#[derive(Clone)]
struct Caller {
    owner: Owner,
    is_refused: Arc<AtomicBool>,
}

/// The sessions of a room.
pub struct Sessions {
    local: LocalSessionManager,
    registry: Mutex<Registry>,
}

#[derive(Default)]
struct Registry {
    sessions: HashMap<SessionId, Session>,
    uses: u64,
}

struct Session {
    owner: Owner,
    /// The number of its last use among all uses.
    last_used: u64,
    running: Running,
}

/// As long as a copy exists, a call of the session is being answered.
pub(super) type Running = Arc<()>;

/// What has to happen before a caller gets another session.
#[derive(Debug, PartialEq, Eq)]
enum Vacancy {
    /// Nothing.
    Free,
    /// This session, the one that was idle for longest, ends.
    After(SessionId),
    /// There is none.
    Full,
}

impl Registry {
    fn vacancy(&self, owner: &Owner) -> Vacancy {
        let own = || self.sessions.iter().filter(|(_, session)| session.owner == *owner);
        if own().count() < MAX_OWN_SESSIONS {
            return if self.sessions.len() < MAX_SESSIONS { Vacancy::Free } else { Vacancy::Full };
        }
        let idle = own().filter(|(_, session)| Arc::strong_count(&session.running) == 1);
        let longest = idle.min_by_key(|(_, session)| session.last_used);
        longest.map_or(Vacancy::Full, |(id, _)| Vacancy::After(id.clone()))
    }

    fn add(&mut self, id: SessionId, owner: Owner) {
        self.uses += 1;
        self.sessions.insert(id, Session { owner, last_used: self.uses, running: Running::default() });
    }

    fn call(&mut self, id: &str, owner: &Owner) -> Option<Running> {
        let session = self.sessions.get_mut(id).filter(|session| session.owner == *owner)?;
        self.uses += 1;
        session.last_used = self.uses;
        Some(Arc::clone(&session.running))
    }
}

impl Sessions {
    pub(super) fn new() -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(SESSION_TIMEOUT);
        Self { local, registry: Mutex::default() }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of a session by this caller; none where the caller has no such session.
    pub(super) fn call(&self, id: &str, owner: &Owner) -> Option<Running> {
        self.registry().call(id, owner)
    }

    /// Awaits `request`, whose sessions are this caller's. None where it wanted one and there is no room.
    pub(super) async fn opened_by<T>(&self, owner: Owner, request: impl Future<Output = T>) -> Option<T> {
        let caller = Caller { owner, is_refused: Arc::default() };
        let is_refused = Arc::clone(&caller.is_refused);
        let answer = CALLER.scope(caller, request).await;
        (!is_refused.load(Ordering::Acquire)).then_some(answer)
    }
}

/// Why a session cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// There is no room for another.
    #[error("there are as many MCP sessions as the server takes")]
    Full,
    /// The store of sessions failed.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionsError> {
        // Only `Room` makes sessions, and says for whom.
        let caller = CALLER.try_with(Clone::clone).map_err(|_| SessionsError::Full)?;
        loop {
            let vacancy = self.registry().vacancy(&caller.owner);
            match vacancy {
                Vacancy::Free => break,
                Vacancy::After(id) => self.close_session(&id).await?,
                Vacancy::Full => {
                    caller.is_refused.store(true, Ordering::Release);
                    return Err(SessionsError::Full);
                }
            }
        }
        let (id, transport) = self.local.create_session().await?;
        self.registry().add(id.clone(), caller.owner);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionsError> {
        Ok(self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionsError> {
        self.registry().sessions.remove(id);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), SessionsError> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::right::Right;

    use super::*;

    fn owner(name: &str) -> Owner {
        Owner::of(&Guest::known(name, Right::Read))
    }

    #[test]
    fn a_session_belongs_to_its_token_and_the_longest_idle_makes_room() {
        let (ann, ben) = (owner("ann"), owner("ben"));
        let mut registry = Registry::default();
        for n in 0..MAX_OWN_SESSIONS {
            assert_eq!(registry.vacancy(&ann), Vacancy::Free);
            registry.add(format!("s{n}").into(), ann.clone());
        }
        assert_eq!(registry.vacancy(&ben), Vacancy::Free);
        assert!(registry.call("s0", &ben).is_none() && registry.call("none", &ann).is_none());
        assert!(registry.call("s0", &Owner::of(&Guest::owner("ann"))).is_none(), "the account of that name is another");
        registry.call("s0", &ann).expect("its own");
        assert_eq!(registry.vacancy(&ann), Vacancy::After("s1".into()));
        let running = registry.call("s1", &ann);
        registry.call("s0", &ann).expect("its own");
        assert_eq!(registry.vacancy(&ann), Vacancy::After("s2".into()), "one that answers stays");
        drop(running);
        let all: Vec<_> = (0..MAX_OWN_SESSIONS).map(|n| registry.call(&format!("s{n}"), &ann)).collect();
        assert_eq!(registry.vacancy(&ann), Vacancy::Full);
        drop(all);
        assert_eq!(registry.vacancy(&ann), Vacancy::After("s0".into()));
    }

    #[test]
    fn all_tokens_together_have_a_limit() {
        let mut registry = Registry::default();
        for n in 0..MAX_SESSIONS {
            registry.add(format!("s{n}").into(), owner(&format!("t{}", n / MAX_OWN_SESSIONS)));
        }
        assert_eq!(registry.vacancy(&owner("late")), Vacancy::Full);
        assert_eq!(registry.vacancy(&owner("t0")), Vacancy::After("s0".into()));
    }
}
