# The only list of verbs: `make` alone prints it. Every verb sets up what it needs by itself.
#
# What a verb takes is given behind it, for example `make run PORT=9000` or `make test ARGS='-k money'`.

SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.SUFFIXES:

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest
HERE := not api and not deep and not stack and not browser and not fresh and not histories
COVERING := attempts blockers budget clearance concurrently gate gate_asyncpg gate_report in_the_way lock pace pooler revisions \
  sessions supervise trace
ARGS ?=
NAME ?=
MODULE ?=
MINUTES ?=

# uv brings certificates of its own. Where the machine has some, those count: they know its proxy.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= true
endif

# `.venv` counts as missing when it was copied from elsewhere or its Python has gone.
SYNCED := .venv/.synced
ifneq ($(shell test -x $(PYTHON) && cat $(SYNCED) 2>/dev/null),$(shell pwd -P))
$(SYNCED): FORCE
endif
$(SYNCED): uv.lock pyproject.toml packages/tidegate/pyproject.toml tools/setup.sh
	@sh tools/setup.sh

.PHONY: FORCE
FORCE:

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-23s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: $(SYNCED) ## Serve the application on a PostgreSQL of its own [PORT=8000] [DEMO=1 for a year of sample expenses]
	@$(PYTHON) -m tools.run

.PHONY: test
test: $(SYNCED) ## Run all tests that need no container engine and no browser [ARGS=…]
	@beside=0; alone=0; \
	$(PYTEST) -n 2 --dist loadgroup -m 'not alone and $(HERE)' --junitxml=.reports/test.xml $(ARGS) || beside=$$?; \
	$(PYTEST) -m 'alone and $(HERE)' --junitxml=.reports/test-alone.xml $(ARGS) || alone=$$?; \
	case "$$beside $$alone" in '0 0' | '0 5' | '5 0') ;; *) exit 1 ;; esac # 5: none of the tests asked for is of this kind

.PHONY: test-deep
test-deep: $(SYNCED) ## Run tidegate's long tests: crashes, cut networks, the locks of every statement [ARGS=…]
	@$(PYTEST) -n 2 --dist loadgroup -m 'deep and not alone' --junitxml=.reports/test-deep.xml packages/tidegate/tests $(ARGS)

.PHONY: test-fresh
test-fresh: $(SYNCED) ## Set up copies of the project as on a new machine, and try `make run` in every way [ARGS=…]
	@$(PYTEST) -n 2 --dist loadgroup -m fresh --junitxml=.reports/test-fresh.xml tests/repository $(ARGS)

.PHONY: test-races
test-races: $(SYNCED) ## Race migrators through every door, 20 rounds on an empty and on an existing database [ARGS=…]
	@TIDEGATE_ROUNDS=20 $(PYTEST) --junitxml=.reports/test-races.xml packages/tidegate/tests/test_races.py $(ARGS)

.PHONY: test-histories
test-histories: $(SYNCED) ## Walk the histories of Prefect, MLflow and Airflow, raced and killed 25 times [ARGS=…]
	@TIDEGATE_HISTORIES=full $(PYTEST) -n 2 --dist loadgroup -m histories --junitxml=.reports/test-histories.xml packages/tidegate/tests/histories $(ARGS)

.PHONY: test-histories-sample
test-histories-sample: $(SYNCED) ## The same on one major, each killed 4 times [ARGS=…]
	@$(PYTEST) -n 2 --dist loadgroup -m histories --junitxml=.reports/test-histories-sample.xml packages/tidegate/tests/histories $(ARGS)

.PHONY: test-api
test-api: $(SYNCED) ## Try every operation of the API with made-up requests, and a generated client [API_EXAMPLES=8] [ARGS=…]
	@$(PYTEST) -n 2 -m api --junitxml=.reports/test-api.xml tests $(ARGS)

.PHONY: test-stack
test-stack: $(SYNCED) ## Run the deployment commands in real containers [ARGS=…]
	@$(PYTEST) -m stack --junitxml=.reports/test-stack.xml tests/stack $(ARGS)

.PHONY: test-browser
test-browser: $(SYNCED) ## Drive the pages in real Chromium [ARGS=…]
	@$(PYTEST) -n 2 -m browser --junitxml=.reports/test-browser.xml tests/browser $(ARGS)

.PHONY: test-tidegate-wheel
test-tidegate-wheel: $(SYNCED) ## Run tidegate's tests against its built wheel in an empty environment [ARGS=…]
	@$(PYTHON) -m tools.wheel --junitxml=$(CURDIR)/.reports/test-tidegate-wheel.xml $(ARGS)

.PHONY: coverage
coverage: $(SYNCED) ## Say which branches of tidegate's locks, retries and gate their tests do not take [ARGS=…]
	@rm -rf .reports/coverage && mkdir -p .reports/coverage
	@failed=0; $(PYTHON) -m coverage run -m pytest -n 2 --dist loadgroup -m 'not alone' \
	--junitxml=.reports/coverage.xml $(COVERING:%=packages/tidegate/tests/test_%.py) $(ARGS) || failed=1; \
	$(PYTHON) -m coverage combine -q; $(PYTHON) -m coverage report && exit $$failed

.PHONY: mutation
mutation: $(SYNCED) ## Change a module of tidegate in every way, and see whether its tests notice: MODULE=pace [MINUTES=60]
	@$(PYTHON) -m tools.mutation $(MODULE) $(MINUTES)

.PHONY: check
check: $(SYNCED) ## Check format, lint, types, imports, migrations against tables, shell scripts
	@$(PYTHON) -m tools.check

.PHONY: audit
audit: $(SYNCED) ## Ask about every locked package: hashes, licences, recalls, known vulnerabilities (needs osv.dev)
	@$(PYTHON) -m tools.audit

.PHONY: audit-lock
audit-lock: $(SYNCED) ## The same without the last question: needs only the package index
	@$(PYTHON) -m tools.audit --lock

.PHONY: format
format: $(SYNCED) ## Format the code, and mend what the linter can mend
	@$(PYTHON) -m ruff check --fix --quiet --exit-zero .
	@$(PYTHON) -m ruff format .

.PHONY: migration
migration: $(SYNCED) ## Write a new migration from the tables as they now are: NAME='add receipts'
	@$(PYTHON) -m tools.migration "$(NAME)"

.PHONY: reference
reference: $(SYNCED) ## Write tidegate's reference anew from its code
	@$(PYTHON) -m tools.reference

.PHONY: rights
rights: $(SYNCED) ## Write the page about rights anew from the matrix
	@$(PYTHON) -m tools.rights

.PHONY: bench
bench: $(SYNCED) ## Measure every claim in benchmarks/ against its rival
	@for claim in $$(grep -l '^"""Claim' benchmarks/*.py); do echo "== $$claim"; $(PYTHON) "$$claim" || exit 1; done

.PHONY: profile
profile: $(SYNCED) ## Show where the time of the API's hot routes goes: benchmarks/results/profiles.md (needs wrk)
	@$(PYTHON) benchmarks/profiles.py

.PHONY: clean
clean: ## Remove what the verbs made, except the data that `make run` keeps in .data/
	@rm -rf .venv .uv .reports .histories dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
