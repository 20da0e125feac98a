//! The body of a request as JSON: how much of it is read, for how long, and that it says each thing once.
//!
//! **Invariants.** Nothing of a body is kept before its caller may do what they ask for.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;

use crate::bridge::catalogue::Entry;
use crate::bridge::guest::{Guest, Standing};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;

/// Maximum size of a body, in bytes: more than the longest texts of a task,
const MAX_BODY: usize = 4 * 1024 * 1024;
/// of one with a plan, which only an operator may bring,
const MAX_PLAN: usize = 80 * 1024 * 1024;
/// and of one from a caller without a token.
const MAX_ANONYMOUS_BODY: usize = 64 * 1024;
/// Maximum number of bytes beyond the limit that are read and thrown away before a client is cut off.
const READ_BEYOND: usize = 64 * 1024 * 1024;
/// How long a body may take to arrive,
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// and one that is thrown away.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The fields of a request. Refuses a body that is too long, too slow, or no JSON object.
pub(super) async fn object(
    entry: &Entry,
    guest: &Guest,
    headers: &HeaderMap,
    body: Body,
) -> Result<Map<String, Value>, Refusal> {
    let (limit, beyond) = match guest.standing {
        Standing::Stranger => (MAX_ANONYMOUS_BODY, 0),
        _ if entry.name == "intake" && guest.right == Right::Operator => (MAX_PLAN, READ_BEYOND),
        _ => (MAX_BODY, READ_BEYOND),
    };
    let late = |_| Refusal::new(Code::Usage, format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs()));
    let content = timeout(BODY_TIMEOUT, collect(body, limit, beyond)).await.map_err(late)??;
    let Some(content) = content else {
        return Err(Refusal::new(Code::TooLarge, format!("{} takes at most {limit} bytes", entry.name)));
    };
    if content.is_empty() {
        return Ok(Map::new());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // Pages of other sites can send everything but this without asking first.
    if !kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err(
            Refusal::new(Code::Usage, "the body is not declared as JSON").hint("Content-Type: application/json")
        );
    }
    parse(&content)
}

/// Reads the beginning of a body that is refused, so that its client reads the answer before the connection is closed.
pub(super) async fn discard(body: Body) {
    // What does not arrive in time is not waited for.
    let _ = timeout(DISCARD_TIMEOUT, collect(body, 0, MAX_ANONYMOUS_BODY)).await;
}

/// The whole body; none where it has more than `limit` bytes. A client that is cut off while it sends may never see the
/// answer, so up to `beyond` bytes more are read, and thrown away.
async fn collect(body: Body, limit: usize, beyond: usize) -> Result<Option<Vec<u8>>, Refusal> {
    let broken = |error| Refusal::new(Code::Usage, format!("the body did not arrive whole: {error}"));
    let mut pieces = body.into_data_stream();
    let (mut content, mut length) = (Vec::new(), 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(broken)?;
        length += piece.len();
        if length <= limit {
            content.extend_from_slice(&piece);
        } else if length > limit + beyond {
            break;
        } else {
            content = Vec::new();
        }
    }
    Ok((length <= limit).then_some(content))
}

/// Parses a JSON object. Refuses a key that is given twice, at any depth: programs on the way may read the other one.
fn parse(content: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let refused = |why: &dyn fmt::Display| Refusal::new(Code::Usage, format!("the body is no JSON object: {why}"));
    match serde_json::from_slice(content) {
        Ok(Unique(Value::Object(fields))) => Ok(fields),
        Ok(_) => Err(refused(&"it is another value")),
        Err(error) => Err(refused(&error)),
    }
}

/// A JSON value whose objects have each key once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} was given twice")));
            }
            let Unique(value) = entries.next_value()?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_in_an_object_once_at_any_depth() {
        let whole = r#"{"a": [1, -2, 1.5, "x", null, true, {"b": {}}], "b": {"a": 1}}"#;
        let expected: Map<String, Value> = serde_json::from_str(whole).expect("JSON");
        assert_eq!(parse(whole.as_bytes()).expect("each key once"), expected);
        for twice in [r#"{"a": 1, "a": 1}"#, r#"{"a": {"b": 1, "b": 2}}"#, r#"{"a": [{"b": 1, "\u0062": 2}]}"#] {
            let refusal = parse(twice.as_bytes()).expect_err("twice");
            assert!(refusal.message.contains("given twice"), "{}", refusal.message);
        }
        for other in ["[]", "1", "{", "{\"a\":1}x", &"[".repeat(100_000)] {
            assert!(parse(other.as_bytes()).is_err());
        }
    }
}
