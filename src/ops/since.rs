//! A place in a stream, as a flag and as a field.

use std::borrow::Cow;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::domain::cursor::{InvalidPlace, Place};

/// A place in the stream of events: `SEQ`, or `GENERATION:SEQ`. In JSON a number is the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlaceForm", into = "String")]
pub struct Since(Place);

/// How a place is written in JSON.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a place is a number, or GENERATION:NUMBER as next_since says")]
enum PlaceForm {
    Number(u64),
    Text(String),
}

impl FromStr for Since {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        text.parse().map(Self)
    }
}

impl TryFrom<PlaceForm> for Since {
    type Error = InvalidPlace;

    fn try_from(form: PlaceForm) -> Result<Self, InvalidPlace> {
        match form {
            PlaceForm::Number(seq) => Ok(Self(Place { generation: None, seq })),
            PlaceForm::Text(text) => text.parse(),
        }
    }
}

impl From<Since> for String {
    fn from(since: Since) -> Self {
        since.0.to_string()
    }
}

impl From<Place> for Since {
    fn from(place: Place) -> Self {
        Self(place)
    }
}

impl From<Since> for Place {
    fn from(since: Since) -> Self {
        since.0
    }
}

impl std::fmt::Display for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Since {
    fn schema_name() -> Cow<'static, str> {
        "Since".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "minimum": 0,
            "description": "A place in the stream of events: `SEQ`, or `GENERATION:SEQ`.",
        })
    }
}
