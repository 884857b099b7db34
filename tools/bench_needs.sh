#!/bin/sh
# Brings the servers that the mirror is measured beside; where they cannot be had, bench.serve names them and ends.
set -eu
missing=""
PATH="$PATH:/usr/sbin"
command -v nginx >/dev/null 2>&1 || missing="$missing nginx-light"
command -v apache2 >/dev/null 2>&1 || missing="$missing apache2-bin"
if [ -n "$missing" ] && ! sh "$(dirname "$0")/install.sh" $missing; then
    echo "Not here and not to be installed without root:$missing." >&2
fi
