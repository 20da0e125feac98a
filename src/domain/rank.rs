//! Which of the ready tasks comes first. `references/ranking.md` says the same in prose.
//!
//! **Invariants.** The order is total and deterministic. Priority dominates: the other terms together stay below one
//! step of it, so no amount of fan-out puts a priority 2 before a priority 1. The part that depends on the task alone
//! is a column (`score`); the specialty of the agent is added when it asks.

use super::id::Specialty;
use super::task::Task;

/// One step of priority.
pub const PRIORITY_STEP: i64 = 10_000;
/// Each task on the critical path below.
pub const CRITICAL_PATH_WEIGHT: i64 = 100;
/// Each direct dependent, up to [`HELD_UP_MOST`].
pub const HELD_UP_WEIGHT: i64 = 20;
/// More dependents than this count for no more.
pub const HELD_UP_MOST: u32 = 50;
/// The task is of a specialty that the agent registered.
pub const SPECIALTY_MATCH: i64 = 2_000;
/// The task asks for no specialty.
pub const SPECIALTY_FREE: i64 = 1_000;
/// After so many candidates that overlap with live leases a claim stops and says so.
pub const CONFLICTS_MOST: usize = 200;

/// The terms of a task's rank, for `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// From the priority.
    pub priority: i64,
    /// From the critical path below it.
    pub critical_path: i64,
    /// From the tasks that wait for it directly.
    pub held_up: i64,
    /// From the specialties of the agent.
    pub specialty: i64,
}

impl Terms {
    /// Their sum: higher comes first; of equals the older task.
    pub fn total(self) -> i64 {
        self.priority + self.critical_path + self.held_up + self.specialty
    }
}

/// The part of the rank that does not depend on the agent.
pub fn score(task: &Task) -> i64 {
    let terms = terms(task, &[]);
    terms.total() - terms.specialty
}

/// All terms, for an agent of these specialties.
pub fn terms(task: &Task, specialties: &[Specialty]) -> Terms {
    Terms {
        priority: (4 - i64::from(task.priority.min(4))) * PRIORITY_STEP,
        critical_path: i64::from(task.critical_path) * CRITICAL_PATH_WEIGHT,
        held_up: i64::from(task.held_up.min(HELD_UP_MOST)) * HELD_UP_WEIGHT,
        specialty: bonus(task.specialty.as_ref(), specialties),
    }
}

/// What the agent's specialties add to a task of `specialty`.
pub fn bonus(specialty: Option<&Specialty>, specialties: &[Specialty]) -> i64 {
    match specialty {
        // An agent of no specialty is as good for every task.
        _ if specialties.is_empty() => 0,
        None => SPECIALTY_FREE,
        Some(one) if specialties.contains(one) => SPECIALTY_MATCH,
        Some(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::CRITICAL_PATH_MOST;
    use super::super::task::tests::open_task;
    use super::*;

    #[test]
    fn priority_dominates_everything_else() {
        let mut urgent = open_task(2, "urgent");
        urgent.priority = 1;
        urgent.specialty = Some("other".parse().expect("a specialty"));
        let mut heavy = open_task(1, "heavy");
        heavy.critical_path = CRITICAL_PATH_MOST;
        heavy.held_up = 10_000;
        heavy.specialty = Some("mine".parse().expect("a specialty"));
        let mine = ["mine".parse().expect("a specialty")];
        assert!(terms(&urgent, &mine).total() > terms(&heavy, &mine).total());
    }
}
