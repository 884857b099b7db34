# The commands of this project. `make demo` and `make test` need only Python >= 3.11 and make; `make env` does the rest.
PYTHON ?= python3
BIN := .venv/bin
CODE := ca mirror spot_client tests demo

.PHONY: help env demo test lint types unit format lock clean

help:  ## Show the commands.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 16

env: .venv/.made  ## Make the environment in .venv from the lock.

.venv/.made: requirements.lock pyproject.toml tools/make_env.sh
	@PYTHON="$(PYTHON)" sh tools/make_env.sh
	@touch $@

demo: env  ## Play the main job on real input in ./.demo (SERVE=1 leaves the mirror running).
	@$(BIN)/python -m demo $(if $(SERVE),--serve)

test: env lint types unit  ## Everything: lint, types, tests.

lint: env
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: env
	$(BIN)/mypy

unit: env
	@sh tools/test_needs.sh
	$(BIN)/pytest -n auto --cov --cov-report=term

format: env  ## Format the code, and mend what ruff can.
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lock:  ## Resolve the dependencies anew into requirements.lock.
	@PYTHON="$(PYTHON)" sh tools/lock.sh

clean:  ## Remove everything that was made here, the cache of the demo's wheels excepted.
	rm -rf .venv .demo .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
