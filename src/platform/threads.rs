//! Threads where the system may give none, and work that must not depend on the stack that this process was given.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Builder, Scope, ScopedJoinHandle};

/// The stack of a command, in bytes: that of a main thread which nobody limits. Memory is used as it is needed.
const COMMAND_STACK: usize = 8 * 1024 * 1024;

/// Runs `work` with a stack of a fixed size, whatever `ulimit -s` says. Where the system gives no thread it runs here.
pub fn on_fixed_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let builder = Builder::new().name("command".to_owned()).stack_size(COMMAND_STACK);
        begin(builder, scope, work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Begins `work` in a thread of its own. Where the system gives no thread it is done before this returns.
pub fn beside<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Work<'scope, T> {
    begin(Builder::new(), scope, work)
}

/// Work that was begun.
#[derive(Debug)]
pub enum Work<'scope, T> {
    /// It may be under way.
    Running(ScopedJoinHandle<'scope, T>),
    /// It is done.
    Done(T),
}

impl<T> Work<'_, T> {
    /// Waits for its result. Fails where it panicked.
    pub fn join(self) -> thread::Result<T> {
        match self {
            Self::Running(thread) => thread.join(),
            Self::Done(result) => Ok(result),
        }
    }
}

fn begin<'scope, T: Send + 'scope, W: FnOnce() -> T + Send + 'scope>(
    builder: Builder,
    scope: &'scope Scope<'scope, '_>,
    work: W,
) -> Work<'scope, T> {
    // A thread that cannot be started drops what it was given: this keeps it.
    let work = Arc::new(Mutex::new(Some(work)));
    let take = |work: &Mutex<Option<W>>| work.lock().unwrap_or_else(PoisonError::into_inner).take();
    let own = Arc::clone(&work);
    match builder.spawn_scoped(scope, move || take(&own).expect("nobody else takes it")()) {
        Ok(thread) => Work::Running(thread),
        Err(_) => Work::Done(take(&work).expect("no thread took it")()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_for_which_there_is_no_thread_is_done_by_its_caller() {
        thread::scope(|scope| {
            let here = thread::current().id();
            let done = begin(Builder::new().stack_size(usize::MAX / 2), scope, || thread::current().id());
            assert_eq!(done.join().expect("no panic"), here);
            assert_ne!(beside(scope, || thread::current().id()).join().expect("no panic"), here);
        });
        assert_eq!(on_fixed_stack(|| thread::current().name().map(ToOwned::to_owned)).as_deref(), Some("command"));
    }
}
