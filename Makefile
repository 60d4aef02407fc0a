# Nothing but make, Python 3.11 or later and a package index is needed: every target sets up .venv first, once.

VENV := .venv
BIN := $(VENV)/bin
STAMP := .stamp
LOCKING := --quiet --universal --python-version 3.11 --generate-hashes --no-config --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header

# The first that is recent enough and can make virtual environments; override it with `make PYTHON=… …`.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$python; break; }; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test thorough check prepare format schemas docs chaos clients bench detector images build lock clean

help:
	@echo "make demo      starts Kafka, an inbox and the worker, and shows how responses become alerts (ARGS=--help for more)"
	@echo "make test      checks format, lint, types and imports, and then runs the tests, on Kafkas of their own"
	@echo "make thorough  runs the tests that take too long for make test, and Hypothesis' tests with ten times as many examples"
	@echo "make check     checks format, lint, types and imports, and runs no test"
	@echo "make format    lets ruff format the code and correct what it can"
	@echo "make schemas   writes the JSON Schemas and the AsyncAPI document again"
	@echo "make docs      writes the generated parts of the documents again"
	@echo "make chaos     causes faults and bugs on purpose: nothing may be lost or counted twice (ARGS=--help for more)"
	@echo "make clients   tests the worker with other Kafka clients, in every codec (ARGS=--help for more)"
	@echo "make bench     measures how fast the worker is, compared with other programs (ARGS=--help for more)"
	@echo "make detector  measures how soon a drop is found, and how often there is a false alarm (ARGS=--help for more)"
	@echo "make images    makes the images of the documents again (needs Chromium)"
	@echo "make build     writes the wheel and the source distribution to dist/"
	@echo "make setup     only makes .venv and installs what requirements.lock names"
	@echo "make lock      resolves all requirements and Kafka's jars again"
	@echo "make clean     removes .venv and what the tools left"

setup: $(STAMP)/setup

demo: $(STAMP)/setup
	@$(BIN)/python -m worker demo $(ARGS)

# The checks and all tests, several jobs at a time; what each said is kept in .stamp/.
test: $(STAMP)/setup
	@$(BIN)/python tests/suite.py

thorough: $(STAMP)/setup $(STAMP)/quix/installed
	@EXAMPLES=thorough $(BIN)/python -m pytest -m "thorough or hypothesis" tests $(ARGS)

check: $(STAMP)/setup
	@echo "== format"; $(BIN)/ruff format --check --quiet . || { echo "run: make format" >&2; exit 1; }
	@echo "== lint"; $(BIN)/ruff check --quiet .
	@echo "== types"; $(BIN)/mypy
	@echo "== imports"; $(BIN)/lint-imports

# What the tests need beside .venv; it comes from afar, while the checks are at work.
prepare: $(STAMP)/setup
	@echo "== kafka"; $(BIN)/python -m worker.embedded.prepare

schemas: $(STAMP)/setup
	@$(BIN)/python -m schemas

docs: $(STAMP)/setup
	@$(BIN)/python -m tools.docs

chaos: $(STAMP)/setup
	@PYTHONPATH=tests $(BIN)/python -m chaos $(ARGS)

clients: $(STAMP)/setup
	@PYTHONPATH=tests $(BIN)/python -m clients $(ARGS)

bench: $(STAMP)/setup $(STAMP)/quix/installed
	@$(BIN)/python -m bench $(ARGS)

# What the page and the mails look like, from the tests that open them in a browser.
images: $(STAMP)/setup
	@IMAGES=docs/images $(BIN)/python -m pytest -q tests/browser/test_images.py

detector: $(STAMP)/setup
	@$(BIN)/python -m bench.detector $(ARGS)

# The builder is the one that requirements.lock names, so nothing else is installed.
build: $(STAMP)/setup
	@rm -rf dist
	@$(BIN)/python -m hatchling build

format: $(STAMP)/setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# uv lives in an environment of its own; wheels that lie on a machine must not leave their hashes in the lock.
lock:
	@rm -rf $(STAMP)/uv && $(PYTHON) -m venv $(STAMP)/uv && $(STAMP)/uv/bin/python -m pip install --quiet uv
	@echo "== requirements.lock"
	@env -u UV_FIND_LINKS $(STAMP)/uv/bin/uv pip compile pyproject.toml $(LOCKING) --upgrade \
		--extra embedded --extra otel --group dev --output-file requirements.lock
	@echo "== requirements-runtime.lock: the part of it that the Dockerfile installs"
	@env -u UV_FIND_LINKS $(STAMP)/uv/bin/uv pip compile pyproject.toml $(LOCKING) --constraint requirements.lock \
		--extra otel --output-file requirements-runtime.lock
	@echo "== bench/quix.lock"
	@env -u UV_FIND_LINKS $(STAMP)/uv/bin/uv pip compile $(LOCKING) --upgrade --group pyproject.toml:quix \
		--output-file bench/quix.lock
	@echo "== tests/clients: the locks of librdkafka and kafka-python"
	@env -u UV_FIND_LINKS $(STAMP)/uv/bin/uv pip compile $(LOCKING) --upgrade --group pyproject.toml:librdkafka \
		--output-file tests/clients/librdkafka/requirements.lock
	@env -u UV_FIND_LINKS $(STAMP)/uv/bin/uv pip compile $(LOCKING) --upgrade --group pyproject.toml:kafka-python \
		--output-file tests/clients/kafka_python/requirements.lock
	@rm -rf $(STAMP)/uv
	@$(MAKE) --no-print-directory setup
	@echo "== worker/embedded/jars.lock"
	@$(BIN)/python -m worker.embedded.jars --lock

clean:
	@rm -rf $(VENV) $(STAMP) dist .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP)/setup: $(VENV)/pyvenv.cfg requirements.lock pyproject.toml
	@echo "== installing what requirements.lock names; this may take a minute"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps \
		--only-binary :all: --requirement requirements.lock
	@echo "== installing the worker"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-deps --no-build-isolation \
		--editable .
	@mkdir -p $(STAMP) && touch $@

$(STAMP)/quix/installed: bench/quix.lock
	@echo "== installing Quix Streams, to compare with, in an environment of its own"
	@$(PYTHON) -m venv --clear $(STAMP)/quix
	@$(STAMP)/quix/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps \
		--only-binary :all: --requirement bench/quix.lock
	@touch $@

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later with venv and ensurepip was found (on Debian and Ubuntu:" \
		"apt install python3-venv). Install one, or name it: make PYTHON=/path/to/python3 …" >&2; exit 1; }
	@echo "== making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV)
