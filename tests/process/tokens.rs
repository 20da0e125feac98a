//! Whose agents and sessions are: each belongs to the token that registered it, and no other token acts for it.

use serde_json::{Value, json};

use crate::project::Project;
use crate::server::{Reply, Server, Stream};

/// A token of this name and role.
fn token(project: &Project, name: &str, role: &str) -> String {
    let run = project.run_here(&["token", "add", name, "--role", role]);
    assert_eq!(run.code, 0, "{run:?}");
    run.out.trim().to_owned()
}

/// The answer of a call that must be done.
fn done(server: &Server, token: &str, operation: &str, body: &Value) -> Value {
    let reply = server.post(token, operation, body);
    assert_eq!(reply.status, 200, "{operation}: {reply:?}");
    reply.json()
}

/// A client of MCP over HTTP with a token of its own.
struct Mcp<'a>(&'a Server, String);

impl<'a> Mcp<'a> {
    fn greet(server: &'a Server, token: &str) -> Self {
        let kinds = "Content-Type: application/json\nAccept: application/json, text/event-stream";
        let mut client = Self(server, format!("Authorization: Bearer {token}\n{kinds}"));
        let info = json!({"name": "far", "version": "1"});
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info});
        let greeted = client.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}));
        let head = greeted.head.to_lowercase();
        let session = head.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
        let session = session.unwrap_or_else(|| panic!("{greeted:?}"));
        client.1 = format!("{}\nMcp-Session-Id: {session}", client.1);
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn post(&self, body: &Value) -> Reply {
        self.0.send("POST", "/mcp", &self.1, &body.to_string())
    }

    /// Calls an operation; what it answered.
    fn call(&self, operation: &str, arguments: &Value) -> Value {
        let fields = json!({"operation": operation, "arguments": arguments});
        let meant = json!({"name": "coordination_command", "arguments": fields});
        let reply = self.post(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": meant}));
        let line = reply.body.lines().rfind(|line| line.contains("\"result\"")).unwrap_or_else(|| panic!("{reply:?}"));
        let answer: Value = serde_json::from_str(&line[line.find('{').unwrap()..=line.rfind('}').unwrap()]).unwrap();
        answer["result"]["structuredContent"].clone()
    }
}

#[test]
fn a_workers_token_is_not_every_agent() {
    let project = Project::new().served();
    let server = project.server();
    let (ann, eve) = (token(&project, "laptop", "worker"), token(&project, "eve", "worker"));
    let operator = token(&project, "boss", "operator");
    project.ok(&["add-task", "a", "--title", "A"]);
    let came = done(server, &ann, "init-agent", &json!({"thread_key": "ann"}));
    let session = came["session_id"].as_str().unwrap();
    let claim = json!({"agent_id": "ann", "session_id": session, "request_id": "once"});
    let claimed = done(server, &ann, "claim-next", &claim);
    let lease = claimed["lease"]["token"].as_str().unwrap();
    done(server, &ann, "ack-notifications", &json!({"agent_id": "ann", "up_to": 1}));
    let far = Mcp::greet(server, &eve);
    let revision = project.count("SELECT revision FROM board");
    for (operation, body) in [
        ("finish", json!({"module": "a", "session_id": session, "summary": "stolen"})),
        ("finish", json!({"module": "a", "agent_id": "ann", "lease_token": lease, "summary": "stolen"})),
        ("heartbeat", json!({"module": "a", "session_id": session})),
        ("claim-next", claim.clone()),
        ("next-action", json!({"agent_id": "ann"})),
        ("next-action", json!({"thread_key": "ann"})),
        ("init-agent", json!({"thread_key": "ann"})),
        ("register-session", json!({"thread_key": "ann", "window_id": "other"})),
        ("close-session", json!({"session_id": session})),
        ("notify", json!({"agent_id": "ann", "target": "humans", "message": "as ann"})),
        ("ack-notifications", json!({"cursor_id": "agent:ann", "up_to": 1})),
        ("notifications", json!({"cursor_id": "agent:ann"})),
        ("ack-notifications", json!({"cursor_id": "human:pat", "up_to": 1})),
    ] {
        let reply = server.post(&eve, operation, &body);
        assert_eq!((reply.status, reply.refusal().as_str()), (403, "forbidden"), "{operation} {body}");
        assert!(!reply.body.contains(lease), "{operation} {body}");
        let answer = far.call(operation, &body);
        assert_eq!(answer["error"]["code"], "forbidden", "over MCP: {operation} {body}: {answer}");
    }
    assert_eq!(project.count("SELECT revision FROM board"), revision, "nothing was changed");
    let closed = json!({"module": "a", "session_id": session, "summary": "late"});
    done(server, &ann, "close-session", &json!({"session_id": session}));
    assert_eq!(server.post(&eve, "finish", &closed).refusal(), "forbidden", "an ended session tells no more");
    assert_eq!(project.count("SELECT count(*) FROM events WHERE kind = 'late_result'"), 0);
    // An operator and the owner may act for every agent.
    let came = done(server, &ann, "init-agent", &json!({"thread_key": "ann"}));
    let session = came["session_id"].as_str().unwrap();
    done(server, &ann, "claim-next", &json!({"agent_id": "ann"}));
    done(server, &operator, "heartbeat", &json!({"module": "a", "session_id": session}));
    let finish = json!({"module": "a", "session_id": session, "summary": "done"});
    done(server, &project.owner(), "finish", &finish);
}

#[test]
fn an_agent_of_the_directory_answers_over_http_to_the_owner_and_to_operators() {
    let project = Project::new().served();
    let server = project.server();
    let worker = token(&project, "eve", "worker");
    let operator = token(&project, "boss", "operator");
    project.ok(&["add-task", "a", "--title", "A"]);
    let came = project.run_here(&["init-agent", "--thread-key", "ann", "--json"]).json();
    let session = came["session_id"].as_str().unwrap();
    assert_eq!(project.run_here(&["claim-next", "--session-id", session]).code, 0);
    for body in [json!({"module": "a", "session_id": session}), json!({"module": "a", "agent_id": "ann"})] {
        assert_eq!(server.post(&worker, "heartbeat", &body).refusal(), "forbidden");
    }
    assert_eq!(server.post(&worker, "init-agent", &json!({"thread_key": "ann"})).refusal(), "forbidden");
    for trusted in [&operator, &project.owner()] {
        done(server, trusted, "heartbeat", &json!({"module": "a", "session_id": session}));
    }
    // The command line with the owner's token, and the directory, are the account itself.
    project.ok(&["heartbeat", "a", "--session-id", session]);
    // A session that an operator opened for a token's agent is no proof for that token, nor shows it the lease.
    done(server, &worker, "init-agent", &json!({"thread_key": "eve"}));
    let opened = done(server, &operator, "init-agent", &json!({"thread_key": "eve", "window_id": "boss"}));
    let opened = opened["session_id"].as_str().unwrap();
    done(server, &worker, "close-session", &json!({"agent_id": "eve"}));
    assert_eq!(server.post(&worker, "next-action", &json!({"session_id": opened})).refusal(), "forbidden");
    assert_eq!(server.post(&worker, "claim-next", &json!({"agent_id": "eve"})).refusal(), "session_required");
    let same = json!({"thread_key": "eve", "window_id": "boss"});
    assert_eq!(server.post(&worker, "init-agent", &same).refusal(), "forbidden", "nor are its leases moved");
}

#[test]
fn session_ids_are_not_shown_to_those_who_cannot_act() {
    let project = Project::new().served();
    let server = project.server();
    let (reader, worker) = (token(&project, "reader", "read"), token(&project, "laptop", "worker"));
    let operator = token(&project, "boss", "operator");
    project.ok(&["add-task", "a", "--title", "A", "--owned-paths", "src/**"]);
    let came = done(server, &worker, "init-agent", &json!({"thread_key": "ann"}));
    let session = came["session_id"].as_str().unwrap();
    done(server, &worker, "claim-next", &json!({"agent_id": "ann"}));
    done(server, &worker, "notify", &json!({"session_id": session, "target": "humans", "message": "hello"}));
    let read = |path: &str, token: Option<&str>| {
        let header = token.map(|token| format!("Authorization: Bearer {token}")).unwrap_or_default();
        let reply = server.send("GET", path, &header, "");
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        reply.body
    };
    for path in [
        "/sessions",
        "/v1/sessions?status=active",
        "/agents",
        "/leases",
        "/state?format=full",
        "/summary",
        "/show?module=a",
        "/history?module=a",
        "/events?limit=1000",
        "/notifications",
        "/explain?module=a",
        "/path-guard?path=src/x",
        "/pages/SESSIONS.md",
        "/pages/state.json",
        "/metrics",
    ] {
        for token in [None, Some(&*reader), Some(&*worker)] {
            let header = token.map(|token| format!("Authorization: Bearer {token}")).unwrap_or_default();
            let reply = server.send("GET", path, &header, "");
            assert!(!reply.body.contains(session), "{path} with {token:?}: {}", reply.body);
        }
    }
    for header in
        [String::new(), format!("Authorization: Bearer {reader}\r\n"), format!("Authorization: Bearer {worker}\r\n")]
    {
        let mut stream = Stream::open(server, "/events/stream?limit=1000", &header);
        loop {
            let (name, _, data) = stream.next().unwrap();
            assert!(!data.to_string().contains(session), "{data}");
            if name == "replay_complete" {
                break;
            }
        }
    }
    let hidden: Value = serde_json::from_str(&read("/sessions", None)).unwrap();
    let window = &hidden["sessions"][0];
    assert_eq!((&window["agent_id"], &window["window_id"]), (&json!("ann"), &json!("main")), "{window}");
    for path in ["/sessions", "/leases", "/events?limit=1000"] {
        for operator in [&operator, &project.owner()] {
            assert!(read(path, Some(operator)).contains(session), "{path}: operators are shown them");
        }
    }
    let own = read(&format!("/events?limit=1000&session_id={session}"), Some(&worker));
    assert!(own.contains(session), "the session itself is shown its own");
    let page = Mcp::greet(server, &reader).call("sessions", &json!({}));
    assert!(page["sessions"][0]["agent_id"] == "ann" && !page.to_string().contains(session), "{page}");
}

#[test]
fn one_token_under_two_names_does_not_approve_its_own_work() {
    let project = Project::new().served();
    let server = project.server();
    let (one, two) = (token(&project, "one", "reviewer"), token(&project, "two", "reviewer"));
    project.ok(&["add-task", "a", "--title", "A", "--review", "required"]);
    for name in ["ann", "ben"] {
        done(server, &one, "init-agent", &json!({"thread_key": name}));
    }
    let claimed = done(server, &one, "claim-next", &json!({"agent_id": "ann"}));
    let finish = json!({"agent_id": "ann", "module": "a", "lease_token": claimed["lease"]["token"], "summary": "s"});
    let finished = done(server, &one, "finish", &finish);
    assert!(finished["warnings"].to_string().contains("nobody is aboard who could review"), "{finished}");
    let review = json!({"agent_id": "ben", "module": "a"});
    assert_eq!(server.post(&one, "start-review", &review).refusal(), "own_work");
    let approve = json!({"agent_id": "ben", "module": "a", "notes": "fine"});
    assert_eq!(server.post(&one, "approve", &approve).refusal(), "own_work");
    let offered = done(server, &one, "claim-review-next", &json!({"agent_id": "ben"}));
    assert_eq!((&offered["nothing"], &offered["task"]), (&json!(true), &Value::Null));
    let next = done(server, &one, "next-action", &json!({"agent_id": "ben"}));
    assert_eq!(next["action"], "wait", "{next}");
    // Another token may, and so may another agent of the account.
    done(server, &two, "init-agent", &json!({"thread_key": "cat"}));
    let taken = done(server, &two, "start-review", &json!({"agent_id": "cat", "module": "a"}));
    let verdict = json!({"agent_id": "cat", "module": "a", "lease_token": taken["lease"]["token"], "notes": "fine"});
    done(server, &two, "approve", &verdict);
    project.ok(&["add-task", "b", "--title", "B", "--review", "required"]);
    for name in ["dan", "eli"] {
        project.ok(&["init-agent", "--thread-key", name]);
    }
    let claimed = project.json(&["claim", "b", "--agent-id", "dan"]);
    let lease = claimed["lease"]["token"].as_str().unwrap();
    project.ok(&["finish", "b", "--agent-id", "dan", "--lease-token", lease, "--summary", "s"]);
    let taken = project.json(&["start-review", "b", "--agent-id", "eli"]);
    let lease = taken["lease"]["token"].as_str().unwrap();
    project.ok(&["approve", "b", "--agent-id", "eli", "--lease-token", lease, "--notes", "fine"]);
}
