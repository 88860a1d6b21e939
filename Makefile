# `make` lists the targets. They need Python; up, down and reset need Docker; none needs root.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The release of Airflow to work with: 3.2.1, which Amazon MWAA runs, or 3.3.1, the next one.
AIRFLOW ?= 3.2.1
VENV := $(if $(filter 3.2.1,$(AIRFLOW)),.venv,.venv-$(AIRFLOW))
REQUIREMENTS := requirements/development-$(AIRFLOW).txt
# Airflow's constraints for 3.3.1 name packages that need Python 3.12.
PYTHONS := $(if $(filter 3.2.1,$(AIRFLOW)),3.12 3.11,3.12)
IN_VENV := $(VENV)/bin/python -m
CHECKOV := build/checkov
DEPLOY := $(IN_VENV) deploy

# A `python3.12` on the path may be a shim of a version that is not there, so candidates are tried, not looked up.
define find-python
for version in $(PYTHONS); do \
    for candidate in $(or $(PYTHON),python$$version python3 python \
            /usr/bin/python$$version /usr/local/bin/python$$version \
            "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python); do \
        if "$$candidate" -c "import ensurepip, sys; sys.exit(sys.version_info[:2] != ($${version/./,}))" 2>/dev/null; then \
            echo "$$candidate"; exit; \
        fi; \
    done; \
done; \
echo "Airflow $(AIRFLOW) needs Python $(firstword $(PYTHONS)) with its venv module, and $(or $(PYTHON),what was found) is not that. Install it, or name one: make PYTHON=/path/to/python" >&2; \
exit 1
endef

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "ENV=dev or ENV=prod goes with those that touch AWS: setup-terraform, bootstrap, plan, deploy, deploy-dags, verify, destroy."
	@echo "AIRFLOW=3.3.1 makes any of them work with that release, in an environment of its own."

.PHONY: make-build
make-build: $(VENV)/.built ## Build the environment: Airflow, the pipeline's packages, tools, PostgreSQL, an S3 API

$(VENV)/.built: $(REQUIREMENTS)
	@python=$$($(find-python)); \
	echo "Making $(VENV) with $$("$$python" --version) ($$python)"; \
	"$$python" -m venv --clear $(VENV)
	@echo "Installing Airflow $(AIRFLOW) and all else that $(REQUIREMENTS) pins"
	@$(IN_VENV) pip install --quiet --disable-pip-version-check "$$(grep '^uv==' $(REQUIREMENTS))"
	@$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --requirement $(REQUIREMENTS)
	@touch $@
	@echo "$(VENV) is ready"

.PHONY: run
run: make-build ## Run it all on this machine, SOURCE=postgresql://… from a database of yours: RUN_OPTIONS=--help tells how
	@$(IN_VENV) local.run $(if $(SOURCE),--source "$(SOURCE)") $(RUN_OPTIONS)

.PHONY: serve
serve: make-build ## Serve a filled warehouse over HTTP on this machine: PORT=8900
	@$(IN_VENV) local.serve $(if $(PORT),--port $(PORT))

# The image is built from the package index that pip is configured with.
COMPOSE_UP := PIP_INDEX_URL=$${PIP_INDEX_URL:-$$(pip config get global.index-url 2>/dev/null || true)} \
    docker compose up --build --wait --quiet-pull

.PHONY: up
up: ## Run Airflow, a living source, a warehouse and an AWS endpoint in Docker, until `make down`
	@$(COMPOSE_UP)
	@echo "Airflow is at http://localhost:$(or $(AIRFLOW_PORT),8080): admin with password admin, or viewer with viewer,"
	@echo "who may only look. The first run of totesys_warehouse has begun."

.PHONY: down
down: ## Stop what runs in Docker; its data stays
	@docker compose down

.PHONY: reset
reset: ## Stop what runs in Docker and delete its data
	@docker compose down --volumes

BROWSER := build/browser
BROWSER_TEST := $(BROWSER)/bin/python -m pytest --confcutdir tests/compose -o cache_dir=$(BROWSER)/cache -o timeout=1500 \
    tests/compose

.PHONY: test-compose
test-compose: $(BROWSER)/.built ## Try it all in Docker and in a browser (Chromium): TEST_OPTIONS='-k name' selects
	$(BROWSER_TEST) $(TEST_OPTIONS)

$(BROWSER)/.built: requirements/browser.txt
	@python=$$($(find-python)); "$$python" -m venv --clear $(BROWSER)
	@$(BROWSER)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

.PHONY: test
test: make-build ## Run the tests on real servers: TEST_OPTIONS='-k name' selects
	$(IN_VENV) pytest -n 2 --dist worksteal --ignore tests/terraform --ignore tests/totesys/servers --ignore tests/spark \
	    $(TEST_OPTIONS)

.PHONY: test-proofs
test-proofs: make-build ## Try every planted defect, every kill, long histories, many runs, databases and labels; `make test` tries some, chosen by PROOF_SEED
	MUTANTS=1000 SHUFFLES=20 CLASSIFY_BILLS=1000000 HYPOTHESIS_PROFILE=thorough $(IN_VENV) pytest -n 2 --dist worksteal \
	    tests/machinery/test_random_databases.py tests/machinery/test_lake_histories.py \
	    tests/machinery/test_slices_killed.py tests/unit/classify \
	    $(wildcard $(addprefix tests/totesys/acceptance/,test_mutants.py test_crashes.py test_concurrency.py \
        test_histories.py)) $(TEST_OPTIONS)

.PHONY: test-serve-proofs
test-serve-proofs: make-build ## Ask the API between the loads of 1,000 histories, and 10,000 hostile things, and end it 30 times; `make test` a share of that
	HYPOTHESIS_PROFILE=thorough $(IN_VENV) pytest -n 2 tests/serve/test_histories.py tests/serve/test_hostile.py \
	    tests/serve/test_operations.py $(TEST_OPTIONS)

# pgbouncer and PostgreSQL 15 as Debian has them: `apt-get install postgresql-15 pgbouncer`. What is missing is a failure.
.PHONY: test-servers
test-servers: make-build ## Try it through a pooler, on PostgreSQL 15, on standbys, over fail-over and restored volumes
	$(IN_VENV) pytest tests/totesys/servers $(TEST_OPTIONS)

# Java 17 as Debian has it: `apt-get install openjdk-17-jre-headless`. What is missing is a failure.
SPARK := build/spark
.PHONY: test-spark
test-spark: make-build $(SPARK)/.built ## Have Apache Spark read the lake's tables
	$(IN_VENV) pytest tests/spark $(TEST_OPTIONS)

$(SPARK)/.built: requirements/spark.txt | make-build
	@$(VENV)/bin/python -m venv --clear $(SPARK)
	@$(VENV)/bin/uv pip install --quiet --no-deps --python $(SPARK)/bin/python --requirement $<
	@touch $@

.PHONY: bench
bench: make-build ## Measure the pipeline: PEERS=1 compares with other tools, BENCH_OPTIONS=--short is quick
	$(IN_VENV) bench $(if $(PEERS),--peers) $(BENCH_OPTIONS)

.PHONY: bench-serve
bench-serve: make-build ## Measure the API beside a bare route with the same SQL: BENCH_OPTIONS=--help
	$(IN_VENV) bench.serve $(BENCH_OPTIONS)

.PHONY: lint
lint: make-build ## Check style, format and types
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) mypy

.PHONY: format
format: make-build ## Put the code into its standard format
	$(IN_VENV) ruff check --fix-only .
	$(IN_VENV) ruff format .

# Three workers: one of them mostly waits, as Terraform does, for databases to come and go.
.PHONY: test-terraform
test-terraform: make-build $(CHECKOV)/.built ## Prove the infrastructure: checked, applied to a local AWS endpoint, run, destroyed
	$(IN_VENV) pytest tests/terraform -n 3 -o cache_dir=build/terraform-cache $(TEST_OPTIONS)

# checkov pins other releases of packages that Airflow pins.
$(CHECKOV)/.built: requirements/terraform.txt | make-build
	@$(VENV)/bin/python -m venv --clear $(CHECKOV)
	@$(VENV)/bin/uv pip install --quiet --python $(CHECKOV)/bin/python --requirement $<
	@touch $@

# What follows takes ENV=dev or ENV=prod. docs/aws.md tells the steps.
.PHONY: setup-terraform
setup-terraform: make-build ## Find or install Terraform, make the file of settings, connect with the state
	@$(DEPLOY) setup --env "$(ENV)"

.PHONY: bootstrap
bootstrap: make-build ## Make the bucket of Terraform's state
	@$(DEPLOY) bootstrap --env "$(ENV)"

.PHONY: plan
plan: make-build ## Show what a deployment would change
	@$(DEPLOY) plan --env "$(ENV)"

.PHONY: deploy
deploy: make-build ## Package, apply, wait for Airflow, see a run through: YES=1 does not ask
	@$(DEPLOY) deploy --env "$(ENV)" $(if $(YES),--yes)

.PHONY: deploy-dags
deploy-dags: make-build ## Upload what changed under dags/ and include/, and nothing else
	@$(DEPLOY) sync --env "$(ENV)"

.PHONY: verify
verify: make-build ## Look at what was deployed, part by part, and have an alarm send its mail
	@$(DEPLOY) verify --env "$(ENV)"

.PHONY: destroy
destroy: make-build ## Remove an environment with all its data: CONFIRM=<its name>
	@$(DEPLOY) destroy --env "$(ENV)" $(if $(CONFIRM),--confirm "$(CONFIRM)")

# CONSTRAINTS is a folder with Airflow's constraint files for Python 3.12, named constraints-<release>.txt.
.PHONY: lock
lock: make-build ## Pin every package anew: CONSTRAINTS=<folder of Airflow's constraint files>
	@test -n "$(CONSTRAINTS)" || { echo "Say where Airflow's constraint files are: make lock CONSTRAINTS=<folder>" >&2; exit 1; }
	@$(call lock-release,3.2.1,3.11,cat requirements.txt)
	@$(call lock-release,3.3.1,3.12,sed 's/==.*//' requirements.txt)
	@$(call lock-image,3.2.1)
	@$(call lock-image,3.3.1)

# Beside 3.2.1 the pipeline's own packages take the versions that the other release's constraints give them.
define lock-release
echo "Pinning requirements/development-$(1).txt"; \
{ echo "apache-airflow==$(1)"; $(3); cat requirements/development.in; } \
    | $(VENV)/bin/uv pip compile --quiet --universal --python-version $(2) \
        --no-emit-index-url --no-annotate --no-header \
        --constraint $(CONSTRAINTS)/constraints-$(1).txt --output-file requirements/development-$(1).txt - >/dev/null
endef

define lock-image
echo "Pinning requirements/mwaa-$(1).txt"; \
{ echo "apache-airflow==$(1)"; cat requirements/mwaa.in; } \
    | $(VENV)/bin/uv pip compile --quiet --python-version 3.12 --python-platform x86_64-manylinux_2_34 --only-binary :all: \
        --no-emit-index-url --no-annotate --no-header \
        --constraint $(CONSTRAINTS)/constraints-$(1).txt --output-file requirements/mwaa-$(1).txt - >/dev/null
endef

.PHONY: clean
clean: ## Remove every environment and cache
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
