//! Path scopes: gitignore-style globs, and whether two of them can meet in one file.
//!
//! A scope covers what it names and everything below it. One departure from gitignore: a plain name such as `docs`
//! means that entry of the project's root, not every entry of that name, else `docs` and `src` would meet in `src/docs`
//! and nobody could work beside anybody. `**/docs` says the other thing. Whether two scopes overlap is decided exactly for literals,
//! `*`, `?` and `**`; a character class counts as any character, so for the rest the answer leans to "they overlap".

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A glob over paths of the project, relative to its root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Scope(String);

/// Why a text is not a scope.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidScope {
    /// Nothing was given.
    #[error("a path scope is empty")]
    Empty,
    /// `..` would leave the project.
    #[error("the path scope {0:?} leaves the project")]
    Leaves(Box<str>),
    /// Exceptions cannot be owned.
    #[error("the path scope {0:?} starts with '!': name what is changed, not what is not")]
    Negated(Box<str>),
    /// Control characters.
    #[error("the path scope {0:?} has control characters")]
    Control(Box<str>),
    /// Longer than any path.
    #[error("a path scope is longer than 1024 characters")]
    TooLong,
}

impl Scope {
    /// The scope of one path and what lies below it: signs that globs have a meaning for stand for any character. None for what
    /// is no path of the project.
    pub fn of_path(path: &str) -> Option<Self> {
        let sign = |c: char| if matches!(c, '*' | '?' | '[' | ']' | '\\' | '!') { '?' } else { c };
        let literal: String = path.chars().map(sign).collect();
        // A name with a sign is anchored by a slash.
        let anchored = if literal.contains('?') && !literal.contains('/') { format!("./{literal}") } else { literal };
        anchored.parse().ok()
    }

    /// The glob as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True when some path is covered by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        paths_meet(&self.segments(), &other.segments())
    }

    /// Anchored segments; `**` stands for any number of them. A scope covers what lies below it, so `**` ends it.
    fn segments(&self) -> Vec<&str> {
        let parts: Vec<&str> = self.0.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let anchored = self.0.trim_end_matches('/').contains('/') || !self.0.contains(['*', '?', '[', '\\']);
        let lead = (!anchored).then_some("**");
        lead.into_iter().chain(parts).chain(["**"]).collect()
    }
}

/// The first pair, one of each side, that overlaps.
pub fn first_overlap<'a>(ours: &'a [Scope], theirs: &'a [Scope]) -> Option<(&'a Scope, &'a Scope)> {
    ours.iter().find_map(|our| theirs.iter().find(|their| our.overlaps(their)).map(|their| (our, their)))
}

/// Whether two sequences of segments have a path in common: the product of the two automata, walked once.
fn paths_meet(a: &[&str], b: &[&str]) -> bool {
    meet(a.len(), b.len(), |i, j| match (a.get(i), b.get(j)) {
        (Some(&"**"), _) => Pair::Left,
        (_, Some(&"**")) => Pair::Right,
        (Some(left), Some(right)) => Pair::same(names_meet(left, right)),
        _ => Pair::Differ,
    })
}

/// Whether two file-name globs have a name in common.
fn names_meet(a: &str, b: &str) -> bool {
    let (a, b) = (glyphs(a), glyphs(b));
    meet(a.len(), b.len(), |i, j| match (a.get(i), b.get(j)) {
        (Some(Glyph::Many), _) => Pair::Left,
        (_, Some(Glyph::Many)) => Pair::Right,
        (Some(Glyph::One), Some(_)) | (Some(_), Some(Glyph::One)) => Pair::Equal,
        (Some(left), Some(right)) => Pair::same(left == right),
        _ => Pair::Differ,
    })
}

/// What the next symbols of two patterns mean for each other.
enum Pair {
    /// Both stand for the same one thing.
    Equal,
    /// Nothing matches both.
    Differ,
    /// The left one stands for any number of things.
    Left,
    /// The right one does.
    Right,
}

impl Pair {
    fn same(same: bool) -> Self {
        if same { Self::Equal } else { Self::Differ }
    }
}

/// Whether the ends of two patterns of these lengths can be reached together. `reachable[j]` is the row of the table
/// for the present place in the left pattern.
fn meet(left: usize, right: usize, pair: impl Fn(usize, usize) -> Pair) -> bool {
    let mut reachable = vec![false; right + 1];
    reachable[0] = true;
    for i in 0..=left {
        let mut below = vec![false; right + 1];
        for j in 0..=right {
            if !reachable[j] {
                continue;
            }
            match pair(i, j) {
                Pair::Equal => below[j + 1] = true,
                Pair::Differ => {}
                Pair::Left => {
                    below[j] = true;
                    if j < right {
                        reachable[j + 1] = true;
                    }
                }
                Pair::Right => {
                    reachable[j + 1] = true;
                    if i < left {
                        below[j] = true;
                    }
                }
            }
        }
        if i == left {
            return reachable[right];
        }
        reachable = below;
    }
    false
}

#[derive(PartialEq, Eq)]
enum Glyph {
    Char(char),
    One,
    Many,
}

fn glyphs(name: &str) -> Vec<Glyph> {
    let mut glyphs = Vec::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        glyphs.push(match c {
            '*' => Glyph::Many,
            '?' => Glyph::One,
            '\\' => Glyph::Char(chars.next().unwrap_or('\\')),
            '[' if chars.as_str().contains(']') => {
                // The first character of a class may be a bracket that does not close it.
                chars.next();
                chars.by_ref().find(|c| *c == ']');
                Glyph::One
            }
            c => Glyph::Char(c),
        });
    }
    glyphs
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        let scope = text.trim();
        let segments = || scope.split('/');
        if scope.len() > 1024 {
            return Err(InvalidScope::TooLong);
        }
        if segments().all(|part| matches!(part, "" | ".")) && scope != "/" {
            return Err(InvalidScope::Empty);
        }
        if segments().any(|part| part == "..") {
            return Err(InvalidScope::Leaves(scope.into()));
        }
        if scope.starts_with('!') {
            return Err(InvalidScope::Negated(scope.into()));
        }
        if scope.chars().any(char::is_control) {
            return Err(InvalidScope::Control(scope.into()));
        }
        Ok(Self(scope.to_owned()))
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, InvalidScope> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overlap(a: &str, b: &str) -> bool {
        let (a, b): (Scope, Scope) = (a.parse().expect("a scope"), b.parse().expect("a scope"));
        assert_eq!(a.overlaps(&b), b.overlaps(&a), "overlap has no direction");
        a.overlaps(&b)
    }

    #[test]
    fn the_examples_of_the_manual() {
        for (a, b) in [
            ("src/auth", "src/auth/token.rs"),
            ("src/**", "src/a/b/c.rs"),
            ("*.rs", "src/deep/main.rs"),
            ("src/*/mod.rs", "src/auth/**"),
            ("docs/", "docs/a.md"),
            ("a?c", "abc"),
            ("**/docs", "src"),
            ("src/[ab].rs", "src/z.rs"),
            ("/", "anything"),
            ("./src//a", "src/a"),
        ] {
            assert!(overlap(a, b), "{a} meets {b}");
        }
        for (a, b) in [
            ("src/auth", "src/author"),
            ("src/*.rs", "src/*.md"),
            ("src/a/**", "src/b/**"),
            ("/top.rs", "src/top.rs"),
            ("/a?c", "ac"),
            ("README.md", "docs"),
        ] {
            assert!(!overlap(a, b), "{a} does not meet {b}");
        }
    }

    #[test]
    fn a_scope_stays_in_the_project() {
        for bad in ["", " ", "../x", "a/../b", "!a", "a\nb", "./"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad:?}");
        }
    }

    /// The naive model: match a concrete sequence against a pattern by trying everything.
    fn matches<T>(pattern: &[T], text: &[char], many: &impl Fn(&T) -> bool, one: &impl Fn(&T, char) -> bool) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((first, rest)) if many(first) => (0..=text.len()).any(|skip| matches(rest, &text[skip..], many, one)),
            Some((first, rest)) => {
                text.split_first().is_some_and(|(c, tail)| one(first, *c) && matches(rest, tail, many, one))
            }
        }
    }

    fn all_texts(most: usize) -> Vec<Vec<char>> {
        let mut all = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..most {
            last = last
                .into_iter()
                .flat_map(|text| ['a', 'b'].map(|c| text.iter().copied().chain([c]).collect::<Vec<_>>()))
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    proptest! {
        #[test]
        fn names_meet_like_the_naive_model(a in "[ab*?]{1,4}", b in "[ab*?]{1,4}") {
            let hit = |pattern: &str, text: &[char]| {
                let pattern: Vec<char> = pattern.chars().collect();
                matches(&pattern, text, &|p| *p == '*', &|p, c| *p == '?' || *p == c)
            };
            let naive = all_texts(8).iter().any(|text| hit(&a, text) && hit(&b, text));
            prop_assert_eq!(names_meet(&a, &b), naive);
        }

        #[test]
        fn paths_meet_like_the_naive_model(
            a in prop::collection::vec(prop::sample::select(vec!["a", "b", "?", "**"]), 1..4),
            b in prop::collection::vec(prop::sample::select(vec!["a", "b", "?", "**"]), 1..4),
        ) {
            // Every name is one letter, so a path is a text.
            let hit = |pattern: &[&str], path: &[char]| {
                matches(pattern, path, &|p| *p == "**", &|p, c| *p == "?" || p.chars().eq([c]))
            };
            let naive = all_texts(7).iter().any(|path| hit(&a, path) && hit(&b, path));
            prop_assert_eq!(paths_meet(&a, &b), naive);
        }
    }
}
