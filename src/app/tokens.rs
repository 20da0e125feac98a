//! Tokens that a board's server knows, kept by the host in its own state directory and never on the board.
//!
//! The owner's token is kept as it is, so that the command line of the same account finds it; of the others only a digest
//! is kept, and they are shown once. A changed file holds at once: a token that was removed opens nothing more.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::access::App;
use super::error::refusal;
use super::place::Place;
use super::proof::{Challenge, digest};
use crate::domain::id::is_slug;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::right::Right;
use crate::platform::{file, private};

/// More than the file ever has, in bytes.
const FILE_MOST: u64 = 1024 * 1024;
/// Minimum length of a token that the environment gives to a server, in bytes.
const MIN_GIVEN_TOKEN: usize = 16;
/// The name of the token that is made by itself.
pub const OWNER: &str = "owner";

/// A token, without what opens the door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What it is called: a person who shows it acts under this name.
    pub name: String,
    /// What it is good for.
    pub role: Right,
    /// The SHA-256 of its text, in hexadecimal.
    sha256: String,
    /// Its text, for the owner's.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// All tokens of a board on this host.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tokens {
    tokens: Vec<Token>,
    /// Which file they are from.
    #[serde(skip)]
    from: Option<file::Version>,
}

impl Token {
    fn new(name: &str, role: Right, secret: &str) -> Self {
        Self { name: name.to_owned(), role, sha256: digest(secret), secret: None }
    }
}

impl Tokens {
    /// An operator's token from the environment. Refuses a short one: a client is given a proof of every token before it
    /// shows one, and could find a short token by trying.
    pub fn of_environment(secret: &str) -> Result<Self, Refusal> {
        if secret.len() < MIN_GIVEN_TOKEN {
            let message = format!("CALLBOARD_TOKEN has fewer than {MIN_GIVEN_TOKEN} characters, and could be guessed");
            return Err(
                Refusal::new(Code::InvalidValue, message).hint("export CALLBOARD_TOKEN=$(openssl rand -hex 24)")
            );
        }
        Ok(Self { tokens: vec![Token::new(OWNER, Right::Operator, secret)], from: None })
    }

    /// The token of this text.
    pub fn find(&self, secret: &str) -> Option<&Token> {
        let digest = digest(secret);
        self.tokens.iter().find(|token| token.sha256 == digest)
    }

    /// The proof for each token, in the order of the list.
    pub fn proofs(&self, challenge: Challenge<'_>) -> Vec<String> {
        self.tokens.iter().map(|token| challenge.answer(&token.sha256)).collect()
    }

    /// All of them.
    pub fn list(&self) -> &[Token] {
        &self.tokens
    }

    /// The owner's, as text.
    pub fn owner(&self) -> Option<&str> {
        self.tokens.iter().find_map(|token| token.secret.as_deref())
    }
}

impl App {
    /// Where the tokens of a board are.
    pub fn token_file(&self, board: &str) -> Result<PathBuf, Refusal> {
        Ok(self.settings.state.path()?.join("tokens").join(format!("{board}.json")))
    }

    /// The tokens of a board that this host knows; none where there are none yet.
    pub fn tokens_of(&self, board: &str) -> Result<Tokens, Refusal> {
        let path = self.token_file(board)?;
        let from = file::version(&path);
        let Some(content) = file::read(&path, FILE_MOST).map_err(|error| refusal(&error))? else {
            return Ok(Tokens::default());
        };
        let tokens: Tokens = serde_json::from_slice(&content).map_err(|error| {
            Refusal::new(Code::Damaged, format!("{} cannot be read: {error}", path.display()))
                .hint("remove it: the next callboard serve makes another, and old tokens end")
        })?;
        Ok(Tokens { from, ..tokens })
    }

    /// The same, unless the file is the one that `tokens` are from.
    pub fn newer_tokens(&self, board: &str, tokens: &Tokens) -> Option<Tokens> {
        let version = self.token_file(board).ok().and_then(|path| file::version(&path));
        (version != tokens.from).then(|| self.tokens_of(board).unwrap_or_default())
    }

    /// The same with an owner's, which is made if need be.
    pub fn tokens(&self, place: &Place) -> Result<Tokens, Refusal> {
        let tokens = self.tokens_of(&place.key)?;
        if tokens.owner().is_some() {
            return Ok(tokens);
        }
        let secret = self.new_secret()?;
        let owner = Token { secret: Some(secret.clone()), ..Token::new(OWNER, Right::Operator, &secret) };
        self.change_tokens(&place.key, |tokens| {
            if tokens.owner().is_none() {
                tokens.tokens.insert(0, owner);
            }
            Ok(())
        })?;
        self.tokens_of(&place.key)
    }

    /// Makes a token and returns its text, which is kept nowhere. Refuses a name that is none or is taken.
    pub fn add_token(&self, place: &Place, name: &str, role: Right) -> Result<String, Refusal> {
        if !is_slug(name) {
            let message = format!("{name:?} is no name: letters, digits and dashes");
            return Err(Refusal::new(Code::InvalidValue, message).hint("callboard token add ci --role worker"));
        }
        let secret = self.new_secret()?;
        self.change_tokens(&place.key, |tokens| {
            if name == OWNER || tokens.tokens.iter().any(|token| token.name == name) {
                let message = format!("there is a token called {name}");
                return Err(Refusal::new(Code::Differs, message).hint("callboard token list"));
            }
            tokens.tokens.push(Token::new(name, role, &secret));
            Ok(())
        })?;
        Ok(secret)
    }

    /// Removes a token; the owner's is replaced by another at the next start of the server. Refuses a name that none has.
    pub fn remove_token(&self, place: &Place, name: &str) -> Result<(), Refusal> {
        self.change_tokens(&place.key, |tokens| {
            let before = tokens.tokens.len();
            tokens.tokens.retain(|token| token.name != name);
            if tokens.tokens.len() == before {
                let message = format!("there is no token called {name}");
                return Err(Refusal::new(Code::InvalidValue, message).hint("callboard token list"));
            }
            Ok(())
        })
    }

    fn new_secret(&self) -> Result<String, Refusal> {
        Ok(format!("cb-{}", self.settings.entropy.hex(24).map_err(|error| refusal(&error))?))
    }

    fn change_tokens(
        &self,
        board: &str,
        change: impl FnOnce(&mut Tokens) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let platform = |error| refusal(&error);
        let path = self.token_file(board)?;
        if let Some(directory) = path.parent() {
            private::make_directory(directory).map_err(platform)?;
        }
        let lock = path.with_extension("lock");
        let deadline = crate::platform::deadline::Deadline::after(self.settings.lock_timeout);
        let _alone = loop {
            match private::try_lock(&lock).map_err(platform)? {
                Some(held) => break held,
                None if deadline.is_over() => {
                    return Err(Refusal::new(Code::Busy, format!("{} is held", lock.display())));
                }
                None => deadline.nap(std::time::Duration::from_millis(10)),
            }
        };
        let mut tokens = self.tokens_of(board)?;
        change(&mut tokens)?;
        let json = serde_json::to_vec_pretty(&tokens).expect("words and texts have a JSON form");
        private::replace(&path, &json, &self.settings.entropy.hex(6).map_err(platform)?).map_err(platform)
    }
}
