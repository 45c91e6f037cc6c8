# Everything sets itself up: a fresh machine needs Python 3.11 or newer, git and make.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := daemon desired_state reconcilers rehearsal

.PHONY: demo test lint check bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    a rollback story on this machine, about a minute"
	@echo "make test    all tests"
	@echo "make lint    format, lint, types, architecture"
	@echo "make check   all of that, and the tests with branch coverage"
	@echo "make bench   counts and figures, and the runbook side by side"
	@echo "make lock    resolve the dependencies anew"

demo: .venv/ready
	$(BIN)/trueup demo

test: .venv/ready
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n 2 --dist loadfile $(OPTIONS)

lint: .venv/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(MAKE) test OPTIONS="--cov --cov-report=term"

bench: .venv/ready
	$(BIN)/python -m tests.bench

lock: .venv/ready
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	    -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
	    --all-extras -o requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv build *.egg-info

# The lock holds the hash of every file that is installed; nothing is resolved here.
.venv/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "trueup needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
