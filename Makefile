# Every target sets up what it needs, from a bare clone: Python >= 3.11 and make are enough.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

export PYTHONHASHSEED := 0
export TF_CPP_MIN_LOG_LEVEL := 3
# the same figures on every run; it costs the fused op a fifth, so only where outputs are compared
pytest quick coverage nbval notebooks: export TF_ENABLE_ONEDNN_OPTS := 0

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(STAMP)  ## Build .venv from requirements.lock (uv where present, else venv + pip)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13), f"Python 3.11 to 3.13 needed, found {sys.version.split()[0]}: call make PYTHON=python3.12"'
	@if command -v uv >/dev/null 2>&1; then \
		echo "Setting up $(VENV) with uv"; \
		uv venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV); \
		uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock; \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
		echo "Setting up $(VENV) with venv and pip (a minute or two)"; \
		$(PYTHON) -m venv $(VENV); \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $(STAMP)

report: setup  ## Write a report on the embedded pump series (ARGS="my.csv --value flow" for your own)
	@$(BIN)/vaehelpers report $(ARGS)

test: lint pytest nbval  ## ruff, mypy, pytest with doctests, nbval on every notebook and solution

lint: setup  ## ruff (notebooks too) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pytest: setup  ## Tests and doctests, without the notebooks (ARGS="-k name")
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

quick: setup  ## Unit tests alone, in two minutes: no notebooks, no doctests, nothing slow (ARGS="-k name")
	HYPOTHESIS_PROFILE=quick $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" -p no:doctest -o addopts="--strict-markers -q" tests $(ARGS)

fuzz: setup  ## Mutated files, detectors, parameters, states; then the property tests drawn anew (an hour or more)
	$(BIN)/python tests/fuzz/fuzz.py $(ARGS)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -n 2 --dist loadfile -p no:doctest -o addopts="--strict-markers -q" \
		$$(grep -lrE "^from hypothesis|^import hypothesis" tests --include="test_*.py" | sort)

kill: setup  ## Kill report, fit, score, watch and bench at 200 moments and look at what they leave (half an hour)
	$(BIN)/python tests/kill/kill.py $(ARGS)

audit: setup  ## Rules of bandit on the package, consistent dependencies, known vulnerabilities (needs network)
	$(BIN)/ruff check --select S --ignore S101,S110,S112,S603,S607,S404 vaehelpers
	@if command -v uv >/dev/null 2>&1; then uv pip check --python $(BIN)/python; else $(BIN)/python -m pip check; fi
	@if command -v pip-audit >/dev/null 2>&1; then pip-audit --disable-pip --require-hashes -r requirements.lock; \
		else echo "known vulnerabilities were not looked up: install pip-audit (pipx install pip-audit)"; fi

coverage: setup  ## Branch coverage of tests and doctests; fails below the floor in pyproject.toml
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered --cov-report=html:build/coverage $(ARGS)

mutants: setup  ## Change the numeric modules by mutmut; the tests must notice (ARGS="vaehelpers.windows*")
	$(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results | grep -v "not checked" || true

docs: setup  ## The site, from the stored outputs, without network: build/site/index.html
	$(BIN)/python -m sphinx -E -W --keep-going -q -b html docs build/site
	@echo build/site/index.html

wheel-check: setup  ## Build the wheel; install and use it in empty environments of Python 3.11, 3.12, 3.13
	$(BIN)/python tools/check_wheel.py $(ARGS)

nbval: setup  ## Execute every notebook and compare its checked cells
	cd notebooks && ../$(BIN)/python -m pytest -p no:doctest -o addopts= -o testpaths= --nbval-lax --nbval-current-env \
		--nbval-sanitize-with ../tests/nbval.cfg -n 2 --dist loadfile .

mutate: setup  ## Break helpers on purpose: a notebook cell must turn red for each (a few minutes)
	$(BIN)/python tests/mutate.py $(ARGS)

notebooks: setup  ## Execute and normalize every notebook in place
	$(BIN)/python tests/execute_notebooks.py $(ARGS)
	$(BIN)/python tests/lesson_table.py --write

bench: setup  ## Benchmarks side by side with plain Keras and, where installed, PyTorch
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/latency.py
	$(BIN)/python benchmarks/scaling.py --largest 1000000
	$(BIN)/python benchmarks/thresholds.py --seeds 20
	$(BIN)/python benchmarks/asker.py

format: setup  ## Format code and notebooks
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup  ## Resolve requirements.lock and constraints.txt anew from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra notebooks --extra fleet --extra docs --extra baselines --extra excel --extra onnx --group test --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-strip-extras --upgrade -o requirements.lock
	uv pip compile pyproject.toml --extra notebooks --extra fleet --extra docs --extra baselines --extra excel --extra onnx --group test --universal --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate -c requirements.lock -o constraints.txt

clean:  ## Remove the environment and everything built
	rm -rf $(VENV) build dist runs mutants .coverage .pytest_cache .mypy_cache .ruff_cache

.PHONY: help setup report test lint pytest quick fuzz kill audit coverage mutants docs wheel-check nbval mutate notebooks bench format lock clean
