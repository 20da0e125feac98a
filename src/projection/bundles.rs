//! The page of a bundle: what is handed over, and what changed since the handoff before.
//!
//! **Invariants.** The same bundle gives the same bytes. What agents and people wrote stands in fences, as data.

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;
use similar::{Algorithm, TextDiff};

use super::error::ProjectionError;
use super::own_templates::OwnTemplates;
use super::pages::{BUNDLE, BUNDLE_TEMPLATE};
use super::render::{Rendered, from_template};
use crate::board::bundles::Bundle;
use crate::board::inbox::{BundlePage, DIRECTORY};
use crate::domain::id::Module;
use crate::domain::text;

/// The difference to the handoff before, in lines.
const DIFFERENCE_MOST: usize = 120;
/// One of its lines, in characters.
const LINE_MOST: usize = 200;
/// Lines that stay the same around one that changed.
const CONTEXT: usize = 1;

/// The name of a bundle's file in the plan directory.
pub fn file(module: &Module) -> String {
    format!("{DIRECTORY}/{module}.handoff.md")
}

/// A bundle as its template sees it.
#[derive(Serialize)]
struct Filled<'a> {
    #[serde(flatten)]
    bundle: &'a Bundle,
    difference: Option<String>,
}

/// Draws the page of a bundle. A board's own template in `own` comes first. A bundle that cannot be drawn must not keep the
/// other pages from being shown: it gets a page that says so.
pub(super) fn draw(page: &BundlePage, own: Option<&OwnTemplates>, warnings: &mut Vec<String>) -> Rendered {
    let name = file(&page.bundle.module);
    let text = whole(page, own, warnings).unwrap_or_else(|error| {
        let module = &page.bundle.module;
        warnings.push(format!("{name}: {error}"));
        format!("# Handoff of {module}\n\nIt could not be drawn. `callboard show {module}` and `callboard history {module}` have it.\n")
    });
    Rendered { name, text }
}

fn whole(page: &BundlePage, own: Option<&OwnTemplates>, warnings: &mut Vec<String>) -> Result<String, ProjectionError> {
    let mut text = |bundle: &Bundle, difference| {
        from_template(BUNDLE, BUNDLE_TEMPLATE, own, &Value::from(Serde(&Filled { bundle, difference })), warnings)
    };
    let difference = match &page.previous {
        Some(previous) => difference(&text(previous, None)?, &text(&page.bundle, None)?),
        None => None,
    };
    text(&page.bundle, difference)
}

/// What changed, as a unified diff of bounded length; none where nothing did.
pub(super) fn difference(before: &str, now: &str) -> Option<String> {
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(before, now);
    let unified = diff.unified_diff().context_radius(CONTEXT).to_string();
    let mut lines: Vec<String> = unified.lines().map(|line| text::cut(line, LINE_MOST)).collect();
    if lines.is_empty() {
        return None;
    }
    if lines.len() > DIFFERENCE_MOST {
        lines.truncate(DIFFERENCE_MOST);
        lines.push("… and more".to_owned());
    }
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::handoff::HandoffKey;

    #[test]
    fn a_difference_is_bounded_and_none_where_nothing_changed() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let said = difference("a\nb\nc\n", "a\nB\nc\n").expect("a line changed");
        assert!(said.contains("-b") && said.contains("+B"), "{said}");
        let long = (0..1000).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(difference("", &long).expect("all of it").lines().count(), DIFFERENCE_MOST + 1);
    }

    /// A bundle as full as its limits let it be.
    fn full() -> Bundle {
        let (line, text, at) = ("`😀".repeat(150), "😀".repeat(4_000), "2026-01-01T00:00:00.000Z");
        let attempt =
            json!({"attempt": 1, "agent_id": "ann", "started_at": at, "outcome": "released", "summary": text[..2_400]});
        let verdict = json!({"attempt": 1, "by": "rita", "verdict": "approved", "notes": text[..2_400], "at": at});
        let bundle = json!({
            "module": "a", "title": "A", "kind": "takeover", "audience": "workers", "left_by": "ann", "agreed": true,
            "left_at": at, "state": "active", "priority": 2, "specialty": "rust", "goal": text,
            "acceptance": vec![&line; 30], "owned_paths": vec!["src/**"; 30],
            "dependencies": vec![json!({"module": "b", "state": "done", "summary": text[..2_400]}); 20],
            "attempts": vec![attempt; 5], "verdicts": vec![verdict; 5],
            "answers": vec![json!({"question": text[..1_200], "answer": text[..2_400], "by": "pat"}); 10],
            "open_questions": vec![&line; 10], "workspace": {"path": "/w", "host": "h", "branch": "main", "head": "0".repeat(40)},
            "tree": {"dirty": vec![&line; 30], "diff_stat": vec![&line; 30], "cut": true},
            "changed_paths": vec![&line; 30], "notes": text, "next_step": "go on", "claim_command": "callboard",
        });
        serde_json::from_value(bundle).expect("a bundle")
    }

    #[test]
    fn the_fullest_bundle_is_drawn_by_the_built_in_template() {
        let bundle = full();
        let previous = Bundle { notes: "other\n".repeat(600), goal: "x\n".repeat(2_000), ..bundle.clone() };
        let page = BundlePage { handoff: HandoffKey(2), bundle, previous: Some(previous) };
        let mut warnings = Vec::new();
        let drawn = draw(&page, None, &mut warnings);
        assert!(warnings.is_empty() && drawn.text.contains("## Since the handoff before"), "{warnings:?}");
    }

    #[test]
    fn nothing_in_a_fence_closes_it() {
        for words in ["\u{1}```\n# out", "a\n\u{1b} ````\nb", "`````", "~~~"] {
            let bundle = Bundle { notes: words.to_owned(), ..full() };
            let page = BundlePage { handoff: HandoffKey(2), bundle, previous: None };
            let text = draw(&page, None, &mut Vec::new()).text;
            let says = text.split("## What `ann` says").nth(1).expect("the notes");
            let fence: String = says.trim_start().chars().take_while(|c| *c == '`').collect();
            let inside = says.trim_start()[fence.len()..].split(&format!("\n{fence}\n")).next().expect("its inside");
            assert!(!inside.lines().any(|line| line.trim_start().starts_with(&fence)), "{words:?}: {says}");
            assert!(inside.contains(words.trim_start_matches('\u{1}').lines().last().expect("a line")), "{words:?}");
        }
    }
}
