# The commands of this project; `make` lists them. Everything happens in .venv, nothing needs root except
# the packages that `make test` asks for.

PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help venv dev demo check test needs drain storm fuzz bench systemd sizes generated texts lock

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

venv: .venv/.demo ## make .venv with what the demo needs, from the hashed lock
dev: .venv/.dev ## add what checks and tests need

.venv/.demo: requirements-demo.lock requirements-build.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements-demo.lock -r requirements-build.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.demo requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

demo: venv ## a forecourt, a broker and headquarters in one terminal; DEMO_ARGS="--seconds 30"
	.venv/bin/forecourt demo $(DEMO_ARGS)

check: dev ## everything that can be said without running the program
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	$(PY) -m pytest -q tests/house
	@$(MAKE) --no-print-directory systemd sizes

systemd: ## the unit is well-formed and its sandbox scores 1.5 or better
	@copy=$$(mktemp -d) && trap 'rm -r "$$copy"' EXIT \
	&& sed 's|^ExecStart=.*|ExecStart=/bin/true|' systemd/forecourt.service > "$$copy/forecourt.service" \
	&& systemd-analyze verify "$$copy/forecourt.service" \
	&& { systemd-sysusers --dry-run "$(CURDIR)/systemd/forecourt.sysusers" > "$$copy/out" 2>&1 || { cat "$$copy/out"; false; }; }
	systemd-analyze security --offline=true --threshold=15 --json=short systemd/forecourt.service > /dev/null

sizes: dev ## list long files and functions
	@$(PY) -m tests.house.sizes

test: dev needs .venv/.contract ## run the tests
	$(PY) -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder

# The distribution's apsw shares libsqlite3 with Python: power cuts are tried through it.
# gcc and libmodbus make a Modbus slave that is not ours.
needs:
	@missing=; \
	for package in mosquitto postgresql python3-apsw gcc libc6-dev libmodbus-dev; do \
	    dpkg-query -W -f '$${Status}' $$package 2> /dev/null | grep -q 'ok installed' || missing="$$missing $$package"; \
	done; \
	command -v node > /dev/null || missing="$$missing nodejs"; \
	command -v npm > /dev/null || missing="$$missing npm"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2> /dev/null; then as_root='sudo -n'; else \
	    echo "The tests need$$missing. Type: sudo apt-get install --no-install-recommends$$missing" >&2; exit 1; \
	fi; \
	$$as_root apt-get update -q \
	&& $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing

# What the consumer in another language imports; the lock file has the hashes.
CONSUMER := tests/integration/contract
.venv/.contract: $(CONSUMER)/package.json $(CONSUMER)/package-lock.json | dev needs
	@mkdir -p .venv/contract && cp $^ .venv/contract
	cd .venv/contract && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

drain: dev needs ## a million rows and sixty kills on the road to headquarters
	$(PY) -m pytest -q -s -m drain tests/integration/hq

storm: dev needs .venv/.contract ## the long tests
	$(PY) -m pytest -q -m storm --timeout 3600 tests

fuzz: dev ## a million torn, forged and random inputs into every parser; FUZZ_ARGS="--inputs 50000 dart"
	$(PY) -m tests.property.drivers.fuzz $(FUZZ_ARGS)

bench: dev ## measure, one JSON line per figure
	$(PY) -m tests.bench

generated: dev ## rewrite the generated settings' example and table, JSON Schemas and AsyncAPI
	$(PY) -m config.describe
	$(PY) -m agent.cli.contract

texts: dev ## extract the texts, bring the translations up to date and compile them
	$(PY) -m tests.house.texts

lock: ## resolve the requirements anew (needs uv)
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) --extra demo pyproject.toml -o requirements-demo.lock
	$(LOCK) --extra demo --extra hq --extra dev pyproject.toml -o requirements-dev.lock
	printf '%s\n' 'hatchling>=1.27,<2' editables | $(LOCK) - -o requirements-build.lock
