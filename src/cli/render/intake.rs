//! Imports, and looks at a project.

use super::page::{Page, Render};
use crate::board::mutation::Outcome;
use crate::domain::text;
use crate::intake::drafts::Draft;
use crate::ops::intake::{IntakeReply, Looked};

/// So much of a title, in characters.
const TITLE_SHOWN: usize = 64;
/// So many entry files and commands.
const NAMED: usize = 6;

impl Render for IntakeReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        if self.dry_run {
            page.line("nothing was done; it would be:");
        }
        if let Some(looked) = &self.looked {
            page.field("files", format!("{}, read {}", looked.files, looked.files_read));
            found(looked, page);
            page.field("added", self.added);
            page.field("next", &looked.next_command);
            return;
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

fn found(looked: &Looked, page: &mut Page) {
    for what in &looked.left_out {
        page.field("left_out", what);
    }
    page.list("entry_files", &looked.entry_files[..looked.entry_files.len().min(NAMED)]);
    for known in looked.commands.iter().take(NAMED) {
        page.field(known.purpose.as_str(), format!("{} ({})", known.command, known.evidence.place()));
    }
    let more = looked.found - looked.known - looked.drafts.len() as u64;
    let rest = if more > 0 { format!(", {more} more with --limit") } else { String::new() };
    page.field("found", format!("{}, {} on the board already{rest}", looked.found, looked.known));
    page.reserve(200);
    let rows = looked.drafts.iter().map(row).collect();
    let shown = looked.drafts.len();
    let go_on = |fits: usize| format!("{} more: --json, or callboard tasks --state draft", shown - fits);
    page.short_listing(&["KIND", "SEEN", "WHAT"], rows, "nothing new was found", go_on);
}

fn row(draft: &Draft) -> Vec<String> {
    let seen = draft.evidence.first();
    let more = draft.evidence.len().saturating_sub(1);
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    let place = seen.map(|seen| format!("{}{more}", seen.place())).unwrap_or_default();
    vec![draft.kind.to_string(), place, text::cut(&draft.title, TITLE_SHOWN)]
}
