//! Looking around.

use super::page::{Page, Render, when};
use crate::board::explain::Explanation;
use crate::board::history::{EventView, History};
use crate::board::mutation::Outcome;
use crate::board::next_action::NextAction;
use crate::board::stalled::Stalled;
use crate::domain::text;
use crate::ops::status::{StateReply, SummaryReply};

impl Render for NextAction {
    fn render(&self, _: Outcome, page: &mut Page) {
        super::claims::lost(&self.lost, page);
        page.field("action", self.action);
        page.field("reason", &self.reason);
        page.maybe("module", self.module.as_ref());
        page.maybe("command", self.command.as_ref());
        page.maybe("acknowledge", self.acknowledge_command.as_ref());
        let closes = if self.request_changes_command.is_some() { "approve" } else { "finish" };
        page.maybe(closes, self.finish_command.as_ref());
        page.maybe("request_changes", self.request_changes_command.as_ref());
        if self.stalled {
            page.field("stalled", "yes");
        }
        for event in &self.notifications {
            let by = event.actor.as_deref().unwrap_or("somebody");
            page.field(
                &format!("unread {}", event.seq),
                format!("{} by {by}: {}", event.kind, super::events::whole(event)),
            );
        }
        super::claims::waiting_on(&self.waiting_on, page);
    }
}

fn counts(counts: &std::collections::BTreeMap<String, u64>) -> String {
    let of = |name: &str| counts.get(name).copied().unwrap_or_default();
    let states = ["active", "review", "waiting", "open", "draft", "failed", "cancelled"];
    let ready = |name: &str| if name == "open" { format!(" ({} ready)", of("ready")) } else { String::new() };
    let parts: Vec<String> =
        states.iter().filter(|name| of(name) > 0).map(|name| format!("{} {name}{}", of(name), ready(name))).collect();
    let rest = if parts.is_empty() { String::new() } else { format!("; {}", parts.join(", ")) };
    format!("{} of {} done{rest}", of("done"), of("total"))
}

/// How many bytes they take.
fn long(lines: &[Stalled]) -> usize {
    lines.iter().map(|line| line.what.len() + line.command.len() + 20).sum::<usize>() + 100
}

fn stalled(lines: &[Stalled], page: &mut Page) {
    for line in lines {
        page.field("stalled", format!("{}: {}", line.what, line.command));
    }
}

impl Render for SummaryReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("board", format!("{} ({})", self.board.name, self.project_root));
        let profile = self.board.safety_profile;
        page.field("revision", format!("{}, profile {profile}", self.board.revision));
        page.field("tasks", counts(&self.counts));
        if self.board.complete {
            page.line("the board is complete");
        }
        let busy: Vec<_> = self.active.iter().chain(&self.review).chain(&self.waiting).cloned().collect();
        if !busy.is_empty() {
            page.reserve(long(&self.stalled));
            let rest = |shown| format!("{} more: callboard tasks --state STATE", busy.len() - shown);
            super::tasks::table(&busy, page, "", rest);
        }
        for (what, many) in
            self.omitted.iter().filter(|(what, _)| ["active", "review", "waiting"].contains(&what.as_str()))
        {
            page.field("more", format!("{many} {what}: callboard tasks --state {what}"));
        }
        stalled(&self.stalled, page);
    }
}

impl Render for StateReply {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("board", &self.board.name);
        page.field("revision", format!("{}.{}", self.board.revision, self.board.presence));
        page.field("tasks", counts(&self.counts));
        page.field("agents", self.agents.len());
        page.field("sessions", self.sessions.len());
        page.field("leases", self.leases.len());
        let shown = self.tasks.len().min(20);
        page.reserve(long(&self.stalled));
        let rest = |_| "callboard tasks".to_owned();
        super::tasks::table(&self.tasks[..shown], page, "no tasks", rest);
        page.line("the whole state is in --json");
        stalled(&self.stalled, page);
    }
}

impl Render for Explanation {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("module", &self.module);
        page.field("state", self.state);
        page.maybe("for", self.agent_id.as_ref());
        page.field("offered", if self.offered { "yes" } else { "no" });
        for hindrance in &self.hindrances {
            page.field("because", hindrance);
        }
        page.field("score", self.score);
        for term in &self.terms {
            page.field(&term.name, format!("{} ({})", term.points, term.from));
        }
    }
}

fn event(event: &EventView) -> Vec<String> {
    let data = serde_json::to_string(&event.data).unwrap_or_default();
    vec![
        event.seq.to_string(),
        when(event.at),
        event.kind.to_string(),
        event.actor.clone().unwrap_or_default(),
        text::cut(&data, 100),
    ]
}

impl Render for History {
    fn render(&self, _: Outcome, page: &mut Page) {
        page.field("module", &self.module);
        for attempt in &self.attempts {
            let end = match (attempt.ended_at, attempt.outcome) {
                (Some(at), Some(outcome)) => format!("{outcome} {}", when(at)),
                _ => "not ended".to_owned(),
            };
            let summary = attempt.summary.as_deref().map(|summary| format!(": {}", text::cut(summary, 200)));
            let words =
                format!("{} from {}, {end}{}", attempt.agent_id, when(attempt.started_at), summary.unwrap_or_default());
            page.field(&format!("attempt {}", attempt.attempt), words);
            super::claims::submission(attempt, page);
        }
        for verdict in &self.verdicts {
            let notes = text::cut(&verdict.notes, 200);
            page.field(
                "verdict",
                format!("attempt {}, {} by {}: {notes}", verdict.attempt, verdict.verdict, verdict.by),
            );
        }
        page.table(&["SEQ", "AT", "EVENT", "BY", "DATA"], self.events.iter().map(event).collect(), "no events");
    }
}
