# Everything a developer does, from a machine that has only Python (3.10 to 3.14) and make.
# The environment is .venv; it is made again when the pinned requirements change.

.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$name" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2])' 2>/dev/null && echo "$$name" && break; done)
WORKERS ?= 2
ARGS ?=

BIN := .venv/bin
UV := $(BIN)/uv

# The certificates that this machine trusts, as pip does; where the fast installer still cannot, pip can.
export UV_SYSTEM_CERTS ?= true
define install
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r $(1) \
		|| { echo "Once more with pip ..."; $(BIN)/python -m pip install --quiet --require-hashes -r $(1); }
	@$(UV) pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .
endef

unexport VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test check bench matrix docs lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.develop ## Make .venv with all that tests and linters need

demo: .venv/.demo ## Show real LLM calls as spans; needs no key and no network
	@$(BIN)/otel-llm demo $(ARGS)

test: .venv/.develop ## Run the tests (ARGS='tests/wire -k usage' for some)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

check: .venv/.develop ## Format, lint, types, import contracts
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

bench: .venv/.develop ## Measure what we add to a call, beside other instrumentations
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/bench $(ARGS)

matrix: .venv/.develop ## Run older and other SDKs, other instrumentations and Pythons, each in an environment of its own
	@scripts/matrix $(ARGS)
	@if [ -z "$(ARGS)" ]; then echo "== interplay"; scripts/interplay; fi

docs: .venv/.develop ## Write the tables of settings and attributes again
	@$(BIN)/python scripts/generate-docs

lock: .venv/.made ## Pin the requirements again (ARGS=--upgrade for the newest)
	@UV=$(UV) scripts/lock $(ARGS)

clean: ## Remove the environment and everything that was made
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An empty environment with the pinned installer. Remade when a requirement changes, so that nothing stale stays in it.
.venv/.made: requirements/uv.txt requirements/demo.txt requirements/develop.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.10 or newer found; say which: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: -r requirements/uv.txt
	@touch $@

.venv/.demo: .venv/.made pyproject.toml
	@echo "Installing what the demo needs ..."
	$(call install,requirements/demo.txt)
	@touch $@

.venv/.develop: .venv/.made pyproject.toml
	@echo "Installing what tests and linters need ..."
	$(call install,requirements/develop.txt)
	@touch $@ .venv/.demo
