//! Other processes: asking one, seeing whether one lives, and leaving at once.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::error::PlatformError;

/// What a child printed, if it ended well.
pub type Printed = Option<String>;

/// Runs `program` in `directory` and returns its standard output, or none when it failed or is not there. At most
/// `most` bytes are read; it is killed after `wait`.
pub fn ask(
    program: &'static str,
    arguments: &[&str],
    directory: &Path,
    wait: Duration,
    most: u64,
) -> Result<Printed, PlatformError> {
    let (text, ended_well) = run(program, arguments, directory, wait, most)?;
    Ok(text.filter(|_| ended_well).and_then(|text| String::from_utf8(text).ok()))
}

/// The same where the beginning of an answer is good enough: one that is longer than `most` bytes is cut, and what is no
/// UTF-8 is replaced.
pub fn ask_for_some(
    program: &'static str,
    arguments: &[&str],
    directory: &Path,
    wait: Duration,
    most: u64,
) -> Result<Printed, PlatformError> {
    let (text, ended_well) = run(program, arguments, directory, wait, most)?;
    let good = text.filter(|text| ended_well || text.len() as u64 >= most);
    Ok(good.map(|text| String::from_utf8_lossy(&text).into_owned()))
}

/// What a child printed, and whether it ended well; none when it could not be started.
fn run(
    program: &'static str,
    arguments: &[&str],
    directory: &Path,
    wait: Duration,
    most: u64,
) -> Result<(Option<Vec<u8>>, bool), PlatformError> {
    let started = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else { return Ok((None, false)) };
    let Some(output) = child.stdout.take() else { return Ok((None, false)) };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = output.take(most).read_to_end(&mut text);
        // The asker may have left: then nobody wants the answer.
        let _ = sender.send(read.map(|_| text));
    });
    let answer = receiver.recv_timeout(wait);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    match (answer, status) {
        (Ok(Ok(text)), Ok(status)) => Ok((Some(text), status.success())),
        (Err(_), _) => Err(PlatformError::ChildTimeout { program }),
        _ => Ok((None, false)),
    }
}

/// Whether the process `pid` of this host and pid namespace lives. `born` is when it started, as [`birth`] says: a
/// number that was given to another process since does not count as living. A zombie is dead.
pub fn is_alive(pid: u32, born: &str) -> bool {
    match birth(pid) {
        Birth::Known(now) => born.is_empty() || born == now,
        Birth::Dead => false,
        Birth::Unknown => exists(pid),
    }
}

fn exists(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// True for a process that was stopped, by a signal or a debugger, and holds what it holds until it goes on.
pub fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().next());
    matches!(state, Some("T" | "t"))
}

/// When a process started, in the system's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Birth {
    /// It lives and started then.
    Known(String),
    /// There is none, or only what is left of it.
    Dead,
    /// The system does not say.
    Unknown,
}

/// When the process `pid` started.
pub fn birth(pid: u32) -> Birth {
    if !Path::new("/proc/self/stat").exists() {
        return Birth::Unknown;
    }
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        // Processes of other accounts may be hidden there.
        return if exists(pid) { Birth::Unknown } else { Birth::Dead };
    };
    // The command's name is in parentheses and may hold anything; the fields start behind the last one.
    let Some((_, fields)) = stat.rsplit_once(')') else { return Birth::Unknown };
    let mut fields = fields.split_whitespace();
    if matches!(fields.next(), Some("Z" | "X")) {
        return Birth::Dead;
    }
    fields.nth(18).map_or(Birth::Unknown, |start| Birth::Known(start.to_owned()))
}

/// Ends this process without running any destructor: no rollback, no closing of the database. For a holder that found
/// its lock broken, because a polite rollback would truncate the journal of the new holder.
pub fn leave_at_once(code: i32) -> ! {
    #[expect(unsafe_code, reason = "_exit takes no pointer and does not return; std has no safe name for it")]
    unsafe {
        libc::_exit(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_a_reaped_one_does_not() {
        let me = std::process::id();
        let Birth::Known(born) = birth(me) else { return };
        assert!(is_alive(me, &born));
        assert!(!is_alive(me, "1"), "another process had this number");
        let mut child = Command::new("true").spawn().expect("true is there");
        let pid = child.id();
        child.wait().expect("it ends");
        assert!(!is_alive(pid, ""));
    }

    #[test]
    fn a_child_that_hangs_is_given_up() {
        let here = Path::new("/");
        assert!(ask("sleep", &["60"], here, Duration::from_millis(50), 10).is_err());
        assert_eq!(ask("echo", &["hi"], here, Duration::from_secs(60), 10).expect("in time").as_deref(), Some("hi\n"));
        assert_eq!(ask("no-such-program", &[], here, Duration::from_secs(1), 10).expect("no wait"), None);
    }
}
