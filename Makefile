# make demo    environment .venv, then pipelines/quickstart.yaml -> runs/quickstart
# make test    the same environment, then everything the project checks
# make lint    the checks that run no code
# make clean   remove the environment, caches and build output; runs/ stays

PYTHON ?= python3
WORKERS ?= 2
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
REQUIREMENTS := setup.cfg pyproject.toml constraints.txt

.DEFAULT_GOAL := demo
.PHONY: demo test lint clean environment

demo: .venv/.core-installed
	$(BIN)/xraysynth run pipelines/quickstart.yaml --out runs/quickstart

environment: .venv/.dev-installed

lint: .venv/.dev-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

# One thread a process: the processes fill the cores. pytest comes last, so that
# its summary is the last line.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "xraysynth needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)." \
	    "Name another one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv

.venv/.core-installed: $(REQUIREMENTS) | $(BIN)/python
	@echo "Installing xraysynth into .venv; the first time this takes a few minutes."
	@$(PIP_INSTALL) -e .
	@touch $@

.venv/.dev-installed: $(REQUIREMENTS) | $(BIN)/python
	@echo "Installing xraysynth and the checking tools into .venv; the first time this takes a few minutes."
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@ .venv/.core-installed

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
