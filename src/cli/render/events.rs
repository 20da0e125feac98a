//! Events and notifications.

use super::page::{Page, Render, Shown, when};
use crate::board::history::EventView;
use crate::board::mutation::Outcome;
use crate::board::streams::CursorView;
use crate::domain::event::EventKind;
use crate::domain::text;
use crate::ops::events::{AckReply, EventsReply, NotificationsReply, NotifyReply};

/// What an event says, in a listing, in characters; `--json` has it whole.
const SAID: usize = 80;

/// What an event is about, in a few words.
fn said(event: &EventView) -> String {
    let words = |key: &str| event.data.get(key).and_then(|value| value.as_str());
    let own = match event.kind {
        EventKind::Message => words("message"),
        EventKind::Question => words("question"),
        EventKind::Answered => words("answer"),
        _ => words("reason").or_else(|| words("notes")),
    };
    let own = own.map(ToOwned::to_owned).or_else(|| {
        let facts: Vec<String> = event
            .data
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| format!("{key} {value}"))
            .collect();
        Some(facts.join(", ").replace('"', "")).filter(|facts| !facts.is_empty())
    });
    text::cut(&text::one_line(&own.unwrap_or_default()), SAID)
}

fn row(event: &EventView) -> Vec<String> {
    vec![
        event.seq.to_string(),
        when(event.at),
        event.kind.to_string(),
        event.module.as_ref().map(ToString::to_string).unwrap_or_default(),
        event.actor.clone().unwrap_or_default(),
        event.audience.clone().unwrap_or_default(),
        said(event),
    ]
}

const HEADINGS: [&str; 7] = ["SEQ", "AT", "EVENT", "MODULE", "BY", "FOR", "WHAT"];

/// An event as a line of a stream.
pub(in crate::cli) fn line(event: &EventView) -> String {
    let cells = row(event);
    text::for_terminal(&cells.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join("  "))
}

/// Cells of a page whose rows must all be there, because they count as delivered, are cut to so many characters where they
/// would make it long.
const CELL: usize = 18;

/// A page that was given to a cursor's reader is shown whole; another one goes on at the next place.
fn list(
    events: &[EventView],
    empty: &str,
    next: &impl std::fmt::Display,
    more: bool,
    reader: Option<&CursorView>,
    page: &mut Page,
) {
    let rows: Vec<Vec<String>> = events.iter().map(row).collect();
    let shown = if reader.is_some() {
        let is_long = rows.iter().flatten().map(String::len).sum::<usize>() > 80 * rows.len();
        let short = |cell: String| if is_long { text::cut(&cell, CELL) } else { cell };
        let rows = rows.into_iter().map(|row| row.into_iter().map(short).collect()).collect();
        page.table(&HEADINGS, rows, empty);
        Shown::All
    } else {
        page.listing(&HEADINGS, rows, empty, |shown| format!("--since {}", events[shown].seq - 1))
    };
    if shown == Shown::All {
        let (key, flag) = if more { ("next_page", "--since ") } else { ("next_since", "") };
        page.field(key, format!("{flag}{next}"));
    }
    cursor(reader, page);
}

/// Events out of an archive.
pub(super) fn archived(events: &[EventView], page: &mut Page) {
    let rows = events.iter().map(row).collect();
    page.listing(&HEADINGS, rows, "no events", |shown| format!("--since {}", events[shown].seq - 1));
}

fn cursor(cursor: Option<&CursorView>, page: &mut Page) {
    if let Some(cursor) = cursor {
        let CursorView { cursor_id, delivered, acknowledged } = cursor;
        page.field("cursor", format!("{cursor_id}, delivered {delivered}, acknowledged {acknowledged}"));
    }
}

impl Render for EventsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        list(&self.events, "no events", &self.next_since, self.more, self.cursor.as_ref(), page);
    }
}

impl Render for NotificationsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        list(&self.notifications, "nothing calls", &self.next_since, self.more, self.cursor.as_ref(), page);
    }
}

impl Render for AckReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        cursor(Some(&self.cursor), page);
    }
}

impl Render for NotifyReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("seq", self.notification.seq);
        page.maybe("for", self.notification.audience.as_ref());
    }
}
