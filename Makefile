# make run    serve on http://localhost:3000 (PORT changes it); data in var/
# make test   the whole test suite, on SQLite and on a PostgreSQL that it starts itself
# make test-turkish  the functional tests on a PostgreSQL whose language is Turkish, where the system's has ICU
# make check  formatting, lint, types and import contracts
# make chaos  bookings while everything is killed at random; SEED=7 SECONDS=600 choose another and a longer run
# make bench  what each call costs and how many a second there can be; ARGS='--help' says how to choose
# make bench-growth  what each call costs while its table grows to ten million rows
# make bench-attack  what others notice of 200 guesses at passwords a second
# make bench-conflicts  10,000 calls at once that refuse overlaps: none fails, no two bookings overlap
# make bench-latency  how long a message takes from its commit to the e-mail provider
#
# Each builds .venv first, from nothing but Python 3.11 or newer: `make run` with what running needs, the others
# with the tools of development too.
#
# make image       the container image, with docker, podman or buildah; TAG and BASE change its name and its Python's image
# make sbom        what is in it, as CycloneDX, in dist/; TAG names another image
# make lock        the newest dependencies that setup.cfg allows, with hashes, in requirements/*.txt
# make test-image  builds the image and runs it; as root, with buildah, podman, runc and mmdebstrap of Debian

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DEV_READY := .venv/.ready-dev
TOOLS := .tools/bin
TOOLS_READY := .tools/.ready

.PHONY: run test test-turkish chaos bench bench-attack bench-conflicts bench-growth bench-latency check format image sbom lock test-image clean

run: $(READY)
	@$(BIN)/scheduling -c development.ini db upgrade
	@exec $(BIN)/pserve development.ini

test: $(DEV_READY)
	$(BIN)/pytest -n auto --durations 40 $(ARGS)

test-turkish: $(DEV_READY)
	TEST_ICU_LOCALE=tr $(BIN)/pytest -n auto -k 'not sqlite' $(ARGS) tests/functional tests/accounts tests/db

chaos: $(DEV_READY)
	CHAOS_SEED=$(SEED) CHAOS_SECONDS=$(SECONDS) $(BIN)/pytest -q -s tests/chaos/test_chaos.py

bench: $(DEV_READY)
	$(BIN)/python -m bench $(ARGS)

bench-growth: $(DEV_READY)
	$(BIN)/python -m bench.growth $(ARGS)

bench-conflicts: $(DEV_READY)
	$(BIN)/python -m bench.conflicts $(ARGS)

bench-attack: $(DEV_READY)
	$(BIN)/python -m bench.attack $(ARGS)

bench-latency: $(DEV_READY)
	$(BIN)/python -m bench.delivery_latency

check: $(DEV_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

image:
	@image/build $(ARGS)

sbom:
	@image/sbom $(ARGS)

lock: $(TOOLS_READY)
	for name in image sbom tools; do \
	    $(TOOLS)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
	        --no-emit-package scheduling --custom-compile-command 'make lock' \
	        --output-file requirements/$$name.txt requirements/$$name.in || exit 1; \
	done

# Named one by one, since `make test` passes this folder over.
test-image: $(DEV_READY) $(TOOLS_READY)
	$(BIN)/pytest $(ARGS) tests/image/test_*.py

clean:
	rm -rf .venv .tools build dist *.egg-info

$(READY): setup.cfg setup.py pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Scheduling needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $(READY)

$(DEV_READY): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(DEV_READY)

$(TOOLS_READY): requirements/tools.txt
	$(PYTHON) -m venv .tools
	$(TOOLS)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/tools.txt
	@touch $(TOOLS_READY)
