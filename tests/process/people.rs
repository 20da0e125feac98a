//! What only people do: agents read that a person was told, and people read the command.

use serde_json::{Value, json};

use crate::project::Project;

/// The commands in a text that only a person may run, and none that names its agent.
fn for_people(text: &str) -> Vec<String> {
    let names = ["answer", "approve", "unblock", "confirm-task", "reopen-task", "restore", "cancel-task"];
    let pieces = text.split("callboard ").skip(1).map(|piece| piece.split(['"', '\n']).next().unwrap());
    let peoples = pieces.filter(|piece| {
        let name = piece.split([' ', ',']).next().unwrap();
        piece.contains("--as-human")
            || names.contains(&name) && !piece.contains("--agent-id") && !piece.contains("--help")
    });
    peoples.map(str::to_owned).collect()
}

/// A board on which everything stands that a person can move, and the agent `w`, which can move nothing of it.
fn standing() -> Project {
    let project = Project::new();
    project.ok(&["init-agent", "--thread-key", "w", "--max-tasks", "9"]);
    let lease = |module: &str| {
        project.ok(&["add-task", module, "--title", module, "--review", "required"]);
        let claimed = project.json(&["claim", module, "--agent-id", "w"]);
        claimed["lease"]["token"].as_str().unwrap().to_owned()
    };
    let token = lease("asked");
    let ask =
        ["ask", "--module", "asked", "--question", "which?", "--agent-id", "w", "--lease-token", &token, "--json"];
    let asked = project.run(&ask);
    assert_eq!(asked.json()["question"]["answer_command"], "a person was told", "{asked:?}");
    let token = lease("paused");
    project.ok(&["block", "paused", "--on", "pause", "--reason", "r", "--agent-id", "w", "--lease-token", &token]);
    let token = lease("failed");
    project.ok(&["add-task", "top", "--title", "top", "--depends-on", "failed"]);
    project.ok(&["fail-task", "failed", "--reason", "r", "--agent-id", "w", "--lease-token", &token]);
    project.ok(&["add-task", "draft", "--title", "draft", "--draft"]);
    let token = lease("submitted");
    let finish = ["finish", "submitted", "--summary", "s", "--agent-id", "w", "--lease-token", &token, "--json"];
    let finished = project.run(&finish);
    assert_eq!(for_people(&finished.out), Vec::<String>::new());
    assert!(finished.out.contains("nobody is aboard who could review it: a person was told"), "{finished:?}");
    project
}

#[test]
fn an_agent_is_not_told_how_to_be_a_person() {
    let project = standing();
    let agent = ["--agent-id", "w"];
    for line in [
        "next-action",
        "summary",
        "state",
        "claim-next",
        "claim-review-next",
        "questions",
        "notifications --target humans",
        "events --limit 1000",
        "show asked",
        "explain asked",
        "claim asked",
        "claim paused",
        "claim failed",
        "claim draft",
        "claim submitted",
        "approve submitted --notes n",
        "answer q-1 --text t",
        "answer q-1 --option 9",
        "answer q-1",
        "reopen-task draft --reason r",
        "lease-reclaim paused --force --reason r",
        "add-task more --title more --candidate-owned-paths src/x",
    ] {
        let words: Vec<&str> = line.split(' ').chain(agent).collect();
        for form in [&[][..], &["--json"]] {
            let run = project.run(&[&words[..], form].concat());
            for said in [&run.out, &run.err] {
                assert_eq!(for_people(said), Vec::<String>::new(), "{line}: {said}");
            }
        }
    }
    let waits = project.run(&["claim", "paused", "--agent-id", "w", "--json"]).json();
    assert_eq!(waits["error"]["hint"], "a person was told");
    // And people were: of each thing once.
    let told = project.json(&["notifications", "--target", "humans"])["notifications"].clone();
    let kinds: Vec<&str> = told.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    for kind in ["question", "blocked", "dependency_failed", "review_ready", "stalled"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn people_read_the_commands_that_are_theirs() {
    let project = standing();
    let commands = [
        "callboard answer q-1 --text TEXT --as-human",
        "callboard approve submitted --as-human",
        "callboard unblock paused",
        "callboard confirm-task --all",
        "callboard reopen-task failed --reason TEXT --as-human",
    ];
    let (summary, page) = (project.ok(&["summary"]), project.page("STATUS.md"));
    let state = project.json(&["state"]).to_string();
    for command in commands {
        assert!(summary.contains(command) && page.contains(command) && state.contains(command), "{command}");
    }
    let events = project.json(&["events", "--limit", "1000"]);
    let stalled = events["events"].as_array().unwrap().iter().rfind(|one| one["kind"] == "stalled").unwrap();
    assert!(stalled["data"]["commands"].as_array().unwrap().contains(&json!(commands[2])), "{stalled}");
    let question = project.json(&["questions"])["questions"][0].clone();
    assert_eq!(question["answer_command"], commands[0]);
    assert_eq!(project.json(&["next-action"])["command"], Value::from(commands[0]));
}
