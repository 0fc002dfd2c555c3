#!/bin/sh
# Finds a Python that can carry the project and hands over to bootstrap.py.
# usage: sh zhongtai/bootstrap.sh production|dev      PYTHON=/path/to/python chooses one
set -eu
here=$(dirname "$0")
fits='import sys; raise SystemExit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)))'
whole='import sys, sysconfig, os, venv, ensurepip; raise SystemExit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
if [ -n "${PYTHON:-}" ]; then
    if ! why=$("$PYTHON" -c "$fits" 2>&1); then
        echo "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13 that runs. Name one that is, or leave PYTHON unset. $why" >&2
        exit 1
    fi
    exec "$PYTHON" -I "$here/bootstrap.py" "$@"
fi
second_best=""
for candidate in python3.13 python3.12 python3.11 python3; do
    # a version manager may offer names it cannot run: only what runs counts
    if "$candidate" -c "$fits" 2>/dev/null; then
        if "$candidate" -c "$whole" 2>/dev/null; then
            exec "$candidate" -I "$here/bootstrap.py" "$@"
        fi
        second_best=${second_best:-$candidate}
    fi
done
if [ -n "$second_best" ]; then
    exec "$second_best" -I "$here/bootstrap.py" "$@" # it names what is missing
fi
echo "There is no Python 3.11, 3.12 or 3.13 on PATH. Install one (Debian, Ubuntu: apt-get install python3 python3-venv python3-dev; macOS: brew install python@3.13), or name one: make up PYTHON=/path/to/python3" >&2
exit 1
