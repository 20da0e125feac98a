//! Preflight and the choice of the mode.

use super::page::{Page, Render};
use crate::board::mutation::Outcome;
use crate::domain::id::BranchName;
use crate::domain::preflight::{Advice, Topology};
use crate::ops::preflight::{ModeAdvisorReply, PreflightReply};

fn dashed(mode: impl std::fmt::Display) -> String {
    mode.to_string().replace('_', "-")
}

fn advice(advice: &Advice, page: &mut Page) {
    page.field("because", &advice.reason);
    for point in advice.points.iter().filter(|point| point.points != 0) {
        page.field(&format!("{} {}", point.name, point.value), format!("{:+} points", point.points));
    }
    if !advice.would_change.is_empty() {
        page.field("would_change_it", advice.would_change.join(", or "));
    }
}

fn team(topology: &Topology) -> String {
    let Topology { agent_count, machine_count, window_count, shared_storage } = topology;
    let storage = if *shared_storage { "shared" } else { "local" };
    format!("agents {agent_count}, windows {window_count}, machines {machine_count}, {storage} storage")
}

impl Render for PreflightReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        let preflight = &self.preflight;
        if let Some(place) = preflight.confirmations.first() {
            page.field("workspace", &place.workspace);
            page.field("branch", place.branch.as_ref().map_or("none", BranchName::as_str));
            page.maybe("head", place.head.as_ref());
        }
        page.field(
            "mode",
            format!("{} ({} was asked for)", dashed(preflight.mode), dashed(preflight.said.mode_choice)),
        );
        advice(&preflight.advice, page);
        page.field("team", team(&preflight.said.topology));
        page.field("session_kind", dashed(preflight.said.session_kind));
        page.field("safety_profile", preflight.safety_profile);
        page.field("next", &self.next_command);
    }
}

impl Render for ModeAdvisorReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("mode", dashed(self.advice.mode));
        advice(&self.advice, page);
        page.field("judged", format!("{}, optimize for {}", team(&self.topology), self.optimize_for));
        let seen = &self.seen;
        page.field("seen", format!("agents {}, windows {}, machines {}", seen.agents, seen.windows, seen.machines));
        page.field("present_mode", dashed(self.present_mode));
        page.maybe("to_change_it", self.command.as_ref());
    }
}
