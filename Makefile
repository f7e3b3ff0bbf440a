SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help

# The first of these that runs and is new enough; `make setup PYTHON=...` names another.
usable = $(shell $(1) -c 'import sys; sys.version_info >= (3, 11) and print("$(1)")' 2>/dev/null)
PYTHON ?= $(or $(call usable,python3.13),$(call usable,python3.12),$(call usable,python3.11),$(call usable,python3))
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -n)
NGSPICE ?= $(if $(CI),required,auto)

sweeps := $(wildcard circuits/sweeps/*.toml)
kept := tune reproduce cost REPORT.md
sources := $(wildcard circuits/*.py cosim/*.py netlist_templates/*.j2)

.PHONY: help setup train check test sweeps effects stability compare witness lines precision bench cost cost-gpu \
        tune reproduce report soak chaos cluster-demo golden docs wheel doctor clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Make .venv with everything in it, and install ngspice; PYTHON=... names the interpreter

.venv/.ready: pyproject.toml constraints.txt scripts/install_ngspice.sh | .venv/bin/python
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	scripts/install_ngspice.sh
	@touch $@

.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "No Python 3.11 or newer found: install one, or name it with make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	|| { $(ROOT) apt-get -qq update && $(ROOT) apt-get -qq install -y "$(notdir $(PYTHON))-venv"; } \
	|| { echo "$(PYTHON) has no venv module: on Debian or Ubuntu, apt-get install $(notdir $(PYTHON))-venv, then make setup again" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv

train: .venv/.ready ## Train with every inverse simulated in ngspice; ARGS=... goes to the command
	.venv/bin/python -m training --backend=spice $(ARGS)

check: .venv/.ready ## Lint, format, types, import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

# pytest's own command and not `python -m pytest`, which puts this folder first on the path
# and so hides a package of the same name installed from elsewhere. A process a core.
test: check ## Check, then run the tests; PYTEST_ARGS=... and NGSPICE=required|auto|off go to pytest
	.venv/bin/pytest -n auto --dist worksteal --ngspice=$(NGSPICE) $(PYTEST_ARGS)

sweeps: $(sweeps:circuits/sweeps/%.toml=results/%.csv) ## Run the sweeps whose description or source changed

# A run that is stopped goes on where it was. The table is this file's own: one of its older description is replaced.
results/%.csv: circuits/sweeps/%.toml $(sources) | .venv/.ready
	.venv/bin/ohmvert sweep $< -o $@ --parquet --overwrite

# FACTORS=file.npz names the factors, without it a small training run makes them; ARGS=... goes to the command.
table = .venv/bin/ohmvert $(1) $(if $(FACTORS),--factors $(FACTORS)) -o results/$(1).csv $(ARGS)

effects: .venv/.ready ## Tabulate what each non-ideality does to the error; FACTORS=file.npz names the matrices
	$(call table,effects)

stability: .venv/.ready ## Tabulate which conditioning makes 3-bit circuits stable; fails unless the default does
	$(call table,stability)

compare: .venv/.ready ## Tabulate inverters against compensation: error, settling time, op-amps
	$(call table,compare)

witness: .venv/.ready ## Hold ngspice against the nodal engine on every linear configuration, whole waveforms
	.venv/bin/ohmvert witness $(if $(FACTORS),--factors $(FACTORS)) $(ARGS)

lines: .venv/.ready ## Measure the port reduction of wired arrays; ARGS="--segments 48" runs the slow comparison
	.venv/bin/ohmvert lines $(ARGS)

precision: .venv/.ready ## Tabulate refinement (error against cycle) and BlockAMC (against size); ARGS="--proof --large"
	$(call table,precision)

bench: .venv/.ready ## Time ours against naive PySpice, ngspice -b, nodal and NumPy in one run; ARGS=--quick for a minute
	.venv/bin/ohmvert bench -o results/bench.json $(ARGS)

networks := cnn resnet18 vit-small gpt2-small
PRESET ?= rram40
cost = for model in $(networks); do .venv/bin/ohmvert cost --model $$model --preset $(PRESET) \
	       -o results/cost/$$model-$(basename $(notdir $(PRESET)))$(1).json $(2) $(ARGS); done

cost: .venv/.ready ## Price a K-FAC step of four networks on arrays and on processors; PRESET=rram40, ARGS=--quick
	$(call cost)

cost-gpu: .venv/.ready ## The same with this machine's CUDA device, skipped where there is none
	@if .venv/bin/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then $(call cost,-gpu,--gpu); \
	else echo "make cost-gpu: skipped, torch finds no CUDA device on this machine"; fi

# DATA_DIR=... names the folder of the EMNIST Letters files, which are downloaded without it.
study = .venv/bin/ohmvert $(1) $(if $(DATA_DIR),--data-dir $(DATA_DIR)) $(ARGS)

tune: .venv/.ready ## Search the hyperparameters of SGD, Adam and K-FAC with the same budget; DATA_DIR=..., ARGS=...
	$(call study,tune)

reproduce: .venv/.ready ## Count the epochs that each takes; goes on where it stopped; ARGS=--quick for minutes
	$(call study,reproduce)

report: .venv/.ready ## Write results/REPORT.md, results/report.html and the README's table from what was measured
	.venv/bin/ohmvert report --readme README.md $(ARGS)

soak: .venv/.ready ## Run 5,000 INV calls in one pool; fails unless the workers' memory stays flat
	.venv/bin/ohmvert soak $(ARGS)

chaos: .venv/.ready ## Kill workers and the trainer at random; fails unless every run ends in the same bits
	.venv/bin/ohmvert chaos $(ARGS)

cluster-demo: .venv/.ready ## Run SPICE jobs on a Dask cluster of two workers here, and kill one of them
	.venv/bin/ohmvert cluster-demo $(ARGS)

golden: .venv/.ready ## Write the reviewed netlists and waveforms in tests/golden and the page's screenshots anew
	.venv/bin/python -m pytest tests/test_golden.py tests/test_inspect_page.py --update-golden

docs: .venv/.docs ## Build the documentation into site/; warnings, broken links and missing docstrings are errors
	.venv/bin/sphinx-build --quiet --fail-on-warning --keep-going -E -d site/.doctrees docs site
	@echo "site/index.html"

.venv/.docs: .venv/.ready
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[docs]'
	@touch $@

wheel: .venv/.ready ## Build the wheel, check that it holds the four packages and every data file and nothing else
	rm -rf dist
	.venv/bin/python -m pip wheel --no-deps --wheel-dir dist .
	@names=$$(.venv/bin/python -c 'import sys, zipfile; print(*zipfile.ZipFile(sys.argv[1]).namelist(), sep="\n")' dist/*.whl); \
	diff <(printf '%s\n' circuits cosim dist-info netlist_templates training) \
	     <(cut -d/ -f1 <<<"$$names" | sed 's/^ohmvert-.*\.dist-info$$/dist-info/' | sort -u); \
	diff <(find circuits cosim netlist_templates training -regex '.*\.\(j2\|toml\|html\|css\|js\)' | sort) \
	     <(grep -E '\.(j2|toml|html|css|js)$$' <<<"$$names" | sort); \
	ls dist/*.whl

doctor: .venv/.ready ## Say what was found on this machine and what is missing
	.venv/bin/ohmvert doctor

clean: ## Remove results that are not committed, wheels and caches; .venv and runs stay
	[ ! -d results ] || find results -mindepth 1 -maxdepth 1 $(kept:%=! -name %) -exec rm -rf {} +
	rm -rf dist site .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find circuits cosim netlist_templates training tests -name __pycache__ -prune -exec rm -rf {} +
