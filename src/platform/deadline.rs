//! Waiting has an end.

use std::time::{Duration, Instant};

/// Longer than any process waits; a wait that the clock cannot hold is cut to this.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The moment at which waiting ends, on a clock that only runs forward.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// That long from now.
    #[expect(clippy::disallowed_methods, reason = "platform owns the clock")]
    pub fn after(wait: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(wait).unwrap_or(now + FOR_EVER))
    }

    /// The sooner of the two.
    #[must_use]
    pub fn or_sooner(self, other: Self) -> Self {
        Self(self.0.min(other.0))
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
