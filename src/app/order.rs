//! What a door orders, and what it gets: a change or a look.

use sha2::{Digest as _, Sha256};

use crate::board::caller::Caller;
use crate::board::mutation::{self, Answer, LateResult};
use crate::domain::id::{RequestId, SessionId};

/// A mutation as a door orders it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The operation's name.
    pub operation: &'static str,
    /// Its arguments, as JSON.
    pub arguments: String,
    /// Who calls.
    pub caller: Caller,
    /// The name of the request, if it has one.
    pub request_id: Option<RequestId>,
    /// The revision that the board must have.
    pub expected_revision: Option<u64>,
    /// What is kept if the lease turns out to be gone.
    pub late: Option<LateResult>,
}

impl Order {
    /// Presence that no request id is for.
    pub fn presence(operation: &'static str, caller: &Caller) -> Self {
        Self {
            operation,
            arguments: String::new(),
            caller: caller.clone(),
            request_id: None,
            expected_revision: None,
            late: None,
        }
    }
}

impl mutation::Digest for Order {
    fn of(&self, identity: &str) -> String {
        digest(&[self.operation, &self.arguments, identity])
    }
}

/// Half a SHA-256 over all parts, in hexadecimal.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update(part.len().to_le_bytes());
        sha.update(part.as_bytes());
    }
    hexadecimal(&sha.finalize()[..16])
}

/// Bytes as people write them.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        use std::fmt::Write as _;
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    })
}

/// What a mutation came to.
#[derive(Clone, Debug)]
pub struct Changed<T> {
    /// The answer.
    pub answer: Answer<T>,
    /// The revision of the board after it.
    pub revision: u64,
    /// The name of the request.
    pub request_id: RequestId,
    /// The session that acted.
    pub session: Option<SessionId>,
    /// What is worth saying.
    pub warnings: Vec<String>,
    /// True when it had been done before.
    pub replayed: bool,
    /// True when the pages do not show it yet.
    pub projection_behind: bool,
}

/// What a look found.
#[derive(Clone, Debug)]
pub struct Seen<T> {
    /// The answer.
    pub answer: Answer<T>,
    /// The revision of the board that was looked at.
    pub revision: u64,
    /// The session that asked.
    pub session: Option<SessionId>,
}

impl<T> Seen<T> {
    /// The same with another reply.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Seen<U> {
        let Answer { outcome, reply } = self.answer;
        Seen { answer: Answer { outcome, reply: map(reply) }, revision: self.revision, session: self.session }
    }
}
