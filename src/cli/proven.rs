//! Connections to servers that have proven, before anything else is sent, that they know the client's token.
//!
//! **Invariants.** Each connection of an agent that is made here is proven once, when it is opened, also where it replaces
//! one that was lost. So nothing that sends a token has to think of it.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use ureq::config::Config;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport};
use ureq::{Agent, Error, Timeout};

use crate::app::proof::{Challenge, NONCE_HEADER, PATH};
use crate::platform::deadline::Deadline;
use crate::platform::entropy::Entropy;

/// How long a proof may take.
const PROOF_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of the head of an answer with a proof, in bytes,
const MAX_HEAD: usize = 16 * 1024;
/// and of its body.
const MAX_BODY: usize = 64 * 1024;

/// A token, and where it may be sent.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credential {
    /// The token.
    pub token: String,
    /// The address that a server of this account registered. None for a token that was given: then the server says
    /// what its address is, because it may be reached through a proxy or a tunnel.
    pub registered: Option<SocketAddr>,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("registered", &self.registered).finish_non_exhaustive()
    }
}

/// What answers did not prove that it knows the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unproven {
    /// It gave no proof: another program, or an older callboard.
    #[error("what answers there gave no proof that it knows the token")]
    Missing,
    /// None of its proofs is that of the token.
    #[error("what answers there does not know the token")]
    Wrong,
}

/// An agent whose connections are all proven for this credential.
pub(super) fn agent(config: Config, prefix: &str, credential: &Credential) -> Agent {
    let prover = Prover { path: format!("{prefix}{PATH}"), credential: credential.clone() };
    Agent::with_parts(config, DefaultConnector::new().chain(prover), DefaultResolver::default())
}

#[derive(Debug)]
struct Prover {
    path: String,
    credential: Credential,
}

impl Connector<Box<dyn Transport>> for Prover {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<Box<dyn Transport>>,
    ) -> Result<Option<Box<dyn Transport>>, Error> {
        let Some(mut transport) = chained else { return Ok(None) };
        let nonce = Entropy::System.hex(32).map_err(|error| Error::Other(Box::new(error)))?;
        let authority = details.uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let request = format!("GET {} HTTP/1.1\r\nHost: {host}\r\n{NONCE_HEADER}: {nonce}\r\n\r\n", self.path);
        let answer = exchange(&mut *transport, request.as_bytes(), details.timeout)?;
        match self.credential.check(&nonce, &answer) {
            Ok(()) => Ok(Some(transport)),
            Err(unproven) => Err(Error::Other(Box::new(unproven))),
        }
    }
}

/// What a server answers to a challenge.
#[derive(Deserialize)]
struct Proofs {
    address: String,
    proofs: Vec<String>,
}

impl Credential {
    fn check(&self, nonce: &str, answer: &[u8]) -> Result<(), Unproven> {
        let Proofs { address, proofs } = serde_json::from_slice(answer).map_err(|_| Unproven::Missing)?;
        let address = self.registered.map_or(address, |registered| registered.to_string());
        match (Challenge { address: &address, nonce }).is_answered(&self.token, &proofs) {
            true => Ok(()),
            false => Err(Unproven::Wrong),
        }
    }
}

/// Sends a request and reads its answer, and not a byte more. Fails with [`Unproven::Missing`] on what is no answer with
/// status 200.
fn exchange(transport: &mut dyn Transport, request: &[u8], connect: NextTimeout) -> Result<Vec<u8>, Error> {
    let deadline = Deadline::after(PROOF_TIMEOUT);
    let timeout = || NextTimeout { after: deadline.left().into(), reason: Timeout::Connect, ..connect };
    let missing = || Error::Other(Box::new(Unproven::Missing));
    transport.buffers().output().get_mut(..request.len()).ok_or_else(missing)?.copy_from_slice(request);
    transport.transmit_output(request.len(), timeout())?;
    loop {
        let input = transport.buffers().input();
        match body(input) {
            Progress::Whole(body) if body.end == input.len() => {
                let answer = input[body].to_vec();
                let length = input.len();
                transport.buffers().input_consume(length);
                return Ok(answer);
            }
            Progress::Whole(_) | Progress::Foreign => return Err(missing()),
            Progress::More => {}
        }
        if deadline.is_over() {
            return Err(Error::Timeout(Timeout::Connect));
        }
        if !transport.await_input(timeout())? {
            return Err(Error::Io(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    /// More bytes are needed.
    More,
    /// Where the body of the whole answer is.
    Whole(std::ops::Range<usize>),
    /// It is no answer with a proof.
    Foreign,
}

/// Where the body is in an answer with status 200 and a Content-Length.
fn body(input: &[u8]) -> Progress {
    const END: &[u8] = b"\r\n\r\n";
    let whole_head = input.windows(END.len()).position(|window| window == END);
    let known = &input[..input.len().min(STATUS.len())];
    if !STATUS.starts_with(known) || whole_head.unwrap_or(input.len()) > MAX_HEAD {
        return Progress::Foreign;
    }
    let Some(head) = whole_head else { return Progress::More };
    let Ok(text) = std::str::from_utf8(&input[..head]) else { return Progress::Foreign };
    let lengths = text.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, text)| text);
    let length = match (lengths.next().and_then(|text| text.trim().parse::<usize>().ok()), lengths.next()) {
        (Some(length), None) if length <= MAX_BODY => length,
        _ => return Progress::Foreign,
    };
    let begin = head + END.len();
    match input.len() >= begin + length {
        true => Progress::Whole(begin..begin + length),
        false => Progress::More,
    }
}

/// How an answer with a proof begins.
const STATUS: &[u8] = b"HTTP/1.1 200 ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_of_known_length_is_read() {
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(body(whole), Progress::Whole(whole.len() - 2..whole.len()));
        for end in 0..whole.len() {
            assert_eq!(body(&whole[..end]), Progress::More, "{end}");
        }
        for foreign in [
            "SSH-2.0-OpenSSH",
            "HTTP/1.1 404 Not Found\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}",
            &("HTTP/1.1 200 OK\r\nX: ".to_owned() + &"x".repeat(MAX_HEAD)),
        ] {
            assert_eq!(body(foreign.as_bytes()), Progress::Foreign, "{foreign}");
        }
    }

    #[test]
    fn a_proof_for_another_address_is_none_for_a_registered_server() {
        let registered = "127.0.0.1:8765".parse().ok();
        let found = Credential { token: "cb-1".to_owned(), registered };
        for answer in ["", "{}", "{\"address\":\"127.0.0.1:8765\"}", "[]", "no"] {
            assert_eq!(found.check("00", answer.as_bytes()), Err(Unproven::Missing), "{answer}");
        }
        let empty = "{\"address\":\"127.0.0.1:9\",\"proofs\":[]}";
        assert_eq!(found.check("00", empty.as_bytes()), Err(Unproven::Wrong));
    }
}
