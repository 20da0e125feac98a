//! Ways out: what is in the way of a board's files, what may not be read, and a place file that is lost.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use serde_json::Value;

use crate::places::as_nobody;
use crate::project::{Project, Run, may_run};

const PAGES: [&str; 7] =
    ["STATUS.md", "AGENTS.md", "SESSIONS.md", "NOTIFICATIONS.md", "HANDOFFS.md", "state.json", "handoff-index.json"];

/// A board on which `w` holds t0 and left a bundle for t1.
fn at_work() -> Project {
    let project = Project::new();
    project.import(4);
    project.ok(&["init-agent", "--thread-key", "w", "--max-tasks", "3"]);
    project.ok(&["claim", "t0", "--agent-id", "w"]);
    let token = project.json(&["claim", "t1", "--agent-id", "w"])["lease"]["token"].as_str().unwrap().to_owned();
    project.ok(&["handoff-bundle", "t1", "--agent-id", "w", "--lease-token", &token]);
    project
}

fn repaired(project: &Project) -> Value {
    let run = project.run(&["validate", "--repair", "--json"]);
    assert_eq!((run.code, &run.json()["sound"]), (0, &Value::Bool(true)), "{run:?}");
    assert_eq!(run.json()["repair"]["still_wrong"], Value::Array(vec![]), "{run:?}");
    assert_eq!(project.run(&["validate"]).code, 0, "it is sound indeed");
    run.json()
}

/// Removes what is left of each lease: it depends on the second in which the page was rendered.
fn remove_remaining_times(json: &mut Value) {
    match json {
        Value::Object(map) => {
            map.remove("expires_in_seconds");
            map.values_mut().for_each(remove_remaining_times);
        }
        Value::Array(list) => list.iter_mut().for_each(remove_remaining_times),
        _ => {}
    }
}

/// A page without the counts that the event of a repair raises, and without remaining times.
fn without_presence(page: &str) -> String {
    match serde_json::from_str::<Value>(page) {
        Ok(mut json) => {
            if let Some(board) = json.get_mut("board").and_then(Value::as_object_mut) {
                board.retain(|key, _| !["presence", "event_seq", "changed_at"].contains(&key.as_str()));
            }
            remove_remaining_times(&mut json);
            json.to_string()
        }
        Err(_) => page.lines().filter(|line| !line.starts_with("Revision ")).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn a_page_that_was_edited_stays_so_until_a_repair_and_not_after_it() {
    let project = at_work();
    for page in PAGES.iter().chain(&["handoffs/t1.handoff.md"]) {
        let whole = project.page(page);
        std::fs::write(project.plan(page), whole.clone() + "junk\n").unwrap();
        let run = project.run(&["validate", "--repair"]);
        assert!(run.code == 0 && run.out.contains("sound: yes") && run.out.contains(page), "{page}: {run:?}");
        assert_eq!(without_presence(&project.page(page)), without_presence(&whole), "{page}");
        assert_eq!(project.run(&["validate", "--no-event"]).code, 0, "{page}");
    }
}

#[test]
fn what_is_in_place_of_the_database_or_of_what_git_reads_is_moved_aside() {
    let whole = at_work();
    let copy = whole.root.join("copy.db");
    whole.ok(&["backup", copy.to_str().unwrap()]);
    for name in ["coordination.db", "coordination.db-journal", "coordination.db-wal", ".gitignore"] {
        for make in ["mkdir", "mkfifo", "ln -s /nowhere"] {
            let project = whole.copy();
            let path = project.plan(name);
            let _ = std::fs::remove_file(&path);
            let mut words = make.split(' ');
            let mut command = std::process::Command::new(words.next().unwrap());
            assert!(command.args(words).arg(&path).status().unwrap().success());
            repaired(&project);
            assert!(project.ok(&["tasks"]).contains("t3"), "{make} {name}");
        }
    }
}

#[test]
fn a_directory_in_place_of_a_page_keeps_no_other_page_and_a_repair_moves_it() {
    let whole = at_work();
    for blocked in PAGES.iter().chain(&[".callboard/projected", "handoffs/t1.handoff.md"]) {
        let project = whole.copy();
        std::fs::remove_file(project.plan(blocked)).unwrap();
        std::fs::create_dir(project.plan(blocked)).unwrap();
        std::fs::write(project.plan(blocked).join("precious"), "x").unwrap();
        for n in 0..3 {
            let told = project.json(&["add-task", &format!("new{n}"), "--title", &format!("Title {n}"), "--as-human"]);
            let warning = told["warnings"][0].as_str().unwrap_or_default();
            assert_eq!(told["projection_behind"], true, "{blocked}: {told}");
            assert!(warning.contains(blocked) && warning.contains("validate --repair"), "{blocked}: {told}");
            for page in ["STATUS.md", "state.json"].iter().filter(|page| *page != blocked) {
                assert!(project.page(page).contains(&format!("new{n}")), "{blocked} keeps {page}");
            }
            assert!(project.plan(blocked).join("precious").is_file(), "{blocked} is left alone");
        }
        let found = project.run(&["validate", "--json", "--no-event"]);
        assert!(found.code == 4 && found.out.contains("\"in_the_way\""), "{blocked}: {found:?}");
        let said = repaired(&project);
        let moved = said["repair"]["moved"][0].as_str().unwrap();
        let (from, to) = moved.split_once(" to ").unwrap();
        assert_eq!(from, *blocked);
        assert_eq!(std::fs::read_to_string(std::path::Path::new(to).join("precious")).unwrap(), "x");
        assert!(project.plan(blocked).is_file(), "{blocked}");
        let (board, shown) = project.revisions();
        assert_eq!(board, shown);
        let quiet = project.json(&["add-task", "last", "--title", "Last", "--as-human"]);
        assert_eq!((&quiet["projection_behind"], &quiet["warnings"]), (&Value::Null, &Value::Null), "{quiet}");
    }
}

#[test]
fn a_file_in_place_of_the_directory_of_bundles_keeps_no_page() {
    let project = at_work();
    std::fs::remove_dir_all(project.plan("handoffs")).unwrap();
    std::fs::write(project.plan("handoffs"), "mine").unwrap();
    let told = project.json(&["add-task", "new", "--title", "New"]);
    assert_eq!(told["projection_behind"], true, "{told}");
    assert!(project.page("STATUS.md").contains("`new`"));
    repaired(&project);
    assert!(project.plan("handoffs/t1.handoff.md").is_file());
}

#[test]
fn a_directory_that_an_older_callboard_left_under_a_temporary_name_stops_no_page() {
    let project = at_work();
    let host = std::fs::read_to_string(project.root.join("../home/callboard/host-id")).unwrap();
    let left = project.plan(&format!(".STATUS.md.{}.tmp", host.trim()));
    std::fs::create_dir(&left).unwrap();
    project.ok(&["add-task", "new", "--title", "New"]);
    assert!(project.page("STATUS.md").contains("`new`"));
    assert!(left.is_dir(), "it is somebody's");
}

#[test]
fn what_is_in_place_of_a_lock_is_named_and_moved_aside() {
    let whole = at_work();
    for name in ["lock", "gate", "clock", "projection", "pulse", "bells", "bell-rope", "prune"] {
        for what in ["a link", "a directory", "a socket", "a file with a second name"] {
            let project = whole.copy();
            let path = project.plan(".callboard").join(name);
            let victim = project.root.join("victim");
            std::fs::write(&victim, "precious").unwrap();
            let _ = std::fs::remove_file(&path);
            match what {
                "a link" => symlink(&victim, &path).unwrap(),
                "a directory" => {
                    std::fs::create_dir(&path).unwrap();
                    std::fs::write(path.join("precious"), "x").unwrap();
                }
                "a socket" => drop(UnixListener::bind(&path).unwrap()),
                _ => std::fs::hard_link(&victim, &path).unwrap(),
            }
            if ["lock", "gate", "clock"].contains(&name) {
                let refused = project.refused(&["add-task", "new", "--title", "New"], 9, "wrong_place");
                let (message, hint) = (&refused["error"]["message"], &refused["error"]["hint"]);
                assert!(message.as_str().unwrap().ends_with(&format!("{name}: it is {what}")), "{refused}");
                assert!(hint.as_str().unwrap().starts_with("callboard validate --repair"), "{refused}");
            }
            let said = repaired(&project);
            assert_eq!(said["findings"][0]["subject"], format!(".callboard/{name}"), "{what}: {said}");
            assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious", "{name}: {what}");
            project.ok(&["add-task", "new", "--title", "New"]);
            project.must_be_sound();
        }
    }
}

fn said_by_nobody(project: &Project, arguments: &[&str]) -> Run {
    let mut command = as_nobody(project, arguments);
    Run::of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap())
}

#[test]
fn a_board_that_may_not_be_read_is_no_reason_to_make_another() {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    if !may_run("root, to take another account's rights away", is_root) {
        return;
    }
    let project = at_work();
    // The account is prepared first: it can see the board while it may.
    assert_eq!(said_by_nobody(&project, &["tasks"]).code, 9, "the database is not for others");
    for (hidden, shown) in [
        (project.root.clone(), "prøjekt x"),
        (project.plan(""), "project-plan"),
        (project.plan(".callboard"), ".callboard"),
        (project.plan(".callboard/place.json"), "place.json"),
    ] {
        let mode = std::fs::metadata(&hidden).unwrap().permissions().mode();
        std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o700)).unwrap();
        for line in [&["tasks", "--json"][..], &["add-task", "b", "--title", "B", "--json"], &["init", "--json"]] {
            // Only the last preparation of `as_nobody` would open the project again.
            let mut command = as_nobody(&project, line);
            std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o700)).unwrap();
            let root = project.root.to_str().unwrap();
            command.current_dir("/").args(["--project-root", root]);
            let run = Run::of(command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap());
            assert_eq!((run.code, run.refusal().as_str()), (9, "no_permission"), "{shown} {line:?}: {run:?}");
            let hint = run.json()["error"]["hint"].as_str().unwrap().to_owned();
            assert!(hint.starts_with("ls -ld "), "{shown}: {hint}");
        }
        std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// What must hold of a board that was restored in place.
fn must_be_back(project: &Project, before: &Value, token: &str) {
    let after = project.json(&["state"]);
    assert_ne!(before["board"]["generation"], after["board"]["generation"], "a new generation begins");
    assert!(after["board"]["revision"].as_u64() > before["board"]["revision"].as_u64());
    assert_eq!((&after["sessions"], &after["leases"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    assert_eq!(project.json(&["tasks"])["tasks"].as_array().unwrap().len(), 4, "the tasks are there");
    let stale = ["finish", "t0", "--agent-id", "w", "--lease-token", token, "--summary", "x", "--json"];
    assert_eq!(project.run(&stale).code, 6, "no token of before is current");
    project.ok(&["init-agent", "--thread-key", "w"]);
    project.ok(&["claim", "t0", "--agent-id", "w"]);
    assert_eq!(project.run(&["validate"]).code, 0);
    project.must_be_sound();
}

/// What became of a place file, in words and done.
type Loss<'a> = (&'a str, &'a dyn Fn(&Project));

#[test]
fn a_lost_place_file_has_a_way_out_and_every_refusal_names_it() {
    let path = ".callboard/place.json";
    let losses: [Loss<'_>; 5] = [
        ("it is gone", &|project| std::fs::remove_file(project.plan(path)).unwrap()),
        ("its directory is gone", &|project| std::fs::remove_dir_all(project.plan(".callboard")).unwrap()),
        ("it is no JSON", &|project| std::fs::write(project.plan(path), "{").unwrap()),
        ("it is empty", &|project| std::fs::write(project.plan(path), "").unwrap()),
        ("it is a directory", &|project| {
            std::fs::remove_file(project.plan(path)).unwrap();
            std::fs::create_dir(project.plan(path)).unwrap();
        }),
    ];
    for (loss, lose) in losses {
        let project = at_work();
        let before = project.json(&["state"]);
        let board = project.json(&["claim", "t0", "--agent-id", "w"]);
        let token = board["lease"]["token"].as_str().unwrap();
        let place: Value = serde_json::from_str(&project.page(path)).unwrap();
        lose(&project);
        for line in [&["summary"][..], &["claim-next", "--thread-key", "w"], &["init"], &["validate", "--repair"]] {
            let refused = project.run(&[line, &["--json"]].concat());
            let hint = refused.json()["error"]["hint"].as_str().unwrap().to_owned();
            assert_eq!(refused.code, 9, "{loss}: {refused:?}");
            let is_agent = line.contains(&"--thread-key");
            assert!(is_agent || hint.starts_with("callboard restore --in-place"), "{loss} {line:?}: {refused:?}");
        }
        project.refused(&["restore", "--in-place"], 4, "human_required");
        let restored = project.json(&["restore", "--in-place", "--as-human"]);
        assert_eq!((&restored["place_written"], &restored["tasks"]), (&Value::Bool(true), &4.into()), "{restored}");
        let again: Value = serde_json::from_str(&project.page(path)).unwrap();
        assert_eq!(again["board"], place["board"], "{loss}: tokens and locks of this host are found again");
        must_be_back(&project, &before, token);
        let again = project.json(&["restore", "--in-place", "--as-human"]);
        assert_eq!(again["place_written"], false, "a place file that says something stays");
    }
}

#[test]
fn a_terminal_is_asked_before_a_board_is_restored_in_place() {
    let has_script = std::process::Command::new("script").arg("--version").output().is_ok();
    if !may_run("script, for a terminal", has_script) {
        return;
    }
    for (answer, code) in [("n", 4), ("y", 0)] {
        let project = at_work();
        std::fs::remove_file(project.plan(".callboard/place.json")).unwrap();
        let mut command = std::process::Command::new("script");
        project.closed(command.args(["-qec", "callboard restore --in-place", "/dev/null"]));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(child.stdin.as_mut().unwrap(), format!("{answer}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("every lease and window ends"), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(project.plan(".callboard/place.json").exists(), answer == "y", "{said}");
    }
}

#[test]
fn a_damaged_database_without_its_place_file_can_still_be_repaired() {
    let project = at_work();
    project
        .db()
        .execute_batch("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'verdicts'")
        .unwrap();
    std::fs::remove_file(project.plan(".callboard/place.json")).unwrap();
    let refused = project.refused(&["restore", "--in-place", "--as-human"], 9, "damaged");
    assert_eq!(refused["error"]["hint"], "callboard validate --repair", "{refused}");
    repaired(&project);
    assert_eq!(project.json(&["tasks"])["tasks"].as_array().unwrap().len(), 4);
}
