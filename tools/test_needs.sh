#!/bin/sh
# Brings what the tests need beyond wheels; what cannot be had is named, and the tests that need it skip
# (with CI=true they fail instead).
set -eu
missing=""
for program in openssl curl; do
    command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
if [ -n "$missing" ] && ! sh "$(dirname "$0")/install.sh" $missing ca-certificates; then
    echo "make test: not here and not to be installed without root:$missing. Tests that need them are skipped." >&2
fi
sh "$(dirname "$0")/bench_needs.sh"
if [ "$(id -u)" != 0 ]; then
    echo "make test: not root, so tests on a full or read-only disk of their own are skipped." >&2
fi
