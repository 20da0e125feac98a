//! What git says about a directory, without trusting it.
//!
//! The `.git` of a directory may have come from others, and git runs programs that a repository's configuration names. This
//! is the only file that runs git, in the inspecting mode: no program of the configuration runs, nothing is fetched, and
//! nothing is written. Only [`Checkout::hooks`] asks for a configured path, and runs nothing there either.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::id::{BranchName, CommitId, DirectoryPath, HostName};
use crate::domain::text;
use crate::domain::workspace::{WorkingTree, Workspace};
use crate::platform::file;
use crate::platform::program::{Output, Program};

/// How long git may take before the answer is done without.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Maximum number of paths of a working tree that are listed.
const MAX_LISTED: usize = 100;
/// Maximum length of an answer, in bytes.
const ANSWER_LIMIT: usize = 256 * 1024;

/// Settings that keep git from running what a configuration names, from asking, and from the network.
const SAFE_SETTINGS: [&str; 6] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "log.showSignature=false",
    "diff.external=",
    "core.sshCommand=false",
    "protocol.allow=never",
];

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
            let text = read(&dot_git)?;
            top.join(text.strip_prefix("gitdir:")?.trim())
        };
        if !git.join("HEAD").exists() {
            return None;
        }
        let common = match read(&git.join("commondir")) {
            Some(relative) => git.join(relative.trim()),
            None => git.clone(),
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
    pub fn head(&self) -> (Option<BranchName>, Option<CommitId>) {
        let Some(head) = read(&self.git.join("HEAD")) else { return (None, None) };
        match head.trim().strip_prefix("ref: ") {
            None => (None, head.trim().parse().ok()),
            // Repositories that keep refs in tables say so with this name: only git itself can read them.
            Some("refs/heads/.invalid") => self.ask_for_head(),
            Some(name) => {
                let branch = name.strip_prefix("refs/heads/").and_then(|branch| branch.parse::<BranchName>().ok());
                // A name that git would not have may lead out of the directory of refs.
                let commit = branch.as_ref().and_then(|_| self.commit_of(name)?.parse().ok());
                (branch, commit)
            }
        }
    }

    fn commit_of(&self, name: &str) -> Option<String> {
        let loose = [&self.git, &self.common].into_iter().find_map(|dir| read(&dir.join(name)));
        if let Some(commit) = loose {
            return Some(commit.trim().to_owned());
        }
        let packed = read(&self.common.join("packed-refs"))?;
        packed.lines().find_map(|line| {
            let (commit, packed_name) = line.split_once(' ')?;
            (packed_name == name).then(|| commit.to_owned())
        })
    }

    fn ask_for_head(&self) -> (Option<BranchName>, Option<CommitId>) {
        let git = Inspection::new(&self.top);
        let ask = |words: &[&'static str]| Some(git.text(words)?.trim().to_owned());
        let branch = ask(&["symbolic-ref", "--short", "-q", "HEAD"]);
        let commit = ask(&["rev-parse", "-q", "--verify", "HEAD"]);
        (branch.and_then(|name| name.parse().ok()), commit.and_then(|commit| commit.parse().ok()))
    }

    /// What the working tree looks like: what is not committed, and how much changed since `commit`, or since the head.
    /// Empty where git cannot say.
    pub fn working_tree(&self, commit: Option<&CommitId>) -> WorkingTree {
        let Some(git) = Inspection::of_content(&self.top) else { return WorkingTree::default() };
        let status =
            git.text(&["status", "--porcelain", "--no-renames", "--ignore-submodules=dirty", "-z"]).unwrap_or_default();
        let dirty: Vec<&str> = status.split('\0').filter(|entry| entry.len() > 3).collect();
        let since = commit.map_or("HEAD", CommitId::as_str);
        let stat = git.diff(&["--numstat", "--no-renames"], Some(since)).unwrap_or_default();
        let changed: Vec<&str> = stat.split('\0').filter(|entry| !entry.is_empty()).collect();
        let cut = dirty.len() > MAX_LISTED || changed.len() > MAX_LISTED;
        WorkingTree {
            dirty: dirty.into_iter().take(MAX_LISTED).map(text::one_line).collect(),
            diff_stat: changed.into_iter().take(MAX_LISTED).map(stat_line).collect(),
            cut,
        }
    }

    /// The paths that are changed and not committed, untracked ones included; at most `limit`. None where git cannot say.
    pub fn uncommitted(&self, limit: usize) -> Option<Vec<String>> {
        let words = ["status", "--porcelain", "--no-renames", "--ignore-submodules=dirty", "-uall", "-z"];
        let status = Inspection::of_content(&self.top)?.beginning(&words, ANSWER_LIMIT, TIME_LIMIT)?;
        let paths = status.split('\0').filter_map(|entry| entry.get(3..)).filter(|path| !path.is_empty());
        Some(paths.take(limit).map(ToOwned::to_owned).collect())
    }

    /// The paths that changed in the working tree since `commit`, committed or not; at most `limit`. Empty where git cannot
    /// say.
    pub fn changed_since(&self, commit: &CommitId, limit: usize) -> Vec<String> {
        let Some(git) = Inspection::of_content(&self.top) else { return Vec::new() };
        let tracked = git.diff(&["--name-only"], Some(commit.as_str()));
        let untracked = git.text(&["ls-files", "--others", "--exclude-standard", "-z"]);
        let lists = [tracked, untracked].into_iter().flatten();
        let mut paths: Vec<String> = lists.flat_map(|list| entries(&list)).collect();
        paths.sort();
        paths.dedup();
        paths.truncate(limit);
        paths
    }
}

/// The text of a file in a git directory.
fn read(path: &Path) -> Option<String> {
    String::from_utf8(file::read_named(path, LIST_LIMIT as u64).ok()?).ok()
}

fn entries(list: &str) -> Vec<String> {
    list.split('\0').filter(|path| !path.is_empty()).map(ToOwned::to_owned).collect()
}

/// git in one directory, in the inspecting mode.
struct Inspection<'a> {
    directory: &'a Path,
    /// Drivers that the configuration names and that would run when content is compared.
    filters: Vec<String>,
    index: Option<&'a Path>,
}

impl<'a> Inspection<'a> {
    /// For questions that compare no content.
    fn new(directory: &'a Path) -> Self {
        Self { directory, filters: Vec::new(), index: None }
    }

    /// For questions that compare content, with every filter switched off. None where git cannot say which filters there are,
    /// or where one has a name that cannot be switched off.
    fn of_content(directory: &'a Path) -> Option<Self> {
        let mut git = Self::new(directory);
        let words = ["config", "-z", "--name-only", "--get-regexp", r"^filter\."];
        let output = git.run(&words, &[], ANSWER_LIMIT, TIME_LIMIT)?;
        match output.code {
            Some(0) if !output.is_cut => {}
            // Nothing matches.
            Some(1) => return Some(git),
            _ => return None,
        }
        let keys = String::from_utf8(output.text).ok()?;
        for key in keys.split('\0').filter(|key| !key.is_empty()) {
            let (driver, _) = key.rsplit_once('.')?;
            if driver.contains(['=', '\n']) {
                return None;
            }
            if !git.filters.iter().any(|known| known == driver) {
                git.filters.push(driver.to_owned());
            }
        }
        Some(git)
    }

    /// Runs git. `values` are what is not written in this file; they are never taken for options.
    fn run(&self, words: &[&'static str], values: &[&str], limit: usize, time: Duration) -> Option<Output> {
        let mut arguments: Vec<OsString> = vec!["--no-optional-locks".into()];
        let filters = self.filters.iter().flat_map(|driver| {
            [
                format!("{driver}.clean="),
                format!("{driver}.smudge="),
                format!("{driver}.process="),
                format!("{driver}.required=false"),
            ]
        });
        for setting in SAFE_SETTINGS.into_iter().map(ToOwned::to_owned).chain(filters) {
            arguments.extend(["-c".into(), setting.into()]);
        }
        arguments.extend(words.iter().map(Into::into));
        if !values.is_empty() {
            arguments.push("--end-of-options".into());
            arguments.extend(values.iter().map(Into::into));
            arguments.push("--".into());
        }
        let mut git = Program::new("git", self.directory, time, limit).arguments(arguments);
        for (name, value) in [("GIT_OPTIONAL_LOCKS", "0"), ("GIT_NO_LAZY_FETCH", "1"), ("GIT_TERMINAL_PROMPT", "0")] {
            git = git.variable(name, value);
        }
        if let Some(index) = self.index {
            git = git.variable("GIT_INDEX_FILE", index);
        }
        git.run().ok().flatten()
    }

    /// A whole answer of a git that ended well.
    fn text(&self, words: &[&'static str]) -> Option<String> {
        let output = self.run(words, &[], ANSWER_LIMIT, TIME_LIMIT)?;
        String::from_utf8(output.text).ok().filter(|_| output.code == Some(0) && !output.is_cut)
    }

    /// The beginning of an answer that may be longer, with what is not UTF-8 replaced.
    fn beginning(&self, words: &[&'static str], limit: usize, time: Duration) -> Option<String> {
        let output = self.run(words, &[], limit, time)?;
        (output.is_success() || output.is_cut).then(|| String::from_utf8_lossy(&output.text).into_owned())
    }

    /// A diff against `commit`, in the form that `words` ask for.
    fn diff(&self, words: &[&'static str], commit: Option<&str>) -> Option<String> {
        let fixed = ["diff", "--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty", "-z"];
        let words = [&fixed[..], words].concat();
        let output = self.run(&words, commit.as_slice(), ANSWER_LIMIT, TIME_LIMIT)?;
        String::from_utf8(output.text).ok().filter(|_| output.code == Some(0) && !output.is_cut)
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

/// Maximum number of commits in which files that change together are looked for,
const MAX_COMMITS: &str = "--max-count=300";
/// the maximum length of what git says of them, in bytes,
const LOG_LIMIT: usize = 512 * 1024;
/// and how long it may take.
const LOG_TIME_LIMIT: Duration = Duration::from_secs(2);
/// Maximum length of the lists of files of a big repository, in bytes.
const LIST_LIMIT: usize = 64 * 1024 * 1024;

impl Checkout {
    /// What is not committed of the tracked files, and what git is in the middle of. Empty where git cannot say.
    pub fn unfinished(&self) -> Unfinished {
        let words = ["status", "--porcelain", "--no-renames", "--ignore-submodules=dirty", "-uno", "-z"];
        let git = Inspection::of_content(&self.top);
        let status = git.and_then(|git| git.beginning(&words, LIST_LIMIT, TIME_LIMIT)).unwrap_or_default();
        let mut unfinished = Unfinished { operation: self.operation(), ..Unfinished::default() };
        for entry in status.split('\0').filter(|entry| entry.len() > 3) {
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
        Inspection::new(&self.top).beginning(&["ls-files", "-z"], LIST_LIMIT, TIME_LIMIT)
    }

    /// The paths that are staged for the next commit, in `index` where a commit is made from another one than the checkout's
    /// own. None where git cannot say.
    pub fn staged(&self, index: Option<&Path>) -> Option<Vec<String>> {
        let git = Inspection { index, ..Inspection::of_content(&self.top)? };
        let words = ["diff", "--cached", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", "-z"];
        Some(entries(&git.beginning(&words, LIST_LIMIT, TIME_LIMIT)?))
    }

    /// The paths that each of the newest commits changed. Empty where git cannot say soon.
    pub fn history(&self) -> Vec<Vec<String>> {
        // The first commit brought everything, which says nothing and takes long.
        let words = [
            "-c",
            "log.showRoot=false",
            "log",
            MAX_COMMITS,
            "--no-merges",
            "--name-only",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--pretty=format:%x01",
            "-z",
        ];
        let log = Inspection::new(&self.top).beginning(&words, LOG_LIMIT, LOG_TIME_LIMIT).unwrap_or_default();
        let commits = log.split('\u{1}').skip(1);
        let paths = |commit: &str| {
            let names = commit.split(['\0', '\n']).filter(|path| !path.is_empty());
            names.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        commits.map(paths).filter(|paths| !paths.is_empty()).collect()
    }

    /// Where git looks for its hooks, as the configuration says. None where git cannot say.
    pub fn hooks(&self) -> Option<PathBuf> {
        let words = ["rev-parse", "--git-path", "hooks"];
        let output = Program::new("git", &self.top, TIME_LIMIT, ANSWER_LIMIT).arguments(words).run().ok().flatten()?;
        let path = String::from_utf8(output.text).ok().filter(|_| output.code == Some(0))?;
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
    let path = path.to_string_lossy().parse::<DirectoryPath>().ok();
    Workspace { host: host.parse::<HostName>().ok(), path, branch, head }
}
