#!/bin/sh
# All checks that run nothing of the product but its migrations; goes on after a failure, so that one run tells all.
set -u
cd "$(dirname "$0")/.."
failed=""
check() {
    name=$1
    shift
    if "$@"; then echo "lint: $name passed"; else failed="$failed $name" && echo "lint: $name FAILED"; fi
}
check format .venv/bin/ruff format --check --quiet .
check ruff .venv/bin/ruff check --quiet .
check mypy .venv/bin/mypy --no-error-summary
check imports .venv/bin/lint-imports --no-logo
check migrations .venv/bin/python -m zhongtai check-migrations
if [ -n "$failed" ]; then
    echo "lint: not passed:$failed" >&2
    exit 1
fi
