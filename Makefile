# The checks and tests that CI runs. `make venv` does all the set-up in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: venv check test format

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
docs/settings.md: src/augcon/config.py src/augcon/templates.py
	$(BIN)/python -m tests.write_settings_page
