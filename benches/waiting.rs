//! Waiting windows: how fast they wake, what they cost while they sleep, and what they cost a writer beside them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use super::{Bench, done, paired, row};

/// The windows that wait on one board.
const WINDOWS: usize = 50;
/// How often one of them is woken.
const WAKES: usize = 200;
/// How often where no file event arrives.
const DEAF_WAKES: usize = 20;
/// For how long idle windows are watched.
const IDLE: Duration = Duration::from_secs(20);

struct Windows<'a> {
    bench: &'a Bench,
    board: PathBuf,
    deaf: bool,
    children: Vec<Child>,
}

impl<'a> Windows<'a> {
    /// A board on which so many windows wait, each for a task of a field of its own.
    fn new(bench: &'a Bench, name: &str, deaf: bool) -> Self {
        let board = bench.board(name, 100);
        // What is there to be had would end the waits.
        let mut windows = Self { bench, board, deaf, children: Vec::new() };
        for n in 0..WINDOWS {
            let key = format!("waiter-{n}");
            done(
                bench
                    .callboard(&windows.board, &["init-agent", "--thread-key", &key, "--max-tasks", "1000", "--quiet"]),
            );
            let child = windows.wait(n);
            windows.children.push(child);
        }
        windows.settle();
        windows
    }

    fn wait(&self, n: usize) -> Child {
        let (agent, field) = (format!("waiter-{n}"), format!("field-{n}"));
        let line = ["claim-next", "--agent-id", &agent, "--specialty", &field, "--watch-seconds", "3600", "--quiet"];
        let mut command: Command = self.bench.callboard(&self.board, &line);
        if self.deaf {
            command.env("LD_PRELOAD", &self.bench.shim).env("FAULT_DEAF", "1");
        }
        command.stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Waits until all of them sleep: their start is not what is measured.
    fn settle(&self) {
        std::thread::sleep(Duration::from_millis(500));
        let mut before = self.busy();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.busy();
            if now.saturating_sub(before) <= Duration::from_millis(20) {
                return;
            }
            before = now;
        }
    }

    /// The processor time of all of them so far.
    fn busy(&self) -> Duration {
        self.children.iter().map(|child| busy(child.id())).sum()
    }

    /// Adds the task that a window waits for. Says how long it was from the commit to the whole answer.
    fn wake(&mut self, n: usize, run: usize) -> Duration {
        let (module, field) = (format!("wake-{run}"), format!("field-{n}"));
        let pulse = self.board.join("project-plan/.callboard/pulse");
        let mut stdout = self.children[n].stdout.take().unwrap();
        let woken = std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let mut text = String::new();
                stdout.read_to_string(&mut text).unwrap();
                (text, SystemTime::now())
            });
            let line = ["add-task", &module, "--title", "Wake", "--specialty", &field, "--quiet"];
            let mut add = self.bench.callboard(&self.board, &line).spawn().unwrap();
            // The first change of the pulse from now on is the commit; its time is that of the kernel's clock, which is up to
            // 4 ms behind, to the disadvantage of what is measured.
            let committed = changed(&pulse);
            let (text, at) = reader.join().unwrap();
            assert!(add.wait().unwrap().success() && text.contains(&module), "{text}");
            at.duration_since(committed).unwrap_or_default()
        });
        assert!(self.children[n].wait().unwrap().success());
        self.children[n] = self.wait(n);
        std::thread::sleep(Duration::from_millis(60));
        woken
    }
}

impl Drop for Windows<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The time of the next change of a file.
fn changed(path: &Path) -> SystemTime {
    let time = || std::fs::metadata(path).unwrap().modified().unwrap();
    let before = time();
    loop {
        let now = time();
        if now != before {
            return now;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// How long the threads of a process have run, as the scheduler counts it.
fn busy(pid: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort();
    // The nearest rank.
    times[(times.len() * percent).div_ceil(100).max(1) - 1]
}

fn figure(name: &str, measured: Duration, bound: &str) {
    println!("| {name} | {:.2} ms | | | {bound} |", measured.as_secs_f64() * 1e3);
}

pub(super) fn measure(bench: &Bench) {
    let mut windows = Windows::new(bench, "waiting", false);
    let mut woken: Vec<Duration> = (0..WAKES).map(|run| windows.wake(run * 7 % WINDOWS, run)).collect();
    figure("wake-up with 50 windows, from commit to answer, p50", percentile(&mut woken, 50), "20 ms");
    figure("wake-up with 50 windows, from commit to answer, p99", percentile(&mut woken, 99), "100 ms");
    windows.settle();
    let before = windows.busy();
    std::thread::sleep(IDLE);
    let busy = windows.busy().saturating_sub(before);
    println!(
        "| 50 idle windows, part of one core | {:.2} % | | | 2 % |",
        100.0 * busy.as_secs_f64() / IDLE.as_secs_f64()
    );
    // The same board without the windows: what is on a board costs as well.
    let alone = bench.directory.join("writer-alone");
    done({
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(&windows.board).arg(&alone);
        copy
    });
    let write = |board: &Path, run: usize| {
        bench.callboard(board, &["add-task", &format!("of-no-concern-{run}"), "--title", "T", "--specialty", "other"])
    };
    let (beside, alone) = paired(|run| write(&windows.board, run), |run| write(&alone, run));
    row("a writer beside 50 waiting windows against one alone", beside, alone, 1.2);
    drop(windows);
    let mut deaf = Windows::new(bench, "deaf", true);
    let mut woken: Vec<Duration> = (0..DEAF_WAKES).map(|run| deaf.wake(run * 7 % WINDOWS, run)).collect();
    figure("wake-up where no file event arrives, the slowest", percentile(&mut woken, 100), "2000 ms");
}
