//! A server that is stopped (SIGSTOP): the system still takes connections for it, and nothing answers.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::project::Project;
use crate::server::Server;

/// How long a client may take to find out: many times what it does, and far less than two whole tries.
const ENOUGH: Duration = Duration::from_secs(60);

fn signal(server: &Server, name: &str) {
    assert!(Command::new("kill").args([name, &server.pid().to_string()]).status().unwrap().success());
}

#[test]
fn a_stopped_server_holds_no_client_for_minutes() {
    let project = Project::new();
    let server = Server::start(&project, &["--tokens-always"]);
    let token = project.token("worker");
    signal(&server, "-STOP");
    let ask = |arguments: &[&str], token: Option<&str>| {
        let mut command = project.command(&[arguments, &["--json", "--server-url", &server.url]].concat());
        command.envs(token.map(|token| ("CALLBOARD_TOKEN", token)));
        let watch = Instant::now();
        let output = command.output().unwrap();
        assert!(watch.elapsed() < ENOUGH, "{arguments:?} took {:?}", watch.elapsed());
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &answer["error"]["code"]), (Some(9), &"unreachable".into()), "{answer}");
        answer
    };
    ask(&["summary"], Some(&token));
    let change = ask(&["notify", "--target", "workers", "--message", "x"], Some(&token));
    let request = change["error"]["details"]["request_id"].as_str().unwrap().to_owned();
    assert!(change["error"]["hint"].as_str().unwrap().contains(&format!("--request-id {request}")), "{change}");
    signal(&server, "-CONT");
    // What was sent to it is done at most once.
    let again =
        ["notify", "--target", "workers", "--message", "x", "--request-id", &request, "--server-url", &server.url];
    let mut command = project.command(&again);
    assert!(command.env("CALLBOARD_TOKEN", &token).output().unwrap().status.success());
    assert_eq!(project.count("SELECT count(*) FROM events WHERE kind = 'message'"), 1);
}

#[test]
fn a_server_that_lives_and_waits_for_the_lock_is_waited_for() {
    let project = Project::new();
    let server = Server::start(&project, &[]);
    let gate = File::open(project.plan(".callboard/gate")).unwrap();
    gate.lock().unwrap();
    let run = std::thread::scope(|scope| {
        let asks = scope.spawn(|| project.run(&["summary", "--server-url", &server.url]));
        // Longer than the silence after which the client asks whether the server lives.
        std::thread::sleep(Duration::from_secs(11));
        drop(gate);
        asks.join().unwrap()
    });
    assert_eq!(run.code, 0, "{run:?}");
}
