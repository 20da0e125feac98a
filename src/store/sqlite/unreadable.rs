//! Rows that no program wrote: each is read as the readers of its table read it.

use rusqlite::params;

use super::columns::limit;
use super::open::SqliteTransaction;
use crate::domain::audit::{Finding, Mended, Rule};
use crate::store::contract::Kept;
use crate::store::error::StoreError;

/// A table with a way to read one of its rows.
struct Table {
    name: &'static str,
    /// All keys, after a key, in order.
    keys: &'static str,
    /// Reads the row of a key.
    read: fn(&SqliteTransaction<'_>, &str) -> Kept<bool>,
    /// What may be put in place of a value that cannot be read: an update by key.
    defaults: &'static [&'static str],
    /// Removes the row of a key, where no default helps.
    remove: &'static str,
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(key: &str) -> Kept<T> {
    key.parse().map_err(|error: T::Err| StoreError::Damaged(error.to_string().into()))
}

fn number(key: &str) -> Kept<i64> {
    parsed(key)
}

use crate::domain::attempt::AttemptKey;
use crate::domain::handoff::HandoffKey;
use crate::domain::question::QuestionId;
use crate::domain::task::TaskKey;
use crate::store::contract::{
    Agents as _, Archives as _, Attempts as _, Cursors as _, Events as _, Graph as _, Handoffs as _, Leases as _,
    LeasesOf, NoticeFilter, Notices as _, Preflights as _, Questions as _, Sessions as _, Tasks as _,
};

const TABLES: &[Table] = &[
    Table {
        name: "agents",
        keys: "SELECT id FROM agents WHERE id > ?1 ORDER BY id LIMIT ?2",
        read: |t, key| Ok(t.agent(&parsed(key)?)?.is_some()),
        defaults: &[
            "UPDATE agents SET roles = '[\"worker\"]' WHERE id = ?1",
            "UPDATE agents SET specialties = '[]' WHERE id = ?1",
            "UPDATE agents SET labels = '{}' WHERE id = ?1",
            "UPDATE agents SET max_tasks = NULL WHERE id = ?1",
            "UPDATE agents SET ttl_seconds = NULL WHERE id = ?1",
            "UPDATE agents SET registered_by = NULL WHERE id = ?1",
        ],
        remove: "DELETE FROM agents WHERE id = ?1",
    },
    Table {
        name: "sessions",
        keys: "SELECT id FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2",
        read: |t, key| Ok(t.session(&parsed(key)?)?.is_some()),
        defaults: &[
            "UPDATE sessions SET workspace = '{}' WHERE id = ?1",
            "UPDATE sessions SET registered_by = NULL WHERE id = ?1",
            "UPDATE sessions SET ended_at = coalesce(ended_at, seen_at), ending = 'reaped' WHERE id = ?1",
        ],
        remove: "DELETE FROM sessions WHERE id = ?1",
    },
    Table {
        name: "tasks",
        keys: "SELECT printf('%020d', key) FROM tasks WHERE printf('%020d', key) > ?1 ORDER BY 1 LIMIT ?2",
        read: |t, key| {
            let key = TaskKey(number(key)?);
            t.texts(key)?;
            Ok(t.task_by_key(key)?.is_some())
        },
        defaults: &[
            "UPDATE tasks SET state = 'open', wait_for = NULL WHERE key = CAST(?1 AS INTEGER) AND state NOT IN ('draft', \
             'open', 'active', 'waiting', 'review', 'done', 'failed', 'cancelled')",
            "UPDATE tasks SET candidates = '{\"depends_on\":[],\"owned_paths\":[]}' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET labels = '{}' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET owned_paths = '[]' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET specialty = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET review = NULL, reviewer = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET parent = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET estimate_minutes = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET last_agent = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET reserved_for = NULL, reserved_until = NULL, reserved_why = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET wait_for = 'pause' WHERE key = CAST(?1 AS INTEGER) AND state = 'waiting'",
            "UPDATE task_texts SET acceptance = '[]' WHERE task = CAST(?1 AS INTEGER)",
            "UPDATE tasks SET module = 'task-' || key WHERE key = CAST(?1 AS INTEGER)",
        ],
        remove: "DELETE FROM tasks WHERE key = CAST(?1 AS INTEGER)",
    },
    Table {
        name: "attempts",
        keys: "SELECT printf('%020d', key) FROM attempts WHERE printf('%020d', key) > ?1 ORDER BY 1 LIMIT ?2",
        read: |t, key| Ok(t.attempt(AttemptKey(number(key)?))?.is_some()),
        defaults: &[
            "UPDATE attempts SET workspace = '{}' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE attempts SET changed_paths = '[]' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE attempts SET submitted = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE attempts SET outcome = 'lost' WHERE key = CAST(?1 AS INTEGER) AND ended_at IS NOT NULL",
        ],
        remove: "DELETE FROM attempts WHERE key = CAST(?1 AS INTEGER)",
    },
    Table {
        name: "events",
        keys: "SELECT printf('%020d', seq) FROM events WHERE printf('%020d', seq) > ?1 ORDER BY 1 LIMIT ?2",
        read: |t, key| {
            let seq = u64::try_from(number(key)?).map_err(|error| StoreError::Damaged(error.to_string().into()))?;
            t.notices(&NoticeFilter::default(), seq.saturating_sub(1), 1)?;
            Ok(!t.events(seq.saturating_sub(1), 1)?.is_empty())
        },
        defaults: &[
            "UPDATE events SET data = '{}' WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE events SET module = NULL WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE events SET session = NULL WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE events SET source = 'mutation' WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE events SET priority = 2 WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE events SET kind = 'message' WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE events SET audience = 'humans' WHERE seq = CAST(?1 AS INTEGER) AND audience IS NOT NULL",
            "UPDATE notifications SET resolution = 'expired', resolved_by = NULL \
             WHERE seq = CAST(?1 AS INTEGER) AND resolved_at IS NOT NULL",
        ],
        remove: "DELETE FROM events WHERE seq = CAST(?1 AS INTEGER)",
    },
    Table {
        name: "questions",
        keys: "SELECT printf('%020d', key) FROM questions WHERE printf('%020d', key) > ?1 ORDER BY 1 LIMIT ?2",
        read: |t, key| Ok(t.question(QuestionId(number(key)?))?.is_some()),
        defaults: &[
            "UPDATE questions SET options = '[]' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE questions SET audience = 'humans' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE questions SET asker = NULL WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE questions SET task = NULL, module = NULL WHERE key = CAST(?1 AS INTEGER)",
        ],
        remove: "DELETE FROM questions WHERE key = CAST(?1 AS INTEGER)",
    },
    Table {
        name: "handoffs",
        keys: "SELECT printf('%020d', key) FROM handoffs WHERE printf('%020d', key) > ?1 ORDER BY 1 LIMIT ?2",
        read: |t, key| {
            let key = number(key)?;
            Ok(t.handoffs(None, Some(HandoffKey(key.saturating_add(1))), 1)?.iter().any(|one| one.key.0 == key))
        },
        defaults: &[
            "UPDATE handoffs SET audience = 'humans' WHERE key = CAST(?1 AS INTEGER)",
            "UPDATE handoffs SET claimed_by = NULL WHERE key = CAST(?1 AS INTEGER)",
        ],
        remove: "DELETE FROM handoffs WHERE key = CAST(?1 AS INTEGER)",
    },
    Table {
        name: "cursors",
        keys: "SELECT id FROM cursors WHERE id > ?1 ORDER BY id LIMIT ?2",
        read: |t, key| Ok(t.cursor(&parsed(key)?)?.is_some()),
        defaults: &[],
        remove: "DELETE FROM cursors WHERE id = ?1",
    },
    Table {
        name: "notifications",
        keys: "SELECT printf('%020d', seq) FROM notifications WHERE printf('%020d', seq) > ?1 ORDER BY 1 LIMIT ?2",
        read: |t, key| {
            let seq = u64::try_from(number(key)?).map_err(|error| StoreError::Damaged(error.to_string().into()))?;
            let filter = NoticeFilter { notified: true, ..NoticeFilter::default() };
            Ok(!t.notices(&filter, seq.saturating_sub(1), 1)?.is_empty())
        },
        defaults: &[
            "UPDATE notifications SET data = '{}' WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE notifications SET module = NULL WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE notifications SET session = NULL WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE notifications SET source = 'mutation' WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE notifications SET priority = 2 WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE notifications SET kind = 'message' WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE notifications SET audience = 'humans' WHERE seq = CAST(?1 AS INTEGER)",
            "UPDATE notifications SET resolution = 'expired', resolved_by = NULL \
             WHERE seq = CAST(?1 AS INTEGER) AND resolved_at IS NOT NULL",
        ],
        remove: "DELETE FROM notifications WHERE seq = CAST(?1 AS INTEGER)",
    },
];

/// Keys are read so many at a time.
const PAGE: usize = 1_000;

impl SqliteTransaction<'_> {
    /// Rows that cannot be read, with what is wrong. Tables of few rows are read as a whole.
    pub(super) fn unreadable(&self, most: usize) -> Kept<Vec<Finding>> {
        let mut found = Vec::new();
        for table in TABLES {
            for (key, error) in self.unreadable_in(table, most)? {
                found.push(Finding::new(Rule::UnreadableRow, format!("{} {}", table.name, shown(&key)), error));
            }
        }
        let mut whole = |name: &str, read: Kept<()>| match read {
            Err(StoreError::Damaged(error)) => {
                found.push(Finding::new(Rule::UnreadableRow, name, error));
                Ok(())
            }
            other => other,
        };
        whole("leases", self.leases(LeasesOf::All, usize::MAX).map(drop))?;
        whole("archives", self.archives(0, usize::MAX).map(drop))?;
        whole("preflight", self.preflight().map(drop))?;
        whole("confirmations", self.confirmations(usize::MAX).map(drop))?;
        let keys: Vec<String> = self.all(TABLES[2].keys, params!["", limit(usize::MAX)], |row| row.get(0))?;
        for key in keys {
            let task = TaskKey(number(&key)?);
            whole("verdicts", self.verdicts(task, usize::MAX).map(drop))?;
            whole("dependencies", self.dependencies(task).map(drop))?;
        }
        Ok(found)
    }

    fn unreadable_in(&self, table: &Table, most: usize) -> Kept<Vec<(String, String)>> {
        let (mut bad, mut after) = (Vec::new(), String::new());
        loop {
            let keys: Vec<String> = self.all(table.keys, params![after, limit(PAGE)], |row| row.get(0))?;
            let Some(last) = keys.last() else { return Ok(bad) };
            after.clone_from(last);
            for key in keys {
                match (table.read)(self, &key) {
                    Ok(_) => {}
                    Err(StoreError::Damaged(error)) if bad.len() < most => bad.push((key, error.into())),
                    Err(StoreError::Damaged(_)) => return Ok(bad),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Puts defaults in place of what cannot be read, as few as help; removes what stays unreadable.
    pub(super) fn make_readable(&mut self) -> Kept<Mended> {
        let mut mended = Mended::default();
        for table in TABLES {
            for (key, error) in self.unreadable_in(table, usize::MAX)? {
                let subject = format!("{} {}", table.name, shown(&key));
                if self.default_helps(table, &key)? {
                    let detail = format!("a default is in place of what could not be read: {error}");
                    mended.defaulted.push(Finding::new(Rule::UnreadableRow, subject, detail));
                } else {
                    self.change(table.remove, [&key])?;
                    let detail = format!("it could not be read: {error}");
                    mended.gone.push(Finding::new(Rule::UnreadableRow, subject, detail));
                }
            }
        }
        for (name, is_bad, clear) in [
            ("leases", self.leases(LeasesOf::All, usize::MAX).is_err(), "DELETE FROM leases"),
            ("archives", self.archives(0, usize::MAX).is_err(), "DELETE FROM archives"),
            ("preflight", self.preflight().is_err(), "DELETE FROM preflight"),
            ("confirmations", self.confirmations(usize::MAX).is_err(), "DELETE FROM confirmations"),
        ] {
            if is_bad {
                self.change(clear, [])?;
                mended.gone.push(Finding::new(Rule::UnreadableRow, name, "the whole table could not be read"));
            }
        }
        self.change("DELETE FROM verdicts WHERE verdict NOT IN ('approved', 'changes_requested')", [])?;
        self.change("UPDATE board SET preflighted = 0 WHERE NOT EXISTS (SELECT 1 FROM preflight)", [])?;
        Ok(mended)
    }

    /// Puts one default in its place where one is enough, so that what reads stays; else as many as it takes.
    fn default_helps(&self, table: &Table, key: &str) -> Kept<bool> {
        let tried = |default: &str| {
            let done = self.change(default, [key]);
            done.is_ok() && (table.read)(self, key).is_ok()
        };
        for default in table.defaults {
            self.change("SAVEPOINT one_default", [])?;
            let helped = tried(default);
            if !helped {
                self.change("ROLLBACK TO one_default", [])?;
            }
            self.change("RELEASE one_default", [])?;
            if helped {
                return Ok(true);
            }
        }
        Ok(table.defaults.iter().any(|default| tried(default)))
    }
}

/// A key as people know it.
fn shown(key: &str) -> &str {
    let bare = key.trim_start_matches('0');
    if bare.is_empty() { key } else { bare }
}
