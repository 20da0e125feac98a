//! What is said of a panic, and the log: where it goes, that nothing is logged unasked, and that no secret is in it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::project::Project;
use crate::server::Server;

/// A message of MCP.
fn message(id: u64, method: &str, parameters: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}).to_string()
}

/// Speaks MCP with this command: what each call answers, and what it said on standard error.
pub fn speak(mut command: Command, calls: &[(&str, Value)]) -> (Vec<Value>, String) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "w", "version": "1"}});
    let calls = calls.iter().map(|(operation, arguments)| {
        let arguments = json!({"operation": operation, "arguments": arguments});
        ("tools/call", json!({"name": "coordination_command", "arguments": arguments}))
    });
    let mut answers = Vec::new();
    for (id, (method, parameters)) in std::iter::once(("initialize", hello)).chain(calls).enumerate() {
        writeln!(input, "{}", message(id as u64, method, &parameters)).unwrap();
        // Everything on standard output is a message.
        let answer: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        answers.push(answer["result"]["structuredContent"].clone());
        if method == "initialize" {
            writeln!(input, "{}", json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).unwrap();
        }
    }
    drop(input);
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    (answers.split_off(1), said)
}

/// A refusal that says where the panic was, and asks for a report.
fn is_located(error: &Value) {
    assert_eq!(error["code"], "internal", "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("internal error: ") && message.contains("(at src/ops/operation.rs:"), "{message}");
    assert!(error["hint"].as_str().unwrap().contains("report"), "{error}");
    assert!(error["details"]["location"].as_str().unwrap().starts_with("src/ops/operation.rs:"), "{error}");
}

#[test]
fn a_panic_says_where_it_was_and_asks_for_a_report_at_every_interface() {
    let project = Project::new();
    let command = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("CALLBOARD_TEST_PANIC", "summary");
        command
    };
    let plain = command(&["summary"]).output().unwrap();
    let said = String::from_utf8(plain.stderr).unwrap();
    assert_eq!(plain.status.code(), Some(1));
    assert!(said.starts_with("error[internal]: internal error: ") && said.contains("hint: please report"), "{said}");
    let answered = command(&["summary", "--json"]).output().unwrap();
    assert_eq!(answered.status.code(), Some(1));
    is_located(&serde_json::from_slice::<Value>(&answered.stdout).unwrap()["error"]);

    let server = Server::listen(command(&["serve", "--json", "--port", "0"]));
    let reply = server.get("/summary");
    assert_eq!(reply.status, 500);
    is_located(&reply.json()["error"]);
    assert_eq!(server.get("/tasks").status, 200, "the server goes on");

    let (answers, _) = speak(command(&["mcp"]), &[("summary", json!({})), ("tasks", json!({}))]);
    is_located(&answers[0]["error"]);
    assert_eq!(answers[1]["ok"], true, "and so does the connection");
}

#[test]
fn the_log_tells_what_a_server_and_its_clients_do_and_has_no_secret_in_it() {
    let project = Project::new();
    let file = project.root.join("callboard.log");
    let logged = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("CALLBOARD_LOG", "trace").env("CALLBOARD_LOG_FILE", &file);
        command
    };
    project.ok(&["add-task", "a", "--title", "A"]);
    project.ok(&["add-task", "b", "--title", "B"]);
    let server = Server::listen(logged(&["serve", "--json", "--port", "0"]));
    let (owner, worker) = (project.owner(), project.token("worker"));
    let mut secrets = vec![owner.clone(), worker.clone()];
    let registered = server.post(&worker, "init-agent", &json!({"thread_key": "remote"})).json();
    let claim = json!({"agent_id": "remote", "watch_seconds": 1});
    let claimed = server.post(&worker, "claim-next", &claim).json();
    for value in [&registered["session_id"], &claimed["lease"]["token"]] {
        secrets.push(value.as_str().unwrap_or_else(|| panic!("{registered} {claimed}")).to_owned());
    }
    let token = claimed["lease"]["token"].clone();
    let beat = json!({"agent_id": "remote", "module": claimed["task"]["module"], "lease_token": token});
    assert_eq!(server.post(&worker, "heartbeat", &beat).status, 200);
    server.get(&format!("/v1/show?module=a&lease_token={}", token.as_str().unwrap()));
    server.get(&format!("/{owner}"));
    let mut asks =
        logged(&["claim-next", "--thread-key", "remote", "--watch-seconds", "1", "--server-url", &server.url]);
    asks.env("CALLBOARD_TOKEN", &worker).output().unwrap();
    logged(&["notifications", "--target", "humans", "--watch-seconds", "1"]).output().unwrap();
    let (answers, said) =
        speak(logged(&["mcp", "--thread-key", "local"]), &[("claim-next", json!({})), ("sessions", json!({}))]);
    assert_eq!(said, "", "it goes to the file alone");
    secrets.push(answers[0]["lease"]["token"].as_str().unwrap().to_owned());
    assert_eq!(answers[1]["sessions"].as_array().unwrap().len(), 2, "{answers:?}");
    let database = project.db();
    let mut sessions = database.prepare("SELECT id FROM sessions").unwrap();
    secrets.extend(sessions.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    server.terminate();
    drop(server);

    let log = std::fs::read_to_string(&file).unwrap();
    for secret in secrets {
        assert!(secret.len() > 8 && !log.contains(&secret), "{secret} is in the log:\n{log}");
    }
    for line in ["listens", "operation=\"claim-next\"", "waits", "status=200", "agent=local", "called", "the wait ends"]
    {
        assert!(log.contains(line), "{line} is not in the log:\n{log}");
    }
    assert!(!log.contains("rmcp") && !log.contains("hyper"), "{log}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "it is its owner's alone");
}

#[test]
fn nothing_is_logged_unasked_and_a_filter_that_is_none_is_refused() {
    let project = Project::new();
    let (_, said) = speak(project.command(&["mcp"]), &[("summary", json!({}))]);
    assert_eq!(said, "");
    let mut command = project.command(&["mcp"]);
    command.env("CALLBOARD_LOG", "info");
    let (_, said) = speak(command, &[("summary", json!({}))]);
    assert!(said.contains("INFO callboard::"), "without a file it goes to standard error: {said}");
    for (level, file) in [("loud", ""), ("info", "/no/such/directory/log")] {
        let mut command = project.command(&["summary", "--json"]);
        let run = command.env("CALLBOARD_LOG", level).env("CALLBOARD_LOG_FILE", file).output().unwrap();
        let answer: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!((run.status.code(), &answer["error"]["code"]), (Some(2), &json!("invalid_value")), "{answer}");
    }
}
