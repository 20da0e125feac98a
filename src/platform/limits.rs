//! How much the system lets this process have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of files that this process may have open as far as it is allowed to; says how many that are.
pub fn raise_open_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    // What is not granted is not needed: the number that holds is what counts.
    let _ = setrlimit(Resource::Nofile, wanted);
    let holds = getrlimit(Resource::Nofile).current;
    holds.and_then(|holds| usize::try_from(holds).ok()).unwrap_or(usize::MAX)
}

/// Why no file can be opened now, whichever it is. None where files can be opened: then an error of one is about that one.
pub fn open_error() -> Option<std::io::Error> {
    std::fs::File::open("/dev/null").err()
}

/// The longest that a file of this process may get, in bytes, where there is such a limit.
pub fn max_file_size() -> Option<u64> {
    getrlimit(Resource::Fsize).current
}
