# Two commands for a newcomer: `make run`, `make test`. They need Python 3.10 or newer and a package index.
PYTHON ?= python3
LOWEST ?= python3.10
NEWEST ?= python3.13
BIN := .venv/bin
INSTALL := pip install --quiet --disable-pip-version-check
# What only tests need comes by uv, in a third of pip's time, and from pip's index where that is a mirror.
INDEX = $(or $(PIP_INDEX_URL),$(shell $(BIN)/python -m pip config get global.index-url 2>/dev/null),https://pypi.org/simple)
QUICKLY = $(BIN)/uv pip install --quiet --compile-bytecode --default-index $(INDEX)
DATA := data/movielens-100k/meta.yaml
BEST := output/movielens-100k/best/rec.pdparams
# A worker a core, each with a part of the suite. A worker's libraries have one thread each: by themselves they start one a
# core, and those of two workers only take the cores from each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --dist worksteal
# Tests of processes, browsers and kills wait a third of their time, in which another one can run.
ONE_MORE = $(shell $(BIN)/python -c "import os; print(min(8, os.cpu_count() + 1))")

.PHONY: run test test-extras test-lowest test-newest lint format docs lock clean

run: $(BEST)  ## from nothing to measured recommendations on MovieLens 100K
	$(BIN)/python infer.py -m config.yaml

test: .venv/.dev  ## the core suite
	$(PYTEST) -n logical --maxprocesses 8 -m "not extras"

test-extras: .venv/.extras  ## what needs optional packages
	$(PYTEST) -n $(ONE_MORE) -m extras

# The core suite without its slow tests, with other versions; with a newer Python what depends on it.
OTHERS := -m pytest -q -n logical --maxprocesses 8 --dist worksteal -m "not extras and not slow"
VERSIONED := tests/training/test_graphs.py tests/serving/test_requests.py tests/test_paddlerec.py tests/common tests/logs/test_odd_logs.py

test-lowest: .venv-lowest/.done  ## with the lowest declared versions
	OMP_NUM_THREADS=1 .venv-lowest/bin/python $(OTHERS)

test-newest: .venv-newest/.done  ## with a newer Python
	OMP_NUM_THREADS=1 .venv-newest/bin/python $(OTHERS) $(VERSIONED)

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/.extras  ## the documentation as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(DATA): | .venv/.core
	$(BIN)/python -m tools.preprocess movielens-100k

$(BEST): config.yaml $(DATA)
	$(BIN)/python trainer.py -m config.yaml -o runner.overwrite=true

.venv/.core: requirements/core.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m $(INSTALL) -r $<
	touch $@

.venv/.dev: requirements/dev.txt .venv/.core
	$(BIN)/python -m $(INSTALL) -r $<
	touch $@

.venv/.extras: requirements/extras.txt .venv/.dev
	$(QUICKLY) --python $(BIN)/python -r $<
	touch $@

.venv-lowest/.done: requirements/lowest.txt .venv/.dev
	$(LOWEST) -m venv .venv-lowest
	$(QUICKLY) --python .venv-lowest/bin/python -r $<
	touch $@

.venv-newest/.done: requirements/dev.txt .venv/.dev
	$(NEWEST) -m venv .venv-newest
	$(QUICKLY) --python .venv-newest/bin/python -r $<
	touch $@

lock:  ## renew the pinned versions from pyproject.toml
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet pip-tools==7.6.2
	for group in core dev extras; do .venv-lock/bin/pip-compile --quiet --upgrade --allow-unsafe --strip-extras --no-header \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-annotate \
	  $$(case $$group in dev) echo --extra dev;; extras) echo --extra dev --extra speed --extra spark --extra onnx --extra baselines --extra milvus --extra plot --extra tune --extra visual --extra tensorboard --extra explorer --extra serve --extra notebook --extra docs --extra browser;; esac) \
	  --output-file requirements/$$group.txt pyproject.toml || exit 1; done
	rm -rf .venv-lock

clean:
	rm -rf .venv output data site
