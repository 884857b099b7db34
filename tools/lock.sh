#!/bin/sh
# Resolves pyproject.toml into requirements.lock: for every system and Python >= 3.11, with hashes, no index address.
set -eu
python="${PYTHON:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet uv
"$folder/bin/uv" pip compile pyproject.toml --extra test --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --quiet --output-file requirements.lock "$@"
