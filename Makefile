# Everything from a fresh clone with python3 (3.11+), its venv module and make.
#   make demo    the whole life of a model on this machine
#   make test    every test          make check   lint, types, import contracts
#   make docs    the documentation   make bench   benchmarks
#   make bench-gateway  the gateway beside others, which it installs into build/peers
#   make storm   clouds that live through a day of faults, 200 of them
#   make attack  the API and a gateway attacked as every kind of caller, for minutes

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Threads of numerical libraries would fight the tests' own processes for the cores.
TEST_ENV := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast storm attack check format docs bench bench-gateway constraints clean

help:
	@sed -n 's/^#   //p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras, older than the files that say what is in them.
$(VENV)/.local: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[local]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[local,dev]'
	@touch $@

demo: $(VENV)/.local
	$(BIN)/bruk demo $(ARGS)

test: $(VENV)/.dev
	$(TEST_ENV) $(BIN)/python -m pytest -m alone $(ARGS)
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not alone' $(ARGS)

test-fast: $(VENV)/.dev
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow' $(ARGS)

# Numerical libraries' threads would fight the workers for the cores here too.
storm: $(VENV)/.local
	$(TEST_ENV) $(BIN)/bruk twin storm $(or $(ARGS),--seeds 200 --workers 2)

attack: $(VENV)/.dev
	$(TEST_ENV) $(BIN)/python -m tests.attack $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py
	$(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

bench-gateway: $(VENV)/.dev
	$(BIN)/python -m benchmarks.peers build/peers

# Pins what is installed now; run it after an upgrade that all tests passed with.
constraints: $(VENV)/.dev
	$(BIN)/python -m pip freeze --exclude-editable --exclude bruk | sed -E 's/^(torch==[0-9.]+).*/\1/' \
	  | grep -v ' @ ' > constraints.txt

clean:
	rm -rf $(VENV) site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
