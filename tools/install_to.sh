#!/bin/sh
# Installs the programs into a folder of their own, PREFIX: exact versions, every file held to its hash, no tests.
set -eu
prefix="$1"
python="${PYTHON:-python3}"
sh "$(dirname "$0")/venv_needs.sh"
export PIP_DISABLE_PIP_VERSION_CHECK=1
wheel=$(mktemp -d)
trap 'rm -rf "$wheel"' EXIT
echo "make install: fetching what is needed, which takes half a minute"
.venv/bin/python -m hatchling build -t wheel -d "$wheel" >/dev/null 2>&1
"$python" -m venv --clear "$prefix"
"$prefix/bin/python" -m pip install --quiet --require-hashes --only-binary :all: -r deploy/requirements.lock
"$prefix/bin/python" -m pip install --quiet --no-deps --no-index "$wheel"/*.whl
version=$("$prefix/bin/spot-mirror" --version)
echo "make install: $version is in $prefix/bin" | sed 's/, version//'
