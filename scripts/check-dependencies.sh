#!/usr/bin/env bash
# Checks the crates that callboard is built from: each has a licence that may be used, none stands there in two versions without
# a reason, and none has a known advisory, where there is a copy of the advisory database to ask.
#
#   scripts/check-dependencies.sh
#
# CALLBOARD_ADVISORY_DB names a copy of https://github.com/RustSec/advisory-db; `cargo deny` is needed for it.
set -euo pipefail
cd "$(dirname "$0")/.."

# What other systems would need is not fetched and not looked at.
host=$(rustc -vV | sed -n 's/^host: //p')
cargo metadata --format-version 1 --locked --filter-platform "$host" | python3 -c '
import json, re, sys

# Each of these lets anybody build, change and hand on the program.
ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0",
    "CDLA-Permissive-2.0", "ISC", "MIT", "MIT-0", "Unicode-3.0", "Unlicense", "Zlib",
}
# Crates that are there in several versions, and why.
DUPLICATES = {
    "getrandom": "ring, which TLS is built on, wants an older one",
    "syn": "macros that run while compiling change over one after the other; none of it is in the program",
}


def alternatives(expression):
    """Sets of licences, each of which is enough. Only AND, OR and parentheses are known."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    at = 0

    def one():
        nonlocal at
        token = tokens[at]
        at += 1
        if token == "(":
            inner = either()
            at += 1
            return inner
        if at + 1 < len(tokens) and tokens[at] == "WITH":
            token += " WITH " + tokens[at + 1]
            at += 2
        return [{token}]

    def both():
        nonlocal at
        found = one()
        while at < len(tokens) and tokens[at] == "AND":
            at += 1
            more = one()
            found = [a | b for a in found for b in more]
        return found

    def either():
        nonlocal at
        found = both()
        while at < len(tokens) and tokens[at] == "OR":
            at += 1
            found = found + both()
        return found

    return either()


metadata = json.load(sys.stdin)
used = {node["id"] for node in metadata["resolve"]["nodes"]}
packages = [package for package in metadata["packages"] if package["id"] in used]
wrong, versions = [], {}
for package in packages:
    name, version, licence = package["name"], package["version"], package["license"]
    versions.setdefault(name, []).append(version)
    if not licence:
        wrong.append(f"{name} {version} names no licence")
    elif not any(enough <= ALLOWED for enough in alternatives(licence)):
        wrong.append(f"{name} {version} has the licence {licence}, which is not on the list")
for name, found in sorted(versions.items()):
    if len(found) > 1:
        shown = ", ".join(sorted(found))
        if name in DUPLICATES:
            print(f"several versions of {name} ({shown}): {DUPLICATES[name]}")
        else:
            wrong.append(f"{name} is there in several versions ({shown}), and no reason is given")
for name in DUPLICATES:
    if len(versions.get(name, [])) < 2:
        wrong.append(f"{name} is not there in several versions any more: take it off the list")
print(f"{len(packages)} crates, licences checked")
for line in wrong:
    print("error:", line, file=sys.stderr)
sys.exit(1 if wrong else 0)
'

if [ -z "${CALLBOARD_ADVISORY_DB:-}" ]; then
  printf '\n*** NOT CHECKED: known advisories. CALLBOARD_ADVISORY_DB names no copy of the advisory database. ***\n\n' >&2
elif ! cargo deny --version >/dev/null 2>&1; then
  printf '\n*** NOT CHECKED: known advisories. cargo deny is not installed. ***\n\n' >&2
else
  config=$(mktemp)
  trap 'rm -f "$config"' EXIT
  printf '[advisories]\ndb-path = "%s"\n' "$(dirname "$(realpath "$CALLBOARD_ADVISORY_DB")")" >"$config"
  cargo deny --offline check --config "$config" --disable-fetch advisories
fi
