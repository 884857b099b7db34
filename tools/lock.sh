#!/bin/sh
# Resolves pyproject.toml into locks: for every system and Python >= 3.11, with hashes, no index address.
#   requirements.lock           everything, tests too: the environment of this checkout
#   deploy/requirements.lock    what a server needs of the same: mirror and certificate authority
set -eu
python="${PYTHON:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet uv
compile() {
    "$folder/bin/uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-strip-extras \
        --no-emit-index-url --no-header --quiet "$@"
}
compile --extra test --output-file requirements.lock
sed '/^ *--hash/d; s/ \\$//' requirements.lock > "$folder/versions.txt"
compile --extra ca --extra mirror --no-annotate --constraint "$folder/versions.txt" --output-file deploy/requirements.lock
