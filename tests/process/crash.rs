//! Processes that are killed: at every fsync, at the first page, and at any moment.

use std::time::Duration;

use serde_json::{Value, json};

use crate::project::Project;
use crate::server::Server;

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
    killed_workers(&Project::new());
}

#[test]
fn clients_killed_at_any_moment_lose_nothing() {
    killed_workers(&Project::new().served());
}

fn killed_workers(project: &Project) {
    let tasks = 24;
    project.import(24);
    let kills: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|worker| scope.spawn(move || work(project, worker))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert!(kills > 10, "only {kills} processes were killed");
    assert_eq!(project.count("SELECT count(*) FROM tasks WHERE state = 'done' AND attempts = 1"), tasks);
    assert_eq!(project.count("SELECT count(*) FROM attempts"), tasks, "each was given once");
    project.must_be_sound();
}

#[test]
fn a_server_killed_at_any_fsync_has_done_what_it_was_asked_or_not_at_all() {
    let prepared = prepared();
    let owner = prepared.run_here(&["token", "show"]).out.trim().to_owned();
    let claim = json!({"agent_id": "w", "request_id": "once"});
    let mut survived = 0;
    for at in 1.. {
        let project = prepared.copy().with_fault("FAULT_KILL_AT", at);
        let Ok(server) = Server::try_listen(&mut project.command(&["serve", "--json", "--port", "0"])) else {
            continue;
        };
        let reply = server.post(&owner, "claim-next", &claim);
        if reply.status == 200 {
            break;
        }
        assert_eq!(reply.status, 0, "it was killed before it could answer: {reply:?}");
        survived += 1;
        let project = project.without_faults();
        let again = Server::start(&project, &[]).post(&owner, "claim-next", &claim);
        assert_eq!(again.status, 200, "killed at fsync {at}: {again:?}");
        assert_eq!(project.count("SELECT count(*) FROM leases"), 1, "killed at fsync {at}");
        project.must_be_sound();
    }
    assert!(survived >= 3, "a commit has several fsyncs, {survived} were tried");
}

#[test]
fn a_server_killed_again_and_again_does_everything_once() {
    let project = Project::new();
    project.import(40);
    let mut project = project.served();
    let mut server = project.server.take().unwrap();
    let (url, port) = (server.url.clone(), server.port().to_owned());
    let done = std::sync::atomic::AtomicBool::new(false);
    let kills = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                scope.spawn({
                    let (project, url) = (&project, &url);
                    move || ask_again(project, url, worker)
                })
            })
            .collect();
        let killer = scope.spawn({
            let (project, done) = (&project, &done);
            move || {
                let mut kills = 0;
                let is_done = || done.load(std::sync::atomic::Ordering::Relaxed);
                let revision = || project.count("SELECT revision FROM board");
                while !is_done() {
                    // Each lives long enough for a few requests, and not always as long.
                    let before = revision();
                    while revision() < before + 3 && !is_done() {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    std::thread::sleep(Duration::from_millis(kills * 37 % 50));
                    server.kill();
                    server = Server::start(project, &["--port", &port]);
                    kills += 1;
                }
                kills
            }
        });
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok), "a worker was told something else");
        killer.join().unwrap()
    });
    assert!(kills >= 5, "the server was killed only {kills} times");
    assert_eq!(project.count("SELECT count(*) FROM tasks WHERE state = 'done' AND attempts = 1"), 40);
    assert_eq!(project.count("SELECT count(*) FROM attempts"), 40, "each was given once");
    project.must_be_sound();
}

/// Works through a server until the board is complete. A lost answer is asked for again by the client itself.
fn ask_again(project: &Project, url: &str, worker: usize) {
    let agent = format!("w{worker}");
    let ask = |words: &[&str]| project.run(&[words, &["--server-url", url, "--agent-id", &agent, "--json"]].concat());
    let aboard = project.run(&["init-agent", "--thread-key", &agent, "--server-url", url]);
    assert_eq!(aboard.code, 0, "{aboard:?}");
    loop {
        let run = ask(&["claim-next"]);
        match run.code {
            0 => {
                let reply = run.json();
                let (module, token) = (&reply["task"]["module"], &reply["lease"]["token"]);
                let (module, token) = (module.as_str().unwrap(), token.as_str().unwrap());
                let finish = ["finish", module, "--lease-token", token, "--summary", "done", "--changed-path", "x"];
                let run = ask(&finish);
                assert_eq!(run.code, 0, "{run:?}");
            }
            3 => {}
            10 => return,
            _ => panic!("{agent}: {run:?}"),
        }
    }
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

#[test]
fn what_a_full_disk_keeps_from_being_committed_together_is_told_to_all_of_them() {
    let prepared = prepared();
    let owner = prepared.run_here(&["token", "show"]).out.trim().to_owned();
    let (mut told, mut kept) = (0, 0);
    for after in [3_000, 20_000, 60_000, 110_000, 160_000, 400_000] {
        let project = prepared.copy().with_fault("FAULT_FULL_AFTER", after);
        let Ok(server) = Server::try_listen(&mut project.command(&["serve", "--json", "--port", "0"])) else {
            continue;
        };
        let ask = |server: &Server, n: usize| {
            let body = json!({"module": format!("n{n}"), "title": "N", "request_id": format!("once-{n}")});
            server.post(&owner, "add-task", &body)
        };
        let replies: Vec<_> = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..12)
                .map(|n| {
                    scope.spawn({
                        let (ask, server) = (&ask, &server);
                        move || ask(server, n)
                    })
                })
                .collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        drop(server);
        let project = project.without_faults();
        project.ok(&["summary"]);
        for (n, reply) in replies.iter().enumerate() {
            let there = project.count(&format!("SELECT count(*) FROM tasks WHERE module = 'n{n}'"));
            match reply.status {
                200 => kept += 1,
                507 => told += 1,
                _ => panic!("{after}: {reply:?}"),
            }
            assert_eq!(there, i64::from(reply.status == 200), "{after}: it is there if it was said so: {reply:?}");
        }
        project.must_be_sound();
        let server = Server::start(&project, &[]);
        for n in 0..12 {
            assert_eq!(ask(&server, n).status, 200, "{after}");
        }
        assert_eq!(project.count("SELECT count(*) FROM tasks"), 14, "{after}: each was done once");
        project.must_be_sound();
    }
    assert!(told > 12 && kept > 12, "{told} were refused, {kept} were done");
}
