#!/usr/bin/env bash
# Checks dependencies against deny.toml: licences, duplicates, sources and advisories.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deny=.tools/bin/cargo-deny
if [ ! -x "$deny" ]; then
  echo "deny: cargo-deny is missing; 'infra/setup.sh test' installs it" >&2
  exit 2
fi
"$deny" check --hide-inclusion-graph licenses bans sources
# The database of advisories is a repository of its own, which not every network lets through.
if "$deny" fetch db >/dev/null 2>&1; then
  "$deny" check --disable-fetch --hide-inclusion-graph advisories
else
  echo "deny: skipped: the database of advisories (github.com/RustSec/advisory-db) cannot be fetched" >&2
fi
