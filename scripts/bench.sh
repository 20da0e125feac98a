#!/usr/bin/env bash
# Measures whole processes of a release build against a floor in the same run, and prints a table.
# references/performance.md explains it.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v cc >/dev/null || { echo "bench.sh needs a C compiler (cc), such as Debian's gcc" >&2; exit 2; }

cargo build --release --locked --quiet --bin callboard --example floor
dir=$(mktemp -d "${BENCH_PARENT:-${TMPDIR:-/tmp}}/callboard-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cc -shared -fPIC -O2 -o "$dir/faults.so" tests/shims/faults.c -ldl
target=${CARGO_TARGET_DIR:-target}
CALLBOARD_BENCH=1 BENCH_DIR="$dir" FAULTS_SHIM="$dir/faults.so" \
  CALLBOARD_BIN="$(realpath "$target/release/callboard")" FLOOR_BIN="$(realpath "$target/release/examples/floor")" \
  cargo bench --locked --quiet --bench board
