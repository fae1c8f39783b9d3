#!/usr/bin/env bash
# Builds wheel and sdist, installs each in an environment of its own, and uses it away from the checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
checkout=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3=${PYTHON:-python3}
"$python3" -m venv "$folder/build"
"$folder/build/bin/pip" install --quiet --disable-pip-version-check build
"$folder/build/bin/python" -m build --outdir "$folder/dist" "$checkout" >"$folder/build.log" 2>&1 || {
    cat "$folder/build.log" >&2
    exit 1
}
ls -l "$folder"/dist

for artefact in "$folder"/dist/*.whl "$folder"/dist/*.tar.gz; do
    echo "wheel_smoke: $(basename "$artefact")"
    rm -rf "$folder/venv" "$folder/away"
    mkdir "$folder/away"
    "$python3" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$artefact"
    (
        cd "$folder/away"
        routenator="$folder/venv/bin/routenator"
        "$routenator" --version
        "$routenator" graph | head -1
        "$routenator" validate design
        "$routenator" domain init my-pack
        "$routenator" validate my-pack
        "$folder/venv/bin/python" "$checkout/scripts/check_installed.py" "$checkout"
    )
done
echo "wheel_smoke: ok"
