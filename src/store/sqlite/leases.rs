//! Leases.

use rusqlite::{Row, params};

use super::columns::{count, json, limit, number, ttl, word};
use super::open::SqliteTransaction;
use crate::domain::attempt::AttemptKey;
use crate::domain::id::SessionId;
use crate::domain::lease::{Lease, LeaseKind};
use crate::domain::task::TaskKey;
use crate::domain::time::{LeaseTime, Millis};
use crate::store::contract::{HeldScopes, Kept, Leases, LeasesOf};

const ONE: &str = "SELECT task, kind, module, attempt, agent, session, epoch, token, ttl, acquired_at, deadline, lapsed, \
     handed FROM leases WHERE task = ?1 AND kind = ?2";

const ALL: &str = "SELECT task, kind, module, attempt, agent, session, epoch, token, ttl, acquired_at, deadline, lapsed, \
     handed FROM leases ORDER BY deadline, task LIMIT ?1";

const OF_AGENT: &str = "SELECT task, kind, module, attempt, agent, session, epoch, token, ttl, acquired_at, deadline, \
     lapsed, handed FROM leases WHERE agent = ?2 ORDER BY task, kind LIMIT ?1";

const OF_SESSION: &str = "SELECT task, kind, module, attempt, agent, session, epoch, token, ttl, acquired_at, deadline, \
     lapsed, handed FROM leases WHERE session = ?2 ORDER BY task, kind LIMIT ?1";

const OVERDUE: &str = "SELECT task, kind, module, attempt, agent, session, epoch, token, ttl, acquired_at, deadline, \
     lapsed, handed FROM leases WHERE lapsed = 0 AND deadline <= ?2 ORDER BY deadline, task LIMIT ?1";

const LAPSED: &str = "SELECT task, kind, module, attempt, agent, session, epoch, token, ttl, acquired_at, deadline, \
     lapsed, handed FROM leases WHERE lapsed = 1 ORDER BY task, kind LIMIT ?1";

const PUT: &str = "INSERT OR REPLACE INTO leases (task, kind, module, attempt, agent, session, epoch, token, ttl, \
     acquired_at, deadline, lapsed, handed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

const REMOVE: &str = "DELETE FROM leases WHERE task = ?1 AND kind = ?2";

const NEXT_DEADLINE: &str = "SELECT deadline FROM leases WHERE lapsed = 0 ORDER BY deadline LIMIT 1";

const HELD_SCOPES: &str = "SELECT l.task, l.kind, l.module, l.attempt, l.agent, l.session, l.epoch, l.token, l.ttl, \
     l.acquired_at, l.deadline, l.lapsed, l.handed, t.owned_paths FROM leases l JOIN tasks t ON t.key = l.task \
     WHERE l.kind = 'work' AND l.lapsed = 0 AND t.owned_paths <> '[]' ORDER BY l.task";

fn lease(row: &Row<'_>) -> rusqlite::Result<Lease> {
    Ok(Lease {
        task: TaskKey(row.get(0)?),
        kind: word(row, 1)?,
        module: word(row, 2)?,
        attempt: AttemptKey(row.get(3)?),
        agent: word(row, 4)?,
        session: word(row, 5)?,
        epoch: count(row, 6)?,
        token: word(row, 7)?,
        ttl: ttl(row, 8)?,
        acquired_at: Millis(row.get(9)?),
        deadline: LeaseTime(row.get(10)?),
        lapsed: row.get(11)?,
        handed: row.get(12)?,
    })
}

impl Leases for SqliteTransaction<'_> {
    fn lease(&self, task: TaskKey, kind: LeaseKind) -> Kept<Option<Lease>> {
        self.one(ONE, params![task.0, kind.as_str()], lease)
    }

    fn put_lease(&mut self, lease: &Lease) -> Kept<()> {
        let values = params![
            lease.task.0,
            lease.kind.as_str(),
            lease.module.as_str(),
            lease.attempt.0,
            lease.agent.as_str(),
            lease.session.as_str(),
            number(lease.epoch),
            lease.token.as_str(),
            lease.ttl.seconds(),
            lease.acquired_at.0,
            lease.deadline.0,
            lease.lapsed,
            lease.handed,
        ];
        self.change_one("a lease", PUT, values)
    }

    fn remove_lease(&mut self, task: TaskKey, kind: LeaseKind) -> Kept<()> {
        self.change_one("a lease", REMOVE, params![task.0, kind.as_str()])
    }

    fn leases(&self, which: LeasesOf<'_>, most: usize) -> Kept<Vec<Lease>> {
        let most = limit(most);
        match which {
            LeasesOf::All => self.all(ALL, [most], lease),
            LeasesOf::Agent(agent) => self.all(OF_AGENT, params![most, agent.as_str()], lease),
            LeasesOf::Session(session) => self.all(OF_SESSION, params![most, SessionId::as_str(session)], lease),
            LeasesOf::Overdue(by) => self.all(OVERDUE, [most, by.0], lease),
            LeasesOf::Lapsed => self.all(LAPSED, [most], lease),
        }
    }

    fn held_scopes(&self) -> Kept<Vec<HeldScopes>> {
        self.all(HELD_SCOPES, [], |row| Ok(HeldScopes { lease: lease(row)?, scopes: json(row, 13)? }))
    }

    fn next_deadline(&self) -> Kept<Option<LeaseTime>> {
        self.one(NEXT_DEADLINE, [], |row| row.get(0).map(LeaseTime))
    }
}
