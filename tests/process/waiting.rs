//! Windows that sleep until something concerns them: no wake-up is missed, and signals end them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::project::Project;

/// Longer than any wake-up takes; a test that waits so long has failed.
const PATIENCE: &str = "120";

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(child: Child) -> (i32, Value, String) {
    use std::os::unix::process::ExitStatusExt as _;
    let output = child.wait_with_output().unwrap();
    let reply = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap());
    (code, reply, String::from_utf8(output.stderr).unwrap())
}

fn waiting(project: &Project, line: &str) -> Child {
    let words: Vec<&str> = line.split(' ').chain(["--watch-seconds", PATIENCE, "--json"]).collect();
    start(project.command(&words))
}

/// Waits until the process sleeps on its first look: until then it has looked and armed.
pub fn until_it_sleeps(child: &Child) {
    let path = format!("/proc/{}/task", child.id());
    for _ in 0..2_000 {
        // The thread that listens for changes is the sign that the watch is armed.
        let threads = std::fs::read_dir(&path).map_or(0, |entries| entries.count());
        if threads >= 3 {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("it never began to wait");
}

fn project() -> Project {
    let project = Project::new();
    for key in ["ann", "ben"] {
        project.ok(&["init-agent", "--thread-key", key]);
    }
    project.ok(&["init-agent", "--thread-key", "rita", "--role", "reviewer"]);
    project.ok(&["add-task", "held", "--title", "Held", "--owned-paths", "src/**", "--review", "required"]);
    project
}

fn token(reply: &Value) -> String {
    reply["lease"]["token"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()
}

#[test]
fn each_wait_ends_by_what_it_waits_for() {
    let board = project();
    let held = token(&board.json(&["claim", "held", "--agent-id", "ann"]));
    board.ok(&["add-task", "same", "--title", "Same paths", "--owned-paths", "src/a.rs"]);
    let finish = format!("finish held --agent-id ann --lease-token {held} --summary s --changed-path p");
    let hand = format!("handoff-bundle held --agent-id ann --lease-token {held} --to agent:ben");
    let waits = [
        ("claim-next --agent-id ben", "task.module", "same", finish.as_str()),
        ("next-claimable --agent-id ben", "tasks.0.module", "same", &finish),
        ("next-reviewable --agent-id rita", "tasks.0.module", "held", &finish),
        ("claim-review-next --agent-id rita", "task.module", "held", &finish),
        ("next-action --agent-id rita", "action", "review", &finish),
        ("next-action --agent-id rita", "action", "read", "notify --target agent:rita --message hello"),
        ("next-action --agent-id ben", "action", "handoff", &hand),
        ("claim-next --agent-id ben", "task.module", "held", &hand),
        ("notifications --agent-id rita", "notifications.0.kind", "review_ready", &finish),
        ("notifications --target reviewers:rust", "notifications.0.kind", "review_ready", &finish),
        ("events --source message", "events.0.kind", "message", "notify --target humans --message hello"),
        ("events --module other", "events.0.kind", "task_added", "add-task other --title O --draft"),
        ("questions --target humans", "questions.0.question", "which?", "ask --question which?"),
        ("handoffs", "handoffs.0.module", "held", "handoff-bundle held --agent-id ann"),
        ("next-handoff --agent-id ben", "handoff.module", "held", &hand),
    ];
    for (line, path, expected, cause) in waits {
        let project = board.copy();
        let child = waiting(&project, line);
        until_it_sleeps(&child);
        project.ok(&["add-task", "more", "--title", "Of no concern", "--draft"]);
        project.ok(&cause.split(' ').collect::<Vec<_>>());
        let (code, reply, err) = ended(child);
        assert_eq!(code, 0, "{line}: {reply} {err}");
        let found = path.split('.').fold(&reply, |value, key| match key.parse::<usize>() {
            Ok(at) => &value[at],
            Err(_) => &value[key],
        });
        assert_eq!(found, expected, "{line}: {reply}");
    }
}

#[test]
fn time_alone_wakes_whoever_waits_for_it() {
    let board = project();
    board.ok(&["claim", "held", "--agent-id", "ann", "--ttl-seconds", "1"]);
    let project = board.copy();
    let (code, reply, _) = ended(waiting(&project, "claim-next --agent-id ben"));
    assert_eq!((code, reply["task"]["module"].as_str()), (0, Some("held")), "the lease ran out");
    let project = board.copy();
    let (code, reply, _) = ended(waiting(&project, "notifications --target agent:ann"));
    assert_eq!((code, reply["notifications"][0]["kind"].as_str()), (0, Some("lease_expired")), "whoever waits tells");
}

#[test]
fn a_wait_ends_with_the_board_and_with_its_time() {
    let project = project();
    let run = project.run(&["claim-review-next", "--agent-id", "rita", "--watch-seconds", "1", "--json"]);
    assert_eq!((run.code, run.json()["nothing"].as_bool()), (3, Some(true)));
    let child = waiting(&project, "claim-review-next --agent-id rita");
    until_it_sleeps(&child);
    project.ok(&["cancel-task", "held", "--reason", "no", "--as-human"]);
    assert_eq!(ended(child).0, 10);
    let refused = waiting(&project, "claim-next --agent-id nobody");
    assert_eq!(ended(refused).0, 4);
}

#[test]
fn a_board_whose_files_tell_of_nothing_is_read() {
    for (fault, says) in [("FAULT_DEAF", false), ("FAULT_NO_WATCHES", true)] {
        let project = project().with_fault(fault, 1);
        let child = waiting(&project, "claim-review-next --agent-id rita");
        // It has no thread to recognise: long enough for it to look and to sleep.
        std::thread::sleep(Duration::from_millis(300));
        let held = token(&project.json(&["claim", "held", "--agent-id", "ann"]));
        let begin = Instant::now();
        project.ok(&[
            "finish",
            "held",
            "--agent-id",
            "ann",
            "--lease-token",
            &held,
            "--summary",
            "s",
            "--changed-path",
            "p",
        ]);
        let (code, reply, err) = ended(child);
        assert_eq!((code, reply["task"]["module"].as_str()), (0, Some("held")), "{err}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{fault}");
        assert_eq!(err.matches("changes are found by reading").count(), usize::from(says), "{fault}: {err}");
    }
}

#[test]
fn a_signal_ends_a_wait_by_itself() {
    let project = project();
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        for line in ["claim-review-next --agent-id rita", "events --source validate"] {
            let child = waiting(&project, line);
            until_it_sleeps(&child);
            let killed = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
            assert!(killed.success());
            assert_eq!(ended(child).0, -number, "{line} ends by {signal}, so that a loop around it ends too");
        }
    }
}

#[test]
fn a_signal_leaves_no_lock_behind_on_a_shared_board() {
    let project = Project::bare();
    project.ok(&["init", "--storage", "shared"]);
    let project = project.with_fault("FAULT_SYNC_US", 20_000);
    for round in 0..6 {
        let child = start(project.command(&["add-task", &format!("t{round}"), "--title", "T"]));
        std::thread::sleep(Duration::from_millis(15 * (round + 1)));
        let _ = Command::new("kill").args(["-TERM".to_owned(), child.id().to_string()]).status().unwrap();
        let code = ended(child).0;
        assert!(code == -15 || code == 0, "{code}");
        let left: Vec<_> = std::fs::read_dir(project.plan(".callboard")).unwrap().flatten().collect();
        let left = left.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
        assert_eq!(left.filter(|name| name.starts_with("lock")).count(), 0, "round {round}");
        project.must_be_sound();
    }
    // While the holder's file is synced: the lock is not had yet, and nothing else may be said than the signal.
    let project = project.without_faults().with_fault("FAULT_SYNC_US", 60_000);
    for round in 0..8 {
        let child = start(project.command(&["add-task", &format!("s{round}"), "--title", "T"]));
        std::thread::sleep(Duration::from_millis(30));
        let killed = Command::new("kill").args(["-TERM".to_owned(), child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let (code, _, err) = ended(child);
        assert_eq!((code, err.as_str()), (-15, ""), "round {round}");
    }
}

#[test]
fn a_stream_is_followed_until_it_is_stopped() {
    let project = project();
    let mut child = start(project.command(&["events", "--follow", "--jsonl", "--source", "message"]));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for text in ["one", "two", "three"] {
        project.ok(&["notify", "--target", "humans", "--message", text]);
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(event["data"]["message"], text);
    }
    let _ = Command::new("kill").args(["-INT".to_owned(), child.id().to_string()]).status().unwrap();
    assert_eq!(ended(child).0, -2);
    let quiet = project.run(&["notifications-stream", "--target", "agent:ann", "--timeout", "1"]);
    assert_eq!((quiet.code, quiet.out.as_str()), (3, ""));
    let two = project.run(&["events-stream", "--since", "0", "--limit", "2", "--timeout", "5"]);
    assert_eq!((two.code, two.out.lines().count()), (0, 2));
    project.refused(&["events", "--jsonl"], 2, "usage");
}

#[test]
fn a_task_that_is_handed_over_makes_room_for_another() {
    let project = project();
    let held = token(&project.json(&["claim", "held", "--agent-id", "ann"]));
    let second = project.json(&["init-agent", "--thread-key", "ann", "--window-id", "second"]);
    project.ok(&["add-task", "other", "--title", "Other"]);
    let child = waiting(&project, &format!("next-action --session-id {}", second["session_id"].as_str().unwrap()));
    until_it_sleeps(&child);
    let started = Instant::now();
    project.ok(&["handoff-bundle", "held", "--agent-id", "ann", "--lease-token", &held]);
    let (code, reply, err) = ended(child);
    assert_eq!((code, reply["module"].as_str()), (0, Some("other")), "{reply} {err}");
    assert!(started.elapsed() < Duration::from_secs(9), "only the look that comes anyway found it");
}

/// The pulse is read slowly, and the change comes while it is: a mark that is taken after the look has it already.
#[test]
fn what_comes_between_the_look_and_the_sleep_is_not_missed() {
    let project = project();
    project.ok(&["claim", "held", "--agent-id", "ann"]);
    let slow = project.copy().with_fault("FAULT_SLOW_MARK", 500);
    let child = waiting(&slow, "claim-next --agent-id ben");
    until_it_sleeps(&child);
    let added = Instant::now();
    let project = slow.without_faults();
    project.ok(&["add-task", "new", "--title", "New"]);
    let (code, reply, err) = ended(child);
    assert_eq!((code, reply["task"]["module"].as_str()), (0, Some("new")), "{reply} {err}");
    assert!(
        added.elapsed() < Duration::from_secs(9),
        "{:?}: only the look that comes anyway found it",
        added.elapsed()
    );
}

/// Twenty waiters each wait for their own task, and writers add them at random: before, during and after the watch is armed.
/// A missed wake-up would only be made good by the look that comes after ten seconds and more, which counts as a miss here.
/// `scripts/soak.sh` runs a thousand rounds.
#[test]
fn no_wake_up_is_missed() {
    let project = Project::new();
    let waiters = 20;
    let rounds: usize = std::env::var("CALLBOARD_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    for n in 0..waiters {
        project.ok(&["init-agent", "--thread-key", &format!("w{n}"), "--max-tasks", "60000"]);
    }
    let mut dice = 7u64;
    let mut delay = |most_ms: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_micros((dice >> 33) % (most_ms * 1_000))
    };
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let delays: Vec<_> = (0..waiters).map(|n| (n, delay(200), delay(600))).collect();
        let took: Vec<Duration> = std::thread::scope(|scope| {
            let project = &project;
            let waits: Vec<_> = delays
                .into_iter()
                .map(|(n, before, until_added)| {
                    let module = format!("r{round}-{n}");
                    let added = scope.spawn({
                        let module = module.clone();
                        move || {
                            std::thread::sleep(until_added);
                            let field = format!("s{n}");
                            project.ok(&["add-task", &module, "--title", "T", "--specialty", &field]);
                            Instant::now()
                        }
                    });
                    let woken = scope.spawn(move || {
                        std::thread::sleep(before);
                        let line = format!("claim-next --agent-id w{n} --specialty s{n}");
                        let (code, reply, err) = ended(waiting(project, &line));
                        assert_eq!((code, reply["task"]["module"].as_str()), (0, Some(&*module)), "{reply} {err}");
                        Instant::now()
                    });
                    (added, woken)
                })
                .collect();
            let both = |(added, woken): (
                std::thread::ScopedJoinHandle<'_, Instant>,
                std::thread::ScopedJoinHandle<'_, Instant>,
            )| {
                let (added, woken) = (added.join().unwrap(), woken.join().unwrap());
                woken.saturating_duration_since(added)
            };
            waits.into_iter().map(both).collect()
        });
        slowest = slowest.max(took.into_iter().max().unwrap());
    }
    assert!(slowest < Duration::from_secs(9), "{slowest:?}: only the look that comes anyway found it");
    project.must_be_sound();
}
