#!/usr/bin/env bash
# What CI runs in a short version, for long: the random play, the readers with cursors, and a storm of wake-ups.
# ROUNDS and CASES say how long.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cc >/dev/null || { echo "soak.sh needs a C compiler (cc), such as Debian's gcc" >&2; exit 2; }

CALLBOARD_TEST_ROUNDS="${ROUNDS:-1000}" cargo test --locked --test process -- --nocapture no_wake_up_is_missed
PROPTEST_CASES="${CASES:-2000}" cargo test --locked --lib -- no_play_breaks_an_invariant
