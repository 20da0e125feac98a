//! Hosts that work on one shared board, whose processes are killed at random: every operation that was acknowledged is there
//! in the end, none was done twice, and nobody was refused or kept waiting.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A host with its own way to the directory, its own id, state and clock.
pub struct Host {
    /// The project as this host sees it.
    pub root: PathBuf,
    /// What its processes have in their environment besides `PATH`.
    pub environment: Vec<(&'static str, OsString)>,
    /// Counts each time it is cut off from the directory and each time it is connected again: odd while it is cut off.
    cuts: AtomicUsize,
}

/// What all workers of a play came to.
#[derive(Default)]
pub struct Report {
    /// Operations that were acknowledged, by request id.
    pub acknowledged: AtomicUsize,
    /// Processes that were killed.
    pub kills: AtomicUsize,
    longest: Mutex<(Duration, String)>,
    finished: Mutex<HashMap<String, String>>,
    added: Mutex<Vec<String>>,
}

/// How a play goes.
#[derive(Clone, Copy)]
pub struct Play {
    /// Tasks that workers add, claim and finish.
    pub tasks: usize,
    /// Workers on each host.
    pub workers: usize,
    /// One of this many processes is killed.
    pub kill_one_in: u64,
}

/// Numbers that look random and are the same at each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

impl Host {
    /// A host that reaches the project at `root` and keeps its own state in `home`.
    pub fn new(root: PathBuf, home: &std::path::Path) -> Self {
        for directory in ["state", "run"] {
            std::fs::create_dir_all(home.join(directory)).unwrap();
        }
        let environment = vec![
            ("HOME", home.as_os_str().to_owned()),
            ("XDG_STATE_HOME", home.join("state").into_os_string()),
            ("XDG_RUNTIME_DIR", home.join("run").into_os_string()),
            ("USER", "pat".into()),
        ];
        Self { root, environment, cuts: AtomicUsize::new(0) }
    }

    /// The same with one more variable.
    pub fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Its way to the directory goes, or comes back: commands may fail in between.
    pub fn cut_or_connect(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }

    fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }

    /// A command that has not started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
        command.args(arguments).env_clear().current_dir("/").stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("CALLBOARD_PROJECT_ROOT", &self.root).envs(self.environment.iter().cloned());
        command
    }

    /// Runs a command with `--json` that must be done; its answer.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[arguments, &["--json"]].concat()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// One agent at work on one host.
struct Worker<'a> {
    host: &'a Host,
    agent: String,
    dice: Dice,
    play: Play,
    report: &'a Report,
    requests: usize,
    /// How long its last command took that was not killed.
    last: Duration,
}

impl Worker<'_> {
    /// Runs a command, with the same request id until it has answered: killed at random, and repeated while its host was
    /// cut off. What it must never come to is a refusal by the lock, a place or a mistake.
    fn persist(&mut self, words: &[&str]) -> (i32, Value) {
        self.requests += 1;
        let request = format!("{}-{}", self.agent, self.requests);
        let begin = Instant::now();
        loop {
            let cuts = self.host.cuts();
            let words = [words, &["--agent-id", &self.agent, "--request-id", &request, "--json"]].concat();
            let mut command = self.host.command(&words);
            let started = Instant::now();
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            if self.dice.below(self.play.kill_one_in) == 0 {
                // Somewhere in the time that a command takes here: it is to be met at work, on a fast host as on a slow one.
                let percent = u32::try_from(self.dice.below(100)).unwrap();
                std::thread::sleep(self.last * percent / 100);
                let _ = child.kill();
            }
            let output = child.wait_with_output().unwrap();
            if output.status.code().is_some() {
                self.last = started.elapsed().max(Duration::from_millis(1));
            }
            let Some(code) = output.status.code() else {
                self.report.kills.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            if matches!(code, 0 | 3 | 10) {
                let mut longest = self.report.longest.lock().unwrap();
                if begin.elapsed() > longest.0 {
                    *longest = (begin.elapsed(), words.join(" "));
                }
                self.report.acknowledged.fetch_add(1, Ordering::Relaxed);
                return (code, serde_json::from_slice(&output.stdout).unwrap());
            }
            let was_cut = cuts % 2 == 1 || self.host.cuts() != cuts;
            assert!(was_cut, "{words:?}: {output:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Adds its part of the tasks, then claims and finishes until the board is complete.
    fn work(&mut self, own: &[String]) {
        self.persist(&["init-agent", "--thread-key", &self.agent.clone()]);
        for module in own {
            self.persist(&["add-task", module, "--title", "A task"]);
            self.report.added.lock().unwrap().push(module.clone());
            self.claim_and_finish();
        }
        while self.claim_and_finish() != 10 {}
    }

    fn claim_and_finish(&mut self) -> i32 {
        let (code, claimed) = self.persist(&["claim-next"]);
        if code == 0 {
            let (module, token) =
                (claimed["task"]["module"].as_str().unwrap(), claimed["lease"]["token"].as_str().unwrap());
            let finish = ["finish", module, "--lease-token", token, "--summary", "done", "--changed-path", "x"];
            let (code, _) = self.persist(&finish);
            assert_eq!(code, 0, "finish of {module}");
            let before = self.report.finished.lock().unwrap().insert(module.to_owned(), self.agent.clone());
            assert_eq!(before, None, "{module} was finished twice");
        }
        code
    }
}

/// Plays until the board is complete, beside `meanwhile`, and checks that nothing was lost or done twice.
pub fn play(hosts: &[Host], play: Play, meanwhile: impl FnOnce(&Report) + Send) -> Report {
    let report = Report::default();
    let workers = hosts.len() * play.workers;
    std::thread::scope(|scope| {
        let report = &report;
        for number in 0..workers {
            let (host, agent) = (&hosts[number % hosts.len()], format!("w{number}"));
            let own: Vec<String> = (number..play.tasks).step_by(workers).map(|task| format!("t{task}")).collect();
            let dice = Dice(0x9e37_79b9_7f4a_7c15 ^ ((number as u64 + 1) << 20));
            scope.spawn(move || {
                Worker { host, agent, dice, play, report, requests: 0, last: Duration::from_millis(60) }.work(&own);
            });
        }
        meanwhile(report);
    });
    let first = &hosts[0];
    assert_eq!(report.added.lock().unwrap().len(), play.tasks);
    let state = first.json(&["state", "--format", "full", "--limit", "500"]);
    let tasks = state["tasks"].as_array().unwrap();
    for module in report.added.lock().unwrap().iter() {
        let task = tasks.iter().find(|task| task["module"] == *module).unwrap_or_else(|| panic!("{module} is lost"));
        assert_eq!((&task["state"], &task["attempts"]), (&"done".into(), &1.into()), "{task}");
    }
    for host in hosts {
        let output = host.command(&["validate"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let (longest, what) = report.longest.lock().unwrap().clone();
    assert!(longest < Duration::from_secs(60), "{what} took {longest:?}");
    report
}

/// Waits, at most a minute and a half, until something is so.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < Duration::from_secs(90), "{what}: it never happened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How often a play is repeated: once, or as often as a soak wants it.
pub fn rounds() -> usize {
    std::env::var("CALLBOARD_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
