#!/bin/sh
# Makes .venv from requirements.lock: exact versions, every file held to its hash.
set -eu
python="${PYTHON:-python3}"

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "make env: $python is missing or older than 3.11. Install Python 3.11 or later, or name one: make PYTHON=..." >&2
    exit 1
fi

# Debian and Ubuntu keep venv's own pip in a package of its own.
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if ! sh "$(dirname "$0")/install.sh" "$version"; then
        echo "make env: $python cannot make environments. As root: apt-get install $version" >&2
        exit 1
    fi
fi

rm -rf .venv
"$python" -m venv .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
.venv/bin/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
echo "make env: .venv is ready ($(.venv/bin/python --version))"
