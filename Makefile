# One command for each job. Every target makes the virtual environment it needs in .venv.
#
#   make evaluate    install and run the main job on the seeded synthetic market
#   make train       install, train PPO for a minute on the synthetic market, and evaluate it
#   make test        install and run the tests (slow suites: make test-slow)
#   make check       everything that continuous integration runs

# The first of these that runs and is new enough; or say which: make PYTHON=...
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3.11 python3 python; do \
	$$each -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$each && break; done)
VENV ?= .venv
JOBS ?= 2
ARGS ?=

BIN := $(VENV)/bin
# With the constraints every install is one tested set of versions.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Named first, so that no other build of torch is chosen: see constraints.txt.
TORCH := torch==2.13.0
PYTEST := $(BIN)/python -m pytest -n $(JOBS)
MADE := $(VENV)/.made
RUN := $(VENV)/.installed-run
TRAIN := $(VENV)/.installed-train
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs
BENCH := $(VENV)/.installed-bench
ORACLE := $(VENV)/.installed-oracle

.DEFAULT_GOAL := help
.PHONY: help evaluate train test test-slow test-plain coverage lint format types layers wheel docs check \
	bench oracle clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(MADE):
	@test -n "$(PYTHON)" || { echo "seq_gym needs Python 3.11 or later. Say which: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(RUN): pyproject.toml constraints.txt | $(MADE)
	$(PIP_INSTALL) -e '.[plot]'
	touch $@

$(TRAIN): pyproject.toml constraints.txt | $(MADE)
	$(PIP_INSTALL) $(TORCH) -e '.[plot,train]'
	touch $@ $(RUN)

$(DEV): pyproject.toml constraints.txt | $(MADE)
	$(PIP_INSTALL) $(TORCH) -e '.[dev]'
	touch $@ $(RUN) $(TRAIN)

$(DOCS): pyproject.toml constraints.txt | $(DEV)
	$(PIP_INSTALL) $(TORCH) -e '.[dev,docs]'
	touch $@

$(BENCH): pyproject.toml constraints.txt | $(MADE)
	$(PIP_INSTALL) $(TORCH) -e '.[train,bench]'
	$(PIP_INSTALL) --no-deps gym-trading-env hftbacktest
	touch $@

$(ORACLE): pyproject.toml constraints.txt | $(DEV)
	$(PIP_INSTALL) --no-deps hftbacktest
	touch $@

evaluate: $(RUN) ## Run the main job: python -m seq_gym.evaluate (more arguments: ARGS='...').
	$(BIN)/python -m seq_gym.evaluate $(ARGS)

train: $(TRAIN) ## Train PPO on the synthetic market, evaluate it on its test range, write a report.
	$(BIN)/python -m agents.train_ppo configs/ppo-synthetic.toml $(ARGS)
	$(BIN)/python -m seq_gym.evaluate --agent "$$(ls -dt runs/*-CandleTrading-v0-ppo-* | head -1)"

test: $(DEV) ## Run the tests, without the slow suites.
	$(PYTEST) $(ARGS)

test-slow: $(DEV) ## Run the slow suites alone.
	$(PYTEST) -m slow $(ARGS)

test-plain: $(DEV) ## Run the tests with the kernels as plain Python: line numbers, bounds, debuggers.
	NUMBA_DISABLE_JIT=1 $(PYTEST) $(ARGS)

coverage: $(DEV) ## Measure coverage, with the kernels as plain Python so that their lines count.
	NUMBA_DISABLE_JIT=1 $(PYTEST) --cov --cov-report=term-missing $(ARGS)

lint: $(DEV) ## Check style and formatting.
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(DEV) ## Mend what ruff can mend.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(DEV) ## Check types: mypy strict.
	$(BIN)/mypy

layers: $(DEV) ## Check the floors of the house: import-linter.
	$(BIN)/lint-imports

wheel: $(DEV) ## Build the wheel and try it in an environment of its own, without extras.
	rm -rf dist $(VENV)-wheel
	$(BIN)/python -m hatchling build -t wheel
	$(BIN)/python -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt dist/*.whl
	$(VENV)-wheel/bin/python -I tests/wheel_check.py
	rm -rf $(VENV)-wheel

docs: $(DOCS) ## Build the pages into docs/_build; a warning is an error.
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build

bench: $(BENCH) ## Measure speed as ratios, neighbours included (in a few minutes: ARGS=--quick).
	$(BIN)/python -m benchmarks.run $(ARGS)

oracle: $(ORACLE) ## Compare the book engine with hftbacktest, fill for fill, on real recordings.
	$(BIN)/python -m tests.oracle.compare $(ARGS)

check: lint types layers test wheel docs ## Run everything that continuous integration runs.

clean: ## Remove environments, builds and caches; runs/ stays.
	rm -rf $(VENV) $(VENV)-wheel dist docs/_build .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache .hypothesis .coverage
	find seq_gym tests -name __pycache__ -type d -prune -exec rm -rf {} +
