# Two commands are all one needs: `make run` and `make test`.
SHELL := /bin/sh
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: ## .venv with everything the dashboard and the `prune` command need
	@scripts/setup.sh run

setup-test:
	@scripts/setup.sh test

run: setup ## the dashboard with a scanned registry (SOURCE=storage:/path for your own)
	@.venv/bin/python manage.py serve $(if $(SOURCE),--source "$(SOURCE)")

test: setup-test lint ## every check and every test
	@.venv/bin/python -m pytest -n 2 --dist worksteal

test-quick: setup-test ## the tests that need no server and no browser
	@.venv/bin/python -m pytest -n 2 -m "not real" -q

lint: setup-test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . 
	@.venv/bin/lint-imports --no-logo
	@.venv/bin/mypy

bench: ## figures, as ratios against a peer in the same run
	@scripts/setup.sh bench
	@.venv/bin/python -m benchmarks

messages: setup-test ## every string of the pages into the catalogs of registryui/locale, and compiled
	@scripts/messages.sh

lock: ## new requirements/*.txt from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --group dev --python-version 3.12 --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements/dev.txt
	uv pip compile pyproject.toml --constraint requirements/dev.txt --python-version 3.12 --universal --generate-hashes --no-emit-index-url --no-header -q -o requirements/base.txt

.PHONY: help setup setup-test run test test-quick lint bench messages lock
