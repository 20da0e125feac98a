//! Imports.

use super::page::{Page, Render};
use crate::board::mutation::Outcome;
use crate::ops::intake::IntakeReply;

impl Render for IntakeReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        if self.dry_run {
            page.line("nothing was done; it would be:");
        }
        page.field("added", self.added);
        page.field("updated", self.updated);
        page.field("unchanged", self.unchanged);
        page.list("modules", &self.modules);
        page.list("updated_modules", &self.updated_modules);
        if self.added > self.modules.len() as u64 {
            page.field("more", "callboard tasks");
        }
    }
}
