//! What a reviewer says about one attempt.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::Millis;
use super::word::words;

words! {
    /// A reviewer's decision.
    Decision, "verdict" {
        /// It is done.
        Approved = "approved",
        /// It goes back to its author.
        ChangesRequested = "changes_requested",
    }
}

/// A reviewer's decision, bound to the attempt that was reviewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The number of the attempt that was reviewed.
    pub attempt: u32,
    /// Who decided: an agent id, or `human:USER`.
    pub by: String,
    /// The decision.
    pub verdict: Decision,
    /// Why.
    pub notes: String,
    /// When.
    pub at: Millis,
}

/// The attempts of which a reviewer wanted more.
pub fn sent_back(verdicts: &[Verdict]) -> Vec<u32> {
    let sent_back = verdicts.iter().filter(|one| one.verdict == Decision::ChangesRequested);
    sent_back.map(|one| one.attempt).collect()
}
