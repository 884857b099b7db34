#!/bin/sh
# Installs Debian packages where that is allowed: as root, or with sudo that asks for no password. Else exits with 1.
set -eu
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    exit 1
fi
command -v apt-get >/dev/null 2>&1 || exit 1
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq >/dev/null
$sudo apt-get install -qq -y --no-install-recommends "$@" >/dev/null
