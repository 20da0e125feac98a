//! What SQLite's errors mean.

use std::cell::RefCell;

use rusqlite::ffi::{ErrorCode, SQLITE_IOERR_NOMEM, SQLITE_IOERR_WRITE};

use crate::domain::system_limit::SystemLimit;
use crate::platform::limits;
use crate::store::error::StoreError;

thread_local! {
    /// What the storage failed with in the transaction of this thread, the first time it did. A thread has one transaction
    /// at a time.
    static FIRST_FAILURE: RefCell<Option<StoreError>> = const { RefCell::new(None) };
}

/// Begins to watch a transaction for errors after which SQLite undoes it.
pub(super) fn watch_for_failure() {
    FIRST_FAILURE.take();
}

/// Why SQLite undid the transaction by itself. Whoever got that error may have gone on without it.
pub(super) fn first_failure() -> StoreError {
    let first = FIRST_FAILURE.with_borrow(Clone::clone);
    first.unwrap_or_else(|| StoreError::Io("the transaction was undone".into()))
}

/// What an error of SQLite means.
pub(super) fn translated(error: rusqlite::Error) -> StoreError {
    let is_undoing = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationInterrupted
                | ErrorCode::CannotOpen
        )
    );
    let error = meaning(error);
    if is_undoing {
        FIRST_FAILURE.with_borrow_mut(|first| {
            first.get_or_insert_with(|| error.clone());
        });
    }
    error
}

#[expect(clippy::needless_pass_by_value, reason = "taken apart")]
fn meaning(error: rusqlite::Error) -> StoreError {
    let text = || error.to_string().into_boxed_str();
    let rusqlite::Error::SqliteFailure(failure, _) = &error else {
        return match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::QueryReturnedNoRows => StoreError::Damaged(text()),
            _ => StoreError::Backend(text()),
        };
    };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged(text()),
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::OutOfMemory => StoreError::Limit(SystemLimit::Memory, text()),
        ErrorCode::CannotOpen => match limits::open_error() {
            Some(error) => SystemLimit::reached_by(&error).map_or_else(
                || StoreError::Permission(text()),
                |limit| StoreError::Limit(limit, error.to_string().into()),
            ),
            None => StoreError::Permission(text()),
        },
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::Permission(text()),
        // SQLite keeps the system's error to itself. A full disk has a code of its own, so a write that fails where files have
        // a maximum length has reached that.
        ErrorCode::SystemIoFailure => match (failure.extended_code, limits::max_file_size()) {
            (SQLITE_IOERR_NOMEM, _) => StoreError::Limit(SystemLimit::Memory, text()),
            (SQLITE_IOERR_WRITE, Some(most)) => {
                let message = format!("a file may have {most} bytes here: {error}");
                StoreError::Limit(SystemLimit::FileSize, message.into())
            }
            _ => StoreError::Io(text()),
        },
        ErrorCode::ConstraintViolation => StoreError::Conflict("a row"),
        _ if text().contains("no such table") || text().contains("no such column") => StoreError::Damaged(text()),
        _ => StoreError::Backend(text()),
    }
}
