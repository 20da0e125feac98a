//! What callers without a token, other sites and proxies get from a server, and what they keep from others.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::project::Project;
use crate::server::{Server, Stream};

#[test]
fn another_site_gets_the_page_in_a_window_and_nothing_else() {
    let project = Project::new().served();
    let server = project.server();
    let from = |site: &str, dest: &str, path: &str| {
        let headers = format!("Sec-Fetch-Site: {site}\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: {dest}");
        let reply = server.send("GET", path, &headers, "");
        if reply.status == 200 { "served".to_owned() } else { reply.refusal() }
    };
    for site in ["cross-site", "same-site"] {
        assert_eq!(from(site, "document", "/"), "served", "a link to the page");
        for path in
            ["/tasks", "/v1/doctor", "/v1/state", "/pages/STATUS.md", "/metrics", "/openapi.json", "/assets/app.js"]
        {
            assert_eq!(from(site, "document", path), "cross_site", "{site} {path}");
        }
        for dest in ["iframe", "frame", "embed", "object"] {
            assert_eq!(from(site, dest, "/"), "cross_site", "{site} {dest}");
        }
    }
    assert_eq!(from("same-origin", "document", "/pages/STATUS.md"), "served", "a link of the page itself");
    assert_eq!(from("none", "document", "/v1/state"), "served", "an address that a person typed");
}

#[test]
fn a_proxy_that_adds_little_still_counts_as_one() {
    let project = Project::new().served();
    let server = project.server();
    for header in [
        "Forwarded: for=192.0.2.1",
        "X-Forwarded-Proto: https",
        "X-Client-IP: 192.0.2.1",
        "True-Client-IP: 192.0.2.1",
        "X-Cluster-Client-IP: 192.0.2.1",
        "Fastly-Client-IP: 192.0.2.1",
        "CF-Connecting-IP: 192.0.2.1",
        "X-Original-URL: /tasks",
        "Host: localhost:1",
    ] {
        let reply = server.send("GET", "/tasks", header, "");
        assert_eq!((reply.status, reply.refusal().as_str()), (401, "unauthorized"), "{header}");
    }
    let old = server.raw("GET /tasks HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert_eq!((old.status, old.refusal().as_str()), (401, "unauthorized"));
    let whole = server.raw("GET http://localhost/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((whole.status, whole.refusal().as_str()), (401, "unauthorized"));
    assert_eq!(server.send("GET", "/tasks", &format!("Host: localhost:{}", server.port()), "").status, 200);
    let strict = Server::start(&project, &["--tokens-always"]);
    assert_eq!(strict.get("/tasks").refusal(), "unauthorized");
    assert_eq!((strict.get("/").status, strict.get("/healthz").status), (200, 200), "the page asks for the token");
    assert_eq!(strict.post(&project.owner(), "tasks", &json!({})).status, 200);
}

#[test]
fn the_doctor_starts_programs_for_workers_only() {
    let project = Project::new().served();
    let server = project.server();
    let doctor = |token: &str| {
        let bearer = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}") };
        let reply = server.send("GET", "/v1/doctor", &bearer, "");
        if reply.json()["checks"].is_array() { "examined".to_owned() } else { reply.refusal() }
    };
    assert_eq!(doctor(""), "unauthorized");
    assert_eq!(doctor(&project.token("read")), "forbidden");
    assert_eq!(doctor(&project.token("worker")), "examined");
    assert_eq!(server.send("POST", "/v1/doctor", "Content-Type: application/json", "{}").refusal(), "unauthorized");
}

#[test]
fn nothing_is_read_from_a_caller_who_may_not_ask() {
    let project = Project::new().served();
    let server = project.server();
    let reader = project.token("read");
    // The body is announced and never sent.
    for (headers, code) in [(String::new(), 401), (format!("Authorization: Bearer {reader}\r\n"), 403)] {
        let mut stream = server.connect();
        let kind = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000000\r\nConnection: close";
        write!(stream, "POST /v1/add-task HTTP/1.1\r\n{kind}\r\n{headers}\r\n").unwrap();
        let mut status = String::new();
        BufReader::new(stream).read_line(&mut status).unwrap();
        assert!(status.starts_with(&format!("HTTP/1.1 {code}")), "{status}");
    }
    let long = json!({"query": "x".repeat(64 * 1024)}).to_string();
    let reply = server.send("POST", "/v1/tasks", "Content-Type: application/json", &long);
    assert_eq!((reply.status, reply.refusal().as_str()), (413, "too_large"));
    let owned = server.post(&project.owner(), "tasks", &json!({"no_such_field": "x".repeat(64 * 1024)}));
    assert_eq!((owned.status, owned.refusal().as_str()), (400, "usage"), "a caller with a token may send more");
}

#[test]
fn what_decides_is_said_once_and_a_head_has_64_kilobytes() {
    let project = Project::new().served();
    let server = project.server();
    let owner = project.owner();
    let bearer = format!("Authorization: Bearer {owner}");
    for twice in [
        "Host: localhost\nHost: localhost".to_owned(),
        format!("{bearer}\n{bearer}"),
        format!("{bearer}\nAuthorization: Bearer other"),
        "Content-Type: application/json\nContent-Type: text/plain".to_owned(),
        "Origin: http://localhost\nOrigin: http://localhost".to_owned(),
        "Last-Event-ID: 1\nLast-Event-ID: 2".to_owned(),
    ] {
        let reply = server.send("GET", "/tasks", &twice, "");
        assert_eq!((reply.status, reply.refusal().as_str()), (400, "usage"), "{twice}");
    }
    // Two lengths that say the same are one, as RFC 9110 (8.6) lets a server read them.
    let head = format!("Host: localhost\r\n{bearer}\r\nContent-Type: application/json\r\nConnection: close");
    let lengths = "Content-Length: 2\r\nContent-Length: 3";
    assert_eq!(server.raw(&format!("POST /v1/tasks HTTP/1.1\r\n{head}\r\n{lengths}\r\n\r\n{{}}")).status, 400);
    let twice = "{\"module\":\"a\",\"title\":\"A\",\"module\":\"b\"}";
    let reply = server.send("POST", "/v1/add-task", &format!("{bearer}\nContent-Type: application/json"), twice);
    assert_eq!((reply.status, reply.refusal().as_str()), (400, "usage"));
    assert!(reply.body.contains("given twice"), "{reply:?}");
    let long = |bytes: usize| server.send("GET", "/tasks", &format!("X-Long: {}", "x".repeat(bytes)), "").status;
    assert_eq!(long(64 * 1024 - 200), 200);
    for bytes in [64 * 1024, 100 * 1024, 200 * 1024] {
        assert_eq!(long(bytes), 431, "{bytes}");
    }
    assert_eq!(project.count("SELECT revision FROM board"), 1, "nothing was changed");
}

/// A server that may open few files, so that its limits are reached by a test: 64 connections.
fn small(project: &Project) -> Server {
    let mut command = Command::new("sh");
    let script = "ulimit -n 192 && exec \"$0\" serve --json --port 0";
    command.args(["-c", script, env!("CARGO_BIN_EXE_callboard")]);
    project.closed(&mut command);
    Server::listen(command)
}

/// Begins a request and leaves it open.
fn begin(server: &Server, path: &str, header: &str) -> TcpStream {
    let mut stream = server.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n").unwrap();
    stream
}

/// True where the server has closed the connection and said nothing.
fn is_closed(stream: &TcpStream) -> bool {
    let mut stream = stream;
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn strangers_who_wait_keep_nobody_out_and_go_first() {
    let mut project = Project::new();
    project.ok(&["init-agent", "--thread-key", "w"]);
    let server = small(&project);
    let owner = project.owner();
    let wait = format!("claim-next --agent-id w --watch-seconds 600 --json --server-url {}", server.url);
    let waiter = project.command(&wait.split(' ').collect::<Vec<_>>()).stdout(Stdio::piped()).spawn().unwrap();
    let bearer = format!("Authorization: Bearer {owner}\r\n");
    let mut followed = Stream::open(&server, "/events/stream?since=1", &bearer);
    while followed.next().unwrap().0 != "replay_complete" {}
    while !server.get("/metrics").body.contains("callboard_waiters 1") {
        std::thread::yield_now();
    }
    let path = "/notifications?target=agent:nobody&watch_seconds=86400";
    let waiting: Vec<_> = (0..100).map(|_| begin(&server, path, "")).collect();
    let streams: Vec<_> = (0..100).map(|_| begin(&server, "/events/stream", "")).collect();
    let idle: Vec<_> = (0..100).map(|_| server.connect()).collect();
    // The operator gets in, and what was asked with a token goes on.
    assert_eq!(server.post(&owner, "add-task", &json!({"module": "a", "title": "A"})).status, 200);
    let open = server.get("/metrics").body;
    let open = open.lines().find_map(|line| line.strip_prefix("callboard_connections ")).unwrap();
    assert!(open.parse::<u32>().unwrap() <= 16 + 8, "a quarter, and those of the owner: {open}");
    assert_eq!(followed.next().unwrap().2["module"], "a");
    let reply: serde_json::Value = serde_json::from_slice(&waiter.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(reply["task"]["module"], "a");
    // All but a quarter of the strangers were let go without an answer; those that had asked nothing yet went before the others.
    let let_go = waiting.into_iter().filter(is_closed).count();
    assert!(let_go >= 100 - 16, "{let_go}");
    drop((streams, idle));
    project.server = Some(server);
}
