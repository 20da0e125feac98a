//! Named readers.

use rusqlite::{Row, params};

use super::columns::{count, limit, number, word};
use super::open::SqliteTransaction;
use crate::domain::cursor::Cursor;
use crate::domain::id::CursorId;
use crate::domain::time::Millis;
use crate::store::contract::{Cursors, Kept};

const BY_ID: &str =
    "SELECT id, stream, filter, generation, delivered, acknowledged, moved_at FROM cursors WHERE id = ?1";

const ALL: &str = "SELECT id, stream, filter, generation, delivered, acknowledged, moved_at FROM cursors \
     ORDER BY moved_at DESC, id LIMIT ?1";

const PUT: &str = "INSERT OR REPLACE INTO cursors (id, stream, filter, generation, delivered, acknowledged, moved_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

fn cursor(row: &Row<'_>) -> rusqlite::Result<Cursor> {
    Ok(Cursor {
        id: word(row, 0)?,
        stream: word(row, 1)?,
        filter: row.get(2)?,
        generation: row.get(3)?,
        delivered: count(row, 4)?,
        acknowledged: count(row, 5)?,
        moved_at: Millis(row.get(6)?),
    })
}

impl Cursors for SqliteTransaction<'_> {
    fn cursor(&self, id: &CursorId) -> Kept<Option<Cursor>> {
        self.one(BY_ID, [id.as_str()], cursor)
    }

    fn put_cursor(&mut self, cursor: &Cursor) -> Kept<()> {
        let values = params![
            cursor.id.as_str(),
            cursor.stream.as_str(),
            cursor.filter,
            cursor.generation,
            number(cursor.delivered),
            number(cursor.acknowledged),
            cursor.moved_at.0,
        ];
        self.change_one("a cursor", PUT, values)
    }

    fn cursors(&self, most: usize) -> Kept<Vec<Cursor>> {
        self.all(ALL, [limit(most)], cursor)
    }
}
