//! Many processes at one board: every task is given once, and no error reaches anybody.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::project::{Project, Run};

const TASKS: usize = 60;

/// Every fourth task is reviewed, every fifth waits for the one before it.
fn plan(project: &Project, tasks: usize) {
    project.import_with(tasks, |n| {
        let review = if n.is_multiple_of(4) { "required" } else { "none" };
        let needs = if n % 5 == 4 { format!(",\"depends_on\":[\"t{}\"]", n - 1) } else { String::new() };
        format!(",\"review\":\"{review}\"{needs}")
    });
}

/// A loop of `claim` and what `close` does with the answer, until the board is complete.
fn work(project: &Project, agent: &str, claim: &str, close: &[&str]) -> Vec<String> {
    let mut served = Vec::new();
    loop {
        let run = ask(project, agent, &[claim, "--agent-id", agent, "--json"]);
        match run.code {
            0 => {
                let reply = run.json();
                let (module, token) =
                    (reply["task"]["module"].as_str().unwrap(), reply["lease"]["token"].as_str().unwrap());
                let words = [&[close[0], module, "--agent-id", agent, "--lease-token", token], &close[1..]].concat();
                let closed = ask(project, agent, &words);
                assert_eq!(closed.code, 0, "{closed:?}");
                served.push(module.to_owned());
            }
            3 => {}
            10 => return served,
            code => panic!("{agent} was told {code}: {run:?}"),
        }
    }
}

/// Where there is a server, every other agent asks it, and the others use the directory.
fn ask(project: &Project, agent: &str, words: &[&str]) -> Run {
    if agent.ends_with(['0', '2', '4']) { project.run(words) } else { project.run_here(words) }
}

#[test]
fn every_task_is_given_once() {
    storm(&Project::new());
}

#[test]
fn every_task_is_given_once_through_a_server_and_beside_it() {
    storm(&Project::new().served());
}

fn storm(project: &Project) {
    plan(project, TASKS);
    let workers: Vec<String> = (0..6).map(|n| format!("w{n}")).collect();
    let reviewers = ["r0", "r1"];
    for key in &workers {
        project.ok(&["init-agent", "--thread-key", key]);
    }
    for key in reviewers {
        project.ok(&["init-agent", "--thread-key", key, "--role", "reviewer"]);
    }
    let served: Vec<String> = std::thread::scope(|scope| {
        let finish = ["finish", "--summary", "done", "--changed-path", "a"];
        let at_work: Vec<_> =
            workers.iter().map(|key| scope.spawn(move || work(project, key, "claim-next", &finish))).collect();
        let at_review: Vec<_> = reviewers
            .iter()
            .map(|key| scope.spawn(move || work(project, key, "claim-review-next", &["approve"])))
            .collect();
        for reviewer in at_review {
            reviewer.join().unwrap();
        }
        at_work.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut times: HashMap<&str, usize> = HashMap::new();
    for module in &served {
        *times.entry(module).or_default() += 1;
    }
    assert_eq!((served.len(), times.len()), (TASKS, TASKS), "each once");
    assert_eq!(project.count("SELECT count(*) FROM attempts WHERE outcome = 'finished'"), 60);
    assert_eq!(project.count("SELECT count(*) FROM verdicts"), 15);
    project.must_be_sound();
    let (board, shown) = project.revisions();
    assert_eq!(board, shown, "the last one to leave shows everything");
    assert!(project.page("STATUS.md").contains("**Complete.** 60 of 60 tasks are done."));
}

#[test]
fn fifty_readers_do_not_starve_a_writer() {
    let project = Project::new();
    plan(&project, 20);
    let (project, stop) = (&project, &AtomicBool::new(false));
    let before = project.count("SELECT revision FROM board");
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut reader = project.command(&["tasks"]);
                    let status = reader.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
                    assert!(status.success(), "a reader is never refused");
                }
            });
        }
        for at in 0..10 {
            // The lock's own deadline says whether it starved.
            let run = project.run(&["add-task", &format!("new{at}"), "--title", "New"]);
            if run.code != 0 {
                stop.store(true, Ordering::Relaxed);
                panic!("{run:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    // Looking at the board wrote nothing.
    assert_eq!(project.count("SELECT revision FROM board"), before + 10);
    assert_eq!(project.count("SELECT presence FROM board"), 0);
}
