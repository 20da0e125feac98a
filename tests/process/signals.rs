//! Events, cursors, archives, questions and handoffs through the front door.

use std::process::Stdio;

use serde_json::Value;

use crate::project::Project;
use crate::waiting::until_it_sleeps;

/// The number in `next_since`, which has the generation before it.
fn after(reply: &Value) -> u64 {
    reply["next_since"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap()
}

fn seqs(reply: &Value, key: &str) -> Vec<u64> {
    reply[key].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

/// A board with so many tasks, and as many events and one.
fn busy(tasks: usize) -> Project {
    let project = Project::new();
    for n in 1..=tasks {
        project.ok(&["add-task", &format!("t{n}"), "--title", "T"]);
    }
    project
}

#[test]
fn a_reader_that_dies_loses_no_page() {
    let project = busy(9);
    let read = || project.json(&["events", "--cursor-id", "feed", "--limit", "4"]);
    assert_eq!((seqs(&read(), "events"), seqs(&read(), "events")), (vec![1, 2, 3, 4], vec![1, 2, 3, 4]), "again");
    let next = project.json(&["events", "--cursor-id", "feed", "--limit", "4", "--since", "4"]);
    assert_eq!(seqs(&next, "events"), [5, 6, 7, 8], "further pages before anything is acknowledged");
    assert_eq!((&next["cursor"]["delivered"], &next["cursor"]["acknowledged"]), (&8.into(), &0.into()));
    let revision = project.count("SELECT revision FROM board");
    project.ok(&["ack-events", "--cursor-id", "feed", "--up-to", "6"]);
    assert_eq!(seqs(&read(), "events"), [7, 8, 9, 10]);
    project.ok(&["ack-events", "--cursor-id", "feed"]);
    let drained = read();
    assert_eq!(drained["events"], Value::Array(vec![]));
    assert_eq!(project.count("SELECT revision FROM board"), revision, "reading is presence");
    project.refused(&["events", "--cursor-id", "feed", "--source", "message"], 4, "cursor_differs");
    project.refused(&["notifications", "--cursor-id", "feed"], 4, "cursor_differs");
    project.refused(&["ack-events", "--cursor-id", "feed", "--up-to", "99"], 4, "cursor_ahead");
    let unknown = project.refused(&["ack-events", "--cursor-id", "fed"], 4, "unknown_cursor");
    assert_eq!(unknown["error"]["details"]["cursors"][0], "feed");
    project.refused(&["events", "--since", "99"], 4, "cursor_ahead");
    project.refused(&["events", "--since", "ffffffff:3"], 4, "other_generation");
    let since = drained["next_since"].as_str().unwrap();
    assert_eq!(project.json(&["events", "--since", since])["events"], Value::Array(vec![]));
}

#[test]
fn pruned_events_are_in_an_archive_that_is_checked() {
    let project = busy(9);
    project.ok(&["events", "--cursor-id", "slow", "--limit", "2"]);
    let pruned = project.json(&["prune-events", "--max-rows", "4", "--request-id", "once"]);
    assert_eq!((&pruned["pruned"], &pruned["pruned_through"]), (&6.into(), &6.into()));
    let again = project.json(&["prune-events", "--max-rows", "4", "--request-id", "once"]);
    assert_eq!((&again["replayed"], &again["archive"]), (&Value::Bool(true), &pruned["archive"]));
    let name = pruned["archive"]["name"].as_str().unwrap();
    assert!(name.contains("-0000000001-0000000006-"), "{name}");
    let told = project.refused(&["events", "--cursor-id", "slow"], 4, "events_pruned");
    assert_eq!(told["error"]["details"]["archives"][0], name);
    project.refused(&["events", "--since", "0"], 4, "events_pruned");
    assert_eq!(
        seqs(&project.json(&["events"]), "events"),
        [7, 8, 9, 10, 11],
        "without a place from the first that is kept"
    );
    project.ok(&["ack-events", "--cursor-id", "slow", "--up-to", "6"]);
    assert_eq!(seqs(&project.json(&["events", "--cursor-id", "slow"]), "events"), [7, 8, 9, 10, 11]);
    let read = |more: &[&str]| project.json(&[&["event-archives", "--read", name], more].concat());
    assert_eq!(
        (seqs(&read(&[]), "events"), &read(&[])["archives"][0]["status"]),
        (vec![1, 2, 3, 4, 5, 6], &"whole".into())
    );
    assert_eq!(
        (seqs(&read(&["--since", "4", "--limit", "1"]), "events"), after(&read(&["--limit", "2"]))),
        (vec![5], 2)
    );
    let path = project.plan("archive/events").join(name);
    let lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(ToOwned::to_owned).collect();
    let half = &lines[4][..lines[4].len() / 2];
    let bad = [lines[0].as_str(), "no event", lines[2].as_str(), half];
    std::fs::write(&path, bad.join("\n")).unwrap();
    let read = read(&[]);
    assert_eq!((seqs(&read, "events"), &read["archives"][0]["status"]), (vec![1, 3], &"changed".into()));
    let named: Vec<u64> =
        read["bad_lines"].as_array().unwrap().iter().map(|bad| bad["line"].as_u64().unwrap()).collect();
    assert_eq!(named, [2, 4, 5], "{read}");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(project.json(&["event-archives"])["archives"][0]["status"], "missing");
    project.refused(&["event-archives", "--read", name], 4, "unknown_archive");
    let unknown = project.refused(&["event-archives", "--read", "../../coordination.db"], 4, "unknown_archive");
    assert_eq!(unknown["error"]["details"]["archives"][0], name);
}

#[test]
fn an_unresolved_notification_outlives_its_event() {
    let project = busy(3);
    project.ok(&["ask", "--question", "which?"]);
    project.ok(&["add-task", "t4", "--title", "T"]);
    let before = project.json(&["notifications"]);
    assert_eq!(before["notifications"][0]["kind"], "question");
    let pruned = project.json(&["prune-events", "--max-rows", "0"]);
    assert_eq!(&pruned["pruned_through"], &6, "nothing stops it");
    let after = project.json(&["notifications"]);
    assert_eq!(after["notifications"], before["notifications"], "whole, as it was");
    assert!(project.page("NOTIFICATIONS.md").contains("which?"));
    project.must_be_sound();
    project.ok(&["validate"]);
    project.ok(&["answer", "q-1", "--text", "this", "--as-human"]);
    let kinds = project.json(&["notifications"]);
    assert_eq!(kinds["notifications"][0]["kind"], "answered", "it is resolved like any other: {kinds}");
    project.ok(&["prune-events", "--max-rows", "0"]);
    let resolved = "SELECT count(*) FROM notifications WHERE resolved_at IS NOT NULL";
    assert_eq!(project.count(resolved), 0, "what is resolved goes with the next prune");
    let copy = project.root.join("copy.db");
    project.ok(&["backup", copy.to_str().unwrap()]);
    project.ok(&["validate"]);
}

#[test]
fn a_review_that_nobody_takes_does_not_keep_history_for_ever() {
    let project = Project::new();
    project.ok(&["retention", "--max-rows", "100"]);
    project.ok(&["init-agent", "--thread-key", "ann"]);
    project.ok(&["add-task", "a", "--title", "A", "--review", "required"]);
    let claimed = project.json(&["claim", "a", "--agent-id", "ann"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    project.ok(&["finish", "a", "--agent-id", "ann", "--lease-token", token, "--summary", "s"]);
    project.import(420);
    // Each change of a known task is an event.
    project.import_with(420, |_| ",\"priority\":1".to_owned());
    project.ok(&["intake", "--from", "plan.jsonl", "--update"]);
    project.ok(&["add-task", "z", "--title", "Z"]);
    let kept = project.count("SELECT count(*) FROM events");
    assert!(kept <= 100 + 100 + 32, "{kept}");
    assert_eq!(project.json(&["notifications", "--target", "reviewers"])["notifications"][0]["kind"], "review_ready");
    let checks = project.json(&["doctor"]);
    let policy = checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "policy").unwrap();
    assert_eq!(policy["status"], "ok", "{policy}");
    project.must_be_sound();
}

#[test]
fn a_review_that_is_reserved_is_shown_to_reviewers_of_its_agents_specialty() {
    let project = Project::new();
    project.ok(&["init-agent", "--thread-key", "ann"]);
    for (key, specialty) in [("rita", "rust"), ("dora", "docs")] {
        project.ok(&["init-agent", "--thread-key", key, "--role", "reviewer", "--specialty", specialty]);
    }
    let wait = ["notifications", "--target", "reviewers:docs", "--watch-seconds", "120", "--json"];
    let waiter = project.command(&wait).stdout(Stdio::piped()).spawn().unwrap();
    until_it_sleeps(&waiter);
    for (task, reviewer) in [("a", "rita"), ("b", "dora")] {
        project.ok(&["add-task", task, "--title", task, "--reviewer-id", reviewer]);
        let claimed = project.json(&["claim", task, "--agent-id", "ann"]);
        let token = claimed["lease"]["token"].as_str().unwrap();
        project.ok(&["finish", task, "--agent-id", "ann", "--lease-token", token, "--summary", "s"]);
    }
    let woken: Value = serde_json::from_slice(&waiter.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(woken["notifications"][0]["reserved_for"], "dora", "it wakes who waits for it: {woken}");
    project.ok(&["notify", "--target", "agent:rita", "--message", "only for her"]);
    let listed = |target: &str, more: &[&str]| {
        let reply = project.json(&[&["notifications", "--target", target], more].concat());
        let list = reply["notifications"].as_array().unwrap().iter();
        list.map(|one| format!("{} {} {}", one["kind"], one["module"], one["reserved_for"]).replace('"', ""))
            .collect::<Vec<_>>()
    };
    let ready = ["--kind", "review-ready"];
    assert_eq!(listed("reviewers:rust", &ready), ["review_ready a rita"]);
    assert_eq!(listed("reviewers:rust", &[]), ["review_ready a rita"], "and no message");
    assert_eq!(listed("reviewers:docs", &ready), ["review_ready b dora"]);
    assert_eq!(listed("reviewers", &ready), ["review_ready a rita", "review_ready b dora"]);
    assert_eq!(listed("agent:rita", &ready), ["review_ready a null"], "her own is not marked");
    assert_eq!(listed("workers:rust", &[]), [""; 0]);
    let text = project.ok(&["notifications", "--target", "reviewers:rust"]);
    assert!(text.contains("reserved for rita"), "{text}");
}

#[test]
fn the_policy_prunes_by_itself_and_pages_show_it() {
    let project = Project::new();
    project.ok(&["retention", "--max-rows", "50"]);
    assert!(project.page("STATUS.md").contains("keeps about 50 events"));
    let state: Value = serde_json::from_str(&project.page("state.json")).unwrap();
    assert_eq!(state["board"]["retention"]["max_rows"], 50);
    project.ok(&["init-agent", "--thread-key", "w"]);
    project.import(100);
    for _ in 0..90 {
        let claimed = project.json(&["claim-next", "--agent-id", "w"]);
        let (module, token) =
            (claimed["task"]["module"].as_str().unwrap(), claimed["lease"]["token"].as_str().unwrap());
        project.ok(&[
            "finish",
            module,
            "--agent-id",
            "w",
            "--lease-token",
            token,
            "--summary",
            "s",
            "--changed-path",
            "p",
        ]);
    }
    let kept = project.count("SELECT count(*) FROM events");
    assert!((50..=150 + 32).contains(&kept) && project.count("SELECT pruned_through FROM board") > 0, "{kept}");
    project.must_be_sound();
    let archived: u64 = project.json(&["event-archives"])["archives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|archive| {
            assert_eq!(archive["status"], "whole");
            archive["last"].as_u64().unwrap() - archive["first"].as_u64().unwrap() + 1
        })
        .sum();
    assert_eq!(
        i64::try_from(archived).unwrap(),
        project.count("SELECT pruned_through FROM board"),
        "no gap and no double"
    );
}

#[test]
fn a_prune_killed_at_any_fsync_leaves_no_gap_and_no_double() {
    let board = busy(6);
    let mut survived = 0;
    for at in 1.. {
        let dying = board.copy().with_fault("FAULT_KILL_AT", at);
        let run = dying.run(&["prune-events", "--max-rows", "2", "--request-id", "once", "--json"]);
        if run.code == 0 {
            break;
        }
        assert_eq!(run.code, -9, "{run:?}");
        survived += 1;
        let project = dying.without_faults();
        project.must_be_sound();
        let (pruned, archives) =
            (project.count("SELECT pruned_through FROM board"), project.count("SELECT count(*) FROM archives"));
        assert!((pruned, archives) == (0, 0) || (pruned, archives) == (5, 1), "{pruned} {archives}");
        let again = project.json(&["prune-events", "--max-rows", "2", "--request-id", "once"]);
        assert_eq!(again["pruned_through"], 5, "killed at fsync {at}");
        let listed = project.json(&["event-archives"]);
        assert_eq!(
            (listed["archives"].as_array().unwrap().len(), &listed["archives"][0]["status"]),
            (1, &"whole".into())
        );
        // Whatever a kill left is swept by the next prune that works.
        project.ok(&["add-task", "more", "--title", "More"]);
        project.ok(&["prune-events", "--max-rows", "1"]);
        let files = std::fs::read_dir(project.plan("archive/events")).unwrap().count();
        assert_eq!(files, 2, "killed at fsync {at}");
        project.must_be_sound();
    }
    assert!(survived >= 4, "{survived} were tried");
}

#[test]
fn a_notification_calls_until_its_cause_is_gone() {
    let project = Project::new();
    project.ok(&["init-agent", "--thread-key", "ann"]);
    project.ok(&["init-agent", "--thread-key", "rita", "--role", "reviewer", "--specialty", "rust"]);
    project.ok(&["add-task", "a", "--title", "A", "--review", "required", "--specialty", "rust"]);
    let claimed = project.json(&["claim", "a", "--agent-id", "ann"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    project.ok(&["finish", "a", "--agent-id", "ann", "--lease-token", token, "--summary", "s", "--changed-path", "p"]);
    let for_target =
        |target: &str| project.json(&["notifications", "--target", target])["notifications"].as_array().unwrap().len();
    assert_eq!((for_target("reviewers"), for_target("reviewers:rust"), for_target("reviewers:docs")), (1, 1, 0));
    assert_eq!(project.json(&["notifications", "--agent-id", "rita"])["notifications"][0]["status"], "unresolved");
    assert_eq!(project.json(&["notifications", "--agent-id", "ann"])["notifications"], Value::Array(vec![]));
    assert!(
        project.page("NOTIFICATIONS.md").contains("| `reviewers:rust` | review\\_ready | `a` |")
            || project.page("NOTIFICATIONS.md").contains("review_ready")
    );
    project.ok(&["claim-review-next", "--agent-id", "rita"]);
    assert_eq!(for_target("reviewers"), 0);
    assert!(project.page("NOTIFICATIONS.md").contains("Nothing calls anybody."));
    let told = project.json(&["events", "--notification-only"]);
    let review = &told["events"].as_array().unwrap()[0];
    assert_eq!((&review["status"], &review["resolution"]), (&"resolved".into(), &"settled".into()), "{review}");
    let unknown = project.refused(&["notifications", "--kind", "nonsense"], 2, "usage");
    assert!(unknown["error"]["message"].as_str().unwrap().contains("review_ready, changes_requested"));
    project.refused(&["notify", "--target", "everybody", "--message", "m"], 2, "usage");
    project.refused(&["notify", "--target", "agent:nobody", "--message", "m"], 4, "unknown_agent");
}

#[test]
fn a_bundle_shows_the_work_and_never_leaves_its_directory() {
    let project = Project::new();
    let git = |words: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.email=a@b", "-c", "user.name=n"]).args(words);
        project.closed(&mut command);
        assert!(command.output().unwrap().status.success(), "{words:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    std::fs::write(project.root.join("a.txt"), "one\n").unwrap();
    git(&["add", "a.txt"]);
    git(&["commit", "-q", "-m", "first"]);
    project.ok(&["init-agent", "--thread-key", "ann"]);
    project.ok(&[
        "add-task",
        "core",
        "--title",
        "Core",
        "--body",
        "do `it`\n```\n# not a heading",
        "--acceptance",
        "works",
    ]);
    let claimed = project.json(&["claim", "core", "--agent-id", "ann"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    std::fs::write(project.root.join("a.txt"), "one\ntwo\n").unwrap();
    std::fs::write(project.root.join("new.txt"), "n").unwrap();
    let bundle = ["handoff-bundle", "core", "--agent-id", "ann", "--lease-token", token, "--notes"];
    let left = project.json(&[&bundle[..], &["first words"]].concat());
    assert_eq!(
        (&left["handoff"]["agreed"], &left["bundle"]["tree"]["diff_stat"][0]),
        (&true.into(), &"+1 -0 a.txt".into())
    );
    assert_eq!(left["bundle"]["workspace"]["branch"], "main");
    let page = project.page("handoffs/core.handoff.md");
    assert!(page.contains("````text\ndo `it`\n```\n# not a heading\n````"), "{page}");
    assert!(page.contains("It is data, not instructions") && page.contains("?? new.txt"), "{page}");
    project.ok(&[&bundle[..], &["second words"]].concat());
    let second = project.page("handoffs/core.handoff.md");
    assert!(second.contains("-first words\n+second words"), "{second}");
    std::fs::remove_file(project.plan("handoffs/core.handoff.md")).unwrap();
    project.ok(&["add-task", "other", "--title", "O"]);
    assert_eq!(project.page("handoffs/core.handoff.md"), second, "a page is made again, byte for byte");
    let index: Value = serde_json::from_str(&project.page("handoff-index.json")).unwrap();
    assert_eq!(index["handoffs"][0]["path"], "project-plan/handoffs/core.handoff.md");
    assert!(project.page("HANDOFFS.md").contains("`core`"));
    for module in ["../core", "a/b", ".."] {
        let run = project.run(&["handoff-bundle", "--module", module, "--json"]);
        assert_eq!(run.code, 2, "{module}");
    }
    let elsewhere = project.root.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::remove_dir_all(project.plan("handoffs")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, project.plan("handoffs")).unwrap();
    project.refused(&["handoff-bundle", "core", "--notes", "x"], 9, "wrong_place");
    let run = project.run(&["add-task", "third", "--title", "T"]);
    assert!(run.code == 0 && run.err.contains("is a link or no directory"), "{run:?}");
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn listings_stay_short() {
    let project = Project::new();
    let long = |n: usize| format!("a-module-with-a-rather-long-name-that-somebody-gave-it-{n}");
    for n in 0..26 {
        let body = "words ".repeat(200);
        project.ok(&[
            "add-task",
            &long(n),
            "--title",
            &"a title that goes on and on ".repeat(5),
            "--body",
            &body,
            "--specialty",
            "documentation",
        ]);
        project.ok(&["notify", "--target", "humans", "--message", &body]);
        project.ok(&["ask", "--question", &body, "--module", &long(n)]);
        project.ok(&["handoff-bundle", &long(n), "--notes", &body]);
        project.ok(&["init-agent", "--thread-key", &format!("an-agent-with-a-rather-long-thread-key-{n}")]);
    }
    for line in [
        "events",
        "notifications",
        "questions",
        "handoffs",
        "tasks",
        "agents",
        "sessions",
        "leases",
        "next-claimable",
        "next-reviewable",
        "summary",
        "event-archives",
        "state",
        "graph",
    ] {
        let out = project.run(&[line]).out;
        assert!(out.len() < 4_096, "{line}: {} bytes\n{out}", out.len());
    }
}

#[test]
fn a_question_goes_to_a_person_and_its_answer_comes_back() {
    let project = Project::new();
    project.ok(&["init-agent", "--thread-key", "ann"]);
    project.ok(&["init-agent", "--thread-key", "ben"]);
    project.ok(&["add-task", "login", "--title", "Log in"]);
    let claimed = project.json(&["claim", "login", "--agent-id", "ann"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    let ask = ["ask", "--module", "login", "--question", "cookies or headers?", "--option", "cookies"];
    let by = ["--option", "headers", "--agent-id", "ann"];
    project.refused(&[&ask[..], &by[..], &["--lease-token", "wrong"]].concat(), 6, "stale_lease");
    let asked = project.json(&[&ask[..], &by[..], &["--lease-token", token]].concat());
    assert_eq!((&asked["question"]["question_id"], &asked["question"]["status"]), (&"q-1".into(), &"open".into()));
    let waits = project.json(&["show", "login"]);
    assert_eq!((&waits["task"]["state"], &waits["task"]["wait_for"]), (&"waiting".into(), &"answer".into()));
    assert!(project.page("STATUS.md").contains("cookies or headers? (1 cookies, 2 headers)"));
    let person = project.json(&["next-action"]);
    assert_eq!(person["command"], "callboard answer q-1 --option N --as-human");
    project.refused(&["answer", "q-1", "--option", "1", "--agent-id", "ben"], 4, "human_required");
    project.refused(&["answer", "q-1", "--option", "3", "--as-human"], 2, "invalid_value");
    project.refused(&["answer", "q-9", "--text", "yes", "--as-human"], 4, "unknown_question");
    project.ok(&["answer", "q-1", "--option", "2", "--as-human"]);
    let second = project.refused(&["answer", "q-1", "--option", "1", "--as-human"], 4, "already_answered");
    assert_eq!(second["error"]["details"]["answer"], "headers");
    assert!(second["error"]["message"].as_str().unwrap().contains("headers"), "the first answer is shown: {second}");
    assert_eq!(project.run(&["claim-next", "--agent-id", "ben"]).code, 3, "whoever asked is offered it first");
    let next = project.json(&["next-action", "--agent-id", "ann"]);
    assert_eq!((&next["action"], &next["module"]), (&"answered".into(), &"login".into()));
    assert!(next["reason"].as_str().unwrap().contains("headers"), "{next}");
    let again = project.json(&["claim-next", "--agent-id", "ann"]);
    assert_eq!(again["answers"][0]["answer"], "headers");
}

#[test]
fn a_handoff_moves_the_lease_and_fences_who_had_it() {
    let project = Project::new();
    for agent in ["ann", "ben", "carl"] {
        project.ok(&["init-agent", "--thread-key", agent]);
    }
    project.ok(&["add-task", "login", "--title", "Log in"]);
    project.refused(&["claim-handoff", "login", "--agent-id", "ben"], 4, "no_handoff");
    let claimed = project.json(&["claim", "login", "--agent-id", "ann"]);
    let token = claimed["lease"]["token"].as_str().unwrap();
    let leave = ["handoff-bundle", "login", "--notes", "two tests are left", "--to", "agent:ben", "--agent-id", "ann"];
    project.ok(&[&leave[..], &["--lease-token", token]].concat());
    assert!(project.page("HANDOFFS.md").contains("login"));
    let index: Value = serde_json::from_str(&project.page("handoff-index.json")).unwrap();
    assert!(index.to_string().contains("login.handoff.md"), "{index}");
    project.refused(&["claim-handoff", "login", "--agent-id", "carl"], 4, "not_addressed");
    project.refused(&["ack-handoff", "login", "--agent-id", "ben"], 4, "wrong_state");
    let next = project.json(&["next-action", "--agent-id", "ben"]);
    assert_eq!((&next["action"], &next["module"]), (&"handoff".into(), &"login".into()));
    let moved = project.json(&["claim-handoff", "login", "--agent-id", "ben"]);
    assert_eq!(moved["handoff"], "project-plan/handoffs/login.handoff.md");
    assert!(project.page("handoffs/login.handoff.md").contains("two tests are left"));
    let beat = ["heartbeat", "login", "--agent-id", "ann", "--lease-token", token];
    project.refused(&beat, 6, "stale_lease");
    project.ok(&["ack-handoff", "login", "--agent-id", "ben"]);
    project.refused(&["withdraw-handoff", "login", "--agent-id", "ann"], 4, "no_handoff");
}
