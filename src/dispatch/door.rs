//! Who may come in: the Host and Origin of a request, its token, and what every answer says to browsers.
//!
//! **Invariants.** A page of another site can neither read nor change anything: a name that a stranger's DNS made point here
//! is no Host of ours, and an Origin must be the Host's own. Nothing that a client sends is logged.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::answers::refuse;
use crate::app::App;
use crate::app::tokens::{OWNER, Tokens};
use crate::bridge::guest::{Guest, unauthorized};
use crate::domain::refusal::{Code, Refusal};

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

/// Paths that hold nothing of the board: the page's own files, and whether the server lives.
fn is_public(path: &str) -> bool {
    path == "/" || path == "/healthz" || path.starts_with("/assets/")
}

/// What proxies add to a request.
const PROXIED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

/// Who keeps the door.
pub(super) struct Porter {
    /// Names that may stand in Host, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// True where only this host can connect: then a look needs no token.
    pub loopback: bool,
    /// The board's name among the tokens; none where the token is from the environment.
    pub board: Option<String>,
    pub tokens: Mutex<Tokens>,
    /// Reads the tokens again.
    pub app: Mutex<App>,
}

impl Porter {
    /// Whoever sends these headers. Refuses with `cross_site` or `unauthorized`.
    fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<Guest, Refusal> {
        let host = self.host(headers)?;
        refuse_other_sites(method, headers, host)?;
        match bearer(headers)? {
            Some(secret) => self.known(secret),
            None if is_public(path) || self.is_local(host, headers) && path != "/mcp" => Ok(Guest::stranger()),
            None if path == "/mcp" => Err(unauthorized("MCP needs a token")),
            None => Err(unauthorized("off this host everything needs a token")),
        }
    }

    /// The Host, if it is one of ours.
    fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
        let given = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let name = without_port(given);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let ours = match address {
            // Nobody's DNS makes an address of a name.
            Ok(address) => !self.loopback || address.is_loopback(),
            Err(_) => {
                name.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
            }
        };
        match ours {
            true => Ok(given),
            false => Err(Refusal::new(Code::CrossSite, format!("this server is not called {name:?}"))
                .hint("callboard serve --allow-host NAME")),
        }
    }

    /// True for whoever sits at this host: a proxy on it passes on what others ask.
    fn is_local(&self, host: &str, headers: &HeaderMap) -> bool {
        let name = without_port(host);
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_direct = address.map_or(name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
        self.loopback && is_direct && !PROXIED.iter().any(|name| headers.contains_key(*name))
    }

    fn known(&self, secret: &str) -> Result<Guest, Refusal> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(board) = &self.board {
            let app = self.app.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(newer) = app.newer_tokens(board, &tokens) {
                *tokens = newer;
            }
        }
        let token = tokens.find(secret).ok_or_else(|| unauthorized("this token is not known"))?;
        match token.name.as_str() {
            OWNER => {
                let app = self.app.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Guest::owner(app.settings.user.clone()))
            }
            name => Ok(Guest::known(name, token.role)),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
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

/// Refuses what a page of another site sends. A person who follows a link to the page itself is welcome.
fn refuse_other_sites(method: &Method, headers: &HeaderMap, host: &str) -> Result<(), Refusal> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let own =
        |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    let foreign_origin = text("origin").is_some_and(|origin| !own(origin));
    let navigates = *method == Method::GET && text("sec-fetch-mode") == Some("navigate");
    let foreign_fetch = matches!(text("sec-fetch-site"), Some("cross-site" | "same-site")) && !navigates;
    match foreign_origin || foreign_fetch {
        true => Err(Refusal::new(Code::CrossSite, "the request comes from a page of another site")),
        false => Ok(()),
    }
}

/// Lets in whoever may come in, and tells browsers what holds for every answer.
pub(super) async fn keep(State(porter): State<Arc<Porter>>, mut request: Request, next: Next) -> Response {
    let admitted = porter.admit(request.method(), request.uri().path(), request.headers());
    let mut response = match admitted {
        Ok(guest) => {
            let guest = match bearer(request.headers()) {
                Ok(Some(secret)) => {
                    let (porter, secret) = (Arc::clone(&porter), secret.to_owned());
                    guest.as_long_as(move || porter.known(&secret).is_ok())
                }
                _ => guest,
            };
            request.extensions_mut().insert(guest);
            next.run(request).await
        }
        Err(refusal) => refuse(refusal),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_a_name() {
        let names = ["a:80", "a", "[::1]:8765", "[::1]", "127.0.0.1:1"];
        assert_eq!(names.map(without_port), ["a", "a", "[::1]", "[::1]", "127.0.0.1"]);
    }

    #[test]
    fn pages_of_other_sites_get_nothing() {
        let check = |method: Method, pairs: &[(&'static str, &'static str)]| {
            let headers =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            refuse_other_sites(&method, &headers.collect(), "127.0.0.1:8765").is_ok()
        };
        assert!(check(Method::POST, &[]), "a program");
        assert!(check(Method::POST, &[("origin", "http://127.0.0.1:8765"), ("sec-fetch-site", "same-origin")]));
        assert!(check(Method::GET, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), "a link");
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1:8765.evil.example"] {
            assert!(!check(Method::POST, &[("origin", origin)]), "{origin}");
        }
        assert!(!check(Method::GET, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]));
        assert!(!check(Method::POST, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), "a form");
    }
}
