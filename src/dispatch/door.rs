//! Who may come in: the Host and Origin of a request, its token, and what every answer says to browsers.
//!
//! **Invariants.** A page of another site can neither read nor change anything: a name that a stranger's DNS made point here
//! is no Host of ours, and an Origin must be the Host's own. Of what a client sends only the method is logged, with the route
//! and the name of the token. The file of the tokens is read where it holds up no other request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::json;

use super::answers::{self, refuse};
use super::connections::{Class, Slot};
use super::head;
use crate::app::App;
use crate::app::proof::{Challenge, NONCE_HEADER, PATH};
use crate::app::tokens::{OWNER, Tokens};
use crate::bridge::guest::{Guest, Standing, unauthorized};
use crate::bridge::panics::caught;
use crate::domain::refusal::{Code, Refusal};
use crate::platform::clock;

/// What answers say to browsers: nothing of others is loaded, nobody frames or reads them.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Paths that hold nothing of the board: the page's own files, whether the server lives, and its proof.
fn is_public(path: &str) -> bool {
    path == "/" || path == "/healthz" || path == PATH || path.starts_with("/assets/")
}

/// What callers without a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymous {
    /// Programs on this host may read.
    Reads,
    /// Nothing but the page's own files.
    Nothing,
}

/// Who keeps the door.
pub(super) struct Porter {
    /// Names that may stand in Host, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Where the server listens. If only this host can connect, reading needs no token.
    pub address: SocketAddr,
    /// What callers without a token may do.
    pub anonymous: Anonymous,
    /// The board's name among the tokens; none where the token is from the environment.
    pub board: Option<String>,
    /// The tokens, and what reads them again.
    pub tokens: Mutex<(Tokens, App)>,
}

impl Porter {
    /// Who sends this head. Refuses with `cross_site` or `unauthorized`.
    fn admit(&self, parts: &Parts) -> Result<Guest, Refusal> {
        head::check(parts)?;
        let host = self.host(&parts.headers)?;
        head::refuse_other_sites(parts, host)?;
        let path = parts.uri.path();
        let may_read = || {
            let is_local = self.address.ip().is_loopback() && head::is_direct(parts, host, self.address.port());
            is_local && self.anonymous == Anonymous::Reads && path != "/mcp"
        };
        match bearer(&parts.headers)? {
            Some(secret) => self.known(secret),
            None if is_public(path) || may_read() => Ok(Guest::stranger()),
            None if path == "/mcp" => Err(unauthorized("MCP needs a token")),
            None if self.anonymous == Anonymous::Nothing => {
                Err(unauthorized("this server was started with --tokens-always"))
            }
            None => Err(unauthorized("off this host everything needs a token")),
        }
    }

    /// The Host, if it is one of ours.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
        let given = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let (name, _) = head::split_port(given);
        let ours = match head::address(name) {
            // Nobody's DNS makes an address of a name.
            Some(address) => !self.address.ip().is_loopback() || address.is_loopback(),
            None => {
                name.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
            }
        };
        match ours {
            true => Ok(given),
            false => Err(Refusal::new(Code::CrossSite, format!("this server is not called {name:?}"))
                .hint("callboard serve --allow-host NAME")),
        }
    }

    /// Uses the tokens as the file has them now. The file is read off the asynchronous threads, and only when it changed.
    fn with_tokens<T>(&self, work: impl FnOnce(&Tokens, &App) -> T) -> T {
        tokio::task::block_in_place(|| {
            let mut kept = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let (tokens, app) = &mut *kept;
            if let Some(newer) = self.board.as_ref().and_then(|board| app.newer_tokens(board, tokens)) {
                *tokens = newer;
            }
            work(tokens, app)
        })
    }

    fn known(&self, secret: &str) -> Result<Guest, Refusal> {
        self.with_tokens(|tokens, app| {
            let token = tokens.find(secret).ok_or_else(|| unauthorized("this token is not known"))?;
            Ok(match token.name.as_str() {
                OWNER => Guest::owner(app.settings.user.clone()),
                name => Guest::known(name, token.role),
            })
        })
    }

    /// Answers `GET /v1/proof`: that this server knows its tokens, before a client sends one.
    pub(super) fn proof(&self, headers: &HeaderMap) -> Response {
        let nonce = headers.get(NONCE_HEADER).and_then(|nonce| nonce.to_str().ok()).unwrap_or_default();
        let address = self.address.to_string();
        let challenge = Challenge { address: &address, nonce };
        match challenge.check() {
            Ok(()) => {
                let proofs = self.with_tokens(|tokens, _| tokens.proofs(challenge));
                answers::json(StatusCode::OK, &json!({"ok": true, "address": address, "proofs": proofs}))
            }
            Err(refusal) => refuse(refusal),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((scheme, secret)) if scheme.eq_ignore_ascii_case("bearer") && !secret.trim().is_empty() => {
            Ok(Some(secret.trim()))
        }
        _ => Err(unauthorized("the Authorization header is not 'Bearer TOKEN'")),
    }
}

/// Lets in who may come in, and tells browsers what holds for every answer.
pub(super) async fn keep(State(porter): State<Arc<Porter>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let (watch, method) = (clock::stopwatch(), parts.method.clone());
    let route = parts.extensions.get::<MatchedPath>().map_or_else(|| "?".to_owned(), |route| route.as_str().to_owned());
    let mut who = String::new();
    let admitted = porter.admit(&parts);
    if let Some(slot) = parts.extensions.get::<Arc<Slot>>() {
        let is_known = admitted.as_ref().is_ok_and(|guest| guest.standing != Standing::Stranger);
        slot.set_class(if is_known { Class::Token } else { Class::Anonymous });
    }
    let mut response = match admitted {
        Ok(guest) => {
            let guest = match bearer(&parts.headers) {
                Ok(Some(secret)) => {
                    let (porter, secret) = (Arc::clone(&porter), secret.to_owned());
                    guest.as_long_as(move || porter.known(&secret).is_ok())
                }
                _ => guest,
            };
            who = guest.name.clone();
            parts.extensions.insert(guest);
            caught(next.run(Request::from_parts(parts, body))).await.unwrap_or_else(refuse)
        }
        Err(refusal) => {
            let is_long = refusal.code == Code::TooLarge;
            let mut response = refuse(refusal);
            if is_long {
                *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            }
            response
        }
    };
    let (status, ms) = (response.status().as_u16(), watch.elapsed().as_millis());
    tracing::info!(%method, route, status, who, ms, "request");
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
