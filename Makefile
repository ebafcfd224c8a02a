# `make quickstart` and `make test` do all of their own set-up from a bare checkout.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Byte code is written at the first import, not at installation; without it each import takes long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup quickstart check test test-long test-vllm lint types docs written unit slurm schema clean

# Without --no-compile most of the time goes into byte code of modules that nobody imports.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev,docs]'
	touch $@

setup: $(READY)

quickstart: $(READY)
	$(BIN)/train $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# The documentation as a site, in site/; a link that leads nowhere fails.
docs: $(READY)
	$(BIN)/zensical build --clean --strict

# The files that are written from the code are those that the code would write.
written: $(READY)
	$(BIN)/python -m etude.schema --check

# SLURM for the tests that need one, in CI or when asked for; without it they say what is missing.
slurm:
	-@tests/slurm/install.sh

PYTEST := OMP_NUM_THREADS=1 GOMP_SPINCOUNT=1000 $(BIN)/python -m pytest -n 3 --dist worksteal --durations=30 --durations-min=5

unit: $(READY) slurm
	$(PYTEST) $(ARGS)

# For daily work: nothing that trains, starts processes or needs a SLURM.
check: lint types docs
	$(PYTEST) -m "not slow" --ignore tests/slurm --ignore tests/hostile $(ARGS)

test: lint types docs unit

# Every hostile input, every architecture, every long campaign.
test-long: lint types docs slurm
	ETUDE_LONG=1 ETUDE_HOSTILE=all $(PYTEST) $(ARGS)

# With a real vLLM on a CPU, in an environment of its own; where it cannot be had it is said why.
VLLM ?= .venv-vllm
test-vllm:
	@if PYTHON=$(PYTHON) tests/with_vllm/install.sh $(VLLM); then \
	  OMP_NUM_THREADS=2 $(VLLM)/bin/python -m pytest tests/with_vllm --durations=10 $(ARGS); fi

schema: $(READY)
	$(BIN)/python -m etude.schema

clean:
	rm -rf $(VENV) $(VLLM) build dist site .cache src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
