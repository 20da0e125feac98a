//! Marks in the text of files: what their authors left to do, switched off or never wrote.
//!
//! A mark counts where a comment begins before it in its line, so that words in strings and names stay what they are.

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::drafts::{Draft, Evidence, Kind};

/// How a mark is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// A word in a comment, and what stands after it.
    Word,
    /// Code: the line says it.
    Code,
    /// A line of a merge that was never resolved.
    Merge,
}

/// What is looked for.
const MARKS: &[(&str, Kind, Reading)] = &[
    ("TODO", Kind::Todo, Reading::Word),
    ("FIXME", Kind::Fixme, Reading::Word),
    ("XXX", Kind::Fixme, Reading::Word),
    ("HACK", Kind::Todo, Reading::Word),
    ("BUG:", Kind::Fixme, Reading::Word),
    ("<<<<<<< ", Kind::Conflict, Reading::Merge),
    ("#[ignore", Kind::Skipped, Reading::Code),
    ("@pytest.mark.skip", Kind::Skipped, Reading::Code),
    ("@pytest.mark.xfail", Kind::Skipped, Reading::Code),
    ("@unittest.skip", Kind::Skipped, Reading::Code),
    ("@Disabled", Kind::Skipped, Reading::Code),
    ("it.skip(", Kind::Skipped, Reading::Code),
    ("test.skip(", Kind::Skipped, Reading::Code),
    ("describe.skip(", Kind::Skipped, Reading::Code),
    ("t.Skip(", Kind::Skipped, Reading::Code),
    ("todo!(", Kind::Stub, Reading::Code),
    ("unimplemented!(", Kind::Stub, Reading::Code),
    ("panic(\"not implemented", Kind::Stub, Reading::Code),
    ("throw new Error('not implemented", Kind::Stub, Reading::Code),
    ("throw new Error(\"not implemented", Kind::Stub, Reading::Code),
    ("throw new Error('Not implemented", Kind::Stub, Reading::Code),
    ("throw new Error(\"Not implemented", Kind::Stub, Reading::Code),
];

/// What may begin a comment.
const COMMENTS: &[&str] = &["//", "#", "/*", "--", ";", "<!--", "%", "\"\"\""];
/// So many marks of a kind are taken of a file; the others come when these are settled.
const OF_A_FILE: usize = 4;
/// Fewer words than this are shown with their file.
const WORDS_LEAST: usize = 4;
/// In a line longer than this nobody wrote a mark: it was generated. In bytes.
const LINE_MOST: usize = 1000;
/// A byte of this value in the beginning of a file says that it is no text.
const BINARY_WITHIN: usize = 8192;

/// The marks of a file, found in one pass.
pub(super) struct Marks(AhoCorasick);

/// A mark that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// What it was taken for.
    pub(super) kind: Kind,
    /// The line, from 1.
    pub(super) line: usize,
    /// The line itself.
    pub(super) text: String,
    /// What it says is to be done.
    pub(super) words: String,
}

impl Marks {
    /// Everything that is looked for.
    pub(super) fn new() -> Self {
        let words = MARKS.iter().map(|(word, ..)| word);
        let found = AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostFirst).build(words);
        Self(found.expect("a handful of words"))
    }

    /// The marks in the content of a file, in order; none where it is no text.
    pub(super) fn find(&self, content: &[u8]) -> Vec<Mark> {
        if content[..content.len().min(BINARY_WITHIN)].contains(&0) {
            return Vec::new();
        }
        let (mut found, mut line, mut counted) = (Vec::<Mark>::new(), 1, 0);
        for hit in self.0.find_iter(content) {
            let Some((begin, end)) = line_around(content, hit.start()) else { continue };
            line += content[counted..begin.max(counted)].split(|byte| *byte == b'\n').count() - 1;
            counted = begin.max(counted);
            if end - begin > LINE_MOST || found.last().is_some_and(|last| last.line == line) {
                continue;
            }
            let text = String::from_utf8_lossy(&content[begin..end]).into_owned();
            let (word, kind, reading) = MARKS[hit.pattern().as_usize()];
            let before = String::from_utf8_lossy(&content[begin..hit.start()]).into_owned();
            let after = String::from_utf8_lossy(&content[hit.end()..end]).into_owned();
            let words = match reading {
                Reading::Word => said(word, &before, &after),
                Reading::Code => is_code(&before).then(|| text.trim().to_owned()),
                Reading::Merge => before.is_empty().then(|| after.trim().to_owned()),
            };
            found.extend(words.map(|words| Mark { kind, line, text, words }));
        }
        found
    }
}

/// Where the line begins and ends that this place is in; none where that is further away than a line is long, so that a
/// long line takes no longer than a short one.
fn line_around(content: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at.saturating_sub(LINE_MOST);
    let begin = match content[from..at].iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => from + newline + 1,
        None => (from == 0).then_some(0)?,
    };
    let rest = &content[at..content.len().min(at + LINE_MOST)];
    let end = match rest.iter().position(|byte| *byte == b'\n') {
        Some(newline) => at + newline,
        None => (at + rest.len() == content.len()).then_some(content.len())?,
    };
    Some((begin, end))
}

/// True where code may begin: in no comment, and in no string.
fn is_code(before: &str) -> bool {
    !before.contains("//") && !before.contains('"') && !before.contains('\'') && !before.trim_start().starts_with('#')
}

/// What a mark in a comment says; none where it is a part of a longer word or in no comment.
fn said(word: &str, before: &str, after: &str) -> Option<String> {
    let is_joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"' | '\'' | '`' | '/' | '\\');
    let joins_before = before.chars().next_back().is_some_and(|c| is_joined(c) && c != '/');
    let joins_after = !word.ends_with(':') && after.chars().next().is_some_and(is_joined);
    if joins_before || joins_after {
        return None;
    }
    let trimmed = before.trim_start();
    let in_block = trimmed.starts_with('*') || trimmed.is_empty();
    if !in_block && !COMMENTS.iter().any(|opener| before.contains(opener)) {
        return None;
    }
    // `TODO(ann): say this */`
    let mut rest = after.trim_start();
    if let Some((_, behind)) = rest.strip_prefix('(').and_then(|owned| owned.split_once(')')) {
        rest = behind;
    }
    let rest = rest.trim_start_matches([':', '-', ' ', '\t', '!']).trim_end();
    let rest = rest.trim_end_matches("*/").trim_end_matches("-->").trim_end_matches("\"\"\"").trim_end();
    if in_block && trimmed.is_empty() && rest.is_empty() {
        return None;
    }
    Some(rest.to_owned())
}

/// The drafts of the marks of one file: each its own task, so that one that is settled changes no other; a conflict is one
/// for the whole file.
pub(super) fn drafts(path: &str, marks: &[Mark]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for kind in [Kind::Conflict, Kind::Fixme, Kind::Skipped, Kind::Stub, Kind::Todo] {
        let own: Vec<&Mark> = marks.iter().filter(|mark| mark.kind == kind).take(OF_A_FILE).collect();
        let seen = |mark: &&Mark| Evidence::line(path, mark.line, &mark.text);
        if kind == Kind::Conflict && !own.is_empty() {
            let title = format!("Resolve the merge conflict in {path}");
            drafts.push(Draft::new(kind, &title, "", own.iter().map(seen).collect()));
            continue;
        }
        for mark in own {
            let title = match kind {
                Kind::Skipped => format!("Switch on again in {path}: {}", mark.words),
                Kind::Stub => format!("Write what is missing in {path}: {}", mark.words),
                _ if mark.words.is_empty() => format!("Settle the mark in {path}: {}", mark.text.trim()),
                // A few words say what they mean only where they stand.
                _ if mark.words.split_whitespace().count() < WORDS_LEAST => format!("{} ({path})", mark.words),
                _ => mark.words.clone(),
            };
            drafts.push(Draft::new(kind, &title, &mark.words, vec![seen(&mark)]));
        }
    }
    drafts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::deadline::Deadline;

    fn found(text: &str) -> Vec<(Kind, usize, String)> {
        Marks::new().find(text.as_bytes()).into_iter().map(|mark| (mark.kind, mark.line, mark.words)).collect()
    }

    #[test]
    fn a_mark_counts_in_a_comment_and_is_read_to_its_end() {
        let text = "fn a() {} // TODO(ann): say hello\n/* FIXME: mind the clock */\n * XXX here\n# HACK - old\n<!-- TODO later -->\n";
        let words = |kind, line, words: &str| (kind, line, words.to_owned());
        assert_eq!(
            found(text),
            [
                words(Kind::Todo, 1, "say hello"),
                words(Kind::Fixme, 2, "mind the clock"),
                words(Kind::Fixme, 3, "here"),
                words(Kind::Todo, 4, "old"),
                words(Kind::Todo, 5, "later"),
            ]
        );
    }

    #[test]
    fn words_in_strings_and_names_are_no_marks() {
        for text in [
            "let TODO_LIST = 1;",
            "print(\"TODO: nothing\")",
            "MYTODO // x",
            "// see TODO.md",
            "mktemp /tmp/x.XXXXXX # template",
            "let x = \"todo!()\";",
            "// todo!() is not called",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        assert_eq!(found("a\0b // TODO: x"), [], "no text");
    }

    #[test]
    fn code_that_is_switched_off_or_missing_is_seen() {
        let text = "#[ignore = \"slow\"]\nfn t() {}\n    unimplemented!()\n<<<<<<< HEAD\n  it.skip('x', f)\n";
        let kinds: Vec<(Kind, usize)> = found(text).into_iter().map(|(kind, line, _)| (kind, line)).collect();
        assert_eq!(kinds, [(Kind::Skipped, 1), (Kind::Stub, 3), (Kind::Conflict, 4), (Kind::Skipped, 5)]);
    }

    #[test]
    fn a_file_full_of_marks_gives_a_few_at_a_time_and_always_the_same() {
        let text: Vec<String> = (0..6).map(|n| format!("// TODO: settle this part {n}")).collect();
        let titles = |text: &[String]| {
            let marks = Marks::new().find(text.join("\n").as_bytes());
            drafts("a.rs", &marks).into_iter().map(|draft| (draft.module, draft.title)).collect::<Vec<_>>()
        };
        let (all, after) = (titles(&text), titles(&text[1..]));
        assert_eq!((all.len(), after.len()), (OF_A_FILE, OF_A_FILE));
        assert_eq!(all[1..], after[..OF_A_FILE - 1], "what is settled changes no other");
    }

    #[test]
    fn a_line_without_end_is_passed_over_once() {
        let long = "/* TODO: x */ ".repeat(40_000);
        let deadline = Deadline::after(std::time::Duration::from_secs(2));
        assert_eq!(found(&format!("// TODO: before\n{long}\n// TODO: after\n")).len(), 2);
        assert!(!deadline.is_over());
    }
}
