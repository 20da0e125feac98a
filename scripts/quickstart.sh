#!/usr/bin/env bash
# From nothing to a complete board: builds callboard, imports a plan, and lets six windows work on it as separate
# processes: four workers with different specialties and two reviewers. One worker is killed in the middle; its task is
# taken over when its lease has run out.
#
#   scripts/quickstart.sh [DIR]      DIR: where to make the board; a fresh temporary directory if not given
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

die() { printf 'quickstart: %s\n' "$1" >&2; exit "${2:-2}"; }
command -v cargo >/dev/null || die "no cargo here. Install a Rust toolchain: https://rustup.rs"
compiler=${CC:-cc}
command -v "${compiler%% *}" >/dev/null ||
  die "no C compiler here ($compiler), and SQLite is built from source. Debian and Ubuntu: apt install gcc; Fedora: dnf install gcc; macOS: xcode-select --install"

echo "building callboard (the first time takes a minute or two) ..."
cargo build --profile ci --locked --quiet --manifest-path "$here/../Cargo.toml"
target=${CARGO_TARGET_DIR:-$here/../target}
PATH=$(cd "$target/ci" && pwd):$PATH
[ $# -eq 0 ] || mkdir -p "$1"
dir=$(cd "${1:-$(mktemp -d "${TMPDIR:-/tmp}/callboard-quickstart.XXXXXX")}" && pwd)
export PATH CALLBOARD_PROJECT_ROOT=$dir
unset CALLBOARD_AGENT_ID CALLBOARD_THREAD_KEY CALLBOARD_SESSION_ID
cd "$dir"
[ ! -e project-plan ] || die "there is a board in $dir already"

callboard init --name quickstart >/dev/null
callboard intake --from "$here/quickstart-plan.md" >/dev/null

field() { sed -n "s/^$1: //p" <<<"$answer" | head -n 1; }
say() { printf '%s  %-6s %s\n' "$(date +%H:%M:%S)" "$me" "$1"; }

# Repeats one of the two claims until the board is complete; calls $2 for each task it is given.
loop() {
  local code
  while :; do
    code=0
    answer=$(callboard "$1" --agent-id "$me" --quiet) || code=$?
    case $code in
      0) "$2" ;;
      3 | 5 | 7) sleep 0.2 ;; # nothing now, taken by another, busy
      10) return 0 ;;         # the board is complete
      *) say "stops: $1 ended with code $code"; return "$code" ;;
    esac
  done
}

work() {
  local module token
  module=$(field module) token=$(field lease_token)
  say "works on $module"
  tasks=$((tasks + 1))
  if [ "$me" = dora ] && [ "$tasks" -eq 2 ]; then
    say "is killed while she works on $module"
    echo "$module" >"$dir/lost-task"
    kill -9 "$BASHPID"
  fi
  mkdir -p work && echo "$me did $module" >"work/$module.txt"
  sleep "0.$((RANDOM % 4 + 1))"
  if callboard finish "$module" --lease-token "$token" --agent-id "$me" --quiet \
    --summary "wrote work/$module.txt" --changed-path "work/$module.txt" >/dev/null; then
    say "handed in $module"
  else
    say "came too late with $module"
  fi
}

review() {
  local module token
  module=$(field module) token=$(field lease_token)
  sleep 0.1
  # Every reviewer sends the first thing it sees back once, so that rework is part of the play.
  if [ "$tasks" -eq 0 ]; then
    callboard request-changes "$module" --lease-token "$token" --agent-id "$me" --quiet \
      --notes "say in work/$module.txt how it was tested" >/dev/null && say "wants changes in $module"
  else
    callboard approve "$module" --lease-token "$token" --agent-id "$me" --quiet >/dev/null && say "approved $module"
  fi
  tasks=$((tasks + 1))
}

window() {
  me=$1 tasks=0
  if [ "$2" = reviewer ]; then
    callboard init-agent --thread-key "$me" --role reviewer --ttl-seconds 3 --quiet >/dev/null
    loop claim-review-next review
  else
    callboard init-agent --thread-key "$me" --specialty "$2" --ttl-seconds 3 --quiet >/dev/null
    loop claim-next work
  fi
}

echo "six windows at work on $(grep -c '^ *- \[ \]' "$here/quickstart-plan.md") tasks in $dir:"
pids=()
for who in "ana core" "ben doors" "carl quality" "dora docs" "rita reviewer" "rob reviewer"; do
  # shellcheck disable=SC2086 # two words on purpose
  window $who &
  pids+=($!)
done
failed=0
for at in "${!pids[@]}"; do
  code=0
  { wait "${pids[$at]}"; } 2>/dev/null || code=$?
  # The fourth is the one that is killed.
  [ "$code" -eq 0 ] || { [ "$at" -eq 3 ] && [ "$code" -eq 137 ]; } || failed=1
done

echo
callboard summary || true
lost=$(cat lost-task)
echo
echo "what became of the task of the killed window:"
callboard history "$lost"
echo
[ "$failed" -eq 0 ] || die "a window stopped early; the lines above say why" 1
code=0
callboard next-action >/dev/null || code=$?
[ "$code" -eq 10 ] || die "the board is not complete" 1
echo "complete. For people: $dir/project-plan/STATUS.md"
