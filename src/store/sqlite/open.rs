//! Opening the database, and transactions.
//!
//! **Locks.** The caller holds the board's lock before it opens and until after it closed; on shared storage that is the
//! only order that never reads a stale page. SQLite's own locks are a second line: their busy handler should never fire.

use std::cell::Cell;
use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Statement};

use super::companions::{COMPANIONS, beside};
use super::error::{translated, watch_for_failure};
use super::{group, schema};
use crate::domain::board::{Journal, StorageKind};
use crate::platform::deadline::Deadline;
use crate::platform::file;
use crate::store::contract::{Access, Kept, Store, Transaction};
use crate::store::error::StoreError;

/// For how long "unable to open" is tried again on shared storage, where a name may be stale for a moment.
const STALE_NAMES: Duration = Duration::from_secs(2);

/// A board in a SQLite file.
pub struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    purpose: Purpose,
    guard: Option<Guarded>,
    /// True while transactions are parts of a group.
    grouped: bool,
}

/// An empty file is a new board for whoever makes one, and damage for everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Use,
    Create,
}

/// Asked by every commit and every rollback: whether the board's lock is still held. False ends a commit, and leaves the
/// journal alone instead of a rollback. May also not return.
pub type Guarded = Arc<dyn Fn() -> bool + Send + Sync>;

/// How to open.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Until when to wait for others that use the file without the board's lock.
    pub deadline: Deadline,
    /// How the journal is kept.
    pub journal: Journal,
    /// Where the board may be used.
    pub storage: StorageKind,
}

impl SqliteStore {
    /// Opens a board. `path` must not go through a link. Refuses what is missing, has other names, or cannot be opened.
    pub fn open(path: &Path, options: OpenOptions, commit_guard: Option<Guarded>) -> Kept<Self> {
        let meta = match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing),
            Err(error) => return Err(StoreError::Permission(error.to_string().into())),
            Ok(meta) => meta,
        };
        if !meta.is_file() || meta.nlink() != 1 {
            return Err(StoreError::Damaged("it is a link, or has a second name".into()));
        }
        check_companions(path)?;
        let retry = Deadline::after(match options.storage {
            StorageKind::Local => Duration::ZERO,
            StorageKind::Shared => STALE_NAMES,
        });
        loop {
            match Self::connect(path, Purpose::Use, options) {
                Err(StoreError::Permission(_)) if !retry.is_over() => retry.nap(Duration::from_millis(50)),
                Err(error) => return Err(error),
                Ok(store) => return Ok(store.guarded(commit_guard)),
            }
        }
    }

    /// Makes a new board in a file that does not exist or is empty. Everything is there after the transaction that
    /// [`Store::begin`] gives next commits, and nothing before.
    pub fn create(path: &Path, options: OpenOptions, commit_guard: Option<Guarded>) -> Kept<Self> {
        check_companions(path)?;
        // With its rights from the start: what SQLite makes beside it gets the same ones.
        file::prepare_database(path)?;
        Ok(Self::connect(path, Purpose::Create, options)?.guarded(commit_guard))
    }

    fn guarded(mut self, commit_guard: Option<Guarded>) -> Self {
        if let Some(holds) = commit_guard.clone() {
            // SQLite's hook says true to roll back.
            let hook = move || !holds();
            self.connection.commit_hook(Some(hook)).expect("a hook on an open connection");
        }
        self.guard = commit_guard;
        self
    }

    fn connect(path: &Path, purpose: Purpose, options: OpenOptions) -> Kept<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW
            | match purpose {
                Purpose::Use => OpenFlags::empty(),
                Purpose::Create => OpenFlags::SQLITE_OPEN_CREATE,
            };
        // On shared storage the board's own lock is all there is: file locks there may do nothing, and where they work, a
        // holder that was stopped and broken would keep them, and nobody could go on.
        let vfs = match options.storage {
            StorageKind::Local => c"unix",
            StorageKind::Shared => c"unix-none",
        };
        #[expect(clippy::disallowed_methods, reason = "this is the one place that opens")]
        let mut connection = Connection::open_with_flags_and_vfs(path, flags, vfs).map_err(translated)?;
        distrust_schema(&connection)?;
        connection.busy_handler(Some(wait_a_little)).map_err(translated)?;
        // Else every statement whose plan could depend on a value is compiled again at each use of another value: a
        // quarter of all that a claim computes.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(translated)?;
        BUSY_UNTIL.set(Some(options.deadline));
        let journal = match options.journal {
            Journal::Truncate => "TRUNCATE",
            Journal::Wal => "WAL",
        };
        connection
            .execute_batch(
                "PRAGMA mmap_size = 0; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA foreign_keys = ON; \
                 PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;",
            )
            .map_err(translated)?;
        let set: Result<String, _> =
            connection.pragma_update_and_check(None, "journal_mode", journal, |row| row.get(0));
        match set.map_err(translated) {
            // A reader without the right to write cannot set it, and does not need to.
            Err(StoreError::Permission(_)) if connection.is_readonly("main").unwrap_or(false) => {}
            other => drop(other?),
        }
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection, path: path.to_owned(), purpose, guard: None, grouped: false })
    }

    fn back_up(connection: &Connection, path: &Path, format: i64) -> Kept<()> {
        Self::vacuum_into(connection, &path.with_file_name(format!("coordination.format-{format}.backup.db")))
    }

    /// Copies what was committed into a file that does not exist.
    pub(super) fn vacuum_into(connection: &Connection, path: &Path) -> Kept<()> {
        // SQLite fills a file that is empty, and it keeps its rights.
        file::prepare_database(path)?;
        let target = path.to_string_lossy();
        connection.execute("VACUUM INTO ?1", [target.as_ref()]).map(drop).map_err(translated)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Brings a board of an older format up to date, with a backup beside it before a breaking step.
    fn bring_up_to_date(&self) -> Kept<()> {
        if schema::demand_current(&self.connection).is_ok() {
            return Ok(());
        }
        let (path, reader) = (&self.path, &self.connection);
        schema::migrate(reader, schema::MIGRATIONS, |format| {
            // A transaction is open; the copy is made by a second connection, which sees what was committed.
            #[expect(clippy::disallowed_methods, reason = "this is the one place that opens")]
            let other = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(translated)?;
            distrust_schema(&other)?;
            Self::back_up(&other, path, format)
        })
    }

    /// True for a database that has nothing in it yet.
    pub fn is_empty(&self) -> Kept<bool> {
        let tables = "SELECT count(*) FROM sqlite_schema";
        self.connection.query_row(tables, [], |row| row.get::<_, i64>(0)).map(|n| n == 0).map_err(translated)
    }

    /// What SQLite's own check says: none when all is well.
    pub fn integrity_error(&self) -> Kept<Option<String>> {
        let said: String =
            self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(translated)?;
        Ok((said != "ok").then_some(said))
    }

    /// Raises the page cache for an import, so that its pages are written once.
    pub fn expect_much(&self) -> Kept<()> {
        self.connection.execute_batch("PRAGMA cache_size = -65536").map_err(translated)
    }
}

impl SqliteStore {
    /// Begins what is undone when it is dropped.
    fn open_transaction(&self, access: Access) -> Kept<SqliteTransaction<'_>> {
        let begin = match access {
            Access::Read => "BEGIN",
            Access::Write => "BEGIN IMMEDIATE",
        };
        watch_for_failure();
        self.connection.execute_batch(begin).map_err(translated)?;
        let transaction = self.transaction(Some(Ending { keep: "COMMIT", undo: "ROLLBACK" }));
        match access {
            Access::Read => schema::demand_current(&self.connection)?,
            Access::Write => {
                if self.purpose == Purpose::Create && self.is_empty()? {
                    schema::adopt(&self.connection)?;
                }
                self.bring_up_to_date()?;
            }
        }
        Ok(transaction)
    }

    fn transaction(&self, ending: Option<Ending>) -> SqliteTransaction<'_> {
        SqliteTransaction { connection: &self.connection, guard: self.guard.as_ref(), ending }
    }

    /// Begins a group: from now on every transaction is a part of it, until [`SqliteStore::end_group`].
    pub fn begin_group(&mut self, access: Access) -> Kept<()> {
        // It stays open: its parts come and go in it.
        self.open_transaction(access)?.ending = None;
        self.grouped = true;
        Ok(())
    }

    /// Makes everything durable that was kept in the group. After an error nothing of it is there, or nobody knows.
    pub fn end_group(&mut self) -> Kept<()> {
        group::check_open(&self.connection)?;
        self.connection.execute_batch("COMMIT").map_err(translated)?;
        self.grouped = false;
        Ok(())
    }
}

impl Store for SqliteStore {
    fn begin(&mut self, access: Access) -> Kept<Box<dyn Transaction + '_>> {
        if !self.grouped {
            return Ok(Box::new(self.open_transaction(access)?));
        }
        group::check_open(&self.connection)?;
        Ok(Box::new(self.transaction(group::part(&self.connection, access)?)))
    }
}

/// How a transaction ends.
pub(super) struct Ending {
    /// The statement that keeps its work,
    pub keep: &'static str,
    /// and the one that undoes it.
    pub undo: &'static str,
}

/// One transaction of a [`SqliteStore`]. Dropping it rolls back.
pub(super) struct SqliteTransaction<'a> {
    connection: &'a Connection,
    guard: Option<&'a Guarded>,
    /// None where there is nothing to end.
    ending: Option<Ending>,
}

impl SqliteTransaction<'_> {
    /// The connection, for what is read of the database itself.
    pub(super) fn connection(&self) -> &Connection {
        self.connection
    }

    /// A statement, compiled once per connection.
    pub(super) fn prepared(&self, sql: &str) -> Kept<rusqlite::CachedStatement<'_>> {
        self.connection.prepare_cached(sql).map_err(translated)
    }

    /// Runs a statement that must change exactly one row, else `what` is in conflict.
    pub(super) fn change_one(&self, what: &'static str, sql: &str, values: impl rusqlite::Params) -> Kept<()> {
        match self.prepared(sql)?.execute(values).map_err(translated)? {
            1 => Ok(()),
            _ => Err(StoreError::Conflict(what)),
        }
    }

    /// Runs a statement; says how many rows it changed.
    pub(super) fn change(&self, sql: &str, values: impl rusqlite::Params) -> Kept<usize> {
        self.prepared(sql)?.execute(values).map_err(translated)
    }

    /// The key of the row that was inserted last.
    pub(super) fn last_key(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    /// The rows of a query.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        map: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Kept<Vec<T>> {
        let mut statement = self.prepared(sql)?;
        collect(&mut statement, values, map)
    }

    /// The only row of a query, if there is one.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        map: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Kept<Option<T>> {
        use rusqlite::OptionalExtension as _;
        self.prepared(sql)?.query_row(values, map).optional().map_err(translated)
    }
}

fn collect<T>(
    statement: &mut Statement<'_>,
    values: impl rusqlite::Params,
    map: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Kept<Vec<T>> {
    let rows = statement.query_map(values, map).map_err(translated)?;
    rows.collect::<rusqlite::Result<_>>().map_err(translated)
}

impl Transaction for SqliteTransaction<'_> {
    fn commit(mut self: Box<Self>) -> Kept<()> {
        if let Some(Ending { keep, .. }) = self.ending {
            group::check_open(self.connection)?;
            self.connection.execute_batch(keep).map_err(translated)?;
        }
        self.ending = None;
        Ok(())
    }
}

impl Drop for SqliteTransaction<'_> {
    fn drop(&mut self) {
        if let Some(Ending { undo, .. }) = self.ending
            && self.guard.is_none_or(|holds| holds())
        {
            // A failed commit may have rolled back already; then this is an error that means nothing.
            let _ = self.connection.execute_batch(undo);
        }
    }
}

/// Turns off what a database that others edited could run in this process: its triggers and views, and writes to the
/// tables in which SQLite keeps its own state.
pub(super) fn distrust_schema(connection: &Connection) -> Kept<()> {
    let settings = [
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
    ];
    for (setting, value) in settings {
        connection.set_db_config(setting, value).map_err(translated)?;
    }
    Ok(())
}

/// Refuses a pipe or a link in place of a file that SQLite opens beside the database: it would wait for a writer.
fn check_companions(path: &Path) -> Kept<()> {
    for end in COMPANIONS {
        if std::fs::symlink_metadata(beside(path, end)).is_ok_and(|meta| !meta.is_file() || meta.nlink() != 1) {
            return Err(StoreError::Damaged(
                format!("its file {end} is a link, has a second name, or is no file").into(),
            ));
        }
    }
    Ok(())
}

thread_local! {
    /// SQLite's busy handler is a plain function; a process opens one board at a time on a thread.
    static BUSY_UNTIL: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// Fixed small steps: growing ones let a waiter starve.
fn wait_a_little(_: i32) -> bool {
    match BUSY_UNTIL.get() {
        Some(deadline) if !deadline.is_over() => {
            deadline.nap(Duration::from_millis(5));
            true
        }
        _ => false,
    }
}

/// Whether the database at `path` has a write-ahead log, read without SQLite. The descriptor stays open until the
/// process ends: closing one would drop the locks that SQLite holds through another.
pub fn is_wal(path: &Path) -> bool {
    let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let Ok(file) = opened.map(ManuallyDrop::new) else { return false };
    let mut header = [0u8; 20];
    file.read_exact_at(&mut header, 0).is_ok() && (header[18] == 2 || header[19] == 2)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::conformance::CHECKS;
    use crate::store::faulty::Faulty;

    pub(in crate::store::sqlite) fn fresh(directory: &Path) -> SqliteStore {
        let deadline = Deadline::after(Duration::from_secs(5));
        let options = OpenOptions { deadline, journal: Journal::Truncate, storage: StorageKind::Local };
        SqliteStore::create(&directory.join("coordination.db"), options, None).expect("a database")
    }

    #[test]
    fn sqlite_keeps_the_contract() {
        for check in CHECKS {
            let directory = tempfile::tempdir().expect("a directory");
            check(&mut fresh(directory.path()));
        }
    }

    #[test]
    fn the_faulty_store_without_a_fault_keeps_the_contract() {
        for check in CHECKS {
            let directory = tempfile::tempdir().expect("a directory");
            let mut store = Faulty::counting(fresh(directory.path()));
            check(&mut store);
            assert!(store.calls() > 2, "calls are counted");
        }
    }
}
