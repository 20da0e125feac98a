//! Fields of a request, in the forms in which clients write them: every interface takes the same.

use serde_json::{Value, json};

use crate::log::speak;
use crate::project::Project;
use crate::server::Stream;

#[test]
fn a_number_for_a_place_and_a_single_value_for_a_list_are_taken_at_every_interface() {
    let project = Project::new().served();
    let owner = project.owner();
    let post = |operation: &str, body: Value| {
        let reply = project.server().post(&owner, operation, &body);
        assert_eq!(reply.status, 200, "{operation} {body}: {reply:?}");
        reply.json()
    };
    for since in [json!(0), json!("0")] {
        assert_eq!(post("events", json!({"since": since}))["events"][0]["seq"], 1);
    }
    let registered = post("init-agent", json!({"thread_key": "w", "role": "worker", "specialty": "backend"}));
    post("add-task", json!({"module": "a", "title": "A", "owned_paths": "src/**"}));
    assert_eq!(post("show", json!({"task": "a"}))["task"]["owned_paths"], json!(["src/**"]), "{registered}");
    assert_eq!(post("tasks", json!({"status": "open"}))["tasks"][0]["module"], "a");
    let calls = [
        ("events", json!({"since": 0})),
        ("register-session", json!({"thread_key": "x", "role": "worker"})),
        ("cancel-task", json!({"task": "a", "reason": "not wanted"})),
    ];
    let mut mcp = project.command(&["mcp", "--may-act-as-human"]);
    mcp.env_remove("CALLBOARD_SERVER_URL");
    let (answers, _) = speak(mcp, &calls);
    assert_eq!(answers[0]["events"][0]["seq"], 1, "{}", answers[0]);
    assert_eq!(answers[1]["agent_id"], "x", "{}", answers[1]);
    assert_ne!(answers[2]["error"]["code"], "usage", "{}", answers[2]);

    let bad = json!({"timeout": 1, "watch_seconds": 1});
    assert_eq!(project.server().post(&owner, "events", &bad).refusal(), "usage", "one of them would be ignored");
    for bad in [json!({"since": -1}), json!({"since": 1.5}), json!({"since": [0]})] {
        assert_eq!(project.server().post(&owner, "events", &bad).refusal(), "usage", "{bad}");
    }
}

#[test]
fn a_stream_takes_the_timeout_of_the_command_line_and_ends_after_that_silence() {
    let project = Project::new().served();
    for query in ["timeout=1", "watch_seconds=1"] {
        let mut stream = Stream::open(project.server(), &format!("/events/stream?since=0&{query}"), "");
        let mut names = Vec::new();
        while let Some((name, ..)) = stream.next() {
            names.push(name);
        }
        assert_eq!(names, ["event", "replay_complete"], "{query}");
    }
    assert_eq!(project.server().get("/events/stream?timeout=soon").status, 400);
}
