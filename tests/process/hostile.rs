//! Repositories, boards and requests that somebody prepared to run a program or to overwrite a file.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use serde_json::json;

use crate::aboard::{git, try_git};
use crate::impostor::{Impostor, answered};
use crate::project::Project;

/// A checkout whose configuration names a program for everything that git may run. Each of them leaves a mark.
fn trapped() -> (Project, PathBuf) {
    let project = Project::bare();
    let mark = project.root.parent().unwrap().join("a program of the configuration ran");
    let trap = project.root.parent().unwrap().join("trap");
    std::fs::write(&trap, format!("#!/bin/sh\necho \"$0 $*\" >>'{}'\ncat\n", mark.display())).unwrap();
    std::fs::set_permissions(&trap, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let trap = format!("'{}'", trap.display());
    git(&project, &["init", "-q", "-b", "main"]);
    std::fs::write(project.root.join(".gitattributes"), "*.txt filter=trap diff=trap\n*.bin filter=lfs\n").unwrap();
    for name in ["a.txt", "b.bin", "untouched.txt"] {
        std::fs::write(project.root.join(name), "before\n").unwrap();
    }
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-q", "-m", "begin"]);
    let settings = [
        ("core.fsmonitor", &trap),
        ("core.sshCommand", &trap),
        ("core.pager", &trap),
        ("diff.external", &trap),
        ("diff.trap.command", &trap),
        ("diff.trap.textconv", &trap),
        ("filter.trap.clean", &trap),
        ("filter.trap.smudge", &trap),
        ("filter.trap.required", &"true".to_owned()),
        ("filter.lfs.process", &trap),
        ("filter.lfs.required", &"true".to_owned()),
        ("gpg.program", &trap),
        ("log.showSignature", &"true".to_owned()),
    ];
    for (name, value) in settings {
        git(&project, &["config", name, value]);
    }
    let hooks = project.root.join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-index-change", "pre-commit", "reference-transaction"] {
        std::fs::copy(project.root.parent().unwrap().join("trap"), hooks.join(hook)).unwrap();
    }
    project.ok(&["init"]);
    (project, mark)
}

fn dirty(project: &Project) {
    // Of the same length and time as before, so that git has to read it.
    std::fs::write(project.root.join("a.txt"), "after!\n").unwrap();
    std::fs::write(project.root.join("b.bin"), "after!\n").unwrap();
    let untouched = std::fs::File::options().append(true).open(project.root.join("untouched.txt")).unwrap();
    untouched.set_modified(std::time::UNIX_EPOCH).unwrap();
}

/// A checkout with a board, on which the agent w holds the task a, and the token of its lease.
fn claimed() -> (Project, String) {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    project.ok(&["init"]);
    project.ok(&["add-task", "a", "--title", "A"]);
    project.ok(&["init-agent", "--thread-key", "w"]);
    let claimed = project.json(&["claim", "a", "--agent-id", "w"]);
    let token = claimed["lease"]["token"].as_str().unwrap().to_owned();
    (project, token)
}

#[test]
fn no_program_of_a_repositorys_configuration_runs() {
    let (project, mark) = trapped();
    project.ok(&["add-task", "a", "--title", "A"]);
    project.ok(&["add-task", "b", "--title", "B"]);
    project.ok(&["init-agent", "--thread-key", "w", "--max-tasks", "2"]);
    let claimed = project.json(&["claim", "a", "--agent-id", "w"]);
    let token = claimed["lease"]["token"].as_str().unwrap().to_owned();
    project.ok(&["claim", "b", "--agent-id", "w"]);
    dirty(&project);
    project.ok(&["intake"]);
    project.run(&["doctor"]);
    project.run(&["check-paths", "--staged", "--agent-id", "w"]);
    let bundle = project.json(&["handoff-bundle", "b", "--notes", "half done"]);
    let stat = bundle["bundle"]["tree"]["diff_stat"].to_string();
    assert!(stat.contains("a.txt") && stat.contains("b.bin"), "{bundle}");
    let finish = ["finish", "a", "--agent-id", "w", "--lease-token", &token, "--summary", "done"];
    project.ok(&finish);
    let history = project.json(&["history", "a"]);
    let paths = history["attempts"][0]["changed_paths"].to_string();
    assert!(paths.contains("a.txt") && paths.contains("b.bin"), "a required filter hides no change: {history}");
    assert!(!mark.exists(), "{}", std::fs::read_to_string(&mark).unwrap_or_default());
    // The trap does work: git by itself walks into it.
    let _ = try_git(&project, &["status"]);
    assert!(mark.exists(), "the configuration was meant to be hostile");
}

#[test]
fn a_head_on_the_board_is_never_an_option_of_git() {
    let (project, token) = claimed();
    let victim = project.root.parent().unwrap().join("victim.txt");
    std::fs::write(&victim, "precious").unwrap();
    let head = format!("--output={}", victim.display());
    let workspace = json!({"host": "h", "path": project.root, "branch": "main", "head": head}).to_string();
    project.db().execute("UPDATE attempts SET workspace = ?1", [&workspace]).unwrap();
    project.ok(&["handoff-bundle", "a", "--notes", "half done"]);
    project.ok(&["history", "a"]);
    project.run(&["finish", "a", "--agent-id", "w", "--summary", "not proven"]);
    project.ok(&["finish", "a", "--agent-id", "w", "--lease-token", &token, "--summary", "done"]);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn facts_of_a_request_that_are_none_are_refused() {
    let project = Project::new().served();
    project.ok(&["add-task", "a", "--title", "A"]);
    let owner = project.owner();
    let agent = project.server().post(&owner, "init-agent", &json!({"thread_key": "w"}));
    assert_eq!(agent.status, 200, "{agent:?}");
    let many: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    for facts in [
        json!({"workspace": {"head": "--output=/tmp/victim.txt"}}),
        json!({"workspace": {"head": "HEAD"}}),
        json!({"workspace": {"branch": "--all"}}),
        json!({"workspace": {"branch": "a\nb"}}),
        json!({"workspace": {"path": "relative"}}),
        json!({"workspace": {"host": "a\u{1b}[2J"}}),
        json!({"user": "a\u{1b}[2J"}),
        json!({"changed_paths": many}),
        json!({"tree": {"dirty": ["a\u{0}b"]}}),
        json!({"submitted": {"uncommitted_paths": ["a\u{0}b"]}}),
        json!({"submitted": {"changed_since_last": many}}),
        json!({"submitted": {"last_head": "--output=/tmp/victim.txt"}}),
    ] {
        let claim = project.server().post(&owner, "claim", &json!({"module": "a", "agent_id": "w", "facts": facts}));
        assert_eq!((claim.status, claim.refusal().as_str()), (400, "usage"), "{facts}: {claim:?}");
    }
    assert_eq!(project.count("SELECT count(*) FROM attempts"), 0);
}

#[test]
fn variables_of_git_that_were_left_set_change_nothing() {
    let (project, token) = claimed();
    std::fs::write(project.root.join("new.txt"), "x").unwrap();
    let elsewhere = Project::bare();
    git(&elsewhere, &["init", "-q", "-b", "main"]);
    let mut finish = project.command(&["finish", "a", "--agent-id", "w", "--lease-token", &token, "--summary", "done"]);
    finish.env("GIT_DIR", elsewhere.root.join(".git")).env("GIT_WORK_TREE", &elsewhere.root);
    finish.env("GIT_INDEX_FILE", elsewhere.root.join(".git/index"));
    assert!(finish.output().unwrap().status.success());
    let history = project.json(&["history", "a"]);
    assert_eq!(history["attempts"][0]["changed_paths"], json!(["new.txt"]), "{history}");
}

/// A server that relays every question to the board's own, and lies in its answers to `history`.
#[test]
fn an_answer_of_a_hostile_server_writes_no_file_of_its_client() {
    let (project, token) = claimed();
    let project = project.served();
    let victim = project.root.parent().unwrap().join("victim.txt");
    std::fs::write(&victim, "precious").unwrap();
    let (address, lie) = (project.server().url.trim_start_matches("http://").to_owned(), victim.display().to_string());
    let impostor = Impostor::start(move |request| {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let head: Vec<String> =
            head.lines()
                .filter(|line| !line.to_lowercase().starts_with("connection:"))
                .map(|line| {
                    if line.to_lowercase().starts_with("host:") { format!("Host: {address}") } else { line.to_owned() }
                })
                .collect();
        stream.write_all(format!("{}\r\nConnection: close\r\n\r\n{body}", head.join("\r\n")).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, answer) = answer.split_once("\r\n\r\n").unwrap();
        let mut answer: serde_json::Value = serde_json::from_str(answer).unwrap();
        if let Some(attempts) = answer["attempts"].as_array_mut() {
            for attempt in attempts {
                attempt["workspace"]["head"] = format!("--output={lie}").into();
            }
        }
        answered("200 OK", &answer.to_string())
    });
    let through = |words: &[&str]| {
        let mut command = project.command(words);
        command.env("CALLBOARD_SERVER_URL", &impostor.url).env("CALLBOARD_TOKEN", project.owner());
        command.output().unwrap()
    };
    let bundle = through(&["handoff-bundle", "a", "--agent-id", "w", "--lease-token", &token, "--notes", "half done"]);
    assert!(bundle.status.success(), "{bundle:?}");
    let finish = through(&["finish", "a", "--agent-id", "w", "--lease-token", &token, "--summary", "done"]);
    assert!(finish.status.success(), "{finish:?}");
    assert!(impostor.heard().iter().any(|request| request.contains("/v1/history")), "it was asked, and lied");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}
