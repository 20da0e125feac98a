#!/usr/bin/env bash
# What CI runs in a short version, for long: the exhaustive model of the lock between hosts with every fault at once, plays on
# real mounts and with clocks that disagree, the random play, also on a board with hundreds of rows of each kind, the
# readers with cursors, and a storm of wake-ups.
#
#   ROUNDS   wake-ups, 1000
#   CASES    random plays, 2000
#   PLAYS    plays on each kind of mount and with clocks that disagree, 20: about half an hour
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cc >/dev/null || { echo "soak.sh needs a C compiler (cc), such as Debian's gcc" >&2; exit 2; }

CALLBOARD_SOAK=1 CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/soak" cargo test --locked --profile ci --lib -- host_lock
CALLBOARD_TEST_ROUNDS="${PLAYS:-20}" cargo test --locked --test process -- --nocapture mounts:: clocks_that_disagree
CALLBOARD_TEST_ROUNDS="${ROUNDS:-1000}" cargo test --locked --test process -- --nocapture no_wake_up_is_missed
PROPTEST_CASES="${CASES:-2000}" cargo test --locked --lib -- no_play_breaks_an_invariant the_model_with_hundreds_of_rows
