# `make help` lists what there is. Everything sets itself up: the first target that needs it makes .venv.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
MUSIC ?=
CASES ?= 12000
RUN ?= runs/$(if $(MUSIC),own,demo)
RECIPE_INSTALLED := .venv/.recipe-installed

# Else each test process compiles all tests anew, for 7 s.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo model test fuzz check lint format bench wheel lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(INSTALLED)  ## Set up .venv from constraints.txt: the package with all its extras, and test tools

$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing (torch is large: a few minutes the first time)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(INSTALLED)  ## The whole job on a synthesised corpus; MUSIC=folder takes your own, RUN=folder puts it elsewhere
	@$(BIN)/soundkin demo $(if $(MUSIC),--music '$(MUSIC)') --run-dir '$(RUN)'

model: RUN = runs/model
model: $(RECIPE_INSTALLED)  ## Make the model in the box again: MUSIC=, TEACHERS=; about 5 hours, goes on where it stopped
	@test -n '$(MUSIC)' && test -n '$(TEACHERS)' || { \
	  echo 'make model MUSIC=folder TEACHERS=folder: recipe/README.md says what is in them' >&2; exit 2; }
	@PATH="$(CURDIR)/$(BIN):$$PATH" SONGS='$(SONGS)' WORKERS='$(WORKERS)' START='$(START)' OPTIONS='$(OPTIONS)' \
	  sh recipe/make_model.sh '$(MUSIC)' '$(TEACHERS)' '$(RUN)'

$(RECIPE_INSTALLED): recipe/requirements.txt $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement recipe/requirements.txt
	@touch $@

test: $(INSTALLED)  ## Every test
	@$(BIN)/python -m pytest -n 2 --dist worksteal

fuzz: $(INSTALLED)  ## Ask the server 10,000 times and more what its OpenAPI allows, and what it does not; CASES= takes another number
	@SOUNDKIN_FUZZ_CASES='$(CASES)' $(BIN)/python -m pytest -s tests/service/test_openapi_fuzzed.py

lint: $(INSTALLED)  ## Format, lint, types and import contracts
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

check: lint  ## Lint and the fast tests
	@$(BIN)/python -m pytest -n 2 -m 'not slow'

format: $(INSTALLED)  ## Let ruff format and fix what it can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

bench: $(INSTALLED)  ## Measure speed side by side and print the tables
	@$(BIN)/python benchmarks/run.py

wheel: $(INSTALLED)  ## Build the package into dist/
	@$(BIN)/python -m hatchling build --target wheel

lock:  ## Resolve pyproject.toml anew in a fresh environment and write constraints.txt
	@$(PYTHON) -m venv .venv-lock
	@.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	@.venv-lock/bin/python -m pip freeze --exclude soundkin > constraints.txt
	@rm -rf .venv-lock

clean:  ## Remove runs and caches, but not .venv
	@rm -rf runs .mypy_cache .ruff_cache .hypothesis dist build
