//! Waiting has an end.

use std::time::{Duration, Instant};

/// The moment at which waiting ends, on a clock that only runs forward.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// That long from now.
    #[expect(clippy::disallowed_methods, reason = "platform owns the clock")]
    pub fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    /// What is left; zero when it has passed.
    #[expect(clippy::disallowed_methods, reason = "platform owns the clock")]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// True when it has passed.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// Sleeps for `nap`, or until the deadline if that is sooner.
    #[expect(clippy::disallowed_methods, reason = "platform owns sleeping")]
    pub fn nap(self, nap: Duration) {
        std::thread::sleep(nap.min(self.left()));
    }
}
