//! Whole processes, always against a floor measured in the same run. `scripts/bench.sh` says where the binaries and the
//! shim are, and prints the table.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock and the environment")]
#![expect(clippy::unwrap_used, reason = "a measuring program may stop at the first surprise")]
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

mod aboard;
mod doors;
mod waiting;

/// How often each command is timed; the median counts.
const RUNS: usize = 40;
/// The processes of the storm.
const WORKERS: usize = 16;
/// The tasks of the storm.
const STORM_TASKS: usize = 200;

struct Bench {
    callboard: PathBuf,
    floor: PathBuf,
    shim: PathBuf,
    directory: PathBuf,
}

/// A part of the table, and what measures it.
type Part = (&'static str, fn(&Bench));

fn path(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("scripts/bench.sh sets {name}")))
}

fn main() {
    // `cargo test` builds and may start benches; without its script this one has nothing to measure.
    if std::env::var_os("CALLBOARD_BENCH").is_none() {
        return;
    }
    let bench = Bench {
        callboard: path("CALLBOARD_BIN"),
        floor: path("FLOOR_BIN"),
        shim: path("FAULTS_SHIM"),
        directory: path("BENCH_DIR"),
    };
    println!("| figure | measured | floor | ratio | bound |\n| --- | --- | --- | --- | --- |");
    // BENCH_PART names one of them; all are run without it.
    let wanted = std::env::var("BENCH_PART").ok().filter(|part| !part.is_empty());
    let parts: [Part; 8] = [
        ("claims", Bench::claims),
        ("growth", Bench::growth),
        ("events", Bench::events),
        ("waiting", waiting::measure),
        ("reads", Bench::reads),
        ("storm", Bench::storm),
        ("aboard", aboard::measure),
        ("doors", doors::measure),
    ];
    for (_, part) in parts.iter().filter(|(name, _)| wanted.as_deref().is_none_or(|wanted| wanted == *name)) {
        part(&bench);
    }
}

fn row(name: &str, measured: Duration, floor: Duration, bound: f64) {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let ratio = ms(measured) / ms(floor);
    println!("| {name} | {:.2} ms | {:.2} ms | {ratio:.2} | {bound} |", ms(measured), ms(floor));
}

impl Bench {
    fn callboard(&self, project: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.callboard);
        command.env("CALLBOARD_PROJECT_ROOT", project).env("XDG_STATE_HOME", self.directory.join("state"));
        command.current_dir(project).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn floor_command(&self, directory: &Path, what: &str) -> Command {
        let mut command = Command::new(&self.floor);
        command.arg(what).arg(directory).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn slow(&self, mut command: Command, sync_us: u64) -> Command {
        if sync_us > 0 {
            command.env("LD_PRELOAD", &self.shim).env("FAULT_SYNC_US", sync_us.to_string());
        }
        command
    }

    /// A board of so many tasks, with a worker that may hold as many as it likes.
    fn board(&self, name: &str, tasks: usize) -> PathBuf {
        let project = self.directory.join(name);
        std::fs::create_dir_all(&project).unwrap();
        let plan = project.join("plan.jsonl");
        let line = |n: usize| {
            let needs = if n % 10 == 9 { format!(",\"depends_on\":[\"task-{}\"]", n - 1) } else { String::new() };
            let field = ["backend", "frontend", "docs", "ops"][n % 4];
            format!(
                "{{\"module\":\"task-{n}\",\"title\":\"Task number {n}\",\"specialty\":\"{field}\",\"priority\":{}{needs}}}\n",
                n % 5
            )
        };
        std::fs::write(&plan, (0..tasks).map(line).collect::<String>()).unwrap();
        done(self.callboard(&project, &["init"]));
        done(self.callboard(&project, &["intake", "--from", plan.to_str().unwrap()]));
        done(self.callboard(&project, &["init-agent", "--thread-key", "w", "--max-tasks", "1000"]));
        project
    }

    fn floor_board(&self, name: &str, tasks: usize) -> PathBuf {
        let directory = self.directory.join(name);
        done({
            let mut command = self.floor_command(&directory, "make");
            command.arg(tasks.to_string());
            command
        });
        directory
    }

    fn claims(&self) {
        for (name, sync_us, bound) in [("1 ms fsync", 1_000, 1.3), ("disk as it is", 0, 2.5)] {
            let floor_dir = self.floor_board(&format!("floor-{sync_us}"), 100);
            let board = self.board(&format!("claims-{sync_us}"), 100);
            let (ours, floor) = paired(
                |_| self.slow(self.callboard(&board, &["claim-next", "--agent-id", "w", "--quiet"]), sync_us),
                |_| self.slow(self.floor_command(&floor_dir, "claim"), sync_us),
            );
            row(&format!("claim-next, 100 tasks, {name}"), ours, floor, bound);
        }
    }

    /// The same command at 100 tasks and at 100,000.
    fn growth(&self) {
        let (small, large) = (self.board("small", 100), self.board("large", 100_000));
        let pair = |name: &str, arguments: &dyn Fn(&Path, usize) -> Vec<String>| {
            let command = |project: &Path, run| {
                let arguments = arguments(project, run);
                self.callboard(project, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
            };
            let (at_large, at_small) = paired(|run| command(&large, run), |run| command(&small, run));
            row(&format!("{name}, 100,000 tasks against 100"), at_large, at_small, 1.3);
        };
        let words = |line: &str| line.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        pair("claim-next", &|_, _| words("claim-next --agent-id w --quiet"));
        pair("add-task", &|_, run| words(&format!("add-task new-{run} --title New --depends-on task-0")));
        pair("heartbeat", &|project, run| {
            let (module, token) = Self::held(project, run);
            words(&format!("heartbeat {module} --agent-id w --lease-token {token}"))
        });
        pair("finish", &|project, run| {
            let (module, token) = Self::held(project, run);
            words(&format!(
                "finish {module} --agent-id w --lease-token {token} --summary done --changed-path a --quiet"
            ))
        });
        pair("next-action", &|_, _| words("next-action --agent-id w"));
    }

    /// A page of events by a cursor, at a thousand and at a million.
    fn events(&self) {
        let board = |name: &str, many: u64| {
            let project = self.board(name, 10);
            let db = rusqlite::Connection::open(project.join("project-plan/coordination.db")).unwrap();
            let fill = "WITH RECURSIVE n(seq) AS (SELECT (SELECT event_seq FROM board) + 1 UNION ALL \
                        SELECT seq + 1 FROM n WHERE seq < ?1) \
                        INSERT INTO events (seq, at, kind, source, module, actor, board_revision, priority, data) \
                        SELECT seq, 1800000000000, 'claimed', 'mutation', 'task-' || (seq % 10), 'w', 3, 2, '{}' FROM n";
            db.execute(fill, [i64::try_from(many).unwrap()]).unwrap();
            db.execute("UPDATE board SET event_seq = ?1", [i64::try_from(many).unwrap()]).unwrap();
            project
        };
        let (thousand, million) = (board("events-1000", 1_000), board("events-1000000", 1_000_000));
        for (name, begin) in [("the newest page", "newest"), ("the first page", "0")] {
            let read = |project: &Path, last: u64, run: usize| {
                let since = if begin == "0" { "0".to_owned() } else { (last - 25).to_string() };
                let cursor = format!("{begin}-{run}");
                self.callboard(project, &["events", "--cursor-id", &cursor, "--since", &since])
            };
            let (at_million, at_thousand) =
                paired(|run| read(&million, 1_000_000, run), |run| read(&thousand, 1_000, run));
            row(&format!("events --cursor-id, {name} of 1,000,000 against 1,000"), at_million, at_thousand, 1.3);
        }
    }

    /// A task that the worker holds, with its token: read from the database, because no list prints tokens.
    fn held(project: &Path, run: usize) -> (String, String) {
        let db = rusqlite::Connection::open(project.join("project-plan/coordination.db")).unwrap();
        let at = i64::try_from(run).unwrap();
        let query = "SELECT module, token FROM leases ORDER BY task LIMIT 1 OFFSET ?1 % (SELECT count(*) FROM leases)";
        db.query_row(query, [at], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    fn reads(&self) {
        let large = self.board("reads", 100_000);
        let version = median(|_| self.callboard(&large, &["--version"]));
        let bound = version * 2 + Duration::from_millis(3);
        for line in [
            "summary",
            "tasks",
            "tasks --state open --specialty docs",
            "show task-5",
            "next-claimable --agent-id w",
            "next-action --agent-id w",
            "next-reviewable --agent-id w",
            "explain task-5 --agent-id w",
            "history task-5",
            "graph",
            "state",
            "agents",
            "sessions",
            "leases",
        ] {
            let arguments: Vec<&str> = line.split(' ').collect();
            let time = median(|_| self.callboard(&large, &arguments));
            row(&format!("{line}, 100,000 tasks (bound: twice --version and 3 ms)"), time, bound, 1.0);
        }
        self.memory(&large);
    }

    /// Peak memory: the highest resident size that the process itself reports when it ends.
    fn memory(&self, large: &Path) {
        for line in [
            "claim-next --agent-id w",
            "summary",
            "state --format full --json",
            "tasks --limit 1000",
            "graph --limit 1000",
            "add-task mem --title m",
        ] {
            self.peak(large, line, "100,000 tasks", 16);
        }
    }

    /// One row of it.
    fn peak(&self, project: &Path, line: &str, of_what: &str, bound: u32) {
        let report = self.directory.join("peak");
        let arguments: Vec<&str> = line.split(' ').collect();
        let mut command = self.callboard(project, &arguments);
        done({
            command.env("LD_PRELOAD", &self.shim).env("FAULT_PEAK_FILE", &report);
            command
        });
        let peak: u64 = std::fs::read_to_string(&report).unwrap().trim().parse().unwrap();
        let (whole, tenth) = (peak / 1024, peak % 1024 * 10 / 1024);
        println!("| {line}, {of_what}, peak memory | {whole}.{tenth} MB | | | {bound} MB |");
    }

    /// Many processes, each a loop of claim and finish, until nothing is left: against the floor doing the same.
    fn storm(&self) {
        let project = self.board("storm", STORM_TASKS);
        for worker in 0..WORKERS {
            done(self.callboard(&project, &["init-agent", "--thread-key", &format!("w{worker}")]));
        }
        let begin = Instant::now();
        let served: Vec<usize> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    scope.spawn({
                        let project = &project;
                        move || self.work(project, worker, 1_000)
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        });
        let ours = begin.elapsed();
        assert_eq!(served.iter().sum::<usize>(), STORM_TASKS, "every task is given once");
        let directory = self.floor_board("floor-storm", STORM_TASKS);
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    loop {
                        let code = self.slow(self.floor_command(&directory, "claim"), 1_000).status().unwrap().code();
                        if code == Some(3) {
                            break;
                        }
                        done(self.slow(self.floor_command(&directory, "finish"), 1_000));
                    }
                });
            }
        });
        row("storm: 16 processes, 200 tasks, 1 ms fsync", ours, begin.elapsed(), 1.6);
        let (least, most) = (*served.iter().min().unwrap(), *served.iter().max().unwrap());
        let percent = 100 * least / most;
        println!(
            "| storm: least served of most served | {least} | {most} | {}.{:02} | at least 0.5 |",
            percent / 100,
            percent % 100
        );
    }

    /// One worker of the storm: how many tasks it was given.
    fn work(&self, project: &Path, worker: usize, sync_us: u64) -> usize {
        let agent = format!("w{worker}");
        let run = |arguments: &[&str]| {
            let mut command = self.slow(self.callboard(project, arguments), sync_us);
            let output = command.stdout(Stdio::piped()).output().unwrap();
            (output.status.code(), serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap())
        };
        let mut served = 0;
        loop {
            let (code, reply) = run(&["claim-next", "--agent-id", &agent, "--json"]);
            match code {
                Some(0) => {
                    let (module, token) = (&reply["task"]["module"], &reply["lease"]["token"]);
                    let (module, token) = (module.as_str().unwrap(), token.as_str().unwrap());
                    let (code, reply) = run(&[
                        "finish",
                        module,
                        "--agent-id",
                        &agent,
                        "--lease-token",
                        token,
                        "--summary",
                        "done",
                        "--json",
                    ]);
                    assert_eq!(code, Some(0), "{reply}");
                    served += 1;
                }
                Some(3) => {}
                Some(10) => return served,
                _ => panic!("{agent}: {code:?} {reply}"),
            }
        }
    }
}

fn done(mut command: Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

fn time(mut command: Command) -> Duration {
    let begin = Instant::now();
    let status = command.status().unwrap();
    let time = begin.elapsed();
    assert!(matches!(status.code(), Some(0 | 3)), "{command:?}: {status}");
    time
}

fn median(make: impl Fn(usize) -> Command) -> Duration {
    let times = (0..RUNS).map(|run| time(make(run))).collect();
    middle(times)
}

/// Two commands in turn, so that both see the same machine.
fn paired(a: impl Fn(usize) -> Command, b: impl Fn(usize) -> Command) -> (Duration, Duration) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        ours.push(time(a(run)));
        theirs.push(time(b(run)));
    }
    (middle(ours), middle(theirs))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
