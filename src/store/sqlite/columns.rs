//! Between columns and domain types. A column that cannot be read is damage, not a panic.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

type Read<T> = rusqlite::Result<T>;

fn damaged(column: usize, error: impl Display) -> Error {
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

/// A number that is never negative.
pub(super) fn count<T: TryFrom<i64, Error: Display>>(row: &Row<'_>, column: usize) -> Read<T> {
    T::try_from(row.get::<_, i64>(column)?).map_err(|error| damaged(column, error))
}

/// A number that is never negative, or nothing.
pub(super) fn maybe_count<T: TryFrom<i64, Error: Display>>(row: &Row<'_>, column: usize) -> Read<Option<T>> {
    let number: Option<i64> = row.get(column)?;
    number.map(|number| T::try_from(number).map_err(|error| damaged(column, error))).transpose()
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
