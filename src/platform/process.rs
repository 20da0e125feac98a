//! Processes of this host: whether one lives, is stopped, and ending this one at once.

use std::path::Path;

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
        let mut child = std::process::Command::new("true").spawn().expect("true is there");
        let pid = child.id();
        child.wait().expect("it ends");
        assert!(!is_alive(pid, ""));
    }
}
