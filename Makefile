SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python that is new enough and for which the locked packages have wheels.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && { command -v $$p; break; }; done)
BIN := .venv/bin
INSTALLED := .venv/.installed
SOURCES := $(wildcard daemon processors config vigild.py bench tests)
COMPILE := $(BIN)/uv pip compile --quiet --universal --fork-strategy fewest --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header

DATA ?= ../shared/data
# Tests that run side by side; most of them wait for a broker or a process most of the time.
JOBS ?= 4

.PHONY: soak help install run test check bench bench-peers bench-accuracy bench-alarms bench-deployments bench-oncall bench-estimation bench-data-drift broker lock clean

help: ## Show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-14s %s\n", $$1, $$2 }'

install: $(INSTALLED) ## Make .venv with the locked packages and Vigil itself

$(INSTALLED): requirements/dev.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Vigil needs Python 3.11 to 3.14: install one, or say make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make environments: install its venv package (on Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Installing into .venv: about a minute, once"
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@$(BIN)/python -m compileall -q $(SOURCES)
	@touch $@

run: $(INSTALLED) ## Watch a simulated fleet (vigild demo)
	@$(BIN)/vigild demo

test: $(INSTALLED) ## Run every test, with a real Kafka broker
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: fuzz
RUNS ?= 1000000
fuzz: $(INSTALLED) ## RUNS inputs (a million) for the decoder and the config loader, guided by coverage
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--require-hashes --requirement requirements/fuzz.lock || echo "atheris can't be installed here: unguided" >&2
	@$(BIN)/python -m tests.fuzz --runs $(RUNS)

check: $(INSTALLED) ## Lint, format, types, which package imports which, and known vulnerabilities
	@failed=0; for check in "ruff check" "ruff format --check" "mypy $(SOURCES)" "lint-imports --no-logo" "python -m tests.audit"; do \
		echo "$$check"; $(BIN)/$$check || failed=1; done; exit $$failed

bench: $(INSTALLED) ## What watching costs beside reading, on a real broker (EVENTS, MODELS, FEATURES, EVENT_BYTES); writes docs/performance.md
	@$(BIN)/python -m compileall -q $(SOURCES)
	@$(BIN)/python -m bench

soak: $(INSTALLED) ## EVENTS (ten million) through the real loop; writes docs/memory.svg and docs/memory.json
	@$(BIN)/python -m bench.soak

bench-accuracy: $(INSTALLED) ## How early and how true alerts are, on the streams in DATA; writes docs/accuracy.md
	@$(BIN)/python -m bench.accuracy $(DATA) --write docs/accuracy.md

bench-oncall: $(INSTALLED) ## What a simulated fleet with scripted incidents pages; writes docs/alert-examples.md
	@$(BIN)/python -m bench.oncall --models 18 --days 1.3 --every 4 --calm 4 --apart 0.6 --read --write docs/alert-examples.md

bench-estimation: $(INSTALLED) ## How close estimates without labels are; writes docs/estimation.md. NANNYML=python to compare
	@$(BIN)/python -m bench.estimation $(DATA) $(if $(NANNYML),--nannyml $(NANNYML)) --write docs/estimation.md

bench-alarms: $(INSTALLED) ## How often stable models raise alarms (SEED=0); writes docs/false-alarms.md (about an hour)
	@$(BIN)/python -m bench.alarms $(if $(SEED),--seed $(SEED)) --write docs/false-alarms.md

bench-deployments: $(INSTALLED) ## How often a good new version is taken for a bad one, and how soon a bad one is found; writes docs/deployments.md
	@$(BIN)/python -m bench.alarms.deployments --write docs/deployments.md

bench-data-drift: $(INSTALLED) ## How surely damaged features are found and named; writes docs/data-drift.md. EVIDENTLY=python to compare
	@$(BIN)/python -m bench.data_drift $(DATA) --million $(if $(EVIDENTLY),--evidently $(EVIDENTLY)) --write docs/data-drift.md

bench-peers: $(INSTALLED) ## Other monitors on the same rows, in environments of their own; writes docs/peers.md
	@$(BIN)/python -m bench.peers

broker: $(INSTALLED) ## Start a Kafka broker for trying things by hand
	@$(BIN)/python -m tests.broker

.PHONY: chaos
chaos: $(INSTALLED) ## Kill Vigil and what is around it: SEED= (any), KILLS= (100); nothing may be lost
	@$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(KILLS),--kills $(KILLS))

lock: $(INSTALLED) ## Choose versions anew, from what pyproject.toml allows
	$(COMPILE) --upgrade --group build --output-file requirements/build.lock
	$(COMPILE) --upgrade pyproject.toml --extra models --output-file requirements/runtime.lock
	$(COMPILE) --upgrade pyproject.toml --extra models --group dev --constraint requirements/runtime.lock \
		--output-file requirements/dev.lock

clean: ## Remove everything that make made
	rm -rf .venv .cache build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
