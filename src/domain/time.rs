//! Two kinds of time that must never be mixed: what people are shown, and what leases run on.
//!
//! [`Millis`] is Unix time in milliseconds of the storage's clock. [`LeaseTime`] is a reading of the board's own lease
//! clock (see [`super::lease_clock`]), which runs slower than the world when the board was silent. Only a [`Dial`],
//! the pair of both read in one transaction, can turn one into the other.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment that people are shown: Unix time in milliseconds, written as RFC 3339 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

impl Millis {
    /// The milliseconds from `earlier` to this moment; negative when `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or_default();
        f.write_str(&moment.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let moment = DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?;
        Ok(Self(moment.timestamp_millis()))
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// A reading of the lease clock, in milliseconds. Deadlines are of this kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseTime(pub i64);

impl LeaseTime {
    /// This reading and `seconds` more.
    #[must_use]
    pub fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(i64::from(seconds) * 1000))
    }
}

/// Both clocks, read at the same instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dial {
    /// The storage's clock.
    pub wall: Millis,
    /// The lease clock.
    pub lease: LeaseTime,
}

impl Dial {
    /// When `deadline` will come if the lease clock runs on without a gap.
    pub fn shown(self, deadline: LeaseTime) -> Millis {
        Millis(self.wall.0.saturating_add(deadline.0.saturating_sub(self.lease.0)))
    }

    /// Whole seconds until `deadline`, rounded down; 0 when it has passed.
    pub fn seconds_until(self, deadline: LeaseTime) -> u64 {
        u64::try_from(deadline.0.saturating_sub(self.lease.0) / 1000).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_its_text() {
        let moment = Millis(1_700_000_000_123);
        assert_eq!(moment.to_string(), "2023-11-14T22:13:20.123Z");
        let json = serde_json::to_string(&moment).expect("a moment is text");
        assert_eq!(serde_json::from_str::<Millis>(&json).expect("its own text"), moment);
    }

    #[test]
    fn a_deadline_is_shown_on_the_storage_clock() {
        let dial = Dial { wall: Millis(50_000), lease: LeaseTime(10_000) };
        assert_eq!(dial.shown(LeaseTime(12_500)), Millis(52_500));
        assert_eq!(dial.seconds_until(LeaseTime(12_500)), 2);
        assert_eq!(dial.seconds_until(LeaseTime(9_000)), 0);
    }
}
