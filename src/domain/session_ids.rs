//! Session ids in answers and pages: who is shown which.
//!
//! **Invariants.** A session id proves every lease of its session. It is shown to that session itself, to people and to
//! operators; everybody else reads the agent, the host and the window instead.

use std::borrow::Cow;

use serde_json::Value;

use super::id::SessionId;
use super::text::replace_parts;

/// What stands before the digits of a session id.
pub const SESSION_PREFIX: &str = "s-";
/// Number of hexadecimal digits of a session id.
pub const SESSION_DIGITS: usize = 12;
/// What stands in a text in the place of a session id that is not shown.
pub const HIDDEN_SESSION: &str = "s-hidden";

/// The session ids that an answer shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownSessions {
    /// All of them.
    All,
    /// The reader's own, if it has one.
    Own(Option<SessionId>),
}

impl ShownSessions {
    /// The ids that a reader without a session is shown.
    pub const NONE: Self = Self::Own(None);

    fn shows(&self, id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => own.as_ref().is_some_and(|own| own.as_str() == id),
        }
    }

    /// The text with every id replaced that is not shown.
    pub fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if *self == Self::All {
            return Cow::Borrowed(text);
        }
        let hidden = |(at, _): (usize, &str)| {
            let end = at + SESSION_PREFIX.len() + SESSION_DIGITS;
            let is_part = |c: char| c.is_ascii_alphanumeric();
            let is_id = !text[..at].ends_with(is_part) && !text.get(end..)?.starts_with(is_part);
            let digits = text.get(at + SESSION_PREFIX.len()..end)?;
            let is_hidden = is_id && digits.bytes().all(|c| c.is_ascii_hexdigit()) && !self.shows(&text[at..end]);
            is_hidden.then_some((at..end, HIDDEN_SESSION))
        };
        replace_parts(text, text.match_indices(SESSION_PREFIX).filter_map(hidden))
    }

    /// Takes every id out of a value that is not shown: a field or an element that is one goes, in other texts it is
    /// replaced. Says whether there was any.
    pub fn hide(&self, value: &mut Value) -> bool {
        if *self == Self::All {
            return false;
        }
        match value {
            Value::String(text) => match self.text(text) {
                Cow::Owned(hidden) => {
                    *text = hidden;
                    true
                }
                Cow::Borrowed(_) => false,
            },
            Value::Array(list) => {
                let mut any = list.iter_mut().fold(false, |any, value| self.hide(value) | any);
                any |= list.iter().any(is_hidden);
                list.retain(|value| !is_hidden(value));
                any
            }
            Value::Object(fields) => {
                let any = fields.values_mut().fold(false, |any, value| self.hide(value) | any);
                fields.retain(|_, value| !is_hidden(value));
                any
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
}

fn is_hidden(value: &Value) -> bool {
    value.as_str() == Some(HIDDEN_SESSION)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OWN: &str = "s-00000000000a";

    fn own() -> ShownSessions {
        ShownSessions::Own(OWN.parse().ok())
    }

    #[test]
    fn a_session_reads_its_own_id_and_no_other() {
        let text = "held in s-0123456789ab, s-0123456789abc, news-0123456789ab, s-00000000000a and (s-ffffffffffff)";
        let hidden = "held in s-hidden, s-0123456789abc, news-0123456789ab, s-00000000000a and (s-hidden)";
        assert_eq!(own().text(text), hidden);
        assert_eq!(ShownSessions::NONE.text(OWN), HIDDEN_SESSION);
        assert_eq!(ShownSessions::All.text(text), text);
        for odd in ["ä s-ä0123456789ab s-", "s-", "s-0123456789a"] {
            assert_eq!(ShownSessions::NONE.text(odd), odd);
        }
    }

    #[test]
    fn a_field_that_is_a_hidden_id_is_left_out() {
        let value = json!({
            "session_id": OWN, "list": [OWN, "s-0123456789ab", {"session_id": "s-0123456789ab", "n": 1}],
            "from": "s-0123456789ab", "said": "in s-0123456789ab",
        });
        let mut shown = value.clone();
        assert!(own().hide(&mut shown));
        assert_eq!(shown, json!({"session_id": OWN, "list": [OWN, {"n": 1}], "said": "in s-hidden"}));
        let mut all = value.clone();
        assert!(!ShownSessions::All.hide(&mut all) && all == value);
    }
}
