//! Connections: how many there are, and which one goes when there are too many.
//!
//! **Invariants.** A connection whose request is being answered is never closed to make room; one that only sits there is.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use tokio_util::sync::CancellationToken;

use crate::bridge::meter::Meter;

/// Who is connected.
pub(super) struct Connections {
    most: usize,
    open: Mutex<Open>,
    meter: Arc<Meter>,
}

#[derive(Default)]
struct Open {
    by_number: BTreeMap<u64, Kept>,
    next: u64,
}

struct Kept {
    busy: Arc<AtomicUsize>,
    close: CancellationToken,
}

/// One connection; it is forgotten when this is dropped.
pub(super) struct Connection {
    connections: Arc<Connections>,
    number: u64,
    busy: Arc<AtomicUsize>,
    /// Cancelled when it is to close.
    pub close: CancellationToken,
}

/// As long as one exists, its connection is answering.
pub(super) struct Busy(Arc<AtomicUsize>);

impl Connections {
    /// At most so many.
    pub(super) fn new(most: usize, meter: Arc<Meter>) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default(), meter })
    }

    /// A place for one more; the oldest that only sits there makes room. None where all are answering.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Connection> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.by_number.len() >= self.most {
            self.meter.turned_away.fetch_add(1, Ordering::Relaxed);
            let idle = open.by_number.iter().find(|(_, kept)| kept.busy.load(Ordering::Acquire) == 0);
            let number = *idle?.0;
            open.by_number.remove(&number)?.close.cancel();
        }
        let number = open.next;
        open.next += 1;
        let (busy, close) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        open.by_number.insert(number, Kept { busy: Arc::clone(&busy), close: close.clone() });
        self.meter.connections.fetch_add(1, Ordering::Relaxed);
        Some(Connection { connections: Arc::clone(self), number, busy, close })
    }
}

impl Connection {
    /// Says that it is answering.
    pub(super) fn busy(&self) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(&self.busy))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.by_number.remove(&self.number);
        self.connections.meter.connections.fetch_sub(1, Ordering::Relaxed);
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

    #[test]
    fn the_oldest_that_only_sits_there_makes_room() {
        let connections = Connections::new(2, Arc::default());
        let (first, second) = (connections.enter().expect("room"), connections.enter().expect("room"));
        let answering = first.busy();
        let third = connections.enter().expect("the second makes room");
        assert!(second.close.is_cancelled() && !first.close.is_cancelled() && !third.close.is_cancelled());
        let _busy = third.busy();
        assert!(connections.enter().is_none(), "all are answering");
        drop(answering);
        assert!(connections.enter().is_some() && first.close.is_cancelled());
    }
}
