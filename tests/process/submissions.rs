//! What is submitted: the commit, where it began, and whose paths they are.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::aboard::{git, try_git};
use crate::mcp::Client;
use crate::project::Project;
use crate::waiting::until_it_sleeps;

/// Adds a line to each of these files.
fn write(project: &Project, paths: &[&str]) {
    for path in paths {
        let path = project.root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, format!("{before}x\n")).unwrap();
    }
}

/// Commits what was changed at these paths; the commit.
fn commit(project: &Project, paths: &[&str]) -> String {
    write(project, paths);
    git(project, &[&["add", "--"], paths].concat());
    git(project, &[&["commit", "-q", "-m", "work", "--"], paths].concat());
    head(project)
}

fn head(project: &Project) -> String {
    String::from_utf8(try_git(project, &["rev-parse", "HEAD"]).stdout).unwrap().trim().to_owned()
}

fn repository() -> Project {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    project.ok(&["init"]);
    project
}

/// A board of two workers and a reviewer in one checkout.
fn shared_checkout(review: &str) -> Project {
    let project = repository();
    for (task, key) in [("a", "ann"), ("b", "ben")] {
        let paths = format!("{task}/**");
        project.ok(&["add-task", task, "--title", task, "--owned-paths", &paths, "--review", review]);
        project.ok(&["init-agent", "--thread-key", key, "--confirm-workspace", "--confirm-branch"]);
    }
    project.ok(&["init-agent", "--thread-key", "rita", "--role", "reviewer"]);
    project
}

fn claim(project: &Project, task: &str, agent: &str) -> String {
    project.json(&["claim", task, "--agent-id", agent])["lease"]["token"].as_str().unwrap().to_owned()
}

fn finish(project: &Project, task: &str, agent: &str, token: &str) -> Value {
    project.json(&["finish", task, "--agent-id", agent, "--lease-token", token, "--summary", "done"])
}

fn warnings(reply: &Value) -> String {
    reply["warnings"].to_string()
}

#[test]
fn the_reviewer_is_told_the_commit_that_was_submitted_and_a_rework_what_is_new() {
    for project in [shared_checkout("required"), shared_checkout("required").served()] {
        let base = head(&project);
        let token = claim(&project, "a", "ann");
        let first = commit(&project, &["a/one"]);
        let finished = finish(&project, "a", "ann", &token);
        let submitted = &finished["submission"]["submitted"];
        assert_eq!((&submitted["head"], &submitted["base"]), (&json!(first), &json!(base)), "{finished}");
        let claimed = project.json(&["claim-review-next", "--agent-id", "rita"]);
        let submission = &claimed["submission"];
        assert_eq!(submission["submitted"]["head"], json!(first), "{claimed}");
        assert_eq!(
            (&submission["submitted"]["branch"], &submission["submitted"]["dirty"]),
            (&json!("main"), &json!(false))
        );
        assert_eq!((&submission["workspace"]["head"], &claimed["workspace"]["head"]), (&json!(first), &json!(first)));
        assert_eq!(
            (&submission["changed_paths"], &submission["submitted"]["since_last"]),
            (&json!(["a/one"]), &Value::Null)
        );
        let text = project.ok(&["claim-review-next", "--agent-id", "rita"]);
        assert!(text.contains(&format!("submitted: {} on main, from base {}", &first[..12], &base[..12])), "{text}");
        let token = claimed["lease"]["token"].as_str().unwrap();
        project.ok(&["request-changes", "a", "--agent-id", "rita", "--lease-token", token, "--notes", "tests"]);
        let again = project.json(&["claim-next", "--agent-id", "ann"]);
        assert_eq!(again["workspace"]["head"], json!(first), "where the work lies");
        let mended = commit(&project, &["a/two"]);
        write(&project, &["a/three"]);
        finish(&project, "a", "ann", again["lease"]["token"].as_str().unwrap());
        let claimed = project.json(&["claim-review-next", "--agent-id", "rita"]);
        let submitted = &claimed["submission"]["submitted"];
        assert_eq!((&submitted["head"], &submitted["base"]), (&json!(mended), &json!(base)), "{claimed}");
        let since = json!({"attempt": 1, "head": first, "dirty": false, "paths": ["a/three", "a/two"]});
        assert_eq!(submitted["since_last"], since, "{claimed}");
        assert_eq!((&submitted["dirty"], &submitted["uncommitted_paths"]), (&json!(true), &json!(["a/three"])));
        let text = project.ok(&["claim-review-next", "--agent-id", "rita"]);
        assert!(text.contains("not committed: a/three"), "{text}");
        let line = format!("since attempt 1 ({} to {}): a/three, a/two", &first[..12], &mended[..12]);
        assert!(text.contains(&line), "{text}");
        let history = project.ok(&["history", "a"]);
        assert!(history.contains(&line), "{history}");
    }
}

#[test]
fn two_workers_in_one_checkout_answer_for_their_own_paths() {
    for (review, end) in [("none", ""), ("required", ", for the reviewer too")] {
        let project = shared_checkout(review);
        let (ann, ben) = (claim(&project, "a", "ann"), claim(&project, "b", "ben"));
        commit(&project, &["b/committed", "a/mine"]);
        write(&project, &["b/f", "a/f", "c"]);
        let finished = finish(&project, "a", "ann", &ann);
        let submission = &finished["submission"];
        assert_eq!(submission["changed_paths"], json!(["a/f", "a/mine"]), "{finished}");
        assert_eq!(submission["unattributed_paths"], json!(["c"]));
        assert_eq!(submission["submitted"]["uncommitted_paths"], json!(["a/f", "c"]));
        let warned = format!(
            "not in the paths of this task, or of one that was worked on meanwhile: c; listed apart as unattributed{end}"
        );
        assert!(warnings(&finished).contains(&format!("\"{warned}\"")), "{finished}");
        // The other one has ended meanwhile, and its paths are its own all the same.
        let ended = finish(&project, "b", "ben", &ben);
        assert_eq!(ended["submission"]["changed_paths"], json!(["b/committed", "b/f"]), "{ended}");
        if review == "required" {
            let text = project.ok(&["start-review", "a", "--agent-id", "rita"]);
            assert!(text.contains("changed_paths: a/f, a/mine\nunattributed_paths: c\n"), "{text}");
        }
    }
}

#[test]
fn nobody_is_warned_of_a_reviewer_where_there_is_none() {
    let project = shared_checkout("none");
    let token = claim(&project, "a", "ann");
    let named = |paths: &[&str]| {
        let flags: Vec<&str> = paths.iter().flat_map(|path| ["--changed-path", path]).collect();
        let line = ["finish", "a", "--agent-id", "ann", "--lease-token", &token, "--summary", "s"];
        project.json(&[&line[..], &flags].concat())
    };
    let finished = named(&["a/f", "b/f", "c", "d", "e", "f"]);
    assert!(warnings(&finished).contains("\"outside of the task's paths: b/f, c, d, and 2 more\""), "{finished}");
    assert_eq!(
        finished["submission"]["changed_paths"],
        json!(["a/f", "b/f", "c", "d", "e", "f"]),
        "as they were named"
    );
    assert_eq!(finished["submission"]["unattributed_paths"], json!([]));
    let project = shared_checkout("required");
    let token = claim(&project, "a", "ann");
    write(&project, &["a/f"]);
    assert_eq!(finish(&project, "a", "ann", &token)["warnings"], Value::Null, "all is well");
}

#[test]
fn a_task_without_paths_owns_what_no_other_task_does() {
    let project = repository();
    project.ok(&["add-task", "free", "--title", "Anything"]);
    project.ok(&["add-task", "b", "--title", "B", "--owned-paths", "b/**"]);
    for (task, key) in [("free", "ann"), ("b", "ben")] {
        project.ok(&["init-agent", "--thread-key", key]);
        claim(&project, task, key);
    }
    write(&project, &["b/f", "x"]);
    let token = claim(&project, "free", "ann");
    let finished = finish(&project, "free", "ann", &token);
    let submission = &finished["submission"];
    assert_eq!((&submission["changed_paths"], &submission["unattributed_paths"]), (&json!(["x"]), &json!([])));
    assert!(warnings(&finished).contains("free names no paths"), "{finished}");
}

#[test]
fn a_board_in_a_subdirectory_knows_whose_its_paths_are() {
    let top = Project::bare();
    git(&top, &["init", "-q", "-b", "main"]);
    git(&top, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    std::fs::create_dir(top.root.join("sub")).unwrap();
    let run = |arguments: &[&str]| {
        let (mut command, sub) = (top.command(&[arguments, &["--json"]].concat()), top.root.join("sub"));
        let output = command.env("CALLBOARD_PROJECT_ROOT", &sub).current_dir(&sub).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    run(&["init"]);
    run(&["add-task", "a", "--title", "A", "--owned-paths", "a/**"]);
    run(&["init-agent", "--thread-key", "ann"]);
    let claimed = run(&["claim", "a", "--agent-id", "ann"]);
    write(&top, &["sub/a/f", "other/a/f"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    let finished = run(&["finish", "a", "--agent-id", "ann", "--lease-token", token, "--summary", "s"]);
    let submission = &finished["submission"];
    assert_eq!(submission["changed_paths"], json!(["a/f"]), "{finished}");
    assert_eq!(submission["unattributed_paths"], json!(["../other/a/f"]));
}

/// A claim that waited begins at the commit that was checked out when it was granted.
fn began_at(project: &Project, claimed: &Value, granted: &str) {
    assert_eq!(claimed["task"]["module"], "late", "{claimed}");
    let history = project.json(&["history", "late"]);
    assert_eq!(history["attempts"][0]["workspace"]["head"], json!(granted), "{history}");
}

#[test]
fn a_claim_that_waited_begins_where_it_was_granted_and_not_where_the_wait_began() {
    let add = ["add-task", "late", "--title", "Late"];
    let wait = ["claim-next", "--agent-id", "ann", "--watch-seconds", "120", "--json"];
    for project in [repository(), repository().served()] {
        project.ok(&["init-agent", "--thread-key", "ann"]);
        // It reviews nothing and waits, so that the board is not complete.
        project.ok(&["add-task", "draft", "--title", "Draft", "--draft"]);
        let child = project.command(&wait).stdout(Stdio::piped()).spawn().unwrap();
        match &project.server {
            None => until_it_sleeps(&child),
            Some(server) => {
                let header = format!("Authorization: Bearer {}", project.owner());
                while !server.send("GET", "/metrics", &header, "").body.contains("callboard_waiters 1") {
                    std::thread::yield_now();
                }
            }
        }
        let granted = commit(&project, &["by/another"]);
        project.ok(&add);
        let output = child.wait_with_output().unwrap();
        began_at(&project, &serde_json::from_slice(&output.stdout).unwrap(), &granted);
    }
    let project = repository();
    project.ok(&["add-task", "draft", "--title", "Draft", "--draft"]);
    let mut client = Client::start(&project, &["--thread-key", "ann"]);
    let wait = json!({"name": "coordination_dispatch", "arguments": {"operation": "claim-next", "watch_seconds": 120}, "_meta": {"progressToken": "p"}});
    let id = client.begin("tools/call", &wait);
    while client.read()["method"] != "notifications/progress" {}
    let granted = commit(&project, &["by/another"]);
    project.ok(&add);
    let answer = loop {
        let answer = client.read();
        if answer["id"] == json!(id) {
            break answer;
        }
    };
    began_at(&project, &answer["result"]["structuredContent"], &granted);
    client.leave();
}

#[test]
fn what_a_client_claims_about_another_commit_is_not_recorded_as_new() {
    let project = shared_checkout("required").served();
    let token = claim(&project, "a", "ann");
    let facts = json!({"submitted": {"last_head": "0".repeat(40), "changed_since_last": ["a/invented"]}});
    let body = json!({"module": "a", "agent_id": "ann", "lease_token": token, "summary": "s", "facts": facts});
    let finished = project.server().post(&project.owner(), "finish", &body);
    assert_eq!(finished.status, 200, "{finished:?}");
    assert_eq!(finished.json()["submission"]["submitted"]["since_last"], Value::Null, "nothing was submitted before");
}

#[test]
fn a_task_that_nobody_claimed_has_no_work_to_hand_over() {
    let project = repository();
    project.ok(&["preflight", "--confirm-workspace", "--confirm-branch", "--safety-profile", "safe"]);
    project.ok(&["add-task", "a", "--title", "A"]);
    project.ok(&["init-agent", "--thread-key", "ann", "--while-session"]);
    project.ok(&["init-agent", "--thread-key", "ben", "--while-session"]);
    write(&project, &["mine"]);
    let left = project.json(&["handoff-bundle", "a", "--agent-id", "ann", "--notes", "begin with the schema"]);
    let tree = &left["bundle"]["tree"];
    assert_eq!((&tree["diff_stat"], &tree["dirty"]), (&json!([]), &json!([])), "{left}");
    let page = project.page("handoffs/a.handoff.md");
    assert!(!page.contains("Since the claim") && !page.contains("mine"), "{page}");
    let claimed = project.json(&["claim", "a", "--agent-id", "ann", "--while-session"]);
    assert_eq!(claimed["acknowledge_command"], Value::Null, "its own note: {claimed}");
    assert!(claimed["handoff"].is_string(), "it is there to be read");
    finish(&project, "a", "ann", claimed["lease"]["token"].as_str().unwrap());
    project.ok(&["add-task", "b", "--title", "B"]);
    project.ok(&["handoff-bundle", "b", "--agent-id", "ann", "--notes", "mind the clock"]);
    let claimed = project.json(&["claim", "b", "--agent-id", "ben", "--while-session"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    let line = ["finish", "b", "--agent-id", "ben", "--lease-token", token, "--summary", "s"];
    let refused = project.refused(&line, 4, "handoff_unread");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("ann left a handoff of b: read "), "nobody took anything over: {message}");
    project.ok(&["ack-handoff", "b", "--agent-id", "ben"]);
    project.ok(&line);
}

#[test]
fn work_that_was_interrupted_is_submitted_whole() {
    for project in [shared_checkout("required"), shared_checkout("required").served()] {
        let base = head(&project);
        let token = claim(&project, "a", "ann");
        commit(&project, &["a/first"]);
        let line = ["ask", "--module", "a", "--agent-id", "ann", "--lease-token", &token, "--question", "which?"];
        let asked = project.json(&line);
        let question = asked["question"]["question_id"].as_str().unwrap();
        project.ok(&["answer", question, "--text", "that", "--as-human"]);
        let token = claim(&project, "a", "ann");
        commit(&project, &["a/second"]);
        project.ok(&["release", "a", "--agent-id", "ann", "--lease-token", &token, "--reason", "no time"]);
        let token = claim(&project, "a", "ben");
        commit(&project, &["a/third"]);
        let submitted = finish(&project, "a", "ben", &token)["submission"].clone();
        assert_eq!(submitted["submitted"]["base"], json!(base), "{submitted}");
        assert_eq!(submitted["changed_paths"], json!(["a/first", "a/second", "a/third"]), "{submitted}");
        // What is new after a review is told beside the whole, not instead of it.
        let review = project.json(&["claim-review-next", "--agent-id", "rita"]);
        let review = review["lease"]["token"].as_str().unwrap();
        let back = ["request-changes", "a", "--agent-id", "rita", "--lease-token", review, "--notes", "a fourth"];
        project.ok(&back);
        let token = claim(&project, "a", "ben");
        commit(&project, &["a/fourth"]);
        let again = finish(&project, "a", "ben", &token)["submission"].clone();
        assert_eq!(again["submitted"]["base"], json!(base), "{again}");
        assert_eq!(again["changed_paths"].as_array().unwrap().len(), 4, "{again}");
        assert_eq!(again["submitted"]["since_last"]["paths"], json!(["a/fourth"]), "{again}");
    }
}
