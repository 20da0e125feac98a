//! Guarding the work before the review: paths, hooks of git and of agent tools.

use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::aboard::{git, try_git};
use crate::project::Project;

/// Ann holds `src`, ben holds `docs`; nobody holds the rest.
fn board() -> Project {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    project.ok(&["init"]);
    for (task, path, key) in [("a", "src/**", "ann"), ("b", "docs/**", "ben"), ("c", "other/**", "carl")] {
        project.ok(&["add-task", task, "--title", task, "--owned-paths", path]);
        project.ok(&["init-agent", "--thread-key", key]);
        if key != "carl" {
            project.ok(&["claim", task, "--thread-key", key]);
        }
    }
    project
}

fn write(project: &Project, path: &str) {
    let path = project.root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "x").unwrap();
}

/// Runs a hook of an agent tool with what the tool says.
fn hook(project: &Project, moment: &str, agent: &str, input: &str) -> Output {
    let mut command = project.command(&["hooks", "run", moment]);
    command.env("CALLBOARD_THREAD_KEY", agent).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_path_is_good_inside_the_own_scopes_and_outside_of_the_others() {
    let project = board();
    let check = |who: &[&str], paths: &[&str]| {
        let run = project.run(&[&["check-paths"], paths, who, &["--json"]].concat());
        let reply = run.json();
        let list = reply["paths"].as_array().map(Vec::as_slice).unwrap_or_default();
        let verdicts: Vec<_> = list.iter().map(|checked| checked["verdict"].as_str().unwrap().to_owned()).collect();
        (run.code, verdicts, reply["error"].clone())
    };
    let ann = ["--thread-key", "ann"];
    assert_eq!(check(&ann, &["src/a.rs", "./src/deep/b.rs"]).1, ["own", "own"]);
    let (code, verdicts, error) = check(&ann, &["src/a.rs", "docs/x.md"]);
    assert_eq!((code, verdicts), (5, vec!["own".to_owned(), "held".to_owned()]));
    assert_eq!((&error["code"], &error["details"]["holder"]["agent_id"]), (&"path_held".into(), &"ben".into()));
    let (code, verdicts, error) = check(&ann, &["README.md"]);
    assert_eq!((code, verdicts[0].as_str(), &error["code"]), (4, "outside", &"outside_scope".into()));
    assert_eq!(check(&["--thread-key", "carl"], &["other/x"]).0, 4, "an agent without a lease");
    assert_eq!(check(&[], &["README.md"]).0, 0, "a person is free where nobody holds");
    assert_eq!(check(&[], &["docs/x.md"]).0, 5);
    assert_eq!(check(&ann, &["/etc/hosts"]).1.len(), 0, "no business of this board");
    project.refused(&["check-paths"], 2, "usage");
    project.ok(&["add-task", "d", "--title", "anything"]);
    project.ok(&["claim", "d", "--thread-key", "carl"]);
    assert_eq!(check(&["--thread-key", "carl"], &["README.md"]).1, ["own"], "its task names no paths");
    let text = project.run(&["check-paths", "docs/x.md", "--thread-key", "ann"]);
    assert!(text.err.contains("belongs to b, which ben holds until"), "{text:?}");
}

#[test]
fn git_asks_before_a_commit_and_leaves_other_hooks_alone() {
    let project = board();
    project.ok(&["hooks", "install"]);
    assert!(project.ok(&["hooks", "install"]).contains("installed"), "again is nothing new");
    write(&project, "docs/new.md");
    git(&project, &["add", "docs"]);
    let stopped = try_git(&project, &["commit", "-q", "-m", "x"]);
    let said = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert!(!stopped.status.success() && said.contains("ben holds until"), "{said}");
    git(&project, &["reset", "-q"]);
    write(&project, "free.md");
    git(&project, &["add", "free.md"]);
    git(&project, &["commit", "-q", "-m", "nobody holds it"]);
    project.ok(&["hooks", "uninstall"]);
    let hook = project.root.join(".git/hooks/pre-commit");
    assert!(!hook.exists());
    let mine = "#!/bin/sh\ntouch ran-before\n";
    std::fs::write(&hook, mine).unwrap();
    git(&project, &["config", "core.fileMode", "true"]);
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    project.refused(&["hooks", "install"], 4, "file_exists");
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), mine, "it is never touched");
    project.ok(&["hooks", "install", "--chain"]);
    write(&project, "more.md");
    git(&project, &["add", "more.md"]);
    git(&project, &["commit", "-q", "-m", "both run"]);
    assert!(project.root.join("ran-before").exists());
    project.ok(&["hooks", "uninstall"]);
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), mine, "it is as it was");
    std::fs::remove_file(&hook).unwrap();
    project.ok(&["hooks", "install"]);
    let more = format!("{}\ntouch more\n", std::fs::read_to_string(&hook).unwrap());
    std::fs::write(&hook, &more).unwrap();
    project.refused(&["hooks", "install"], 4, "file_exists");
    project.ok(&["hooks", "uninstall"]);
    assert_eq!(std::fs::read_to_string(&hook).unwrap(), more, "what somebody wrote into it is not ours");
    assert!(project.ok(&["hooks", "uninstall"]).contains("is not what callboard wrote: it stays"));
}

#[test]
fn a_worktree_has_the_paths_of_its_main_checkout() {
    let project = board();
    git(&project, &["worktree", "add", "-q", "../tree", "-b", "side"]);
    let tree = project.root.parent().unwrap().join("tree");
    std::fs::create_dir_all(tree.join("src")).unwrap();
    let ask = |directory: &std::path::Path, path: &str, key: &str| {
        let mut command = project.command(&["check-paths", path, "--thread-key", key]);
        command.current_dir(directory).output().unwrap().status.code().unwrap()
    };
    assert_eq!((ask(&tree, "src/a.rs", "ann"), ask(&tree.join("src"), "a.rs", "ann")), (0, 0));
    assert_eq!(ask(&tree.join("src"), "../docs/x.md", "ann"), 5);
    let link = project.root.join("way");
    std::os::unix::fs::symlink(project.root.join("docs"), &link).unwrap();
    assert_eq!(ask(&project.root, "way/x.md", "ann"), 4, "a link of the project is a path of its own");
    let outside = project.root.parent().unwrap().join("outside");
    std::os::unix::fs::symlink(&project.root, &outside).unwrap();
    let through = outside.join("docs/x.md").to_string_lossy().into_owned();
    assert_eq!(ask(&project.root, &through, "ann"), 5, "a link from elsewhere leads to what it names");
}

#[test]
fn a_board_in_a_subdirectory_is_asked_from_a_worktree() {
    let project = Project::bare();
    let top = project.root.join("sub");
    std::fs::create_dir_all(top.join("docs")).unwrap();
    std::fs::write(top.join("docs/x.md"), "x").unwrap();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["add", "sub"]);
    git(&project, &["commit", "-q", "-m", "begin"]);
    git(&project, &["worktree", "add", "-q", "../tree", "-b", "side"]);
    let tree = project.root.parent().unwrap().join("tree/sub");
    let run = |directory: &std::path::Path, arguments: &[&str]| {
        let mut command = project.command(arguments);
        let output = command.env("CALLBOARD_PROJECT_ROOT", &top).current_dir(directory).output().unwrap();
        output.status.code().unwrap()
    };
    assert_eq!(run(&top, &["init"]), 0);
    assert_eq!(run(&top, &["add-task", "b", "--title", "b", "--owned-paths", "docs/**"]), 0);
    for key in ["ann", "ben"] {
        assert_eq!(run(&top, &["init-agent", "--thread-key", key]), 0);
    }
    assert_eq!(run(&top, &["claim", "b", "--thread-key", "ben"]), 0);
    assert_eq!(run(&tree, &["check-paths", "docs/x.md", "--thread-key", "ann"]), 5);
    assert_eq!(run(&tree, &["check-paths", "docs/x.md", "--thread-key", "ben"]), 0);
}

#[test]
fn agent_tools_ask_before_an_edit_and_at_their_start() {
    let project = board();
    let edit = |path: &str| {
        format!("{{\"tool_name\":\"Edit\",\"tool_input\":{{\"file_path\":{:?}}}}}", project.root.join(path))
    };
    let code = |output: &Output| output.status.code().unwrap();
    assert_eq!(code(&hook(&project, "before-edit", "ann", &edit("src/a.rs"))), 0);
    let held = hook(&project, "before-edit", "ann", &edit("docs/a.md"));
    let said = String::from_utf8_lossy(&held.stderr).into_owned();
    assert!(code(&held) == 2 && said.contains("ben holds until"), "{said}");
    assert_eq!(code(&hook(&project, "before-edit", "ann", "no json")), 0, "what it cannot read it lets pass");
    assert_eq!(
        code(&hook(&project, "before-edit", "nobody", &edit("docs/a.md"))),
        2,
        "whoever the board does not know comes aboard first"
    );
    let start = hook(&project, "start", "ann", "");
    assert!(String::from_utf8_lossy(&start.stdout).contains("action: continue"), "{start:?}");
    let stranger = project.run(&["hooks", "run", "start"]);
    assert!(stranger.code == 0 && stranger.out.contains("init-agent --thread-key"), "{stranger:?}");
    let nowhere = Project::bare().run(&["hooks", "run", "start"]);
    assert_eq!((nowhere.code, nowhere.out.as_str()), (0, ""), "without a board it keeps quiet");
    let printed = project.ok(&["hooks", "print", "claude"]);
    let json = printed.split_once('\n').unwrap().1;
    let settings: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(settings["hooks"]["PreToolUse"][0]["hooks"][0]["command"], "callboard hooks run before-edit");
}

#[test]
fn a_busy_board_keeps_nobody_from_a_commit() {
    let project = board().with_fault("FAULT_STOP_AT", 1);
    let mut holder = project.command(&["add-task", "x", "--title", "X"]).stdout(Stdio::null()).spawn().unwrap();
    let project = project.without_faults();
    let pid = holder.id();
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T") {
        std::thread::yield_now();
    }
    let run = project.run(&["hooks", "run", "pre-commit"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.err.contains("error[busy]"), "it says so: {run:?}");
    let go = std::process::Command::new("kill").args(["-CONT", &pid.to_string()]).status().unwrap();
    assert!(go.success() && holder.wait().unwrap().success());
}

#[test]
fn a_partial_commit_is_judged_by_what_it_commits() {
    let project = board();
    project.ok(&["hooks", "install"]);
    for path in ["src/own.rs", "docs/other.md"] {
        write(&project, path);
        git(&project, &["add", path]);
    }
    let commit = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        project.closed(command.args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "commit",
            "-q",
            "-m",
            "work",
        ]));
        command.args(words).env("CALLBOARD_THREAD_KEY", "ann").output().unwrap()
    };
    let all = commit(&[]);
    assert!(!all.status.success(), "what is staged belongs to ben too: {all:?}");
    let own = commit(&["--", "src/own.rs"]);
    assert!(own.status.success(), "only her own path is committed: {own:?}");
}

#[test]
fn a_hooks_directory_of_other_repositories_is_not_written_without_being_asked_for() {
    let project = board();
    let shared = project.root.parent().unwrap().join("hooks-of-all");
    std::fs::create_dir(&shared).unwrap();
    git(&project, &["config", "core.hooksPath", shared.to_str().unwrap()]);
    let refused = project.refused(&["hooks", "install"], 9, "wrong_place");
    assert!(refused["error"]["message"].as_str().unwrap().contains("hooks-of-all"), "{refused}");
    assert!(refused["error"]["hint"].as_str().unwrap().contains("--outside"), "{refused}");
    assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 0);
    project.ok(&["hooks", "install", "--outside"]);
    assert!(shared.join("pre-commit").exists());
    // The hooks of a linked worktree are those of its repository.
    git(&project, &["config", "--unset", "core.hooksPath"]);
    git(&project, &["worktree", "add", "-q", "../linked"]);
    let mut install = project.command(&["hooks", "install"]);
    let output = install.current_dir(project.root.parent().unwrap().join("linked")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
