//! Slots for connections and for streams: how many there are, and which one is closed when there are too many.
//!
//! **Invariants.** Callers without a token have at most a quarter of the slots, and theirs are closed first. What a caller
//! with a token is being answered is never closed to make room.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use tokio_util::sync::CancellationToken;

use crate::bridge::meter::Meter;

/// Callers without a token have at most one part of this many.
const ANONYMOUS_PART: usize = 4;

/// Who uses a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A caller without a token, or of whom nothing was read yet.
    Anonymous,
    /// A caller with a token that is known.
    Token,
}

/// All slots of a kind.
pub(super) struct Slots {
    max: usize,
    open: Mutex<Open>,
    meter: Arc<Meter>,
    gauge: fn(&Meter) -> &AtomicI64,
}

#[derive(Default)]
struct Open {
    anonymous: BTreeMap<u64, Entry>,
    token: BTreeMap<u64, Entry>,
    next: u64,
}

struct Entry {
    busy: Arc<AtomicUsize>,
    close: CancellationToken,
}

/// A slot; it is free again when this is dropped.
pub(super) struct Slot {
    slots: Arc<Slots>,
    number: u64,
    busy: Arc<AtomicUsize>,
    /// Cancelled when it is to close.
    pub close: CancellationToken,
}

/// As long as one exists, its slot is answering.
pub(super) struct Busy(Arc<AtomicUsize>);

/// Closes the oldest slot that answers nothing; false where there is none.
fn close_idle(slots: &mut BTreeMap<u64, Entry>) -> bool {
    let idle = slots.iter().find(|(_, entry)| entry.busy.load(Ordering::Acquire) == 0);
    let number = idle.map(|(number, _)| *number);
    number.and_then(|number| slots.remove(&number)).inspect(|entry| entry.close.cancel()).is_some()
}

/// Closes the oldest slot; false where there is none.
fn close_oldest(slots: &mut BTreeMap<u64, Entry>) -> bool {
    slots.pop_first().inspect(|(_, entry)| entry.close.cancel()).is_some()
}

impl Open {
    fn insert(&mut self, class: Class, number: u64, entry: Entry) {
        match class {
            Class::Anonymous => self.anonymous.insert(number, entry),
            Class::Token => self.token.insert(number, entry),
        };
    }

    fn close_anonymous(&mut self) -> bool {
        close_idle(&mut self.anonymous) || close_oldest(&mut self.anonymous)
    }

    fn len(&self) -> usize {
        self.anonymous.len() + self.token.len()
    }
}

impl Slots {
    /// At most `max` slots, counted by this gauge.
    pub(super) fn new(max: usize, meter: Arc<Meter>, gauge: fn(&Meter) -> &AtomicI64) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default(), meter, gauge })
    }

    fn max_anonymous(&self) -> usize {
        (self.max / ANONYMOUS_PART).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a connection that was just accepted. Others are closed to make room: those of callers without a token,
    /// then idle ones. None where callers with a token are being answered in every slot.
    pub(super) fn accept(self: &Arc<Self>) -> Option<Slot> {
        let mut open = self.lock();
        let is_full = open.len() >= self.max;
        if is_full || open.anonymous.len() >= self.max_anonymous() {
            self.meter.turned_away.fetch_add(1, Ordering::Relaxed);
            let has_room = open.close_anonymous() || close_idle(&mut open.token);
            if is_full && !has_room {
                return None;
            }
        }
        Some(self.enter(&mut open, Class::Anonymous))
    }

    /// A slot for a stream, which answers as long as it is open. For a caller with a token the oldest of a caller without
    /// one is closed. None where there is no room.
    pub(super) fn open(self: &Arc<Self>, class: Class) -> Option<Slot> {
        let mut open = self.lock();
        let has_room = match class {
            Class::Anonymous => open.anonymous.len() < self.max_anonymous() && open.len() < self.max,
            Class::Token => open.len() < self.max || open.close_anonymous(),
        };
        has_room.then(|| self.enter(&mut open, class))
    }

    fn enter(self: &Arc<Self>, open: &mut Open, class: Class) -> Slot {
        let number = open.next;
        open.next += 1;
        let (busy, close) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        open.insert(class, number, Entry { busy: Arc::clone(&busy), close: close.clone() });
        (self.gauge)(&self.meter).fetch_add(1, Ordering::Relaxed);
        Slot { slots: Arc::clone(self), number, busy, close }
    }
}

impl Slot {
    /// Marks it as answering.
    pub(super) fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(&self.busy))
    }

    /// Records whose request it carries now. Where callers without a token have too many slots then, one of theirs is closed.
    pub(super) fn set_class(&self, class: Class) {
        let mut open = self.slots.lock();
        let from = match class {
            Class::Anonymous => &mut open.token,
            Class::Token => &mut open.anonymous,
        };
        // It may have that class already, or be about to close.
        let Some(entry) = from.remove(&self.number) else { return };
        if class == Class::Anonymous && open.anonymous.len() >= self.slots.max_anonymous() {
            self.slots.meter.turned_away.fetch_add(1, Ordering::Relaxed);
            open.close_anonymous();
        }
        open.insert(class, self.number, entry);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.slots.lock();
        open.anonymous.remove(&self.number);
        open.token.remove(&self.number);
        (self.slots.gauge)(&self.slots.meter).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A body whose connection answers until all of it was sent.
pub(super) struct Guarded {
    pub body: Body,
    pub _busy: Busy,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(max: usize) -> Arc<Slots> {
        Slots::new(max, Arc::default(), |meter| &meter.connections)
    }

    #[test]
    fn the_oldest_idle_slot_makes_room_but_none_that_answers_a_token() {
        let slots = slots(2);
        let first = slots.accept().expect("room");
        first.set_class(Class::Token);
        let answering = first.busy();
        let second = slots.accept().expect("room");
        second.set_class(Class::Token);
        let third = slots.accept().expect("the second makes room");
        assert!(second.close.is_cancelled() && !first.close.is_cancelled());
        third.set_class(Class::Token);
        let _busy = third.busy();
        assert!(slots.accept().is_none(), "callers with a token are being answered");
        drop(answering);
        assert!(slots.accept().is_some() && first.close.is_cancelled());
    }

    #[test]
    fn callers_without_a_token_have_a_quarter_and_are_closed_first() {
        let slots = slots(8);
        let (first, second) = (slots.accept().expect("room"), slots.accept().expect("room"));
        let (_one, _two) = (first.busy(), second.busy());
        let owner = slots.accept().expect("there is always room for a caller with a token");
        assert!(first.close.is_cancelled() && !second.close.is_cancelled(), "though they are being answered");
        owner.set_class(Class::Token);
        let idle = slots.accept().expect("room");
        let last = slots.accept().expect("room");
        assert!(idle.close.is_cancelled() && !second.close.is_cancelled(), "an idle one goes before one that answers");
        owner.set_class(Class::Anonymous);
        assert!(
            last.close.is_cancelled() && !owner.close.is_cancelled(),
            "a connection of both counts as its last caller"
        );
    }

    #[test]
    fn a_stream_of_a_token_takes_the_place_of_one_without() {
        let slots = slots(4);
        let stranger = slots.open(Class::Anonymous).expect("room");
        assert!(slots.open(Class::Anonymous).is_none(), "a quarter");
        let owned: Vec<_> = (0..3).map(|_| slots.open(Class::Token).expect("room")).collect();
        assert!(!stranger.close.is_cancelled());
        let last = slots.open(Class::Token);
        assert!(last.is_some() && stranger.close.is_cancelled());
        assert!(slots.open(Class::Token).is_none() && owned.iter().all(|slot| !slot.close.is_cancelled()));
    }
}
