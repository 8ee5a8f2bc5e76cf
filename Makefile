# `make run` and `make test` set up what they need; `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /usr/bin/env bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
CORPORA ?=
JOBS ?= 3
export CHATKIT_DATA_DIR ?= .chatkit

WEB_SOURCES := $(shell find web/core web/element web/bubble web/docusaurus-plugin web/scripts -type f \
	-not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/lib/*' \
	-not -path '*/build/*' -not -name '*.tgz' 2>/dev/null) web/package-lock.json
SITE_SOURCES := $(shell find web/site -type f -not -path '*/node_modules/*' \
	-not -path '*/build/*' -not -path '*/.docusaurus/*' -not -path '*/.generated/*' 2>/dev/null)

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

.PHONY: run
run: .make/python .make/site ## Set everything up, index the docs, serve them with the chat
	@$(BIN)/chatkit-server index web/site/build
	@CHATKIT_SITE_DIR=web/site/build CHATKIT_SITE_NAME="$${CHATKIT_SITE_NAME:-chatkit-server}" \
		CHATKIT_LOG_FORMAT="$${CHATKIT_LOG_FORMAT:-text}" \
		exec $(BIN)/chatkit-server serve

.PHONY: site
site: .make/site ## Run the site's development server (the chat server runs beside it)
	npm --prefix web/site start

.PHONY: web
web: .make/web ## Build the element, the chat page and the plugin

.PHONY: test
test: .make/dev .make/site .make/system ## Run every test, browser tests included
	npm --prefix web test
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: lint
lint: .make/dev .make/node ## Format, lint, types, import order
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	npm --prefix web run lint
	$(BIN)/zizmor --offline --no-progress --quiet .github
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml

.PHONY: audit
audit: .make/dev ## Ask for known vulnerabilities of everything that is installed
	$(BIN)/python -m tests.release.audit $(ARGS)

.PHONY: matrix
matrix: .make/dev .make/web .make/system ## Test with the lowest and the newest versions of what it needs
	$(BIN)/python -m tests.release.matrix $(VERSIONS)

.PHONY: format
format: .make/dev .make/node ## Format everything
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	npm --prefix web run format

.PHONY: bench
bench: .make/dev .make/site ## Measure; `make bench CORPORA=DIR` measures search on corpora
	$(BIN)/python -m tests.bench $(if $(CORPORA),--corpora $(CORPORA))

.PHONY: faults
faults: .make/dev ## Kill, cut and mistreat the server at full length; FAULTS_SEED=N for other dice
	FAULTS_SCALE=1 $(BIN)/pytest tests/faults -s --timeout 0 $(ARGS)

.PHONY: docs-test
docs-test: .make/dev .make/web ## Run the commands of the docs; `make docs-test PAGES=neon.md` runs one page's
	$(BIN)/python -m tests.docs $(PAGES)

.PHONY: compose-test
compose-test: .make/dev ## Build and start docker-compose.yml with a Docker engine, scale and break it
	$(BIN)/pytest tests/compose -s $(ARGS)

.PHONY: fresh-test
fresh-test: .make/dev ## Clone and `make run` in a bare Debian container
	$(BIN)/pytest tests/fresh -s $(ARGS)

.PHONY: constraints
constraints: .make/venv ## Choose the versions in constraints.txt anew
	$(BIN)/pip install --quiet uv
	$(BIN)/python -m tests.constraints

.PHONY: shots
shots: .make/dev .make/site .make/system ## Take the pictures of the docs, and record the answers of the landing page
	$(BIN)/python -m tests.browser.shots
	$(BIN)/python -m tests.browser.board

.PHONY: wheel
wheel: .make/dev .make/web ## Build the wheel, web files included
	rm -rf dist
	$(BIN)/python -m build --wheel --outdir dist
	$(BIN)/python -m tests.wheel dist

.PHONY: clean
clean: ## Remove what was built; data in CHATKIT_DATA_DIR stays
	rm -rf .make .venv dist web/node_modules web/*/dist web/*/lib web/*/build \
		web/site/node_modules web/site/.docusaurus web/site/.generated
	find chatkit_server/static -mindepth 1 -not -name .gitkeep -delete

.make/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; set PYTHON=python3.x" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@mkdir -p .make && touch $@

.make/python: .make/venv pyproject.toml
	$(BIN)/pip install --quiet -e '.[local]'
	@touch $@

.make/dev: .make/python
	$(BIN)/pip install --quiet --group dev
	@touch $@

.make/node: web/package-lock.json
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' \
		|| { echo "Node 20 or newer is needed" >&2; exit 1; }
	npm --prefix web ci
	@mkdir -p .make && touch $@

.make/web: .make/node $(WEB_SOURCES)
	npm --prefix web run build
	@touch $@

.make/site-node: web/site/package-lock.json | .make/node
	npm --prefix web/site ci
	@touch $@

.make/site: .make/site-node .make/web $(SITE_SOURCES)
	npm --prefix web/site run build
	@touch $@

.make/system: .ci/system
	.ci/system
	@mkdir -p .make && touch $@
