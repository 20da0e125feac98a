//! Credentials: through what a call came, and which agents and sessions it may act for.
//!
//! **Invariants.** An agent or session belongs to the token that registered it, by name. What was registered in the
//! project directory, or with the token of the owner or of an operator, belongs to no token: only those answer for it.

use super::id::TokenName;
use super::refusal::{Code, Refusal};
use super::right::Right;

/// Through what a call came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The account itself, in the project directory. Acts for every agent.
    #[default]
    Account,
    /// The token of the owner or of an operator of a server. Acts for every agent.
    Operator,
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
        if role >= Right::Operator { Self::Operator } else { Self::Token { name, role } }
    }

    /// What agents and sessions remember of the call that registered them. None where only the account and operators
    /// may act for them.
    pub fn registers_as(&self) -> Option<&TokenName> {
        match self {
            Self::Token { name, .. } => Some(name),
            Self::Account | Self::Operator | Self::Anonymous => None,
        }
    }

    /// True if the call may act for every agent.
    pub fn acts_for_all(&self) -> bool {
        matches!(self, Self::Account | Self::Operator)
    }

    /// True if the call may act for what was registered by this token.
    pub fn may_act_for(&self, registered_by: Option<&TokenName>) -> bool {
        match self {
            Self::Account | Self::Operator => true,
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
        for all in [token("boss", Right::Operator), Credential::Operator, Credential::Account] {
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
}
