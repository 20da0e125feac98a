//! What is known of archives of events.

use rusqlite::{Row, params};

use super::columns::{count, limit, number};
use super::open::SqliteTransaction;
use crate::domain::time::Millis;
use crate::store::contract::{Archive, Archives, Kept};

const ADD: &str = "INSERT INTO archives (first, last, name, sha256, bytes, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const BY_NAME: &str = "SELECT first, last, name, sha256, bytes, at FROM archives WHERE name = ?1";

const AFTER: &str = "SELECT first, last, name, sha256, bytes, at FROM archives WHERE last > ?1 ORDER BY first LIMIT ?2";

fn archive(row: &Row<'_>) -> rusqlite::Result<Archive> {
    Ok(Archive {
        first: count(row, 0)?,
        last: count(row, 1)?,
        name: row.get(2)?,
        sha256: row.get(3)?,
        bytes: count(row, 4)?,
        at: Millis(row.get(5)?),
    })
}

impl Archives for SqliteTransaction<'_> {
    fn add_archive(&mut self, archive: &Archive) -> Kept<()> {
        let Archive { first, last, name, sha256, bytes, at } = archive;
        let values = params![number(*first), number(*last), name, sha256, number(*bytes), at.0];
        self.change_one("an archive", ADD, values)
    }

    fn archive(&self, name: &str) -> Kept<Option<Archive>> {
        self.one(BY_NAME, [name], archive)
    }

    fn archives(&self, after: u64, most: usize) -> Kept<Vec<Archive>> {
        self.all(AFTER, [number(after), limit(most)], archive)
    }
}
