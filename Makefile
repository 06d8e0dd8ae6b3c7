# The checks and tests that CI runs. `make venv` does all the set-up in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv check test format adapter

venv: $(BIN)/augcon

$(BIN)/augcon: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e '.[local,dev]'
	@touch $@

check: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build -q --strict -d build/site

test: venv
	$(BIN)/python -m pytest

format: venv
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Written from the settings themselves.
docs/settings.md: src/augcon/config.py src/augcon/sections.py src/augcon/templates.py
	$(BIN)/python -m tests.write_settings_page

# The embedded model's adapter, from adapter/passages: half an hour on two cores.
adapter: venv
	$(BIN)/pip install -q 'torch==2.13.0' -e '.[local,train]'
	$(BIN)/python -m adapter
