//! Copies of the board.

use super::page::{Page, Render};
use crate::app::backup::{Backup, Restored};
use crate::board::mutation::Outcome;
use crate::domain::text::quoted;

impl Render for Backup {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("backup", &self.path);
        page.field("revision", self.board_revision);
        page.field("bytes", self.bytes);
        page.field("to_restore", format!("callboard restore {}", quoted(&self.path)));
    }
}

impl Render for Restored {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("restored", &self.from);
        page.field("from_revision", self.from_revision);
        page.field("generation", &self.generation);
        page.field("tasks", self.tasks);
        page.field("windows_ended", self.sessions_ended);
        page.maybe("kept", self.kept.as_ref());
        if self.place_written {
            page.line("how the board is locked was lost, and is written again");
        }
        page.line("every window comes aboard again: callboard init-agent --thread-key KEY");
    }
}
