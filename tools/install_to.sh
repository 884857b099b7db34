#!/bin/sh
# Installs the programs into a folder of their own, PREFIX: exact versions, every file held to its hash, no tests.
set -eu
prefix="$1"
python="${PYTHON:-python3}"
sh "$(dirname "$0")/venv_needs.sh"

# The programs run by the interpreter where it lies. What root installs is for the mirror's own user, who has to get there.
reached_by_all() {
    path=$1
    while [ "$path" != / ]; do
        [ -n "$(find "$path" -maxdepth 0 -perm -o+x)" ] || return 1
        path=$(dirname "$path")
    done
}
executable=$("$python" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
library=$("$python" -c 'import os; print(os.path.dirname(os.path.realpath(os.__file__)))')
if [ "$(id -u)" = 0 ] && ! { reached_by_all "$executable" && reached_by_all "$library"; }; then
    echo "Only root can run $executable. Name one that all may: make install PYTHON=/usr/bin/python3" >&2
    exit 1
fi

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
