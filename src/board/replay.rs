//! Requests that were done before, answered again with their first reply.
//!
//! **Invariants.** A replay changes nothing. A lease that the first reply granted and that is gone by now is not handed out
//! again.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::look::{holder_of, known_task};
use super::mutation::{Answer, Committed, Order, Pulse};
use super::turn::{Rung, Touched};
use crate::domain::id::{LeaseToken, Module, SessionId};
use crate::domain::lease::{LeaseKind, nobody_holds};
use crate::domain::refusal::{Code, Refusal};
use crate::store::Transaction;

/// What is kept of a reply, to be given again.
#[derive(Serialize, Deserialize)]
pub(super) struct KeptReply<T> {
    pub(super) answer: Answer<T>,
    pub(super) warnings: Vec<String>,
    /// The session that acted: its id stays in the reply.
    #[serde(default)]
    pub(super) session: Option<SessionId>,
}

/// The first answer of a request that was done before. A lease that it granted and that is gone by now is refused with
/// its present holder, because whoever repeats the request would work on it.
pub(super) fn replay<T: DeserializeOwned>(
    store: &dyn Transaction,
    order: &Order<'_>,
    digest: &str,
) -> Result<Option<Committed<T>>, Refusal> {
    let id = &order.request_id;
    let Some(request) = store.request(id)? else { return Ok(None) };
    if request.digest != digest {
        return Err(Refusal::new(Code::RequestIdReused, format!("request id {id} was used at {}", request.at))
            .hint("leave --request-id out, or take a new one")
            .detail("at", request.at.to_string()));
    }
    let unreadable = |error| Refusal::damaged(format!("the kept reply of request {id} cannot be read: {error}"));
    let granted: KeptReply<Granted> = serde_json::from_str(&request.reply).map_err(unreadable)?;
    for lease in granted.answer.reply.leases() {
        refuse_lost(store, &lease)?;
    }
    let kept: KeptReply<T> = serde_json::from_str(&request.reply).map_err(unreadable)?;
    Ok(Some(Committed {
        answer: kept.answer,
        revision: request.revision,
        warnings: kept.warnings,
        session: kept.session,
        replayed: true,
        touched: Touched::Nothing,
        at: request.at,
        // Whoever was killed may have died before the pages, and before anybody was told.
        overfull: None,
        refusal: None,
        pulse: Some(Pulse::of(&store.board()?, store.next_deadline()?, Rung::All)),
    }))
}

/// What every reply that grants a lease has.
#[derive(Deserialize, Serialize)]
struct Granted {
    #[serde(default)]
    lease: Option<GrantedLease>,
    /// A list where a window came back to its leases; elsewhere it is no list.
    #[serde(default)]
    resumed: Value,
}

impl Granted {
    fn leases(self) -> impl Iterator<Item = GrantedLease> {
        let resumed = match self.resumed {
            Value::Array(list) => list,
            _ => Vec::new(),
        };
        self.lease.into_iter().chain(resumed.into_iter().filter_map(|lease| serde_json::from_value(lease).ok()))
    }
}

#[derive(Deserialize, Serialize)]
struct GrantedLease {
    module: Module,
    kind: LeaseKind,
    token: LeaseToken,
}

fn refuse_lost(store: &dyn Transaction, granted: &GrantedLease) -> Result<(), Refusal> {
    let dial = store.board()?.dial;
    let task = known_task(store, &granted.module)?;
    let lease = store.lease(task.key, granted.kind)?;
    match lease {
        Some(lease) if lease.token == granted.token => Ok(()),
        Some(lease) => Err(lease.lost_to_holder(&holder_of(store, &lease, dial)?)),
        None => Err(nobody_holds(&granted.module, granted.kind, task.state)),
    }
}
