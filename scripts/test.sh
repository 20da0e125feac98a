#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, tests, documentation.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'test: %s\n' "$1" >&2; exit 2; }
command -v cargo >/dev/null || die "no cargo here. Install a Rust toolchain: https://rustup.rs"
compiler=${CC:-cc}
command -v "${compiler%% *}" >/dev/null ||
  die "no C compiler here ($compiler), and SQLite is built from source. Debian and Ubuntu: apt install gcc; Fedora: dnf install gcc; macOS: xcode-select --install"

# Each part says how long it took.
step() {
  local name=$1 begin=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@"
  printf '== %s: %d min %02d s\n' "$name" $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60))
}
units() { cargo test --locked --quiet --lib --bins --examples "$@" && cargo test --locked --quiet --test tidy; }
processes() { cargo test --locked --quiet --test process -- "$@"; }
damage_and_model() { cargo test --locked --quiet --lib -- model && processes damage:: crash::; }

step "format" cargo fmt --check
step "lints" cargo clippy --locked --all-targets --quiet -- -D warnings
step "build of the tests" cargo test --locked --quiet --no-run
step "unit tests" units -- --skip model
step "tests of processes" processes --skip mounts:: --skip damage:: --skip crash:: --skip page:: --skip mcp::
step "mounts" processes mounts::
step "damage and model" damage_and_model
step "browser and clients" processes page:: mcp::
RUSTDOCFLAGS="-D warnings" step "documentation" cargo doc --locked --no-deps --quiet
printf '\nall is well\n'
