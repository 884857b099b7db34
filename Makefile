# The commands of this project. `make demo` and `make test` need only Python >= 3.11 and make; `make env` does the rest.
PYTHON ?= python3
BIN := .venv/bin
# Where trust is decided; of these at least 95 % of all branches run in tests.
TRUST := ca/*,spot_client/wire/*,spot_client/decide/*,mirror/content/policy.py
# Many tests wait, for other processes mostly: two more at a time than there are cores.
WORKERS ?= $(shell expr $$(nproc) + 2)
CODE := ca mirror spot_client tests demo bench fuzz

.PHONY: help env demo test lint types unit fuzz guards mutants bench bench-catalogue bench-growth bench-serve bench-revocation soak reference install format lock clean

help:  ## Show the commands.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 16

env: .venv/.made  ## Make the environment in .venv from the lock.

.venv/.made: requirements.lock pyproject.toml tools/make_env.sh tools/venv_needs.sh
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
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term
	@$(BIN)/coverage report --format=total --include='$(TRUST)' --fail-under=95 >/dev/null || \
	    { echo "make test: less than 95 % of branches in $(TRUST)" >&2; exit 1; }

fuzz: env  ## Feed the parsers what they should refuse, for SECONDS=60.
	@$(BIN)/python -m fuzz --seconds $(or $(SECONDS),60)

guards: env  ## Disable each guard of the catalogue in turn (in a copy): its tests must go red.
	@$(BIN)/python -m tests.hostile.catalogue.disable $(ONLY)

mutants: env  ## Change the code where trust is decided: tests must notice (FILE=... for one file).
	@$(BIN)/python -m tests.mutants.run $(FILE)

bench: env  ## Measure the main job: time, CPU, memory, bytes.
	@$(BIN)/python -m bench.main_job

bench-catalogue: env  ## Measure a catalogue of 100,000 releases.
	@$(BIN)/python -m bench.catalogue

bench-growth: env  ## Measure a mirror at 1, 10 and 100 % of what it is to hold.
	@$(BIN)/python -m bench.growth

bench-serve: env  ## Measure how the mirror serves, with Apache and nginx beside it.
	@sh tools/bench_needs.sh
	@$(BIN)/python -m bench.serve

bench-revocation: env  ## Measure how soon a revoked client is refused, whatever it is doing.
	@$(BIN)/python -m bench.revocation

soak: env  ## Load the mirror for MINUTES=10 while things fail, and count what was lost.
	@$(BIN)/python -m bench.soak --minutes $(or $(MINUTES),10)

reference: env  ## Bring docs/reference up to date with the commands.
	@$(BIN)/python -m tests.docs.reference

install: env  ## Install the programs into PREFIX=/opt/spot-mirror, without tests.
	@PYTHON="$(PYTHON)" sh tools/install_to.sh $(or $(PREFIX),/opt/spot-mirror)

format: env  ## Format the code, and mend what ruff can.
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

lock:  ## Resolve the dependencies anew into the locks.
	@PYTHON="$(PYTHON)" sh tools/lock.sh

clean:  ## Remove everything that was made here, the cache of the demo's wheels excepted.
	rm -rf .venv .demo .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
