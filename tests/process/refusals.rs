//! What is refused, with which code and exit, and that nothing was changed by it.

use serde_json::Value;

use crate::project::Project;

struct Board {
    project: Project,
    token: String,
}

/// A board with a task held by `w`, one that is open, one that depends on it, and one that is done.
fn board() -> Board {
    let project = Project::new();
    for line in ["held", "open", "done"] {
        project.ok(&["add-task", line, "--title", line]);
    }
    project.ok(&["add-task", "later", "--title", "later", "--depends-on", "open"]);
    project.ok(&["init-agent", "--thread-key", "w", "--max-tasks", "3"]);
    project.ok(&["init-agent", "--thread-key", "other"]);
    let done = project.json(&["claim", "done", "--agent-id", "w"]);
    let token = done["lease"]["token"].as_str().unwrap();
    project.ok(&["finish", "done", "--agent-id", "w", "--lease-token", token, "--summary", "s", "--changed-path", "p"]);
    let held = project.json(&["claim", "held", "--agent-id", "w"]);
    let token = held["lease"]["token"].as_str().unwrap().to_owned();
    Board { project, token }
}

#[test]
fn every_refusal_has_its_code_and_changes_nothing() {
    let Board { project, token } = board();
    let revision = project.count("SELECT revision FROM board").to_string();
    let table: &[(&str, i32, &str)] = &[
        ("claim-next --agent-id w --no-such-flag", 2, "usage"),
        ("no-such-command", 2, "usage"),
        ("claim-next --agent-id w --ttl-seconds 0", 2, "usage"),
        ("claim-next --agent-id w --ttl-seconds 86401", 2, "usage"),
        ("add-task x --title T --priority 5", 2, "usage"),
        ("add-task ../x --title T", 2, "usage"),
        ("add-task open --title T", 4, "module_exists"),
        ("add-task x --title T --depends-on nowhere", 4, "unknown_module"),
        ("show nowhere", 4, "unknown_module"),
        ("claim nowhere --agent-id w", 4, "unknown_module"),
        ("claim open --agent-id nobody", 4, "unknown_agent"),
        ("claim open --session-id s-nobody", 4, "unknown_session"),
        ("claim open", 4, "agent_required"),
        ("claim later --agent-id w", 4, "not_ready"),
        ("claim done --agent-id w", 4, "wrong_state"),
        ("claim held --agent-id other", 5, "held"),
        ("depend open --on later", 4, "cycle"),
        ("depend open --on open", 4, "cycle"),
        ("depend held --on open", 4, "force_required"),
        ("finish held --agent-id w --summary s --changed-path p", 4, "proof_required"),
        ("finish held --agent-id w --lease-token wrong --summary s --changed-path p", 6, "stale_lease"),
        ("finish held --agent-id other --lease-token wrong --summary s --changed-path p", 6, "stale_lease"),
        ("heartbeat open --agent-id w --lease-token TOKEN", 6, "stale_lease"),
        ("approve held --as-human", 4, "wrong_state"),
        ("cancel-task open --reason r", 4, "human_required"),
        ("unblock open", 4, "wrong_state"),
        ("reopen-task open --reason r --as-human", 4, "wrong_state"),
        ("add-task x --title T --expected-revision 1", 6, "stale_revision"),
        ("edit-task open --title T --expected-task-revision 9", 6, "stale_task_revision"),
        ("lease-reclaim open --force --reason r --as-human", 6, "stale_lease"),
        ("intake --from no-such-file", 2, "usage"),
        ("close-session --agent-id nobody", 4, "unknown_agent"),
    ];
    let rows = "SELECT (SELECT sum(revision + epoch) FROM tasks) * 1000 + (SELECT revision FROM board)";
    let before = project.count(rows);
    for (line, exit, code) in table {
        let line = line.replace("TOKEN", &token);
        let words: Vec<&str> = line.split(' ').collect();
        let refused = project.refused(&words, *exit, code);
        assert!(refused["error"]["hint"].is_string(), "{line}: a hint names what helps: {refused}");
        assert_eq!(project.count(rows), before, "{line} changed something");
    }
    let exact = ["add-task", "x", "--title", "T", "--expected-revision", &revision];
    project.ok(&exact);
}

#[test]
fn a_stale_session_is_told_how_to_come_back() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let first = project.json(&["init-agent", "--thread-key", "w"]);
    let old = first["session_id"].as_str().unwrap();
    project.ok(&["claim", "a", "--session-id", old]);
    let second = project.json(&["init-agent", "--thread-key", "w", "--resume"]);
    assert_eq!(second["resumed"][0]["module"], "a");
    let refused = project.refused(&["heartbeat", "a", "--session-id", old], 6, "stale_session");
    let hint = refused["error"]["hint"].as_str().unwrap();
    assert!(hint.starts_with("callboard init-agent --thread-key 'w' --role worker --host-id "), "{hint}");
    assert!(hint.ends_with(" --window-id main-2"), "it does not replace its successor in turn: {hint}");
    let new = second["session_id"].as_str().unwrap();
    project.ok(&["heartbeat", "a", "--session-id", new]);
    project.ok(&["reap-sessions", "--max-age-seconds", "0"]);
    project.ok(&["heartbeat", "a", "--session-id", new]);
}

#[test]
fn two_windows_of_one_agent_are_told_apart() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let window = |name: &str| {
        let came = project.json(&["init-agent", "--thread-key", "w", "--window-id", name]);
        came["session_id"].as_str().unwrap().to_owned()
    };
    let (one, two) = (window("one"), window("two"));
    let three = project.json(&["init-agent", "--thread-key", "w", "--window-id", "three"]);
    let next: Vec<&str> = three["next_command"].as_str().unwrap().split(' ').skip(1).collect();
    assert_eq!(project.run(&next).code, 0, "what it is told to do next can be done: {next:?}");
    project.ok(&["close-session", "--session-id", three["session_id"].as_str().unwrap()]);
    project.refused(&["next-action", "--agent-id", "w"], 4, "session_required");
    project.ok(&["claim-next", "--session-id", &one]);
    let mine = project.json(&["next-action", "--session-id", &one]);
    assert_eq!((&mine["action"], &mine["module"]), (&Value::from("continue"), &Value::from("a")));
    assert_eq!(mine["command"], format!("callboard claim a --agent-id w --session-id {one}"));
    let others = project.run(&["next-action", "--session-id", &two, "--json"]);
    assert_eq!((others.code, &others.json()["action"]), (3, &Value::from("wait")), "{others:?}");
    project.ok(&["close-session", "--session-id", &one]);
    project.ok(&["close-session", "--session-id", &two]);
    let gone = project.refused(&["next-action", "--agent-id", "w"], 4, "session_required");
    assert_eq!(gone["error"]["hint"], "callboard init-agent --thread-key 'w' --role worker");
}

#[test]
fn a_name_of_a_request_is_bound_to_who_comes_aboard() {
    let project = Project::new();
    project.ok(&["init-agent", "--thread-key", "a", "--request-id", "r"]);
    project.ok(&["init-agent", "--thread-key", "a", "--request-id", "r"]);
    project.refused(&["init-agent", "--thread-key", "b", "--request-id", "r"], 4, "request_id_reused");
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let project = Project::new();
    project.ok(&["init-agent", "--thread-key", "w"]);
    project.ok(&["add-task", "a", "--title", "A"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = project.command(&["claim-next", "--agent-id", "w"]);
    let output = command.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(9), "{said}");
    let request = said.split("--request-id ").nth(1).unwrap().split_whitespace().next().unwrap();
    let again = project.json(&["claim-next", "--agent-id", "w", "--request-id", request]);
    assert_eq!((&again["replayed"], &again["task"]["module"]), (&Value::Bool(true), &Value::from("a")));
}

#[test]
fn odd_texts_are_taken_whole_or_refused() {
    let project = Project::new();
    let long = "ä".repeat(50_000);
    project.ok(&["add-task", "long", "--title", "Long", "--body", &long]);
    assert_eq!(project.json(&["show", "long"])["task"]["body"].as_str(), Some(long.as_str()));
    project.ok(&["add-task", "dash", "--title", "- a list", "--body", "- one\n- two"]);
    project.ok(&["add-task", "lines", "--title", "one\ntwo\r\n\tthree \u{1b}[0m"]);
    let title = project.json(&["show", "lines"])["task"]["title"].as_str().unwrap().to_owned();
    assert!(!title.chars().any(char::is_control), "{title:?}");
    project.refused(&["add-task", "huge", "--title", &"x".repeat(100_000)], 2, "invalid_value");
    project.refused(&["add-task", "empty", "--title", " \n "], 2, "invalid_value");
    for module in ["a/b", "..", "-x", "a b", "", "é", "a\u{7}"] {
        let run = project.run(&["add-task", "--title", "T", "--json", "--module", module]);
        assert_eq!(run.code, 2, "{module:?}: {run:?}");
    }
    assert!(project.ok(&["summary"]).len() < 4_000);
    assert!(project.page("STATUS.md").len() < 10_000, "pages show titles, never bodies");
}

#[test]
fn texts_come_from_files_and_standard_input() {
    let project = Project::new();
    std::fs::write(project.root.join("body.md"), "from a file $(not run)\n").unwrap();
    project.ok(&["add-task", "a", "--title", "@@literal", "--body", "@body.md"]);
    let task = &project.json(&["show", "a"])["task"];
    assert_eq!((task["title"].as_str(), task["body"].as_str()), (Some("@literal"), Some("from a file $(not run)")));
    let mut command = project.command(&["add-task", "b", "--title", "B", "--body", "-"]);
    let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"from a pipe").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(project.json(&["show", "b"])["task"]["body"], "from a pipe");
    project.refused(&["add-task", "c", "--title", "@missing"], 2, "usage");
}

#[test]
fn a_request_is_answered_again_after_its_process_died() {
    let Board { project, .. } = board();
    let claim = ["claim-next", "--agent-id", "other", "--request-id", "mine"];
    let first = project.json(&claim);
    let again = project.json(&claim);
    assert_eq!((&first["replayed"], &again["replayed"]), (&Value::Null, &Value::Bool(true)));
    assert_eq!((&first["lease"]["token"], &first["revision"]), (&again["lease"]["token"], &again["revision"]));
    project.refused(&["claim-next", "--agent-id", "w", "--request-id", "mine"], 4, "request_id_reused");
}

#[test]
fn a_plan_is_imported_whole_or_not_at_all() {
    let project = Project::new();
    let write = |text: &str| std::fs::write(project.root.join("plan.md"), text).unwrap();
    write("- [ ] One {module=one}\n  - [x] Part {module=part}\n- [ ] Two {module=two depends=nowhere}\n");
    let refused = project.refused(&["intake", "--from", "plan.md"], 4, "import_line");
    assert!(refused["error"]["message"].as_str().unwrap().contains("line 3"), "{refused}");
    assert_eq!(project.count("SELECT count(*) FROM tasks"), 0);
    write("- [ ] One {module=one}\n  - [x] Part {module=part}\n- [ ] Two {module=two depends=one}\n");
    let dry = project.json(&["intake", "--from", "plan.md", "--dry-run"]);
    assert_eq!((dry["added"].as_u64(), project.count("SELECT count(*) FROM tasks")), (Some(3), 0));
    assert_eq!(project.json(&["intake", "--from", "plan.md"])["added"], 3);
    let again = project.json(&["intake", "--from", "plan.md"]);
    assert_eq!((&again["added"], &again["unchanged"]), (&Value::from(0), &Value::from(3)));
    assert_eq!(project.json(&["show", "one"])["task"]["depends_on"][0], "part");
    write("- [ ] One {module=one}\n- [ ] Two {module=two depends=one priority=1}\n");
    let dry = project.json(&["intake", "--from", "plan.md", "--update", "--dry-run"]);
    assert_eq!(dry["updated_modules"], Value::from(vec!["one", "two"]));
    project.ok(&["intake", "--from", "plan.md", "--update"]);
    assert_eq!(project.json(&["show", "one"])["task"]["depends_on"], Value::from(Vec::<Value>::new()));
    write("- [ ] One {module=one depends=part}\n- [ ] Two {module=two depends=one}\n");
    project.ok(&["intake", "--from", "plan.md", "--update"]);
    assert_eq!(project.json(&["show", "part"])["task"]["state"], "done");
    // What the board exports, another board imports.
    let full = project.json(&["tasks"]);
    let lines: Vec<String> = full["tasks"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let other = Project::new();
    std::fs::write(other.root.join("plan.jsonl"), lines.join("\n")).unwrap();
    assert_eq!(other.json(&["intake", "--from", "plan.jsonl"])["added"], 3);
    write("- [ ] One {module=circle depends=square}\n- [ ] Two {module=square depends=circle}\n");
    project.refused(&["intake", "--from", "plan.md"], 4, "cycle");
    // A circle that runs through the plan and the board.
    project.ok(&["add-task", "x", "--title", "X"]);
    write("- [ ] B {module=b}\n  - [ ] A {module=a depends=x}\n");
    project.ok(&["intake", "--from", "plan.md"]);
    let lines = "{\"module\":\"d\",\"title\":\"D\",\"parent\":\"x\"}\n\
                 {\"module\":\"c\",\"title\":\"C\",\"depends_on\":[\"x\"],\"parent\":\"d\"}\n";
    std::fs::write(project.root.join("plan.jsonl"), lines).unwrap();
    project.refused(&["intake", "--from", "plan.jsonl"], 4, "cycle");
}
