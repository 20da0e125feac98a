//! What can go wrong with pages. None of it undoes a committed write.

use crate::domain::refusal::Refusal;
use crate::platform::error::PlatformError;

/// Why the pages do not show the newest state.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// A page could not be written.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// The board could not be read again.
    #[error("the board could not be read for its pages: {0}")]
    Board(#[from] Refusal),
    /// A built-in template failed: a mistake of callboard's own.
    #[error("the template of {page} failed: {reason}")]
    Template {
        /// The page.
        page: &'static str,
        /// What the engine said.
        reason: Box<str>,
    },
}
