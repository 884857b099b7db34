#!/bin/sh
# Makes .venv from requirements.lock: exact versions, every file held to its hash.
set -eu
python="${PYTHON:-python3}"
sh "$(dirname "$0")/venv_needs.sh"
echo "make env: fetching what is needed, which takes half a minute"
rm -rf .venv
"$python" -m venv .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
.venv/bin/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
echo "make env: .venv is ready ($(.venv/bin/python --version))"
