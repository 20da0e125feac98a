//! Handing work over.

use super::page::{Page, Render, Shown, when};
use crate::board::inbox::HandoffView;
use crate::board::mutation::Outcome;
use crate::domain::handoff::HandoffStatus;
use crate::ops::handoffs::{BundleReply, HandoffReply, HandoffsReply, NextHandoffReply};

/// A handoff, whole.
pub(super) fn handoff(handoff: &HandoffView, page: &mut Page) {
    page.field("module", &handoff.module);
    page.field("title", &handoff.title);
    page.field("kind", handoff.kind);
    page.field("status", handoff.status);
    page.field("for", &handoff.target);
    page.field("left_by", &handoff.left_by);
    if handoff.agreed && handoff.status == HandoffStatus::Ready {
        page.field("agreed", "yes: whoever takes it has the lease");
    }
    page.maybe("claimed_by", handoff.claimed_by.as_ref());
    page.field("bundle", &handoff.path);
    page.maybe("claim", handoff.claim_command.as_ref());
}

impl Render for BundleReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        handoff(&self.handoff, page);
    }
}

impl Render for HandoffReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        handoff(&self.handoff, page);
    }
}

impl Render for NextHandoffReply {
    fn render(&self, outcome: Outcome, page: &mut Page) {
        match &self.handoff {
            Some(found) => handoff(found, page),
            None if outcome == Outcome::Complete => page.line("the board is complete"),
            None => page.line("nothing now"),
        }
        super::claims::waiting_on(&self.waiting_on, page);
    }
}

impl Render for HandoffsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let rows = self.handoffs.iter().map(|handoff| {
            vec![
                handoff.handoff.0.to_string(),
                handoff.module.to_string(),
                handoff.kind.to_string(),
                if handoff.agreed { handoff.status.to_string() } else { format!("{} (information)", handoff.status) },
                handoff.target.clone(),
                handoff.left_by.clone(),
                when(handoff.left_at),
            ]
        });
        let headings = ["NO", "MODULE", "KIND", "STATUS", "FOR", "BY", "LEFT"];
        let before = |shown: usize| format!("--before {}", self.handoffs[shown - 1].handoff.0);
        if page.listing(&headings, rows.collect(), "no handoffs", before) == Shown::All {
            page.maybe("next_page", self.next_before.map(|before| format!("--before {}", before.0)));
        }
    }
}
