//! What a process takes from its environment.

use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::refusal;
use super::lock_messages::LockMessages;
use crate::domain::refusal::{Code, Refusal};
use crate::platform::clock::Clock;
use crate::platform::entropy::Entropy;
use crate::platform::host;
use crate::platform::private;

/// How long a lock is waited for unless the environment says otherwise: more than twice what breaking one needs.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// A directory in which this account keeps secrets and locks on this host. It may not be there yet.
#[derive(Clone, Debug)]
pub struct HostDirectory(PathBuf);

impl HostDirectory {
    /// Its path. Refuses with `no_permission` one that another account may have made or can change.
    pub fn path(&self) -> Result<&Path, Refusal> {
        private::check_path(&self.0).map_err(|error| refusal(&error))?;
        Ok(&self.0)
    }
}

/// What a process takes from its environment.
#[derive(Debug)]
pub struct Settings {
    /// The project that was named, by flag or by environment.
    pub project_root: Option<PathBuf>,
    /// This program.
    pub program: PathBuf,
    /// Where the process was started.
    pub directory: PathBuf,
    /// How long locks are waited for.
    pub lock_timeout: Duration,
    /// The id of this host, where it is given.
    pub host_id: Option<String>,
    /// What people call this host.
    pub host_name: String,
    /// Where this host keeps what it must remember.
    pub state: HostDirectory,
    /// Where this host keeps what ends with its processes.
    pub runtime: HostDirectory,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where randomness comes from.
    pub entropy: Entropy,
    /// The file system to take the board's place for, in tests of debug builds.
    pub file_system: Option<String>,
    /// The operation that panics, in tests of debug builds.
    pub panicking_operation: Option<String>,
    /// The account, for a person.
    pub user: String,
    /// The index that a commit in progress is made from, where git's hook named one.
    pub git_index: Option<PathBuf>,
    /// What is said about the board's lock.
    pub messages: LockMessages,
}

#[expect(clippy::disallowed_methods, reason = "app and cli own the environment")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A variable that only builds with debug assertions look at: a released binary has a real clock.
fn test_variable(name: &str) -> Option<String> {
    if cfg!(debug_assertions) { variable(name)?.into_string().ok() } else { None }
}

impl Settings {
    /// From the environment. `project_root` is what the command line named. Refuses a time limit that is none.
    pub fn from_environment(project_root: Option<PathBuf>) -> Result<Self, Refusal> {
        let user = variable("USER").or_else(|| variable("LOGNAME")).and_then(|name| name.into_string().ok());
        let home = variable("HOME").map(PathBuf::from);
        let own = std::env::temp_dir().join(format!("callboard-{}", host::user_id()));
        let state =
            variable("XDG_STATE_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".local/state")));
        let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
        Ok(Self {
            project_root,
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("callboard")),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            lock_timeout: lock_timeout()?,
            host_id: variable("CALLBOARD_HOST_ID").and_then(|id| id.into_string().ok()),
            host_name: test_variable("CALLBOARD_TEST_HOST_NAME").unwrap_or_else(|| host::name().to_owned()),
            state: HostDirectory(state.map_or_else(|| own.clone(), |state| state.join("callboard"))),
            runtime: HostDirectory(runtime.map_or(own, |runtime| runtime.join("callboard"))),
            clock: clock(),
            entropy: entropy(),
            file_system: test_variable("CALLBOARD_TEST_FILE_SYSTEM"),
            panicking_operation: test_variable("CALLBOARD_TEST_PANIC"),
            user: user.or_else(host::user_name).unwrap_or_else(|| host::user_id().to_string()),
            git_index: None,
            messages: LockMessages::default(),
        })
    }
}

impl Settings {
    /// The same for another thread: clocks and randomness belong to one.
    pub fn again(&self) -> Result<Self, Refusal> {
        let again = Self::from_environment(self.project_root.clone())?;
        Ok(Self { directory: self.directory.clone(), messages: self.messages, ..again })
    }
}

fn lock_timeout() -> Result<Duration, Refusal> {
    let Some(text) = variable("CALLBOARD_LOCK_TIMEOUT") else { return Ok(LOCK_TIMEOUT) };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).ok_or_else(|| {
        let message = format!("CALLBOARD_LOCK_TIMEOUT is a number of seconds, not {}", text.display());
        Refusal::new(Code::InvalidValue, message).hint("unset CALLBOARD_LOCK_TIMEOUT")
    })
}

fn clock() -> Clock {
    match test_variable("CALLBOARD_TEST_CLOCK").and_then(|text| text.parse().ok()) {
        Some(start) => Clock::Stepping { now: Cell::new(start), step: 0 },
        None => Clock::System,
    }
}

fn entropy() -> Entropy {
    match test_variable("CALLBOARD_TEST_SEED").and_then(|text| text.parse().ok()) {
        Some(seed) => Entropy::Seeded(Cell::new(seed)),
        None => Entropy::System,
    }
}
