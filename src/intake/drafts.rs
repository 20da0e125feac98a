//! A draft: something that looks like work, and where it was seen.
//!
//! **Invariants.** The same sight gives the same name, wherever in its file it stands by now: the name ends with a digest
//! of the kind, the file and the words. So a second look proposes nothing twice.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::board::imports::PlannedTask;
use crate::board::tasks::NewTask;
use crate::domain::id::Module;
use crate::domain::scope::Scope;
use crate::domain::task::{Candidates, TaskState, TaskTexts};
use crate::domain::text;
use crate::domain::word::words;

words! {
    /// What something was taken for; the first kinds are proposed first.
    Kind, "kind of draft" {
        /// A merge that is in conflict.
        Conflict = "conflict",
        /// A file that cannot work as it is.
        Broken = "broken",
        /// Work that was begun and not committed.
        Change = "change",
        /// An unchecked line of a checklist.
        Checklist = "checklist",
        /// A mark that says that something is wrong.
        Fixme = "fixme",
        /// A test that is switched off.
        Skipped = "skipped",
        /// Code that stops where work is missing.
        Stub = "stub",
        /// A heading of a plan.
        Heading = "heading",
        /// A mark that says that something is missing.
        Todo = "todo",
    }
}

impl Kind {
    fn priority(self) -> u8 {
        match self {
            Self::Conflict | Self::Broken => 0,
            Self::Change => 1,
            Self::Checklist | Self::Fixme => 2,
            Self::Skipped | Self::Stub | Self::Heading | Self::Todo => 3,
        }
    }
}

/// A place that a draft came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// The file, from the top of the project.
    pub path: String,
    /// The line, from 1; null for the file as a whole.
    pub line: Option<u32>,
    /// What stands there.
    pub text: String,
}

impl Evidence {
    /// What stands in a line of a file.
    pub(super) fn line(path: &str, line: usize, said: &str) -> Self {
        let line = u32::try_from(line).ok();
        Self { path: path.to_owned(), line, text: text::cut(&text::one_line(said.trim()), LINE_SHOWN) }
    }

    /// Something about a file as a whole.
    pub(super) fn file(path: &str, said: &str) -> Self {
        Self { path: path.to_owned(), line: None, text: said.to_owned() }
    }

    /// `src/a.rs:12`.
    pub fn place(&self) -> String {
        self.line.map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path))
    }
}

/// So much of a line is kept, in characters.
const LINE_SHOWN: usize = 160;
/// A title is cut to so many characters.
const TITLE_SHOWN: usize = 100;
/// So much of the words goes into a name, in characters.
const NAMED_MOST: usize = 40;
/// So many places are kept with a draft.
const PLACES_MOST: usize = 20;

/// Something that looks like work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// Its name.
    pub module: Module,
    /// One line.
    pub title: String,
    /// What it was taken for.
    pub kind: Kind,
    /// 0 is most urgent, 4 least.
    pub priority: u8,
    /// What may have to come first.
    pub candidate_depends_on: Vec<Module>,
    /// What it may change.
    pub candidate_owned_paths: Vec<Scope>,
    /// The places that it came from.
    pub evidence: Vec<Evidence>,
    /// Where more was read, such as the text below a heading.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

impl Draft {
    /// A draft that was seen in these places. `words` are what tells it from others of its kind in the same file; the first
    /// place names the file.
    pub(super) fn new(kind: Kind, title: &str, words: &str, mut evidence: Vec<Evidence>) -> Self {
        evidence.truncate(PLACES_MOST);
        let path = evidence.first().map_or("", |seen| seen.path.as_str());
        let module = name(kind, path, title, words);
        Self::named(module, kind, title, evidence)
    }

    /// A draft of the whole working tree as it is on top of a commit: the same until there is another.
    pub(super) fn of_tree(kind: Kind, title: &str, commit: Option<&str>, mut evidence: Vec<Evidence>) -> Self {
        evidence.truncate(PLACES_MOST);
        let module = name(kind, "", kind.as_str(), commit.unwrap_or_default());
        Self::named(module, kind, title, evidence)
    }

    fn named(module: Module, kind: Kind, title: &str, evidence: Vec<Evidence>) -> Self {
        Self {
            module,
            title: text::cut(&text::one_line(title.trim()), TITLE_SHOWN),
            kind,
            priority: kind.priority(),
            candidate_depends_on: Vec::new(),
            candidate_owned_paths: Vec::new(),
            evidence,
            body: String::new(),
        }
    }

    /// The task that it is on the board. `test` is the command that the project is tested with.
    pub fn task(&self, line: usize, test: Option<&str>) -> PlannedTask {
        let mut body = self.body.clone();
        if !body.is_empty() {
            body.push_str("\n\n");
        }
        body.push_str("Seen by intake:\n");
        for seen in &self.evidence {
            let _ = writeln!(body, "- {}: {}", seen.place(), seen.text);
        }
        let task = NewTask {
            module: self.module.clone(),
            title: self.title.clone(),
            texts: TaskTexts { body, acceptance: test.map(|test| format!("{test} passes")).into_iter().collect() },
            priority: self.priority,
            specialty: None,
            depends_on: Vec::new(),
            owned_paths: Vec::new(),
            candidates: Candidates {
                depends_on: self.candidate_depends_on.clone(),
                owned_paths: self.candidate_owned_paths.clone(),
            },
            estimate_minutes: None,
            review: None,
            reviewer: None,
            labels: BTreeMap::from([("intake".to_owned(), self.kind.as_str().to_owned())]),
            parent: None,
            state: TaskState::Draft,
        };
        PlannedTask { line, task }
    }
}

/// A name that people can read and that a second look finds again.
fn name(kind: Kind, path: &str, title: &str, words: &str) -> Module {
    let normal: String = words.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let digest = Sha256::digest(format!("{kind}\0{path}\0{normal}"));
    let digest = digest[..4].iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    let readable = Module::from_words(&text::cut(title, NAMED_MOST));
    let readable = readable.map_or_else(|| kind.to_string(), |name| name.to_string());
    format!("{readable}-{digest}").parse().expect("a slug and hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_when_lines_move_and_differs_where_words_do() {
        let at = |line, words: &str| {
            Draft::new(Kind::Todo, words, words, vec![Evidence::line("src/a.rs", line, words)]).module
        };
        assert_eq!(at(3, "handle  Escapes"), at(90, "handle  Escapes"));
        assert_ne!(at(3, "handle escapes"), at(3, "handle tabs"));
        let odd = Draft::new(Kind::Todo, "???", "???", vec![Evidence::file("x", "?")]);
        assert!(odd.module.as_str().starts_with("todo-"), "{}", odd.module);
    }
}
