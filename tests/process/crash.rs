//! Processes that are killed: at every fsync, at the first page, and at any moment.

use std::time::Duration;

use serde_json::Value;

use crate::project::Project;

fn prepared() -> Project {
    let project = Project::new();
    for module in ["a", "b"] {
        project.ok(&["add-task", module, "--title", module]);
    }
    project.ok(&["init-agent", "--thread-key", "w"]);
    project
}

/// Kills `arguments` at each of its fsyncs in turn, on a fresh copy of the board each time. Whatever is left, the next
/// command of any process works, and the same request is answered with what happened.
fn killed_at_every_fsync(prepared: &Project, arguments: &[&str], done: &str) {
    let mut survived = 0;
    for at in 1.. {
        let project = prepared.copy();
        let words = [arguments, &["--request-id", "once", "--json"]].concat();
        let faulty = project.copy().with_fault("FAULT_KILL_AT", at);
        let run = faulty.run(&words);
        if run.code == 0 {
            break;
        }
        assert_eq!(run.code, -9, "{run:?}");
        survived += 1;
        // The same directory, without the fault.
        let project = faulty.copy();
        assert_eq!(project.run(&["summary"]).code, 0);
        project.must_be_sound();
        let again = project.run(&words);
        assert_eq!(again.code, 0, "killed at fsync {at}: {again:?}");
        project.must_be_sound();
        assert_eq!(project.count(done), 1, "killed at fsync {at}");
        let (board, shown) = project.revisions();
        let replayed = again.json()["replayed"] == Value::Bool(true);
        assert!(board == shown || replayed, "killed at fsync {at}: {board} {shown}");
        // Whoever comes next brings the pages up to date, whatever died before.
        project.ok(&["add-task", "next", "--title", "Next"]);
        let (board, shown) = project.revisions();
        assert_eq!(board, shown);
    }
    assert!(survived >= 3, "a commit has several fsyncs, {survived} were tried");
}

#[test]
fn a_claim_killed_at_any_fsync_is_whole_or_not_at_all() {
    let board = prepared();
    killed_at_every_fsync(&board, &["claim-next", "--agent-id", "w"], "SELECT count(*) FROM leases");
}

#[test]
fn a_finish_killed_at_any_fsync_is_whole_or_not_at_all() {
    let board = prepared();
    let claimed = board.json(&["claim-next", "--agent-id", "w"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    let finish = ["finish", "a", "--agent-id", "w", "--lease-token", token, "--summary", "done", "--changed-path", "x"];
    killed_at_every_fsync(&board, &finish, "SELECT count(*) FROM tasks WHERE state = 'done'");
}

#[test]
fn an_init_killed_at_any_fsync_is_finished_by_the_next() {
    let mut survived = 0;
    for at in 1.. {
        let project = Project::bare().with_fault("FAULT_KILL_AT", at);
        if project.run(&["init"]).code == 0 {
            break;
        }
        survived += 1;
        let project = project.copy();
        project.ok(&["init"]);
        project.ok(&["add-task", "a", "--title", "A"]);
        project.must_be_sound();
    }
    assert!(survived >= 3, "{survived} were tried");
}

#[test]
fn a_crash_between_commit_and_pages_is_healed_by_presence() {
    let project = prepared();
    let claimed = project.json(&["claim-next", "--agent-id", "w"]);
    let token = claimed["lease"]["token"].as_str().unwrap().to_owned();
    for page in [".STATUS.md.", ".state.json.", ".projected."] {
        let dying = project.copy().with_fault("FAULT_KILL_OPEN", page);
        let add = ["add-task", "late", "--title", "It was committed", "--request-id", "once"];
        let run = dying.run(&add);
        assert_eq!(run.code, -9, "{run:?}");
        let project = dying.copy();
        let (board, shown) = project.revisions();
        assert_eq!(board, shown + 1, "committed and not shown");
        let repeating = project.copy();
        repeating.ok(&add);
        assert!(repeating.page("STATUS.md").contains("It was committed"), "the repeated request shows it too");
        project.ok(&["heartbeat", "a", "--agent-id", "w", "--lease-token", &token]);
        let (board, shown) = project.revisions();
        assert_eq!(board, shown, "a heartbeat raises no revision and heals");
        assert!(project.page("STATUS.md").contains("It was committed"));
    }
}

#[test]
fn workers_killed_at_any_moment_lose_nothing() {
    let project = Project::new();
    let tasks = 24;
    project.import(24);
    let kills: usize = std::thread::scope(|scope| {
        let project = &project;
        let workers: Vec<_> = (0..4).map(|worker| scope.spawn(move || work(project, worker))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(kills > 10, "only {kills} processes were killed");
    assert_eq!(project.count("SELECT count(*) FROM tasks WHERE state = 'done' AND attempts = 1"), tasks);
    assert_eq!(project.count("SELECT count(*) FROM attempts"), tasks, "each was given once");
    project.must_be_sound();
}

/// Works until the board is complete; each command is killed after a while and repeated until it answers. Says how many
/// were killed.
fn work(project: &Project, worker: u64) -> usize {
    let agent = format!("w{worker}");
    project.ok(&["init-agent", "--thread-key", &agent]);
    let (mut kills, mut requests) = (0, 0);
    // Numbers that repeat run after run, between 0 and 20 ms: about as long as a command takes.
    let mut dice = worker + 1;
    let mut insist = |words: &[&str]| {
        requests += 1;
        let request = format!("{agent}-{requests}");
        loop {
            let mut child =
                project.command(&[words, &["--agent-id", &agent, "--request-id", &request, "--json"]].concat());
            let mut child =
                child.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let patience = Duration::from_micros((dice >> 33) % 40_000);
            std::thread::sleep(patience);
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                Some(code) => {
                    let reply: Value = serde_json::from_slice(&output.stdout).unwrap();
                    return (code, reply);
                }
                None => kills += 1,
            }
        }
    };
    loop {
        let (code, reply) = insist(&["claim-next"]);
        match code {
            0 => {
                let (module, token) = (&reply["task"]["module"], &reply["lease"]["token"]);
                let (module, token) = (module.as_str().unwrap(), token.as_str().unwrap());
                let finish = ["finish", module, "--lease-token", token, "--summary", "done", "--changed-path", "x"];
                assert_eq!(insist(&finish).0, 0);
            }
            3 => {}
            10 => return kills,
            _ => panic!("{agent} was told {code}: {reply}"),
        }
    }
}
