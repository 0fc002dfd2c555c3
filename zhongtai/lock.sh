#!/bin/sh
# Writes requirements/*.txt from the .in files: every version pinned, every file hashed, for all Pythons from 3.11 on.
# usage: sh zhongtai/lock.sh [--upgrade]
set -eu
cd "$(dirname "$0")/.."
lock() {
    name=$1
    shift
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
        --output-file "requirements/$name.txt" "$@" "requirements/$name.in"
}
lock build "$@"
lock production "$@"
lock dev --constraint requirements/production.txt "$@"
