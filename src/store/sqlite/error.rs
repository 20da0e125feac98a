//! What SQLite's errors mean.

use rusqlite::ffi::ErrorCode;

use crate::store::error::StoreError;

/// What an error of SQLite means.
#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
pub(super) fn translated(error: rusqlite::Error) -> StoreError {
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
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => StoreError::Permission(text()),
        // SQLITE_IOERR_WRITE and friends hide the system's error; a full disk shows in the space that is left.
        ErrorCode::SystemIoFailure => StoreError::Io(text()),
        ErrorCode::ConstraintViolation => StoreError::Conflict("a row"),
        _ if text().contains("no such table") || text().contains("no such column") => StoreError::Damaged(text()),
        _ => StoreError::Backend(text()),
    }
}
