# `make quickstart` and `make test` do all of their own set-up from a bare checkout.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Byte code is written at the first import, not at installation; without it each import takes long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup quickstart test lint types unit slurm schema clean

# Without --no-compile most of the time goes into byte code of modules that nobody imports.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev]'
	touch $@

setup: $(READY)

quickstart: $(READY)
	$(BIN)/train $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

# SLURM for the tests that need one, in CI or when asked for; without it they say what is missing.
slurm:
	-@tests/slurm/install.sh

unit: $(READY) slurm
	OMP_NUM_THREADS=1 GOMP_SPINCOUNT=1000 $(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

test: lint types unit

schema: $(READY)
	$(BIN)/python -m etude.schema

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache
