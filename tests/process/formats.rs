//! Boards that former programs left: each is opened, brought up to date by its first change, compared, and worked on.

use std::collections::BTreeMap;

use rusqlite::Connection;
use rusqlite::types::Value as Cell;

use crate::project::Project;

/// The boards of all formats but the newest, with their formats.
const BOARDS: &[(i64, &str)] = &[
    (1, include_str!("../fixtures/boards/format_1.sql")),
    (2, include_str!("../fixtures/boards/format_2.sql")),
    (3, include_str!("../fixtures/boards/format_3.sql")),
    (4, include_str!("../fixtures/boards/format_4.sql")),
];

type Rows = Vec<Vec<Cell>>;

/// The project of a former board, on a clock that stands where the board was left.
fn left_by(sql: &str) -> Project {
    let project = Project::bare_fixed();
    project.count_names_from(1_000);
    std::fs::create_dir_all(project.plan(".callboard")).unwrap();
    let place = r#"{"format":1,"storage":"local","journal":"truncate","board":"00112233445566778"}"#;
    std::fs::write(project.plan(".callboard/place.json"), place).unwrap();
    let db = project.db();
    // Its tables come in the order of their names.
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db.execute_batch(sql).unwrap();
    db.execute_batch("PRAGMA journal_mode = TRUNCATE").unwrap();
    project
}

fn columns(db: &Connection, table: &str) -> Vec<String> {
    let mut statement = db.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Every table of a former board with its columns.
fn tables(db: &Connection) -> BTreeMap<String, Vec<String>> {
    let mut statement = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    names.into_iter().map(|name| (name.clone(), columns(db, &name))).collect()
}

/// The rows of a table, of some of its columns, in the order of all of them.
fn rows(db: &Connection, table: &str, columns: &[String]) -> Rows {
    let order: Vec<String> = (1..=columns.len()).map(|at| at.to_string()).collect();
    let named = columns.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let query = format!("SELECT {named} FROM {table} ORDER BY {}", order.join(", "));
    let mut statement = db.prepare(&query).unwrap();
    let read =
        |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Cell>>>();
    statement.query_map([], read).unwrap().map(Result::unwrap).collect()
}

fn format_of(project: &Project) -> i64 {
    project.db().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

fn newest() -> i64 {
    format_of(&Project::new())
}

#[test]
fn a_board_of_every_former_format_is_brought_up_to_date_and_loses_nothing() {
    let newest = newest();
    assert!(newest <= BOARDS.last().unwrap().0 + 1, "the format before the newest has a board here");
    for (format, sql) in BOARDS {
        let project = left_by(sql);
        assert_eq!(format_of(&project), *format);
        let tables = tables(&project.db());
        let before: BTreeMap<&String, Rows> =
            tables.iter().map(|(table, columns)| (table, rows(&project.db(), table, columns))).collect();
        assert!(before.iter().filter(|(_, rows)| !rows.is_empty()).count() > tables.len() - 2, "rows of every kind");
        if *format < newest {
            // What only reads leaves it as it is, and says what helps.
            let refused = project.refused(&["summary"], 8, "board_too_old");
            assert_eq!(refused["error"]["hint"], "callboard lease-reclaim brings it up to date, as any write does");
            assert_eq!(format_of(&project), *format);
        }
        project.ok(&["notify", "--target", "humans", "--message", "hello", "--agent-id", "ann"]);
        assert_eq!(format_of(&project), newest);
        for (table, columns) in &tables {
            let after = rows(&project.db(), table, columns);
            let before = &before[table];
            match table.as_str() {
                // The change adds to these, and takes nothing away.
                "events" | "requests" | "notifications" => {
                    assert!(before.iter().all(|row| after.contains(row)), "{format}: {table}");
                }
                "sessions" | "board" | "hosts" | "agents" => assert_eq!(after.len(), before.len(), "{format}: {table}"),
                _ => assert_eq!(&after, before, "{format}: {table}"),
            }
        }
        let sound = project.run(&["validate", "--no-event", "--json"]);
        let pages_only = sound.json()["findings"] == serde_json::Value::Array(vec![]);
        assert!(sound.code == 0 && pages_only, "{format}: {sound:?}");
        project.must_be_sound();
    }
}

#[test]
fn work_goes_on_where_a_former_program_left_it() {
    for (format, sql) in BOARDS {
        let project = left_by(sql);
        let token = |module: &str, kind: &str| -> String {
            let query = format!("SELECT token FROM leases WHERE module = '{module}' AND kind = '{kind}'");
            project.db().query_row(&query, [], |row| row.get(0)).unwrap()
        };
        // A lease of before is renewed, a review of before is decided, a wait of before ends.
        project.ok(&["heartbeat", "docs", "--agent-id", "ben", "--lease-token", &token("docs", "work")]);
        project.ok(&["approve", "login", "--agent-id", "ben", "--lease-token", &token("login", "review")]);
        project.ok(&["unblock", "cert", "--as-human"]);
        project.ok(&["confirm-task", "idea"]);
        if *format > 1 {
            project.ok(&["answer", "q-1", "--text", "the first", "--as-human"]);
            assert!(project.ok(&["handoffs"]).contains("docs"), "{format}");
            project.ok(&["notifications", "--cursor-id", "feed"]);
        }
        let history = project.json(&["history", "logs"]);
        assert_eq!(history["attempts"].as_array().unwrap().len(), 2, "{format}: {history}");
        project.ok(&["init-agent", "--thread-key", "carl", "--specialty", "backend"]);
        let next = project.json(&["claim-next", "--thread-key", "carl"]);
        assert_eq!(next["task"]["module"], "api", "{format}: what depends on a task that is done: {next}");
        project.ok(&["backup", "copy.db"]);
        project.ok(&["restore", "copy.db", "--as-human"]);
        assert_eq!(project.run(&["validate", "--no-event"]).code, 0, "{format}");
        project.must_be_sound();
    }
}
