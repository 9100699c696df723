.DEFAULT_GOAL := help
.PHONY: help test lint unit netns test-vm demo requirements manual nat-matrix hostile churn mutants shape clean system-packages

PYTHON ?= python3
BIN := .venv/bin
# Cores of a small machine are enough for the tests that compute; those in namespaces mostly wait for timers.
TEST_PROCESSES ?= auto
NETNS_PROCESSES ?= 4

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 14

# Made again when the dependencies change or a package appears.
.venv/installed: pyproject.toml $(wildcard plugins/*/*/__init__.py) | system-packages
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install -qq --disable-pip-version-check --editable .[dev]
	@touch $@

system-packages:
	@PYTHON=$(PYTHON) tools/system-packages

test: lint unit netns  ## every check and every test this machine can run, and what was skipped and why

lint: .venv/installed  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: .venv/installed  ## the tests that need no privilege
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadgroup -m "not netns"

netns: .venv/installed system-packages  ## the tests in network namespaces, with real programs as peers
	$(BIN)/pytest -n $(NETNS_PROCESSES) --dist loadgroup -m netns

test-vm: .venv/installed system-packages  ## the tests that need a kernel with sit and fou, in a Debian machine under qemu (TESTS="-k sit")
	@$(BIN)/python -m tests.vm $(TESTS)

demo: .venv/installed system-packages  ## a host behind a NAT gets IPv6, shown on the terminal
	@$(BIN)/tunnelmgr lab demo

requirements: .venv/installed  ## numbered requirements of docs/protocols and the tests that show them
	@$(BIN)/python tools/requirements.py

manual: .venv/installed  ## write docs/profile.md from the settings models
	@$(BIN)/python -m tools.profile_manual

nat-matrix: .venv/installed system-packages  ## Teredo clients behind every kind of NAT call each other (3 minutes)
	@$(BIN)/python -m tools.nat_matrix

hostile: .venv/installed system-packages  ## peers that say what they should not, damaged anew in each of ROUNDS (20)
	@for seed in $$(seq $(or $(ROUNDS),20)); do HOSTILE_SEED=$$seed $(BIN)/pytest -q -n $(NETNS_PROCESSES) tests/netns/hostile tests/process/test_hostile_updates.py || exit 1; done

churn: .venv/installed system-packages  ## a hundred thousand connections and datagrams of each kind: nothing may be left of them (10 minutes)
	TUNNELMGR_CHURN=100000 $(BIN)/pytest -q -k ten_thousand tests/process tests/netns/tsp tests/netns/teredo

mutants: .venv/installed  ## break the code behind 20 requirements, one at a time: the cited test must fail (SEED=1)
	@$(BIN)/python -m tools.mutants $(SEED)

shape: .venv/installed  ## figures of the code beside their limits, and what is largest
	@$(BIN)/python tools/shape.py

clean:  ## remove everything made here
	rm -rf .venv .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
