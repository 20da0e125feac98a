//! Level two of the lock, as a pure machine: how a host takes a lock that is one directory, and how it breaks it.
//!
//! The directory holds one file named after its owner's nonce. It is prepared privately and renamed into place, which
//! fails while another owner's file is in it. Releasing and breaking alike remove the file *of that nonce* and then the
//! directory if it is empty. Nobody ever removes a name that they did not read, and so no breaker can remove a lock
//! that was taken after it looked.
//!
//! **Invariants.** The directory never holds two files. A holder that goes on counting is never broken. A holder that
//! was broken and comes back finds its file gone and removes nothing of anybody's. The tests explore every interleaving
//! of takers, breakers, crashes and a resumed holder over this very machine.

/// How often a waiter must see the same nonce and counter before it breaks the lock. Counted looks are at least a
/// second apart, and a holder counts every two seconds.
pub const LOOKS_TO_BREAK: u32 = 15;

/// What a taker does next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Rename the prepared directory into place.
    Rename,
    /// List the directory and read the file in it.
    Look,
    /// Remove the file of this nonce; an error is none.
    Unlink(String),
    /// Remove the directory if it is empty; an error is none.
    Rmdir,
    /// Wait a moment.
    Pause,
    /// The lock is taken.
    Hold,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing yet: the first step.
    Start,
    /// The rename worked.
    Renamed,
    /// It did not, or it cannot be known whether it did.
    NotRenamed,
    /// There is no file in the directory, or no directory.
    Free,
    /// There is a file.
    Held(Sight),
    /// The step is done.
    Done,
}

/// A holder as a waiter sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sight {
    /// Whose file it is.
    pub nonce: String,
    /// How often the holder counted.
    pub counter: u64,
    /// What is known about the process.
    pub life: Life,
    /// How many looks, a second or more apart, saw this very nonce and counter, this one included. Kept beside the
    /// level-one lock, so that the next waiter goes on counting.
    pub looks: u32,
}

/// What is known about a holder's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// It is of this host and lives: never broken.
    Alive,
    /// It is of this host and dead: broken at once.
    Dead,
    /// It is elsewhere: only its counter tells.
    Elsewhere,
}

/// A host on its way to the lock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Taker {
    nonce: String,
    breaking: bool,
}

impl Taker {
    /// A taker whose prepared directory holds the file of `nonce`.
    pub fn new(nonce: impl Into<String>) -> Self {
        Self { nonce: nonce.into(), breaking: false }
    }

    /// The next step, given what came of the last.
    pub fn next(&mut self, seen: Seen) -> Act {
        match seen {
            Seen::Renamed => Act::Hold,
            // Over a network a rename can fail and have happened: only a look tells.
            Seen::NotRenamed => Act::Look,
            Seen::Held(sight) if sight.nonce == self.nonce => Act::Hold,
            Seen::Held(sight) => match sight.life {
                Life::Alive => Act::Pause,
                Life::Elsewhere if sight.looks < LOOKS_TO_BREAK => Act::Pause,
                Life::Dead | Life::Elsewhere => {
                    self.breaking = true;
                    Act::Unlink(sight.nonce)
                }
            },
            Seen::Done if self.breaking => {
                self.breaking = false;
                Act::Rmdir
            }
            Seen::Start | Seen::Free | Seen::Done => Act::Rename,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The directory of the model: absent, or a set of files with their counters.
    type Dir = Option<Vec<(String, u64)>>;

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    enum At {
        Taking(Taker, Act, u32),
        Holding,
        /// Stopped while holding; may come back.
        Frozen,
        /// Came back and removes its own file, then the directory.
        Releasing(u8),
        Gone,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct World {
        dir: Dir,
        hosts: Vec<At>,
        crashes_left: u8,
        freezes_left: u8,
    }

    fn nonce(host: usize) -> String {
        format!("n{host}")
    }

    impl World {
        fn new(hosts: usize, crashes: u8, freezes: u8) -> Self {
            let begin = |host| {
                let mut taker = Taker::new(nonce(host));
                let act = taker.next(Seen::Start);
                At::Taking(taker, act, 0)
            };
            Self { dir: None, hosts: (0..hosts).map(begin).collect(), crashes_left: crashes, freezes_left: freezes }
        }

        fn unlink(&mut self, name: &str) {
            if let Some(files) = &mut self.dir {
                files.retain(|(file, _)| file != name);
            }
        }

        fn rmdir(&mut self) {
            if self.dir.as_ref().is_some_and(Vec::is_empty) {
                self.dir = None;
            }
        }

        /// What host `who` sees. Between two counted looks at least a second passes, and in as many as are needed to
        /// break, every holder that runs has counted: the model lets it count before each look.
        fn look(&mut self, who: usize, looks: u32) -> Seen {
            let Some((name, mut counter)) = self.dir.as_ref().and_then(|files| files.first().cloned()) else {
                return Seen::Free;
            };
            let owner: usize = name[1..].parse().expect("a host");
            let mut looks = looks + 1;
            if matches!(self.hosts[owner], At::Holding) && owner != who {
                counter += 1;
                looks = 0;
            }
            Seen::Held(Sight { nonce: name, counter, life: Life::Elsewhere, looks: looks.min(1) * LOOKS_TO_BREAK })
        }

        /// Everything that can happen next.
        fn moves(&self) -> Vec<Self> {
            let mut next = Vec::new();
            for who in 0..self.hosts.len() {
                if self.crashes_left > 0 && !matches!(self.hosts[who], At::Gone) {
                    let mut world = self.clone();
                    world.crashes_left -= 1;
                    world.hosts[who] = At::Gone;
                    next.push(world);
                }
                let mut world = self.clone();
                match self.hosts[who].clone() {
                    At::Taking(mut taker, act, looks) => {
                        let seen = match &act {
                            Act::Rename if world.dir.as_ref().is_none_or(Vec::is_empty) => {
                                world.dir = Some(vec![(nonce(who), 0)]);
                                Seen::Renamed
                            }
                            Act::Rename => Seen::NotRenamed,
                            Act::Look | Act::Pause => world.look(who, looks),
                            Act::Unlink(name) => {
                                world.unlink(name);
                                Seen::Done
                            }
                            Act::Rmdir => {
                                world.rmdir();
                                Seen::Done
                            }
                            Act::Hold => unreachable!("it became a holder"),
                        };
                        let act = taker.next(seen);
                        world.hosts[who] = if act == Act::Hold { At::Holding } else { At::Taking(taker, act, 0) };
                        next.push(world);
                    }
                    At::Holding => {
                        if self.freezes_left > 0 {
                            let mut frozen = world.clone();
                            frozen.freezes_left -= 1;
                            frozen.hosts[who] = At::Frozen;
                            next.push(frozen);
                        }
                        world.hosts[who] = At::Releasing(0);
                        next.push(world);
                    }
                    At::Frozen => {
                        world.hosts[who] = At::Releasing(0);
                        next.push(world);
                    }
                    At::Releasing(0) => {
                        world.unlink(&nonce(who));
                        world.hosts[who] = At::Releasing(1);
                        next.push(world);
                    }
                    At::Releasing(_) => {
                        world.rmdir();
                        world.hosts[who] = At::Gone;
                        next.push(world);
                    }
                    At::Gone => {}
                }
            }
            next
        }

        fn check(&self) {
            let files = self.dir.as_deref().unwrap_or_default();
            assert!(files.len() <= 1, "two files in the directory: {self:?}");
            let holding = self.hosts.iter().enumerate().filter(|(_, at)| matches!(at, At::Holding));
            for (who, _) in holding {
                assert!(files.iter().any(|(name, _)| *name == nonce(who)), "host {who} lost its lock: {self:?}");
            }
        }
    }

    fn explore(hosts: usize, crashes: u8, freezes: u8) -> usize {
        let mut known = HashSet::new();
        let mut todo = vec![World::new(hosts, crashes, freezes)];
        while let Some(world) = todo.pop() {
            if !known.insert(world.clone()) {
                continue;
            }
            world.check();
            let next = world.moves();
            assert!(!next.is_empty() || world.hosts.iter().all(|at| *at == At::Gone), "stuck: {world:?}");
            todo.extend(next);
        }
        // Every world from which nobody can end would be a deadlock in disguise: from each, some way leads to the end.
        for world in &known {
            assert!(ends(world), "nobody ever gets in: {world:?}");
        }
        known.len()
    }

    fn ends(world: &World) -> bool {
        let mut seen = HashSet::new();
        let mut todo = vec![world.clone()];
        while let Some(world) = todo.pop() {
            if world.hosts.iter().all(|at| *at == At::Gone) {
                return true;
            }
            if seen.insert(world.clone()) {
                todo.extend(world.moves());
            }
        }
        false
    }

    #[test]
    fn every_interleaving_of_two_breakers_a_crash_and_a_resumed_holder_is_safe() {
        assert!(explore(2, 1, 1) > 50);
        assert!(explore(3, 1, 1) > 500);
    }

    #[test]
    fn a_rename_that_failed_but_happened_is_found_out() {
        let mut taker = Taker::new("me");
        assert_eq!(taker.next(Seen::Start), Act::Rename);
        assert_eq!(taker.next(Seen::NotRenamed), Act::Look);
        let own = Sight { nonce: "me".into(), counter: 0, life: Life::Alive, looks: 1 };
        assert_eq!(taker.next(Seen::Held(own)), Act::Hold);
    }

    #[test]
    fn a_living_holder_of_this_host_is_never_broken() {
        let mut taker = Taker::new("me");
        let alive = Sight { nonce: "it".into(), counter: 0, life: Life::Alive, looks: 1_000 };
        assert_eq!(taker.next(Seen::Held(alive.clone())), Act::Pause);
        let dead = Sight { life: Life::Dead, looks: 1, ..alive };
        assert_eq!(taker.next(Seen::Held(dead)), Act::Unlink("it".into()));
        assert_eq!(taker.next(Seen::Done), Act::Rmdir);
        assert_eq!(taker.next(Seen::Done), Act::Rename);
    }
}
