//! Boards in odd and broken places: every answer names the cause, and nothing is a panic.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::project::{Project, may_run};

fn with_task() -> Project {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    project.ok(&["init-agent", "--thread-key", "w"]);
    project
}

#[test]
fn without_a_board_every_command_says_how_to_make_one() {
    let project = Project::bare();
    for line in [&["summary"][..], &["claim-next", "--agent-id", "w"], &["add-task", "a", "--title", "A"]] {
        let refused = project.refused(line, 9, "no_board");
        assert_eq!(refused["error"]["hint"], "callboard init");
        assert!(refused["revision"].is_null());
    }
    assert!(!project.root.join("project-plan").exists(), "looking makes nothing");
}

#[test]
fn a_damaged_database_is_named_and_left_alone() {
    let whole = with_task();
    let bytes = std::fs::read(whole.plan("coordination.db")).unwrap();
    let mut torn = bytes.clone();
    torn[4096..8192].fill(0xA5);
    let damages: [(&str, Vec<u8>, &[&str]); 5] = [
        ("garbage", b"not a database at all, just some text".repeat(300), &["damaged"]),
        ("empty", Vec::new(), &["damaged", "board_lost"]),
        ("half", bytes[..bytes.len() / 2].to_vec(), &["damaged", "storage_failed"]),
        ("ten bytes", bytes[..10].to_vec(), &["damaged"]),
        ("torn page", torn, &["damaged", "storage_failed"]),
    ];
    for (what, content, codes) in damages {
        let project = whole.copy();
        std::fs::write(project.plan("coordination.db"), &content).unwrap();
        for line in [&["summary"][..], &["tasks"], &["claim-next", "--agent-id", "w"], &["init"]] {
            let run = project.run(&[line, &["--json"]].concat());
            assert_eq!(run.code, 9, "{what}: {line:?}: {run:?}");
            assert!(codes.contains(&run.refusal().as_str()), "{what}: {run:?}");
        }
        assert_eq!(std::fs::read(project.plan("coordination.db")).unwrap(), content, "{what} was changed");
    }
}

#[test]
fn a_database_of_another_format_or_program_is_refused() {
    let project = with_task();
    project.db().pragma_update(None, "user_version", 99).unwrap();
    project.refused(&["summary"], 8, "board_too_new");
    let refused = project.refused(&["claim-next", "--agent-id", "w"], 8, "board_too_new");
    assert!(refused["error"]["message"].as_str().unwrap().contains("99"));
    assert_eq!(project.db().query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap(), 99);
    let project = with_task();
    std::fs::remove_file(project.plan("coordination.db")).unwrap();
    project.db().execute_batch("CREATE TABLE theirs (x)").unwrap();
    for line in ["summary", "init", "reap-sessions --max-age-seconds 1"] {
        project.refused(&line.split(' ').collect::<Vec<_>>(), 9, "damaged");
    }
    assert_eq!(project.count("SELECT count(*) FROM theirs"), 0, "it is still theirs");
}

#[test]
fn a_lost_database_is_not_replaced_by_an_empty_one() {
    let project = with_task();
    std::fs::remove_file(project.plan("coordination.db")).unwrap();
    for line in [&["summary"][..], &["add-task", "b", "--title", "B"], &["init"]] {
        let run = project.run(&[line, &["--json"]].concat());
        assert_eq!((run.code, run.refusal().as_str()), (9, "board_lost"), "{run:?}");
    }
    assert!(!project.plan("coordination.db").exists());
    let project = with_task();
    std::fs::remove_file(project.plan(".callboard/place.json")).unwrap();
    project.refused(&["summary"], 9, "wrong_place");
    project.refused(&["init"], 9, "wrong_place");
}

#[test]
fn a_directory_that_vanishes_is_told() {
    let project = with_task();
    std::fs::remove_dir_all(project.root.join("project-plan")).unwrap();
    project.refused(&["claim-next", "--agent-id", "w"], 9, "no_board");
    // The working directory itself is gone when the process starts.
    let script = "mkdir gone && cd gone && rmdir ../gone && callboard summary --json";
    let mut shell = Command::new("sh");
    project.closed(shell.args(["-c", script]));
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    let whole = with_task();
    let mut refused = 0;
    for after in [1, 100, 600, 2_000, 5_000, 9_000, 20_000, 40_000, 80_000, 120_000] {
        let project = whole.copy().with_fault("FAULT_FULL_AFTER", after);
        let run = project.run(&["add-task", "b", "--title", "B", "--request-id", "once", "--json"]);
        if run.code != 0 {
            assert_eq!((run.code, run.refusal().as_str()), (9, "disk_full"), "{after}: {run:?}");
            refused += 1;
        }
        let project = project.copy();
        project.must_be_sound();
        project.ok(&["add-task", "b", "--title", "B", "--request-id", "once"]);
        assert_eq!(project.count("SELECT count(*) FROM tasks"), 2, "{after}");
        project.ok(&["add-task", "c", "--title", "C"]);
        let (board, shown) = project.revisions();
        assert_eq!(board, shown, "{after}");
    }
    assert!(refused >= 4, "only {refused} were refused");
    let bare = Project::bare().with_fault("FAULT_FULL_AFTER", 1);
    bare.refused(&["init"], 9, "disk_full");
    bare.without_faults().ok(&["init"]);
}

#[test]
fn a_directory_that_may_not_be_written_is_read_and_refused() {
    let project = with_task();
    let open = |mode| {
        for path in [project.root.join("project-plan"), project.plan(".callboard")] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    open(0o555);
    for name in ["coordination.db", "coordination.db-journal", ".callboard/lock", ".callboard/gate", ".callboard/clock"]
    {
        std::fs::set_permissions(project.plan(name), std::fs::Permissions::from_mode(0o444)).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut command = as_nobody(&project, arguments);
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("mistake"), "{said}");
        (output.status.code(), said)
    };
    let (code, said) = run(&["add-task", "b", "--title", "B"]);
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains("no_permission"), "{said}");
    let (code, said) = run(&["tasks"]);
    assert_eq!(code, Some(0), "what may be read is read: {said}");
    open(0o755);
    project.must_be_sound();
}

/// A command of an account without rights: root may write everywhere, so that as root another account is taken.
pub fn as_nobody(project: &Project, arguments: &[&str]) -> Command {
    let mut command = project.command(arguments);
    if std::fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0) {
        // The account can reach neither the build directory nor a private temporary one.
        let here = project.root.parent().unwrap();
        let binary = here.join("callboard");
        // By a process of its own: a file that this one has open for writing, its other tests' children have open too.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_callboard")).arg(&binary).status().unwrap();
        assert!(copied.success());
        for path in [here, &binary, &project.root] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut other = Command::new(&binary);
        project.closed(other.args(arguments).uid(65_534).gid(65_534));
        other.env("XDG_STATE_HOME", "/tmp/callboard-test-nobody").env("HOME", "/tmp");
        command = other;
    }
    command
}

#[test]
fn a_plan_directory_that_is_a_link_is_refused() {
    let project = with_task();
    let elsewhere = Project::bare();
    symlink(project.root.join("project-plan"), elsewhere.root.join("project-plan")).unwrap();
    elsewhere.refused(&["init"], 9, "wrong_place");
    let project = with_task();
    std::fs::rename(project.plan("coordination.db"), project.root.join("moved.db")).unwrap();
    symlink(project.root.join("moved.db"), project.plan("coordination.db")).unwrap();
    project.refused(&["summary"], 9, "damaged");
}

#[test]
fn a_folder_that_a_cloud_client_copies_is_refused() {
    let project = Project::bare();
    let synced = project.root.join("Dropbox/work");
    std::fs::create_dir_all(&synced).unwrap();
    let run = project.run(&["init", "--project-root", synced.to_str().unwrap(), "--json"]);
    assert_eq!((run.code, run.refusal().as_str()), (9, "wrong_place"), "{run:?}");
}

#[test]
fn a_linked_worktree_uses_the_board_of_the_main_checkout() {
    if !may_run("git", Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success())) {
        return;
    }
    let project = Project::bare();
    let git = |line: &str| {
        let mut git = Command::new("git");
        project.closed(git.args(line.split(' ')));
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_AUTHOR_NAME", "a").env("GIT_AUTHOR_EMAIL", "a@example.org");
        git.env("GIT_COMMITTER_NAME", "a").env("GIT_COMMITTER_EMAIL", "a@example.org");
        let output = git.output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    };
    git("init -q -b main");
    git("commit -q --allow-empty -m first");
    git("worktree add -q ../linked");
    let linked = project.root.parent().unwrap().join("linked");
    let inside = linked.join("src/deep");
    std::fs::create_dir_all(&inside).unwrap();
    let in_linked = |arguments: &[&str]| project.command(arguments).current_dir(&inside).output().unwrap();
    let made = String::from_utf8(in_linked(&["init"]).stdout).unwrap();
    assert!(made.contains(&format!("project_root: {}", project.root.display())), "{made}");
    assert!(!linked.join("project-plan").exists());
    assert!(in_linked(&["add-task", "a", "--title", "A"]).status.success());
    assert!(project.ok(&["tasks"]).contains("a "));
    let aboard = in_linked(&["init-agent", "--thread-key", "w", "--json"]);
    assert!(aboard.status.success());
    let sessions = project.json(&["sessions"]);
    assert_eq!(sessions["sessions"][0]["workspace"], linked.to_str().unwrap());
    assert_eq!(sessions["sessions"][0]["branch"], "linked");
    // The plan directory keeps itself out of git.
    git("add -A");
    let mut status = Command::new("git");
    project.closed(status.args(["status", "--porcelain"]));
    assert_eq!(String::from_utf8(status.output().unwrap().stdout).unwrap(), "");
}

#[test]
fn the_group_of_a_directory_shares_its_board_whatever_the_umask() {
    let project = Project::bare();
    std::fs::set_permissions(&project.root, std::fs::Permissions::from_mode(0o2775)).unwrap();
    let script = "umask 077; callboard init --storage shared && callboard add-task a --title A";
    let mut shell = Command::new("sh");
    project.closed(shell.args(["-c", script]));
    assert!(shell.output().unwrap().status.success());
    for directory in [project.plan(""), project.plan(".callboard")] {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o060, 0o060, "{:?} has mode {mode:o}", entry.path());
        }
    }
}

#[test]
fn init_again_changes_nothing_and_says_so() {
    let project = Project::bare();
    let first = project.json(&["init", "--name", "one"]);
    let again = project.json(&["init"]);
    assert_eq!(first["revision"], again["revision"]);
    project.refused(&["init", "--name", "two"], 4, "differs");
    project.refused(&["init", "--journal", "wal"], 4, "differs");
}
