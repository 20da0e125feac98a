//! Agents.

use super::page::{Page, Render, Shown, when};
use crate::board::mutation::Outcome;
use crate::ops::agents::{AboardReply, AgentsReply};

impl Render for AboardReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("agent_id", &self.agent_id);
        page.field("session_id", &self.session_id);
        page.field("epoch", self.epoch);
        page.field("window_id", &self.window_id);
        page.list("roles", &self.roles);
        for lease in &self.resumed {
            let token = lease.token.as_ref().map(ToString::to_string).unwrap_or_default();
            page.field("resumed", format!("{} ({}) lease_token {token}", lease.module, lease.kind));
        }
        page.field("next", &self.next_command);
    }
}

impl Render for AgentsReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let join = |names: Vec<String>| names.join(",");
        let rows = self.agents.iter().map(|agent| {
            vec![
                agent.agent_id.to_string(),
                join(agent.roles.iter().map(ToString::to_string).collect()),
                join(agent.specialties.iter().map(ToString::to_string).collect()),
                join(agent.holds.iter().map(ToString::to_string).collect()),
                when(agent.seen_at),
            ]
        });
        let headings = ["AGENT", "ROLES", "SPECIALTIES", "HOLDS", "CAME ABOARD"];
        let empty = "nobody has come aboard yet: callboard init-agent --thread-key KEY";
        let after = |shown: usize| format!("--after {}", self.agents[shown - 1].agent_id);
        if page.listing(&headings, rows.collect(), empty, after) == Shown::All {
            page.maybe("next_page", self.next_after.as_ref().map(|after| format!("--after {after}")));
        }
    }
}
