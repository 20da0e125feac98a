//! What the pages show: written last, so that a page that is older than the board is known to be.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::handoff::HandoffKey;
use crate::platform::error::PlatformError;
use crate::platform::file::{self, Durability};

/// More than a marker ever has, in bytes.
const MARKER_MOST: u64 = 64 * 1024;

/// The state that the pages show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The board's generation.
    pub generation: String,
    /// Its revision.
    pub revision: u64,
    /// Its presence.
    pub presence: u64,
    /// The SHA-256 of each page.
    pub pages: BTreeMap<String, String>,
    /// The bundles that lie beside them, by file.
    #[serde(default)]
    pub bundles: BTreeMap<String, BundleMark>,
    /// When, in Unix milliseconds of the storage's clock.
    pub at: i64,
}

/// Which handoff a bundle's page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleMark {
    /// The handoff.
    pub handoff: HandoffKey,
    /// The SHA-256 of the page.
    pub hash: String,
}

impl Marker {
    /// The marker in `path`; none when it is not there or cannot be read, which only means that pages are made anew.
    pub fn read(path: &Path) -> Option<Self> {
        Self::parse(&file::read(path, MARKER_MOST).ok()??)
    }

    /// What these bytes say.
    fn parse(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }

    /// Writes it. `writer` is the host; the projection lock is held.
    pub fn write(&self, path: &Path, writer: &str) -> Result<(), PlatformError> {
        let json = serde_json::to_vec(self).expect("text and numbers have a JSON form");
        file::replace(path, &json, writer, Durability::Disposable)
    }

    /// True when it shows this state or a later one of the same generation.
    pub fn shows(&self, generation: &str, revision: u64, presence: u64) -> bool {
        self.generation == generation && self.revision >= revision && self.presence >= presence
    }
}

/// The SHA-256 of a page, in hexadecimal.
pub fn hash(text: &[u8]) -> String {
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        use std::fmt::Write as _;
        write!(hex, "{byte:02x}").expect("writing to a string cannot fail");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::fuzz;

    fn valid() -> Vec<u8> {
        let pages = BTreeMap::from([("STATUS.md".to_owned(), hash(b"x"))]);
        let bundles = BTreeMap::from([("a".to_owned(), BundleMark { handoff: HandoffKey(1), hash: hash(b"y") })]);
        let marker = Marker { generation: "g".to_owned(), revision: 7, presence: 1, pages, bundles, at: -1 };
        serde_json::to_vec(&marker).expect("JSON")
    }

    proptest::proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn a_marker_of_any_bytes_is_read_or_nothing(content in fuzz::hostile(vec![valid()])) {
            if let Some(marker) = Marker::parse(&content) {
                marker.shows("g", 0, 0);
            }
        }
    }
}
