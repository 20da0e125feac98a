//! Limits of the system that stop a process: how much memory, how many files and threads, how long a file.

use std::io;

use super::refusal::{Code, Refusal};

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemLimit {
    /// Memory of this process, or of the whole system.
    Memory,
    /// Open files of this process.
    OpenFiles,
    /// Open files of the whole system.
    SystemFiles,
    /// Processes and threads of this account.
    Processes,
    /// The length of a file.
    FileSize,
}

impl SystemLimit {
    /// The limit that an error of the system is about, if it is about one.
    pub fn reached_by(error: &io::Error) -> Option<Self> {
        match error.raw_os_error()? {
            libc::ENOMEM => Some(Self::Memory),
            libc::EMFILE => Some(Self::OpenFiles),
            libc::ENFILE => Some(Self::SystemFiles),
            // Of a new thread or process. Files are opened and locked in ways that do not say it.
            libc::EAGAIN => Some(Self::Processes),
            libc::EFBIG => Some(Self::FileSize),
            _ => None,
        }
    }

    /// Its name in `details.limit`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::OpenFiles => "open_files",
            Self::SystemFiles => "system_files",
            Self::Processes => "processes",
            Self::FileSize => "file_size",
        }
    }

    /// The refusal of what reached it.
    pub fn refusal(self, message: impl Into<String>) -> Refusal {
        let hint = match self {
            Self::Memory => "ulimit -d; ulimit -v: give it more memory, then repeat the command",
            Self::OpenFiles => "ulimit -n 256, then repeat the command",
            Self::SystemFiles => {
                "end programs that hold many files, then repeat the command: the whole system has none left"
            }
            Self::Processes => "ulimit -u: end some processes of this account, then repeat the command",
            Self::FileSize => "ulimit -f unlimited, then repeat the command",
        };
        Refusal::new(Code::SystemLimit, message).hint(hint).detail("limit", self.as_str())
    }
}
