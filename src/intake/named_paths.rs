//! Paths that words name: what is there, and what has the clear shape of a path.
//!
//! They are only proposed as candidates: nothing is scheduled by them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::board::tasks::NewTask;
use crate::domain::scope::Scope;

/// Maximum number of paths proposed for a task.
const MAX_PATHS: usize = 6;
/// A longer word is no path that anybody wrote.
const MAX_LENGTH: usize = 200;

/// What there is at a path of the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// The words of a text without the punctuation around them.
pub(super) fn tokens(words: &str) -> impl Iterator<Item = &str> {
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '`' | '"' | '\'' | '(' | ')' | ',' | ';' | '<' | '>' | '[' | ']');
    words.split(is_end).map(|word| word.trim_end_matches(['.', ':', '!', '?'])).filter(|word| !word.is_empty())
}

/// The scopes of the paths that `words` name, each once and in their order. `entry` says what is there.
pub fn named(words: &str, mut entry: impl FnMut(&str) -> Option<Entry>) -> Vec<Scope> {
    let mut found: Vec<Scope> = Vec::new();
    for token in tokens(words) {
        if found.len() == MAX_PATHS {
            break;
        }
        found.extend(scope(token, &mut entry).filter(|scope| !found.contains(scope)));
    }
    found
}

fn scope(token: &str, entry: &mut impl FnMut(&str) -> Option<Entry>) -> Option<Scope> {
    // `src/a.rs:12` names a line of a file.
    let mut token = token;
    while let Some((place, _)) = token.rsplit_once(':').filter(|(_, line)| line.bytes().all(|c| c.is_ascii_digit())) {
        token = place;
    }
    let whole = token.trim_start_matches("./");
    let path = whole.trim_end_matches('/');
    let is_elsewhere =
        path.starts_with(['/', '~', '-', '@']) || path.contains("://") || path.split('/').any(|part| part == "..");
    if path.is_empty() || path.len() > MAX_LENGTH || is_elsewhere || !path.contains(['/', '.']) && path == whole {
        return None;
    }
    if path.contains('*') {
        return path.contains('/').then(|| path.parse().ok()).flatten();
    }
    match entry(path) {
        Some(Entry::File) => Scope::of_path(path),
        Some(Entry::Directory) if whole.contains('/') => below(path),
        // A directory that is to be made is written with its slash at the end.
        None if path.contains('/') && path != whole && is_plain(path) => below(path),
        None if is_file_shape(path) => Scope::of_path(path),
        _ => None,
    }
}

/// Everything below a directory.
fn below(directory: &str) -> Option<Scope> {
    Scope::of_path(directory).and_then(|scope| format!("{scope}/**").parse().ok())
}

/// True for names as source files have them.
fn is_plain(path: &str) -> bool {
    path.split('/')
        .all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-')))
}

/// True for what can hardly be anything but a file in a directory: `src/auth/login.rs`, and neither `and/or` nor
/// `example.com/a.html`.
fn is_file_shape(path: &str) -> bool {
    let Some((directory, name)) = path.rsplit_once('/') else { return false };
    let first = directory.split('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    let is_ending = |text: &str| {
        text.len() <= 10
            && text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric())
    };
    is_plain(path) && !first.trim_start_matches('.').contains('.') && ending.is_some_and(is_ending)
}

/// Proposes paths for tasks of one project.
#[derive(Debug)]
pub struct Proposals<'a> {
    project: &'a Path,
    seen: HashMap<String, Option<Entry>>,
}

impl<'a> Proposals<'a> {
    /// For the project at `project`.
    pub fn of(project: &'a Path) -> Self {
        Self { project, seen: HashMap::new() }
    }

    /// Gives the task the paths that its title and body name as candidates, unless it has some. What it owns is confirmed
    /// already.
    pub fn add(&mut self, task: &mut NewTask) {
        if !task.candidates.owned_paths.is_empty() {
            return;
        }
        let words = format!("{}\n{}", task.title, task.texts.body);
        let (project, seen) = (self.project, &mut self.seen);
        let entry = |path: &str| *seen.entry(path.to_owned()).or_insert_with(|| entry_at(project, path));
        let mut paths = named(&words, entry);
        paths.retain(|path| !task.owned_paths.iter().any(|own| own.overlaps(path)));
        task.candidates.owned_paths = paths;
    }
}

/// What is at a path of the project; none for what is reached through a link.
fn entry_at(project: &Path, path: &str) -> Option<Entry> {
    let mut at = project.to_owned();
    let mut entry = None;
    for part in path.split('/') {
        at.push(part);
        let kind = fs::symlink_metadata(&at).ok()?.file_type();
        entry = match () {
            () if kind.is_file() => Some(Entry::File),
            () if kind.is_dir() => Some(Entry::Directory),
            () => return None,
        };
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::fuzz;

    fn paths(words: &str) -> Vec<String> {
        let there = |path: &str| match path {
            "README.md" | "src/parser.rs" => Some(Entry::File),
            "src" | "src/auth" | "docs" => Some(Entry::Directory),
            _ => None,
        };
        named(words, there).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_that_are_there_or_look_like_one_are_named() {
        let words = "Split `src/parser.rs`:40, ./src/auth and docs/ (see README.md, src/new/mod.rs:12) into src/made/ and src/*/x.rs.";
        let expected = ["src/parser.rs", "src/auth/**", "docs/**", "README.md", "src/new/mod.rs", "src/made/**"];
        assert_eq!(paths(words), expected, "at most {MAX_PATHS}");
        assert_eq!(paths("all of src/**/a?.rs"), ["src/**/a?.rs"]);
        assert_eq!(paths("src/parser.rs:12:3 and src/parser.rs"), ["src/parser.rs"]);
    }

    proptest::proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn any_words_name_only_paths_of_the_project(words in "[a-z0-9./*:~`\\[\\]é -]{0,80}") {
            for entry in [None, Some(Entry::File), Some(Entry::Directory)] {
                let found = named(&words, |_| entry);
                let is_inside = |path: &Scope| !path.as_str().starts_with('/') && !path.as_str().split('/').any(|part| part == "..");
                assert!(found.len() <= MAX_PATHS && found.iter().all(is_inside), "{found:?}");
            }
        }
    }

    #[test]
    fn words_that_are_no_paths_are_none() {
        for words in [
            "and/or, TCP/IP, 24/7.5, v1.2, 12, :1, 3:4,  e.g. this, docs and src, Node.js",
            "https://example.org/a/b.html example.com/a.html http://x/y.rs",
            "/etc/passwd ~/x.rs ../up/a.rs a/../../b.rs --flag=a/b.rs @team/pkg.js",
            "* / . .. ./ // ... :::",
        ] {
            assert_eq!(paths(words), [""; 0], "{words}");
        }
    }
}
