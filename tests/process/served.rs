//! The server, as its clients meet it: what it refuses, what it streams, how it ends.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::project::{Project, may_run};
use crate::server::{Server, Stream};

#[test]
fn the_command_line_answers_the_same_through_a_server() {
    let project = Project::new().served();
    project.ok(&["init-agent", "--thread-key", "w"]);
    project.ok(&["add-task", "a", "--title", "A", "--owned-paths", "src/**"]);
    let claimed = project.json(&["claim-next", "--agent-id", "w"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    let mut lines: Vec<Vec<&str>> = vec![
        vec!["summary"],
        vec!["tasks"],
        vec!["show", "a"],
        vec!["explain", "a", "--agent-id", "w"],
        vec!["next-action", "--agent-id", "w"],
        vec!["leases", "--json"],
        vec!["sessions"],
        vec!["events", "--limit", "5"],
        vec!["claim", "missing", "--agent-id", "w"],
        vec!["claim", "missing", "--agent-id", "w", "--json"],
        vec!["finish", "a", "--agent-id", "w", "--lease-token", "lt-wrong", "--summary", "x"],
        vec!["add-task", "a", "--title", "again"],
        vec!["claim-review-next", "--agent-id", "w"],
        vec!["graph"],
        vec!["event-archives"],
        vec!["state", "--json"],
    ];
    lines.push(vec!["heartbeat", "a", "--agent-id", "w", "--lease-token", token, "--request-id", "beat"]);
    for line in lines {
        let there = project.run(&line);
        let here = project.run_here(&line);
        assert_eq!(there.code, here.code, "{line:?}");
        if line[0] == "heartbeat" {
            assert!(here.err.contains("this request was done before"), "one request, whichever door it came through");
            continue;
        }
        // Times move on by themselves, and seconds that are left get fewer.
        let plain = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        assert_eq!((plain(&there.out), plain(&there.err)), (plain(&here.out), plain(&here.err)), "{line:?}");
    }
}

#[test]
fn every_operation_is_at_this_door() {
    let project = Project::new().served();
    let owner = project.owner();
    let document = project.server().get("/openapi.json").json();
    let help = project.ok(&["--help"]);
    let outside = ["backup", "restore", "serve", "token", "mcp", "hooks", "completions", "man", "prompt", "skill"];
    let mut names = 0;
    for line in
        help.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| line.starts_with(char::is_alphabetic))
    {
        let name = line.split(' ').next().unwrap();
        if outside.contains(&name) {
            continue;
        }
        names += 1;
        let reply = project.server().post(&owner, name, &json!({"no_such_field": 1}));
        assert_eq!((reply.status, reply.refusal().as_str()), (400, "usage"), "{name}: {reply:?}");
        assert!(document["paths"][format!("/v1/{name}")]["post"].is_object(), "{name} is in the document");
    }
    assert!(names > 60, "{names} operations were found in the help");
}

#[test]
fn bad_requests_get_the_documented_refusal() {
    let project = Project::new().served();
    let (server, owner) = (project.server(), project.owner());
    let bearer = format!("Authorization: Bearer {owner}");
    let json = format!("{bearer}\nContent-Type: application/json");
    let long = "x".repeat(5 * 1024 * 1024);
    for (method, path, headers, body, status, code) in [
        ("POST", "/v1/add-task", &*json, "{\"module\": ", 400, "usage"),
        ("POST", "/v1/add-task", &json, "[1, 2]", 400, "usage"),
        ("POST", "/v1/add-task", &json, "{\"module\":\"a\",\"title\":7}", 400, "usage"),
        ("POST", "/v1/add-task", &json, "{\"module\":\"a/b\",\"title\":\"x\"}", 400, "usage"),
        ("POST", "/v1/add-task", &json, "{\"module\":\"a\",\"titel\":\"x\"}", 400, "usage"),
        ("POST", "/v1/add-task", &bearer, "{\"module\":\"a\",\"title\":\"x\"}", 400, "usage"),
        ("POST", "/v1/add-task", &json, &long, 413, "too_large"),
        ("POST", "/v1/no-such-thing", &json, "{}", 404, "unknown_operation"),
        ("POST", "/nowhere/at/all", &json, "{}", 404, "unknown_operation"),
        ("GET", "/v1/add-task", &bearer, "", 400, "usage"),
        ("GET", "/tasks?limit=many", &bearer, "", 400, "usage"),
        ("GET", "/tasks?limit=5&limit=6", &bearer, "", 400, "usage"),
        ("GET", "/tasks?shoe_size=44", &bearer, "", 400, "usage"),
        ("PUT", "/v1/add-task", &json, "{}", 405, "usage"),
        ("GET", "/v1/show?module=missing", &bearer, "", 404, "unknown_module"),
        ("POST", "/v1/add-task", "Content-Type: application/json", "{}", 401, "unauthorized"),
        ("GET", "/tasks", "Authorization: Bearer cb-wrong", "", 401, "unauthorized"),
        ("GET", "/tasks", "Authorization: Basic b3duZXI6", "", 401, "unauthorized"),
        ("GET", "/next-action?agent_id=w", "", "", 401, "unauthorized"),
        ("GET", "/events?cursor_id=c", "", "", 401, "unauthorized"),
        ("GET", "/tasks", "X-Forwarded-For: 192.0.2.1", "", 401, "unauthorized"),
        ("POST", "/mcp", "Content-Type: application/json", "{}", 401, "unauthorized"),
        ("GET", "/tasks", "Host: evil.example", "", 403, "cross_site"),
        ("GET", "/tasks", "Host: 192.0.2.1:80", "", 403, "cross_site"),
        ("GET", "/tasks", "Origin: http://evil.example", "", 403, "cross_site"),
        ("GET", "/tasks", "Origin: null", "", 403, "cross_site"),
        ("GET", "/tasks", "Sec-Fetch-Site: cross-site", "", 403, "cross_site"),
    ] {
        let reply = server.send(method, path, headers, body);
        let said = (reply.status, reply.refusal());
        assert_eq!(said, (status, code.to_owned()), "{method} {path} {headers} {}", &body[..body.len().min(80)]);
        assert!(!reply.body.contains(&owner), "no answer shows a token");
    }
    let reply = server.get("/tasks?limit=1");
    assert_eq!(reply.status, 200, "who looks needs no token on this host");
    for header in ["content-security-policy: default-src 'none'", "x-content-type-options: nosniff"] {
        assert!(reply.head.contains(header), "{reply:?}");
    }
    assert_eq!(project.count("SELECT revision FROM board"), 1, "nothing was changed");
}

#[test]
fn a_token_is_good_for_its_role_and_ends_at_once() {
    let project = Project::new().served();
    let server = project.server();
    let (reader, worker, reviewer) = (project.token("read"), project.token("worker"), project.token("reviewer"));
    let try_as = |token: &str, operation: &str, body: Value| {
        let reply = server.post(token, operation, &body);
        if reply.status == 200 { "done".to_owned() } else { reply.refusal() }
    };
    assert_eq!(try_as(&reader, "tasks", json!({})), "done");
    assert_eq!(try_as(&reader, "init-agent", json!({"thread_key": "w"})), "forbidden");
    let nosy = json!({"agent_id": "w"});
    assert_eq!(try_as(&reader, "next-action", nosy), "forbidden", "what an agent is told has its lease's token in it");
    assert_eq!(try_as(&worker, "init-agent", json!({"thread_key": "w"})), "done");
    assert_eq!(try_as(&worker, "add-task", json!({"module": "a", "title": "A", "review": "required"})), "done");
    let claimed = server.post(&worker, "claim-next", &json!({"agent_id": "w"})).json();
    let finish = json!({"agent_id": "w", "module": "a", "lease_token": claimed["lease"]["token"], "summary": "done"});
    assert_eq!(try_as(&worker, "finish", finish), "done");
    assert_eq!(try_as(&worker, "claim-review-next", json!({"agent_id": "w"})), "forbidden");
    let planner = json!({"thread_key": "p", "role": ["planner"]});
    assert_eq!(try_as(&worker, "init-agent", planner), "done");
    let force = json!({"agent_id": "p", "module": "a", "force": true, "reason": "x"});
    assert_eq!(try_as(&worker, "lease-reclaim", force), "forbidden", "no name makes a token good for more");
    assert_eq!(try_as(&worker, "lease-reclaim", json!({})), "done");
    assert_eq!(try_as(&worker, "cancel-task", json!({"module": ["a"], "reason": "x"})), "forbidden");
    assert_eq!(try_as(&reviewer, "init-agent", json!({"thread_key": "r"})), "done");
    let pretender = json!({"target": "workers", "message": "x", "facts": {"user": "boss"}});
    assert_eq!(try_as(&worker, "notify", pretender), "done");
    let said = project.json(&["events", "--limit", "1000"])["events"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(said["actor"], "human:worker", "a person has the name of the token");
    let person = json!({"module": "a", "notes": "x", "as_human": true});
    assert_eq!(try_as(&reviewer, "approve", person), "forbidden", "only an operator is taken for a person");
    let terminal = json!({"module": "a", "notes": "x", "facts": {"terminal": true}});
    assert_eq!(try_as(&reviewer, "approve", terminal), "human_required");
    let mut stream = Stream::open(server, "/events/stream?limit=1000", &format!("Authorization: Bearer {worker}\r\n"));
    while stream.next().unwrap().0 != "replay_complete" {}
    assert_eq!(project.run_here(&["token", "remove", "worker"]).code, 0);
    project.ok(&["add-task", "unseen", "--title", "Unseen"]);
    let (name, _, data) = stream.next().unwrap();
    assert_eq!(
        (name.as_str(), &data["error"]["code"]),
        ("refused", &json!("unauthorized")),
        "nor does its stream go on"
    );
    assert_eq!(try_as(&worker, "tasks", json!({})), "unauthorized", "a token that was removed opens nothing");
    let events = project.json(&["events", "--limit", "1000"]).to_string();
    for secret in [reader, worker, reviewer, project.owner()] {
        assert!(!events.contains(&secret));
    }
}

#[test]
fn a_stream_replays_says_so_and_goes_on_where_its_reader_was() {
    let project = Project::new().served();
    let server = project.server();
    for name in ["a", "b", "c"] {
        project.ok(&["add-task", name, "--title", name]);
    }
    let mut stream = Stream::open(server, "/events/stream?since=1&limit=2", "");
    let mut kinds = Vec::new();
    let mut last = String::new();
    loop {
        let (name, id, data) = stream.next().unwrap();
        if name == "replay_complete" {
            assert_eq!(data["next_since"], json!(id));
            break;
        }
        assert_eq!(name, "event");
        kinds.push(data["module"].as_str().unwrap().to_owned());
        last = id;
    }
    assert_eq!(kinds, ["a", "b", "c"]);
    project.ok(&["add-task", "d", "--title", "d"]);
    let (_, _, data) = stream.next().unwrap();
    assert_eq!(data["module"], "d", "what comes is sent");
    let header = format!("Last-Event-ID: {last}\r\n");
    let mut again = Stream::open(server, "/events/stream?since=1", &header);
    assert_eq!(again.next().unwrap().2["module"], "d", "the header wins over the first place");
    let mut filtered = Stream::open(server, "/events/stream?module=b", "");
    assert_eq!(filtered.next().unwrap().2["module"], "b");
    assert_eq!(filtered.next().unwrap().0, "replay_complete");
    let mut called = Stream::open(server, "/notifications/stream?target=humans", "");
    assert_eq!(called.next().unwrap().0, "replay_complete");
    project.ok(&["notify", "--target", "humans", "--message", "look"]);
    assert_eq!(called.next().unwrap().2["data"]["message"], "look");
    // Places that cannot be read from are refused before anything is streamed.
    project.ok(&["prune-events", "--max-rows", "1"]);
    for (since, status, code) in
        [("1", 410, "events_pruned"), ("0ther:1", 409, "other_generation"), ("99999", 409, "cursor_ahead")]
    {
        let reply = server.get(&format!("/events/stream?since={since}"));
        assert_eq!((reply.status, reply.refusal().as_str()), (status, code));
    }
}

#[test]
fn a_wait_is_answered_by_a_change_through_any_door_and_by_the_end() {
    let mut project = Project::new().served();
    project.ok(&["init-agent", "--thread-key", "w"]);
    let line = ["claim-next", "--agent-id", "w", "--watch-seconds", "600", "--json"];
    let wait = |project: &Project| project.command(&line).stdout(Stdio::piped()).spawn().unwrap();
    let waiter = wait(&project);
    until_waiting(project.server(), 1);
    assert_eq!(project.run_here(&["add-task", "a", "--title", "A"]).code, 0);
    let reply: Value = serde_json::from_slice(&waiter.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(reply["task"]["module"], "a", "a change in the directory wakes who waits at the server");
    let token = reply["lease"]["token"].as_str().unwrap().to_owned();
    project.ok(&["finish", "a", "--agent-id", "w", "--lease-token", &token, "--summary", "done"]);
    project.ok(&["add-task", "later", "--title", "Later", "--specialty", "other", "--draft"]);
    // A client that vanishes in the middle of a wait leaves nothing behind.
    let mut vanishing = wait(&project);
    until_waiting(project.server(), 1);
    vanishing.kill().unwrap();
    vanishing.wait().unwrap();
    until_waiting(project.server(), 0);
    let owner = project.owner();
    let body = json!({"agent_id": "w", "watch_seconds": 600});
    let mut server = project.server.take().unwrap();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.post(&owner, "claim-next", &body));
        until_waiting(&server, 1);
        server.terminate();
        let reply = asked.join().unwrap();
        assert_eq!((reply.status, &reply.json()["nothing"]), (200, &json!(true)), "it answers what it has");
    });
    assert_eq!(server.stopped(), Some(0), "and leaves");
}

/// Waits until so many requests wait for the board.
fn until_waiting(server: &Server, count: u32) {
    let line = format!("callboard_waiters {count}");
    for _ in 0..2_000 {
        if server.get("/metrics").body.lines().any(|have| have == line) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    panic!("never: {line}");
}

#[test]
fn ports_hosts_and_certificates() {
    let project = Project::new().served();
    let port = project.server().port().to_owned();
    let serve = |flags: &[&str]| {
        let run = project.run_here(&[&["serve", "--json"], flags].concat());
        (run.code, run.refusal())
    };
    assert_eq!(serve(&["--port", &port]), (9, "port_taken".to_owned()));
    assert_eq!(serve(&["--host", "0.0.0.0", "--port", "0"]), (2, "usage".to_owned()));
    let bad = ["--host", "0.0.0.0", "--port", "0", "--tls-cert", "plan.pem", "--tls-key", "plan.pem"];
    assert_eq!(serve(&bad), (2, "invalid_value".to_owned()));
    // Off this host everything needs a token, and a second server on the same board is as good as the first.
    let open = Server::start(&project, &["--host", "0.0.0.0", "--insecure", "--allow-host", "board.example"]);
    assert_eq!(open.get("/tasks").status, 401);
    assert_eq!(open.get("/healthz").status, 200);
    let owner = project.owner();
    let with = |host: &str| open.send("GET", "/tasks", &format!("Host: {host}\nAuthorization: Bearer {owner}"), "");
    assert_eq!(with("board.example").status, 200);
    assert_eq!(with("192.0.2.7").status, 200, "nobody's DNS makes an address");
    assert_eq!(with("evil.example").status, 403);
    project.ok(&["add-task", "a", "--title", "A"]);
    assert_eq!(open.post(&owner, "show", &json!({"module": "a"})).status, 200);
}

#[test]
fn ten_thousand_idle_connections_and_slow_clients_keep_nobody_out() {
    // Each needs a file here and one there.
    let most = callboard::platform::limits::raise_open_files().saturating_sub(1_000).min(10_000);
    if most < 10_000 {
        may_run("10,000 open files", false);
    }
    let project = Project::new().served();
    let server = project.server();
    // Half of a request, half of a body, and nothing at all.
    let mut slow = server.connect();
    slow.write_all(b"GET /tasks HTTP/1.1\r\nHost: local").unwrap();
    let mut half = server.connect();
    let head = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", project.owner());
    write!(half, "POST /v1/add-task HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 400\r\n\r\n{{\"module\":")
        .unwrap();
    let idle: Vec<_> = (0..most).map(|_| server.connect()).collect();
    for n in 0..5 {
        project.ok(&["add-task", &format!("t{n}"), "--title", "T"]);
    }
    assert_eq!(server.get("/tasks").json()["tasks"].as_array().unwrap().len(), 5);
    drop(idle);
    // They are cut off, and nothing of what they began is done.
    let mut answer = String::new();
    let _ = slow.read_to_string(&mut answer);
    assert!(!answer.contains("200 OK"), "{answer}");
    answer.clear();
    let _ = half.read_to_string(&mut answer);
    assert!(!answer.contains("200 OK"), "{answer}");
    assert_eq!(project.count("SELECT count(*) FROM tasks"), 5);
}

#[test]
fn a_token_is_shown_to_its_own_server_and_to_nobody_else_on_the_port() {
    let project = Project::new().served();
    let port = project.server().port().to_owned();
    let Ok(other) = std::net::TcpListener::bind(format!("[::1]:{port}")) else {
        may_run("IPv6 on this host", false);
        return;
    };
    let listener = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        let mut heard = vec![0; 4096];
        let length = stream.read(&mut heard).unwrap();
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").unwrap();
        String::from_utf8(heard[..length].to_vec()).unwrap()
    });
    let run = project.run(&["summary", "--server-url", &format!("http://[::1]:{port}"), "--json"]);
    let heard = listener.join().unwrap();
    assert!(heard.starts_with("POST /v1/summary") && !heard.to_lowercase().contains("authorization"), "{heard}");
    assert_ne!(run.code, 0);
    // By name it is asked where servers listen, and shown the token there.
    let init = ["init-agent", "--thread-key", "w", "--server-url", &format!("http://localhost:{port}")];
    project.ok(&init);
}

#[test]
fn a_certificate_of_ones_own_is_served_and_trusted_where_it_is_named() {
    let project = Project::new();
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=localhost \
                   -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let mut openssl = std::process::Command::new("openssl");
    let made = openssl.args(request.split_whitespace()).current_dir(&project.root).output();
    if !may_run("openssl", made.is_ok_and(|made| made.status.success())) {
        return;
    }
    let flags = ["--host", "0.0.0.0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let server = Server::start(&project, &flags);
    let url = format!("https://localhost:{}", server.port());
    let owner = project.owner();
    let summary = |authority: &str| {
        let mut command = project.command(&["summary", "--server-url", &url, "--json"]);
        let output = command.env("CALLBOARD_TOKEN", &owner).env("CALLBOARD_SERVER_CA", authority).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(summary("cert.pem")["ok"], true);
    assert_eq!(summary("")["error"]["code"], "unreachable", "a stranger's certificate is not believed");
    assert_eq!(summary("key.pem")["error"]["code"], "invalid_value");
}
