//! What can go wrong below the rules.

use std::io;
use std::path::{Path, PathBuf};

use super::file_kind::{self, FileKind};

/// An error of the operating system, with what was tried on which path.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something else has the name of a file. It is not followed, waited for or written.
    #[error("cannot {action} {}: it is {}", path.display(), kind.words())]
    InTheWay {
        /// What was tried: a verb.
        action: &'static str,
        /// The name.
        path: PathBuf,
        /// What has it.
        kind: FileKind,
    },
    /// A lock was not free before the deadline.
    #[error("{} is held by {holder}", path.display())]
    LockHeld {
        /// The lock.
        path: PathBuf,
        /// Who holds it and since when, as far as it is known.
        holder: Box<str>,
    },
    /// A file that was locked is not the file that has its name now, again and again.
    #[error("{} is replaced again and again while it is locked", path.display())]
    LockReplaced {
        /// The lock.
        path: PathBuf,
    },
    /// Something else has the name of a directory of callboard's own; a link may lead anywhere.
    #[error("{} is a link or no directory", path.display())]
    NotOwn {
        /// What is there.
        path: PathBuf,
    },
    /// Another account may have made this directory, or can change what is in it.
    #[error("{} is not a directory of this account that others cannot write into", path.display())]
    NotPrivate {
        /// What is there.
        path: PathBuf,
    },
    /// A program did not end before its deadline.
    #[error("{program} did not answer in time")]
    ProgramTimeout {
        /// The program.
        program: Box<str>,
    },
    /// A signal has come, and what was under way was put away.
    #[error("a signal ends this process")]
    Ending,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    NoEntropy,
}

impl PlatformError {
    /// Names what was tried on which path, and what is in the way there if that is why it failed.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            // What a system says of a link, a directory or a pipe: it depends on the system and on how they were opened.
            let is_unfit =
                matches!(source.raw_os_error(), Some(libc::ELOOP | libc::EISDIR | libc::ENXIO | libc::ENOTEMPTY))
                    || source.kind() == io::ErrorKind::InvalidInput;
            match file_kind::of(&path).filter(|kind| is_unfit && *kind != FileKind::File) {
                Some(kind) => Self::InTheWay { action, path, kind },
                None => Self::File { action, path, source },
            }
        }
    }

    /// The I/O error behind it, if there is one.
    pub fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Its kind.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io_error().map(io::Error::kind)
    }
}
