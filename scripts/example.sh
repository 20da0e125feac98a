#!/usr/bin/env bash
# Plays the example of the manual and leaves its board, or draws the files of the example anew.
#
#   scripts/example.sh DIR        a whole board in DIR, which is made
#   scripts/example.sh --update   project-plan-example/ and the two example pages of references/, as they come out now
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

if [ "${1:-}" = --update ]; then
  UPDATE_EXPECT=1 cargo test --quiet --locked --manifest-path "$here/Cargo.toml" --test process example
  exit
fi
[ $# -eq 1 ] || { sed -n '2,6p' "$0" >&2; exit 2; }

cargo build --profile ci --locked --quiet --manifest-path "$here/Cargo.toml"
target=${CARGO_TARGET_DIR:-$here/target}
PATH=$(cd "$target/ci" && pwd):$PATH
export PATH
unset CALLBOARD_PROJECT_ROOT CALLBOARD_AGENT_ID CALLBOARD_THREAD_KEY CALLBOARD_SESSION_ID
mkdir -p "$1"
cd "$1"
[ ! -e project-plan ] || { echo "example: there is a board in $1 already" >&2; exit 2; }

# The plan and the lines of the walkthrough; a token is the last one that was printed.
sed -n '/^```markdown$/,/^```$/p' "$here/references/example-walkthrough.md" | sed '/^```/d' >PLAN.md
token=TOKEN
sed -n 's/^\$ //p' "$here/references/example-walkthrough.md" | while IFS= read -r line; do
  echo "\$ $line"
  line=$(sed -E "s/--lease-token [^ ]+/--lease-token $token/" <<<"$line")
  said=$(bash -c "$line") || true
  printf '%s\n' "$said"
  new=$(sed -n 's/^lease_token: //p' <<<"$said" | head -n 1)
  token=${new:-$token}
done
echo "the board is in $PWD/project-plan"
