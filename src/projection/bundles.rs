//! The page of a bundle: what is handed over, and what changed since the handoff before.
//!
//! **Invariants.** The same bundle gives the same bytes. What agents and people wrote stands in fences, as data.

use std::path::Path;

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;
use similar::{Algorithm, TextDiff};

use super::error::ProjectionError;
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
pub(super) fn draw(page: &BundlePage, own: Option<&Path>, warnings: &mut Vec<String>) -> Rendered {
    let name = file(&page.bundle.module);
    let text = whole(page, own, warnings).unwrap_or_else(|error| {
        let module = &page.bundle.module;
        warnings.push(format!("{name}: {error}"));
        format!("# Handoff of {module}\n\nIt could not be drawn. `callboard show {module}` and `callboard history {module}` have it.\n")
    });
    Rendered { name, text }
}

fn whole(page: &BundlePage, own: Option<&Path>, warnings: &mut Vec<String>) -> Result<String, ProjectionError> {
    let mut text = |bundle: &Bundle, difference| {
        let value = Value::from(Serde(&Filled { bundle, difference }));
        from_template(BUNDLE, BUNDLE_TEMPLATE, own, &value, warnings)
    };
    let difference = match &page.previous {
        Some(previous) => difference(&text(previous, None)?, &text(&page.bundle, None)?),
        None => None,
    };
    text(&page.bundle, difference)
}

/// What changed, as a unified diff of bounded length; none where nothing did.
fn difference(before: &str, now: &str) -> Option<String> {
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
    use super::*;

    #[test]
    fn a_difference_is_bounded_and_none_where_nothing_changed() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        let said = difference("a\nb\nc\n", "a\nB\nc\n").expect("a line changed");
        assert!(said.contains("-b") && said.contains("+B"), "{said}");
        let long = (0..1000).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(difference("", &long).expect("all of it").lines().count(), DIFFERENCE_MOST + 1);
    }
}
