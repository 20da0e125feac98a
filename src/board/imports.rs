//! A whole plan at once: many tasks whose dependencies may point forward.

use std::collections::{BTreeSet, HashMap};

use serde_json::json;

use super::graph::Force;
use super::tasks::{Edit, NewTask};
use super::turn::Turn;
use crate::domain::event::{EventKind, Source};
use crate::domain::graph;
use crate::domain::id::Module;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Task, TaskKey, TaskState};

/// A task of a plan, with the line it came from.
#[derive(Clone, Debug)]
pub struct PlannedTask {
    /// Its line in the file.
    pub line: usize,
    /// The task. What it depends on may be in the plan or on the board.
    pub task: NewTask,
}

/// What to do with modules that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Leave them.
    Keep,
    /// Change those that are draft, open or waiting to match.
    Update,
}

/// What an import did.
#[derive(Clone, Debug, Default)]
pub struct Imported {
    /// Tasks that were added.
    pub added: Vec<Module>,
    /// Tasks that were changed to match.
    pub updated: Vec<Module>,
    /// How many existed and were left as they are.
    pub unchanged: u64,
}

/// Checks what can be checked without a board: names twice, circles within the plan. Refuses with `import_line` or
/// `cycle`.
pub fn check_plan(plan: &[PlannedTask]) -> Result<(), Refusal> {
    let mut places: HashMap<&Module, usize> = HashMap::with_capacity(plan.len());
    for (at, planned) in plan.iter().enumerate() {
        if let Some(first) = places.insert(&planned.task.module, at) {
            let message =
                format!("line {}: {} stands in line {} too", planned.line, planned.task.module, plan[first].line);
            return Err(Refusal::new(Code::ImportLine, message).detail("line", planned.line));
        }
    }
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); plan.len()];
    for (at, planned) in plan.iter().enumerate() {
        edges[at].extend(planned.task.depends_on.iter().filter_map(|needed| places.get(needed)));
        if let Some(parent) = planned.task.parent.as_ref().and_then(|parent| places.get(parent)) {
            edges[*parent].push(at);
        }
    }
    let Some(circle) = graph::circle(&edges) else { return Ok(()) };
    let mut names: Vec<&str> = circle.iter().map(|at| plan[*at].task.module.as_str()).collect();
    names.push(names[0]);
    let message = format!("line {}: the plan has a circle: {}", plan[circle[0]].line, names.join(" -> "));
    Err(Refusal::new(Code::Cycle, message).detail("line", plan[circle[0]].line).detail("circle", names))
}

impl Turn<'_> {
    /// Adds a plan that [`check_plan`] has accepted: all of it or nothing. Refuses with `import_line` a dependency
    /// that is neither in the plan nor on the board.
    pub fn import(&mut self, plan: Vec<PlannedTask>, known: Known) -> Result<Imported, Refusal> {
        self.comes_from(Source::Intake);
        let mut done = Imported::default();
        let mut keys: HashMap<Module, TaskKey> = HashMap::with_capacity(plan.len());
        let mut edges = Vec::new();
        let mut revisions = Vec::new();
        for planned in plan {
            let NewTask { module, depends_on, parent, .. } = &planned.task;
            let existing = self.store.task(module)?;
            let wanted = match &existing {
                None => true,
                Some(task) => known == Known::Update && is_pliable(task),
            };
            if wanted {
                edges.extend(depends_on.iter().map(|needed| (planned.line, module.clone(), needed.clone())));
                edges.extend(parent.iter().map(|parent| (planned.line, parent.clone(), module.clone())));
            }
            match existing {
                None => {
                    let task = self.insert_new(planned.task)?;
                    done.added.push(task.module.clone());
                    keys.insert(task.module, task.key);
                }
                Some(task) if wanted => {
                    revisions.push((task.module.clone(), task.revision));
                    self.edit_task(&task.module, matching(planned.task), Force::No)?;
                }
                Some(_) => done.unchanged += 1,
            }
        }
        self.add_edges(&edges, &keys)?;
        let mut wanted: HashMap<&Module, Vec<&Module>> = HashMap::new();
        for (_, module, needed) in edges.iter().filter(|_| !revisions.is_empty()) {
            wanted.entry(module).or_default().push(needed);
        }
        for (module, revision) in revisions {
            self.remove_other_edges(&module, wanted.get(&module).map_or(&[], Vec::as_slice))?;
            let after = super::look::known_task(self.store, &module)?;
            if after.revision == revision { done.unchanged += 1 } else { done.updated.push(module) }
        }
        self.named.clear();
        if !done.added.is_empty() || !done.updated.is_empty() {
            let data = json!({"added": done.added.len(), "updated": done.updated.len(), "unchanged": done.unchanged});
            self.board_event(EventKind::Imported, None, data);
        }
        Ok(done)
    }

    /// Adds the edges of new tasks, and then the numbers of the graph once for each task instead of once an edge.
    fn add_edges(&mut self, edges: &[(usize, Module, Module)], new: &HashMap<Module, TaskKey>) -> Result<(), Refusal> {
        let mut weights = BTreeSet::new();
        let is_within = |module: &Module, needed: &Module| new.contains_key(module) && new.contains_key(needed);
        // Edges within the plan first: the plan has no circle by itself. Then each of the others is looked at, because a
        // circle may run through the plan and the board.
        for (line, module, needed) in edges {
            let (from, to) = (self.end_of_edge(*line, module, new)?, self.end_of_edge(*line, needed, new)?);
            if is_within(module, needed) && self.store.add_dependency(from, to)? {
                let before = self.reload(from)?;
                let needs = self.reload(to)?;
                if needs.state != TaskState::Done {
                    let mut after = before.clone();
                    after.unmet += 1;
                    self.write_task(&before, &mut after)?;
                    weights.insert(to);
                }
            }
        }
        self.reweigh(weights.into_iter().collect())?;
        for (_, module, needed) in edges.iter().filter(|(_, module, needed)| !is_within(module, needed)) {
            self.depend(module, std::slice::from_ref(needed), Force::No)?;
        }
        Ok(())
    }

    /// Removes what a known task depends on and the plan does not say any more.
    fn remove_other_edges(&mut self, module: &Module, wanted: &[&Module]) -> Result<(), Refusal> {
        let task = super::look::known_task(self.store, module)?;
        let there = self.store.dependencies(task.key)?.into_iter().map(|needed| needed.module);
        let others: Vec<Module> = there.filter(|needed| !wanted.contains(&needed)).collect();
        if !others.is_empty() {
            self.undepend(module, &others)?;
        }
        Ok(())
    }

    fn end_of_edge(&self, line: usize, module: &Module, new: &HashMap<Module, TaskKey>) -> Result<TaskKey, Refusal> {
        if let Some(key) = new.get(module) {
            return Ok(*key);
        }
        match self.store.task(module)? {
            Some(task) => Ok(task.key),
            None => {
                let message = format!("line {line}: there is no task {module}, in the plan or on the board");
                Err(Refusal::new(Code::ImportLine, message).detail("line", line).detail("module", module.as_str()))
            }
        }
    }
}

fn is_pliable(task: &Task) -> bool {
    matches!(task.state, TaskState::Draft | TaskState::Open | TaskState::Waiting)
}

fn matching(task: NewTask) -> Edit {
    Edit {
        expected_revision: None,
        title: Some(task.title),
        body: Some(task.texts.body),
        acceptance: Some(task.texts.acceptance),
        priority: Some(task.priority),
        specialty: Some(task.specialty),
        owned_paths: Some(task.owned_paths),
        estimate_minutes: task.estimate_minutes,
        review: task.review,
        reviewer: task.reviewer,
        labels: Some(task.labels),
    }
}
