#!/usr/bin/env bash
# Everything that must hold before a change lands: format, lints, tests, documentation.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'test: %s\n' "$1" >&2; exit 2; }
command -v cargo >/dev/null || die "no cargo here. Install a Rust toolchain: https://rustup.rs"
compiler=${CC:-cc}
command -v "${compiler%% *}" >/dev/null ||
  die "no C compiler here ($compiler), and SQLite is built from source. Debian and Ubuntu: apt install gcc; Fedora: dnf install gcc; macOS: xcode-select --install"

step() { printf '\n== %s\n' "$1"; shift; "$@"; }
step "format" cargo fmt --check
step "lints" cargo clippy --locked --all-targets --quiet -- -D warnings
step "tests" cargo test --locked --quiet
RUSTDOCFLAGS="-D warnings" step "documentation" cargo doc --locked --no-deps --quiet
printf '\nall is well\n'
