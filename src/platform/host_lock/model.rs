//! The lock protocol over a model of the storage, with [`super::protocol`] itself inside: from each world, every world that
//! may come next. `exploration` explores them all.
//!
//! The model has processes that crash, freeze and resume; a sweeper whose clock is wrong, so that it sweeps what is alive;
//! unlinks and renames that take effect after their process has died; and a file system that renames a file which is
//! unlinked while it is open. Defects that the protocol once had, or could get, are put back one at a time, and the model
//! has to notice each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::protocol::{
    Acquisition, Content, OBSERVATIONS_TO_BREAK, Observation, ProcessState, Step, StepResult, holder_file,
};

type Names = BTreeSet<String>;

/// A directory other than `lock.d`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Directory {
    Private(String),
    Swept(String),
}

/// What the storage does on behalf of a process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Operation {
    Rename(String),
    Unlink(Vec<String>),
    RemoveDirectory,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Process {
    /// The private directory exists, its file does not yet.
    Preparing(Acquisition),
    Acquiring(Acquisition, Step),
    Holding(String),
    /// Frozen while it holds the lock.
    Frozen(String),
    Releasing(String, Step),
    Gone,
}

/// Removes one private directory, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Sweeper {
    Idle,
    RenameAway(String),
    Empty(String),
    Remove(String),
    /// A defect: the private directory is emptied where it stands.
    EmptyInPlace(String),
    RemoveInPlace(String),
}

/// A mend that is taken out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    None,
    /// As the first version was: a private directory is emptied under its own name, and a rename is taken for the lock. Each
    /// of the two mends is enough for the model; the second also holds against sweepers of the first version.
    SweepInPlace,
    /// A file that was unlinked while open keeps the lock.
    KeepLeftovers,
    /// A lock is held however long ago its rename was.
    TrustOldRename,
    /// A breaker renames the whole directory away.
    BreakByRename,
    /// A vanished private directory ends in a rename again and again.
    NeverPrepareAgain,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct World {
    lock: Option<Names>,
    directories: BTreeMap<Directory, Names>,
    processes: Vec<Process>,
    /// How many nonces each process has used.
    used: Vec<u8>,
    sweeper: Sweeper,
    /// Operations of dead processes that have not taken effect yet.
    in_flight: BTreeSet<Operation>,
    /// Nonces that somebody has seen long enough to break them.
    judged: Names,
    budget: Budget,
}

/// How often each fault may still happen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) crashes: u8,
    pub(super) freezes: u8,
    pub(super) sweeps: u8,
    pub(super) hides: u8,
    /// Directories that each process may prepare.
    pub(super) nonces: u8,
}

fn nonce(process: usize, number: u8) -> String {
    format!("{process}.{number}")
}

fn owner(nonce: &str) -> usize {
    nonce.split('.').next().and_then(|process| process.parse().ok()).expect("a nonce of the model")
}

impl World {
    pub(super) fn new(processes: usize, budget: Budget) -> Self {
        let begin = || Process::Acquiring(Acquisition::default(), Acquisition::first());
        Self {
            lock: None,
            directories: BTreeMap::new(),
            processes: (0..processes).map(|_| begin()).collect(),
            used: vec![0; processes],
            sweeper: Sweeper::Idle,
            in_flight: BTreeSet::new(),
            judged: Names::new(),
            budget,
        }
    }

    fn current(&self, process: usize) -> String {
        nonce(process, self.used[process])
    }

    /// True if it worked.
    fn rename(&mut self, nonce: &str) -> bool {
        let private = Directory::Private(nonce.to_owned());
        if !self.directories.contains_key(&private) || self.lock.as_ref().is_some_and(|names| !names.is_empty()) {
            return false;
        }
        self.lock = self.directories.remove(&private);
        true
    }

    /// The worlds after an unlink: the file is removed, or it was open and is renamed.
    fn unlink(self, name: &str) -> Vec<Self> {
        let hidden = format!(".fuse_hidden-{name}");
        let mut removed = self;
        if !removed.lock.as_mut().is_some_and(|names| names.remove(name)) {
            return vec![removed];
        }
        if removed.budget.hides == 0 || !name.starts_with("holder-") {
            return vec![removed];
        }
        let mut renamed = removed.clone();
        renamed.budget.hides -= 1;
        renamed.lock.as_mut().expect("it had the file").insert(hidden);
        vec![removed, renamed]
    }

    fn remove_directory(&mut self) {
        if self.lock.as_ref().is_some_and(BTreeSet::is_empty) {
            self.lock = None;
        }
    }

    fn take_effect(mut self, operation: &Operation) -> Vec<Self> {
        match operation {
            Operation::Rename(nonce) => {
                self.rename(nonce);
                vec![self]
            }
            Operation::Unlink(names) => names
                .iter()
                .fold(vec![self], |worlds, name| worlds.into_iter().flat_map(|world| world.unlink(name)).collect()),
            Operation::RemoveDirectory => {
                self.remove_directory();
                vec![self]
            }
        }
    }

    fn content(&self) -> Content {
        Content::of(self.lock.iter().flatten().cloned())
    }

    /// What a process may see when it confirms or inspects. Between two counted observations at least a second passes, and
    /// in as many as are needed to break, every holder that runs has counted.
    fn listings(&mut self, process: usize, step: &Step) -> Vec<(StepResult, Option<String>)> {
        match self.content() {
            Content::Holder(nonce) if owner(&nonce) == process => {
                let own = |is_old| (StepResult::Own { nonce: nonce.clone(), is_old }, None);
                // Whoever was seen for long enough to be broken renamed its directory long ago.
                if self.judged.contains(&nonce) { vec![own(true)] } else { vec![own(false), own(true)] }
            }
            _ if *step == Step::Confirm => vec![(StepResult::NotOwn, None)],
            Content::Holder(nonce) => {
                let seen = |count| {
                    let process = ProcessState::Unknown;
                    StepResult::Held(Observation { nonce: nonce.clone(), process, count })
                };
                let counts = matches!(self.processes[owner(&nonce)], Process::Holding(_));
                let mut seen_by = vec![(seen(1), None)];
                if !counts {
                    seen_by.push((seen(OBSERVATIONS_TO_BREAK), Some(nonce.clone())));
                }
                seen_by
            }
            Content::Leftovers(names) => vec![(StepResult::Free(names), None)],
            Content::Nothing => vec![(StepResult::Free(Vec::new()), None)],
        }
    }

    /// The results of a step of `process`, each with the world after it.
    fn perform(mut self, process: usize, step: &Step, defect: Defect) -> Vec<(Self, StepResult)> {
        match step {
            Step::Rename => {
                let current = self.current(process);
                let is_there = self.directories.contains_key(&Directory::Private(current.clone()));
                let result = if self.rename(&current) {
                    StepResult::Renamed
                } else if is_there || defect == Defect::NeverPrepareAgain {
                    StepResult::NotRenamed
                } else {
                    StepResult::Vanished
                };
                vec![(self, result)]
            }
            Step::Confirm | Step::Inspect => {
                let listings = self.listings(process, step);
                let after = |(result, judged): (StepResult, Option<String>)| {
                    let mut world = self.clone();
                    world.judged.extend(judged);
                    let result = match result {
                        StepResult::Free(_) if defect == Defect::KeepLeftovers => StepResult::Free(Vec::new()),
                        StepResult::Own { nonce, .. } if defect == Defect::TrustOldRename => {
                            StepResult::Own { nonce, is_old: false }
                        }
                        result => result,
                    };
                    (world, result)
                };
                listings.into_iter().map(after).collect()
            }
            Step::Unlink(names) => {
                if defect == Defect::BreakByRename {
                    self.lock = None;
                    return vec![(self, StepResult::Finished)];
                }
                let worlds = self.take_effect(&Operation::Unlink(names.clone()));
                worlds.into_iter().map(|world| (world, StepResult::Finished)).collect()
            }
            Step::RemoveDirectory => {
                self.remove_directory();
                vec![(self, StepResult::Finished)]
            }
            Step::Wait => vec![(self, StepResult::Finished)],
            Step::Prepare | Step::Hold(_) => unreachable!("not performed as one step"),
        }
    }

    fn acquire(&self, process: usize, machine: &Acquisition, step: &Step, defect: Defect) -> Vec<Self> {
        let mut world = self.clone();
        if *step == Step::Prepare {
            if world.used[process] == world.budget.nonces {
                // Enough for the model: it gives up, as at its deadline.
                world.processes[process] = Process::Gone;
                return vec![world];
            }
            world.used[process] += 1;
            world.directories.insert(Directory::Private(world.current(process)), Names::new());
            world.processes[process] = Process::Preparing(machine.clone());
            return vec![world];
        }
        let performed = world.perform(process, step, defect);
        let after = |(mut world, result): (Self, StepResult)| {
            let mut machine = machine.clone();
            let next = match result {
                StepResult::Renamed if defect == Defect::SweepInPlace => Step::Hold(world.current(process)),
                result => machine.next(step, result),
            };
            world.processes[process] = match next {
                Step::Hold(nonce) => Process::Holding(nonce),
                next => Process::Acquiring(machine, next),
            };
            world
        };
        performed.into_iter().map(after).collect()
    }

    fn prepare(&self, process: usize, machine: &Acquisition) -> Self {
        let mut world = self.clone();
        let current = world.current(process);
        let next = match world.directories.get_mut(&Directory::Private(current.clone())) {
            Some(names) => {
                names.insert(holder_file(&current));
                let mut machine = machine.clone();
                let next = machine.next(&Step::Prepare, StepResult::Prepared);
                Process::Acquiring(machine, next)
            }
            // Swept between the two: the driver prepares another one.
            None => Process::Acquiring(machine.clone(), Step::Prepare),
        };
        world.processes[process] = next;
        world
    }

    fn step(&self, process: usize, defect: Defect) -> Vec<Self> {
        let with = |state: Process| {
            let mut world = self.clone();
            world.processes[process] = state;
            world
        };
        let release = |nonce: &String| Process::Releasing(nonce.clone(), Step::Unlink(vec![holder_file(nonce)]));
        match &self.processes[process] {
            Process::Preparing(machine) => vec![self.prepare(process, machine)],
            Process::Acquiring(machine, step) => self.acquire(process, machine, step, defect),
            Process::Holding(nonce) => {
                let mut next = vec![with(release(nonce))];
                if self.budget.freezes > 0 {
                    let mut frozen = with(Process::Frozen(nonce.clone()));
                    frozen.budget.freezes -= 1;
                    next.push(frozen);
                }
                next
            }
            // It resumes. One that was seen long enough to be broken slept for longer than its fence allows.
            Process::Frozen(nonce) if self.judged.contains(nonce) => vec![with(release(nonce)), with(Process::Gone)],
            Process::Frozen(nonce) => vec![with(Process::Holding(nonce.clone()))],
            Process::Releasing(nonce, Step::Unlink(names)) => {
                let removing = Process::Releasing(nonce.clone(), Step::RemoveDirectory);
                with(removing).take_effect(&Operation::Unlink(names.clone()))
            }
            Process::Releasing(..) => with(Process::Gone).take_effect(&Operation::RemoveDirectory),
            Process::Gone => Vec::new(),
        }
    }

    /// The worlds in which `process` dies here: what it had asked for is lost, or takes effect later.
    fn crash(&self, process: usize) -> Vec<Self> {
        let operation = match &self.processes[process] {
            Process::Gone => return Vec::new(),
            Process::Acquiring(_, Step::Rename) => Some(Operation::Rename(self.current(process))),
            Process::Acquiring(_, Step::Unlink(names)) | Process::Releasing(_, Step::Unlink(names)) => {
                Some(Operation::Unlink(names.clone()))
            }
            Process::Acquiring(_, Step::RemoveDirectory) | Process::Releasing(..) => Some(Operation::RemoveDirectory),
            _ => None,
        };
        let mut lost = self.clone();
        lost.budget.crashes -= 1;
        lost.processes[process] = Process::Gone;
        let late = operation.map(|operation| {
            let mut late = lost.clone();
            late.in_flight.insert(operation);
            late
        });
        [lost].into_iter().chain(late).collect()
    }

    fn sweep(&self, defect: Defect) -> Vec<Self> {
        let with = |sweeper: Sweeper| Self { sweeper, ..self.clone() };
        match &self.sweeper {
            Sweeper::Idle if self.budget.sweeps > 0 => {
                let begin = |directory: &Directory| {
                    let Directory::Private(nonce) = directory else { return None };
                    let mut world = with(match defect {
                        Defect::SweepInPlace => Sweeper::EmptyInPlace(nonce.clone()),
                        _ => Sweeper::RenameAway(nonce.clone()),
                    });
                    world.budget.sweeps -= 1;
                    Some(world)
                };
                self.directories.keys().filter_map(begin).collect()
            }
            Sweeper::Idle => Vec::new(),
            Sweeper::RenameAway(nonce) => {
                let mut world = with(Sweeper::Idle);
                if let Some(names) = world.directories.remove(&Directory::Private(nonce.clone())) {
                    world.directories.insert(Directory::Swept(nonce.clone()), names);
                    world.sweeper = Sweeper::Empty(nonce.clone());
                }
                vec![world]
            }
            Sweeper::Empty(nonce) => {
                let mut world = with(Sweeper::Remove(nonce.clone()));
                world.directories.insert(Directory::Swept(nonce.clone()), Names::new());
                vec![world]
            }
            Sweeper::Remove(nonce) => {
                let mut world = with(Sweeper::Idle);
                world.directories.remove(&Directory::Swept(nonce.clone()));
                vec![world]
            }
            Sweeper::EmptyInPlace(nonce) => {
                let mut world = with(Sweeper::RemoveInPlace(nonce.clone()));
                if let Some(names) = world.directories.get_mut(&Directory::Private(nonce.clone())) {
                    names.clear();
                }
                vec![world]
            }
            Sweeper::RemoveInPlace(nonce) => {
                let mut world = with(Sweeper::Idle);
                world.directories.remove(&Directory::Private(nonce.clone()));
                vec![world]
            }
        }
    }

    /// Everything that can happen next.
    pub(super) fn successors(&self, defect: Defect) -> Vec<Self> {
        let mut next = self.sweep(defect);
        for process in 0..self.processes.len() {
            next.extend(self.step(process, defect));
            if self.budget.crashes > 0 {
                next.extend(self.crash(process));
            }
        }
        for operation in &self.in_flight {
            let mut world = self.clone();
            world.in_flight.remove(operation);
            next.extend(world.take_effect(operation));
        }
        next
    }

    pub(super) fn is_over(&self) -> bool {
        self.processes.iter().all(|process| *process == Process::Gone)
    }

    pub(super) fn violation(&self) -> Option<String> {
        let holding: Vec<&String> = self
            .processes
            .iter()
            .filter_map(|it| if let Process::Holding(nonce) = it { Some(nonce) } else { None })
            .collect();
        if holding.len() > 1 {
            return Some(format!("two hold the lock: {self:?}"));
        }
        let files = self.lock.iter().flatten().filter(|name| name.starts_with("holder-")).count();
        if files > 1 {
            return Some(format!("two files in the directory: {self:?}"));
        }
        let lost =
            holding.iter().find(|nonce| !self.lock.as_ref().is_some_and(|names| names.contains(&holder_file(nonce))));
        lost.map(|nonce| format!("{nonce} lost its lock: {self:?}"))
    }
}
