//! A project directory with an environment of its own, and what one needs to run callboard in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;

use crate::server::Server;

/// A project, empty at first.
pub struct Project {
    /// Everything: the project, the home, the state of the host.
    top: TempDir,
    /// The project itself.
    pub root: PathBuf,
    fixed: bool,
    runs: AtomicU64,
    faults: Vec<(&'static str, String)>,
    /// The server that commands ask, if they do not use the directory.
    pub server: Option<Server>,
}

/// What a process came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// What a process left that has ended.
    pub fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let run = Self { code, out: text(output.stdout), err: text(output.stderr) };
        // A panic is answered with code 1, and nothing that happens to a board may be one.
        assert!(run.code != 1 && !run.err.contains("panicked"), "{run:?}");
        run
    }

    /// The answer as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the refusal in a JSON answer.
    pub fn refusal(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl Project {
    /// A directory without a board, with a space and a letter beyond ASCII in its path.
    pub fn bare() -> Self {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().canonicalize().unwrap().join("prøjekt x");
        for directory in [&root, &top.path().join("home"), &top.path().join("run")] {
            std::fs::create_dir(directory).unwrap();
        }
        Self { top, root, fixed: false, runs: AtomicU64::new(1), faults: Vec::new(), server: None }
    }

    /// A project with a board.
    pub fn new() -> Self {
        let project = Self::bare();
        project.ok(&["init"]);
        project
    }

    /// A project with a board, a clock that steps and names that count.
    pub fn fixed() -> Self {
        let project = Self::bare_fixed();
        project.ok(&["init", "--name", "play"]);
        project
    }

    /// The same without a board.
    pub fn bare_fixed() -> Self {
        Self { fixed: true, ..Self::bare() }
    }

    /// Has names counted from here on, on a board that was made with lower ones.
    pub fn count_names_from(&self, first: u64) {
        self.runs.store(first, Ordering::Relaxed);
    }

    /// The same project as it is now, elsewhere.
    pub fn copy(&self) -> Self {
        let mut other = Self::bare();
        other.fixed = self.fixed;
        copy_tree(&self.root, &other.root);
        copy_tree(&self.top.path().join("home"), &other.top.path().join("home"));
        // Another host, which has never seen the first directory.
        let _ = std::fs::remove_dir_all(other.top.path().join("home/callboard/boards"));
        other
    }

    /// The same with a fault in every process that is started from now on.
    pub fn with_fault(mut self, variable: &'static str, value: impl std::fmt::Display) -> Self {
        self.faults.push((variable, value.to_string()));
        self
    }

    /// The same without faults from now on.
    pub fn without_faults(mut self) -> Self {
        self.faults.clear();
        self
    }

    /// A command that has not started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_callboard"));
        command.args(arguments);
        self.closed(&mut command);
        command
    }

    /// Gives a command the environment of this project.
    pub fn closed(&self, command: &mut Command) {
        let binary = Path::new(env!("CARGO_BIN_EXE_callboard")).parent().unwrap().to_string_lossy().into_owned();
        command.env_clear().current_dir(&self.root).stdin(Stdio::null());
        command.env("PATH", format!("{binary}:{}", std::env::var("PATH").unwrap_or_default()));
        command.env("HOME", self.top.path().join("home")).env("USER", "pat");
        command.env("XDG_STATE_HOME", self.top.path().join("home")).env("XDG_RUNTIME_DIR", self.top.path().join("run"));
        command.env("CALLBOARD_LOCK_TIMEOUT", "50");
        if self.fixed {
            // Each process draws other names than the one before, and always the same ones.
            let seed = self.runs.fetch_add(1, Ordering::Relaxed);
            command.env("CALLBOARD_TEST_CLOCK", "1800000000000").env("CALLBOARD_TEST_SEED", seed.to_string());
            command.env("CALLBOARD_HOST_ID", "h-test").env("CALLBOARD_TEST_HOST_NAME", "stagehand");
        }
        if let Some(server) = &self.server {
            command.env("CALLBOARD_SERVER_URL", &server.url);
        }
        if !self.faults.is_empty() {
            command.env("LD_PRELOAD", shim()).envs(self.faults.iter().map(|(name, value)| (name, value)));
        }
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// The same in the directory, also where there is a server.
    pub fn run_here<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Run {
        Run::of(self.command(arguments).env_remove("CALLBOARD_SERVER_URL").output().unwrap())
    }

    /// The same, as another host of the same shared directory.
    pub fn run_as_host<S: AsRef<OsStr>>(&self, host: &str, arguments: &[S]) -> Run {
        Run::of(self.command_as_host(host, arguments).output().unwrap())
    }

    /// A command of another host that has not started.
    pub fn command_as_host<S: AsRef<OsStr>>(&self, host: &str, arguments: &[S]) -> Command {
        let runtime = self.top.path().join(format!("run-{host}"));
        std::fs::create_dir_all(&runtime).unwrap();
        let mut command = self.command(arguments);
        command.env("CALLBOARD_HOST_ID", host).env("XDG_RUNTIME_DIR", runtime);
        command
    }

    /// Runs a command that must be done; its output.
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{run:?}");
        run.out
    }

    /// Runs a command with `--json` that must be done; its answer.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let run = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.json()
    }

    /// Runs a command with `--json` that must be refused with this code.
    pub fn refused(&self, arguments: &[&str], exit: i32, code: &str) -> Value {
        let run = self.run(&[arguments, &["--json"]].concat());
        assert_eq!((run.code, run.refusal().as_str()), (exit, code), "{arguments:?}: {run:?}");
        run.json()
    }

    /// A file of the plan directory.
    pub fn plan(&self, name: &str) -> PathBuf {
        self.root.join("project-plan").join(name)
    }

    /// Imports `count` plain tasks, t0 and on.
    pub fn import(&self, count: usize) {
        self.import_with(count, |_| String::new());
    }

    /// The same, each with more fields in JSON, from its comma on.
    pub fn import_with(&self, count: usize, more: impl Fn(usize) -> String) {
        let line = |n| format!("{{\"module\":\"t{n}\",\"title\":\"Task {n}\"{}}}", more(n));
        std::fs::write(self.root.join("plan.jsonl"), (0..count).map(line).collect::<Vec<_>>().join("\n")).unwrap();
        self.ok(&["intake", "--from", "plan.jsonl"]);
    }

    /// What a page shows.
    pub fn page(&self, name: &str) -> String {
        std::fs::read_to_string(self.plan(name)).unwrap()
    }

    /// The database, for looking at rows.
    pub fn db(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.plan("coordination.db")).unwrap()
    }

    /// One number out of the database.
    pub fn count(&self, query: &str) -> i64 {
        self.db().query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// SQLite's own check, gapless events, and counts that count: what must hold after any fault.
    pub fn must_be_sound(&self) {
        let said: String = self.db().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(said, "ok");
        assert_eq!(
            self.count("SELECT event_seq - pruned_through - (SELECT count(*) FROM events) FROM board"),
            0,
            "events have no holes"
        );
        let states = ["draft", "open", "active", "waiting", "review", "done", "failed", "cancelled"];
        for state in states {
            let query = format!("SELECT {state} - (SELECT count(*) FROM tasks WHERE state = '{state}') FROM board");
            assert_eq!(self.count(&query), 0, "{state}");
        }
        assert_eq!(self.count("SELECT offered - (SELECT count(*) FROM tasks WHERE offered = 1) FROM board"), 0);
        let without = "SELECT count(*) FROM tasks WHERE (state = 'active') \
                       <> EXISTS (SELECT 1 FROM leases WHERE task = key AND kind = 'work')";
        assert_eq!(self.count(without), 0, "a work lease belongs to an active task and an active task has one");
    }

    /// The revision of the board, and the one that the pages show.
    pub fn revisions(&self) -> (i64, i64) {
        let marker: Value = serde_json::from_str(&self.page(".callboard/projected")).unwrap();
        (self.count("SELECT revision FROM board"), marker["revision"].as_i64().unwrap())
    }
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The preloaded faults, compiled once.
pub fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let shim = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}.so", std::process::id()));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shims/faults.c");
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let arguments = ["-shared", "-fPIC", "-O2", "-o"];
        let built = Command::new(compiler).args(arguments).arg(&shim).arg(source).arg("-ldl").status();
        assert!(built.is_ok_and(|status| status.success()), "the faults need a C compiler, as callboard itself does");
        shim
    })
}

/// True when a test that needs `what` may run. Where it may not, that is said loudly, and is an error where tests are
/// not to be skipped.
pub fn may_run(what: &str, there: bool) -> bool {
    if !there {
        assert!(std::env::var_os("CALLBOARD_TEST_SKIP").is_none_or(|skip| skip != "never"), "{what} is missing");
        let mut stderr = std::io::stderr().lock();
        let _ =
            std::io::Write::write_all(&mut stderr, format!("\n*** SKIPPED: this test needs {what} ***\n").as_bytes());
    }
    there
}
