//! Sessions of MCP over HTTP: each belongs to one token, and no token takes them all.

use std::io::Write as _;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::project::Project;
use crate::server::{Reply, Server};

/// A client with a token, and its session once it has one.
struct Client<'a> {
    server: &'a Server,
    token: String,
    session: Option<String>,
}

impl<'a> Client<'a> {
    fn new(server: &'a Server, token: &str) -> Self {
        Self { server, token: token.to_owned(), session: None }
    }

    /// Opens a session; the answer where that is refused.
    fn open(server: &'a Server, token: &str, name: &str) -> Result<Self, Reply> {
        let mut client = Self::new(server, token);
        let hello =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}});
        let reply = client.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}));
        let id = reply.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ").map(str::to_owned));
        client.session = Some(id.ok_or(reply)?);
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        Ok(client)
    }

    fn headers(&self) -> String {
        let session = self.session.as_ref().map_or(String::new(), |id| format!("\nMcp-Session-Id: {id}"));
        let accept = "Content-Type: application/json\nAccept: application/json, text/event-stream";
        format!("Authorization: Bearer {}\n{accept}{session}", self.token)
    }

    fn send(&self, method: &str, body: &str) -> Reply {
        self.server.send(method, "/mcp", &self.headers(), body)
    }

    /// Begins a call that waits, and leaves it open.
    fn wait(&self) -> TcpStream {
        let arguments = json!({"target": "agent:nobody", "watch_seconds": 600});
        let call = json!({"name": "coordination_notifications", "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": call}).to_string();
        let headers = self.headers().replace('\n', "\r\n");
        let mut stream = self.server.connect();
        let length = body.len();
        write!(stream, "POST /mcp HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}")
            .unwrap();
        stream
    }

    fn post(&self, body: &Value) -> Reply {
        self.send("POST", &body.to_string())
    }

    fn dispatch(&self, operation: &str) -> Reply {
        let call = json!({"name": "coordination_dispatch", "arguments": {"operation": operation}});
        self.post(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}))
    }
}

#[test]
fn a_session_of_another_token_is_not_found() {
    let project = Project::new().served();
    let server = project.server();
    project.ok(&["add-task", "a", "--title", "A"]);
    let (owner, worker) = (project.owner(), project.token("worker"));
    // A token may have the name of the account that serves.
    let run = project.run_here(&["token", "add", "pat", "--role", "worker"]);
    let namesake = run.out.trim();
    let client = Client::open(server, &owner, "boss").unwrap();
    assert!(client.dispatch("claim-next").body.contains("lease"));
    for token in [&worker, namesake] {
        let thief = Client { token: token.to_owned(), session: client.session.clone(), ..Client::new(server, "") };
        for reply in [thief.dispatch("summary"), thief.send("GET", ""), thief.send("DELETE", "")] {
            assert_eq!((reply.status, reply.refusal().as_str()), (404, "unknown_session"), "{reply:?}");
        }
    }
    assert_eq!(project.json(&["show", "a"])["task"]["holder"]["agent_id"], "boss", "its lease goes on");
    assert_eq!(client.dispatch("summary").status, 200);
    assert!((200..300).contains(&client.send("DELETE", "").status), "its own token ends it");
    assert_eq!(client.dispatch("summary").status, 404);
}

#[test]
fn a_token_that_opens_many_sessions_ends_its_own_and_keeps_nobody_out() {
    let project = Project::new().served();
    let server = project.server();
    let (owner, reader) = (project.owner(), project.token("read"));
    let boss = Client::open(server, &owner, "boss").unwrap();
    let first = Client::open(server, &reader, "reader").unwrap();
    let second = Client::open(server, &reader, "reader").unwrap();
    let _rest: Vec<_> = (2..32).map(|_| Client::open(server, &reader, "reader").unwrap()).collect();
    assert_eq!(first.dispatch("summary").status, 200, "thirty-two are open");
    Client::open(server, &reader, "reader").unwrap();
    assert_eq!(second.dispatch("summary").status, 404, "the one that was idle for longest made room");
    assert_eq!(first.dispatch("summary").status, 200);
    assert_eq!(boss.dispatch("summary").status, 200, "sessions of others stay");
}

#[test]
fn a_token_whose_sessions_all_answer_is_refused_another_as_json() {
    let project = Project::new().served();
    let server = project.server();
    let (owner, reader) = (project.owner(), project.token("read"));
    let open: Vec<_> = (0..32).map(|_| Client::open(server, &reader, "reader").unwrap()).collect();
    let _waiting: Vec<_> = open.iter().map(Client::wait).collect();
    while !server.get("/metrics").body.contains("callboard_waiters 32") {
        std::thread::yield_now();
    }
    let refused = Client::open(server, &reader, "reader").err().unwrap();
    assert_eq!((refused.status, refused.refusal().as_str()), (503, "overloaded"), "{refused:?}");
    assert!(refused.head.contains("retry-after: "), "{refused:?}");
    assert!(Client::open(server, &owner, "boss").is_ok(), "nobody else is kept out");
}
