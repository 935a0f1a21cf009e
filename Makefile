# All there is to remember: make demo, make test, make lint, make up.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first that starts: a version manager leaves names behind for versions that it doesn't have.
PYTHON ?= $(shell for one in python3.11 python3.12 python3; do $$one -c '' 2>/dev/null && command -v $$one && break; done)
PORT   ?= 3000
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
export PALBO_HOME ?= $(CURDIR)/.palbo
# Where it is set, every process that starts compiles all its modules anew: seconds each time, and dozens start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast test-postgres test-faults test-accuracy bench bench-smoke lint format up lock clean tools

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): requirements.lock requirements.profiles.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v not in ((3, 11), (3, 12)))' \
	  || { echo "Python 3.11 or 3.12 is needed; $(PYTHON) is another: make PYTHON=python3.11 ..."; exit 1; }
	@test -x $(BIN)/uv || $(PYTHON) -m venv --clear $(VENV) \
	  || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv --clear $(VENV); } \
	  || { echo "Python's venv module is needed: apt install python3-venv"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --only-binary :all: --require-hashes -r requirements.profiles.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Write a small synthetic trial, ingest and materialise it, say where to look
	@$(BIN)/palbo demo

up: $(READY) ## Serve the Dagster UI and daemon on http://127.0.0.1:3000 (another: make up PORT=3001)
	@$(BIN)/palbo up --port $(PORT)

lint: $(READY) ## Lint, format check, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tools: ## Debian packages that some tests use: headless Chromium, PostgreSQL (skipped when not root)
	@bash palbo_assets_tests/install_tools.sh

test: $(READY) tools lint ## Lint, types, import rules; unit, end-to-end, browser and daemon tests
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not faults and not accuracy"

test-fast: $(READY) ## Unit tests only, in a minute or two
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not ui and not daemon and not faults and not accuracy and not end_to_end"

test-postgres: $(READY) tools ## The whole story on PostgreSQL instead of SQLite
	PALBO_TEST_DATABASE=postgresql $(BIN)/pytest palbo_assets_tests/end_to_end/test_story.py

test-faults: $(READY) tools ## Kills, races and full disks: slow, so apart from make test; CI runs both
	$(BIN)/pytest -m faults

test-accuracy: $(READY) tools ## What each method gets right on simulated and real data: slow; CI runs it too
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m accuracy

BENCH := .venv-bench
$(BENCH)/.ready: $(READY) bench/requirements.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(BENCH)
	$(BIN)/uv pip sync --quiet --python $(BENCH)/bin/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python --no-deps --no-build-isolation --editable .
	$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python -r bench/requirements.txt
	-$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python --no-build-isolation umi_tools==1.1.6 # compiles
	@touch $@

BENCHES := $(filter-out bench/measure.py bench/dna_%.py,$(wildcard bench/*.py))  # bench/dna.py runs its parts

bench: $(BENCH)/.ready tools ## Speed and memory against peers, at full size
	@set -e; for file in $(BENCHES); do $(BENCH)/bin/python $$file; done

bench-smoke: $(BENCH)/.ready tools ## The same on small input: equal results, and ratios that don't collapse; CI runs it too
	@set -e; for file in $(BENCHES); do $(BENCH)/bin/python $$file --smoke; done

lock: $(READY) ## Resolve the lock file anew
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra copies --universal --python-version 3.11 --generate-hashes -q -o requirements.lock

clean: ## Remove the demo installation and the virtual environment
	rm -rf .palbo $(VENV) $(BENCH)
