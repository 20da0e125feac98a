//! Dependencies.

use rusqlite::Row;

use super::columns::{count, word};
use super::open::SqliteTransaction;
use crate::domain::task::TaskKey;
use crate::store::contract::{Graph, Kept, Neighbour};

const DEPENDENCIES: &str = "SELECT t.key, t.module, t.state, t.critical_path \
     FROM dependencies d JOIN tasks t ON t.key = d.needs WHERE d.task = ?1 ORDER BY t.key";

const DEPENDENTS: &str = "SELECT t.key, t.module, t.state, t.critical_path \
     FROM dependencies d JOIN tasks t ON t.key = d.task WHERE d.needs = ?1 ORDER BY t.key";

const ADD: &str = "INSERT OR IGNORE INTO dependencies (task, needs) VALUES (?1, ?2)";

const REMOVE: &str = "DELETE FROM dependencies WHERE task = ?1 AND needs = ?2";

fn neighbour(row: &Row<'_>) -> rusqlite::Result<Neighbour> {
    Ok(Neighbour {
        key: TaskKey(row.get(0)?),
        module: word(row, 1)?,
        state: word(row, 2)?,
        critical_path: count(row, 3)?,
    })
}

impl Graph for SqliteTransaction<'_> {
    fn dependencies(&self, task: TaskKey) -> Kept<Vec<Neighbour>> {
        self.all(DEPENDENCIES, [task.0], neighbour)
    }

    fn dependents(&self, task: TaskKey) -> Kept<Vec<Neighbour>> {
        self.all(DEPENDENTS, [task.0], neighbour)
    }

    fn add_dependency(&mut self, task: TaskKey, needs: TaskKey) -> Kept<bool> {
        Ok(self.change(ADD, [task.0, needs.0])? == 1)
    }

    fn remove_dependency(&mut self, task: TaskKey, needs: TaskKey) -> Kept<bool> {
        Ok(self.change(REMOVE, [task.0, needs.0])? == 1)
    }
}
