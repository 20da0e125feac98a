//! Boards that several hosts use at once: hosts here are processes with a host id and a runtime directory of their own.

use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet::{Host, Play, play, rounds};
use crate::project::{Project, may_run, shim};

fn shared() -> Project {
    let project = Project::bare();
    project.ok(&["init", "--storage", "shared"]);
    project
}

/// Eight processes with locks that say yes and do nothing. `host_of` says on which host each runs.
fn without_locks(host_of: impl Fn(usize) -> String + Sync) {
    let project = shared();
    let tasks = 32;
    project.import(32);
    let project = project.with_fault("FAULT_NO_LOCKS", 1);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (project, host, agent) = (&project, host_of(worker), format!("w{worker}"));
            scope.spawn(move || {
                assert_eq!(project.run_as_host(&host, &["init-agent", "--thread-key", &agent]).code, 0);
                loop {
                    let run = project.run_as_host(&host, &["claim-next", "--agent-id", &agent, "--json"]);
                    match run.code {
                        0 => {
                            let (module, token) = (&run.json()["task"]["module"], &run.json()["lease"]["token"]);
                            let finish = [
                                "finish",
                                module.as_str().unwrap(),
                                "--agent-id",
                                &agent,
                                "--lease-token",
                                token.as_str().unwrap(),
                                "--summary",
                                "done",
                                "--changed-path",
                                "x",
                            ];
                            let run = project.run_as_host(&host, &finish);
                            assert_eq!(run.code, 0, "{run:?}");
                        }
                        3 => {}
                        10 => break,
                        _ => panic!("{run:?}"),
                    }
                }
            });
        }
    });
    assert_eq!(project.count("SELECT count(*) FROM tasks WHERE state = 'done' AND attempts = 1"), tasks);
    assert_eq!(project.count("SELECT count(*) FROM attempts"), tasks, "nothing was given twice");
    project.must_be_sound();
    assert!(!project.plan(".callboard/lock.d").exists(), "nobody left a lock behind");
}

#[test]
fn eight_processes_without_working_locks_lose_nothing() {
    without_locks(|_| "host-a".to_owned());
}

#[test]
fn eight_hosts_without_working_locks_lose_nothing() {
    without_locks(|worker| format!("host-{worker}"));
}

#[test]
fn a_stopped_holder_that_was_broken_changes_nothing_more() {
    let project = shared();
    project.ok(&["add-task", "a", "--title", "A"]);
    // Stops inside its transaction, with rows written to its cache and its journal about to be opened.
    let stopping = project.with_fault("FAULT_STOP_AT", 1);
    let words = ["add-task", "lost", "--title", "Never committed", "--json"];
    let mut stopped = stopping.command_as_host("host-a", &words);
    let stopped = stopped.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| state_of(stopped.id()) == Some('T'));
    let other = stopping.without_faults();
    let begin = Instant::now();
    let run = other.run_as_host("host-b", &["add-task", "b", "--title", "By another host"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(begin.elapsed() >= Duration::from_secs(14), "a living holder is given its time");
    let before = std::fs::read(other.plan("coordination.db")).unwrap();
    let resumed = Command::new("kill").args(["-CONT", &stopped.id().to_string()]).status().unwrap();
    assert!(resumed.success());
    let output = stopped.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7), "it ends where it stands: {output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["ok"], &said["error"]["code"]), (&false.into(), &"busy".into()), "{said}");
    assert!(said["error"]["message"].as_str().unwrap().contains("another host took over its lock"), "{said}");
    assert_eq!(std::fs::read(other.plan("coordination.db")).unwrap(), before, "not a byte was changed");
    assert_eq!(other.count("SELECT count(*) FROM tasks WHERE module IN ('a', 'b')"), 2);
    assert_eq!(other.count("SELECT count(*) FROM tasks WHERE module = 'lost'"), 0);
    let again = other.run_as_host("host-a", &["add-task", "lost", "--title", "On time"]);
    assert_eq!(again.code, 0, "{again:?}");
    other.must_be_sound();
}

#[test]
fn a_holder_that_died_on_this_host_is_broken_at_once() {
    let project = shared().with_fault("FAULT_KILL_OPEN", "coordination.db-journal");
    assert_eq!(project.run_as_host("host-a", &["add-task", "a", "--title", "A"]).code, -9);
    assert!(project.plan(".callboard/lock.d").exists(), "it left its lock");
    let project = project.without_faults();
    let begin = Instant::now();
    assert_eq!(project.run_as_host("host-a", &["add-task", "b", "--title", "B"]).code, 0);
    assert!(begin.elapsed() < Duration::from_secs(10), "no look is needed to know that it is dead");
    project.must_be_sound();
}

#[test]
fn a_holder_that_died_in_another_container_of_this_host_is_broken_at_once() {
    let probe = Command::new("unshare").args(["--pid", "--fork", "true"]).output();
    if !may_run("root and unshare", probe.is_ok_and(|output| output.status.success())) {
        return;
    }
    let project = shared().with_fault("FAULT_KILL_OPEN", "coordination.db-journal");
    let mut inside = Command::new("unshare");
    // Not as the first process of the namespace, which no signal of its own kills.
    let script = "callboard add-task a --title A; exit 3";
    project.closed(inside.args(["--pid", "--fork", "sh", "-c", script]));
    inside.env("CALLBOARD_HOST_ID", "host-a");
    assert_eq!(inside.output().unwrap().status.code(), Some(3));
    assert!(project.plan(".callboard/lock.d").exists(), "it left its lock");
    let project = project.without_faults();
    let begin = Instant::now();
    let mut outside = project.command(&["add-task", "a", "--title", "A"]);
    assert!(outside.env("CALLBOARD_HOST_ID", "host-a").output().unwrap().status.success());
    assert!(begin.elapsed() < Duration::from_secs(10), "what queued before it in this host has ended");
    project.must_be_sound();
}

#[test]
fn who_waits_long_is_told_for_whom() {
    let project = shared().with_fault("FAULT_KILL_OPEN", "coordination.db-journal");
    assert_eq!(project.run_as_host("host-a", &["add-task", "a", "--title", "A"]).code, -9);
    let project = project.without_faults();
    let run = project.run_as_host("host-b", &["add-task", "b", "--title", "B"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.err.contains("note: waiting for the board's lock, which is held by process"), "{run:?}");
    assert!(run.err.contains("of host host-a since"), "{run:?}");
}

#[test]
fn what_dead_waiters_leave_goes_without_a_break() {
    let project = shared();
    let holding = project.with_fault("FAULT_STOP_AT", 1);
    let mut command = holding.command_as_host("host-a", &["add-task", "a", "--title", "A"]);
    let mut holder = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| state_of(holder.id()) == Some('T'));
    let project = holding.without_faults();
    // What the waiters have prepared, by the content of their files.
    let left = || {
        let entries = std::fs::read_dir(project.plan(".callboard")).unwrap().flatten();
        let waiting = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("lock-"));
        let text = |entry: std::fs::DirEntry| {
            let file = std::fs::read_dir(entry.path()).ok()?.flatten().next()?;
            std::fs::read_to_string(file.path()).ok()
        };
        waiting.map(|entry| text(entry).unwrap_or_default()).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        let mut waiter = project.command_as_host("host-b", &["tasks"]).stderr(Stdio::null()).spawn().unwrap();
        let own = format!("\"pid\":{},", waiter.id());
        wait_until(|| left().iter().any(|text| text.contains(&own)));
        waiter.kill().unwrap();
        waiter.wait().unwrap();
    }
    assert!(Command::new("kill").args(["-CONT", &holder.id().to_string()]).status().unwrap().success());
    assert!(holder.wait().unwrap().success(), "nobody broke it");
    wait_until(|| project.run_as_host("host-b", &["tasks"]).code == 0 && left().is_empty());
}

/// Three hosts whose clocks disagree by an hour, one of which is slow to unlink, as over a network.
#[test]
fn clocks_that_disagree_and_slow_unlinks_lose_nothing() {
    for _ in 0..rounds() {
        let project = shared();
        let top = project.root.parent().unwrap();
        let host = |name: &str, ahead: i64, unlink_us: u64| {
            let host = Host::new(project.root.clone(), &top.join(name)).with("LD_PRELOAD", shim());
            let host = host.with("FAULT_WALL_AHEAD", ahead.to_string());
            host.with("FAULT_UNLINK_US", unlink_us.to_string())
        };
        let hosts = [host("a", 0, 20_000), host("b", 3_700, 20_000), host("c", -3_700, 0)];
        let report = play(&hosts, Play { tasks: 24, workers: 2, kill_one_in: 6 }, |_| {});
        let kills = report.kills.load(Ordering::Relaxed);
        assert!(kills > 5, "{kills} processes were killed");
        assert!(!project.plan(".callboard/lock.d").exists(), "nobody left a lock behind");
    }
}

#[test]
fn a_board_with_a_write_ahead_log_is_refused_on_shared_storage() {
    let project = Project::bare();
    project.refused(&["init", "--storage", "shared", "--journal", "wal"], 9, "wrong_place");
    let project = Project::bare();
    project.ok(&["init", "--journal", "wal"]);
    project.ok(&["add-task", "a", "--title", "A"]);
    let run = project.run(&["init", "--storage", "shared", "--json"]);
    assert_ne!(run.code, 0, "{run:?}");
    project.ok(&["tasks"]);
}

#[test]
fn a_local_board_met_through_shared_storage_is_refused_and_can_be_turned() {
    let project = Project::new();
    let through = |project: &Project, arguments: &[&str]| {
        let mut command = project.command(arguments);
        let output = command.env("CALLBOARD_TEST_FILE_SYSTEM", "nfs").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, said) = through(&project, &["tasks"]);
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains("callboard init --storage shared"), "{said}");
    project.ok(&["init", "--storage", "shared"]);
    assert_eq!(through(&project, &["tasks"]).0, Some(0));
    project.ok(&["tasks"]);
    // Without atomic rename there is nothing to build a lock on.
    let mut command = project.command(&["add-task", "a", "--title", "A"]);
    let output = command.env("CALLBOARD_TEST_FILE_SYSTEM", "fuse.s3fs").output().unwrap();
    assert_eq!(output.status.code(), Some(9));
}

/// The state letter of a process.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn wait_until(done: impl Fn() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}
