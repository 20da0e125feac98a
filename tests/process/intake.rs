//! A look at a project: real ones, from recorded excerpts, and one that is made here.

use std::path::Path;

use expect_test::{Expect, expect};
use serde_json::Value;

use crate::aboard::{git, try_git};
use crate::project::Project;

fn write(project: &Project, path: &str, text: &str) {
    let path = project.root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// What was found, a line each.
fn found(reply: &Value) -> String {
    let drafts = reply["looked"]["drafts"].as_array().unwrap().iter().map(|draft| {
        let seen = &draft["evidence"][0];
        let line = seen["line"].as_i64().map(|line| format!(":{line}")).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!("{} {}{line} {}", text(&draft["kind"]), text(&seen["path"]), text(&draft["title"]))
    });
    let commands = reply["looked"]["commands"].as_array().unwrap().iter();
    let commands =
        commands.map(|known| format!("{}: {}", known["purpose"].as_str().unwrap(), known["command"].as_str().unwrap()));
    let entries = reply["looked"]["entry_files"]
        .as_array()
        .unwrap()
        .iter()
        .take(3)
        .map(|name| format!("entry {}", name.as_str().unwrap()));
    entries.chain(commands).chain(drafts).collect::<Vec<_>>().join("\n")
}

/// A project with what was recorded of a real one: its file names, and the lines that carry a mark.
fn recorded(name: &str) -> Project {
    let project = Project::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/intake").join(name);
    for line in std::fs::read_to_string(file).unwrap().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let text = entry["text"].as_str().map_or_else(
            || {
                let lines = entry["lines"].as_object().unwrap();
                let last = lines.keys().map(|number| number.parse::<usize>().unwrap()).max().unwrap_or(0);
                let at = |number: usize| lines.get(&number.to_string()).and_then(Value::as_str).unwrap_or("");
                (1..=last).map(at).collect::<Vec<_>>().join("\n")
            },
            ToOwned::to_owned,
        );
        write(&project, entry["path"].as_str().unwrap(), &text);
    }
    project
}

fn shows(name: &str, expected: &Expect) {
    let project = recorded(name);
    expected.assert_eq(&found(&project.json(&["intake", "--limit", "12"])));
    let text = project.ok(&["intake", "--seed-tasks"]);
    assert!(text.len() < 4096, "{} bytes", text.len());
    let again = project.json(&["intake", "--seed-tasks", "--limit", "500"]);
    let more = project.json(&["intake", "--seed-tasks", "--limit", "500"]);
    assert_eq!((&more["added"], &more["looked"]["known"]), (&0.into(), &more["looked"]["found"]), "{again}");
    project.must_be_sound();
}

#[test]
fn a_rust_crate() {
    shows(
        "rust.jsonl",
        &expect![[r#"
            entry src/lib.rs
            build: cargo build
            test: cargo test
            fixme src/collation.rs:89 How ? (src/collation.rs)
            fixme src/column.rs:196 Settle the mark in src/column.rs: // FIXME
            fixme src/params.rs:179 not public api, might not need to expose.
            fixme src/row.rs:54 Hide FallibleStreamingIterator::map (src/row.rs)
            fixme src/types/serde_json.rs:54 Settle the mark in src/types/serde_json.rs: _ => return Err(FromSqlError::InvalidType), // FIXME
            todo src/collation.rs:136 validate (src/collation.rs)
            todo src/context.rs:73 SQLITE_UTF8_ZT (src/context.rs)
            todo src/raw_statement.rs:263 sqlite3_normalized_sql (https://sqlite.org/c3ref/expanded_sql.html) // 3.27.0 + SQLITE_ENABLE_NORMA…
            todo src/serialize.rs:190 Settle the mark in src/serialize.rs: /* TODO
            todo src/session.rs:132 Validate: same struct (src/session.rs)
            todo src/session.rs:401 enum ? Delete, Insert, Update, ...
            todo src/session.rs:749 Validate: n = 0 may not mean the reader will always no longer be able to"#]],
    );
}

#[test]
fn a_python_package() {
    shows(
        "python.jsonl",
        &expect![[r#"
        entry __init__.py
        entry __main__.py
        fixme proactor_events.py:160 If there is a pending overlapped read on the other
        fixme proactor_events.py:378 most likely self._force_close() has been called, and
        fixme windows_events.py:753 We could also use SetFileCompletionNotificationModes()
        todo staggered.py:74 when we have aiter() and anext(), allow async iterables in coro_fns."#]],
    );
}

#[test]
fn an_npm_package() {
    shows(
        "npm.jsonl",
        &expect![[r#"
        entry index.js
        test: npm run test
        lint: npm run lint
        fixme lib/npm.js:48 make these options not necessary by refactoring @npmcli/config
        fixme lib/npm.js:156 for this to be safer the config should create a sanitized version of the argv as it has the full co…
        fixme lib/package-url-cmd.js:26 It is very odd that `where` is how pacote knows to look anywhere other than the cwd.
        fixme lib/commands/cache.js:155 this could leave other entries without content!
        fixme lib/commands/ci.js:118 should we remove this finally??
        fixme lib/commands/doctor.js:160 get the latest in the current major as well
        fixme lib/commands/fund.js:24 maybe worth making this generic for all commands?
        fixme lib/commands/help.js:16 these are used in the docs workspace and should be exported from npm so section names can changed m…
        fixme lib/commands/install.js:165 should we remove this finally??
        fixme lib/commands/pack.js:75 publish outputs a json object with package names as keys.
        fixme lib/commands/profile.js:201 Work around to not clear everything other than what we're setting
        fixme lib/commands/publish.js:278 can't pacote read the manifest from a directory?"#]],
    );
}

/// A project in the middle of everything.
fn begun() -> Project {
    let project = Project::bare();
    git(&project, &["init", "-q", "-b", "main"]);
    write(&project, "Cargo.toml", "[package]\n");
    write(&project, "src/auth/mod.rs", "// TODO: rotate the keys of sessions\n");
    write(&project, "src/main.rs", "fn main() {}\n");
    write(&project, "TODO.md", "# Plan\n- [ ] Rework auth\n  - [ ] Write `src/main.rs` anew\n- [x] Old\n");
    write(&project, ".gitignore", "out/\n");
    write(&project, "out/gone.rs", "// FIXME: nobody sees this\n");
    git(&project, &["add", "."]);
    git(&project, &["commit", "-q", "-m", "begin"]);
    write(&project, "src/auth/mod.rs", "// TODO: rotate the keys of sessions\n// more\n");
    project.ok(&["init"]);
    project
}

#[test]
fn what_is_seen_becomes_work_once_and_only_when_it_is_confirmed() {
    let project = begun();
    let looked = project.json(&["intake"]);
    expect![[r#"
        entry src/main.rs
        build: cargo build
        test: cargo test
        change src/auth/mod.rs Finish or drop what is changed and not committed: 1 file
        checklist TODO.md:2 Rework auth
        checklist TODO.md:3 Write src/main.rs anew
        todo src/auth/mod.rs:1 rotate the keys of sessions"#]]
    .assert_eq(&found(&looked));
    assert_eq!(project.json(&["tasks"])["tasks"], Value::Array(vec![]), "it only looked");
    assert_eq!(project.json(&["events", "--source", "intake"])["events"][0]["kind"], "intake_scanned");
    let seeded = project.json(&["intake", "--seed-tasks"]);
    let drafts = seeded["looked"]["drafts"].as_array().unwrap();
    let of = |kind: &str| drafts.iter().find(|draft| draft["kind"] == kind).unwrap();
    let (change, todo) = (of("change")["module"].as_str().unwrap(), of("todo")["module"].as_str().unwrap());
    let shown = &project.json(&["show", todo])["task"];
    assert_eq!(shown["state"], "draft");
    assert_eq!(shown["candidate_owned_paths"][0], "src/auth/mod.rs");
    assert_eq!(shown["candidate_depends_on"][0], change, "the file is being changed");
    assert_eq!(shown["acceptance"][0], "cargo test passes");
    assert!(shown["body"].as_str().unwrap().contains("src/auth/mod.rs:1"), "{shown}");
    project.ok(&["init-agent", "--thread-key", "ann"]);
    let none = project.run(&["claim-next", "--thread-key", "ann"]);
    assert_eq!(none.code, 3, "a draft is never offered: {none:?}");
    // The mark moves; the draft is the same.
    write(&project, "src/auth/mod.rs", "//\n//\n// TODO: rotate the keys of sessions\n");
    write(&project, "Cargo.toml", "[package]\n# also changed\n");
    assert_eq!(project.json(&["intake", "--seed-tasks"])["added"], 0);
    project.ok(&["confirm-task", todo, change, "--accept-hints"]);
    let shown = &project.json(&["show", todo])["task"];
    assert_eq!((&shown["state"], &shown["depends_on"][0]), (&"open".into(), &change.into()));
    let claimed = project.json(&["claim-next", "--thread-key", "ann"]);
    assert_eq!(claimed["task"]["module"], change, "what was begun comes first");
    assert_eq!(project.json(&["intake", "--seed-tasks"])["added"], 0, "in whatever state it is");
}

#[test]
fn a_look_can_be_rehearsed_and_has_bounds() {
    let project = begun();
    let before = project.revisions();
    let dry = project.json(&["intake", "--seed-tasks", "--dry-run"]);
    assert!(dry["added"].as_u64().unwrap() > 0 && dry["dry_run"] == true);
    assert_eq!((project.revisions(), project.count("SELECT count(*) FROM tasks")), (before, 0));
    let one = project.json(&["intake", "--seed-tasks", "--limit", "1"]);
    assert_eq!(one["added"], 1);
    let next = project.json(&["intake", "--seed-tasks", "--limit", "1"]);
    assert_ne!(one["modules"], next["modules"], "the next best comes next");
    project.refused(&["intake", "--format", "beads"], 2, "usage");
    project.refused(&["intake", "--seed-tasks", "--from", "TODO.md"], 2, "usage");
    let empty = Project::new();
    let text = empty.ok(&["intake"]);
    assert!(text.contains("nothing new was found") && text.contains("callboard intake --from PLAN.md"), "{text}");
}

#[test]
fn a_merge_in_conflict_comes_before_everything() {
    let project = begun();
    git(&project, &["commit", "-q", "-am", "mine"]);
    git(&project, &["checkout", "-q", "-b", "other", "HEAD~1"]);
    write(&project, "src/auth/mod.rs", "// theirs\n");
    git(&project, &["commit", "-q", "-am", "theirs"]);
    assert!(!try_git(&project, &["merge", "-q", "main"]).status.success(), "it conflicts");
    let looked = project.json(&["intake"]);
    let first = &looked["looked"]["drafts"][0];
    assert_eq!((&first["kind"], &first["priority"]), (&"conflict".into(), &0.into()));
    assert_eq!(first["candidate_owned_paths"][0], "src/auth/mod.rs");
}

#[test]
fn an_export_of_beads_is_imported_with_dependencies_and_states() {
    let project = Project::new();
    let export = concat!(
        "{\"id\":\"bd-1\",\"title\":\"Sign in\",\"status\":\"in_progress\",\"priority\":1,\"issue_type\":\"epic\"}\n",
        "{\"id\":\"bd-2\",\"title\":\"Schema\",\"status\":\"closed\",\"priority\":2,\"issue_type\":\"task\"}\n",
        "{\"id\":\"bd-3\",\"title\":\"Form\",\"status\":\"open\",\"priority\":0,\"issue_type\":\"task\",\"dependencies\":",
        "[{\"issue_id\":\"bd-3\",\"depends_on_id\":\"bd-2\",\"type\":\"blocks\"},",
        "{\"issue_id\":\"bd-3\",\"depends_on_id\":\"bd-1\",\"type\":\"parent-child\"}]}\n"
    );
    write(&project, "issues.jsonl", export);
    assert_eq!(project.json(&["intake", "--from", "issues.jsonl"])["added"], 3);
    let shown = |module: &str| project.json(&["show", module])["task"].clone();
    assert_eq!(shown("bd-2")["state"], "done");
    assert_eq!((&shown("bd-3")["ready"], &shown("bd-3")["depends_on"][0]), (&true.into(), &"bd-2".into()));
    assert_eq!((&shown("bd-1")["ready"], &shown("bd-1")["depends_on"][0]), (&false.into(), &"bd-3".into()));
    assert_eq!(project.json(&["intake", "--from", "issues.jsonl", "--format", "beads"])["unchanged"], 3);
}

#[test]
fn paths_that_a_title_or_a_body_names_are_candidates() {
    let project = Project::new();
    write(&project, "src/auth/login.rs", "");
    write(&project, "README.md", "");
    let body = "Change `src/auth/login.rs`:12 and README.md, add src/auth/token.rs; see https://example.org/a/b.html and/or ../x.rs.";
    let added = project.json(&["add-task", "sign-in", "--title", "Sign in (src/auth)", "--body", body]);
    let expected = ["src/auth/**", "src/auth/login.rs", "README.md", "src/auth/token.rs"];
    assert_eq!(added["task"]["candidate_owned_paths"], serde_json::json!(expected), "{added}");
    assert_eq!(added["task"]["owned_paths"], serde_json::json!([]), "nothing is confirmed by it");
    let owned =
        project.json(&["add-task", "owned", "--title", "README.md and src/auth/login.rs", "--owned-paths", "src/**"]);
    assert_eq!(owned["task"]["candidate_owned_paths"], serde_json::json!(["README.md"]), "what is owned is confirmed");
    write(&project, "PLAN.md", "- [ ] Rework src/auth\n  In `src/auth/login.rs`.\n- [ ] Write docs\n");
    project.ok(&["intake", "--from", "PLAN.md"]);
    let shown = |module: &str| project.json(&["show", module])["task"]["candidate_owned_paths"].clone();
    assert_eq!(shown("rework-src-auth"), serde_json::json!(["src/auth/**", "src/auth/login.rs"]));
    assert_eq!(shown("write-docs"), serde_json::json!([]));
    project.ok(&["init-agent", "--thread-key", "ann", "--max-tasks", "9"]);
    for module in ["sign-in", "rework-src-auth"] {
        project.ok(&["claim", module, "--agent-id", "ann"]);
    }
}
