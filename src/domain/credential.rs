//! Credentials: through what a call came, and which agents and sessions it may act for.
//!
//! **Invariants.** An agent or session belongs to the token that registered it, by name. What was registered in the
//! project directory, or with the token of the owner or of an operator, belongs to no token: only those answer for it.
//! Session ids are shown to whoever can act, and to nobody else.

use std::borrow::Cow;

use super::id::TokenName;
use super::refusal::{Code, Refusal};
use super::right::Right;
use super::text::replace_parts;

/// Through what a call came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The account itself, in the project directory; or the token of the owner or of an operator. Acts for every agent.
    #[default]
    Account,
    /// The token of a server, for less than an operator.
    Token {
        /// The name of the token.
        name: TokenName,
        /// What it is good for.
        role: Right,
    },
    /// A server, without a token.
    Anonymous,
}

impl Credential {
    /// The credential of a token.
    pub fn of_token(name: TokenName, role: Right) -> Self {
        if role >= Right::Operator { Self::Account } else { Self::Token { name, role } }
    }

    /// What agents and sessions remember of the call that registered them. None where only the account and operators
    /// may act for them.
    pub fn registers_as(&self) -> Option<&TokenName> {
        match self {
            Self::Token { name, .. } => Some(name),
            Self::Account | Self::Anonymous => None,
        }
    }

    /// True if the call may act for what was registered by this token.
    pub fn may_act_for(&self, registered_by: Option<&TokenName>) -> bool {
        match self {
            Self::Account => true,
            Self::Token { name, .. } => registered_by == Some(name),
            Self::Anonymous => false,
        }
    }

    /// Refuses with `forbidden` a call that names what another token registered; `what` names it.
    pub fn check(&self, what: &str, registered_by: Option<&TokenName>) -> Result<(), Refusal> {
        if self.may_act_for(registered_by) {
            return Ok(());
        }
        let by = if registered_by.is_some() { "with another token" } else { "without this token" };
        Err(Refusal::new(Code::Forbidden, format!("{what} was registered {by}"))
            .hint("callboard init-agent --thread-key KEY, with a key of your own"))
    }

    /// True if work that was submitted with the token `submitted_by` is the caller's own. The account and operators may
    /// be several agents: theirs are told apart by name alone.
    pub fn is_author(&self, submitted_by: Option<&TokenName>) -> bool {
        matches!(self, Self::Token { name, .. } if submitted_by == Some(name))
    }

    /// True if answers to the call show session ids.
    pub fn shows_sessions(&self) -> bool {
        match self {
            Self::Account => true,
            Self::Token { role, .. } => *role >= Right::Worker,
            Self::Anonymous => false,
        }
    }

    /// The text as the caller may read it: without session ids, unless it is shown them.
    pub fn readable<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.shows_sessions() { Cow::Borrowed(text) } else { without_session_ids(text) }
    }
}

/// What stands before the digits of a session id.
pub const SESSION_PREFIX: &str = "s-";
/// Number of hexadecimal digits of a session id.
pub const SESSION_DIGITS: usize = 12;
/// What stands in the place of a session id that is not shown: itself an id, so that readers of JSON still find one.
pub const HIDDEN_SESSION: &str = "s-hidden";

fn without_session_ids(text: &str) -> Cow<'_, str> {
    let session = |(at, _): (usize, &str)| {
        let digits = at + SESSION_PREFIX.len();
        let end = digits + SESSION_DIGITS;
        let is_part = |c: char| c.is_ascii_alphanumeric();
        let stands_alone = !text[..at].ends_with(is_part)
            && text.get(digits..end).is_some_and(|id| id.bytes().all(|c| c.is_ascii_hexdigit()))
            && !text[end..].starts_with(is_part);
        stands_alone.then_some((at..end, HIDDEN_SESSION))
    };
    replace_parts(text, text.match_indices(SESSION_PREFIX).filter_map(session))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TokenName {
        text.parse().expect("a name")
    }

    fn token(text: &str, role: Right) -> Credential {
        Credential::of_token(name(text), role)
    }

    #[test]
    fn a_token_acts_for_what_it_registered_and_an_operator_for_all() {
        let (ann, ben) = (token("ann", Right::Worker), token("ben", Right::Reviewer));
        let by_ann = ann.registers_as();
        assert!(ann.may_act_for(by_ann) && !ben.may_act_for(by_ann));
        assert!(!ann.may_act_for(None), "it was registered in the directory");
        for all in [token("boss", Right::Operator), Credential::Account] {
            assert!(all.may_act_for(by_ann) && all.may_act_for(None));
            assert_eq!(all.registers_as(), None);
        }
        assert!(!Credential::Anonymous.may_act_for(None));
        assert_eq!(ben.check("agent x", by_ann).map_err(|refusal| refusal.code), Err(Code::Forbidden));
    }

    #[test]
    fn one_token_under_two_names_is_one_author() {
        let ann = token("ann", Right::Reviewer);
        assert!(ann.is_author(ann.registers_as()));
        assert!(!token("ben", Right::Reviewer).is_author(ann.registers_as()) && !ann.is_author(None));
        assert!(!Credential::Account.is_author(None), "the account's agents are told apart by name");
    }

    #[test]
    fn session_ids_are_for_those_who_act() {
        let text = "held in s-0123456789ab, s-0123456789abc, news-0123456789ab and (s-ffffffffffff)";
        for reader in [Credential::Anonymous, token("r", Right::Read)] {
            let shown = reader.readable(text);
            assert_eq!(shown, "held in s-hidden, s-0123456789abc, news-0123456789ab and (s-hidden)");
        }
        assert_eq!(token("w", Right::Worker).readable(text), text);
        assert_eq!(Credential::Anonymous.readable("ä s-ä0123456789ab s-"), "ä s-ä0123456789ab s-");
    }
}
