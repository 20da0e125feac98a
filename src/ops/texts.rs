//! Texts that a command line can take from a file or from standard input.
//!
//! The command line keeps the source and reads it when the text gets its JSON form, so that nothing is read before the
//! whole line is known to be valid, and no JSON can name a local file. Every operation runs on what came from JSON.

use std::convert::Infallible;
use std::io::Read as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::domain::refusal::{Code, Refusal};
use crate::domain::text::TEXT_MOST;
use crate::platform::file;

/// The most bytes of a plan: some hundred thousand tasks.
const PLAN_MOST: usize = 64 * 1024 * 1024;

/// The JSON form of an operation or call: what every other door would have been given. Texts are read here.
pub fn json_of<T: Serialize>(value: &T) -> Result<Value, Refusal> {
    serde_json::to_value(value).map_err(|error| {
        Refusal::new(Code::Usage, error.to_string()).hint("'-' is standard input, '@FILE' a file, '@@' a literal '@'")
    })
}

#[derive(Clone, Debug)]
enum Source {
    Given(String),
    StandardInput,
    File(PathBuf),
}

impl Source {
    fn given(&self) -> &str {
        match self {
            Self::Given(text) => text,
            Self::StandardInput | Self::File(_) => "",
        }
    }

    /// Writes the text, reading it first where it is elsewhere: one byte more than allowed at most, so that too long a
    /// text is refused later and not cut here.
    fn serialize<S: Serializer>(&self, most: usize, serializer: S) -> Result<S::Ok, S::Error> {
        static TAKEN: AtomicBool = AtomicBool::new(false);
        let most = most as u64 + 1;
        let mut text = String::new();
        match self {
            Self::Given(text) => return serializer.serialize_str(text),
            Self::StandardInput => {
                if TAKEN.swap(true, Ordering::AcqRel) {
                    return Err(S::Error::custom("standard input can be read for one text only"));
                }
                let read = std::io::stdin().take(most).read_to_string(&mut text);
                read.map_err(|error| S::Error::custom(format!("cannot read standard input: {error}")))?;
            }
            Self::File(path) => {
                let read = file::read_named(path, most).map_err(|error| S::Error::custom(error.to_string()))?;
                text = String::from_utf8(read)
                    .map_err(|_| S::Error::custom(format!("cannot read {}: it is not UTF-8", path.display())))?;
            }
        }
        serializer.serialize_str(&text)
    }
}

/// A text: on a command line `-` reads standard input, `@FILE` a file, `@@…` is literally `@…`. In JSON it is itself.
///
/// It has no `From<String>` on purpose: clap would take that before `FromStr`.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(with = "String")]
pub struct Text(Source);

impl Text {
    /// The text of an operation that came from JSON, without the line ends that files have.
    pub fn as_str(&self) -> &str {
        self.0.given().trim_end_matches('\n')
    }
}

impl FromStr for Text {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(match text.strip_prefix('@') {
            _ if text == "-" => Source::StandardInput,
            Some(literal) if literal.starts_with('@') => Source::Given(literal.to_owned()),
            Some(path) if !path.is_empty() => Source::File(path.into()),
            _ => Source::Given(text.to_owned()),
        }))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Source::Given(text)))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(TEXT_MOST, serializer)
    }
}

/// A whole plan: on a command line the name of its file, or `-`; in JSON its text.
///
/// It has no `From<String>` on purpose: clap would take that before `FromStr`.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(with = "String")]
pub struct PlanText(Source);

impl PlanText {
    /// The plan of an operation that came from JSON. Refuses one that is too long.
    pub fn checked(&self) -> Result<&str, Refusal> {
        let text = self.0.given();
        if text.len() > PLAN_MOST {
            return Err(Refusal::new(Code::InvalidValue, format!("the plan has more than {PLAN_MOST} bytes")));
        }
        Ok(text)
    }
}

impl FromStr for PlanText {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self(if name == "-" { Source::StandardInput } else { Source::File(name.into()) }))
    }
}

impl<'de> Deserialize<'de> for PlanText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Source::Given(text)))
    }
}

impl Serialize for PlanText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(PLAN_MOST, serializer)
    }
}
