//! Pages that are not what the board says: somebody edited or removed one, or nobody has drawn it anew.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bundles::difference;
use super::marker::hash;
use super::refresh::Desk;
use super::render::Drawn;
use crate::domain::word::words;
use crate::platform::file;

words! {
    /// How a page differs from the board.
    DriftKind, "kind of drift" {
        /// It is not there.
        Missing = "missing",
        /// Somebody edited it. That is never read back.
        Edited = "edited",
        /// It shows an older state.
        Behind = "behind",
    }
}

/// A page that is not what the board says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// Its file in the plan directory.
    pub page: String,
    /// How it differs.
    pub kind: DriftKind,
    /// From what it would show to what it shows, as a unified diff of bounded length.
    pub diff: Option<String>,
}

/// More than a page ever has, in bytes.
const PAGE_MOST: u64 = 1024 * 1024;

impl Desk {
    /// The pages that are not as `drawn` has them.
    pub fn drift(&self, drawn: &Drawn) -> Vec<Drift> {
        let shown = self.shown().unwrap_or_default();
        let drifted = drawn.pages.iter().filter_map(|page| {
            let content = file::read(&self.plan.join(&page.name), PAGE_MOST).ok().flatten();
            let Some(content) = content else {
                return Some(Drift { page: page.name.clone(), kind: DriftKind::Missing, diff: None });
            };
            if content == page.text.as_bytes() {
                return None;
            }
            let written = shown.pages.get(&page.name).or(shown.bundles.get(&page.name).map(|mark| &mark.hash));
            if written == Some(&hash(&content)) {
                // It is what somebody drew, of an older state; presence may be behind for a while, and nobody minds.
                let is_behind = shown.generation != drawn.marker.generation || shown.revision < drawn.marker.revision;
                return is_behind.then(|| Drift { page: page.name.clone(), kind: DriftKind::Behind, diff: None });
            }
            let diff = difference(&page.text, &String::from_utf8_lossy(&content));
            Some(Drift { page: page.name.clone(), kind: DriftKind::Edited, diff })
        });
        drifted.collect()
    }
}
