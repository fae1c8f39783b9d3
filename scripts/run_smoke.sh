#!/usr/bin/env bash
# A dozen rows with the embedded model, in a temporary directory; then everything that reads a run.
set -euo pipefail
cd "$(dirname "$0")/.."
routenator=$PWD/.venv/bin/routenator
rows=${ROWS:-12}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

timeout 600 "$routenator" generate demo --rows "$rows" --out run
delivered=$(wc -l <run/dataset/dataset.jsonl)
if [[ $delivered -ne $rows ]]; then
    echo "run_smoke: $delivered rows delivered, $rows expected" >&2
    exit 1
fi
timeout 120 "$routenator" generate demo --rows "$rows" --out run >/dev/null # goes on, finds all done
"$routenator" status run --json >/dev/null
"$routenator" report run --html again.html >/dev/null
"$routenator" traces list run --limit 3
"$routenator" traces show run 0 >/dev/null
for format in openai-chat sharegpt trl bfcl; do
    "$routenator" export run --format "$format"
done
echo "run_smoke: ok, $delivered rows"
