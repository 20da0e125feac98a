//! The files that SQLite keeps beside a database.

use std::path::{Path, PathBuf};

/// Endings of those without which a copy of the database may be wrong.
pub const JOURNALS: [&str; 2] = ["-journal", "-wal"];
/// Endings of all of them.
pub const COMPANIONS: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The file with `ending` beside a database.
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
