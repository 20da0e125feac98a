//! Leases.

use super::page::{Page, Render, more, when};
use crate::board::mutation::Outcome;
use crate::ops::leases::{HeartbeatReply, LeasesReply};

impl Render for HeartbeatReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("module", &self.task.module);
        page.field("expires_at", self.lease.expires_at);
        page.field("expires_in_seconds", self.lease.expires_in_seconds);
    }
}

impl Render for LeasesReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let rows = self.leases.iter().map(|lease| {
            vec![
                lease.module.to_string(),
                lease.kind.to_string(),
                lease.agent_id.to_string(),
                lease.host.clone().unwrap_or_default(),
                lease.window.as_ref().map(ToString::to_string).unwrap_or_default(),
                if lease.lapsed { "ran out".to_owned() } else { when(lease.expires_at) },
            ]
        });
        let headings = ["MODULE", "KIND", "AGENT", "HOST", "WINDOW", "UNTIL"];
        page.listing(&headings, rows.collect(), "no leases", more(self.leases.len()));
    }
}
