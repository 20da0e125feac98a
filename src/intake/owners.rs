//! Which paths a draft may change: what it names, where its words lead, and what used to change together.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use super::named_paths::{self, Entry};
use crate::domain::scope::Scope;

/// A commit that changed more files than this says nothing about which belong together.
const COMMIT_MOST: usize = 30;
/// Files belong together that changed together so often,
const TOGETHER_LEAST: usize = 2;
/// and in at least one of so many commits of the file.
const TOGETHER_PART: usize = 3;
/// So many companions of a file are proposed.
const COMPANIONS_MOST: usize = 3;
/// So many paths are proposed for a draft.
const PATHS_MOST: usize = 6;
/// A shorter word names no directory.
const WORD_LEAST: usize = 4;
/// Words that name a directory in every project say nothing about one.
const COMMON: &[&str] = &[
    "test", "tests", "docs", "main", "index", "file", "files", "this", "that", "with", "from", "code", "example",
    "examples", "type", "types", "error", "errors",
];

/// What is known of the paths of a project.
pub(super) struct Owners<'a> {
    files: &'a [String],
    directories: OnceCell<BTreeSet<&'a str>>,
    /// Where a word leads: a directory or the stem of a file, as long as it is the only one of that name.
    named: OnceCell<HashMap<String, Option<String>>>,
    together: HashMap<&'a str, Vec<&'a [String]>>,
}

impl<'a> Owners<'a> {
    /// `files` in order, and the paths of each of the newest commits.
    pub(super) fn new(files: &'a [String], history: &'a [Vec<String>]) -> Self {
        let mut together: HashMap<&str, Vec<&[String]>> = HashMap::new();
        for commit in history.iter().filter(|commit| (2..=COMMIT_MOST).contains(&commit.len())) {
            for path in commit {
                together.entry(path).or_default().push(commit);
            }
        }
        Self { files, directories: OnceCell::new(), named: OnceCell::new(), together }
    }

    /// Every directory. Asked for only where a draft has words.
    fn directories(&self) -> &BTreeSet<&'a str> {
        self.directories.get_or_init(|| {
            let mut directories = BTreeSet::new();
            let mut before = "";
            for file in self.files {
                let mut path = file.as_str();
                // They are in order: most lie where the one before lies.
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                if parent == std::mem::replace(&mut before, parent) {
                    continue;
                }
                while let Some((parent, _)) = path.rsplit_once('/') {
                    if !directories.insert(parent) {
                        break;
                    }
                    path = parent;
                }
            }
            directories
        })
    }

    /// Where words lead. Asked for only where a draft names no path: it takes a look at every name.
    fn named(&self) -> &HashMap<String, Option<String>> {
        self.named.get_or_init(|| {
            let mut named: HashMap<String, Option<String>> = HashMap::new();
            let mut name = |word: &str, scope: String| {
                let word = word.to_lowercase();
                if word.len() >= WORD_LEAST && !COMMON.contains(&word.as_str()) {
                    named.entry(word).and_modify(|known| *known = None).or_insert(Some(scope));
                }
            };
            for directory in self.directories() {
                name(directory.rsplit('/').next().unwrap_or(directory), format!("{directory}/**"));
            }
            for file in self.files {
                let last = file.rsplit('/').next().unwrap_or(file);
                name(last.split('.').next().unwrap_or(last), file.clone());
            }
            named
        })
    }

    /// The scopes of work on a file: itself, and what used to change with it.
    pub(super) fn of_file(&self, path: &str) -> Vec<Scope> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let commits = self.together.get(path).map_or(&[][..], Vec::as_slice);
        for other in commits.iter().flat_map(|commit| commit.iter()).filter(|other| *other != path) {
            *counts.entry(other).or_default() += 1;
        }
        let least = TOGETHER_LEAST.max(commits.len().div_ceil(TOGETHER_PART));
        let mut companions: Vec<(usize, &str)> = counts
            .into_iter()
            .filter(|(other, count)| *count >= least && self.has(other))
            .map(|(o, c)| (c, o))
            .collect();
        companions.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        let companions = companions.into_iter().take(COMPANIONS_MOST).map(|(_, other)| other.to_owned());
        scopes(std::iter::once(path.to_owned()).chain(companions))
    }

    /// The scopes that words lead to: paths that they name, else directories and files that are called so.
    pub(super) fn of_words(&self, words: &str) -> Vec<Scope> {
        let found = named_paths::named(words, |path| match () {
            () if self.has(path) => Some(Entry::File),
            () if self.directories().contains(path) => Some(Entry::Directory),
            () => None,
        });
        if !found.is_empty() {
            return found;
        }
        scopes(named_paths::tokens(words).filter_map(|token| self.named().get(&token.to_lowercase())?.clone()))
    }

    fn has(&self, path: &str) -> bool {
        self.files.binary_search_by(|file| file.as_str().cmp(path)).is_ok()
    }
}

/// The scopes of work on these files; a directory where many of them lie in it.
pub(super) fn of_files(paths: &[String]) -> Vec<Scope> {
    if paths.len() <= PATHS_MOST {
        return scopes(paths.iter().cloned());
    }
    let parents =
        paths.iter().map(|path| path.rsplit_once('/').map_or(path.clone(), |(parent, _)| format!("{parent}/**")));
    let parents: BTreeSet<String> = parents.collect();
    if parents.len() <= PATHS_MOST {
        return scopes(parents.into_iter());
    }
    let tops = paths.iter().map(|path| path.split_once('/').map_or(path.clone(), |(top, _)| format!("{top}/**")));
    scopes(tops.collect::<BTreeSet<_>>().into_iter())
}

/// Paths as scopes, each once.
fn scopes(paths: impl Iterator<Item = String>) -> Vec<Scope> {
    let mut found: Vec<Scope> = Vec::new();
    for path in paths {
        let scope = match path.strip_suffix("/**") {
            Some(directory) => Scope::of_path(directory).and_then(|scope| format!("{scope}/**").parse().ok()),
            None => Scope::of_path(&path),
        };
        found.extend(scope.filter(|scope| !found.contains(scope) && found.len() < PATHS_MOST));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scopes: &[Scope]) -> Vec<&str> {
        scopes.iter().map(Scope::as_str).collect()
    }

    fn files() -> Vec<String> {
        ["README.md", "src/auth/login.rs", "src/auth/token.rs", "src/parser.rs", "tests/parser.rs"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn words_lead_to_the_paths_that_they_name() {
        let files = files();
        let owners = Owners::new(&files, &[]);
        assert_eq!(
            texts(&owners.of_words("Split `src/parser.rs`, and src/auth/ too.")),
            ["src/parser.rs", "src/auth/**"]
        );
        assert_eq!(texts(&owners.of_words("Rework Auth and login")), ["src/auth/**", "src/auth/login.rs"]);
        assert!(owners.of_words("Speed the parser up").is_empty(), "two files are called so");
    }

    #[test]
    fn what_used_to_change_together_is_proposed_together() {
        let files = files();
        let commit = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        let history = [
            commit(&["src/parser.rs", "tests/parser.rs"]),
            commit(&["src/parser.rs", "tests/parser.rs", "README.md"]),
            commit(&["src/parser.rs", "gone.rs"]),
            commit(&["src/parser.rs", "gone.rs"]),
        ];
        let owners = Owners::new(&files, &history);
        assert_eq!(texts(&owners.of_file("src/parser.rs")), ["src/parser.rs", "tests/parser.rs"]);
    }

    #[test]
    fn many_files_are_named_by_their_directories() {
        let files: Vec<String> = (0..9).map(|n| format!("a/b{n}/c.rs")).collect();
        assert_eq!(texts(&of_files(&files)), ["a/**"]);
        assert_eq!(texts(&of_files(&files[..2])), ["a/b0/c.rs", "a/b1/c.rs"]);
        assert_eq!(texts(&scopes(["src/[id]/x.ts".to_owned()].into_iter())), ["src/?id?/x.ts"]);
    }
}
