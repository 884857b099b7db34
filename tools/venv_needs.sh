#!/bin/sh
# Ends well if $PYTHON is new enough and can make environments; on Debian it first brings what is missing for that.
set -eu
python="${PYTHON:-python3}"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "$python is missing or older than 3.11. Install Python 3.11 or later, or name one: make ... PYTHON=..." >&2
    exit 1
fi

# Debian and Ubuntu keep venv's own pip in a package of its own.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if ! sh "$(dirname "$0")/install.sh" "$version"; then
        echo "$python cannot make environments. As root: apt-get install $version" >&2
        exit 1
    fi
fi
