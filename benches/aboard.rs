//! Coming aboard: a project of 50,000 files from nothing to a first plan, the loop of the skill, and the doctor.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Bench, done, median, middle, row, time};

/// Files of the project,
const FILES: usize = 50_000;
/// so many in a directory, as source trees have.
const IN_DIRECTORY: usize = 8;
/// How often a first plan is made; the median counts.
const PLANS: usize = 9;

/// Prints this part of the table.
pub fn measure(bench: &Bench) {
    first_plan(bench);
    the_loop(bench);
    doctor(bench);
}

/// A source tree in a git repository, in which one file in twenty has a mark.
fn project(bench: &Bench) -> PathBuf {
    let top = bench.directory.join("fifty-thousand");
    let ends = ["rs", "py", "ts", "go", "md", "json", "c", "h"];
    for number in 0..FILES {
        let place = number / IN_DIRECTORY;
        let directory = top.join(format!("pkg{}/part{}/module{place}", place / 250, place / 10));
        if number % IN_DIRECTORY == 0 {
            std::fs::create_dir_all(&directory).unwrap();
        }
        let lines = 10 + number % 90;
        let mut text = "// some words of a file that nobody reads\n".repeat(lines);
        if number % 20 == 0 {
            // In parts, so that this file has no mark of its own.
            text += &["// TO", "DO: handle case ", &number.to_string(), "\n"].concat();
        }
        std::fs::write(directory.join(format!("f{number}.{}", ends[number % ends.len()])), text).unwrap();
    }
    for package in 0..FILES / IN_DIRECTORY / 250 {
        std::fs::write(top.join(format!("pkg{package}/.gitignore")), "target/\n*.log\nbuild/\n").unwrap();
    }
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&top).args(["-c", "user.name=b", "-c", "user.email=b@example.org"]).args(arguments);
        done({
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        });
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "begin"]);
    top
}

fn first_plan(bench: &Bench) {
    let top = project(bench);
    let steps: [&[&str]; 3] =
        [&["init"], &["preflight", "--confirm-workspace", "--confirm-branch"], &["intake", "--seed-tasks"]];
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..PLANS {
        let _ = std::fs::remove_dir_all(top.join("project-plan"));
        ours.push(steps.iter().map(|step| time(bench.callboard(&top, step))).sum::<Duration>());
        floor.push(time(bench.floor_command(&top, "walk")));
    }
    row("init, preflight, intake --seed-tasks, 50,000 files", middle(ours), middle(floor), 3.0);
    let _ = std::fs::remove_dir_all(top.join("project-plan"));
    done(bench.callboard(&top, &["init"]));
    bench.peak(&top, "intake --seed-tasks", "50,000 files", 100);
}

/// One task from nothing to reviewed and done, by the commands of SKILL.md in their order.
fn the_loop(bench: &Bench) {
    let project = bench.directory.join("loop");
    std::fs::create_dir_all(&project).unwrap();
    done(bench.callboard(&project, &["init"]));
    let flags = ["--acceptance", "tests pass", "--owned-paths", "src/auth/**", "--review", "required"];
    let body = ["--body", "Sessions live in a cookie for a day. The login form posts to /session."];
    done(bench.callboard(&project, &[&["add-task", "auth", "--title", "Sign in"][..], &flags, &body].concat()));
    let mut bytes = 0;
    let mut said = |words: &[&str]| {
        let mut command = bench.callboard(&project, words);
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        bytes += output.stdout.len() + output.stderr.len();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().find_map(|line| line.strip_prefix("lease_token: ")).unwrap_or_default().to_owned()
    };
    let worker = {
        said(&["init-agent", "--thread-key", "ann", "--role", "worker", "--while-session"]);
        let token = said(&["claim-next", "--agent-id", "ann", "--watch-seconds", "90"]);
        let summary = "the form signs in, 12 tests";
        said(&["finish", "auth", "--agent-id", "ann", "--lease-token", &token, "--summary", summary]);
        3
    };
    let reviewer = {
        said(&["init-agent", "--thread-key", "rita", "--role", "reviewer", "--while-session"]);
        let token = said(&["claim-review-next", "--agent-id", "rita", "--watch-seconds", "90"]);
        said(&["approve", "auth", "--agent-id", "rita", "--lease-token", &token, "--notes", "read it, ran it"]);
        3
    };
    println!("| the loop of SKILL.md: commands of the worker | {worker} | | | 6 |");
    println!("| the loop of SKILL.md: commands of the reviewer | {reviewer} | | | 3 |");
    println!("| the loop of SKILL.md: text of all of them | {bytes} bytes | | | 6000 bytes |");
}

fn doctor(bench: &Bench) {
    let healthy = bench.board("healthy", 100);
    let limit = |name: &str, time: Duration, bound: u32| {
        println!("| {name} | {:.0} ms | | | {bound} ms |", time.as_secs_f64() * 1e3);
    };
    limit("doctor, healthy board, 100 tasks", median(|_| bench.callboard(&healthy, &["doctor"])), 1_000);
    limit("doctor, a stopped process holds the lock", stopped(bench, &healthy), 5_000);
}

/// How long the doctor takes beside a process that was stopped while it held the lock.
fn stopped(bench: &Bench, project: &Path) -> Duration {
    let mut command = bench.callboard(project, &["add-task", "stuck", "--title", "Stuck"]);
    command.env("LD_PRELOAD", &bench.shim).env("FAULT_STOP_AT", "1");
    let mut holder = command.spawn().unwrap();
    let pid = holder.id();
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().contains(") T") {
        std::thread::yield_now();
    }
    let begin = Instant::now();
    let output = bench.callboard(project, &["doctor"]).stdout(Stdio::piped()).output().unwrap();
    let took = begin.elapsed();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("process {pid}")) && said.contains("stopped"), "{said}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    took
}
