//! Coming aboard: preflight, modes, and what they show.

use std::process::Output;

use crate::project::Project;

const CONFIRM: [&str; 3] = ["preflight", "--confirm-workspace", "--confirm-branch"];

/// Runs git in the project.
pub fn git(project: &Project, arguments: &[&str]) {
    let run = try_git(project, arguments);
    assert!(run.status.success(), "git {arguments:?}: {run:?}");
}

/// The same where it may fail.
pub fn try_git(project: &Project, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new("git");
    command.args(arguments);
    project.closed(&mut command);
    let identity = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
    command.envs(identity.map(|name| (name, "pat@example.org")));
    command.output().unwrap()
}

#[test]
fn preflight_is_shown_first_and_recorded_when_it_is_confirmed() {
    let project = Project::new();
    let refused = project.refused(&["preflight", "--safety-profile", "safe"], 4, "confirmation_required");
    let details = &refused["error"]["details"];
    assert_eq!(details["workspace"]["path"], project.root.to_str().unwrap());
    assert_eq!((&details["mode"], &details["safety_profile"]), (&"shared_board".into(), &"safe".into()));
    assert!(!project.plan("preflight.json").exists(), "nothing was recorded");
    let flags =
        ["--session-kind", "while-loop", "--mode", "auto", "--optimize-for", "efficiency", "--agent-count", "6"];
    let more = ["--machine-count", "2", "--window-count", "4", "--cross-machine", "--safety-profile", "safe"];
    let done = project.json(&[&CONFIRM[..], &flags, &more].concat());
    assert_eq!(done["preflight"]["mode"], "centralized_dispatch");
    let (state, page) = (project.page("state.json"), project.page("preflight.json"));
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page, done["preflight"], "the page is the reply");
    for shown in [&state["board"]["policy"], &page["policy"]] {
        assert_eq!((&shown["overlap"], &shown["default_lease_seconds"]), (&"refused".into(), &600.into()));
    }
    let status = project.page("STATUS.md");
    assert!(status.contains("profile safe · mode centralized_dispatch"), "{status}");
    assert!(status.contains("| review, never by a task's own worker | every task |"), "{status}");
    std::fs::remove_file(project.plan("preflight.json")).unwrap();
    let before = serde_json::to_string_pretty(&page).unwrap() + "\n";
    project.ok(&["add-task", "a", "--title", "A"]);
    assert_eq!(project.page("preflight.json").len(), before.len(), "the next change restores it");
}

#[test]
fn a_confirmation_is_reused_by_windows_until_the_branch_is_another() {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    git(&project, &["commit", "-q", "--allow-empty", "-m", "begin"]);
    project.ok(&["init"]);
    project.ok(&[&CONFIRM[..], &["--safety-profile", "safe"]].concat());
    project.import(3);
    let come = |key: &str, more: &[&str]| {
        let reply = project.json(&[&["init-agent", "--thread-key", key], more].concat());
        reply["agent_id"].as_str().unwrap().to_owned()
    };
    let (ann, ben) = (come("ann", &["--while-session"]), come("ben", &[]));
    project.refused(&["claim-next", "--agent-id", &ben], 4, "confirmation_required");
    project.ok(&["claim-next", "--agent-id", &ann]);
    project.ok(&["claim-next", "--agent-id", &ben, "--while-session"]);
    git(&project, &["checkout", "-q", "-b", "other"]);
    let nothing = ["init-agent", "--thread-key", "carl", "--while-session"];
    project.refused(&nothing, 4, "confirmation_required");
    let carl = come("carl", &[]);
    project.refused(&["claim-next", "--agent-id", &carl, "--while-session"], 4, "confirmation_required");
    git(&project, &["checkout", "-q", "main"]);
    project.ok(&["claim-next", "--agent-id", &carl, "--while-session"]);
}

#[test]
fn another_directory_can_be_confirmed() {
    let project = Project::new();
    let elsewhere = project.root.join("else where");
    std::fs::create_dir(&elsewhere).unwrap();
    let done = project.json(&[&CONFIRM[..], &["--workspace", "else where"]].concat());
    assert_eq!(done["preflight"]["confirmations"][0]["workspace"], elsewhere.to_str().unwrap());
}

#[test]
fn the_advisor_names_its_numbers_and_what_would_change_them() {
    let project = Project::new();
    let said = project.json(&["mode-advisor", "--agent-count", "8", "--window-count", "8"]);
    assert_eq!((&said["mode"], &said["score"]), (&"shared_board".into(), &4.into()));
    let would = said["would_change"].as_array().unwrap();
    assert!(would.contains(&"--agent-count 9 or more".into()), "{would:?}");
    let over = project.json(&["mode-advisor", "--agent-count", "9", "--window-count", "8"]);
    assert_eq!(over["mode"], "centralized_dispatch");
    assert_eq!(project.json(&["summary"])["board"]["mode"], "shared_board", "it only advises");
    let command = over["command"].as_str().unwrap().strip_prefix("callboard ").unwrap();
    project.ok(&command.split(' ').collect::<Vec<_>>());
    assert_eq!(project.json(&["summary"])["board"]["mode"], "centralized_dispatch");
    assert_eq!(project.json(&["mode-advisor"])["mode"], "shared_board", "the board sees nobody, who needs no server");
    let text = project.ok(&["mode-advisor", "--shared-storage", "--machine-count", "3"]);
    assert!(text.contains("machine_count 3: +4 points"), "{text}");
    project.refused(&["mode-advisor", "--agent-count", "0"], 2, "invalid_value");
    project.refused(&["mode-advisor", "--cross-machine", "--machine-count", "1"], 2, "invalid_value");
}
