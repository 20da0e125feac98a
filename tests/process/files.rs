//! Files that somebody else prepared, and the rights of those that callboard makes.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::aboard::git;
use crate::project::Project;
use crate::server::Server;

fn with_task() -> Project {
    let project = Project::new();
    project.ok(&["add-task", "a", "--title", "A"]);
    project.ok(&["init-agent", "--thread-key", "w"]);
    project
}

fn put_pipe(path: &Path) {
    let _ = std::fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A process that hangs is killed, and has failed.
fn within_a_minute(project: &Project, arguments: &[&str]) -> Output {
    let mut command = Command::new("timeout");
    project.closed(command.args(["-s", "KILL", "60", env!("CARGO_BIN_EXE_callboard")]).args(arguments));
    command.output().unwrap()
}

/// A shell line in the project, with a umask.
fn shell(project: &Project, line: &str) -> Output {
    let mut shell = Command::new("sh");
    project.closed(shell.args(["-c", line]));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    output
}

fn mode(path: impl AsRef<Path>) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_pipe_in_place_of_a_file_hangs_nobody() {
    let whole = with_task();
    let names = [
        "coordination.db",
        "coordination.db-journal",
        ".callboard/place.json",
        ".callboard/projected",
        ".callboard/pulse",
        ".callboard/bells",
        ".callboard/gate",
        ".callboard/lock",
        ".callboard/projection",
        ".callboard/clock",
        "STATUS.md",
        "templates/STATUS.md.j2",
        "handoffs/a.handoff.md",
    ];
    for name in names {
        let project = whole.copy();
        std::fs::create_dir_all(project.plan("templates")).unwrap();
        std::fs::create_dir_all(project.plan("handoffs")).unwrap();
        put_pipe(&project.plan(name));
        for line in [&["summary"][..], &["add-task", "b", "--title", "B"], &["validate"], &["doctor"]] {
            let output = within_a_minute(&project, line);
            assert!(output.status.code().is_some_and(|code| code != 1), "{name}: {line:?}: {output:?}");
        }
    }
    // Files that a command line names.
    let project = whole.copy();
    put_pipe(&project.root.join("pipe"));
    for line in [&["intake", "--from", "pipe"][..], &["add-task", "b", "--title", "B", "--body", "@pipe"]] {
        let output = within_a_minute(&project, line);
        assert!(output.status.code().is_some_and(|code| code > 1), "{line:?}: {output:?}");
    }
    // What the host keeps for itself.
    let project = whole.copy();
    put_pipe(&project.root.parent().unwrap().join("home/callboard/host-id"));
    let output = within_a_minute(&project, &["summary"]);
    assert!(output.status.code().is_some_and(|code| code > 1), "{output:?}");
}

#[test]
fn a_pipe_in_place_of_a_page_does_not_hang_a_server() {
    let project = with_task();
    let server = Server::start(&project, &[]);
    put_pipe(&project.plan("STATUS.md"));
    let answer = server.get("/pages/STATUS.md");
    assert_ne!(answer.status, 200);
    assert_eq!(server.get("/v1/summary").status, 200, "it still answers");
}

#[test]
fn a_second_name_of_somebodys_document_is_never_written() {
    let project = with_task();
    let document = project.root.join("document");
    let content = "precious ".repeat(100);
    std::fs::write(&document, &content).unwrap();
    let host = std::fs::read_to_string(project.root.parent().unwrap().join("home/callboard/host-id")).unwrap();
    let temporary = format!(".STATUS.md.{}.tmp", host.trim());
    let names =
        ["gate", "lock", "pulse", "bells", "clock", "projected", "projection"].map(|n| format!(".callboard/{n}"));
    for name in names.into_iter().chain([temporary, "STATUS.md".to_owned(), ".gitignore".to_owned()]) {
        let project = project.copy();
        let _ = std::fs::remove_file(project.plan(&name));
        std::fs::hard_link(&document, project.plan(&name)).unwrap();
        project.run(&["add-task", "b", "--title", "B"]);
        project.run(&["init"]);
        assert_eq!(std::fs::read_to_string(&document).unwrap(), content, "{name}");
    }
}

#[test]
fn a_database_is_not_for_others_and_pages_follow_the_umask() {
    for (umask, page, database) in [("022", 0o644, 0o640), ("077", 0o600, 0o600), ("002", 0o664, 0o660)] {
        let project = Project::bare();
        // The group of the directory is this process's own, and nothing hands it on.
        let own = std::fs::metadata("/proc/self").map_or(0, |meta| meta.gid());
        std::os::unix::fs::chown(&project.root, None, Some(own)).unwrap();
        std::fs::set_permissions(&project.root, std::fs::Permissions::from_mode(0o755)).unwrap();
        shell(
            &project,
            &format!("umask {umask}; callboard init && callboard add-task a --title A && callboard backup copy.db"),
        );
        for name in ["STATUS.md", "state.json", ".callboard/place.json", ".callboard/projected", ".callboard/lock"] {
            assert_eq!(mode(project.plan(name)), page, "{umask}: {name}");
        }
        assert_eq!(mode(project.plan("coordination.db")), database, "{umask}");
        let journal = project.plan("coordination.db-journal");
        assert!(!journal.exists() || mode(&journal) == database, "{umask}");
        assert_eq!(mode(project.root.join("copy.db")) & 0o007, 0, "{umask}");
    }
}

#[test]
fn doctor_warns_of_a_database_that_others_can_read() {
    let project = with_task();
    let checks = |project: &Project| project.run(&["doctor", "--json"]).out;
    assert!(!checks(&project).contains("\"privacy\""));
    std::fs::set_permissions(project.plan("coordination.db"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = checks(&project);
    assert!(said.contains("\"privacy\"") && said.contains("chmod o-rwx"), "{said}");
}

/// Tokens and locks were kept in a directory that anybody could have made.
#[test]
fn a_directory_that_somebody_else_prepared_keeps_no_secrets() {
    let project = with_task();
    let public = project.root.parent().unwrap().join("tmp");
    std::fs::create_dir(&public).unwrap();
    std::fs::set_permissions(&public, std::fs::Permissions::from_mode(0o1777)).unwrap();
    let own = public.join(format!("callboard-{}", std::fs::metadata("/proc/self").unwrap().uid()));
    let run = |line: &[&str]| {
        let mut command = project.command(line);
        command.env_remove("HOME").env_remove("XDG_STATE_HOME").env_remove("XDG_RUNTIME_DIR").env("TMPDIR", &public);
        command.output().unwrap()
    };
    let elsewhere = project.root.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let open_to_all = || {
        std::fs::create_dir(&own).unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o777)).unwrap();
    };
    for is_link in [true, false] {
        if is_link {
            symlink(&elsewhere, &own).unwrap();
        } else {
            open_to_all();
        }
        for line in
            [&["summary", "--json"][..], &["token", "list", "--json"], &["add-task", "b", "--title", "B", "--json"]]
        {
            let output = run(line);
            assert_eq!(output.status.code(), Some(9), "{line:?}: {output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains("no_permission"), "{line:?}: {output:?}");
        }
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
        if is_link { std::fs::remove_file(&own).unwrap() } else { std::fs::remove_dir_all(&own).unwrap() }
    }
    assert!(run(&["summary"]).status.success());
    assert_eq!(mode(&own), 0o700);
}

#[test]
fn a_trigger_in_a_database_never_runs_and_validate_names_it() {
    let project = with_task();
    project
        .db()
        .execute_batch(
            "CREATE TRIGGER evil AFTER INSERT ON tasks BEGIN UPDATE tasks SET priority = 0; END; \
             CREATE VIEW peek AS SELECT * FROM leases;",
        )
        .unwrap();
    let before = project.count("SELECT priority FROM tasks WHERE module = 'a'");
    project.ok(&["add-task", "b", "--title", "B"]);
    assert_eq!(project.count("SELECT priority FROM tasks WHERE module = 'a'"), before, "it did not run");
    let run = project.run(&["validate", "--json"]);
    assert!(run.code > 1 && run.out.contains("evil") && run.out.contains("peek"), "{run:?}");
}

#[test]
fn a_copied_directory_has_tokens_of_its_own() {
    let project = with_task();
    project.ok(&["token", "add", "ci", "--role", "worker"]);
    let copy = project.root.parent().unwrap().join("copy");
    assert!(Command::new("cp").arg("-a").arg(&project.root).arg(&copy).status().unwrap().success());
    let there = copy.to_str().unwrap();
    let in_copy = |line: &[&str]| project.run(&[line, &["--project-root", there]].concat());
    let listed = in_copy(&["token", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(!listed.out.contains("ci"), "{listed:?}");
    let run = in_copy(&["add-task", "b", "--title", "B"]);
    assert!(run.code == 0 && run.err.contains("is a copy of"), "{run:?}");
    assert!(in_copy(&["doctor"]).out.contains("is a copy of"));
    assert!(project.ok(&["token", "list"]).contains("ci"));
    let run = project.run(&["add-task", "c", "--title", "C"]);
    assert!(!run.err.contains("is a copy of"), "the first one is the original: {run:?}");
    // A directory that is only moved keeps them.
    let moved = project.root.parent().unwrap().join("moved");
    std::fs::rename(&project.root, &moved).unwrap();
    std::fs::create_dir(&project.root).unwrap();
    let run = project.run(&["token", "list", "--project-root", moved.to_str().unwrap()]);
    assert!(run.out.contains("ci"), "{run:?}");
}

#[test]
fn characters_that_nobody_sees_are_never_raw() {
    let project = Project::bare();
    let hidden: String =
        "\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{2060}\u{feff}\u{e0041}\u{e007f}\u{202e}\u{2066}".into();
    let words = format!("a{hidden}b");
    // The name of a branch is shown at preflight.
    git(&project, &["init", "-q", "-b", &words]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    project.ok(&["init", "--name", &words]);
    project.ok(&["add-task", "t", "--title", &words, "--body", &words]);
    project.ok(&["init-agent", "--thread-key", "w"]);
    project.ok(&["claim", "t", "--thread-key", "w"]);
    project.ok(&["preflight", "--confirm-workspace", "--confirm-branch"]);
    project.ok(&["ask", "--thread-key", "w", "--question", &words]);
    assert!(project.plan("preflight.json").exists());
    let is_hidden = |text: &str| text.chars().any(|c| hidden.contains(c));
    for entry in std::fs::read_dir(project.plan("")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if [".md", ".json"].iter().any(|end| name.ends_with(end)) {
            assert!(!is_hidden(&project.page(&name)), "{name}");
        }
    }
    for line in [&["show", "t"][..], &["show", "t", "--json"], &["history", "t"], &["notifications"], &["state"]] {
        let run = project.run(line);
        assert!(!is_hidden(&run.out) && !is_hidden(&run.err), "{line:?}: {run:?}");
    }
    assert_eq!(project.json(&["show", "t"])["task"]["body"].as_str(), Some(words.as_str()), "who parses gets it whole");
}
