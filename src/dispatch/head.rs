//! What the head of a request says about where it comes from: another site's page, a proxy, or a program on this host.
//!
//! **Invariants.** A header that decides who is served stands in a request once. A head within the limit of the manual is
//! accepted, a longer one is refused, whatever the buffers below hold.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Version, header};

use crate::domain::refusal::{Code, Refusal};

/// Maximum size of a request line with its headers, in bytes.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Headers of which a second one is refused: programs on the way may read one and this server the other.
const SINGLE: [&str; 14] = [
    "host",
    "authorization",
    "content-length",
    "content-type",
    "transfer-encoding",
    "origin",
    "last-event-id",
    "idempotency-key",
    "mcp-session-id",
    "mcp-protocol-version",
    "callboard-nonce",
    "sec-fetch-site",
    "sec-fetch-mode",
    "sec-fetch-dest",
];

/// How the names of headers begin that proxies add, end, or are.
const PROXY_PREFIXES: [&str; 9] =
    ["x-forwarded", "x-original", "x-rewrite-", "x-envoy-", "x-proxy", "x-amzn-", "x-azure-", "cf-", "fastly-"];
const PROXY_SUFFIXES: [&str; 4] = ["client-ip", "real-ip", "connecting-ip", "remote-addr"];
const PROXY_NAMES: [&str; 6] =
    ["forwarded", "forwarded-for", "via", "x-http-host-override", "x-host", "proxy-authorization"];

/// Refuses a head that is too long with `too_large`, and a repeated header with `usage`.
pub(super) fn check(parts: &Parts) -> Result<(), Refusal> {
    // As on the wire: `METHOD URI HTTP/1.1`, `NAME: VALUE`, each ended by two bytes.
    let line = parts.method.as_str().len() + parts.uri.to_string().len() + 12;
    let headers = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if line + headers.sum::<usize>() + 2 > MAX_HEAD {
        let message = format!("the request line and the headers have more than {MAX_HEAD} bytes");
        return Err(Refusal::new(Code::TooLarge, message));
    }
    match SINGLE.into_iter().find(|name| parts.headers.get_all(*name).iter().nth(1).is_some()) {
        Some(name) => Err(Refusal::new(Code::Usage, format!("the header {name} was given twice"))),
        None => Ok(()),
    }
}

/// Whether a request comes straight from a program that means this server: not through a proxy, whose clients may be on
/// other hosts. `port` is the server's.
pub(super) fn is_direct(parts: &Parts, host: &str, port: u16) -> bool {
    let (name, given_port) = split_port(host);
    let is_loopback = address(name).map_or(name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
    let is_own_port = given_port.is_none_or(|given| given.parse() == Ok(port));
    // Programs send HTTP/1.1 and only the path; proxies are still made that speak HTTP/1.0 to the server behind them.
    let is_plain = parts.version >= Version::HTTP_11 && parts.uri.authority().is_none();
    is_loopback && is_own_port && is_plain && !is_forwarded(&parts.headers)
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().map(|name| name.as_str()).any(|name| {
        PROXY_NAMES.contains(&name)
            || PROXY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || PROXY_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
    })
}

/// The address that a name in Host is, if it is one.
pub(super) fn address(name: &str) -> Option<IpAddr> {
    name.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// The name and the port of a Host.
pub(super) fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.ends_with(':') => {
            (name, Some(port))
        }
        _ => (host, None),
    }
}

/// Refuses what a page of another site sends with `cross_site`. A person may follow a link to the page itself, in a window
/// of its own: no other address, and no frame, is served to another site.
pub(super) fn refuse_other_sites(parts: &Parts, host: &str) -> Result<(), Refusal> {
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let own =
        |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    let foreign_origin = text(header::ORIGIN.as_str()).is_some_and(|origin| !own(origin));
    let opens_page = parts.method == Method::GET
        && parts.uri.path() == "/"
        && text("sec-fetch-mode") == Some("navigate")
        && text("sec-fetch-dest") == Some("document");
    let foreign_fetch = !matches!(text("sec-fetch-site"), None | Some("same-origin" | "none")) && !opens_page;
    match foreign_origin || foreign_fetch {
        true => Err(Refusal::new(Code::CrossSite, "the request comes from a page of another site")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn head(method: Method, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn a_port_is_no_part_of_a_name() {
        let names = ["a:80", "a", "[::1]:8765", "[::1]", "127.0.0.1:1"];
        assert_eq!(names.map(|host| split_port(host).0), ["a", "a", "[::1]", "[::1]", "127.0.0.1"]);
    }

    #[test]
    fn pages_of_other_sites_get_the_page_in_a_window_and_nothing_else() {
        let check = |method: Method, path: &str, pairs: &[(&str, &str)]| {
            refuse_other_sites(&head(method, path, pairs), "127.0.0.1:8765").is_ok()
        };
        let own = [("origin", "http://127.0.0.1:8765"), ("sec-fetch-site", "same-origin")];
        assert!(check(Method::POST, "/v1/tasks", &[]), "a program");
        assert!(check(Method::POST, "/v1/tasks", &own));
        assert!(check(Method::GET, "/v1/tasks", &[("sec-fetch-site", "none")]), "typed by a person");
        for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1:8765.evil.example"] {
            assert!(!check(Method::POST, "/v1/tasks", &[("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "of-the-future"] {
            let navigation = |path, dest| {
                let pairs = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)];
                (check(Method::GET, path, &pairs), check(Method::POST, path, &pairs))
            };
            assert_eq!(navigation("/", "document"), (true, false), "a link, and a form");
            for (path, dest) in [
                ("/", "iframe"),
                ("/", "object"),
                ("/v1/doctor", "document"),
                ("/pages/STATUS.md", "document"),
                ("/assets/app.js", "document"),
                ("/events/stream", "document"),
            ] {
                assert_eq!(navigation(path, dest), (false, false), "{path} {dest}");
            }
            assert!(!check(Method::GET, "/", &[("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")]));
        }
    }

    #[test]
    fn whatever_a_proxy_leaves_in_a_request_shows_it() {
        let direct =
            |path: &str, headers: &[(&str, &str)], host| is_direct(&head(Method::GET, path, headers), host, 8765);
        for host in ["localhost", "localhost:8765", "127.0.0.1:8765", "[::1]:8765", "127.0.0.1"] {
            assert!(direct("/tasks", &[("accept", "*/*"), ("x-request-id", "1")], host), "{host}");
        }
        for host in ["board.example", "localhost:80", "127.0.0.1:9999", "192.0.2.1:8765"] {
            assert!(!direct("/tasks", &[], host), "{host}");
        }
        for name in [
            "Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Proto",
            "X-Real-IP",
            "Via",
            "CF-Connecting-IP",
            "CF-Ray",
            "True-Client-IP",
            "X-Client-IP",
            "X-Cluster-Client-IP",
            "Fastly-Client-IP",
            "X-Original-URL",
            "X-Original-Forwarded-For",
            "X-Envoy-External-Address",
            "Client-IP",
        ] {
            assert!(!direct("/tasks", &[(name, "192.0.2.1")], "localhost"), "{name}");
        }
        assert!(!direct("http://localhost/tasks", &[], "localhost"), "only a proxy is sent a whole address");
        let mut old = head(Method::GET, "/tasks", &[]);
        old.version = Version::HTTP_10;
        assert!(!is_direct(&old, "localhost", 8765));
    }

    #[test]
    fn a_head_has_a_size_and_what_decides_stands_in_it_once() {
        for name in SINGLE {
            assert!(check(&head(Method::GET, "/", &[(name, "a")])).is_ok(), "{name}");
            assert!(check(&head(Method::GET, "/", &[(name, "a"), (name, "a")])).is_err(), "{name}");
        }
        let rest = "GET / HTTP/1.1\r\nx: \r\n\r\n".len();
        let longest = "x".repeat(MAX_HEAD - rest);
        assert!(check(&head(Method::GET, "/", &[("x", &longest)])).is_ok());
        assert!(check(&head(Method::GET, "/", &[("x", &(longest + "x"))])).is_err());
    }
}
