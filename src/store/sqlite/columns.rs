//! Between columns and domain types. A column that cannot be read is damage, not a panic.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::lease::Ttl;

type Read<T> = rusqlite::Result<T>;

/// The error of a column that holds what no program wrote.
pub(super) fn damaged(column: usize, error: impl Display) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(FromSqlError::Other(error.to_string().into())))
}

/// A word or name.
pub(super) fn word<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> Read<T> {
    row.get_ref(column)?.as_str()?.parse().map_err(|error| damaged(column, error))
}

/// A word or name, or nothing.
pub(super) fn maybe_word<T: FromStr<Err: Display>>(row: &Row<'_>, column: usize) -> Read<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| text.parse().map_err(|error| damaged(column, error))).transpose()
}

/// A JSON value.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Read<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| damaged(column, error))
}

/// A JSON value, or nothing.
pub(super) fn maybe_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Read<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| serde_json::from_str(text).map_err(|error| damaged(column, error))).transpose()
}
/// A higher number than any board counts to: what counts on from it would leave the range of a column.
pub(super) const MAX_COUNT: i64 = 1 << 53;

/// A number that is never negative.
pub(super) fn count<T: TryFrom<i64, Error: Display>>(row: &Row<'_>, column: usize) -> Read<T> {
    counted(row.get(column)?, column)
}

/// A number that is never negative, or nothing.
pub(super) fn maybe_count<T: TryFrom<i64, Error: Display>>(row: &Row<'_>, column: usize) -> Read<Option<T>> {
    let number: Option<i64> = row.get(column)?;
    number.map(|number| counted(number, column)).transpose()
}

fn counted<T: TryFrom<i64, Error: Display>>(number: i64, column: usize) -> Read<T> {
    if number > MAX_COUNT {
        return Err(damaged(column, format!("{number} is more than any board counts to")));
    }
    T::try_from(number).map_err(|error| damaged(column, error))
}

/// A reading of a clock, in milliseconds: one that can be counted on from and back from.
pub(super) fn clock(row: &Row<'_>, column: usize) -> Read<i64> {
    let time: i64 = row.get(column)?;
    if time.abs_diff(0) > MAX_COUNT.unsigned_abs() {
        return Err(damaged(column, format!("{time} is a time that no clock shows")));
    }
    Ok(time)
}

/// The length of a lease.
pub(super) fn ttl(row: &Row<'_>, column: usize) -> Read<Ttl> {
    Ttl::try_from(count::<u32>(row, column)?).map_err(|error| damaged(column, error))
}

/// The length of a lease, or nothing.
pub(super) fn maybe_ttl(row: &Row<'_>, column: usize) -> Read<Option<Ttl>> {
    let seconds: Option<u32> = maybe_count(row, column)?;
    seconds.map(|seconds| Ttl::try_from(seconds).map_err(|error| damaged(column, error))).transpose()
}

/// The JSON text of a value whose form is known to exist: lists, maps with text keys, structs of those.
pub(super) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("lists and maps of text have a JSON form")
}

/// A count as SQLite keeps it.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A limit as SQLite takes it.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
