//! A look at a project: what could be worked on, and where that was seen.
//!
//! Nothing is run but git, which is asked while the files are walked. Files are read for marks up to a number and a
//! length, plans and those near the top first, and those that are being changed in any case; what was left out is said.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::commands::{self, ProjectCommand, Purpose, depth};
use super::drafts::{Draft, Evidence, Kind};
use super::marks::{self, Mark, Marks};
use super::notes;
use super::owners::{Owners, of_files};
use super::walk::{Walked, threads, walk};
use crate::domain::id::{CommitId, Module};
use crate::platform::deadline::Deadline;
use crate::platform::file;
use crate::platform::threads::beside;
use crate::workspace::git::{Checkout, Unfinished};

/// Progress of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many files were found.
    Found(u64),
    /// So many of so many were read.
    Read(u64, u64),
    /// It is done.
    Done,
}

/// Whoever is told of progress, from any thread.
pub type Tell<'a> = &'a (dyn Fn(Progress) + Sync);

/// How much of a project is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Files that are found.
    pub files: u64,
    /// Files that are read.
    pub reads: usize,
    /// The longest file that is read, in bytes.
    pub file_bytes: u64,
    /// All that is read, in bytes.
    pub bytes: u64,
    /// When it ends at the latest.
    pub deadline: Deadline,
}

impl Bounds {
    /// The bounds of a command: a big monorepo is looked at in well under a minute.
    pub fn within(deadline: Deadline) -> Self {
        Self { files: 500_000, reads: 1_000, file_bytes: 512 * 1024, bytes: 128 * 1024 * 1024, deadline }
    }
}

/// How long a look may take, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// More drafts than this are no plan.
const DRAFTS_MOST: usize = 2_000;
/// Endings of files that have no comments of people in them.
const UNREAD: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "ico", "webp", "svg", "pdf", "zip", "gz", "xz", "bz2", "zst", "tar", "jar", "war",
    "class", "o", "a", "so", "dylib", "dll", "exe", "wasm", "bin", "dat", "db", "sqlite", "woff", "woff2", "ttf",
    "otf", "eot", "mp3", "mp4", "mov", "avi", "webm", "lock", "map", "min.js", "min.css", "csv", "tsv", "parquet",
    "npy", "pyc", "snap", "sum", "json", "jsonl", "ipynb", "pem", "po", "mo",
];

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scan {
    /// Files that were found.
    pub files: u64,
    /// Files that were read for marks and plans.
    pub files_read: u64,
    /// What was left out, and why.
    pub left_out: Vec<String>,
    /// Files in which programs begin.
    pub entry_files: Vec<String>,
    /// How the project is built and tested.
    pub commands: Vec<ProjectCommand>,
    /// The drafts, best first.
    pub drafts: Vec<Draft>,
}

impl Scan {
    /// The command that the project is tested with, if one was seen.
    pub fn test_command(&self) -> Option<&str> {
        self.commands.iter().find(|known| known.purpose == Purpose::Test).map(|known| known.command.as_str())
    }
}

/// What git says, asked beside the walk.
#[derive(Default)]
struct Said {
    head: Option<CommitId>,
    unfinished: Unfinished,
    /// In order, each ended by a zero.
    tracked: Option<String>,
    history: Vec<Vec<String>>,
}

/// Looks at the project in `top`.
pub fn scan(top: &Path, bounds: &Bounds, tell: Tell<'_>) -> Scan {
    let checkout = Checkout::around(top).filter(|checkout| checkout.top == top);
    // Git looks at every file too, and takes as long as everything else: both go on side by side.
    let (walked, manifests, entries, mut read, said) = thread::scope(|scope| {
        let git = checkout.as_ref().map(|checkout| {
            let unfinished = beside(scope, || checkout.unfinished());
            let lists = beside(scope, || (checkout.tracked(), checkout.history()));
            (checkout, unfinished, lists)
        });
        let walked = walk(top, bounds, tell);
        let read = read_some(top, &walked.files, bounds, tell);
        let (manifests, entries) = (commands::manifests(top, &walked.files), commands::entries(&walked.files));
        let said = git.map(|(checkout, unfinished, lists)| {
            let (tracked, history) = lists.join().unwrap_or_default();
            Said { head: checkout.head().1, unfinished: unfinished.join().unwrap_or_default(), tracked, history }
        });
        (walked, manifests, entries, read, said.unwrap_or_default())
    });
    let Walked { files, cut } = walked;
    read.also(top, &files, &said.unfinished, bounds, tell);
    let mut scan = Scan { files: files.len() as u64, entry_files: entries, ..Scan::default() };
    if cut {
        scan.left_out.push(format!("the walk ended after {} files", files.len()));
    }
    scan.commands = manifests.commands;
    let owners = Owners::new(&files, &said.history);
    let mut drafts = manifests.drafts;
    let changed = changes(&files, &said);
    scan.files_read = read.paths.len() as u64;
    scan.left_out.extend(read.left_out());
    for (path, found) in &read.found {
        drafts.extend(match found {
            Found::Marks(marks) => with_scopes(marks::drafts(path, marks), |_| owners.of_file(path)),
            Found::Prose(text) => with_scopes(notes::drafts(path, text), |draft| owners.of_words(&draft.title)),
        });
    }
    for draft in &mut drafts {
        wait_for_changes(draft, &changed, &said.unfinished);
    }
    drafts.extend(changed);
    let mut names = HashSet::new();
    drafts.retain(|draft| names.insert(draft.module.clone()));
    drafts.sort_by(|a, b| rank(a).cmp(&rank(b)));
    drafts.truncate(DRAFTS_MOST);
    scan.drafts = drafts;
    tell(Progress::Done);
    scan
}

/// Best first: by kind, then as a reader comes by them.
fn rank(draft: &Draft) -> (Kind, usize, &str, Option<u32>, &str) {
    let seen = draft.evidence.first();
    let path = seen.map_or("", |seen| seen.path.as_str());
    (draft.kind, depth(path), path, seen.and_then(|seen| seen.line), draft.module.as_str())
}

fn with_scopes(mut drafts: Vec<Draft>, scopes: impl Fn(&Draft) -> Vec<crate::domain::scope::Scope>) -> Vec<Draft> {
    for draft in &mut drafts {
        draft.candidate_owned_paths = scopes(draft);
    }
    drafts
}

/// Work that was begun: conflicts of a merge, and what is not committed.
fn changes(files: &[String], said: &Said) -> Vec<Draft> {
    let Unfinished { conflicts, changed, operation } = &said.unfinished;
    let head = said.head.as_ref().map(CommitId::as_str);
    let mut drafts = Vec::new();
    let seen = |paths: &[String], what: &str| paths.iter().map(|path| Evidence::file(path, what)).collect::<Vec<_>>();
    if !conflicts.is_empty() || operation.is_some() {
        let what = operation.unwrap_or("merge");
        let title = format!("Bring the {what} to its end");
        let mut evidence = seen(conflicts, "in conflict");
        if evidence.is_empty() {
            evidence = vec![Evidence::file(".git", &format!("git is in the middle of a {what}"))];
        }
        let draft = Draft::of_tree(Kind::Conflict, &title, head, evidence);
        drafts.push(Draft { candidate_owned_paths: of_files(conflicts), ..draft });
    }
    let mut open: Vec<String> = changed.clone();
    let mut evidence = seen(changed, "changed, not committed");
    if let Some(tracked) = &said.tracked {
        let new = missing_from(tracked, files);
        // A directory that nothing of is tracked is no work that was begun.
        if !tracked.is_empty() {
            evidence.extend(seen(&new, "not tracked"));
            open.extend(new);
        }
    }
    if !open.is_empty() {
        let count = open.len();
        let title = format!(
            "Finish or drop what is changed and not committed: {count} {}",
            if count == 1 { "file" } else { "files" }
        );
        let draft = Draft::of_tree(Kind::Change, &title, head, evidence);
        let candidate_depends_on = drafts.iter().map(|conflict: &Draft| conflict.module.clone()).collect();
        drafts.push(Draft { candidate_owned_paths: of_files(&open), candidate_depends_on, ..draft });
    }
    drafts
}

/// Which of these files, in order, are not in a list that has the same order.
fn missing_from(tracked: &str, files: &[String]) -> Vec<String> {
    let mut tracked = tracked.split('\0').peekable();
    let is_missing = |path: &&String| {
        while tracked.peek().is_some_and(|other| *other < path.as_str()) {
            tracked.next();
        }
        tracked.peek() != Some(&path.as_str())
    };
    files.iter().filter(is_missing).cloned().collect()
}

/// What was seen in a file that is being changed may have to wait for that.
fn wait_for_changes(draft: &mut Draft, changes: &[Draft], unfinished: &Unfinished) {
    let touches = |paths: &[String]| draft.evidence.iter().any(|seen| paths.contains(&seen.path));
    let kinds: Vec<Kind> = [(Kind::Conflict, &unfinished.conflicts), (Kind::Change, &unfinished.changed)]
        .into_iter()
        .filter(|(_, paths)| touches(paths))
        .map(|(kind, _)| kind)
        .collect();
    let needed = changes.iter().filter(|change| kinds.contains(&change.kind) && change.module != draft.module);
    let needed: Vec<Module> = needed.map(|change| change.module.clone()).collect();
    draft.candidate_depends_on.extend(needed);
}

enum Found {
    Marks(Vec<Mark>),
    Prose(String),
}

/// What was read of the files.
struct ReadFiles {
    /// How many would have been worth it.
    worth: usize,
    /// Those that were, in any order.
    paths: HashSet<String>,
    /// In the order of the files.
    found: Vec<(String, Found)>,
}

impl ReadFiles {
    fn left_out(&self) -> Option<String> {
        let (read, worth) = (self.paths.len(), self.worth);
        (read < worth).then(|| format!("{read} of {worth} text files were read for marks, those near the top first"))
    }

    /// What is being changed is read in any case, where the walk found it.
    fn also(&mut self, top: &Path, files: &[String], unfinished: &Unfinished, bounds: &Bounds, tell: Tell<'_>) {
        if self.paths.len() >= self.worth {
            return;
        }
        let changed = unfinished.changed.iter().chain(&unfinished.conflicts).map(String::as_str);
        let is_missed = |path: &&str| {
            let is_found = files.binary_search_by(|file| file.as_str().cmp(path)).is_ok();
            is_found && is_read(path) && !self.paths.contains(*path)
        };
        let missed: Vec<&str> = changed.filter(is_missed).collect();
        let more = read(top, &missed[..missed.len().min(bounds.reads)], bounds, tell);
        self.found.extend(more);
        self.paths.extend(missed.into_iter().map(ToOwned::to_owned));
    }
}

/// Reads files for marks and plans, as far as the bounds go: plans first, then from the top down.
fn read_some(top: &Path, files: &[String], bounds: &Bounds, tell: Tell<'_>) -> ReadFiles {
    let mut worth: Vec<&str> = files.iter().map(String::as_str).filter(|path| is_read(path)).collect();
    let all = worth.len();
    if all > bounds.reads {
        worth.sort_by_cached_key(|path| (!notes::is_plan(path), depth(path)));
        worth.truncate(bounds.reads);
    }
    let found = read(top, &worth, bounds, tell);
    ReadFiles { worth: all, paths: worth.into_iter().map(ToOwned::to_owned).collect(), found }
}

/// Reads these files, on all cores.
fn read(top: &Path, files: &[&str], bounds: &Bounds, tell: Tell<'_>) -> Vec<(String, Found)> {
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let marks = Marks::new();
    let work = || {
        let mut own = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.get(at) else { break };
            if bytes.load(Ordering::Relaxed) > bounds.bytes || bounds.deadline.is_over() {
                break;
            }
            let whole = top.join(path);
            // A pipe would have no end.
            if !std::fs::symlink_metadata(&whole).is_ok_and(|meta| meta.is_file()) {
                continue;
            }
            let content = file::read(&whole, bounds.file_bytes + 1).ok().flatten().unwrap_or_default();
            bytes.fetch_add(content.len() as u64, Ordering::Relaxed);
            if at.is_multiple_of(200) {
                tell(Progress::Read(at as u64, files.len() as u64));
            }
            if content.len() as u64 > bounds.file_bytes {
                continue;
            }
            if notes::is_prose(path) || notes::is_plan(path) {
                own.extend(String::from_utf8(content).ok().map(|text| (at, Found::Prose(text))));
            } else {
                let marks = marks.find(&content);
                if !marks.is_empty() {
                    own.push((at, Found::Marks(marks)));
                }
            }
        }
        own
    };
    let mut found: Vec<(usize, Found)> = thread::scope(|scope| {
        let readers: Vec<_> = (0..threads()).map(|_| beside(scope, work)).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap_or_default()).collect()
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(at, found)| (files[at].to_owned(), found)).collect()
}

fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !UNREAD.iter().any(|end| name.strip_suffix(end).is_some_and(|before| before.ends_with('.')))
        && !name.starts_with("LICENSE")
}
