# The one door for people and CI. `make` alone lists what there is.
.DEFAULT_GOAL := help
SANDBOX := sandbox/bootstrap.sh
BIN := .local/venv/bin
PYTHON_SOURCES := .ci/dependencies.py .ci/site.py manage.py submitter jobs clusters proxyauth audit adminkit sandbox tests
SHELL_SOURCES := $(wildcard deploy/*.sh sandbox/*.sh tests/recorded/*.sh)
# One program (clusters/remote/__init__.py): what one of its files defines, another uses.
AGENT_SOURCES := $(wildcard clusters/remote/*.sh)
TEMPLATES := templates submitter/ops/templates audit/templates clusters/templates jobs/templates
SHFMT := shfmt --language-dialect posix --indent 4
# Each recipe line that runs the project's Python needs to find the sandbox.
WITH_SANDBOX := . .local/sandbox.env &&

# mypy's plugin loads Django's settings; nothing is connected to.
NOWHERE := SECRET_KEY=lint DATABASE_URL=postgres://localhost/lint REDIS_URL=redis://localhost

.PHONY: help up down purge demo test test-unit faults attacks lint audit fmt bench soak lock docs reference venv

help:  ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up:  ## Start the private grid and the service, or bring them up to date (root, Debian 12)
	@$(SANDBOX) up

down:  ## Stop every process of it
	@$(SANDBOX) down

purge:  ## Remove everything that it made, accounts and state included
	@$(SANDBOX) purge

demo:  ## up, then the life of a job on both clusters, as a person would do it with curl
	@$(SANDBOX) demo

test: up  ## up, then every part of the tests, whatever came of the part before, and how long each took
	@$(WITH_SANDBOX) $(BIN)/python -m tests.run

test-unit: venv  ## The unit and API tests, with coverage; needs no root, but PostgreSQL and Redis (installed, or by URL)
	$(BIN)/python -m tests.run unit

faults: up  ## up, then only the tests that cut connections, kill processes and restart databases
	@$(WITH_SANDBOX) $(BIN)/python -m tests.run faults

attacks: up  ## up, then only the tests in which one user attacks and another one works
	@$(WITH_SANDBOX) $(BIN)/python -m tests.run attacks

bench: up  ## up, then the benchmarks, and which targets are met (python -m tests.bench --help: parts of them)
	@$(WITH_SANDBOX) $(BIN)/python -m tests.bench

soak: up  ## up, then a quarter of an hour of submissions, beside an attacker and while everything breaks at random
	@$(WITH_SANDBOX) $(BIN)/python -m tests.soak

docs: venv  ## Build the site of docs/ into .local/site; every page has to be current, every link to lead somewhere
	$(NOWHERE) $(BIN)/python manage.py makereference --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	$(NOWHERE) $(BIN)/pytest --quiet tests/unit/documentation/test_links.py

reference: venv  ## Write docs/reference/ anew from the code
	$(NOWHERE) $(BIN)/python manage.py makereference

venv:
	@$(SANDBOX) venv

lint: venv  ## Style, types and floors; needs no root and no sandbox
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(NOWHERE) $(BIN)/mypy $(PYTHON_SOURCES)
	$(BIN)/lint-imports
	$(BIN)/shellcheck $(SHELL_SOURCES)
	cat $(AGENT_SOURCES) | $(BIN)/shellcheck --shell sh -
	$(BIN)/$(SHFMT) --diff $(SHELL_SOURCES) $(AGENT_SOURCES)
	$(BIN)/djlint --quiet --check --lint $(TEMPLATES)
	! grep --recursive --line-number --extended-regexp '.{121}' $(TEMPLATES)

audit: venv  ## Known vulnerabilities of the pinned dependencies, or why nobody could be asked
	$(BIN)/python .ci/dependencies.py

fmt: venv  ## Bring the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/$(SHFMT) --write $(SHELL_SOURCES) $(AGENT_SOURCES)
	$(BIN)/djlint --quiet --reformat $(TEMPLATES)

lock:  ## Pin the dependencies of pyproject.toml anew, with hashes (needs uv)
	uv pip compile -q --generate-hashes --universal --python-version 3.11 pyproject.toml -o requirements.txt
	uv pip compile -q --generate-hashes --universal --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.txt
