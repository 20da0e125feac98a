//! What the team said of itself, and the places that were confirmed.

use rusqlite::{Row, params};

use super::columns::{json, limit, to_json, word};
use super::open::SqliteTransaction;
use crate::domain::id::{BranchName, CommitId};
use crate::domain::preflight::{Confirmed, Preflight};
use crate::domain::time::Millis;
use crate::store::contract::{Kept, Preflights};

const SAID: &str = "SELECT said FROM preflight";

const PUT: &str = "INSERT OR REPLACE INTO preflight (one, said) VALUES (1, ?1)";

const OF_PLACE: &str =
    "SELECT host, workspace, branch, head, by, at FROM confirmations WHERE host = ?1 AND workspace = ?2";

const NEWEST: &str = "SELECT host, workspace, branch, head, by, at FROM confirmations INDEXED BY newest_confirmations \
     ORDER BY at DESC, host, workspace LIMIT ?1";

const CONFIRM: &str = "INSERT OR REPLACE INTO confirmations (host, workspace, branch, head, by, at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

fn confirmed(row: &Row<'_>) -> rusqlite::Result<Confirmed> {
    Ok(Confirmed {
        host: word(row, 0)?,
        workspace: word(row, 1)?,
        // What older programs or other hands have written and these types do not allow is unknown.
        branch: row.get::<_, Option<String>>(2)?.and_then(|branch| branch.parse().ok()),
        head: row.get::<_, Option<String>>(3)?.and_then(|head| head.parse().ok()),
        by: row.get(4)?,
        at: Millis(row.get(5)?),
    })
}

impl Preflights for SqliteTransaction<'_> {
    fn preflight(&self) -> Kept<Option<Preflight>> {
        self.one(SAID, [], |row| json(row, 0))
    }

    fn put_preflight(&mut self, preflight: &Preflight) -> Kept<()> {
        self.change_one("the preflight", PUT, [to_json(preflight)])
    }

    fn confirmation(&self, host: &str, workspace: &str) -> Kept<Option<Confirmed>> {
        self.one(OF_PLACE, [host, workspace], confirmed)
    }

    fn confirmations(&self, most: usize) -> Kept<Vec<Confirmed>> {
        self.all(NEWEST, [limit(most)], confirmed)
    }

    fn put_confirmation(&mut self, confirmed: &Confirmed) -> Kept<()> {
        let Confirmed { host, workspace, branch, head, by, at } = confirmed;
        let (branch, head) = (branch.as_ref().map(BranchName::as_str), head.as_ref().map(CommitId::as_str));
        self.change_one("a confirmation", CONFIRM, params![host.as_str(), workspace.as_str(), branch, head, by, at.0])
    }
}
