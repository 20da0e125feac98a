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

/// What an event says.
pub(super) fn whole(event: &EventView) -> String {
    let words = |key: &str| event.data.get(key).and_then(|value| value.as_str());
    let list = |key: &str| {
        let values = event.data.get(key)?.as_array()?.iter();
        Some(values.filter_map(|value| value.as_str()).collect::<Vec<_>>().join("; "))
    };
    let own = match event.kind {
        EventKind::Message => words("message").map(ToOwned::to_owned),
        EventKind::Question => {
            let id = words("question_id").map(|id| format!("{id}: ")).unwrap_or_default();
            let options = list("options").filter(|options| !options.is_empty());
            let options = options.map(|options| format!(" ({options})")).unwrap_or_default();
            words("question").map(|question| format!("{id}{question}{options}"))
        }
        EventKind::Answered => words("answer").map(ToOwned::to_owned),
        EventKind::Stalled => list("what"),
        _ => words("reason").or_else(|| words("notes")).map(ToOwned::to_owned),
    };
    let own = own.filter(|own| !own.is_empty()).unwrap_or_else(|| {
        let facts = event.data.iter().filter(|(_, value)| !value.is_null());
        let facts: Vec<String> = facts.map(|(key, value)| format!("{key} {value}")).collect();
        facts.join(", ").replace('"', "")
    });
    match &event.reserved_for {
        Some(agent) => format!("reserved for {agent}; {own}"),
        None => own,
    }
}

/// The same in a few words.
fn said(event: &EventView) -> String {
    text::cut(&text::one_line(&whole(event)), SAID)
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
        if let ([one], false) = (&self.notifications[..], self.more) {
            // One is worth its whole text.
            page.field("seq", one.seq);
            page.field("kind", one.kind);
            page.maybe("module", one.module.as_ref());
            page.field("by", one.actor.as_deref().unwrap_or("somebody"));
            page.maybe("for", one.audience.as_ref());
            page.field("at", when(one.at));
            page.field("what", whole(one));
            page.field("next_since", &self.next_since);
            page.maybe("acknowledge", self.ack_command.as_ref());
            return cursor(self.cursor.as_ref(), page);
        }
        list(&self.notifications, "nothing calls", &self.next_since, self.more, self.cursor.as_ref(), page);
        page.maybe("acknowledge", self.ack_command.as_ref());
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
