//! The files of a project: what git would ignore is left out, and so is the board itself.
//!
//! Bounded in files and in time. Names that are no UTF-8 are left out: no scope could name them.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;

use ignore::{DirEntry, WalkBuilder, WalkState};

use super::scan::{Bounds, Progress, Tell};

/// More threads than this only get into each other's way.
const THREADS_MOST: usize = 8;
/// Progress is told every so many files.
const TOLD_EVERY: u64 = 500;
/// The board, at the top of a project.
const OWN: &str = "project-plan";

/// How many threads read a project.
pub(super) fn threads() -> usize {
    available_parallelism().map_or(1, usize::from).min(THREADS_MOST)
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Every file, from the top of the project, in order.
    pub(super) files: Vec<String>,
    /// True when a bound ended the walk.
    pub(super) cut: bool,
}

/// The files of one thread, given to all when it ends: a lock for each file would be most of the work.
struct Own<'a> {
    files: Vec<String>,
    all: &'a Mutex<Vec<String>>,
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        if let Ok(mut all) = self.all.lock() {
            all.append(&mut self.files);
        }
    }
}

/// Walks a project.
pub(super) fn walk(top: &Path, bounds: &Bounds, tell: Tell<'_>) -> Walked {
    let (all, count, cut) = (Mutex::new(Vec::new()), AtomicU64::new(0), AtomicBool::new(false));
    let mut builder = WalkBuilder::new(top);
    builder.threads(threads()).require_git(false).follow_links(false);
    builder.filter_entry(|entry| entry.depth() != 1 || entry.file_name() != OWN);
    builder.build_parallel().run(|| {
        let mut own = Own { files: Vec::new(), all: &all };
        let (count, cut) = (&count, &cut);
        Box::new(move |entry| {
            let Ok(entry) = entry else { return WalkState::Continue };
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                return WalkState::Continue;
            }
            let seen = count.fetch_add(1, Ordering::Relaxed) + 1;
            if seen > bounds.files || (seen.is_multiple_of(TOLD_EVERY) && bounds.deadline.is_over()) {
                cut.store(true, Ordering::Relaxed);
                return WalkState::Quit;
            }
            if seen.is_multiple_of(TOLD_EVERY) {
                tell(Progress::Found(seen));
            }
            own.files.extend(name(top, &entry));
            WalkState::Continue
        })
    });
    let mut files = all.into_inner().unwrap_or_default();
    files.sort_unstable();
    Walked { files, cut: cut.into_inner() }
}

fn name(top: &Path, entry: &DirEntry) -> Option<String> {
    entry.path().strip_prefix(top).ok()?.to_str().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::platform::deadline::Deadline;

    fn made(files: &[&str]) -> tempfile::TempDir {
        let top = tempfile::tempdir().expect("a directory");
        for file in files {
            let path = top.path().join(file);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            let content = if file.ends_with(".gitignore") { "target/\n*.log\n" } else { "x" };
            #[expect(clippy::disallowed_methods, reason = "a test prepares its files")]
            std::fs::write(path, content).expect("written");
        }
        top
    }

    fn bounds(files: u64) -> Bounds {
        Bounds { files, ..Bounds::within(Deadline::after(Duration::from_secs(9))) }
    }

    #[test]
    fn what_git_ignores_and_the_board_are_left_out() {
        let top = made(&["a.rs", ".gitignore", "target/b.rs", "x.log", "src/c.rs", "project-plan/STATUS.md"]);
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc", top.path().join("link")).expect("a link");
        let walked = walk(top.path(), &bounds(99), &|_| {});
        assert_eq!((walked.files, walked.cut), (vec!["a.rs".to_owned(), "src/c.rs".to_owned()], false));
    }

    #[test]
    fn a_walk_ends_at_its_bound() {
        let names: Vec<String> = (0..40).map(|n| format!("f{n}")).collect();
        let top = made(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let walked = walk(top.path(), &bounds(10), &|_| {});
        assert!(walked.cut && walked.files.len() <= 10, "{}", walked.files.len());
    }
}
