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
    reserved: usize,
}

impl Page {
    /// An empty page; `paints` says whether headings may be bold.
    pub(in crate::cli) fn new(paints: bool) -> Self {
        Self { text: String::new(), paints, reserved: 0 }
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

/// A page of a listing stays under 4 kB; the rest of that is for what stands around it.
const LISTING_MOST: usize = 3_300;
/// Whoever asks for more rows than a listing has by default wants them all.
const ROWS_BY_DEFAULT: usize = 25;

impl Page {
    /// Keeps room for so many bytes that come after a listing.
    pub(super) fn reserve(&mut self, bytes: usize) {
        self.reserved += bytes;
    }

    /// A table of a listing that stays short: what does not fit is on the next page. `go_on` says what leads there, once so
    /// many rows are shown.
    pub(super) fn listing(
        &mut self,
        headings: &[&str],
        rows: Vec<Vec<String>>,
        empty: &str,
        go_on: impl Fn(usize) -> String,
    ) -> Shown {
        if rows.len() > ROWS_BY_DEFAULT {
            self.table(headings, rows, empty);
            return Shown::All;
        }
        self.short_listing(headings, rows, empty, go_on)
    }

    /// The same, short however many rows there are.
    pub(super) fn short_listing(
        &mut self,
        headings: &[&str],
        mut rows: Vec<Vec<String>>,
        empty: &str,
        go_on: impl Fn(usize) -> String,
    ) -> Shown {
        let all = rows.len();
        let mut fits = all;
        let room = LISTING_MOST.saturating_sub(self.text.len() + self.reserved);
        if all > 1 {
            loop {
                let long = super::super::table::table(false, headings, rows[..fits].to_vec()).len();
                if long <= room || fits == 1 {
                    break;
                }
                // As many as an even share lets in, and one less in any case.
                fits = (fits * room / long).clamp(1, fits - 1);
            }
        }
        rows.truncate(fits);
        self.table(headings, rows, empty);
        if fits < all {
            self.field("next_page", go_on(fits));
            return Shown::Part;
        }
        Shown::All
    }
}

/// How much of a listing is on its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// All that the answer has.
    All,
    /// Less; what leads to the rest is said.
    Part,
}

/// What leads to more rows of a list that has no places to go on from.
pub(super) fn more(all: usize) -> impl Fn(usize) -> String {
    move |shown| format!("{} more: --json, or a narrower question", all - shown)
}

/// A moment without its milliseconds.
pub(super) fn when(time: crate::domain::time::Millis) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}
