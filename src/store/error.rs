//! What a store can fail with, and what that means to whoever asked.

use std::io::ErrorKind;

use crate::domain::refusal::{Code, Refusal};
use crate::domain::system_limit::SystemLimit;
use crate::platform::error::PlatformError;

/// An error of the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else uses the database, and did not stop before the deadline.
    #[error("the database is busy")]
    Busy,
    /// The file is not a board's database, or is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(Box<str>),
    /// A newer program wrote it.
    #[error("the board has format {found}, this callboard knows formats up to {known}")]
    TooNew {
        /// The format of the board.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// An older program wrote it, and it must be brought up to date by a write first.
    #[error("the board has format {found}, this callboard needs {known}")]
    TooOld {
        /// The format of the board.
        found: i64,
        /// The one that this program needs.
        known: i64,
    },
    /// There is no database.
    #[error("there is no database")]
    Missing,
    /// No space left.
    #[error("the disk is full")]
    Full,
    /// A limit of the system stopped it.
    #[error("the database cannot go on: {1}")]
    Limit(SystemLimit, Box<str>),
    /// It may not be written, or not be read.
    #[error("no permission: {0}")]
    Permission(Box<str>),
    /// The operating system failed.
    #[error("the storage failed: {0}")]
    Io(Box<str>),
    /// A row that was to be changed is not as it was read. One transaction at a time makes this impossible, so it is a
    /// sign of locks that do not work.
    #[error("{0} changed under this transaction")]
    Conflict(&'static str),
    /// Anything else: a mistake of callboard's own.
    #[error("the database refused: {0}")]
    Backend(Box<str>),
}

/// Why the file of a database could not be made.
impl From<PlatformError> for StoreError {
    fn from(error: PlatformError) -> Self {
        let message = || error.to_string().into_boxed_str();
        match (error.io_error().and_then(SystemLimit::reached_by), error.io_kind()) {
            (Some(limit), _) => Self::Limit(limit, message()),
            (None, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) => Self::Full,
            (None, _) => Self::Permission(message()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Busy => {
                Self::new(Code::Busy, message).hint("repeat the command; callboard itself never holds it for long")
            }
            StoreError::Damaged(_) => Self::damaged(message),
            StoreError::TooNew { .. } => Self::new(Code::BoardTooNew, message).hint("cargo install callboard --locked"),
            StoreError::TooOld { .. } => Self::new(Code::BoardTooOld, message)
                .hint("callboard lease-reclaim brings it up to date, as any write does"),
            StoreError::Missing => Self::new(Code::BoardLost, message),
            StoreError::Full => Self::new(Code::DiskFull, message).hint("make space, then repeat the command"),
            StoreError::Limit(limit, _) => limit.refusal(message),
            StoreError::Permission(_) => Self::new(Code::NoPermission, message).hint("ls -l project-plan"),
            StoreError::Io(_) => Self::new(Code::StorageFailed, message).hint("df -h project-plan"),
            StoreError::Conflict(_) => Self::new(Code::StorageFailed, message)
                .hint("check that locks work where project-plan lies, then repeat the command"),
            StoreError::Backend(_) => Self::new(Code::Internal, message),
        }
    }
}
