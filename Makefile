# Each target sets up .venv by itself on a fresh machine, and again when pyproject.toml changes.
#   make claims ARGS="-k cosine"     any pytest option
#   make claims WORKERS=0            one process; a worker needs up to about 1 GiB
#   REPLICATIONS_TORCH="torch==2.13.0" make test     the build of torch to install first
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LEDGER ?= claims.json
LESIONS ?= lesions.json
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))' 2>/dev/null)
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv claims test tutorials bench lint format ledger matrix clean

help:
	@echo "make claims | test | tutorials | bench | lint | format | ledger | matrix | clean    (ARGS=… is passed on)"

venv: $(STAMP)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is missing or older than Python 3.11;" \
	         "install one and run: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	if test -n "$$REPLICATIONS_TORCH"; then $(PY) -m pip install $$REPLICATIONS_TORCH; fi
	$(PY) -m pip install -e '.[dev]'
	@touch $@

claims: $(STAMP)
	$(PY) -m pytest claims/ -n $(WORKERS) --claims-json $(LEDGER) $(ARGS)

test: $(STAMP)
	$(PY) -m pytest tests/ -n $(WORKERS) -m "not tutorial" $(ARGS)

# The pages of docs/ that add a claim and a system, carried out as written on a copy.
tutorials: $(STAMP)
	$(PY) -m pytest tests/test_docs.py -n $(WORKERS) -m tutorial $(ARGS)

bench: $(STAMP)
	$(PY) -m pytest bench/ --benchmark-quiet $(ARGS)

lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(STAMP)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

# Every claim on every subject that can be reached, every lesion, then CLAIMS.md, its picture and the
# rows in README.md from the two ledgers alone.
ledger: $(STAMP)
	$(PY) -m pytest claims/ -n $(WORKERS) --claims-json $(LEDGER)
	$(PY) -m pytest claims/ -n $(WORKERS) --lesions --claims-json $(LESIONS)
	$(PY) -m replications ledger $(LEDGER) --lesions $(LESIONS) --out CLAIMS.md \
	  --picture docs/findings.png --excerpt README.md

# The claims on several versions of TransformerLens: make matrix TL="3.9.0 4.3.0"
matrix: $(STAMP)
	MATRIX_ARGS='$(ARGS)' $(PY) -m nox -s matrix $(if $(TL),-- $(TL))

clean:
	rm -rf $(VENV) .nox matrix .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist
	rm -f $(LEDGER) $(LESIONS)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
