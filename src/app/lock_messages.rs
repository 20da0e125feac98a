//! What is said about the board's lock: who is waited for, and why a process that lost it ends.

use crate::domain::refusal::{Code, Exit, Refusal};
use crate::platform::process;

/// What a front end says about the board's lock.
#[derive(Clone, Copy, Debug)]
pub struct LockMessages {
    /// Told who holds the lock, once, when a wait gets long.
    pub waiting: fn(&str),
    /// Called by a holder that slept and was broken; it must end in [`abort_after_lost_lock`].
    pub lost_lock: fn(),
}

impl Default for LockMessages {
    /// Says nothing.
    fn default() -> Self {
        Self { waiting: |_| {}, lost_lock: abort_after_lost_lock }
    }
}

/// Ends the process where it stands, without rollback: that would truncate the journal of the new holder. Never returns.
pub fn abort_after_lost_lock() {
    process::leave_at_once(Exit::Busy as i32);
}

/// The refusal that a process prints before [`abort_after_lost_lock`].
pub fn lost_lock() -> Refusal {
    let message = "this process was stopped for so long that another host took over its lock; it ends here, and what it \
                   was asked for may not be done";
    Refusal::new(Code::Busy, message).hint("repeat the command, with its --request-id if it had one")
}
