//! Requests that were committed.

use rusqlite::params;

use super::columns::{count, limit, number, word};
use super::open::SqliteTransaction;
use crate::domain::id::RequestId;
use crate::domain::time::Millis;
use crate::store::contract::{Kept, Request, Requests};

const BY_ID: &str = "SELECT id, digest, reply, revision, at FROM requests WHERE id = ?1";

const KEEP: &str = "INSERT INTO requests (id, digest, reply, revision, at) VALUES (?1, ?2, ?3, ?4, ?5)";

const FORGET: &str = "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE at < ?1 ORDER BY at LIMIT ?2)";

impl Requests for SqliteTransaction<'_> {
    fn request(&self, id: &RequestId) -> Kept<Option<Request>> {
        self.one(BY_ID, [id.as_str()], |row| {
            Ok(Request {
                id: word(row, 0)?,
                digest: row.get(1)?,
                reply: row.get(2)?,
                revision: count(row, 3)?,
                at: Millis(row.get(4)?),
            })
        })
    }

    fn keep_request(&mut self, request: &Request) -> Kept<()> {
        let values =
            params![request.id.as_str(), request.digest, request.reply, number(request.revision), request.at.0];
        self.change_one("a request", KEEP, values)
    }

    fn forget_requests(&mut self, before: Millis, most: usize) -> Kept<()> {
        self.change(FORGET, [before.0, limit(most)]).map(drop)
    }
}
