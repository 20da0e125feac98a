//! The page that a reply is rendered onto.

use std::fmt::{Display, Write as _};

use crate::board::mutation::Outcome;
use crate::domain::text;

/// A reply that has a text form.
pub(in crate::cli) trait Render {
    /// Writes it.
    fn render(&self, outcome: Outcome, page: &mut Page);
}

/// Text in the making. Everything that comes from the board is made harmless for a terminal here.
pub(in crate::cli) struct Page {
    text: String,
    paints: bool,
}

impl Page {
    /// An empty page; `paints` says whether headings may be bold.
    pub(in crate::cli) fn new(paints: bool) -> Self {
        Self { text: String::new(), paints }
    }

    /// The text.
    pub(in crate::cli) fn into_text(self) -> String {
        self.text
    }

    /// A line of plain words.
    pub(super) fn line(&mut self, words: impl Display) {
        let words = text::for_terminal(&words.to_string());
        let _ = writeln!(self.text, "{words}");
    }

    /// `key: value`; further lines of the value are indented, so that none can look like another key.
    pub(super) fn field(&mut self, key: &str, value: impl Display) {
        let value = text::for_terminal(&value.to_string());
        let mut lines = value.lines();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(self.text, "{key}: {first}");
        for line in lines {
            let _ = writeln!(self.text, "  {line}");
        }
    }

    /// `key: value` where there is a value.
    pub(super) fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.field(key, value);
        }
    }

    /// `key: a, b` where there are any.
    pub(super) fn list<T: Display>(&mut self, key: &str, values: &[T]) {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            self.field(key, values.join(", "));
        }
    }

    /// A table, or what is said when it has no rows.
    pub(super) fn table(&mut self, headings: &[&str], rows: Vec<Vec<String>>, empty: &str) {
        if rows.is_empty() {
            self.line(empty);
        } else {
            let table = super::super::table::table(self.paints, headings, rows);
            self.text.push_str(&table);
        }
    }
}

/// A moment without its milliseconds.
pub(super) fn when(time: crate::domain::time::Millis) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}
