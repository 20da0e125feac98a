#!/usr/bin/env bash
# Everything that a person who received this directory would want to see pass: that nothing is missing, that it builds, that
# its tests hold, and that what comes out of it works by itself.
#
#   scripts/verify-bundle.sh             all of it; some minutes
#   scripts/verify-bundle.sh --no-tests  without the tests, for whoever has just run them
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD

fail() { printf 'verify: %s\n' "$1" >&2; exit 1; }
step() { printf '\n== %s\n' "$1"; }

step "nothing is missing"
for page in coordination-files states ranking modes codes json storage signals troubleshooting example-walkthrough example-snapshots invariants dependencies performance; do
  [ -s "references/$page.md" ] || fail "references/$page.md is not there"
done
for file in README.md SKILL.md SECURITY.md CHANGELOG.md CONTRIBUTING.md LICENSE-MIT LICENSE-APACHE templates/STATUS.md.j2 templates/handoff.md.j2 \
  templates/prompts/worker.md templates/prompts/reviewer.md templates/prompts/planner.md templates/hooks/pre-commit \
  templates/hooks/claude-settings.json templates/hooks/cursor-hooks.json templates/hooks/agents-snippet.md project-plan-example/STATUS.md; do
  [ -s "$file" ] || fail "$file is not there"
done
[ "$(wc -c <SKILL.md)" -lt 6000 ] || fail "SKILL.md has grown beyond 6 kB"
head -n 3 SKILL.md | grep -q '^name: callboard$' || fail "SKILL.md has no front matter"
# Links of the manual lead somewhere.
for page in README.md references/*.md project-plan-example/README.md; do
  { grep -oE '\]\([^)#:]+\)' "$page" || true; } | sed 's/^](//; s/)$//' | while read -r link; do
    [ -e "$(dirname "$page")/$link" ] || fail "$page links to $link, which is not there"
  done
done

if [ "${1:-}" != --no-tests ]; then
  step "the tests"
  scripts/test.sh
fi

step "a board for six windows, one of them killed"
top=$(mktemp -d "${TMPDIR:-/tmp}/callboard-verify.XXXXXX")
trap 'rm -rf "$top"' EXIT
scripts/quickstart.sh "$top/board" | tail -n 4
target=${CARGO_TARGET_DIR:-$here/target}
PATH=$(cd "$target/ci" && pwd):$PATH
export PATH
unset CALLBOARD_PROJECT_ROOT CALLBOARD_AGENT_ID CALLBOARD_THREAD_KEY CALLBOARD_SESSION_ID

step "it is sound, and can be saved and brought back"
cd "$top/board"
callboard validate
callboard backup "$top/copy.db" >/dev/null
callboard restore "$top/copy.db" --as-human >/dev/null
callboard validate
callboard doctor | tail -n 1

step "the example of the manual"
"$here/scripts/example.sh" "$top/example" >/dev/null
callboard validate --project-root "$top/example"
callboard tasks --project-root "$top/example"

step "the skill and the manual install"
callboard skill --install "$top/skill"
callboard man "$top/man"
for role in worker reviewer planner; do callboard prompt "$role" >/dev/null; done
for shell in bash zsh fish; do callboard completions "$shell" >/dev/null; done
printf '\nall is well\n'
