//! The command lines that users of the scripts before callboard know, as callboard takes them.

use crate::aboard::git;
use crate::project::Project;

/// Those of the shared board, in an order in which they make sense. `AGENT`, `REVIEWER`, `SESSION` and `TOKEN` stand for what
/// was printed before.
const LINES: &[&str] = &[
    "bootstrap",
    "preflight --confirm-workspace --confirm-branch --session-kind while-loop --mode auto --optimize-for token --agent-count 2 --window-count 2",
    "preflight --confirm-workspace --confirm-branch --session-kind while-loop --mode auto --optimize-for token --safety-profile safe",
    "preflight --confirm-workspace --confirm-branch --session-kind while-loop --mode auto --optimize-for efficiency --agent-count 6 --machine-count 2 --window-count 4 --cross-machine",
    "preflight --confirm-workspace --confirm-branch --session-kind while-loop --mode centralized-dispatch --optimize-for efficiency --agent-count 6 --machine-count 2 --window-count 4 --cross-machine",
    "init-agent --thread-key worker-a --role worker --while-session",
    "init-agent --thread-key reviewer-b --role reviewer --while-session",
    "intake --thread-key worker-a --seed-tasks",
    "confirm-task --all",
    "next-action --agent-id AGENT --specialty backend",
    "next-action --agent-id AGENT --specialty backend --watch-seconds 5",
    "claim-next --agent-id AGENT --reviewer-id REVIEWER --specialty backend --while-session",
    "handoff-bundle --module MODULE --agent-id AGENT --lease-token TOKEN",
    "handoffs",
    "next-handoff --agent-id REVIEWER --watch-seconds 0",
    "claim-handoff --module MODULE --agent-id REVIEWER --while-session",
    "ack-handoff --module MODULE --agent-id REVIEWER",
    "next-reviewable --agent-id REVIEWER --specialty backend --watch-seconds 0",
    "claim-review-next --agent-id AGENT --while-session",
    "notifications",
    "notifications --target reviewers:backend --since 0 --limit 20",
    "notifications --target reviewers:backend --kind review-ready --cursor-id review-feed",
    "ack-notifications --cursor-id review-feed",
    "notifications --target agent:worker-a --since 0 --limit 20",
    "notifications --target reviewers:backend --kind review-ready --since 0 --limit 20 --watch-seconds 0",
    "events --since 0 --limit 50",
    "events --since 0 --limit 50 --notification-only --target reviewers:backend",
    "events --cursor-id event-feed",
    "ack-events --cursor-id event-feed",
    "events --source validate --since 0 --limit 20 --watch-seconds 0",
    "events --source preflight --since 0",
    "events --source intake --since 0",
    "mode-advisor",
    "validate --repair",
    "summary",
    "state",
    "state --format summary",
    "sessions",
    "register-session --thread-key worker-a --role worker --host-id machine-a --window-id window-1",
    "reap-sessions --max-age-seconds 86400",
    "lease-reclaim",
    "prune-events --max-rows 2000",
    "event-archives",
    "doctor",
];

/// Those of the dispatch server's client, which asks a server that it names.
const SERVER_LINES: &[&str] = &[
    "preflight --confirm-workspace --confirm-branch --session-kind while-loop --mode centralized-dispatch --optimize-for efficiency --agent-count 6 --machine-count 2 --window-count 4 --cross-machine",
    "update summary",
    "update init-agent --thread-key reviewer-b --role reviewer --while-session",
    "register-session --thread-key worker-a --role worker --host-id machine-a --window-id window-1",
    "intake --thread-key worker-a --seed-tasks",
    "confirm-task --all",
    "validate --repair",
    "state",
    "state format=summary",
    "events since=0 limit=50",
    "notifications since=0 limit=50 target=reviewers:backend kind=review-ready",
    "notifications-stream since=0 limit=20 timeout=5 target=reviewers:backend kind=review-ready",
    "mode-advisor",
    "prune-events --max-rows 2000",
    "event-archives",
    "sessions",
    "dispatch claim-next --agent-id AGENT --session-id SESSION --specialty backend",
    "lease-heartbeat --agent-id AGENT --session-id SESSION --module MODULE --ttl-seconds 600",
    "lease-heartbeat --agent-id AGENT --session-id SESSION --lease-token TOKEN --module MODULE --ttl-seconds 600",
    "reap-sessions --max-age-seconds 86400",
    "lease-reclaim",
    "dispatch next-action --agent-id AGENT --specialty backend",
    "dispatch claim-next --agent-id AGENT --session-id SESSION --reviewer-id REVIEWER --specialty backend --while-session",
    "dispatch claim-next --agent-id AGENT --session-id SESSION --specialty backend --expected-revision REVISION",
    "events-stream since=0 limit=10 timeout=5",
];

fn begun() -> Project {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    std::fs::write(project.root.join("PLAN.md"), "- [ ] Write the parser\n- [ ] Write the manual\n").unwrap();
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "begin"]);
    project
}

/// Runs them one after another, with what was printed before put in; says whether a task was claimed.
fn play(project: &Project, lines: &[&str]) -> bool {
    let (mut module, mut token, mut session) = (String::new(), String::new(), String::new());
    for line in lines {
        let line = line.replace("AGENT", "worker-a").replace("REVIEWER", "reviewer-b");
        let line = line.replace("MODULE", &module).replace("TOKEN", &token).replace("SESSION", &session);
        let line = match line.contains("REVISION") {
            true => line.replace("REVISION", &project.count("SELECT revision FROM board").to_string()),
            false => line,
        };
        let run = project.run(&line.split(' ').collect::<Vec<_>>());
        // 3: nothing now, for whoever waits for something that is not there.
        assert!(matches!(run.code, 0 | 3), "{line}: {run:?}");
        let field = |name: &str| run.out.lines().find_map(|line| line.strip_prefix(name)).map(ToOwned::to_owned);
        if let (Some(new), Some(about)) = (field("lease_token: "), field("module: ")) {
            (token, module) = (new, about);
        }
        session = field("session_id: ").unwrap_or(session);
    }
    !token.is_empty()
}

#[test]
fn every_command_line_that_they_know_works() {
    let project = begun();
    assert!(play(&project, LINES), "a task was claimed");
    for source in ["preflight", "intake"] {
        assert!(!project.json(&["events", "--source", source])["events"].as_array().unwrap().is_empty(), "{source}");
    }
}

#[test]
fn every_command_line_that_they_know_works_through_a_server() {
    let project = begun();
    project.ok(&["init"]);
    let project = project.served();
    assert!(play(&project, SERVER_LINES), "a task was claimed");
    let project = begun();
    project.ok(&["init"]);
    assert!(play(&project.served(), LINES), "those of the shared board too");
}
