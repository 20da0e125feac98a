//! Claims: everything needed to start.

use super::page::{Page, Render, when};
use crate::board::mutation::Outcome;
use crate::board::unread::LostLease;
use crate::board::views::{AttemptView, ClaimView, LeaseView, WaitingOn};
use crate::domain::id::{CommitId, HostName};
use crate::domain::workspace::Workspace;

impl Render for ClaimView {
    fn render(&self, outcome: Outcome, page: &mut Page) {
        lost(&self.lost, page);
        let (Some(task), Some(lease)) = (&self.task, &self.lease) else {
            page.line(if outcome == Outcome::Complete { "the board is complete" } else { "nothing now" });
            waiting_on(&self.waiting_on, page);
            return;
        };
        if self.resumed {
            page.field("resumed", "you hold it already");
        }
        super::tasks::task(task, page);
        held(lease, page);
        for dependency in &self.dependencies {
            let summary = dependency.summary.as_deref().unwrap_or("no summary");
            page.field(&format!("done before, {}", dependency.module), format!("({}) {summary}", dependency.state));
        }
        for verdict in &self.verdicts {
            page.field("verdict", format!("{} by {}: {}", verdict.verdict, verdict.by, verdict.notes));
        }
        for answer in &self.answers {
            let said = answer.answer.as_deref().unwrap_or_default();
            let by = answer.ended_by.as_deref().unwrap_or("somebody");
            page.field("asked", &answer.question);
            page.field(&format!("answer by {by}"), said);
        }
        for attempt in &self.earlier {
            let ended = attempt.outcome.map_or_else(|| "not ended".to_owned(), |outcome| outcome.to_string());
            let said = attempt.summary.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
            page.field(&format!("attempt {}", attempt.attempt), format!("{} by {}{said}", ended, attempt.agent_id));
        }
        if let Some(submission) = &self.submission {
            page.field("handed in by", &submission.agent_id);
            page.field("attempt", submission.attempt);
            page.field("summary", submission.summary.as_deref().unwrap_or_default());
            self::submission(submission, page);
        }
        if let Some(lies) = self.workspace.as_ref().and_then(workspace) {
            page.field("workspace", lies);
        }
        page.maybe("handoff", self.handoff.as_ref());
        page.maybe("once read", self.acknowledge_command.as_ref());
        page.maybe("finish", self.finish_command.as_ref());
        page.maybe("approve", self.approve_command.as_ref());
        page.maybe("request_changes", self.request_changes_command.as_ref());
        if let Some(messages) = &self.messages {
            let newest = &messages.newest;
            let by = newest.actor.as_deref().unwrap_or("somebody");
            let said = super::events::whole(newest);
            page.field("unread", format!("{} urgent, the newest by {by}: {said}", messages.count));
            page.field("read", &messages.command);
        }
    }
}

/// Leases that are gone, before anything else.
pub(super) fn lost(list: &[LostLease], page: &mut Page) {
    for one in list {
        page.field("lost", one.in_words());
    }
}

/// What was submitted: at which commit, and what was changed.
pub(super) fn submission(submission: &AttemptView, page: &mut Page) {
    if let Some(submitted) = &submission.submitted {
        if let Some(head) = &submitted.head {
            let branch = submitted.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
            let base = submitted.base.as_ref().map(|base| format!(", from base {}", short(base))).unwrap_or_default();
            page.field("submitted", format!("{}{branch}{base}", short(head)));
        }
        page.list("not committed", &submitted.uncommitted_paths);
    }
    page.list("changed_paths", &submission.changed_paths);
    page.list("unattributed_paths", &submission.unattributed_paths);
    let since = submission.submitted.as_ref().and_then(|submitted| Some((submitted.since_last.as_ref()?, submitted)));
    if let Some((last, submitted)) = since {
        let head = submitted.head.as_ref().map_or("?", short);
        let words = match (&last.paths[..], last.dirty) {
            ([], _) => "nothing".to_owned(),
            (paths, Some(true)) => format!("{}; part of it may be what was not committed then", paths.join(", ")),
            (paths, _) => paths.join(", "),
        };
        page.field(&format!("since attempt {} ({} to {head})", last.attempt, short(&last.head)), words);
    }
}

fn short(commit: &CommitId) -> &str {
    commit.as_str().get(..12).unwrap_or(commit.as_str())
}

/// A lease as its holder needs it.
pub(super) fn held(lease: &LeaseView, page: &mut Page) {
    page.maybe("lease_token", lease.token.as_ref());
    page.maybe("session_id", lease.session_id.as_ref());
    let left = lease.expires_in_seconds;
    page.field("expires_at", format!("{} (in {left} s; any of your commands on it renews it)", when(lease.expires_at)));
}

fn workspace(workspace: &Workspace) -> Option<String> {
    let path = workspace.path.as_ref()?;
    let host = workspace.host.as_ref().map_or("?", HostName::as_str);
    let branch = workspace.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
    let head = workspace.head.as_ref().map(|head| format!(" at {}", short(head))).unwrap_or_default();
    Some(format!("{host}:{path}{branch}{head}"))
}

/// What would have to happen.
pub(super) fn waiting_on(list: &[WaitingOn], page: &mut Page) {
    for one in list {
        let mut words = one.module.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(by) = &one.by {
            words = format!("{words} {by}");
        }
        if let Some(what) = &one.what {
            words = format!("{words}: {what}");
        }
        if let Some(until) = one.until {
            words = format!("{words} until {}", when(until));
        }
        if let Some(command) = &one.command {
            words = format!("{words}: {command}");
        }
        page.field(&one.kind, words.trim_start_matches([' ', ':']).to_owned());
    }
}
