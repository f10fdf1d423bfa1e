# Everything a newcomer needs; `make help` lists it. The environment is built from the lock files the first time, in .venv.
PYTHON ?= python3
ENV := .venv
RUN := $(ENV)/bin/python
# An environment that was left half-built, or whose Python has gone, is built anew.
BROKEN := $(shell test ! -e $(ENV) || $(RUN) -c "" 2>/dev/null || echo broken)
# Where the home folder cannot be written, the downloads are not kept.
CACHE := $(shell test -w "$${XDG_CACHE_HOME:-$$HOME}" || echo --no-cache)
UV := UV_PYTHON_DOWNLOADS=never $(RUN) -m uv --quiet $(CACHE)
INSTALL := $(UV) pip install --python $(RUN) --require-hashes -r
# what imports the settings without using a server still has to name one
NOWHERE := DATABASE_URL=postgres://127.0.0.1:1/none REDIS_URL=redis://127.0.0.1:1
PRODUCTION := BEDROCK_ENV=production DEBUG=false ALLOWED_HOSTS=bedrock.example.org
LOCK := --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo run migrate shell test check bench chaos stop clean lock broken

help:  ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(ENV)/.demo  ## load the demo, print its table and serve it (ONCE=1: print the table and leave; PORT=8000)
ifdef ONCE
	@exec $(RUN) manage.py demo
else
	@exec $(RUN) -m config.stack --first demo
endif

run: $(ENV)/.demo  ## migrate, then serve web, worker and beat on what is there
	@exec $(RUN) -m config.stack --first migrate

migrate: $(ENV)/.demo  ## bring the database up to date
	@exec $(RUN) manage.py migrate

shell: $(ENV)/.demo  ## open Python with the project loaded
	@exec $(RUN) manage.py shell

test: $(ENV)/.dev  ## run the whole suite on real PostgreSQL and Redis (ARGS="tests/config -k port")
	@exec $(RUN) -m pytest -n 2 --cov --cov-report= $(ARGS)

check: $(ENV)/.dev  ## run every gate: format, lint, import contracts, types, migrations, deployment, coverage of the last test run
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(ENV)/bin/lint-imports
	$(NOWHERE) $(RUN) -m mypy
	$(RUN) manage.py makemigrations --check --dry-run
	$(RUN) -m config.embedded run env $(PRODUCTION) SECRET_KEY="$$($(RUN) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
		$(RUN) manage.py check --deploy --fail-level WARNING
	@test -e .coverage || { echo "There is no coverage to judge: run make test first."; exit 1; }
	$(RUN) -m coverage report --fail-under=90 --skip-covered --skip-empty

bench: $(ENV)/.dev  ## measure against the baselines (ONLY=name for one of them)
	@exec $(RUN) -m benchmarks $(ONLY)

chaos: $(ENV)/.dev  ## send orders while workers, Redis and PostgreSQL die (ARGS="--orders 200 --seed 1")
	@exec $(RUN) -m benchmarks.chaos $(ARGS)

stop:  ## stop whatever runs from this folder: web, worker, beat and the embedded servers
	@test ! -x $(RUN) || { $(RUN) -m config.stack --stop; $(RUN) -m config.embedded stop; }

clean: stop  ## remove everything that was built or recorded here, the embedded database included
	rm -rf var $(ENV) .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

lock: $(ENV)/.uv  ## write the lock files anew from pyproject.toml (UPGRADE=1: with newer versions)
	$(UV) pip compile pyproject.toml $(LOCK) $(if $(UPGRADE),--upgrade) --extra demo --extra talib -o requirements.lock
	$(UV) pip compile pyproject.toml $(LOCK) $(if $(UPGRADE),--upgrade) --extra demo --extra talib --extra dev -o requirements-dev.lock
	echo uv | $(UV) pip compile - $(LOCK) $(if $(UPGRADE),--upgrade) -o requirements-uv.lock

# --- the environment: uv from pip with hashes, then everything from uv with hashes; redone when a lock file changes -----------
$(ENV)/.uv: requirements-uv.lock $(BROKEN)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Bedrock needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	@echo "Building the Python environment in $(ENV) (once, about a minute) ..."
	@$(PYTHON) -m venv --without-pip --clear $(ENV)
	@$(PYTHON) -m pip --python $(RUN) install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	@touch $@

$(ENV)/.demo: requirements.lock $(ENV)/.uv
	@echo "Installing requirements.lock ..."
	@$(INSTALL) requirements.lock
	@touch $@

$(ENV)/.dev: requirements-dev.lock $(ENV)/.uv
	@echo "Installing requirements-dev.lock ..."
	@$(INSTALL) requirements-dev.lock
	@touch $@

broken:
	@true
