//! The format of the database: numbered migrations, each once and for ever.
//!
//! **Compatibility.** A board's format is its `user_version`; its `application_id` says that it is a board at all. A
//! migration is never edited after it was released. An additive one leaves older programs working on what they know,
//! but they are told to leave the board alone all the same: a writer that does not know a column cannot keep it right.

use rusqlite::Connection;

use super::error::translated;
use crate::store::error::StoreError;

/// `application_id` of a board: "CBRD".
const APPLICATION_ID: i64 = 0x4342_5244;

/// What a migration does to older programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Adds what older data does without.
    Additive,
    /// Changes what is there: a backup is made before.
    Breaking,
}

/// A step from one format to the next.
#[derive(Debug)]
pub(super) struct Migration {
    pub(super) change: Change,
    pub(super) sql: &'static str,
}

/// Format n is reached by the first n of these.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration { change: Change::Additive, sql: include_str!("format_1.sql") },
    Migration { change: Change::Additive, sql: include_str!("format_2.sql") },
    Migration { change: Change::Additive, sql: include_str!("format_3.sql") },
    Migration { change: Change::Additive, sql: include_str!("format_4.sql") },
    Migration { change: Change::Additive, sql: include_str!("format_5.sql") },
];

/// The format of the database behind `connection`. Refuses a file that is not a board.
pub(super) fn format(connection: &Connection) -> Result<i64, StoreError> {
    let number = |pragma| connection.query_row(pragma, [], |row| row.get::<_, i64>(0)).map_err(translated);
    if number("PRAGMA application_id")? != APPLICATION_ID {
        return Err(StoreError::Damaged("it is not a callboard database".into()));
    }
    number("PRAGMA user_version")
}

/// Refuses a board of any other format than this program's.
pub(super) fn demand_current(connection: &Connection) -> Result<(), StoreError> {
    let (found, known) = (format(connection)?, known(MIGRATIONS));
    match found {
        _ if found == known => Ok(()),
        _ if found > known => Err(StoreError::TooNew { found, known }),
        _ => Err(StoreError::TooOld { found, known }),
    }
}

/// A table, an index, a trigger or a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) kind: String,
    /// How it was made; none for what SQLite makes itself.
    pub(super) sql: Option<String>,
}

const OBJECTS: &str = "SELECT name, type, sql FROM sqlite_schema ORDER BY rowid";

/// Everything in the database behind `connection`.
pub(super) fn objects(connection: &Connection) -> Result<Vec<Object>, StoreError> {
    let read = |row: &rusqlite::Row<'_>| Ok(Object { name: row.get(0)?, kind: row.get(1)?, sql: row.get(2)? });
    let mut statement = connection.prepare(OBJECTS).map_err(translated)?;
    let rows = statement.query_map([], read).map_err(translated)?;
    rows.collect::<rusqlite::Result<_>>().map_err(translated)
}

/// Everything in a new board of this program's format.
fn expected() -> Result<Vec<Object>, StoreError> {
    let new = Connection::open_in_memory().map_err(translated)?;
    adopt(&new)?;
    migrate(&new, MIGRATIONS, |_| Ok(()))?;
    objects(&new)
}

/// The tables and indexes that a board of this program's format has and that are not among these names.
pub(super) fn missing(names: &[String]) -> Result<Vec<String>, StoreError> {
    Ok(expected()?.into_iter().map(|object| object.name).filter(|name| !names.contains(name)).collect())
}

/// What a board of this program's format does not have, or has in another way.
pub(super) fn foreign(found: &[Object]) -> Result<Vec<Object>, StoreError> {
    let expected = expected()?;
    // SQLite's own statistics may come and go.
    let is_own = |object: &&Object| expected.contains(object) || object.name.starts_with("sqlite_");
    Ok(found.iter().filter(|object| !is_own(object)).cloned().collect())
}

/// Refuses a board of a newer format than this program's, and what is no board.
pub(super) fn known_format(connection: &Connection) -> Result<(), StoreError> {
    match demand_current(connection) {
        Err(StoreError::TooOld { .. }) => Ok(()),
        other => other,
    }
}

/// Brings the board behind `connection`, in a writing transaction, up to date. `backup` is called before a breaking
/// step.
pub(super) fn migrate(
    connection: &Connection,
    migrations: &[Migration],
    backup: impl FnOnce(i64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let (found, known) = (format(connection)?, known(migrations));
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    let missing = &migrations[usize::try_from(found).unwrap_or(0)..];
    if missing.is_empty() {
        return Ok(());
    }
    if missing.iter().any(|migration| migration.change == Change::Breaking) {
        backup(found)?;
    }
    for migration in missing {
        connection.execute_batch(migration.sql).map_err(translated)?;
    }
    connection.pragma_update(None, "user_version", known).map_err(translated)
}

/// Makes an empty database a board of format 0, ready to be migrated. Refuses one that has anything in it.
pub(super) fn adopt(connection: &Connection) -> Result<(), StoreError> {
    let tables = "SELECT count(*) FROM sqlite_schema";
    let count: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(translated)?;
    if count > 0 {
        return Err(StoreError::Damaged("it holds something else".into()));
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(translated)
}

fn known(migrations: &[Migration]) -> i64 {
    i64::try_from(migrations.len()).expect("a handful of formats")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[Migration] = &[
        Migration { change: Change::Additive, sql: "CREATE TABLE a (x) STRICT" },
        Migration { change: Change::Breaking, sql: "ALTER TABLE b RENAME TO c" },
    ];

    fn board_of_format(format: i64) -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        adopt(&connection).expect("empty");
        connection.execute_batch("CREATE TABLE b (x INTEGER) STRICT").expect("a table");
        connection.pragma_update(None, "user_version", format).expect("a number");
        connection
    }

    #[test]
    fn a_breaking_step_is_backed_up_first() {
        let connection = board_of_format(1);
        let mut backed_up = None;
        let backup = |found| {
            backed_up = Some(found);
            connection.execute_batch("SELECT x FROM b").map_err(translated)
        };
        migrate(&connection, STEPS, backup).expect("from 1 to 2");
        assert_eq!(backed_up, Some(1));
        assert_eq!(format(&connection).expect("a board"), 2);
    }

    #[test]
    fn a_notification_of_an_older_board_becomes_a_row_of_its_own() {
        let connection = Connection::open_in_memory().expect("memory");
        adopt(&connection).expect("empty");
        migrate(&connection, &MIGRATIONS[..4], |_| Ok(())).expect("format 4");
        let rows = "INSERT INTO events VALUES (7, 5, 'question', 'mutation', 'm', 'ann', 's-1', 3, 'humans', 1, '{\"a\":1}'); \
                    INSERT INTO notifications (seq, audience, kind, module) VALUES (7, 'humans', 'question', 'm')";
        connection.execute_batch(rows).expect("written");
        migrate(&connection, MIGRATIONS, |_| Ok(())).expect("to this format");
        let whole = "SELECT count(*) FROM notifications n JOIN events e ON n.seq = e.seq AND n.at = e.at AND n.source = e.source \
                     AND n.actor = e.actor AND n.session = e.session AND n.board_revision = e.board_revision \
                     AND n.priority = e.priority AND n.data = e.data";
        assert_eq!(connection.query_row(whole, [], |row| row.get::<_, i64>(0)).expect("read"), 1);
    }

    #[test]
    fn a_newer_board_is_left_alone() {
        let connection = board_of_format(9);
        let refused = migrate(&connection, STEPS, |_| Ok(())).expect_err("too new");
        assert!(matches!(refused, StoreError::TooNew { found: 9, known: 2 }), "{refused:?}");
        assert!(matches!(demand_current(&connection), Err(StoreError::TooNew { .. })));
        assert!(matches!(demand_current(&board_of_format(0)), Err(StoreError::TooOld { .. })));
    }

    #[test]
    fn another_programs_database_is_never_adopted() {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("CREATE TABLE theirs (x)").expect("a table");
        assert!(matches!(adopt(&connection), Err(StoreError::Damaged(_))));
        assert!(matches!(format(&connection), Err(StoreError::Damaged(_))));
    }
}
