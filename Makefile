# Two commands do everything on a fresh machine: `make demo` and `make test`.

# The first Python that runs and is new enough; a name on the path may be a launcher with nothing behind it.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
BIN := .venv/bin

.PHONY: setup demo test browser check format bench messages screenshots lock clean

setup: .venv/.ready src/meterbook/console/static/.ready

.venv/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Meterbook needs Python 3.11 or newer: install it, or run make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# where Python may not write bytecode, every start would compile the package anew
	$(BIN)/python -m compileall -q src/meterbook
	@touch $@

# What the browser loads, and the compiled languages; nothing runs when no source has changed.
src/meterbook/console/static/.ready: .venv/.ready package.json package-lock.json .npmrc scripts/build_static.py \
		$(wildcard src/meterbook/console/assets/* src/meterbook/console/assets/*/*) $(wildcard src/meterbook/console/locale/*/LC_MESSAGES/*.po)
	$(BIN)/python scripts/build_static.py

demo: setup
	$(BIN)/meterbook demo

# Two workers, each with stores, a server and a browser of its own; a file's tests stay together. Files go in their order:
# by the number of their tests, which is what the plugin would go by, the longest tests come last, one worker idle.
test: setup check browser
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

# Finds a Chromium for the browser's tests, or installs one.
browser: .venv/.ready
	$(BIN)/python scripts/find_chromium.py

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m bench

# Brings the languages' catalogs in step with the texts of the console; then translate what is new.
messages: .venv/.ready
	$(BIN)/python scripts/update_messages.py

# The pictures of the console in the documentation, of the demo on a set day.
screenshots: setup
	$(BIN)/python scripts/screenshots.py

lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --output-file requirements.lock

clean:
	rm -rf .venv build dist src/meterbook/console/static node_modules
