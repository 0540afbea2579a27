# Every target does its own set-up: Python 3.11+ and make are all that a machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv
TEST_WORKERS ?= 4

.PHONY: install run test check format bench bench-scheduler bench-executions clean

install: $(STAMP)

$(STAMP): pyproject.toml uv.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.8,<1"
	$(UV) sync --quiet --frozen --inexact --python $(BIN)/python
	touch $@

run: $(STAMP)
	$(BIN)/jetcron up $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist worksteal $(ARGS)

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m bench.due_at_once $(ARGS)

bench-scheduler: $(STAMP)
	$(BIN)/python -m bench.scheduler_scale $(ARGS)

bench-executions: $(STAMP)
	$(BIN)/python -m bench.executions_million $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
