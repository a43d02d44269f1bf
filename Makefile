# Each target installs into .venv what it needs and no more, and again when pyproject.toml changes.
#   make claims ARGS="-k cosine"     any pytest option; quotes inside are kept
#   make claims WORKERS=0            one process; a worker needs up to about 1.3 GiB
#   REPLICATIONS_TORCH="torch==2.13.0" make test     the build of torch to install first
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
HAS := $(VENV)/.installed-
INSTALL := $(if $(shell command -v uv 2>/dev/null),uv pip install --python $(PY),$(PY) -m pip install)
LEDGER ?= claims.json
LESIONS ?= lesions.json
REPLICAS ?= $(wildcard fixtures/*/replicate-*.json.gz)
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, os.cpu_count() or 1))' 2>/dev/null)
ARGS ?=

.DEFAULT_GOAL := help
TARGETS := claims test slow tutorials package cluster bench gpu times lint format docs ledger mutants matrix \
  clean
.PHONY: help venv $(TARGETS)

help:
	@echo "make TARGET    (ARGS=… is passed on); targets: $(TARGETS)"

venv: $(HAS)parallel

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is missing or older than Python 3.11;" \
	         "install one and run: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	if test -n "$$REPLICATIONS_TORCH"; then $(INSTALL) $$REPLICATIONS_TORCH; fi

# One stamp for each extra of pyproject.toml.
$(HAS)%: pyproject.toml | $(PY)
	$(INSTALL) -e '.[$*]'
	@touch $@

claims: $(HAS)parallel
	$(PY) -m pytest claims/ -n $(WORKERS) --claims-json $(LEDGER) $(ARGS)

test: $(HAS)test
	$(PY) -m pytest tests/ -n $(WORKERS) --dist loadfile \
	  -m "not tutorial and not packaging and not slow and not cluster" $(ARGS)

# What takes minutes: more of what a quicker test samples.
slow: $(HAS)test
	$(PY) -m pytest tests/ -n $(WORKERS) -m slow $(ARGS)

# The pages of docs/ that add a claim and a system, carried out as written on a copy.
tutorials: $(HAS)test $(HAS)lint
	$(PY) -m pytest tests/test_docs.py -n $(WORKERS) -m tutorial $(ARGS)

# The wheel, installed in an environment of its own, in another repository.
package: $(HAS)test
	$(PY) -m pytest tests/packaging -m packaging $(ARGS)

# Many seeds on a Ray cluster of two nodes on this machine, one of which is killed half-way.
cluster: $(HAS)test $(HAS)cluster
	$(PY) -m pytest tests/training/test_cluster.py -m cluster $(ARGS)

bench: $(HAS)test
	$(PY) -m pytest bench/ --benchmark-quiet $(ARGS)

# On a machine with a GPU, in at most eight minutes; ARGS=--dry-run tries the script without one.
gpu: $(HAS)test
	$(PY) -m bench.gpu $(ARGS)

# How long people wait for claims, tests, report, command line and small sweeps, beside the limits;
# ARGS="systems busy" takes some rows alone.
times: $(HAS)test
	$(PY) -m bench.times $(ARGS)

# Do tests and claims notice one wrong character?  An hour or two.
mutants: $(HAS)mutants
	$(PY) -m coverage run --source replications -m pytest -p tests.mutants tests/ claims/ \
	  -m "not tutorial and not packaging and not slow and not cluster" --offline -q
	$(PY) -m coverage json -q --show-contexts -o coverage.json
	$(PY) -m tests.mutants --count 100 --reached coverage.json --out docs/mutants.md $(ARGS)

lint: $(HAS)lint
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(HAS)lint
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(HAS)docs
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict $(ARGS)

# Every claim on every subject that can be reached, every lesion (in brackets without controls, which
# would take half an hour), then CLAIMS.md, its picture, the opening and the rows of README.md from the
# ledgers alone; then the audit.
ledger: $(HAS)parallel $(HAS)plots
	$(PY) -m pytest claims/ -n $(WORKERS) --thorough --claims-json $(LEDGER)
	$(PY) -m pytest claims/list_update claims/ioi claims/name_recall claims/algorithmic -n $(WORKERS) --lesions \
	  --claims-json $(LESIONS)
	$(PY) -m pytest claims/brackets -n $(WORKERS) --lesions --no-controls \
	  --claims-json brackets-$(LESIONS)
	$(PY) -m replications ledger $(LEDGER) --lesions $(LESIONS) brackets-$(LESIONS) \
	  $(if $(REPLICAS),--replicas $(REPLICAS)) --out CLAIMS.md --picture docs/findings.png --excerpt README.md
	$(PY) -m replications audit $(LEDGER) $(LESIONS) brackets-$(LESIONS)

# The claims on several versions of TransformerLens: make matrix TL="3.9.0 4.3.0"
# The arguments travel as they are, whatever quotes they have.
matrix: export MATRIX_ARGS = $(ARGS)
matrix: $(HAS)matrix
	$(PY) -m nox -s matrix $(if $(TL),-- $(TL))

clean:
	rm -rf $(VENV) .nox matrix .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build dist site
	rm -f $(LEDGER) $(LESIONS)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
