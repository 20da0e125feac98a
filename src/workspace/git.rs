//! What git says about a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::text;
use crate::domain::workspace::{WorkingTree, Workspace};
use crate::platform::process;

/// How long a question to git may take before the answer is done without.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many paths of a working tree are listed.
const LISTED_MOST: usize = 100;
/// How much of an answer is read, in bytes.
const ANSWER_MOST: u64 = 256 * 1024;

/// A working tree and where git keeps what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The top level of the working tree.
    pub top: PathBuf,
    /// Its own git directory.
    git: PathBuf,
    /// The git directory that all working trees of the repository share.
    common: PathBuf,
}

impl Checkout {
    /// The checkout that `path` is in, if it is in one.
    pub fn around(path: &Path) -> Option<Self> {
        path.ancestors().find_map(Self::at)
    }

    fn at(top: &Path) -> Option<Self> {
        let dot_git = top.join(".git");
        let meta = fs::metadata(&dot_git).ok()?;
        let git = if meta.is_dir() {
            dot_git
        } else {
            let text = fs::read_to_string(&dot_git).ok()?;
            top.join(text.strip_prefix("gitdir:")?.trim())
        };
        if !git.join("HEAD").exists() {
            return None;
        }
        let common = match fs::read_to_string(git.join("commondir")) {
            Ok(relative) => git.join(relative.trim()),
            Err(_) => git.clone(),
        };
        Some(Self { top: top.to_owned(), git, common })
    }

    /// The top level of the main checkout; its own for a checkout that is not a linked worktree.
    pub fn main_top(&self) -> PathBuf {
        if self.common == self.git {
            return self.top.clone();
        }
        let common = self.common.canonicalize().unwrap_or_else(|_| self.common.clone());
        match common.parent() {
            Some(top) if common.ends_with(".git") => top.to_owned(),
            _ => self.top.clone(),
        }
    }

    /// The branch that is checked out, and its commit. A detached head has no branch, a new branch no commit.
    pub fn head(&self) -> (Option<String>, Option<String>) {
        let Ok(head) = fs::read_to_string(self.git.join("HEAD")) else { return (None, None) };
        match head.trim().strip_prefix("ref: ") {
            None => (None, Some(head.trim().to_owned())),
            // Repositories that keep refs in tables say so with this name: only git itself can read them.
            Some("refs/heads/.invalid") => self.ask_for_head(),
            Some(name) => (name.strip_prefix("refs/heads/").map(ToOwned::to_owned), self.commit_of(name)),
        }
    }

    fn commit_of(&self, name: &str) -> Option<String> {
        let loose = [&self.git, &self.common].into_iter().find_map(|dir| fs::read_to_string(dir.join(name)).ok());
        if let Some(commit) = loose {
            return Some(commit.trim().to_owned());
        }
        let packed = fs::read_to_string(self.common.join("packed-refs")).ok()?;
        packed.lines().find_map(|line| {
            let (commit, packed_name) = line.split_once(' ')?;
            (packed_name == name).then(|| commit.to_owned())
        })
    }

    fn ask_for_head(&self) -> (Option<String>, Option<String>) {
        let ask = |arguments: &[&str]| {
            let answer = process::ask("git", arguments, &self.top, PATIENCE, ANSWER_MOST).ok()??;
            Some(answer.trim().to_owned()).filter(|answer| !answer.is_empty())
        };
        (ask(&["symbolic-ref", "--short", "-q", "HEAD"]), ask(&["rev-parse", "-q", "--verify", "HEAD"]))
    }

    /// What the working tree looks like: what is not committed, and how much changed since `commit`, or since the head.
    /// Empty where git cannot say.
    pub fn working_tree(&self, commit: Option<&str>) -> WorkingTree {
        let ask = |arguments: &[&str]| {
            process::ask("git", arguments, &self.top, PATIENCE, ANSWER_MOST).ok().flatten().unwrap_or_default()
        };
        let status = ask(&["--no-optional-locks", "status", "--porcelain", "--no-renames", "-z"]);
        let dirty: Vec<&str> = status.split('\0').filter(|entry| entry.len() > 3).collect();
        let since = commit.unwrap_or("HEAD");
        let stat = ask(&["diff", "--numstat", "--no-renames", "--no-ext-diff", "-z", since, "--"]);
        let changed: Vec<&str> = stat.split('\0').filter(|entry| !entry.is_empty()).collect();
        let cut = dirty.len() > LISTED_MOST || changed.len() > LISTED_MOST;
        WorkingTree {
            dirty: dirty.into_iter().take(LISTED_MOST).map(text::one_line).collect(),
            diff_stat: changed.into_iter().take(LISTED_MOST).map(stat_line).collect(),
            cut,
        }
    }

    /// What changed in the working tree since `commit`, committed or not, by path; at most `most`. Empty where git
    /// cannot say.
    pub fn changed_since(&self, commit: &str, most: usize) -> Vec<String> {
        let plumbing: [&[&str]; 2] = [
            &["diff", "--name-only", "--no-ext-diff", "-z", commit, "--"],
            &["ls-files", "--others", "--exclude-standard", "-z"],
        ];
        let mut paths: Vec<String> = Vec::new();
        for arguments in plumbing {
            if let Ok(Some(answer)) = process::ask("git", arguments, &self.top, PATIENCE, ANSWER_MOST) {
                paths.extend(answer.split('\0').filter(|path| !path.is_empty()).map(ToOwned::to_owned));
            }
        }
        paths.sort();
        paths.dedup();
        paths.truncate(most);
        paths
    }
}

/// What is not committed, and what git is in the middle of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Paths whose merge is in conflict.
    pub conflicts: Vec<String>,
    /// Tracked paths that are changed, staged or not.
    pub changed: Vec<String>,
    /// What was begun and not ended, such as a merge.
    pub operation: Option<&'static str>,
}

/// So many commits back it is looked for files that change together,
const COMMITS_ASKED: &str = "--max-count=300";
/// in so many bytes of what git says,
const LOG_MOST: u64 = 512 * 1024;
/// for so long.
const LOG_PATIENCE: Duration = Duration::from_secs(2);
/// The lists of files of a big repository, in bytes.
const LIST_MOST: u64 = 64 * 1024 * 1024;

impl Checkout {
    /// What is not committed of the tracked files, and what git is in the middle of. Empty where git cannot say.
    pub fn unfinished(&self) -> Unfinished {
        let arguments = ["--no-optional-locks", "status", "--porcelain", "--no-renames", "-uno", "-z"];
        let status = process::ask_for_some("git", &arguments, &self.top, PATIENCE, LIST_MOST).ok().flatten();
        let mut unfinished = Unfinished { operation: self.operation(), ..Unfinished::default() };
        for entry in status.unwrap_or_default().split('\0').filter(|entry| entry.len() > 3) {
            let (state, path) = entry.split_at_checked(3).unwrap_or((entry, ""));
            let is_conflict = matches!(state.trim_end(), "DD" | "AU" | "UD" | "UA" | "DU" | "AA" | "UU");
            let list = if is_conflict { &mut unfinished.conflicts } else { &mut unfinished.changed };
            list.push(path.to_owned());
        }
        unfinished
    }

    fn operation(&self) -> Option<&'static str> {
        let signs = [
            ("MERGE_HEAD", "merge"),
            ("rebase-merge", "rebase"),
            ("rebase-apply", "rebase"),
            ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
        ];
        signs.into_iter().find(|(sign, _)| self.git.join(sign).exists()).map(|(_, name)| name)
    }

    /// The paths that git tracks, in order, each ended by a zero. None where git cannot say.
    pub fn tracked(&self) -> Option<String> {
        process::ask_for_some("git", &["ls-files", "-z"], &self.top, PATIENCE, LIST_MOST).ok()?
    }

    /// The paths that are staged for the next commit. None where git cannot say.
    pub fn staged(&self) -> Option<Vec<String>> {
        let arguments = ["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "-z"];
        let list = process::ask_for_some("git", &arguments, &self.top, PATIENCE, LIST_MOST).ok()??;
        Some(list.split('\0').filter(|path| !path.is_empty()).map(ToOwned::to_owned).collect())
    }

    /// The paths that each of the newest commits changed. Empty where git cannot say soon.
    pub fn history(&self) -> Vec<Vec<String>> {
        // The first commit brought everything, which says nothing and takes long.
        let root = "log.showRoot=false";
        let shape = ["--no-merges", "--name-only", "--no-renames", "--pretty=format:%x01", "-z"];
        let arguments = [&["-c", root, "log", COMMITS_ASKED][..], &shape].concat();
        let log = process::ask_for_some("git", &arguments, &self.top, LOG_PATIENCE, LOG_MOST).ok().flatten();
        let log = log.unwrap_or_default();
        let commits = log.split('\u{1}').skip(1);
        let paths = |commit: &str| {
            let names = commit.split(['\0', '\n']).filter(|path| !path.is_empty());
            names.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        commits.map(paths).filter(|paths| !paths.is_empty()).collect()
    }

    /// Where git looks for its hooks. None where git cannot say.
    pub fn hooks(&self) -> Option<PathBuf> {
        let arguments = ["rev-parse", "--git-path", "hooks"];
        let path = process::ask("git", &arguments, &self.top, PATIENCE, ANSWER_MOST).ok()??;
        Some(self.top.join(path.trim_end_matches('\n')))
    }
}

/// `+12 -3 src/a.rs`, from what git says: added, removed, path. A binary file has dashes.
fn stat_line(entry: &str) -> String {
    let mut fields = entry.splitn(3, '\t');
    let mut field = || fields.next().unwrap_or_default();
    let (added, removed, path) = (field(), field(), field());
    text::one_line(&format!("+{added} -{removed} {path}"))
}

/// Where a process that runs in `directory` works, on the host of this name.
pub fn workspace(directory: &Path, host: &str) -> Workspace {
    let checkout = Checkout::around(directory);
    let (branch, head) = checkout.as_ref().map(Checkout::head).unwrap_or_default();
    let path = checkout.map_or_else(|| directory.to_owned(), |checkout| checkout.top);
    Workspace { host: Some(host.to_owned()), path: Some(path.to_string_lossy().into_owned()), branch, head }
}
