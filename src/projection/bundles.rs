//! The page of a bundle: what is handed over, and what changed since the handoff before.
//!
//! **Invariants.** The same bundle gives the same bytes. What agents and people wrote stands in fences, as data.

use std::path::Path;

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;
use similar::{Algorithm, TextDiff};

use super::error::ProjectionError;
use super::pages::{BUNDLE, Made};
use super::render::{Rendered, from_template};
use crate::board::bundles::Bundle;
use crate::board::inbox::{BundlePage, DIRECTORY};
use crate::domain::id::Module;

/// The difference to the handoff before, in lines.
const DIFFERENCE_MOST: usize = 120;
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

/// Draws the page of a bundle. A board's own template in `own` comes first.
pub(super) fn draw(
    page: &BundlePage,
    own: Option<&Path>,
    warnings: &mut Vec<String>,
) -> Result<Rendered, ProjectionError> {
    let mut text = |bundle: &Bundle, difference| {
        let value = Value::from(Serde(&Filled { bundle, difference }));
        match BUNDLE.made {
            Made::Template(built_in) => from_template(BUNDLE, built_in, own, &value, warnings),
            Made::State | Made::HandoffIndex => unreachable!("a bundle has a template"),
        }
    };
    let difference = match &page.previous {
        Some(previous) => difference(&text(previous, None)?, &text(&page.bundle, None)?),
        None => None,
    };
    Ok(Rendered { name: file(&page.bundle.module), text: text(&page.bundle, difference)? })
}

/// What changed, as a unified diff of bounded length; none where nothing did.
fn difference(before: &str, now: &str) -> Option<String> {
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(before, now);
    let text = diff.unified_diff().context_radius(CONTEXT).to_string();
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return None;
    }
    if lines.len() > DIFFERENCE_MOST {
        lines.truncate(DIFFERENCE_MOST);
        lines.push("… and more");
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
