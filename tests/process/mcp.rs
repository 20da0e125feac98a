//! MCP over standard input and output, without a client's library: what goes over the pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::project::{Project, may_run};

/// A client of one server process.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: u64,
    /// What the server told without being asked.
    told: Vec<Value>,
}

impl Client {
    pub fn start(project: &Project, flags: &[&str]) -> Self {
        let mut command = project.command(&[&["mcp"], flags].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut client = Self { child, input, output, next: 0, told: Vec::new() };
        let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "Test Client", "version": "1"}});
        let greeting = client.ask("initialize", &hello);
        assert_eq!(greeting["serverInfo"]["name"], "callboard");
        client.tell("notifications/initialized", &json!({}));
        client
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn tell(&mut self, method: &str, parameters: &Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": parameters}));
    }

    pub fn begin(&mut self, method: &str, parameters: &Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": parameters}));
        id
    }

    pub fn read(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "the server has gone");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: nothing else is written: {line}"))
    }

    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        let id = self.begin(method, parameters);
        loop {
            let mut answer = self.read();
            if answer["id"] == json!(id) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.told.push(answer);
        }
    }

    /// What a tool answers.
    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let result = self.ask("tools/call", &json!({"name": tool, "arguments": arguments}));
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"], "the text says the same");
        assert_eq!(result["isError"] == json!(true), text["ok"] == json!(false), "{result}");
        text
    }

    fn command(&mut self, operation: &str, arguments: &Value) -> Value {
        self.call("coordination_command", &json!({"operation": operation, "arguments": arguments}))
    }

    /// Leaves as clients do: by closing the pipe.
    pub fn leave(mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
fn a_connection_is_a_window_whose_leases_end_with_it() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let mut client = Client::start(&project, &["--thread-key", "w", "--specialty", "backend"]);
    let windows = project.json(&["sessions"]);
    assert_eq!(windows["sessions"][0]["agent_id"], "w", "it is registered when the client greets");
    let claimed = client.call("coordination_dispatch", &json!({"operation": "claim-next"}));
    assert_eq!((&claimed["task"]["module"], &claimed["lease"]["agent_id"]), (&json!("a"), &json!("w")));
    // A window that somebody else named is not this one's end.
    let wrong = client.command("heartbeat", &json!({"module": "a", "session_id": "s-none"}));
    assert_eq!(wrong["error"]["code"], "unknown_session");
    let again = client.call("coordination_dispatch", &json!({"operation": "claim_next"}));
    assert_eq!(again["resumed"], true, "its calls are made by its window");
    client.leave();
    assert_eq!(project.json(&["sessions"])["sessions"], json!([]), "it is closed with the connection");
    assert_eq!(project.json(&["show", "a"])["task"]["state"], "open");
}

#[test]
fn a_window_with_a_fixed_name_resumes_what_its_killed_process_held() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let flags = ["--thread-key", "w", "--window-id", "editor"];
    let claim = json!({"operation": "claim-next"});
    let mut first = Client::start(&project, &flags);
    let claimed = first.call("coordination_dispatch", &claim);
    let id = claimed["lease"]["session_id"].as_str().unwrap().to_owned();
    // While it runs, another process of the same window is another window, and says so to its client.
    let mut second = Client::start(&project, &flags);
    let refused = second.call("coordination_dispatch", &claim);
    assert_eq!(refused["error"]["code"], "window_in_use", "{refused}");
    assert!(!refused.to_string().contains(&id), "{refused}");
    let listed = second.call("coordination_sessions", &json!({}));
    assert_eq!(listed["ok"], true, "what nobody in particular asks is answered: {listed}");
    second.leave();
    // Its own registration is no conflict, and confirms the place.
    let confirmed =
        json!({"thread_key": "w", "window_id": "editor", "confirm_workspace": true, "confirm_branch": true});
    let again = first.call("coordination_session_register", &confirmed);
    assert_eq!(again["resumed"][0]["module"], "a", "{again}");
    assert_eq!(project.json(&["sessions"])["sessions"][0]["confirmed"], true);
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let mut next = Client::start(&project, &flags);
    let resumed = next.call("coordination_dispatch", &claim);
    assert_eq!((&resumed["resumed"], &resumed["task"]["module"]), (&json!(true), &json!("a")), "{resumed}");
    next.leave();
    assert_eq!(project.json(&["show", "a"])["task"]["state"], "open", "it left, and its lease ended");
    let by_hand = project.json(&["init-agent", "--thread-key", "w", "--window-id", "editor"]);
    let mut late = Client::start(&project, &flags);
    assert_eq!(
        late.call("coordination_dispatch", &claim)["error"]["code"],
        "window_in_use",
        "an old id proves nothing"
    );
    late.leave();
    project.ok(&["claim-next", "--session-id", by_hand["session_id"].as_str().unwrap()]);
}

#[test]
fn a_window_is_renewed_by_calls_and_asked_to_stop_by_a_signal() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let mut client = Client::start(&project, &[]);
    client.call("coordination_dispatch", &json!({"operation": "claim-next"}));
    let agents = project.json(&["agents"]);
    assert_eq!(agents["agents"][0]["agent_id"], "test-client", "a client without a key is called as it calls itself");
    // A wait ends when the process is asked to stop, and the window is closed.
    client.begin(
        "tools/call",
        &json!({"name": "coordination_notifications", "arguments": {"target": "agent:nobody", "watch_seconds": 600}}),
    );
    let pid = client.child.id().to_string();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(client.child.wait().unwrap().success());
    assert_eq!(project.json(&["sessions"])["sessions"], json!([]));
}

#[test]
fn a_page_that_changes_is_told_of_and_a_wait_can_be_cancelled() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let mut client = Client::start(&project, &["--thread-key", "w"]);
    let list = client.ask("resources/list", &json!({}));
    assert!(list["resources"].as_array().unwrap().iter().any(|page| page["uri"] == "callboard://pages/STATUS.md"));
    client.ask("resources/subscribe", &json!({"uri": "callboard://pages/STATUS.md"}));
    let wait = json!({"name": "coordination_notifications", "arguments": {"target": "agent:nobody", "watch_seconds": 600}, "_meta": {"progressToken": "p"}});
    let id = client.begin("tools/call", &wait);
    // Until the first news of progress both the wait and the subscription have begun.
    while client.read()["method"] != "notifications/progress" {}
    project.ok(&["add-task", "b", "--title", "Seen on the page"]);
    while client.read()["method"] != "notifications/resources/updated" {}
    let page = client.ask("resources/read", &json!({"uri": "callboard://pages/STATUS.md"}));
    assert!(page["contents"][0]["text"].as_str().unwrap().contains("Seen on the page"));
    client.tell("notifications/cancelled", &json!({"requestId": id, "reason": "enough"}));
    let state = client.call("coordination_state", &json!({}));
    assert_eq!(state["counts"]["total"], 2, "a client that has cancelled is served as before");
    let missing = client.begin("resources/read", &json!({"uri": "callboard://pages/../coordination.db"}));
    loop {
        let answer = client.read();
        if answer["id"] == json!(missing) {
            assert!(answer["error"]["message"].as_str().unwrap().contains("there is no"), "{answer}");
            break;
        }
    }
    client.leave();
}

#[test]
fn toolsets_reach_every_operation_and_refusals_can_be_read() {
    let project = Project::new();
    for (set, tool) in
        [("worker", "claim_next"), ("reviewer", "claim_review_next"), ("planner", "add_task"), ("full", "doctor")]
    {
        let mut client = Client::start(&project, &["--toolset", set, "--thread-key", set]);
        let tools = client.ask("tools/list", &json!({}));
        let names: Vec<&str> =
            tools["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert!(names.contains(&tool) && names.contains(&"coordination_command"), "{set}: {names:?}");
        client.leave();
    }
    let mut client = Client::start(&project, &[]);
    let help = project.ok(&["--help"]);
    let operations = client.command("help", &json!({}));
    for name in operations["operations"].as_array().unwrap() {
        assert!(help.contains(&format!("  {} ", name.as_str().unwrap())), "{name}");
        let refused = client.command(name.as_str().unwrap(), &json!({"no_such_field": 1}));
        assert_eq!(refused["error"]["code"], "usage", "{name}");
    }
    let refused = client.command("show", &json!({"module": "missing"}));
    assert_eq!((&refused["error"]["code"], &refused["ok"]), (&json!("unknown_module"), &json!(false)));
    let refused = client.call("coordination_dispatch", &json!({"operation": "cancel-task"}));
    assert_eq!(refused["error"]["code"], "unknown_operation");
    client.leave();
}

#[test]
fn a_client_does_not_pass_for_a_person_unless_a_person_allowed_it() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    for set in [&["--toolset", "full"][..], &[]] {
        let mut client = Client::start(&project, set);
        let tools = client.ask("tools/list", &json!({}))["tools"].take();
        for tool in tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()) {
            let operation = if tool == "coordination_dispatch" { "next-action" } else { "cancel-task" };
            for person in ["as_human", "as-human", "asHuman", "AS_HUMAN"].map(|key| json!({key: true})) {
                let mut fields = person.clone();
                if tool.starts_with("coordination_") {
                    fields["operation"] = json!(operation);
                }
                let refused = client.call(tool, &fields);
                let code = refused["error"]["code"].as_str().unwrap_or_else(|| panic!("{tool} {fields}: {refused}"));
                // Other tools of several operations do not have this one.
                assert!(matches!(code, "human_required" | "unknown_operation"), "{tool} {fields}: {refused}");
            }
        }
        for person in [json!({"as_human": true}), json!({"as-human": 1}), json!({"facts": {"terminal": true}})] {
            let mut fields = json!({"module": ["a"], "reason": "r"});
            fields.as_object_mut().unwrap().extend(person.as_object().unwrap().clone());
            let refused = client.command("cancel-task", &fields);
            assert_eq!(refused["error"]["code"], "human_required", "{fields}");
            assert!(!refused.to_string().contains("--as-human"), "{refused}");
        }
        client.leave();
    }
    assert_eq!(project.json(&["show", "a"])["task"]["state"], "open");
    let mut client = Client::start(&project, &["--may-act-as-human"]);
    let done = client.command("cancel-task", &json!({"module": ["a"], "reason": "r", "as_human": true}));
    assert_eq!(done["ok"], true, "{done}");
    client.leave();
}

#[test]
fn windows_of_clients_over_http_are_closed_when_the_server_stops() {
    let mut project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    project = project.served();
    let owner = project.owner();
    let mut server = project.server.take().unwrap();
    let post = |session: &str, body: &Value| {
        let headers = format!(
            "Authorization: Bearer {owner}\nContent-Type: application/json\nAccept: application/json, text/event-stream{session}"
        );
        server.send("POST", "/mcp", &headers, &body.to_string())
    };
    let hello =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "far", "version": "1"}});
    let greeted = post("", &json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}));
    let session =
        greeted.head.lines().find_map(|line| line.to_lowercase().strip_prefix("mcp-session-id: ").map(str::to_owned));
    let session = format!("\nMcp-Session-Id: {}", session.unwrap_or_else(|| panic!("{greeted:?}")));
    post(&session, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let claim = json!({"name": "coordination_dispatch", "arguments": {"operation": "claim-next"}});
    let claimed = post(&session, &json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": claim}));
    assert!(claimed.body.contains("lease"), "{claimed:?}");
    assert_eq!(project.json(&["show", "a"])["task"]["holder"]["agent_id"], "far");
    server.terminate();
    assert_eq!(server.stopped(), Some(0));
    assert_eq!(project.json(&["sessions"])["sessions"], json!([]));
    assert_eq!(project.json(&["show", "a"])["task"]["state"], "open");
}

#[test]
fn hosts_get_an_entry_that_starts_it() {
    let project = Project::bare();
    project.ok(&["init", "--emit-mcp-config"]);
    let config: Value = serde_json::from_str(&project.page("mcp-host-config.json")).unwrap();
    // The folder is called prøjekt x.
    let entry = &config["mcpServers"]["callboard-pr-jekt-x"];
    let arguments: Vec<&str> = entry["args"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert_eq!(arguments, ["mcp", "--project-root", project.root.to_str().unwrap()]);
    assert!(std::path::Path::new(entry["command"].as_str().unwrap()).is_absolute());
    for host in ["claude-code", "codex", "cursor", "vscode"] {
        let text = project.ok(&["mcp", "--print-config", host]);
        assert!(
            text.contains(project.root.to_str().unwrap()) && text.contains("callboard-pr-jekt-x"),
            "{host}: {text}"
        );
    }
    Client::start(&project, &arguments[1..]).leave();
}

#[test]
fn the_entries_of_two_projects_do_not_overwrite_each_other() {
    let project = Project::bare();
    let names = ["shop", "shop-api"].map(|folder| {
        std::fs::create_dir(project.root.join(folder)).unwrap();
        let inside = |line: &[&str]| {
            let output = project.command(line).current_dir(project.root.join(folder)).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        inside(&["init", "--emit-mcp-config"]);
        let file = project.root.join(folder).join("project-plan/mcp-host-config.json");
        let config: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let servers: Vec<String> = config["mcpServers"].as_object().unwrap().keys().cloned().collect();
        assert!(inside(&["mcp", "--print-config", "codex"]).contains(&format!("[mcp_servers.{}]", servers[0])));
        servers.concat()
    });
    assert_eq!(names, ["callboard-shop", "callboard-shop-api"]);
}

/// A program of the proving ground that `variable` names; without it the test is skipped loudly.
fn tool(variable: &str, what: &str) -> Option<String> {
    let path = std::env::var(variable).ok().filter(|path| !path.is_empty());
    may_run(what, path.is_some()).then(|| path.unwrap())
}

fn reviewed() -> Project {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A", "--review", "required"]);
    project
}

fn clients(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn succeeds(project: &Project, command: &mut Command) -> String {
    project.closed(command);
    command.env_remove("CALLBOARD_SERVER_URL");
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    out.into_owned()
}

#[test]
fn the_official_python_client_does_a_whole_loop_through_both_doors() {
    let Some(python) =
        tool("CALLBOARD_TEST_PYTHON", "CALLBOARD_TEST_PYTHON: a Python with the packages mcp and schemathesis")
    else {
        return;
    };
    let project = reviewed();
    let root = project.root.to_str().unwrap().to_owned();
    let mut stdio = Command::new(&python);
    stdio.args([&clients("mcp_loop.py"), "stdio", env!("CARGO_BIN_EXE_callboard"), &root]);
    assert!(succeeds(&project, &mut stdio).contains("the whole loop was done"));
    let project = reviewed().served();
    let mut http = Command::new(&python);
    http.args([&clients("mcp_loop.py"), "http", &project.server().url, &project.owner()]);
    assert!(succeeds(&project, &mut http).contains("the whole loop was done"));
    assert_eq!(project.json(&["sessions"])["sessions"], json!([]), "every window was closed");
}

#[test]
fn the_inspector_lists_and_calls() {
    let Some(inspector) = tool("CALLBOARD_TEST_INSPECTOR", "CALLBOARD_TEST_INSPECTOR: the MCP inspector") else {
        return;
    };
    let project = reviewed();
    let root = project.root.to_str().unwrap().to_owned();
    let inspect = |rest: &[&str]| {
        let mut command = Command::new(&inspector);
        command.args(["--cli", env!("CARGO_BIN_EXE_callboard"), "mcp", "--project-root", &root]).args(rest);
        let answer = succeeds(&project, &mut command);
        serde_json::from_str::<Value>(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    };
    assert_eq!(inspect(&["--method", "tools/list"])["tools"].as_array().unwrap().len(), 12);
    let claim =
        ["--method", "tools/call", "--tool-name", "coordination_dispatch", "--tool-arg", "operation=claim-next"];
    assert_eq!(inspect(&claim)["structuredContent"]["task"]["module"], "a");
    assert!(inspect(&["--method", "prompts/list"])["prompts"].as_array().unwrap().len() == 3);
}

#[test]
fn whatever_the_document_allows_is_answered_as_it_says() {
    let Some(python) =
        tool("CALLBOARD_TEST_PYTHON", "CALLBOARD_TEST_PYTHON: a Python with the packages mcp and schemathesis")
    else {
        return;
    };
    let project = reviewed().served();
    let url = &project.server().url;
    let mut command = Command::new(python);
    command.args(["-m", "schemathesis.cli", "run", &format!("{url}/openapi.json"), "--url", url]);
    command.args(["-H", &format!("Authorization: Bearer {}", project.owner()), "--request-timeout", "30"]);
    command.args(["--phases", "fuzzing", "--max-examples", "6", "--seed", "1", "--exclude-path-regex", "stream"]);
    command.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    command.env("SCHEMATHESIS_HOOKS", clients("schema_hooks.py"));
    project.closed(&mut command);
    command.env("SCHEMATHESIS_HOOKS", clients("schema_hooks.py")).env_remove("CALLBOARD_SERVER_URL");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    project.must_be_sound();
}
