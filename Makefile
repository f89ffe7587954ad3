# make run    serve on http://localhost:3000 (PORT changes it); data in var/
# make test   the whole test suite, on SQLite and on a PostgreSQL that it starts itself
# make check  formatting, lint, types and the rooms' import contracts
# make chaos  bookings while everything is killed at random; SEED=7 SECONDS=600 choose another and a longer run
# make bench-latency  how long a message takes from its commit to the e-mail provider
#
# Each builds .venv first, from nothing but Python 3.11 or newer.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test chaos bench-latency check format clean

run: $(READY)
	@$(BIN)/scheduling -c development.ini db upgrade
	@exec $(BIN)/pserve development.ini

test: $(READY)
	$(BIN)/pytest -n auto $(ARGS)

chaos: $(READY)
	CHAOS_SEED=$(SEED) CHAOS_SECONDS=$(SECONDS) $(BIN)/pytest -q -s tests/chaos/test_chaos.py

bench-latency: $(READY)
	$(BIN)/python bench/delivery_latency.py

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist *.egg-info

$(READY): setup.cfg setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Scheduling needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)
