//! Tables that fit a terminal, and that a pipe gets without padding to a width nobody has.

use std::io::IsTerminal as _;

use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};

use crate::domain::text;

/// Narrower than this no table is readable.
const NARROWEST: u16 = 40;

/// The last column is at least so wide, whatever the terminal.
const LAST_LEAST: u16 = 24;

/// The rows under their headings. Empty cells show a dash, so that columns can be counted.
pub(super) fn table(paints: bool, headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let fits = if std::io::stdout().is_terminal() { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
    table.set_content_arrangement(fits);
    if table.width().is_some_and(|width| width < NARROWEST) {
        // A terminal that does not know its width says 0.
        table.set_width(NARROWEST);
    }
    let heading = |name: &&str| {
        let cell = Cell::new(name);
        if paints { cell.add_attribute(Attribute::Bold) } else { cell }
    };
    table.set_header(headings.iter().map(heading).collect::<Vec<_>>());
    for row in rows {
        let cells = row.into_iter().map(|cell| if cell.is_empty() { "-".to_owned() } else { text::one_line(&cell) });
        table.add_row(cells.collect::<Vec<_>>());
    }
    // Names are needed whole: only the last column, which says more, may break, and not into single letters.
    let last = headings.len().saturating_sub(1);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        column.set_constraint(match at {
            at if at < last => ColumnConstraint::ContentWidth,
            _ => ColumnConstraint::LowerBoundary(Width::Fixed(LAST_LEAST)),
        });
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
