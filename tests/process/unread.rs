//! What an agent has not read, and what it lost: it is told, once, before it goes on.

use std::time::Duration;

use serde_json::Value;

use crate::project::Project;

/// A board with two agents, and two tasks of which the second is less urgent.
fn board() -> Project {
    let project = Project::new();
    for agent in ["ann", "ben"] {
        project.ok(&["init-agent", "--thread-key", agent]);
    }
    for (module, priority) in [("first", "1"), ("second", "3")] {
        project.ok(&["add-task", module, "--title", "T", "--priority", priority]);
    }
    project
}

/// Lets the lease of whoever claims `module` run out.
fn claimed_and_lapsed(project: &Project, agent: &str, module: &str) {
    project.ok(&["claim", module, "--agent-id", agent, "--ttl-seconds", "1"]);
    std::thread::sleep(Duration::from_millis(1100));
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_holder_whose_task_was_taken_is_told_before_anything_else() {
    let project = board();
    claimed_and_lapsed(&project, "ann", "first");
    project.ok(&["claim", "first", "--agent-id", "ben"]);
    let next = project.json(&["next-action", "--agent-id", "ann"]);
    assert_eq!((words(&next["action"]), words(&next["module"])), ("read", "first"), "{next}");
    assert!(words(&next["reason"]).contains("taken by ben at "), "{next}");
    assert_eq!((words(&next["lost"][0]["by"]), words(&next["lost"][0]["loss"])), ("ben", "taken"), "{next}");
    let claimed = project.ok(&["claim-next", "--agent-id", "ann"]);
    assert!(claimed.starts_with("lost"), "{claimed}");
    assert!(claimed.lines().next().unwrap().contains("first, taken by ben at "), "{claimed}");
    assert!(claimed.contains("second"), "and it goes on: {claimed}");
    let again = project.json(&["claim-next", "--agent-id", "ann"]);
    assert!(again.get("lost").is_none(), "it is told once: {again}");
    let next = project.json(&["next-action", "--agent-id", "ann"]);
    assert_eq!((words(&next["action"]), words(&next["module"])), ("continue", "second"), "{next}");
}

#[test]
fn whoever_waits_for_work_is_told_of_a_loss_without_waiting() {
    let project = board();
    claimed_and_lapsed(&project, "ann", "first");
    project.ok(&["claim", "first", "--agent-id", "ben"]);
    project.ok(&["cancel-task", "second", "--reason", "no", "--as-human"]);
    let run = project.run(&["claim-next", "--agent-id", "ann", "--watch-seconds", "300", "--json"]);
    assert_eq!((run.code, words(&run.json()["lost"][0]["module"])), (3, "first"), "{run:?}");
    let run = project.run(&["claim-next", "--agent-id", "ann", "--watch-seconds", "1", "--json"]);
    assert!(run.code == 3 && run.json().get("lost").is_none(), "{run:?}");
}

#[test]
fn a_holder_is_told_who_ended_its_task() {
    let project = board();
    project.ok(&["claim", "first", "--agent-id", "ann"]);
    project.ok(&["cancel-task", "first", "--reason", "no", "--as-human"]);
    let next = project.json(&["next-action", "--agent-id", "ann"]);
    let lost = &next["lost"][0];
    assert_eq!((words(&lost["loss"]), words(&lost["state"])), ("ended", "cancelled"), "{next}");
    project.ok(&words(&next["command"]).split(' ').skip(1).collect::<Vec<_>>());
    let next = project.json(&["next-action", "--agent-id", "ann"]);
    assert_eq!((words(&next["action"]), next.get("lost")), ("claim", None), "{next}");
}

#[test]
fn a_message_of_priority_0_stops_new_work_until_it_was_read() {
    let project = board();
    project.ok(&["notify", "--target", "agent:ann", "--message", "STOP", "--priority", "0"]);
    for command in ["claim-next", "claim-review-next"] {
        let refused = project.refused(&[command, "--agent-id", "ann", "--watch-seconds", "300"], 4, "message_unread");
        assert_eq!(words(&refused["error"]["hint"]), "callboard notifications --agent-id ann", "{refused}");
    }
    assert_eq!(project.count("SELECT count(*) FROM leases"), 0);
    project.ok(&["claim-next", "--agent-id", "ben"]);
    let read = project.json(&["notifications", "--agent-id", "ann"]);
    assert_eq!(words(&read["notifications"][0]["data"]["message"]), "STOP");
    project.refused(&["claim-next", "--agent-id", "ann"], 4, "message_unread");
    assert_eq!(words(&read["ack_command"]), "callboard ack-notifications --agent-id ann");
    project.ok(&["ack-notifications", "--agent-id", "ann"]);
    project.ok(&["claim-next", "--agent-id", "ann"]);
}

#[test]
fn an_urgent_message_wakes_whoever_waits_for_work() {
    let project = Project::new();
    project.ok(&["init-agent", "--thread-key", "ann"]);
    project.ok(&["add-task", "later", "--title", "T", "--draft"]);
    let mut command = project.command(&["claim-next", "--agent-id", "ann", "--watch-seconds", "60", "--json"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(400));
    project.ok(&["notify", "--target", "agent:ann", "--message", "STOP", "--priority", "0"]);
    let output = child.wait_with_output().unwrap();
    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), words(&reply["error"]["code"])), (Some(4), "message_unread"), "{reply}");
}

#[test]
fn an_urgent_message_comes_along_with_the_claim() {
    let project = board();
    for text in ["the schema moved", "use the new one"] {
        project.ok(&["notify", "--target", "workers", "--message", text, "--priority", "1"]);
    }
    project.ok(&["notify", "--target", "workers", "--message", "cake", "--priority", "2"]);
    let claimed = project.json(&["claim-next", "--agent-id", "ann"]);
    let messages = &claimed["messages"];
    assert_eq!((&messages["count"], words(&claimed["task"]["module"])), (&2.into(), "first"), "{claimed}");
    assert_eq!(words(&messages["newest"]["data"]["message"]), "use the new one");
    project.ok(&words(&messages["command"]).split(' ').skip(1).collect::<Vec<_>>());
    project.ok(&["ack-notifications", "--agent-id", "ann"]);
    assert!(project.json(&["claim-next", "--agent-id", "ann"]).get("messages").is_none());
}

#[test]
fn what_an_agent_has_been_given_it_can_acknowledge_without_a_number() {
    let project = board();
    project.ok(&["notify", "--target", "agent:ann", "--message", "hello"]);
    project.ok(&["notify", "--target", "workers", "--message", "all"]);
    let filtered = project.json(&["notifications", "--agent-id", "ann", "--kind", "message", "--target", "agent:ann"]);
    assert_eq!(filtered["cursor"], Value::Null, "a filter records nothing");
    let warned = project.json(&["ack-notifications", "--agent-id", "ann"]);
    assert_eq!(warned["moved"], false, "{warned}");
    assert!(words(&warned["warnings"][0]).contains("callboard notifications with --agent-id ann"), "{warned}");
    let revision = project.count("SELECT revision FROM board");
    let read = project.json(&["notifications", "--agent-id", "ann"]);
    assert_eq!(read["notifications"].as_array().unwrap().len(), 2, "{read}");
    assert_eq!(project.count("SELECT revision FROM board"), revision, "reading is presence");
    assert_eq!(words(&read["ack_command"]), "callboard ack-notifications --agent-id ann");
    assert_eq!(project.json(&["ack-notifications", "--agent-id", "ann"])["moved"], true);
    let read = project.json(&["notifications", "--agent-id", "ann"]);
    assert_eq!(read["notifications"], Value::Array(vec![]), "it has read them");
    let unresolved = project.json(&["notifications", "--agent-id", "ann", "--since", "0"]);
    assert_eq!(unresolved["notifications"].as_array().unwrap().len(), 1, "ben has not read what is for all workers");
    assert_eq!(project.count("SELECT count(*) FROM cursors WHERE id = 'agent:ben'"), 0);
}

#[test]
fn the_cursor_of_an_agent_is_read_by_nobody_else_and_with_no_filter() {
    let project = board();
    for line in [
        "notifications --agent-id ben --cursor-id agent:ann",
        "notifications --cursor-id agent:ann",
        "notifications --agent-id ann --cursor-id agent:ann --kind message",
        "events --agent-id ann --cursor-id agent:ann",
        "ack-notifications --agent-id ben --cursor-id agent:ann --up-to 1",
        "ack-events --cursor-id agent:ann",
    ] {
        project.refused(&line.split(' ').collect::<Vec<_>>(), 4, "cursor_differs");
    }
    project.ok(&["notify", "--target", "agent:ann", "--message", "STOP", "--priority", "0"]);
    project.ok(&["notifications", "--agent-id", "ann", "--cursor-id", "agent:ann"]);
    project.ok(&["ack-notifications", "--agent-id", "ann"]);
    project.ok(&["claim-next", "--agent-id", "ann"]);
}

#[test]
fn a_task_lost_three_times_is_refused_and_waits_for_a_person() {
    let project = board();
    for agent in ["carl", "dora"] {
        project.ok(&["init-agent", "--thread-key", agent]);
    }
    for agent in ["ann", "ben", "carl"] {
        claimed_and_lapsed(&project, agent, "first");
    }
    let refused = project.refused(&["claim", "first", "--agent-id", "dora"], 4, "lost_too_often");
    assert_eq!(refused["revision"], project.count("SELECT revision FROM board"), "it was committed: {refused}");
    let task = project.json(&["show", "first"]);
    assert_eq!((words(&task["task"]["state"]), words(&task["task"]["wait_for"])), ("waiting", "pause"), "{task}");
    assert!(project.page("STATUS.md").contains("lost three times"), "the pages show it");
    project.refused(&["claim", "first", "--agent-id", "dora"], 4, "wrong_state");
    let lost = project.json(&["next-action", "--agent-id", "carl"]);
    assert_eq!(words(&lost["lost"][0]["loss"]), "ended", "{lost}");
    project.must_be_sound();
}

#[test]
fn what_was_handed_over_stands_in_one_list_and_its_command_is_for_whoever_takes_it() {
    let project = board();
    let token = project.json(&["claim", "first", "--agent-id", "ann"]);
    let token = words(&token["lease"]["token"]).to_owned();
    let left = ["handoff-bundle", "first", "--agent-id", "ann", "--lease-token", &token, "--to", "agent:ben"];
    let printed = project.ok(&left);
    assert!(printed.contains("callboard claim-handoff first --agent-id ben"), "{printed}");
    assert!(!printed.contains("claim-handoff first --agent-id ann"), "{printed}");
    let page = project.page("STATUS.md");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `first`")).collect();
    assert_eq!(rows.len(), 1, "{page}");
    assert!(rows[0].contains("`ann`, handed over to `ben`"), "{}", rows[0]);
    assert!(project.json(&["next-claimable", "--agent-id", "ben"]).to_string().contains("first"), "ben may have it");
    project.ok(&["claim-handoff", "first", "--agent-id", "ben"]);
}

#[test]
fn a_question_is_no_try_of_a_task() {
    let project = board();
    let ask = |agent: &str| {
        let token = project.json(&["claim", "first", "--agent-id", agent]);
        let token = words(&token["lease"]["token"]).to_owned();
        let line = [
            "ask",
            "--module",
            "first",
            "--agent-id",
            agent,
            "--lease-token",
            &token,
            "--to",
            "humans",
            "--question",
            "?",
        ];
        words(&project.json(&line)["question"]["question_id"]).to_owned()
    };
    let question = ask("ann");
    project.ok(&["answer", &question, "--text", "yes", "--as-human"]);
    assert_eq!(project.json(&["show", "first"])["task"]["attempts"], 0);
    let token = project.json(&["claim", "first", "--agent-id", "ann"]);
    let token = words(&token["lease"]["token"]).to_owned();
    project.ok(&["release", "first", "--agent-id", "ann", "--lease-token", &token, "--reason", "not mine"]);
    assert_eq!(project.json(&["show", "first"])["task"]["attempts"], 1);
}

#[test]
fn an_explanation_without_an_agent_speaks_of_none() {
    let project = board();
    project.ok(&["add-task", "special", "--title", "T", "--specialty", "rust"]);
    let plain = project.ok(&["explain", "special"]);
    assert!(!plain.contains("the agent") && !plain.contains("specialty"), "{plain}");
    assert!(project.ok(&["explain", "special", "--agent-id", "ann"]).contains("rust, which ann has not"));
}

#[test]
fn an_approval_is_no_urgent_news() {
    let project = board();
    project.ok(&["edit-task", "first", "--priority", "0", "--review", "required"]);
    let token = project.json(&["claim", "first", "--agent-id", "ann"]);
    let token = words(&token["lease"]["token"]).to_owned();
    project.ok(&["finish", "first", "--agent-id", "ann", "--lease-token", &token, "--summary", "s"]);
    project.ok(&["approve", "first", "--as-human", "--notes", "good"]);
    let told = project.json(&["notifications", "--agent-id", "ann"]);
    let approved = told["notifications"].as_array().unwrap().iter().find(|event| event["kind"] == "approved").unwrap();
    assert_eq!(approved["priority"], 2, "{told}");
}
