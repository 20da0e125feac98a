//! The floor of every figure: a bare program that takes the same outer lock and makes the same durable transaction, with
//! the same journal mode, tables, indexes and number of rows, and does nothing else.
//!
//! `floor make DIR TASKS` fills a database; `floor claim DIR` writes the eight rows of a claim, `floor finish DIR` the
//! eight of a finish, each in one transaction. It exits 3 when there is nothing left to claim. `floor walk DIR` walks a
//! project as `rg --files` does, with the `ignore` crate alone.

#![expect(clippy::disallowed_methods, reason = "the floor stands on nothing of callboard's")]
#![expect(clippy::unwrap_used, reason = "a measuring program may stop at the first surprise")]

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use fs2::FileExt as _;
use rusqlite::{Connection, OptionalExtension as _, params};

const SCHEMA: [&str; 5] = [
    include_str!("../src/store/sqlite/format_1.sql"),
    include_str!("../src/store/sqlite/format_2.sql"),
    include_str!("../src/store/sqlite/format_3.sql"),
    include_str!("../src/store/sqlite/format_4.sql"),
    include_str!("../src/store/sqlite/format_5.sql"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, what, directory, rest @ ..] = arguments.as_slice() else { return ExitCode::from(2) };
    let directory = Path::new(directory);
    match what.as_str() {
        "make" => make(directory, rest[0].parse().unwrap()),
        "claim" => return locked(directory, claim),
        "finish" => return locked(directory, finish),
        "walk" => walk(directory),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// What `rg --files` does, without printing.
fn walk(directory: &Path) {
    let count = AtomicUsize::new(0);
    ignore::WalkBuilder::new(directory).threads(0).build_parallel().run(|| {
        Box::new(|entry| {
            let is_file = entry.is_ok_and(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
            count.fetch_add(usize::from(is_file), Ordering::Relaxed);
            ignore::WalkState::Continue
        })
    });
    assert!(count.into_inner() > 0, "there are files");
}

fn open(directory: &Path) -> Connection {
    let db = Connection::open(directory.join("floor.db")).unwrap();
    db.execute_batch("PRAGMA mmap_size = 0; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON").unwrap();
    db.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(())).unwrap();
    db
}

fn locked(directory: &Path, work: impl FnOnce(&Connection) -> ExitCode) -> ExitCode {
    let take = |name| {
        let file =
            File::options().create(true).truncate(false).read(true).write(true).open(directory.join(name)).unwrap();
        file.lock_exclusive().unwrap();
        file
    };
    let gate = take("gate");
    let _lock = take("lock");
    drop(gate);
    let db = open(directory);
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let code = work(&db);
    db.execute_batch("COMMIT").unwrap();
    drop(db);
    code
}

fn make(directory: &Path, tasks: i64) {
    std::fs::create_dir_all(directory).unwrap();
    let db = open(directory);
    db.execute_batch("BEGIN").unwrap();
    for format in SCHEMA {
        db.execute_batch(format).unwrap();
    }
    db.execute(
        "INSERT INTO board VALUES (1, 'g', 'floor', 1, 0, 0, 'shared_board', 'balanced', 'truncate', 0, 0, 0, 0, ?1, 0, \
         0, 0, 0, 0, 0, ?1, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, NULL)",
        [tasks],
    )
    .unwrap();
    db.execute("INSERT INTO agents VALUES ('a', 'a', '[]', '[]', '{}', NULL, NULL, 0, 0, NULL)", []).unwrap();
    db.execute("INSERT INTO sessions VALUES ('s', 'a', 'h', 'main', 1, 0, 0, NULL, NULL, '{}', 0, NULL)", []).unwrap();
    let mut insert = db
        .prepare(
            "INSERT INTO tasks VALUES (?1, 'task-' || ?1, 'Task number ' || ?1, 'open', NULL, NULL, NULL, 2, NULL, NULL, \
             NULL, '[]', '{}', '{}', NULL, NULL, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 20000, NULL, NULL, NULL, NULL)",
        )
        .unwrap();
    for task in 1..=tasks {
        insert.execute([task]).unwrap();
    }
    drop(insert);
    db.execute_batch("COMMIT").unwrap();
}

fn seq(db: &Connection) -> i64 {
    db.query_row("UPDATE board SET revision = revision + 1, event_seq = event_seq + 1 RETURNING event_seq", [], |row| {
        row.get(0)
    })
    .unwrap()
}

fn common_rows(db: &Connection, kind: &str, seq: i64) {
    db.execute("INSERT OR REPLACE INTO hosts VALUES ('h', 'b', ?1, ?1)", [seq]).unwrap();
    db.execute("UPDATE sessions SET seen_at = ?1 WHERE id = 's'", [seq]).unwrap();
    db.execute(
        "INSERT INTO events VALUES (?1, ?1, ?2, 'mutation', 'm', 'a', 's', ?1, NULL, 2, '{}')",
        params![seq, kind],
    )
    .unwrap();
    let reply = "x".repeat(1200);
    db.execute(
        "INSERT INTO requests VALUES (?1, ?2, ?3, ?4, ?4)",
        params![format!("r-{seq}"), "d".repeat(32), reply, seq],
    )
    .unwrap();
}

fn claim(db: &Connection) -> ExitCode {
    let best = "SELECT key FROM tasks WHERE offered = 1 ORDER BY score DESC, key LIMIT 1";
    let Some(task): Option<i64> = db.query_row(best, [], |row| row.get(0)).optional().unwrap() else {
        return ExitCode::from(3);
    };
    let seq = seq(db);
    db.execute(
        "UPDATE tasks SET state = 'active', offered = 0, epoch = epoch + 1, attempts = 1 WHERE key = ?1",
        [task],
    )
    .unwrap();
    db.execute(
        "INSERT INTO attempts VALUES (NULL, ?1, 1, 'a', 's', ?2, NULL, NULL, NULL, '[]', '{}', NULL)",
        [task, seq],
    )
    .unwrap();
    let attempt = db.last_insert_rowid();
    db.execute(
        "INSERT INTO leases VALUES (?1, 'work', 'm', ?2, 'a', 's', 1, ?3, 900, ?4, ?4, 0, 0)",
        params![task, attempt, format!("token-{seq}"), seq],
    )
    .unwrap();
    common_rows(db, "claimed", seq);
    ExitCode::SUCCESS
}

fn finish(db: &Connection) -> ExitCode {
    let held = "SELECT task FROM leases LIMIT 1";
    let Some(task): Option<i64> = db.query_row(held, [], |row| row.get(0)).optional().unwrap() else {
        return ExitCode::from(3);
    };
    let seq = seq(db);
    db.execute("UPDATE tasks SET state = 'done', epoch = epoch + 1, changed_at = ?2 WHERE key = ?1", [task, seq])
        .unwrap();
    db.execute(
        "UPDATE attempts SET ended_at = ?2, outcome = 'finished', summary = 'done', submitted = '{}' WHERE task = ?1",
        [task, seq],
    )
    .unwrap();
    db.execute("DELETE FROM leases WHERE task = ?1", [task]).unwrap();
    common_rows(db, "task_done", seq);
    ExitCode::SUCCESS
}
