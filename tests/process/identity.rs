//! Who is who: windows that are in use, whose session ids are shown, and what is said to somebody who gives no name.

use serde_json::{Value, json};

use crate::aboard::git;
use crate::project::{Project, Run};

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key}: {value}"))
}

/// Runs a command as it was printed.
fn follow(project: &Project, command: &str) -> Run {
    let mut shell = std::process::Command::new("bash");
    project.closed(shell.args(["-c", &format!("{command} --json")]));
    let output = shell.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

#[test]
fn a_stale_window_is_handed_nothing_of_its_successor() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let first = project.json(&["init-agent", "--thread-key", "same"]);
    let claimed = project.json(&["claim", "a", "--session-id", text(&first, "session_id")]);
    let old = text(&claimed["lease"], "token");
    let second = project.json(&["init-agent", "--thread-key", "same", "--resume"]);
    let (successor, token) = (text(&second, "session_id"), text(&second["resumed"][0], "token"));
    let finish = |proof: [&str; 2]| {
        let line = ["finish", "a", "--agent-id", "same", "--summary", "s", proof[0], proof[1], "--json"];
        project.run(&line)
    };
    let by_token = finish(["--lease-token", old]);
    let by_session = finish(["--session-id", text(&first, "session_id")]);
    for (refused, code) in [(&by_token, "stale_lease"), (&by_session, "stale_session")] {
        assert_eq!((refused.code, refused.refusal().as_str()), (6, code));
        assert!(!refused.out.contains(successor) && !refused.out.contains(token), "{refused:?}");
    }
    let holder = &by_token.json()["error"]["details"]["holder"];
    assert_eq!((&holder["agent_id"], &holder["window"]), (&json!("same"), &json!("main")), "{holder}");
    assert!(holder["host"].is_string() && holder["expires_at"].is_string(), "{holder}");
    // What the first window is told leads to a window of its own, which takes nothing.
    let own = follow(&project, text(&by_session.json()["error"], "hint"));
    assert_eq!(
        (own.code, &own.json()["window_id"], &own.json()["resumed"]),
        (0, &json!("main-2"), &json!([])),
        "{own:?}"
    );
    project.ok(&["heartbeat", "a", "--agent-id", "same", "--lease-token", token]);
}

#[test]
fn after_a_window_was_taken_over_nobody_acts_in_it_who_does_not_name_its_session() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    project.ok(&["init-agent", "--thread-key", "same"]);
    project.ok(&["claim-next", "--agent-id", "same"]);
    let second = project.json(&["init-agent", "--thread-key", "same", "--resume"]);
    let (session, token) = (text(&second, "session_id"), text(&second["resumed"][0], "token"));
    for command in ["claim-next", "next-action"] {
        let run = project.run(&[command, "--agent-id", "same", "--json"]);
        assert_eq!((run.code, run.refusal().as_str()), (4, "session_required"), "{run:?}");
        assert!(!run.out.contains(session) && !run.out.contains(token), "{run:?}");
    }
    let next = text(&second, "next_command");
    assert!(next.ends_with(&format!("--session-id {session}")), "{next}");
    assert_eq!(text(&follow(&project, next).json()["lease"], "token"), token);
    project.ok(&["claim-next", "--agent-id", "same", "--session-id", session]);
    project.ok(&["close-session", "--session-id", session]);
    project.ok(&["init-agent", "--thread-key", "same"]);
    project.ok(&["claim-next", "--agent-id", "same"]);
}

#[test]
fn a_window_in_use_is_taken_over_only_by_whoever_says_that_it_is_that_window() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let line =
        ["init-agent", "--thread-key", "ann's", "--role", "worker,planner", "--window-id", "w", "--request-id", "once"];
    let first = project.json(&line);
    assert_eq!(project.json(&line)["session_id"], first["session_id"], "a repeated request is answered again");
    let again = ["init-agent", "--thread-key", "ann's", "--window-id", "w", "--while-session"];
    let idle = project.refused(&again, 5, "window_in_use");
    project.ok(&["claim", "a", "--session-id", text(&first, "session_id")]);
    let busy = project.refused(&again, 5, "window_in_use");
    let details = &busy["error"]["details"];
    assert_eq!((&details["holds"], &details["window"]), (&json!(["a"]), &json!("w")));
    assert!(idle["error"]["details"]["seen_at"].is_string() && details["host"].is_string(), "who, and since when");
    for refused in [&idle, &busy] {
        assert!(!refused.to_string().contains(text(&first, "session_id")), "{refused}");
        let hint = text(&refused["error"], "hint");
        for way in ["resume_command", "other_window_command"] {
            assert!(hint.contains(text(&refused["error"]["details"], way)), "{hint}");
        }
    }
    let other = follow(&project, text(details, "other_window_command"));
    assert_eq!((other.code, &other.json()["window_id"]), (0, &json!("w-2")), "{other:?}");
    assert_eq!(other.json()["roles"], json!(["worker", "planner"]));
    let resumed = follow(&project, text(details, "resume_command")).json();
    assert_eq!((&resumed["window_id"], &resumed["resumed"][0]["module"]), (&json!("w"), &json!("a")), "{resumed}");
    // The session that it had proves it as well, and no other session does.
    let proven = |session: &str| project.run(&[&again[..], &["--session-id", session, "--json"]].concat());
    assert_eq!(proven(text(&first, "session_id")).refusal(), "window_in_use", "that one was replaced");
    assert_eq!(proven(text(&resumed, "session_id")).json()["resumed"][0]["module"], "a");
    // Nobody uses a window that was closed, or not seen for ten minutes.
    project.ok(&["close-session", "--session-id", text(&other.json(), "session_id")]);
    project.ok(&["init-agent", "--thread-key", "ann's", "--window-id", "w-2"]);
    project.db().execute_batch("UPDATE sessions SET seen_at = seen_at - 601000 WHERE window = 'w-2'").unwrap();
    project.ok(&["init-agent", "--thread-key", "ann's", "--window-id", "w-2"]);
}

#[test]
fn session_ids_are_shown_to_their_session_to_people_and_to_nobody_else() {
    for project in [Project::new(), Project::new().served()] {
        project.ok(&["add-task", "a", "--title", "A", "--owned-paths", "src/**"]);
        project.ok(&["add-task", "b", "--title", "B", "--owned-paths", "src/b"]);
        let came = |key: &str| text(&project.json(&["init-agent", "--thread-key", key]), "session_id").to_owned();
        let (ann, ben) = (came("ann"), came("ben"));
        project.ok(&["claim", "a", "--session-id", &ann]);
        project.ok(&["notify", "--target", "humans", "--message", &format!("I am {ann}"), "--session-id", &ann]);
        project.ok(&["handoff-bundle", "a", "--agent-id", "ann", "--notes", &format!("from {ann}")]);
        let lists = [
            "sessions",
            "agents",
            "leases",
            "state",
            "state --format full",
            "summary",
            "tasks",
            "show a",
            "history a",
            "events --limit 1000",
            "events --limit 1000 --follow --jsonl --watch-seconds 1",
            "notifications",
            "explain b",
            "next-action",
            "next-claimable",
            "handoffs",
            "check-paths src/x",
            "claim a",
            "claim b",
            "validate",
            "doctor",
        ];
        let run = |line: &str, more: &[&str]| {
            let words: Vec<&str> = line.split(' ').chain(more.iter().copied()).collect();
            let run = project.run(&words);
            format!("{}{}", run.out, run.err)
        };
        let mut own = 0;
        for line in lists {
            for more in [&[][..], &["--json"], &["--agent-id", "ben"], &["--session-id", &ben, "--json"]] {
                let said = run(line, more);
                assert!(!said.contains(&ann), "{line} {more:?}: {said}");
                own += usize::from(said.contains(&ben) && more.contains(&"--session-id"));
            }
        }
        assert!(own > 0, "a session is shown its own id");
        for line in ["sessions", "leases", "events --limit 1000"] {
            assert!(run(line, &["--as-human", "--json"]).contains(&ann), "{line}: a person is shown it");
        }
        assert!(run("events --limit 1000", &["--session-id", &ann]).contains(&ann), "and the session itself");
        let window = &project.json(&["sessions"])["sessions"][0];
        assert!(
            window["window_id"].is_string() && window["host_id"].is_string() && window["session_id"].is_null(),
            "{window}"
        );
        for page in
            ["SESSIONS.md", "STATUS.md", "NOTIFICATIONS.md", "HANDOFFS.md", "state.json", "handoffs/a.handoff.md"]
        {
            assert!(!project.page(page).contains(&ann), "{page}: whoever works here reads it");
        }
        assert!(
            project.page("SESSIONS.md").contains("`main`")
                && project.page("handoffs/a.handoff.md").contains("from s-hidden")
        );
    }
}

#[test]
fn a_first_window_learns_that_a_second_came_and_that_it_must_name_its_session() {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    let one = project.json(&["init-agent", "--thread-key", "ann", "--window-id", "one", "--max-tasks", "2"]);
    let claimed = project.json(&["claim-next", "--agent-id", "ann"]);
    let token = text(&claimed["lease"], "token");
    let two = project.json(&["init-agent", "--thread-key", "ann", "--window-id", "two"]);
    let beat = project.json(&["heartbeat", "a", "--agent-id", "ann", "--lease-token", token]);
    let warning = beat["warnings"][0].as_str().unwrap();
    assert!(warning.contains("two was registered at") && warning.contains("--session-id"), "{warning}");
    let refused = project.refused(&["claim-next", "--agent-id", "ann"], 4, "session_required");
    for session in [&one, &two] {
        assert!(!refused.to_string().contains(text(session, "session_id")), "{refused}");
    }
    let windows = refused["error"]["details"]["windows"].as_array().unwrap();
    assert!(windows.iter().all(|window| window["host"].is_string() && window["seen_at"].is_string()), "{refused}");
    let hint = text(&refused["error"], "hint");
    let command = hint
        .split(", with")
        .next()
        .unwrap()
        .replace("--session-id ID", &format!("--session-id {}", text(&one, "session_id")));
    assert_eq!(follow(&project, &command).json()["action"], "continue", "{hint}");
    let named = ["heartbeat", "a", "--session-id", text(&one, "session_id")];
    assert!(project.json(&named)["warnings"].is_null(), "whoever names its session is told no more");
    let lost = windows.iter().find(|window| window["window"] == "one").unwrap();
    assert_eq!(follow(&project, text(lost, "resume_command")).json()["resumed"][0]["module"], "a");
}

#[test]
fn a_person_without_a_variable_for_the_name_is_known_to_the_system() {
    let project = Project::new();
    let mut command = project.command(&["add-task", "a", "--title", "A"]);
    assert!(command.env_remove("USER").env_remove("LOGNAME").status().unwrap().success());
    let name = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let actor: String =
        project.db().query_row("SELECT actor FROM events WHERE kind = 'task_added'", [], |row| row.get(0)).unwrap();
    assert_eq!(actor, format!("human:{}", name.trim()));
}

#[test]
fn a_change_without_a_name_says_that_it_is_recorded_as_a_persons() {
    let project = Project::new();
    let add = |module: &str, more: &[&str]| project.run(&[&["add-task", module, "--title", "T"], more].concat());
    assert_eq!(add("a", &[]).err, "", "nobody but people is here");
    project.ok(&["init-agent", "--thread-key", "paula", "--role", "planner"]);
    let unnamed = add("b", &[]);
    assert!(unnamed.err.contains("recorded as done by a person, human:pat") && unnamed.code == 0, "{unnamed:?}");
    assert!(add("c", &["--json"]).json()["warnings"][0].as_str().unwrap().contains("--agent-id"));
    for more in [["--agent-id", "paula"], ["--as-human", "--quiet"]] {
        assert_eq!(add(&format!("d{}", more[0]), &more).err, "", "{more:?}");
    }
    assert_eq!(project.run(&["tasks"]).err, "", "whoever looks is told nothing");
    assert_eq!(project.run(&["init-agent", "--thread-key", "new", "--confirm-workspace", "--confirm-branch"]).err, "");
}

#[test]
fn a_second_window_in_safe_confirms_for_itself_and_leaves_the_first_alone() {
    let project = Project::new();
    project.import(2);
    project.ok(&["preflight", "--confirm-workspace", "--confirm-branch", "--safety-profile", "safe"]);
    let confirmed = ["--confirm-workspace", "--confirm-branch"];
    let first = project.json(&[&["init-agent", "--thread-key", "k", "--window-id", "one"], &confirmed[..]].concat());
    project.ok(&["claim-next", "--session-id", text(&first, "session_id")]);
    let second = project.json(&["init-agent", "--thread-key", "j", "--window-id", "two", "--role", "worker,reviewer"]);
    project.json(&["init-agent", "--thread-key", "j", "--window-id", "three"]);
    let session = text(&second, "session_id");
    let refused = project.refused(&["claim-next", "--session-id", session], 4, "confirmation_required");
    let run = follow(&project, text(&refused["error"], "hint"));
    assert_eq!(run.code, 0, "{refused}: {run:?}");
    project.ok(&["claim-next", "--session-id", session]);
    project.ok(&["heartbeat", "t0", "--session-id", text(&first, "session_id")]);
    let preflight = ["preflight", "--confirm-workspace", "--confirm-branch", "--agent-id", "j"];
    project.refused(&preflight, 4, "session_required");
}

#[test]
fn a_confirmation_to_reuse_that_is_not_there_is_said_at_once() {
    let project = Project::new();
    let said = project.json(&["init-agent", "--thread-key", "ann", "--while-session"]);
    let warning = said["warnings"][0].as_str().unwrap();
    assert!(warning.contains("there is no confirmation of") && warning.contains("to reuse"), "{warning}");
    assert_eq!(follow(&project, warning.split(": ").last().unwrap()).code, 0, "{warning}");
    let second = project.json(&["init-agent", "--thread-key", "ben", "--while-session"]);
    assert!(second["warnings"].is_null(), "{second}");
    let safe = Project::new();
    safe.db().execute_batch("UPDATE board SET profile = 'safe'").unwrap();
    let refused = safe.refused(&["init-agent", "--thread-key", "ann", "--while-session"], 4, "confirmation_required");
    assert_eq!(follow(&safe, text(&refused["error"], "hint")).code, 0, "{refused}");
    assert_eq!(safe.json(&["sessions"])["sessions"][0]["confirmed"], true);
}

#[test]
fn an_unconfirmed_window_is_warned_once() {
    let project = Project::new();
    project.import(2);
    let came = project.json(&["init-agent", "--thread-key", "ann", "--max-tasks", "2"]);
    assert!(came["warnings"][0].as_str().unwrap().contains("has not confirmed"), "{came}");
    for module in ["t0", "t1"] {
        let claimed = project.json(&["claim", module, "--agent-id", "ann"]);
        assert!(claimed["warnings"].is_null(), "{claimed}");
        let token = text(&claimed["lease"], "token");
        let finish =
            ["finish", module, "--agent-id", "ann", "--lease-token", token, "--summary", "s", "--changed-path", "p"];
        let finished = project.json(&finish);
        assert!(finished["warnings"].is_null(), "{finished}");
    }
}

#[test]
fn a_place_that_is_no_part_of_the_project_is_not_confirmed_in_silence() {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    project.ok(&["init"]);
    let tree = project.root.parent().unwrap().join("tree");
    git(&project, &["worktree", "add", "-q", tree.to_str().unwrap()]);
    let elsewhere = project.root.parent().unwrap().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let confirm = ["--confirm-workspace", "--confirm-branch", "--json"];
    let root = project.root.to_str().unwrap();
    let warned = |directory: &std::path::Path, line: &[&str]| {
        let line = [&["--project-root", root], line, &confirm[..]].concat();
        let output = project.command(&line).current_dir(directory).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["ok"], true, "{answer}");
        answer["warnings"].to_string().contains("is no part of the project")
    };
    for (place, is_foreign) in [(&elsewhere, true), (&project.root, false), (&tree, false)] {
        assert_eq!(warned(place, &["preflight", "--as-human"]), is_foreign, "{}", place.display());
        assert_eq!(
            warned(place, &["init-agent", "--thread-key", "ann", "--resume"]),
            is_foreign,
            "{}",
            place.display()
        );
    }
}

#[test]
fn labels_have_one_shape_and_a_name_that_is_taken_is_shown() {
    let project = Project::new().served();
    let (server, owner) = (project.server(), project.owner());
    let add = json!({"module": "a", "title": "A", "label": {"area": "core", "size": "s"}, "as_human": true});
    assert_eq!(server.post(&owner, "add-task", &add).status, 200);
    let edit = json!({"module": "a", "label": {"area": "web"}, "as_human": true});
    let edited = server.post(&owner, "edit-task", &edit);
    assert_eq!((edited.status, &edited.json()["task"]["labels"]), (200, &json!({"area": "web"})));
    project.ok(&["edit-task", "a", "--title", "B"]);
    assert_eq!(project.json(&["show", "a"])["task"]["labels"], json!({"area": "web"}), "what is not given stays");
    assert_eq!(
        project.json(&["edit-task", "a", "--label", "x=y", "--label", "z=1"])["task"]["labels"],
        json!({"x": "y", "z": "1"})
    );
    assert_eq!(project.json(&["edit-task", "a", "--label", ""])["task"]["labels"], json!({}));
    let taken = project.refused(&["add-task", "a", "--title", "A"], 4, "module_exists");
    assert_eq!(follow(&project, text(&taken["error"], "hint")).code, 0, "{taken}");
}
