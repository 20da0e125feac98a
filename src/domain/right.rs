//! What a token of a server may do. Each right includes those before it.

use super::word::words;

words! {
    /// What a token of a server may do.
    Right, "role of a token" {
        /// Look.
        Read = "read",
        /// Work: come aboard, claim, hand in, ask, hand over.
        Worker = "worker",
        /// Review too.
        Reviewer = "reviewer",
        /// Everything, also what people do: plan, cancel, answer as a person, repair.
        Operator = "operator",
    }
}
