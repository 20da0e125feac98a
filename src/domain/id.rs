//! Names: what may be one, checked where a value enters.
//!
//! **Invariants.** A name that can become a file name, a terminal line or a markdown cell is a slug: it starts with a
//! letter or digit and has only letters, digits, `.`, `_` and `-`. Whoever holds one of these types need not check again.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("{what} is empty")]
    Empty {
        /// The kind of name.
        what: &'static str,
    },
    /// It is longer than allowed.
    #[error("{what} is longer than {most} characters")]
    TooLong {
        /// The kind of name.
        what: &'static str,
        /// The most that is allowed.
        most: usize,
    },
    /// It has characters that a name may not have.
    #[error("{what} {text:?} must start with a letter or digit and have only letters, digits, '.', '_' and '-'")]
    NotASlug {
        /// The kind of name.
        what: &'static str,
        /// What was given.
        text: String,
    },
    /// It is not a commit id.
    #[error("{what} {text:?} must have 40 or 64 hexadecimal digits")]
    NotACommit {
        /// The kind of name.
        what: &'static str,
        /// What was given.
        text: String,
    },
    /// git would not accept it as the name of a branch.
    #[error("{what} {text:?} cannot be the name of a branch")]
    NotABranch {
        /// The kind of name.
        what: &'static str,
        /// What was given.
        text: String,
    },
    /// It is not an absolute path.
    #[error("{what} {text:?} must begin with a slash")]
    NotAbsolute {
        /// The kind of name.
        what: &'static str,
        /// What was given.
        text: String,
    },
    /// It has control characters.
    #[error("{what} {text:?} has control characters")]
    Control {
        /// The kind of name.
        what: &'static str,
        /// What was given.
        text: String,
    },
}

/// True for a text that is safe as a file name: see the invariants of this module.
pub fn is_slug(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.ends_with('.')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn slug(what: &'static str, text: &str, most: usize) -> Result<(), InvalidName> {
    match text {
        "" => Err(InvalidName::Empty { what }),
        long if long.len() > most => Err(InvalidName::TooLong { what, most }),
        good if is_slug(good) => Ok(()),
        bad => Err(InvalidName::NotASlug { what, text: bad.to_owned() }),
    }
}

fn line(what: &'static str, text: &str, most: usize) -> Result<(), InvalidName> {
    match text {
        "" => Err(InvalidName::Empty { what }),
        long if long.chars().count() > most => Err(InvalidName::TooLong { what, most }),
        bad if bad.chars().any(char::is_control) => Err(InvalidName::Control { what, text: bad.to_owned() }),
        _ => Ok(()),
    }
}

/// A commit of git: 40 or 64 hexadecimal digits, so that it can never be taken for an option or a path.
fn commit(what: &'static str, text: &str, _: usize) -> Result<(), InvalidName> {
    match text {
        "" => Err(InvalidName::Empty { what }),
        good if matches!(good.len(), 40 | 64) && good.bytes().all(|digit| digit.is_ascii_hexdigit()) => Ok(()),
        bad => Err(InvalidName::NotACommit { what, text: bad.to_owned() }),
    }
}

/// A branch, by the rules that git has for names of references.
fn branch(what: &'static str, text: &str, most: usize) -> Result<(), InvalidName> {
    line(what, text, most)?;
    let is_good = !text.starts_with(['-', '/', '.'])
        && !text.ends_with(['/', '.'])
        && !["..", "@{", "//", "/.", ".lock/"].iter().any(|part| text.contains(part))
        && !text.to_ascii_lowercase().ends_with(".lock")
        && !text.contains([' ', '~', '^', ':', '?', '*', '[', '\\'])
        && text != "@";
    is_good.then_some(()).ok_or_else(|| InvalidName::NotABranch { what, text: text.to_owned() })
}

/// An absolute path in one line.
fn path(what: &'static str, text: &str, most: usize) -> Result<(), InvalidName> {
    line(what, text, most)?;
    text.starts_with('/').then_some(()).ok_or_else(|| InvalidName::NotAbsolute { what, text: text.to_owned() })
}

macro_rules! name {
    ($(#[doc = $doc:literal])+ $type:ident, $what:literal, $check:ident, $most:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                $check($what, text, $most).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                $check($what, &text, $most).map(|()| Self(text))
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                name!(@schema $check, $most)
            }
        }
    };
    (@schema slug, $most:literal) => {
        json_schema!({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$", "maxLength": $most})
    };
    (@schema commit, $most:literal) => {
        json_schema!({"type": "string", "pattern": "^([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$"})
    };
    (@schema branch, $most:literal) => {
        json_schema!({"type": "string", "minLength": 1, "maxLength": $most, "pattern": "^[^-/.]"})
    };
    (@schema path, $most:literal) => {
        json_schema!({"type": "string", "pattern": "^/", "maxLength": $most})
    };
    (@schema line, $most:literal) => {
        json_schema!({"type": "string", "minLength": 1, "maxLength": $most})
    };
}

name! {
    /// The name of a task. The flag is `--module`.
    Module, "module", slug, 80
}
name! {
    /// A durable agent, made from its thread key.
    AgentId, "agent id", slug, 80
}
name! {
    /// One live window of an agent.
    SessionId, "session id", slug, 80
}
name! {
    /// A field of work, such as `backend`.
    Specialty, "specialty", slug, 40
}
name! {
    /// A machine: its random id, or the name that people gave it.
    HostId, "host id", slug, 80
}
name! {
    /// One of several windows of an agent on a host.
    WindowId, "window id", slug, 80
}
name! {
    /// What a host uses to recognise an agent again. Any line of text; the same key always gives the same agent.
    ThreadKey, "thread key", line, 200
}
name! {
    /// The name of a server's token.
    TokenName, "token name", slug, 80
}
name! {
    /// Names a mutation, so that repeating it does nothing twice.
    RequestId, "request id", line, 200
}
name! {
    /// A named reader of a stream.
    CursorId, "cursor id", line, 120
}
name! {
    /// Proof of one lease. Compared whole; never shown on a page.
    LeaseToken, "lease token", line, 80
}

name! {
    /// A commit of git.
    CommitId, "commit", commit, 64
}
name! {
    /// A branch of git.
    BranchName, "branch", branch, 250
}
name! {
    /// A directory on a host.
    DirectoryPath, "directory", path, 4096
}
name! {
    /// What people call a host.
    HostName, "host name", line, 253
}

impl Module {
    /// The name made from words such as a line of a plan: lower case, everything else a dash, at most 48 characters.
    /// None when nothing is left.
    pub fn from_words(words: &str) -> Option<Self> {
        let mut slug = String::new();
        for c in words.chars() {
            if slug.len() >= 48 {
                break;
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        slug.trim_end_matches('-').parse().ok()
    }

    /// This name with `-number` behind it, cut so that it stays a name.
    #[must_use]
    pub fn numbered(&self, number: usize) -> Self {
        let end = format!("-{number}");
        let keep = self.0.len().min(80 - end.len());
        Self(format!("{}{end}", &self.0[..keep]))
    }
}

impl AgentId {
    /// The id of the agent with this key: the key itself where it is a slug, else its words and `fingerprint`, so that
    /// two keys with the same words differ.
    pub fn from_thread_key(key: &ThreadKey, fingerprint: &str) -> Self {
        if slug("agent id", key.as_str(), 80).is_ok() {
            return Self(key.0.clone());
        }
        let words = Module::from_words(key.as_str()).map_or_else(|| "agent".to_owned(), String::from);
        Self(format!("{words}-{fingerprint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_leave_its_directory_is_none() {
        for bad in ["", "..", "../x", "a/b", ".hidden", "-flag", "a b", "ä", "a\u{1b}[0m", "end."] {
            assert!(bad.parse::<Module>().is_err(), "{bad:?}");
        }
        for good in ["a", "core-auth", "v1.2_x", "0"] {
            assert!(good.parse::<Module>().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn what_git_takes_for_an_option_is_neither_a_commit_nor_a_branch() {
        for bad in ["", "0", "--output=/etc/passwd", "HEAD", "g000000000000000000000000000000000000000"] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad:?}");
        }
        assert!("0123456789abcdef0123456789ABCDEF01234567".parse::<CommitId>().is_ok());
        for bad in ["", "-d", "--all", "a b", "a..b", "a@{1}", "@", "/a", "a/", "a.lock", "a/.b", "a\nb", "a:b"] {
            assert!(bad.parse::<BranchName>().is_err(), "{bad:?}");
        }
        for good in ["main", "feature/x-1", "ünter"] {
            assert!(good.parse::<BranchName>().is_ok(), "{good:?}");
        }
        assert!("relative".parse::<DirectoryPath>().is_err());
    }

    #[test]
    fn keys_with_the_same_words_give_different_agents() {
        let plain = AgentId::from_thread_key(&"worker-a".parse().expect("a key"), "f00");
        assert_eq!(plain.as_str(), "worker-a");
        let words = AgentId::from_thread_key(&"Worker A".parse().expect("a key"), "f00");
        assert_eq!(words.as_str(), "worker-a-f00");
    }

    #[test]
    fn numbering_keeps_a_long_name_a_name() {
        let long: Module = "x".repeat(80).parse().expect("eighty are allowed");
        assert!(long.numbered(12).as_str().parse::<Module>().is_ok());
    }
}
