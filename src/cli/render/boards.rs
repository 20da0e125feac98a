//! Boards.

use super::page::{Page, Render};
use crate::board::mutation::Outcome;
use crate::ops::boards::InitReply;

impl Render for InitReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.line(match (self.created, self.turned_shared) {
            (true, _) => "made a board",
            (_, true) => "the board is now for several hosts",
            _ => "the board is there; nothing changed",
        });
        page.field("project_root", &self.project_root);
        page.field("name", &self.name);
        page.field("storage", self.storage);
        page.field("journal", self.journal);
        page.field("safety_profile", self.safety_profile);
        page.maybe("mcp_config", self.mcp_config.as_ref());
        if self.created {
            page.field(
                "next",
                "callboard preflight, then callboard intake; or callboard add-task --module NAME --title TEXT",
            );
        }
    }
}
