//! Randomness: ids, tokens and nonces that nobody can guess and no two processes share.

use std::cell::Cell;
use std::fmt::Write as _;

use super::error::PlatformError;

/// Where a process gets random names from.
#[derive(Debug)]
pub enum Entropy {
    /// From the operating system.
    System,
    /// From a counter, so that a test can write down what it expects.
    Seeded(Cell<u64>),
}

impl Entropy {
    /// `bytes` random bytes in hexadecimal; at most 32.
    pub fn hex(&self, bytes: usize) -> Result<String, PlatformError> {
        let mut buffer = [0u8; 32];
        let part = &mut buffer[..bytes.min(32)];
        match self {
            Self::System => getrandom::fill(part).map_err(|_| PlatformError::NoEntropy)?,
            Self::Seeded(counter) => {
                counter.set(counter.get() + 1);
                let number = counter.get().to_be_bytes();
                let width = part.len().min(number.len());
                let begin = part.len() - width;
                part[begin..].copy_from_slice(&number[number.len() - width..]);
            }
        }
        let mut text = String::with_capacity(part.len() * 2);
        for byte in part {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        }
        Ok(text)
    }
}

/// A number below `bound` to spread waiters out; where the system gives no randomness, the middle.
pub fn jitter(bound: u64) -> u64 {
    let mut bytes = [0u8; 8];
    if bound == 0 || getrandom::fill(&mut bytes).is_err() {
        return bound / 2;
    }
    u64::from_le_bytes(bytes) % bound
}
