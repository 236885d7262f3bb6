# Everything happens below .venv/, .cache/ and .demo/ (all ignored by git). Needed: Python 3.11 to 3.13 with pip,
# make and git. PYTHON=/path/to/python3.12 takes another Python than the first python3 of the PATH.
PYTHON ?= python3
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Without bytecode every Airflow process takes three times as long to start.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME VIRTUAL_ENV
export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

UV := .cache/uv/bin/uv
BIN := .venv/bin
INSTALLED := .venv/installed

# $(call step,heading,command): says what comes, runs it, says how long it took.
define step
printf '\n== %s\n' "$(1)"; began=$$SECONDS; $(2); printf '== %s: ok, %s s\n' "$(1)" "$$((SECONDS - began))"
endef

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: $(INSTALLED) ## run a DAG on a real Airflow against the emulator, outputs into a real S3; KEEP=1 leaves it up
	@exec $(BIN)/python -m tests.programs.system.demo

# Many tests wait for a server or a process, so that two processes more than there are cores keep all cores busy.
# Those on a real Airflow run beside the others, in one process with one database; their output comes after.
.PHONY: test
test: $(INSTALLED) ## lint, and every test but those of `test-matrix`
	@mkdir -p .cache
	log=.cache/tests-on-airflow.log
	$(BIN)/python -m pytest -m airflow >$$log 2>&1 & on_airflow=$$!
	trap 'kill $$on_airflow 2>/dev/null || true' EXIT
	$(MAKE) lint
	workers=$$(($$(getconf _NPROCESSORS_ONLN) + 2))
	$(call step,pytest: unit and contract and emulator,$(BIN)/python -m pytest -n $$workers --dist worksteal -m "not airflow and not chromium and not system and not stores")
	$(call step,pytest: on a real Airflow,wait $$on_airflow || { cat $$log; exit 1; }; tail -n 1 $$log)

.PHONY: lint
lint: $(INSTALLED) ## ruff, mypy, import-linter, links of the pages, and the checks of `package`
	@$(call step,ruff check,$(BIN)/ruff check .)
	$(call step,ruff format --check,$(BIN)/ruff format --check .)
	$(call step,mypy,$(BIN)/mypy)
	$(call step,lint-imports,$(BIN)/lint-imports)
	$(call step,links of the pages,$(BIN)/python -m tests.docs.links)
	$(call step,package,$(MAKE) package)

.PHONY: docs
docs: $(INSTALLED) ## write the tables of docs/reference, and build docs/ into .cache/docs
	@$(BIN)/python docs/reference_tables.py
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -d .cache/docs-doctrees docs .cache/docs
	echo "Open .cache/docs/index.html"

.PHONY: package
package: .cache/dist/checked ## build sdist and wheel into .cache/dist, and check what an index would make of them

# Pyroma asks for an author's e-mail address, and there is none to give: hence 8 of 10.
.cache/dist/checked: $(INSTALLED) README.md LICENSE $(shell find airflow_provider_wiro -name '*.py' -o -path '*/static/*')
	@rm -rf $(@D)
	$(BIN)/hatchling build -d $(@D)
	$(BIN)/twine check --strict $(@D)/*
	$(BIN)/check-wheel-contents $(@D)/*.whl
	listed=$$($(BIN)/python -m zipfile --list $(@D)/*.whl)
	for file in airflow_provider_wiro/gallery/static/*; do
	  grep --quiet "^$$file " <<< "$$listed" || { echo "The wheel lacks $$file." >&2; exit 1; }
	done
	$(BIN)/pyroma --quiet --min 8 --file $(@D)/*.tar.gz
	touch $@

.PHONY: format
format: $(INSTALLED) ## let ruff sort the imports and format the code
	@$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test-matrix
test-matrix: $(UV) ## run the tests marked `airflow` on every supported Airflow; VERSIONS="3.0.6 3.3.2" for some
	@UV=$(abspath $(UV)) $(PYTHON) -m tests.programs.matrix run $(VERSIONS)

.PHONY: test-stores
test-stores: $(INSTALLED) ## land outputs in Azurite, which npm installs below .cache; `test` has those against Google's
	@exec $(BIN)/python -m tests.programs.stores $(ARGS)

.PHONY: test-watchers
test-watchers: $(INSTALLED) ## watchers of a project on a real Airflow whose triggerer is stopped and killed; BURST=300
	@exec $(BIN)/python -m tests.programs.watchers --burst $(or $(BURST),0)

.PHONY: test-gallery
test-gallery: $(INSTALLED) ## look at the gallery in Chromium on real Airflows; VERSIONS=3.3.2, SCREENSHOTS=docs/images
	@$(BIN)/python -m tests.programs.gallery.chromium
	@$(BIN)/python -m pytest -q -m chromium -n 2 tests/gallery/front
	@exec $(BIN)/python -m tests.programs.gallery $(VERSIONS) $(if $(SCREENSHOTS),--screenshots $(SCREENSHOTS))

.PHONY: test-faults
test-faults: $(INSTALLED) ## kill, freeze and cut off real processes, and count what Wiro saw; SCENARIO=name for one
	@exec $(BIN)/python -m tests.programs.faults

.PHONY: bench
bench: $(INSTALLED) ## measure import cost, checks, speed and memory, each against a yardstick of the same run
	@exec $(BIN)/python -m tests.programs.benchmarks

.PHONY: bench-scale
bench-scale: $(INSTALLED) ## measure thousands of runs at once; SIZES="100 1000", PARTS="triggers airflow short export"
	@exec $(BIN)/python -m tests.programs.benchmarks.scale

.PHONY: soak
soak: $(INSTALLED) ## 2,000 runs with random faults for 20 minutes: nothing lost, twice or leaked; MINUTES=3, SEED=7
	@exec $(BIN)/python -m tests.programs.soak

.PHONY: lock
lock: $(UV) ## bring the lock files up to pyproject.toml; UPGRADE=--upgrade also to the newest libraries
	@$(UV) pip compile --quiet --universal --python-version 3.11 --group dev pyproject.toml $(UPGRADE) \
	  --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o requirements.lock
	UV=$(abspath $(UV)) $(PYTHON) -m tests.programs.matrix lock

.PHONY: clean
clean: ## remove everything the other commands made
	@rm -rf .venv .cache .demo dist .hypothesis .import_linter_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml | $(UV)
	@echo "== installing into .venv (once; a minute or two)"
	$(UV) venv --quiet --allow-existing --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" .venv
	$(UV) pip install --quiet --python .venv --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	touch $@

# pip alone on a bare Debian: no ensurepip, so no `python3 -m venv`, and no installing outside of one. Into a
# folder it may install, and uv is all it has to. Its version and hashes are those of requirements.lock.
$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || {
	  echo "This needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..." >&2
	  exit 1
	}
	$(PYTHON) -m pip --version >/dev/null 2>&1 || {
	  echo "This needs pip: $(PYTHON) -m pip does not work. On Debian: apt-get install python3-pip" >&2
	  exit 1
	}
	mkdir -p .cache
	rm -rf .cache/uv
	sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .cache/uv-requirement.txt
	$(PYTHON) -m pip install --quiet --no-deps --require-hashes --target .cache/uv -r .cache/uv-requirement.txt
