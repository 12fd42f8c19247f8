# SPDX-License-Identifier: GPL-3.0-or-later
# Every habit of this repository in one word; the longer ones are in scripts/.

PYTHON := .venv/bin/python
MAKEFLAGS += --no-print-directory
# those of tests/service that are the same on any database
SERVICE_TESTS := $(addprefix tests/service/,accounts events faults health hosts hostile jobs machines metrics \
    placement credentials statistics webhooks drift audit bulk schedules images)
# a process for each core, each with a lab of its own; more than four labs only get in each other's way
PYTEST := $(PYTHON) -m pytest -n auto --maxprocesses 4 --dist loadgroup
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-down lab lab-down test test-all molecule check bench chaos collection constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: ## Install what is missing: Debian packages and .venv; it says what before it does
	@scripts/setup

demo: setup ## A running service and a guest made over its API, on a private libvirt host
	@$(PYTHON) -m lab.demo up

demo-down: ## Take the demo away, with all that it made
	@test ! -x $(PYTHON) || $(PYTHON) -m lab.demo down

lab: setup ## Private libvirt hosts to try things on (HOSTS=3, IMAGE=debian, TCP=1: docs/lab.md)
	@$(PYTHON) -m lab up $(if $(HOSTS),--hosts $(HOSTS)) $(if $(IMAGE),--image $(IMAGE)) $(if $(TCP),--tcp)

lab-down: ## Take the lab away
	@test ! -x $(PYTHON) || $(PYTHON) -m lab down

test: setup ## All tests but the slow ones, on the real lab (ARGS="-k name" for pytest)
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: setup ## All tests, the service's on both databases and every Python, the collection's own
	@$(PYTEST) $(ARGS)
	@HOSTLER_TEST_DATABASE=postgres $(PYTEST) $(SERVICE_TESTS) $(ARGS)
	@scripts/test-pythons $(ARGS)
	@scripts/integration
	@scripts/molecule

molecule: setup ## The collection's molecule scenarios, on a lab of their own
	@scripts/molecule

check: setup ## Style, types, import rules, playbooks, the collection, the scripts
	@scripts/check

bench: setup ## How fast it is on this machine, into docs/benchmarks.md (ARGS="reads memory" for some of it)
	@$(PYTHON) -m bench $(ARGS)

chaos: setup ## Whether anything is lost while hosts fail, into docs/reliability.md (ARGS="soak --minutes 20")
	@$(PYTHON) -m chaos $(ARGS)

collection: setup ## Build the collection's tarball into dist/
	@scripts/collection build dist

constraints: setup ## Write constraints.txt from what .venv holds
	@scripts/constraints

clean: demo-down lab-down ## Take demo and lab away, delete .venv, caches and everything else that was made
	@scripts/clean
