//! Events and notifications.

use super::page::{Page, Render, when};
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

/// A page of a listing stays under 4 kB: what does not fit is on the next page.
const PAGE_MOST: usize = 3_600;

/// So many events as fit a page, and where the next one begins if that is not all.
fn fitting(events: &[EventView]) -> (Vec<Vec<String>>, Option<u64>) {
    let mut long = 0;
    let mut rows = Vec::new();
    for event in events {
        let row = row(event);
        long += row.iter().map(|cell| cell.len() + 2).sum::<usize>();
        if long > PAGE_MOST && !rows.is_empty() {
            return (rows, Some(event.seq - 1));
        }
        rows.push(row);
    }
    (rows, None)
}

fn list(events: &[EventView], empty: &str, next: &impl std::fmt::Display, more: bool, page: &mut Page) {
    let (rows, cut) = fitting(events);
    page.table(&HEADINGS, rows, empty);
    match cut {
        Some(place) => page.field("next_page", format!("--since {place}")),
        None if more => page.field("next_page", format!("--since {next}")),
        None => page.field("next_since", next),
    }
}

/// Events out of an archive.
pub(super) fn archived(events: &[EventView], page: &mut Page) {
    page.table(&HEADINGS, events.iter().map(row).collect(), "no events");
}

fn cursor(cursor: Option<&CursorView>, page: &mut Page) {
    if let Some(cursor) = cursor {
        let CursorView { cursor_id, delivered, acknowledged } = cursor;
        page.field("cursor", format!("{cursor_id}, delivered {delivered}, acknowledged {acknowledged}"));
    }
}

impl Render for EventsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        list(&self.events, "no events", &self.next_since, self.more, page);
        cursor(self.cursor.as_ref(), page);
    }
}

impl Render for NotificationsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        list(&self.notifications, "nothing calls", &self.next_since, self.more, page);
        cursor(self.cursor.as_ref(), page);
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
