# Everything runs in .venv of this checkout; only Python 3.11+, make and git must be there before.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
SECONDS ?= 300
SEED ?= 1
NAME ?= queue

.PHONY: help setup up test check format lock fuzz bench bench-peers chaos machines conformance clean docs

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the locked dependencies (does nothing when it is current)

$(STAMP): requirements-dev.lock pyproject.toml hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "openbell needs Python 3.11 or newer; name one with: make setup PYTHON=python3.12")'
	@test -x $(BIN)/python || { echo "Making .venv"; $(PYTHON) -m venv .venv; }
	@echo "Installing the locked dependencies (a minute or two the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.lock
	@echo "Installing openbell from this checkout"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

up: setup ## start everything and print the address (ARGS="--live --port 8080")
	@exec $(BIN)/openbell up $(ARGS)

test: setup ## the tests, on a real PostgreSQL, two at a time (ARGS="-k name" for some of them, one at a time)
	@exec $(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist loadfile)

fuzz: setup ## requests that nobody thought of, made from the OpenAPI document (ARGS="--requests 20000 --seed 1")
	@exec $(BIN)/python -m tests.web.fuzz $(ARGS)

check: setup ## style, types, floors, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/squawk --config .squawk.toml src/openbell/postgres/migrations/*.sql src/openbell/postgres/migrations/functions/*.sql

format: setup ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## choose the newest allowed versions anew and write both lock files
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@build/lock/bin/uv pip compile --quiet --upgrade $(LOCK_OPTIONS) pyproject.toml --group dev --output-file requirements-dev.lock
	@build/lock/bin/uv pip compile --quiet --upgrade $(LOCK_OPTIONS) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	@git --no-pager diff --stat -- requirements.lock requirements-dev.lock

# For every platform and Python from 3.11 on; without the address of the index they came from.
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

bench: setup ## measure one thing: make bench NAME=stream (or queue, the default, or idle)
	@exec $(BIN)/openbell bench $(NAME) $(ARGS)

bench-peers: setup .venv-peers/.ready ## other queues of PyPI beside ours, in turns (takes half an hour)
	@exec $(BIN)/python bench/peers/run.py --python .venv-peers/bin/python $(ARGS)

.venv-peers/.ready: bench/peers/requirements.txt
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --requirement bench/peers/requirements.txt
	@touch $@

chaos: setup ## break things on purpose: make chaos SECONDS=1800 SEED=1, or KILLS=10000, or RESERVATIONS=1000000
	@exec env SECONDS=$(SECONDS) SEED=$(SEED) KILLS=$(KILLS) RESERVATIONS=$(RESERVATIONS) $(BIN)/python -m tests.chaos

machines: setup ## workers on machines that are cut off, again and again: make machines ROUNDS=20
	@exec env ROUNDS=$(or $(ROUNDS),20) $(BIN)/python -m pytest -q -p no:cacheprovider tests/engine/test_several_machines.py

conformance: setup .venv-conformance/.ready ## who believes a worker that lost its job? ours and the peers, into docs/conformance.md
	@exec $(BIN)/python -m tests.conformance --write

.venv-conformance/.ready: tests/conformance/requirements.txt
	@$(PYTHON) -m venv .venv-conformance
	@.venv-conformance/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/conformance/requirements.txt
	@touch $@

docs: setup ## the documentation, from docs/ into build/docs; a warning is an error
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs
	@echo "Open build/docs/index.html"

clean: ## remove what can be made again; data folders in .openbell stay
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage* tests/artifacts
	rm -rf src/openbell/web/static/vendor
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
