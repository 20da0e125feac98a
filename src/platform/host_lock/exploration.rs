//! Explores every interleaving of the lock protocol, and takes each mend out again to see that it is noticed.

use std::collections::HashMap;

use super::model::{Budget, Defect, World};

/// Explores everything; the number of worlds, or the first violation.
fn explore(processes: usize, budget: Budget, defect: Defect) -> Result<usize, String> {
    let first = World::new(processes, budget);
    let mut known = HashMap::from([(first.clone(), 0usize)]);
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut todo = vec![(first, 0)];
    let mut over = Vec::new();
    while let Some((world, at)) = todo.pop() {
        if let Some(violation) = world.violation() {
            return Err(violation);
        }
        if world.is_over() {
            over.push(at);
        }
        for next in world.successors(defect) {
            let number = known.len();
            let to = *known.entry(next.clone()).or_insert(number);
            if to == number {
                before.push(Vec::new());
                todo.push((next, to));
            }
            before[to].push(at);
        }
    }
    // From each world some way leads to the end, else somebody is locked out for good.
    let mut ends = vec![false; before.len()];
    while let Some(at) = over.pop() {
        if !std::mem::replace(&mut ends[at], true) {
            over.extend(&before[at]);
        }
    }
    match known.iter().find(|(_, at)| !ends[**at]) {
        Some((world, _)) => Err(format!("somebody never gets in: {world:?}")),
        None => Ok(known.len()),
    }
}

/// Two processes and every fault at once, which takes a minute or more without optimisation; `scripts/soak.sh` has it run.
const EVERY_FAULT: Budget = Budget { crashes: 1, freezes: 1, sweeps: 1, hides: 1, nonces: 2 };

fn is_soaking() -> bool {
    option_env!("CALLBOARD_SOAK").is_some()
}

#[test]
fn two_processes_are_safe_whatever_fails() {
    let budgets = if is_soaking() {
        vec![EVERY_FAULT]
    } else {
        vec![
            Budget { nonces: 1, ..EVERY_FAULT },
            Budget { crashes: 0, hides: 0, ..EVERY_FAULT },
            Budget { crashes: 0, freezes: 0, ..EVERY_FAULT },
            Budget { freezes: 0, sweeps: 0, ..EVERY_FAULT },
        ]
    };
    for budget in budgets {
        let worlds = explore(2, budget, Defect::None).expect("the protocol is safe");
        assert!(worlds > 3_000, "{worlds}");
    }
}

#[test]
fn three_processes_are_safe_whatever_fails() {
    let none = Budget { crashes: 0, freezes: 0, sweeps: 0, hides: 0, nonces: 1 };
    let mut budgets = vec![Budget { freezes: 1, ..none.clone() }, Budget { crashes: 1, ..none.clone() }];
    if is_soaking() {
        budgets.push(Budget { crashes: 1, freezes: 1, ..none.clone() });
        budgets.push(Budget { sweeps: 1, hides: 1, ..none });
    }
    for budget in budgets {
        let worlds = explore(3, budget, Defect::None).expect("the protocol is safe");
        assert!(worlds > 1_000, "{worlds}");
    }
}

#[test]
fn the_model_notices_each_mend_that_is_taken_out() {
    let none = Budget { crashes: 0, freezes: 0, sweeps: 0, hides: 0, nonces: 2 };
    let faults = [
        (Defect::SweepInPlace, Budget { sweeps: 1, ..none.clone() }, "lost its lock"),
        (Defect::KeepLeftovers, Budget { hides: 1, ..none.clone() }, "never gets in"),
        (Defect::TrustOldRename, none.clone(), "lost its lock"),
        (Defect::BreakByRename, Budget { freezes: 1, ..none.clone() }, "lost its lock"),
        (Defect::NeverPrepareAgain, Budget { sweeps: 1, ..none }, "never gets in"),
    ];
    for (defect, budget, expected) in faults {
        explore(2, budget.clone(), Defect::None).expect("safe without the defect");
        let found = explore(2, budget, defect).err().unwrap_or_else(|| panic!("{defect:?} was not noticed"));
        assert!(found.contains(expected), "{defect:?}: {found}");
    }
}
