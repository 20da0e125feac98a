//! The proof that a server knows a token, given before a client sends it.
//!
//! A client sends a random nonce. The server answers HMAC-SHA256 with the digest of each token as the key, over its own
//! address and the nonce. A process that took the port of a stopped server cannot answer, and cannot pass the question on
//! to a server at another address: the address is a part of what is signed.
//!
//! **Compatibility.** The key is the 64 lower-case hexadecimal digits of the token's SHA-256. The message is
//! `callboard-proof-1`, the address as `IP:PORT` and the nonce, each ended by a line feed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::order::hexadecimal;
use crate::domain::refusal::{Code, Refusal};

/// The header that carries the nonce.
pub const NONCE_HEADER: &str = "callboard-nonce";
/// The path at which a server answers.
pub const PATH: &str = "/v1/proof";
/// Digits of a nonce: 32 random bytes in hexadecimal.
const NONCE_DIGITS: usize = 64;

/// The digest of a token, under which a server knows it: comparing digests tells nothing of the text, however long it takes.
pub(super) fn digest(secret: &str) -> String {
    use sha2::Digest as _;
    hexadecimal(&Sha256::digest(secret.as_bytes()))
}

/// What a server signs.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The address at which the server listens, as `IP:PORT`.
    pub address: &'a str,
    /// The client's nonce.
    pub nonce: &'a str,
}

impl Challenge<'_> {
    /// Refuses a nonce that is not 64 hexadecimal digits with `usage`.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.nonce.len() == NONCE_DIGITS && self.nonce.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => Ok(()),
            false => Err(Refusal::new(Code::Usage, format!("{NONCE_HEADER} has {NONCE_DIGITS} hexadecimal digits"))),
        }
    }

    /// The proof for the token with this digest.
    pub(super) fn answer(&self, digest: &str) -> String {
        hexadecimal(&self.mac(digest).finalize().into_bytes())
    }

    /// Whether one of these proofs is that of the token.
    pub fn is_answered(&self, token: &str, proofs: &[String]) -> bool {
        let mac = self.mac(&digest(token));
        proofs.iter().filter_map(|proof| bytes(proof)).any(|proof| mac.clone().verify_slice(&proof).is_ok())
    }

    fn mac(&self, digest: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(digest.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("callboard-proof-1\n{}\n{}\n", self.address, self.nonce).as_bytes());
        mac
    }
}

/// The bytes of a hexadecimal text of an even length.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_the_address_and_the_nonce_together_make_the_proof() {
        let nonce = "0f".repeat(32);
        let asked = Challenge { address: "127.0.0.1:8765", nonce: &nonce };
        asked.check().expect("a nonce");
        let proofs = ["00".to_owned(), "zz".to_owned(), asked.answer(&digest("cb-1"))];
        assert!(asked.is_answered("cb-1", &proofs));
        assert!(!asked.is_answered("cb-2", &proofs) && !asked.is_answered("cb-1", &proofs[..2]));
        assert!(!Challenge { address: "127.0.0.1:8766", ..asked }.is_answered("cb-1", &proofs), "relayed");
        let other = "1f".repeat(32);
        assert!(!Challenge { nonce: &other, ..asked }.is_answered("cb-1", &proofs), "replayed");
        for wrong in ["", "0f", &"0g".repeat(32)] {
            assert!(Challenge { nonce: wrong, ..asked }.check().is_err(), "{wrong:?}");
        }
    }
}
