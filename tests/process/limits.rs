//! Processes that reach a limit of the system: memory, files, the length of a file, the stack. They answer, and a board is
//! never worse for it.

use std::process::Command;

use crate::project::{Project, Run};

/// A command under limits that the shell sets.
fn limited(project: &Project, limits: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new("bash");
    command.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_callboard"));
    project.closed(&mut command);
    Run::of(command.args(arguments).output().unwrap())
}

/// A refusal is that of a limit, and says how to raise it. True where there was none.
fn is_done(run: &Run, limit: &str) -> bool {
    if run.code == 0 {
        return true;
    }
    let error = &run.json()["error"];
    assert_eq!((run.code, error["code"].as_str()), (9, Some("system_limit")), "{run:?}");
    assert_eq!(error["details"]["limit"], limit, "{run:?}");
    assert!(error["hint"].as_str().unwrap().contains("ulimit"), "{run:?}");
    false
}

#[test]
fn a_file_that_gets_too_long_is_a_refusal_and_no_death() {
    let project = Project::new();
    let body = "x".repeat(100_000);
    let mut done = 0;
    for (at, blocks) in [1, 64, 128, 256, 512, 1024, 4096].into_iter().enumerate() {
        let name = format!("t{at}");
        let line = ["add-task", &name, "--title", "T", "--body", &body, "--json"];
        done += usize::from(is_done(&limited(&project, &format!("ulimit -f {blocks}"), &line), "file_size"));
        project.must_be_sound();
    }
    assert!((1..7).contains(&done), "{done} were done");
    project.ok(&["add-task", "after", "--title", "After"]);
}

#[test]
fn no_file_to_be_had_is_said_as_such() {
    let project = Project::new();
    let mut done = 0;
    for files in 4..24 {
        let limits = format!("ulimit -n {files}");
        for line in [["summary", "--json"].as_slice(), &["add-task", &format!("t{files}"), "--title", "T", "--json"]] {
            let run = limited(&project, &limits, line);
            // The loader of the program needs some itself.
            if run.code != 127 {
                done += usize::from(is_done(&run, "open_files"));
            }
        }
        project.must_be_sound();
    }
    assert!((1..39).contains(&done), "{done} were done");
}

#[test]
fn a_small_stack_is_enough_for_every_command() {
    let project = Project::new();
    project.import(300);
    for line in [
        ["--help"].as_slice(),
        &["claim-next", "--help"],
        &["state", "--json"],
        &["intake", "--from", "plan.jsonl", "--json"],
        &["doctor", "--json"],
        &["validate", "--json"],
        &["no-such-command"],
    ] {
        let run = limited(&project, "ulimit -s 128", line);
        assert_eq!(run.code, if line[0] == "no-such-command" { 2 } else { 0 }, "{run:?}");
    }
}

#[test]
fn too_little_memory_beside_a_writer_is_never_an_internal_error() {
    let project = Project::new();
    project.import(300);
    let sizes = (500..6_000).step_by(100);
    let done: usize = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for at in 0..30 {
                project.ok(&["notify", "--target", "workers", "--message", &format!("message {at}")]);
            }
        });
        let one = |kilobytes: usize| {
            let name = format!("t-{kilobytes}");
            let line = ["add-task", &name, "--title", "T", "--json"];
            let run = limited(&project, &format!("ulimit -d {kilobytes}"), &line);
            // Below some size the program cannot be loaded, or its own heap ends it with a word on standard error.
            let is_ended = run.code == 127 || run.code < 0;
            usize::from(!is_ended && is_done(&run, "memory"))
        };
        let done = sizes.map(one).sum();
        writer.join().unwrap();
        done
    });
    assert!(done > 0);
    project.must_be_sound();
}
