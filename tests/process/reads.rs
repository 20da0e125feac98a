//! Every operation that reads, on an empty board and on a full one: the directory and a server answer with the same data and
//! the same exit code, and the exit code says what the answer says.

use std::collections::BTreeSet;

use callboard::bridge::catalogue::ENTRIES;
use callboard::domain::right::Right;
use callboard::ops::Kind;
use serde_json::Value;

use crate::project::{Project, Run};
use crate::server::Server;

/// Lines of each operation.
const LINES: &[&[&str]] = &[
    &["next-action"],
    &["next-action", "--agent-id", "w"],
    &["next-action", "--agent-id", "r"],
    &["summary"],
    &["mode-advisor", "--agent-count", "3"],
    &["agents"],
    &["sessions"],
    &["check-paths", "src/a.rs", "--agent-id", "w"],
    &["check-paths", "docs/a.md"],
    &["tasks"],
    &["tasks", "--state", "review"],
    &["show", "a"],
    &["show", "a", "--agent-id", "w"],
    &["graph"],
    &["explain", "b", "--agent-id", "w"],
    &["history", "a"],
    &["history"],
    &["state"],
    &["next-claimable"],
    &["next-claimable", "--agent-id", "w"],
    &["next-reviewable"],
    &["next-reviewable", "--agent-id", "r"],
    &["leases"],
    &["events"],
    &["events", "--module", "missing"],
    &["events", "--since", "1000000"],
    &["events", "--module", "missing", "--watch-seconds", "0"],
    &["notifications"],
    &["notifications", "--target", "humans"],
    &["notifications", "--target", "agent:nobody", "--watch-seconds", "0"],
    &["questions"],
    &["questions", "--target", "agent:nobody"],
    &["questions", "--target", "agent:nobody", "--watch-seconds", "0"],
    &["handoffs"],
    &["next-handoff"],
    &["next-handoff", "--agent-id", "w"],
    &["event-archives"],
    &["doctor"],
];

/// A board with something of everything.
fn fill(project: &Project) {
    let claimed = |agent: &str| {
        let claimed = project.json(&["claim-next", "--agent-id", agent]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&claimed["task"]["module"]), text(&claimed["lease"]["token"]))
    };
    project.ok(&["init-agent", "--thread-key", "w", "--specialty", "backend"]);
    project.ok(&["init-agent", "--thread-key", "r", "--role", "reviewer"]);
    for (name, more) in [
        ("a", "--owned-paths=src/**"),
        ("b", "--specialty=frontend"),
        ("c", "--depends-on=b"),
        ("d", "--specialty=backend"),
    ] {
        project.ok(&["add-task", name, "--title", name, "--review", "required", more]);
    }
    let (module, token) = claimed("w");
    project.ok(&["finish", &module, "--agent-id", "w", "--lease-token", &token, "--summary", "done"]);
    let (module, token) = claimed("w");
    let next = "the rest of it";
    let bundle = ["handoff-bundle", &module, "--agent-id", "w", "--lease-token", &token, "--notes", next];
    project.ok(&bundle);
    project.ok(&["ask", "--question", "Which one?", "--module", "b"]);
    project.ok(&["notify", "--target", "agent:w", "--message", "look here"]);
}

/// What an answer says without what differs from one moment to the next: the doctor measures.
fn lasting(run: &Run, operation: &str) -> Value {
    let mut answer = run.json();
    if operation == "doctor" {
        for check in answer["checks"].as_array_mut().into_iter().flatten() {
            check["message"] = Value::Null;
        }
    }
    answer
}

/// The exit code that an answer stands for, by the table.
fn exit_of(answer: &Value, operation: &str) -> i32 {
    let is = |key: &str| answer[key] == Value::Bool(true);
    match (&answer["error"]["code"], is("complete"), is("nothing")) {
        (Value::Null, true, _) => 10,
        (Value::Null, false, true) => 3,
        (Value::Null, false, false) => 0,
        (Value::String(code), ..) => {
            let code = serde_json::from_value::<callboard::domain::refusal::Code>(Value::String(code.clone()));
            code.unwrap().exit() as i32
        }
        other => panic!("{operation}: {other:?}"),
    }
}

#[test]
fn every_read_has_the_same_exit_code_and_data_in_the_directory_and_through_a_server() {
    let reads = ENTRIES.iter().filter(|entry| entry.kind == Kind::Read && entry.right <= Right::Worker);
    let tried: BTreeSet<&str> = LINES.iter().map(|line| line[0]).collect();
    assert_eq!(tried, reads.map(|entry| entry.name).collect(), "each of them has a line");
    let (empty, full) = (Project::fixed(), Project::fixed());
    fill(&full);
    let mut seen = BTreeSet::new();
    for project in [&empty, &full] {
        let server = Server::start(project, &[]);
        for line in LINES {
            let here = project.run(&[line, ["--json"].as_slice()].concat());
            let there = project.run(&[line, ["--json", "--server-url", &server.url].as_slice()].concat());
            assert_eq!(there.code, here.code, "{line:?}\n{there:?}\n{here:?}");
            let mut through = lasting(&there, line[0]);
            // Commands that are printed name the server where it was named on the command line.
            let named = through.to_string().replace(&format!("--server-url {} ", server.url), "");
            through = serde_json::from_str(&named).unwrap();
            assert_eq!(through, lasting(&here, line[0]), "{line:?}");
            assert_eq!(here.code, exit_of(&here.json(), line[0]), "{line:?}: {here:?}");
            seen.insert(here.code);
        }
    }
    assert!(seen.is_superset(&BTreeSet::from([0, 3, 4])), "{seen:?}");
}

#[test]
fn a_list_without_an_entry_is_done_unless_its_caller_waits_for_one() {
    let project = Project::new();
    let server = Server::start(&project, &[]);
    for line in
        [["notifications", "--target", "humans"], ["events", "--module", "none"], ["questions", "--target", "humans"]]
    {
        for door in [["--json", "--quiet"].as_slice(), &["--json", "--quiet", "--server-url", &server.url]] {
            assert_eq!(project.run(&[&line, door].concat()).code, 0, "{line:?} {door:?}");
            let waits = [&line, door, &["--watch-seconds", "0"]].concat();
            assert_eq!(project.run(&waits).code, 3, "{waits:?}");
        }
    }
}
