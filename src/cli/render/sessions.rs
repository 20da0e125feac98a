//! Sessions.

use super::page::{Page, Render, more, when};
use crate::board::mutation::Outcome;
use crate::board::pages::SessionView;
use crate::ops::sessions::{SessionReply, SessionsReply};

fn row(session: &SessionView) -> Vec<String> {
    let holds: Vec<String> = session.leases.iter().map(|lease| lease.module.to_string()).collect();
    vec![
        session.session_id.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        session.agent_id.to_string(),
        session
            .host_name
            .as_ref()
            .map_or_else(|| session.host_id.clone(), |name| format!("{name} ({})", session.host_id)),
        session.window_id.to_string(),
        session.status.to_string(),
        when(session.seen_at),
        holds.join(","),
    ]
}

const HEADINGS: [&str; 7] = ["SESSION", "AGENT", "HOST", "WINDOW", "STATUS", "LAST SEEN", "HOLDS"];

impl Render for SessionsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let rows = self.sessions.iter().map(row).collect();
        page.listing(&HEADINGS, rows, "no sessions", more(self.sessions.len()));
    }
}

impl Render for SessionReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.table(&HEADINGS, vec![row(&self.session)], "");
    }
}
