//! Paths that were checked.

use super::page::{Page, Render, more, when};
use crate::board::mutation::Outcome;
use crate::ops::guard::CheckPathsReply;

impl Render for CheckPathsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let rows = self.paths.iter().map(|checked| {
            let holder = checked.holder.as_ref();
            let by = holder.map(|holder| format!("{} until {}", holder.agent_id, when(holder.expires_at)));
            vec![
                checked.verdict.to_string(),
                checked.module.as_ref().map(ToString::to_string).unwrap_or_default(),
                by.unwrap_or_default(),
                checked.path.clone(),
            ]
        });
        let count = self.paths.len();
        page.short_listing(
            &["VERDICT", "TASK", "HELD BY", "PATH"],
            rows.collect(),
            "no path of this project",
            more(count),
        );
    }
}
