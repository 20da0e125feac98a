//! Closed sets of words, such as the states of a task: one list gives the type, its text, its parser and its schema.

use std::fmt;

/// Why a text is not one of the words.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a {what}; there are: {words}")]
pub struct UnknownWord {
    /// The kind of word.
    pub what: &'static str,
    /// What was given.
    pub text: String,
    /// All the words, with commas.
    pub words: Words,
}

/// All words of a set, shown with commas between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words(pub &'static [&'static str]);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// Declares an enum of words. Texts are snake case; a dash is read as an underscore.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $type:ident, $what:literal { $($(#[doc = $word_doc:literal])+ $word:ident = $text:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(try_from = "std::borrow::Cow<'_, str>", into = "&'static str")]
        #[schemars(with = "String")]
        pub enum $type {
            $($(#[doc = $word_doc])+ $word,)+
        }

        impl $type {
            /// Every word of the set, in order.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// The word as it is written everywhere.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::domain::word::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text.replace('-', "_").as_str() {
                    $($text => Ok(Self::$word),)+
                    _ => Err($crate::domain::word::UnknownWord {
                        what: $what,
                        text: text.to_owned(),
                        words: $crate::domain::word::Words(&[$($text),+]),
                    }),
                }
            }
        }

        impl TryFrom<std::borrow::Cow<'_, str>> for $type {
            type Error = $crate::domain::word::UnknownWord;

            fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for &'static str {
            fn from(word: $type) -> Self {
                word.as_str()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use words;
