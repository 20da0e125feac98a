//! What a repair makes of a database that was damaged, and what a backup is good for.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

use expect_test::expect;
use serde_json::Value;

use crate::project::Project;

/// A board with something of everything: tasks that depend on each other, a lease, a review, a question, a handoff, an
/// archive, labels.
pub fn board() -> Project {
    let project = Project::new();
    project.import_with(12, |n| match n {
        1 => ",\"depends_on\":[\"t0\"]".to_owned(),
        2 => ",\"depends_on\":[\"t1\"],\"labels\":{\"area\":\"web\"}".to_owned(),
        3 => ",\"review\":\"required\"".to_owned(),
        n => format!(",\"body\":\"{}\"", "words ".repeat(n * 20)),
    });
    for key in ["ann", "ben"] {
        project.ok(&["init-agent", "--thread-key", key, "--max-tasks", "5"]);
    }
    for task in ["t0", "t3", "t4", "t5"] {
        project.ok(&["claim", task, "--thread-key", "ann"]);
    }
    let token = |task: &str| {
        project.json(&["claim", task, "--thread-key", "ann"])["lease"]["token"].as_str().unwrap().to_owned()
    };
    project.ok(&["finish", "t3", "--summary", "did it", "--thread-key", "ann", "--lease-token", &token("t3")]);
    project.ok(&[
        "ask",
        "--question",
        "which?",
        "--module",
        "t4",
        "--thread-key",
        "ann",
        "--lease-token",
        &token("t4"),
    ]);
    project.ok(&["handoff-bundle", "t5", "--thread-key", "ann", "--lease-token", &token("t5")]);
    project.ok(&["prune-events", "--max-rows", "6"]);
    project.ok(&["notifications", "--cursor-id", "feed"]);
    project
}

pub fn sql(project: &Project, statements: &str) {
    let db = project.db();
    db.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
    db.execute_batch(statements).unwrap();
}

fn file(project: &Project) -> File {
    OpenOptions::new().read(true).write(true).open(project.plan("coordination.db")).unwrap()
}

const PAGE: u64 = 4096;

fn zero(project: &Project, first: u64, count: u64) {
    file(project).write_all_at(&vec![0; usize::try_from(count * PAGE).unwrap()], (first - 1) * PAGE).unwrap();
}

fn root_of(project: &Project, table: &str) -> u64 {
    let query = format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'");
    u64::try_from(project.count(&query)).unwrap()
}

fn swap(project: &Project, one: u64, other: u64) {
    let file = file(project);
    let (mut a, mut b) = ([0; 4096], [0; 4096]);
    file.read_exact_at(&mut a, (one - 1) * PAGE).unwrap();
    file.read_exact_at(&mut b, (other - 1) * PAGE).unwrap();
    file.write_all_at(&b, (one - 1) * PAGE).unwrap();
    file.write_all_at(&a, (other - 1) * PAGE).unwrap();
}

pub type Damage = fn(&Project);

/// What is done to the database, and what it is called.
pub const WAYS: &[(&str, Damage)] = &[
    ("counts are wrong", |p| sql(p, "UPDATE board SET open = 99, offered = 0")),
    ("readiness is wrong", |p| sql(p, "UPDATE tasks SET unmet = 0, offered = 1 WHERE module = 't2'")),
    ("ranks are wrong", |p| sql(p, "UPDATE tasks SET score = -1, critical_path = 7, held_up = 9")),
    ("a circle", |p| {
        sql(
            p,
            "INSERT INTO dependencies SELECT a.key, b.key FROM tasks a, tasks b WHERE a.module = 't0' AND b.module = 't2'",
        );
    }),
    ("an edge to nowhere", |p| sql(p, "INSERT INTO dependencies VALUES (1, 999)")),
    ("a lease of nobody", |p| sql(p, "UPDATE leases SET session = 's-nobody'")),
    ("a lease without a task", |p| sql(p, "UPDATE tasks SET state = 'open' WHERE module = 't0'")),
    ("a task without a lease", |p| sql(p, "DELETE FROM leases")),
    ("a window ended behind the board", |p| sql(p, "UPDATE sessions SET ended_at = 1, ending = 'closed'")),
    ("attempts are gone", |p| sql(p, "DELETE FROM attempts")),
    ("agents are gone", |p| sql(p, "DELETE FROM agents")),
    ("the rows of tasks are gone", |p| sql(p, "DELETE FROM tasks")),
    ("a lease of no length", |p| sql(p, "UPDATE agents SET ttl_seconds = 0")),
    ("numbers that nobody counts to", |p| sql(p, "UPDATE tasks SET revision = 9223372036854775807, epoch = 1 << 60")),
    ("more was pruned than there was", |p| sql(p, "UPDATE board SET pruned_through = event_seq + 100")),
    ("clocks that never were", |p| {
        sql(p, "UPDATE board SET wall = -9223372036854775808, lease_clock = 9223372036854775807");
    }),
    ("a question whose answer nobody knows", |p| sql(p, "UPDATE questions SET status = 'lost'")),
    ("a question that waits for nobody", |p| sql(p, "DELETE FROM questions")),
    ("events with a hole", |p| sql(p, "DELETE FROM events WHERE seq = (SELECT max(seq) - 2 FROM events)")),
    ("the last events are gone", |p| sql(p, "DELETE FROM events WHERE seq > (SELECT max(seq) - 2 FROM events)")),
    ("notifications are gone", |p| sql(p, "DELETE FROM notifications")),
    ("a word that no program knows", |p| sql(p, "UPDATE tasks SET review = 'perhaps' WHERE module = 't6'")),
    ("a list that is no list", |p| sql(p, "UPDATE tasks SET owned_paths = 'x', labels = '{' WHERE module = 't7'")),
    ("a state that no program knows", |p| sql(p, "UPDATE tasks SET state = 'asleep' WHERE module = 't8'")),
    ("an event that is no event", |p| {
        sql(p, "UPDATE events SET data = '[', kind = 'x' WHERE seq = (SELECT max(seq) FROM events)");
    }),
    ("labels that nobody finds", |p| sql(p, "DELETE FROM task_labels")),
    ("a handoff that outlives its task", |p| sql(p, "UPDATE tasks SET state = 'cancelled' WHERE module = 't5'")),
    ("no board", |p| sql(p, "DELETE FROM board")),
    ("numbers that no table takes", |p| sql(p, "UPDATE tasks SET priority = 9, offered = 7, unmet = -3")),
    ("an index was dropped", |p| sql(p, "DROP INDEX offers")),
    ("a table was dropped", |p| sql(p, "DROP TABLE verdicts")),
    ("the tasks were dropped", |p| sql(p, "DROP TABLE tasks")),
    ("an index is wrong", |p| {
        let root = root_of(p, "tasks_by_state");
        let other = root_of(p, "open_questions");
        swap(p, root, other);
    }),
    ("the first page is zero", |p| zero(p, 1, 1)),
    ("the list of tables is zero", |p| zero(p, 1, 10)),
    ("the pages of tasks are zero", |p| {
        let root = root_of(p, "tasks");
        zero(p, root, 1);
    }),
    ("the pages of events are zero", |p| {
        let root = root_of(p, "events");
        zero(p, root, 1);
    }),
    ("two pages changed places", |p| {
        let (tasks, events) = (root_of(p, "tasks"), root_of(p, "events"));
        swap(p, tasks, events);
    }),
    ("half of the file is gone", |p| {
        let file = file(p);
        file.set_len(file.metadata().unwrap().len() / 2 / PAGE * PAGE).unwrap();
    }),
    ("nothing of the file is left", |p| file(p).set_len(0).unwrap()),
    ("it is another file", |p| {
        std::fs::write(p.plan("coordination.db"), "not a database, sorry\n".repeat(500)).unwrap();
    }),
    ("it is gone", |p| std::fs::remove_file(p.plan("coordination.db")).unwrap()),
];

fn list(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// One line: what was found, and what became of the board.
fn mended(project: &Project) -> String {
    let found = project.run(&["validate", "--json", "--no-event"]);
    assert_eq!(found.code, 4, "it is found: {found:?}");
    let rules = found.json()["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["rule"].as_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    let rules = rules.into_iter().fold(Vec::new(), |mut all: Vec<String>, rule| {
        if !all.contains(&rule) {
            all.push(rule);
        }
        all
    });
    assert!(!rules.is_empty(), "{found:?}");
    let run = project.run(&["validate", "--repair", "--json"]);
    if run.code != 0 {
        return format!(
            "{}: {}",
            rules.join(" "),
            run.json()["error"]["message"].as_str().unwrap().split("project-plan/").last().unwrap()
        );
    }
    let done = &run.json()["repair"];
    assert!(std::path::Path::new(done["kept"].as_str().unwrap_or("/")).exists(), "{done}");
    project.must_be_sound();
    assert_eq!(project.run(&["validate", "--json"]).code, 0, "it is sound now");
    assert_eq!(project.json(&["doctor"])["failures_found"], 0);
    // The board goes on: somebody comes aboard and works.
    project.ok(&["init-agent", "--thread-key", "carl"]);
    let next = project.run(&["claim-next", "--thread-key", "carl"]);
    let tasks = project.count("SELECT count(*) FROM tasks");
    assert_eq!(next.code, if tasks > 0 { 0 } else { 3 }, "{next:?}");
    let how = match (done["rebuilt"].as_bool().unwrap(), done["new_generation"].as_bool().unwrap()) {
        (false, _) => "mended in place",
        (true, false) => "made anew, windows go on",
        (true, true) => "made anew, all windows ended",
    };
    let held = project.count("SELECT count(*) FROM leases WHERE agent <> 'carl'");
    let backup = if done["backup"].is_null() { "" } else { ", with a backup" };
    let lost = list(&done["lost"])
        .into_iter()
        .filter_map(|line| line.split(':').next().map(ToOwned::to_owned))
        .collect::<Vec<_>>();
    let lost = match lost.len() {
        0 => String::new(),
        1..=3 => format!(", hurt: {}", lost.join(" ")),
        many => format!(", hurt: {many} tables"),
    };
    format!("{}: {how}{backup}; {tasks} tasks, {held} leases{lost}", rules.join(" "))
}

#[test]
fn a_repair_says_what_it_makes_of_every_damage() {
    let whole = board();
    assert_eq!(whole.run(&["validate"]).code, 0, "it begins sound");
    let mut said = Vec::new();
    for (name, damage) in WAYS {
        let project = whole.copy();
        damage(&project);
        said.push(format!("{name} -> {}", mended(&project)));
    }
    expect![[r#"
        counts are wrong -> counts: mended in place; 12 tasks, 1 leases
        readiness is wrong -> counts unmet: mended in place; 12 tasks, 1 leases
        ranks are wrong -> held_up critical_path score: mended in place; 12 tasks, 1 leases
        a circle -> unmet held_up critical_path circle: mended in place; 12 tasks, 2 leases
        an edge to nowhere -> orphan: mended in place; 12 tasks, 1 leases
        a lease of nobody -> orphan: mended in place; 12 tasks, 0 leases
        a lease without a task -> counts offered lease attempts: mended in place; 12 tasks, 1 leases
        a task without a lease -> offered no_holder: mended in place; 12 tasks, 0 leases
        a window ended behind the board -> lease: mended in place; 12 tasks, 0 leases
        attempts are gone -> orphan attempts: mended in place; 12 tasks, 0 leases
        agents are gone -> orphan: mended in place; 12 tasks, 0 leases
        the rows of tasks are gone -> orphan counts: mended in place; 0 tasks, 0 leases
        a lease of no length -> integrity: made anew, windows go on; 12 tasks, 1 leases
        numbers that nobody counts to -> unreadable_row: mended in place; 12 tasks, 1 leases
        more was pruned than there was -> events: mended in place; 12 tasks, 1 leases
        clocks that never were -> integrity: made anew, windows go on; 12 tasks, 1 leases
        a question whose answer nobody knows -> integrity: made anew, windows go on; 12 tasks, 1 leases
        a question that waits for nobody -> pending question: mended in place; 12 tasks, 1 leases
        events with a hole -> events notices: mended in place; 12 tasks, 1 leases, hurt: events
        the last events are gone -> events: mended in place; 12 tasks, 1 leases
        notifications are gone -> pending notices: mended in place; 12 tasks, 1 leases
        a word that no program knows -> unreadable_row: mended in place; 12 tasks, 1 leases, hurt: tasks 7
        a list that is no list -> unreadable_row: mended in place; 12 tasks, 1 leases, hurt: tasks 8
        a state that no program knows -> integrity: made anew, windows go on; 12 tasks, 1 leases, hurt: tasks 9
        an event that is no event -> unreadable_row: mended in place; 12 tasks, 1 leases, hurt: events 13
        labels that nobody finds -> labels: mended in place; 12 tasks, 1 leases
        a handoff that outlives its task -> integrity: made anew, windows go on; 12 tasks, 1 leases
        no board -> integrity: made anew, all windows ended; 12 tasks, 0 leases
        numbers that no table takes -> integrity: made anew, windows go on; 12 tasks, 1 leases
        an index was dropped -> integrity: made anew, windows go on; 12 tasks, 1 leases
        a table was dropped -> integrity: made anew, all windows ended; 12 tasks, 0 leases, hurt: verdicts
        the tasks were dropped -> integrity: made anew, all windows ended; 12 tasks, 0 leases, hurt: tasks tasks
        an index is wrong -> integrity: made anew, windows go on; 12 tasks, 1 leases
        the first page is zero -> integrity: made anew, windows go on; 12 tasks, 1 leases
        the list of tables is zero -> integrity: made anew, all windows ended; 12 tasks, 0 leases, hurt: 4 tables
        the pages of tasks are zero -> integrity: coordination.db can be read, and no backup of it is known
        the pages of events are zero -> integrity: made anew, all windows ended; 12 tasks, 0 leases, hurt: events
        two pages changed places -> integrity: made anew, all windows ended; 12 tasks, 0 leases, hurt: tasks events tasks
        half of the file is gone -> integrity: made anew, all windows ended; 12 tasks, 0 leases, hurt: 21 tables
        nothing of the file is left -> integrity: coordination.db can be read, and no backup of it is known
        it is another file -> integrity: coordination.db can be read, and no backup of it is known
        it is gone -> integrity: coordination.db can be read, and no backup of it is known"#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn what_is_lost_comes_from_the_newest_backup_and_the_archives() {
    let project = board();
    project.ok(&["backup", "old.db"]);
    project.ok(&["add-task", "later", "--title", "Added after the backup"]);
    project.ok(&["add-task", "never", "--title", "Added and given up"]);
    project.ok(&["cancel-task", "never", "--reason", "no", "--as-human"]);
    project.ok(&["approve", "t3", "--as-human"]);
    project.ok(&["withdraw-handoff", "t5"]);
    project.ok(&["answer", "q-1", "--text", "this", "--as-human"]);
    let pruned = project.json(&["prune-events", "--max-rows", "1"]);
    std::fs::remove_file(project.plan("coordination.db")).unwrap();
    let done = project.json(&["validate", "--repair"]);
    let repair = &done["repair"];
    assert!(repair["backup"].as_str().unwrap().ends_with("old.db"), "{done} {pruned}");
    let state = |module: &str| project.json(&["show", module])["task"]["state"].as_str().unwrap().to_owned();
    assert_eq!(
        (state("t3"), state("later"), state("never")),
        ("done".into(), "draft".into(), "cancelled".into()),
        "the archive tells of the approval: {repair} {pruned}"
    );
    assert_eq!(repair["new_generation"], true);
    project.must_be_sound();
    project.refused(&["events", "--since", "play:1"], 4, "other_generation");
}

#[test]
fn a_backup_is_no_board_until_it_is_restored() {
    let project = board();
    let before = project.json(&["state"]);
    project.ok(&["backup", "copy.db"]);
    project.refused(&["backup", "copy.db"], 4, "file_exists");
    let token = project.json(&["claim", "t0", "--thread-key", "ann"])["lease"]["token"].as_str().unwrap().to_owned();
    project.ok(&["add-task", "later", "--title", "After it"]);
    std::fs::copy(project.root.join("copy.db"), project.plan("coordination.db")).unwrap();
    project.refused(&["summary"], 9, "is_backup");
    project.refused(&["claim-next", "--thread-key", "ann"], 9, "is_backup");
    project.refused(&["restore", "copy.db"], 4, "human_required");
    let restored = project.json(&["restore", "copy.db", "--as-human"]);
    let after = project.json(&["state"]);
    assert_ne!(before["board"]["generation"], after["board"]["generation"]);
    assert!(after["board"]["revision"].as_u64() > before["board"]["revision"].as_u64(), "it never goes back");
    assert_eq!((&restored["tasks"], &restored["sessions_ended"]), (&12.into(), &2.into()));
    assert_eq!(after["sessions"], Value::Array(vec![]));
    let stale =
        project.run(&["finish", "t0", "--summary", "x", "--thread-key", "ann", "--lease-token", &token, "--json"]);
    assert_eq!(stale.code, 6, "{stale:?}");
    let cursor = format!("{}:1", before["board"]["generation"].as_str().unwrap());
    project.refused(&["events", "--since", &cursor], 4, "other_generation");
    let again = project.json(&["init-agent", "--thread-key", "ann"]);
    assert_eq!(again["resumed"], Value::Array(vec![]));
    let claimed = project.json(&["claim", "t0", "--thread-key", "ann"]);
    assert!(claimed["lease"]["epoch"].as_u64().unwrap() > 1_000_000, "{claimed}");
    project.must_be_sound();
    assert_eq!(project.run(&["validate"]).code, 0);
}

#[test]
fn an_old_copy_of_the_board_is_noticed() {
    let project = board();
    let old = std::fs::read(project.plan("coordination.db")).unwrap();
    project.ok(&["add-task", "later", "--title", "After it"]);
    std::fs::write(project.plan("coordination.db"), old).unwrap();
    project.refused(&["claim-next", "--thread-key", "ann"], 9, "rolled_back");
    project.refused(&["tasks"], 9, "rolled_back");
    let repair = project.run(&["validate", "--repair", "--json"]);
    assert_eq!(repair.json()["repair"]["kept"], Value::Null, "a repair does not make a board of it: {repair:?}");
    project.refused(&["tasks"], 9, "rolled_back");
    let file = project.plan("coordination.db");
    project.ok(&["restore", file.to_str().unwrap(), "--as-human"]);
    project.ok(&["init-agent", "--thread-key", "ann"]);
    project.ok(&["claim-next", "--thread-key", "ann"]);
}

#[test]
fn an_old_copy_that_lacks_only_a_heartbeat_is_noticed_too() {
    let project = board();
    let old = std::fs::read(project.plan("coordination.db")).unwrap();
    let revision = |column: &str| project.count(&format!("SELECT {column} FROM board"));
    let (before, presence) = (revision("revision"), revision("presence"));
    let token = project.json(&["claim", "t0", "--thread-key", "ann"])["lease"]["token"].as_str().unwrap().to_owned();
    project.ok(&["heartbeat", "t0", "--thread-key", "ann", "--lease-token", &token]);
    assert!(revision("revision") == before && revision("presence") > presence);
    std::fs::write(project.plan("coordination.db"), old).unwrap();
    project.refused(&["claim-next", "--thread-key", "ben"], 9, "rolled_back");
}

#[test]
fn what_reads_stays_beside_what_does_not() {
    let project = board();
    sql(
        &project,
        "UPDATE tasks SET labels = '{\"kind\":\"x\"}', candidates = '{\"depends_on\":[\"t1\"],\"owned_paths\":[]}', \
         owned_paths = '[\"src\"]', parent = 'no such name!' WHERE module = 't8'",
    );
    let repair = project.run(&["validate", "--repair", "--json"]).json();
    let lost = list(&repair["repair"]["lost"]);
    assert!(lost.len() == 1 && lost[0].contains("a default is in place"), "{lost:?}");
    let read = |column: &str| {
        let sql = format!("SELECT coalesce({column}, '') FROM tasks WHERE module = 't8'");
        project.db().query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    let kept = [read("labels"), read("owned_paths"), read("parent")];
    assert_eq!(kept, ["{\"kind\":\"x\"}", "[\"src\"]", ""]);
    assert!(read("candidates").contains("t1"));
    project.must_be_sound();
}

#[test]
fn lost_events_beside_rows_that_nobody_can_read_are_no_old_copy() {
    let project = board();
    sql(
        &project,
        "DELETE FROM events WHERE seq > (SELECT max(seq) - 2 FROM events); UPDATE leases SET agent = 'no such name!'; \
         UPDATE leases SET deadline = 0; UPDATE sessions SET workspace = '['",
    );
    let mended = project.run(&["validate", "--repair", "--json"]);
    assert_eq!(mended.json()["sound"], true, "{mended:?}");
    project.ok(&["init-agent", "--thread-key", "ann", "--resume"]);
    project.must_be_sound();
}

#[test]
fn a_repair_takes_rows_from_no_other_board() {
    let (project, other) = (board(), board());
    other.ok(&["backup", "theirs.db"]);
    project.ok(&["backup", "ours.db"]);
    let theirs = other.root.join("theirs.db").to_string_lossy().into_owned();
    zero(&project, root_of(&project, "tasks"), 1);
    project.refused(&["validate", "--repair", "--backup", &theirs], 4, "other_generation");
    project.ok(&["validate", "--repair", "--backup", "ours.db"]);
    project.must_be_sound();
}

#[test]
fn a_copy_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = board();
    project.ok(&["backup", "copy.db"]);
    let mode = std::fs::metadata(project.root.join("copy.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_backup_under_load_is_whole() {
    let project = Project::new();
    project.import(40);
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let key = format!("w{n}");
            project.ok(&["init-agent", "--thread-key", &key, "--max-tasks", "20"]);
            let mut loops = std::process::Command::new("sh");
            loops.args(["-c", "for i in 1 2 3 4 5 6 7 8; do callboard claim-next --thread-key $KEY; done"]);
            project.closed(&mut loops);
            loops.env("KEY", key).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            loops.spawn().unwrap()
        })
        .collect();
    for n in 0..5 {
        project.ok(&["backup", &format!("b{n}.db")]);
    }
    for mut writer in writers {
        writer.wait().unwrap();
    }
    for n in 0..5 {
        let copy = project.copy();
        copy.ok(&["restore", &format!("b{n}.db"), "--as-human"]);
        copy.must_be_sound();
        assert_eq!(copy.run(&["validate"]).code, 0);
    }
}

#[test]
fn what_is_no_backup_is_refused() {
    let project = board();
    let before = project.revisions();
    std::fs::write(project.root.join("text.db"), "no database").unwrap();
    rusqlite::Connection::open(project.root.join("theirs.db")).unwrap().execute_batch("CREATE TABLE x (y)").unwrap();
    for name in ["text.db", "theirs.db", "."] {
        project.refused(&["restore", name, "--as-human"], 9, "damaged");
    }
    project.refused(&["restore", "none.db", "--as-human"], 9, "no_permission");
    project.refused(&["validate", "--backup", "x.db"], 2, "usage");
    assert_eq!(project.revisions(), before);
    project.must_be_sound();
}

#[test]
fn pages_that_were_edited_are_shown_and_drawn_anew() {
    let project = board();
    project.ok(&["validate", "--repair"]);
    let status = project.page("STATUS.md");
    std::fs::write(project.plan("STATUS.md"), status.replace("**0 of", "**1 of")).unwrap();
    std::fs::remove_file(project.plan("AGENTS.md")).unwrap();
    let found = project.run(&["validate", "--no-event"]);
    assert_eq!(found.code, 4);
    assert!(
        found.out.contains("-**0 of") && found.out.contains("+**1 of") && found.out.contains("AGENTS.md is missing"),
        "{found:?}"
    );
    assert_eq!(project.page("STATUS.md"), status.replace("**0 of", "**1 of"), "it only looked");
    project.ok(&["validate", "--repair"]);
    assert_eq!(project.page("STATUS.md"), status, "byte for byte");
    project.ok(&["validate"]);
    let events = project.json(&["events", "--source", "validate"]);
    assert_eq!(events["events"][0]["kind"], "validated");
}

#[test]
fn a_board_of_several_hosts_is_saved_and_mended_too() {
    let project = Project::bare().with_fault("FAULT_NO_LOCKS", 1);
    project.ok(&["init", "--storage", "shared"]);
    project.import(5);
    project.ok(&["init-agent", "--thread-key", "ann"]);
    project.ok(&["claim", "t0", "--thread-key", "ann"]);
    project.ok(&["backup", "copy.db"]);
    let root = root_of(&project, "tasks");
    zero(&project, root, 1);
    let mended = project.run_as_host("h-other", &["validate", "--repair", "--json"]);
    assert_eq!((mended.code, &mended.json()["sound"]), (0, &true.into()), "{mended:?}");
    assert_eq!(project.count("SELECT count(*) FROM tasks"), 5);
    project.run_as_host("h-other", &["restore", "copy.db", "--as-human"]);
    project.ok(&["init-agent", "--thread-key", "ann"]);
    assert!(project.json(&["claim", "t0", "--thread-key", "ann"])["lease"]["epoch"].as_u64().unwrap() > 1_000_000);
    project.must_be_sound();
    assert_eq!(project.run(&["validate"]).code, 0);
}
