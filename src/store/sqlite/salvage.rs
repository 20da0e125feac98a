//! Saving what still reads of a database that is damaged, row by row, into a new one.
//!
//! Rows come in the order of their key until a page cannot be read; then the gap is jumped over, in steps that double, and
//! the table is also read from its end. What a table lost is filled from a backup of the same board. The new database has
//! the same tables and checks, so what no program could have written does not come through.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::error::translated;
use super::leaves::Leaves;
use super::open::{SqliteStore, distrust_schema};
use super::transplant::transplant;
use crate::store::contract::{Access, Kept, Store as _};
use crate::store::error::StoreError;

/// A table with the order in which its rows are read.
struct Table {
    name: &'static str,
    /// The columns of its key; one of numbers can be jumped in.
    key: &'static [&'static str],
}

/// Every table, those that others point at first.
const TABLES: &[Table] = &[
    Table { name: "board", key: &["one"] },
    Table { name: "hosts", key: &["host"] },
    Table { name: "agents", key: &["id"] },
    Table { name: "sessions", key: &["id"] },
    Table { name: "tasks", key: &["key"] },
    Table { name: "task_texts", key: &["task"] },
    Table { name: "task_labels", key: &["name", "value", "task"] },
    Table { name: "dependencies", key: &["task", "needs"] },
    Table { name: "attempts", key: &["key"] },
    Table { name: "leases", key: &["task", "kind"] },
    Table { name: "verdicts", key: &["key"] },
    Table { name: "events", key: &["seq"] },
    Table { name: "notifications", key: &["seq"] },
    Table { name: "requests", key: &["id"] },
    Table { name: "cursors", key: &["id"] },
    Table { name: "archives", key: &["first"] },
    Table { name: "questions", key: &["key"] },
    Table { name: "handoffs", key: &["key"] },
    Table { name: "preflight", key: &["one"] },
    Table { name: "confirmations", key: &["host", "workspace"] },
];

/// Tables whose loss costs nothing that anybody decided.
const PRESENCE: &[&str] = &["hosts", "requests", "cursors", "confirmations", "task_labels"];

/// What became of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Its name.
    pub table: &'static str,
    /// Rows that were read.
    pub read: u64,
    /// Rows that came from the backup.
    pub filled: u64,
    /// True when some part of it could not be read.
    pub damaged: bool,
}

impl Saved {
    /// True where facts may be missing that somebody decided.
    pub fn is_a_loss(&self) -> bool {
        self.damaged && !PRESENCE.contains(&self.table)
    }
}

/// Saves what reads of `damaged`, a copy that may be changed, into a new database at `target`; what a table lost comes from `backup`, as far as that
/// has it. Says what became of each table. `target` has no board's row where neither had one.
pub fn salvage(damaged: &Path, backup: Option<&Path>, target: &Path) -> Kept<Vec<Saved>> {
    {
        // The tables are there once a writing transaction has begun, and kept once it is committed.
        let mut store = SqliteStore::create_copy(target)?;
        store.begin(Access::Write)?.commit()?;
    }
    let into = connect(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // What breaks a rule of its table is mended afterwards; what is no row of it is refused by the types.
    let terms = "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA journal_mode = MEMORY; \
                 PRAGMA synchronous = OFF; BEGIN";
    into.execute_batch(terms).map_err(translated)?;
    let from = open_damaged(damaged, target);
    let backup = backup.map(|path| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)).transpose()?;
    let mut saved = Vec::new();
    for table in TABLES {
        let mut own = match &from {
            Some(from) => copy(table, from, &into)?,
            None => Saved { table: table.name, damaged: true, ..Saved::default() },
        };
        if own.damaged && table.is_numbered() {
            own.read += loose(table, damaged, target, &into)?;
        }
        if own.damaged
            && let Some(backup) = &backup
        {
            own.filled = copy(table, backup, &into)?.read;
        }
        saved.push(own);
    }
    into.execute_batch("COMMIT").map_err(translated)?;
    Ok(saved)
}

fn connect(path: &Path, flags: OpenFlags) -> Kept<Connection> {
    // Without file locks: nobody else uses these files, and locks may hang where they lie.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    #[expect(clippy::disallowed_methods, reason = "this room opens databases")]
    let connection = Connection::open_with_flags_and_vfs(path, flags, c"unix-none").map_err(translated)?;
    distrust_schema(&connection)?;
    Ok(connection)
}

/// The damaged database; with the list of tables of the new one where its own cannot be read. `damaged` is a copy.
fn open_damaged(damaged: &Path, new: &Path) -> Option<Connection> {
    let open = || connect(damaged, OpenFlags::SQLITE_OPEN_READ_WRITE).ok().filter(is_readable);
    open().or_else(|| {
        transplant(new, damaged).ok()?;
        open()
    })
}

fn is_readable(connection: &Connection) -> bool {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).is_ok()
}

fn names(connection: &Connection, table: &str) -> Vec<String> {
    let list = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        connection.prepare("SELECT name FROM pragma_table_info(?1)")?.query_map([table], |row| row.get(0))?.collect()
    };
    list(connection).unwrap_or_default()
}

impl Table {
    /// True where a row is known by a number of its own, which pages of rows tell even when nothing leads to them.
    fn is_numbered(&self) -> bool {
        matches!(self.key, ["one" | "key" | "task" | "seq" | "first"])
    }
}

/// Takes rows of a table from pages that nothing leads to any more. Says how many were new.
fn loose(table: &Table, damaged: &Path, like: &Path, into: &Connection) -> Kept<u64> {
    let Ok(leaves) = Leaves::open(damaged, like) else { return Ok(0) };
    let columns = names(into, table.name);
    let marks = vec!["?"; columns.len()].join(", ");
    let insert = ["INSERT OR IGNORE INTO ", table.name, " VALUES (", &marks, ")"].concat();
    let mut insert = into.prepare(&insert).map_err(translated)?;
    let mut taken = 0;
    // A page that nothing leads to may be of any table, or old: here every check counts.
    into.execute_batch("PRAGMA ignore_check_constraints = OFF").map_err(translated)?;
    leaves.rows(columns.len(), |(rowid, mut values)| {
        values[0] = Value::Integer(rowid);
        // Rows of other tables, and what no program could have written, are refused by the checks.
        taken += insert.execute(params_from_iter(values)).unwrap_or(0) as u64;
    });
    into.execute_batch("PRAGMA ignore_check_constraints = ON").map_err(translated)?;
    Ok(taken)
}

/// Copies the rows of one table that are not there yet.
fn copy(table: &Table, from: &Connection, into: &Connection) -> Kept<Saved> {
    let (theirs, ours) = (names(from, table.name), names(into, table.name));
    // A column that only one side knows keeps its default.
    let columns: Vec<String> = ours.into_iter().filter(|name| theirs.contains(name)).collect();
    let mut saved = Saved { table: table.name, ..Saved::default() };
    if columns.is_empty() {
        // A board of an older format has no such table; a damaged one may have lost it.
        saved.damaged = !is_older(from);
        return Ok(saved);
    }
    let (list, marks) = (columns.join(", "), vec!["?"; columns.len()].join(", "));
    let name = table.name;
    let insert = ["INSERT INTO ", name, " (", &list, ") VALUES (", &marks, ")"].concat();
    let mut insert = into.prepare(&insert).map_err(translated)?;
    let mut refused = 0_u64;
    let mut keep = |row: &rusqlite::Row<'_>| -> rusqlite::Result<bool> {
        let values: Vec<Value> = (0..columns.len()).map(|at| row.get(at)).collect::<Result<_, _>>()?;
        // A row that is none of this table's has the wrong types, or not enough columns.
        let kept = insert.execute(params_from_iter(values));
        refused += u64::from(kept.as_ref().is_err_and(|error| !is_there_already(error)));
        Ok(kept.is_ok())
    };
    for order in ["", " DESC"] {
        let ordered = table.key.iter().map(|key| [*key, order].concat()).collect::<Vec<_>>().join(", ");
        let all = ["SELECT ", &list, " FROM ", name, " ORDER BY ", &ordered].concat();
        let ended = read(from, &all, [], &mut keep, &mut saved.read);
        match ended {
            End::Whole if order.is_empty() => {
                saved.damaged = refused > 0;
                return Ok(saved);
            }
            _ => saved.damaged = true,
        }
    }
    if let [key] = table.key {
        jump(table.name, key, &list, from, &mut keep, &mut saved.read);
    }
    Ok(saved)
}

/// True for a board of an older format, which lacks what came later.
fn is_older(connection: &Connection) -> bool {
    matches!(super::schema::demand_current(connection), Err(StoreError::TooOld { .. }))
}

/// True for the refusal of a row whose key is taken: it was read before.
fn is_there_already(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE};
    let keys = [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_ROWID, SQLITE_CONSTRAINT_UNIQUE];
    matches!(error, rusqlite::Error::SqliteFailure(failure, _) if keys.contains(&failure.extended_code))
}

enum End {
    Whole,
    Broken,
}

fn read(
    from: &Connection,
    query: &str,
    values: impl rusqlite::Params,
    keep: &mut impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<bool>,
    count: &mut u64,
) -> End {
    let Ok(mut statement) = from.prepare(query) else { return End::Broken };
    let Ok(mut rows) = statement.query(values) else { return End::Broken };
    loop {
        match rows.next() {
            Ok(Some(row)) => match keep(row) {
                Ok(true) => *count += 1,
                Ok(false) => {}
                Err(_) => return End::Broken,
            },
            Ok(None) => return End::Whole,
            Err(_) => return End::Broken,
        }
    }
}

/// The longest gap that is looked across, in keys.
const GAP_MOST: i64 = 1 << 40;

/// Reads a table of numbered rows past what cannot be read: further on by one, two, four and so on, until rows come again.
fn jump(
    name: &str,
    key: &str,
    list: &str,
    from: &Connection,
    keep: &mut impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<bool>,
    count: &mut u64,
) {
    let query = ["SELECT ", list, " FROM ", name, " WHERE ", key, " > ?1 ORDER BY ", key].concat();
    let (mut at, mut gap) = (0_i64, 1_i64);
    while gap < GAP_MOST {
        let before = *count;
        match read(from, &query, [at], keep, count) {
            End::Whole => return,
            End::Broken if *count > before => gap = 1,
            End::Broken => gap *= 2,
        }
        at = at.saturating_add(gap);
    }
}
