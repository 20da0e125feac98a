//! The lease clock: the time that deadlines run on.
//!
//! Hosts disagree about the time, clocks are set, laptops sleep. The board therefore keeps a clock of its own, advanced
//! by every exclusive transaction from two sources that are hard to fool at once: the storage's clock (the modification
//! time of a file that was just written) and the boot-time clock of the host at work.
//!
//! **Invariants.** It never runs backwards. A silence of the whole board counts for at most [`GAP_MOST_MS`], so a fleet
//! that slept, or a storage clock that was set forward, expires nobody whose lease is longer. A host that has a record
//! cannot wind it further than [`AHEAD_MOST_MS`] past what its own boot clock allows, however often it tries: the record
//! follows the host's own clock and not what was wound.

use super::time::{Dial, LeaseTime, Millis};

/// The most that one gap between two transactions counts for, in milliseconds.
pub const GAP_MOST_MS: i64 = 200_000;
/// How far the clock may run ahead of a host's own boot clock, in milliseconds.
pub const AHEAD_MOST_MS: i64 = 5_000;
/// What is cut off below this is not worth an event, in milliseconds.
pub const REPORTED_CUT_MS: i64 = 1_000;
/// A transaction that changes nothing still records the clock when the last record is older, in milliseconds: else a
/// board on which everybody only asks would never advance by more than one gap.
pub const RECORD_AFTER_MS: i64 = 30_000;

/// What one host knew when it last advanced the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostRecord {
    /// The boot clock of the host.
    pub boot_clock: i64,
    /// The lease clock as this host's own boot clock allows it: at most what it was after that transaction.
    pub lease: LeaseTime,
}

/// A tick of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Both clocks from now on.
    pub dial: Dial,
    /// What the host records.
    pub record: HostRecord,
    /// How much of the storage's time was not counted, in milliseconds; negative when the storage's clock ran back.
    pub cut: i64,
}

/// Advances the clock. `before` is the board's record of both clocks, `host` what this host recorded since its last
/// boot, if anything.
pub fn advance(before: Dial, host: Option<HostRecord>, storage_now: Millis, boot_now: i64) -> Tick {
    let passed = storage_now.since(before.wall);
    let counted = passed.clamp(0, GAP_MOST_MS);
    let wanted = before.lease.0.saturating_add(counted);
    let own = host.map_or(i64::MAX, |record| {
        let passed = boot_now.saturating_sub(record.boot_clock).max(0);
        record.lease.0.saturating_add(passed)
    });
    let lease = wanted.min(own.saturating_add(AHEAD_MOST_MS)).max(before.lease.0);
    let record = HostRecord { boot_clock: boot_now, lease: LeaseTime(lease.min(own)) };
    let cut = passed - (lease - before.lease.0);
    Tick { dial: Dial { wall: storage_now, lease: LeaseTime(lease) }, record, cut }
}

/// What a read takes for now. It decides nothing: it shows what the next transaction will probably find.
pub fn estimate(before: Dial, host: Option<HostRecord>, wall_now: Millis, boot_now: i64) -> Dial {
    let passed = match host {
        Some(record) => {
            let own = boot_now.saturating_sub(record.boot_clock).max(0);
            record.lease.0.saturating_add(own).saturating_sub(before.lease.0)
        }
        None => wall_now.since(before.wall),
    };
    let passed = passed.clamp(0, GAP_MOST_MS);
    Dial { wall: Millis(before.wall.0.saturating_add(passed)), lease: LeaseTime(before.lease.0.saturating_add(passed)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dial(wall: i64, lease: i64) -> Dial {
        Dial { wall: Millis(wall), lease: LeaseTime(lease) }
    }

    #[test]
    fn a_fleet_that_slept_expires_nobody() {
        let tick = advance(dial(1_000, 0), None, Millis(10_000_000), 0);
        assert_eq!(tick.dial.lease, LeaseTime(GAP_MOST_MS));
        assert_eq!(tick.cut, 10_000_000 - 1_000 - GAP_MOST_MS);
    }

    #[test]
    fn a_correction_backwards_neither_rewinds_nor_freezes() {
        let back = advance(dial(5_000_000, 700), None, Millis(1_000), 0);
        assert_eq!(back.dial, dial(1_000, 700));
        let on = advance(back.dial, None, Millis(2_000), 0);
        assert_eq!(on.dial.lease, LeaseTime(1_700));
    }

    #[test]
    fn a_host_cannot_wind_the_clock() {
        let record = HostRecord { boot_clock: 100, lease: LeaseTime(1_000) };
        let tick = advance(dial(0, 1_000), Some(record), Millis(60_000), 1_100);
        assert_eq!(tick.dial.lease, LeaseTime(1_000 + 1_000 + AHEAD_MOST_MS));
    }

    /// One host of the simulated fleet: its own boot clock runs at the world's pace, minus sleeps that it does count.
    #[derive(Clone, Debug)]
    struct Turn {
        host: usize,
        passes: i64,
        skew: i64,
    }

    fn turns() -> impl Strategy<Value = Vec<Turn>> {
        let passes = prop_oneof![0..2_000i64, 0..120_000i64, Just(3_600_000i64)];
        let skew = prop_oneof![4 => Just(0i64), 1 => -7_200_000..7_200_000i64];
        let turn = (0..3usize, passes, skew).prop_map(|(host, passes, skew)| Turn { host, passes, skew });
        prop::collection::vec(turn, 1..60)
    }

    proptest! {
        /// Skewed, jumping and sleeping hosts: the clock never runs back, one silence never counts for more than a
        /// gap, and it never runs faster than the world by more than what the hosts' records allow.
        #[test]
        fn no_mix_of_clocks_expires_early(turns in turns()) {
            let mut world = 0i64;
            let mut board = dial(0, 0);
            let mut records: [Option<HostRecord>; 3] = [None; 3];
            let mut all_known = None;
            for turn in turns {
                world += turn.passes;
                let tick = advance(board, records[turn.host], Millis(world + turn.skew), world);
                let moved = tick.dial.lease.0 - board.lease.0;
                prop_assert!((0..=GAP_MOST_MS).contains(&moved));
                if let Some(record) = records[turn.host] {
                    let own = world - record.boot_clock + AHEAD_MOST_MS;
                    let since = tick.dial.lease.0 - record.lease.0;
                    prop_assert!(moved == 0 || since <= own, "{since} {own}");
                }
                if turn.skew == 0 && board.wall.0 == world - turn.passes && records[turn.host].is_none() {
                    prop_assert_eq!(moved, turn.passes.min(GAP_MOST_MS));
                }
                board = tick.dial;
                records[turn.host] = Some(tick.record);
                // However the hosts take turns: once all of them have a record, they wind no more than one does.
                if all_known.is_none() && records.iter().all(Option::is_some) {
                    let first = records.iter().flatten().map(|record| record.boot_clock).min();
                    all_known = first.map(|first| (first, board.lease.0));
                }
                if let Some((since, from)) = all_known {
                    prop_assert!(board.lease.0 - from <= world - since + AHEAD_MOST_MS);
                }
            }
        }

        /// A board that is polled at least once a gap releases an abandoned lease within 1.67 of its lengths, whatever
        /// the correction of the storage's clock in between.
        #[test]
        fn nothing_is_stuck(length in 60i64..3_600, poll in 1i64..60, jump in -7_200_000..7_200_000i64, at in 0u32..200) {
            // Whoever waits has been at the board before: the one who took the lease recorded its host then.
            let mut record = Some(HostRecord { boot_clock: 0, lease: LeaseTime(0) });
            let (mut world, mut board) = (0i64, dial(0, 0));
            let deadline = LeaseTime(length * 1_000);
            for step in 0.. {
                world += poll * 1_000;
                let skew = if step >= at { jump } else { 0 };
                let tick = advance(board, record, Millis(world + skew), world);
                board = tick.dial;
                record = Some(tick.record);
                if board.lease >= deadline {
                    break;
                }
                prop_assert!(world <= length * 1_670 + 2 * poll * 1_000, "stuck at {world} of {length} s");
            }
            // Early by no more than what one jump may add.
            prop_assert!(world + AHEAD_MOST_MS >= length * 1_000);
        }
    }
}
