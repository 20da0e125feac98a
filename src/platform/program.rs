//! Runs other programs: the only place that starts one.
//!
//! A program gets a closed environment, the input that it is given, and a process group of its own. Its output is read up to a limit, and it
//! has until a deadline. At the deadline, or when it has printed more than the limit, the whole group is asked to end and
//! then killed. A descendant that holds the pipe after the program has ended hangs nobody: it is killed with the group.
//!
//! **Not covered.** A descendant that begins a session of its own leaves the group and may go on; nothing waits for it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use super::deadline::Deadline;
use super::error::PlatformError;

/// Variables that a program inherits, where they are set: where to find programs, its own files, and the account.
const INHERITED: [&str; 8] =
    ["PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"];
/// How long a program that was asked to end has before it is killed.
const GRACE: Duration = Duration::from_millis(500);
/// How long output is awaited after the program itself has ended.
const PIPE_GRACE: Duration = Duration::from_millis(200);
/// Maximum time between two looks at a process that prints nothing.
const MAX_POLL: Duration = Duration::from_millis(20);

/// A program to run, and how far it may go.
#[derive(Debug)]
pub struct Program<'a> {
    name: &'a OsStr,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: &'a Path,
    time_limit: Duration,
    output_limit: usize,
    input: Option<Vec<u8>>,
}

/// What a program came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// What it printed on standard output, up to the limit.
    pub text: Vec<u8>,
    /// Whether it printed more, and was ended for that.
    pub is_cut: bool,
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
}

impl Output {
    /// Whether it ended by itself with exit code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

impl<'a> Program<'a> {
    /// `program`, found by `PATH` unless it has a slash, in `directory`. It may run for `time_limit` and print `output_limit`
    /// bytes.
    pub fn new(
        program: &'a (impl AsRef<OsStr> + ?Sized),
        directory: &'a Path,
        time_limit: Duration,
        output_limit: usize,
    ) -> Self {
        let (arguments, environment) = (Vec::new(), Vec::new());
        Self { name: program.as_ref(), arguments, environment, directory, time_limit, output_limit, input: None }
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable, beside the few that are inherited.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Gives it something to read on standard input, which is else empty.
    #[must_use]
    pub fn input(mut self, input: Vec<u8>) -> Self {
        self.input = Some(input);
        self
    }

    /// Runs it to its end. None where it could not be started. Fails with `ProgramTimeout` where it was not finished in time.
    pub fn run(mut self) -> Result<Option<Output>, PlatformError> {
        let deadline = Deadline::after(self.time_limit);
        let Some(mut running) = self.start() else { return Ok(None) };
        let output = running.read(self.output_limit, deadline);
        let status = match &output {
            Ok(Read { is_cut: false, .. }) => running.wait(deadline),
            Ok(Read { is_cut: true, .. }) | Err(()) => running.end(),
        };
        let timeout = || PlatformError::ProgramTimeout { program: self.name.to_string_lossy().into() };
        let Read { text, is_cut } = output.map_err(|()| timeout())?;
        let status = status.ok_or_else(timeout)?;
        Ok(Some(Output { text, is_cut, code: status.code() }))
    }

    #[expect(clippy::disallowed_methods, reason = "what a program inherits is decided here")]
    fn start(&mut self) -> Option<Running> {
        let mut command = Command::new(self.name);
        command.args(&self.arguments).current_dir(self.directory).process_group(0).env_clear();
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?)))).env("LC_ALL", "C");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), self.input.take()) {
            // A program that does not read all of it, or has ended, is no error: its output and its status say how it went.
            let write = std::thread::Builder::new().spawn(move || drop(stdin.write_all(&input)));
            if write.is_err() {
                // Without its input it is as good as not started.
                let _ = child.kill().and_then(|()| child.wait());
                return None;
            }
        }
        let output = child.stdout.take().map(OwnedFd::from).map(File::from)?;
        // Else a descendant that holds the pipe would hold the reader.
        let flags = rustix::fs::fcntl_getfl(&output).unwrap_or(rustix::fs::OFlags::empty());
        let _ = rustix::fs::fcntl_setfl(&output, flags | rustix::fs::OFlags::NONBLOCK);
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw)?;
        Some(Running { child, output, group, is_reaped: false })
    }
}

struct Read {
    text: Vec<u8>,
    is_cut: bool,
}

/// A program at work. Dropping it leaves nothing of its group behind.
struct Running {
    child: Child,
    output: File,
    group: Pid,
    is_reaped: bool,
}

impl Running {
    /// Reads until the end of the output, one byte more than `limit`, or until nothing comes after the program has ended. An
    /// error is the deadline.
    fn read(&mut self, limit: usize, deadline: Deadline) -> Result<Read, ()> {
        let (mut text, mut piece) = (Vec::new(), [0u8; 16 * 1024]);
        let mut after_end: Option<Deadline> = None;
        loop {
            match self.output.read(&mut piece) {
                Ok(0) => return Ok(Read { text, is_cut: false }),
                Ok(length) => {
                    text.extend_from_slice(&piece[..length]);
                    if text.len() > limit {
                        text.truncate(limit);
                        return Ok(Read { text, is_cut: true });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if deadline.is_over() {
                        return Err(());
                    }
                    if after_end.is_some_and(Deadline::is_over) {
                        return Ok(Read { text, is_cut: false });
                    }
                    if after_end.is_none() && self.has_ended() {
                        after_end = Some(Deadline::after(PIPE_GRACE));
                    }
                    self.poll(MAX_POLL.min(deadline.left()));
                }
                Err(_) => return Ok(Read { text, is_cut: false }),
            }
        }
    }

    fn poll(&self, wait: Duration) {
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        let mut polled = [PollFd::new(&self.output, PollFlags::IN)];
        // Whatever comes of it, the output is read next.
        let _ = poll(&mut polled, Some(&wait));
    }

    /// Without reaping it: until then nothing else gets its number, and its group can be signalled.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(rustix::process::waitid(WaitId::Pid(self.group), options), Ok(None))
    }

    /// The status of a program that has closed its output; none where it goes on past the deadline.
    fn wait(&mut self, deadline: Deadline) -> Option<ExitStatus> {
        let mut pause = Duration::from_micros(200);
        while !self.has_ended() {
            if deadline.is_over() {
                self.end();
                return None;
            }
            deadline.nap(pause);
            pause = (pause * 2).min(MAX_POLL);
        }
        self.reap()
    }

    /// Asks the group to end, then kills it.
    fn end(&mut self) -> Option<ExitStatus> {
        let _ = rustix::process::kill_process_group(self.group, Signal::TERM);
        let grace = Deadline::after(GRACE);
        while !self.has_ended() && !grace.is_over() {
            grace.nap(Duration::from_millis(5));
        }
        self.reap()
    }

    /// Kills what is left of the group, and takes the status.
    fn reap(&mut self) -> Option<ExitStatus> {
        if std::mem::replace(&mut self.is_reaped, true) {
            return None;
        }
        let _ = rustix::process::kill_process_group(self.group, Signal::KILL);
        self.child.wait().ok()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_reaped {
            self.reap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::process::is_alive;

    const LIMIT: usize = 64 * 1024;

    fn shell(script: &str, time_limit: Duration) -> Result<Output, PlatformError> {
        let program = Program::new("sh", Path::new("/"), time_limit, LIMIT).arguments(["-c", script]);
        program.run().map(|output| output.expect("sh is there"))
    }

    fn pid_in(path: &Path) -> u32 {
        std::fs::read_to_string(path).expect("written").trim().parse().expect("a pid")
    }

    /// Waits for the end of a process that nobody here reaps.
    fn is_gone(pid: u32) -> bool {
        let patience = Deadline::after(Duration::from_secs(10));
        while is_alive(pid, "") && !patience.is_over() {
            patience.nap(Duration::from_millis(5));
        }
        !is_alive(pid, "")
    }

    #[test]
    fn it_gets_nothing_but_what_it_is_given() {
        let program = Program::new("env", Path::new("/"), Duration::from_secs(60), LIMIT).variable("GIVEN", "1");
        let text = String::from_utf8(program.run().expect("in time").expect("started").text).expect("text");
        let names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        assert!(names.contains(&"GIVEN") && names.contains(&"PATH"), "{names:?}");
        assert!(names.iter().all(|name| INHERITED.contains(name) || ["GIVEN", "LC_ALL"].contains(name)), "{names:?}");
        let missing = Program::new("no-such-program", Path::new("/"), Duration::from_secs(1), LIMIT);
        assert_eq!(missing.run().expect("no wait"), None);
    }

    #[test]
    fn one_that_ignores_signals_is_killed_at_its_deadline() {
        let directory = tempfile::tempdir().expect("a directory");
        let pid = directory.path().join("pid");
        let script = format!("trap '' TERM INT HUP; echo $$ >{}; while :; do sleep 1; done", pid.display());
        assert!(shell(&script, Duration::from_millis(300)).is_err());
        assert!(is_gone(pid_in(&pid)));
    }

    #[test]
    fn one_that_does_not_read_its_input_hangs_nobody() {
        let long = vec![b'x'; 1024 * 1024];
        let here = Path::new("/");
        let counts = Program::new("wc", here, Duration::from_secs(60), LIMIT).arguments(["-c"]).input(long.clone());
        assert_eq!(counts.run().expect("in time").expect("started").text.trim_ascii(), b"1048576");
        let ignores = Program::new("true", here, Duration::from_secs(60), LIMIT).input(long);
        assert!(ignores.run().expect("in time").expect("started").is_success());
    }

    #[test]
    fn one_that_floods_is_cut_and_ended() {
        let output = shell("echo begin; exec yes", Duration::from_secs(60)).expect("long before");
        assert!(output.is_cut && !output.is_success());
        assert!(output.text.len() == LIMIT && output.text.starts_with(b"begin\n"));
    }

    #[test]
    fn a_descendant_that_holds_the_pipe_hangs_nobody_and_is_not_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let pid = directory.path().join("pid");
        let script = format!("sleep 600 & echo $! >{}; echo done", pid.display());
        let output = shell(&script, Duration::from_secs(60)).expect("long before");
        assert_eq!((output.text.as_slice(), output.is_success()), (&b"done\n"[..], true));
        assert!(is_gone(pid_in(&pid)));
    }

    #[test]
    fn one_that_closes_its_output_and_goes_on_is_ended_at_its_deadline() {
        assert!(shell("exec >&-; sleep 600", Duration::from_millis(300)).is_err());
        let output = shell("echo a; exec >&-; exit 3", Duration::from_secs(60)).expect("long before");
        assert_eq!((output.text.as_slice(), output.code), (&b"a\n"[..], Some(3)));
    }

    #[test]
    fn one_that_forks_away_in_a_session_of_its_own_hangs_nobody() {
        let script = "setsid sh -c 'sleep 2' & echo here";
        let output = shell(script, Duration::from_secs(60)).expect("long before");
        assert_eq!(output.text, b"here\n");
    }
}
