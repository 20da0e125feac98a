//! Keeps a board that changes all the time from being looked at all the time.

use std::time::Duration;

use crate::platform::deadline::Deadline;

/// So many looks in vain are free; after them looks are as far apart as [`Pace::rest`] says.
const LOOKS_FREE: u32 = 4;
/// The furthest that looks are apart while the board changes all the time.
const LOOKS_APART_MOST: Duration = Duration::from_millis(500);
/// After so long without a change looks are free again.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// How fast somebody who waits looks.
#[derive(Debug)]
pub struct Pace {
    in_vain: u32,
    last: Deadline,
}

impl Default for Pace {
    fn default() -> Self {
        Self { in_vain: 0, last: Deadline::after(Duration::ZERO) }
    }
}

impl Pace {
    /// Called after a look in vain: how long to rest where there were many of them lately, else zero.
    pub fn rest(&mut self) -> Duration {
        if self.last.is_over() {
            self.in_vain = 0;
        }
        self.in_vain += 1;
        self.last = Deadline::after(QUIET_AFTER);
        let many = self.in_vain.checked_sub(LOOKS_FREE);
        many.map_or(Duration::ZERO, |many| Duration::from_millis(10 << many.min(6)).min(LOOKS_APART_MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_looks_are_free_and_the_others_ever_further_apart() {
        let mut pace = Pace::default();
        let rests: Vec<u128> = (0..12).map(|_| pace.rest().as_millis()).collect();
        assert_eq!(rests, [0, 0, 0, 10, 20, 40, 80, 160, 320, 500, 500, 500]);
    }
}
