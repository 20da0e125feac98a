//! What is counted: for `/metrics`, and for whoever wants to know why it is slow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::lanes::Way;
use crate::domain::refusal::Exit;

/// The upper ends of the classes of a latency, in milliseconds.
pub const CLASSES_MS: [u64; 10] = [1, 2, 5, 10, 25, 50, 100, 250, 1000, 10_000];

/// What was counted of one operation.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How many answers there were, by exit code.
    pub by_exit: BTreeMap<u8, u64>,
    /// How many took at most that long, for each class.
    pub classes: [u64; CLASSES_MS.len()],
    /// How many there were.
    pub count: u64,
    /// How long all of them took.
    pub total: Duration,
}

/// The counters of a process.
#[derive(Debug, Default)]
pub struct Meter {
    operations: Mutex<BTreeMap<&'static str, Tally>>,
    queues: [AtomicI64; 3],
    groups: [AtomicU64; 3],
    parts: [AtomicU64; 3],
    /// How many wait for the board.
    pub waiting: AtomicI64,
    /// How many streams are open.
    pub streams: AtomicI64,
    /// How many connections are open.
    pub connections: AtomicI64,
    /// How many connections were turned away or closed to make room.
    pub turned_away: AtomicU64,
}

/// Counts something as long as it exists.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicI64);

impl<'a> Counted<'a> {
    /// One more, until this is dropped.
    pub fn one(of: &'a AtomicI64) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(of)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meter {
    /// Counts an answer. A wait for the board is no part of `took`.
    pub fn answered(&self, name: &'static str, exit: Exit, took: Duration) {
        let mut operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = operations.entry(name).or_default();
        *tally.by_exit.entry(exit as u8).or_default() += 1;
        tally.count += 1;
        tally.total += took;
        for (class, most) in tally.classes.iter_mut().zip(CLASSES_MS) {
            *class += u64::from(took.as_micros() <= u128::from(most) * 1000);
        }
    }

    /// What was counted of each operation that was called.
    pub fn tallies(&self) -> BTreeMap<&'static str, Tally> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn queued(&self, way: Way, more: i64) {
        self.queues[way as usize].fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn grouped(&self, way: Way, parts: usize) {
        self.groups[way as usize].fetch_add(1, Ordering::Relaxed);
        self.parts[way as usize].fetch_add(parts as u64, Ordering::Relaxed);
    }

    /// How many wait in a lane, how many groups it has done, and how many parts those had.
    pub fn lane(&self, way: Way) -> (i64, u64, u64) {
        let at = way as usize;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (self.queues[at].load(Ordering::Relaxed), read(&self.groups[at]), read(&self.parts[at]))
    }
}
