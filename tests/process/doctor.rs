//! The doctor: what it tries, what it finds, and that nothing keeps it.

use std::process::Stdio;

use serde_json::Value;

use crate::aboard::git;
use crate::project::Project;

fn checks(reply: &Value) -> Vec<(String, String)> {
    let text = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    let list = reply["checks"].as_array().unwrap().iter();
    list.map(|check| (format!("{} {}", text(check, "area"), text(check, "name")), text(check, "status"))).collect()
}

fn message(reply: &Value, name: &str) -> String {
    let check = reply["checks"].as_array().unwrap().iter().find(|check| check["name"] == name).unwrap();
    format!("{} -> {}", check["message"].as_str().unwrap(), check["command"].as_str().unwrap_or_default())
}

#[test]
fn a_healthy_board_passes_and_stays_as_it_is() {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    project.ok(&["init"]);
    project.import(5);
    project.ok(&["retention", "--max-rows", "500"]);
    let before = (project.revisions(), std::fs::read(project.plan("coordination.db")).unwrap());
    let reply = project.json(&["doctor"]);
    let failing: Vec<_> = checks(&reply).into_iter().filter(|(_, status)| status != "ok").collect();
    assert_eq!(failing, [], "{reply}");
    for tried in
        ["locks", "fsync", "clock", "space", "permissions", "file_events", "rows", "policy", "pages", "tracked"]
    {
        message(&reply, tried);
    }
    assert!(message(&reply, "policy").contains("about 500 events"), "{reply}");
    assert_eq!((project.revisions(), std::fs::read(project.plan("coordination.db")).unwrap()), before);
    let left: Vec<_> = std::fs::read_dir(project.plan(".callboard")).unwrap().flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with("probe-")), "{left:?}");
    assert!(project.ok(&["doctor"]).len() < 4096);
}

#[test]
fn a_stopped_holder_is_named_and_keeps_nobody() {
    let holder = Project::new().with_fault("FAULT_STOP_AT", 1);
    let mut child = holder.command(&["add-task", "a", "--title", "A"]).stdout(Stdio::null()).spawn().unwrap();
    let holder = holder.without_faults();
    let pid = child.id();
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T") {
        std::thread::yield_now();
    }
    let run = holder.run(&["doctor", "--json"]);
    let reply = run.json();
    let said = message(&reply, "lock");
    assert!(said.contains(&format!("process {pid}")) && said.contains("stopped"), "{said}");
    assert!(said.ends_with(&format!("-> kill -CONT {pid}")), "{said}");
    assert_eq!((run.code, &reply["ok"], &reply["error"]["code"]), (4, &false.into(), &"unsound".into()));
    // It goes on, and so does everybody.
    let mut go = std::process::Command::new("kill");
    assert!(go.args(["-CONT", &pid.to_string()]).status().unwrap().success());
    child.wait().unwrap();
    assert_eq!(holder.run(&["doctor"]).code, 0);
}

#[test]
fn what_is_wrong_is_said_with_the_command_that_mends_it() {
    let nowhere = Project::bare();
    let run = nowhere.run(&["doctor", "--json"]);
    assert_eq!((run.code, message(&run.json(), "board").contains("callboard init")), (9, true), "{run:?}");
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    project.ok(&["init"]);
    project.import(3);
    git(&project, &["add", "-f", "project-plan/coordination.db"]);
    project.db().execute_batch("UPDATE board SET open = 77").unwrap();
    std::fs::remove_file(project.plan("STATUS.md")).unwrap();
    let run = project.run(&["doctor", "--json"]);
    let reply = run.json();
    assert_eq!(run.code, 4);
    assert!(message(&reply, "tracked").contains("git rm --cached"), "{reply}");
    assert!(message(&reply, "rows").contains("counts open: kept 77, counted 3"), "{reply}");
    project.ok(&["validate", "--repair"]);
    git(&project, &["rm", "-qf", "--cached", "project-plan/coordination.db"]);
    assert_eq!(project.run(&["doctor"]).code, 0);
}

#[test]
fn a_retention_that_is_not_met_is_named_with_what_holds_it() {
    let project = Project::new();
    project.ok(&["retention", "--max-rows", "20"]);
    std::fs::write(project.plan("archive"), "in the way").unwrap();
    for n in 0..200 {
        project.run(&["notify", "--target", "workers", "--message", &format!("{n}")]);
    }
    let reply = project.run(&["doctor", "--json"]).json();
    let said = message(&reply, "policy");
    assert!(
        said.contains("more than that, because no archive can be written") && said.contains("is no directory"),
        "{said}"
    );
    assert!(checks(&reply).contains(&("retention policy".to_owned(), "warn".to_owned())), "{reply}");
    std::fs::remove_file(project.plan("archive")).unwrap();
    let said = message(&project.json(&["doctor"]), "policy");
    assert!(said.ends_with("because no change has pruned them yet -> callboard prune-events --max-rows 20"), "{said}");
    project.ok(&["prune-events", "--max-rows", "20"]);
    assert!(!message(&project.json(&["doctor"]), "policy").contains("because"));
}

#[test]
fn a_place_whose_locks_let_everybody_in_fails() {
    let project = Project::new().with_fault("FAULT_NO_LOCKS", 1);
    let run = project.run(&["doctor", "--json"]);
    let said = message(&run.json(), "locks");
    assert_eq!(run.code, 9, "{run:?}");
    assert!(said.contains("two processes get one lock at once") && said.contains("--storage shared"), "{said}");
}
