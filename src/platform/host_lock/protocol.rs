//! The state machine that takes the lock between hosts, and breaks one whose holder is gone.
//!
//! The lock is the directory `lock.d`. It is held by the process whose file `holder-NONCE` lies in it. A process prepares a
//! private directory `lock-NONCE` with its file and renames it to `lock.d`, which fails while another file is in there.
//! Releasing and breaking both unlink the file *of that nonce* and then remove the directory if it is empty.
//!
//! **Invariants.**
//! - Nobody removes a name that they have not read, so a breaker cannot remove a lock that was taken after it looked.
//! - `lock.d` is only ever replaced while it is empty; it is never renamed away.
//! - A process holds the lock only after it has read its own nonce in `lock.d`, within seconds of its rename. A rename alone
//!   proves nothing: the private directory may have been emptied, or the lock broken, before it took effect.
//! - A private directory is renamed before anybody but its owner empties it, so an empty directory is never taken for a lock.
//! - A holder that goes on counting is never broken. One that was broken finds its file gone and removes nothing of others.
//!
//! Some file systems rename a file that is unlinked while it is open (FUSE, NFS, SMB). Such leftovers belong to nobody:
//! the next taker unlinks the names that it has read.

/// How often a waiter must see the same nonce and counter before it breaks the lock. Counted observations are at least a
/// second apart, and a holder counts every two seconds.
pub const OBSERVATIONS_TO_BREAK: u32 = 15;

/// Prefixes of the names that file systems give to a file that was unlinked while it was open.
const LEFTOVER_PREFIXES: [&str; 3] = [".fuse_hidden", ".nfs", ".smbdelete"];

/// The name of the file that shows who holds the lock.
pub fn holder_file(nonce: &str) -> String {
    format!("holder-{nonce}")
}

/// What the names in a lock directory mean.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// The file of the holder with this nonce is there.
    Holder(String),
    /// No holder; files with these names were unlinked while they were open.
    Leftovers(Vec<String>),
    /// Nothing that the protocol knows: free, or blocked by a file of somebody else.
    Nothing,
}

impl Content {
    /// Interprets the names in a directory.
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        let mut leftovers = Vec::new();
        for name in names {
            if let Some(nonce) = name.strip_prefix("holder-") {
                return Self::Holder(nonce.to_owned());
            }
            if LEFTOVER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                leftovers.push(name);
            }
        }
        if leftovers.is_empty() { Self::Nothing } else { Self::Leftovers(leftovers) }
    }
}

/// What a process does next on its way to the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Create a private directory with a holder file under a new nonce.
    Prepare,
    /// Rename the private directory to `lock.d`.
    Rename,
    /// List `lock.d` for a nonce of this process.
    Confirm,
    /// List `lock.d` and read the holder's file, if the last time was a second ago or longer.
    Inspect,
    /// Unlink these names in `lock.d`; errors are ignored.
    Unlink(Vec<String>),
    /// Remove `lock.d` if it is empty; errors are ignored.
    RemoveDirectory,
    /// Sleep for a moment; give up when the deadline has passed.
    Wait,
    /// The lock is held under this nonce.
    Hold(String),
}

/// The result of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepResult {
    /// `Prepare`: the private directory is there.
    Prepared,
    /// `Rename`: it worked.
    Renamed,
    /// `Rename`: it failed, and the private directory is still there.
    NotRenamed,
    /// `Rename`: it failed, and the private directory is gone: renamed after all, which only a listing tells, or swept.
    Vanished,
    /// `Confirm`, `Inspect`: the file of this process is in `lock.d`, under this nonce.
    Own {
        /// The nonce.
        nonce: String,
        /// Whether so much time has passed since the rename that somebody may be about to break it.
        is_old: bool,
    },
    /// `Confirm`: no file of this process is in `lock.d`.
    NotOwn,
    /// `Inspect`: the last time was less than a second ago.
    TooSoon,
    /// `Inspect`: no holder is there, only these leftovers (none: free).
    Free(Vec<String>),
    /// `Inspect`: another process holds the lock.
    Held(Observation),
    /// `Unlink`, `RemoveDirectory`, `Wait`: finished.
    Finished,
}

/// A holder as a waiter sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The nonce in the name of its file.
    pub nonce: String,
    /// What is known about the process.
    pub process: ProcessState,
    /// How many observations, a second or more apart, saw this nonce and the same counter, this one included. Kept beside
    /// the level-one lock, so that the next waiter goes on counting.
    pub count: u32,
}

/// What is known about a holder's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessState {
    /// It runs on this host: never broken.
    Alive,
    /// It ran on this host and has ended: broken at once.
    Dead,
    /// It is elsewhere, or stopped: broken when it no longer counts.
    Unknown,
}

/// A process on its way to the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Acquisition {
    /// What follows the removal of a directory.
    prepare_again: bool,
    /// What follows a wait.
    lost_directory: bool,
}

impl Acquisition {
    /// The first step.
    pub fn first() -> Step {
        Step::Prepare
    }

    /// The next step, given the result of `step`.
    pub fn next(&mut self, step: &Step, result: StepResult) -> Step {
        match result {
            StepResult::Prepared => Step::Rename,
            StepResult::Renamed | StepResult::Vanished => Step::Confirm,
            StepResult::NotRenamed => Step::Inspect,
            StepResult::Own { nonce, is_old: false } => Step::Hold(nonce),
            // Somebody may have seen it long enough to break it, and a removal may be under way: a new nonce is safe.
            StepResult::Own { nonce, is_old: true } => {
                self.prepare_again = true;
                Step::Unlink(vec![holder_file(&nonce)])
            }
            StepResult::NotOwn => {
                self.lost_directory = true;
                Step::Wait
            }
            StepResult::TooSoon => Step::Wait,
            StepResult::Free(leftovers) if leftovers.is_empty() => Step::Rename,
            StepResult::Free(leftovers) => Step::Unlink(leftovers),
            StepResult::Held(seen) => match seen.process {
                ProcessState::Alive => Step::Wait,
                ProcessState::Unknown if seen.count < OBSERVATIONS_TO_BREAK => Step::Wait,
                ProcessState::Dead | ProcessState::Unknown => Step::Unlink(vec![holder_file(&seen.nonce)]),
            },
            StepResult::Finished => match step {
                Step::Unlink(_) => Step::RemoveDirectory,
                Step::RemoveDirectory if std::mem::take(&mut self.prepare_again) => Step::Prepare,
                Step::Wait if std::mem::take(&mut self.lost_directory) => Step::Prepare,
                _ => Step::Rename,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(process: ProcessState, count: u32) -> StepResult {
        StepResult::Held(Observation { nonce: "it".into(), process, count })
    }

    #[test]
    fn a_rename_that_failed_but_happened_is_found_out() {
        let mut me = Acquisition::default();
        assert_eq!(me.next(&Step::Prepare, StepResult::Prepared), Step::Rename);
        assert_eq!(me.next(&Step::Rename, StepResult::Vanished), Step::Confirm);
        let own = StepResult::Own { nonce: "me".into(), is_old: false };
        assert_eq!(me.next(&Step::Confirm, own), Step::Hold("me".into()));
    }

    #[test]
    fn a_directory_that_vanished_is_prepared_again() {
        let mut me = Acquisition::default();
        assert_eq!(me.next(&Step::Rename, StepResult::Vanished), Step::Confirm);
        assert_eq!(me.next(&Step::Confirm, StepResult::NotOwn), Step::Wait);
        assert_eq!(me.next(&Step::Wait, StepResult::Finished), Step::Prepare);
        assert_eq!(me.next(&Step::Prepare, StepResult::Prepared), Step::Rename);
        assert_eq!(me.next(&Step::Wait, StepResult::Finished), Step::Rename, "only once");
    }

    #[test]
    fn a_living_holder_of_this_host_is_never_broken() {
        let mut me = Acquisition::default();
        assert_eq!(me.next(&Step::Inspect, held(ProcessState::Alive, 1_000)), Step::Wait);
        assert_eq!(me.next(&Step::Inspect, held(ProcessState::Unknown, OBSERVATIONS_TO_BREAK - 1)), Step::Wait);
        let unlink = Step::Unlink(vec!["holder-it".into()]);
        assert_eq!(me.next(&Step::Inspect, held(ProcessState::Unknown, OBSERVATIONS_TO_BREAK)), unlink);
        assert_eq!(me.next(&Step::Inspect, held(ProcessState::Dead, 1)), unlink);
        assert_eq!(me.next(&unlink, StepResult::Finished), Step::RemoveDirectory);
        assert_eq!(me.next(&Step::RemoveDirectory, StepResult::Finished), Step::Rename);
    }

    #[test]
    fn files_that_were_unlinked_while_open_are_no_holder() {
        let names = |names: &[&str]| Content::of(names.iter().map(|name| (*name).to_owned()));
        let hidden = ".fuse_hidden0000001100000002";
        assert_eq!(names(&[hidden]), Content::Leftovers(vec![hidden.into()]));
        assert_eq!(names(&[hidden, "holder-x"]), Content::Holder("x".into()));
        assert_eq!(names(&["notes.txt"]), Content::Nothing);
        let mut me = Acquisition::default();
        let unlink = me.next(&Step::Inspect, StepResult::Free(vec![hidden.into()]));
        assert_eq!(unlink, Step::Unlink(vec![hidden.into()]), "exactly what was read");
        assert_eq!(me.next(&unlink, StepResult::Finished), Step::RemoveDirectory);
    }
}
