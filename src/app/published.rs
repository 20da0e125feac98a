//! What of the plan directory is for everybody: the pages, and the bundles of handoffs.
//!
//! **Invariants.** Nothing else of the directory has a name here, and links are not followed.

use std::fs;
use std::path::PathBuf;

use crate::board::inbox::DIRECTORY;
use crate::domain::session_ids::ShownSessions;
use crate::platform::file;
use crate::projection::bundles;
use crate::projection::pages::PAGES;

/// The most bytes of one.
const MOST: u64 = 4 * 1024 * 1024;
const BUNDLE_ENDING: &str = ".handoff.md";

/// The published files of a plan directory.
#[derive(Clone, Debug)]
pub struct Published {
    plan: PathBuf,
}

impl Published {
    /// Those of this plan directory.
    pub fn new(plan: PathBuf) -> Self {
        Self { plan }
    }

    /// The file of a page; none for a name that no page has.
    pub fn page(&self, name: &str) -> Option<PathBuf> {
        PAGES.iter().any(|page| page.name == name).then(|| self.plan.join(name))
    }

    /// The file of a task's bundle; none for what is no name of a task.
    pub fn bundle(&self, module: &str) -> Option<PathBuf> {
        Some(self.plan.join(bundles::file(&module.parse().ok()?)))
    }

    /// The tasks that have a bundle, by name; so many at most.
    pub fn bundles(&self, most: usize) -> Vec<String> {
        let entries = fs::read_dir(self.plan.join(DIRECTORY)).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut modules: Vec<String> =
            names.filter_map(|name| name.strip_suffix(BUNDLE_ENDING).map(str::to_owned)).collect();
        modules.sort();
        modules.truncate(most);
        modules
    }
}

/// The text of such a file, if it is there, without the session ids that older programs wrote.
pub fn text(path: &std::path::Path) -> Option<String> {
    let content = file::read(path, MOST).ok()??;
    Some(ShownSessions::NONE.text(&String::from_utf8_lossy(&content)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_else_has_a_name() {
        let top = tempfile::tempdir().expect("a directory");
        let published = Published::new(top.path().to_owned());
        assert!(published.page("STATUS.md").is_some());
        for name in ["coordination.db", "../secret", ".callboard/clock", "", "status.md"] {
            assert_eq!(published.page(name), None, "{name}");
        }
        for name in ["../STATUS", "a/b", "", ".hidden"] {
            assert_eq!(published.bundle(name), None, "{name}");
        }
        assert_eq!(published.bundles(10), Vec::<String>::new());
    }
}
