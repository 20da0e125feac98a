//! How many events are kept, and archives of the others.

use super::page::{Page, Render, when};
use crate::board::mutation::Outcome;
use crate::ops::retention::{ArchivesReply, PruneReply, RetentionReply};

impl Render for PruneReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("pruned", self.pruned);
        page.maybe("archive", self.archive.as_ref().map(|archive| &archive.name));
        page.field("pruned_through", self.pruned_through);
    }
}

impl Render for ArchivesReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let rows = self.archives.iter().map(|listed| {
            let archive = &listed.archive;
            vec![
                archive.first.to_string(),
                archive.last.to_string(),
                when(archive.at),
                listed.status.to_string(),
                archive.name.clone(),
            ]
        });
        page.table(&["FIRST", "LAST", "MADE", "FILE IS", "NAME"], rows.collect(), "no archives");
        if !self.events.is_empty() {
            super::events::archived(&self.events, page);
        }
        for bad in &self.bad_lines {
            page.field(&format!("bad line {}", bad.line), &bad.why);
        }
        page.maybe("next_page", self.next_since.as_ref().map(|place| format!("--since {place}")));
    }
}

impl Render for RetentionReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let rows = self.retention.max_rows.map_or_else(|| "no limit".to_owned(), |rows| rows.to_string());
        let days = self.retention.max_age_days.map_or_else(|| "no limit".to_owned(), |days| days.to_string());
        page.field("max_rows", rows);
        page.field("max_age_days", days);
        page.field("events", self.events);
        page.field("pruned_through", self.pruned_through);
    }
}
