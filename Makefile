# Everything is done in .venv, which is made from the hashed lock files in requirements/. Nothing but make, sh and a
# Python 3.11 or later with venv is needed on the machine.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
# pytest arguments, for example: make test ARGS="-k pause -x"
ARGS ?=
MINUTES ?=
# Tests that have a full size, for make chaos: make chaos ARGS="-k postgresql" MINUTES=10
FIRE := $(addprefix tests/system/test_,storm.py server_restarts.py cut_connections.py hosts.py pgbouncer.py) tests/programs

# A stamp names what was installed: the lock, the package's own metadata, the Python that was asked for (PYTHON=…) and the
# place of the clone (an environment is not movable). While it stands, nothing is installed, so a second start costs no pip run.
key = $(shell (pwd; echo $(PYTHON); cat requirements/$(1).txt pyproject.toml scripts/setup-env) | cksum | tr ' ' -)
RUN_STAMP := $(VENV)/.holdfast-run-$(call key,run)
DEV_STAMP := $(VENV)/.holdfast-dev-$(call key,dev)

$(DEV_STAMP):
	@scripts/setup-env $(VENV) requirements/dev.txt $(PYTHON)
	@rm -f $(VENV)/.holdfast-dev-* && touch $@

# The development lock holds everything the running one does, at the same versions; so where its stamp stands, this is done.
$(RUN_STAMP):
	@test -e $(DEV_STAMP) || scripts/setup-env $(VENV) requirements/run.txt $(PYTHON)
	@rm -f $(VENV)/.holdfast-run-* && touch $@

.PHONY: help
help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

.PHONY: dev
dev: $(DEV_STAMP)  ## Set up everything for development, run nothing
	@:

.PHONY: up
up: $(RUN_STAMP)  ## Start Holdfast on SQLite with the sample jobs; runs until Ctrl-C
	@exec $(VENV)/bin/python -m examples

# The suite starts some hundred programs, which find their bytecode as installed ones do: each saves a third of a second.
# Four test processes keep two cores busy, since system tests wait for other processes half of their time; they take tests from
# each other, so that no long file is left to one of them.
.PHONY: test
test: $(DEV_STAMP)  ## Run the whole suite; what could not be run is named at the end (ARGS="-k pause" selects)
	@unset PYTHONDONTWRITEBYTECODE; HOLDFAST_TEST_CHROMIUM="$$(scripts/find-chromium)" \
		$(PY) -m pytest -n 4 --dist worksteal $(ARGS)

.PHONY: services
services: $(DEV_STAMP)  ## Start (or install, as root) the servers that tests use and make test would miss; it finds them then
	@scripts/services >$(VENV)/test-services

.PHONY: soak
soak: $(DEV_STAMP)  ## The system tests again and again for MINUTES=30, every failure told at the end
	@MINUTES="$(MINUTES)" scripts/soak $(PY) $(ARGS)

.PHONY: chaos
chaos: $(DEV_STAMP)  ## Fire at full size on every database: 2,000 kills each, crashes, cuts (MINUTES=60 bounds each)
	@HOLDFAST_TEST_CHAOS=1 HOLDFAST_TEST_MINUTES="$(MINUTES)" $(PY) -m pytest $(FIRE) -s $(ARGS)

.PHONY: check
check: $(DEV_STAMP)  ## Lint, formatting, types, and the guards of the architecture
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m pyright
	@$(PY) -m pytest tests/guards -q

.PHONY: docs
docs: $(DEV_STAMP)  ## Write the parts of the documentation that repeat the code
	@$(PY) scripts/docs.py

.PHONY: bench
bench: $(DEV_STAMP)  ## Run the benchmarks, the yardsticks beside us; writes benchmarks/results/
	@exec $(PY) -m benchmarks $(ARGS)

.PHONY: smoke
smoke:  ## One job from enqueue to succeeded on every other supported Python that is found
	@scripts/smoke

.PHONY: lowest
lowest: $(DEV_STAMP)  ## Run the suite with the oldest dependencies that pyproject.toml allows (needs uv)
	@scripts/lowest $(ARGS)

.PHONY: lock
lock: $(DEV_STAMP)  ## Resolve the lock files anew (needs uv)
	@scripts/lock

.PHONY: wheel
wheel: $(DEV_STAMP)  ## Build the wheel and the source archive into dist/
	@$(PY) -m hatchling build

.PHONY: clean
clean:  ## Remove environments, caches and built files; data in .holdfast stays
	rm -rf .venv .venv-3.* dist build test-results .pytest_cache .ruff_cache .hypothesis
	find src tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
