//! Copies of a board: backups, which say that they are copies, and the check of a file that somebody wants back.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::columns::count;
use super::error::translated;
use super::open::{OpenOptions, SqliteStore, distrust_schema};
use crate::domain::audit::Mended;
use crate::domain::board::{Board, Journal, StorageKind};
use crate::domain::time::Millis;
use crate::platform::deadline::Deadline;
use crate::store::contract::{Access, Kept, Store as _};
use crate::store::error::StoreError;

/// How long a copy may be locked by somebody else: nobody should.
const PATIENCE: Duration = Duration::from_secs(5);

impl SqliteStore {
    /// Copies the whole board, as this moment has it, into a file that does not exist. The board's lock is held.
    pub fn copy_into(&self, path: &Path) -> Kept<()> {
        Self::vacuum_into(self.connection(), path)
    }

    /// Opens a copy that nobody else uses.
    pub fn open_copy(path: &Path) -> Kept<Self> {
        Self::open(path, own(), None)
    }

    /// Makes an empty database on the same terms.
    pub fn create_copy(path: &Path) -> Kept<Self> {
        Self::create(path, own(), None)
    }
}

/// Nobody else uses a copy, and file locks may do nothing or hang where it lies: as on shared storage there are none.
fn own() -> OpenOptions {
    OpenOptions { deadline: Deadline::after(PATIENCE), journal: Journal::Truncate, storage: StorageKind::Shared }
}

/// Marks a copy: it is refused as a board until it was restored. Returns its row.
pub fn mark(path: &Path, at: Millis) -> Kept<Board> {
    let mut store = SqliteStore::open_copy(path)?;
    let mut transaction = store.begin(Access::Write)?;
    let board = Board { copied_at: Some(at), ..transaction.board()? };
    transaction.put_board(&board)?;
    transaction.commit()?;
    Ok(board)
}

/// The board in a file that somebody wants back, read without changing it. Refuses what is damaged or no board. A board of
/// an older format is good.
pub fn inspect(path: &Path) -> Kept<Found> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(StoreError::Missing),
        Err(error) => return Err(StoreError::Permission(error.to_string().into())),
        Ok(meta) if !meta.is_file() => return Err(StoreError::Damaged("it is no file".into())),
        Ok(_) => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    #[expect(clippy::disallowed_methods, reason = "this room opens databases")]
    let connection = Connection::open_with_flags(path, flags).map_err(translated)?;
    distrust_schema(&connection)?;
    let said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(translated)?;
    if said != "ok" {
        return Err(StoreError::Damaged(said.into()));
    }
    if super::schema::demand_current(&connection).is_ok() {
        let mut statement = connection.prepare("SELECT name FROM sqlite_schema").map_err(translated)?;
        let names = statement.query_map([], |row| row.get(0)).map_err(translated)?;
        let names = names.collect::<rusqlite::Result<Vec<String>>>().map_err(translated)?;
        if let Some(name) = super::schema::missing(&names)?.first() {
            return Err(StoreError::Damaged(format!("{name} is not there").into()));
        }
    }
    super::schema::known_format(&connection)?;
    let generation = "SELECT generation, revision FROM board";
    connection
        .query_row(generation, [], |row| Ok(Found { generation: row.get(0)?, revision: count(row, 1)? }))
        .map_err(translated)
}

/// Copies a board from one file into another that does not exist, as its last commit left it.
pub fn duplicate(from: &Path, to: &Path) -> Kept<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    #[expect(clippy::disallowed_methods, reason = "this room opens databases")]
    let connection = Connection::open_with_flags(from, flags).map_err(translated)?;
    distrust_schema(&connection)?;
    SqliteStore::vacuum_into(&connection, to)
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The generation of its board.
    pub generation: String,
    /// Its revision.
    pub revision: u64,
}

/// The board's row of a copy.
pub fn board_of(path: &Path) -> Kept<Board> {
    SqliteStore::open_copy(path)?.begin(Access::Read)?.board()
}

/// How many tasks a copy has, and how many its board's row counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCounts {
    /// Rows.
    pub rows: u64,
    /// What was counted; none without a board's row.
    pub counted: Option<u64>,
}

/// The tasks of a copy.
pub fn task_counts(path: &Path) -> Kept<TaskCounts> {
    let store = SqliteStore::open_copy(path)?;
    let number = |query: &str| store.connection().query_row(query, [], |row| count(row, 0));
    let rows = number("SELECT count(*) FROM tasks").map_err(translated)?;
    let all = "SELECT draft + open + active + waiting + review + done + failed + cancelled FROM board";
    Ok(TaskCounts { rows, counted: number(all).ok() })
}

/// So much of what is still wrong with a copy is told.
const LEFT_MOST: usize = 20;

/// Mends the rows of a copy in place, after a salvage.
pub fn mend_copy(path: &Path) -> Kept<Mended> {
    let mut store = SqliteStore::open_copy(path)?;
    // Rows that break several rules of their table are mended one rule after the other.
    store.connection().execute_batch("PRAGMA ignore_check_constraints = ON").map_err(translated)?;
    let mut transaction = store.begin(Access::Write)?;
    let mut mended = transaction.mend()?;
    transaction.commit()?;
    store.connection().execute_batch("PRAGMA ignore_check_constraints = OFF").map_err(translated)?;
    mended.left.extend(store.begin(Access::Read)?.integrity(LEFT_MOST)?);
    Ok(mended)
}
