//! Dependencies between tasks, and the numbers that follow from them.
//!
//! **Invariants.** Of a task that is not done: `unmet` counts its dependencies that are not done, `held_up` its direct
//! dependents that are not final, `critical_path` the longest chain of such below it. Done tasks keep old numbers,
//! because nothing ranks them; leaving done makes them anew.

use serde_json::json;

use super::turn::Turn;
use crate::domain::event::EventKind;
use crate::domain::graph;
use crate::domain::id::Module;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Task, TaskKey, TaskState};
use crate::store::contract::Neighbour;

/// Whether an edge may be added to work that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Do it.
    Yes,
}

impl Turn<'_> {
    /// Makes `module` depend on each of `on`; edges that exist are left. Refuses unknown tasks, a circle (which is
    /// printed), and without force an active or final `module`.
    pub fn depend(&mut self, module: &Module, on: &[Module], force: Force) -> Result<Task, Refusal> {
        let task = self.named_task(module)?;
        let busy = task.state == TaskState::Active || task.state.is_final();
        if busy && force == Force::No && !on.is_empty() {
            let message = format!("{module} is {}: a new dependency would come too late", task.state);
            let on: Vec<&str> = on.iter().map(Module::as_str).collect();
            return Err(Refusal::new(Code::ForceRequired, message)
                .hint(format!("callboard depend {module} --on {} --force", on.join(","))));
        }
        let mut added = Vec::new();
        for needed in on {
            let needs = super::look::known_task(self.store, needed)?;
            self.refuse_circle(&task, &needs)?;
            if self.store.add_dependency(task.key, needs.key)? {
                added.push(needed.clone());
                self.edge_changed(task.key, &needs)?;
            }
        }
        if !added.is_empty() {
            self.event(EventKind::DependencyAdded, module, json!({"on": added}));
        }
        self.reload(task.key)
    }

    /// Removes the dependencies of `module` on each of `on`; an edge that is not there is left out. Refuses unknown
    /// tasks.
    pub fn undepend(&mut self, module: &Module, on: &[Module]) -> Result<Task, Refusal> {
        let task = self.named_task(module)?;
        let mut removed = Vec::new();
        for needed in on {
            let needs = super::look::known_task(self.store, needed)?;
            if self.store.remove_dependency(task.key, needs.key)? {
                removed.push(needed.clone());
                self.edge_changed(task.key, &needs)?;
            }
        }
        if !removed.is_empty() {
            self.event(EventKind::DependencyRemoved, module, json!({"on": removed}));
        }
        self.reload(task.key)
    }

    /// The task as it is now.
    pub(super) fn reload(&self, key: TaskKey) -> Result<Task, Refusal> {
        self.store.task_by_key(key)?.ok_or_else(|| Refusal::missing_row(format!("the task of row {}", key.0)))
    }

    fn refuse_circle(&self, task: &Task, needs: &Task) -> Result<(), Refusal> {
        let next = |key: TaskKey| {
            Ok::<_, Refusal>(self.store.dependencies(key)?.into_iter().map(|needed| needed.key).collect::<Vec<_>>())
        };
        let way = match task.key == needs.key {
            true => Some(vec![needs.key]),
            false => graph::way(needs.key, task.key, next)?,
        };
        let Some(way) = way else { return Ok(()) };
        let mut names = vec![task.module.to_string()];
        for key in way {
            names.push(self.reload(key)?.module.into());
        }
        let circle = names.join(" -> ");
        Err(Refusal::new(Code::Cycle, format!("that would close a circle: {circle}"))
            .hint(format!("callboard graph {}", task.module))
            .detail("circle", names))
    }

    /// Sets the numbers of both ends of an edge that was added or removed.
    fn edge_changed(&mut self, task: TaskKey, needs: &Task) -> Result<(), Refusal> {
        let before = self.reload(task)?;
        let mut after = before.clone();
        after.unmet = count(self.store.dependencies(task)?.iter().filter(|needed| needed.state != TaskState::Done));
        if after.unmet == before.unmet {
            // The edge itself is a change of this task.
            self.write_task(&before, &mut after)?;
        } else {
            self.save_task(&before, &mut after)?;
        }
        if needs.state != TaskState::Done {
            self.reweigh(vec![needs.key])?;
        }
        Ok(())
    }

    /// After a task became done, or ceased to be: its dependents have one unmet dependency less, or more.
    pub(super) fn carry_down(&mut self, task: &Task) -> Result<(), Refusal> {
        for dependent in self.store.dependents(task.key)? {
            let before = self.reload(dependent.key)?;
            let mut after = before.clone();
            after.unmet = match task.state {
                TaskState::Done => before.unmet.saturating_sub(1),
                _ => before.unmet + 1,
            };
            if task.state != TaskState::Done && before.state == TaskState::Active {
                self.warn(format!("{} is being worked on and depends on {}", before.module, task.module));
            }
            self.write_task(&before, &mut after)?;
        }
        Ok(())
    }

    /// After a task became final, or ceased to be: what it depends on holds up one task less, or more.
    pub(super) fn carry_up(&mut self, task: TaskKey) -> Result<(), Refusal> {
        let needed = self.store.dependencies(task)?;
        self.reweigh(
            needed.into_iter().filter(|needed| needed.state != TaskState::Done).map(|needed| needed.key).collect(),
        )
    }

    /// How many tasks hang below this one, and how deep.
    pub(super) fn weight_below(&self, key: TaskKey) -> Result<(u32, u32), Refusal> {
        let below: Vec<Neighbour> =
            self.store.dependents(key)?.into_iter().filter(|dependent| !dependent.state.is_final()).collect();
        Ok((count(below.iter()), graph::critical_path(below.iter().map(|dependent| dependent.critical_path))))
    }

    /// Makes the weights of these tasks right, and of those above them as far as a critical path changes.
    pub(super) fn reweigh(&mut self, mut keys: Vec<TaskKey>) -> Result<(), Refusal> {
        while let Some(key) = keys.pop() {
            let before = self.reload(key)?;
            let mut after = before.clone();
            (after.held_up, after.critical_path) = self.weight_below(key)?;
            if (after.held_up, after.critical_path) == (before.held_up, before.critical_path) {
                continue;
            }
            self.write_task(&before, &mut after)?;
            if after.critical_path != before.critical_path && !after.state.is_final() {
                let above = self.store.dependencies(key)?;
                keys.extend(
                    above.into_iter().filter(|needed| needed.state != TaskState::Done).map(|needed| needed.key),
                );
            }
        }
        Ok(())
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
